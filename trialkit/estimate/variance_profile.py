"""Intervals of variance components from the profiled likelihood: how far each can go before the fit is refused.

-2 log-likelihood of ratios lambda and residual variance s2, fixed effects profiled out, is
    log|V| + log|X'V^-1X| + f log s2 + r'V^-1r / s2,   V in units of s2,
(the second term for REML, f rows less p).  One component is held, the others take their best values: Venzon &
Moolgavkar (1988), doi:10.2307/2347496, on the restricted likelihood of Patterson & Thompson (1971),
doi:10.1093/biomet/58.3.545; the boundary at 0 is part of every interval that reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri

from trialkit.estimate.cells import Floats
from trialkit.estimate.mixed_fit import Criterion, Likelihood
from trialkit.estimate.moments import check_level

RESIDUAL: Final = "residual"
STEP: Final = 1e-3  # of the central differences, in free parameters of about unit size
NEAR: Final = 0.01  # a root of 0 is a stationary point; starts on the boundary are moved so far inside,
APART: Final = 0.3  # and tried from here as well
STEPS, HALVINGS, FURTHEST = 60, 24, 3.0  # Newton steps at most, how often one is halved, and how long it may be
CLOSE: Final = 1e-8  # of the height, from which a step is exact to rounding
FAR: Final = 1e6  # times the whole variance: an upper end beyond it is infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentInterval:
    """One variance (a covariance, or a correlation from period to period) with its profile interval at ``level``.

    Variances are in ``unit`` squared; ``sd`` gives a variance and its ends as standard deviations.
    """

    name: str
    variance: float
    low: float
    high: float
    level: float
    unit: str

    @property
    def sd(self) -> tuple[float, float, float]:
        """Standard deviation, lower and upper end, in ``unit``; nan for a covariance below 0."""
        value, low, high = (sqrt(v) if v >= 0 else nan for v in (self.variance, self.low, self.high))
        return value, low, high


def component_intervals(
    likelihood: Likelihood, ratios: Floats, components: Mapping[str, float], *, by: Criterion, unit: str, level: float
) -> tuple[ComponentInterval, ...]:
    """One interval per component.

    Parameters
    ----------
    likelihood : of one data set
    ratios : (k,) float, its optimum
    components : name -> value at the optimum, the residual last

    Raises
    ------
    EstimateError
        ``level`` is not between 0 and 1.
    """
    check_level(level)
    surface = _Surface(likelihood, ratios, components[RESIDUAL], by)
    limit = surface.least + float(chdtri(1, 1 - level))
    found = []
    for name, value in components.items():
        height, scale = surface.held(name), surface.scale
        low, high = (_crossing(height, value, surface.least, limit, bound, scale) for bound in surface.bounds(name))
        found.append(ComponentInterval(name=name, variance=value, low=low, high=high, level=level, unit=unit))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Surface:
    """-2 log-likelihood by roots of the ratios (k,) and the residual variance."""

    likelihood: Likelihood
    ratios: Floats
    s2: float
    by: Criterion

    @property
    def least(self) -> float:
        """At the optimum."""
        return float(self._heights_of(self.ratios[None], np.array([self.s2]))[0])

    @property
    def scale(self) -> float:
        """The whole variance."""
        return self.s2 * (1 + float(np.abs(self.ratios).sum()))

    @property
    def log(self) -> float:
        """What one step of a free logarithm of the residual variance is: about its own error."""
        return sqrt(2 / self.likelihood.sums.n_rows)

    @property
    def root(self) -> Floats:
        """(k,) what one step of a free root is: rows of large weight have small ratios; an angle is an angle."""
        structure = self.likelihood.structure
        return np.asarray(np.where(structure.shape, 1.0, 1 / sqrt(self.likelihood.sums.mean_weight)), np.float64)

    def bounds(self, name: str) -> tuple[float, float]:
        """What the component can be at all."""
        structure = self.likelihood.structure
        if structure.kind == "decay" and name == structure.names[1]:
            return 0.0, 1.0
        crossed = structure.kind == "intercept and slope" and name == structure.names[1]
        return (-inf if crossed else 0.0), inf

    def held(self, name: str) -> Callable[[float], float]:
        """The lowest height with this component at a value."""
        names = self.likelihood.structure.names
        place = len(names) if name == RESIDUAL else names.index(name)
        return lambda value: self._lowest(place, value)

    def _lowest(self, place: int, value: float) -> float:
        """Over all that is free, from the optimum and from further inside."""
        k = len(self.ratios)
        if place == k and value == 0:
            return inf  # rows without variation of their own: no such fit
        start = self._start()
        starts = [start]
        if (np.abs(start[:k]) <= NEAR).any():
            starts.append(np.r_[np.where(np.abs(start[:k]) <= NEAR, APART, start[:k]), start[k]])
        found = inf
        for inside in starts:
            found = min(found, self._descended(place, value, np.delete(inside, place)))
        return found

    def _descended(self, place: int, value: float, free: Floats) -> float:
        """The height where Newton steps end: they are halved until they lead down."""
        for _ in range(STEPS):
            height, gradient, hessian = self._around(place, value, free)
            if not (np.isfinite(height) and np.isfinite(hessian).all()):
                return inf
            curves, axes = np.linalg.eigh(hessian)
            along = axes.T @ gradient
            scaled = along / np.maximum(np.abs(curves), 1e-6 * np.abs(curves).max())
            if along @ scaled < CLOSE and curves[0] > -1e-3 * curves[-1]:
                return height - 0.5 * float(along @ scaled)
            step = -(axes @ scaled) * min(1.0, FURTHEST / max(float(np.linalg.norm(scaled)), 1e-300))
            sizes = 0.5 ** np.arange(HALVINGS)
            tried = np.full(HALVINGS, inf)
            for part in (slice(0, 1), slice(1, None)):  # mostly the whole step will do
                tried[part] = self._heights(place, value, free + sizes[part, None] * step)
                if tried.min() < height:
                    break
            if not tried.min() < height:
                return height
            free = free + sizes[int(tried.argmin())] * step
        return height

    def _start(self) -> Floats:
        """(k + 1,) roots at the optimum and the logarithm of the residual variance over its own."""
        structure, r = self.likelihood.structure, self.ratios
        roots = np.sqrt(np.abs(r))
        if structure.kind == "decay":
            roots[1] = np.arccos(np.sqrt(r[1]))
        elif structure.kind == "intercept and slope":
            a = sqrt(r[0])
            b = r[1] / a if a > 0 else 0.0
            roots = np.array([a, b, sqrt(max(r[2] - b * b, 0.0))])
        roots = roots / self.root
        return np.asarray(np.r_[np.where(np.abs(roots) < NEAR, NEAR, roots), 0.0], np.float64)

    def _around(self, place: int, value: float, free: Floats) -> tuple[float, Floats, Floats]:
        """Height, gradient and Hessian by differences in the free parameters (m,), all in one call."""
        m = len(free)
        moves = STEP * np.eye(m)
        rows, cols = np.triu_indices(m, 1)
        points = [np.zeros((1, m)), moves, -moves, moves[rows] + moves[cols], -moves[rows] - moves[cols]]
        heights = self._heights(place, value, free + np.concatenate(points))
        here, up, down, both, back = np.split(heights, np.cumsum([len(part) for part in points])[:-1])
        hessian = np.diag((up + down - 2 * here[0]) / STEP**2)
        cross = (both + back - up[rows] - up[cols] - down[rows] - down[cols] + 2 * here[0]) / (2 * STEP**2)
        hessian[rows, cols] = hessian[cols, rows] = cross
        return float(here[0]), (up - down) / (2 * STEP), hessian

    def _heights(self, place: int, value: float, free: Floats) -> Floats:
        """(d,) with one component at a value and the others at free parameters (d, m)."""
        roots, logs = self._completed(place, value, free)
        return self._heights_of(self.likelihood.structure.ratios(roots), self.s2 * np.exp(logs))

    def _completed(self, place: int, value: float, free: Floats) -> tuple[Floats, Floats]:
        """Roots (d, k) and log s2 (d,) from what is free and what is held."""
        structure, k = self.likelihood.structure, len(self.ratios)
        if place == k:
            return free * self.root, np.full(len(free), np.log(value / self.s2))
        roots, logs = np.insert(free[:, :-1], place, 0.0, axis=1) * self.root, np.clip(free[:, -1] * self.log, -50, 50)
        ratio = value / (self.s2 * np.exp(logs))
        if structure.kind == "decay" and place == 1:
            roots[:, 1] = np.arccos(np.sqrt(value))
        elif structure.kind == "intercept and slope" and place == 1:
            roots[:, 1] = ratio / np.where(roots[:, 0] == 0, 1e-12, roots[:, 0])
        elif structure.kind == "intercept and slope" and place == 2:
            turn = np.arctan(roots[:, 1] / self.root[1])  # b and c share the slope's variance by an angle
            roots[:, 1], roots[:, 2] = np.sqrt(ratio) * np.sin(turn), np.sqrt(ratio) * np.cos(turn)
        else:
            roots[:, place] = np.sqrt(ratio)
        return roots, logs

    def _heights_of(self, ratios: Floats, s2: Floats) -> Floats:
        here = self.likelihood.of(np.zeros(len(ratios), np.intp))
        log_det, t0 = here.level(ratios)
        p = t0.shape[-1] - 1
        h, xy = t0[:, :p, :p], t0[:, :p, p]
        squares = t0[:, p, p] - (xy * np.linalg.solve(h, xy[..., None])[..., 0]).sum(axis=1)
        reml = self.by == "REML"
        free = here.sums.n_rows - (p if reml else 0)
        found = log_det + free * np.log(s2) + squares / s2
        return np.asarray(found + np.linalg.slogdet(h)[1] if reml else found, np.float64)


def _crossing(
    height: Callable[[float], float], best: float, least: float, limit: float, bound: float, scale: float
) -> float:
    """Where a profile crosses its limit between its best value and a bound; the bound where it does not."""
    if isfinite(bound):
        if best == bound or height(bound) <= limit:
            return bound
        inner, outer = best, (best + bound) / 2
        while height(outer) <= limit:  # halfway to the bound, again and again
            inner, outer = outer, (outer + bound) / 2
    else:
        away = 1.0 if bound > 0 else -1.0
        step = max(abs(best), 0.01 * scale)
        inner, outer = best, best + away * step
        while height(outer) <= limit:
            step *= 2
            inner, outer = outer, best + away * step
            if step > FAR * scale:
                return bound

    def beyond(at: float) -> float:
        """Roots of heights are nearly straight."""
        return sqrt(max(height(at) - least, 0.0)) - sqrt(limit - least)

    return float(brentq(beyond, inner, outer, xtol=1e-9 * scale, rtol=1e-8))


__all__ = ["ComponentInterval", "component_intervals"]
