"""The marginal likelihood of counts with random intercepts: Laplace or adaptive quadrature, with its exact gradient.

A cell's linear predictor is x'beta + s1 u + s2 v, where u (of its cluster) and v (of its cluster's period) are standard
normal.  At the mode of (u, v) minus the log-density has the curvature A, an arrow: with W the summed weights of a group
and d = 1 + s2^2 W, eliminating v leaves D = 1 + s1^2 sum W/d, so that log|A| = sum log d + sum log D.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import roots_hermitenorm

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.glmm_cells import CountCells

MODE_STEPS: Final = 200
MODE_CLOSE: Final = 1e-11  # Newton decrement of a cluster's mode: its log-density is then exact to rounding
LOST: Final = 20.0  # log-density of a cluster, by which modes of other parameters may be worse and still be the start
MOST_NODES: Final = 200  # beyond, the weights of Gauss and Hermite underflow


class Mode(NamedTuple):
    """Modes of the random effects given beta and the standard deviations, and what is known there.

    ``u`` (c,), ``v`` (g,); ``eta``, ``left`` (events - mean), ``weight`` (variance), ``skew`` (its slope) by cell (m,);
    ``r``, ``w``, ``d`` by group (g,): summed left, summed weight, 1 + s2^2 w; ``big_d`` (c,); ``height`` (c,) the
    log-density without constants.
    """

    u: Floats
    v: Floats
    eta: Floats
    left: Floats
    weight: Floats
    skew: Floats
    r: Floats
    w: Floats
    d: Floats
    big_d: Floats
    height: Floats


@dataclass(frozen=True, eq=False)
class CountLikelihood:
    """Log-likelihood of ``psi``: p fixed effects, then one standard deviation (cluster) or two (cluster, period).

    Parameters
    ----------
    cells : CountCells
        With one standard deviation its groups are the clusters themselves.
    levels : 1 or 2
    nodes : int
        Of quadrature over the cluster's effect; 1 is Laplace's approximation, the only one for two levels.
    """

    cells: CountCells
    levels: int
    nodes: int

    @property
    def p(self) -> int:
        """Fixed effects."""
        return self.cells.p

    def spreads(self, psi: Floats) -> tuple[float, float]:
        """Both standard deviations; 0 for a level that is not there."""
        return float(psi[self.p]), float(psi[self.p + 1]) if self.levels == 2 else 0.0

    def mode(self, psi: Floats, start: Mode | None = None) -> Mode:
        """Modes of the random effects by Newton steps, halved in a cluster where the density would fall.

        The density is log-concave, so the mode is the only one, wherever the steps start.
        """
        s1, s2 = self.spreads(psi)
        fixed = self.cells.x @ psi[: self.p]
        here = self._begun(fixed, s1, s2, start)
        for _ in range(MODE_STEPS):
            gu = s1 * self.cells.by_cluster(here.r) - here.u
            gv = s2 * here.r - here.v
            du, dv = self._solve(here, s1, s2, gu, gv)
            decrement = gu * du + self.cells.by_cluster(gv * dv)
            there = self._moved(fixed, s1, s2, here, du, dv)
            if there is here or float(decrement.max()) < MODE_CLOSE:  # no way up: parameters far from any maximum
                return there
            here = there
        return here

    def _begun(self, fixed: Floats, s1: float, s2: float, start: Mode | None) -> Mode:
        """Where the steps begin: at ``start``, but from 0 in clusters where that is better than a start gone wrong."""
        u, v = np.zeros(len(self.cells.cluster_start)), np.zeros(len(self.cells.group_start))
        if start is None:
            return self._at(fixed, s1, s2, u, v)
        here = self._at(fixed, s1, s2, start.u, start.v)
        if (here.height > start.height - LOST).all():
            return here
        back = self._at(fixed, s1, s2, u, v).height > here.height
        return self._at(
            fixed, s1, s2, np.where(back, 0.0, start.u), np.where(back[self.cells.cluster_of_group], 0.0, start.v)
        )  # fmt: skip

    def _at(self, fixed: Floats, s1: float, s2: float, u: Floats, v: Floats) -> Mode:
        cells = self.cells
        eta = fixed + (s1 * u[cells.cluster_of_group] + s2 * v)[cells.group_of]
        mean, spread, skew = cells.curve.slopes(eta)
        left = cells.events - cells.sizes * mean
        weight = cells.sizes * spread
        w = cells.by_group(weight)
        d = 1 + s2**2 * w
        kernel = cells.by_group(cells.events * eta - cells.sizes * cells.curve.b(eta))
        return Mode(
            u=u, v=v, eta=eta, left=left, weight=weight, skew=cells.sizes * skew, r=cells.by_group(left), w=w, d=d,
            big_d=1 + s1**2 * cells.by_cluster(w / d), height=cells.by_cluster(kernel - v**2 / 2) - u**2 / 2,
        )  # fmt: skip

    def _solve(self, here: Mode, s1: float, s2: float, gu: Floats, gv: Floats) -> tuple[Floats, Floats]:
        """A^-1 (gu, gv) through the arrow."""
        both = s1 * s2 * here.w
        du = (gu - self.cells.by_cluster(both * gv / here.d)) / here.big_d
        return du, (gv - both * du[self.cells.cluster_of_group]) / here.d

    def _moved(self, fixed: Floats, s1: float, s2: float, here: Mode, du: Floats, dv: Floats) -> Mode:
        size = np.ones(len(du))
        for _ in range(40):
            there = self._at(
                fixed, s1, s2, here.u + size * du, here.v + size[self.cells.cluster_of_group] * dv
            )  # fmt: skip
            fell = ~(there.height >= here.height - 1e-12 * (1 + np.abs(here.height)))
            if not fell.any():
                return there
            size = np.where(fell, size / 2, size)
        return here

    def value(self, psi: Floats, start: Mode | None = None) -> float:
        """The log-likelihood with all constants."""
        return self.slope(psi, start)[0]

    def slope(self, psi: Floats, start: Mode | None = None) -> tuple[float, Floats, Mode]:
        """The log-likelihood, its gradient (p + levels,) and the modes, from which a neighbour's are found faster."""
        mode = self.mode(psi, start)
        s1, s2 = self.spreads(psi)
        value, gradient = self._laplace(mode, s1, s2) if self.nodes == 1 else self._quadrature(mode, s1)
        return value + self.cells.constant, gradient, mode

    def information(self, psi: Floats, mode: Mode) -> Floats:
        """(p, p) of the fixed effects as if the standard deviations were known: X'(W^-1 + Z Psi Z')^-1 X at the modes."""
        s1, s2 = self.spreads(psi)
        wx = self.cells.x * mode.weight[:, None]
        in_group = self.cells.by_group(wx)
        in_cluster = s1 * self.cells.by_cluster(in_group / mode.d[:, None])
        lost = (in_group * (s2**2 / mode.d)[:, None]).T @ in_group
        lost += (in_cluster / mode.big_d[:, None]).T @ in_cluster
        return np.asarray(self.cells.x.T @ wx - lost, np.float64)

    def _laplace(self, at: Mode, s1: float, s2: float) -> tuple[float, Floats]:
        """Laplace's log-likelihood and gradient.

        Beside the explicit derivatives, moving a parameter moves the modes and with them log|A|: ``q`` is the
        derivative of log|A| by a group's weight, and (lu, lv) = A^-1 of its pull on the modes carries the rest.
        """
        cells, of_group = self.cells, self.cells.cluster_of_group
        k = at.w / at.d
        q = s2**2 / at.d + (s1**2 / at.big_d)[of_group] / at.d**2
        pull = q * cells.by_group(at.skew)
        lu, lv = self._solve(at, s1, s2, s1 * cells.by_cluster(pull), s2 * pull)
        moved = s1 * lu[of_group] + s2 * lv
        along = at.left - 0.5 * q[cells.group_of] * at.skew + 0.5 * moved[cells.group_of] * at.weight
        value = at.height.sum() - 0.5 * (np.log(at.d).sum() + np.log(at.big_d).sum())
        u, r, w = at.u[of_group], at.r, at.w
        by_s1 = 2 * s1 * (cells.by_cluster(k) / at.big_d).sum() + (pull * u + lu[of_group] * r - moved * w * u).sum()
        by_spread = [float((r * u).sum() - 0.5 * by_s1)]
        if self.levels == 2:
            by_s2 = 2 * s2 * (k - s1**2 * k**2 / at.big_d[of_group]).sum()
            by_s2 += (pull * at.v + lv * r - moved * w * at.v).sum()
            by_spread.append(float((r * at.v).sum() - 0.5 * by_s2))
        return float(value), np.r_[cells.x.T @ along, by_spread]

    def _quadrature(self, at: Mode, s1: float) -> tuple[float, Floats]:
        """The log-likelihood by nodes spread around each cluster's mode by its curvature, and its gradient.

        Liu & Pierce (1994), equation 7; the nodes move with the parameters, and the gradient follows them.
        """
        cells = self.cells
        nodes, log_weights = hermite(self.nodes)
        tau = at.big_d**-0.5
        u = at.u[:, None] + tau[:, None] * nodes  # (c, K)
        eta = (at.eta - s1 * at.u[cells.cluster_of])[:, None] + s1 * u[cells.cluster_of]
        left = cells.events[:, None] - cells.sizes[:, None] * cells.curve.slopes(eta)[0]
        kernel = cells.events[:, None] * eta - cells.sizes[:, None] * cells.curve.b(eta)
        heights = cells.by_group(kernel) - u**2 / 2 + log_weights
        top = heights.max(axis=1, keepdims=True)
        share = np.exp(heights - top)
        total = share.sum(axis=1, keepdims=True)
        share /= total
        value = (np.log(tau) + top[:, 0] + np.log(total[:, 0])).sum()
        r = cells.by_group(left)
        rise = s1 * r - u
        lift = (share * rise).sum(axis=1)
        spread = -0.5 * (1 + tau * (share * rise * nodes).sum(axis=1)) / at.big_d
        third = cells.by_group(at.skew)
        carried = s1 / at.big_d * (lift + spread * s1**3 * third)
        along = (share[cells.cluster_of] * left).sum(axis=1)
        along += (spread * s1**2)[cells.cluster_of] * at.skew - carried[cells.cluster_of] * at.weight
        du = (at.r - s1 * at.u * at.w) / at.big_d
        by_curvature = 2 * s1 * at.w + s1**2 * third * (at.u + s1 * du)
        by_s1 = ((share * u * r).sum(axis=1) + lift * du + spread * by_curvature).sum()
        return float(value), np.append(cells.x.T @ along, by_s1)


@cache
def hermite(nodes: int) -> tuple[Floats, Floats]:
    """Nodes x and log(weight) + x^2/2 - log(2 pi)/2: sums of exp(f(x) + these) are integrals of exp(f)/sqrt(2 pi)."""
    x, weight = roots_hermitenorm(nodes)
    return np.asarray(x, np.float64), np.log(weight) + x**2 / 2 - 0.5 * np.log(2 * np.pi)


def checked_nodes(nodes: int, *, levels: int) -> int:
    """How many nodes.

    Raises
    ------
    EstimateError
        Not from 1 to 200, or more than 1 with nested random effects.
    """
    if not 1 <= nodes <= MOST_NODES or nodes != int(nodes):
        raise EstimateError(
            f"Quadrature with {nodes} nodes does not exist here. Give a whole number from 1 (Laplace) to {MOST_NODES}; "
            "7 or more is good.",
            {"nodes": nodes},
            da=f"Kvadratur med {nodes} punkter findes ikke her. Giv et helt tal fra 1 (Laplace) til {MOST_NODES}; 7 "
            "eller flere er godt.",
        )
    if levels == 2 and nodes > 1:
        raise EstimateError(
            f"Nested random effects are fitted by Laplace's approximation, and {nodes} nodes were asked for. Leave "
            "nodes out, or use random='cluster'.",
            {"nodes": nodes, "levels": levels},
            da=f"Indlejrede tilfældige effekter tilpasses med Laplaces tilnærmelse, og der blev bedt om {nodes} "
            "punkter. Udelad nodes, eller brug random='cluster'.",
        )
    return int(nodes)


__all__ = ["CountLikelihood", "Mode", "checked_nodes", "hermite"]
