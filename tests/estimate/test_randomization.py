"""The randomization test against loops over every allocation, and the laws an administrator would recognise."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimate import twin
from trialkit.design import Tolerance, blocked, blocked_wedge, complete, lottery, matched, sequential, stepped_wedge
from trialkit.design.base import Simulated
from trialkit.design.sums import SubsetSums
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import (
    DifferenceInMeans,
    DifferenceWithinMonths,
    KolmogorovSmirnov,
    OlsAdjusted,
    PairedT,
    RankSum,
    Studentized,
    UserStatistic,
    default,
)  # fmt: skip
from trialkit.estimate.within_months import STARTED, Calendar, states
from trialkit.panel import Panel
from trialkit.units import Unit, Units

ARMS = ("new", "usual")
SIDES = ("distance", "mirror", "doubled", "greater", "less")


def ids(n: int) -> list[str]:
    return [f"u{k:02d}" for k in range(n)]


def in_blocks(sizes: dict[str, tuple[int, int]]):
    names = [block for block, places in sizes.items() for _ in range(sum(places))]
    return blocked_wedge(ids(len(names)), ARMS, sizes, blocks=dict(zip(ids(len(names)), names, strict=True)))


def in_clusters():
    sizes = (1, 4, 2, 3, 2, 5)
    units = Units.of(Unit(id=f"{c}{k}", cluster=f"c{c}") for c, size in enumerate(sizes) for k in range(size))
    return complete(units, {"new": 3, "usual": 3}, level="cluster")


def balanced():
    units = Units.of(Unit(id=name, x=(str(k * k % 11),)) for k, name in enumerate(ids(8)))
    return complete(
        units, {"new": 1, "usual": 1}, constraint=Tolerance(covariates=("x",), tolerances=("2",), max_attempts=99)
    )


DESIGNS = {
    "equal arms": complete(ids(8), {"new": 1, "usual": 1}),
    "unequal arms": complete(ids(9), {"new": 3, "usual": 6}),
    "leftover": complete(ids(7), {"new": 1, "usual": 1}),
    "fixed": complete(ids(9), {"new": 1, "usual": 1}, fixed={"u00": "new"}),
    "blocks": in_blocks({"A": (3, 2), "B": (2, 4)}),
    "clusters": in_clusters(),
    "balanced": balanced(),
    "pairs": matched(ids(12), {"new": 1, "usual": 1}, blocks={u: f"p{k // 2}" for k, u in enumerate(ids(12))}),
    "lottery": lottery(ids(8), 3, tiers={u: 1 + (k > 4) for k, u in enumerate(ids(8))}),
}


def setting(name: str, seed: int, *, ties: bool = False):
    """A design, outcomes, and what an independent loop needs: labels per unit, blocks, who was drawn and treated."""
    design, rng = DESIGNS[name], np.random.default_rng(seed)
    assignment = design.assign(Simulated(rng))
    rows, shares = twin.allocations(design)
    item, free = design.item_of_unit, np.isin(design.item_of_unit, design.free)
    y = rng.normal(size=item.size) + 3.0
    if ties:
        y = np.round(y)
    names = design.label_names
    own = np.array([names.index(label) for label in assignment.labels])
    block = [unit.block or "" for unit in design.units] if name == "blocks" else [""] * item.size
    return design, assignment, y, free, rows[:, item][:, free], np.array(block)[free], own[free], shares


STATISTICS = {
    "difference": (DifferenceInMeans, twin.difference),
    "studentized": (Studentized, twin.studentized),
}
CASES = [
    (design, statistic)
    for design in DESIGNS
    for statistic in STATISTICS
    if design != "pairs" and (design, statistic) not in {("lottery", "studentized"), ("clusters", "studentized")}
]  # a tier without offers, or a cluster of one alone in its arm, has no variance


@pytest.mark.parametrize(("name", "kind"), CASES)
@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_p_values_are_those_of_the_loop_at_any_effect(name, kind, seed, ties):
    design, assignment, y, free, labels, blocks, own, shares = setting(name, seed, ties=ties)
    ours, theirs = STATISTICS[kind]
    found = randomization_test(
        design, assignment, ours(outcome=y, compare=design.label_names), unit="days", interval=False
    )
    statistic = partial(_of, theirs, blocks)
    assert found.observed == pytest.approx(statistic(y[free], own), rel=1e-9, abs=1e-9)
    for tau in (0.0, -0.7, 1.3):
        for sides in SIDES:
            size = 1.0 if kind == "studentized" else float(np.ptp(y[free])) + abs(tau)
            expected = twin.judged(statistic, y[free], own == 0, labels, own, shares, sides, tau, size)
            assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12), (tau, sides)


def _of(statistic, blocks, y, labels):
    return statistic(y, labels, blocks)


def everything():
    """Statistics with designs for the laws of intervals."""
    yield "equal arms", Studentized
    yield "unequal arms", Studentized
    yield "unequal arms", DifferenceInMeans
    yield "leftover", DifferenceInMeans
    yield "blocks", Studentized
    yield "blocks", DifferenceInMeans
    yield "clusters", DifferenceInMeans
    yield "balanced", Studentized
    yield "blocks", RankSum
    yield "unequal arms", RankSum
    yield "unequal arms", OlsAdjusted


@pytest.mark.parametrize(("name", "kind"), list(everything()))
@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIDES), st.sampled_from([0.5, 0.8, 0.9]))
def test_inverting_agrees_with_testing(name, kind, seed, sides, level):
    design, assignment, y, *_ = setting(name, seed)
    options = {"covariates": np.cos(np.arange(y.size))} if kind is OlsAdjusted else {}
    statistic = kind(outcome=y, compare=design.label_names, **options)
    found = randomization_test(design, assignment, statistic, unit="days", sides=sides, level=level)
    pieces, alpha = found.region.pieces, 1 - level
    assert found.connected == (len(pieces) == 1)
    assert (found.estimate.conf_low, found.estimate.conf_high) == (found.region.low, found.region.high)
    points = np.random.default_rng(seed).normal(0, 3, size=25).tolist()
    for low, high in pieces:
        points += [end + sign * 1e-6 for end in (low, high) if math.isfinite(end) for sign in (-1, 1)]
        for end in (low, high):
            if math.isfinite(end):  # closed: the set holds up to its end, and ranks may tie at the end itself
                assert max(found.p_value_at(end + step) for step in (-1e-7, 0.0, 1e-7)) > alpha
    for tau in points:
        if min((abs(tau - end) for piece in pieces for end in piece), default=1) > 5e-7:
            inside = any(low <= tau <= high for low, high in pieces)
            assert (found.p_value_at(tau) > alpha + 1e-12) == inside, (tau, pieces)


@pytest.mark.parametrize("name", ["equal arms", "unequal arms", "blocks", "balanced", "leftover"])
def test_under_no_effect_every_p_is_reached_as_often_as_it_says(name):
    """The p-value is uniform on its support: P(p <= u) = u at every attainable u, whoever was drawn."""
    design, _, y, _, _, _, _, shares = setting(name, 7)
    rows, _ = twin.allocations(design)
    for sides in ("distance", "mirror", "greater"):
        statistic = Studentized(outcome=y, compare=ARMS)
        p = np.array(
            [randomization_test(design, row, statistic, unit="1", sides=sides, interval=False).p_value for row in rows]
        )
        for u in np.unique(p.round(12)):
            assert shares[p <= u + 1e-9].sum() == pytest.approx(u, abs=1e-9)
        smallest = randomization_test(design, rows[0], statistic, unit="1", sides=sides, interval=False)
        assert p.min() >= smallest.estimate.smallest_p - 1e-12
        if name != "leftover":  # there the most extreme allocation need not be the least likely one
            assert p.min() == pytest.approx(smallest.estimate.smallest_p)


@given(st.integers(0, 2**32 - 1), st.floats(-50, 50), st.sampled_from([0.01, 3.0, 1000.0]))
@settings(max_examples=8)
def test_shifting_and_scaling_move_the_interval_and_leave_p_alone(seed, shift, scale):
    design, assignment, y, *_ = setting("blocks", seed)
    for kind in (Studentized, DifferenceInMeans, RankSum):
        one = randomization_test(design, assignment, kind(outcome=y, compare=ARMS), unit="1", level=0.8)
        two = randomization_test(design, assignment, kind(outcome=scale * y + shift, compare=ARMS), unit="1", level=0.8)
        assert two.p_value == one.p_value
        ends = [np.array([t.estimate.conf_low, t.estimate.conf_high]) for t in (one, two)]
        assert ends[1] == pytest.approx(scale * ends[0], rel=1e-7, abs=1e-7 * scale)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_relabelling_units_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    labels, y, order = rng.permutation(["new"] * 3 + ["usual"] * 5), rng.normal(size=8), rng.permutation(8)
    design = complete(ids(8), {"new": 3, "usual": 5})
    one, two = (
        randomization_test(design, list(labels[k]), Studentized(outcome=y[k], compare=ARMS), unit="1", level=0.8)
        for k in (np.arange(8), order)
    )
    assert one.p_value == two.p_value
    assert one.region.pieces == pytest.approx(np.array(two.region.pieces))


def test_exchanging_the_arms_turns_the_sign():
    design, assignment, y, *_ = setting("unequal arms", 3)
    one = randomization_test(design, assignment, Studentized(outcome=y, compare=ARMS), unit="1", level=0.8)
    two = randomization_test(design, assignment, Studentized(outcome=y, compare=ARMS[::-1]), unit="1", level=0.8)
    assert (two.estimate.estimate, two.estimate.conf_low) == pytest.approx(
        (-one.estimate.estimate, -one.estimate.conf_high)
    )
    assert two.p_value == one.p_value


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=6)
def test_pairs_are_tested_by_the_paired_t(seed):
    rng = np.random.default_rng(seed)
    pair = {name: f"p{k // 2}" for k, name in enumerate(ids(12))}
    design = matched(ids(12), {"new": 1, "usual": 1}, blocks=pair)
    assignment, y = design.assign(Simulated(rng)), rng.normal(size=12)
    blocks, own = np.arange(12) // 2, np.array([ARMS.index(label) for label in assignment.labels])
    rows, shares = twin.allocations(design)
    statistic = default(_drawn(design, assignment), y, ARMS)
    assert isinstance(statistic, PairedT)
    found = randomization_test(design, assignment, statistic, unit="1")
    assert found.estimate.df == 5
    assert found.observed == pytest.approx(twin.paired(y, own, blocks))
    for tau in (0.0, 0.8):
        expected = twin.judged(partial(_of, twin.paired, blocks), y, own == 0, rows, own, shares, "mirror", tau)
        assert found.p_value_at(tau) == pytest.approx(expected, abs=1e-12)


def _drawn(design, assignment):
    return Drawn.of(design, assignment)


def test_the_adjusted_difference_is_least_squares_for_every_allocation():
    """Outside truth: numpy's least squares with z, block intercepts and covariates, anew for every allocation."""
    design, assignment, y, _, labels, blocks, own, shares = setting("blocks", 5)
    covariates = np.random.default_rng(6).normal(size=(y.size, 2))

    def fitted(outcome, row):
        intercepts = (blocks[:, None] == np.unique(blocks)).astype(float)
        return np.linalg.lstsq(np.column_stack([row == 0, intercepts, covariates]), outcome, rcond=None)[0][0]

    statistic = OlsAdjusted(outcome=y, covariates=covariates, compare=ARMS)
    found = randomization_test(design, assignment, statistic, unit="1", level=0.8)
    assert found.estimate.estimate == pytest.approx(fitted(y, own))
    for tau in (0.0, -1.0):
        for sides in SIDES:
            expected = twin.judged(fitted, y, own == 0, labels, own, shares, sides, tau)
            assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12)


# Waves


STARTS = {"w1": date(2012, 2, 1), "w2": date(2012, 6, 1), "w3": date(2012, 10, 1)}
MONTHS = tuple(f"2012-{month:02d}" for month in range(2, 10))


def wave_panel(design, assignment, rng, effect=0.0) -> Panel:
    births = rng.poisson(40, size=(7, 8)).astype(float)
    share = 0.05 + 0.002 * np.arange(8) + 0.01 * rng.normal(size=(7, 1))
    cells = states(Calendar.of(MONTHS), list(STARTS.values()))
    started = cells[[design.label_names.index(label) for label in assignment.labels]] == STARTED
    return Panel(
        units=design.units.ids, periods=MONTHS, denominator=births,
        numerator=rng.binomial(births.astype(int), np.clip(share + effect * started, 0, 1)).astype(float),
    )  # fmt: skip


@pytest.mark.parametrize("per", ["child", "unit"])
@settings(max_examples=2)
@given(st.integers(0, 2**32 - 1))
def test_waves_are_compared_month_by_month_for_every_order(per, seed):
    rng = np.random.default_rng(seed)
    design = stepped_wedge(ids(7), {"w1": 3, "w2": 2, "w3": 2})
    assignment = design.assign(Simulated(rng))
    panel = wave_panel(design, assignment, rng)
    statistic = DifferenceWithinMonths(panel=panel, starts=STARTS, window_days=90, counted_per=per)
    found = randomization_test(design, assignment, statistic, unit="share", level=0.8)
    rows, shares = twin.allocations(design)
    own = np.array([design.label_names.index(label) for label in assignment.labels])
    cells = states(Calendar.of(MONTHS), list(STARTS.values()), window_days=90)
    weight = panel.denominator if per == "child" else (panel.denominator > 0).astype(float)
    treated = cells[own] == STARTED
    value = np.nan_to_num(panel.value)
    for tau in (0.0, 0.04, *found.region.pieces[0]):
        if math.isfinite(tau):
            of = partial(_month_by_month, cells, weight)
            for sides in SIDES:
                expected = twin.judged(of, value, treated, rows, own, shares, sides, tau, 1.0 + abs(tau))
                assert found.p_value_at(tau, sides) == pytest.approx(expected, abs=1e-12)
    assert found.dropped == ("2012-07", "2012-08", "2012-09")
    assert len(found.left_out) == 6
    assert found.estimate.n_allocations == 210


def _month_by_month(cells, weight, y, allocation) -> float:
    """The convention read aloud: each month for itself, windows that cross the unit's own start left out."""
    parts, weights = [], []
    for month in range(y.shape[1]):
        state = cells[allocation, month]
        n1, n0 = (weight[state == arm, month].sum() for arm in (1, 0))
        if n1 > 0 and n0 > 0:
            one, two = ((weight * y)[state == arm, month].sum() for arm in (1, 0))
            parts.append(one / n1 - two / n0)
            weights.append(n1 * n0 / (n1 + n0))
    return float(np.dot(parts, weights) / sum(weights))


def test_a_planted_effect_of_the_waves_is_found_whatever_the_trend():
    rng = np.random.default_rng(1)
    design = stepped_wedge(ids(7), {"w1": 3, "w2": 2, "w3": 2})
    assignment = design.assign(Simulated(rng))
    cells = states(Calendar.of(MONTHS), list(STARTS.values()))
    started = cells[[design.label_names.index(label) for label in assignment.labels]] == STARTED
    ones = np.ones((7, 8))
    panel = Panel(
        units=ids_of(design), periods=MONTHS, numerator=0.01 * np.arange(8) ** 2 + 0.3 * started, denominator=ones
    )
    found = randomization_test(
        design, assignment, DifferenceWithinMonths(panel=panel, starts=STARTS, window_days=90), unit="share", level=0.9
    )
    assert found.estimate.estimate == pytest.approx(0.3)
    assert found.hodges_lehmann == pytest.approx(0.3)
    assert found.p_value == pytest.approx(found.estimate.smallest_p)
    assert (found.estimate.conf_low, found.estimate.conf_high) == pytest.approx((0.3, 0.3))


def ids_of(design):
    return design.units.ids


def test_waves_need_the_designs_units_and_a_start_for_every_label():
    design = stepped_wedge(ids(7), {"w1": 3, "w2": 2, "w3": 2})
    assignment = design.assign(Simulated(np.random.default_rng(1)))
    panel = wave_panel(design, assignment, np.random.default_rng(1))
    for wrong, why in [
        (
            DifferenceWithinMonths(panel=replace(panel, units=tuple(f"v{k}" for k in range(7))), starts=STARTS),
            "other units",
        ),
        (DifferenceWithinMonths(panel=panel, starts={"w1": date(2012, 2, 1)}), "no start"),
        (DifferenceWithinMonths(panel=panel.only(["2012-09"]), starts=STARTS, window_days=90), "nothing to compare"),
    ]:
        with pytest.raises(EstimateError, match=why) as error:
            randomization_test(design, assignment, wrong, unit="share")
        assert error.value.told("da") != error.value.told("en")


# Monte Carlo


def test_monte_carlo_counts_what_was_drawn_and_can_be_repeated():
    design, assignment, y, *_ = setting("blocks", 11)
    statistic = Studentized(outcome=y, compare=ARMS)
    exact = randomization_test(design, assignment, statistic, unit="1", level=0.8)
    sampled, again = (
        randomization_test(
            design, assignment, statistic, unit="1", level=0.8, most=10, draws=20_000, rng=np.random.default_rng(2)
        )
        for _ in range(2)
    )
    assert not sampled.exact
    assert sampled.p_value == again.p_value
    assert sampled.region.pieces == again.region.pieces
    assert (sampled.p_value * 20_001) == pytest.approx(round(sampled.p_value * 20_001), abs=1e-6)  # (1 + #) / (1 + B)
    assert sampled.estimate.mc_error == pytest.approx(math.sqrt(sampled.p_value * (1 - sampled.p_value) / 20_000))
    assert abs(sampled.p_value - exact.p_value) < 5 * sampled.estimate.mc_error
    assert sampled.estimate.smallest_p == 1 / 20_001
    assert "Monte Carlo error" in sampled.summary()


def drawn_by_tables():
    """Statistics of sums, with designs whose sums are drawn without codes."""
    for design in ("equal arms", "unequal arms", "fixed", "blocks", "clusters", "lottery"):
        yield design, DifferenceInMeans
        yield design, OlsAdjusted
        if design not in ("clusters", "lottery"):
            yield design, Studentized
    yield "pairs", PairedT


@pytest.mark.parametrize(("name", "kind"), list(drawn_by_tables()))
def test_draws_of_sums_alone_find_the_exact_p_at_any_effect(name, kind):
    design, assignment, y, *_ = setting(name, 21)
    more = {"covariates": np.random.default_rng(22).normal(size=(y.size, 2))} if kind is OlsAdjusted else {}
    statistic = kind(outcome=y, compare=design.label_names, **more)
    lot = Drawn.of(design, assignment)
    assert SubsetSums.of(statistic.bind(lot).summed, 30_000) is not None
    exact = randomization_test(design, assignment, statistic, unit="1", interval=False)
    sampled = randomization_test(
        design, assignment, statistic, unit="1", interval=False, most=1, draws=30_000, rng=np.random.default_rng(23)
    )
    assert sampled.observed == exact.observed
    assert sampled.judge.null.n == 30_001
    for tau in (0.0, -0.7, 1.3):
        for sides in SIDES[1:]:  # a distance is from the draws' own mean, and may part what the design's mean ties
            p, tails = exact.p_value_at(tau, sides), 2 if sides == "doubled" else 1
            error = tails * math.sqrt(p / tails * (1 - p / tails) / 30_000)
            assert abs(sampled.p_value_at(tau, sides) - p) < 5 * error + 1e-3, (tau, sides)


def test_a_constant_outcome_is_drawn_as_a_tie_every_time():
    design = DESIGNS["blocks"]
    statistic = DifferenceInMeans(outcome=np.full(11, 3.0), compare=ARMS)
    found = randomization_test(
        design, design.assign(Simulated(np.random.default_rng(1))), statistic, unit="1", interval=False, most=1,
        draws=5_000, rng=np.random.default_rng(2),
    )  # fmt: skip
    assert found.p_value == 1.0
    assert found.judge.null.n == 5_001


def test_a_rank_test_by_monte_carlo_sees_the_same_draws_at_every_effect():
    design, assignment, y, *_ = setting("unequal arms", 4)
    statistic = RankSum(outcome=y, compare=ARMS)
    found = randomization_test(
        design, assignment, statistic, unit="1", most=1, draws=9_000, rng=np.random.default_rng(3), level=0.8
    )
    exact = randomization_test(design, assignment, statistic, unit="1", level=0.8)
    assert found.p_value_at(0.3) == found.p_value_at(0.3)
    assert abs(found.p_value - exact.p_value) < 5 * found.estimate.mc_error + 1e-3


# A statistic of one's own


def test_a_users_difference_gives_the_interval_of_ours_by_a_scan():
    design, assignment, y, *_ = setting("unequal arms", 9)

    def gap(outcome, codes):
        new = (codes == 0).astype(float)
        return new @ outcome / new.sum(axis=1) - (1 - new) @ outcome / (1 - new).sum(axis=1)

    theirs = randomization_test(
        design, assignment, UserStatistic(function=gap, outcome=y, compare=ARMS), unit="1", level=0.8
    )
    ours = randomization_test(design, assignment, DifferenceInMeans(outcome=y, compare=ARMS), unit="1", level=0.8)
    assert theirs.region.how == "scan"
    assert ours.region.how == "breakpoints"
    assert theirs.p_value == pytest.approx(ours.p_value)
    assert theirs.region.pieces[0] == pytest.approx(ours.region.pieces[0], abs=1e-6)


@pytest.mark.parametrize("wrong", [lambda y, c: y, lambda y, c: np.full(len(c), np.nan)])
def test_a_users_function_that_breaks_its_contract_is_refused(wrong):
    design, assignment, y, *_ = setting("unequal arms", 9)
    with pytest.raises(EstimateError, match="one finite number per allocation"):
        randomization_test(design, assignment, UserStatistic(function=wrong, outcome=y), unit="1")


def test_a_gap_between_distributions_has_one_side():
    design, assignment, y, *_ = setting("equal arms", 2)
    found = randomization_test(design, assignment, KolmogorovSmirnov(outcome=y, compare=ARMS), unit="1", level=0.8)
    assert found.sides == "greater"
    assert found.region.low <= found.region.high


# What is said


def test_too_small_a_design_has_an_infinite_interval_and_says_its_smallest_p():
    design = complete(ids(6), {"new": 1, "usual": 1})
    y = np.array([9.0, 8.0, 7.0, 1.0, 2.0, 3.5])
    found = randomization_test(design, ["new"] * 3 + ["usual"] * 3, Studentized(outcome=y, compare=ARMS), unit="days")
    assert found.estimate.smallest_p == pytest.approx(0.1)  # 20 allocations, each beside its mirror image
    assert found.p_value == pytest.approx(0.1)
    assert (found.estimate.conf_low, found.estimate.conf_high) == (-math.inf, math.inf)
    assert found.connected


def test_one_unit_in_an_arm_of_a_block_is_not_studentized_and_says_so():
    design = in_blocks({"A": (1, 3), "B": (2, 2)})
    assignment = design.assign(Simulated(np.random.default_rng(1)))
    found = randomization_test(design, assignment, Studentized(outcome=np.arange(8.0), compare=ARMS), unit="1")
    assert "unstudentized" in found.statistic
    assert found.estimate.std_error != found.estimate.std_error
    plain = randomization_test(design, assignment, DifferenceInMeans(outcome=np.arange(8.0), compare=ARMS), unit="1")
    assert found.p_value == plain.p_value


def test_allocations_without_a_statistic_count_as_extreme():
    names = dict(zip(ids(5), "AAAAB", strict=True))
    lone = blocked(ids(5), {"new": 1, "usual": 1}, blocks=names)  # the unit alone in B is in either arm
    found = randomization_test(
        lone,
        lone.assign(Simulated(np.random.default_rng(1))),
        DifferenceInMeans(outcome=np.arange(5.0), compare=ARMS),
        unit="1",
    )
    assert found.undefined == 0  # B drops out, A is compared
    tiny = complete(ids(1), {"new": 1, "usual": 1})
    with pytest.raises(EstimateError, match="nothing to compare"):
        randomization_test(tiny, ["new"], DifferenceInMeans(outcome=np.zeros(1), compare=ARMS), unit="1")


@pytest.mark.parametrize("ours", [Studentized, DifferenceInMeans, RankSum])
def test_equal_outcomes_are_all_ties(ours):
    design, assignment, y, *_ = setting("unequal arms", 1)
    found = randomization_test(
        design, assignment, ours(outcome=np.full(y.size, 0.3), compare=ARMS), unit="1", interval=False
    )
    assert found.p_value == 1.0


def test_the_distribution_for_a_page_is_the_design_s():
    design, assignment, y, _, labels, blocks, _, shares = setting("blocks", 8)
    found = randomization_test(design, assignment, Studentized(outcome=y, compare=ARMS), unit="1", interval=False)
    shown = found.distribution()
    values = np.array([twin.studentized(y, row, blocks) for row in labels])
    assert shown.shares.sum() == pytest.approx(1.0)
    assert float(shown.shares @ shown.values) == pytest.approx(float(shares @ values))
    assert shown.width == 0
    assert len(shown.values) <= len(values)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1))
def test_sequences_are_tested_within_their_blocks(seed):
    rng = np.random.default_rng(seed)
    design = sequential(("north", "south"), {"new": 1, "usual": 1}, (2, 4), 4)
    assignment, y = design.assign(Simulated(rng)), rng.normal(size=8)
    found = randomization_test(design, assignment, DifferenceInMeans(outcome=y, compare=ARMS), unit="1", level=0.8)
    rows, shares = twin.allocations(design)
    own = np.array([ARMS.index(label) for _, labels in assignment.lists for label in labels])
    of = partial(_of, twin.difference, np.repeat([0, 1], 4))
    assert found.p_value == pytest.approx(twin.judged(of, y, own == 0, rows, own, shares, "distance"), abs=1e-12)


# What is refused


class ObservedAssignment:
    """As the municipalities of thousand_days entered: nobody drew."""


def refused(design, drawn, statistic, code, **options):
    with pytest.raises(EstimateError) as error:
        randomization_test(design, drawn, statistic, unit="1", **options)
    assert error.value.code == code
    assert error.value.told("da") != error.value.told("en")


def test_what_no_lot_gave_is_refused_by_name():
    design, assignment, y, *_ = setting("equal arms", 1)
    statistic = Studentized(outcome=y, compare=ARMS)
    refused(ObservedAssignment(), assignment, statistic, "E_NOT_DRAWN")
    refused(design, ObservedAssignment(), statistic, "E_NOT_DRAWN")


def test_an_allocation_that_the_design_could_not_give_is_refused():
    design, _, y, *_ = setting("equal arms", 1)
    statistic = Studentized(outcome=y, compare=ARMS)
    refused(design, ["new"] * 5 + ["usual"] * 3, statistic, "E_NOT_POSSIBLE")
    refused(
        DESIGNS["fixed"], np.array([1] + [0, 1] * 4), Studentized(outcome=np.zeros(9), compare=ARMS), "E_NOT_POSSIBLE"
    )
    unbalanced = np.array([0, 0, 1, 1, 1, 0, 0, 1])
    refused(balanced(), unbalanced, statistic, "E_NOT_POSSIBLE")
    refused(design, ["new"] * 4, statistic, "E_ESTIMATE")


def test_too_many_allocations_ask_for_draws():
    design, assignment, y, *_ = setting("equal arms", 1)
    refused(design, assignment, Studentized(outcome=y, compare=ARMS), "E_TOO_MANY", most=10)


def test_gaps_and_unknown_labels_are_refused():
    design, assignment, y, *_ = setting("equal arms", 1)
    refused(design, assignment, Studentized(outcome=np.append(y[:-1], np.nan), compare=ARMS), "E_ESTIMATE")
    refused(design, assignment, Studentized(outcome=y[:-1], compare=ARMS), "E_ESTIMATE")
    refused(design, assignment, Studentized(outcome=y, compare=("new", "nobody")), "E_ESTIMATE")
    refused(design, assignment, PairedT(outcome=y, compare=ARMS), "E_ESTIMATE")
