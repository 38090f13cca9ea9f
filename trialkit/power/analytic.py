"""The variance of the effect from the design and the correlations, and what can be seen with it.

An estimator that is a weighted sum of unit-period means has, for each allocation, the variance c' V c.  Averaged over
the design's own allocations it gives the standard error a planner should expect, before any outcome exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.base import Codes
    from trialkit.power.possible import Possible

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Who resembles whom, as shares of one person's total variance.

    Parameters
    ----------
    icc : float in [0, 1]
        Correlation of two people of one unit in one period.
    cac : float in [0, 1]
        Cluster autocorrelation: the share of the unit's variance that lasts to another period (nested
        exchangeable), or to the next one with ``decay`` (discrete-time decay: ``cac ** |t - s|``).
    iac : float in [0, 1]
        Individual autocorrelation: the same for one person's own part when the same people are measured again
        (a cohort); 0 when every period has new people.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028 (nested and block exchangeable); Kasza et al. (2019),
    doi:10.1177/0962280217734981 (decay).
    """

    icc: float
    cac: float = 1.0
    iac: float = 0.0
    decay: bool = False

    def __post_init__(self) -> None:
        for name in ("icc", "cac", "iac"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise DesignError(
                    f"{name} = {value} is not a correlation between 0 and 1, so no variance follows from it. "
                    "Give a share of the variance, such as 0.02.",
                    {"name": name, "value": value},
                    da=f"{name} = {value} er ikke en korrelation mellem 0 og 1, så ingen varians følger af den. "
                    "Angiv en andel af variansen, fx 0,02.",
                )

    def lasting(self, n_periods: int) -> Floats:
        """(t, t): how much of the unit's own variance two periods share."""
        if self.decay:
            place = np.arange(n_periods)
            return np.asarray(np.power(self.cac, np.abs(place[:, None] - place)), np.float64)
        return np.asarray(np.full((n_periods, n_periods), self.cac) + (1 - self.cac) * np.eye(n_periods))


def variances(coefficients: Floats, sizes: Floats, correlation: Correlation, *, total: float = 1.0) -> Floats:
    """The variance of ``sum(c * y)`` over unit-period means y, for every allocation.

    Units are independent; within one, cov(y_t, y_s) = total x [ICC x lasting(t, s) + (1 - ICC) x own(t, s)] with
    own 1/n_t for t = s and IAC / max(n_t, n_s) between periods (the smaller group is among the larger).

    Parameters
    ----------
    coefficients : (k, n, t) float
    sizes : (n, t) float
        People behind each mean; a cell with 0 must carry no weight.
    correlation : Correlation
    total : float
        One person's variance; p (1 - p) for a share p.

    Returns
    -------
    (k,) float

    Raises
    ------
    DesignError
        A cell carries weight and nobody is in it.
    """
    weighted = np.any(coefficients != 0, axis=0)
    if np.any(weighted & ~(sizes > 0)):
        raise DesignError(
            "A unit's period counts in the estimate and has nobody in it, so its mean has no variance. "
            "Give the number of people there, or leave the cell out.",
            {"cells": np.argwhere(weighted & ~(sizes > 0)).tolist()},
            da="En enheds periode tæller med i estimatet, men der er ingen i den, så gennemsnittet har ingen varians. "
            "Angiv antallet af personer, eller udelad cellen.",
        )
    covariance = _covariances(np.where(sizes > 0, sizes, 1.0), correlation)  # (n, t, t)
    return np.asarray(total * np.einsum("kit,its,kis->k", coefficients, covariance, coefficients, optimize=True))


def _covariances(sizes: Floats, correlation: Correlation) -> Floats:
    """(n, t, t): covariance of a unit's period means per unit of total variance."""
    n_periods = sizes.shape[1]
    own = correlation.iac / np.maximum(sizes[:, :, None], sizes[:, None, :])
    own[:, range(n_periods), range(n_periods)] = 1 / sizes
    return np.asarray(correlation.icc * correlation.lasting(n_periods) + (1 - correlation.icc) * own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One answer by the normal distribution and by t, side by side; ``t`` is nan without degrees of freedom."""

    normal: float
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How sure an estimate will be.

    Parameters
    ----------
    std_error : float
        Square root of the variance averaged over allocations, in the outcome's unit.
    df : float
        Degrees of freedom of the t answers: clusters - 2, or people - 2.
    n_allocations : int
        How many allocations the average is over; 0 where it is a closed formula.
    mc_error : float
        Standard error of ``std_error`` because allocations were sampled; 0 where all were used.
    unseen : float
        Share of the allocations that give no estimate at all (no month with both arms).
    """

    std_error: float
    df: float
    n_allocations: int = 0
    mc_error: float = 0.0
    unseen: float = 0.0

    def smallest_effect(self, *, power: float = 0.8, alpha: float = 0.05, sides: int = 2) -> Pair:
        """The smallest effect seen with probability ``power``: (quantile of 1 - alpha/sides + of power) x error."""
        from scipy import stats

        at, on = 1 - alpha / sides, self.std_error
        normal = float(stats.norm.ppf(at) + stats.norm.ppf(power)) * on
        by_t = float(stats.t.ppf(at, self.df) + stats.t.ppf(power, self.df)) * on if self.df >= 1 else nan
        return Pair(normal=normal, t=by_t)

    def power(self, effect: float, *, alpha: float = 0.05, sides: int = 2) -> Pair:
        """The probability that an effect of this size is seen; by the noncentral t distribution, and by the normal."""
        from scipy import stats

        if not isfinite(self.std_error) or self.std_error <= 0:
            return Pair(normal=nan, t=nan)
        shift = abs(effect) / self.std_error
        critical = float(stats.norm.ppf(1 - alpha / sides))
        normal = float(stats.norm.sf(critical - shift))
        wrong = float(stats.norm.cdf(-critical - shift)) if sides == 2 else 0.0
        if self.df < 1:
            return Pair(normal=normal + wrong, t=nan)
        critical = float(stats.t.ppf(1 - alpha / sides, self.df))
        by_t = float(stats.nct.sf(critical, self.df, shift))
        wrong_t = float(stats.nct.cdf(-critical, self.df, shift)) if sides == 2 else 0.0
        return Pair(normal=normal + wrong, t=by_t + (wrong_t if isfinite(wrong_t) else 0.0))


def two_groups(
    n_a: int, n_b: int, *, sd: float = 1.0, explained: float = 0.0, design_effect_a: float = 1.0
) -> Precision:
    """Families or units drawn one by one into two groups: the difference of two means.

    Parameters
    ----------
    n_a, n_b : people in either group
    sd : standard deviation of one outcome; 1 gives answers in standard deviations
    explained : share of the variance a baseline measurement explains (its correlation squared)
    design_effect_a : 1 + (m - 1) x ICC where group a is served in teams of m (partly grouped); 1 otherwise

    References
    ----------
    Borm et al. (2007), doi:10.1016/j.jclinepi.2007.02.006 (explained); Roberts and Roberts (2005),
    doi:10.1191/1740774505cn076oa (one grouped arm).
    """
    if min(n_a, n_b) < 1:
        return Precision(std_error=nan, df=nan)
    variance = sd**2 * (1 - explained) * (design_effect_a / n_a + 1 / n_b)
    return Precision(std_error=sqrt(variance), df=n_a + n_b - 2)


def precision(
    possible: Possible,
    coefficients: Floats,
    sizes: Floats,
    correlation: Correlation,
    *,
    total: float = 1.0,
    df: float,
) -> Precision:
    """The estimator's standard error, its variance averaged over the allocations that could be drawn.

    This is normal theory.  A test over few allocations has less power than that, because its p-values come in steps
    and because orders that share their first wave give nearly the same difference and crowd the extreme.  Measured in
    ``tests/power/test_against_the_exact_test.py`` for effects of 2, 3 and 4 standard errors: 7 areas in waves of 3, 2
    and 2 with 142 orders, exact test 0.37, 0.62, 0.81 against 0.37, 0.67, 0.89 by t(5) and 0.52, 0.85, 0.98 by the
    normal; 3 against 4 areas (35 allocations), 0.23, 0.48, 0.70 against 0.26, 0.54, 0.79 by t(5) at the level the
    test really has (`SmallestP.level`, here 1/35).

    Parameters
    ----------
    possible : Possible
        The design's own allocations, k of them.
    coefficients : (k, n, t) float
        The estimator under each, e.g. ``contrast(possible.codes, ...).coefficients``.
    sizes : (n, t) float
        People behind each mean.
    total : float
        One person's variance.
    df : float
        Degrees of freedom of the t answers: drawn clusters - 2.

    Returns
    -------
    Precision
        nan error where no allocation gives an estimate.
    """
    seen = np.asarray(coefficients.any(axis=(1, 2)))
    unseen = possible.mean(~seen)
    if not seen.any():
        return Precision(std_error=nan, df=df, n_allocations=len(possible), unseen=1.0)
    each = np.where(seen, variances(coefficients, sizes, correlation, total=total), 0.0)
    mean = possible.mean(each) / possible.mean(seen)
    return Precision(
        std_error=sqrt(mean),
        df=df,
        n_allocations=len(possible),
        mc_error=possible.mc_error(each) / (2 * sqrt(mean)) if mean > 0 else 0.0,
        unseen=unseen,
    )


def blocked_difference(codes: Codes, a: int, b: int, blocks: NDArray[np.integer]) -> Floats:
    """Coefficients of the difference in means, blocks weighing by their share of the units in the two arms.

    Parameters
    ----------
    codes : (k, n) int
    a, b : label codes; the estimate is the mean of ``a`` minus the mean of ``b``
    blocks : (n,) int
        Block of each unit; all 0 without blocks.

    Returns
    -------
    (k, n, 1) float
        A block in which one arm is empty under an allocation takes no part there.

    References
    ----------
    Neyman (1923), translated 1990, doi:10.1214/ss/1177012031.
    """
    found = np.zeros(codes.shape, np.float64)
    weight = np.zeros(len(codes))
    for block in np.unique(blocks):
        here = blocks == block
        one, other = (codes == a) & here, (codes == b) & here
        n_one, n_other = one.sum(axis=1), other.sum(axis=1)
        size = np.where((n_one > 0) & (n_other > 0), n_one + n_other, 0).astype(np.float64)
        found += one * (size / np.maximum(n_one, 1))[:, None] - other * (size / np.maximum(n_other, 1))[:, None]
        weight += size
    return np.asarray((found / np.maximum(weight, 1.0)[:, None])[:, :, None])
