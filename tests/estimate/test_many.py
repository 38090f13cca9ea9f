"""Many outcomes: laws of the adjusted p-values, and the step-down against a loop over every allocation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import blocked_wedge, complete
from trialkit.errors import EstimateError
from trialkit.estimate.many import adjusted, one_primary, westfall_young
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, Studentized

ARMS = ("new", "usual")
EIGHT = complete([f"u{k}" for k in range(8)], {"new": 4, "usual": 4})
UNEQUAL = complete([f"u{k}" for k in range(7)], {"new": 2, "usual": 5})
BLOCKS = blocked_wedge(
    [f"u{k}" for k in range(8)], ARMS, {"A": (2, 2), "B": (1, 3)}, blocks={f"u{k}": "AB"[k > 3] for k in range(8)}
)
SIDES = ("distance", "mirror", "greater", "less")

p_values = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan")), st.sampled_from([0.0, 0.01, 1.0])), max_size=9)


@settings(max_examples=40)
@given(p_values, st.sampled_from(["holm", "bh", "by", "bonferroni", "hochberg", "hommel"]))
def test_adjusting_never_lowers_keeps_the_order_and_leaves_gaps(p, method):
    found, given_ = adjusted(p, method), np.array(p)
    assert np.array_equal(np.isnan(found), np.isnan(given_))
    known = ~np.isnan(given_)
    assert (found[known] >= given_[known] - 1e-12).all()
    assert (found[known] <= 1).all()
    order = np.argsort(given_[known], kind="stable")
    assert (np.diff(found[known][order]) >= -1e-12).all()


@settings(max_examples=30)  # each collects the garbage of the whole process, in the library that adjusts
@given(p_values)
def test_holm_by_hand(p):
    known = sorted(value for value in p if not np.isnan(value))
    wanted, so_far = {}, 0.0
    for k, value in enumerate(known):
        so_far = max(so_far, min(1.0, (len(known) - k) * value))
        wanted[value] = so_far
    found = adjusted(p)
    for value, one in zip(p, found, strict=True):
        if not np.isnan(value):
            assert one == pytest.approx(wanted[value], abs=1e-12)


@given(p_values, st.randoms())
def test_the_order_of_the_outcomes_does_not_matter(p, random):
    places = list(range(len(p)))
    random.shuffle(places)
    one, other = adjusted(p, "by"), adjusted([p[k] for k in places], "by")
    assert one[places] == pytest.approx(other, nan_ok=True, abs=1e-12)


@pytest.mark.parametrize(("p", "method"), [([1.2], "holm"), ([-0.1], "bh"), ([0.1], "sidak"), ([[0.1]], "holm")])
def test_what_is_no_p_value_is_refused(p, method):
    with pytest.raises(EstimateError, match="0 to 1"):
        adjusted(p, method)


def drawn_at(design, place):
    rows = np.concatenate([chunk.codes for chunk in design.enumerate()])
    return rows[place % len(rows)].astype(np.int64)


def correlated(design, m, seed):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=len(design.items))
    return {f"y{k}": shared + rng.normal(size=shared.size) for k in range(m)}


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("design", [EIGHT, UNEQUAL, BLOCKS], ids=["equal", "unequal", "blocks"])
def test_one_outcome_alone_is_the_randomization_test(design, sides):
    (name, y), *_ = correlated(design, 1, 3).items()
    drawn = drawn_at(design, 11)
    statistic = DifferenceInMeans(outcome=y, compare=ARMS)
    alone = randomization_test(design, drawn, statistic, unit="1", sides=sides, interval=False)
    for compared in ("max_t", "min_p"):
        found = westfall_young(design, drawn, {name: statistic}, sides=sides, compared=compared)
        numbers = (found.p_raw[0], found.p_single_step[0], found.p_adjusted[0])
        assert numbers == pytest.approx([alone.p_value] * 3, abs=1e-12)
        assert found.smallest_p == pytest.approx(alone.estimate.smallest_p)
        assert found.n_allocations == alone.estimate.n_allocations


def by_hand(design, drawn, outcomes, sides):
    """Westfall and Young's definition, one allocation at a time."""
    rows = np.concatenate([chunk.codes for chunk in design.enumerate()])

    def t(y, codes):
        new, usual = y[codes == 0], y[codes == 1]
        return new.mean() - usual.mean()

    table = np.array([[t(y, row) for y in outcomes.values()] for row in rows])
    own = np.array([t(y, drawn) for y in outcomes.values()])
    mean = table.mean(axis=0) if sides == "distance" else 0.0
    far, mine = {
        "greater": (table, own), "less": (-table, -own)
    }.get(sides, (np.abs(table - mean), np.abs(own - mean)))  # fmt: skip
    order = sorted(range(len(own)), key=lambda k: -mine[k])
    found, so_far = np.zeros(len(own)), 0.0
    for rank, k in enumerate(order):
        so_far = max(so_far, float(np.mean(far[:, order[rank:]].max(axis=1) >= mine[k] - 1e-9)))
        found[k] = so_far
    return found


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 69), st.sampled_from(SIDES), st.integers(2, 4))
def test_step_down_is_its_definition(seed, place, sides, m):
    for design in (EIGHT, UNEQUAL):
        outcomes, drawn = correlated(design, m, seed), drawn_at(design, place)
        statistics = {
            name: DifferenceInMeans(outcome=np.round(y, 1), compare=ARMS, blocks=False) for name, y in outcomes.items()
        }
        found = westfall_young(design, drawn, statistics, sides=sides)
        rounded = {name: np.round(y, 1) for name, y in outcomes.items()}
        assert found.p_adjusted == pytest.approx(by_hand(design, drawn, rounded, sides), abs=1e-12)
        assert (found.p_raw <= found.p_adjusted + 1e-12).all()
        assert (found.p_adjusted <= found.p_single_step + 1e-12).all()


@pytest.mark.parametrize("compared", ["max_t", "min_p"])
def test_under_no_effect_hardly_any_draw_rejects_anything(compared):
    """Over all 70 draws the share in which anything is rejected at alpha is at most alpha: the promise itself."""
    outcomes = correlated(EIGHT, 3, 8)
    statistics = {name: Studentized(outcome=y, compare=ARMS) for name, y in outcomes.items()}
    least = np.array(
        [
            westfall_young(EIGHT, drawn_at(EIGHT, k), statistics, compared=compared).p_adjusted.min()
            for k in range(0, 70, 1)
        ]
    )
    for alpha in (2 / 70, 0.05, 0.1, 0.2, 0.5):
        assert (least <= alpha + 1e-12).mean() <= alpha + 1e-12
    assert (least <= 0.2).any()


def test_the_same_outcome_twice_is_paid_for_once():
    y = correlated(EIGHT, 1, 5)["y0"]
    one = Studentized(outcome=y, compare=ARMS)
    found = westfall_young(EIGHT, drawn_at(EIGHT, 4), {"a": one, "b": one, "c": one})
    assert found.p_adjusted == pytest.approx(found.p_raw, abs=1e-12)
    assert adjusted(found.p_raw)[0] == pytest.approx(min(1, 3 * found.p_raw[0]))


def test_drawn_allocations_count_the_one_drawn_and_say_their_error():
    design = complete([f"u{k:02d}" for k in range(24)], {"new": 12, "usual": 12})
    statistics = {name: Studentized(outcome=y, compare=ARMS) for name, y in correlated(design, 2, 1).items()}
    drawn = np.repeat([0, 1], 12)
    found = westfall_young(design, drawn, statistics, most=1000, draws=199, rng=np.random.default_rng(2))
    again = westfall_young(design, drawn, statistics, most=1000, draws=199, rng=np.random.default_rng(2))
    assert not found.exact
    assert found.p_adjusted == pytest.approx(again.p_adjusted, abs=0)
    assert (np.round(found.p_adjusted * 200, 9) % 1 == 0).all()
    assert (found.p_adjusted >= 1 / 200).all()
    assert (found.mc_error > 0).any()
    with pytest.raises(EstimateError) as refused:
        westfall_young(design, drawn, statistics, most=1000)
    assert refused.value.code == "E_TOO_MANY"


def test_nothing_to_test_is_refused():
    with pytest.raises(EstimateError, match="nothing to adjust"):
        westfall_young(EIGHT, drawn_at(EIGHT, 0), {})


def test_one_table_for_five_administrations():
    """The primary stands alone, the others are adjusted among themselves, and a missing one is shown and not counted."""
    outcomes = correlated(EIGHT, 4, 9)
    tests = [
        randomization_test(EIGHT, drawn_at(EIGHT, 0), Studentized(outcome=y, compare=ARMS), unit="share").estimate
        for y in outcomes.values()
    ]
    others = {"children": tests[1], "schools": None, "health": tests[2], "work": tests[3]}
    table = one_primary(tests[0], others)
    assert list(table["role"]) == ["primary", *["secondary"] * 4]
    assert list(table["term"][1:]) == list(others)
    assert table["p_adjusted"][0] == tests[0].p_value
    assert np.isnan(table["p_adjusted"][2])
    assert table["note"][2] == "not reported"
    wanted = adjusted([tests[1].p_value, tests[2].p_value, tests[3].p_value])
    assert list(table["p_adjusted"][[1, 3, 4]]) == pytest.approx(list(wanted))
    assert one_primary(tests[0], {}).shape[0] == 1
