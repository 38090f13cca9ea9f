"""How often a Wald test sees an effect, for many standard errors at once."""

from __future__ import annotations

from math import nan
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Tail = Literal["noncentral", "shifted"]


def power_by_normal(size: float, std_error: ArrayLike, *, alpha: float = 0.05, sides: int = 2) -> Floats:
    """The power of a Wald test whose error is known; with two sides the wrong one counts too, as it rejects."""
    from scipy import stats

    shift = abs(size) / np.asarray(std_error, np.float64)
    critical = float(stats.norm.ppf(1 - alpha / sides))
    wrong = stats.norm.cdf(-critical - shift) if sides == 2 else 0.0
    return np.asarray(stats.norm.sf(critical - shift) + wrong, np.float64)


def power_by_t(
    size: float, std_error: ArrayLike, df: float, *, alpha: float = 0.05, sides: int = 2, tail: Tail = "noncentral"
) -> Floats:
    """The power of a t test with ``df`` degrees of freedom.

    Parameters
    ----------
    tail : "noncentral" or "shifted"
        The noncentral t distribution, which is that of the statistic under the effect; or the central one moved by
        effect / error, as some programs have it.

    Returns
    -------
    float array of ``std_error``'s shape; nan where df is below 1
    """
    from scipy import stats

    shift = np.asarray(abs(size) / np.asarray(std_error, np.float64), np.float64)
    if not df >= 1:
        return np.full(shift.shape, nan)
    critical = float(stats.t.ppf(1 - alpha / sides, df))
    if tail == "shifted":
        wrong = stats.t.cdf(-critical - shift, df) if sides == 2 else 0.0
        return np.asarray(stats.t.sf(critical - shift, df) + wrong, np.float64)
    wrong = np.nan_to_num(stats.nct.cdf(-critical, df, shift)) if sides == 2 else 0.0
    return np.asarray(stats.nct.sf(critical, df, shift) + wrong, np.float64)


__all__ = ["Tail", "power_by_normal", "power_by_t"]
