"""The world that a draft's planning figures describe: baseline, correlations, births, pilots and neighbours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from math import inf
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.canonical import DECIMAL
from trialkit.design.parts_design import PartsDesign
from trialkit.power.outlook import Setting
from trialkit.power.world import World
from trialkit.units import Units

if TYPE_CHECKING:
    from trialkit.population import Population
    from trialkit.protocol.model import Protocol

Floats = NDArray[np.float64]
WorldName = Literal["plain", "protocol", "rising"]

PLAIN_ICC: Final = (
    0.01  # median of 1,039 primary-care measures: Adams et al. (2004), doi:10.1016/j.jclinepi.2003.12.013
)
RISING: Final[Mapping[str, float]] = {"icc": 0.01, "cac": 0.8, "trend": 0.001, "ramp": 2.0}
_ONE_YEAR: Final = re.compile(r"infants_0(?:_|$)", re.ASCII)


def in_world(found: Setting, world: WorldName) -> Setting:
    """The setting with one ICC and one CAC; on a scale between units there is nothing to choose."""
    if found.scale == "sd_between_units":
        return found
    if world == "protocol":
        icc, cac = found.iccs[len(found.iccs) // 2], found.cacs[len(found.cacs) // 2]
    else:
        icc, cac = (PLAIN_ICC, 1.0) if world == "plain" else (RISING["icc"], RISING["cac"])
    return replace(found, iccs=(icc,), cacs=(cac,))


def planned_world(
    protocol: Protocol,
    population: Population,
    design: PartsDesign,
    found: Setting,
    name: WorldName,
    starts: tuple[date | None, ...],
    *,
    periods: tuple[str, ...] | None = None,
) -> World:
    """The world of shares that a draft's planning figures describe, with its pilots and neighbours.

    ``periods`` are those of the estimand unless given; the baseline is that of the first.
    """
    units = Units.of([*design.units, *population.outside])
    since = {pilot.unit.id: pilot.group.from_ for pilot in population.pilots}
    place = {unit: k for k, unit in enumerate(units.ids)}
    shown = replace(found, calendar=type(found.calendar).of(periods)) if periods else found
    rising = name == "rising"
    return World(
        units=units.ids,
        drawn=tuple(place[unit] for unit in design.units.ids),
        periods=shown.calendar.periods,
        starts=starts,
        since=tuple(since.get(unit) for unit in units.ids),
        people=people_of(units, shown, protocol),
        baseline=float(protocol.planning.baseline[found.outcome.id]),
        icc=found.iccs[0],
        cac=found.cacs[0],
        trend=RISING["trend"] if rising else 0.0,
        ramp=RISING["ramp"] if rising else 0.0,
        neighbours=tuple(sorted(population.touching)),
    )


def births_of(units: Units) -> dict[str, float]:
    """Children under one per unit, which is a year of births, from a column that begins ``infants_0``; or nothing."""
    found: dict[str, float] = {}
    for unit in units:
        column = next((name for name in unit.facts if _ONE_YEAR.match(name)), None)
        text = unit.facts[column].strip() if column else ""
        if not DECIMAL.fullmatch(text):
            return {}
        found[unit.id] = float(text)
    return found


def people_of(units: Units, found: Setting, protocol: Protocol) -> Floats:
    """(n, t) expected people per unit and period; infinite where nobody knows, so that only units vary."""
    shape = (len(units), len(found.calendar.periods))
    if found.scale == "sd_between_units" or found.per_month is None:
        return np.full(shape, inf)
    births = births_of(units) if found.per_month < 1 else {}
    months = np.round((found.calendar.last - found.calendar.first + 1) / 30.44) if found.per_month < 1 else 1.0
    column, per_month = protocol.units.size or "", found.per_month
    sizes = {unit.id: unit.facts.get(column, "").strip() for unit in units}
    known = births or {unit: float(text) for unit, text in sizes.items() if DECIMAL.fullmatch(text)}
    if not known:
        return np.full(shape, inf)
    usual = float(np.mean(list(known.values())))
    each = np.array([known.get(unit, usual) for unit in units.ids]) * (1 / 12 if births else per_month)
    return np.asarray(np.broadcast_to(each[:, None] * months, shape), np.float64)


__all__ = ["WorldName", "births_of", "in_world", "people_of", "planned_world"]
