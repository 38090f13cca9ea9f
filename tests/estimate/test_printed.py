"""Which interval is read first, and that it holds the truth where the other does not."""

from __future__ import annotations

import numpy as np
import pytest

from trialkit.design import blocked_wedge, complete, matched
from trialkit.errors import EstimateError
from trialkit.estimate.adjusted import adjusted_difference
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.printed import average_effect
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import Studentized
from trialkit.units import Unit, Units

ARMS = ("new", "usual")


def ids(n: int) -> list[str]:
    return [f"u{k:02d}" for k in range(n)]


def shown(new: int, usual: int, y, **options):
    design = complete(ids(new + usual), {"new": new, "usual": usual})
    return average_effect(design, ["new"] * new + ["usual"] * usual, y, compare=ARMS, unit="days", **options)


@pytest.mark.parametrize(("new", "usual", "exact"), [(3, 4, True), (4, 9, True), (5, 5, False), (6, 5, False)])
def test_below_five_units_in_an_arm_the_exact_interval_comes_first(new, usual, exact):
    y = np.random.default_rng(1).normal(size=new + usual)
    found = shown(new, usual, y, level=0.9)
    codes = np.array([0] * new + [1] * usual)
    design = found.test.judge.reference.drawn.design
    ours = randomization_test(design, codes, Studentized(outcome=y, compare=ARMS), unit="days", level=0.9)
    theirs = difference_in_means(y, Drawn.of(design, codes), compare=ARMS, unit="days", level=0.9)
    first, other = (ours.estimate, theirs) if exact else (theirs, ours.estimate)
    assert (found.first.method, found.first.conf_low) == (first.method, first.conf_low)
    assert (found.estimates[1].method, found.estimates[1].p_value) == (other.method, other.p_value)
    assert ("exact interval comes first" in found.why) == exact
    assert list(found.to_frame().method) == [first.method, other.method]
    assert found.summary().count("\n") == 2


def test_a_yes_and_no_that_is_the_same_throughout_an_arm_shows_no_error():
    found = shown(6, 6, np.array([0.0] * 6 + [1, 0, 1, 1, 0, 1]))
    assert "do not vary" in found.why
    assert found.first is found.test.estimate


def test_up_to_twelve_clusters_the_lot_comes_first():
    for clusters, exact in ((12, True), (14, False)):
        units = Units.of(Unit(id=f"c{c:02d}-{k}", cluster=f"c{c:02d}") for c in range(clusters) for k in range(2))
        design = complete(units, {"new": 1, "usual": 1}, level="cluster")
        rng = np.random.default_rng(2)
        found = average_effect(design, design.sample(1, rng)[0], rng.normal(size=2 * clusters), compare=ARMS, unit="1")
        assert (found.first is found.test.estimate) == exact


def test_where_no_error_can_be_seen_the_exact_answer_stands_alone():
    quotas = {"a": (1, 3), "b": (2, 2)}
    design = blocked_wedge(ids(8), ARMS, quotas, blocks={name: "ab"[k > 3] for k, name in enumerate(ids(8))})
    codes = design.sample(1, np.random.default_rng(1))[0]
    found = average_effect(design, codes, np.arange(8.0), compare=ARMS, unit="1")
    assert len(found.estimates) == 1
    assert found.first.n_allocations == 24


def test_pairs_are_both_paired():
    design = matched(ids(12), {"new": 1, "usual": 1}, blocks={name: f"p{k // 2}" for k, name in enumerate(ids(12))})
    codes = design.sample(1, np.random.default_rng(1))[0]
    found = average_effect(design, codes, np.random.default_rng(2).normal(size=12), compare=ARMS, unit="1")
    assert all("pair" in one.method for one in found.estimates)
    assert found.estimates[0].estimate == pytest.approx(found.estimates[1].estimate)


@pytest.mark.parametrize("binary", [False, True])
def test_two_against_five_the_first_interval_holds_the_truth_over_all_draws(binary):
    """Without an effect, whichever of the 21 draws came; Welch's interval leaves 0 out more often than 1 in 20."""
    design, y = complete(ids(7), {"new": 2, "usual": 5}), np.array([0.0, 2, 2, 2, 9, 9, 10])
    if binary:
        y = (y > 2) * 1.0
    held = {True: 0, False: 0}
    for codes in next(iter(design.enumerate())).codes:
        found = average_effect(design, codes, y, compare=ARMS, unit="1")
        for one in found.estimates:
            held[one is found.first] += one.conf_low - 1e-7 <= 0 <= one.conf_high + 1e-7
    assert held[True] / 21 >= 0.95 > held[False] / 21


def test_small_arms_of_blocks_count_block_by_block_until_there_are_many():
    for blocks, exact in ((2, True), (20, False)):
        names = {f"u{k:03d}": f"b{k // 4:02d}" for k in range(4 * blocks)}
        design = blocked_wedge(list(names), ARMS, dict.fromkeys(names.values(), (2, 2)), blocks=names)
        rng = np.random.default_rng(4)
        found = average_effect(
            design, design.sample(1, rng)[0], rng.normal(size=len(names)), compare=ARMS, unit="1", draws=99, rng=rng
        )
        assert (found.first is found.test.estimate) == exact


def test_a_unit_that_its_own_regression_fits_is_refused_as_before():
    """Two new units with a slope of their own have no residual, whatever the degrees of freedom."""
    lot = Drawn.of(complete(ids(8), {"new": 2, "usual": 6}), ["new"] * 2 + ["usual"] * 6)
    y, x = np.random.default_rng(1).normal(size=(2, 8))
    with pytest.raises(EstimateError, match="fitted exactly"):
        adjusted_difference(y, lot, {"x": x}, compare=ARMS, unit="1")
