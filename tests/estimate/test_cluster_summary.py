"""Cluster summaries against a second algorithm for every number, laws of relabelling, and the lot itself."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import f as f_distribution
from scipy.stats import ttest_ind

from trialkit.design import blocked, complete
from trialkit.errors import EstimateError
from trialkit.estimate.cluster_summary import ClusterSummaries, cluster_summaries


def made_up(seed: int, *, clusters: int = 9, least: int = 2, spread: float = 0.6) -> dict[str, Any]:
    """Synthetic: clusters of different sizes, four of them treated, one covariate of persons and one of clusters."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(least, 12, clusters)
    code = np.repeat(np.arange(clusters), sizes)
    x, of_cluster = rng.normal(size=len(code)), rng.normal(size=clusters)[code]
    y = 5 + x + spread * rng.normal(size=clusters)[code] + rng.normal(size=len(code)) + (code < 4)
    return {"y": y, "cluster": np.array([f"c{k}" for k in code]), "treated": code < 4, "x": x, "of_cluster": of_cluster}


def summarised(data: dict[str, Any], *covariates: str, outcome: str = "y", **asked: Any) -> ClusterSummaries:
    given = {name: data[name] for name in covariates}
    return cluster_summaries(
        data[outcome], clusters=data["cluster"], treated=data["treated"], unit="days", covariates=given, **asked
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_t_tests_are_those_of_scipy_and_weights_those_of_plain_least_squares(seed):
    found = summarised(made_up(seed))
    for variance, equal in (("equal", True), ("Welch", False)):
        ours = found.difference(variance=variance)
        theirs = ttest_ind(found.values[found.treated], found.values[~found.treated], equal_var=equal)
        assert [ours.statistic, ours.p_value, ours.df] == pytest.approx([theirs.statistic, theirs.pvalue, theirs.df])
        assert [ours.conf_low, ours.conf_high] == pytest.approx(list(theirs.confidence_interval(0.95)))
    w, x = np.diag(found.sizes), np.column_stack([np.ones(9), found.treated])
    bread = np.linalg.inv(x.T @ w @ x)
    beta = bread @ x.T @ w @ found.values
    left = found.values - x @ beta
    ours = found.weighted("size")
    assert ours.estimate == pytest.approx(beta[1])
    assert ours.std_error == pytest.approx(np.sqrt(left @ w @ left / 7 * bread[1, 1]))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-100, 100))
def test_another_unit_of_the_outcome_changes_the_numbers_and_nothing_else(seed, scale, shift):
    data = made_up(seed)
    moved = {**data, "y": data["y"] * scale + shift}
    for covariates in ((), ("x",)):
        one, other = summarised(data, *covariates), summarised(moved, *covariates)
        assert other.icc().estimate == pytest.approx(one.icc().estimate, abs=1e-6)
        for by in ("size", "minimum variance"):
            assert other.weighted(by).estimate == pytest.approx(one.weighted(by).estimate * scale, abs=1e-6 * scale)
            assert other.weighted(by).p_value == pytest.approx(one.weighted(by).p_value, abs=1e-6)


def test_equal_sizes_make_every_weight_the_same():
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(8), 5)
    found = cluster_summaries(rng.normal(size=40), clusters=code, treated=code % 2, unit="1")
    plain = found.difference()
    for by in ("size", "minimum variance"):
        assert found.weighted(by).estimate == pytest.approx(plain.estimate)
        assert found.weighted(by).std_error == pytest.approx(plain.std_error)


def test_the_interval_of_the_icc_is_the_textbook_one_where_sizes_are_equal():
    """Searle (1971): (F / q - 1) / (F / q + n - 1), with k - 2 degrees of freedom above as arms are removed."""
    rng = np.random.default_rng(5)
    code = np.repeat(np.arange(10), 6)
    y = rng.normal(size=10)[code] + rng.normal(size=60) + 3 * (code % 2)
    found = cluster_summaries(y, clusters=code, treated=code % 2, unit="1").icc()
    ratio = (found.within + 6 * found.between) / found.within
    exact = [(ratio / q - 1) / (ratio / q + 5) for q in f_distribution.ppf([0.975, 0.025], 8, 50)]
    assert [found.low, found.high] == pytest.approx(exact, rel=1e-8)


def test_most_intervals_of_the_icc_hold_the_truth():
    hits = 0
    for seed in range(100):
        found = summarised(made_up(seed, spread=1.0)).icc()
        hits += found.low <= 0.5 <= found.high
    assert 88 <= hits <= 100  # 95 of 100; fewer than 88 happens once in 700


def test_the_first_stage_knows_no_arm_and_is_the_likelihood_s_own():
    """The logistic first stage by a direct search of the likelihood; the linear one by its normal equations."""
    data = made_up(8, clusters=12)
    data["event"] = (data["y"] > 5.5).astype(float)
    x = np.column_stack([np.ones(len(data["x"])), data["x"]])

    def height(beta: np.ndarray) -> float:
        eta = x @ beta
        return float(np.logaddexp(0, eta).sum() - data["event"] @ eta)

    best = minimize(height, np.zeros(2), tol=1e-12).x
    left = data["event"] - 1 / (1 + np.exp(-x @ best))
    found = summarised(data, "x", outcome="event", binary=True)
    code = np.unique(data["cluster"], return_inverse=True)[1]
    np.testing.assert_allclose(found.values, np.bincount(code, left) / np.bincount(code), atol=1e-6)
    linear = data["y"] - x @ np.linalg.solve(x.T @ x, x.T @ data["y"])
    np.testing.assert_allclose(summarised(data, "x").values, np.bincount(code, linear) / np.bincount(code), atol=1e-10)


def test_a_covariate_of_clusters_costs_a_degree_of_freedom_and_one_of_persons_does_not():
    data = made_up(2)
    assert summarised(data, "x").difference().df == 7
    assert summarised(data, "x", "of_cluster").difference().df == 6
    assert "residuals given x, of_cluster" in summarised(data, "x", "of_cluster").difference().method


def test_the_lot_is_gone_through_with_the_same_summaries():
    data = made_up(4)
    found = summarised(data, "x")
    ids = [f"c{k}" for k in range(9)]
    design = complete(ids, {"new": 4, "usual": 5})
    labels = ["new" if k < 4 else "usual" for k in range(9)]
    tested = found.by_lot(design, labels, compare=("new", "usual"), interval=False)
    values = found.of(ids)

    def t(new: tuple[int, ...]) -> float:
        one, other = values[list(new)], np.delete(values, list(new))
        return float((one.mean() - other.mean()) / np.sqrt(one.var(ddof=1) / 4 + other.var(ddof=1) / 5))

    every = np.array([t(new) for new in combinations(range(9), 4)])
    far = np.abs(every - every.mean())
    own = far[list(combinations(range(9), 4)).index((0, 1, 2, 3))]
    assert tested.estimate.n_allocations == 126
    assert tested.p_value == pytest.approx((far >= own * (1 - 1e-9)).mean(), rel=1e-12)
    with pytest.raises(EstimateError, match="disagree about who was treated: c3, c4"):
        found.by_lot(design, ["new"] * 3 + ["usual", "new"] + ["usual"] * 4, compare=("new", "usual"))
    with pytest.raises(EstimateError, match="Nothing was summarised for c9"):
        found.of(["c9"])


def test_blocks_and_members_of_clusters_are_those_of_the_design():
    """Where clusters of units were drawn within blocks, the clusters' summaries are exchanged within blocks only."""
    data = made_up(6, clusters=8)
    units = [f"u{k:02d}" for k in range(16)]
    clusters = {unit: f"c{k // 2}" for k, unit in enumerate(units)}
    region = {unit: "east" if k < 8 else "west" for k, unit in enumerate(units)}
    design = blocked(units, {"new": 1, "usual": 1}, blocks=region, clusters=clusters, level="cluster")
    labels = ["new" if int(clusters[unit][1]) in (0, 1, 4, 5) else "usual" for unit in units]
    treated = np.isin(data["cluster"], ["c0", "c1", "c4", "c5"])
    found = summarised({**data, "treated": treated})
    tested = found.by_lot(design, labels, compare=("new", "usual"), interval=False)
    assert tested.estimate.n_allocations == 36
    assert tested.estimate.n_units == 8
    each = found.values
    own = (each[[0, 1]].mean() - each[[2, 3]].mean() + each[[4, 5]].mean() - each[[6, 7]].mean()) / 2
    assert tested.estimate.estimate == pytest.approx(own)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"treated": lambda d: np.arange(len(d["y"])) % 2}, "rows in both arms"),
        ({"treated": lambda d: np.where(d["treated"], 2, 0)}, "not 0 or 1"),
        ({"treated": lambda d: d["cluster"] == "c0"}, "fewer than two clusters"),
        ({"y": lambda d: np.where(np.arange(len(d["y"])) == 3, np.nan, d["y"])}, "missing value"),
        ({"y": lambda d: d["treated"].astype(float)}, "do not vary"),
        ({"binary": lambda d: True, "x": lambda d: d["x"]}, "not both 0 and 1"),
        ({"binary": lambda d: True, "y": lambda d: (d["x"] > 0).astype(float), "x": lambda d: d["x"]}, "exactly"),
    ],
)
def test_what_cannot_be_summarised_is_refused_in_words(change, words):
    data = made_up(1)
    data |= {name: made(data) for name, made in change.items()}
    covariates = ("x",) if "x" in change else ()
    with pytest.raises(EstimateError, match=words) as told:
        summarised(data, *covariates, binary=data.get("binary", False)).difference()
    assert told.value.told("da") != told.value.message


def test_clusters_of_one_have_no_icc():
    found = cluster_summaries([1.0, 2, 4, 3], clusters=list("abcd"), treated=[1, 1, 0, 0], unit="1")
    assert found.difference().estimate == pytest.approx(-2)
    with pytest.raises(EstimateError, match="two persons"):
        found.icc()
