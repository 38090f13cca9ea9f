"""Closed-form power of a design that will be drawn: the variance averaged over what the lot could give."""

from __future__ import annotations

import numpy as np
import pytest

from trialkit import blocked, complete, rollout, stepped_wedge
from trialkit.errors import DesignError
from trialkit.power.closed_form import design_precision, effect_variance
from trialkit.power.components import Components
from trialkit.power.layout import Layout

TOWNS = ["a", "b", "c", "d", "e", "f"]
WEDGE = stepped_wedge(TOWNS, {"w1": 2, "w2": 2, "w3": 2})
STARTS = {"w1": 2, "w2": 3, "w3": 4}
PARTS = Components.shares(0.05, 0.8)


def seen(design, starts=STARTS, parts=PARTS, *, periods=4, sizes=20, seed=1, **more):
    return design_precision(
        design, starts, parts, periods=periods, sizes=sizes, rng=np.random.default_rng(seed), **more
    )  # fmt: skip


def test_with_equal_sizes_every_allocation_is_the_stepped_wedge():
    found = seen(WEDGE)
    assert found.std_error**2 == pytest.approx(float(effect_variance(Layout.stepped([2, 2, 2], sizes=20), PARTS)))
    assert found.df == 4
    assert found.n_allocations == 90
    assert found.mc_error == 0
    assert found.unseen == 0


@pytest.mark.parametrize("options", [{}, {"effect": "exposure"}, {"transition": 1}, {"around": (1, 2)}])
@pytest.mark.parametrize("by_cell", [False, True])
def test_with_unequal_sizes_it_is_the_mean_over_all_allocations(options, by_cell):
    """Every allocation written out as a layout of its own."""
    sizes = np.array([5, 8, 13, 21, 34, 55], float)
    cells = sizes[:, None] + np.arange(4) * by_cell
    every = []
    for chunk in WEDGE.enumerate():
        for codes in chunk.codes:
            starts = [STARTS[WEDGE.label_names[code]] for code in codes]
            layout = Layout.starting(starts, periods=4, sizes=cells)
            if "transition" in options:
                layout = layout.without_transition(options["transition"])
            if "around" in options:
                layout = layout.around(*options["around"])
            every.append(float(effect_variance(layout, PARTS, effect=options.get("effect", "immediate"))))
    found = seen(WEDGE, sizes=cells if by_cell else sizes, **options)
    assert len(set(np.round(every, 9))) > 10
    assert found.std_error**2 == pytest.approx(np.mean(every))


def test_it_is_the_designs_own_probability_that_weighs():
    """Five towns by weights 1 to 1: three begin now as often as two, each set of towns alike."""
    design = complete(TOWNS[:5], {"now": 1, "later": 1})
    sizes = np.array([5, 10, 20, 40, 80])
    every = []
    for chunk in design.enumerate():
        for codes in chunk.codes:
            starts = [2 if design.label_names[code] == "now" else None for code in codes]
            every.append((chunk.weight, float(effect_variance(Layout.starting(starts, periods=2, sizes=sizes), PARTS))))
    weights, variances = np.array(every).T
    found = seen(design, {"now": 2, "later": None}, periods=2, sizes=sizes)
    assert found.std_error**2 == pytest.approx(np.average(variances, weights=weights))


def test_strata_matter_where_sizes_follow_them():
    region = dict(zip(TOWNS, "eeewww", strict=True))
    parted = blocked(TOWNS, {"w1": 1, "w2": 1, "w3": 1}, blocks=region)
    sizes = [100, 100, 100, 5, 5, 5]
    assert seen(parted, sizes=sizes).std_error < seen(WEDGE, sizes=sizes).std_error


def test_those_who_wait_are_compared_with():
    design = rollout(TOWNS, {"w1": 2, "w2": 2})
    found = seen(design, {"w1": 2, "w2": 3, "waiting": None}, periods=3)
    layout = Layout.starting([2, 2, 3, 3, None, None], periods=3, sizes=20)
    assert found.std_error**2 == pytest.approx(float(effect_variance(layout, PARTS)))


def test_many_allocations_are_drawn_with_an_error():
    many = [f"t{k:02d}" for k in range(12)]
    design = stepped_wedge(many, {"w1": 4, "w2": 4, "w3": 4})
    found = seen(design, sizes=np.arange(5, 65, 5))
    other = seen(design, sizes=np.arange(5, 65, 5), seed=2)
    assert found.n_allocations == 4000
    assert 0 < found.mc_error < 0.01 * found.std_error
    assert found.std_error == pytest.approx(other.std_error, abs=5 * 2**0.5 * found.mc_error)


def test_an_allocation_that_tells_nothing_is_counted_and_left_out():
    """Four towns, two of which nobody is observed in: when the other two begin alike there is nothing to compare."""
    design = complete(TOWNS[:4], {"now": 1, "later": 1})
    found = seen(design, {"now": 1, "later": None}, Components(residual=1.0), periods=1, sizes=[5, 5, 0, 0])
    assert found.unseen == pytest.approx(1 / 3)
    assert found.std_error**2 == pytest.approx(2 / 5)
    assert found.df == 0
    with pytest.raises(DesignError, match="cannot be told apart"):
        seen(design, {"now": 1, "later": 1}, Components(residual=1.0), periods=1)


def test_a_label_without_a_start_and_a_start_without_a_label_are_refused():
    with pytest.raises(DesignError, match="w3") as error:
        seen(WEDGE, {"w1": 2, "w2": 3})
    assert error.value.facts == {"missing": ["w3"], "unknown": []}
    with pytest.raises(DesignError, match="w4"):
        seen(WEDGE, STARTS | {"w4": 5})
