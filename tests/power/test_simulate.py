"""Power by simulation: against a loop that shares no code, against formulas, and the same for any number of workers."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from trialkit.design import blocked, complete, lottery, matched, sequential, stepped_wedge
from trialkit.errors import DesignError, EstimateError, UsageError
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import DifferenceWithinMonths, default
from trialkit.estimate.within_months import Calendar, contrast
from trialkit.panel import Panel
from trialkit.power.analytic import Correlation, precision, two_groups
from trialkit.power.answer import power
from trialkit.power.checkpoint import Checkpoint
from trialkit.power.many_arms import two_arm_tests
from trialkit.power.many_waves import WithinMonthsTests
from trialkit.power.possible import possible
from trialkit.power.registered import Reference
from trialkit.power.scores import Scores
from trialkit.power.simulate import CHUNK, Rate, Simulation, Study, simulate
from trialkit.power.studies import studies
from trialkit.power.synthetic import synthetic_world
from trialkit.power.world import World
from trialkit.trial import Trial
from trialkit.units import Unit, Units

PROTOCOLS = Path(__file__).parents[2] / "protocols"
COPENHAGEN = Trial.open(PROTOCOLS / "copenhagen_2012_rollout")


def copenhagen(world, **changes):
    """The study that `trialkit power` makes of the draft."""
    study = studies(COPENHAGEN.protocol, COPENHAGEN.population(), world=world)[0].study
    return replace(study, world=replace(study.world, **changes))


def names(n):
    return Units.of([Unit(id=f"u{k:02d}") for k in range(n)])


# One data set at a time, by the test that the trial will use


@pytest.mark.parametrize(("per", "window"), [("child", 90), ("child", 0), ("unit", 90)])
def test_every_p_value_is_that_of_the_registered_test(per, window):
    study = copenhagen("rising", effect=0.05)
    test = replace(study.test, counted_per=per, window_days=window)
    rng = np.random.default_rng(1)
    codes = test.design.sample(12, rng)
    people = np.where(rng.random((7, 8)) < 0.1, 0.0, study.world.people)  # some cells without a birth
    made = replace(study.world, people=people).outcomes(codes, rng)
    found = test.verdicts(codes, made.numerator, made.denominator, 0.04, rng)
    for k, own in enumerate(codes):
        panel = Panel(
            units=test.design.units.ids, periods=study.world.periods, numerator=made.numerator[k],
            denominator=made.denominator[k], synthetic=True,
        )  # fmt: skip
        starts = dict(zip(test.design.label_names, test.starts, strict=True))
        statistic = DifferenceWithinMonths(panel=panel, starts=starts, window_days=window, counted_per=per)
        one = randomization_test(test.design, own, statistic, unit="share", interval=False)
        assert found.p_value[k] == pytest.approx(one.p_value, abs=1e-12)
        assert found.p_planted[k] == pytest.approx(one.p_value_at(0.04), abs=1e-12)
        assert found.estimate[k] == pytest.approx(one.estimate.estimate, abs=1e-12)


TWO_ARMS = {
    "complete 4:4": complete(names(8), {"new": 1, "usual": 1}),
    "complete 3:5 of three arms": complete(names(9), {"new": 1, "usual": 1, "other": 1}),
    "leftover": complete(names(7), {"new": 1, "usual": 1}),
    "blocked": blocked(
        Units.of([Unit(id=f"u{k:02d}", block="ab"[k % 3 == 0]) for k in range(12)]), {"new": 1, "usual": 1}
    ),
    "clusters": complete(
        Units.of([Unit(id=f"u{k:02d}", cluster=f"c{k % 6}") for k in range(15)]),
        {"new": 1, "usual": 1},
        level="cluster",
    ),
    "one unit in an arm": complete(names(6), {"new": 1, "usual": 5}),
    "pairs": matched(Units.of([Unit(id=f"u{k:02d}", block=f"p{k // 2}") for k in range(10)]), {"new": 1, "usual": 1}),
}


@pytest.mark.parametrize(
    ("name", "sides"),
    [(name, sides) for name in TWO_ARMS for sides in ("distance", "greater") if (name, sides) != ("pairs", "greater")],
)
def test_every_p_value_of_two_arms_is_that_of_the_default_test(name, sides):
    design = TWO_ARMS[name]
    test = two_arm_tests(design, ("new", "usual"), sides=sides)
    rng = np.random.default_rng(8)
    codes = design.sample(15, rng)
    y = rng.normal(size=(15, len(design.item_of_unit), 1)).round(1)  # ties too
    found = test.verdicts(codes, y, np.ones_like(y), 0.3, rng)
    for k, own in enumerate(codes):
        drawn = Drawn.of(design, own)
        statistic = default(drawn, y[k, :, 0], ("new", "usual"))
        one = randomization_test(design, own, statistic, unit="", interval=False, sides=sides)
        assert test.name == one.statistic
        assert found.p_value[k] == pytest.approx(one.p_value, abs=1e-12)
        assert found.p_planted[k] == pytest.approx(one.p_value_at(0.3), abs=1e-12)


def test_a_monte_carlo_test_agrees_with_the_exact_one():
    design = complete(names(12), {"new": 1, "usual": 1})
    test = two_arm_tests(design, ("new", "usual"))
    few = replace(test, reference=Reference(design=design, draws=4_000))
    rng = np.random.default_rng(2)
    codes, y = design.sample(30, rng), rng.normal(size=(30, 12, 1))
    exact, drawn = (one.verdicts(codes, y, np.ones_like(y), None, rng).p_value for one in (test, few))
    assert drawn == pytest.approx(exact, abs=5 * 0.5 / np.sqrt(4_000))
    assert (drawn >= 1 / 4_001).all()


def test_power_of_a_one_sided_paired_t_is_refused():
    with pytest.raises(EstimateError, match="one-sided paired t"):
        two_arm_tests(TWO_ARMS["pairs"], ("new", "usual"), sides="greater")


# A whole study, against a loop that shares no code with it


def brute_force(world, n_trials, effect, rng):
    """4 areas, 2 months, waves of 1, 1 and 2: permutations, births and tests by hand; share of trials with p <= 0.1."""
    orders = sorted(set(permutations((0, 1, 2, 2))))
    rejected = 0
    for _ in range(n_trials):
        own = orders[rng.integers(len(orders))]
        births = rng.poisson(world.people)
        chance = np.full((4, 2), 0.2)
        for unit, wave in enumerate(own):
            chance[unit, wave:] += effect  # wave 0 starts before month 0, wave 1 before month 1, wave 2 never
        seen = rng.binomial(births, chance)
        values = []
        for order in orders:
            total = weight = 0.0
            for month in (0, 1):
                on = [unit for unit in range(4) if order[unit] <= month]
                off = [unit for unit in range(4) if order[unit] > month]
                n_on, n_off = births[on, month].sum(), births[off, month].sum()
                share = n_on * n_off / (n_on + n_off)
                total += share * (seen[on, month].sum() / n_on - seen[off, month].sum() / n_off)
                weight += share
            values.append(total / weight)
        far = np.abs(np.array(values) - np.mean(values))
        rejected += np.mean(far >= far[orders.index(own)] - 1e-12) <= 0.1 + 1e-12
    return rejected / n_trials


@pytest.mark.parametrize("effect", [0.0, 0.15])
def test_power_agrees_with_a_loop_written_out_by_hand(effect):
    design = stepped_wedge(names(4), {"first": 1, "second": 1, "third": 2})
    periods = ("2012-01", "2012-02")
    starts = (date(2012, 1, 1), date(2012, 2, 1), date(2012, 3, 1))
    people = np.array([[60.0, 60], [30, 30], [90, 90], [40, 40]])
    world = World(
        units=design.units.ids, drawn=(0, 1, 2, 3), periods=periods, starts=starts, since=(None,) * 4, people=people,
        baseline=0.2,
    )  # fmt: skip
    test = WithinMonthsTests(
        design=design, reference=Reference.of(design), calendar=Calendar.of(periods), starts=starts
    )
    n, loops = 4_000, 1_500
    point = simulate(Study(world=world, test=test, alpha=0.1), [effect], trials=n, rng=np.random.default_rng(1))[0]
    by_hand = brute_force(world, loops, effect, np.random.default_rng(2))
    error = np.hypot(point.power.mc_error, np.sqrt(by_hand * (1 - by_hand) / loops) + 0.002)
    assert abs(point.power.value - by_hand) <= 4 * error


# The Copenhagen draft


def test_the_plainest_world_shows_3_points_in_23_and_7_points_in_68_of_100():
    three, seven = simulate(copenhagen("plain"), [0.03, 0.07], trials=4_000, rng=np.random.default_rng(3))
    assert three.power.value == pytest.approx(0.23, abs=4 * three.power.mc_error)
    assert seven.power.value == pytest.approx(0.68, abs=4 * seven.power.mc_error)
    assert abs(three.bias.value) <= 4 * three.bias.mc_error
    assert three.coverage.value >= 0.95 - 4 * three.coverage.mc_error


@pytest.mark.parametrize("changes", [{}, {"trend": 0.005}, {"icc": 0.05, "cac": 0.5}, {"icc": 0.05, "decay": True}])
def test_under_no_effect_the_exact_test_keeps_its_level(changes):
    """Trends, unequal sizes, windows and uneven births, 2,000 trials each; the level is at most 7/142."""
    study = copenhagen("rising", **changes)
    assert study.test.window_days == 90
    assert study.world.trend > 0
    assert study.world.people.max() > 2 * study.world.people.min()
    size = simulate(study, [0.0], trials=2_000, rng=np.random.default_rng(4))[0]
    assert size.unjudged == 0
    assert size.power.value <= 7 / 142 + 3 * size.power.mc_error
    assert abs(size.bias.value) <= 4 * size.bias.mc_error  # a trend does not pass for an effect
    assert size.coverage.value >= 0.95 - 3 * size.coverage.mc_error


def test_neighbours_spill_over_and_pilots_are_not_tested():
    """With spillover the world keeps its nine areas, and the test sees the seven that were drawn."""
    study = copenhagen("plain")
    design = study.test.design
    spilling = synthetic_world(
        COPENHAGEN.protocol, COPENHAGEN.population(), design, effect=0.0, spillover=1.0, world="plain"
    ).during(study.world.periods, only_drawn=True)
    assert len(spilling.units) == 9
    alone, beside = (
        simulate(
            replace(study, world=replace(spilling, spillover=s)), [0.1], trials=1_000, rng=np.random.default_rng(7)
        )[0]
        for s in (0.0, 1.0)
    )
    assert abs(alone.bias.value) <= 4 * alone.bias.mc_error
    assert beside.bias.value < -10 * beside.bias.mc_error  # those who wait have it from their neighbours
    assert beside.power.value < alone.power.value


@pytest.mark.nightly
def test_under_no_effect_with_many_trials():
    for seed, changes in enumerate([{}, {"trend": 0.005}, {"icc": 0.05, "cac": 0.5}]):
        study = copenhagen("rising", **changes)
        size = simulate(study, [0.0], trials=40_000, rng=np.random.default_rng(seed))[0]
        assert size.power.value <= 7 / 142 + 3 * size.power.mc_error


def test_closed_form_and_simulation_agree_within_the_stated_optimism():
    """Normal theory by t(5) at the test's own level lies -0.02 to 0.10 from the exact test (analytic.py)."""
    for world in ("plain", "protocol"):
        planned = studies(COPENHAGEN.protocol, COPENHAGEN.population(), world=world)[0]
        at = simulate(planned.study, [planned.effect], trials=2_000, rng=np.random.default_rng(5))[0]
        difference = planned.quick_power.t - at.power.value
        assert -0.03 - 3 * at.power.mc_error <= difference <= 0.10 + 3 * at.power.mc_error


def test_the_estimates_spread_is_the_closed_forms_standard_error():
    study = copenhagen("plain", random_people=False)
    design, test = study.test.design, study.test
    people = np.rint(study.world.people)
    listed = possible(design, total=210, rng=np.random.default_rng(0))
    made = contrast(listed.codes, test.calendar, test.starts, window_days=90, sizes=people)
    formula = precision(
        listed, made.coefficients, people, Correlation(icc=0.01, cac=1.0), total=0.05 * 0.95, df=5
    ).std_error
    point = simulate(study, [0.0], trials=4_000, rng=np.random.default_rng(6))[0]
    assert point.rmse == pytest.approx(formula, rel=0.06)  # relative error of a spread with fat tails: 0.015; four


# Any executor, any number of workers, any interruption


@pytest.fixture(scope="module")
def serial():
    return simulate(copenhagen("rising"), [0.0, 0.05], trials=3 * CHUNK + 7, rng=np.random.default_rng(9))


@pytest.mark.parametrize(
    ("pool", "workers"),
    [
        (ThreadPoolExecutor, 1),
        (ThreadPoolExecutor, 2),
        (ThreadPoolExecutor, 3),
        (ProcessPoolExecutor, 1),
        (ProcessPoolExecutor, 3),
    ],
)
def test_the_numbers_do_not_depend_on_the_workers(serial, pool, workers):
    with pool(workers) as executor:
        found = simulate(
            copenhagen("rising"), [0.0, 0.05], trials=3 * CHUNK + 7, rng=np.random.default_rng(9), executor=executor
        )
    assert found == serial


def test_a_monte_carlo_study_does_not_depend_on_the_workers_either():
    planned = studies(Trial.open(PROTOCOLS / "early_screening_2017").protocol, None, draws=199)[0]
    told = {"trials": 250, "effects": [0.5]}
    alone = simulate(planned.study, rng=np.random.default_rng(1), **told)
    with ThreadPoolExecutor(3) as executor:
        assert simulate(planned.study, rng=np.random.default_rng(1), executor=executor, **told) == alone


def test_another_effect_before_it_changes_nothing(serial):
    run = Simulation(study=copenhagen("rising"), trials=3 * CHUNK + 7, rng=np.random.default_rng(9))
    run.at(0.11)
    assert run.at(0.05) == serial[1]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, serial):
    path, what = tmp_path / "power.jsonl", {"power_of": "a draft", "seed": 9}

    class Stopped(Exception):
        pass

    def run(progress):
        known = Checkpoint.open(path, what).of(0)
        return Simulation(
            study=copenhagen("rising"),
            trials=3 * CHUNK + 7,
            rng=np.random.default_rng(9),
            progress=progress,
            known=known,
        ).at(0.05)

    def stop(done):
        if len(path.read_text().splitlines()) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(stop)
    path.write_text(path.read_text()[:-9])  # killed while it wrote the second chunk
    counted = []
    assert run(counted.append) == serial[1]
    assert counted[0] == CHUNK  # the first was known
    assert sum(counted) == 3 * CHUNK + 7
    with pytest.raises(UsageError, match="another simulation"):
        Checkpoint.open(path, {**what, "seed": 10})


# The smallest effect that is seen


def test_the_smallest_effect_is_seen_as_often_as_asked():
    run = Simulation(study=copenhagen("plain"), trials=2_000, rng=np.random.default_rng(12))
    found = run.smallest(power=0.8, start=0.06, limit=1.0)
    assert run.at(found.effect).power.value == pytest.approx(0.8, abs=0.01)
    # Its error: another 2,000 trials find an effect within four of them, counting both.
    again = Simulation(study=copenhagen("plain"), trials=2_000, rng=np.random.default_rng(13))
    other = again.smallest(power=0.8, start=0.2, limit=1.0)
    assert abs(found.effect - other.effect) <= 4 * np.hypot(found.mc_error, other.mc_error)
    assert 0 < found.mc_error < 0.1 * found.effect


def test_more_power_asks_for_a_larger_effect():
    run = Simulation(study=copenhagen("plain"), trials=1_000, rng=np.random.default_rng(12))
    sizes = [run.smallest(power=power, start=0.06, limit=1.0).effect for power in (0.3, 0.5, 0.7, 0.8)]
    assert sizes == sorted(sizes)


def test_no_effect_is_enough_where_the_test_cannot_reach_its_level():
    design = complete(names(6), {"new": 1, "usual": 1})  # 20 allocations: p is never under 0.1
    world = Scores(reached=np.array([[1.0], [0.0]]), people=np.ones((6, 1)), correlation=Correlation(icc=0.0))
    run = Simulation(
        study=Study(world=world, test=two_arm_tests(design, ("new", "usual"))), trials=100, rng=np.random.default_rng(1)
    )
    assert run.at(50.0).power.value == 0
    assert run.smallest(power=0.8, start=1.0, limit=1e6).effect == np.inf


def test_a_negative_direction_is_searched_downwards():
    design = lottery(names(40), 20)
    world = Scores(reached=np.array([[1.0], [0.0]]), people=np.ones((40, 1)), correlation=Correlation(icc=0.0))
    test = two_arm_tests(design, ("offer", "waiting"), sides="less", draws=499)
    run = Simulation(study=Study(world=world, test=test), trials=300, rng=np.random.default_rng(1))
    found = run.smallest(power=0.8, start=-0.5)
    assert found.effect == pytest.approx(-two_groups(20, 20).smallest_effect(sides=1).t, abs=0.12)


# The other examples


@pytest.mark.parametrize(("n", "smallest"), [(20, 0.9), (60, 0.5)])
def test_20_against_20_families_show_nine_tenths_of_a_deviation_and_60_a_half(n, smallest):
    """Row S3.2 of the systems; within 0.05 of the rounded figures."""
    protocol = Trial.open(PROTOCOLS / "hfi_2023").protocol
    planned = next(one for one in studies(protocol, None, draws=499) if one.name.en == f"{n} against {n}")
    run = Simulation(study=planned.study, trials=1_000, rng=np.random.default_rng(3))
    found = run.smallest(power=0.8, start=planned.quick_smallest.t)
    assert found.effect == pytest.approx(smallest, abs=0.05)
    assert found.effect == pytest.approx(planned.quick_smallest.t, abs=4 * found.mc_error + 0.01)


def test_a_sequence_is_judged_within_its_strata():
    design = sequential(("young", "old"), {"now": 1, "later": 1}, (2, 4), 20)
    test = two_arm_tests(design, ("now", "later"), draws=299)
    assert "within blocks" in test.name
    reached = np.array([[1.0], [0.0]])
    world = Scores(reached=reached, people=np.ones((40, 1)), correlation=Correlation(icc=0.0))
    size, strong = simulate(Study(world=world, test=test), [0.0, 1.5], trials=400, rng=np.random.default_rng(5))
    assert size.power.value <= 0.05 + 4 * size.power.mc_error
    assert strong.power.value > 0.9


def test_the_family_houses_test_draws_within_groups_and_regions():
    trial = Trial.open(PROTOCOLS / "family_houses_2022" / "synthetic")
    planned = studies(trial.protocol, trial.population(), draws=499)[0]
    assert planned.scale == "sd_between_units"
    assert planned.effect is None
    assert not planned.study.test.reference.exact
    point = simulate(planned.study, [0.83], trials=300, rng=np.random.default_rng(6))[0]
    assert point.power.value == pytest.approx(0.8, abs=0.1)  # 23 against 25: 0.83 by formula


def test_what_was_not_drawn_is_described_and_refused():
    trial = Trial.open(PROTOCOLS / "thousand_days_two_rounds")
    with pytest.raises(DesignError) as refused:
        power(trial.protocol, None, trials=10, seed=1)
    assert refused.value.code == "E_NOT_DRAWN"
    assert "12 units from 2019-09-30" in refused.value.message
    assert "9 enheder fra 2020-02-03" in refused.value.told("da")


def test_a_rate_is_never_certain():
    assert Rate.of(0, 100).mc_error > 0
    assert Rate.of(50, 100).mc_error == pytest.approx(0.05, rel=0.01)


def test_a_monte_carlo_p_value_counts_what_was_drawn():
    """Three draws and the one that was drawn: the centre is the mean of all four, p = (1 + #) / (1 + 3)."""
    reference = Reference(design=complete(names(6), {"new": 1, "usual": 1}), draws=3)
    values, own = np.array([[1.0], [2.0], [3.0]]), np.array([10.0])
    # Mean 4, the one drawn lies 6 away and none of the others does.
    shares = np.full(3, 1 / 3)
    assert reference.p_values(values, own, shares, sides="distance", scale=1.0).tolist() == [0.25]
    # Mean (0 + 0 + 1.2 - 1) / 4 = 0.05: own is 1.05 away and 1.2 farther.  Without own the mean would be 0.4 and 1.2 near.
    near = np.array([[0.0], [0.0], [1.2]])
    assert reference.p_values(near, np.array([-1.0]), shares, sides="distance", scale=1.0).tolist() == [0.5]


def in_two_arms(**changes):
    """The Copenhagen draft with one lot over all units and two arms instead of waves."""
    draft = COPENHAGEN.protocol
    primary = draft.analysis.primary.model_copy(update={"statistic": None})
    told = {
        "design": "complete",
        "waves": (),
        "balance": (),
        "analysis": draft.analysis.model_copy(update={"primary": primary}),
    }
    return draft.model_copy(update={**told, **changes})


def test_two_arms_of_shares_are_compared_over_all_months():
    planned = studies(in_two_arms(), COPENHAGEN.population(), world="plain")[0]
    design, world = planned.study.test.design, planned.study.world
    assert design.label_names == ("strengthened", "usual")
    assert planned.study.test.name.startswith("studentized")
    assert world.reached.tolist() == [[1.0] * 8, [0.0] * 8]
    none, large = simulate(planned.study, [0.0, 0.3], trials=400, rng=np.random.default_rng(8))
    assert none.power.value <= 0.05 + 4 * none.power.mc_error
    assert large.bias.value == pytest.approx(0, abs=4 * large.bias.mc_error)
    assert large.power.value > 0.5


def test_a_lower_share_can_be_the_better_one():
    outcome = COPENHAGEN.protocol.outcomes[0].model_copy(update={"better": "lower"})
    primary = COPENHAGEN.protocol.analysis.primary.model_copy(update={"sides": "one"})
    draft = COPENHAGEN.protocol.model_copy(
        update={
            "outcomes": (outcome, *COPENHAGEN.protocol.outcomes[1:]),
            "analysis": COPENHAGEN.protocol.analysis.model_copy(update={"primary": primary}),
        }
    )
    planned = studies(draft, COPENHAGEN.population(), world="plain")[0]
    assert planned.effect == -0.03
    none, some = simulate(planned.study, [0.0, -0.03], trials=500, rng=np.random.default_rng(8))
    assert some.power.value > none.power.value + 0.1
    assert planned.study.test.sides == "less"
