"""Errors and degrees of freedom of fixed effects in small trials: Kenward-Roger and Satterthwaite.

Kenward & Roger (1997), doi:10.2307/2533558; Satterthwaite (1946), doi:10.2307/3002019, with the observed information
of the REML criterion for the variances (Giesbrecht & Burns 1985, doi:10.2307/2530872).

Derivatives are taken along the ratios and along V itself instead of along the residual variance.  That is a linear
change of parameters, under which every formula here is invariant, and along V all of them are known: P_0 = -X'V^-1X,
Q_00 = X'V^-1X and Q_0k = -P_k.  Weights are inside V, so they enter every term.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.mixed_fit import Pieces, Profile


@dataclass(frozen=True, eq=False, kw_only=True)
class Inference:
    """What small-sample inference needs of d fits that are free in the same f directions.

    Parameters
    ----------
    bread : (d, p, p) float
        (X'V^-1X)^-1 in units of s2.
    s2 : (d,) float
    t1 : (d, f, p, p) float
        X'V^-1 G_k V^-1 X in units of s2, by direction: Kenward and Roger's -P_k.
    expected, observed : (d, 1 + f, 1 + f) float
        Second derivatives of -2 REML log-likelihood, expected and at the data; V itself is the first direction.
    correction : (d, p, p) float
        Sum over k, l of W_kl (Q_kl - P_k Phi P_l - R_kl / 4), equation (2).
    """

    bread: Floats
    s2: Floats
    t1: Floats
    expected: Floats
    observed: Floats
    correction: Floats

    @classmethod
    def of(cls, pieces: Pieces, profile: Profile, *, free: Floats, shape: np.ndarray, n_rows: int) -> Inference:
        """From the pieces at the optimum; ``free`` (f, k) are the directions and ``shape`` (k,) marks correlations."""
        p = pieces.t0.shape[-1] - 1
        phi = profile.bread
        t1 = np.einsum("fk,dkij->dfij", free, pieces.t1[..., :p, :p])
        t2 = np.einsum("fk,gl,dklij->dfgij", free, free, pieces.t2[..., :p, :p])
        spread = phi[:, None] @ t1
        traced = np.einsum("dij,dklji->dkl", phi, t2)
        crossed = np.einsum("dkij,dlji->dkl", spread, spread)
        slope = pieces.trace1 @ free.T - np.trace(spread, axis1=2, axis2=3)
        both = free @ pieces.trace2 @ free.T - 2 * traced + crossed
        expected = _bordered(np.full(len(phi), float(n_rows - p)), slope, both)
        observed = _bordered(
            np.full(len(phi), float(n_rows - p)),
            (profile.q1 / profile.s2[:, None]) @ free.T,
            _observed(pieces, profile, free, traced, crossed),
        )
        w = 2 * np.linalg.inv(expected)
        inner = t2 - t1[:, :, None] @ spread[:, None]
        correction = np.einsum("dkl,dklij->dij", w[:, 1:, 1:], inner)
        if pieces.bend is not None:
            bend = np.einsum("fk,gl,dklij->dfgij", free, free, pieces.bend[..., :p, :p])
            correction = correction - np.einsum("dkl,dklij->dij", w[:, 1:, 1:], bend) / 4
            growing = (free @ shape.astype(np.float64))[None, :, None, None] * t1
            correction = correction - np.einsum("dk,dkij->dij", w[:, 0, 1:], growing) / 2
        correction = (correction + np.swapaxes(correction, 1, 2)) / 2
        return cls(bread=phi, s2=profile.s2, t1=t1, expected=expected, observed=observed, correction=correction)

    @property
    def model_covariance(self) -> Floats:
        """(d, p, p) covariance of the fixed effects as if the variances were known."""
        return self.s2[:, None, None] * self.bread

    @property
    def covariance(self) -> Floats:
        """(d, p, p) Kenward and Roger's adjusted covariance, equation (4)."""
        return self.s2[:, None, None] * (self.bread + 2 * self.bread @ self.correction @ self.bread)

    def std_error(self, contrast: Floats, *, adjusted: bool) -> Floats:
        """(d,) standard error of a contrast (p,), with or without Kenward and Roger's adjustment."""
        a = self.bread @ contrast
        found = a @ contrast
        if adjusted:
            found = found + 2 * np.einsum("di,dij,dj->d", a, self.correction, a)
        return np.asarray(np.sqrt(self.s2 * found), np.float64)

    def df(self, contrast: Floats, *, expected: bool) -> Floats:
        """(d,) degrees of freedom of a contrast (p,).

        For one contrast Kenward and Roger's m is 2 / A and their scale is 1, so that both approximations are
        2 v^2 / var(v) and differ in the information used: expected, or observed (Satterthwaite).
        """
        a = self.bread @ contrast
        v = a @ contrast
        slope = np.concatenate([v[:, None], np.einsum("di,dkij,dj->dk", a, self.t1, a)], axis=1)
        information = self.expected if expected else self.observed
        through = np.linalg.solve(information, slope[..., None])[..., 0]
        return np.asarray(v**2 / (slope * through).sum(axis=1), np.float64)


def _observed(pieces: Pieces, profile: Profile, free: Floats, traced: Floats, crossed: Floats) -> Floats:
    """(d, f, f) second derivative of -2 REML log-likelihood at fixed scale."""
    logs, inside = -pieces.trace2, profile.q2 / profile.s2[:, None, None]
    if pieces.bend is not None and pieces.trace_bend is not None:
        p = pieces.t0.shape[-1] - 1
        logs = logs + pieces.trace_bend - np.einsum("dij,dklji->dkl", profile.bread, pieces.bend[..., :p, :p])
    found = free @ (logs + inside) @ free.T
    return np.asarray(found + traced + np.swapaxes(traced, 1, 2) - crossed, np.float64)


def _bordered(corner: Floats, edge: Floats, rest: Floats) -> Floats:
    f = edge.shape[1]
    found = np.empty((len(corner), f + 1, f + 1))
    found[:, 0, 0], found[:, 0, 1:], found[:, 1:, 0], found[:, 1:, 1:] = corner, edge, edge, rest
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest:
    """Kenward and Roger's F of several contrasts: ``statistic`` is already scaled by ``scale``."""

    statistic: float
    numerator_df: int
    denominator_df: float
    scale: float
    p_value: float


def joint_test(inference: Inference, beta: Floats, contrasts: Floats) -> JointTest:
    """Whether all contrasts are zero, for one fit.

    Parameters
    ----------
    inference : of one fit (d = 1)
    beta : (p,) float
    contrasts : (r, p) float, linearly independent

    Raises
    ------
    EstimateError
        A contrast follows from the others.

    References
    ----------
    Kenward & Roger (1997), section 3: lambda, m and the moments of F.
    """
    r = len(contrasts)
    if np.linalg.matrix_rank(contrasts) < r:
        raise EstimateError(
            f"One of the {r} contrasts follows from the others, so it would be tested twice. Leave it out.",
            {"contrasts": r},
            da=f"En af de {r} kontraster følger af de andre og ville blive testet to gange. Udelad den.",
        )
    phi = inference.bread[0]
    theta = contrasts.T @ np.linalg.solve(contrasts @ phi @ contrasts.T, contrasts)
    directions = np.concatenate([np.linalg.inv(phi)[None], inference.t1[0]])
    moved = theta @ phi @ directions @ phi
    w = 2 * np.linalg.inv(inference.expected[0])
    single = np.trace(moved, axis1=1, axis2=2)
    a1 = float(single @ w @ single)
    a2 = float(np.einsum("kl,kij,lji->", w, moved, moved))
    scale, m = _scale_and_df(a1, a2, r)
    value = contrasts @ beta
    spread = contrasts @ inference.covariance[0] @ contrasts.T
    f = scale / r * float(value @ np.linalg.solve(spread, value))
    return JointTest(
        statistic=f, numerator_df=r, denominator_df=m, scale=scale, p_value=float(fdtrc(r, m, f))
    )  # fmt: skip


def _scale_and_df(a1: float, a2: float, r: int) -> tuple[float, float]:
    b = (a1 + 6 * a2) / (2 * r)
    g = ((r + 1) * a1 - (r + 4) * a2) / ((r + 2) * a2)
    bottom = 3 * r + 2 * (1 - g)
    c1, c2, c3 = g / bottom, (r - g) / bottom, (r + 2 - g) / bottom
    mean = 1 / (1 - a2 / r)
    variance = 2 / r * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
    rho = variance / (2 * mean**2)
    m = 4 + (r + 2) / (r * rho - 1)
    return m / (mean * (m - 2)), m


__all__ = ["Inference", "JointTest", "joint_test"]
