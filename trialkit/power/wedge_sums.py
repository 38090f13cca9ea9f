"""Data sets drawn as the sums a model needs of them, in as few normal numbers as the model can see.

A model sees cells' means only through the columns of its fixed effects and its random-effect slots, and through one sum
of squares.  Turn the means, times the root of their sizes, into a basis of those columns and a rest: where the rest's
covariance is a multiple of the identity and it is independent of the basis, its squares are that multiple of a
chi-square, and no cell has to be drawn.  Where that does not hold every cell is drawn; both are the same distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.cells import Layout, Sums

Floats = NDArray[np.float64]

MOST: Final = 1_000  # cells up to which the basis is looked for
ISOTROPIC: Final = 1e-10  # of the covariance: how far the rest may be from a multiple of the identity


@dataclass(frozen=True, eq=False, kw_only=True)
class SumsDrawn:
    """How the sums of one design's data sets are drawn.

    Parameters
    ----------
    design : Sums
        Of the design, without data sets.
    mean, root : (r,) and (r, r) float
        Coordinates are mean + normal numbers @ root.
    to_b, to_xy : (r, c * q) and (r, p) float
        From coordinates to Z'Wy and X'Wy.
    rest : (variance, degrees of freedom) of each chi-square in y'Wy beside the coordinates' own squares
    """

    design: Sums
    mean: Floats
    root: Floats
    to_b: Floats
    to_xy: Floats
    rest: tuple[tuple[float, int], ...]

    @classmethod
    def of(cls, layout: Layout, expected: Floats, covariance: Floats, residual: float) -> Self:
        """For cells' means.

        Parameters
        ----------
        layout : rows are cells, weights the people in them
        expected : (cells,) float, a combination of the layout's columns
        covariance : (cells, cells) float, of the means
        residual : variance of one person about the cell's mean
        """
        design = layout.sums(np.zeros((1, len(expected)))).of_persons(int(layout.weights.sum()), np.zeros(1))
        root = np.sqrt(layout.weights)
        loads, x = _loads(layout) * root[:, None], layout.x * root[:, None]
        scaled = covariance * root[:, None] * root
        people = ((residual, int(layout.weights.sum()) - len(root)),)
        basis, rest = _basis(loads, x, scaled)
        inner = basis.T @ scaled @ basis
        lower = np.asarray(np.linalg.cholesky((inner + inner.T) / 2), np.float64)
        return cls(
            design=design, mean=basis.T @ (root * expected), root=np.ascontiguousarray(lower.T),
            to_b=basis.T @ loads, to_xy=basis.T @ x, rest=(*rest, *people),
        )  # fmt: skip

    def sums(self, n_sets: int, rng: np.random.Generator) -> Sums:
        """Sums of so many data sets."""
        found = rng.standard_normal((n_sets, len(self.mean))) @ self.root
        found += self.mean
        yy = np.einsum("dr,dr->d", found, found)
        for variance, free in self.rest:
            yy += variance * rng.chisquare(free, n_sets)
        c, q = self.design.a.shape[:2]
        return Sums(
            m=self.design.m, a=self.design.a, b=(found @ self.to_b).reshape(n_sets, c, q), xx=self.design.xx,
            xy=found @ self.to_xy, yy=yy, log_weights=self.design.log_weights, n_rows=self.design.n_rows,
        )  # fmt: skip


def _loads(layout: Layout) -> Floats:
    """(cells, c * q) of each cell on the slots of all clusters."""
    c, q = int(layout.cluster.max()) + 1, layout.z.shape[1]
    found = np.zeros((len(layout.cluster), c, q))
    found[np.arange(len(layout.cluster)), layout.cluster] = layout.z
    return found.reshape(len(found), c * q)


def _basis(loads: Floats, x: Floats, covariance: Floats) -> tuple[Floats, tuple[tuple[float, int], ...]]:
    """An orthonormal basis (cells, r) of all the model sees, and the rest's chi-square; all cells where there is none."""
    n = len(x)
    whole = np.eye(n), ()
    if n > MOST or min(loads.shape[1], n) + x.shape[1] > n:
        return whole
    vectors, sizes, _ = np.linalg.svd(np.concatenate([loads, x], axis=1), full_matrices=False)
    basis = vectors[:, sizes > 1e-10 * sizes[0]]
    free = n - basis.shape[1]
    outside = covariance - basis @ (basis.T @ covariance)
    variance = float(np.trace(outside) - np.trace(basis.T @ outside @ basis)) / max(free, 1)
    away = outside - variance * (np.eye(n) - basis @ basis.T)
    if free < 1 or np.abs(away).max() > ISOTROPIC * np.abs(covariance).max():
        return whole
    return basis, ((variance, free),)


__all__ = ["SumsDrawn"]
