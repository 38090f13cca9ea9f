"""The likelihood of clusters and their periods without matrices: cells of any size, clusters of any shape.

A row has a cluster's intercept (ratio tau to the residual variance) and its cluster-period's (gamma).  With m the weight
of a cell and a its sums of weight times U = [X, y], the cells' own intercepts leave r = 1 / (1 + gamma m) of each sum and
the information h = m r; over a cluster H = sum h and g = sum r a.  The cluster's intercept then is one update of rank 1
(Sherman & Morrison 1950, doi:10.1214/aoms/1177729893):
    U'V^-1U = U'WU - sum gamma r a a' - sum kappa g g',   kappa = tau / (1 + tau H),
    log|V| = sum log(1 + gamma m) + sum log(1 + tau H) - log|W|,
and with u = g / (1 + tau H) a cell's row of Z'V^-1U is r a - tau h u.  All derivatives are sums of such products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trialkit.estimate.cells import Floats, Ints, Sums
from trialkit.estimate.covariances import Structure
from trialkit.estimate.mixed_fit import Clustered, Pieces, bordered


@dataclass(frozen=True, eq=False)
class Nested:
    """Two random intercepts, a cluster's and a cluster-period's; satisfies `Likelihood`."""

    sums: Sums
    structure: Structure

    @classmethod
    def of_sums(cls, sums: Sums, structure: Structure) -> Nested | None:
        """None where the structure is another, or a row loads on more than one slot."""
        q = sums.m.shape[1]
        if structure.kind != "variances" or len(structure.names) != 2 or q < 2:
            return None
        intercepts = np.array_equal(structure.basis[0], np.ones((q, q))) and np.array_equal(
            structure.basis[1], np.eye(q)
        )
        diagonal = not (sums.m * (1 - np.eye(q))).any()
        return cls(sums, structure) if intercepts and diagonal else None

    def of(self, sets: Ints) -> Nested:
        """For these data sets."""
        return Nested(self.sums.of(sets), self.structure)

    @cached_property
    def _weights(self) -> Floats:
        """(c, q) of each cell."""
        return np.ascontiguousarray(np.diagonal(self.sums.m, axis1=1, axis2=2))

    @cached_property
    def _squares(self) -> Floats:
        """(c * q, p * p) products of the cells' sums of X."""
        a = self.sums.a.reshape(-1, self.sums.a.shape[2])
        return np.asarray((a[:, :, None] * a[:, None]).reshape(len(a), -1), np.float64)

    def level(self, ratios: Floats) -> tuple[Floats, Floats]:
        """log|V| and U'V^-1U at ratios (d, 2)."""
        s, m = self.sums, self._weights
        tau, gamma = ratios[:, 0, None], ratios[:, 1, None, None]
        r = 1 / (1 + gamma * m)
        h = (m * r).sum(axis=2)
        log_det = np.log1p(gamma * m).sum(axis=(1, 2)) + np.log1p(tau * h).sum(axis=1) - s.log_weights
        g = self._lines(r)
        t0 = bordered(s.xx, s.xy, s.yy) - self._products(gamma * r) - _crossed(tau / (1 + tau * h), g, g)
        return log_det, t0

    def pieces(self, ratios: Floats) -> Pieces:
        """All pieces at ratios (d, 2)."""
        log_det, t0 = self.level(ratios)
        m = self._weights
        tau, gamma = ratios[:, 0, None], ratios[:, 1, None, None]
        r = 1 / (1 + gamma * m)
        h = m * r
        h1, h2, h3 = h.sum(axis=2), (h**2).sum(axis=2), (h**3).sum(axis=2)
        shrunk = 1 / (1 + tau * h1)
        kappa = tau * shrunk
        u = self._lines(r) * shrunk[..., None]
        once, twice = self._lines(h * r), self._lines(h**2 * r)
        end = once - (tau * h2)[..., None] * u  # sum over a cluster's cells of h times the row of Z'V^-1U
        one = np.ones_like(h1)
        by_cell = self._products(r**2) - _both(tau * one, once, u) + _crossed(tau**2 * h2, u, u)
        by_cells = self._products(h * r**2) - _both(tau * one, twice, u) + _crossed(tau**2 * h3, u, u)
        across = _crossed(shrunk, u, end)
        t2 = np.empty((len(ratios), 2, 2, *t0.shape[1:]))
        t2[:, 0, 0], t2[:, 0, 1] = _crossed(h1 * shrunk, u, u), across
        t2[:, 1, 0], t2[:, 1, 1] = np.swapaxes(across, 1, 2), by_cells - _crossed(kappa, end, end)
        trace2 = np.empty((len(ratios), 2, 2))
        trace2[:, 0, 0] = ((h1 * shrunk) ** 2).sum(axis=1)
        trace2[:, 0, 1] = trace2[:, 1, 0] = (h2 * shrunk**2).sum(axis=1)
        trace2[:, 1, 1] = (h2 - 2 * kappa * h3 + (kappa * h2) ** 2).sum(axis=1)
        return Pieces(
            log_det=log_det, t0=t0, t1=np.stack([_crossed(one, u, u), by_cell], axis=1), t2=t2,
            trace1=np.stack([(h1 * shrunk).sum(axis=1), (h1 - kappa * h2).sum(axis=1)], axis=1), trace2=trace2,
        )  # fmt: skip

    def _lines(self, by: Floats) -> Floats:
        """(d, c, p + 1) sums over a cluster's cells of their sums of U, weighted by (d, c, q)."""
        x = np.swapaxes(np.swapaxes(by, 0, 1) @ self.sums.a, 0, 1)
        return np.concatenate([x, (by * self.sums.b).sum(axis=2, keepdims=True)], axis=2)

    def _products(self, by: Floats) -> Floats:
        """(d, p + 1, p + 1) products of all cells' sums of U, weighted by (d, c, q)."""
        d, p = len(by), self.sums.a.shape[2]
        flat, y = by.reshape(d, -1), self.sums.b.reshape(len(self.sums.b), -1)
        xx = (flat @ self._squares).reshape(d, p, p)
        loaded = flat * y
        return bordered(xx, loaded @ self.sums.a.reshape(-1, p), (loaded * y).sum(axis=1))


def likelihood_of(sums: Sums, structure: Structure) -> Nested | Clustered:
    """The quickest likelihood that holds for any sizes."""
    return Nested.of_sums(sums, structure) or Clustered(sums, structure)


def _crossed(weight: Floats, left: Floats, right: Floats) -> Floats:
    """(d, p + 1, p + 1) sums over clusters of weight (d, c) times left' right, both (d, c, p + 1)."""
    return np.asarray(np.swapaxes(left * weight[..., None], 1, 2) @ right, np.float64)


def _both(weight: Floats, left: Floats, right: Floats) -> Floats:
    """The same plus its transpose."""
    found = _crossed(weight, left, right)
    return found + np.swapaxes(found, 1, 2)


__all__ = ["Nested", "likelihood_of"]
