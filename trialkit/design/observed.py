"""What was not drawn: the wave of each unit as it happened.  No `Design`, and no test repeats it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from trialkit.errors import DesignError
from trialkit.protocol.model import Protocol
from trialkit.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAssignment:
    """The wave each unit entered in, without any claim about what else could have happened.

    ``waves`` stands in the order of ``units``; ``starts`` holds the start of every wave, by its id.
    """

    units: Units
    waves: tuple[str, ...]
    starts: tuple[tuple[str, date], ...]
    how: str


def observed(protocol: Protocol, units: Units) -> ObservedAssignment:
    """The waves of a trial that was not drawn by lot, read from the units' wave column.

    A value is a wave's id or its last part: ``1`` is ``round_1``.

    Raises
    ------
    DesignError
        The trial is drawn by lot, a unit has no known wave, or a wave has another number of units than the draft says.
    """
    if protocol.drawn or protocol.assignment is None:
        raise DesignError(
            f"{protocol.protocol} is drawn by lot, so its waves come from the draw and not from a column. Use "
            "the draw.",
            da=f"{protocol.protocol} afgøres ved lodtrækning, så bølgerne kommer fra lodtrækningen og ikke fra "
            "en kolonne. "
            "Brug lodtrækningen.",
        )
    ids = [wave.id for wave in protocol.waves]
    column = protocol.units.wave_column or "wave"
    waves = tuple(_wave(unit.id, unit.facts.get(column, ""), column, ids) for unit in units)
    _check_counts(protocol, Counter(waves))
    starts = tuple((wave.id, wave.start) for wave in protocol.waves)
    return ObservedAssignment(units=units, waves=waves, starts=starts, how=protocol.assignment.how)


def _wave(unit: str, value: str, column: str, ids: list[str]) -> str:
    found = [name for name in ids if name == value or (value and name.rpartition("_")[2] == value)]
    if len(found) != 1:
        raise DesignError(
            f"The unit {unit!r} has {value!r} in the column {column!r}, which names no single wave "
            f"({', '.join(ids)}), so "
            "nobody knows when it started. Correct the list of units.",
            {"unit": unit, "column": column, "value": value},
            da=f"Enheden {unit!r} har {value!r} i kolonnen {column!r}, og det er ikke netop én bølge "
            f"({', '.join(ids)}), så "
            "ingen ved, hvornår den begyndte. Ret listen over enheder.",
        )
    return found[0]


def _check_counts(protocol: Protocol, counts: Counter[str]) -> None:
    for wave in protocol.waves:
        if isinstance(wave.places, int) and counts[wave.id] != wave.places:
            raise DesignError(
                f"The draft says that {wave.places} units entered in {wave.id}, and the list has {counts[wave.id]}. "
                "One of them is wrong, and every figure would be too. Correct it.",
                {"wave": wave.id, "places": wave.places, "listed": counts[wave.id]},
                da=f"Udkastet siger, at {wave.places} enheder begyndte i {wave.id}, og listen har "
                f"{counts[wave.id]}. Én af "
                "dem er forkert, og det ville hvert tal også være. Ret fejlen.",
            )
