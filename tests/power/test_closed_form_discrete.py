"""Shares and counts: against person-by-person GEE, numerical derivatives of a likelihood, and made-up trials."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from trialkit.errors import DesignError
from trialkit.power import design_effects
from trialkit.power.analytic import Correlation
from trialkit.power.closed_form import effect_variance
from trialkit.power.components import Components
from trialkit.power.discrete import laplace_power, laplace_variance, line, linked, marginal_variance, unlinked
from trialkit.power.layout import Layout
from trialkit.power.likelihood import Intercepts, likelihood_variance

WEDGE = Layout.stepped([2, 1, 2], sizes=[4, 4, 3, 5, 5])


@pytest.mark.parametrize("link", ["identity", "log", "logit"])
@pytest.mark.parametrize("periods", [True, False])
def test_gee_is_that_of_all_people_with_their_correlation(link, periods):
    """D' V^-1 D person by person: V has the people's own variances p (1 - p) and one correlation matrix."""
    correlation = Components.shares(0.1, 0.7, iac=0.3)
    control, size = line(0.2, 0.35, periods=4, link=link), float(linked(0.4, link) - linked(0.35, link))
    whole = np.zeros((5, 5)) if periods else np.zeros((2, 2))
    for row in range(5):
        n = int(WEDGE.sizes[row, 0])
        j = np.repeat(np.arange(4), n)
        k = np.tile(np.arange(n), 4)
        x = WEDGE.treated[row, j]
        p = unlinked(control[j] + size * x, link)
        slope = {"identity": np.ones_like(p), "log": p, "logit": p * (1 - p)}[link]
        same_j, same_k = j[:, None] == j, k[:, None] == k
        alike = np.where(same_j, np.where(same_k, 1.0, 0.1), np.where(same_k, 0.1 * 0.7 + 0.9 * 0.3, 0.1 * 0.7))
        v = alike * np.sqrt(np.outer(p * (1 - p), p * (1 - p)))
        level = (j[:, None] == np.arange(4)) if periods else np.ones((len(j), 1))
        d = np.column_stack([x, level]) * slope[:, None]
        whole += d.T @ np.linalg.solve(v, d)
    found = marginal_variance(WEDGE, correlation, control=control, size=size, link=link, periods=periods)
    assert float(found) == pytest.approx(np.linalg.inv(whole)[0, 0], rel=1e-9)


def test_a_gaussian_outcome_is_the_linear_formula():
    correlation = Components.shares(0.1, 0.7)
    found = marginal_variance(
        WEDGE, correlation, control=np.zeros(4), size=0.3, link="identity", family="gaussian", scale=2.5
    )  # fmt: skip
    assert float(found) == pytest.approx(2.5 * float(effect_variance(WEDGE, correlation)))


def test_laplace_without_random_effects_is_the_fisher_information_of_a_glm():
    control, size = np.log([0.3, 0.5, 0.7, 0.4]), 0.6
    for family, spread in (("poisson", lambda m: m), ("binomial", lambda m: m * (1 - m))):
        link = {"poisson": "log", "binomial": "logit"}[family]
        x = np.concatenate([np.c_[WEDGE.treated[i], np.eye(4)] for i in range(5)])
        n = WEDGE.sizes.ravel()
        for effect, which in ((0.0, "without"), (size, "within")):
            weight = n * spread(unlinked(x @ np.r_[effect, control], link))
            wanted = np.linalg.inv(x.T @ (weight[:, None] * x))[0, 0]
            found = laplace_variance(WEDGE, Components(residual=0), control=control, size=size, family=family)
            assert float(getattr(found, which)) == pytest.approx(wanted)


def test_with_the_same_variance_under_both_the_laplace_power_is_that_of_wald():
    from trialkit.power.discrete import Laplace
    from trialkit.power.wald import power_by_normal

    same = Laplace(without=np.array(0.04), within=np.array(0.04))
    for sides in (1, 2):
        assert laplace_power(-0.5, same, sides=sides) == pytest.approx(power_by_normal(0.5, 0.2, sides=sides))
    assert float(laplace_power(0.0, same)) == pytest.approx(0.05)


def counted(layout, control, size, deviation, link="logit"):
    """Expected information by brute force: every count, integrated by quad, differentiated numerically."""

    def chance(y, row, theta):
        seen = layout.sizes[row] > 0
        at, n = (theta[1:-1] + theta[0] * layout.treated[row])[seen], layout.sizes[row][seen].astype(int)

        def within(z):
            shares = expit(at + theta[-1] * z)
            return np.prod(stats.binom.pmf(y, n, shares)) * stats.norm.pdf(z)

        return integrate.quad(within, -8, 8, epsabs=1e-13, epsrel=1e-12)[0]

    theta = np.r_[size, control, deviation]
    whole = np.zeros((len(theta), len(theta)))
    for row in range(len(layout.sizes)):
        n = layout.sizes[row][layout.sizes[row] > 0].astype(int)
        for y in product(*(range(k + 1) for k in n)):
            middle = chance(y, row, theta)
            step = 1e-4 * np.eye(len(theta))
            slope = [(chance(y, row, theta + d) - chance(y, row, theta - d)) / 2e-4 for d in step]
            whole += np.outer(slope, slope) / middle
    return np.linalg.inv(whole)[0, 0]


def test_the_likelihood_of_shares_is_the_one_by_brute_force():
    layout = Layout.of([[0, 1], [0, 0], [0, 1]], [[2, 2], [1, 3], [2, 1]])
    control, size, deviation = np.array([-0.6, -0.2]), 0.7, 0.8
    made = Intercepts(control=control, size=size, deviation=deviation, link="logit")
    assert likelihood_variance(layout, made) == pytest.approx(counted(layout, control, size, deviation), rel=1e-6)


def test_clusters_that_do_not_differ_have_the_likelihood_of_a_logistic_regression():
    layout = Layout.stepped([1, 1, 1], sizes=6)
    control = np.array([-1.0, -0.8, -0.9, -0.5])
    found = likelihood_variance(layout, Intercepts(control=control, size=0.5, deviation=0.0, link="logit"))
    plain = laplace_variance(layout, Components(residual=0), control=control, size=0.5, family="binomial")
    assert found == pytest.approx(float(plain.within), rel=1e-9)


def test_without_periods_cells_alike_count_as_one():
    """Six people now and four later at one predictor are ten at once."""
    made = Intercepts(control=np.array([-0.4, -0.4, -0.4]), size=0.6, deviation=0.5, link="logit")
    spread = likelihood_variance(Layout.of([[0, 0, 1], [0, 1, 1]], [[6, 4, 5], [3, 2, 8]]), made, periods=False)
    pooled = Layout.of([[0, np.nan, 1], [0, np.nan, 1]], [[10, 1, 5], [3, 1, 10]])
    assert spread == pytest.approx(likelihood_variance(pooled, made, periods=False), rel=1e-10)


@pytest.mark.parametrize("link", ["identity", "log", "logit"])
def test_the_levels_give_the_means_and_the_correlation_that_were_told(link):
    """A million clusters, two people each: mean and correlation within 4 Monte Carlo errors."""
    made = Intercepts.of_means(
        start=0.2, end=0.3, size=float(linked(0.3, link) - linked(0.2, link)), icc=0.03, periods=3, link=link
    )
    rng = np.random.default_rng(2)
    levels = made.deviation * rng.normal(size=10**6)
    levels = levels[(levels > made.low) & (levels < made.high)]
    shares = unlinked(made.control[0] + levels, link).clip(0, 1)
    assert shares.mean() == pytest.approx(0.2, abs=4 * 0.07 / 1000)
    assert shares.var() / (0.2 * 0.8) == pytest.approx(0.03, abs=4 * 0.03 * 2 / 1000)
    later = unlinked(made.control[-1] + levels, link).clip(0, 1)
    treated = unlinked(made.control[0] + made.size + levels, link).clip(0, 1)
    assert later.mean() == pytest.approx(0.3, abs=4 * 0.1 / 1000)
    assert treated.mean() == pytest.approx(0.3, abs=4 * 0.1 / 1000)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: marginal_variance(
            WEDGE, Components.shares(0.1), control=np.full(4, 0.9), size=0.2, link="identity"
        ), "mean of 1.1"),
        (lambda: Intercepts.of_means(start=0.5, end=0.5, size=0.4, icc=0.9, periods=3, link="identity"), "ICC of 0.9"),
        (lambda: likelihood_variance(
            Layout.stepped([1] * 8, sizes=40), Intercepts(control=np.zeros(9), size=0.5, deviation=0.3, link="logit")
        ), "too many"),
        (lambda: likelihood_variance(
            Layout.stepped([1, 1], sizes=2.5), Intercepts(control=np.zeros(3), size=0.5, deviation=0.3, link="logit")
        ), "2.5 people"),
        (lambda: likelihood_variance(
            Layout.of([[0, 1], [0, 1]], 3), Intercepts(control=np.zeros(2), size=0.5, deviation=0.0, link="logit")
        ), "cannot be told apart"),
    ],
)  # fmt: skip
def test_what_has_no_answer_is_refused_in_both_languages(asked, words):
    with pytest.raises(DesignError, match=words) as error:
        asked()
    assert error.value.told("da") != error.value.message


@pytest.mark.parametrize(
    "correlation", [Correlation(icc=0.05), Correlation(icc=0.05, cac=0.7), Correlation(icc=0.1, cac=0.8, iac=0.5)]
)
def test_design_effects_are_the_same_variance(correlation):
    """Teerenstra for a baseline period, clustered for none, Hooper for a wedge: each times 4 / N is that of GLS."""
    m, components = 12, Components.of(correlation)
    baseline = Layout.of([[0, 1]] * 5 + [[0, 0]] * 5, m)
    found = 4 / (10 * m) * design_effects.baseline_adjusted(m, correlation)
    assert found == pytest.approx(float(effect_variance(baseline, components)))
    once = Layout.of([[1]] * 5 + [[0]] * 5, m)
    assert 4 / (10 * m) * design_effects.clustered(m, correlation.icc) == pytest.approx(
        float(effect_variance(once, components))
    )
    wedge = Layout.stepped([3] * 5, sizes=m)
    found = 4 / (15 * m) * design_effects.stepped_wedge(5, m, correlation)
    assert found == pytest.approx(float(effect_variance(wedge, components)))


@pytest.mark.parametrize(("measured", "baseline"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_woertman_is_the_same_variance(measured, baseline):
    """New people each time, CAC 1; steps of ``measured`` periods: (people of one period) x DE gives the variance."""
    steps, m, icc = 4, 9, 0.08
    starts = [baseline + 1 + measured * step for step in range(steps)] * 2
    layout = Layout.starting(starts, periods=baseline + measured * steps, sizes=m)
    found = 4 / (len(starts) * m) * design_effects.woertman(steps, m, icc, measured=measured, baseline=baseline)
    assert found == pytest.approx(float(effect_variance(layout, Components.shares(icc))))
