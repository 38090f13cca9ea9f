"""Two-way fixed effects, with the comparisons inside it shown; and Sun and Abraham's event study that avoids them.

One coefficient for all starts compares units that start later with units already treated, so effects that change with
exposure enter with the wrong sign.  It is here for comparison: `goodman_bacon` shows what it averages.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Cohorts, Floats, Given, Ints, given, unknown
from trialkit.estimate.event_study import EventStudy
from trialkit.estimate.given import one_of
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import numbered

if TYPE_CHECKING:
    import pandas as pd

Errors = Literal["unit", "iid", "hetero", "unit_and_period", "cluster"]


def two_way(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    periods: ArrayLike | None = None,
    errors: Errors = "unit",
    clusters: ArrayLike | None = None,
    small_sample: bool = True,
    level: float = 0.95,
    term: str = "effect, one coefficient for all starts",
) -> Estimate:
    """The coefficient of having started, with levels for units and periods.

    Parameters
    ----------
    outcome : (n, t) float, in ``unit``, without gaps
    start : (n,) the period each unit starts in; 0, nan, infinity or None for never
    periods : (t,) ascending numbers of the columns, optional; 1 ... t unless given
    clusters : (n,) labels of larger groups of units, with ``errors="cluster"``
    errors : clustered by ``unit``, by ``cluster`` (given), by unit and period, or not; t with min(clusters) - 1
        degrees of freedom, else observations less parameters
    small_sample : bool
        (n - 1) / (n - K) x G / (G - 1), K without the levels nested in a cluster; else 1.

    Raises
    ------
    EstimateError
        Everybody starts at once, ``cluster`` without ``clusters``, unknown ``errors``, or as `timing`.

    References
    ----------
    Cameron, Gelbach and Miller (2011), doi:10.1198/jbes.2010.07136, for clustering both ways.
    """
    one_of(errors, get_args(Errors), "errors")
    y, first, _ = _panel(outcome, start, periods, clusters)
    n, t = y.shape
    d = demeaned((np.arange(t) >= first[:, None]).astype(np.float64))
    information = float((d * d).sum())
    if information < 1e-12:
        raise _one_start()
    beta = float((d * y).sum()) / information
    score = d * (demeaned(y) - beta * d)
    if errors == "cluster" and clusters is None:
        raise unknown("errors", "cluster without clusters", ("unit", "iid", "hetero", "unit_and_period"))
    variance, df = _variance(score, d, beta, y, errors, _groups(clusters, n), small_sample)
    return _told(beta, sqrt(variance) / information, df, n, unit, level, term, "two-way fixed effects")


def _groups(clusters: ArrayLike | None, n: int) -> Ints | None:
    """(n,) codes of larger groups of units."""
    if clusters is None:
        return None
    code, names = numbered(clusters, "clusters")
    if code.shape != (n,) or len(names) < 2:
        raise EstimateError(
            f"There are {code.size} cluster labels of {len(names)} clusters for {n} units. Give one per unit, of at least "
            "two clusters.",
            {"labels": code.size, "clusters": len(names), "units": n},
            da=f"Der er {code.size} klyngenavne fra {len(names)} klynger til {n} enheder. Giv ét pr. enhed, fra mindst to "
            "klynger.",
        )
    return code.astype(np.int64)


def _variance(
    score: Floats, d: Floats, beta: float, y: Floats, errors: Errors, clusters: Ints | None, small: bool
) -> tuple[float, float]:
    """The middle of the sandwich with its small-sample factor, and degrees of freedom."""
    (n, t), rows = score.shape, score.size
    every = n + t  # all levels less one, and the coefficient
    if errors in ("iid", "hetero"):
        squares = float((score**2).sum())
        if errors == "iid":
            residual = demeaned(y) - beta * d
            return float((residual**2).sum()) / (rows - every) * float((d * d).sum()), rows - every
        return squares * (rows / (rows - every) if small else 1.0), rows - every
    by_unit = score.sum(axis=1)
    if errors == "unit_and_period":
        groups, counted = min(n, t), 2
        middle = float((by_unit**2).sum() + (score.sum(axis=0) ** 2).sum() - (score**2).sum())
    else:
        code = np.arange(n) if errors == "unit" or clusters is None else np.unique(clusters, return_inverse=True)[1]
        groups, counted = int(code.max()) + 1, 1 + t
        middle = float((np.bincount(code, by_unit) ** 2).sum())
    factor = (rows - 1) / (rows - counted) * groups / (groups - 1) if small else 1.0
    return middle * factor, groups - 1


def demeaned(values: Floats) -> Floats:
    """(n, t) less the means of units and of periods."""
    found: Floats = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One two-by-two comparison inside the coefficient; starts are periods, ``inf`` for never.

    ``kind``: ``never`` (treated against never treated), ``earlier`` (before the later ones start) or ``forbidden``
    (later starters against units already treated).
    """

    kind: Literal["never", "earlier", "forbidden"]
    treated: float
    control: float
    weight: float
    estimate: float


def goodman_bacon(outcome: ArrayLike, start: ArrayLike, *, periods: ArrayLike | None = None) -> tuple[Comparison, ...]:
    """What the two-way coefficient averages: estimates and weights, which sum to 1.

    Raises
    ------
    EstimateError
        Everybody starts at once.

    References
    ----------
    Goodman-Bacon (2021), doi:10.1016/j.jeconom.2021.03.014, theorem 1, equations (10a) to (10g).
    """
    y, first, times = _panel(outcome, start, periods)
    cohorts, t = Cohorts.of(y, first), y.shape[1]
    named = [float(times[s]) if s < t else float("inf") for s in cohorts.starts]
    found: list[tuple[Literal["never", "earlier", "forbidden"], float, float, float, float]] = []
    for k, early in enumerate(cohorts.starts.tolist()):
        for m in range(k + 1, cohorts.starts.size):
            late = int(cohorts.starts[m])
            if early > 0:
                weight, value = _two_by_two(cohorts, k, m, 0, late, early)
                found.append(("never" if late == t else "earlier", named[k], named[m], weight, value))
            if late < t:
                weight, value = _two_by_two(cohorts, m, k, early, t, late)
                found.append(("forbidden", named[m], named[k], weight, value))
    total = sum(row[3] for row in found)
    if not total > 0:
        raise _one_start()
    return tuple(
        Comparison(kind=kind, treated=a, control=b, weight=w / total, estimate=v) for kind, a, b, w, v in found
    )


def _two_by_two(cohorts: Cohorts, treated: int, control: int, begin: int, end: int, start: int) -> tuple[float, float]:
    """Weight (before they are made to sum to 1) and estimate within periods ``begin`` to ``end``."""
    sizes = cohorts.sizes[[treated, control]].astype(np.float64)
    window, after = end - begin, end - start
    share = sizes[0] / sizes.sum()
    weight = (sizes.sum() * window) ** 2 * share * (1 - share) * after * (window - after) / window**2
    gap = cohorts.means[treated] - cohorts.means[control]
    return float(weight), float(gap[start:end].mean() - gap[begin:start].mean())


@dataclass(frozen=True, eq=False, kw_only=True)
class SunAbraham:
    """Sun and Abraham's estimates: by event time, over all treated cells, and by cohort (start -> estimate)."""

    events: EventStudy
    overall: Estimate
    by_cohort: tuple[Estimate, ...]

    def to_frame(self) -> pd.DataFrame:
        """The event study."""
        return self.events.to_frame()


class _Rows(NamedTuple):
    """Coefficients on cohort means."""

    cohort: Floats  # (k,)
    time: Floats  # (k,)
    rows: Floats  # (k, g, t)


def sun_abraham(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    reference: float | Literal["never"] = "never",
    periods: ArrayLike | None = None,
    level: float = 0.95,
    drawn_by_lot: bool = False,
) -> SunAbraham:
    """The saturated event study: every cohort against one reference cohort, from the last period before its start.

    Parameters
    ----------
    reference : ``never``, or the start of the last cohort, whose treated periods then drop out
        A reference is never chosen for you: without one, which comparisons are made is an accident of collinearity.

    Returns
    -------
    SunAbraham
        Event times weigh cohorts by size; ``overall`` weighs treated cells by size.  Units treated from the first
        period on are left out.  Errors are clustered by unit, with t(units - 1).

    Raises
    ------
    EstimateError
        No such reference cohort, or it is not the last.

    References
    ----------
    Sun and Abraham (2021), doi:10.1016/j.jeconom.2020.09.006, section 4.1, equations (26) to (28).
    """
    y, first, times = _panel(outcome, start, periods)
    if reference != "never":
        end = int(np.searchsorted(times, reference))
        if first.max() != end or end == 0:
            raise _no_reference(reference)
        y, times = y[:, :end], times[:end]
    if not (first >= y.shape[1]).any():
        raise _no_reference(reference)
    y, first = y[first > 0], np.minimum(first[first > 0], y.shape[1])
    cohorts = Cohorts.of(y, first)
    if cohorts.starts.size < 2:
        raise _one_start()
    found = _saturated(cohorts)
    parameters = len(found.rows) - (cohorts.starts.size - 1) + y.shape[1]  # base periods are no coefficients
    n, cells = cohorts.n, y.size
    factor = (cells - 1) / (cells - parameters) * n / (n - 1) if cells > parameters else nan
    method = "Sun-Abraham" + ("" if drawn_by_lot else ", not drawn by lot")
    after = found.time >= 0
    size = cohorts.sizes[found.cohort.astype(np.int64)].astype(np.float64)

    def one(used: Floats, term: str) -> Estimate:
        weight = used / used.sum()
        value, variance = _moments(cohorts, np.tensordot(weight, found.rows, 1)[None], factor)
        return _told(float(value[0]), sqrt(variance[0, 0]), n - 1, n, unit, level, term, method)

    at = np.unique(found.time[found.time != -1])
    table = np.array([(size * (found.time == e)) / (size * (found.time == e)).sum() for e in at])
    value, covariance = _moments(cohorts, np.tensordot(table, found.rows, 1), factor)
    error, none = np.sqrt(np.diagonal(covariance)), np.full(at.size, nan)
    reach = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    events = EventStudy(
        event_time=at.astype(np.int64), estimate=value, std_error=error, covariance=covariance, conf_low=value - reach,
        conf_high=value + reach, band_low=none, band_high=none, level=level, method=method,
        control="never treated" if reference == "never" else f"cohort of {reference:g}", unit=unit,
        drawn_by_lot=drawn_by_lot,
    )  # fmt: skip
    groups = tuple(
        one(size * (after & (found.cohort == c)), f"cohort {times[s]:g}") for c, s in enumerate(cohorts.starts[:-1])
    )
    return SunAbraham(events=events, overall=one(size * after, "average effect on the treated"), by_cohort=groups)


def _saturated(cohorts: Cohorts) -> _Rows:
    """Each cohort in each period less its base, less the same of the reference, which is the last cohort."""
    g, t = cohorts.means.shape
    rows, at, times = [], [], []
    for c, start in enumerate(cohorts.starts[:-1].tolist()):
        change = np.eye(t)
        change[:, start - 1] -= 1
        table = np.zeros((t, g, t))
        table[:, c], table[:, g - 1] = change, -change
        rows.append(table)
        at += [c] * t
        times += list(range(-start, t - start))
    return _Rows(np.array(at, float), np.array(times, float), np.concatenate(rows))


def _moments(cohorts: Cohorts, rows: Floats, factor: float) -> tuple[Floats, Floats]:
    """Values, and covariances with squares over N, as a regression's residuals have them."""
    over_n = Cohorts(
        starts=cohorts.starts, sizes=cohorts.sizes, means=cohorts.means,
        covariances=cohorts.covariances * ((cohorts.sizes - 1) / cohorts.sizes)[:, None, None],
    )  # fmt: skip
    return cohorts.value(rows), factor * over_n.covariance(rows, rows)


def _panel(outcome: ArrayLike, start: ArrayLike, periods: ArrayLike | None, clusters: ArrayLike | None = None) -> Given:
    return given(outcome, start, periods, clusters=clusters)


def _told(value: float, error: float, df: float, n: int, unit: str, level: float, term: str, method: str) -> Estimate:
    t = value / error if error > 0 else nan
    reach = float(stats.t.isf((1 - level) / 2, df)) * error
    return Estimate(
        term=term, method=method, estimate=value, std_error=error, statistic=t, df=df,
        p_value=float(2 * stats.t.sf(abs(t), df)), smallest_p=nan, conf_low=value - reach, conf_high=value + reach,
        level=level, n_units=n, n_allocations=0, mc_error=0.0, unit=unit,
    )  # fmt: skip


def _one_start() -> EstimateError:
    return EstimateError(
        "Everybody starts in the same period, or nobody starts within the data, so nothing tells the effect from time. "
        "Add units that start at another time.",
        da="Alle begynder i samme periode, eller ingen begynder, så virkningen kan ikke skelnes fra tiden. Tilføj "
        "enheder, der begynder på et andet tidspunkt.",
    )


def _no_reference(reference: float | str) -> EstimateError:
    return EstimateError(
        f"The reference cohort {reference!r} is not in the data, or is not the last to start. Without one, software "
        "drops whatever is collinear and the numbers mean nothing. Name the start of the last cohort: its treated "
        "periods then drop out.",
        {"reference": reference},
        da=f"Referenceholdet {reference!r} findes ikke i tallene, eller det er ikke det sidste. Uden det er tallene "
        "uden mening. Angiv starten for det sidste hold; dets perioder efter start udgår.",
    )


__all__ = ["Comparison", "SunAbraham", "demeaned", "goodman_bacon", "sun_abraham", "two_way"]
