"""Generalized linear mixed models.  Truth: glmer of lme4 1.1.31 (R 4.2.2), and 40-node quadrature by hand.

What lme4 prints is not exact everywhere, and where it is not, the second algorithm below decides: rows instead of cells,
dense matrices instead of the arrow, a plain sum over a fine grid instead of Gauss and Hermite, and differences of values
instead of gradients.
- Under Laplace lme4 takes log|A| at weights of the step before its last, so that its finite-difference Hessian is off
  by 0.1 percent in Poisson models (its own quadrature with 7 or 15 nodes, and ours, agree with each other to 1e-6).
- With quadrature its Poisson log-likelihood lacks that of the saturated model.
- Beside a boundary its Hessian is a difference across it, and its optimizer can stop short of the maximum.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import binom, poisson

from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.glmm_likelihood import CountLikelihood
from trialkit.estimate.glmm_result import GlmmFit

OUTCOME = {"glmm_binomial": ("binomial", "ybin"), "glmm_poisson": ("poisson", "ycount")}
COMPONENT = {"cluster": "cluster", "cp": "cluster-period"}
OF_AN_ERROR = 2e-5  # lme4's optimizer stops this near, in standard errors; a coefficient near 0 has no relative error
LAPLACE_HESSIAN = 3e-3  # how far lme4's Hessian under Laplace is off


def glmm(case: dict[str, Any], folder: Path) -> None:
    expected, allowed = case["expected"], case["tolerance"]
    data = read(case, folder)
    fit = fitted(case, data)
    if "logLik_full_AGQ40_at_estimate" in expected:
        check_quadrature(case, fit)
    theirs = expected["logLik_lme4"] + (saturated(case, data) if expected["nAGQ"] > 1 else 0.0)
    if fit.log_likelihood > theirs + allowed["logLik_abs"]:
        check_higher(case, data, fit)
        return
    assert fit.log_likelihood == pytest.approx(theirs, abs=allowed["logLik_abs"])
    for name, variance in components(expected).items():
        assert fit.components[name] == pytest.approx(variance, rel=allowed["variance_rel"], abs=1e-6), name
        assert name not in fit.singular or variance < 1e-6, name
    errors = np.array(list(expected["se_hessian"].values()))
    values = np.array(list(expected["fixef"].values()))
    np.testing.assert_array_less(
        np.abs(fit.coefficients - values), allowed["coef_rel"] * np.abs(values) + OF_AN_ERROR * errors
    )
    assert fit.coefficients[fit.terms.index("treat")] == pytest.approx(
        expected["treat"], abs=OF_AN_ERROR * errors.max()
    )
    conditional = np.sqrt(np.diag(fit.conditional_covariance))
    np.testing.assert_allclose(conditional, list(expected["se_rx"].values()), rtol=allowed["se_rel"])
    check_errors(case, data, fit, errors)


def check_errors(case: dict[str, Any], data: dict[str, np.ndarray], fit: GlmmFit, errors: np.ndarray) -> None:
    expected, near = case["expected"], case["tolerance"]["se_rel"]
    ours = np.sqrt(np.diag(fit.covariance))
    if np.abs(ours / errors - 1).max() > near:
        assert expected["nAGQ"] == 1 or fit.singular, "with quadrature and inside, lme4's Hessian is right"
        np.testing.assert_allclose(ours, dense_errors(case, data, fit), rtol=1e-4)  # differences of values: 1e-5 or so
        if fit.singular:
            return
        near = LAPLACE_HESSIAN
        np.testing.assert_allclose(ours, errors, rtol=near)
    found = fit.moments("treat", df="normal")
    assert found.std_error == pytest.approx(expected["se_treat"], rel=near)
    assert found.statistic == pytest.approx(expected["z"], rel=2 * near, abs=1e-4)
    steep = 1 + found.statistic**2  # relative change of the normal tail for a relative change of z
    assert found.p_value == pytest.approx(expected["p"], rel=2 * near * steep)


def check_quadrature(case: dict[str, Any], fit: GlmmFit) -> None:
    """Our likelihood with 40 nodes at lme4's own estimate."""
    expected = case["expected"]
    psi = np.r_[list(expected["fixef"].values()), np.sqrt(components(expected)["cluster"])]
    found = CountLikelihood(fit.likelihood.cells, 1, 40).value(psi)
    assert found == pytest.approx(expected["logLik_full_AGQ40_at_estimate"], abs=1e-8)


def check_higher(case: dict[str, Any], data: dict[str, np.ndarray], fit: GlmmFit) -> None:
    """lme4 stopped below the maximum: ours is a likelihood, by the second algorithm, and a maximum by its slopes."""
    assert dense(case, data, fit, fit.best.psi) == pytest.approx(fit.log_likelihood, abs=1e-6)
    steps = np.r_[np.sqrt(np.diag(fit.covariance)), np.full(fit.likelihood.levels, 0.1)] / 50
    for move in [*np.diag(steps), *np.diag(-steps)]:
        assert dense(case, data, fit, fit.best.psi + move) < fit.log_likelihood + 1e-7


def fitted(case: dict[str, Any], data: dict[str, np.ndarray]) -> GlmmFit:
    family, outcome = OUTCOME[case["family"]]
    columns = {name: column(name, data) for name in case["expected"]["coef_order"] if name != "(Intercept)"}
    return generalized_mixed_model(
        data[outcome], columns, family=family, clusters=data["cluster"], periods=data["period"],
        random="nested" if "(1|cp)" in case["call"].replace(" ", "") else "cluster", nodes=case["expected"]["nAGQ"],
    )  # fmt: skip


def column(name: str, data: dict[str, np.ndarray]) -> np.ndarray:
    """treat and covariates by name; pf2 is the second period."""
    return data[name] if name in data else (data["period"] == int(name.removeprefix("pf"))).astype(float)


def components(expected: dict[str, Any]) -> dict[str, float]:
    return {COMPONENT[row["grp"]]: row["vcov"] for row in expected["var_components"]}


def saturated(case: dict[str, Any], data: dict[str, np.ndarray]) -> float:
    """Log-likelihood of rows that are their own mean: 0 for single persons."""
    if case["family"] == "glmm_binomial":
        return 0.0
    return float(poisson.logpmf(data["ycount"], data["ycount"]).sum())


def dense(case: dict[str, Any], data: dict[str, np.ndarray], fit: GlmmFit, psi: np.ndarray) -> float:
    """The log-likelihood from rows: Laplace on the full matrix of a cluster, or a fine grid over its one intercept."""
    p, family = len(fit.terms), fit.family
    y = data[OUTCOME[case["family"]][1]]
    x = np.column_stack([np.ones(len(y)) if name == "(Intercept)" else column(name, data) for name in fit.terms])
    total = 0.0
    for c in np.unique(data["cluster"]):
        here = data["cluster"] == c
        z = [psi[p] * np.ones((here.sum(), 1))]
        if fit.random == "nested":
            periods = data["period"][here]
            z.append(psi[p + 1] * (periods[:, None] == np.unique(periods)))
        whole = laplace(family, y[here], x[here] @ psi[:p], np.hstack(z))
        total += whole if fit.nodes == 1 else grid(family, y[here], x[here] @ psi[:p], psi[p])
    return total


def laplace(family: str, y: np.ndarray, fixed: np.ndarray, z: np.ndarray) -> float:
    b = np.zeros(z.shape[1])
    for _ in range(100):
        mean = np.exp(fixed + z @ b) if family == "poisson" else 1 / (1 + np.exp(-fixed - z @ b))
        spread = mean if family == "poisson" else mean * (1 - mean)
        a = np.eye(len(b)) + (z.T * spread) @ z
        step = np.linalg.solve(a, z.T @ (y - mean) - b)
        b += step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-12:
            break
    eta = fixed + z @ b
    return float(pointwise(family, y, eta).sum() - b @ b / 2 - np.linalg.slogdet(a)[1] / 2)


def grid(family: str, y: np.ndarray, fixed: np.ndarray, spread: float) -> float:
    u = np.linspace(-9, 9, 1801)
    heights = pointwise(family, y[:, None], fixed[:, None] + spread * u).sum(axis=0) - u**2 / 2
    return float(heights.max() + np.log(np.exp(heights - heights.max()).sum() * (u[1] - u[0]) / np.sqrt(2 * np.pi)))


def pointwise(family: str, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    if family == "poisson":
        return y * eta - np.exp(eta) - gammaln(y + 1)
    return np.asarray(binom.logpmf(y, 1, 1 / (1 + np.exp(-eta))))


def dense_errors(case: dict[str, Any], data: dict[str, np.ndarray], fit: GlmmFit) -> np.ndarray:
    """Standard errors from second differences of ``dense``, 2 percent of an error apart; components at 0 are fixed."""
    p = len(fit.terms)
    free = np.flatnonzero(np.r_[np.ones(p, bool), fit.best.psi[p:] > 0])
    steps = 0.02 * np.sqrt(np.diag(fit.best.covariance()))
    moves = np.diag(steps)[free]

    def at(move: np.ndarray) -> float:
        return dense(case, data, fit, fit.best.psi + move)

    hessian = np.zeros((len(free), len(free)))
    for i, one in enumerate(moves):
        for j, other in enumerate(moves[: i + 1]):
            found = at(one + other) - at(one - other) - at(other - one) + at(-one - other)
            hessian[i, j] = hessian[j, i] = -found / (4 * steps[free[i]] * steps[free[j]])
    return np.sqrt(np.diag(np.linalg.inv(hessian)))[:p]


def read(case: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    """The columns the model may use; rows without an outcome are left out, as R leaves them out."""
    rows = list(csv.DictReader((folder / case["data"]).read_text(encoding="utf-8").splitlines()))
    outcome = OUTCOME[case["family"]][1]
    rows = [row for row in rows if row[outcome] not in ("", "NA")]
    data = {name: np.array([float(row[name]) for row in rows]) for name in ("treat", "x", outcome) if name in rows[0]}
    return data | {name: np.array([int(row[name]) for row in rows]) for name in ("cluster", "period")}


GLMM = {"glmm_binomial": glmm, "glmm_poisson": glmm}
