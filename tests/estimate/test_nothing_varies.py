"""Outcomes that do not vary: no hang, no error made of rounding, no interval out of nothing."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from tests.estimate.lots import lot
from trialkit.design import blocked_wedge, complete
from trialkit.errors import EstimateError
from trialkit.estimate.bootstrap import wild_bootstrap
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.regression import least_squares
from trialkit.estimate.statistics import DifferenceInMeans, OlsAdjusted, RankSum, Studentized

ARMS = ("new", "usual")


def through_the_lot(new: int, usual: int, y, kind, **options):
    design = complete([f"u{k:02d}" for k in range(new + usual)], {"new": new, "usual": usual})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return randomization_test(
            design, ["new"] * new + ["usual"] * usual, kind(outcome=y, compare=ARMS, **options), unit="days"
        )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("kind", [Studentized, DifferenceInMeans, RankSum, OlsAdjusted])
@pytest.mark.parametrize("sizes", [(3, 9), (6, 6), (3, 4)])
def test_if_all_outcomes_are_the_same_any_effect_would_have_been_seen(sizes, kind, value):
    """Were the effect another than 0, the arms would differ by exactly it and by nothing else: one draw in them all."""
    n = sum(sizes)
    options = {"covariates": np.cos(np.arange(n))[:, None]} if kind is OlsAdjusted else {}
    found = through_the_lot(*sizes, np.full(n, value), kind, **options)
    assert found.p_value == 1.0
    assert (found.estimate.conf_low, found.estimate.conf_high) == pytest.approx((0.0, 0.0), abs=1e-9 * max(value, 1))
    assert found.p_value_at(1.0 + value) <= found.estimate.smallest_p  # below it where ranks tie


@pytest.mark.parametrize("kind", [Studentized, DifferenceInMeans])
def test_too_small_a_design_still_excludes_nothing(kind):
    found = through_the_lot(3, 3, np.zeros(6), kind)
    assert (found.estimate.conf_low, found.estimate.conf_high) == (-math.inf, math.inf)


@pytest.mark.parametrize("sizes", [(3, 4), (4, 3), (4, 4), (2, 10)])
def test_if_the_arms_are_the_outcome_the_effect_is_known(sizes):
    y = np.array([1.0] * sizes[0] + [0.0] * sizes[1])
    found = through_the_lot(*sizes, y, Studentized)
    assert found.p_value == pytest.approx(found.estimate.smallest_p)
    assert (found.estimate.conf_low, found.estimate.conf_high) == pytest.approx(
        (1.0, 1.0), abs=1e-5
    )  # a variance below 1e-14 of the squared outcomes is rounding: effects 1e-6 from it are not told apart
    assert found.p_value_at(1.0) == 1.0


@pytest.mark.parametrize("levels", [(0.1, 0.3), (0.7, 0.7), (1e9 / 3, 0.1)])
def test_a_perfect_fit_has_no_error_and_no_p_value(levels):
    """The mean of three times 0.1 is not 0.1 in floats, and an error of 1e-17 would reject anything."""
    y = np.repeat(levels, (3, 4))
    z, clusters = np.repeat([1.0, 0.0], (3, 4)), np.array(list("aabbccd"))
    found = [
        difference_in_means(y, lot(z > 0), compare=ARMS, unit="1"),
        difference_in_means(y, lot(z > 0), compare=ARMS, unit="1", weights=np.arange(1.0, 8)),
        least_squares(y, {"z": z}).estimate("z", unit="1"),
        least_squares(y, {"z": z}, errors="HC3").estimate("z", unit="1"),
        least_squares(y, {"z": z}, clusters=clusters).estimate("z", unit="1"),
    ]
    for one in found:
        assert one.std_error == 0
        assert math.isnan(one.p_value)
        assert (
            one.conf_low == one.conf_high == one.estimate == pytest.approx(levels[0] - levels[1], rel=1e-12, abs=1e-9)
        )
    with pytest.raises(EstimateError, match="leaves nothing unexplained"):
        wild_bootstrap(y, {"z": z}, "z", clusters=clusters, unit="1", draws=9, rng=np.random.default_rng(1))


def test_one_arm_that_does_not_vary_leaves_the_other_s_error():
    """By hand: four outcomes with variance 1/4 in the one, all 0 in the other; no warning on the way."""
    y, z = np.array([0.0, 0, 0, 0, 0, 0, 1]), np.repeat([1.0, 0.0], (3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = least_squares(y, {"z": z})
        found = difference_in_means(y, lot(z > 0), compare=ARMS, unit="1")
    assert fitted.estimate("z", unit="1").std_error == pytest.approx(0.25)
    assert found.std_error == pytest.approx(0.25)
    assert found.df == pytest.approx(3)


def test_effects_at_which_a_yes_and_no_tie_are_accepted_where_they_are_tested():
    """All that happened, happened to two of the new ones: p is above 5 percent at 0, 1/2 and 1 and nowhere between."""
    blocks = {f"u{k:02d}": "ab"[k > 5] for k in range(12)}
    design = blocked_wedge(list(blocks), ARMS, {"a": (2, 4), "b": (2, 4)}, blocks=blocks)
    y, z = np.isin(np.arange(12), (8, 9)) * 1.0, np.isin(np.arange(12), (4, 5, 8, 9))
    labels = np.where(z, *ARMS).tolist()
    found = randomization_test(design, labels, Studentized(outcome=y, compare=ARMS), unit="1")
    assert found.p_value == pytest.approx(15 / 225)
    assert found.region is not None
    assert [sum(piece) / 2 for piece in found.region.pieces] == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert not found.connected
    assert (found.estimate.conf_low, found.estimate.conf_high) == pytest.approx((0, 1))
    for tau in (-1.0, -1e-3, 0.2, 0.8, 1.001):
        assert found.p_value_at(tau) <= 0.05
