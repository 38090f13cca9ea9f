"""The maximum of the marginal likelihood of counts: many starts, quasi-Newton steps, Newton at the end, boundaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.glmm_likelihood import CountLikelihood, Mode

LARGE: Final = 10.0  # log odds: cells are all or nothing, and Laplace's approximation may have a second maximum
SPREADS: Final = {  # log odds or log rates to start from, by levels
    1: ((0.1,), (0.35,), (1.0,), (2.5,), (LARGE,)),
    2: (*product((0.1, 0.4, 1.5), repeat=2), (0.1, LARGE), (LARGE, 0.1)),
}
STARTS: Final = 3  # of the best points of the grid, how many are followed to their maximum, with the best large one
RIVAL: Final = 10.0  # log-likelihood by which a start may be short of the best one and still be followed
RUNAWAY: Final = 30.0  # a standard deviation beyond this has no maximum: clusters are all-or-nothing
STEP: Final = 1e-3  # of a standard error, in the differences of the exact gradient that give the Hessian
NEAR: Final = 2.0  # log-likelihood a boundary may be short of before its own maximum is looked for
SAME: Final = 1e-8  # log-likelihoods closer than this are the same: the component at 0 is preferred
SHORT: Final = 1e-4  # log-likelihood by which a maximum may be below what was seen on the way: a wrong one otherwise
SETTLED: Final = 1e-10  # a Newton decrement so small that the Hessian is that of the maximum
POLISH: Final = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum:
    """Where the likelihood is highest.

    ``psi`` (p + levels,); ``free`` which of its entries are not fixed on the boundary; ``hessian`` of minus the
    log-likelihood in the free ones; ``mode`` the random effects there.
    """

    psi: Floats
    value: float
    free: np.ndarray
    hessian: Floats
    mode: Mode

    def covariance(self) -> Floats:
        """(p + levels, p + levels) inverse of the Hessian, 0 where a component is fixed on its boundary."""
        found = np.zeros((len(self.psi), len(self.psi)))
        found[np.ix_(self.free, self.free)] = np.linalg.inv(self.hessian)
        return found


def maximum(likelihood: CountLikelihood) -> Maximum:
    """The highest of the maxima reached from the best starts, with each subset of the components at 0 beside it.

    Raises
    ------
    EstimateError
        No start leads to a maximum, or one is not as high as what was seen on the way: a standard deviation runs away,
        or the steps do not settle.
    """
    inner, highest = climbed(likelihood, *_starts(likelihood))
    best = inner
    for psi in _boundaries(likelihood, inner):
        found, _ = climbed(likelihood, psi)
        if found is not None and (best is None or found.value > best.value - SAME):  # the smaller model wins a tie
            best = found
    if best is None or best.value < highest - SHORT or best.psi[likelihood.p :].max() > RUNAWAY:
        raise _no_maximum(likelihood)
    return best


def _boundaries(likelihood: CountLikelihood, inner: Maximum | None) -> list[Floats]:
    """Starts with one or more components at 0, larger models first, where the likelihood is not far below."""
    subsets = [np.array(kept) for kept in product((1.0, 0.0), repeat=likelihood.levels)][1:]
    found = []
    for kept in sorted(subsets, key=lambda kept: -kept.sum()):
        spreads = kept * (0.5 if inner is None else inner.psi[likelihood.p :])
        psi, mode = penalized(likelihood, np.r_[_fixed_start(likelihood), spreads], None)
        if inner is None or likelihood.value(psi, mode) > inner.value - NEAR:
            found.append(psi)
    return found


def _starts(likelihood: CountLikelihood) -> list[Floats]:
    """The best points of a grid of standard deviations, each with its penalized fixed effects."""
    start, found, last = _fixed_start(likelihood), [], None
    for spreads in SPREADS[likelihood.levels]:
        psi, mode = penalized(likelihood, np.r_[start, spreads], last)
        start, last = psi[: likelihood.p], mode
        found.append((replace(likelihood, nodes=1).value(psi, mode), psi))
    ranked = sorted(found, key=lambda one: -one[0])
    far = [one for one in ranked[STARTS:] if one[1][likelihood.p :].max() == LARGE][:1]
    return [psi for height, psi in ranked[:STARTS] + far if height > ranked[0][0] - RIVAL]


def _fixed_start(likelihood: CountLikelihood) -> Floats:
    """Weighted least squares of the link of each cell's own, slightly shrunken, share or rate."""
    cells = likelihood.cells
    if cells.family == "binomial":
        share = (cells.events + 0.5) / (cells.sizes + 1)
        eta, weight = np.log(share / (1 - share)), cells.sizes * share * (1 - share)
    else:
        rate = (cells.events + 0.5) / cells.sizes
        eta, weight = np.log(rate), cells.sizes * rate
    root = np.sqrt(weight)
    return np.asarray(np.linalg.lstsq(cells.x * root[:, None], eta * root, rcond=None)[0], np.float64)


def penalized(likelihood: CountLikelihood, psi: Floats, mode: Mode | None) -> tuple[Floats, Mode]:
    """Fixed effects that are best together with the modes, the standard deviations given: a start, no estimate."""
    p, psi = likelihood.p, psi.copy()
    mode = likelihood.mode(psi, mode)
    for _ in range(12):
        slope = likelihood.cells.x.T @ mode.left
        step = np.linalg.lstsq(likelihood.information(psi, mode), slope, rcond=None)[0]
        decrement, size = float(slope @ step), 1.0
        while size > 1e-4:
            there = psi.copy()
            there[:p] += size * step
            moved = likelihood.mode(there, mode)
            if moved.height.sum() >= mode.height.sum():
                psi, mode = there, moved
                break
            size /= 2
        if decrement < 1e-3:
            break
    return psi, mode


@dataclass(eq=False)
class Warm:
    """The likelihood along psi = origin + scale z, each evaluation starting from the modes at the best point so far."""

    likelihood: CountLikelihood
    origin: Floats
    scale: Floats  # (p + levels, k)
    mode: Mode | None = None
    highest: float = -np.inf

    def psi(self, z: Floats) -> Floats:
        return np.asarray(self.origin + self.scale @ z, np.float64)

    def __call__(self, z: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood and its gradient by z."""
        value, gradient, mode = self.likelihood.slope(self.psi(z), self.mode)
        if not np.isfinite(value):
            return np.inf, np.zeros_like(z)
        if value > self.highest:
            self.highest, self.mode = value, mode
        return -value, -(gradient @ self.scale)


def climbed(likelihood: CountLikelihood, *starts: Floats) -> tuple[Maximum | None, float]:
    """The highest maximum uphill of the starts, and the highest log-likelihood seen; components at 0 stay there.

    None where no steps settle; a maximum well below the highest seen is not the one that was looked for.
    """
    rough = [_uphill(likelihood, start) for start in starts]
    highest = max(warm.highest for warm, _ in rough)
    for warm, z in sorted(rough, key=lambda one: -one[0].highest):
        found = _polished(warm, z)
        if found is not None:
            return found, highest
    return None, highest


def _uphill(likelihood: CountLikelihood, start: Floats) -> tuple[Warm, Floats]:
    free = np.r_[np.ones(likelihood.p, bool), start[likelihood.p :] != 0]
    warm = Warm(likelihood, start, round_scale(likelihood, start)[:, free])
    return warm, quasi_newton(warm, np.zeros(int(free.sum())), gradient=1e-4)


def _polished(warm: Warm, z: Floats) -> Maximum | None:
    """Newton steps until the next would be lost in rounding; None where the likelihood does not bend down."""
    for _ in range(POLISH):
        height, slope = warm(z)
        hessian = curvature(warm, z)
        try:
            root = np.linalg.cholesky(hessian)
        except np.linalg.LinAlgError:
            return None
        step = -np.linalg.solve(root.T, np.linalg.solve(root, slope))
        decrement = float(-slope @ step)
        z = z + _shortened(warm, z, step, height, decrement) * step
        if decrement < SETTLED:
            return _maximum(warm, z, hessian)
    return None


def _maximum(warm: Warm, z: Floats, hessian: Floats) -> Maximum:
    likelihood, psi = warm.likelihood, warm.psi(z)
    free = np.any(warm.scale != 0, axis=1)
    turned = (np.arange(len(psi)) >= likelihood.p) & (psi < 0)  # the likelihood is even in a standard deviation
    sign = np.where(turned, -1.0, 1.0)
    value, _, mode = likelihood.slope(sign * psi, None)
    back = np.linalg.inv(warm.scale[free]) * sign[free]
    return Maximum(psi=sign * psi, value=value, free=free, mode=mode, hessian=back.T @ hessian @ back)


def round_scale(likelihood: CountLikelihood, psi: Floats) -> Floats:
    """(p + levels, p + levels) coordinates in which the log-likelihood is about as round as that of a normal."""
    p, mode = likelihood.p, likelihood.mode(psi)
    s1, s2 = likelihood.spreads(psi)
    k = likelihood.cells.by_cluster(mode.w / mode.d) / mode.big_d
    seen = [2 * s1**2 * float((k**2).sum()), 2 * s2**2 * float(((mode.w / mode.d) ** 2).sum())]
    found = np.zeros((len(psi), len(psi)))
    root = np.linalg.cholesky(likelihood.information(psi, mode))
    found[:p, :p] = solve_triangular(root, np.eye(p), lower=True).T
    for level, spread in enumerate((s1, s2)[: likelihood.levels]):
        found[p + level, p + level] = min(seen[level] ** -0.5, spread) if seen[level] > 0 else max(spread, 0.1)
    return found


def quasi_newton(warm: Callable[[Floats], tuple[float, Floats]], z: Floats, *, gradient: float) -> Floats:
    """Steps of Broyden, Fletcher, Goldfarb and Shanno in coordinates that are round, until the gradient is small."""
    if not len(z):
        return z
    found = minimize(warm, z, jac=True, method="BFGS", options={"gtol": gradient, "maxiter": 200})
    return np.asarray(found.x, np.float64)


def curvature(warm: Callable[[Floats], tuple[float, Floats]], z: Floats) -> Floats:
    """(k, k) Hessian: central differences of the exact gradient, a thousandth of a standard error apart."""
    rows = [(warm(z + STEP * axis)[1] - warm(z - STEP * axis)[1]) / (2 * STEP) for axis in np.eye(len(z))]
    found = np.array(rows).reshape(len(z), len(z))
    return (found + found.T) / 2


def _shortened(
    warm: Callable[[Floats], tuple[float, Floats]], z: Floats, step: Floats, height: float, decrement: float
) -> float:
    """The first of 1, 1/2, 1/4, ... that does not go down; a step within rounding is taken whole."""
    size = 1.0
    while decrement > 1e-7 and size > 1e-6 and warm(z + size * step)[0] > height:
        size /= 2
    return size


def _no_maximum(likelihood: CountLikelihood) -> EstimateError:
    return EstimateError(
        "The likelihood of the model has no maximum that could be found: a standard deviation grows without end, as "
        "where clusters have either all events or none, or the data say too little. Name fewer columns or random "
        "effects, or use the randomization test.",
        {"clusters": len(likelihood.cells.cluster_start), "cells": len(likelihood.cells.events)},
        da="Modellens likelihood har intet maksimum, der kan findes: en standardafvigelse vokser uden ende, som når "
        "klynger har enten kun hændelser eller ingen, eller også siger data for lidt. Brug færre kolonner eller "
        "tilfældige effekter, eller brug randomiseringstesten.",
    )


__all__ = ["RUNAWAY", "Maximum", "Warm", "climbed", "curvature", "maximum", "penalized", "quasi_newton", "round_scale"]
