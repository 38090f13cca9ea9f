"""The marginal likelihood of counts against integrals, dense matrices, differences and grids."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm, poisson

from tests.estimate.counts import wedge_counts
from tests.reference.glmm_cases import laplace
from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.glmm_cells import CountCells, alike
from trialkit.estimate.glmm_fit import maximum
from trialkit.estimate.glmm_likelihood import CountLikelihood

FAMILIES = ["binomial", "poisson"]


def likelihood(data, family, *, levels=1, nodes=1):
    x = np.column_stack([np.ones(len(data["y"])), data["treated"]])
    group = data["period"] if levels == 2 else np.zeros_like(data["period"])
    cells = CountCells.of(family, x, data["y"], data["size"], data["cluster"], group)
    return CountLikelihood(cells, levels, nodes)


def integrated(data, family, psi):
    """The likelihood by adaptive integration over each cluster's effect, from scipy's own probabilities."""
    total = 0.0
    for c in np.unique(data["cluster"]):
        here = data["cluster"] == c
        eta = psi[0] + psi[1] * data["treated"][here]
        y, size = data["y"][here], data["size"][here]

        def density(u, eta=eta, y=y, size=size):
            mean = np.exp(eta + psi[2] * u)
            found = poisson.pmf(y, size * mean) if family == "poisson" else binom.pmf(y, size, mean / (1 + mean))
            return found.prod() * norm.pdf(u)

        total += np.log(quad(density, -10, 10, epsabs=0, epsrel=1e-10, limit=500, points=[-2, -1, 0, 1, 2])[0])
    return total


def test_rows_alike_are_found_whatever_their_columns_hold():
    rng = np.random.default_rng(1)
    rows = np.column_stack(
        [rng.integers(0, 40, 500), rng.normal(size=50)[rng.integers(0, 50, 500)], rng.integers(0, 2, 500)]
    )
    rows = np.column_stack([rows.astype(float), *([rng.permutation(500.0 + np.arange(500) // 5)] * 8)])  # 100^8 > 2^62
    rows = np.concatenate([rows, rows[::7]])
    first, which = alike(rows)
    whole = np.unique(rows, axis=0)
    np.testing.assert_array_equal(rows[first], whole)
    np.testing.assert_array_equal(whole[which], rows)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spread", [0.2, 1.0, 2.5])
def test_quadrature_is_the_integral_with_all_constants(family, spread):
    data = wedge_counts(1, family, clusters=4, size=6)
    psi = np.array([-0.4, 0.3, spread])
    exact = integrated(data, family, psi)
    assert likelihood(data, family, nodes=60).value(psi) == pytest.approx(exact, abs=1e-7)  # what 60 nodes leave
    off = [abs(likelihood(data, family, nodes=k).value(psi) - exact) for k in (1, 7, 25)]
    assert off[0] > off[1] > off[2]


@pytest.mark.parametrize("family", FAMILIES)
def test_without_spread_it_is_the_sum_of_log_probabilities(family):
    data = wedge_counts(2, family, clusters=5)
    eta = -0.4 + 0.3 * data["treated"]
    mean = np.exp(eta)
    size = data["size"]
    logs = (
        poisson.logpmf(data["y"], size * mean)
        if family == "poisson"
        else binom.logpmf(data["y"], size, mean / (1 + mean))
    )
    for nodes in (1, 9):
        found = likelihood(data, family, nodes=nodes).value(np.array([-0.4, 0.3, 0.0]))
        assert found == pytest.approx(logs.sum(), abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_nested_laplace_is_that_of_the_dense_matrix(family):
    data = wedge_counts(3, family, clusters=5, size=1, repeats=4)  # rows of one person, or of one unit of time
    psi = np.array([-0.4, 0.3, 0.7, 0.4])
    total = 0.0
    for c in np.unique(data["cluster"]):
        here = data["cluster"] == c
        period = data["period"][here]
        z = np.column_stack([np.full(here.sum(), psi[2]), psi[3] * (period[:, None] == np.unique(period))])
        total += laplace(family, data["y"][here], psi[0] + psi[1] * data["treated"][here], z)
    assert likelihood(data, family, levels=2).value(psi) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("levels", "nodes"), [(1, 1), (1, 7), (1, 30), (2, 1)])
def test_the_gradient_is_exact(family, levels, nodes):
    data = wedge_counts(4, family, clusters=6)
    found = likelihood(data, family, levels=levels, nodes=nodes)
    for psi in (np.array([-0.4, 0.3, 0.6, 0.4]), np.array([0.5, -1.0, 1.5, 0.9])):
        at = psi[: 2 + levels]
        value, gradient, _ = found.slope(at)
        steps = 1e-5 * np.eye(len(at))
        differences = [(found.value(at + step) - found.value(at - step)) / 2e-5 for step in steps]
        # central differences of a number of size |value|: its rounding over the step, and the step squared
        np.testing.assert_allclose(gradient, differences, atol=1e-8 * abs(value) + 1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_nested_without_periods_is_one_intercept(family):
    data = wedge_counts(5, family, clusters=6)
    one = likelihood(data, family).slope(np.array([-0.4, 0.3, 0.6]))
    both = likelihood(data, family, levels=2).slope(np.array([-0.4, 0.3, 0.6, 0.0]))
    assert both[0] == pytest.approx(one[0], abs=1e-10)
    np.testing.assert_allclose(both[1], np.r_[one[1], 0.0], atol=1e-9)  # flat in a standard deviation at 0


@pytest.mark.parametrize("start", [0.0, 30.0, -30.0])
def test_modes_are_found_from_anywhere(start):
    data = wedge_counts(6, "binomial", clusters=5, size=50, spread=3.0)
    found = likelihood(data, "binomial", levels=2)
    psi = np.array([-0.4, 0.3, 6.0, 2.0])
    at = found.mode(psi)
    far = found.mode(psi, at._replace(u=at.u + start, v=at.v - start))
    np.testing.assert_allclose(far.u, at.u, atol=1e-6)
    np.testing.assert_allclose(6.0 * found.cells.by_cluster(far.r), far.u, atol=1e-5)  # the score is 0


@pytest.mark.parametrize(
    ("family", "size", "spread"), [("binomial", 3, 2.0), ("binomial", 20, 0.0), ("poisson", 4, 0.7)]
)
def test_no_point_of_a_dense_grid_is_higher(family, size, spread):
    data = wedge_counts(20, family, clusters=4, periods=2, size=size, spread=spread)
    found = likelihood(data, family, nodes=25)
    best = maximum(found)
    grids = [best.psi[0] + np.linspace(-3, 3, 9), best.psi[1] + np.linspace(-3, 3, 9), np.linspace(0, 8, 21)]
    values = [found.value(np.array(psi)) for psi in product(*grids)]
    assert max(values) <= best.value + 1e-8
    assert max(values) > best.value - 1.0  # the grid goes through where the maximum is


@pytest.mark.parametrize("family", FAMILIES)
def test_no_pair_of_standard_deviations_is_higher(family):
    data = wedge_counts(21, family, clusters=5, periods=3, size=8)
    found = likelihood(data, family, levels=2)
    best = maximum(found)
    spreads = np.r_[0, np.geomspace(0.02, 8, 20)]
    values = [found.value(np.r_[best.psi[:2], pair]) for pair in product(spreads, repeat=2)]
    assert best.value - 1.0 < max(values) <= best.value + 1e-8


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("random", ["cluster", "nested"])
def test_the_hessian_is_that_of_second_differences(family, random):
    data = wedge_counts(7, family, clusters=12, size=60, spread=0.8, period_spread=0.5)
    fit = generalized_mixed_model(
        data["y"], {"treated": data["treated"]}, family=family, clusters=data["cluster"], periods=data["period"],
        sizes=data["size"], random=random,
    )  # fmt: skip
    assert not fit.singular
    psi, step = fit.best.psi, 0.02 * np.sqrt(np.diag(fit.best.covariance()))
    hessian = np.empty((len(psi), len(psi)))
    value = fit.likelihood.value
    for i, j in product(range(len(psi)), repeat=2):
        one, other = np.eye(len(psi))[i] * step, np.eye(len(psi))[j] * step
        far = value(psi + one + other) + value(psi - one - other)
        hessian[i, j] = -(far - value(psi + one - other) - value(psi - one + other)) / (4 * step[i] * step[j])
    p = len(fit.terms)
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(hessian)[:p, :p], rtol=1e-3, atol=1e-6)
    ours, conditional = np.diag(fit.covariance), np.diag(fit.conditional_covariance)
    assert (conditional < 1.05 * ours).all()
