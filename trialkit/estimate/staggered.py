"""When lots decide who starts when: the efficient estimator, from cohort moments, within strata.

Under random timing any comparison of cohorts before either has started estimates nothing but chance.  Subtracting
beta times such a comparison X changes no expectation, and the right beta takes most of the noise away; difference-in-
differences always subtracts it once.  Timing drawn within strata is estimated within each and weighted by their share
of units, with one beta for all; timing drawn for clusters is estimated on clusters (`trialkit.estimate.cohorts.clustered`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Floats, Ints, balanced, check_columns, given, sized, unknown
from trialkit.estimate.event_study import Estimand, EventStudy, event_times
from trialkit.estimate.given import numbers, one_of, same_rows
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_strata import RULES, Combined, Method, Stratum, combined, explained, parts, strata_of
from trialkit.estimate.sandwich import numbered

if TYPE_CHECKING:
    import pandas as pd

SMALL: Final = 20  # units a cohort below which no normal interval is given (conventions, staggered rollouts)
LEFT_OUT: Final = "cohorts of one unit, or without a period before their start, take no part"


@dataclass(frozen=True, eq=False, kw_only=True)
class Staggered:
    """An effect of random timing, with what a page says about it.  Numbers are in ``estimate.unit``.

    Parameters
    ----------
    estimate : Estimate
        Below `SMALL` units in a cohort its p-value and interval are nan, or those of the test through the design.
    std_error_adjusted, std_error_neyman : float
        Neyman's is conservative; the adjusted one takes off what periods before any start show of effects that vary.
    unadjusted : Estimate
        The same with beta = 1, Neyman's error and t(units - cohorts): the model-based interval for few units.
    beta : (s,) or (s, m) float, per stratum
    placebo, placebo_error : float
        X, which random timing makes 0 on average, and its standard error.
    left_out : starts of cohorts that take no part: cohorts of one, and those without a period before, where needed
    notes : what the reader must know
    """

    estimate: Estimate
    std_error_adjusted: float
    std_error_neyman: float
    unadjusted: Estimate | None
    beta: Floats
    placebo: float
    placebo_error: float
    left_out: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def placebo_p(self) -> float:
        """Two-sided normal p-value of the placebo; nan where there is none."""
        if not self.placebo_error > 0:
            return nan
        return float(2 * ndtr(-abs(self.placebo) / self.placebo_error))

    def to_frame(self) -> pd.DataFrame:
        """The estimate as one row, both errors beside it."""
        return self.estimate.to_frame().assign(
            std_error_adjusted=self.std_error_adjusted, std_error_neyman=self.std_error_neyman
        )

    def summary(self) -> str:
        """The answer in one line, and what the reader must know."""
        return "; ".join([self.estimate.summary(), *self.notes])


def staggered(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    periods: ArrayLike | None = None,
    estimand: Estimand = "simple",
    method: Method = "efficient",
    beta: float | None = None,
    common_beta: bool = True,
    strata: ArrayLike | None = None,
    shares: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    level: float = 0.95,
    term: str = "average effect",
    exploratory: bool = True,
) -> Staggered:
    """The effect of starting, when lots decided who starts when.

    Parameters
    ----------
    outcome : (n, t) float, in ``unit``
        One row per what the lot fell on: units, or clusters (`clustered`).  No gaps.
    start : (n,) the period each starts in; 0, nan, infinity or None for never
    periods : (t,) ascending numbers; gaps are allowed and periods counted by their order (`timing`)
    estimand : name, event time, or own weights (cohorts x periods): see `weights`
    method : ``efficient``; ``all_placebos`` (beta for every comparison before the start, for large cohorts);
        ``callaway_santanna`` and ``sun_abraham`` (beta = 1, against all waiting or the last cohort); ``unadjusted``
    beta : float, optional
        Another fixed share of X to subtract.
    common_beta : bool
        Whether strata share one beta, found from their sums; otherwise each finds its own, which takes large strata.
    strata : (n,) labels, if timing was drawn within strata
    shares : (n,) what each row counts in its stratum's weight, 1 unless given (units, where rows are clusters)
    sizes : (n,) what each row's outcome is a mean over (children of a district, units of a cluster)
        A cohort's mean is then the ratio of its totals, the effect is per child or per unit, and strata weigh by size.
        An effect alike for all moves the estimate by itself and leaves its error alone, which totals (`clustered`,
        `counts`) do not; in return it is unbiased only up to 1 / N.
    level : float in (0, 1)

    Returns
    -------
    Staggered
        Rules: a cohort of one is left out and listed.  Units treated from the first period on stay in the effect where
        somebody still waits but have no X; ``callaway_santanna`` and ``sun_abraham`` leave them out.  Units never
        treated are the last cohort.  Periods in which nobody waits drop out.

    Raises
    ------
    PanelError
        A gap, or another number of starts.
    EstimateError
        Nothing to compare, an unknown name, a ``beta`` that is no number, starts as in `timing`, or tables whose rows are
        labelled differently.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581: the class of estimators (section 3.1), beta* = V(X)^-1 Cov(X,
    theta_0) (proposition 2), its plug-in (section 3.3), errors (section 3.4).
    """
    y, first, times, codes = _ready(outcome, start, periods, strata, shares=shares, sizes=sizes)
    each = strata_of(
        y, first, codes, method, sizes=sized(sizes, len(y)),
        counted=sized(shares, len(y)),
    )  # fmt: skip
    found = combined(each, estimand, method, beta, common=common_beta)
    cohorts = sum(s.cohorts.sizes.size for s in each)
    units = sum(s.cohorts.n for s in each)
    smallest = min(int(s.cohorts.sizes.min()) for s in each)
    answer = _estimate(
        found, units, smallest, level=level, unit=unit, term=term, method=method, exploratory=exploratory
    )
    plain = _unadjusted(each, estimand, units - cohorts, answer)
    return Staggered(
        estimate=answer,
        std_error_adjusted=found.adjusted,
        std_error_neyman=found.neyman,
        unadjusted=plain,
        beta=found.beta,
        placebo=found.placebo,
        placebo_error=found.placebo_error,
        left_out=_left_out(each, times),
        notes=_notes(found, each, smallest, plain),
    )


def without_periods(
    outcome: ArrayLike,
    start: ArrayLike,
    periods: ArrayLike,
    interrupted: Sequence[float],
    *,
    unit: str,
    method: Method = "efficient",
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[tuple[float, Staggered], ...]:
    """How much one interrupted period (a lockdown, a strike) carries: the estimate without each of them in turn.

    A left-out period is a gap: units that started in it count as starting in the next one.

    Parameters
    ----------
    outcome, start, method, strata : as `staggered`
    periods : (t,) ascending numbers
    interrupted : some of ``periods``, each left out by itself
    unit, level : as `staggered`

    Returns
    -------
    One (period, `Staggered`) pair per interrupted period, in the order given.

    Raises
    ------
    EstimateError
        A period that is not among ``periods``, or as `staggered`.
    PanelError
        As `staggered`.

    References
    ----------
    As `staggered`.
    """
    check_columns(outcome, periods)
    same_rows({"outcome": outcome, "start": start, "strata": strata})
    times, y = numbers(periods, "periods"), balanced(outcome)
    found = []
    for period in interrupted:
        if period not in times:
            raise unknown("period", str(period), [f"{time:g}" for time in times])
        keep = times != period
        again = staggered(
            y[:, keep], start, unit=unit, periods=times[keep], method=method, strata=strata, level=level,
            term=f"average effect without period {period:g}",
        )  # fmt: skip
        found.append((float(period), again))
    return tuple(found)


def staggered_event_study(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    periods: ArrayLike | None = None,
    at: ArrayLike | None = None,
    method: Method = "efficient",
    beta: float | None = None,
    common_beta: bool = True,
    errors: Literal["adjusted", "neyman"] = "adjusted",
    strata: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    level: float = 0.95,
) -> EventStudy:
    """`staggered` at each event time, with the covariances between them.

    Parameters
    ----------
    outcome, start, periods, method, beta, common_beta, strata, sizes : as `staggered`
    unit, level : as `staggered`
    at : (l,) int, event times, 0 the first treated period; every one that all strata can show if left out
    errors : which covariance
        The adjusted one is V - beta' S beta / N entry by entry; a variance below 0 is 0, and so is the covariance of two
        such.  ``neyman`` is V, which is conservative where effects vary.

    Returns
    -------
    EventStudy
        Intervals are normal, one event time at a time, without a band.  There is none below `SMALL` units in a cohort,
        nor where the error is 0; ``notes`` say so.

    Raises
    ------
    PanelError, EstimateError
        As `staggered`; an event time in ``at`` that no cell of a stratum has.

    References
    ----------
    As `staggered`; the covariance between event times is that of section 3.4 for a vector of estimands.
    """
    one_of(errors, ("adjusted", "neyman"), "errors")
    y, first, _, codes = _ready(outcome, start, periods, strata, sizes=sizes)
    among = strata_of(y, first, codes, method, sizes=sized(sizes, len(y)))
    seen_by = [set(event_times(s.cohorts.starts, s.cohorts.n_periods).tolist()) for s in among]
    times = np.array(sorted(set.intersection(*seen_by)) if at is None else at, np.int64)
    by_time = [parts(among, int(k), method, beta, common=common_beta) for k in times]
    value, covariance = np.zeros(times.size), np.zeros((times.size, times.size))
    for k, s in enumerate(among):
        found, w = [one[k] for one in by_time], s.share
        rows, seen = np.array([p.row for p in found]), np.array([p.seen for p in found])
        value += w * s.cohorts.value(rows)
        covariance += w**2 * s.cohorts.covariance(rows, rows)
        if errors == "adjusted":
            covariance -= w**2 * explained(s.cohorts, seen, seen)
    zero = np.diagonal(covariance) < 0
    covariance[np.ix_(zero, zero)] = 0.0
    error = np.sqrt(np.diagonal(covariance))
    z = float(-ndtri((1 - level) / 2))
    smallest = min(int(s.cohorts.sizes.min()) for s in among)
    reach = np.where((error > 0) & (smallest >= SMALL), z * error, nan)
    none = np.full(times.size, nan)
    return EventStudy(
        event_time=times, estimate=value, std_error=error, covariance=covariance,
        conf_low=value - reach, conf_high=value + reach, band_low=none, band_high=none, level=level,
        method=RULES[method].words, control=RULES[method].control, unit=unit, drawn_by_lot=True,
        notes=_study_notes(times[~(error > 0)], errors, smallest, among),
    )  # fmt: skip


def _study_notes(
    zero: Ints, errors: Literal["adjusted", "neyman"], smallest: int, strata: list[Stratum]
) -> tuple[str, ...]:
    """What an event study says of missing intervals and of cohorts left out; ``zero`` are event times without an error."""
    notes: list[str] = []
    if zero.size and errors == "adjusted":
        notes.append(
            f"the adjusted standard error is 0 at event time {', '.join(map(str, zero))}, which is an accident of few "
            "units: no interval is given there; Neyman's errors can be asked for"
        )
    elif zero.size:
        notes.append(
            f"the standard error is 0 at event time {', '.join(map(str, zero))}, where outcomes do not vary within "
            "cohorts: no interval is given there"
        )
    if smallest < SMALL:
        notes.append(f"a cohort has {smallest} units: no normal interval is given")
    if any(s.left_out.size for s in strata):
        notes.append(LEFT_OUT)
    return tuple(notes)


def _ready(
    outcome: ArrayLike, start: ArrayLike, periods: ArrayLike | None, strata: ArrayLike | None, **beside: object
) -> tuple[Floats, Ints, Floats, Ints]:
    y, first, times = given(outcome, start, periods, strata=strata, **beside)
    codes = np.zeros(len(y), np.int64) if strata is None else numbered(strata)[0]
    if codes.shape != first.shape:
        raise EstimateError(
            f"There are {codes.size} strata for {len(y)} rows. Give one label per row.",
            {"strata": codes.size, "rows": len(y)},
            da=f"Der er {codes.size} strata til {len(y)} rækker. Giv ét navn pr. række.",
        )
    return y, first, times, codes.astype(np.int64)


def _unadjusted(strata: list[Stratum], estimand: Estimand, df: int, main: Estimate) -> Estimate | None:
    """beta = 1 with Neyman's error and t(units - cohorts), for the same cohorts."""
    if isinstance(estimand, np.ndarray) or df < 1:
        return None
    found = combined(strata, estimand, "efficient", 1.0, bound=False)
    t = found.value / found.neyman if found.neyman > 0 else nan
    reach = float(-stdtrit(df, (1 - main.level) / 2)) * found.neyman
    return Estimate(
        term=main.term, method="contrast with beta = 1, Neyman's error, t(units - cohorts)", estimate=found.value,
        std_error=found.neyman, statistic=t, df=df, p_value=float(2 * stdtr(df, -abs(t))), smallest_p=nan,
        conf_low=found.value - reach, conf_high=found.value + reach, level=main.level, n_units=main.n_units,
        n_allocations=0, mc_error=0.0, unit=main.unit, exploratory=main.exploratory,
    )  # fmt: skip


def _estimate(
    found: Combined,
    units: int,
    smallest: int,
    *,
    level: float,
    unit: str,
    term: str,
    method: Method,
    exploratory: bool,
) -> Estimate:
    """The adjusted error, Neyman's where it is 0; no normal interval for small cohorts."""
    error = found.adjusted if found.adjusted > 0 else found.neyman
    z = found.value / error if error > 0 else nan
    reach = nan if smallest < SMALL else float(-ndtri((1 - level) / 2)) * error
    return Estimate(
        term=term, method=RULES[method].words, estimate=found.value, std_error=error, statistic=z, df=nan,
        p_value=nan if smallest < SMALL else float(2 * ndtr(-abs(z))), smallest_p=nan,
        conf_low=found.value - reach, conf_high=found.value + reach, level=level, n_units=units, n_allocations=0,
        mc_error=0.0, unit=unit, exploratory=exploratory,
    )  # fmt: skip


def _left_out(strata: list[Stratum], times: Floats) -> tuple[float, ...]:
    columns = sorted({int(k) for s in strata for k in s.left_out})
    return tuple(float(times[k]) if k < times.size else float("inf") for k in columns)


def _notes(found: Combined, strata: list[Stratum], smallest: int, plain: Estimate | None) -> tuple[str, ...]:
    notes: list[str] = []
    if found.adjusted == 0:
        notes.append("the adjusted standard error is 0, which is an accident of few units; Neyman's is shown")
    if smallest < SMALL:
        notes.append(
            f"a cohort has {smallest} units: no normal interval is given; the test through the design is the answer"
        )
    if smallest < SMALL and plain is not None:
        notes.append(
            f"beside it, with beta = 1 and t({plain.df:g}): {plain.estimate:.3g} "
            f"({plain.level:.0%} interval {plain.conf_low:.3g} to {plain.conf_high:.3g})"
        )
    if any(s.left_out.size for s in strata):
        notes.append(LEFT_OUT)
    return tuple(notes)


__all__ = ["SMALL", "Staggered", "staggered", "staggered_event_study", "without_periods"]
