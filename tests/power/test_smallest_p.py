"""The smallest p of every design the project's arithmetic lists, and the law behind it."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import Tolerance, blocked, blocked_wedge, complete, lottery, matched, rollout, stepped_wedge
from trialkit.errors import DesignError
from trialkit.power.possible import possible
from trialkit.power.smallest import View, smallest_p
from trialkit.units import Unit, Units

# Counted beforehand with another program, from public documents only; the column `design` says in words what is built.
ROWS = list(csv.DictReader((Path(__file__).parent / "design_arithmetic.csv").read_text(encoding="utf-8").splitlines()))


def names(n):
    return [f"u{k:03d}" for k in range(n)]


def waves(*places):
    return {f"wave_{k}": places for k, places in enumerate(places, start=1)}


def built(words, n):
    """The design that the row's words describe."""
    units, blocks = names(n), {name: f"{k // 2}" for k, name in enumerate(names(n))}
    groups = {name: "3" if k < 37 else "4" for k, name in enumerate(units)}
    halves = {name: "north" if k < n // 2 else "south" for k, name in enumerate(units)}
    return {
        "two waves 3/3": lambda: stepped_wedge(units, waves(3, 3)),
        "three waves 2/2/2": lambda: stepped_wedge(units, waves(2, 2, 2)),
        "one at a time": lambda: stepped_wedge(units, waves(*[1] * n)),
        "two waves 3/4": lambda: stepped_wedge(units, waves(3, 4)),
        "three waves 3/2/2": lambda: stepped_wedge(units, waves(3, 2, 2)),
        "three waves 2/3/2": lambda: stepped_wedge(units, waves(2, 3, 2)),
        "two waves 4/4": lambda: stepped_wedge(units, waves(4, 4)),
        "three waves 3/3/2": lambda: stepped_wedge(units, waves(3, 3, 2)),
        "matched pairs": lambda: matched(units, {"now": 1, "later": 1}, blocks=blocks),
        "two rounds 12/9 (had it been a lottery)": lambda: stepped_wedge(units, waves(12, 9)),
        "4/4 unstratified": lambda: complete(units, {"now": 1, "later": 1}),
        "2+2 within each of two districts": lambda: blocked(units, {"now": 1, "later": 1}, blocks=halves),
        "individual lottery 20/20": lambda: lottery(units, 20),
        "5/6": lambda: stepped_wedge(units, waves(5, 6)),
        "18/19 and 5/6": lambda: blocked_wedge(units, ["a", "b"], {"3": [18, 19], "4": [5, 6]}, blocks=groups),
        "two waves 49/49": lambda: stepped_wedge(units, waves(49, 49)),
    }[words]()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['units']} units: {row['design']}")
def test_every_row_of_the_arithmetic(row):
    design = built(row["design"], int(row["units"]))
    view = View.ordered(len(design.label_names))
    count = design.count()
    found = smallest_p(design, view, count=count)
    assert count.accepted == count.total == int(row["allocations"])
    assert found.one_sided == pytest.approx(float(row["smallest_p_one_sided"]), rel=5e-6)  # printed with 6 digits
    assert found.two_sided == pytest.approx(float(row["smallest_p_two_sided"]), rel=5e-6)
    assert ("yes" if found.reaches(0.05) else "no") == row["can_reach_0.05_two_sided"]


def test_the_level_a_test_really_has_is_the_last_step_below_alpha():
    """35 allocations step by 1/35: at 0.05 only the single most extreme one rejects, so the level is 0.0286."""
    two_waves = stepped_wedge(names(7), waves(3, 4))
    found = smallest_p(two_waves, View.ordered(2), count=two_waves.count())
    assert found.level(0.05) == pytest.approx(1 / 35)
    assert found.level(0.06) == pytest.approx(2 / 35)
    assert found.level(0.02) == 0
    assert found.level(3 / 35) == pytest.approx(3 / 35)


def test_the_five_percent_itself_can_be_reached():
    """20 allocations: one-sided exactly 0.05, which is not above alpha."""
    design = stepped_wedge(names(6), waves(3, 3))
    found = smallest_p(design, View.ordered(2), count=design.count())
    assert found.reaches(0.05, sides=1)
    assert not found.reaches(0.05, sides=2)


def small_designs():
    """Designs of 3 to 6 items with everything that changes their arithmetic: leftovers, blocks, fixed items, arms."""
    weights = st.sampled_from([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1, "c": 1}])

    @st.composite
    def build(draw):
        units = names(draw(st.integers(4, 6)))
        kind = draw(st.sampled_from(["complete", "blocked", "stepped_wedge", "rollout", "lottery"]))
        fixed = {units[0]: "a"} if draw(st.booleans()) else None
        blocks = {name: "xy"[k % 2] for k, name in enumerate(units)}
        first = draw(st.integers(1, len(units) - 2))
        return {
            "complete": lambda: complete(units, draw(weights), fixed=fixed),
            "blocked": lambda: blocked(units, draw(weights), blocks=blocks, fixed=fixed),
            "stepped_wedge": lambda: stepped_wedge(units, {"a": first, "b": len(units) - first}, fixed=fixed),
            "rollout": lambda: rollout(units, {"a": first, "b": 1}),
            "lottery": lambda: lottery(units, first, tiers={name: 1 + k // 4 for k, name in enumerate(units)}),
        }[kind]()

    return build()


def exact_p(shares, statistic):
    """Two- and one-sided p of every allocation, as if each had been the one drawn."""
    size = np.abs(statistic - shares @ statistic)
    two = np.array([shares[size >= s - 1e-9].sum() for s in size])
    one = np.array([shares[statistic >= s - 1e-9].sum() for s in statistic])
    return two.min(), one.min()


@settings(max_examples=60, deadline=None)
@given(small_designs(), st.integers(0, 2**32 - 1))
def test_no_outcome_gives_less_and_some_outcome_gives_it(design, seed):
    """The exact test of the difference in means, every allocation in turn taken as the one drawn."""
    rng = np.random.default_rng(seed)
    view = View.comparing(design.label_names, *design.label_names[:2])
    listed = possible(design, total=design.count().total, rng=rng)
    free = list(design.free)
    parts = np.array([next(k for k, part in enumerate(design.parts) if item in part.items) for item in free])
    roles = np.array(view.roles)[listed.codes[:, free]]
    claim = smallest_p(design, view, count=design.count())
    least_two = least_one = 1.0
    outcomes = [rng.normal(size=len(free)) for _ in range(5)]
    outcomes += [np.where(row == 0, 1.0, np.where(row == 1, -1.0, 0.0)) + rng.normal(size=len(free)) * 1e-3
                 for row in np.unique(roles, axis=0)]  # fmt: skip
    for y in outcomes:
        statistic = difference(roles, parts, y)
        if np.isnan(statistic).any() or np.ptp(statistic) < 1e-12:
            return  # an arm stands empty, or nothing is drawn between the two arms
        two, one = exact_p(listed.shares, statistic)
        assert two >= claim.two_sided - 1e-9
        assert one >= claim.one_sided - 1e-9
        least_two, least_one = min(least_two, two), min(least_one, one)
    assert least_one == pytest.approx(claim.one_sided)
    assert least_two == pytest.approx(claim.two_sided)


def difference(roles, parts, y):
    """Blocked difference in means for every row of roles; nan where an arm of a block is empty in some allocation."""
    found = np.zeros(len(roles))
    for part in np.unique(parts):
        here = parts == part
        if (np.ptp(roles[:, here], axis=0) == 0).all():
            continue  # drawn in one way only
        one, other = (roles == 0) & here, (roles == 1) & here
        if (one.sum(axis=1) == 0).any() or (other.sum(axis=1) == 0).any():
            return np.full(len(roles), np.nan)
        found += here.sum() * (one @ y / one.sum(axis=1) - other @ y / other.sum(axis=1))
    return found


def constrained(places, sizes, tolerance):
    units = Units.of([Unit(id=f"u{k}", x=(str(size),)) for k, size in enumerate(sizes)])
    rule = Tolerance(covariates=("size",), tolerances=(str(tolerance),), max_attempts=1000)
    return stepped_wedge(units, waves(*places), constraint=rule)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=6, max_size=6), st.sampled_from([(3, 3), (2, 4), (2, 2, 2)]))
def test_with_a_constraint_n_is_what_it_accepts(sizes, places):
    design = constrained(places, sizes, 6)
    count = design.count()
    if count.accepted == 0:
        return
    listed = possible(design, total=count.total, rng=np.random.default_rng(0))
    found = smallest_p(design, View.ordered(len(places)), count=count, possible=listed)
    assert found.one_sided == pytest.approx(1 / count.accepted)
    assert found.two_sided == pytest.approx((2 if places == places[::-1] else 1) / count.accepted)
    estimated = smallest_p(design, View.ordered(len(places)), count=count)  # as where they are too many to list
    assert (estimated.one_sided, estimated.two_sided) == pytest.approx((found.one_sided, found.two_sided))


def test_an_estimated_number_of_allocations_carries_its_error_into_p():
    from trialkit.design.base import Count

    design = constrained((3, 3), range(6), 1)
    found = smallest_p(design, View.ordered(2), count=Count(total=20, accepted=10, mc_error=2.0))
    assert (found.one_sided, found.mc_error) == pytest.approx((0.1, 0.02))


def test_allocations_that_differ_only_in_a_third_arm_count_together():
    """4 units in four arms of one: 24 allocations, but 12 ways to fill the two arms compared, 2 of each."""
    design = complete(names(4), {"a": 1, "b": 1, "c": 1, "d": 1})
    found = smallest_p(design, View.comparing(design.label_names, "a", "b"), count=design.count())
    assert (found.one_sided, found.two_sided) == pytest.approx((2 / 24, 4 / 24))


def test_a_leftover_makes_the_least_likely_allocation_count():
    """4 units at 1:2: one against three (4 ways) with chance 2/3, two against two (6 ways) with chance 1/3."""
    design = complete(names(4), {"a": 1, "b": 2})
    found = smallest_p(design, View.comparing(design.label_names, "a", "b"), count=design.count())
    assert found.one_sided == pytest.approx(float(Fraction(1, 3) / 6))
    assert found.two_sided == pytest.approx(float(Fraction(1, 3) / 3))
    assert found.mirror == "none"


def test_waves_say_that_their_mirror_is_assumed():
    three = stepped_wedge(names(6), waves(2, 2, 2))
    two = stepped_wedge(names(6), waves(3, 3))
    assert smallest_p(three, View.ordered(3), count=three.count()).mirror == "assumed"
    assert smallest_p(two, View.ordered(2), count=two.count()).mirror == "exact"


def test_an_arm_the_design_does_not_have_is_refused_by_name():
    with pytest.raises(DesignError, match="no label 'c'") as error:
        View.comparing(("a", "b"), "a", "c")
    assert error.value.facts == {"label": "c", "labels": ["a", "b"]}
