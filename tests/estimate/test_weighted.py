"""Horvitz and Thompson's and Hajek's means: unbiased and conservative over every allocation of small designs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import Tolerance, blocked, blocked_wedge, complete, matched
from trialkit.design.base import Design
from trialkit.errors import DesignError, EstimateError
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.weighted import hajek, horvitz_thompson
from trialkit.units import Unit, Units

ARMS = ("new", "usual")
TWO = {"new": 1, "usual": 1}
IDS = [f"u{k}" for k in range(8)]
X = ("3", "1", "4", "1", "5", "9", "2", "6")

DESIGNS: dict[str, Design] = {
    "complete": complete(IDS, {"new": 3, "usual": 5}),
    "three arms": complete(IDS, {"new": 2, "usual": 3, "other": 3}),
    "blocks of other shares": blocked_wedge(
        IDS, ARMS, {"a": (2, 2), "b": (3, 1)}, blocks={unit: "ab"[k > 3] for k, unit in enumerate(IDS)}
    ),
    "coins": blocked(IDS[:6], {"new": 2, "usual": 3}, blocks={unit: unit for unit in IDS[:6]}),
    "pairs": matched(IDS, TWO, blocks={unit: "abcd"[k // 2] for k, unit in enumerate(IDS)}),
    "clusters": complete(
        IDS, {"new": 2, "usual": 2}, level="cluster", clusters=dict(zip(IDS, "abbbccdd", strict=True))
    ),
    "constrained": complete(
        Units.of(Unit(id=unit, x=(x,)) for unit, x in zip(IDS, X, strict=True)),
        TWO,
        constraint=Tolerance(covariates=("x",), tolerances=("1.5",), max_attempts=1000),
    ),
    "leftover": complete(IDS[:7], TWO),
}


def everything(design: Design, new: np.ndarray, usual: np.ndarray, estimator=horvitz_thompson, **options):
    """Estimate and squared error under each allocation, and the allocations' shares."""
    found, weights = [], []
    for chunk in design.enumerate():
        for codes in chunk.codes:
            drawn = Drawn.of(design, np.asarray(codes, np.int64))
            outcome = np.where(drawn.codes[design.item_of_unit] == design.label_names.index("new"), new, usual)
            one = estimator(outcome, drawn, compare=ARMS, unit="1", **options)
            found.append((one.estimate, one.std_error**2))
            weights.append(chunk.weight)
    values, variances = np.array(found).T
    return values, variances, np.array(weights) / sum(weights)


def outcomes(design: Design, seed: int, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    usual = rng.normal(centre, 2, size=len(design.item_of_unit))
    return usual + rng.normal(1, 1, size=usual.size), usual


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("centre", [0.0, 5.0])
def test_horvitz_thompson_is_unbiased_and_its_variance_never_too_small_on_average(name, centre):
    design = DESIGNS[name]
    new, usual = outcomes(design, 1, centre)
    values, variances, share = everything(design, new, usual)
    effect = (new - usual).mean()
    assert share @ values == pytest.approx(effect, rel=1e-10)
    assert share @ variances >= share @ (values - effect) ** 2 * (1 - 1e-12)


def test_pairs_never_seen_together_must_be_bounded():
    """One treated of a block: estimatr leaves such pairs out of the variance, and it can then promise too little.

    Outcomes on both sides of 0, and no effect, show it, going through every allocation; bounding the pairs keeps the promise.
    """
    design = blocked_wedge(
        IDS, ARMS, {"a": (1, 3), "b": (1, 3)}, blocks={unit: "ab"[k > 3] for k, unit in enumerate(IDS)}
    )
    outcome = np.array([9.0, -3, -3, -3, -3, 9, -3, -3])
    values, bounded, share = everything(design, outcome, outcome)
    _, left_out, _ = everything(design, outcome, outcome, never_together="leave_out")
    truth = share @ values**2
    assert share @ values == pytest.approx(0, abs=1e-12)
    assert share @ left_out < truth
    assert share @ bounded >= truth


def test_a_constant_effect_gives_the_design_s_own_variance():
    """If the effect found is everybody's, nothing is hidden: the variance is that over all allocations."""
    design = DESIGNS["blocks of other shares"]
    _, usual = outcomes(design, 2)
    codes = np.asarray(next(iter(design.enumerate())).codes[7], np.int64)
    drawn = Drawn.of(design, codes)
    z = codes == 0
    found = horvitz_thompson(usual + 2.5 * z, drawn, compare=ARMS, unit="1", effects="constant")
    completed = usual + (2.5 - found.estimate) * z  # without the effect found
    values, _, share = everything(design, completed + found.estimate, completed)
    assert found.std_error**2 == pytest.approx(share @ (values - found.estimate) ** 2, rel=1e-9)


def test_equal_chances_give_the_difference_in_means():
    design = DESIGNS["complete"]
    y = np.random.default_rng(3).normal(size=8)
    drawn = Drawn.of(design, ["new"] * 3 + ["usual"] * 5)
    plain = difference_in_means(y, drawn, compare=ARMS, unit="1")
    for estimator in (horvitz_thompson, hajek):
        found = estimator(y, drawn, compare=ARMS, unit="1")
        assert (found.estimate, found.df) == pytest.approx((plain.estimate, plain.df), rel=1e-12)
    assert found.std_error == pytest.approx(plain.std_error, rel=1e-12)
    assert (found.conf_low, found.p_value) == pytest.approx((plain.conf_low, plain.p_value), rel=1e-10)
    assert np.isnan(hajek(y, drawn, compare=ARMS, unit="1", df="normal").df)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 1000), st.floats(-100, 100), st.sampled_from([-2.0, 0.5, 3.0]))
def test_adding_a_constant_leaves_hajek_where_it_is(name, seed, shift, scale):
    design = DESIGNS[name]
    rng = np.random.default_rng(seed)
    codes = np.asarray(design.sample(50, rng), np.int64)
    here = [row for row in codes if {0, 1} <= set(row.tolist())]
    drawn = Drawn.of(design, here[0])
    y = rng.normal(size=len(design.item_of_unit))
    one, two = (hajek(values, drawn, compare=ARMS, unit="1") for values in (y, scale * y + shift))
    assert two.estimate == pytest.approx(scale * one.estimate, abs=1e-9)
    assert two.std_error == pytest.approx(abs(scale) * one.std_error, abs=1e-9)


def test_hajek_moves_less_than_horvitz_thompson_when_arm_sizes_are_left_to_chance():
    design = DESIGNS["coins"]
    new, usual = outcomes(design, 4, centre=20.0)
    spread = {}
    for estimator in (horvitz_thompson, hajek):
        values = []
        for codes in design.sample(200, np.random.default_rng(5)):
            if 0 < (codes == 0).sum() < 6:
                outcome = np.where(codes == 0, new, usual)
                drawn = Drawn.of(design, np.asarray(codes, np.int64))
                values.append(estimator(outcome, drawn, compare=ARMS, unit="1").estimate)
        spread[estimator.__name__] = np.std(values)
    assert spread["hajek"] < spread["horvitz_thompson"] / 3


def test_fixed_units_are_neither_weighed_nor_counted():
    units = Units.of([Unit(id=unit, fixed="new" if unit == "u0" else None) for unit in IDS])
    design = complete(units, TWO)
    y = np.array([1000.0, 1, 2, 3, 4, 5, 6, 7])
    drawn = Drawn.of(design, design.sample(1, np.random.default_rng(1))[0].astype(np.int64))
    found = horvitz_thompson(y, drawn, compare=ARMS, unit="1")
    assert found.n_units == 7
    assert abs(found.estimate) < 20
    assert 1 <= found.df <= 6
    assert np.isnan(found.smallest_p)


def test_what_the_design_cannot_show_is_refused():
    never = blocked_wedge(IDS, ARMS, {"a": (2, 2), "b": (0, 4)}, blocks={u: "ab"[k > 3] for k, u in enumerate(IDS)})
    drawn = Drawn.of(never, ["new"] * 2 + ["usual"] * 6)
    with pytest.raises(DesignError, match="u4"):
        horvitz_thompson(np.arange(8.0), drawn, compare=ARMS, unit="1")
    three = Drawn.of(DESIGNS["three arms"], ["new"] * 2 + ["usual"] * 3 + ["other"] * 3)
    with pytest.raises(EstimateError, match="constant effect"):
        horvitz_thompson(np.arange(8.0), three, compare=ARMS, unit="1", effects="constant")
    coins = Drawn.of(DESIGNS["coins"], ["new"] * 6)
    with pytest.raises(EstimateError, match="Nobody"):
        hajek(np.arange(6.0), coins, compare=ARMS, unit="1")
    with pytest.raises(EstimateError, match="no design") as refusal:
        horvitz_thompson(np.arange(6.0), ["new"] * 6, compare=ARMS, unit="1")  # type: ignore[arg-type]
    assert refusal.value.code == "E_NOT_DRAWN"
