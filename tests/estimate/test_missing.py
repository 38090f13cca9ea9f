"""Missing outcomes: bounds against every way to fill the gaps, against copies of the data, and in made-up worlds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.errors import EstimateError
from trialkit.estimate.missing import attrition, imbens_manski, lee_bounds, manski_bounds, worst_case

whole = st.integers(-4, 4)


@st.composite
def reported(draw, values=whole, least=2):
    """Outcomes with gaps and ties, at least ``least`` reported in either arm."""
    arms = []
    for arm in (True, False):
        y = draw(st.lists(values, min_size=least, max_size=8))
        gaps = draw(st.integers(0, 5))
        arms += [(float(value), arm) for value in y] + [(np.nan, arm)] * gaps
    order = draw(st.permutations(arms))
    return np.array([y for y, _ in order]), np.array([z for _, z in order])


@given(reported())
def test_nobody_missing_means_no_doubt(data):
    y, z = data
    y = np.where(np.isnan(y), 1.0, y)
    for found in (lee_bounds(y, z, unit="1"), manski_bounds(y, z, unit="1")):
        assert (found.lower, found.upper) == pytest.approx((found.naive, found.naive), abs=1e-12)
        assert found.critical == pytest.approx(1.959963984540054, abs=1e-9)
        assert found.trimmed_arm == ""


@given(reported())
def test_fractional_trimming_is_whole_trimming_of_enough_copies(data):
    """With every unit copied n_a times the surplus is a whole number of outcomes, and copies change no share."""
    y, z = data
    found = lee_bounds(y, z, unit="1")
    copies = int(z.sum() * (~z).sum())
    many = lee_bounds(np.repeat(y, copies), np.repeat(z, copies), unit="1", trimming="floor")
    assert (found.lower, found.upper) == pytest.approx((many.lower, many.upper), abs=1e-9)
    assert found.trim_count * copies == pytest.approx(round(found.trim_count * copies), abs=1e-6)


@given(reported())
def test_whole_trimming_encloses_fractional(data):
    y, z = data
    few, exact, many = (lee_bounds(y, z, unit="1", trimming=how) for how in ("floor", "fractional", "ceiling"))
    assert many.lower - 1e-9 <= exact.lower <= few.lower + 1e-9 <= few.upper + 2e-9
    assert few.upper - 1e-9 <= exact.upper <= many.upper + 1e-9
    assert exact.lower <= exact.naive + 1e-9
    assert exact.naive <= exact.upper + 1e-9


@given(reported(), st.floats(0.1, 5), st.integers(-9, 9), st.sampled_from([lee_bounds, manski_bounds]))
def test_exchanging_arms_scaling_and_shifting(data, scale, shift, bounds):
    y, z = data
    found, other, moved = bounds(y, z, unit="1"), bounds(y, ~z, unit="1"), bounds(y * scale + shift, z, unit="1")
    assert (other.lower, other.upper) == pytest.approx((-found.upper, -found.lower), abs=1e-9)
    assert (other.se_lower, other.se_upper) == pytest.approx((found.se_upper, found.se_lower), nan_ok=True, abs=1e-9)
    assert (moved.lower, moved.upper) == pytest.approx((scale * found.lower, scale * found.upper), abs=1e-8)
    assert moved.se_lower == pytest.approx(scale * found.se_lower, abs=1e-8, nan_ok=True)


@settings(max_examples=30)
@given(reported(values=st.integers(0, 1)))
def test_manski_bounds_are_the_extremes_of_every_filling(data):
    y, z = data
    gaps = np.flatnonzero(np.isnan(y))[:9]
    keep = ~np.isnan(y)
    keep[gaps] = True
    y, z = y[keep], z[keep]
    gaps = np.flatnonzero(np.isnan(y))
    effects = []
    for filling in product((0.0, 1.0), repeat=gaps.size):
        full = y.copy()
        full[gaps] = filling
        effects.append(full[z].mean() - full[~z].mean())
    found = manski_bounds(y, z, unit="share", support=(0, 1))
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)), abs=1e-12)
    against, favouring = worst_case(y, z, support=(0, 1))
    assert against[z].mean() - against[~z].mean() == pytest.approx(min(effects), abs=1e-12)
    assert favouring[z].mean() - favouring[~z].mean() == pytest.approx(max(effects), abs=1e-12)


def world(rng, n=400):
    """Everybody's outcomes in either arm; the new way makes some report who would not, never the other way about."""
    always, new_only = rng.random(n) < 0.6, rng.random(n) < 0.3
    y0 = rng.normal(size=n) + always
    y1 = y0 + 1.0
    z = rng.permutation(n) < n // 2
    seen = always | (new_only & z)
    return np.where(seen, np.where(z, y1, y0), np.nan), z


def test_lee_bounds_hold_the_effect_and_their_errors_are_right():
    """Truth by simulation: the effect among always-reporters is 1; the spread of the bounds over 500 draws."""
    rng = np.random.default_rng(20)
    found = [lee_bounds(*world(rng), unit="1", trimming=how) for how in ("fractional",) for _ in range(500)]
    lower, upper = (np.array([getattr(one, name) for one in found]) for name in ("lower", "upper"))
    assert lower.mean() < 1 < upper.mean()
    assert np.mean([one.conf_low <= 1 <= one.conf_high for one in found]) >= 0.95
    for values, name in ((lower, "se_lower"), (upper, "se_upper")):
        claimed = np.mean([getattr(one, name) for one in found])
        assert claimed == pytest.approx(values.std(), rel=0.12)  # 500 draws know a spread to 3 percent


def test_the_interval_covers_an_effect_at_the_edge_as_often_as_it_says():
    """Imbens and Manski's promise where it is hardest: the truth is the lower bound itself."""
    rng = np.random.default_rng(4)
    for apart in (0.0, 0.5, 3.0):
        lower, upper = rng.normal(size=(2, 20_000))
        upper = np.maximum(upper + apart, lower)
        c = imbens_manski(0.0, apart, 1.0, 1.0).critical
        covered = (lower - c <= 0) & (upper + c >= 0)
        assert covered.mean() == pytest.approx(0.95, abs=0.012 if apart else 0.03)


def test_imbens_manski_between_one_and_two_sided():
    ends = [imbens_manski(0, apart, 1, 1).critical for apart in (0, 0.1, 1, 3, 50)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] == pytest.approx(1.959963984540054)
    assert ends[-1] == pytest.approx(1.6448536269514722)
    assert imbens_manski(0, 1, 0, 0)[1:] == (0, 1)
    assert imbens_manski(0, 1, float("nan"), 1)[1:] == (-np.inf, np.inf)
    assert imbens_manski(0, 1, 1, float("nan"))[1:] == (-np.inf, np.inf)


@pytest.mark.parametrize("wrong", [(1, 0, 1, 1, 0.95), (0, 1, -1, 1, 0.95), (0, 1, 1, 1, 1.0)])
def test_what_are_no_bounds_is_refused(wrong):
    with pytest.raises(EstimateError, match="not two bounds"):
        imbens_manski(*wrong[:4], level=wrong[4])


def test_what_cannot_be_bounded_is_refused():
    y, z = np.array([1.0, np.nan, 2.0, np.nan]), np.array([True, True, False, False])
    with pytest.raises(EstimateError, match="does not hold"):
        manski_bounds(y, z, unit="1", support=(0, 1))
    with pytest.raises(EstimateError, match="both arms"):
        attrition(y, np.ones(4, bool))
    with pytest.raises(EstimateError, match="both arms"):
        attrition(y, z.astype(int))
    silent = np.array([1.0, 2.0, np.nan, np.nan])
    with pytest.raises(EstimateError, match="nobody can be compared"):
        lee_bounds(silent, z, unit="1")
    nothing = np.full(4, np.nan)
    with pytest.raises(EstimateError, match="support"):
        manski_bounds(nothing, z, unit="1")
    assert manski_bounds(nothing, z, unit="share", support=(0, 1)).lower == -1
    found = manski_bounds(silent, z, unit="1", support=(0, 2))
    assert (found.lower, found.upper) == pytest.approx((-0.5, 1.5))
    assert np.isnan(found.naive)


def test_one_outcome_in_an_arm_has_bounds_and_no_error():
    y, z = np.array([1.0, 3.0, 2.0, np.nan]), np.array([True, True, False, False])
    found = lee_bounds(y, z, unit="days")
    assert (found.lower, found.upper) == pytest.approx((-1, 1))
    assert np.isnan(found.se_lower)
    assert (found.conf_low, found.conf_high) == (-np.inf, np.inf)
    assert "days" in found.summary()
    assert found.to_frame().loc[0, "response_control"] == 0.5
