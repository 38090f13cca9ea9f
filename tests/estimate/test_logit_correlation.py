"""ICC on the scale of log odds: by integrals, by the likelihood in full, and how often its intervals hold the truth."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import binom, chi2, norm

from trialkit.errors import EstimateError
from trialkit.estimate.correlation import icc_of_counts
from trialkit.estimate.logit_correlation import LOGISTIC, logit_icc, outcome_icc, variances

COUNTS, SIZES = np.array([3, 9, 4, 14, 6, 2]), np.array([20, 25, 18, 30, 22, 15])


@pytest.mark.parametrize(("mean", "spread"), [(-1.0, 0.3), (0.5, 1.0), (-3.0, 2.0)])
def test_variances_are_integrals_over_the_clusters(mean, spread):
    def over(f):
        return quad(lambda z: f(expit(mean + spread * z)) * norm.pdf(z), -12, 12, epsabs=1e-13)[0]

    average = over(lambda p: p)
    assert variances(mean, spread) == pytest.approx(
        (over(lambda p: (p - average) ** 2), over(lambda p: p * (1 - p))), abs=1e-10
    )


@settings(max_examples=25)
@given(st.floats(0.001, 0.6), st.floats(0.03, 0.97))
def test_there_and_back(latent, share):
    """Clusters with this ICC behind the outcome, and this overall share, are found again from the outcome's own ICC."""
    own = outcome_icc(latent, share)
    assert 0 < own < latent  # a yes and no hides part of what lies behind it
    spread = sqrt(LOGISTIC * latent / (1 - latent))
    assert spread**2 / (spread**2 + pi**2 / 3) == pytest.approx(latent)
    assert own == pytest.approx(outcome_icc(latent, 1 - share), abs=1e-9)
    if spread < 0.05:  # near 0 the share moves by p(1 - p) per log odds
        assert own == pytest.approx(spread**2 * share * (1 - share), rel=0.01)


def test_by_variance_it_is_the_icc_of_the_outcome_on_another_scale():
    found, own = logit_icc(COUNTS, np.arange(6), sizes=SIZES), icc_of_counts(COUNTS, SIZES)
    share = COUNTS.sum() / SIZES.sum()
    assert found.low == 0.0
    assert own.low < 0
    assert outcome_icc(found.estimate, share) == pytest.approx(own.estimate, rel=1e-8)
    assert outcome_icc(found.high, share) == pytest.approx(own.high, rel=1e-8)
    assert found.between / (found.between + found.within) == pytest.approx(found.estimate)


def test_by_likelihood_it_is_the_maximum_and_its_ends_fall_by_half_a_squared_t():
    """Outside truth: the likelihood by the trapezoid rule, cluster by cluster, maximized over the mean on a fine grid."""
    found = logit_icc(COUNTS, list("abcdef"), sizes=SIZES, by="likelihood", level=0.8)

    z = np.linspace(-9, 9, 4001)  # the trapezoid rule is exact to rounding for a bell this wide

    def height(mean, spread):
        shares = expit(mean + spread * z)[:, None]
        return float(
            np.log((binom.pmf(COUNTS, SIZES, shares) * norm.pdf(z)[:, None]).sum(axis=0) * (z[1] - z[0])).sum()
        )

    def profile(spread):
        means = np.linspace(-1.6, -0.4, 13)
        heights = [height(mean, spread) for mean in means]
        a, b, c = np.polyfit(means, heights, 2)  # near its maximum a parabola in the mean
        return c - b * b / (4 * a)

    spreads = [sqrt(LOGISTIC * rho / (1 - rho)) for rho in (found.estimate, found.low, found.high)]
    best, *ends = [profile(spread) for spread in spreads]
    assert all(profile(spreads[0] * by) < best for by in (0.9, 1.1))
    limit = 1.4758840**2 / 2  # t(5) at 0.9; chi-square would be less
    assert limit > chi2.ppf(0.8, 1) / 2
    for end, spread in zip(ends, spreads[1:], strict=True):
        assert spread == 0 or best - end == pytest.approx(limit, abs=0.02)  # the parabola's own error


@pytest.mark.parametrize("by", ["variance", "likelihood"])
def test_people_and_counts_names_and_order_do_not_matter(by):
    people = np.concatenate([np.repeat([1.0, 0.0], [y, n - y]) for y, n in zip(COUNTS, SIZES, strict=True)])
    order = np.random.default_rng(1).permutation(people.size)
    one = logit_icc(COUNTS, np.arange(6), sizes=SIZES, by=by)
    two = logit_icc(people[order], np.repeat([f"c{9 - k}" for k in range(6)], SIZES)[order], by=by)
    assert (two.estimate, two.low, two.high) == pytest.approx((one.estimate, one.low, one.high), abs=1e-6)


def coverage(by: str, trials: int) -> float:
    rng, truth, held = np.random.default_rng(20), 0.6**2 / (0.6**2 + LOGISTIC), 0
    for _ in range(trials):
        counts = rng.binomial(50, expit(-1 + 0.6 * rng.normal(size=12)))
        found = logit_icc(counts, np.arange(12), sizes=np.full(12, 50), by=by)
        held += found.low <= truth <= found.high
    return held / trials


def test_the_interval_holds_the_truth():
    assert coverage("variance", 150) >= 0.95 - 3 * sqrt(0.95 * 0.05 / 150)


@pytest.mark.nightly
@pytest.mark.parametrize("by", ["variance", "likelihood"])
def test_the_interval_holds_the_truth_over_2000_trials(by):
    assert coverage(by, 2000) >= 0.925  # 0.94 measured over 250; neither is exact for a yes and no


@pytest.mark.parametrize(
    ("outcome", "cluster"),
    [
        ([0, 1, 0, 1], list("aabb")),
        ([0, 1, 0], list("abc")),
        ([0, 0, 0, 0, 0, 0], list("aabbcc")),
        ([0, 1, 2, 1, 0, 1], list("aabbcc")),
        ([0, 1, 1], list("aabbcc")),
    ],
)
def test_what_holds_no_correlation_is_refused(outcome, cluster):
    with pytest.raises(EstimateError) as refused:
        logit_icc(outcome, cluster)
    assert refused.value.told("da") != refused.value.told("en")
    with pytest.raises(EstimateError):
        outcome_icc(1.0, 0.3)
