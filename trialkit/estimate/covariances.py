"""Covariances of random effects: which ratios they have, and how each enters one cluster's q x q matrix Psi."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.cells import Floats

Kind = Literal["variances", "intercept and slope", "decay"]
NOTHING: Final = 1e-9  # a component below this share of the residual variance is 0: nothing of it can be seen

CORRELATIONS: Final = (0.01, 0.2, 0.5, 0.8, 0.95, 0.99)  # of neighbouring periods, to start a decay from


@dataclass(frozen=True, eq=False, kw_only=True)
class Structure:
    """Psi of one cluster as a function of its ratios to the residual variance.

    The optimizer works on roots, in which every boundary is a stationary point: a ratio is the square of its root; an
    intercept-and-slope matrix is L L' with roots (l11, l21, l22); a decay is the squared cosine of its root.

    Parameters
    ----------
    names : (k,) names of the ratios
    basis : (k, q, q) float
        Psi is the sum of ratio x basis; for a decay ``basis[0]`` holds the distances between periods instead.
    kind : "variances", "intercept and slope" or "decay"
    """

    names: tuple[str, ...]
    basis: Floats
    kind: Kind = "variances"

    @property
    def shape(self) -> np.ndarray:
        """(k,) bool: does not grow with the outcome's scale (a correlation, not a variance)."""
        return np.array([self.kind == "decay" and k == 1 for k in range(len(self.names))])

    def ratios(self, roots: Floats) -> Floats:
        """(d, k) ratios at roots (d, k)."""
        return self.chain(roots)[0]

    def chain(self, roots: Floats) -> tuple[Floats, Floats, Floats]:
        """Ratios, their first derivatives (d, k, k) and second (d, k, k, k) by the roots."""
        d, k = roots.shape
        slope, curve = np.zeros((d, k, k)), np.zeros((d, k, k, k))
        if self.kind == "intercept and slope":
            a, b, c = roots.T
            slope[:, 0, 0], slope[:, 1, 0], slope[:, 1, 1] = 2 * a, b, a
            slope[:, 2, 1], slope[:, 2, 2] = 2 * b, 2 * c
            curve[:, 0, 0, 0] = curve[:, 2, 1, 1] = curve[:, 2, 2, 2] = 2
            curve[:, 1, 0, 1] = curve[:, 1, 1, 0] = 1
            return np.stack([a * a, a * b, b * b + c * c], axis=1), slope, curve
        diagonal = np.arange(k)
        slope[:, diagonal, diagonal] = 2 * roots
        curve[:, diagonal, diagonal, diagonal] = 2
        ratios = roots**2
        if self.kind == "decay":
            ratios[:, 1] = np.cos(roots[:, 1]) ** 2
            slope[:, 1, 1], curve[:, 1, 1, 1] = -np.sin(2 * roots[:, 1]), -2 * np.cos(2 * roots[:, 1])
        return ratios, slope, curve

    def psi(self, ratios: Floats) -> Floats:
        """(d, q, q) at ratios (d, k)."""
        if self.kind == "decay":
            return np.asarray(ratios[:, 0, None, None] * ratios[:, 1, None, None] ** self.basis[0], np.float64)
        return np.asarray(np.tensordot(ratios, self.basis, axes=1), np.float64)

    def derivatives(self, ratios: Floats) -> tuple[Floats, Floats, Floats | None]:
        """Psi, its derivatives (d, k, q, q) and, for a decay, its second derivatives (d, k, k, q, q)."""
        if self.kind != "decay":
            return self.psi(ratios), np.broadcast_to(self.basis, (len(ratios), *self.basis.shape)), None
        lag = self.basis[0]
        t, r = ratios[:, 0, None, None], ratios[:, 1, None, None]
        once = lag * r ** np.maximum(lag - 1, 0)
        twice = lag * (lag - 1) * r ** np.maximum(lag - 2, 0)
        zero = np.zeros_like(once)
        bend = np.stack([np.stack([zero, once], axis=1), np.stack([once, t * twice], axis=1)], axis=1)
        return t * r**lag, np.stack([r**lag, t * once], axis=1), bend

    def grid(self, mean_weight: float) -> Floats:
        """(g, k) roots to start from, on the scale of rows with this weight; ``families`` says which are rivals."""
        k = len(self.names)
        if self.kind == "decay":
            sizes, turns = np.geomspace(0.004, 6, 6), np.arccos(np.sqrt(CORRELATIONS))
            return np.array([(np.sqrt(s / mean_weight), turn) for turn, s in product(turns, sizes)])
        if self.kind == "intercept and slope":
            roots, turns = np.sqrt([0.02, 0.2, 1.5]), np.array([-0.7, 0.0, 0.7])
            rows = [(a, b * c, c * np.sqrt(1 - b * b)) for a, b, c in product(roots, turns, roots)]
            return np.asarray(rows, np.float64) / float(np.sqrt(mean_weight))
        sizes = {1: np.geomspace(1e-3, 30, 10), 2: np.geomspace(3e-3, 6, 5)}.get(k, np.geomspace(0.01, 3, 4))
        return np.array(list(product(np.sqrt(sizes / mean_weight), repeat=k)))

    def families(self, n_starts: int) -> NDArray[np.intp]:
        """(g,) the family of each start: only the best of a family is followed, and a decay has one per correlation."""
        starts = np.arange(n_starts)
        return starts * len(CORRELATIONS) // n_starts if self.kind == "decay" else starts

    def settled(self, ratios: Floats, mean_weight: float) -> Floats:
        """The ratios with those on their boundary put exactly there."""
        found, least = ratios.copy(), NOTHING / mean_weight
        if self.kind == "intercept and slope":
            a2, ab, _ = ratios.T
            flat = self._flat(ratios, mean_weight)
            safe = np.where(a2 > least, a2, 1)
            found[:, 2] = np.where(flat & (a2 > least), ab**2 / safe, found[:, 2])
            found[a2 <= least, :2] = 0
            found[found[:, 2] <= least, 1:] = 0
            return found
        size = slice(0, 1) if self.kind == "decay" else slice(None)
        found[:, size] = np.where(found[:, size] <= least, 0, found[:, size])
        if self.kind == "decay":
            found[:, 1] = np.where(found[:, 1] > 1 - 1e-7, 1, np.where(found[:, 1] < 1e-7, 0, found[:, 1]))
        return found

    def _flat(self, ratios: Floats, mean_weight: float) -> np.ndarray:
        """(d,) bool: intercept and slope vary as one, so their matrix has rank at most 1."""
        a2, ab, b2 = ratios.T
        return np.asarray(a2 * b2 - ab**2 <= NOTHING * np.maximum(a2, NOTHING / mean_weight) / mean_weight)

    def free(self, ratios: Floats, mean_weight: float) -> Floats:
        """(f, k) directions in which one data set's ratios (k,) can move; fewer than k where the fit is singular."""
        identity = np.eye(len(ratios))
        boundary = self.boundary(ratios[None], mean_weight)[0]
        if self.kind == "intercept and slope" and boundary.any():
            return ratios[None] if ratios.any() else identity[:0]
        if self.kind == "decay" and boundary[0]:
            return identity[:0]
        return np.asarray(identity[~boundary], np.float64)

    def boundary(self, ratios: Floats, mean_weight: float) -> NDArray[np.bool_]:
        """(d, k) bool: the ratio is on its boundary and fixed there."""
        found = ratios == 0
        if self.kind == "intercept and slope":
            gone = found[:, 0] | found[:, 2]
            found[:, 1] = ~gone & self._flat(ratios, mean_weight)
        if self.kind == "decay":
            found[:, 1] = ~found[:, 0] & ((ratios[:, 1] == 0) | (ratios[:, 1] == 1))
        return np.asarray(found, np.bool_)

    def on_boundary(self, ratios: Floats, mean_weight: float) -> tuple[str, ...]:
        """Names of what one data set's fit (k,) has on its boundary."""
        flags = self.boundary(ratios[None], mean_weight)[0]
        return tuple(name for name, flag in zip(self.names, flags, strict=True) if flag)


__all__ = ["Kind", "Structure"]
