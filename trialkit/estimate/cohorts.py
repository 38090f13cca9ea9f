"""Cohorts of a staggered rollout: sizes, means and covariances, in one pass over the data.

A cohort is the units that start in the same period.  Every estimator for staggered starts here needs no more of the
data than each cohort's size, its mean in every period and the covariances between periods, so its cost does not grow
with the number of units once these are known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError, PanelError
from trialkit.estimate.cells import check_scale
from trialkit.estimate.given import labelled, numbers, same_rows

if TYPE_CHECKING:
    import pandas as pd

    from trialkit.panel import Panel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Cohorts:
    """What the estimators take.

    Parameters
    ----------
    starts : (g,) int, ascending
        Column of each cohort's first treated period; ``n_periods`` for units not treated within the data.
    sizes : (g,) int
    means : (g, t) float
    covariances : (g, t, t) float
        With divisor N_g - 1; 0 for a cohort of one, whose variance nobody can see.  Where units count by size, of their
        residuals from the ratio.
    """

    starts: Ints
    sizes: Ints
    means: Floats
    covariances: Floats

    @classmethod
    def of(cls, outcome: Floats, first: Ints, sizes: Floats | None = None) -> Self:
        """Moments of (n, t) outcomes whose units start in columns ``first`` (n,), and count by ``sizes`` (n,).

        With sizes w a cohort's mean is the ratio R = sum w y / sum w, and its covariance that of w (y - R) over the mean
        of w (Cochran 1977, Sampling Techniques, section 6.4).  Memory beyond the data is that of one cohort's rows.
        """
        starts, counted = np.unique(first, return_counts=True)
        t = outcome.shape[1]
        means, covariances = np.empty((starts.size, t)), np.zeros((starts.size, t, t))
        for k, start in enumerate(starts):
            here = first == start
            rows = outcome[here]
            weigh = None if sizes is None else sizes[here] / sizes[here].mean()
            means[k] = rows.mean(axis=0) if weigh is None else weigh @ rows / weigh.size
            rows -= means[k]
            if weigh is not None:
                rows *= weigh[:, None]
            covariances[k] = rows.T @ rows / max(counted[k] - 1, 1)
        return cls(starts=starts.astype(np.int64), sizes=counted.astype(np.int64), means=means, covariances=covariances)

    @property
    def n(self) -> int:
        """Units."""
        return int(self.sizes.sum())

    @property
    def n_periods(self) -> int:
        """Periods."""
        return int(self.means.shape[1])

    def only(self, which: Bools) -> Self:
        """Some of the cohorts."""
        return replace(
            self,
            starts=self.starts[which],
            sizes=self.sizes[which],
            means=self.means[which],
            covariances=self.covariances[which],
        )

    def value(self, a: Floats) -> Floats:
        """(...,) the contrasts ``a`` (..., g, t) of the cohort means."""
        found: Floats = np.einsum("...gt,gt->...", a, self.means)
        return found

    def covariance(self, a: Floats, b: Floats) -> Floats:
        """(k, m) sum over cohorts of a_g S_g b_g' / N_g, for ``a`` (k, g, t) and ``b`` (m, g, t)."""
        spread = self.covariances / self.sizes[:, None, None]
        found: Floats = sum(
            (a[:, k] @ spread[k] @ b[:, k].T for k in range(self.sizes.size)), np.zeros((len(a), len(b)))
        )
        return found


class Timing(NamedTuple):
    """Units' first treated columns, and the periods they count in."""

    first: Ints  # (n,)
    periods: Floats  # (t,) as given, ascending


def timing(
    start: ArrayLike, periods: ArrayLike | None, n_periods: int, *, names: Sequence[str] | None = None
) -> Timing:
    """Starts as columns: the first observed period at or after the start.

    Periods are counted by their order, never by subtraction, so a gap in them is no gap in exposure: with periods 1, 2,
    5 a unit that starts in 4 is treated from 5 on, and its event time there is 0.  Infinity, nan and None, any start after
    the last period, and 0 where the periods begin above 0, are "not treated within the data".

    Parameters
    ----------
    start : (n,) the period each unit starts in, in the numbers of ``periods``
    periods : (t,) ascending numbers; 1 ... t if left out
    names : (n,) what a refusal calls each start, e.g. labels; rows by number unless given

    Raises
    ------
    EstimateError
        Periods are not ascending, or as many as columns; a start that is no number, is below 0 where periods are not
        (which is how some tables write that it is missing), or lies between whole periods.
    """
    times = np.arange(1.0, n_periods + 1) if periods is None else numbers(periods, "periods")
    if times.shape != (n_periods,) or not (np.diff(times) > 0).all():
        raise EstimateError(
            f"{times.size} periods for {n_periods} columns, or periods that do not ascend: nobody could say who had "
            "started. Give one ascending number per column.",
            {"periods": times.tolist(), "columns": n_periods},
            da=f"{times.size} perioder til {n_periods} kolonner, eller perioder, der ikke er stigende: så kan ingen "
            "sige, hvem der var begyndt. Angiv ét stigende tal pr. kolonne.",
        )
    raw = numbers(start, "start")
    if raw.ndim == 1 and (wrong := np.flatnonzero(_no_start(raw, times))).size:
        raise _impossible_start(raw[wrong[0]], f"row {wrong[0]}" if names is None else names[wrong[0]], times)
    never = ~np.isfinite(raw) | ((raw == 0) & (times[0] > 0))  # 0 is a period like any other where periods hold it
    columns = np.searchsorted(times, np.where(never, np.inf, raw))
    return Timing(columns.astype(np.int64), times)


def _no_start(raw: Floats, times: Floats) -> Bools:
    """(n,) bool: starts that no unit can have had."""
    below = (raw < 0) & (times[0] >= 0)
    whole = bool((times == np.floor(times)).all())
    return np.asarray(np.isfinite(raw) & (below | (whole & (raw != np.floor(raw)))) | np.isneginf(raw))


def _impossible_start(start: float, name: str, times: Floats) -> EstimateError:
    return EstimateError(
        f"The start of {name} is {start:g}, and the periods run from {times[0]:g} to {times[-1]:g}, so no period is meant. "
        "Write a period's own number, an earlier one (from 0) for who had always started, or None for who never does.",
        {"start": float(start), "name": name, "periods": times.tolist()},
        da=f"Starten for {name} er {start:g}, og perioderne går fra {times[0]:g} til {times[-1]:g}, så ingen periode er "
        "ment. Skriv periodens eget tal, et tidligere (fra 0) for den, der altid var begyndt, eller None for den, der "
        "aldrig begynder.",
    )


class Given(NamedTuple):
    """What an estimator of staggered starts was given, checked."""

    outcome: Floats  # (n, t)
    first: Ints  # (n,) first treated columns
    times: Floats  # (t,)


def given(outcome: ArrayLike, start: ArrayLike, periods: ArrayLike | None, **beside: object) -> Given:
    """Outcomes by unit and period and the units' starts, in one order; ``beside`` is whatever else stands by unit.

    Raises
    ------
    EstimateError
        As `timing`; tables whose rows are labelled differently, or columns that `check_columns` refuses.
    PanelError
        As `balanced`.
    """
    same_rows({"outcome": outcome, "start": start, **beside})
    check_columns(outcome, periods)
    y = balanced(outcome)
    first, times = timing(start, periods, y.shape[1])
    return Given(balanced(y, first), first, times)


def check_columns(outcome: object, periods: ArrayLike | None) -> None:
    """Refuse a DataFrame whose columns say another order of periods than the one they are taken in.

    Raises
    ------
    EstimateError
        Numbers or dates that do not ascend, texts in reverse, or numbers other than ``periods``.
    """
    labels = [] if (columns := getattr(outcome, "columns", None)) is None else list(columns)
    if labels == list(range(len(labels))):  # nobody named them
        return
    steps: list[tuple[Any, Any]] = list(pairwise(_natural(label) for label in labels))
    try:
        texts = all(isinstance(label, str) for label in labels)  # names of months have no order to be in, but a reverse
        wrong = all(a > b for a, b in steps) and bool(steps) if texts else not all(a < b for a, b in steps)
    except TypeError:  # labels of several kinds have no order
        wrong = True
    if periods is not None and all(isinstance(label, int | float) for label in labels):
        wrong |= not np.array_equal(np.asarray(labels, np.float64), numbers(periods, "periods"))
    if not wrong:
        return
    raise EstimateError(
        f"The outcome's columns are {', '.join(map(str, labels[:5]))}, ..., which do not ascend or are not the periods "
        "given: effects would be laid in other periods than they happened in. Sort the columns in time order, or hand over "
        "the bare values.",
        {"columns": [str(label) for label in labels]},
        da=f"Udfaldets kolonner er {', '.join(map(str, labels[:5]))}, ..., som ikke er stigende eller ikke er de angivne "
        "perioder: så ville virkninger ligge i andre perioder, end de skete i. Sortér kolonnerne i tidens orden, eller giv "
        "de rene værdier.",
    )


def _natural(label: object) -> object:
    """A text with its digits as numbers, so that m2 comes before m10; anything else as it is."""
    if not isinstance(label, str):
        return label
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", label)]


def balanced(outcome: ArrayLike, first: Ints | None = None) -> Floats:
    """(n, t) outcomes without a gap.

    Raises
    ------
    PanelError
        A missing value (``facts["rows"]`` lists the units by place), or another number of units than starts.
    """
    y = numbers(outcome, "outcome")
    gaps = [] if y.ndim != 2 else np.flatnonzero(~np.isfinite(y).all(axis=1)).tolist()
    if y.ndim != 2 or gaps or (first is not None and len(y) != len(first)):
        raise PanelError(
            f"Outcomes of shape {y.shape} with {len(gaps)} incomplete units: cohort means of different units in "
            "different periods would pass for an effect. Give every unit every period, or leave units or periods out "
            "beforehand and say so.",
            {"shape": y.shape, "rows": gaps},
            da=f"Udfald med formen {y.shape}, og {len(gaps)} enheder har huller: gennemsnit af forskellige enheder i "
            "forskellige perioder kunne ligne en virkning. Giv alle enheder alle perioder, eller udelad nogle først "
            "og sig det.",
        )
    check_scale("the outcome", y)
    return y


class Wide(NamedTuple):
    """A tidy frame as arrays."""

    units: NDArray[Any]  # (n,)
    periods: Floats  # (t,)
    outcome: Floats  # (n, t)
    start: Floats  # (n,)


def wide(frame: pd.DataFrame, *, unit: str, period: str, start: str, outcome: str) -> Wide:
    """A tidy frame, one row per unit and period, as arrays; units and periods ascending.

    Raises
    ------
    PanelError
        A column is not there; a unit stands twice in a period, is missing from one, or has two starts.
    """
    if lacking := [name for name in (unit, period, start, outcome) if name not in frame]:
        raise PanelError(
            f"The table has no column {', '.join(map(repr, lacking))}. It has {', '.join(map(str, frame.columns))}.",
            {"columns": lacking},
            da=f"Tabellen har ingen kolonne {', '.join(map(repr, lacking))}. Den har {', '.join(map(str, frame.columns))}.",
        )
    units, at = np.unique(labelled(frame[unit], unit), return_inverse=True)
    periods, column = np.unique(numbers(frame[period], period), return_inverse=True)
    cell = at * periods.size + column
    g = numbers(frame[start], start)
    first = np.full(units.size, np.nan)
    first[at] = g
    same = (first[at] == g) | (np.isnan(first[at]) & np.isnan(g))
    if cell.size != units.size * periods.size or np.unique(cell).size != cell.size or not same.all():
        twice = cell.size - np.unique(cell).size
        raise PanelError(
            f"{cell.size} rows for {units.size} units x {periods.size} periods, {twice} of them twice and "
            f"{int((~same).sum())} with another start than the unit's: cohorts cannot be formed. Give one row per unit "
            "and period, and one start per unit.",
            {"rows": int(cell.size), "twice": twice, "other_start": int((~same).sum())},
            da=f"{cell.size} rækker til {units.size} enheder x {periods.size} perioder, {twice} af dem dobbelt og "
            f"{int((~same).sum())} med en anden start end enhedens: så kan enhederne ikke deles efter start. Giv én "
            "række pr. enhed og periode, og én start pr. enhed.",
        )
    values = np.empty(cell.size)
    values[cell] = numbers(frame[outcome], outcome)
    return Wide(units, periods, values.reshape(units.size, periods.size), first)


def counts(panel: Panel, *, per: str = "unit", expected: ArrayLike | None = None) -> Floats:
    """(n, t) outcomes of a panel of counts, for an effect per unit or per child.

    ``per="unit"``: each unit's own share, every unit counting the same.  ``per="child"``: the numerator over the mean
    denominator of the period, so that a plain mean over units is events per child of all children; unbiased for the
    effect per child where starting does not change how many children there are.

    Parameters
    ----------
    expected : float, or (t,), events per child, with ``per="child"``
        What was to be expected of everybody, for instance the share of all units before the first start: each unit is
        then counted by its difference from it, which keeps large units from swaying a cohort's mean.  The estimate stays
        unbiased for any number fixed before the lot; its variance is smaller the nearer the number is, most of all
        where little of X is subtracted (with beta = 1 a size that lasts drops out by itself).

    Raises
    ------
    EstimateError
        ``per`` is neither, or ``expected`` is given per unit.

    References
    ----------
    Middleton and Aronow (2015), doi:10.1515/spp-2013-0002: totals are unbiased where ratios are not (section 3), and
    the difference estimator of Des Raj (section 4).
    """
    if per not in ("unit", "child") or (per == "unit" and expected is not None):
        raise unknown("per", per, ("unit", "child"))
    if per == "unit":
        return panel.value
    rate = np.zeros(1) if expected is None else numbers(expected, "expected")
    found: Floats = (panel.numerator - rate * panel.denominator) / panel.denominator.mean(axis=0) + rate
    return found


def clustered(outcome: Floats, cluster: NDArray[np.intp], *, per: str = "cluster") -> Floats:
    """(c, t) one row per cluster 0 ... c - 1, for timing that was drawn for clusters.

    ``per="cluster"``: means, every cluster counting the same.  ``per="unit"``: totals over the mean cluster size, so
    that a plain mean over clusters is the mean over units; unbiased, but of larger variance where sizes differ
    (Middleton and Aronow 2015, doi:10.1515/spp-2013-0002).  Subtract from all outcomes what was to be expected of
    everybody before the lot, and the variance is small again (as in `counts`).

    Raises
    ------
    EstimateError
        ``per`` is neither.
    """
    if per not in ("cluster", "unit"):
        raise unknown("per", per, ("cluster", "unit"))
    sizes = np.bincount(cluster)
    sums = np.zeros((sizes.size, outcome.shape[1]))
    np.add.at(sums, cluster, outcome)
    return np.asarray(sums / (sizes[:, None] if per == "cluster" else sizes.mean()), np.float64)


def sized(sizes: ArrayLike | None, n: int) -> Floats | None:
    """(n,) sizes that rows count by, or None where all count the same.

    Raises
    ------
    EstimateError
        Another number of sizes than rows, or one that is not above 0.
    """
    if sizes is None:
        return None
    found = numbers(sizes, "sizes")
    if found.shape != (n,) or not (np.isfinite(found) & (found > 0)).all():
        raise EstimateError(
            f"Sizes of shape {found.shape} for {n} rows, or a size that is not above 0: nobody could say how much each "
            "counts. Give one size per row; leave out rows that nobody is counted in.",
            {"shape": found.shape, "rows": n},
            da=f"Størrelser med formen {found.shape} til {n} rækker, eller en størrelse, der ikke er over 0: så kan ingen "
            "sige, hvor meget hver tæller. Angiv én størrelse pr. række, og udelad rækker uden nogen.",
        )
    return found


def unknown(what: str, given: str, known: Sequence[str]) -> EstimateError:
    """The refusal of a name that is not known, to be raised by whoever was given it.

    Parameters
    ----------
    what : str
        What the name should have been, e.g. ``"estimand"``; also the key of ``facts`` that holds it.
    given : str
    known : the names to use instead, at least one; ``facts["known"]``
    """
    return EstimateError(
        f"{given!r} is not a {what} that is known, and another one would answer another question. "
        f"Use {' or '.join(known)}.",
        {what: given, "known": list(known)},
        da=f"{given!r} findes ikke ({what}), og et andet valg ville besvare et andet spørgsmål. "
        f"Brug {' eller '.join(known)}.",
    )


__all__ = [
    "Cohorts", "Given", "Timing", "Wide", "balanced", "check_columns", "clustered", "counts", "given", "sized", "timing",
    "unknown", "wide",
]  # fmt: skip
