"""What the plan registers beside its primary answer: each line by a second algorithm, and no line lost in silence."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from test_registered import MONTHS, made_up, trial

from trialkit.design.assignment import Assignment
from trialkit.estimate.beside import beside
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.families import by_administration
from trialkit.estimate.gee_wedge import gee_wedge
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.many import adjusted, westfall_young
from trialkit.estimate.missing import lee_bounds, manski_bounds
from trialkit.estimate.neighbours import Map
from trialkit.estimate.registered import chance_of, registered
from trialkit.estimate.statistics import DifferenceWithinMonths
from trialkit.estimate.within_months import LEFT_OUT
from trialkit.panel import Panel
from trialkit.protocol.analysis import Method, Missing
from trialkit.protocol.outcomes import Outcome


@pytest.fixture(scope="module")
def copenhagen():
    protocol, people, design = trial("copenhagen_2012_rollout")
    ids = sorted([*design.units.ids, *(unit.id for unit in people.outside)], key=str.encode)
    codes = next(design.enumerate()).codes[17]
    labels = tuple(design.label_names[code] for code in codes)
    outside = [(pilot.unit.id, pilot.group.arm) for pilot in people.pilots]
    panels = {
        name: made_up(ids, MONTHS, seed=seed)
        for seed, name in enumerate(("early_support", "days_to_support", "age_at_first_support"), start=1)
    }
    drawn = Assignment(units=design.units, labels=labels)
    return protocol, design, drawn, panels, Map.of(protocol, people.touching, outside)


@pytest.fixture(scope="module")
def houses():
    protocol, _, design = trial("family_houses_2022/synthetic")
    sampled = design.sample(1, np.random.default_rng(3))[0]
    labels = tuple(design.label_names[code] for code in sampled)
    panel = made_up(design.units.ids, ("2023q2", "2023q3"))
    primary = protocol.analysis.primary.model_copy(update={"draws": 499})
    protocol = protocol.model_copy(update={"analysis": protocol.analysis.model_copy(update={"primary": primary})})
    return protocol, design, Assignment(units=design.units, labels=labels), {"contact_in_pregnancy": panel}


def asking(protocol, **parts):
    return protocol.model_copy(update={"analysis": protocol.analysis.model_copy(update=parts)})


def line(found, method, part=None):
    return next(one for one in found.lines if one.method == method and part in (None, one.part))


def test_the_plans_list_is_answered_in_its_order_and_nothing_is_lost(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    found = beside(protocol, design, drawn, panels, neighbours=touching, digests=("a", "b", "c"))
    assert [(one.part, one.method, one.outcome) for one in found.lines] == [
        ("secondary", "stepped_wedge_model", "early_support"),
        ("secondary", "spillover_check", "early_support"),
        ("outcome", "randomization_test", "days_to_support"),
        ("outcome", "randomization_test", "age_at_first_support"),
    ]
    assert len(found.answered) + len(found.unanswered) == len(found.lines)
    for one in found.answered:
        assert (one.estimate.exploratory, one.estimate.digests) == (False, ("a", "b", "c"))
    assert "joint_meetings" not in {one.outcome for one in found.lines}  # a process is never tested as an effect


def test_another_outcome_is_answered_by_the_primary_analysis(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    found = beside(protocol, design, drawn, panels, neighbours=touching)
    for name in ("days_to_support", "age_at_first_support"):
        outcome = next(one for one in protocol.outcomes if one.id == name)
        swapped = tuple(one.model_copy(update={"primary": one.id == name}) for one in protocol.outcomes)
        alone = protocol.model_copy(
            update={"outcomes": swapped, "estimand": protocol.estimand.model_copy(update={"what": name})}
        )
        by_itself = registered(alone, design, drawn, panels[name]).estimate
        here = next(one for one in found.lines if one.outcome == name).estimate
        for field in ("estimate", "p_value", "conf_low", "conf_high", "smallest_p", "n_allocations"):
            assert getattr(here, field) == getattr(by_itself, field)
        assert here.term == outcome.label.told("en")


def test_holm_covers_everything_secondary_and_never_the_primary_answer(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    found = beside(protocol, design, drawn, panels, neighbours=touching)
    p = [one.estimate.p_value for one in found.lines]
    order = np.argsort(p)
    by_hand = np.empty(4)
    by_hand[order] = np.minimum(np.maximum.accumulate(np.array([4, 3, 2, 1]) * np.array(p)[order]), 1)
    assert [one.p_adjusted for one in found.lines] == pytest.approx(by_hand, rel=1e-12)
    few = beside(protocol, design, drawn, {"early_support": panels["early_support"]}, neighbours=touching)
    assert [one.p_adjusted for one in few.lines[:2]] == pytest.approx(adjusted(p[:2]), rel=1e-12)
    assert np.isnan([one.p_adjusted for one in few.lines[2:]]).all()  # what is missing is not counted among the tests
    assert [one.reason.code for one in few.unanswered] == ["E_NO_RECORDS"] * 2


def test_without_a_word_about_many_outcomes_nothing_is_adjusted(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    found = beside(asking(protocol, many_outcomes=None), design, drawn, panels, neighbours=touching)
    assert np.isnan([one.p_adjusted for one in found.lines]).all()
    assert found.adjusted_by == ""


def test_westfall_and_young_go_through_the_lot_with_the_outcomes_together(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    found = beside(asking(protocol, many_outcomes="westfall_young"), design, drawn, panels, neighbours=touching)
    rows = [panels["early_support"].units.index(unit) for unit in design.units.ids]
    starts = {wave.id: wave.start for wave in protocol.waves}
    statistics = {
        name: DifferenceWithinMonths(
            panel=Panel(
                units=design.units.ids, periods=MONTHS[1:9], numerator=panels[name].numerator[rows, 1:9],
                denominator=panels[name].denominator[rows, 1:9],
            ),
            starts=starts, counted_per="child",
        )
        for name in ("days_to_support", "age_at_first_support")
    }  # fmt: skip
    by_hand = westfall_young(design, drawn, statistics, compared="min_p")
    assert [one.p_adjusted for one in found.lines[2:]] == pytest.approx(by_hand.p_adjusted, rel=1e-12)
    assert np.isnan([one.p_adjusted for one in found.lines[:2]]).all()


def test_the_stepped_wedge_model_is_that_of_people_by_its_definition(copenhagen):
    protocol, design, drawn, _, touching = copenhagen
    rng = np.random.default_rng(7)
    ids, shape = design.units.ids, (7, 8)
    people = rng.integers(4, 9, shape)
    level = 0.4 + rng.normal(0, 0.15, (7, 1)) + rng.normal(0, 0.15, shape)
    starts = {wave.id: wave.start for wave in protocol.waves}
    events = rng.binomial(people, np.clip(level, 0.02, 0.9)).astype(float)
    panel = Panel(units=ids, periods=MONTHS[1:9], numerator=events, denominator=people.astype(float))
    outcome = protocol.outcomes[0].model_copy(update={"leave_out_if_window_crosses_start": False})
    protocol = protocol.model_copy(update={"outcomes": (outcome, *protocol.outcomes[1:])})
    found = line(beside(protocol, design, drawn, {"early_support": panel}, neighbours=touching), "stepped_wedge_model")
    # The same likelihood from its definition: a covariance matrix per unit, inverted as it stands.
    x, y, z = [], [], []
    for i, label in enumerate(drawn.labels):
        for j, month in enumerate(panel.periods):
            row = np.zeros(9)
            row[j], row[8] = 1.0, float(f"{month}-01" >= str(starts[label]))
            x += [row] * people[i, j]
            y += [float(k < events[i, j]) for k in range(people[i, j])]
            z += [(i, j)] * people[i, j]
    x, y, z = np.array(x), np.array(y), np.array(z)

    def criterion(logs):
        """Twice the negative restricted log-likelihood, and the coefficients."""
        unit_, cell, rest = np.exp(logs)
        xx, xy, total = np.zeros((9, 9)), np.zeros(9), 0.0
        quadratic = 0.0
        for i in range(7):
            here = z[:, 0] == i
            v = unit_ + cell * (z[here, 1][:, None] == z[here, 1]) + rest * np.eye(here.sum())
            solved = np.linalg.solve(v, np.column_stack([x[here], y[here]]))
            total += np.linalg.slogdet(v)[1]
            xx, xy = xx + x[here].T @ solved[:, :9], xy + x[here].T @ solved[:, 9]
            quadratic += y[here] @ solved[:, 9]
        beta = np.linalg.solve(xx, xy)
        return total + np.linalg.slogdet(xx)[1] + quadratic - xy @ beta, beta, np.linalg.inv(xx)

    best = minimize(lambda logs: criterion(logs)[0], np.log([0.005, 0.002, 0.15]), method="Nelder-Mead", tol=1e-9)
    _, beta, covariance = criterion(best.x)
    assert found.estimate.estimate == pytest.approx(beta[8], rel=1e-5)  # where two optimizers of one likelihood meet
    assert found.estimate.std_error >= np.sqrt(covariance[8, 8]) * (1 - 1e-5)  # Kenward and Roger only add
    assert found.estimate.method == "mixed model (nested), REML, Kenward-Roger"


@pytest.mark.parametrize("method", ["gee", "glmm"])
def test_models_of_shares_are_those_of_people_one_by_one(copenhagen, method):
    protocol, design, drawn, _, touching = copenhagen
    outcome = protocol.outcomes[0].model_copy(update={"leave_out_if_window_crosses_start": False})
    asked = asking(protocol, secondary=(Method(method=method),))
    asked = asked.model_copy(update={"outcomes": (outcome, *protocol.outcomes[1:])})
    rng = np.random.default_rng(5)
    people = rng.integers(10, 25, (7, 8))
    events = rng.binomial(people, 0.3 + rng.normal(0, 0.06, (7, 1))).astype(float)
    panel = Panel(units=design.units.ids, periods=MONTHS[1:9], numerator=events, denominator=people.astype(float))
    found = line(beside(asked, design, drawn, {"early_support": panel}, neighbours=touching), method)
    assert found.reason is None
    starts = {wave.id: str(wave.start) for wave in protocol.waves}
    rows = [
        (float(k < events[i, j]), unit, month, int(f"{month}-01" >= starts[label]))
        for i, (unit, label) in enumerate(zip(design.units.ids, drawn.labels, strict=True))
        for j, month in enumerate(panel.periods)
        for k in range(people[i, j])
    ]
    y, clusters, periods, on = (list(column) for column in zip(*rows, strict=True))
    given = {"clusters": clusters, "periods": periods, "exposure": on}
    if method == "gee":
        one = gee_wedge(y, unit="share", family="binomial", link="identity", **given).effect()
    else:
        one = stepped_wedge_counts(y, family="binomial", **given).effect(as_ratio=True)
    assert found.estimate.estimate == pytest.approx(one.estimate, rel=1e-5)  # two sums of one likelihood or equation
    assert found.estimate.std_error == pytest.approx(one.std_error, rel=1e-4)
    assert found.estimate.unit == one.unit


def test_small_sample_correction_no_is_the_normal(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    plain = asking(protocol, secondary=(Method(method="stepped_wedge_model", small_sample_correction=False),))
    one = line(beside(plain, design, drawn, panels, neighbours=touching), "stepped_wedge_model").estimate
    assert np.isnan(one.df)
    assert "REML, normal" in one.method


def test_the_spillover_check_is_that_of_brute_force_over_the_orders(copenhagen):
    """Conditional on the focal units, by permutations and dictionaries; exposure by the calendar."""
    protocol, design, drawn, panels, touching = copenhagen
    panel = panels["early_support"]
    found = beside(protocol, design, drawn, panels, neighbours=touching).spillover
    ids = design.units.ids
    near = {unit: {b if a == unit else a for a, b in found.pairs if unit in (a, b)} for unit in ids}
    waits_until = {"wave_1": 0, "wave_2": 1, "wave_3": 5}  # months of the question whose windows close before the start
    starts_at = {"wave_1": 0, "wave_2": 4, "wave_3": 8}

    def state(wave, month):
        return 1 if month >= starts_at[wave] else 0 if month < waits_until[wave] else -1

    own = dict(zip(ids, drawn.labels, strict=True))
    sizes = {unit.id: float(unit.facts["children_0_2_2011"]) for unit in design.units}
    orders = []
    for order in sorted(set(permutations(["wave_1"] * 3 + ["wave_2"] * 2 + ["wave_3"] * 2))):
        waves = dict(zip(ids, order, strict=True))
        means = [np.mean([sizes[u] for u in ids if waves[u] == wave]) for wave in starts_at]
        if max(means) - min(means) <= 914.4:
            orders.append(waves)
    assert len(orders) == 142

    def share(waves, unit, month):
        met = [other not in waves or state(waves[other], month) != 0 for other in near[unit]]
        return sum(met) / len(met)

    cells = [(u, m) for u in found.focal for m in range(8) if state(own[u], m) >= 0]
    y = {(u, m): panel.value[panel.units.index(u), m + 1] for u, m in cells}
    w = {(u, m): panel.denominator[panel.units.index(u), m + 1] for u, m in cells}
    residual = {}
    for u, m in cells:
        alike = [(v, n) for v, n in cells if n == m and state(own[v], m) == state(own[u], m)]
        residual[u, m] = y[u, m] - sum(w[c] * y[c] for c in alike) / sum(w[c] for c in alike)
    kept = [waves for waves in orders if all(waves[u] == own[u] for u in found.focal)]
    values = [sum(w[u, m] * residual[u, m] * share(waves, u, m) for u, m in cells) for waves in kept]
    mean, observed = np.mean(values), sum(w[u, m] * residual[u, m] * share(own, u, m) for u, m in cells)
    p = np.mean([abs(value - mean) >= abs(observed - mean) - 1e-9 for value in values])
    assert found.test.n_allocations == len(kept)
    assert found.test.p_value == pytest.approx(p, abs=1e-12)
    clean = [
        [np.mean([state(o[u], m) == 0 and share(o, u, m) == 0 for o in orders]) for m in range(8)] for u in ids
    ]  # fmt: skip
    assert found.exposed.probabilities[0] == pytest.approx(np.array(clean), abs=1e-12)


def test_without_a_map_the_spillover_check_says_so(copenhagen):
    protocol, design, drawn, panels, _ = copenhagen
    found = beside(protocol, design, drawn, panels)
    assert "neighbours" in line(found, "spillover_check").reason.message
    assert "naboer" in line(found, "spillover_check").reason.told("da")
    assert found.spillover is None


@pytest.mark.parametrize(
    "method", ["staggered_rollout", "event_study", "difference_in_means", "weighted_difference", "ancova", "gee_"]
)
def test_what_the_data_do_not_allow_is_listed_with_its_reason(copenhagen, method):
    protocol, design, drawn, panels, touching = copenhagen
    asked = Method(method="instrumental_variable" if method == "gee_" else method)
    found = beside(asking(protocol, secondary=(asked,)), design, drawn, panels, neighbours=touching)
    first = found.lines[0]
    assert first.estimate is None
    assert first.reason.code == "E_NOT_BUILT"
    assert asked.method in first.reason.message
    assert asked.method in first.reason.told("da")


def test_models_are_answered_with_and_without_interruptions(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    marks = np.zeros(panels["early_support"].numerator.shape, bool)
    marks[:, 7] = True
    given = panels["early_support"]
    stopped = Panel(
        units=given.units, periods=MONTHS, numerator=given.numerator, denominator=given.denominator, interrupted=marks
    )
    kept = line(beside(protocol, design, drawn, {"early_support": stopped}, neighbours=touching), "stepped_wedge_model")
    assert kept.sensitivity.exploratory
    out = asking(
        protocol, primary=protocol.analysis.primary.model_copy(update={"months_excluded_by": "interruptions"})
    )  # fmt: skip
    without = line(beside(out, design, drawn, {"early_support": stopped}, neighbours=touching), "stepped_wedge_model")
    assert kept.sensitivity.estimate == without.estimate.estimate != kept.estimate.estimate
    assert without.sensitivity.estimate == kept.estimate.estimate


def test_two_arms_are_answered_by_every_method_that_compares_two(houses):
    protocol, design, drawn, panels = houses
    asked = [Method(method=name) for name in ("difference_in_means", "weighted_difference", "ancova", "mixed_model")]
    protocol = asking(protocol, secondary=tuple(asked), model=None, check=Method(method="randomization_test"))
    found = beside(protocol, design, drawn, panels, rng=chance_of("0f" * 32))
    panel = panels["contact_in_pregnancy"]
    y = panel.numerator.sum(axis=1) / panel.denominator.sum(axis=1)
    means = difference_in_means(y, Drawn.of(design, drawn), compare=("first", "second"), unit="share")
    assert line(found, "difference_in_means").estimate.estimate == means.estimate
    assert line(found, "difference_in_means").estimate.std_error == means.std_error
    # by blocks of equal share everywhere, Lin's regression with nothing but blocks is the difference within them
    assert line(found, "ancova").estimate.estimate == pytest.approx(means.estimate, abs=1e-12)
    assert abs(line(found, "weighted_difference").estimate.estimate - means.estimate) < means.std_error
    assert line(found, "mixed_model").estimate.n_units == 48
    again = line(found, "randomization_test", "check").estimate
    assert again.estimate == pytest.approx(means.estimate, abs=1e-12)
    assert again.mc_error > 0


def test_a_covariate_no_list_holds_is_not_adjusted_for(houses):
    protocol, design, drawn, panels = houses
    found = line(beside(protocol, design, drawn, panels, rng=chance_of("0f" * 32)), "ancova", "model")
    assert found.estimate is None
    assert "same_share_in_the_year_before" in found.reason.message
    x = dict(zip(design.units.ids, np.random.default_rng(2).normal(size=48), strict=True))
    facts = {unit: {"same_share_in_the_year_before": str(value)} for unit, value in x.items()}
    given = beside(protocol, design, drawn, panels, facts=facts, rng=chance_of("0f" * 32))
    assert line(given, "ancova", "model").estimate.method.startswith("Lin")


def test_missing_outcomes_are_bounded_as_the_plan_says(houses):
    protocol, design, drawn, panels = houses
    panel = panels["contact_in_pregnancy"]
    silent = [k for k, label in enumerate(drawn.labels) if label == "first"][:3]
    top, bottom = panel.numerator.copy(), panel.denominator.copy()
    top[silent], bottom[silent] = np.nan, np.nan
    gaps = Panel(units=panel.units, periods=panel.periods, numerator=top, denominator=bottom)
    asked = asking(protocol, missing=Missing(method="lee_bounds", not_answering="report_and_bound"), model=None)
    found = beside(asked, design, drawn, {"contact_in_pregnancy": gaps}, rng=chance_of("0f" * 32))
    y, new = np.full(48, np.nan), np.array(drawn.labels) == "first"
    seen = [k for k in range(48) if k not in silent]
    y[seen] = top[seen].sum(axis=1) / bottom[seen].sum(axis=1)
    for name, by_hand in (
        ("lee_bounds", lee_bounds(y, new, unit="share")),
        ("worst_case_bounds", manski_bounds(y, new, unit="share", support=(0.0, 1.0))),
    ):
        one = line(found, name)
        assert one.bounds == by_hand
        assert (one.estimate.conf_low, one.estimate.conf_high) == (by_hand.conf_low, by_hand.conf_high)
    assert (found.attrition.n_treated, round(found.attrition.response_treated * 23)) == (23, 20)
    other = asking(protocol, missing=Missing(method="multiple_imputation"), model=None)
    refused = line(beside(other, design, drawn, panels, rng=chance_of("0f" * 32)), "multiple_imputation")
    assert refused.reason.code == "E_NOT_BUILT"


def test_a_rollout_without_gaps_is_answered_by_the_estimators_of_starts(houses):
    protocol, design, drawn, _ = houses
    quarters = ("2022q3", "2022q4", "2023q1", "2023q2", "2023q3", "2023q4")
    period = protocol.estimand.period.model_copy(update={"from_": protocol.waves[0].start.replace(month=7)})
    estimand = protocol.estimand.model_copy(update={"period": period})
    asked = asking(
        protocol.model_copy(update={"estimand": estimand}), model=None,
        secondary=(Method(method="staggered_rollout"), Method(method="event_study")),
    )  # fmt: skip
    panel = made_up(design.units.ids, quarters, seed=9)
    found = beside(asked, design, drawn, {"contact_in_pregnancy": panel}, rng=chance_of("0f" * 32))
    # one cohort against those who wait: the efficient estimator lies between level and change, and both are in reach
    assert line(found, "staggered_rollout").estimate.n_units == 48
    steps = [one for one in found.lines if one.method == "event_study"]
    assert [one.estimate.term.rpartition(" ")[2] for one in steps] == ["-1", "+0", "+1", "+2", "+3"][-len(steps) :]


def test_the_streams_do_not_depend_on_what_else_is_asked(houses):
    protocol, design, drawn, panels = houses
    check = Method(method="randomization_test")
    alone = asking(protocol, model=None, check=check, secondary=())
    one, two = (
        line(beside(alone, design, drawn, panels, rng=chance_of("0f" * 32)), "randomization_test", "check").estimate
        for _ in range(2)
    )
    assert one == two


def administrations(protocol):
    extra = [
        Outcome.model_validate(
            {
                "id": f"goal_{name}",
                "label": {"en": name, "da": name},
                "type": "share",
                "level": "child",
                "reported_by": "register_extract",
                "frequency": "month",
                "administration": name,
                "role": role,
            }
        )
        for name, role in (("buf", None), ("bif", None), ("kff", None), ("suf", "process"))
    ]
    told = asking(protocol, many_outcomes="one_family_per_administration_then_holm", secondary=())
    return told.model_copy(update={"outcomes": (protocol.outcomes[0], *extra)})


def test_one_line_per_administration_adjusted_and_a_silent_one_shown_as_missing(copenhagen):
    """S3.6."""
    protocol, design, drawn, panels, touching = copenhagen
    protocol = administrations(protocol)
    given = {"early_support": panels["early_support"]}
    given |= {f"goal_{name}": panels[other] for name, other in (("buf", "days_to_support"), ("bif", "early_support"))}
    found = beside(protocol, design, drawn, given, neighbours=touching)
    assert [one.administration for one in found.lines] == ["buf", "bif", "kff", "suf"]
    p = [one.estimate.p_value for one in found.lines[:2]]
    assert [one.p_adjusted for one in found.lines[:2]] == pytest.approx(adjusted(p), rel=1e-12)
    assert found.lines[2].reason.code == "E_NO_RECORDS"
    assert "process" in found.lines[3].reason.message


@settings(max_examples=10)  # each example waits for a library's garbage collection
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_one_outcome_each_is_holm(p):
    assert by_administration(p, [str(k) for k in range(len(p))]) == pytest.approx(adjusted(p).tolist())


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abc")), min_size=1, max_size=9))
def test_families_never_make_a_p_value_smaller_and_keep_the_order_within(pairs):
    p, families = [one for one, _ in pairs], [name for _, name in pairs]
    found = by_administration(p, families)
    assert all(value >= raw - 1e-15 for value, raw in zip(found, p, strict=True))
    assert all(0 <= value <= 1 for value in found)
    for name in set(families):
        own = sorted((raw, value) for raw, value, family in zip(p, found, families, strict=True) if family == name)
        assert [value for _, value in own] == sorted(value for _, value in own)


def test_mixed_families_hold_their_chance_of_a_false_finding():
    """Each of two families holds a true and a false hypothesis: a step down between families would let 7.4 in 100 in."""
    rng = np.random.default_rng(4)
    true = rng.uniform(size=(20_000, 2))
    wrong = 0
    for one, two in true.tolist():
        found = by_administration([0.0, one, 0.0, two], ["a", "a", "b", "b"])
        wrong += min(found[1], found[3]) <= 0.05
    assert wrong / len(true) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(true))


def test_left_out_cells_never_enter_a_model(copenhagen):
    protocol, design, drawn, panels, touching = copenhagen
    given = panels["early_support"]
    answer = registered(protocol, design, drawn, given)
    moved = given.numerator.copy()
    for row, column in np.argwhere(answer.states == LEFT_OUT):
        place = given.units.index(answer.panel.units[row]), given.periods.index(answer.panel.periods[column])
        moved[place] = given.denominator[place]
    other = Panel(units=given.units, periods=MONTHS, numerator=moved, denominator=given.denominator)
    one, two = (
        line(beside(protocol, design, drawn, {"early_support": each}, neighbours=touching), "stepped_wedge_model")
        for each in (given, other)
    )
    assert one.estimate.estimate == two.estimate.estimate
