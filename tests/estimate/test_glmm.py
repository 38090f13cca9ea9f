"""What a generalized linear mixed model says: laws an administrator would recognise, boundaries, refusals, intervals."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import chi2, t

from tests.estimate.counts import wedge_counts
from trialkit.errors import EstimateError
from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.wedge import columns

mpl.use("Agg")
FAMILIES = ["binomial", "poisson"]


def fitted(data, family, *, random="nested", **change):
    given = {
        "family": family, "clusters": data["cluster"], "periods": data["period"], "sizes": data["size"], "random": random,
        **change,
    }  # fmt: skip
    return generalized_mixed_model(data["y"], columns(data["exposure"], data["period"]), **given)


def taken(data, rows):
    return {name: values[rows] for name, values in data.items()}


def single_persons(data):
    """The same data with one row per person."""
    n = data["size"].astype(int)
    rows = {name: np.repeat(values, n) for name, values in data.items()}
    within = np.concatenate([np.arange(k) for k in n])
    return {**rows, "y": (within < rows["y"]).astype(float), "size": np.ones(n.sum())}


@pytest.mark.parametrize("random", ["cluster", "nested"])
def test_cells_and_the_persons_behind_them_give_one_answer(random):
    data = wedge_counts(1, "binomial")
    cells, persons = fitted(data, "binomial", random=random), fitted(single_persons(data), "binomial", random=random)
    np.testing.assert_allclose(persons.coefficients, cells.coefficients, rtol=1e-9)
    np.testing.assert_allclose(persons.covariance, cells.covariance, rtol=1e-7)
    assert persons.components == pytest.approx(cells.components, rel=1e-7)
    n, y = data["size"], data["y"]
    ways = (gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)).sum()
    assert cells.log_likelihood - persons.log_likelihood == pytest.approx(ways, abs=1e-8)
    assert len(persons.likelihood.cells.events) == len(data["y"])  # persons are added up before anything else
    assert persons.estimate("treated").p_value == pytest.approx(cells.estimate("treated").p_value, rel=1e-6)


def test_counts_of_halves_of_the_time_give_one_answer():
    data = wedge_counts(2, "poisson")
    first = np.floor(data["y"] / 3)
    halves = {name: np.r_[values, values] for name, values in data.items()}
    halves |= {"y": np.r_[first, data["y"] - first], "size": np.r_[0.4 * data["size"], 0.6 * data["size"]]}
    whole, split = fitted(data, "poisson"), fitted(halves, "poisson")
    np.testing.assert_allclose(split.coefficients, whole.coefficients, rtol=1e-8)
    np.testing.assert_allclose(split.covariance, whole.covariance, rtol=1e-7)


@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.sampled_from(["cluster", "nested"]))
@settings(max_examples=12, deadline=None)
def test_order_of_rows_and_names_of_clusters_do_not_matter(seed, family, random):
    data = wedge_counts(seed, family, clusters=5)
    rng = np.random.default_rng(seed)
    renamed = {**data, "cluster": rng.permutation(5)[data["cluster"]]}
    one, other = (
        fitted(data, family, random=random),
        fitted(taken(renamed, rng.permutation(len(data["y"]))), family, random=random),
    )
    # two descents of one surface: each is within 1e-10 of the top, so 1e-5 of an error
    np.testing.assert_allclose(other.coefficients, one.coefficients, atol=1e-5 * np.sqrt(np.diag(one.covariance)).max())
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    assert other.singular == one.singular


def test_the_unit_of_time_moves_the_intercept_only():
    data = wedge_counts(3, "poisson")
    years, days = fitted(data, "poisson"), fitted({**data, "size": 365.0 * data["size"]}, "poisson")
    np.testing.assert_allclose(years.coefficients - days.coefficients, np.r_[np.log(365), np.zeros(4)], atol=1e-7)
    assert years.log_likelihood == pytest.approx(days.log_likelihood, abs=1e-7)


def test_the_unit_of_a_column_moves_its_coefficient_only():
    data = wedge_counts(4, "binomial")
    given = {"family": "binomial", "clusters": data["cluster"], "random": "cluster", "sizes": data["size"]}
    one = generalized_mixed_model(data["y"], {"treated": data["treated"]}, **given)
    other = generalized_mixed_model(data["y"], {"treated": 1e-4 * data["treated"]}, **given)
    assert other.coefficients[1] == pytest.approx(1e4 * one.coefficients[1], rel=1e-6)
    assert other.estimate("treated").p_value == pytest.approx(one.estimate("treated").p_value, rel=1e-5)


def test_events_for_non_events_turn_the_sign():
    data = wedge_counts(5, "binomial")
    one, other = fitted(data, "binomial"), fitted({**data, "y": data["size"] - data["y"]}, "binomial")
    np.testing.assert_allclose(other.coefficients, -one.coefficients, atol=1e-7)
    assert other.components == pytest.approx(one.components, abs=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_modes_are_variance_times_what_is_left(family):
    data = wedge_counts(6, family, spread=0.8, period_spread=0.6, size=80)
    fit = fitted(data, family)
    assert not fit.singular
    np.testing.assert_allclose(fit.fitted + fit.residuals, data["y"], rtol=1e-12)
    left = np.bincount(data["cluster"], weights=fit.residuals)
    np.testing.assert_allclose(fit.random_effects["cluster"][:, 0], fit.components["cluster"] * left, atol=1e-5)
    by_period = fit.random_effects["cluster-period"][data["cluster"], data["period"]]
    np.testing.assert_allclose(by_period, fit.components["cluster-period"] * fit.residuals, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("random", ["cluster", "nested"])
def test_on_the_boundary_it_is_the_plain_model_and_says_so(family, random):
    data = wedge_counts(7, family, clusters=14, spread=0.0, period_spread=0.0)
    for period in range(4):  # as even as chance never is: each cluster has its arm's share
        for arm in (0.0, 1.0):
            here = (data["period"] == period) & (data["treated"] == arm)
            data["y"][here] = np.round((0.3 + 0.05 * period + 0.1 * arm) * data["size"][here])
    fit = fitted(data, family, random=random)
    assert fit.singular == (("cluster",) if random == "cluster" else ("cluster", "cluster-period"))
    assert set(fit.components.values()) == {0.0}
    assert any("singular" in note for note in fit.notes)
    x = np.column_stack([np.ones(len(data["y"])), *columns(data["exposure"], data["period"]).values()])
    if family == "binomial":
        plain = sm.GLM(np.column_stack([data["y"], data["size"] - data["y"]]), x, family=sm.families.Binomial())
    else:
        plain = sm.GLM(data["y"], x, family=sm.families.Poisson(), exposure=data["size"])
    found = plain.fit(tol=1e-12)
    np.testing.assert_allclose(fit.coefficients, found.params, atol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), found.bse, rtol=1e-5)
    np.testing.assert_allclose(fit.conditional_covariance, fit.covariance, rtol=1e-5, atol=1e-9)
    assert fit.log_likelihood == pytest.approx(found.llf, abs=1e-7)
    low, high = fit.profile_sd("cluster")
    assert low == 0 < high < np.inf
    assert np.isnan(fit.wald_sd("cluster")).all()
    assert "singular" in fit.estimate("treated", by="Wald").method


@pytest.mark.parametrize("family", FAMILIES)
def test_profiles_end_where_a_search_without_gradients_says(family):
    data = wedge_counts(8, family, clusters=10, periods=3, size=30, spread=0.6)
    fit = generalized_mixed_model(
        data["y"], {"treated": data["treated"]}, family=family, clusters=data["cluster"], random="cluster",
        sizes=data["size"],
    )  # fmt: skip

    def fall(at, value):
        rest = np.delete(fit.best.psi, at)
        found = minimize(
            lambda psi: -fit.likelihood.value(np.insert(psi, at, value)), rest, method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000},
        )  # fmt: skip
        return 2 * (fit.log_likelihood + found.fun)

    for end in fit.profile("treated", df="normal", level=0.9):
        assert fall(1, end) == pytest.approx(chi2.ppf(0.9, 1), abs=1e-5)
    for end in fit.profile("treated"):
        assert fall(1, end) == pytest.approx(t.ppf(0.975, 8) ** 2, abs=1e-5)
    for end in fit.profile_sd("cluster"):
        assert fall(2, end) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-5)
    found = fit.estimate("treated", df="normal")
    assert found.statistic**2 == pytest.approx(fall(1, 0.0), abs=1e-5)


def test_the_interval_holds_what_the_test_accepts():
    fit = fitted(wedge_counts(8, "binomial", clusters=10, periods=3, size=30, spread=0.6), "binomial")
    low, high = fit.profile("treated")
    for end in (low, high):
        assert fit.p_value_at("treated", end) == pytest.approx(0.05, abs=1e-4)  # ends are found to 1e-5 of a step
    assert fit.p_value_at("treated", fit.coefficients[1]) == pytest.approx(1, abs=1e-3)
    assert fit.p_value_at("treated", 0.0) == fit.estimate("treated").p_value


def test_a_component_on_its_boundary_may_leave_it_in_a_profile():
    data = wedge_counts(9, "poisson", clusters=6, spread=0.9, period_spread=0.0)
    fit = fitted(data, "poisson")
    if fit.singular != ("cluster-period",):
        pytest.fail("choose a seed whose cluster-period component is 0")
    value = 1.5  # an effect far from the data: periods of a cluster now differ more than chance
    at = fit._profile("treated")
    held = at._height(value, fit.best.psi)
    assert at.height(value) > held + 0.1


@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.sampled_from(["likelihood", "Wald"]))
@settings(max_examples=10, deadline=None)
def test_the_interval_holds_zero_exactly_where_p_is_above_five_percent(seed, family, by):
    data = wedge_counts(seed, family, clusters=6, effect=0.6)
    found = fitted(data, family, random="cluster").estimate("treated", by=by)
    assert (found.conf_low <= 0 <= found.conf_high) == (found.p_value >= 0.05)
    assert np.sign(found.statistic) == np.sign(found.estimate)


def test_a_ratio_is_the_same_answer_on_the_scale_of_odds():
    fit = fitted(wedge_counts(10, "binomial"), "binomial")
    log, odds = fit.estimate("treated"), fit.ratio("treated")
    assert (log.unit, odds.unit) == ("log odds", "odds ratio")
    assert [odds.estimate, odds.conf_low, odds.conf_high] == pytest.approx(
        np.exp([log.estimate, log.conf_low, log.conf_high])
    )
    assert odds.p_value == log.p_value


def test_contrasts_weigh_terms():
    fit = fitted(wedge_counts(11, "poisson"), "poisson", random="cluster")
    found = fit.moments({"treated": 1.0, "period 1": -2.0})
    at = [fit.terms.index("treated"), fit.terms.index("period 1")]
    assert found.value == pytest.approx(fit.coefficients[at] @ [1, -2])
    assert found.std_error**2 == pytest.approx(np.array([1, -2]) @ fit.covariance[np.ix_(at, at)] @ [1, -2])
    low, high = fit.profile({"treated": 2.0})
    assert (low, high) == pytest.approx([2 * end for end in fit.profile("treated")], abs=1e-5)


def parallel(clusters, **more):
    rng = np.random.default_rng(clusters)
    c = np.arange(clusters)
    given = {"treated": (c % 2).astype(float), **{name: rng.normal(size=clusters) for name in more}}
    y = rng.binomial(40, 0.3 + 0.2 * rng.random(clusters))
    return generalized_mixed_model(
        y, given, family="binomial", clusters=c, random="cluster", sizes=np.full(clusters, 40)
    )  # fmt: skip


def test_degrees_of_freedom_are_those_between_clusters():
    assert parallel(14).between_df == 12
    assert parallel(14, income=1).between_df == 11
    assert fitted(wedge_counts(12, "binomial", clusters=9), "binomial").between_df == 7
    assert np.isnan(parallel(14).moments("treated", df="normal").df)
    with pytest.raises(EstimateError, match="2 clusters") as told:
        fitted(wedge_counts(12, "binomial", clusters=2), "binomial")
    assert told.value.code == "E_FEW_CLUSTERS"


def test_few_clusters_and_one_intercept_are_said():
    few, more = wedge_counts(13, "binomial", clusters=12), wedge_counts(13, "binomial", clusters=13)
    assert any("permutation test" in note for note in fitted(few, "binomial").notes)
    assert not any("12 or fewer" in note for note in fitted(more, "binomial").notes)
    assert any("understated" in note for note in fitted(more, "binomial", random="cluster").notes)
    assert parallel(14).notes == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_period_without_events_is_refused_by_name(family):
    data = wedge_counts(14, family)
    data["y"][data["period"] == 2] = 0
    with pytest.raises(EstimateError, match="separated: period 2 ") as told:
        fitted(data, family)
    assert told.value.facts["terms"] == ["period 2"]
    assert "adskilt" in told.value.told("da")


def test_an_arm_of_all_events_is_refused_and_a_single_non_event_is_not():
    data = wedge_counts(15, "binomial")
    arm = data["treated"] == 1
    data["y"][arm] = data["size"][arm]
    given = {"family": "binomial", "clusters": data["cluster"], "random": "cluster", "sizes": data["size"]}
    with pytest.raises(EstimateError, match="separated: treated ") as told:
        generalized_mixed_model(data["y"], {"treated": data["treated"]}, **given)
    assert told.value.facts["terms"] == ["treated"]
    data["y"][np.flatnonzero(arm)[0]] -= 1
    assert np.isfinite(generalized_mixed_model(data["y"], {"treated": data["treated"]}, **given).coefficients).all()


def test_a_covariate_that_sorts_events_is_refused():
    x = np.arange(12.0)
    with pytest.raises(EstimateError, match="separated"):
        generalized_mixed_model(x > 5, {"x": x}, family="binomial", clusters=np.arange(12) % 4, random="cluster")
    events = x > 5
    events[3] = True  # one out of order: every direction now fits some row worse
    found = generalized_mixed_model(events, {"x": x}, family="binomial", clusters=np.arange(12) % 4, random="cluster")
    assert np.isfinite(found.coefficients).all()


def test_clusters_of_all_or_nothing_have_no_maximum():
    events = np.repeat([0, 1, 0, 1, 1, 0], 6)
    covariate = np.tile([0.0, 1.0, 2.0], 12)
    with pytest.raises(EstimateError, match="grows without end"):
        generalized_mixed_model(
            events, {"x": covariate}, family="binomial", clusters=np.repeat(np.arange(6), 6), random="cluster"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "gamma"}, "no family 'gamma'"),
        ({"outcome": np.full(12, 0.5)}, "whole number"),
        ({"outcome": np.full(12, -1.0)}, "whole number"),
        ({"outcome": np.full(12, np.nan)}, "missing value"),
        ({"outcome": np.full(12, 7.0)}, "at most"),
        ({"sizes": np.full(12, 2.5)}, "whole number of persons"),
        ({"sizes": np.zeros(12)}, "not positive"),
        ({"sizes": np.ones(11)}, "one of each per row"),
        ({"columns": {"a": np.ones(12)}}, "rank"),
        ({"columns": {"a": np.ones(11)}}, "shape"),
        ({"columns": {"a": np.full(12, np.inf)}}, "missing value"),
        ({"clusters": np.zeros(12)}, "one cluster"),
        ({"clusters": np.zeros(11)}, "cluster labels"),
        ({"random": "cohort"}, "no random intercepts"),
        ({"random": "nested", "periods": None}, "one period per row"),
        ({"random": "nested", "periods": np.zeros(12)}, "every cluster has one period"),
        ({"random": "nested", "sizes": None, "outcome": np.arange(12) % 2}, "holds one person"),
        ({"random": "nested", "nodes": 7}, "Laplace"),
        ({"nodes": 0}, "1 .Laplace. to 200"),
        ({"nodes": 201}, "1 .Laplace. to 200"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(change, words):
    given = {
        "outcome": np.tile([1.0, 2.0, 0.0], 4), "columns": {"a": np.tile([0.0, 1.0, 2.0], 4)}, "family": "binomial",
        "clusters": np.repeat(np.arange(4), 3), "random": "cluster", "periods": np.tile([0, 1, 2], 4),
        "sizes": np.full(12, 3.0), **change,
    }  # fmt: skip
    with pytest.raises(EstimateError, match=words) as told:
        generalized_mixed_model(given.pop("outcome"), given.pop("columns"), **given)
    assert told.value.told("da") != told.value.message


def test_what_a_fit_has_not_is_refused():
    fit = fitted(wedge_counts(16, "binomial"), "binomial", random="cluster")
    with pytest.raises(EstimateError, match="no term 'effect'"):
        fit.estimate("effect")
    with pytest.raises(EstimateError, match="no component 'cluster-period'"):
        fit.profile_sd("cluster-period")
    with pytest.raises(EstimateError, match="not a share"):
        fit.profile("treated", level=95)
    with pytest.raises(EstimateError, match="above the maximum"):  # a maximum that is none does not pass in silence
        replace(fit, best=replace(fit.best, value=fit.best.value - 30)).profile("treated")


def test_a_wedge_by_exposure_time_averages_what_it_saw():
    data = wedge_counts(17, "binomial", clusters=12, size=60)
    given = {name: data[name] for name in ("exposure",)}
    found = stepped_wedge_counts(
        data["y"], family="binomial", clusters=data["cluster"], periods=data["period"], sizes=data["size"],
        effect="exposure", **given,
    )  # fmt: skip
    assert found.exposures == (1, 2, 3)
    each = [found.at(time, by="Wald") for time in found.exposures]
    average = found.effect(by="Wald")
    assert average.estimate == pytest.approx(np.mean([one.estimate for one in each]))
    assert found.effect(as_ratio=True).estimate == pytest.approx(np.exp(average.estimate))
    assert found.over({1: 2.0, 2: 2.0}).term == "effect averaged over exposure times 1 to 2"
    with pytest.raises(EstimateError, match=r"exposure times \[4\]"):
        found.at(4)
    at_once = stepped_wedge_counts(
        data["y"], family="binomial", clusters=data["cluster"], periods=data["period"], sizes=data["size"], **given
    )  # fmt: skip
    assert at_once.effect().estimate == fitted(data, "binomial").estimate("treated").estimate
    assert at_once.effect(as_ratio=True).unit == "odds ratio"


def test_a_frame_has_a_row_for_every_term_and_a_figure_a_line():
    fit = fitted(wedge_counts(18, "poisson"), "poisson", random="cluster")
    frame = fit.to_frame(by="Wald")
    assert frame["term"].tolist() == list(fit.terms)
    assert (frame["unit"] == "log rate").all()
    ax = Figure().subplots()
    assert fit.plot(ax, by="Wald") is ax
    assert len(ax.get_yticks()) == len(fit.terms) - 1


@pytest.mark.nightly
@pytest.mark.parametrize(("family", "random", "clusters"), [("poisson", "nested", 8), ("binomial", "nested", 12)])
def test_the_default_keeps_its_size_where_z_does_not(family, random, clusters):
    from trialkit.estimate.moments import Moments

    trials, rejected = 600, np.zeros(2)
    for seed in range(trials):
        data = wedge_counts(seed, family, clusters=clusters, effect=0.0, spread=0.4, period_spread=0.25)
        fit = fitted(data, family, random=random)
        root = fit._profile("treated").root(0.0)
        rejected += [Moments(value=root, std_error=1.0, df=df).p_value < 0.05 for df in (fit.between_df, np.nan)]
    assert rejected[0] / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert rejected[0] < rejected[1]
