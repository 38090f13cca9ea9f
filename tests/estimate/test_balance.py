"""Balance: the omnibus test against its definition and through every draw; constrained sets against a count by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trialkit.design import Tolerance, blocked_wedge, complete
from trialkit.errors import EstimateError
from trialkit.estimate.balance import balance, balance_test
from trialkit.estimate.constrained import balance_scores, constrained_set, dummies, sharing
from trialkit.units import Unit, Units

ARMS = ("new", "usual")
NAMES = [f"u{k}" for k in range(8)]
EIGHT = complete(NAMES, {"new": 4, "usual": 4})
BLOCKS = blocked_wedge(NAMES, ARMS, {"A": (2, 2), "B": (1, 3)}, blocks={u: "AB"[k > 3] for k, u in enumerate(NAMES)})
CLUSTERS = complete(
    Units.of(
        Unit(id=f"{c}{k}", cluster=c) for c, size in zip("abcdef", (1, 4, 2, 3, 2, 5), strict=True) for k in range(size)
    ),
    {"new": 3, "usual": 3},
    level="cluster",
)
LEFTOVER = complete(NAMES[:7], {"new": 1, "usual": 1})
DESIGNS = {"complete": EIGHT, "blocks": BLOCKS, "clusters": CLUSTERS, "leftover": LEFTOVER}


def covariates(n, seed, p=2):
    rng = np.random.default_rng(seed)
    return {f"x{k}": np.round(rng.normal(size=n), 2) for k in range(p)}


def all_rows(design):
    return np.concatenate([chunk.codes for chunk in design.enumerate()])


@pytest.mark.parametrize("name", DESIGNS)
def test_the_omnibus_test_through_the_design_is_the_share_of_draws_as_far_apart(name):
    """d2 of each draw by the array function, one at a time, against the test's one pass."""
    design = DESIGNS[name]
    item = design.item_of_unit
    x, rows = covariates(item.size, 5), all_rows(design)
    drawn = rows[7].astype(np.int64)
    found = balance_test(design, drawn, x, compare=ARMS)
    blocks = list(np.array([*"AAAABBBB"])[item]) if name == "blocks" else None
    clusters = item.astype(str) if name == "clusters" else None
    d2 = np.array([balance(x, row[item] == 0, blocks=blocks, clusters=clusters).d2 for row in rows])
    assert found.d2 == pytest.approx(d2[7])
    assert found.test is not None
    assert found.test.observed == pytest.approx(d2[7])
    assert found.test.p_value == pytest.approx(np.mean(d2 >= d2[7] * (1 - 1e-9)), abs=1e-12)
    assert found.test.estimate.n_allocations == len(rows)
    assert "allocations" in found.summary()
    assert len(found.to_frame()) == 2


def test_over_all_draws_the_omnibus_test_keeps_its_size_and_d2_has_its_mean():
    x, rows = covariates(8, 1), all_rows(BLOCKS)
    p, d2 = [], []
    for row in rows:
        found = balance_test(BLOCKS, row.astype(np.int64), x, compare=ARMS)
        p.append(found.test.p_value)
        d2.append(found.d2)
    for alpha in (0.05, 0.1, 0.3, 0.7):
        assert np.mean(np.array(p) <= alpha + 1e-12) <= alpha + 1e-12
    assert np.mean(d2) == pytest.approx(2)  # its expectation is its rank, exactly, over the design


def test_a_balance_rule_is_the_tests_own_reference():
    units = Units.of(Unit(id=name, x=(str(k * k % 11),)) for k, name in enumerate(NAMES))
    design = complete(
        units, {"new": 1, "usual": 1}, constraint=Tolerance(covariates=("x",), tolerances=("2",), max_attempts=99)
    )
    x = {"x": np.array([k * k % 11 for k in range(8)], float)}
    rows = all_rows(design)
    far = max(rows.tolist(), key=lambda row: balance(x, np.array(row) == 0).d2)
    found = balance_test(design, np.array(far), x, compare=ARMS)
    assert found.test.p_value < found.p_value  # the most unbalanced that the rule allows is common without the rule
    assert found.test.estimate.n_allocations == len(rows) < 70


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 9), st.integers(-9, 9))
def test_units_of_measurement_and_mixing_covariates_do_not_move_d2(seed, scale, shift):
    x = covariates(12, seed)
    z = np.random.default_rng(seed).permutation(12) < 5
    blocks = list("AAAABBBBCCCC")
    one = balance(x, z, blocks=blocks)
    moved = {"a": x["x0"] * scale + shift, "b": x["x1"] + x["x0"]}
    assert balance(moved, z, blocks=blocks).d2 == pytest.approx(one.d2, rel=1e-6)
    twice = balance(x | {"again": x["x0"] * 2}, z, blocks=blocks)
    assert (twice.d2, twice.df) == (pytest.approx(one.d2, rel=1e-6), one.df)
    other = balance(x, ~z, blocks=blocks)
    assert other.d2 == pytest.approx(one.d2, rel=1e-9)
    assert [row.z for row in other.rows] == pytest.approx([-row.z for row in one.rows])


def test_a_covariate_that_does_not_vary_is_shown_and_not_counted():
    x = covariates(8, 3) | {"same": np.ones(8)}
    found = balance(x, np.arange(8) < 4)
    assert found.df == 2
    assert found.rows[2].p_value == 1.0
    assert np.isnan(found.rows[2].std_difference)


def test_an_empty_block_changes_nothing():
    x, z = covariates(8, 4), np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)
    blocks = list("AAAABBBB")
    more = {name: np.append(values, [9.0, 8.0]) for name, values in x.items()}
    one, other = balance(x, z, blocks=blocks), balance(more, np.append(z, [True, True]), blocks=[*blocks, "C", "C"])
    assert other.d2 == pytest.approx(one.d2)
    assert [row.difference for row in other.rows] == pytest.approx([row.difference for row in one.rows])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: balance({}, np.ones(3, bool)),
        lambda: balance({"x": [1.0, 2.0]}, np.array([True, False, True])),
        lambda: balance({"x": [1.0, np.nan]}, np.array([True, False])),
        lambda: balance({"x": [1.0, 2.0]}, np.array([True, True])),
        lambda: balance({"x": [1.0, 2.0]}, np.array([1, 0])),
        lambda: balance({"x": [1.0, 2.0, 3.0]}, np.array([True, False, False]), clusters=list("aab")),
        lambda: balance_test(EIGHT, np.repeat([0, 1], 4), {}, compare=ARMS),
        lambda: constrained_set(EIGHT, np.ones((8, 1)), new="new"),
        lambda: constrained_set(EIGHT, np.arange(8.0)[:, None], new="other"),
        lambda: constrained_set(EIGHT, np.arange(8.0)[:, None], new="new", most=10),
        lambda: balance_scores(np.ones((1, 3), bool), np.arange(4.0)[:, None]),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(EstimateError):
        wrong()


@settings(max_examples=25)
@example(243613, "l2", 0.02)  # a perfect balance: its score is rounding, and its mirror image's is other rounding
@given(st.integers(0, 10**6), st.sampled_from(["l2", "l1"]), st.floats(0.02, 1))
def test_the_kept_set_is_every_draw_up_to_the_cutoff_and_whole_mirror_pairs(seed, metric, share):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 6, size=(8, 2)).astype(float) + np.arange(8)[:, None] * 0.5
    found = constrained_set(EIGHT, x, new="new", share=share, metric=metric)
    standard = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    by_hand = {}
    for new in combinations(range(8), 4):
        s = standard[list(new)].sum(axis=0)
        by_hand[new] = float((s**2).sum() if metric == "l2" else np.abs(s).sum())
    wanted = sorted(by_hand.values())[max(round(70 * share), 1) - 1]
    kept = {new for new, score in by_hand.items() if score <= wanted + 1e-9 * max(by_hand.values())}
    assert {tuple(np.flatnonzero(row == 0).tolist()) for row in found.accepted} == kept
    assert found.sharing.probabilities == pytest.approx(np.full((8, 2), 0.5))
    together = sum(np.array([[(i in new) == (j in new) for j in range(8)] for i in range(8)]) for new in kept) / len(
        kept
    )
    assert found.sharing.together == pytest.approx(together, abs=1e-12)
    never = [(NAMES[i], NAMES[j]) for i, j in combinations(range(8), 2) if together[i, j] == 0]
    assert list(found.sharing.never) == never
    assert bool(never) == any("never" in text for text in found.sharing.warnings())


def test_pairs_that_can_never_or_must_always_go_together_are_warned_of():
    """Two very large units cannot share an arm; the two smallest must, with a rule that leaves one way to balance."""
    x = np.array([100.0, 99.0, 10, 11.3, 12.1, 13.7, 14.2, 15.9])[:, None]
    found = constrained_set(EIGHT, x, new="new", share=0.1)
    assert ("u0", "u1") in found.sharing.never
    tight = constrained_set(EIGHT, x, new="new", share=0.01)
    assert tight.sharing.always
    english, danish = tight.sharing.warnings(), tight.sharing.warnings("da")
    assert any("never share" in text for text in english)
    assert any("altid i samme gruppe" in text for text in danish)


def test_a_designs_own_rule_and_its_chances():
    units = Units.of(
        Unit(id=name, x=(str(value),)) for name, value in zip(NAMES, (100, 99, 10, 11, 12, 13, 14, 15), strict=True)
    )
    rule = Tolerance(covariates=("x",), tolerances=("10",), max_attempts=1000)
    found = sharing(complete(units, {"new": 4, "usual": 4}, constraint=rule))
    rows = all_rows(complete(units, {"new": 4, "usual": 4}, constraint=rule))
    same = np.array([[(rows[:, i] == rows[:, j]).mean() for j in range(8)] for i in range(8)])
    assert found.together == pytest.approx(same)
    assert ("u0", "u1") in found.never
    assert found.exact
    assert sharing(EIGHT).never == sharing(EIGHT).warnings() == ()
    assert sharing(EIGHT).together[0, 1] == pytest.approx(3 / 7)


def test_sampled_sets_say_that_they_are():
    x = np.arange(8.0)[:, None] ** 2
    found = constrained_set(EIGHT, x, new="new", most=1, draws=2000, rng=np.random.default_rng(1))
    exact = constrained_set(EIGHT, x, new="new")
    assert not found.exact
    assert found.sharing.mc_error > 0
    assert found.mean == pytest.approx(exact.mean, rel=0.2)
    if found.sharing.never:
        assert "not in all" in found.sharing.warnings()[0]


def test_dummies_leave_out_the_first_level():
    assert dummies(["b", "a", "c", "a"]).tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]
    assert dummies(["a", "a"]).shape == (2, 0)
