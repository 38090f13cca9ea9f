"""Thompson's within-period estimator: each period, clusters that have started against those that wait.

Periods are never compared with one another, so no trend and no correlation over time can pass for an effect.  Its test
is the design's own: the estimate anew for every allocation, weights included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.given import numbers, one_of

Weights = Literal["variance", "harmonic"]


@dataclass(frozen=True, eq=False, kw_only=True)
class WithinPeriods:
    """The estimate by period and over periods, for k allocations.

    Parameters
    ----------
    differences, weights : (k, t) float
        Started minus waiting, and its weight; nan where a period has fewer than one cluster on a side.
    estimates : (k,) float
        The weighted mean over the periods with both sides.
    """

    differences: Floats
    weights: Floats
    estimates: Floats


def within_periods(
    summaries: ArrayLike, starts: ArrayLike, codes: NDArray[np.integer], *, weights: Weights = "variance"
) -> WithinPeriods:
    """Thompson's estimate for many allocations at once.

    Parameters
    ----------
    summaries : (n, t) float
        One summary per cluster and period: a mean, a share, or the logarithm of odds.
    starts : (n_labels,) int
        Column in which a label's clusters are first treated; t or more for never.
    codes : (k, n) int
        Allocations: the label of each cluster.
    weights : "variance" or "harmonic"
        The inverse of each period's variance, with clusters' variance pooled within the period and found anew for
        every allocation; or a b / (a + b) for a started and b waiting clusters, which takes all periods' as one.

    Raises
    ------
    EstimateError
        A summary is missing, or an allocation has no period with both sides (and three clusters, for a variance).

    References
    ----------
    Thompson et al. (2018), doi:10.1002/sim.7668, section 3.
    """
    one_of(weights, get_args(Weights), "weights")
    y, at = numbers(summaries, "summaries"), np.atleast_2d(codes)
    if y.ndim != 2 or at.shape[1] != len(y) or not np.isfinite(y).all():
        raise EstimateError(
            f"The summaries have shape {y.shape}, the allocations {at.shape[1]} clusters, and every cluster needs a "
            "summary in every period. Give one row per cluster, without gaps.",
            {"summaries": y.shape, "clusters": at.shape[1]},
            da=f"Opgørelserne har formen {y.shape}, lodtrækningerne {at.shape[1]} klynger, og hver klynge skal have et "
            "tal i hver periode. Giv én række pr. klynge uden huller.",
        )
    begun = numbers(starts, "starts")[:, None] <= np.arange(y.shape[1])
    columns = [_one_period(y[:, j] - y[:, j].mean(), begun[:, j][at], weights) for j in range(y.shape[1])]
    differences, weight = (np.stack(found, axis=1) for found in zip(*columns, strict=True))
    total = np.nansum(weight, axis=1)
    if not (total > 0).all():
        raise EstimateError(
            "No period has started and waiting clusters whose summaries differ, so nothing can be compared within a "
            "period. Look at the waves: a period in which some have started and some wait is needed.",
            {"allocations": int((~(total > 0)).sum())},
            da="Ingen periode har både klynger, der er startet, og klynger, der venter, med forskellige tal, så intet "
            "kan sammenlignes inden for en periode. Se på bølgerne.",
        )
    estimates = np.nansum(differences * weight, axis=1) / total
    return WithinPeriods(differences=differences, weights=weight, estimates=estimates)


def _one_period(y: Floats, started: NDArray[np.bool_], weights: Weights) -> tuple[Floats, Floats]:
    """(k,) difference and weight of a period, from centred summaries (n,) and who has started (k, n)."""
    here = started.astype(np.float64)
    a: Floats = here.sum(axis=1)
    b = len(y) - a
    one = here @ y
    other = y.sum() - one
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = one / a - other / b
        weight = a * b / (a + b)
        if weights == "variance":
            pooled = ((y**2).sum() - one**2 / a - other**2 / b) / (len(y) - 2)
            weight = np.where(pooled > 0, weight / pooled, np.nan)
    both = (a > 0) & (b > 0)
    return np.where(both, difference, np.nan), np.where(both, weight, np.nan)


__all__ = ["WithinPeriods", "within_periods"]
