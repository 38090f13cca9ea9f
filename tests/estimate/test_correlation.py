"""ICC and CAC: by hand, by the two-way table of single people, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution

from trialkit.errors import EstimateError
from trialkit.estimate.correlation import cluster_autocorrelation, icc, icc_of_counts
from trialkit.panel import Panel


def table(mean, size):
    mean = np.asarray(mean, float)
    size = np.broadcast_to(np.asarray(size, float), mean.shape)
    units = tuple(f"c{k:03d}" for k in range(len(mean)))
    periods = tuple(f"2011-{k + 1:02d}" for k in range(mean.shape[1]))
    return Panel(
        units=units,
        periods=periods,
        numerator=mean * size,
        denominator=np.where(np.isnan(mean), np.nan, size),
        unit="points",
    )


def test_three_clusters_of_two_by_hand():
    """MSB = 8, MSW = 1/2, n0 = 2; the interval is Searle's for equal sizes, R: qf(c(.025, .975), 2, 3)."""
    found = icc([1, 2, 3, 4, 5, 6], list("aabbcc"))
    assert found.estimate == pytest.approx(7.5 / 8.5)
    assert (found.between, found.within) == pytest.approx((3.75, 0.5))
    ends = [16 / f_distribution.ppf(tail, 2, 3) for tail in (0.975, 0.025)]
    assert (found.low, found.high) == pytest.approx([(f - 1) / (f + 1) for f in ends], abs=1e-9)
    assert f_distribution.ppf(0.975, 2, 3) == pytest.approx(16.04410642927)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=7), st.integers(0, 10**6))
def test_wald_accepts_exactly_the_ratios_in_its_interval(sizes, seed):
    sizes[0] += 2
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    y = rng.normal(size=len(sizes))[cluster] + rng.normal(size=cluster.size)
    found = icc(y, cluster)
    k, n = len(sizes), np.array(sizes, float)
    means = np.array([y[cluster == c].mean() for c in range(k)])
    msw = sum(((y[cluster == c] - means[c]) ** 2).sum() for c in range(k)) / (n.sum() - k)
    for rho in (-0.05, 0.0, 0.1, 0.5, 0.9):
        theta = rho / (1 - rho)
        if 1 + n.max() * theta <= 1e-6:
            continue
        w = n / (1 + n * theta)
        ratio = (w * (means - (w * means).sum() / w.sum()) ** 2).sum() / ((k - 1) * msw)
        p = f_distribution.cdf(ratio, k - 1, n.sum() - k)
        assert (0.025 <= p <= 0.975) == (found.low - 1e-9 <= rho <= found.high + 1e-9)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=8))
def test_counts_say_the_same_as_people(pairs):
    top, n = [min(a, b) for a, b in pairs], [b for _, b in pairs]
    people = [(float(k < a), c) for c, (a, b) in enumerate(zip(top, n, strict=True)) for k in range(b)]
    if len({c for _, c in people}) < 2 or len({y for y, _ in people}) < 2 or max(n) < 2:
        with pytest.raises(EstimateError):
            icc_of_counts(top, n)
        return
    one, other = icc([y for y, _ in people], [c for _, c in people]), icc_of_counts(top, n)
    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5), st.sampled_from(["f", "fisher", "bootstrap"]))
def test_units_of_measurement_and_names_do_not_matter(seed, scale, shift, interval):
    rng = np.random.default_rng(seed)
    cluster, y = np.repeat(np.arange(5), (2, 3, 4, 5, 6)), rng.normal(size=20)
    options = {"interval": interval, "rng": np.random.default_rng(1)}
    one = icc(y, cluster, **options)
    options["rng"] = np.random.default_rng(1)
    other = icc(y * scale + shift, cluster + 10, **options)
    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), abs=1e-7)
    if interval == "fisher":
        assert one.low <= one.estimate <= one.high
    if interval == "f":  # equal sizes; with unequal ones the estimate can lie below what any population can have
        level = icc(y[:18], np.repeat(np.arange(6), 3))
        assert level.low <= level.estimate <= level.high


def test_autocorrelation_is_the_two_way_table_of_single_people():
    """Equal sizes: mean squares of clusters, clusters x periods and people, added up person by person."""
    rng = np.random.default_rng(3)
    j, t, m = 9, 4, 6
    y = rng.normal(size=(j, 1, 1)) + 0.5 * rng.normal(size=(j, t, 1)) + rng.normal(size=(j, t, m))
    y = y + np.arange(t)[None, :, None]
    cell, row, column, whole = y.mean(axis=2), y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean()
    ms_c = m * t * sum((value - whole) ** 2 for value in row) / (j - 1)
    gaps = [cell[a, b] - row[a] - column[b] + whole for a in range(j) for b in range(t)]
    ms_cp = m * sum(gap**2 for gap in gaps) / ((j - 1) * (t - 1))
    ms_e = sum((y[a, b, p] - cell[a, b]) ** 2 for a in range(j) for b in range(t) for p in range(m)) / (j * t * (m - 1))
    c, cp = (ms_c - ms_cp) / (m * t), (ms_cp - ms_e) / m
    within, between = cluster_autocorrelation(table(cell, m), within=ms_e)
    assert (between.between, between.cluster_period, between.within) == pytest.approx((c, cp, ms_e))
    assert within.estimate == pytest.approx((c + cp) / (c + cp + ms_e))
    assert between.estimate == pytest.approx(c / (c + cp))
    assert within.low < within.estimate < within.high
    assert between.low < between.estimate < between.high


def covered(icc_, cac, j, t, m, interval, draws, rng):
    hits = np.zeros(2)
    for _ in range(draws):
        mean = rng.normal(size=(j, 1)) * np.sqrt(icc_ * cac) + rng.normal(size=(j, t)) * np.sqrt(icc_ * (1 - cac))
        mean += rng.normal(size=(j, t)) * np.sqrt((1 - icc_) / m)
        found = cluster_autocorrelation(table(mean, m), within=1 - icc_, interval=interval, rng=rng)
        hits += [one.low <= truth <= one.high for one, truth in zip(found, (icc_, cac), strict=True)]
    return hits / draws


@pytest.mark.parametrize("world", [(0.05, 0.8, 20, 4, 50), (0.02, 0.8, 7, 12, 100)])
def test_generalized_intervals_hold_the_truth(world):
    """Truth by simulation, 400 draws: a standard error of .011 at .95."""
    hits = covered(*world, "generalized", 400, np.random.default_rng(5))
    assert hits == pytest.approx([0.95, 0.95], abs=0.035)


@pytest.mark.nightly
@pytest.mark.parametrize("world", [(0.05, 0.8, 20, 4, 50), (0.05, 0.5, 12, 3, 50), (0.1, 0.8, 30, 2, 100)])
def test_generalized_intervals_hold_the_truth_in_full(world):
    hits = covered(*world, "generalized", 4000, np.random.default_rng(6))
    assert (hits >= 0.94).all()


def test_the_f_interval_holds_the_truth_for_unequal_clusters():
    rng, sizes = np.random.default_rng(9), (5, 10, 20, 40, 80, 8, 16, 32)
    cluster, hits = np.repeat(np.arange(8), sizes), 0
    for _ in range(600):
        y = rng.normal(size=8)[cluster] * np.sqrt(0.1) + rng.normal(size=cluster.size) * np.sqrt(0.9)
        found = icc(y, cluster)
        hits += found.low <= 0.1 <= found.high
    assert hits / 600 == pytest.approx(0.95, abs=0.027)


def test_bootstrap_can_be_repeated_and_needs_a_generator():
    rng = np.random.default_rng(4)
    mean = 0.3 + 0.05 * rng.normal(size=(20, 3))
    one, other = (
        cluster_autocorrelation(table(mean, 100), interval="bootstrap", rng=np.random.default_rng(1)) for _ in range(2)
    )
    assert one == other
    assert one[0].low <= one[0].estimate <= one[0].high
    with pytest.raises(EstimateError, match="generator"):
        cluster_autocorrelation(table(mean, 100), interval="bootstrap")
    with pytest.raises(EstimateError, match="generator"):
        icc_of_counts([1, 2, 3], [5, 5, 5], interval="bootstrap")


def test_no_difference_between_clusters_says_how_little_is_known():
    flat = cluster_autocorrelation(table(np.full((6, 3), 0.4), 50))
    assert flat[0].estimate == 0
    assert (flat[1].low, flat[1].high) == (0, 1)
    apart = icc([1, 1, 2, 2], list("aabb"))
    assert (apart.estimate, apart.low, apart.high) == (1, 1, 1)
    assert "ICC 1 (95% interval" in apart.summary()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: icc([1.0, 2.0], ["a", "b"]),
        lambda: icc([1.0, 2.0], ["a", "a"]),
        lambda: icc([1.0, np.nan, 2.0], list("aab")),
        lambda: icc([1.0, 2.0], list("aab")),
        lambda: icc([1.0, 1.0, 1.0, 1.0], list("aabb")),
        lambda: icc_of_counts([3, 1], [2, 2]),
        lambda: cluster_autocorrelation(table([[0.1, 0.2]], 10)),
        lambda: cluster_autocorrelation(table([[0.1, np.nan], [0.2, 0.3]], 10)),
        lambda: cluster_autocorrelation(table([[1.5, 2.0], [0.2, 0.3]], 10)),
    ],
)
def test_what_holds_no_correlation_is_refused(wrong):
    with pytest.raises(EstimateError):
        wrong()
