"""The mixed model against its own definition: dense likelihoods on grids, exact derivatives, laws, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Layout
from trialkit.estimate.mixed import mixed_model
from trialkit.estimate.mixed_fit import Clustered, fitted_ratios, profiled
from trialkit.estimate.random_effects import RandomEffects
from trialkit.estimate.wedge import columns, stepped_wedge

KINDS = ["cluster", "nested", "cohort", "nested cohort", "treatment", "independent treatment", "decay"]


def made_up(seed: int, *, clusters: int = 6, periods: int = 4, persons: int = 3, spread: float = 0.5) -> dict[str, Any]:
    """A synthetic wedge in which the same persons are seen in each period; some rows are missing, weights differ."""
    rng = np.random.default_rng(seed)
    c, t, i = (a.ravel() for a in np.meshgrid(range(clusters), range(periods), range(persons), indexing="ij"))
    start = 1 + np.arange(clusters) * (periods - 1) // clusters
    exposure = np.maximum(t - start[c] + 1, 0)
    y = 0.2 * t + 0.5 * (exposure > 0) + rng.normal(size=clusters)[c] * spread + rng.normal(size=len(c))
    y = y + spread * (rng.normal(size=(clusters, periods))[c, t] + rng.normal(size=(clusters, persons))[c, i])
    kept = rng.random(len(c)) > 0.08
    found = {"y": y, "cluster": c, "period": t, "person": i, "exposure": exposure, "w": rng.uniform(0.5, 2, len(c))}
    return {name: values[kept] for name, values in found.items()}


def likelihood(data: dict[str, Any], random: Any) -> tuple[Clustered, Layout]:
    effects = RandomEffects.of(
        random, data["cluster"], periods=data["period"], persons=data["person"], treated=data["exposure"] > 0
    )
    given = columns(data["exposure"], data["period"])
    x = np.column_stack([np.ones(len(data["y"])), *given.values()])
    layout = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=data["w"])
    return Clustered(layout.sums(data["y"][None]), effects.structure), layout


def dense(layout: Layout, psi: np.ndarray, y: np.ndarray, *, reml: bool) -> float:
    """-2 profiled log-likelihood from the n x n covariance."""
    same = layout.cluster[:, None] == layout.cluster
    v = np.diag(1 / layout.weights) + same * (layout.z @ psi @ layout.z.T)
    solved = np.linalg.solve(v, layout.x)
    h = layout.x.T @ solved
    beta = np.linalg.solve(h, solved.T @ y)
    r = y - layout.x @ beta
    free = len(y) - (layout.x.shape[1] if reml else 0)
    logs = np.linalg.slogdet(v)[1] + (np.linalg.slogdet(h)[1] if reml else 0)
    return float(logs + free * np.log(r @ np.linalg.solve(v, r)))


@pytest.mark.parametrize("random", KINDS)
@pytest.mark.parametrize("by", ["REML", "ML"])
def test_criterion_gradient_and_hessian_are_those_of_the_dense_likelihood(random, by):
    data = made_up(3)
    found, layout = likelihood(data, random)
    k = len(found.structure.names)
    at = found.structure.ratios(np.linspace(0.6, 0.9, k)[None])
    profile = profiled(found.pieces(at), n_rows=len(data["y"]), by=by)
    height = dense(layout, found.structure.psi(at)[0], data["y"], reml=by == "REML")
    assert profile.value[0] == pytest.approx(height, abs=1e-9)
    step, gradient, hessian = 1e-4, np.zeros(k), np.zeros((k, k))

    def moved(*by_how_much: tuple[int, float]) -> float:
        there = at.copy()
        for j, size in by_how_much:
            there[0, j] += size
        return dense(layout, found.structure.psi(there)[0], data["y"], reml=by == "REML")

    for j in range(k):
        gradient[j] = (moved((j, step)) - moved((j, -step))) / (2 * step)
        for m in range(k):
            signs = [(a, b) for a in (1, -1) for b in (1, -1)]
            hessian[j, m] = sum(a * b * moved((j, a * step), (m, b * step)) for a, b in signs) / (4 * step**2)
    np.testing.assert_allclose(profile.gradient[0], gradient, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(profile.hessian[0], hessian, rtol=1e-3, atol=2e-4)


@settings(max_examples=12)
@given(
    st.integers(0, 10_000), st.sampled_from(KINDS), st.sampled_from(["REML", "ML"]), st.sampled_from([0.0, 0.2, 1.0])
)
def test_no_point_of_a_dense_grid_beats_the_optimum(seed, random, by, spread):
    data = made_up(seed, spread=spread)
    found, _ = likelihood(data, random)
    best = fitted_ratios(found, by=by)
    height = profiled(found.pieces(best), n_rows=len(data["y"]), by=by).value[0]
    k = len(found.structure.names)
    if found.structure.kind == "decay":
        axes = [np.geomspace(1e-4, 5, 40), np.linspace(0, np.pi / 2, 40)]
    elif found.structure.kind == "intercept and slope":
        axes = [np.linspace(0, 3, 12), np.linspace(-3, 3, 25), np.linspace(0, 3, 12)]
    else:
        axes = [np.r_[0, np.geomspace(1e-3, 4, {1: 400, 2: 50, 3: 14}[k])]] * k
    roots = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    many = found.of(np.zeros(len(roots), int))
    grid = profiled(many.pieces(found.structure.ratios(roots)), n_rows=len(data["y"]), by=by).value
    assert height <= grid.min() + 1e-8


@pytest.mark.parametrize("random", ["cluster", "nested", "treatment"])
def test_kenward_roger_is_that_of_the_dense_formulas(random):
    """Kenward & Roger (1997) written out with n x n matrices in the variances themselves, weights inside."""
    data = made_up(5, clusters=8, spread=1.0)
    likely, layout = likelihood(data, random)
    fit = mixed_model(
        data["y"], columns(data["exposure"], data["period"]), clusters=data["cluster"], periods=data["period"],
        treated=data["exposure"] > 0, weights=data["w"], random=random, unit="1",
    )  # fmt: skip
    assert not fit.singular
    same = layout.cluster[:, None] == layout.cluster
    g = [same * (layout.z @ basis @ layout.z.T) for basis in likely.structure.basis] + [np.diag(1 / data["w"])]
    sigma = list(fit.components.values())
    v = sum(s * one for s, one in zip(sigma, g, strict=True))
    vi = np.linalg.inv(v)
    phi = np.linalg.inv(layout.x.T @ vi @ layout.x)
    p = [-layout.x.T @ vi @ one @ vi @ layout.x for one in g]
    q = [[layout.x.T @ vi @ one @ vi @ other @ vi @ layout.x for other in g] for one in g]
    size = range(len(g))
    information = np.array(
        [[np.trace(vi @ g[a] @ vi @ g[b]) - 2 * np.trace(phi @ q[a][b]) + np.trace(phi @ p[a] @ phi @ p[b])
          for b in size] for a in size]
    ) / 2  # fmt: skip
    w = np.linalg.inv(information)
    adjustment = sum(w[a, b] * (q[a][b] - p[a] @ phi @ p[b]) for a in size for b in size)
    contrast = np.eye(len(phi))[1]
    slope = np.array([contrast @ phi @ one @ phi @ contrast for one in p])
    np.testing.assert_allclose(fit.adjusted_covariance, phi + 2 * phi @ adjustment @ phi, rtol=1e-7, atol=1e-12)
    found = fit.moments("treated")
    assert found.df == pytest.approx(2 * phi[1, 1] ** 2 / (slope @ w @ slope), rel=1e-7)
    joint = fit.joint(["treated", "period 1"])
    assert 0 < joint.scale <= 1
    assert joint.denominator_df > 1


def test_the_fit_does_not_know_the_order_of_rows_or_the_unit():
    data = made_up(11)
    names = {name: data[name] for name in ("cluster", "period", "person", "exposure")}
    plain = wedge(data["y"], names, data["w"])
    order = np.random.default_rng(1).permutation(len(data["y"]))
    shuffled = wedge(data["y"][order], {name: values[order] for name, values in names.items()}, data["w"][order])
    scaled = wedge(1000 * data["y"] + 7, names, data["w"])
    for other, factor in ((shuffled, 1), (scaled, 1000)):
        ours, theirs = plain.effect(), other.effect()
        assert theirs.estimate == pytest.approx(factor * ours.estimate, rel=1e-7)
        assert theirs.std_error == pytest.approx(factor * ours.std_error, rel=1e-6)
        assert theirs.df == pytest.approx(ours.df, rel=1e-5)


def wedge(y: Any, names: dict[str, Any], w: Any) -> Any:
    return stepped_wedge(
        y, clusters=names["cluster"], periods=names["period"], exposure=names["exposure"], persons=names["person"],
        weights=w, random="nested cohort", unit="1",
    )  # fmt: skip


def test_a_component_that_cannot_be_seen_is_zero_and_said():
    data = made_up(2, spread=0.0, clusters=8)
    data["y"] -= np.array([data["y"][data["cluster"] == c].mean() for c in range(8)])[data["cluster"]]
    found = mixed_model(
        data["y"], columns(data["exposure"], data["period"]), clusters=data["cluster"], unit="1", random="cluster"
    )
    assert found.singular == ("cluster",)
    assert found.components["cluster"] == 0.0
    assert any("singular" in note for note in found.notes)
    estimate = found.estimate("treated")
    assert "singular: cluster" in estimate.method
    x = np.column_stack([np.ones(len(data["y"])), *columns(data["exposure"], data["period"]).values()])
    beta, squares = np.linalg.lstsq(x, data["y"], rcond=None)[:2]
    assert estimate.estimate == pytest.approx(beta[1], rel=1e-9)
    error = np.sqrt(squares[0] / (len(x) - x.shape[1]) * np.linalg.inv(x.T @ x)[1, 1])  # least squares, exactly
    assert estimate.std_error == pytest.approx(error, rel=1e-9)
    assert estimate.df == pytest.approx(len(x) - x.shape[1], rel=1e-9)


def test_balanced_clusters_have_the_degrees_of_freedom_of_analysis_of_variance():
    """10 clusters of 6, half treated: t of cluster means with 8 degrees of freedom, exactly."""
    rng = np.random.default_rng(8)
    cluster = np.repeat(np.arange(10), 6)
    treated = (cluster % 2).astype(float)
    y = rng.normal(size=10)[cluster] + rng.normal(size=60) + treated
    for df in ("Kenward-Roger", "Satterthwaite"):
        found = mixed_model(y, {"treated": treated}, clusters=cluster, random="cluster", unit="1").estimate(
            "treated", df=df
        )
        means = y.reshape(10, 6).mean(axis=1)
        one, other = means[1::2], means[::2]
        assert found.estimate == pytest.approx(one.mean() - other.mean(), rel=1e-9)
        assert found.std_error == pytest.approx(np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 5), rel=1e-7)
        assert found.df == pytest.approx(8, rel=1e-6)


def test_the_effects_over_exposure_are_averages_of_their_parts():
    data = made_up(21, clusters=9)
    found = stepped_wedge(
        data["y"], clusters=data["cluster"], periods=data["period"], exposure=data["exposure"], effect="exposure", unit="1"
    )  # fmt: skip
    assert found.exposures == (1, 2, 3)
    parts = [found.at(time).estimate for time in found.exposures]
    assert found.effect().estimate == pytest.approx(np.mean(parts), rel=1e-9)
    assert found.over({1: 3, 2: 1}).estimate == pytest.approx((3 * parts[0] + parts[1]) / 4, rel=1e-9)
    with pytest.raises(EstimateError, match="exposure times \\[9\\]"):
        found.at(9)


def test_residuals_and_predictions_solve_henderson_s_equations():
    data = made_up(4)
    found, layout = likelihood(data, "cluster")
    fit = mixed_model(
        data["y"], columns(data["exposure"], data["period"]), clusters=data["cluster"], weights=data["w"],
        random="cluster", unit="1",
    )  # fmt: skip
    weighted = data["w"] * fit.residuals
    np.testing.assert_allclose(layout.x.T @ weighted, 0, atol=1e-8)
    ratio = fit.components["cluster"] / fit.components["residual"]
    u = fit.random_effects["cluster"][:, 0]
    np.testing.assert_allclose(np.bincount(layout.cluster, weights=weighted), u / ratio, atol=1e-8)
    assert found.sums.n_rows == fit.n_rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"random": "nonsense"}, "no structure"),
        ({"random": "nested", "periods": None}, "need periods"),
        ({"weights": np.zeros(12)}, "not positive"),
        ({"outcome": np.r_[np.nan, np.ones(11)]}, "missing value"),
        ({"columns": {"a": np.ones(12)}}, "have rank 1"),
        ({"columns": {"a": np.ones(5)}}, "shape"),
        ({"clusters": np.zeros(12)}, "one cluster"),
        ({"clusters": np.zeros(3)}, "cluster labels"),
        ({"random": "nested", "periods": np.tile(np.arange(3), 4)}, "told from the residual"),
        ({"random": "treatment", "treated": np.arange(12)}, "else than 0 and 1"),
        ({"outcome": np.ones(12)}, "exactly"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(change, words):
    rng = np.random.default_rng(0)
    given = {
        "outcome": rng.normal(size=12), "columns": {"a": np.tile([0.0, 1.0, 2.0], 4)}, "random": "cluster",
        "clusters": np.repeat(np.arange(4), 3), "unit": "1", **change,
    }  # fmt: skip
    with pytest.raises(EstimateError, match=words) as told:
        mixed_model(given.pop("outcome"), given.pop("columns"), **given)
    assert told.value.told("da") != told.value.message


def test_ml_has_no_kenward_roger():
    data = made_up(6)
    fit = mixed_model(data["y"], {}, clusters=data["cluster"], random="cluster", by="ML", unit="1")
    assert np.isnan(fit.moments("(Intercept)", df="normal").df)
    with pytest.raises(EstimateError, match="defined for REML"):
        fit.estimate("(Intercept)")
    with pytest.raises(EstimateError, match="no term 'x'"):
        replace(fit, by="REML").estimate("x")


def test_the_fit_and_the_effect_are_drawn_on_the_caller_s_axes():
    from matplotlib.figure import Figure

    data = made_up(6)
    asked = {"clusters": data["cluster"], "periods": data["period"], "exposure": data["exposure"], "unit": "days"}
    found = stepped_wedge(data["y"], effect="exposure", random="cluster", **asked)
    ax = found.plot(Figure().subplots())
    (shown,) = ax.containers
    np.testing.assert_allclose(np.asarray(shown.lines[0].get_ydata(), float), found.fit.coefficients[1:4])
    low, high = np.transpose([segment[:, 1] for segment in shown.lines[2][0].get_segments()])
    ends = [(found.at(time).conf_low, found.at(time).conf_high) for time in found.exposures]
    np.testing.assert_allclose(np.transpose([low, high]), ends)
    whole = stepped_wedge(data["y"], random="cluster", **asked)
    ax = whole.plot(Figure().subplots())
    assert whole.fit.coefficients[1] in [line.get_ydata()[0] for line in ax.get_lines()]
    ax = whole.fit.plot(Figure().subplots())
    np.testing.assert_allclose(
        np.asarray(ax.collections[0].get_offsets()), np.column_stack([whole.fit.fitted, whole.fit.residuals])
    )
    assert ax.get_xlabel() == "fitted (days)"


def cells_of(data: dict[str, Any]) -> dict[str, Any]:
    """Mean, size and sum of squares of each cluster-period."""
    pair = data["cluster"] * 100 + data["period"]
    _, first, code, size = np.unique(pair, return_index=True, return_inverse=True, return_counts=True)
    mean = np.bincount(code, data["y"]) / size
    rows = {name: data[name][first] for name in ("cluster", "period", "exposure")}
    return {**rows, "y": mean, "sizes": size, "within": np.bincount(code, (data["y"] - mean[code]) ** 2)}


@pytest.mark.parametrize("random", ["cluster", "nested", "treatment", "independent treatment", "decay"])
@pytest.mark.parametrize("by", ["REML", "ML"])
def test_cells_with_their_squares_are_fitted_as_their_persons(random, by):
    data = made_up(12, clusters=8, persons=6, spread=0.8)
    cells = cells_of(data)
    asked = {"unit": "1", "random": random, "by": by}

    def fit(rows: dict[str, Any], **more: Any) -> Any:
        return stepped_wedge(
            rows["y"], clusters=rows["cluster"], periods=rows["period"], exposure=rows["exposure"], **asked, **more
        ).fit  # fmt: skip

    one, other = fit(data), fit(cells, sizes=cells["sizes"], within=cells["within"])
    assert other.n_rows == one.n_rows == len(data["y"])
    np.testing.assert_allclose(other.coefficients, one.coefficients, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(list(other.components.values()), list(one.components.values()), rtol=1e-9, atol=1e-9)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-9)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-9)
    if by == "REML":
        np.testing.assert_allclose(other.adjusted_covariance, one.adjusted_covariance, rtol=1e-9, atol=1e-12)
        assert other.moments("treated").df == pytest.approx(one.moments("treated").df, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": lambda c: c["sizes"] + 0.5}, "not whole numbers"),
        ({"sizes": lambda c: c["sizes"][1:]}, "for 24 rows"),
        ({"weights": lambda c: c["sizes"]}, "beside weights"),
        ({"within": lambda c: None}, "was not given"),
        ({"within": lambda c: -c["within"]}, "negative"),
    ],
)
def test_cells_that_do_not_say_enough_are_refused_in_words(change, words):
    cells = cells_of(made_up(12))
    asked = {name: cells[name] for name in ("sizes", "within")} | {name: made(cells) for name, made in change.items()}
    with pytest.raises(EstimateError, match=words) as told:
        stepped_wedge(
            cells["y"],
            clusters=cells["cluster"],
            periods=cells["period"],
            exposure=cells["exposure"],
            unit="1",
            **asked,
        )
    assert told.value.told("da") != told.value.message
