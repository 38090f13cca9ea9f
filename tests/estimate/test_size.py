"""Under no effect the exact test of the Copenhagen design rejects at most alpha: trends, unequal sizes, windows on.

The areas' children are those of the register; births and outcomes are made up.
"""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from trialkit.design import Tolerance, stepped_wedge
from trialkit.design.base import Simulated
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import DifferenceWithinMonths
from trialkit.panel import Panel
from trialkit.units import Unit, Units

CHILDREN = (3319, 2981, 2244, 1484, 1729, 1997, 2248)
STARTS = {"wave_1": date(2012, 2, 1), "wave_2": date(2012, 6, 1), "wave_3": date(2012, 10, 1)}
MONTHS = tuple(f"2012-{month:02d}" for month in range(2, 10))
ALPHA = 0.05


def copenhagen():
    units = Units.of(Unit(id=f"area_{k}", x=(str(size),)) for k, size in enumerate(CHILDREN))
    rule = Tolerance(covariates=("children",), tolerances=("914.4",), max_attempts=1000)
    return stepped_wedge(units, {"wave_1": 3, "wave_2": 2, "wave_3": 2}, constraint=rule)


def no_effect(rng: np.random.Generator) -> Panel:
    """A share with a trend, a level and a trend of each area's own, and births by size."""
    births = rng.poisson(np.array(CHILDREN)[:, None] / 36, size=(7, len(MONTHS))).astype(float)
    logit = -2.9 + 0.25 * rng.normal(size=(7, 1)) + np.arange(len(MONTHS)) * (0.03 + 0.02 * rng.normal(size=(7, 1)))
    events = rng.binomial(births.astype(int), 1 / (1 + np.exp(-logit))).astype(float)
    return Panel(units=tuple(f"area_{k}" for k in range(7)), periods=MONTHS, numerator=events, denominator=births)


def p_values(trials: int, seed: int, **options) -> np.ndarray:
    design, rng = copenhagen(), np.random.default_rng(seed)
    found = []
    for _ in range(trials):
        panel, drawn = no_effect(rng), design.assign(Simulated(rng))
        statistic = DifferenceWithinMonths(panel=panel, starts=STARTS, window_days=90, **options)
        found.append(randomization_test(design, drawn, statistic, unit="share", interval=False).p_value)
    return np.array(found)


def rejects_at_most_alpha(p: np.ndarray) -> None:
    for alpha in (ALPHA, 0.1, 0.2):
        assert (p <= alpha).mean() <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / p.size)


def test_the_design_has_142_orders():
    assert copenhagen().count().accepted == 142


def test_without_an_effect_it_rejects_at_most_alpha():
    rejects_at_most_alpha(p_values(300, 20120201))


@pytest.mark.nightly
@pytest.mark.parametrize("per", ["child", "unit"])
def test_without_an_effect_it_rejects_at_most_alpha_over_2000_trials(per):
    p = p_values(2000, 20120202, counted_per=per)
    rejects_at_most_alpha(p)
    assert (p <= ALPHA).mean() > 0.02  # exact, not merely careful: 7 of 142 orders reject
