# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # In which worlds does the Copenhagen draft show 3 points in 23 and 7 points in 68 of 100 trials?
#
# Synthetic: every trial here is made up.  Each line changes one thing in the plainest world (baseline 5 of 100, ICC 0.01
# on the scale of shares, units that stay as they are (CAC 1), no trend, the whole effect at once, Poisson births from
# the children under one).  `python simulations/copenhagen_worlds.py 20000` prints the table in
# `docs/decisions/0008-worlds.md`.

# %%
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from trialkit.design import stepped_wedge
from trialkit.estimate.within_months import Calendar
from trialkit.power.many_waves import WithinMonthsTests
from trialkit.power.outlook import setting
from trialkit.power.planning import in_world, planned_world
from trialkit.power.registered import Reference
from trialkit.power.simulate import Study, simulate
from trialkit.power.studies import studies
from trialkit.trial import Trial

TRIALS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 2_000
EFFECTS = (0.0, 0.03, 0.05, 0.07)
DRAFT = Trial.open(Path(__file__).parents[1] / "protocols" / "copenhagen_2012_rollout")
PEOPLE = DRAFT.population()
PLAIN = studies(DRAFT.protocol, PEOPLE, world="plain")[0].study

# %% [markdown]
# Spillover needs the pilots and neighbours, so that line keeps all nine areas.

# %%
FOUND = in_world(setting(DRAFT.protocol), "plain")
STARTS = tuple(wave.start for wave in DRAFT.protocol.waves)
ALL_NINE = planned_world(DRAFT.protocol, PEOPLE, PLAIN.test.design, FOUND, "plain", STARTS)


def world(**changes):
    """The plainest world with something else in it."""
    return replace(PLAIN, world=replace(PLAIN.world, **changes))


def judged(design, **changes):
    """The plainest world, drawn and judged otherwise."""
    return replace(PLAIN, test=replace(PLAIN.test, design=design, reference=Reference.of(design), **changes))


def in_two_waves():
    """3 areas against 4, all eight months, as the rough count in the draft has it."""
    design = stepped_wedge(PLAIN.test.design.units, {"first": 3, "second": 4})
    starts = (date(2012, 2, 1), None)
    tests = WithinMonthsTests(
        design=design, reference=Reference.of(design), calendar=Calendar.of(PLAIN.world.periods), starts=starts
    )
    return Study(world=replace(PLAIN.world, starts=starts), test=tests)


LINES = {
    "the plainest world": PLAIN,
    "CAC 0.8": world(cac=0.8),
    "CAC 0.5": world(cac=0.5),
    "no difference between areas (ICC 0)": world(icc=0.0),
    "ICC 0.005": world(icc=0.005),
    "ICC 0.02": world(icc=0.02),
    "ICC 0.05": world(icc=0.05),
    "the draft's middle: ICC 0.02, CAC 0.8": world(icc=0.02, cac=0.8),
    "a trend of 0.1 points a month": world(trend=0.001),
    "a trend of 0.5 points a month": world(trend=0.005),
    "effect reached over two months": world(ramp=2.0),
    "spillover of 20 percent": replace(PLAIN, world=replace(ALL_NINE, spillover=0.2)),
    "the page's world: CAC 0.8, trend, two months": world(cac=0.8, trend=0.001, ramp=2.0),
    "no balance rule (210 orders)": judged(replace(PLAIN.test.design, constraint=None)),
    "every area counts the same": judged(PLAIN.test.design, counted_per="unit"),
    "no window: nothing left out": judged(PLAIN.test.design, window_days=0),
    "births from children 0-2 / 36": world(people=PLAIN.world.people * (2248 / 36) / (872 / 12)),
    "two waves, 3 against 4 (35 orders)": in_two_waves(),
    "the same, CAC 0.8": replace(in_two_waves(), world=replace(in_two_waves().world, cac=0.8)),
}

if __name__ == "__main__":
    print(f"| world ({TRIALS:,} trials) | " + " | ".join(f"{100 * e:.0f} points" for e in EFFECTS) + " |")
    print("|---|" + "---|" * len(EFFECTS))
    for name, study in LINES.items():
        points = simulate(study, EFFECTS, trials=TRIALS, rng=np.random.default_rng(2012))
        print(f"| {name} | " + " | ".join(f"{100 * point.power.value:.1f}" for point in points) + " |", flush=True)
