"""Counts reduced to cells: rows of one cluster, one period and one pattern of columns are added up before anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints, one_per_row
from trialkit.estimate.given import numbers

Family = Literal["binomial", "poisson"]
FAR: Final = 300.0  # a log rate beyond which exp is kept finite; no maximum lies there


class Curve(NamedTuple):
    """b(eta) of a canonical family and its first three derivatives, which all have the shape of eta.

    A cell with ``events`` and ``sizes`` has log-likelihood events eta - sizes b(eta) and a constant; eta are log odds
    (binomial, b = log(1 + e^eta)) or log rates (Poisson, b = e^eta).

    Parameters
    ----------
    b : function of eta (...,) to (...,)
    slopes : function of eta (...,) to the first three derivatives of b, (...,) each
        The first is the expected share or rate, the second its variance per person or unit of person-time.  Beyond a
        log rate of `FAR` b and its derivatives stay what they are there (Poisson), so that they are finite.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, section 2.2.2.
    """

    b: Callable[[Floats], Floats]
    slopes: Callable[[Floats], tuple[Floats, Floats, Floats]]


def _logistic(eta: Floats) -> tuple[Floats, Floats, Floats]:
    mean = expit(eta)
    spread = mean * (1 - mean)
    return mean, spread, spread * (1 - 2 * mean)


def _exp(eta: Floats) -> Floats:
    return np.asarray(np.exp(np.minimum(eta, FAR)), np.float64)


def _exponential(eta: Floats) -> tuple[Floats, Floats, Floats]:
    mean = _exp(eta)
    return mean, mean, mean


CURVES: Final = {
    "binomial": Curve(lambda eta: np.asarray(np.logaddexp(0.0, eta), np.float64), _logistic),
    "poisson": Curve(_exp, _exponential),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class CountCells:
    """m cells in order of cluster and group (a cluster's period, or the cluster itself), c clusters, g groups.

    Parameters
    ----------
    family : "binomial" or "poisson"
    x : (m, p) float
    events, sizes : (m,) float
        Events, and the persons (binomial) or the person-time (Poisson) they happened in.
    group_of, cluster_of : (m,) int
        Each cell's group and cluster.
    cluster_of_group, label_of_group : (g,) int
        Its cluster, and the code it was given.
    group_start, cluster_start : (g,) and (c,) int
        First cell of each group, first group of each cluster.
    constant : float
        What the log-likelihood of the data as given has beside the cells' kernels: binomial coefficients or factorials.
    """

    family: Family
    x: Floats
    events: Floats
    sizes: Floats
    group_of: Ints
    cluster_of: Ints
    cluster_of_group: Ints
    label_of_group: Ints
    group_start: Ints
    cluster_start: Ints
    constant: float

    @classmethod
    def of(
        cls, family: Family, x: Floats, events: Floats, sizes: Floats, cluster: Ints, group: Ints
    ) -> CountCells:  # fmt: skip
        """Rows (n, ...) added up; ``group`` is any code that is alike within a group of a cluster.

        A Poisson row with mean size x rate has the kernel events log(rate) - size x rate, so sizes add up too.
        """
        keys = np.column_stack([cluster.astype(np.float64), group.astype(np.float64), x])
        first, code = alike(keys)
        found, m = keys[first], len(first)
        pair, group_start, group_of = np.unique(found[:, :2], axis=0, return_index=True, return_inverse=True)
        _, cluster_start, cluster_of_group = np.unique(pair[:, 0], return_index=True, return_inverse=True)
        group_of, cluster_of_group = group_of.ravel().astype(np.intp), cluster_of_group.ravel().astype(np.intp)
        return cls(
            family=family, x=np.ascontiguousarray(found[:, 2:]), events=_added(events, code, m),
            sizes=_added(sizes, code, m), group_of=group_of, cluster_of=cluster_of_group[group_of],
            cluster_of_group=cluster_of_group, label_of_group=pair[:, 1].astype(np.intp),
            group_start=group_start.astype(np.intp), cluster_start=cluster_start.astype(np.intp),
            constant=_constant(family, events, sizes),
        )  # fmt: skip

    @property
    def curve(self) -> Curve:
        """The family's b and its derivatives."""
        return CURVES[self.family]

    @property
    def p(self) -> int:
        """Fixed effects."""
        return int(self.x.shape[1])

    def by_group(self, values: Floats) -> Floats:
        """(g, ...) sums of (m, ...)."""
        return np.asarray(np.add.reduceat(values, self.group_start, axis=0), np.float64)

    def by_cluster(self, values: Floats) -> Floats:
        """(c, ...) sums of (g, ...)."""
        return np.asarray(np.add.reduceat(values, self.cluster_start, axis=0), np.float64)


def alike(rows: Floats) -> tuple[Ints, Ints]:
    """First row of each distinct one of rows (n, k), in their order, and (n,) which of them each row is.

    Column by column into one whole number, which is many times faster than sorting whole rows.
    """
    code, kinds = np.zeros(len(rows), np.int64), 1
    for column in rows.T:
        low, high = column.min(), column.max()
        if ((column == low) | (column == high)).all():
            own, k = (column > low).astype(np.int64), 2
        else:
            values, own = np.unique(column, return_inverse=True)
            own, k = own.ravel(), len(values)
        if kinds > 2**62 // k:
            seen, code = np.unique(code, return_inverse=True)
            code, kinds = code.ravel(), len(seen)
        code, kinds = code * k + own, kinds * k
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return first.astype(np.intp), which.ravel().astype(np.intp)


def _added(values: Floats, code: Ints, m: int) -> Floats:
    return np.asarray(np.bincount(code, weights=values, minlength=m), np.float64)


def _constant(family: Family, events: Floats, sizes: Floats) -> float:
    if family == "binomial":
        return float((gammaln(sizes + 1) - gammaln(events + 1) - gammaln(sizes - events + 1)).sum())
    return float((events * np.log(sizes) - gammaln(events + 1)).sum())


def checked_counts(family: str, outcome: ArrayLike, sizes: ArrayLike | None) -> tuple[Floats, Floats]:
    """Events and sizes (n,) as numbers.

    Raises
    ------
    EstimateError
        An unknown family, events that are not whole numbers from 0, more events than persons, persons that are not
        whole, or a size that is not positive; ``facts["rows"]`` lists which.
    """
    if family not in get_args(Family):
        raise EstimateError(
            f"There is no family {family!r}. Write 'binomial' (events among persons) or 'poisson' (counts).",
            {"family": family, "known": list(get_args(Family))},
            da=f"Der er ingen familie {family!r}. Skriv 'binomial' (hændelser blandt personer) eller 'poisson' (antal).",
        )
    y = one_per_row(outcome)
    size = np.ones_like(y) if sizes is None else numbers(sizes, "sizes")
    if size.shape != y.shape:
        raise EstimateError(
            f"outcome has shape {y.shape} and sizes {size.shape}. Give one of each per row.",
            {"outcome": y.shape, "sizes": size.shape},
            da=f"outcome har formen {y.shape} og sizes {size.shape}. Giv én af hver pr. række.",
        )
    wrong = ~(np.isfinite(y) & (y >= 0) & (y == np.floor(y)) & np.isfinite(size) & (size > 0))
    if family == "binomial":
        wrong |= (y > size) | (size != np.floor(size))
    if wrong.any():
        rows = np.flatnonzero(wrong)
        of = " of at most the row's whole number of persons" if family == "binomial" else ""
        raise EstimateError(
            f"{len(rows)} rows have a missing value, events that are not a whole number from 0{of}, or a size that is "
            f"not positive; the first is row {rows[0]}. A row left out in silence would change the question. Leave "
            "them out by name, or correct them.",
            {"rows": rows.tolist(), "family": family},
            da=f"{len(rows)} rækker mangler en værdi, har hændelser, der ikke er et helt tal fra 0 (og for 'binomial' "
            f"højst rækkens hele antal personer), eller en størrelse, der ikke er positiv; den første er række "
            f"{rows[0]}. Udelad dem med vilje, eller ret dem.",
        )
    return y, size


__all__ = ["CountCells", "Curve", "Family", "alike", "checked_counts"]
