"""ICC and CAC against analysis of variance, exact F intervals, the dense likelihood and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, f, multivariate_normal

from trialkit.errors import EstimateError
from trialkit.estimate.mixed_profile import profiled_correlations


def rows(
    seed: int, *, clusters: int = 20, periods: int = 3, persons: int = 8, between: float = 0.5, within: float = 0.3
):
    """Synthetic: variances between**2, within**2 and 1."""
    rng = np.random.default_rng(seed)
    c, t = (a.ravel() for a in np.meshgrid(range(clusters), range(periods), range(persons), indexing="ij")[:2])
    y = between * rng.normal(size=clusters)[c] + within * rng.normal(size=(clusters, periods))[c, t]
    return y + rng.normal(size=len(c)) + t, c, t


def test_balanced_clusters_have_the_icc_of_analysis_of_variance():
    y, c, _ = rows(1, periods=1, persons=10)
    found = profiled_correlations(y, clusters=c)
    table = y.reshape(20, 10)
    between, within = 10 * table.mean(axis=1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    assert found.icc == pytest.approx((between - within) / (between + 9 * within), rel=1e-6)
    assert np.isnan(found.cac)
    # the exact interval inverts F(19, 180); the profile is close to it, not equal
    ratio = between / within
    exact = [(ratio / q - 1) / (ratio / q + 9) for q in f.ppf([0.975, 0.025], 19, 180)]
    assert [found.icc_low, found.icc_high] == pytest.approx(exact, abs=0.03)


def test_the_ends_are_where_the_dense_restricted_likelihood_has_fallen_by_the_limit():
    y, c, t = rows(3, clusters=12, persons=3, between=0.8)
    found = profiled_correlations(y, clusters=c, periods=t)
    x = (t[:, None] == np.arange(3)).astype(float)
    contrasts = np.linalg.svd(x)[0][:, 3:]  # orthonormal error contrasts: their density is the restricted likelihood

    def deviance(icc: float, cac: float) -> float:
        same = c[:, None] == c
        both = same & (t[:, None] == t)
        v = np.eye(len(y)) * (1 - icc) + icc * (cac * same + (1 - cac) * both)
        left = contrasts.T @ y
        v = contrasts.T @ v @ contrasts
        scale = left @ np.linalg.solve(v, left) / len(left)
        return -2 * float(multivariate_normal(np.zeros(len(left)), scale * v).logpdf(left))

    least, limit = deviance(found.icc, found.cac), chi2.ppf(0.95, 1)
    for end in (found.icc_low, found.icc_high):
        assert 0 < end < 1
        assert smallest(lambda cac, at=end: deviance(at, cac)) - least == pytest.approx(limit, abs=1e-4)
    assert found.cac_low > 0
    assert smallest(lambda icc: deviance(icc, found.cac_low)) - least == pytest.approx(limit, abs=1e-4)
    assert found.cac_high == 1 or 0 < found.cac_high < 1


def smallest(height) -> float:
    """On (0, 1), by Brent's method."""
    return float(minimize_scalar(height, bounds=(0, 1), method="bounded", options={"xatol": 1e-8}).fun)


def test_what_the_data_do_not_rule_out_is_an_end():
    y, c, t = rows(5, between=0.0, within=0.0)
    found = profiled_correlations(y, clusters=c, periods=t)
    assert found.icc_low == 0
    assert found.icc <= found.icc_high < 0.15


def test_most_intervals_hold_the_truth():
    hits = 0
    for seed in range(60):
        y, c, _ = rows(100 + seed, periods=1, between=0.5, within=0.0)
        found = profiled_correlations(y, clusters=c)
        hits += found.icc_low <= 0.2 <= found.icc_high
    assert hits >= 51  # 95 percent of 60; fewer than 51 happens once in 1,300


def test_one_person_in_each_period_is_refused():
    y, c, t = rows(7, persons=1)
    with pytest.raises(EstimateError, match="told from the residual"):
        profiled_correlations(y, clusters=c, periods=t)
