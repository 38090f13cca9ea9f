"""Made-up data files of a world, and dirty copies of them, with the truth beside.

The files are bytes for whoever writes them; nothing is written here.  Every row begins with ``synthetic`` = yes, every
name with ``synthetic_``, and the truth file holds every parameter and the seed.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import DesignError
from trialkit.estimate.within_months import Calendar
from trialkit.power.outlook import setting
from trialkit.power.planning import WorldName, in_world, planned_world
from trialkit.power.world import Outcomes, World

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign
    from trialkit.population import Population
    from trialkit.protocol.model import Protocol

Form = Literal["counts", "children"]
Rows = list[list[str]]

COUNTS: Final = ("synthetic", "unit", "month", "outcome", "numerator", "denominator")
CHILDREN: Final = ("synthetic", "child", "unit", "outcome", "birth_date", "event_date")
MISSING: Final = 0.02  # share of cells that a dirty copy leaves empty
LATE: Final = 3  # periods that a dirty copy's late unit delivers in a file of its own


@dataclass(frozen=True, eq=False, kw_only=True)
class Synthetic:
    """One made-up data set.

    Parameters
    ----------
    world, outcomes : what was believed, and what came of it
    codes : (n_drawn,) label code of each drawn unit
    files : by name, beginning with ``synthetic_``: the data and the truth
    """

    world: World
    outcomes: Outcomes
    codes: Codes
    files: Mapping[str, bytes]


def synthetic_world(
    protocol: Protocol,
    population: Population,
    design: PartsDesign,
    *,
    effect: float,
    spillover: float = 0.0,
    world: WorldName = "rising",
) -> World:
    """The world of the project's page on synthetic outcomes, for a draft with a share by unit and period.

    From January of the year before the first wave to December of the year of the last: January 2011 to December 2012
    for Copenhagen.  The baseline is that of the first period.

    Parameters
    ----------
    effect : full effect, a difference of shares
    spillover : part of it that reaches units whose neighbours have started

    Raises
    ------
    DesignError
        The draft has no waves, or its outcome is no share with a baseline and an ICC.
    """
    found = in_world(setting(protocol), world)
    if not protocol.waves or found.scale != "share":
        raise DesignError(
            f"{protocol.protocol} has no share by period with a baseline and an ICC, or no waves, so no counts can be made "
            "up for it. Add them under planning.",
            da=f"{protocol.protocol} har ingen andel pr. periode med udgangspunkt (baseline) og ICC, eller ingen bølger, så "
            "der kan ikke laves syntetiske tal. Tilføj dem under planning.",
        )
    first, last = (pick(wave.start for wave in protocol.waves) for pick in (min, max))
    months = {"quarter": 3, "year": 12}.get(found.outcome.frequency or "", 1)
    periods = Calendar.between(date(first.year - 1, 1, 1), date(last.year, 12, 31), months=months).periods
    starts: tuple[date | None, ...] = (*(wave.start for wave in protocol.waves), None)[: len(design.label_names)]
    made = planned_world(protocol, population, design, found, world, starts, periods=periods)
    return replace(made, effect=effect, spillover=spillover)


def synthetic_data(
    world: World,
    codes: Codes,
    *,
    seed: int,
    outcome: str,
    labels: Sequence[str],
    name: str,
    form: Form = "counts",
    window_days: int = 0,
) -> Synthetic:
    """One data set under one assignment, as files.

    Parameters
    ----------
    codes : (n_drawn,) label code of each drawn unit, in the design's order
    seed : of everything random; it stands in the truth file
    outcome : the outcome's id, which every row names
    labels : the design's label names
    name : of the example; the files are ``synthetic_<name>.csv`` and ``synthetic_<name>_truth.json``
    form : ``counts`` per unit and period, or ``children``, a row for each
    window_days : of the outcome; a child's first support comes within it
    """
    rng = np.random.default_rng(seed)
    drawn = world.outcomes(np.asarray(codes)[None, :], rng)
    made = Outcomes(drawn.numerator[0], drawn.denominator[0])
    rows = _counts(world, made, outcome) if form == "counts" else _children(world, made, outcome, window_days, rng)
    header = COUNTS if form == "counts" else CHILDREN
    truth = {
        **parameters(world),
        "seed": seed,
        "outcome": outcome,
        "form": form,
        "assignment": {world.units[row]: labels[code] for row, code in zip(world.drawn, codes, strict=True)},
        "expected_shares_added": np.round(world.added(np.asarray(codes)[None, :])[0], 12).tolist(),
    }
    files = {f"synthetic_{name}.csv": written(header, rows), f"synthetic_{name}_truth.json": _json(truth)}
    return Synthetic(world=world, outcomes=made, codes=codes, files=files)


def parameters(world: World) -> dict[str, Any]:
    """Every parameter of a world, for a truth file."""
    return {
        "synthetic": "yes",
        "units": list(world.units),
        "drawn": [world.units[row] for row in world.drawn],
        "pilots_since": {unit: day.isoformat() for unit, day in zip(world.units, world.since, strict=True) if day},
        "periods": list(world.periods),
        "label_starts": [day.isoformat() if day else None for day in world.starts],
        "people_per_period": dict(zip(world.units, world.people.tolist(), strict=True)),
        "people_are": "poisson" if world.random_people else "fixed",
        "unit_shares_are": "logit-normal, mean and variance ICC x m (1 - m) on the scale of shares",
        **{name: getattr(world, name) for name in _NUMBERS},
        "neighbours": [list(pair) for pair in world.neighbours],
    }


_NUMBERS: Final = ("baseline", "trend", "icc", "cac", "decay", "effect", "ramp", "spillover")


def _counts(world: World, made: Outcomes, outcome: str) -> Rows:
    """A row per unit and period."""
    return [
        ["yes", unit, period, outcome, f"{made.numerator[i, t]:.0f}", f"{made.denominator[i, t]:.0f}"]
        for i, unit in enumerate(world.units)
        for t, period in enumerate(world.periods)
    ]


def _children(world: World, made: Outcomes, outcome: str, window: int, rng: np.random.Generator) -> Rows:
    """A row per child, in the order of birth: born on any day of its period, supported on any day of its window."""
    calendar = Calendar.of(world.periods)
    found: list[tuple[int, int, int | None]] = []
    for (i, t), n in np.ndenumerate(made.denominator.astype(int)):
        born = rng.integers(calendar.first[t], calendar.last[t] + 1, n)
        after = rng.integers(0, window + 1, n)
        supported = int(made.numerator[i, t])
        found += [
            (int(day), int(i), int(day + wait) if k < supported else None)
            for k, (day, wait) in enumerate(zip(born, after, strict=True))
        ]
    found.sort(key=lambda child: (child[0], child[1], child[2] or 0))
    width = len(str(len(found))) + 1  # so that every code begins with a zero, which a spreadsheet likes to lose
    return [
        ["yes", f"{number:0{width}d}", world.units[unit], outcome, _day(born), "" if day is None else _day(day)]
        for number, (born, unit, day) in enumerate(found, start=1)
    ]


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirt:
    """One thing wrong in a dirty copy: where (lines from 1, the header counted) and what."""

    kind: Literal["missing", "late", "duplicate", "decomposed", "lost_digits"]
    lines: tuple[int, ...]
    said: str


def dirty(data: bytes, names: Mapping[str, str], rng: np.random.Generator) -> tuple[dict[str, bytes], tuple[Dirt, ...]]:
    """A dirty copy of a made-up file, in which a reader must catch everything.

    Two per cent of the last column's values are missing, one unit's last periods come late in a file of their own, one
    row stands twice, one unit is written by its name in decomposed Unicode, and one code has lost its leading
    characters.

    Parameters
    ----------
    data : a file of `synthetic_data`
    names : the units' names by id
    rng : which rows are spoiled

    Returns
    -------
    The files ``dirty`` and ``late``, and what was done to ``dirty``, line by line.  Where no name changes under
    decomposition (no å, é or ü), an id is followed by a letter that does.
    """
    header, *rows = list(csv.reader(io.StringIO(data.decode())))
    rows, late_rows, late = _late(header, rows, rng)
    rows, told = [list(row) for row in rows], [late]
    for spoil in (_missing, _decomposed, _lost):
        told.append(spoil(header, rows, names, rng))
    twice = int(rng.integers(len(rows)))
    rows.append(list(rows[twice]))
    told.append(Dirt(kind="duplicate", lines=(twice + 2, len(rows) + 1), said="the last row stands there already"))
    return {"dirty": written(header, rows), "late": written(header, late_rows)}, tuple(told)


def _late(header: Sequence[str], rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows, Dirt]:
    unit, when = header.index("unit"), header.index("month" if "month" in header else "birth_date")
    who = sorted({row[unit] for row in rows})[int(rng.integers(len({row[unit] for row in rows})))]
    last = sorted({row[when][:7] for row in rows})[-LATE:]
    late = [row for row in rows if row[unit] == who and row[when][:7] in last]
    kept = [row for row in rows if row not in late]
    return kept, late, Dirt(kind="late", lines=(), said=f"{who} delivers {', '.join(last)} late")


def _missing(header: Sequence[str], rows: Rows, names: Mapping[str, str], rng: np.random.Generator) -> Dirt:
    column = header.index("numerator" if "numerator" in header else "birth_date")
    chosen = sorted(_some(len(rows), max(1, round(MISSING * len(rows))), rng))
    for row in chosen:
        rows[row][column] = ""
    return Dirt(kind="missing", lines=tuple(row + 2 for row in chosen), said=f"no {header[column]}")


def _decomposed(header: Sequence[str], rows: Rows, names: Mapping[str, str], rng: np.random.Generator) -> Dirt:
    unit = header.index("unit")
    changed = {id: name for id, name in names.items() if unicodedata.normalize("NFD", name) != name}
    here = [k for k, row in enumerate(rows) if row[unit] in changed] or list(range(len(rows)))
    row = here[int(rng.integers(len(here)))]
    name = changed.get(rows[row][unit], f"{rows[row][unit]} å")
    rows[row][unit] = unicodedata.normalize("NFD", name)
    return Dirt(kind="decomposed", lines=(row + 2,), said=f"{name} in decomposed Unicode")


def _lost(header: Sequence[str], rows: Rows, names: Mapping[str, str], rng: np.random.Generator) -> Dirt:
    """The code that a spreadsheet makes of a child's or unit's: without leading zeros, or without its first half."""
    column = header.index("child" if "child" in header else "unit")
    whole = [k for k, row in enumerate(rows) if row[column] in names or "child" in header]
    row = whole[int(rng.integers(len(whole)))]
    code = rows[row][column]
    digits = code.lstrip("0") if code.isdigit() else code[len(code) // 2 :]
    rows[row][column] = digits
    return Dirt(kind="lost_digits", lines=(row + 2,), said=f"{code} became {digits}")


def _some(n: int, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.choice(n, size=k, replace=False)


def written(header: Sequence[str], rows: Rows) -> bytes:
    """CSV in UTF-8 with line feeds."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


__all__ = ["Dirt", "Synthetic", "dirty", "parameters", "synthetic_data", "synthetic_world"]
