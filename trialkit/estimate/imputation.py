"""Imputation: levels of units and periods from untreated cells only, and treated cells less what these predict.

Efficient if effects vary freely and errors do not correlate; it rests on parallel trends in every period.  In a panel
without gaps all it needs are cohort moments.
"""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Bools, Cohorts, Floats, given
from trialkit.estimate.result import Estimate


def imputation(
    outcome: ArrayLike,
    start: ArrayLike,
    *,
    unit: str,
    periods: ArrayLike | None = None,
    event_time: int | None = None,
    level: float = 0.95,
    drawn_by_lot: bool = False,
    term: str = "average effect on the treated",
) -> Estimate:
    """The mean of treated cells less their imputed outcomes, over all of them or at one event time.

    Parameters
    ----------
    outcome : (n, t) float, in ``unit``, without gaps
    start : (n,) the period each unit starts in; 0, nan, infinity or None for never
    periods : (t,) ascending numbers of the columns, optional; 1 ... t unless given
    event_time : 0 is the first treated period; all if left out
    drawn_by_lot : bool
        Whether starts were drawn by lot; if not, the method says so.

    Returns
    -------
    Estimate
        The error is clustered by unit and conservative: effects are taken to be alike within a cohort and period.
        Units treated from the first period on are left out, and so are periods in which all are treated.

    Raises
    ------
    EstimateError
        No treated cell whose outcome can be imputed.
    PanelError
        A gap.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), doi:10.1093/restud/rdae007: theorem 2 (the estimator), equation (7) (weights
    v_it), theorem 3 and equation (8) (errors, with averages by cohort and period).
    """
    y, first, _ = given(outcome, start, periods)
    if (first == 0).any():
        y, first = y[first > 0], first[first > 0]
    end = int(first.max(initial=0))
    if end < y.shape[1]:
        y, first = y[:, :end], np.minimum(first, end)
    cohorts = Cohorts.of(y, first)
    treated = np.arange(y.shape[1]) >= cohorts.starts[:, None]
    wanted = treated.copy()
    if event_time is not None:
        wanted &= np.arange(y.shape[1]) - cohorts.starts[:, None] == event_time
    if not wanted.any():
        raise _nothing(event_time)
    weight = np.where(wanted, cohorts.sizes[:, None], 0.0)
    row = coefficients(cohorts, treated, weight / weight.sum())
    value, error = float(cohorts.value(row)), sqrt(_variance(cohorts, treated, row))
    z, reach = (value / error if error > 0 else nan), float(stats.norm.isf((1 - level) / 2)) * error
    return Estimate(
        term=term, method="imputation (Borusyak-Jaravel-Spiess)" + ("" if drawn_by_lot else ", not drawn by lot"),
        estimate=value, std_error=error, statistic=z, df=nan, p_value=float(2 * stats.norm.sf(abs(z))), smallest_p=nan,
        conf_low=value - reach, conf_high=value + reach, level=level, n_units=cohorts.n, n_allocations=0, mc_error=0.0,
        unit=unit,
    )  # fmt: skip


def coefficients(cohorts: Cohorts, treated: Bools, weight: Floats) -> Floats:
    """(g, t) coefficients on the cohort means: the weights on treated cells, less what imputes them on the others.

    Least squares on units' levels and periods' levels treats units of a cohort alike, so cohorts stand for units.
    """
    levels, onto = _projection(cohorts, treated)
    found: Floats = (weight.ravel() - weight.ravel() @ levels @ onto).reshape(weight.shape)
    return found


def _projection(cohorts: Cohorts, treated: Bools) -> tuple[Floats, Floats]:
    """(g t, g + t) who has which level, and (g + t, g t) the levels by least squares on untreated cells."""
    g, t = treated.shape
    levels = np.concatenate([np.repeat(np.eye(g), t, axis=0), np.tile(np.eye(t), (g, 1))], axis=1)
    size = np.where(treated, 0.0, cohorts.sizes[:, None]).ravel()
    return levels, np.linalg.pinv(levels.T @ (size[:, None] * levels), hermitian=True) @ (levels.T * size)


def _variance(cohorts: Cohorts, treated: Bools, row: Floats) -> float:
    """Sum over units of (sum_t v_it e_it)^2: within cohorts, and what the levels leave of a cohort's untreated means."""
    levels, onto = _projection(cohorts, treated)
    fitted = (levels @ onto @ cohorts.means.ravel()).reshape(row.shape)
    left = np.where(treated, 0.0, cohorts.means - fitted)
    within = np.einsum("gt,gts,gs->g", row, cohorts.covariances, row) * (cohorts.sizes - 1) / cohorts.sizes**2
    return float((within + (row * left).sum(axis=1) ** 2 / cohorts.sizes).sum())


def _nothing(event_time: int | None) -> EstimateError:
    return EstimateError(
        f"No treated cell has an outcome that untreated ones could predict (event time {event_time}). Give periods in "
        "which some units still wait.",
        {"event_time": event_time},
        da="Ingen begyndte enheder har udfald, som de ventende kan forudsige. Angiv perioder, hvor nogle stadig venter.",
    )


__all__ = ["coefficients", "imputation"]
