"""Tables of halves give what every allocation's own curve gives, and a search finds what all breakpoints give."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.design import complete
from trialkit.estimate import inversion
from trialkit.estimate.curves import Curves, curve_crossings, line_crossings
from trialkit.estimate.drawn import Drawn, ReferenceSet
from trialkit.estimate.half_sums import HalfSums
from trialkit.estimate.judge import Judge, accepted, hodges_lehmann
from trialkit.estimate.null import CurvedNull
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.region import Region
from trialkit.estimate.statistics import DifferenceInMeans, RankSum, Studentized

SIDES = ("distance", "mirror", "doubled", "greater", "less")


def ids(n: int) -> list[str]:
    return [f"u{k:02d}" for k in range(n)]


def both(n: int, new: int, seed: int, kind=Studentized, *, ties: bool = False, fixed: bool = False):
    """The same statistic by tables of halves and by listing."""
    rng = np.random.default_rng(seed)
    design = complete(ids(n + fixed), {"new": new, "usual": n - new}, fixed={ids(n + 1)[-1]: "new"} if fixed else None)
    codes = np.append(rng.permutation(np.repeat([0, 1], [new, n - new])), np.zeros(int(fixed), np.int64))
    y = rng.normal(size=n + fixed)
    lot = Drawn.of(design, codes)
    bound = kind(outcome=np.round(y) if ties else y, compare=("new", "usual")).bind(lot)
    reference = ReferenceSet(drawn=lot)
    listed = Judge(bound=bound, reference=reference, null=CurvedNull.of(bound, reference))
    return Judge(bound=bound, reference=reference, null=HalfSums.of(bound)), listed


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(8, 4), (9, 4), (10, 3), (7, 5), (5, 2)]), st.booleans(), st.booleans(),
    st.sampled_from([Studentized, DifferenceInMeans]), st.floats(-3, 3),
)  # fmt: skip
def test_halves_count_what_listing_counts(seed, sizes, ties, fixed, kind, tau):
    halves, listed = both(*sizes, seed, kind, ties=ties, fixed=fixed)
    assert halves.null.n == listed.null.n
    for sides in SIDES:
        assert halves.p_value(tau, sides) == pytest.approx(listed.p_value(tau, sides), abs=1e-12), sides
    values, others = (np.sort(judge.listed()[0]) for judge in (halves, listed))
    assert values == pytest.approx(others, abs=1e-8)
    assert halves.mean() == pytest.approx(listed.mean(), abs=1e-10)


@settings(max_examples=12)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(8, 4), (9, 3), (10, 4)]), st.sampled_from(SIDES),
    st.sampled_from([0.1, 0.2, 0.5]),
)  # fmt: skip
def test_a_search_ends_where_all_breakpoints_end(seed, sizes, sides, alpha):
    halves, listed = both(*sizes, seed)
    point = hodges_lehmann(listed)
    assert hodges_lehmann(halves) == pytest.approx(point)
    one, two = (accepted(judge, sides, alpha, point) for judge in (halves, listed))
    assert (one.low, one.high) == pytest.approx((two.low, two.high), rel=1e-8, abs=1e-8)


def test_the_test_uses_halves_where_there_are_many_allocations():
    rng = np.random.default_rng(4)
    for new in (8, 6):
        design, y = complete(ids(16), {"new": new, "usual": 16 - new}), rng.normal(size=16)
        codes = rng.permutation(np.repeat([0, 1], [new, 16 - new]))
        found = randomization_test(design, codes, Studentized(outcome=y, compare=("new", "usual")), unit="1")
        assert isinstance(found.judge.null, HalfSums)
        assert found.estimate.smallest_p == pytest.approx((2 if new == 8 else 1) / found.estimate.n_allocations)
        shown = found.distribution()
        assert shown.shares.sum() == pytest.approx(1.0)
        assert float(shown.shares @ shown.values) == pytest.approx(found.mean, abs=0.02)
        low, high = found.estimate.conf_low, found.estimate.conf_high
        assert found.p_value_at(low + 1e-7) > 0.05 >= found.p_value_at(low - 1e-7)
        assert found.p_value_at(high - 1e-7) > 0.05 >= found.p_value_at(high + 1e-7)


def test_few_of_many_units_are_listed_because_their_halves_have_more_subsets():
    design, y = complete(ids(40), {"new": 3, "usual": 37}), np.random.default_rng(1).normal(size=40)
    found = randomization_test(
        design, ["new"] * 3 + ["usual"] * 37, DifferenceInMeans(outcome=y, compare=("new", "usual")), unit="1"
    )
    assert isinstance(found.judge.null, CurvedNull)
    assert found.estimate.n_allocations == 9880


def test_exactly_equal_arms_at_any_effect_by_listing_every_half():
    """Outside truth: itertools over all halves, the sum of the treated compared with the one drawn."""
    halves, _ = both(10, 5, 3)
    arms = halves.bound.arms
    for tau in (0.0, 0.6):
        y = arms.outcome - tau * arms.treated
        sums = np.array([y[list(chosen)].sum() for chosen in combinations(range(10), 5)])
        own = y[arms.drawn.codes == 0].sum()
        middle = y.sum() / 2
        expected = (abs(sums - middle) >= abs(own - middle) - 1e-9).mean()
        assert halves.p_value(tau, "mirror") == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_crossings_are_where_curves_meet(seed):
    rng = np.random.default_rng(seed)
    parabola = np.abs(rng.normal(size=(3, 6))) + np.array([[0.5], [-0.5], [0.5]])
    curves = Curves(level=rng.normal(size=6), slope=rng.uniform(-1, 1, size=6), variance=parabola)
    own = Curves(level=np.array([0.4]), slope=np.array([1.0]), variance=np.array([[0.7], [0.0], [0.0]]))
    for mirrored in (True, False):
        at = curve_crossings(curves, own, mirrored=mirrored)
        for row in at:
            gap = curves.at(row) - own.at(row)
            other = curves.at(row) + own.at(row)
            meets = np.minimum(abs(gap), abs(other)) if mirrored else abs(gap)
            assert np.nanmax(meets, initial=0.0) < 1e-6
    grid = np.linspace(-20, 20, 4001)
    for k in range(6):  # no crossing on a fine grid is missed
        sign = np.sign(abs(curves.take(np.array([k])).at(grid)) - abs(own.at(grid)))
        seen = np.flatnonzero(np.diff(sign))
        roots = curve_crossings(curves, own, mirrored=True)[:, k]
        for place in seen:
            assert np.nanmin(np.minimum(abs(roots - grid[place]), abs(roots - grid[place + 1]))) < 0.011
    lines = line_crossings(curves.lines(), own.lines(), mirrored=True)
    assert abs(curves.lines().at(lines[0]) - own.lines().at(lines[0])).max() < 1e-8
    assert abs(curves.lines().at(lines[1]) + own.lines().at(lines[1])).max() < 1e-8


def test_a_set_in_two_pieces_is_said_to_be():
    """A step function that dips below the threshold between two plateaus, and one that dips at a single effect."""
    steps = inversion.Steps(np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 5, 5, 5]), np.array([1.0, 5, 1, 5, 1]))
    assert steps.accepted(2.0) == ((0.0, 1.0), (2.0, 3.0))
    dip = inversion.Steps(np.array([0.0, 1.0, 2.0]), np.array([5.0, 1, 5]), np.array([1.0, 5, 5, 1]))
    assert dip.accepted(2.0) == ((0.0, 2.0),)
    point = inversion.Steps(np.array([0.0]), np.array([5.0]), np.array([1.0, 1.0]))
    assert point.accepted(2.0) == ((0.0, 0.0),)
    pieces = Region(pieces=((0.0, 1.0), (2.0, 3.0)), how="breakpoints")
    assert not pieces.connected
    whole = Region(pieces=((0.5, np.inf),), how="search")
    assert pieces.meet(whole).pieces == ((0.5, 1.0), (2.0, 3.0))
    assert pieces.meet(whole).how == "search"


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIDES), st.sampled_from([0.1, 0.4]))
def test_ranks_by_halving_end_where_all_their_effects_end(seed, sides, alpha):
    rng = np.random.default_rng(seed)
    design, y = complete(ids(8), {"new": 3, "usual": 5}), rng.normal(size=8)
    codes = rng.permutation([0] * 3 + [1] * 5)
    statistic = RankSum(outcome=y, compare=("new", "usual"))
    every = randomization_test(design, codes, statistic, unit="1", sides=sides, level=1 - alpha)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inversion, "MOST_VALUES", 0)
        halved = randomization_test(design, codes, statistic, unit="1", sides=sides, level=1 - alpha)
    assert halved.region.how == "search"
    assert (halved.region.low, halved.region.high) == (every.region.low, every.region.high)
