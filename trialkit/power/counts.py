"""Binomial counts from given uniform numbers, many at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LONGEST: Final = 60.0  # expected events up to which counting upwards is the cheapest way


def binomial(people: Floats, share: Floats, uniform: Floats) -> Floats:
    """The least count whose distribution function exceeds ``uniform``: inversion, cell by cell.

    With the same uniform number a larger share never gives a smaller count, so that studies of two effects differ in
    nothing but the effect (common random numbers).

    Parameters
    ----------
    people : whole numbers >= 0 ; share : in [0, 1] ; uniform : in [0, 1); all of one shape
    """
    mirrored = share > 0.5  # few misses are counted faster than many hits, and 1 - u keeps the order
    p = np.where(mirrored, 1 - share, share)
    u = np.where(mirrored, 1 - uniform, uniform)
    if float((people * p).max(initial=0.0)) > LONGEST:
        from scipy import stats

        count = np.asarray(stats.binom.ppf(u, people, p), np.float64)
    else:
        count = _upwards(people, p, u)
    return np.where(mirrored, people - count, count)


def _upwards(people: Floats, p: Floats, uniform: Floats) -> Floats:
    """Add up probabilities until they exceed the uniform number; cells that are done are left behind."""
    count = np.zeros(people.size)
    where = np.arange(people.size)
    n, odds, left = people.ravel(), (p / (1 - p)).ravel(), uniform.ravel().copy()
    mass = np.power(1 - p.ravel(), n)
    k = 0
    while where.size:
        left = left - mass
        on = (left >= 0) & (k < n)
        count[where[~on]] = k
        where, n, odds, left, mass = where[on], n[on], odds[on], left[on], mass[on]
        mass = mass * (n - k) / (k + 1) * odds
        k += 1
    return count.reshape(people.shape)


__all__ = ["binomial"]
