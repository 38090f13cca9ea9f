"""The quick answer against the answer: normal theory beside the simulated power of the exact test itself."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from trialkit.design import Tolerance, stepped_wedge
from trialkit.estimate.within_months import STARTED, Calendar, contrast
from trialkit.power.analytic import Correlation, precision
from trialkit.power.possible import possible
from trialkit.power.smallest import View, smallest_p
from trialkit.units import Unit, Units

# Copenhagen 2011 (shared table of districts): children aged 0-2, infants; the seven areas outside the pilot.
AREAS = {
    "bispebjerg": (1997, 770), "bronshoj_husum": (1729, 587), "norrebro": (3319, 1262), "valby": (2244, 802),
    "vanlose": (1484, 503), "vesterbro_kgs_enghave": (2981, 1168), "amager_ost": (2248, 872),
}  # fmt: skip
CALENDAR = Calendar.between(date(2012, 2, 1), date(2012, 9, 30))
DRAFT = (date(2012, 2, 1), date(2012, 6, 1), date(2012, 10, 1))
BASELINE = 0.05 * 0.95
OPTIMISM = 0.10  # how much higher than the exact test's power the t answer may lie at 7 areas
N_TRIALS = 3_000  # Monte Carlo error at most 0.009


def areas_in_waves(*places, share_of_mean=None):
    units = Units.of([Unit(id=name, x=(str(children),)) for name, (children, _) in AREAS.items()])
    rule = None
    if share_of_mean:
        rule = Tolerance(covariates=("children",), tolerances=(share_of_mean,), max_attempts=10_000)
    return stepped_wedge(units, {f"wave_{k}": n for k, n in enumerate(places, start=1)}, constraint=rule)


def simulated_power(made, listed, sizes, correlation, effect, rng):
    """Share of trials in which the exact two-sided test over the listed allocations rejects at 0.05."""
    n_units, n_months = sizes.shape
    drawn = rng.choice(len(listed), size=N_TRIALS, p=listed.shares)
    lasting = np.sqrt(BASELINE * correlation.icc * correlation.cac) * rng.normal(size=(N_TRIALS, n_units, 1))
    monthly = np.sqrt(BASELINE * correlation.icc * (1 - correlation.cac)) * rng.normal(
        size=(N_TRIALS, n_units, n_months)
    )
    own = np.sqrt(BASELINE * (1 - correlation.icc) / sizes) * rng.normal(size=(N_TRIALS, n_units, n_months))
    y = lasting + monthly + own + effect * (made.states[listed.codes[drawn]] == STARTED)
    statistic = made.estimates(y).T
    size = np.abs(statistic - statistic @ listed.shares[:, None])
    seen = size[np.arange(N_TRIALS), drawn]
    p = (size >= seen[:, None] * (1 - 1e-9)) @ listed.shares
    return float((p <= 0.05 + 1e-12).mean()), float(statistic[np.arange(N_TRIALS), drawn].std())


@pytest.mark.parametrize(
    ("design", "starts", "window", "allocations"),
    [
        (areas_in_waves(3, 2, 2, share_of_mean="914.4"), DRAFT, 90, 142),
        (areas_in_waves(3, 4), (date(2012, 2, 1), date(2012, 12, 31)), 0, 35),
    ],
    ids=["the draft: three waves, 142 orders", "two waves, 35 orders"],
)
def test_t_at_the_tests_own_level_is_near_the_exact_test(design, starts, window, allocations):
    rng = np.random.default_rng(2012)
    count = design.count()
    assert count.accepted == allocations
    listed = possible(design, total=count.total, rng=rng)
    births = np.repeat([[AREAS[item][1] / 12] for item in design.items], 8, axis=1)
    made = contrast(listed.codes, CALENDAR, starts, window_days=window, sizes=births)
    correlation = Correlation(icc=0.02, cac=0.8)
    found = precision(listed, made.coefficients, births, correlation, total=BASELINE, df=5)
    smallest = smallest_p(design, View.ordered(len(starts)), count=count, possible=listed)
    for errors in (0, 2, 3, 4):
        effect = errors * found.std_error
        exact, spread = simulated_power(made, listed, births, correlation, effect, rng)
        quick = found.power(effect, alpha=smallest.level(0.05))
        assert spread == pytest.approx(found.std_error, rel=0.05)
        assert -0.02 <= quick.t - exact <= OPTIMISM
        assert quick.normal >= quick.t - 1e-9
        if errors == 0:
            assert exact <= 0.05 + 0.012  # it keeps its level
