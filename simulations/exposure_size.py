"""How often the interval for an effect of started neighbours leaves out a true 0.

    python simulations/exposure_size.py [TRIALS] [SEED]

Copenhagen's seven areas, with and without the pilots beside them, and made-up maps of 21 to 60 units; arms, and waves over
six months.  Nothing moves an outcome: a measurement is normal around 5, with as much spread between units as within, and
a yes is said by 30 percent.  Units are drawn anew in each trial.  Everything is made up; every number comes from the
function a user calls.  Results: exposure_size.csv beside this file in ``results``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from math import isnan
from pathlib import Path
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.design import complete, stepped_wedge
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.exposure import Exposure
from trialkit.estimate.exposure_effect import Estimator, Freedom, exposure_effect
from trialkit.panel import Panel
from trialkit.units import Units

Floats = NDArray[np.float64]
Pair = tuple[str, str]

# Outlines of Copenhagen's districts and the pilots of the 2011 memo, as in tests/power/test_feasibility.py.
PILOTS: Final = ("city_osterbro", "amager_vest")
AREAS: Final = ("amager_ost", "bispebjerg", "bronshoj_husum", "norrebro", "valby", "vanlose", "vesterbro_kgs_enghave")
TOUCH: Final = (
    ("city_osterbro", "norrebro"), ("city_osterbro", "vesterbro_kgs_enghave"), ("amager_ost", "city_osterbro"),
    ("amager_vest", "city_osterbro"), ("bispebjerg", "city_osterbro"), ("bispebjerg", "norrebro"),
    ("valby", "vesterbro_kgs_enghave"), ("amager_vest", "vesterbro_kgs_enghave"), ("valby", "vanlose"),
    ("bronshoj_husum", "vanlose"), ("bispebjerg", "vanlose"), ("bispebjerg", "bronshoj_husum"),
    ("amager_ost", "amager_vest"),
)  # fmt: skip
MONTHS: Final = tuple(f"2012-{month:02d}" for month in range(1, 7))
STARTS: Final = {"first": date(2012, 2, 1), "second": date(2012, 4, 1), "never": None}
MOST, DRAWS = 250, 499  # allocations gone through one by one; draws where there are more
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class World:
    """A map and a lot on it; ``first`` among the labels makes it a rollout over `MONTHS`."""

    name: str
    units: tuple[str, ...]
    pairs: tuple[Pair, ...]
    labels: Mapping[str, int]

    @property
    def waves(self) -> bool:
        """Whether the lot gives starts, not arms."""
        return "first" in self.labels

    def exposure(self, rng: np.random.Generator) -> Exposure:
        """A draw, and who is exposed by it."""
        codes = rng.permutation(np.repeat(np.arange(len(self.labels)), list(self.labels.values())))
        pilots = {unit for pair in self.pairs for unit in pair} - set(self.units)
        if self.waves:
            drawn = Drawn.of(stepped_wedge(self.units, self.labels), codes)
            return Exposure.of_rollout(drawn, MONTHS, STARTS, neighbours=self.pairs, pilots=pilots)
        drawn = Drawn.of(complete(Units.of(self.units), self.labels), codes)
        return Exposure.of_arms(drawn, "new", neighbours=self.pairs, pilots=pilots)


def worlds() -> Iterator[World]:
    """From Copenhagen to sixty units."""
    inner = tuple(pair for pair in TOUCH if not set(pair) & set(PILOTS))
    yield World(name="Copenhagen, 2 of 7", units=AREAS, pairs=inner, labels={"new": 2, "usual": 5})
    yield World(name="Copenhagen with pilots, 3 of 7", units=AREAS, pairs=TOUCH, labels={"new": 3, "usual": 4})
    waves = {"first": 2, "second": 2, "never": 3}
    yield World(name="Copenhagen, waves 2/2/3", units=AREAS, pairs=inner, labels=waves)
    for new in (3, 6, 10):
        yield World(name=f"3 x 7, {new} of 21", **grid(3, 7), labels={"new": new, "usual": 21 - new})
    yield World(name="3 x 7, waves 4/4/13", **grid(3, 7), labels={"first": 4, "second": 4, "never": 13})
    for new in (3, 6, 10):
        yield World(name=f"ring, {new} of 21", **ring(21), labels={"new": new, "usual": 21 - new})
    yield World(name="5 x 8, 12 of 40", **grid(5, 8), labels={"new": 12, "usual": 28})
    yield World(name="ring, 9 of 60", **ring(60), labels={"new": 9, "usual": 51})
    yield World(name="ring, 30 of 60", **ring(60), labels={"new": 30, "usual": 30})


def grid(rows: int, columns: int) -> dict[str, tuple]:
    """Squares that touch along their sides."""
    name = [[f"g{i}{j}" for j in range(columns)] for i in range(rows)]
    beside = [(row[j], row[j + 1]) for row in name for j in range(columns - 1)]
    below = [(name[i][j], name[i + 1][j]) for i in range(rows - 1) for j in range(columns)]
    return {"units": tuple(one for row in name for one in row), "pairs": (*beside, *below)}


def ring(n: int) -> dict[str, tuple]:
    """Each touches two."""
    names = tuple(f"v{k:02d}" for k in range(n))
    return {"units": names, "pairs": tuple((names[k], names[(k + 1) % n]) for k in range(n))}


def measurement(n: int, t: int, rng: np.random.Generator) -> Floats:
    """(n, t) as much between units as within."""
    return 5 + rng.normal(size=(n, 1)) + rng.normal(size=(n, t))


def yes(n: int, t: int, rng: np.random.Generator) -> Floats:
    """(n, t) yes or no."""
    return (rng.random((n, t)) < 0.3).astype(np.float64)


OUTCOMES: Final[Mapping[str, Callable[[int, int, np.random.Generator], Floats]]] = {
    "measurement": measurement,
    "yes or no": yes,
}


def studied(world: World, outcome: str, trials: int, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """One row per estimator and degrees of freedom."""
    kinds = [(estimator, df) for estimator in get_args(Estimator) for df in get_args(Freedom)]
    missed, silent, refused = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0), 0
    for _ in range(trials):
        exposure = world.exposure(rng)
        y = OUTCOMES[outcome](*exposure.shape, rng)
        panel = Panel(
            units=exposure.ids, periods=exposure.periods, numerator=y, denominator=np.ones_like(y), unit="points"
        )
        for estimator, df in kinds:
            try:
                found = exposure_effect(exposure, panel, estimator=estimator, df=df, most=MOST, draws=DRAWS, rng=rng)
            except EstimateError:  # nothing to compare in this draw
                refused += 1
                break
            low, high = found.estimate.conf_low, found.estimate.conf_high
            silent[estimator, df] += isnan(low)
            missed[estimator, df] += not (isnan(low) or low <= 0 <= high)
    given = trials - refused
    for estimator, df in kinds:
        yield {
            "world": world.name, "units": len(world.units), "outcome": outcome, "estimator": estimator, "df": df,
            "trials": given, "nothing_to_compare": refused, "no_interval": silent[estimator, df],
            "left_out": missed[estimator, df], "percent": round(100 * missed[estimator, df] / given, 1),
        }  # fmt: skip


def main(trials: int = 1000, seed: int = 1) -> None:
    """Every world, a row at a time, so that what is done is kept."""
    with (RESULTS / "exposure_size.csv").open("w", encoding="utf-8", newline="") as file:
        writer = None
        for number, world in enumerate(worlds()):
            for outcome in OUTCOMES:
                rng = np.random.default_rng([seed, number, list(OUTCOMES).index(outcome)])
                for row in studied(world, outcome, trials, rng):
                    writer = writer or csv.DictWriter(file, list(row))
                    if file.tell() == 0:
                        writer.writeheader()
                    writer.writerow(row)
                file.flush()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
