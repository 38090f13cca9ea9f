"""Group-time effects by difference-in-differences: Callaway and Sant'Anna (2021), without covariates.

For comparison, and for entries that were not drawn by lot: then it rests on parallel trends, which nobody can check,
and is called difference-in-differences, not random.  Every influence function is linear in a unit's outcomes given
its cohort, so all errors come from cohort moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr, ndtri

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Bools, Cohorts, Floats, Ints, given, unknown
from trialkit.estimate.event_study import EventStudy
from trialkit.estimate.influence import Base, Comparisons, ControlGroup, Influence, joined, no_never
from trialkit.estimate.result import Estimate

if TYPE_CHECKING:
    import pandas as pd

Aggregation = Literal["simple", "dynamic", "group", "calendar"]
CHUNK: Final = 256  # bootstrap draws at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class Aggregate:
    """Averages of group-time effects, and their average.  Numbers are in the unit of the outcomes.

    Parameters
    ----------
    kind : ``simple`` (one average over all treated cells), ``dynamic`` (by event time), ``group`` (by start) or
        ``calendar`` (by period)
    at : (m,) float, what each average is of: event times, starts or periods; empty for ``simple``, whose m is 1
        Starts and periods are the periods' own numbers; event times count periods by their order, 0 the first treated.
    estimate : (m,) float
        Cells weigh by cohort size, within a start alike.
    std_error : (m,) float
        It counts the estimation of cohort sizes; nan where all cells are base periods, whose value is 0 by construction.
    covariance : (m, m) float
    influence : Influence
        The influence functions of the m averages.
    overall : Estimate
        The average of the averages: starts by cohort size, periods alike, and event times alike from 0 on.  Its interval
        and p-value are normal.

    References
    ----------
    Callaway and Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001, equations (3.4) to (3.11) and corollary 2.
    """

    kind: Aggregation
    at: Floats
    estimate: Floats
    std_error: Floats
    covariance: Floats
    influence: Influence
    overall: Estimate


class Placebo(NamedTuple):
    """A test that every comparison before the start is 0."""

    statistic: float
    df: int  # comparisons
    p_value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupTime:
    """Effects of each cohort in each period.  Numbers are in ``unit``.

    Parameters
    ----------
    group, period : (k,) int, columns of the first treated period and of the period
    estimate, std_error : (k,) float; the error is nan in a base period, where the value is 0 by construction
    times : (t,) float, the periods' own numbers
    influence : Influence
        The influence functions of the k effects, from which all errors come.
    cohorts : Cohorts
        Of the units that take part.
    outcome, first : (n, t) float and (n,) int
        Their outcomes, and the column each is first treated in (t for never); the bootstrap needs both.
    control, base, unit, level, drawn_by_lot : as for `callaway_santanna`

    References
    ----------
    Callaway and Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001, theorems 1 and 2.
    """

    group: Ints
    period: Ints
    estimate: Floats
    std_error: Floats
    times: Floats
    influence: Influence
    cohorts: Cohorts
    outcome: Floats
    first: Ints
    control: ControlGroup
    base: Base
    unit: str
    level: float
    drawn_by_lot: bool

    @property
    def method(self) -> str:
        """What is printed."""
        lot = "" if self.drawn_by_lot else ", not drawn by lot"
        return f"difference-in-differences (Callaway-Sant'Anna), {self.control.replace('_', ' ')} controls{lot}"

    def to_frame(self) -> pd.DataFrame:
        """One row per cohort and period."""
        import pandas as pd

        return pd.DataFrame(
            {
                "group": self.times[self.group], "period": self.times[self.period], "estimate": self.estimate,
                "std_error": self.std_error, "control": self.control, "base": self.base, "unit": self.unit,
            }
        )  # fmt: skip

    def aggregate(self, kind: Aggregation = "simple", *, term: str = "average effect on the treated") -> Aggregate:
        """Averages with errors that count the estimation of cohort shares.

        Raises
        ------
        EstimateError
            An unknown kind.

        References
        ----------
        Callaway and Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001, equations (3.4) to (3.11) and corollary 2.
        """
        after = self.period >= self.group
        cells = {
            "simple": (np.zeros(self.group.size), after),
            "dynamic": ((self.period - self.group).astype(np.float64), np.ones(after.size, bool)),
            "group": (self.times[self.group], after),
            "calendar": (self.times[self.period], after),
        }
        if kind not in cells:
            raise unknown("kind", kind, tuple(cells))
        key, used = cells[kind]
        at = np.unique(key[used])
        rows = [self._average(used & (key == value), equal=kind == "group") for value in at]
        table = np.array([row for row, _ in rows])
        influence = joined([part for _, part in rows])
        values = table @ self.estimate
        overall, inner = self._overall(kind, at, values, influence)
        covariance = influence.covariance(self.cohorts)
        fixed = np.array([np.isnan(self.std_error[row > 0]).all() for row in table])
        error = np.where(fixed, nan, np.sqrt(np.diagonal(covariance)))
        return Aggregate(
            kind=kind, at=at if kind != "simple" else np.zeros(0), estimate=values, std_error=error,
            covariance=covariance, influence=influence,
            overall=self._estimate(overall, float(inner.std_errors(self.cohorts)[0]), term),
        )  # fmt: skip

    def event_study(self, *, draws: int = 0, rng: np.random.Generator | None = None) -> EventStudy:
        """The dynamic averages; with ``draws`` a band that holds all at once, by the multiplier bootstrap.

        Raises
        ------
        EstimateError
            ``draws`` without ``rng``.
        """
        found = self.aggregate("dynamic")
        z = float(-ndtri((1 - self.level) / 2))
        wide = nan
        if draws:
            known = np.isfinite(found.std_error)
            boot = self.bootstrap(Influence(found.influence.slope[known], found.influence.level[known]), draws, rng)
            wide = float(np.quantile(np.abs(boot / _spread(boot)).max(axis=1), self.level))
        return EventStudy(
            event_time=found.at.astype(np.int64), estimate=found.estimate, std_error=found.std_error,
            covariance=found.covariance, conf_low=found.estimate - z * found.std_error,
            conf_high=found.estimate + z * found.std_error, band_low=found.estimate - wide * found.std_error,
            band_high=found.estimate + wide * found.std_error, level=self.level, method=self.method,
            control=self.control, unit=self.unit, drawn_by_lot=self.drawn_by_lot,
        )  # fmt: skip

    def placebo(self) -> Placebo:
        """A joint test of the comparisons before the start, which parallel trends make 0.

        Raises
        ------
        EstimateError
            There are none, or fewer units than it takes to see how they vary together.

        References
        ----------
        The Wald test of Callaway and Sant'Anna's package did, from the influence functions of theorem 2.
        """
        early = (self.period < self.group) & np.isfinite(self.std_error)
        value = self.estimate[early]
        covariance = Influence(self.influence.slope[early], self.influence.level[early]).covariance(self.cohorts)
        if not value.size or np.linalg.matrix_rank(covariance, hermitian=True) < value.size:
            raise _no_placebo(value.size)
        found = float(value @ np.linalg.solve(covariance, value))
        return Placebo(found, value.size, float(chdtrc(value.size, found)))

    def bootstrap(self, influence: Influence, draws: int, rng: np.random.Generator | None) -> Floats:
        """(draws, k) mean of the influence functions times Rademacher signs, one per unit.

        Raises
        ------
        EstimateError
            No ``rng``: chance must be given, and be repeatable.

        References
        ----------
        Callaway and Sant'Anna (2021), algorithm 1.
        """
        if rng is None:
            raise EstimateError(
                "A bootstrap needs `rng`: without a seed nobody could find its numbers again. Give a numpy Generator.",
                da="En bootstrap kræver `rng`: uden frø kan ingen finde tallene igen. Angiv en numpy Generator.",
            )
        at = np.searchsorted(self.cohorts.starts, self.first)
        each = np.empty((self.first.size, len(influence.level)))
        for c in range(self.cohorts.sizes.size):
            here = at == c
            each[here] = self.outcome[here] @ influence.slope[:, c].T + influence.level[:, c]
        parts = [min(CHUNK, draws - k) for k in range(0, draws, CHUNK)]
        signs = (rng.integers(0, 2, (size, self.first.size), np.int8) * 2.0 - 1 for size in parts)
        found: Floats = np.concatenate([s @ each for s in signs]) / self.first.size
        return found

    def _average(self, used: Bools, *, equal: bool) -> tuple[Floats, Influence]:
        """Weights (k,) of the cells used, by cohort share or alike, and the influence function of their average."""
        at = np.searchsorted(self.cohorts.starts, self.group)
        share = np.where(used, 1.0 if equal else self.cohorts.sizes[at] / self.cohorts.n, 0.0)
        weight = share / share.sum()
        own = self.influence.of(weight[None])
        if equal:
            return weight, own
        drift = np.where(used, self.estimate - weight @ self.estimate, 0.0) / share.sum()  # of the shares' estimation
        level = own.level.copy()
        np.add.at(level[0], at, drift)
        level -= float(drift @ (self.cohorts.sizes[at] / self.cohorts.n))
        return weight, Influence(own.slope, level)

    def _overall(self, kind: Aggregation, at: Floats, values: Floats, influence: Influence) -> tuple[float, Influence]:
        if kind != "group":
            used = at >= 0 if kind == "dynamic" else np.ones(at.size, bool)
            weight = used / used.sum()
            return float(weight @ values), influence.of(weight[None])
        place = np.searchsorted(self.cohorts.starts, np.searchsorted(self.times, at))
        share = self.cohorts.sizes[place] / self.cohorts.n
        weight = share / share.sum()
        mean, own = float(weight @ values), influence.of(weight[None])
        drift = (values - mean) / share.sum()
        level = own.level.copy()
        np.add.at(level[0], place, drift)
        return mean, Influence(own.slope, level - float(drift @ share))

    def _estimate(self, value: float, error: float, term: str) -> Estimate:
        z = value / error if error > 0 else nan
        reach = float(-ndtri((1 - self.level) / 2)) * error
        return Estimate(
            term=term, method=self.method, estimate=value, std_error=error, statistic=z, df=nan,
            p_value=float(2 * ndtr(-abs(z))), smallest_p=nan, conf_low=value - reach, conf_high=value + reach,
            level=self.level, n_units=self.cohorts.n, n_allocations=0, mc_error=0.0, unit=self.unit,
        )  # fmt: skip

    @classmethod
    def _of(cls, y: Floats, first: Ints, cohorts: Cohorts, cells: Comparisons, **said: object) -> Self:
        influence, estimate = cells.influence(cohorts)
        error = influence.std_errors(cohorts)
        return cls(
            group=cells.group, period=cells.period, estimate=estimate, influence=influence, cohorts=cohorts, outcome=y,
            std_error=np.where(cells.period == cells.base, nan, error), first=first, **said,  # type: ignore[arg-type]
        )  # fmt: skip


def callaway_santanna(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    control: ControlGroup = "never_treated",
    base: Base = "varying",
    periods: ArrayLike | None = None,
    level: float = 0.95,
    drawn_by_lot: bool = False,
) -> GroupTime:
    """Effects of each cohort in each period against units not treated, from the last period before the start.

    Parameters
    ----------
    outcome : (n, t) float, in ``unit``, without gaps
    start : (n,) the period each unit starts in, in the numbers of ``periods``; 0, nan, infinity or None for never
    unit : str
        What one step of `outcome` means.
    control : ``never_treated`` units, or all ``not_yet_treated`` in both periods
    base : of periods before the start: ``varying`` compares with the period before, ``universal`` with the last one
        before the start
    periods : (t,) ascending numbers; 1 ... t unless given
        Gaps are allowed, and periods are counted by their order (`timing`).
    level : float in (0, 1)
        Of the intervals that aggregates and event studies of the result have; they are normal.
    drawn_by_lot : bool
        Only then may a page speak of chance.

    Returns
    -------
    GroupTime
        Units treated from the first period on are left out: they have no period before.  Without never-treated
        units the last cohort is control only, and periods from its start on drop out.

    Raises
    ------
    EstimateError
        ``never_treated`` is asked for and there are none; nothing to compare; an unknown name; periods that do not
        ascend, or not one per column.
    PanelError
        A gap, or another number of starts.

    References
    ----------
    Callaway and Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001, theorem 1 and equations (2.8), (2.9); errors from
    the influence functions of theorem 2.
    """
    y, first, times = given(outcome, start, periods)
    if control not in ("never_treated", "not_yet_treated"):
        raise unknown("control", control, ("never_treated", "not_yet_treated"))
    if base not in ("varying", "universal"):
        raise unknown("base", base, ("varying", "universal"))
    if (first == 0).any():
        y, first = y[first > 0], first[first > 0]
    cohorts = Cohorts.of(y, first)
    never = bool((cohorts.starts == y.shape[1]).any())
    if control == "never_treated" and not never:
        raise no_never()
    cells = Comparisons.of(cohorts.starts, y.shape[1], control, base)
    return GroupTime._of(
        y, first, cohorts, cells, times=times, control=control, base=base, unit=unit, level=level,
        drawn_by_lot=drawn_by_lot,
    )  # fmt: skip


def _no_placebo(comparisons: int) -> EstimateError:
    return EstimateError(
        f"{comparisons} comparisons before the start cannot be tested together: there are none, or too few units to see "
        "how they vary. Give earlier periods, or look at them one by one.",
        {"comparisons": comparisons},
        da=f"{comparisons} sammenligninger før start kan ikke prøves under ét: der er ingen, eller for få enheder. Angiv "
        "tidligere perioder, eller se på dem én for én.",
    )


def _spread(boot: Floats) -> Floats:
    """Standard errors by the bootstrap's quartiles, which a few wild draws do not move."""
    found: Floats = (np.quantile(boot, 0.75, axis=0) - np.quantile(boot, 0.25, axis=0)) / (-2 * ndtri(0.25))
    return found


__all__ = ["Aggregate", "Aggregation", "GroupTime", "Placebo", "callaway_santanna"]
