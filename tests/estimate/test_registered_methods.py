"""A primary answer by another method than the randomization test: the registered one, checked through the lot where few."""

from __future__ import annotations

import numpy as np
import pytest
from test_registered import MONTHS, made_up, trial

from trialkit.design.assignment import Assignment
from trialkit.design.constructors import complete
from trialkit.errors import EstimateError
from trialkit.estimate.beside import beside
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.gee_wedge import gee_wedge
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.registered import chance_of, registered
from trialkit.estimate.staggered import staggered
from trialkit.panel import Panel
from trialkit.protocol.analysis import Method

MODELS = ("stepped_wedge_model", "mixed_model", "gee", "glmm")
AVERAGES = ("difference_in_means", "weighted_difference", "ancova")
QUARTERS = ("2023q1", "2023q2", "2023q3")


def asking(protocol, method, *, interval=None, **analysis):
    """The plan with another primary method, and without windows that cross a start."""
    outcomes = tuple(
        one.model_copy(update={"leave_out_if_window_crosses_start": False, "window_days": None})
        for one in protocol.outcomes
    )
    primary = method if isinstance(method, Method) else Method(method=method, alpha="0.05")
    parts = {"primary": primary, "interval": interval, **analysis}
    return protocol.model_copy(update={"outcomes": outcomes, "analysis": protocol.analysis.model_copy(update=parts)})


@pytest.fixture(scope="module")
def copenhagen():
    protocol, people, design = trial("copenhagen_2012_rollout")
    ids = sorted([*design.units.ids, *(unit.id for unit in people.outside)], key=str.encode)
    codes = next(design.enumerate()).codes[17]
    labels = tuple(design.label_names[code] for code in codes)
    return protocol, design, Assignment(units=design.units, labels=labels), made_up(ids, MONTHS, seed=5)


@pytest.fixture(scope="module")
def houses():
    protocol, _, design = trial("family_houses_2022/synthetic")
    sampled = design.sample(1, np.random.default_rng(3))[0]
    labels = tuple(design.label_names[code] for code in sampled)
    return protocol, design, Assignment(units=design.units, labels=labels), made_up(design.units.ids, QUARTERS)


def asked_of(panel, design, columns):
    """The drawn units in the periods of the question, by hand."""
    rows = [panel.units.index(unit) for unit in design.units.ids]
    return panel.numerator[rows][:, columns], panel.denominator[rows][:, columns]


def rows_by_hand(protocol, drawn, top):
    """Every unit-month of a rollout as a model asks for it."""
    starts = {wave.id: f"{wave.start.year}-{wave.start.month:02d}" for wave in protocol.waves}
    unit, month = np.nonzero(np.ones_like(top))
    began = np.array([MONTHS.index(starts[label]) - 1 for label in drawn.labels])[unit]
    return {
        "clusters": np.array(drawn.units.ids)[unit], "periods": month,
        "exposure": np.where(month >= began, month - began + 1, 0),
    }  # fmt: skip


def test_gee_and_glmm_are_fitted_to_every_unit_month_of_the_question(copenhagen):
    protocol, design, drawn, panel = copenhagen
    top, size = asked_of(panel, design, slice(1, 9))
    rows = rows_by_hand(protocol, drawn, top)
    gee = gee_wedge(top.ravel(), sizes=size.ravel(), family="binomial", link="identity", unit="share", **rows)
    glmm = stepped_wedge_counts(top.ravel(), family="binomial", sizes=size.ravel(), **rows)
    for method, by_hand in (("gee", gee.effect()), ("glmm", glmm.effect(as_ratio=True))):
        found = registered(asking(protocol, method), design, drawn, panel, digests=("a", "b", "c"))
        for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "unit", "method"):
            assert getattr(found.estimate, name) == getattr(by_hand, name)
        assert found.test is None
        assert (found.estimate.exploratory, found.estimate.digests) == (False, ("a", "b", "c"))
        assert (found.registered, found.estimate.n_allocations) == (method, 0)


@pytest.mark.parametrize("method", MODELS)
def test_with_few_drawn_the_test_through_the_lot_stands_beside_a_model(copenhagen, method):
    protocol, design, drawn, panel = copenhagen
    found = registered(asking(protocol, method), design, drawn, panel)
    lot = registered(asking(protocol, "randomization_test"), design, drawn, panel)
    assert found.check is not None
    for name in ("estimate", "p_value", "conf_low", "conf_high", "smallest_p", "n_allocations"):
        assert getattr(found.check.estimate, name) == getattr(lot.estimate, name)
    assert found.check.estimate.exploratory  # the plan does not register it
    assert lot.check is None
    for name in ("started", "waiting", "dropped", "left_out", "way", "labels"):
        assert getattr(found, name) == getattr(lot, name)
    assert (found.states == lot.states).all()
    assert (found.used == lot.used).all()


def test_a_rollouts_own_estimator_is_tested_through_every_order_the_lot_could_have_given(copenhagen):
    protocol, design, drawn, panel = copenhagen
    found = registered(asking(protocol, "staggered_rollout"), design, drawn, panel, digests=("a", "b", "c"))
    top, size = asked_of(panel, design, slice(1, 9))
    y = top / size.mean(axis=0)
    months = {wave.id: f"{wave.start.year}-{wave.start.month:02d}" for wave in protocol.waves}
    place = {name: MONTHS.index(month) for name, month in months.items()}  # February is period 1
    first = [place[name] if place[name] <= 8 else None for name in design.label_names]

    def statistic(codes):
        one = staggered(y, np.array([first[code] for code in codes], object), unit="share").estimate
        return one.estimate, one.estimate / one.std_error

    listed = np.concatenate([chunk.codes for chunk in design.enumerate()])
    values = np.array([statistic(codes)[1] for codes in listed])
    own = statistic(Drawn.of(design, drawn).codes)
    apart = np.abs(values - values.mean())
    assert found.estimate.estimate == pytest.approx(own[0], rel=1e-9)
    assert found.estimate.p_value == pytest.approx(
        (apart >= abs(own[1] - values.mean()) * (1 - 1e-9)).mean(), abs=1e-12
    )
    assert found.test is not None
    assert found.test.estimate == found.estimate
    assert found.test.region is not None
    assert (found.test.region.low, found.test.region.high) == (found.estimate.conf_low, found.estimate.conf_high)
    assert (found.estimate.exploratory, found.estimate.digests) == (False, ("a", "b", "c"))
    assert (found.check, found.estimate.n_allocations) == (None, len(listed))


def test_a_difference_of_two_arms_is_that_of_the_blocks_by_neyman(houses):
    protocol, design, drawn, panel = houses
    found = registered(asking(protocol, "difference_in_means"), design, drawn, panel)
    y = (panel.numerator[:, 1:].sum(axis=1) / panel.denominator[:, 1:].sum(axis=1))[
        [panel.units.index(unit) for unit in design.units.ids]
    ]
    new, block = np.array(drawn.labels) == "first", np.array([unit.block for unit in design.units])
    value = variance = 0.0
    for one in np.unique(block):
        here = block == one
        value += here.mean() * (y[here & new].mean() - y[here & ~new].mean())
        variance += here.mean() ** 2 * sum(y[here & arm].var(ddof=1) / (here & arm).sum() for arm in (new, ~new))
    assert found.estimate.estimate == pytest.approx(value, abs=1e-14)
    assert found.estimate.std_error == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert found.estimate.df == 48 - 2 * 2
    assert found.started.level - found.waiting.level == pytest.approx(value, abs=1e-14)
    assert (found.way, found.check, found.unchecked) == ("two_arms", None, None)  # 24 against 24 are not few


def test_ancova_adjusts_for_the_plans_columns_and_asks_for_what_is_lacking(houses):
    protocol, design, drawn, panel = houses
    primary = Method(method="ancova", adjust=("before",), alpha="0.05")
    rng = np.random.default_rng(2)
    facts = {unit: {"before": f"{rng.normal():.3f}"} for unit in design.units.ids}
    found = registered(asking(protocol, primary), design, drawn, panel, facts=facts)
    new = np.array(drawn.labels) == "first"
    y = panel.numerator[:, 1:].sum(axis=1) / panel.denominator[:, 1:].sum(axis=1)
    y = y[[panel.units.index(unit) for unit in design.units.ids]]
    strata = [unit.block for unit in design.units]
    x = np.column_stack(
        [[float(facts[unit]["before"]) for unit in design.units.ids], [one == strata[0] for one in strata]]
    )
    x = x - x.mean(axis=0)
    lin = np.column_stack([np.ones(48), new, x, x * new[:, None]])
    assert found.estimate.estimate == pytest.approx(np.linalg.lstsq(lin, y, rcond=None)[0][1], rel=1e-9)
    with pytest.raises(EstimateError, match="before"):
        registered(asking(protocol, primary), design, drawn, panel)


@pytest.mark.parametrize("method", [*MODELS, "staggered_rollout"])
def test_the_same_method_finds_the_same_whether_it_is_primary_or_beside(copenhagen, method):
    protocol, design, drawn, panel = copenhagen
    primary = registered(asking(protocol, method), design, drawn, panel, digests=("a",)).estimate
    plan = asking(protocol, "randomization_test", secondary=(Method(method=method),))
    (line, *_) = beside(plan, design, drawn, {"early_support": panel}, digests=("a",)).lines
    assert line.estimate == primary


@pytest.mark.parametrize("method", MODELS)
def test_pilots_and_other_months_never_enter_a_model(copenhagen, method):
    protocol, design, drawn, panel = copenhagen
    other = panel.numerator.copy()
    pilots = [unit not in design.units.ids for unit in panel.units]
    other[pilots] = panel.denominator[pilots]
    other[:, [0, 10, 11]] = 0
    moved = Panel(units=panel.units, periods=MONTHS, numerator=other, denominator=panel.denominator)
    one, two = (registered(asking(protocol, method), design, drawn, each).estimate for each in (panel, moved))
    assert one == two


@pytest.mark.parametrize("method", ["gee", "staggered_rollout"])
def test_interruptions_are_answered_both_ways_by_any_method(copenhagen, method):
    protocol, design, drawn, panel = copenhagen
    marks = np.zeros(panel.numerator.shape, bool)
    marks[:, 3] = True
    stopped = Panel(
        units=panel.units, periods=MONTHS, numerator=panel.numerator, denominator=panel.denominator, interrupted=marks
    )
    out = Method(method=method, alpha="0.05", months_excluded_by="interruptions")
    kept, without = (registered(asking(protocol, one), design, drawn, stopped) for one in (method, out))
    assert kept.sensitivity is not None
    assert without.sensitivity is not None
    assert kept.sensitivity.estimate == without.estimate.estimate != kept.estimate.estimate
    assert without.sensitivity.estimate == kept.estimate.estimate
    assert kept.sensitivity.exploratory


def test_two_waves_are_compared_by_their_dates_where_the_method_goes_by_dates(houses):
    protocol, design, drawn, panel = houses
    assert registered(asking(protocol, "gee"), design, drawn, panel).way == "within_months"
    assert registered(asking(protocol, "difference_in_means"), design, drawn, panel).way == "two_arms"


@pytest.mark.parametrize(("new", "usual", "few"), [(6, 6, True), (4, 20, True), (10, 12, False)])
def test_few_are_twelve_in_all_or_four_in_an_arm(houses, new, usual, few):
    protocol = houses[0]
    ids = [f"u{k:02d}" for k in range(new + usual)]
    design = complete(ids, {"first": new, "second": usual})
    codes = design.sample(1, np.random.default_rng(1))[0]
    drawn = Assignment(units=design.units, labels=tuple(design.label_names[code] for code in codes))
    panel = made_up(ids, QUARTERS)
    for method in AVERAGES:
        found = registered(asking(protocol, method), design, drawn, panel, rng=chance_of("0f" * 32))
        assert (found.check is not None) == few
        assert found.unchecked is None


def test_a_check_that_cannot_be_made_is_said_and_the_answer_stands(houses):
    protocol, ids = houses[0], [f"u{k}" for k in range(8)]
    asked = protocol.model_copy(
        update={"estimand": protocol.estimand.model_copy(update={"counted_per": "child"}), "waves": ()}
    )
    design = complete(ids, {"first": 4, "second": 4})
    codes = design.sample(1, np.random.default_rng(1))[0]
    drawn = Assignment(units=design.units, labels=tuple(design.label_names[code] for code in codes))
    panel = made_up(ids, QUARTERS)
    found = registered(asking(asked, "gee"), design, drawn, panel)
    assert found.check is None
    assert found.unchecked is not None
    assert "counted_per: child" in found.unchecked.message
    top, size = panel.numerator[:, 1:].sum(axis=1), panel.denominator[:, 1:].sum(axis=1)
    new = np.array(drawn.labels) == "first"  # every child counts the same
    assert found.started.level == pytest.approx(top[new].sum() / size[new].sum(), rel=1e-12)
    assert found.waiting.level == pytest.approx(top[~new].sum() / size[~new].sum(), rel=1e-12)


def test_what_a_method_cannot_give_as_registered_is_refused_by_name(copenhagen):
    protocol, design, drawn, panel = copenhagen
    refused = [
        (asking(protocol, method, interval="by_inverting_the_test"), "interval: by_inverting_the_test")
        for method in (*MODELS, *AVERAGES)
    ]
    refused += [
        (asking(protocol, Method(method=method, sides="one")), rf"sides: one \({method}\)")
        for method in (*MODELS, *AVERAGES)
    ]
    refused += [
        (asking(protocol, method, interval="model_based"), "interval: model_based")
        for method in ("randomization_test", "staggered_rollout")
    ]
    refused += [
        (asking(protocol, Method(method=method, adjust=("age",))), rf"adjust: age \({method}\)")
        for method in ("gee", "staggered_rollout", "randomization_test")
    ]
    refused += [(asking(protocol, method), rf"{method} \(3 waves\)") for method in AVERAGES]
    for plan, what in refused:
        with pytest.raises(EstimateError, match=what) as reason:
            registered(plan, design, drawn, panel)
        assert reason.value.code == "E_NOT_BUILT"


def test_one_side_and_an_inverted_interval_are_given_through_the_lot(copenhagen):
    protocol, design, drawn, panel = copenhagen
    one = Method(method="staggered_rollout", alpha="0.05", sides="one")
    found = registered(asking(protocol, one, interval="by_inverting_the_test"), design, drawn, panel)
    assert found.test is not None
    assert found.test.sides == "greater"


def test_outcomes_that_never_vary_give_no_answer_by_a_model(houses):
    protocol, design, drawn, panel = houses
    flat = Panel(
        units=panel.units, periods=QUARTERS, numerator=np.full(panel.numerator.shape, 4.0),
        denominator=np.full(panel.numerator.shape, 40.0),
    )  # fmt: skip
    for method in ("difference_in_means", "ancova"):
        with pytest.raises(EstimateError) as refused:
            registered(asking(protocol, method), design, drawn, flat)
        assert method in refused.value.told("da")


def test_other_outcomes_are_never_adjusted_by_another_test_than_their_own(copenhagen):
    protocol, design, drawn, panel = copenhagen
    panels = dict.fromkeys(("early_support", "days_to_support", "age_at_first_support"), panel)
    adjusted = {}
    for method in ("randomization_test", "gee"):
        plan = asking(protocol, method, many_outcomes="westfall_young")
        lines = [one for one in beside(plan, design, drawn, panels).lines if one.part == "outcome"]
        assert all(one.estimate is not None and one.sides is not None for one in lines)
        adjusted[method] = [one.p_adjusted for one in lines]
        named = [field for field, *_ in plan.later() if field == "analysis.many_outcomes"]
        assert named == ([] if method == "randomization_test" else ["analysis.many_outcomes"])
    assert np.isfinite(adjusted["randomization_test"]).all()
    assert np.isnan(adjusted["gee"]).all()
