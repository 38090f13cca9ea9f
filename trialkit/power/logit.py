"""Units that differ: a share as a function of a normal number, with mean, ICC and CAC held on the scale of shares.

A logit-normal share has no closed mean or variance; both are found by quadrature, so that a planner's ICC means the
same here as in a formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NODES: Final = np.linspace(-8.5, 8.5, 545)
WEIGHTS: Final = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
TERMS: Final = 40  # of the expansion in Hermite polynomials
HALVINGS: Final = 60
WIDEST: Final = 40.0  # standard deviation of a logit beyond which a share is 0 or 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Logit:
    """``share = expit(centre + spread z)`` with z standard normal.

    Parameters
    ----------
    centre, spread : (t,) float
        Per period.
    lasting : float in [0, 1]
        Correlation of a unit's z between two periods, such that the shares correlate by the CAC.
    """

    centre: Floats
    spread: Floats
    lasting: float

    @classmethod
    @lru_cache(maxsize=32)  # every chunk of a study asks again
    def of(cls, means: tuple[float, ...], *, icc: float, cac: float) -> Self:
        """The logits whose shares have these means (t,), variances ICC x m (1 - m), and correlation CAC over time."""
        distinct, place = np.unique(np.array(means), return_inverse=True)
        low, high = np.zeros_like(distinct), np.full_like(distinct, WIDEST if icc > 0 else 0.0)
        for _ in range(HALVINGS if icc > 0 else 0):  # the variance grows with the spread
            spread = (low + high) / 2
            short = _variance(_centre(distinct, spread), spread) < icc * distinct * (1 - distinct)
            low, high = np.where(short, spread, low), np.where(short, high, spread)
        spread = (low + high) / 2
        centre = _centre(distinct, spread)
        lasting = _lasting(float(centre[0]), float(spread[0]), cac) if icc > 0 else 0.0
        return cls(centre=centre[place], spread=spread[place], lasting=lasting)

    def shares(self, shape: tuple[int, int, int], rng: np.random.Generator, *, decay: bool = False) -> Floats:
        """(k, n, t) shares of independent units."""
        if not self.spread.any():
            return np.broadcast_to(_expit(self.centre), shape)
        unit, own = rng.standard_normal((*shape[:2], 1)), rng.standard_normal(shape)
        z = _fading(own, self.lasting) if decay else np.sqrt(self.lasting) * unit + np.sqrt(1 - self.lasting) * own
        return _expit(self.centre + self.spread * z)


def _fading(own: Floats, lasting: float) -> Floats:
    """Standard normal numbers along the last axis, each correlated with the one before."""
    found = own.copy()
    for t in range(1, own.shape[-1]):
        found[..., t] = lasting * found[..., t - 1] + np.sqrt(1 - lasting**2) * own[..., t]
    return found


def _expit(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _centre(means: Floats, spread: Floats) -> Floats:
    """The centres that give these means at this spread, by halving."""
    reach = np.abs(np.log(means / (1 - means))) + 10 * spread + 1
    low, high = -reach, reach
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = _expit(middle[:, None] + spread[:, None] * NODES) @ WEIGHTS < means
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray((low + high) / 2)


def _variance(centre: Floats, spread: Floats) -> Floats:
    shares = _expit(centre[:, None] + spread[:, None] * NODES)
    return np.asarray((shares**2) @ WEIGHTS - (shares @ WEIGHTS) ** 2)


def _lasting(centre: float, spread: float, cac: float) -> float:
    """The correlation of normal numbers at which shares correlate by ``cac`` (Mehler's expansion, 1866)."""
    polynomials = [np.ones_like(NODES), NODES]
    for k in range(1, TERMS):  # orthonormal Hermite polynomials
        polynomials.append((NODES * polynomials[k] - np.sqrt(k) * polynomials[k - 1]) / np.sqrt(k + 1))
    weights = (np.array(polynomials[1:]) @ (WEIGHTS * _expit(centre + spread * NODES))) ** 2
    weights /= weights.sum()
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = float(weights @ middle ** np.arange(1, len(weights) + 1)) < cac
        low, high = (middle, high) if short else (low, middle)
    return (low + high) / 2


__all__ = ["Logit"]
