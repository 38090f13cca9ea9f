"""Worlds do what their parameters say: means, correlations, effects, spillover, and the same numbers every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trialkit.errors import DesignError
from trialkit.estimate.within_months import Calendar
from trialkit.power.analytic import Correlation
from trialkit.power.counts import binomial
from trialkit.power.logit import Logit
from trialkit.power.scores import Scores
from trialkit.power.world import World, exposure

PERIODS = Calendar.between(date(2012, 1, 1), date(2012, 12, 31)).periods
STARTS = (date(2012, 2, 1), date(2012, 6, 1), None)


def a_world(**changes):
    """Three drawn units and a pilot between them: a - b - pilot - c, in bytes' order a, b, c, pilot."""
    told = {
        "units": ("a", "b", "c", "pilot"),
        "drawn": (0, 1, 2),
        "periods": PERIODS,
        "starts": STARTS,
        "since": (None, None, None, date(2011, 1, 1)),
        "people": np.full((4, 12), 80.0),
        "baseline": 0.05,
        "neighbours": (("a", "b"), ("b", "pilot"), ("c", "pilot")),
    }
    return World(**{**told, **changes})


IN_ORDER = np.array([[0, 1, 2]])  # a in the first wave, b in the second, c never


@settings(max_examples=25)
@given(
    mean=st.floats(0.01, 0.97),
    icc=st.floats(0.001, 0.4),
    cac=st.floats(0.0, 1.0),
)
def test_mean_icc_and_cac_hold_on_the_scale_of_shares(mean, icc, cac):
    # Outside truth: adaptive quadrature by scipy over the same density, not the grid the code uses.
    made = Logit.of((mean,), icc=icc, cac=cac)
    centre, spread = float(made.centre[0]), float(made.spread[0])

    def moment(k):
        return stats.norm.expect(lambda z: 1 / (1 + np.exp(-centre - spread * z)) ** k, lb=-9, ub=9, epsabs=1e-12)

    assert moment(1) == pytest.approx(mean, abs=1e-9)
    assert moment(2) - moment(1) ** 2 == pytest.approx(icc * mean * (1 - mean), rel=1e-6)
    assert 0 <= made.lasting <= 1


@pytest.mark.parametrize(("icc", "cac", "decay"), [(0.01, 0.8, False), (0.05, 0.5, False), (0.05, 0.9, True)])
def test_moments_of_many_draws_give_back_the_parameters(icc, cac, decay):
    world = a_world(icc=icc, cac=cac, decay=decay, trend=0.001)
    n = 40_000
    shares = world.shares(np.full((n, 3), 2), np.random.default_rng(7))[:, :3]  # nobody starts
    flat = shares.reshape(-1, 12)
    mean, variance = flat.mean(axis=0), flat.var(axis=0)
    # Standard error of a mean share: sqrt(ICC p (1-p) / 120,000) < 0.00012; five of them.
    assert mean == pytest.approx(0.05 + 0.001 * np.arange(12), abs=5 * np.sqrt(icc * 0.06 / len(flat)))
    # A variance's relative error is about sqrt((kurtosis - 1) / n) with kurtosis below 12: 0.01; five of them.
    assert variance / (mean * (1 - mean)) == pytest.approx(icc, rel=0.05)
    correlation = np.corrcoef(flat.T)
    expected = cac ** np.arange(12) if decay else np.r_[1.0, np.full(11, cac)]
    if decay:  # with fading, the share's correlation is CAC for neighbours, and nearly CAC^gap beyond
        assert correlation[0, 1] == pytest.approx(cac, abs=0.02)
        assert correlation[0] == pytest.approx(expected, abs=0.04)
    else:  # error of a correlation below 1 / sqrt(120,000) x 3 for long tails: 0.009; the trend moves it by 0.001
        assert correlation[0] == pytest.approx(expected, abs=0.02)


def test_counts_show_the_icc_of_two_children_of_one_unit_and_month():
    # Two children of a unit-month agree by the ICC: var(share seen) = p(1-p) [ICC + (1-ICC)/n], n fixed.
    n_children, icc, p = 80, 0.02, 0.05
    world = a_world(icc=icc, cac=0.8, random_people=False, baseline=p)
    made = world.outcomes(np.full((30_000, 3), 2), np.random.default_rng(11))
    seen = (made.numerator / made.denominator)[:, :3, 0]
    assert (made.denominator == n_children).all()
    within = (seen.var() / (p * (1 - p)) - 1 / n_children) / (1 - 1 / n_children)
    assert within == pytest.approx(icc, abs=0.0015)  # five errors: relative error of the variance 0.8%, of 0.0323


def test_births_are_poisson_around_a_twelfth_of_a_year():
    people = np.array([[872.0 / 12] * 12, [503.0 / 12] * 12, [1262.0 / 12] * 12, [1109.0 / 12] * 12])
    made = a_world(people=people).outcomes(np.full((4_000, 3), 2), np.random.default_rng(5)).denominator
    assert made.mean(axis=(0, 2)) == pytest.approx(people[:, 0], rel=0.004)
    assert made.var(axis=(0, 2)) == pytest.approx(people[:, 0], rel=0.05)
    assert (made == np.rint(made)).all()


def test_effect_and_ramp_add_up_to_what_was_planted():
    world = a_world(effect=0.03, ramp=2.0)
    added = world.added(IN_ORDER)[0]
    # Starts on a first and two months until full: a quarter, three quarters, then all of it.
    full = [0.0] + [0.0075, 0.0225] + [0.03] * 9
    assert added[0] == pytest.approx(full, abs=1e-12)
    assert added[1] == pytest.approx([0.0] * 5 + [0.0075, 0.0225] + [0.03] * 5, abs=1e-12)
    assert added[2] == pytest.approx(0.0, abs=0)
    assert added[3] == pytest.approx(0.03)  # the pilot, from before the first month
    # In counts, over many data sets: the mean share of treated cells is baseline + effect.
    made = a_world(effect=0.03, icc=0.01, cac=0.8).outcomes(
        np.repeat(IN_ORDER, 20_000, axis=0), np.random.default_rng(3)
    )
    share = made.numerator.sum(axis=0) / made.denominator.sum(axis=0)
    late = share[0, 6:].mean(), share[2, 6:].mean()
    assert late[0] - late[1] == pytest.approx(0.03, abs=0.001)


def test_spillover_reaches_those_without_it_by_their_neighbours_share():
    world = a_world(effect=0.03, spillover=0.2)
    added = world.added(IN_ORDER)[0]
    # Before June b waits; its neighbours are a (started in February) and the pilot (always).
    assert added[1, 0] == pytest.approx(0.2 * 0.03 * 0.5)
    assert added[1, 3] == pytest.approx(0.2 * 0.03 * 1.0)
    assert added[1, 7] == pytest.approx(0.03)  # nothing on top of its own
    assert added[2] == pytest.approx(0.2 * 0.03)  # c never starts and touches the pilot alone
    assert added[0, 0] == pytest.approx(0.0)  # a's only neighbour is b, who waits
    assert added.sum() == pytest.approx(world.effect * (11 + 7 + 12) + 0.006 * (0.5 + 4 * 1.0 + 12))


def test_a_start_in_the_middle_of_a_month_counts_the_days():
    found = exposure(("2012-05", "2012-06", "2012-07"), (date(2012, 6, 16), None))
    assert found.tolist() == [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]


def test_the_same_stream_gives_the_same_children_whatever_the_effect():
    codes = np.random.default_rng(0).permuted(np.repeat(IN_ORDER, 500, axis=0), axis=1)
    worlds = [a_world(icc=0.02, cac=0.8, effect=effect) for effect in (0.0, 0.03, 0.2)]
    none, some, much = (world.outcomes(codes, np.random.default_rng(9)) for world in worlds)
    assert (none.denominator == some.denominator).all()
    treated = worlds[1].added(codes) > 0
    assert (none.numerator == some.numerator)[~treated].all()
    assert (none.numerator <= some.numerator).all()
    assert (some.numerator <= much.numerator).all()
    assert (none.numerator < much.numerator)[treated].mean() > 0.9


def test_during_keeps_the_distribution_of_its_cells():
    world = a_world(trend=0.002, icc=0.02, cac=0.5, effect=0.05)
    part = world.during(PERIODS[4:8], only_drawn=True)
    assert part.units == ("a", "b", "c")
    assert part.levels == pytest.approx(world.levels[4:8])
    assert part.added(IN_ORDER) == pytest.approx(world.added(IN_ORDER)[:, :3, 4:8])
    spilling = replace(world, spillover=0.5).during(PERIODS[4:8], only_drawn=True)
    assert spilling.units == world.units  # neighbours that are not drawn still spill over
    assert spilling.added(IN_ORDER) == pytest.approx(replace(world, spillover=0.5).added(IN_ORDER)[:, :, 4:8])
    with pytest.raises(DesignError, match="run of periods"):
        world.during((PERIODS[1], PERIODS[3]))


def test_a_panel_of_a_world_says_that_it_is_synthetic():
    world = a_world()
    panel = world.panel(IN_ORDER[0], np.random.default_rng(1))
    assert panel.synthetic
    assert panel.units == world.units
    assert world.panel(IN_ORDER[0], np.random.default_rng(1), only_drawn=True).units == ("a", "b", "c")


@pytest.mark.parametrize(
    "changes",
    [{"baseline": 0.0}, {"trend": 0.2}, {"icc": 1.0}, {"cac": 1.2}, {"ramp": -1.0}, {"people": np.ones((4, 3))}],
)
def test_impossible_worlds_are_refused(changes):
    with pytest.raises(DesignError, match="No world") as refused:
        a_world(**changes)
    assert "planlægningstallene" in refused.value.told("da")


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), largest=st.sampled_from([0, 1, 7, 150, 4000]))
def test_binomial_is_the_inverse_distribution_function(seed, largest):
    # Outside truth: scipy's quantile function, but for the share of 0 or 1, where there is nothing to invert.
    rng = np.random.default_rng(seed)
    people = rng.integers(0, largest + 1, 300).astype(float)
    share = np.where(rng.random(300) < 0.1, rng.integers(0, 2, 300), rng.random(300) ** 3)
    uniform = rng.random(300)
    found = binomial(people, share, uniform)
    certain = (share == 0) | (share == 1) | (people == 0)
    assert (found[certain] == people[certain] * share[certain]).all()
    assert (found[~certain] == stats.binom.ppf(uniform, people, share)[~certain]).all()


def test_scores_have_the_covariances_of_the_formula():
    people = np.array([[4.0, 4.0, 9.0]])
    correlation = Correlation(icc=0.3, cac=0.6)
    world = Scores(reached=np.zeros((1, 3)), people=people, correlation=correlation, sd=2.0)
    made = world.outcomes(np.zeros((200_000, 1), int), np.random.default_rng(2))
    means = (made.numerator / made.denominator)[:, 0]
    expected = 4 * (0.3 * np.array([[1, 0.6, 0.6], [0.6, 1, 0.6], [0.6, 0.6, 1]]) + 0.7 * np.diag(1 / people[0]))
    assert np.cov(means.T) == pytest.approx(expected, abs=0.04)  # errors of about 2 x 1.9 / sqrt(200,000): 0.009


def test_scores_move_by_the_effect_where_it_is_reached():
    world = Scores(reached=np.array([[1.0], [0.0]]), people=np.ones((2, 1)), correlation=Correlation(icc=0.0))
    codes = np.array([[0, 1], [1, 0]])
    none, some = (world.with_effect(e).outcomes(codes, np.random.default_rng(4)).numerator for e in (0.0, 0.7))
    assert (some - none)[:, :, 0] == pytest.approx(0.7 * (codes == 0))
