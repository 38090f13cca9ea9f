"""Regression errors against dense algebra written out, leave-one-out, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimate.lots import ARMS, lot
from trialkit.errors import EstimateError
from trialkit.estimate.adjusted import adjusted_difference, lin
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.instrument import complier_effect, instrument_test, two_stage
from trialkit.estimate.regression import Regression, least_squares
from trialkit.estimate.sandwich import numbered


def made(seed: int, n: int = 40, groups: int = 9) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = rng.permutation(np.r_[np.arange(groups), rng.integers(groups, size=n - groups)])
    z = (np.arange(groups) % 2)[cluster].astype(float)
    x = rng.normal(size=n) + 0.5 * cluster
    y = 1 + z + x + rng.normal(size=groups)[cluster] + rng.normal(size=n)
    return {"y": y, "z": z, "x": x, "w": rng.uniform(0.3, 3, size=n), "cluster": cluster}


def dense(d: dict[str, np.ndarray], weighted: bool) -> tuple[np.ndarray, np.ndarray]:
    """CR2 and its degrees of freedom with n x n matrices (Pustejovsky and Tipton 2018, equations 6, 8 and 11)."""
    n = d["y"].size
    x = np.column_stack([np.ones(n), d["z"], d["x"]])
    w = np.diag(d["w"]) if weighted else np.eye(n)
    bread = np.linalg.inv(x.T @ w @ x)
    left = np.eye(n) - x @ bread @ x.T @ w
    meat, parts = np.zeros((3, 3)), []
    for code in np.unique(d["cluster"]):
        here = d["cluster"] == code
        values, vectors = np.linalg.eigh(left[here] @ left[here].T)
        kept = values > 1e-10
        a = vectors[:, kept] / np.sqrt(values[kept]) @ vectors[:, kept].T
        score = x[here].T @ w[np.ix_(here, here)] @ a
        meat += np.outer(score @ (left @ d["y"])[here], score @ (left @ d["y"])[here])
        parts.append(bread @ score @ left[here])
    df = []
    for k in range(3):
        rows = np.array([part[k] for part in parts])
        products = rows @ rows.T
        df.append(np.trace(products) ** 2 / (products**2).sum())
    return bread @ meat @ bread, np.array(df)


def fitted(d: dict[str, np.ndarray], **options) -> Regression:
    return least_squares(d["y"], {"z": d["z"], "x": d["x"]}, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_cr2_and_satterthwaite_are_those_of_dense_algebra(seed, weighted):
    d = made(seed)
    found = fitted(d, clusters=d["cluster"], weights=d["w"] if weighted else None)
    covariance, df = dense(d, weighted)
    assert found.errors == "CR2"
    assert found.covariance == pytest.approx(covariance, rel=1e-9, abs=1e-12)
    assert found.df == pytest.approx(df, rel=1e-9)


def test_cr2_where_a_cluster_decides_a_coefficient_by_itself_drops_what_is_not_there():
    """A cluster with a column of its own leaves no variance in one direction: the pseudo-inverse of dense algebra."""
    d = made(11)
    d["x"] = (d["cluster"] == 0) * 1.0
    covariance, df = dense(d, weighted=False)
    found = fitted(d, clusters=d["cluster"])
    assert found.covariance[:2, :2] == pytest.approx(covariance[:2, :2], rel=1e-8)
    assert found.df[1] == pytest.approx(df[1], rel=1e-8)


def test_equal_weights_are_no_weights():
    d = made(3)
    for errors in ("CR2", "CR3", "CR1", "CR0"):
        one = fitted(d, clusters=d["cluster"], errors=errors)
        two = fitted(d, clusters=d["cluster"], errors=errors, weights=np.full(d["y"].size, 7.0))
        assert two.covariance == pytest.approx(one.covariance, rel=1e-9)
        assert two.df == pytest.approx(one.df, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_cr3_is_the_spread_of_the_answers_without_each_cluster(weighted):
    """Bell and McCaffrey (2002): sum over clusters of (b_(-g) - b)^2, refitted g by g."""
    d = made(5)
    found = fitted(d, clusters=d["cluster"], errors="CR3", weights=d["w"] if weighted else None)
    moved = np.zeros((3, 3))
    for code in np.unique(d["cluster"]):
        kept = d["cluster"] != code
        part = {name: column[kept] for name, column in d.items()}
        away = fitted(part, weights=part["w"] if weighted else None).coefficients - found.coefficients
        moved += np.outer(away, away)
    assert found.covariance == pytest.approx(moved, rel=1e-9)


def test_cr3_with_an_indicator_for_each_cluster_leaves_cluster_and_indicator_out():
    """clubSandwich 0.5.8 finds this system singular; refitting without each cluster has an answer, and it is ours."""
    d = made(15)
    found = least_squares(d["y"], {"x": d["x"]}, blocks=d["cluster"], clusters=d["cluster"], errors="CR3")
    away = [
        least_squares(d["y"][kept], {"x": d["x"][kept]}, blocks=d["cluster"][kept]).coefficients[0]
        for kept in (d["cluster"] != code for code in np.unique(d["cluster"]))
    ]
    assert found.covariance[0, 0] == pytest.approx(((np.array(away) - found.coefficients[0]) ** 2).sum(), rel=1e-9)


def test_hc3_is_the_same_without_each_row():
    d = made(6, n=15)
    found = fitted(d, errors="HC3")
    moved = np.zeros((3, 3))
    for row in range(15):
        part = {name: np.delete(column, row) for name, column in d.items()}
        away = fitted(part).coefficients - found.coefficients
        moved += np.outer(away, away)
    assert found.covariance == pytest.approx(moved, rel=1e-9)


@pytest.mark.parametrize(("row", "cluster"), [("HC0", "CR0"), ("HC2", "CR2"), ("HC3", "CR3")])
def test_clusters_of_one_row_are_rows(row, cluster):
    d = made(7)
    by_row, by_cluster = fitted(d, errors=row), fitted(d, errors=cluster, clusters=np.arange(40))
    assert by_cluster.covariance == pytest.approx(by_row.covariance, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["HC1", "HC2", "HC3", "CR0", "CR1", "CR2", "CR3"]), st.booleans())
def test_order_names_and_scales_change_what_they_should(seed, errors, weighted):
    d = made(seed)
    order = np.random.default_rng(seed).permutation(40)
    clusters = d["cluster"] if errors.startswith("CR") else None
    one = fitted(d, errors=errors, clusters=clusters, weights=d["w"] if weighted else None)
    e = {name: column[order] for name, column in d.items()}
    two = least_squares(
        2 * e["y"] + 5,
        {"z": e["z"], "x": 1000 * e["x"] - 3},
        errors=errors,
        clusters=None if clusters is None else [f"town {(7 * k) % 9}" for k in e["cluster"]],
        weights=10 * e["w"] if weighted else None,
    )
    assert two.coefficients[1:] == pytest.approx(one.coefficients[1:] * [2, 0.002], rel=1e-8)
    assert two.std_errors[1:] == pytest.approx(one.std_errors[1:] * [2, 0.002], rel=1e-7)
    assert two.df[1:] == pytest.approx(one.df[1:], rel=1e-7)


def test_indicators_of_blocks_are_what_blocks_absorb():
    d = made(8)
    block = np.where(d["x"] > np.median(d["x"]), "b", "a")
    one = least_squares(d["y"], {"z": d["z"]}, blocks=block, clusters=d["cluster"])
    two = least_squares(d["y"], {"z": d["z"], "b": (block == "b") * 1.0}, clusters=d["cluster"])
    assert one.terms == ("z",)
    assert (one.coefficients[0], one.std_errors[0], one.df[0]) == pytest.approx(
        (two.coefficients[1], two.std_errors[1], two.df[1]), rel=1e-10
    )


def test_adjusting_for_nothing_but_blocks_is_the_difference_within_blocks():
    rng = np.random.default_rng(9)
    z, b, y = [1, 1, 0, 0, 0] * 4, ["a"] * 10 + ["b"] * 10, rng.normal(size=20)
    one = difference_in_means(y, lot(z, b), compare=ARMS, unit="1")
    two = adjusted_difference(y, lot(z, b), {}, compare=ARMS, unit="1", df="design")
    assert (two.estimate, two.std_error, two.df) == pytest.approx((one.estimate, one.std_error, one.df), rel=1e-10)


@pytest.mark.parametrize(("new", "usual"), [(3, 9), (2, 5), (6, 6), (10, 11)])
def test_without_covariates_the_degrees_of_freedom_are_imbens_and_kolesars(new, usual):
    """Imbens and Kolesar (2016), section II.C: (n1 + n0)^2 (n1 - 1)(n0 - 1) / (n1^2 (n1 - 1) + n0^2 (n0 - 1))."""
    y = np.random.default_rng(new).normal(size=new + usual)
    found = adjusted_difference(y, lot([1] * new + [0] * usual), {}, compare=ARMS, unit="1")
    top = (new + usual) ** 2 * (new - 1) * (usual - 1)
    assert found.df == pytest.approx(top / (new**2 * (new - 1) + usual**2 * (usual - 1)), rel=1e-9)
    plain = difference_in_means(y, lot([1] * new + [0] * usual), compare=ARMS, unit="1")
    assert (found.estimate, found.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=1e-10)
    assert found.method.endswith("HC2, Satterthwaite")


def test_lins_effect_is_the_difference_of_two_predictions_at_the_mean():
    """Lin (2013), section 3: each arm's own regression, read at the covariates' mean over everybody."""
    d = made(10)
    z = d["z"] == 1
    at_mean = [np.polyval(np.polyfit(d["x"][arm], d["y"][arm], 1), d["x"].mean()) for arm in (z, ~z)]
    assert lin(d["y"], d["z"], {"x": d["x"]}).moments("z").value == pytest.approx(at_mean[0] - at_mean[1], rel=1e-10)


def test_an_adjusted_estimate_ignores_a_covariates_unit_and_gains_from_what_explains():
    d = made(12, n=60)
    assignment = lot([int(k % 2) for k in range(60)])
    options = {"compare": ARMS, "unit": "1"}
    one = adjusted_difference(d["x"] * 3 + d["w"], assignment, {"x": d["x"]}, **options)
    two = adjusted_difference(d["x"] * 3 + d["w"], assignment, {"x": 1000 * d["x"] + 7}, **options)
    assert (one.estimate, one.std_error) == pytest.approx((two.estimate, two.std_error), rel=1e-9)
    assert one.std_error < difference_in_means(d["x"] * 3 + d["w"], assignment, **options).std_error / 2


def test_the_effect_on_takers_is_the_ratio_of_two_differences():
    """Wald's ratio; everybody obeying, it is the difference in means."""
    rng = np.random.default_rng(13)
    z = np.array([1, 0] * 20)
    took = z * (rng.random(40) < 0.6)
    y = rng.normal(size=40) + 2 * took
    options = {"compare": ARMS, "unit": "1"}
    found = complier_effect(y, took, lot(z), **options)
    shown, moved = (difference_in_means(column, lot(z), **options).estimate for column in (y, took))
    assert found.estimate == pytest.approx(shown / moved, rel=1e-10)
    obeyed = complier_effect(y, z, lot(z), **options)
    plain = difference_in_means(y, lot(z), **options)
    assert (obeyed.estimate, obeyed.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=1e-10)
    for nobody_moved in (np.ones(40), np.tile([0, 0, 1, 1], 10)):
        with pytest.raises(EstimateError, match="division by"):
            complier_effect(y, nobody_moved, lot(z, ["a"] * 20 + ["b"] * 20), **options)


def test_intervals_of_a_regression_with_twelve_clusters_cover():
    """200 samples: fewer than 178 covered at .95 has probability below 0.001; plain CR0 covers far less."""
    rng, covered, naive = np.random.default_rng(14), 0, 0
    cluster = np.repeat(np.arange(12), 6)
    z = (np.arange(12) < 4)[cluster].astype(float)
    for _ in range(200):
        y = rng.normal(size=12)[cluster] + rng.normal(size=72)
        found = least_squares(y, {"z": z}, clusters=cluster)
        plain = least_squares(y, {"z": z}, clusters=cluster, errors="CR0")
        low, high = found.moments("z").interval(0.95)
        covered += low <= 0 <= high
        naive += abs(plain.coefficients[1]) <= 1.96 * plain.std_errors[1]
    assert covered >= 178
    assert naive < covered - 5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: least_squares(d["y"], {"z": d["z"], "copy": 2 * d["z"] + 1}), "'copy'"),
        (lambda d: least_squares(d["y"], {"z": d["z"][:-1]}), "has shape"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}, errors="CR2"), "do not go together"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}, clusters=d["cluster"], errors="HC2"), "do not go together"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}, errors="HC4"), "no errors called"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}, clusters=np.zeros(40)), "one cluster only"),
        (lambda d: least_squares(d["y"], {"one": np.arange(40) == 3}), "fitted exactly"),
        (lambda d: least_squares(d["y"][:2], {"z": np.array([0.0, 1.0])}), "cannot tell"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}, weights=-d["w"]), "not positive"),
        (
            lambda d: least_squares(d["y"], {"one": d["cluster"] == 1}, clusters=d["cluster"], errors="CR3"),
            "One cluster alone",
        ),
        (lambda d: lin(d["y"], d["cluster"], {"x": d["x"]}), "not 0 or 1"),
        (lambda d: least_squares(d["y"], {"z": d["z"]}).estimate("x", unit="1"), "no term"),
        (lambda d: two_stage(d["y"], {"x": d["x"], "z": d["z"]}, {"z": d["z"]}), "division by"),
        (lambda d: instrument_test("weak", d["y"], {"x": d["x"]}, {"z": d["z"], "w": d["w"]}), "one column"),
    ],
)
def test_what_has_no_answer_is_refused_in_words(call, words):
    with pytest.raises(EstimateError) as refusal:
        call(made(1))
    assert words in refusal.value.message
    assert refusal.value.told("da") != refusal.value.message


def test_numbered_names_ascend():
    codes, names = numbered(["b", "a", "b"])
    assert (codes.tolist(), names) == ([1, 0, 1], ("a", "b"))
