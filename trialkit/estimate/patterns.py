"""The likelihood where every cluster's covariance has the same eigenvectors: sums by eigenvalue, no matrices.

Where each cluster's Z'WZ is a multiple m of the identity and the structure's matrices commute, one rotation E of the
slots makes Psi diagonal.  A rotated slot with loads e then has 1 + m e'lambda in place of a matrix, and slots with the
same m and e are added up.  Balanced Hussey-Hughes and nested exchangeable designs have one and two such patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trialkit.estimate.cells import Floats, Ints, Sums
from trialkit.estimate.covariances import Structure
from trialkit.estimate.mixed_fit import Pieces, bordered


@dataclass(frozen=True, eq=False, kw_only=True)
class Patterned:
    """Sums of the rotated slots by pattern; a `trialkit.estimate.mixed_fit.Likelihood`.

    Of d data sets with p fixed effects and k ratios; u patterns, each a pair of m and loads e.  A pattern's slots add
    log(1 + m e'lambda) each to log|V|, and take e'lambda / (1 + m e'lambda) times their products from U'WU.

    Parameters
    ----------
    sums : Sums
    structure : Structure
        Of kind ``variances``.
    m : (u,) float
        Weight of a slot: Z'WZ of its cluster is m times the identity.
    loads : (u, k) float
        What each ratio adds to the variance of a rotated slot.
    count : (u,) float
        Slots of the pattern, over all clusters.
    xx, xy, yy : (u, p, p), (d, u, p) and (d, u) float
        Sums over its slots of the products of Z'WX and Z'Wy, rotated.

    References
    ----------
    Woodbury's identity with diagonal matrices; the criterion is that of `trialkit.estimate.mixed_fit`.
    """

    sums: Sums
    structure: Structure
    m: Floats
    loads: Floats
    count: Floats
    xx: Floats
    xy: Floats
    yy: Floats

    @classmethod
    def of_sums(cls, sums: Sums, structure: Structure) -> Patterned | None:
        """The patterns, or None where the design or the structure has no common eigenvectors."""
        q = sums.m.shape[1]
        size = np.array([one[0, 0] for one in sums.m])
        if structure.kind != "variances" or not np.allclose(
            sums.m, size[:, None, None] * np.eye(q), rtol=1e-12, atol=0
        ):
            return None
        mixed = np.tensordot(np.sqrt(np.arange(2, 2 + len(structure.basis))), structure.basis, axes=1)
        rotation = np.linalg.eigh(mixed)[1]
        turned = rotation.T @ structure.basis @ rotation
        loads = np.stack([np.diag(one) for one in turned], axis=1)  # (q, k)
        if not np.allclose(turned, loads.T[:, :, None] * np.eye(q), atol=1e-10):
            return None
        a, b = np.swapaxes(rotation, 0, 1) @ sums.a, sums.b @ rotation
        keys = np.array([(m, *np.round(row, 9)) for m in size for row in loads])
        patterns, code = np.unique(keys, axis=0, return_inverse=True)
        flat_a, flat_b = a.reshape(-1, a.shape[2]), b.reshape(len(b), -1)
        members = [np.flatnonzero(code.ravel() == u) for u in range(len(patterns))]
        return cls(
            sums=sums, structure=structure, m=patterns[:, 0], loads=patterns[:, 1:],
            count=np.array([float(len(one)) for one in members]),
            xx=np.stack([flat_a[one].T @ flat_a[one] for one in members]),
            xy=np.stack([flat_b[:, one] @ flat_a[one] for one in members], axis=1),
            yy=np.stack([(flat_b[:, one] ** 2).sum(axis=1) for one in members], axis=1),
        )  # fmt: skip

    def of(self, sets: Ints) -> Patterned:
        """For these data sets."""
        return Patterned(
            sums=self.sums.of(sets), structure=self.structure, m=self.m, loads=self.loads, count=self.count,
            xx=self.xx, xy=self.xy[sets], yy=self.yy[sets],
        )  # fmt: skip

    def level(self, ratios: Floats) -> tuple[Floats, Floats]:
        """log|V| and U'V^-1U at ratios (d, k)."""
        mu = ratios @ self.loads.T
        v = 1 + self.m * mu
        s = self.sums
        return np.log(v) @ self.count - s.log_weights, bordered(s.xx, s.xy, s.yy) - self._weighted(mu / v)

    @property
    def alone(self) -> bool:
        """One pattern: X'V^-1X has the same eigenvectors at every ratio."""
        return len(self.m) == 1

    def solved(self, ratios: Floats, direction: Floats) -> tuple[Floats, Floats, Floats]:
        """A contrast's value, its variance in units of s2 and r'V^-1r, (d,) each, where there is one pattern.

        X'V^-1X = X'WX - f B with f = mu / (1 + m mu) and B the pattern's product: in the basis T where X'WX is the identity
        and B is diagonal, nothing has to be solved.
        """
        s = self.sums
        root = np.linalg.inv(np.linalg.cholesky(s.xx))
        share, turn = np.linalg.eigh(root @ self.xx[0] @ root.T)
        basis = root.T @ turn
        mu = ratios @ self.loads[0]
        f = mu / (1 + self.m[0] * mu)
        seen = (s.xy - f[:, None] * self.xy[:, 0]) @ basis
        along = basis.T @ direction
        inverse = 1 / (1 - f[:, None] * share)
        weighted = seen * inverse
        squares = s.yy - f * self.yy[:, 0] - np.einsum("dp,dp->d", seen, weighted)
        return weighted @ along, inverse @ along**2, squares

    def pieces(self, ratios: Floats) -> Pieces:
        """All pieces at ratios (d, k)."""
        log_det, t0 = self.level(ratios)
        v = 1 + self.m * (ratios @ self.loads.T)
        k = len(self.structure.names)
        share = self.m / v
        once = [self.loads[:, i] / v**2 for i in range(k)]
        t1 = np.stack([self._weighted(one) for one in once], axis=1)
        t2 = np.stack(
            [
                np.stack([self._weighted(once[i] * self.loads[:, j] * share) for j in range(k)], axis=1)
                for i in range(k)
            ],
            axis=1,
        )
        counted = self.count[:, None] * self.loads
        trace2 = np.einsum("du,ui,uj->dij", share**2, counted, self.loads)
        return Pieces(log_det=log_det, t0=t0, t1=t1, t2=t2, trace1=share @ counted, trace2=trace2)

    def _weighted(self, by: Floats) -> Floats:
        """(d, p+1, p+1) products of the patterns, weighted by (d, u)."""
        u, p = self.xx.shape[:2]
        xx = (by @ self.xx.reshape(u, p * p)).reshape(len(by), p, p)
        return bordered(xx, (by[:, None] @ self.xy)[:, 0], (by * self.yy).sum(axis=1))


__all__ = ["Patterned"]
