"""Estimating equations, correlations and sandwiches against dense algebra on single rows, by definition.

Truth: every cluster's n x n working covariance written out, residual leverages H = D M D'V^-1 as matrices, principal
powers of I - H by Schur's method, pairs of rows one by one; and statsmodels' GEE at our correlation.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.linalg import sqrtm
from scipy.special import expit

from trialkit.estimate.gee import GeeFit, gee
from trialkit.estimate.gee_many import many_gee
from trialkit.estimate.wedge import columns

MODELS = [
    ("gaussian", "identity"),
    ("binomial", "logit"),
    ("binomial", "identity"),
    ("binomial", "log"),
    ("poisson", "log"),
]
CORRELATIONS = ["independence", "exchangeable", "nested", "autoregressive"]


def made_up(seed: int, *, clusters: int = 7, periods: int = 4, persons: int = 4) -> dict[str, np.ndarray]:
    """A synthetic wedge: unequal cells, a cluster without one of its periods, a covariate of persons."""
    rng = np.random.default_rng(seed)
    c, t, i = (a.ravel() for a in np.meshgrid(range(clusters), range(periods), range(persons), indexing="ij"))
    kept = (rng.random(len(c)) > 0.15) & ~((c == 2) & (t == 1)) | (i == 0) & (c != 2)
    c, t = c[kept], t[kept]
    exposure = np.maximum(t - 1 - c * (periods - 1) // clusters + 1, 0)
    level = 0.5 * rng.normal(size=clusters)[c] + 0.3 * rng.normal(size=(clusters, periods))[c, t]
    x = rng.integers(0, 2, len(c)).astype(float)
    y = 3 + level + rng.normal(size=len(c)) + 0.2 * t
    return {
        "cluster": c, "period": t, "exposure": exposure, "x": x, "gaussian": y,
        "binomial": (rng.random(len(c)) < expit(level - 0.2)).astype(float),
        "poisson": rng.poisson(np.exp(0.8 + level)).astype(float), "offset": rng.uniform(-0.3, 0.3, len(c)),
    }  # fmt: skip


def means(data: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One row per cluster and period, and the persons behind it."""
    cells, first, code, size = np.unique(
        np.stack([data["cluster"], data["period"]]), axis=1, return_index=True, return_inverse=True, return_counts=True
    )
    found = {name: np.bincount(code.ravel(), weights=values) / size for name, values in data.items()}
    return found | {"cluster": cells[0], "period": cells[1], "exposure": data["exposure"][first]}, size.astype(float)


class Dense:
    """The definition, on rows."""

    def __init__(self, fit: GeeFit, data: dict[str, np.ndarray], y: np.ndarray, x: np.ndarray, **given: Any) -> None:
        self.cluster, self.period = data["cluster"], data["period"]
        weight, offset = given.get("weight", np.ones(len(y))), given.get("offset", np.zeros(len(y)))
        eta = x @ fit.coefficients + offset
        link, name = fit.family.link, fit.family.name
        mu = {"identity": eta, "logit": expit(eta), "log": np.exp(eta)}[link]
        slope = {"identity": np.ones_like(mu), "logit": mu * (1 - mu), "log": mu}[link]
        self.v = {"gaussian": np.ones_like(mu), "binomial": mu * (1 - mu), "poisson": mu}[name] / weight
        self.mu, self.weight, self.r, self.d = mu, weight, y - mu, x * slope[:, None]
        self.fit, self.groups = fit, [np.flatnonzero(self.cluster == c) for c in np.unique(self.cluster)]

    def correlation(self, rows: np.ndarray) -> np.ndarray:
        alpha, t = list(self.fit.alpha.values()), self.period[rows]
        same = t[:, None] == t
        if self.fit.correlation == "independence":
            return np.eye(len(rows))
        if self.fit.correlation == "autoregressive":
            return alpha[0] ** np.abs(t[:, None] - t)
        found = np.where(same, alpha[0], alpha[-1])
        np.fill_diagonal(found, 1.0)
        return found

    def covariance(self, rows: np.ndarray) -> np.ndarray:
        root = np.sqrt(self.v[rows])
        return root[:, None] * self.correlation(rows) * root

    @property
    def bread(self) -> np.ndarray:
        """(sum of D'V^-1 D)^-1."""
        return np.linalg.inv(sum(self.front(g) @ self.d[g] for g in self.groups))

    def front(self, rows: np.ndarray) -> np.ndarray:
        """D'V^-1 of a cluster."""
        return self.d[rows].T @ np.linalg.inv(self.covariance(rows))

    def score(self) -> np.ndarray:
        return sum(self.front(g) @ self.r[g] for g in self.groups)

    def sandwich(self, errors: str) -> np.ndarray:
        bread, clusters, p = self.bread, len(self.groups), self.d.shape[1]
        if errors == "model":
            return self.fit.phi * bread
        meat = sum(self.corrected(g, bread, errors) for g in self.groups)
        return bread @ meat @ bread * (clusters / (clusters - p) if errors == "DF" else 1.0)

    def corrected(self, rows: np.ndarray, bread: np.ndarray, errors: str) -> np.ndarray:
        """A cluster's part of the middle of the sandwich."""
        front, r = self.front(rows), self.r[rows]
        left = np.eye(len(rows)) - self.d[rows] @ bread @ front
        if errors == "FG":
            s = front @ r / np.sqrt(1 - np.minimum(np.diag(front @ self.d[rows] @ bread), 0.75))
            return np.outer(s, s)
        if errors == "KC product":
            product = np.linalg.solve(left, np.outer(r, r))
            return front @ (product + product.T) @ front.T / 2
        if errors in ("KC", "MD"):
            r = np.linalg.solve(left if errors == "MD" else sqrtm(left).real, r)
        return np.outer(front @ r, front @ r)


def fitted(seed: int, family: str, link: str, correlation: str) -> tuple[GeeFit, Dense]:
    data = made_up(seed)
    given: dict[str, Any] = {}
    if correlation == "autoregressive":
        data, given["weight"] = means(data)
    if family == "poisson":
        given["offset"] = data["offset"]
    y = np.round(data[family]) if family == "poisson" else data[family]
    fixed = {
        "treated": (data["exposure"] > 0).astype(float),
        "x": data["x"],
        "late": (data["period"] > 1).astype(float),
    }
    fit = gee(
        y, fixed, clusters=data["cluster"], periods=data["period"], unit="1", family=family, link=link,  # type: ignore[arg-type]
        correlation=correlation, weights=given.get("weight"), offset=given.get("offset"),  # type: ignore[arg-type]
    )  # fmt: skip
    assert not fit.held, "the case must show the correlation it is about"
    return fit, Dense(fit, data, y, np.column_stack([np.ones(len(y)), *fixed.values()]), **given)


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize(("family", "link"), MODELS)
def test_the_score_is_zero_and_every_sandwich_is_that_of_its_definition(family, link, correlation):
    fit, dense = fitted(3, family, link, correlation)
    np.testing.assert_allclose(dense.score(), 0, atol=1e-8)
    for errors in ("LZ", "DF", "KC", "KC product", "MD", "FG", "model"):
        wanted = dense.sandwich(errors)
        scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
        # 1e-7: the matrix square root of a nonsymmetric matrix loses half the digits that its inverse has
        np.testing.assert_allclose(fit.covariance(errors) / scale, wanted / scale, atol=1e-7, err_msg=errors)
    np.testing.assert_allclose(fit.fitted, dense.mu, rtol=1e-12)
    np.testing.assert_allclose(fit.residuals, dense.r, atol=1e-12)


def pairs(dense: Dense) -> tuple[np.ndarray, ...]:
    """Both rows of every pair of rows of a cluster."""
    found = np.array([pair for g in dense.groups for pair in combinations(g, 2)])
    return found[:, 0], found[:, 1]


@pytest.mark.parametrize(("family", "link"), MODELS)
def test_the_exchangeable_correlation_is_the_mean_product_of_two_rows(family, link):
    fit, dense = fitted(4, family, link, "exchangeable")
    e = dense.r / np.sqrt(dense.v)
    j, k = pairs(dense)
    assert fit.phi == pytest.approx((e**2).mean(), rel=1e-9)
    assert fit.alpha["exchangeable"] == pytest.approx((e[j] * e[k]).mean() / fit.phi, rel=1e-8)


@pytest.mark.parametrize(("family", "link"), MODELS)
def test_the_nested_correlations_solve_prentices_equations_over_pairs_of_rows(family, link):
    fit, dense = fitted(5, family, link, "nested")
    e = dense.r / np.sqrt(dense.v)
    j, k = pairs(dense)
    same = dense.period[j] == dense.period[k]
    rho = np.where(same, fit.alpha["within period"], fit.alpha["between periods"])
    variance = np.ones(len(j))
    if family == "binomial":
        skew = (1 - 2 * dense.mu) / np.sqrt(dense.mu * (1 - dense.mu))
        variance = 1 + skew[j] * skew[k] * rho - rho**2
        assert fit.phi == 1
    else:
        bread, lost = dense.bread, 0.0
        for g in dense.groups:
            root = np.sqrt(dense.v[g])
            h = dense.d[g] @ bread @ dense.front(g) * root / root[:, None]
            lost += e[g] @ np.linalg.solve(np.eye(len(g)) - h, e[g])
        assert fit.phi == pytest.approx(lost / (len(e) - len(fit.terms)), rel=1e-8)
    for here in (same, ~same):
        gap = (e[j] * e[k] / fit.phi - rho) / variance
        assert gap[here].sum() == pytest.approx(0, abs=1e-7)


def test_the_autoregressive_correlation_is_the_least_squares_one_over_all_distances():
    fit, dense = fitted(6, "binomial", "logit", "autoregressive")
    e = dense.r / np.sqrt(dense.v * dense.weight)
    j, k = pairs(dense)
    w, distance = dense.weight[j] * dense.weight[k], np.abs(dense.period[j] - dense.period[k])
    assert fit.phi == pytest.approx((dense.weight * e**2).sum() / dense.weight.sum(), rel=1e-9)

    def misfit(alpha: float) -> float:
        return float((w * (e[j] * e[k] / fit.phi - alpha**distance) ** 2).sum())

    alpha = fit.alpha["autoregressive"]
    assert misfit(alpha) <= min(misfit(a) for a in np.linspace(-0.999, 0.999, 2001)) * (1 + 1e-12)
    assert misfit(alpha) < min(misfit(alpha - 1e-3), misfit(alpha + 1e-3))


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_statsmodels_agrees_at_the_same_correlation(family):
    data = made_up(8)
    fixed = columns(data["exposure"], data["period"])
    ours = gee(data[family], fixed, clusters=data["cluster"], unit="1", family=family, correlation="exchangeable")
    structure = sm.cov_struct.Exchangeable()
    structure.dep_params = ours.alpha["exchangeable"]
    law = {"gaussian": sm.families.Gaussian, "binomial": sm.families.Binomial, "poisson": sm.families.Poisson}[family]
    x = np.column_stack([np.ones(len(data["x"])), *fixed.values()])
    theirs = sm.GEE(
        data[family], x, groups=data["cluster"], family=law(), cov_struct=structure, update_dep=False
    ).fit(maxiter=200, ctol=1e-10, cov_type="bias_reduced")  # fmt: skip
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.covariance("LZ"), theirs.cov_robust, rtol=1e-6, atol=1e-9)
    bias_reduced = theirs.standard_errors(cov_type="bias_reduced")
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance("MD"))), bias_reduced, rtol=1e-6)


def test_kauermann_carroll_is_right_on_average_where_rows_are_independent_and_the_others_lie_around_it():
    """Errors squared are quadratic in the outcome, so their mean under variance 1 is their sum over unit vectors."""
    data = made_up(9)
    treated = (data["exposure"] > 0).astype(float)
    x = np.column_stack([np.ones(len(treated)), treated, data["x"]])
    means = {}
    for errors in ("LZ", "KC", "MD"):
        found = many_gee(
            np.eye(len(x)), {"treated": treated, "x": data["x"]}, contrast="treated", clusters=data["cluster"],
            correlation="independence", errors=errors, unit="1",  # type: ignore[arg-type]
        )  # fmt: skip
        means[errors] = (found.std_error**2).sum()
    assert means["KC"] == pytest.approx(np.linalg.inv(x.T @ x)[1, 1], rel=1e-10)
    assert means["LZ"] < means["KC"] < means["MD"]
