"""The sequential Monte Carlo p-value: its guarantee over every draw of the lot, and what it agrees with."""

from __future__ import annotations

import numpy as np
import pytest

from trialkit.design import complete
from trialkit.errors import EstimateError
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.sequential_p import sequential_p
from trialkit.estimate.statistics import DifferenceInMeans, Studentized

ARMS = ("new", "usual")
EIGHT = complete([f"u{k}" for k in range(8)], {"new": 4, "usual": 4})
SEVEN = complete([f"u{k}" for k in range(7)], {"new": 2, "usual": 5})
ROWS = np.concatenate([chunk.codes for chunk in EIGHT.enumerate()]).astype(np.int64)
Y = np.random.default_rng(12).normal(size=8)


def test_under_no_effect_it_falls_to_alpha_in_at_most_alpha_of_all_trials():
    """Every draw of the lot, 40 seeds each, with a rule that often stops: 2,800 trials, known to .006 at .1."""
    statistic, rng = Studentized(outcome=Y, compare=ARMS), np.random.default_rng(3)
    p = np.array(
        [
            sequential_p(EIGHT, row, statistic, rng=rng, hits=3, most_draws=60, sides="greater").p_value
            for row in ROWS
            for _ in range(40)
        ]
    )
    for alpha in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(p <= alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / p.size)
    assert np.mean(p <= 0.2) > 0.15  # and it is not merely cautious


@pytest.mark.parametrize("sides", ["greater", "less", "mirror", "distance"])
def test_it_finds_the_exact_p_value(sides):
    statistic = DifferenceInMeans(outcome=Y, compare=ARMS)
    exact = randomization_test(EIGHT, ROWS[20], statistic, unit="1", sides=sides, interval=False).p_value
    found = sequential_p(EIGHT, ROWS[20], statistic, rng=np.random.default_rng(1), hits=2000, sides=sides)
    assert found.stopped
    assert found.hits == 2000
    assert found.p_value == pytest.approx(exact, abs=4 * found.mc_error)


def test_a_large_p_value_costs_little_and_a_small_one_is_never_below_its_floor():
    few = sequential_p(
        EIGHT, ROWS[35], DifferenceInMeans(outcome=Y, compare=ARMS), rng=np.random.default_rng(1), sides="less"
    )
    order = np.argsort(Y)
    best = np.ones(8, np.int64)
    best[order[4:]] = 0
    many = sequential_p(
        EIGHT, best, DifferenceInMeans(outcome=Y, compare=ARMS), rng=np.random.default_rng(1), hits=20, most_draws=99,
        sides="greater",
    )  # fmt: skip
    assert few.draws < 1000
    assert not many.stopped
    assert many.draws == 99
    assert many.p_value == (1 + many.hits) / 100
    assert "at most alpha" in many.summary()


def test_the_same_seed_gives_the_same_answer():
    statistic = Studentized(outcome=Y, compare=ARMS)
    one, other = (sequential_p(EIGHT, ROWS[3], statistic, rng=np.random.default_rng(8)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("hits", "most_draws"), [(0, 10), (20, 19)])
def test_no_rule_to_stop_by_is_refused(hits, most_draws):
    statistic = Studentized(outcome=Y, compare=ARMS)
    with pytest.raises(EstimateError, match="no rule"):
        sequential_p(EIGHT, ROWS[0], statistic, rng=np.random.default_rng(0), hits=hits, most_draws=most_draws)


def test_distance_from_a_mean_nobody_knows_is_refused():
    statistic = Studentized(outcome=Y[:7], compare=ARMS)
    drawn = np.array([0, 0, 1, 1, 1, 1, 1])
    with pytest.raises(EstimateError, match="not known beforehand"):
        sequential_p(SEVEN, drawn, statistic, rng=np.random.default_rng(0), sides="distance")
