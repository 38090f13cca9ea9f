"""Spillover: Copenhagen's map, exposure against loops, unbiasedness over every draw, exact tests that keep their size."""

from __future__ import annotations

from datetime import date
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from trialkit.design import Tolerance, complete, stepped_wedge
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn, ReferenceSet
from trialkit.estimate.exposure import CONDITIONS, Exposure, exposed
from trialkit.estimate.exposure_effect import exposure_effect
from trialkit.estimate.exposure_slope import ExposureWeighted
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.spillover import no_spillover
from trialkit.panel import Panel
from trialkit.units import Unit, Units

# Outlines of Copenhagen's districts and the pilots of the 2011 memo, as in tests/power/test_feasibility.py.
AREAS = ("amager_ost", "bispebjerg", "bronshoj_husum", "norrebro", "valby", "vanlose", "vesterbro_kgs_enghave")
PILOTS = ("city_osterbro", "amager_vest")
TOUCH = [
    ("city_osterbro", "norrebro"), ("city_osterbro", "vesterbro_kgs_enghave"), ("amager_ost", "city_osterbro"),
    ("amager_vest", "city_osterbro"), ("bispebjerg", "city_osterbro"), ("bispebjerg", "norrebro"),
    ("valby", "vesterbro_kgs_enghave"), ("amager_vest", "vesterbro_kgs_enghave"), ("valby", "vanlose"),
    ("bronshoj_husum", "vanlose"), ("bispebjerg", "vanlose"), ("bispebjerg", "bronshoj_husum"),
    ("amager_ost", "amager_vest"),
]  # fmt: skip
PATH = [(f"u{k}", f"u{k + 1}") for k in range(7)]
EIGHT = [f"u{k}" for k in range(8)]
MONTHS = ("2012-01", "2012-02", "2012-03")
STARTS = {"first": date(2012, 2, 1), "second": date(2012, 3, 1), "never": None}


def arms(n_new=3, pairs=PATH, **options):
    design = complete(Units.of(EIGHT, pairs), {"new": n_new, "usual": 8 - n_new}, **options)
    rows = np.concatenate([chunk.codes for chunk in design.enumerate()])
    return design, rows


def everything(drawn):
    return ReferenceSet.of(drawn, most=10**6, draws=0, rng=None)


def panel(y, units=EIGHT, periods=("",), n=1.0):
    y = np.asarray(y, float).reshape(len(units), -1)
    return Panel(units=tuple(units), periods=periods, numerator=y * n, denominator=np.full(y.shape, n), unit="points")


@given(
    st.integers(0, 55),
    st.sets(st.sampled_from(list(combinations(EIGHT, 2))), max_size=14),
    st.sets(st.sampled_from(EIGHT)),
)
def test_exposure_is_what_one_counts_on_the_map(place, pairs, beside):
    design, rows = arms()
    touch = [*pairs, *((unit, "pilot") for unit in beside)]
    drawn = Drawn.of(design, rows[place].astype(np.int64))
    exposure = Exposure.of_arms(drawn, "new", neighbours=touch, pilots=["pilot"])
    shares, conditions = exposure.shares(rows)[place, :, 0], exposure.conditions(rows)[place, :, 0]
    for k, unit in enumerate(EIGHT):
        others = [
            rows[place][EIGHT.index(other)] == 0 for pair in pairs if unit in pair for other in pair if other != unit
        ]
        others += [True] * (unit in beside)
        assert shares[k] == pytest.approx(np.mean(others) if others else 0.0)
        assert conditions[k] == 2 * (rows[place][k] == 0) + any(others)


def test_probabilities_are_shares_of_all_draws_and_sum_to_one():
    design, rows = arms(constraint=None)
    exposure = Exposure.of_arms(Drawn.of(design, rows[0].astype(np.int64)), "new")
    found = exposure.probabilities(everything(exposure.drawn))
    by_hand = np.stack([(exposure.conditions(rows) == c).mean(axis=0) for c in range(4)])
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert found.sum(axis=0) == pytest.approx(np.ones((8, 1)))
    drawn = ReferenceSet.of(exposure.drawn, most=1, draws=4000, rng=np.random.default_rng(1))
    near = exposure.probabilities(drawn)
    assert near == pytest.approx(found, abs=4 * 0.5 / np.sqrt(4000))


def test_the_map_says_when_nobody_is_ever_clean():
    design, rows = arms(pairs=list(combinations(EIGHT, 2)))  # everybody touches everybody
    exposure = Exposure.of_arms(Drawn.of(design, rows[0].astype(np.int64)), "new")
    found = exposed(exposure, everything(exposure.drawn))
    assert "waiting, clean" in found.never
    assert "No waiting unit is ever" in found.said()
    assert "Ingen ventende" in found.said("da")
    assert found.most_clean.max() == 0
    assert found.always_exposed == tuple(EIGHT)
    with pytest.raises(EstimateError, match="No waiting unit") as refused:
        exposure_effect(exposure, panel(np.arange(8.0)))
    assert refused.value.code == "E_NEVER_CLEAN"


def test_copenhagen_has_at_most_two_clean_waiting_areas():
    """Four of seven areas touch a pilot and are never clean; of the others at most two are, with three started."""
    design = stepped_wedge(AREAS, {"wave_1": 3, "wave_2": 4})
    starts = {"wave_1": date(2012, 2, 1), "wave_2": date(2012, 3, 1)}
    codes = np.array([0, 0, 1, 0, 1, 1, 1])
    exposure = Exposure.of_rollout(Drawn.of(design, codes), MONTHS, starts, neighbours=TOUCH, pilots=PILOTS)
    found = exposed(exposure, everything(exposure.drawn))
    assert found.most_clean.tolist() == [3, 2, 0]
    assert found.always_exposed == ("amager_ost", "bispebjerg", "norrebro", "vesterbro_kgs_enghave")
    assert found.clean.tolist() == [3, 1, 0]  # valby touches neither bispebjerg nor norrebro nor amager_ost
    assert "amager_ost" in found.said("da")
    test = no_spillover(exposure, panel(np.arange(21.0).reshape(7, 3), AREAS, MONTHS))
    assert test.estimate.smallest_p > 0.05  # seven areas cannot show it, and that is said


def test_a_window_or_a_start_within_the_month_is_never_clean():
    units = Units.of(EIGHT, PATH)
    design = stepped_wedge(units, {"first": 3, "second": 2, "never": 3})
    codes = np.array([0, 2, 2, 2, 1, 0, 0, 1])
    starts = STARTS | {"second": date(2012, 3, 10)}
    exposure = Exposure.of_rollout(Drawn.of(design, codes), MONTHS, starts)
    own, conditions = exposure.own(codes[None])[0], exposure.conditions(codes[None])[0]
    assert own[4].tolist() == [0, 0, -1]  # starts on 10 March: that month is neither
    assert conditions[4].tolist() == [0, 1, -1]  # u5 starts in February
    assert conditions[3].tolist() == [0, 0, 1]  # and March is not clean beside it
    assert conditions[0].tolist() == [0, 2, 2]
    window = Exposure.of_rollout(Drawn.of(design, codes), MONTHS, starts, window_days=20)
    assert (window.conditions(codes[None])[0][3] == [0, 1, 1]).all()  # February's window reaches the start of u4


def outcomes_by_condition(seed, n=8):
    """Potential outcomes, one per condition."""
    return np.random.default_rng(seed).normal(size=(4, n)) + np.array([0.0, 0.5, 1.0, 2.0])[:, None]


TWO_PAIRS = [("u0", "u1"), ("u2", "u3")]


@pytest.mark.parametrize(
    ("n_new", "pairs", "pair"),
    [(2, PATH, (1, 0)), (1, PATH, (1, 0)), (1, PATH, (2, 1)), (3, TWO_PAIRS, (2, 0)), (1, PATH[:2], (2, 0))],
)
def test_horvitz_thompson_is_right_on_average_and_its_error_never_too_small(n_new, pairs, pair):
    """Over all draws: the mean estimate is the effect, and the mean claimed variance at least the true one."""
    design, rows = arms(n_new=n_new, pairs=pairs)
    y = outcomes_by_condition(3)
    compare = tuple(CONDITIONS[c] for c in pair)
    values, variances, effects = [], [], []
    for row in rows:
        exposure = Exposure.of_arms(Drawn.of(design, row.astype(np.int64)), "new")
        seen = panel(y[exposure.conditions(row[None])[0, :, 0], np.arange(8)])
        found = exposure_effect(exposure, seen, compare=compare, estimator="horvitz_thompson", df="normal")
        effects.append((y[pair[0]] - y[pair[1]])[found.cells[:, 0]].mean())
        values.append(found.estimate.estimate)
        variances.append(found.estimate.std_error**2)
        usual = exposure_effect(exposure, seen, compare=compare, estimator="horvitz_thompson")
        assert usual.estimate.estimate == found.estimate.estimate
        assert usual.estimate.std_error >= found.estimate.std_error
    assert np.ptp(effects) < 1e-12  # the same unit-periods whatever was drawn
    assert np.mean(values) == pytest.approx(effects[0], abs=1e-12)
    assert np.mean(variances) >= np.var(values) - 1e-12


def test_constant_outcomes_show_no_effect_by_hajek():
    design, rows = arms()
    exposure = Exposure.of_arms(Drawn.of(design, rows[5].astype(np.int64)), "new")
    found = exposure_effect(exposure, panel(np.full(8, 0.3)))
    assert found.means == pytest.approx((0.3, 0.3))
    assert found.estimate.estimate == pytest.approx(0, abs=1e-12)
    assert found.estimate.std_error == pytest.approx(0, abs=1e-12)


def by_hand(exposure, found, y, estimator):
    """The units seen on each side, and the error if units were independent: loops over units, not over cells."""
    sides, variance = [], 0.0
    for name in found.compare:
        number = CONDITIONS.index(name)
        chance = found.exposed.probabilities[number]
        seen = found.cells & (found.exposed.conditions == number)
        weights = np.where(seen, 1 / np.where(chance > 0, chance, 1.0), 0.0)
        middle = (weights * y).sum() / weights.sum() if estimator == "hajek" else 0.0
        base = weights.sum() if estimator == "hajek" else found.cells.sum()
        units = [i for i in range(len(y)) if seen[i].any()]
        squares = sum(float((weights[i] * (y[i] - middle)).sum()) ** 2 for i in units)
        variance += squares * len(units) / max(len(units) - 1, 1) / base**2
        sides.append(len(units))
    return sides, np.sqrt(variance)


@pytest.mark.parametrize("estimator", ["hajek", "horvitz_thompson"])
def test_t_counts_units_not_months_and_its_error_is_the_larger_of_two(estimator):
    design = stepped_wedge(Units.of(EIGHT, PATH), {"first": 2, "second": 2, "never": 4})
    rng, larger, intervals = np.random.default_rng(4), [0, 0], 0
    for _ in range(30):
        exposure = Exposure.of_rollout(Drawn.of(design, rng.permutation([0, 0, 1, 1, 2, 2, 2, 2])), MONTHS, STARTS)
        y = rng.normal(size=(8, 1)) + rng.normal(size=(8, 3))
        try:
            found = exposure_effect(exposure, panel(y, periods=MONTHS), estimator=estimator, level=0.9)
        except EstimateError:  # nobody was left clean in this draw
            continue
        bound = exposure_effect(exposure, panel(y, periods=MONTHS), estimator=estimator, df="normal").estimate.std_error
        sides, apart = by_hand(exposure, found, y, estimator)
        k, one = min(sides), found.estimate
        if k < 2:
            assert np.isnan([one.df, one.conf_low, one.conf_high]).all()
            continue
        bound *= np.sqrt(k / (k - 1))
        assert one.std_error == pytest.approx(max(bound, apart), rel=1e-12)
        assert one.df == k - 1
        reach = student.ppf(0.95, k - 1) * one.std_error
        assert (one.conf_low, one.conf_high) == pytest.approx((one.estimate - reach, one.estimate + reach), rel=1e-12)
        larger[int(apart > bound)] += 1
        intervals += 1
    assert min(larger) > 0  # either of the two errors decides somewhere
    assert intervals > 10


def test_an_error_that_comes_out_as_zero_makes_no_interval_of_one_point():
    """Aronow and Samii's estimate of a variance can be below 0; then it is 0, and no interval."""
    names, pairs = ring(9)
    design = complete(Units.of(names, pairs), {"new": 2, "usual": 7})
    rng, zero = np.random.default_rng(8), 0
    for _ in range(60):
        exposure = Exposure.of_arms(Drawn.of(design, rng.permutation([0, 0, *[1] * 7])), "new")
        seen = panel(5 + rng.normal(size=9), names)
        normal = exposure_effect(exposure, seen, estimator="horvitz_thompson", df="normal").estimate
        if normal.std_error == 0:
            usual = exposure_effect(exposure, seen, estimator="horvitz_thompson").estimate
            assert np.isnan([normal.conf_low, normal.conf_high]).all()
            assert usual.conf_low < usual.estimate < usual.conf_high
            zero += 1
    assert zero > 0


def test_with_seven_areas_the_interval_holds_no_effect_where_the_normal_one_does_not():
    """Over every draw of two of Copenhagen's seven areas, the pilots left aside; 30 made-up outcomes."""
    inner = [pair for pair in TOUCH if not set(pair) & set(PILOTS)]
    design = complete(Units.of(AREAS, inner), {"new": 2, "usual": 5})
    rows = np.concatenate([chunk.codes for chunk in design.enumerate()])
    rng, trials, missed = np.random.default_rng(12), 0, {"smaller_side": 0, "normal": 0}
    for _ in range(30):
        y = rng.normal(size=7)
        for row in rows:
            exposure = Exposure.of_arms(Drawn.of(design, row.astype(np.int64)), "new")
            try:
                found = {df: exposure_effect(exposure, panel(y, AREAS), df=df).estimate for df in missed}
            except EstimateError:  # nobody was left clean
                continue
            trials += 1
            for df, one in found.items():
                missed[df] += not (np.isnan(one.conf_low) or one.conf_low <= 0 <= one.conf_high)
    assert trials > 500
    assert missed["smaller_side"] <= 0.05 * trials
    assert missed["normal"] > 0.2 * trials


def test_no_spillover_keeps_its_size_whatever_the_own_start_does():
    """With a large effect of the own start and none of neighbours, p <= alpha in at most alpha of all draws."""
    pairs = [(a, b) for a, b in combinations(EIGHT, 2) if (EIGHT.index(b) - EIGHT.index(a)) in (1, 3)]
    design, rows = arms(n_new=4, pairs=pairs)
    base = np.random.default_rng(7).normal(size=8)
    p = []
    for row in rows:
        exposure = Exposure.of_arms(Drawn.of(design, row.astype(np.int64)), "new")
        found = no_spillover(exposure, panel(base + 5.0 * (row == 0)), focal=["u0", "u3", "u6"])
        assert found.exact
        assert found.estimate.p_value >= found.estimate.smallest_p - 1e-12
        p.append(found.estimate.p_value)
    for alpha in (0.1, 0.2, 0.34, 0.5, 0.8):
        assert np.mean(np.array(p) <= alpha + 1e-12) <= alpha + 1e-12
    assert min(p) < 0.5


def ring(n):
    names = [f"v{k:02d}" for k in range(n)]
    return names, [(names[k], names[(k + 1) % n]) for k in range(n)]


def test_spillover_is_found_where_there_is_much_of_it_and_drawn_samples_agree():
    names, pairs = ring(16)
    design = complete(Units.of(names, pairs), {"new": 8, "usual": 8})
    codes = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0])
    exposure = Exposure.of_arms(Drawn.of(design, codes), "new")
    rng = np.random.default_rng(2)
    y = 3.0 * exposure.shares(codes[None])[0, :, 0] + 2.0 * (codes == 0) + 0.1 * rng.normal(size=16)
    exact = no_spillover(exposure, panel(y, names))
    assert exact.estimate.p_value <= 0.05
    assert exact.estimate.estimate == pytest.approx(3.0, abs=0.5)
    assert len(exact.focal) == 8
    assert not exposure.touching[np.ix_(np.isin(names, exact.focal), np.isin(names, exact.focal))].any()
    sampled = no_spillover(exposure, panel(y, names), most=100, draws=4999, rng=np.random.default_rng(5))
    assert not sampled.exact
    assert sampled.estimate.p_value == pytest.approx(exact.estimate.p_value, abs=4 * sampled.estimate.mc_error + 2e-4)


def test_a_draw_or_outcomes_that_cannot_tell_are_said_to_be_silent_and_a_true_zero_is_not():
    couples = [(f"u{k}", f"u{k + 1}") for k in range(0, 8, 2)]  # focal: u0, u2, u4, u6
    design = complete(Units.of(EIGHT, couples), {"new": 4, "usual": 4})

    def found(codes, y):
        exposure = Exposure.of_arms(Drawn.of(design, np.array(codes, np.int64)), "new", neighbours=couples)
        return no_spillover(exposure, panel(y))

    rng = np.random.default_rng(3)
    alike = found([1, 0] * 4, rng.normal(size=8))  # all focal units wait, each beside one that has begun
    assert (alike.silent, np.isnan(alike.estimate.estimate)) == (True, True)
    mixed = [1, 0, 1, 0, 1, 1, 0, 0]  # u0, u2 wait beside one begun, u4 beside one that waits
    assert found(mixed, np.full(8, 0.1)).silent  # whose deviations from their mean are rounding
    assert not found(mixed, rng.normal(size=8)).silent
    zero = found(mixed, [1.0, 0, 3, 0, 2, 0, 9, 0])
    assert not zero.silent
    assert zero.estimate.estimate == pytest.approx(0.0, abs=1e-12)
    assert zero.estimate.p_value == 1


def test_draws_that_hold_the_focal_units_meet_the_balance_rule_too():
    names, pairs = ring(10)
    units = Units.of([Unit(id=name, x=(str(k * k % 7),)) for k, name in enumerate(names)], pairs)
    rule = Tolerance(covariates=("x",), tolerances=("1",), max_attempts=1000)
    design = complete(units, {"new": 5, "usual": 5}, constraint=rule)
    codes = next(iter(design.enumerate())).codes[0].astype(np.int64)
    exposure = Exposure.of_arms(Drawn.of(design, codes), "new")
    y = np.random.default_rng(0).normal(size=10)
    exact = no_spillover(exposure, panel(y, names))
    sampled = no_spillover(exposure, panel(y, names), most=1, draws=3000, rng=np.random.default_rng(5))
    assert exact.estimate.n_allocations < 252
    assert sampled.estimate.p_value == pytest.approx(exact.estimate.p_value, abs=4 * sampled.estimate.mc_error + 1e-3)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(-2, 2))
def test_the_slope_is_least_squares_and_testing_its_effect_takes_it_away(seed, tau):
    units = Units.of(EIGHT, PATH)
    design = stepped_wedge(units, {"first": 3, "second": 2, "never": 3})
    rng = np.random.default_rng(seed)
    codes = rng.permutation([0, 0, 0, 1, 1, 2, 2, 2])
    y = rng.normal(size=(8, 3))
    statistic = ExposureWeighted(panel=panel(y, periods=MONTHS), starts=STARTS)
    try:
        bound = statistic.bind(Drawn.of(design, codes))
    except EstimateError as refused:
        if refused.code != "E_NEVER_CLEAN":
            raise
        return
    exposure = bound.exposure
    e, waiting = exposure.shares(codes[None])[0], exposure.own(codes[None])[0] == 0
    dummies = np.stack([np.broadcast_to(np.arange(3) == t, (8, 3))[waiting] for t in range(3)], axis=1).astype(float)
    table = np.column_stack([e[waiting], dummies])
    assert bound.estimate == pytest.approx(np.linalg.lstsq(table, y[waiting], rcond=None)[0][0], abs=1e-9)
    moved = ExposureWeighted(panel=panel(y + tau * e, periods=MONTHS), starts=STARTS).bind(Drawn.of(design, codes))
    rows = next(iter(design.enumerate())).codes
    assert moved.values(rows, tau) == pytest.approx(bound.values(rows), abs=1e-8, nan_ok=True)


def test_the_randomization_test_takes_the_slope_and_inverts_it():
    names, pairs = ring(9)
    design = stepped_wedge(Units.of(names, pairs), {"first": 3, "second": 3, "never": 3})
    codes = np.array([0, 1, 2, 0, 2, 2, 1, 0, 1])
    probe = Exposure.of_rollout(Drawn.of(design, codes), MONTHS, STARTS)
    y = 1.0 * probe.shares(codes[None])[0] + 0.05 * np.random.default_rng(3).normal(size=(9, 3))
    statistic = ExposureWeighted(panel=panel(y, names, MONTHS), starts=STARTS, counted_per="child")
    found = randomization_test(design, codes, statistic, unit="share", level=0.9)
    assert found.exact
    assert found.p_value <= 0.1
    assert found.p_value_at(1.0) > 0.1
    assert found.estimate.conf_low <= 1.0 <= found.estimate.conf_high
    for end in (found.estimate.conf_low, found.estimate.conf_high):
        if np.isfinite(end):
            assert found.p_value_at(end) > 0.1 - 1e-12
            outside = end + (1e-6 if end == found.estimate.conf_high else -1e-6)
            assert found.p_value_at(outside) <= 0.1 + 1e-12


def test_what_does_not_fit_is_refused():
    design, rows = arms()
    drawn = Drawn.of(design, rows[0].astype(np.int64))
    with pytest.raises(EstimateError, match="neither a unit of the design nor a pilot"):
        Exposure.of_arms(drawn, "new", neighbours=[("u0", "mars")])
    with pytest.raises(EstimateError, match="has no start"):
        Exposure.of_rollout(drawn, MONTHS, {"new": None})
    exposure = Exposure.of_arms(drawn, "new")
    with pytest.raises(EstimateError, match="other units or periods"):
        exposure_effect(exposure, panel(np.zeros((8, 3)), periods=MONTHS))
    with pytest.raises(EstimateError, match="not a unit"):
        no_spillover(exposure, panel(np.zeros(8)), focal=["mars"])
    alone = Exposure.of_arms(drawn, "new", neighbours=[])
    with pytest.raises(EstimateError, match="no focal unit has a neighbour"):
        no_spillover(alone, panel(np.zeros(8)))
    with pytest.raises(EstimateError, match="all waiting units have the same share"):
        ExposureWeighted(panel=panel(np.zeros((8, 3)), periods=MONTHS), starts={"new": None, "usual": None}).bind(drawn)
