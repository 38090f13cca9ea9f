"""The Gaussian likelihood of a mixed model and its maximum: exact gradient and Hessian, many starts, one or many sets.

With residual variance s2, rows have covariance s2 (W^-1 + Z Psi Z'), where Psi is made of the ratios lambda of the
components to s2.  Everything is found from sums by cluster (``Sums``), never from rows: with E = I + Z'WZ Psi,
C = E^-1 Z'WU and D = E^-1 Z'WZ for U = [X, y],
    U'V^-1U = U'WU - (Z'WU)' Psi C,   log|V| = log|E| - log|W|,   d U'V^-1U = -C' dPsi C,   d log|V| = tr(dPsi D).
Profiled criteria: Bates, Maechler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01, equations 34 and 41; the
derivatives are those of Lindstrom & Bates (1988), doi:10.1080/01621459.1988.10478693, in this parametrization.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints, Sums
from trialkit.estimate.covariances import Structure

Criterion = Literal["REML", "ML"]
ITERATIONS: Final = 100
CLOSE: Final = 1e-9  # Newton decrement from which one more full step is exact to rounding


@dataclass(frozen=True, eq=False, kw_only=True)
class Pieces:
    """U'V^-1U and its derivatives in units of s2, for d data sets; U = [X, y] has p + 1 columns, there are k ratios.

    G_k is the derivative of V = W^-1 + Z Psi Z' by ratio k, and H_kl its second derivative by k and l.

    Parameters
    ----------
    log_det : (d,) float
        log|V|.
    t0 : (d, p + 1, p + 1) float
        U'V^-1 U.
    t1 : (d, k, p + 1, p + 1) float
        U'V^-1 G_k V^-1 U.
    t2 : (d, k, k, p + 1, p + 1) float
        U'V^-1 G_k V^-1 G_l V^-1 U.
    trace1, trace2 : (d, k) and (d, k, k) float
        tr(V^-1 G_k) and tr(V^-1 G_k V^-1 G_l).
    bend, trace_bend : (d, k, k, p + 1, p + 1) and (d, k, k) float
        U'V^-1 H_kl V^-1 U and tr(V^-1 H_kl); None where V is linear in its ratios.

    References
    ----------
    Lindstrom & Bates (1988), doi:10.1080/01621459.1988.10478693, in this parametrization.
    """

    log_det: Floats
    t0: Floats
    t1: Floats
    t2: Floats
    trace1: Floats
    trace2: Floats
    bend: Floats | None = None
    trace_bend: Floats | None = None


class Counted(Protocol):
    """What the optimizer asks of the data."""

    @property
    def n_sets(self) -> int:
        """Data sets."""

    @property
    def n_rows(self) -> int:
        """Rows per data set."""

    @property
    def mean_weight(self) -> float:
        """Geometric mean of the rows' weights."""


class Likelihood(Protocol):
    """What the optimizer asks: the pieces at ratios (d, k), one row per data set."""

    @property
    def structure(self) -> Structure:
        """The random effects."""

    @property
    def sums(self) -> Counted:
        """The data."""

    def level(self, ratios: Floats) -> tuple[Floats, Floats]:
        """log|V| and U'V^-1U."""

    def pieces(self, ratios: Floats) -> Pieces:
        """The same with derivatives."""

    def of(self, sets: Ints) -> Likelihood:
        """For these data sets."""


@dataclass(frozen=True, eq=False)
class Clustered:
    """Any structure, any design: q x q algebra in each cluster."""

    sums: Sums
    structure: Structure

    def of(self, sets: Ints) -> Clustered:
        """For these data sets."""
        return Clustered(self.sums.of(sets), self.structure)

    def _loaded(self) -> tuple[Floats, Floats]:
        """Z'WU (d, c, q, p+1) and U'WU (d, p+1, p+1)."""
        s = self.sums
        a = np.broadcast_to(s.a, (s.n_sets, *s.a.shape))
        return np.concatenate([a, s.b[..., None]], axis=3), bordered(s.xx, s.xy, s.yy)

    def level(self, ratios: Floats) -> tuple[Floats, Floats]:
        """log|V| and U'V^-1U at ratios (d, k)."""
        au, uu = self._loaded()
        psi = self.structure.psi(ratios)
        e = np.eye(psi.shape[-1]) + self.sums.m @ psi[:, None]
        log_det = np.linalg.slogdet(e)[1].sum(axis=1) - self.sums.log_weights
        c = np.linalg.solve(e, au)
        return log_det, uu - _crossed(au, psi[:, None] @ c)

    def pieces(self, ratios: Floats) -> Pieces:
        """All pieces at ratios (d, k)."""
        au, uu = self._loaded()
        psi, basis, bend = self.structure.derivatives(ratios)
        q = psi.shape[-1]
        e = np.eye(q) + self.sums.m @ psi[:, None]
        m = np.broadcast_to(self.sums.m, (len(au), *self.sums.m.shape))
        solved = np.linalg.solve(e, np.concatenate([m, au], axis=3))
        d, c = solved[..., :q], solved[..., q:]
        bc = basis[:, :, None] @ c[:, None]  # (d, k, c, q, p+1)
        bd = basis[:, :, None] @ d[:, None]
        dbc = d[:, None] @ bc
        total = d.sum(axis=1)
        return Pieces(
            log_det=np.linalg.slogdet(e)[1].sum(axis=1) - self.sums.log_weights,
            t0=uu - _crossed(au, psi[:, None] @ c),
            t1=_crossed(c[:, None], bc),
            t2=_crossed(bc[:, :, None], dbc[:, None]),
            trace1=np.einsum("dkij,dji->dk", basis, total),
            trace2=np.einsum("dkcij,dlcji->dkl", bd, bd),
            bend=None if bend is None else _crossed(c[:, None, None], bend[:, :, :, None] @ c[:, None, None]),
            trace_bend=None if bend is None else np.einsum("dklij,dji->dkl", bend, total),
        )


def _crossed(left: Floats, right: Floats) -> Floats:
    """Sum over clusters of left' right, both (..., c, q, p+1)."""
    flat = (*left.shape[:-3], left.shape[-3] * left.shape[-2], left.shape[-1])
    other = (*right.shape[:-3], flat[-2], flat[-1])
    return np.asarray(np.swapaxes(left.reshape(flat), -1, -2) @ right.reshape(other), np.float64)


def bordered(xx: Floats, xy: Floats, yy: Floats) -> Floats:
    """(d, p+1, p+1) from (p, p) or (d, p, p), (d, p) and (d,)."""
    d, p = xy.shape
    found = np.empty((d, p + 1, p + 1))
    found[:, :p, :p], found[:, :p, p], found[:, p, :p], found[:, p, p] = xx, xy, xy, yy
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """A criterion with beta and s2 profiled out, at k ratios of each of d data sets.

    Parameters
    ----------
    value : (d,) float
        -2 log-likelihood, restricted or not, without what no ratio changes.
    gradient, hessian : (d, k) and (d, k, k) float
        Of ``value``, by the ratios.
    beta : (d, p) float
        Generalized least squares at these ratios, in the unit of the outcome.
    bread : (d, p, p) float
        (X'V^-1X)^-1, in units of s2.
    s2 : (d,) float
        Residual variance: r'V^-1r over rows less fixed effects (REML) or over rows (ML), with r = y - X beta.
    q1 : (d, k) float
        r'V^-1 G_k V^-1 r, by which r'V^-1r falls as ratio k grows.
    q2 : (d, k, k) float
        Second derivative of r'V^-1r by the ratios, beta following them.

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01, equations 34 (ML) and 41 (REML).
    """

    value: Floats
    gradient: Floats
    hessian: Floats
    beta: Floats
    bread: Floats
    s2: Floats
    q1: Floats
    q2: Floats


def level_of(log_det: Floats, t0: Floats, *, n_rows: int, by: Criterion) -> Floats:
    """(d,) the criterion alone, for grids and line searches."""
    p = t0.shape[-1] - 1
    h, xy = t0[:, :p, :p], t0[:, :p, p]
    beta = np.linalg.solve(h, xy[..., None])[..., 0]
    squares = t0[:, p, p] - (xy * beta).sum(axis=1)
    free = n_rows - p if by == "REML" else n_rows
    with np.errstate(invalid="ignore", divide="ignore"):
        found = log_det + free * np.log(squares)
    if by == "REML":
        found = found + np.linalg.slogdet(h)[1]
    return np.where(np.isfinite(found), found, np.inf)


def profiled(pieces: Pieces, *, n_rows: int, by: Criterion) -> Profile:
    """Criterion, gradient and Hessian in the ratios."""
    p = pieces.t0.shape[-1] - 1
    reml = by == "REML"
    free = n_rows - p if reml else n_rows
    h, xy = pieces.t0[:, :p, :p], pieces.t0[:, :p, p]
    bread = np.asarray(np.linalg.inv(h), np.float64)
    beta = (bread @ xy[..., None])[..., 0]
    squares = pieces.t0[:, p, p] - (xy * beta).sum(axis=1)
    r = np.concatenate([-beta, np.ones((len(beta), 1))], axis=1)
    t1r = (pieces.t1 @ r[:, None, :, None])[..., 0]  # (d, k, p+1)
    q1 = (t1r * r[:, None]).sum(axis=2)
    q2 = 2 * (np.einsum("di,dklij,dj->dkl", r, pieces.t2, r) - _sandwiched(t1r[..., :p], bread))
    log_curve = -pieces.trace2
    if pieces.bend is not None and pieces.trace_bend is not None:
        q2 = q2 - np.einsum("di,dklij,dj->dkl", r, pieces.bend, r)
        log_curve = log_curve + pieces.trace_bend
    gradient = pieces.trace1 - free * q1 / squares[:, None]
    ratio = q1 / squares[:, None]
    hessian = log_curve + free * (q2 / squares[:, None, None] - ratio[:, :, None] * ratio[:, None])
    value = pieces.log_det + free * np.log(squares)
    if reml:
        spread = bread[:, None] @ pieces.t1[..., :p, :p]
        gradient = gradient - np.trace(spread, axis1=2, axis2=3)
        twice = np.einsum("dij,dklji->dkl", bread, pieces.t2[..., :p, :p])
        hessian = hessian + twice + np.swapaxes(twice, 1, 2) - np.einsum("dkij,dlji->dkl", spread, spread)
        if pieces.bend is not None:
            hessian = hessian - np.einsum("dij,dklji->dkl", bread, pieces.bend[..., :p, :p])
        value = value + np.linalg.slogdet(h)[1]
    return Profile(
        value=value, gradient=gradient, hessian=hessian, beta=beta, bread=bread, s2=squares / free, q1=q1, q2=q2
    )


def _sandwiched(rows: Floats, middle: Floats) -> Floats:
    """(d, k, k) rows middle rows' of rows (d, k, p)."""
    return np.asarray(rows @ middle @ np.swapaxes(rows, 1, 2), np.float64)


def fitted_ratios(likelihood: Likelihood, *, by: Criterion, starts: int = 4) -> Floats:
    """(d, k) the ratios that maximize the likelihood, from the best ``starts`` points of a grid for every data set.

    Raises
    ------
    EstimateError
        No start converged for a data set; ``facts["sets"]`` lists which.
    """
    d = likelihood.sums.n_sets
    roots = likelihood.structure.grid(likelihood.sums.mean_weight)
    n = likelihood.sums.n_rows
    heights = np.stack(
        [level_of(*likelihood.level(np.broadcast_to(likelihood.structure.ratios(root[None])[0], (d, len(root)))),
                  n_rows=n, by=by) for root in roots], axis=1,
    )  # fmt: skip
    best = _rivals(heights, likelihood.structure.families(len(roots)), starts)
    repeated = np.repeat(np.arange(d), best.shape[1])
    found, value, settled = newton(likelihood.of(repeated), roots[best.ravel()], by=by)
    value = np.where(settled, value, np.inf).reshape(d, -1)
    lost = np.flatnonzero(~np.isfinite(value.min(axis=1)))
    if lost.size:
        raise EstimateError(
            "The likelihood of the mixed model has no maximum that could be found, so its errors would mean nothing. "
            "Look for an outcome without variation, or name fewer random effects.",
            {"sets": lost.tolist()},
            da="Modellens likelihood har intet maksimum, der kan findes, så usikkerheden ville intet betyde. Se efter "
            "et udfald uden variation, eller brug færre tilfældige effekter.",
        )
    chosen = found.reshape(d, best.shape[1], -1)[np.arange(d), value.argmin(axis=1)]
    return likelihood.structure.settled(likelihood.structure.ratios(chosen), likelihood.sums.mean_weight)


def _rivals(heights: Floats, families: Ints, starts: int) -> Ints:
    """(d, s) the best point of each of the best families."""
    each = [np.flatnonzero(families == family) for family in np.unique(families)]
    winner = np.stack([points[heights[:, points].argmin(axis=1)] for points in each], axis=1)
    order = np.argsort(np.take_along_axis(heights, winner, axis=1), axis=1, kind="stable")[:, :starts]
    return np.take_along_axis(winner, order, axis=1)


def newton(likelihood: Likelihood, roots: Floats, *, by: Criterion) -> tuple[Floats, Floats, np.ndarray]:
    """Roots (d, k), criterion (d,) and whether each settled, by Newton steps on the roots of the ratios.

    In roots a component at 0 is a stationary point with positive curvature where 0 is best, so that the boundary is
    reached as fast as an interior optimum; elsewhere the curvature is negative there and steps lead away from it.
    """
    roots, n = roots.copy(), likelihood.sums.n_rows
    value, done = np.full(len(roots), np.inf), np.zeros(len(roots), bool)
    open_sets = np.arange(len(roots))
    for _ in range(ITERATIONS):
        here = likelihood.of(open_sets)
        ratios, slope, curve = here.structure.chain(roots[open_sets])
        profile = profiled(here.pieces(ratios), n_rows=n, by=by)
        value[open_sets] = profile.value
        gradient = (profile.gradient[:, None] @ slope)[:, 0]
        hessian = np.swapaxes(slope, 1, 2) @ profile.hessian @ slope
        hessian = hessian + np.einsum("dm,dmkl->dkl", profile.gradient, curve)
        step, decrement = _descent(gradient, hessian, roots[open_sets])
        close = decrement < CLOSE
        size = np.where(close, 1.0, _halved(here, roots[open_sets], step, decrement, profile.value, by))
        roots[open_sets] += size[:, None] * step
        done[open_sets[close]] = True
        open_sets = open_sets[~close & (size > 0)]
        if not open_sets.size:
            break
    return roots, value, done


def _descent(gradient: Floats, hessian: Floats, roots: Floats) -> tuple[Floats, Floats]:
    """A downhill step (the Hessian's eigenvalues made positive), not longer than the roots allow, and its decrement."""
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-8 * np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-300)
    along = (np.swapaxes(vectors, 1, 2) @ gradient[..., None])[..., 0]
    scaled = along / np.maximum(np.abs(values), floor)
    step = -(vectors @ scaled[..., None])[..., 0]
    room = np.maximum(np.linalg.norm(roots, axis=1), 1e-3)
    step *= np.minimum(1.0, room / np.maximum(np.linalg.norm(step, axis=1), 1e-300))[:, None]
    convex = values.min(axis=1) > -1e-6 * np.abs(values).max(axis=1)
    decrement = (along * scaled).sum(axis=1)
    return step, np.where(convex | (decrement < CLOSE**1.5), decrement, np.maximum(decrement, 2 * CLOSE))


def _halved(here: Likelihood, roots: Floats, step: Floats, decrement: Floats, value: Floats, by: Criterion) -> Floats:
    """(d,) the first of 1, 1/2, 1/4, ... that lowers the criterion; 0 where none does."""
    size, todo = np.ones(len(roots)), np.arange(len(roots))
    slack = 1e-13 * np.abs(value)
    for _ in range(40):
        tried = here.structure.ratios(roots[todo] + size[todo, None] * step[todo])
        height = level_of(*here.of(todo).level(tried), n_rows=here.sums.n_rows, by=by)
        todo = todo[height > value[todo] - 1e-4 * size[todo] * decrement[todo] + slack[todo]]
        if not todo.size:
            return size
        size[todo] /= 2
    size[todo] = 0
    return size


__all__ = [
    "Clustered", "Counted", "Criterion", "Likelihood", "Pieces", "Profile", "bordered", "fitted_ratios", "level_of", "newton",
    "profiled",
]  # fmt: skip
