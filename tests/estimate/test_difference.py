"""The difference in means: closed forms, laws, refusals, and what its interval covers under the lot itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimate.lots import ARMS, lot
from trialkit.design import Assignment, blocked, complete, matched
from trialkit.design.base import Simulated
from trialkit.errors import DesignError, EstimateError, UnitsError
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import Clustered, Fit, covariance, orthonormal
from trialkit.units import Unit, Units

HALF = {"new": 1, "usual": 1}


def difference(y, assignment, **options) -> Estimate:
    return difference_in_means(y, assignment, compare=ARMS, unit="days", **options)


# style.md's own example: estimatr 1.0.0, difference_in_means(days ~ z, blocks = s)
DAYS = [31, 28, 35, 40, 22, 25, 30, 27, 33, 29]
TREATED = [1, 1, 0, 0, 1, 0, 1, 0, 0, 1]
PLACES = ["rural"] * 4 + ["urban"] * 6


def test_blocked_difference_agrees_with_estimatr():
    found = difference(DAYS, lot(TREATED, PLACES))
    assert found.estimate == pytest.approx(-4.0, rel=1e-12)
    assert found.std_error == pytest.approx(2.3916521486202797, rel=1e-12)
    assert found.df == 10 - 2 * 2
    assert "blocked" in found.method
    assert found.unit == "days"


def test_satterthwaite_within_blocks_is_welchs_formula_over_all_arms():
    y, z, b = np.array(DAYS, float), np.array(TREATED, bool), np.array(PLACES)
    parts = [
        ((b == s).mean() ** 2 * y[(b == s) & a].var(ddof=1) / ((b == s) & a).sum(), ((b == s) & a).sum() - 1)
        for s in ("rural", "urban")
        for a in (z, ~z)
    ]
    df = sum(v for v, _ in parts) ** 2 / sum(v**2 / f for v, f in parts)
    assert difference(DAYS, lot(TREATED, PLACES), df="satterthwaite").df == pytest.approx(df, rel=1e-12)


def test_a_row_for_each_person_counts_as_clusters_of_people():
    """People as units in clusters, and people as rows of units, are the same comparison."""
    rng = np.random.default_rng(3)
    town = np.sort(np.r_[np.arange(8), rng.integers(8, size=52)])
    y, z = rng.normal(size=60) + town % 3, np.array([1, 0, 1, 1, 0, 0, 1, 0])
    names = [f"town {k}" for k in range(8)]
    by_rows = difference(y, lot(z, ids=names), rows=[names[k] for k in town])
    by_cluster = difference(y, lot(z[town], clusters=[names[k] for k in town]))
    assert (by_rows.estimate, by_rows.std_error, by_rows.df) == pytest.approx(
        (by_cluster.estimate, by_cluster.std_error, by_cluster.df), rel=1e-12
    )
    assert (by_rows.n_units, by_cluster.n_units) == (8, 60)


def test_clusters_of_one_size_are_welch_on_their_means():
    """CR2 by clusters of equal size is Neyman's variance of the cluster means (Imbens and Rubin 2015, equation 6.16)."""
    rng = np.random.default_rng(4)
    z, y = np.array([1, 1, 1, 0, 0, 0, 0]), rng.normal(size=(7, 5))
    clusters = [f"c{k}" for k in range(7) for _ in range(5)]
    means, found = difference(y.mean(axis=1), lot(z)), difference(y.ravel(), lot(np.repeat(z, 5), clusters=clusters))
    assert (found.estimate, found.std_error) == pytest.approx((means.estimate, means.std_error), rel=1e-12)


def test_satterthwaite_for_blocks_of_clusters_is_that_of_the_regression_on_all_cells():
    rng = np.random.default_rng(5)
    sizes = rng.integers(2, 9, size=16)
    cluster = np.repeat(np.arange(16), sizes)
    z, b = np.tile([1, 0, 0, 1], 4)[cluster], np.repeat([0, 1], 8)[cluster]
    y = rng.normal(size=cluster.size)
    found = difference(y, lot(z, [f"b{k}" for k in b], [f"c{k:02d}" for k in cluster]), df="satterthwaite")
    columns = np.column_stack([b == 0, b == 1, (b == 0) * z, (b == 1) * z]).astype(float)
    x, back = orthonormal(columns, None, ("0", "1", "0z", "1z"))
    fit = Fit(x=x, back=back, residual=y - x @ (x.T @ y), weights=None)
    share = np.bincount(b) / b.size
    expected, spread = Clustered.of(fit, cluster).satterthwaite(np.r_[0, 0, share][:, None])
    assert found.df == pytest.approx(float(expected[0] ** 2 / spread[0]), rel=1e-9)
    sums = Clustered.of(fit, cluster)
    assert found.std_error**2 == pytest.approx(share**2 @ np.diag(covariance(fit, "CR2", sums))[2:], rel=1e-9)


@st.composite
def trials(draw):
    """Units in one to three blocks with two to five in each arm."""
    blocks, treated = [], []
    for block in range(draw(st.integers(1, 3))):
        for arm in (1, 0):
            n = draw(st.integers(2, 5))
            blocks += [f"b{block}"] * n
            treated += [arm] * n
    number = st.integers(-1000, 1000).map(lambda k: k / 8)
    y = draw(st.lists(number, min_size=len(blocks), max_size=len(blocks)))
    return np.array(y), treated, blocks


@settings(max_examples=50, deadline=None)
@given(trials(), st.randoms(use_true_random=False), st.integers(-50, 50), st.sampled_from([-3.0, 0.25, 2.0]))
def test_order_and_names_change_nothing_and_a_new_unit_of_measurement_changes_the_unit(trial, random, shift, scale):
    y, treated, blocks = trial
    found = difference(y, lot(treated, blocks))
    order = list(range(len(y)))
    random.shuffle(order)
    names = [f"n{place:03d}" for place in range(len(y))]
    moved = lot([treated[k] for k in order], [blocks[k] for k in order], ids=names)
    other = difference(scale * y[order] + shift, moved)
    assert other.estimate == pytest.approx(scale * found.estimate, abs=1e-9)
    assert other.std_error == pytest.approx(abs(scale) * found.std_error, abs=1e-9)
    # df is a ratio of variances: where nearly nothing varies, rounding is all there is
    if found.std_error > 1e-3:
        assert other.df == pytest.approx(found.df, rel=1e-6)
        assert other.p_value == pytest.approx(found.p_value, rel=1e-6, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(trials())
def test_exchanging_the_arms_turns_the_sign(trial):
    y, treated, blocks = trial
    one = difference(y, lot(treated, blocks))
    two = difference_in_means(y, lot(treated, blocks), compare=("usual", "new"), unit="days")
    assert (two.estimate, two.std_error, two.conf_low) == pytest.approx(
        (-one.estimate, one.std_error, -one.conf_high), abs=1e-9, nan_ok=True
    )


def test_the_interval_holds_what_is_not_rejected():
    found = difference(DAYS, lot(TREATED, PLACES))
    again = difference(np.array(DAYS) - found.conf_high * np.array(TREATED), lot(TREATED, PLACES))
    assert again.p_value == pytest.approx(0.05, rel=1e-9)


def test_it_is_unbiased_and_its_variance_conservative_over_every_allocation():
    """Neyman (1923): over all 70 allocations the mean is the effect; the variance expected is at least the true one."""
    rng = np.random.default_rng(6)
    usual = rng.normal(size=8)
    new = usual + rng.normal(1, 1, size=8)
    values, variances = [], []
    for chosen in combinations(range(8), 4):
        z = np.isin(np.arange(8), chosen)
        found = difference(np.where(z, new, usual), lot(z))
        values.append(found.estimate)
        variances.append(found.std_error**2)
    excess = (new - usual).var(ddof=1) / 8  # what is never seen: the variance of the effects over n
    assert np.mean(values) == pytest.approx((new - usual).mean(), rel=1e-12)
    assert np.mean(variances) == pytest.approx(np.var(values) + excess, rel=1e-12)


def test_pairs_weigh_by_their_units_and_are_unbiased_when_sizes_match():
    design = matched([f"u{k}" for k in range(8)], HALF, blocks={f"u{k}": f"p{k // 2}" for k in range(8)})
    rng = np.random.default_rng(7)
    usual, effect = rng.normal(size=8), 2.0
    values = []
    for chunk in design.enumerate():
        for codes in chunk.codes:
            found = difference(usual + effect * (codes == 0), Drawn.of(design, codes))
            assert "matched pairs" in found.method
            assert found.df == 3
            values.append(found.estimate)
    assert np.mean(values) == pytest.approx(effect, rel=1e-12)


@pytest.mark.parametrize("per_cluster", [1, 6])
def test_intervals_cover_and_the_test_keeps_its_size(per_cluster):
    """300 lots of 24 items: at .95 with 300 trials, fewer than 272 covered has probability below 0.002."""
    rng = np.random.default_rng(8)
    clusters = {f"{k:03d}": f"c{k // per_cluster:02d}" for k in range(24 * per_cluster)}
    design = complete(list(clusters), HALF, level="cluster", clusters=clusters)
    base = rng.normal(size=24)[np.arange(24 * per_cluster) // per_cluster] + rng.normal(size=24 * per_cluster)
    covered = 0
    for _ in range(300):
        drawn = Drawn.of(design, design.assign(Simulated(rng)))
        z = drawn.codes[design.item_of_unit] == 0
        found = difference(base + 1.5 * z, drawn)
        covered += found.conf_low <= 1.5 <= found.conf_high
    assert covered >= 272


def test_fixed_units_and_third_arms_take_no_part():
    y = np.array([1.0, 2, 4, 8, 16, 32, 64, 500])
    units = Units.of([Unit(id=f"u{k}", fixed="new" if k == 7 else None) for k in range(8)])
    assignment = Assignment(units=units, labels=("new", "new", "usual", "usual", "other", "other", "other", "new"))
    found = difference(y, assignment)
    assert found.estimate == 1.5 - 6
    assert found.n_units == 4


def test_the_design_says_what_the_lot_used_where_units_carry_more():
    """Units with a block that a complete draw did not use: the assignment alone would be read as blocked."""
    units = Units.of([Unit(id=f"u{k}", block="ab"[k % 2]) for k in range(12)])
    design = complete(units, HALF)
    drawn = Drawn.of(design, design.assign(Simulated(np.random.default_rng(1))))
    y = np.arange(12.0) ** 2
    z = drawn.codes == 0
    assert difference(y, drawn).estimate == pytest.approx(y[z].mean() - y[~z].mean())
    assert "complete" in difference(y, drawn).method
    by_block = blocked(units, HALF)
    assert "blocked" in difference(y, Drawn.of(by_block, by_block.assign(Simulated(np.random.default_rng(1))))).method


def test_it_is_no_randomization_test():
    found = difference(DAYS, lot(TREATED, PLACES))
    assert np.isnan(found.smallest_p)
    assert (found.n_allocations, found.mc_error) == (0, 0.0)


def test_outcomes_that_do_not_vary_give_no_test():
    found = difference(np.ones(8), lot([1, 0] * 4))
    assert (found.estimate, found.std_error) == (0, 0)
    assert np.isnan(found.p_value)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: difference([1, 2, 3], lot([1, 0, 0, 1])), UnitsError, "of shape"),
        (lambda: difference([1, np.nan, 3, 4], lot([1, 0, 0, 1])), UnitsError, "u001"),
        (lambda: difference([1, 2, 3, 4], lot([1, 0, 0, 0])), DesignError, "one unit in an arm"),
        (lambda: difference(np.arange(7.0), lot([1, 1, 0, 0, 0, 0, 0], list("aaaabbb"))), DesignError, "one arm only"),
        (
            lambda: difference(np.arange(8.0), lot([1, 1, 0, 0, 1, 0, 0, 0], list("aaaabbbb"))),
            DesignError,
            "Block 'b' has one unit",
        ),
        (lambda: difference(np.arange(4.0), lot([1, 0, 1, 0], clusters=list("aabb"))), DesignError, "several arms"),
        (lambda: difference(np.arange(4.0), lot([1, 1, 0, 0]), rows=["u000"] * 3 + ["x"]), UnitsError, "'x'"),
        (lambda: difference(np.arange(4.0), lot([1, 1, 0, 0]), rows=["u000"] * 4), UnitsError, "have no row"),
        (lambda: difference(np.arange(4.0), lot([1, 1, 0, 0]), weights=[1, 1, 0, 1]), UnitsError, "not above 0"),
        (lambda: difference(np.arange(4.0), lot([1, 1, 0, 0]), level=95), EstimateError, "0.95"),
        (lambda: difference(np.arange(4.0), lot([1, 1, 1, 1])), DesignError, "not two arms"),
        (
            lambda: difference(np.arange(6.0), lot([1, 0] * 3, list("aabbcc")), weights=np.ones(6)),
            EstimateError,
            "no weights",
        ),
        (
            lambda: (
                difference(np.arange(8.0), lot([1, 0] * 4), weights=np.ones(8), df="satterthwaite")
                and difference(
                    np.arange(8.0), lot([1, 0] * 4, list("aaaabbbb")), weights=np.ones(8), df="satterthwaite"
                )
            ),
            EstimateError,
            "Satterthwaite",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_words(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert words in refusal.value.message
    assert refusal.value.told("da") != refusal.value.message


def test_missing_outcomes_name_their_units():
    with pytest.raises(UnitsError) as refusal:
        difference([1, np.nan, 3, np.nan], lot([1, 0, 0, 1]))
    assert refusal.value.facts["units"] == ["u001", "u003"]


def test_a_unit_fixed_beforehand_needs_no_row():
    assignment = lot([1, 1, 0, 0, 1])
    units = assignment.units.map(lambda unit: replace(unit, fixed="new" if unit.id == "u004" else None))
    drawn = replace(assignment, units=units)
    found = difference([1, 2, 3, 4.5], drawn, rows=["u000", "u001", "u002", "u003"])
    assert found.estimate == 1.5 - 3.75
