"""Who is observed when, and under which treatment: the clusters by periods of a trial, before any outcome exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import DesignError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Layout:
    """Clusters by periods; the closed formulas need nothing else of a design.

    Parameters
    ----------
    treated : (n, t) float in [0, 1]
        1 where the cluster has the new way, a fraction where it has part of its effect; 0 where nobody is observed.
    sizes : (n, t) float >= 0
        People behind each mean; 0 where the cell is not observed.
    exposure : (n, t) int
        Periods since the cluster's start: 0 before it, 1 in the first treated period.
    """

    treated: Floats
    sizes: Floats
    exposure: NDArray[np.intp]

    @classmethod
    def of(cls, treated: ArrayLike, sizes: ArrayLike, *, exposure: ArrayLike | None = None) -> Self:
        """A layout from plain arrays.

        Parameters
        ----------
        treated : (n, t) float in [0, 1]
            nan where a cell is not observed (incomplete, transition and staircase designs).
        sizes : float, (n,) per cluster or (n, t) per cell
            People in a cell; 0 also means not observed.
        exposure : (n, t) int, optional
            Needed only where a cluster's first treated period is not observed; otherwise counted from the first
            period in which it is treated.

        Raises
        ------
        DesignError
            The arrays do not fit each other, or hold a number that is none.
        """
        table = np.array(treated, np.float64)
        if table.ndim != 2 or not table.size:
            raise _misfit(f"treated has the shape {table.shape}, not clusters by periods", {"shape": table.shape})
        people = _spread(sizes, table.shape)
        people = np.where(np.isnan(table), 0.0, people)
        table = np.where(people > 0, table, 0.0)
        if np.any((table < 0) | (table > 1)):
            raise _misfit("treated holds something else than 0, 1 or a fraction", {"treated": table.tolist()})
        time = _since_start(table) if exposure is None else np.array(exposure, np.intp)
        if time.shape != table.shape:
            raise _misfit(f"exposure has the shape {time.shape}, treated {table.shape}", {"shape": time.shape})
        return cls(treated=table, sizes=people, exposure=time)

    @classmethod
    def starting(cls, starts: Sequence[int | None], *, periods: int, sizes: ArrayLike) -> Self:
        """One row per cluster that starts in the given period (1 is the first) and stays; None never starts."""
        first = np.array([np.inf if start is None else start for start in starts], np.float64)
        time = np.maximum(np.arange(1, periods + 1) - first[:, None] + 1, 0)
        return cls.of(time > 0, sizes, exposure=time.astype(np.intp))

    @classmethod
    def stepped(cls, clusters: Sequence[int], *, sizes: ArrayLike, before: int = 1, after: int = 1) -> Self:
        """A stepped wedge: ``clusters[s]`` clusters start in sequence s, one step a period.

        Parameters
        ----------
        clusters : clusters of each sequence; 0 for a step nobody takes
        before : periods before the first sequence starts
        after : periods in which every cluster is treated
        """
        starts = [before + 1 + step for step, count in enumerate(clusters) for _ in range(count)]
        return cls.starting(starts, periods=before + len(clusters) - 1 + after, sizes=sizes)

    @property
    def n_clusters(self) -> int:
        """Clusters that are observed at all."""
        return int(self.observed.any(axis=1).sum())

    @property
    def observed(self) -> Bools:
        """(n, t) whether anybody is in the cell."""
        return np.asarray(self.sizes > 0, np.bool_)

    def around(self, before: int, after: int) -> Self:
        """A staircase: only ``before`` periods before a cluster's start and ``after`` from it on are observed.

        References
        ----------
        Grantham et al. (2024), doi:10.1177/09622802231202364.
        """
        place = np.arange(self.exposure.shape[1])
        gap = self.first[:, None] - place  # periods until the start
        return self._seen((gap <= before) & (gap > -after))

    def without_transition(self, periods: int = 1) -> Self:
        """The first ``periods`` treated periods of a cluster are not observed; exposure still counts them."""
        return self._seen((self.exposure == 0) | (self.exposure > periods))

    def times(self, k: int) -> Self:
        """Every cluster ``k`` times."""
        return replace(
            self,
            treated=np.repeat(self.treated, k, axis=0),
            sizes=np.repeat(self.sizes, k, axis=0),
            exposure=np.repeat(self.exposure, k, axis=0),
        )

    @property
    def first(self) -> Floats:
        """(n,) place of a cluster's first treated period, from 0; infinite where it never starts."""
        started = self.exposure > 0
        return np.where(started.any(axis=1), started.argmax(axis=1), np.inf)

    def _seen(self, keep: Bools) -> Self:
        return replace(self, treated=np.where(keep, self.treated, 0.0), sizes=np.where(keep, self.sizes, 0.0))

    def patterns(self) -> tuple[Self, NDArray[np.intp]]:
        """The distinct rows, and how many clusters have each: clusters alike bring the same information."""
        rows = np.concatenate([self.treated, self.sizes, self.exposure], axis=1)
        _, at, counts = np.unique(rows, axis=0, return_index=True, return_counts=True)
        made = replace(self, treated=self.treated[at], sizes=self.sizes[at], exposure=self.exposure[at])
        return made, counts.astype(np.intp)


def per_label(
    labels: Sequence[str],
    starts: Mapping[str, int | None],
    *,
    periods: int,
    sizes: Floats,
    transition: int = 0,
    around: tuple[int, int] | None = None,
) -> list[Layout]:
    """The layout of all clusters under each label: what every item of a design would look like with that label.

    Parameters
    ----------
    labels : a design's ``label_names``
    starts : label -> first treated period, from 1; None where the label never starts
    periods : how many periods the trial has
    sizes : (n, t) float
    transition, around : as in `Layout.without_transition` and `Layout.around`

    Raises
    ------
    DesignError
        A label has no start, or a start is told for a label the design does not have.
    """
    if set(labels) != set(starts):
        missing, unknown = sorted(set(labels) - set(starts)), sorted(set(starts) - set(labels))
        raise DesignError(
            f"Starts are needed for exactly the labels {list(labels)}; missing {missing}, unknown {unknown}. A label "
            "without a start has no treated period. Give each label its first treated period, or None for never.",
            {"missing": missing, "unknown": unknown},
            da=f"Der skal angives en start for netop {list(labels)}; der mangler {missing}, og {unknown} findes ikke. "
            "Uden en start er der ingen periode med indsatsen. Angiv hver bølges første periode, eller None for aldrig.",
        )
    made = [Layout.starting([starts[label]] * len(sizes), periods=periods, sizes=sizes) for label in labels]
    made = [layout.without_transition(transition) if transition else layout for layout in made]
    return made if around is None else [layout.around(*around) for layout in made]


def _spread(sizes: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """(n, t) people per cell from one number, one per cluster or one per cell."""
    given = np.array(sizes, np.float64)
    if given.ndim == 1:
        given = given[:, None]
    fits = given.ndim == 0 or (given.ndim == 2 and given.shape[0] == shape[0] and given.shape[1] in (1, shape[1]))
    if not fits or not np.all(given >= 0) or not np.isfinite(given).all():
        raise _misfit(
            f"sizes are not one number, one per cluster or one per cell of {shape} that is at least 0",
            {"shape": given.shape},
        )
    return np.array(np.broadcast_to(given, shape))


def _since_start(treated: Floats) -> NDArray[np.intp]:
    """(n, t) periods since the first treated one, which counts 1."""
    started = np.cumsum(treated > 0, axis=1) > 0
    return np.cumsum(started, axis=1).astype(np.intp)


def _misfit(what: str, facts: Mapping[str, object]) -> DesignError:
    return DesignError(
        f"The layout cannot be read: {what}. Without it no variance follows. Give one row per cluster and one column per "
        "period: treated as 0 or 1 (nan where nobody is observed), sizes as people.",
        facts,
        da="Opstillingen af klynger og perioder kan ikke læses, så ingen varians følger af den. Giv én række pr. klynge og "
        "én søjle pr. periode: 0 eller 1 for indsats (nan, hvor ingen observeres), og antal personer.",
    )


__all__ = ["Layout", "per_label"]
