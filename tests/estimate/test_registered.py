"""The registered answer: the protocol decides what is computed, and what is not built is refused by name."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from trialkit.design.assignment import Assignment
from trialkit.design.compile import build
from trialkit.errors import EstimateError
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.registered import chance_of, check_built, periods_of, registered
from trialkit.estimate.statistics import DifferenceInMeans, DifferenceWithinMonths, Studentized
from trialkit.panel import Panel
from trialkit.population import population
from trialkit.protocol.analysis import Method
from trialkit.protocol.load import load
from trialkit.protocol.outcomes import Interruption

PROTOCOLS = Path(__file__).parents[2] / "protocols"
MONTHS = tuple(f"2012-{month:02d}" for month in range(1, 13))


def trial(name):
    folder = PROTOCOLS / name
    protocol = load(folder / "draft.yaml")
    people = population(protocol, folder)
    return protocol, people, build(protocol, people.units)


def made_up(units, periods, seed=1, **marks):
    rng = np.random.default_rng(seed)
    people = rng.integers(40, 120, (len(units), len(periods))).astype(float)
    events = rng.binomial(people.astype(int), 0.1).astype(float)
    return Panel(
        units=tuple(units), periods=tuple(periods), numerator=events, denominator=people, synthetic=True, **marks
    )


@pytest.fixture(scope="module")
def copenhagen():
    protocol, people, design = trial("copenhagen_2012_rollout")
    ids = sorted([*design.units.ids, *(unit.id for unit in people.outside)], key=str.encode)
    codes = next(design.enumerate()).codes[17]
    labels = tuple(design.label_names[code] for code in codes)
    return protocol, design, Assignment(units=design.units, labels=labels), made_up(ids, MONTHS)


def changed(protocol, **parts):
    primary = protocol.analysis.primary.model_copy(update=parts)
    return protocol.model_copy(update={"analysis": protocol.analysis.model_copy(update={"primary": primary})})


def test_waves_are_answered_within_months_with_the_windows_and_weights_of_the_plan(copenhagen):
    protocol, design, assignment, panel = copenhagen
    found = registered(protocol, design, assignment, panel, digests=("a", "b", "c"))
    rows = [panel.units.index(unit) for unit in design.units.ids]
    only = Panel(
        units=design.units.ids, periods=MONTHS[1:9], numerator=panel.numerator[rows, 1:9],
        denominator=panel.denominator[rows, 1:9],
    )  # fmt: skip
    by_hand = randomization_test(
        design, assignment,
        DifferenceWithinMonths(
            panel=only, starts={wave.id: wave.start for wave in protocol.waves}, window_days=90, counted_per="child"
        ),
        unit="share",
    )  # fmt: skip
    for name in ("estimate", "p_value", "conf_low", "conf_high", "smallest_p", "n_allocations"):
        assert getattr(found.estimate, name) == getattr(by_hand.estimate, name)
    assert found.estimate.exploratory is False
    assert found.estimate.digests == ("a", "b", "c")
    assert found.estimate.level == 0.95
    assert found.test.dropped == ("2012-07", "2012-08", "2012-09")


def test_pilots_and_other_months_never_enter(copenhagen):
    protocol, design, assignment, panel = copenhagen
    pilots = [unit not in design.units.ids for unit in panel.units]
    other = panel.numerator.copy()
    other[pilots] = panel.denominator[pilots]
    other[:, [0, 10, 11]] = 0
    moved = Panel(units=panel.units, periods=MONTHS, numerator=other, denominator=panel.denominator)
    one, two = (registered(protocol, design, assignment, each).estimate for each in (panel, moved))
    assert one == two
    assert sum(pilots) == 2


def test_the_two_sides_differ_by_the_estimate_and_hold_the_raw_counts(copenhagen):
    protocol, design, assignment, panel = copenhagen
    for per in ("child", "unit"):
        asked = protocol.model_copy(update={"estimand": protocol.estimand.model_copy(update={"counted_per": per})})
        found = registered(asked, design, assignment, panel)
        assert found.counted_per == per
        assert found.started.level - found.waiting.level == pytest.approx(found.estimate.estimate, abs=1e-14)
    started = waiting = 0.0
    for row, column in np.argwhere(found.used):
        cell = found.panel.denominator[row, column]
        started, waiting = (started + cell, waiting) if found.states[row, column] == 1 else (started, waiting + cell)
    assert (found.started.denominator, found.waiting.denominator) == (started, waiting)


def test_interruptions_are_answered_both_ways(copenhagen):
    protocol, design, assignment, panel = copenhagen
    assert registered(protocol, design, assignment, panel).sensitivity is None
    marks = np.zeros(panel.numerator.shape, bool)
    marks[:, 3] = True
    stopped = Panel(
        units=panel.units, periods=MONTHS, numerator=panel.numerator, denominator=panel.denominator, interrupted=marks
    )
    kept = registered(protocol, design, assignment, stopped)
    without = registered(changed(protocol, months_excluded_by="interruptions"), design, assignment, stopped)
    assert kept.sensitivity is not None
    assert kept.sensitivity.exploratory
    assert kept.sensitivity.estimate == without.estimate.estimate != kept.estimate.estimate
    assert without.sensitivity is not None
    assert without.sensitivity.estimate == kept.estimate.estimate
    assert "2012-04" in without.test.dropped
    assert Interruption.model_validate({"id": "strike", "from": date(2012, 4, 2)}).keep_rows


def test_one_side_follows_the_better_direction(copenhagen):
    protocol, design, assignment, panel = copenhagen
    up = registered(changed(protocol, sides="one"), design, assignment, panel)
    assert up.test.sides == "greater"
    better = tuple(
        one.model_copy(update={"better": "lower"}) if one.id == "early_support" else one for one in protocol.outcomes
    )
    down = registered(changed(protocol.model_copy(update={"outcomes": better}), sides="one"), design, assignment, panel)
    assert down.test.sides == "less"


@pytest.fixture(scope="module")
def houses():
    protocol, _, design = trial("family_houses_2022/synthetic")
    sampled = design.sample(1, np.random.default_rng(3))[0]
    labels = tuple(design.label_names[code] for code in sampled)
    panel = made_up(design.units.ids, ("2023q1", "2023q2", "2023q3"))
    return protocol, design, Assignment(units=design.units, labels=labels), panel


def test_two_arms_are_answered_by_blocks_over_the_whole_period_with_the_registered_draws(houses):
    protocol, design, assignment, panel = houses
    found = registered(protocol, design, assignment, panel, rng=chance_of("0f" * 32))
    assert found.way == "two_arms"
    assert found.panel.periods == ("2023q2", "2023q3") == periods_of(protocol)
    assert (found.test.exact, found.test.draws) == (False, 10_000)
    assert found.test.statistic.startswith("studentized")
    y = found.panel.numerator.sum(axis=1) / found.panel.denominator.sum(axis=1)
    new, block = np.array(assignment.labels) == "first", np.array([unit.block for unit in design.units])
    by_hand = sum(
        (block == b).mean() * (y[(block == b) & new].mean() - y[(block == b) & ~new].mean()) for b in np.unique(block)
    )
    assert found.estimate.estimate == pytest.approx(by_hand, abs=1e-14)
    assert found.started.level - found.waiting.level == pytest.approx(by_hand, abs=1e-14)
    assert found.estimate.mc_error > 0


def test_the_draw_alone_decides_the_monte_carlo_stream(houses):
    protocol, design, assignment, panel = houses
    few = changed(protocol, draws=500)
    one, again, other = (
        registered(few, design, assignment, panel, rng=chance_of(record)).estimate
        for record in ("0f" * 32, "0f" * 32, "1e" * 32)
    )
    assert one == again
    assert one.p_value != other.p_value


@pytest.mark.parametrize(
    ("statistic", "expected"), [("difference_in_means", DifferenceInMeans), ("studentized_difference", Studentized)]
)
def test_the_registered_statistic_is_used(houses, statistic, expected):
    protocol, design, assignment, panel = houses
    found = registered(
        changed(protocol, statistic=statistic, draws=99), design, assignment, panel, rng=chance_of("a" * 64)
    )
    y = found.panel.numerator.sum(axis=1) / found.panel.denominator.sum(axis=1)
    same = randomization_test(
        design, assignment, expected(outcome=y, compare=("first", "second")), unit="share", draws=99,
        rng=chance_of("a" * 64),
    )  # fmt: skip
    assert found.estimate.p_value == same.p_value
    assert found.test.statistic == same.statistic


def test_what_was_not_drawn_is_refused_without_a_causal_word():
    protocol = load(PROTOCOLS / "thousand_days_two_rounds" / "draft.yaml")
    with pytest.raises(EstimateError) as refused:
        check_built(protocol)
    assert refused.value.code == "E_NOT_DRAWN"
    assert "description" in refused.value.message
    for word in ("effect", "because of", "due to", "works", "effekt", "virker", "skyldes"):
        assert word not in refused.value.message.lower() + refused.value.told("da").lower()


@pytest.mark.parametrize(
    ("name", "what"),
    [("early_screening_2017", "rolling_lottery"), ("hfi_2023", "place_lottery")],
)
def test_what_is_not_built_is_refused_by_its_own_name(name, what):
    with pytest.raises(EstimateError, match=what) as refused:
        check_built(load(PROTOCOLS / name / "draft.yaml"))
    assert refused.value.code == "E_NOT_BUILT"
    assert what in refused.value.told("da")


@pytest.mark.parametrize("method", ["event_study", "instrumental_variable", "spillover_check", "lee_bounds"])
def test_no_other_primary_method_is_replaced_in_silence(copenhagen, method):
    protocol, design, assignment, panel = copenhagen
    asked = protocol.model_copy(
        update={"analysis": protocol.analysis.model_copy(update={"primary": Method(method=method)})}
    )
    with pytest.raises(EstimateError, match=method) as refused:
        registered(asked, design, assignment, panel)
    assert refused.value.code == "E_NOT_BUILT"


def test_a_ratio_or_a_model_based_interval_is_not_answered_by_a_difference(copenhagen):
    protocol, design, assignment, panel = copenhagen
    ratio = protocol.model_copy(update={"estimand": protocol.estimand.model_copy(update={"measure": "risk_ratio"})})
    model = protocol.model_copy(update={"analysis": protocol.analysis.model_copy(update={"interval": "model_based"})})
    for asked, what in ((ratio, "risk_ratio"), (model, "model_based")):
        with pytest.raises(EstimateError, match=what):
            registered(asked, design, assignment, panel)


def test_two_arms_counted_per_child_are_refused_where_units_have_different_numbers(houses):
    protocol, design, assignment, panel = houses
    asked = protocol.model_copy(update={"estimand": protocol.estimand.model_copy(update={"counted_per": "child"})})
    with pytest.raises(EstimateError, match="counted_per: child"):
        registered(asked, design, assignment, panel, rng=chance_of("a" * 64))


def test_a_drawn_unit_without_any_data_is_named(copenhagen):
    protocol, design, assignment, panel = copenhagen
    rows = [place for place, unit in enumerate(panel.units) if unit != design.units.ids[0]]
    short = Panel(
        units=tuple(panel.units[row] for row in rows), periods=MONTHS, numerator=panel.numerator[rows],
        denominator=panel.denominator[rows],
    )  # fmt: skip
    with pytest.raises(EstimateError, match=design.units.ids[0]):
        registered(protocol, design, assignment, short)
