"""Many data sets of one design give what one at a time gives, whatever way the sums allow; one ratio never misses its best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimate.test_mixed import KINDS, made_up
from trialkit.errors import EstimateError
from trialkit.estimate.cells import Layout
from trialkit.estimate.mixed import mixed_model
from trialkit.estimate.mixed_fit import Clustered, fitted_ratios, profiled
from trialkit.estimate.mixed_many import many_mixed_models
from trialkit.estimate.nested import Nested
from trialkit.estimate.patterns import Patterned
from trialkit.estimate.random_effects import RandomEffects
from trialkit.estimate.spectral import one_ratio
from trialkit.estimate.wedge import columns

SETS = 6


def designed(*, balanced: bool, seed: int = 1, spread: float = 0.4) -> tuple[dict[str, Any], np.ndarray]:
    """A synthetic design and data sets on it; unbalanced ones lack rows and have weights."""
    data = made_up(seed, spread=spread)
    rng = np.random.default_rng(seed)
    if balanced:
        c, t, i = (a.ravel() for a in np.meshgrid(range(6), range(4), range(3), indexing="ij"))
        exposure = np.maximum(t - (1 + c * 3 // 6) + 1, 0)
        data = {"cluster": c, "period": t, "person": i, "exposure": exposure, "w": np.full(len(c), 2.0)}
    c, t, i = data["cluster"], data["period"], data["person"]
    y = rng.normal(size=(SETS, len(c))) + 0.3 * t
    y += spread * (rng.normal(size=(SETS, 6))[:, c] + rng.normal(size=(SETS, 6, 4))[:, c, t])
    return data, y + spread * rng.normal(size=(SETS, 6, 3))[:, c, i]


def asked(data: dict[str, Any], random: str) -> dict[str, Any]:
    return {
        "clusters": data["cluster"], "periods": data["period"], "persons": data["person"],
        "treated": data["exposure"] > 0, "weights": data["w"], "random": random, "unit": "1",
    }  # fmt: skip


@pytest.mark.parametrize("random", KINDS)
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("df", ["Kenward-Roger", "Satterthwaite", "normal"])
def test_many_are_the_same_as_one_at_a_time(random, balanced, df):
    data, y = designed(balanced=balanced)
    fixed = columns(data["exposure"], data["period"])
    many = many_mixed_models(y, fixed, contrast="treated", df=df, **asked(data, random))
    for k, one_set in enumerate(y):
        fit = mixed_model(one_set, fixed, **asked(data, random))
        one = fit.moments("treated", df=df)
        assert many.estimate[k] == pytest.approx(one.value, rel=1e-5, abs=1e-7)
        assert many.std_error[k] == pytest.approx(one.std_error, rel=1e-5)
        assert many.p_value[k] == pytest.approx(one.p_value, rel=1e-4)
        if df != "normal":
            assert many.df[k] == pytest.approx(one.df, rel=1e-4)
        assert tuple(name for name, flags in many.singular.items() if flags[k]) == fit.singular
        for name, variance in fit.components.items():
            assert many.components[name][k] == pytest.approx(variance, rel=1e-4, abs=1e-6)
    frame = many.to_frame()
    assert len(frame) == SETS
    assert {"estimate", "std_error", "df", "p_value", "residual"} <= set(frame.columns)


@pytest.mark.parametrize("random", ["cluster", "nested"])
def test_patterns_and_clusters_are_one_likelihood(random):
    data, y = designed(balanced=True)
    effects = RandomEffects.of(random, data["cluster"], periods=data["period"])
    x = np.column_stack([np.ones(y.shape[1]), *columns(data["exposure"], data["period"]).values()])
    sums = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=data["w"]).sums(y)
    patterned = Patterned.of_sums(sums, effects.structure)
    assert patterned is not None
    ratios = np.random.default_rng(0).uniform(0, 1, (SETS, len(effects.structure.names)))
    ours, theirs = patterned.pieces(ratios), Clustered(sums, effects.structure).pieces(ratios)
    for name in ("log_det", "t0", "t1", "t2", "trace1", "trace2"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-9)


def test_unequal_cells_have_no_patterns():
    data, y = designed(balanced=False)
    effects = RandomEffects.of("nested", data["cluster"], periods=data["period"])
    sums = Layout(x=np.ones((y.shape[1], 1)), z=effects.z, cluster=effects.cluster, weights=data["w"]).sums(y)
    assert Patterned.of_sums(sums, effects.structure) is None


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from(["REML", "ML"]), st.sampled_from([0.0, 0.1, 0.4, 3.0]))
def test_one_ratio_is_the_best_of_a_dense_grid_and_of_the_general_search(seed, balanced, by, spread):
    data, y = designed(balanced=balanced, seed=seed, spread=spread)
    effects = RandomEffects.of("cluster", data["cluster"])
    x = np.column_stack([np.ones(y.shape[1]), *columns(data["exposure"], data["period"]).values()])
    sums = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=data["w"]).sums(y)
    general = Clustered(sums, effects.structure)
    found = one_ratio(sums, by=by)
    n = sums.n_rows
    height = profiled(general.pieces(found), n_rows=n, by=by).value
    for ratio in np.r_[0, np.geomspace(1e-4, 100, 300)]:
        tried = profiled(general.pieces(np.full((SETS, 1), ratio)), n_rows=n, by=by).value
        assert (height <= tried + 1e-8).all()
    np.testing.assert_allclose(found, fitted_ratios(general, by=by), rtol=1e-5, atol=1e-8)


def test_where_statsmodels_says_zero_the_optimum_is_inside():
    """statsmodels 0.15.0 reports converged with variance 0 on this synthetic data set; a dense grid has .01387203."""
    found = many_mixed_models(w3(7), W3_COLUMNS, contrast="treated", clusters=W3_CLUSTER, random="cluster", unit="1",
                              df="normal")  # fmt: skip
    np.testing.assert_allclose(found.estimate[:3], [0.10942206, 0.18876125, 0.18907938], atol=1e-8)
    np.testing.assert_allclose(found.std_error[:3], [0.07167802, 0.0701237, 0.07097604], atol=1e-8)
    assert found.estimate[6] == pytest.approx(0.14303586, abs=1e-8)
    assert found.std_error[6] == pytest.approx(0.06572368, abs=1e-8)
    ratio = found.components["cluster"][6] / found.components["residual"][6]
    assert ratio == pytest.approx(0.01387203, abs=1e-8)


W3_CLUSTER = np.repeat(np.arange(24), 100)
W3_PERIOD = np.tile(np.repeat(np.arange(5), 20), 24)
W3_COLUMNS = columns(np.maximum(W3_PERIOD - W3_CLUSTER // 6, 0), W3_PERIOD)


def w3(sets: int) -> np.ndarray:
    """The first data sets of workload W3 (benchmarks): synthetic."""
    rng, of_cluster = (np.random.Generator(np.random.PCG64([20260101, 3, part])) for part in (0, 1))
    y = rng.standard_normal((sets, 24, 5, 20)) + 0.25 * of_cluster.standard_normal((sets, 24, 1, 1))
    treated = np.arange(5) >= 1 + np.arange(24)[:, None] // 6
    y += (np.array([0.0, 0.1, 0.15, 0.25, 0.3]) + 0.2 * treated)[None, :, :, None]
    return y.reshape(sets, -1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcomes": np.zeros(72)}, "data sets"),
        ({"contrast": "nothing"}, "no term 'nothing'"),
        ({"by": "ML"}, "defined for REML"),
        ({"gap": 2}, "1 data sets have a missing value"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_words(change, words):
    data, y = designed(balanced=True)
    if "gap" in change:
        y[change.pop("gap"), 5] = np.nan
    given = {"outcomes": y, "contrast": "treated", **asked(data, "cluster"), **change}
    with pytest.raises(EstimateError, match=words) as told:
        many_mixed_models(given.pop("outcomes"), columns(data["exposure"], data["period"]), **given)
    assert told.value.told("da") != told.value.message


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("random", ["cluster", "nested"])
def test_many_cells_with_their_squares_are_many_persons(random, balanced):
    data, y = designed(balanced=balanced)
    pair = data["cluster"] * 100 + data["period"]
    _, first, code, size = np.unique(pair, return_index=True, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(code, one) / size for one in y])
    within = ((y - mean[:, code]) ** 2).sum(axis=1)
    asked = {"contrast": "treated", "random": random, "unit": "1"}
    rows = many_mixed_models(
        y, columns(data["exposure"], data["period"]), clusters=data["cluster"], periods=data["period"], **asked
    )
    cells = many_mixed_models(
        mean, columns(data["exposure"][first], data["period"][first]), clusters=data["cluster"][first],
        periods=data["period"][first], sizes=size, within=within, **asked,
    )  # fmt: skip
    for name in ("estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(getattr(cells, name), getattr(rows, name), rtol=1e-9)
    with pytest.raises(EstimateError, match="within has shape"):
        many_mixed_models(
            mean, columns(data["exposure"][first], data["period"][first]), clusters=data["cluster"][first],
            periods=data["period"][first], sizes=size, within=within[:2], **asked,
        )  # fmt: skip


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_nested_intercepts_without_matrices_are_the_same_likelihood(seed, balanced):
    data, y = designed(balanced=balanced, seed=seed)
    effects = RandomEffects.of("nested", data["cluster"], periods=data["period"])
    x = np.column_stack([np.ones(y.shape[1]), *columns(data["exposure"], data["period"]).values()])
    sums = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=data["w"]).sums(y)
    nested = Nested.of_sums(sums, effects.structure)
    assert nested is not None
    ratios = np.random.default_rng(seed).uniform(0, 2, (SETS, 2)) * np.array(
        [[1, 1], [0, 1], [1, 0], [0, 0], [9, 9], [1, 1]]
    )
    ours, theirs = nested.pieces(ratios), Clustered(sums, effects.structure).pieces(ratios)
    for name in ("log_det", "t0", "t1", "t2", "trace1", "trace2"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-8)
    level = nested.of(np.array([3, 1])).level(ratios[[3, 1]])
    np.testing.assert_allclose(level[1], theirs.t0[[3, 1]], rtol=1e-8, atol=1e-8)


def test_other_structures_keep_their_matrices():
    data, y = designed(balanced=False)
    for random in KINDS:
        effects = RandomEffects.of(
            random, data["cluster"], periods=data["period"], persons=data["person"], treated=data["exposure"] > 0
        )
        sums = Layout(x=np.ones((y.shape[1], 1)), z=effects.z, cluster=effects.cluster, weights=data["w"]).sums(y)
        assert (Nested.of_sums(sums, effects.structure) is not None) == (random == "nested")
