"""Closed-form power against a covariance built person by person, and the laws it must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.power.person_level import person_level_variance
from trialkit.errors import DesignError
from trialkit.power.closed_form import (
    clusters_needed,
    effect_variance,
    power,
    wedge_precision,
)
from trialkit.power.components import Components
from trialkit.power.layout import Layout
from trialkit.power.wald import power_by_normal, power_by_t

SHARES = st.floats(0.01, 0.95)
WEDGE = Layout.stepped([2, 2, 2], sizes=10)


@st.composite
def components(draw, *, one_cluster_effect=True):
    """Variances of every kind; the correlation of level and effect is kept where any covariance is possible."""
    parts = {name: draw(st.floats(0, 2)) for name in ("cluster", "cluster_period", "person")}
    decays = {name: draw(SHARES) for name in ("cluster_decay", "person_decay") if draw(st.booleans())}
    effect = {}
    if one_cluster_effect and draw(st.booleans()):
        effect = {"treatment": draw(st.floats(0, 1))}
        if "cluster_decay" not in decays:
            effect["cluster_treatment"] = draw(st.floats(-0.9, 0.9))
        elif draw(st.booleans()):
            effect["treatment_decay"] = draw(SHARES)
    return Components(
        residual=draw(st.floats(0.2, 3)), churn=draw(st.sampled_from([0.0, 1.0])), **parts, **decays, **effect
    )


@st.composite
def layouts(draw, *, most=5):
    """Any clusters by periods with an effect to tell apart: wedges, crossovers, holes, sizes of their own."""
    shape = draw(st.integers(3, most)), draw(st.integers(2, 4))
    cells = st.sampled_from([0.0, 1.0])
    treated = np.array(
        draw(st.lists(st.lists(cells, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]))
    )
    sizes = np.array(
        draw(
            st.lists(
                st.lists(st.integers(0, 3), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
            )
        )
    )
    made = Layout.of(treated, sizes)
    assume(made.observed.any())
    x = np.column_stack([treated.ravel(), np.kron(np.ones((shape[0], 1)), np.eye(shape[1]))])[made.observed.ravel()]
    x = x[:, np.r_[True, made.observed.any(axis=0)]]
    assume(np.linalg.matrix_rank(x) == x.shape[1])
    return made


@settings(max_examples=60, deadline=None)
@given(layouts(), components())
def test_the_variance_is_that_of_all_people_in_one_matrix(layout, parts):
    """Means carry all that people tell, unless the same people are measured in some periods and not in others."""
    found, people = float(effect_variance(layout, parts)), person_level_variance(layout, parts)
    assert found == pytest.approx(person_level_variance(layout, parts, means=True), rel=1e-8)
    steady = all(len(set(row[row > 0])) < 2 for row in layout.sizes)
    if steady or parts.person == 0 or parts.churn == 1:
        assert found == pytest.approx(people, rel=1e-8)
    assert found >= people * (1 - 1e-8)


@pytest.mark.parametrize(
    "shown", [Layout.stepped([1, 2, 1], sizes=3), Layout.stepped([1, 1, 1], sizes=[2, 5, 3], after=2)]
)
@pytest.mark.parametrize("parts", [
    Components.shares(0.1, 0.8), Components.shares(0.1, 0.7, iac=0.4), Components.shares(0.2, 0.8, decay=True),
    Components.deviations(sigma=1, tau=0.4, eta=0.3, rho=0.5, psi=0.5, ar=[1, 1, 0.6]),
])  # fmt: skip
def test_effects_by_exposure_time_are_those_of_all_people(shown, parts):
    times = tuple(range(1, int(shown.exposure.max()) + 1))
    found = effect_variance(shown, parts, effect="exposure")
    assert float(found) == pytest.approx(person_level_variance(shown, parts, times=times), rel=1e-9)
    early = np.array([1.0, -1.0] + [0.0] * (len(times) - 2))
    found = effect_variance(shown, parts, effect="exposure", weights={1: 1.0, 2: -1.0})
    assert float(found) == pytest.approx(person_level_variance(shown, parts, times=times, weights=early), rel=1e-9)


def test_a_half_churned_cohort_lies_between_its_ends_and_rotation_below_its_core():
    """Person by person: half of the people stay (pairs of one and two periods), so the mean covariance halves."""
    known = {"residual": 1.0, "cluster": 0.1, "person": 0.5}
    closed, half, fresh = (float(effect_variance(WEDGE, Components(churn=c, **known))) for c in (0.0, 0.5, 1.0))
    assert closed < half < fresh
    assert fresh == pytest.approx(float(effect_variance(WEDGE, Components(residual=1.5, cluster=0.1))))
    rotating = Components(churn=0.5, rotating=True, **known)
    at = rotating.covariances(np.zeros((1, 3)), np.full((1, 3), 10.0))[0]
    assert at[0] == pytest.approx([0.1 + 0.15, 0.1 + 0.05 * 0.5, 0.1 + 0.05 * 0.25])
    core = Components(churn=0.5, **known).covariances(np.zeros((1, 3)), np.full((1, 3), 10.0))[0]
    assert core[0] == pytest.approx([0.1 + 0.15, 0.1 + 0.05 * 0.5, 0.1 + 0.05 * 0.5])


@settings(max_examples=60, deadline=None)
@given(layouts(), components(), st.integers(0, 4))
def test_another_cluster_never_lowers_the_power(layout, parts, which):
    row = which % len(layout.treated)
    more = Layout(**{
        name: np.concatenate([getattr(layout, name), getattr(layout, name)[row : row + 1]])
        for name in ("treated", "sizes", "exposure")
    })  # fmt: skip
    assert float(effect_variance(more, parts)) <= float(effect_variance(layout, parts)) * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(layouts(), components(), st.integers(2, 5))
def test_every_cluster_k_times_divides_the_variance_by_k(layout, parts, k):
    once = float(effect_variance(layout, parts))
    assert float(effect_variance(layout.times(k), parts)) == pytest.approx(once / k, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(layouts(), components(), st.randoms(use_true_random=False))
def test_the_order_of_clusters_does_not_matter(layout, parts, random):
    order = list(range(len(layout.treated)))
    random.shuffle(order)
    other = Layout(treated=layout.treated[order], sizes=layout.sizes[order], exposure=layout.exposure[order])
    assert float(effect_variance(other, parts)) == pytest.approx(float(effect_variance(layout, parts)), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(layouts(), components(one_cluster_effect=False))
def test_new_for_old_tells_as_much(layout, parts):
    """Calling the usual way the new one turns the effect's sign, not its error."""
    turned = Layout(
        treated=np.where(layout.observed, 1 - layout.treated, 0), sizes=layout.sizes, exposure=layout.exposure
    )
    assert float(effect_variance(turned, parts)) == pytest.approx(float(effect_variance(layout, parts)), rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(layouts(), SHARES, SHARES, st.floats(1.5, 4))
def test_more_people_per_cell_never_hurt_and_more_variance_scales(layout, icc, cac, factor):
    parts = Components.shares(icc, cac)
    larger = Layout(treated=layout.treated, sizes=layout.sizes * factor, exposure=layout.exposure)
    assert float(effect_variance(larger, parts)) <= float(effect_variance(layout, parts)) * (1 + 1e-9)
    doubled = Components.shares(icc, cac, total=2.0)
    assert float(effect_variance(layout, doubled)) == pytest.approx(2 * float(effect_variance(layout, parts)))


@settings(max_examples=40, deadline=None)
@given(layouts(), SHARES)
def test_at_the_ends_of_the_correlations_one_structure_is_another(layout, icc):
    exchangeable = float(effect_variance(layout, Components(cluster=icc, residual=1 - icc)))
    assert float(effect_variance(layout, Components.shares(icc, 1.0))) == pytest.approx(exchangeable)
    assert float(effect_variance(layout, Components.shares(icc, 1.0, decay=True))) == pytest.approx(exchangeable)
    nothing_lasts = float(effect_variance(layout, Components(cluster_period=icc, residual=1 - icc)))
    for decay in (False, True):
        assert float(effect_variance(layout, Components.shares(icc, 0.0, decay=decay))) == pytest.approx(nothing_lasts)
    new_people = float(effect_variance(layout, Components.shares(icc, 0.8)))
    assert float(effect_variance(layout, Components.shares(icc, 0.8, iac=0.0))) == pytest.approx(new_people)


@pytest.mark.parametrize("size", [1, 50])
def test_with_an_iac_of_one_people_are_a_part_of_their_cluster(size):
    """The same people, who never change: their mean lasts as the cluster's level does, and only its periods are new."""
    layout = Layout.stepped([2, 2, 2], sizes=size)
    same = Components(cluster=0.05 + 0.9 / size, residual=0.05 * size)
    found = effect_variance(layout, Components.shares(0.1, 0.5, iac=1.0))
    assert float(found) == pytest.approx(float(effect_variance(layout, same)))


def test_all_cells_observed_is_the_complete_design_and_a_hole_costs():
    parts = Components.shares(0.05, 0.8)
    whole = float(effect_variance(WEDGE, parts))
    assert float(effect_variance(WEDGE.around(9, 9), parts)) == pytest.approx(whole)
    assert float(effect_variance(WEDGE.without_transition(0), parts)) == pytest.approx(whole)
    assert float(effect_variance(WEDGE.around(1, 1), parts)) > whole
    assert float(effect_variance(WEDGE.without_transition(), parts)) > whole


def test_a_hole_is_nan_or_nobody():
    parts, treated = Components.shares(0.05, 0.8), np.array([[0, np.nan, 1], [0, 0, np.nan], [0, 0, 0]])
    sizes = np.where(np.isnan(treated), 0, 7)
    assert effect_variance(Layout.of(treated, 7), parts) == effect_variance(
        Layout.of(np.nan_to_num(treated), sizes), parts
    )


def test_a_transition_period_counts_as_exposure():
    seen = Layout.stepped([1, 1, 1], sizes=4, after=2).without_transition()
    assert np.unique(seen.exposure[seen.observed]).tolist() == [0, 2, 3, 4]
    told = Layout.of([[0, np.nan, 1]], 3, exposure=[[0, 1, 2]])
    assert told.exposure.tolist() == [[0, 1, 2]]
    assert Layout.of([[0, np.nan, 1]], 3).exposure.tolist() == [[0, 0, 1]]


def test_hussey_and_hughes_formula_is_the_same_number():
    """Hussey & Hughes (2007), doi:10.1016/j.cct.2006.05.007, written out for 24 clusters, 5 periods, ICC 0.05."""
    x = Layout.stepped([6, 6, 6, 6], sizes=20).treated
    n, t = x.shape
    u, w, v = x.sum(), (x.sum(axis=0) ** 2).sum(), (x.sum(axis=1) ** 2).sum()
    s2, tau2 = 0.95 / 20, 0.05
    top = n * s2 * (s2 + t * tau2)
    bottom = (n * u - w) * s2 + (u**2 + n * t * u - t * w - n * v) * tau2
    found = effect_variance(Layout.stepped([6, 6, 6, 6], sizes=20), Components.shares(0.05))
    assert float(found) == pytest.approx(top / bottom, rel=1e-12)


def test_a_grid_is_its_points():
    icc, cac = np.array([0.01, 0.05, 0.1]), np.array([0.5, 0.8, 0.95, 1.0])
    for decay in (False, True):
        grid = Components.shares(icc[:, None], cac, iac=0.2, decay=decay)
        found = power(WEDGE, grid, size=0.4)
        assert grid.shape == found.t.shape == (3, 4)
        for at in np.ndindex(3, 4):
            one = power(WEDGE, Components.shares(icc[at[0]], cac[at[1]], iac=0.2, decay=decay), size=0.4)
            assert found.normal[at] == pytest.approx(float(one.normal), rel=1e-12)
            assert found.t[at] == pytest.approx(float(one.t), rel=1e-12)
    low, high = f"{found.normal.min():.3f}", f"{found.normal.max():.3f}"
    assert f"effect of 0.4: {low} to {high} by the normal distribution, " in found.summary()
    assert found.summary().endswith("by t with 4 degrees of freedom")


def test_both_answers_stand_side_by_side_with_their_degrees_of_freedom():
    parts = Components.shares(0.05, 0.8)
    found = power(WEDGE, parts, size=0.5)
    assert found.df == 4
    assert float(found.t) < float(found.normal)
    two = power(Layout.stepped([1, 1], sizes=30), parts, size=0.5)
    assert two.df == 0
    assert np.isnan(two.t)
    assert "no answer by t with 0 degrees of freedom" in two.summary()
    given_df = power(WEDGE, parts, size=0.5, df=17)
    assert given_df.df == 17
    unseen = Layout.of([[0, 1], [0, 0], [np.nan, np.nan], [0, 1]], 9)
    assert power(unseen, parts, size=1).df == 1  # a cluster nobody is observed in is none


def test_under_no_effect_the_power_is_the_level():
    error = np.array([0.1, 1.0])
    for sides in (1, 2):
        assert power_by_normal(0.0, error, alpha=0.1, sides=sides) == pytest.approx([0.1, 0.1])
        for tail in ("noncentral", "shifted"):
            assert power_by_t(0.0, error, 5, alpha=0.1, sides=sides, tail=tail) == pytest.approx([0.1, 0.1])


def test_the_power_of_t_is_found_by_drawing_too():
    """A million draws of (z + shift) / sqrt(chi2 / df), df 4: the noncentral answer, within 4 Monte Carlo errors."""
    rng = np.random.default_rng(4)
    drawn = (rng.normal(size=10**6) + 2.5) / np.sqrt(rng.chisquare(4, size=10**6) / 4)
    share = float(np.mean(np.abs(drawn) > 2.7764451051977987))
    assert float(power_by_t(2.5, 1.0, 4)) == pytest.approx(share, abs=4 * 0.0005)


def test_the_effect_seen_with_80_percent_is_seen_with_80_percent():
    parts = Components.shares(0.05, 0.8)
    seen = wedge_precision(WEDGE, parts).smallest_effect()
    assert float(power(WEDGE, parts, size=seen.normal).normal) == pytest.approx(0.8, abs=1e-6)
    assert float(power(WEDGE, parts, size=seen.t).t) == pytest.approx(0.8, abs=0.012)
    assert wedge_precision(WEDGE, parts, df=9).df == 9


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("size", [0.1, -0.5, 1.5])
def test_the_precision_and_the_grid_tell_the_same_power(sides, size):
    one = wedge_precision(WEDGE, Components.shares(0.05, 0.8)).power(size, sides=sides, alpha=0.1)
    grid = power(WEDGE, Components.shares([0.05, 0.1], 0.8), size=size, sides=sides, alpha=0.1)
    assert (grid.normal[0], grid.t[0]) == pytest.approx((one.normal, one.t), rel=1e-12)


def test_a_long_grid_in_parts_is_the_same_grid(monkeypatch):
    grid = Components.shares(np.linspace(0.01, 0.2, 7)[:, None], np.linspace(0.3, 1, 5), iac=0.3)
    whole = effect_variance(WEDGE, grid)
    monkeypatch.setattr("trialkit.power.closed_form.MOST_CELLS", 250)
    assert effect_variance(WEDGE, grid) == pytest.approx(whole, rel=1e-13)
    assert effect_variance(WEDGE, grid).shape == (7, 5)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 1), st.floats(0.5, 0.95), SHARES, SHARES)
def test_the_clusters_needed_are_enough_and_one_round_less_is_not(size, asked, icc, cac):
    parts = Components.shares(icc, cac)
    needed = clusters_needed(WEDGE, parts, size=size, power=asked)
    for by in ("normal", "t"):
        n = getattr(needed, by)
        assert n % 6 == 0
        assert float(getattr(power(WEDGE.times(n // 6), parts, size=size), by)) >= asked
        if n > 6:
            assert float(getattr(power(WEDGE.times(n // 6 - 1), parts, size=size), by)) < asked
    assert needed.normal <= needed.t


def test_an_effect_nobody_could_see_needs_no_number_of_clusters():
    needed = clusters_needed(WEDGE, Components.shares(0.05), size=1e-6)
    assert needed.normal is None
    assert needed.t is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: effect_variance(Layout.of([[0, 1], [0, 1]], 5), Components(residual=1)), "cannot be told apart"),
        (lambda: effect_variance(Layout.of([[0, 0], [0, 0]], 5), Components(residual=1)), "cannot be told apart"),
        (lambda: effect_variance(WEDGE, Components(residual=0, cluster=1)), "not positive definite"),
        (lambda: effect_variance(WEDGE, Components(residual=1), effect="exposure", weights={9: 1}), r"exposure times \[9\]"),
        (lambda: effect_variance(Layout.of([[1, 0], [0, 1]], 5), Components(residual=1), effect="exposure"), "goes back"),
        (lambda: wedge_precision(WEDGE, Components.shares([0.1, 0.2])), r"grid of \(2,\)"),
        (lambda: clusters_needed(WEDGE, Components.shares([0.1, 0.2]), size=1), r"grid of \(2,\)"),
        (lambda: Components(residual=-1), "residual"),
        (lambda: Components(residual=1, cluster_treatment=1.5), "cluster_treatment"),
        (lambda: Components.shares([0.1, 1.2]), "icc"),
        (lambda: Layout.of([0, 1], 5), "clusters by periods"),
        (lambda: Layout.of([[0, 2]], 5), "fraction"),
        (lambda: Layout.of([[0, 1], [0, 0]], [1, 2, 3]), "sizes"),
        (lambda: Layout.of([[0, 1], [0, 0]], -1), "sizes"),
        (lambda: Layout.of([[0, 1]], 5, exposure=[[0]]), "exposure"),
    ],
)  # fmt: skip
def test_what_has_no_answer_is_refused_in_both_languages(asked, words):
    with pytest.raises(DesignError, match=words) as error:
        asked()
    assert error.value.told("da") != error.value.message


def test_only_the_exposure_times_that_cannot_be_told_are_refused():
    """Every cluster starts in period 2 or 3 and all are treated from then on: time 3 is only seen in the last period."""
    layout, parts = Layout.stepped([2, 2], sizes=5, after=2), Components.shares(0.05)
    assert np.isfinite(effect_variance(layout, parts, effect="exposure", weights={1: 1.0}))
    with pytest.raises(DesignError, match="cannot be told apart"):
        effect_variance(Layout.stepped([4], sizes=5, before=0, after=2), parts, effect="exposure")
