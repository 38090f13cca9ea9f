"""The units an officer names: typed, from a file, or from a register that comes with trialkit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from trialkit.errors import UnitsError, UsageError
from trialkit.protocol.text import slug
from trialkit.registers.cpr import masked
from trialkit.registers.read import read_units, units_csv, units_of
from trialkit.registers.shipped import register, registers
from trialkit.registers.table import Faults, Row, Table
from trialkit.units import Units, plain

FILE: Final = "units.csv"
PEOPLE: Final = "people"  # the column made of numbers that were typed
_SUFFIXES: Final = (".csv", ".txt", ".tsv", ".xlsx", ".xls", ".ods")


@dataclass(frozen=True, slots=True)
class Listed:
    """Who can take part; without a register they go into a file of the trial's folder.

    ``order`` holds the ids as people listed them, for numbers that are typed in that order.
    """

    units: Units
    order: tuple[str, ...]
    register: str | None = None
    frame: str | None = None

    @property
    def counts(self) -> tuple[str, ...]:
        """The columns that hold a whole number above 0 for every unit, and so may say how many people it has."""
        columns = [column for column in self.units[0].facts if self.units[0].facts[column] != self.units[0].id]
        return tuple(column for column in columns if all(_count(unit.facts.get(column, "")) for unit in self.units))

    def with_people(self, numbers: Sequence[int]) -> Listed:
        """The same units with a column `PEOPLE`; one number holds for all."""
        each = list(numbers) * (len(self.order) if len(numbers) == 1 else 1)
        people = dict(zip(self.order, map(str, each), strict=True))
        return replace(
            self, units=self.units.map(lambda unit: replace(unit, facts={**unit.facts, PEOPLE: people[unit.id]}))
        )

    def csv(self) -> bytes:
        """What stands in the file of the trial's folder."""
        return units_csv(self.units).encode()


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def shelf() -> tuple[tuple[str, str | None], ...]:
    """The registers with their frames, in the order they are numbered for people."""
    return tuple((name, frame) for name, frames in registers().items() for frame in (frames or (None,)))


def listed(text: str) -> Listed:
    """The units that ``text`` means: a number or name of the `shelf`, a file, or names with commas or semicolons.

    Raises
    ------
    UnitsError
        Whatever the registers refuse in a list of units.
    UsageError
        A number that is not on the shelf, or fewer than two units.
    """
    known = {str(place): item for place, item in enumerate(shelf(), start=1)}
    known |= {"/".join(filter(None, item)): item for item in shelf()}
    if text in known or (text.isascii() and text.isdigit()):
        name, frame = known[text] if text in known else _no_such(text, len(shelf()))
        units = register(name, frame=frame)
        return Listed(units, units.ids, name, frame)
    path = Path(text).expanduser()
    if path.is_file() or text.lower().endswith(_SUFFIXES):
        units = read_units(path)
        return _several(Listed(units, units.ids))
    return typed(split(text))


def split(text: str) -> list[str]:
    """Names with semicolons between, or with commas where there is no semicolon."""
    return [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]


def typed(names: Sequence[str], facts: Mapping[str, Sequence[str]] | None = None) -> Listed:
    """Units that have a name, and what else is known of each (``facts``: column to values in the order of names).

    Their ids are made of the names where that gives each its own, and are the names themselves otherwise.

    Raises
    ------
    UnitsError
        Whatever the registers refuse in a list of units.
    UsageError
        Fewer than two.
    """
    short = [slug(name) for name in names]
    ids = short if all(short) and len(set(short)) == len({plain(name) for name in names}) == len(names) else list(names)
    columns = dict(facts or {})
    rows = [
        Row(line, [id, name, *(values[line - 2] for values in columns.values())])
        for line, (id, name) in enumerate(zip(ids, names, strict=True), start=2)
    ]
    table = Table(Faults(FILE), Row(1, ["id", "name", *columns]), rows)
    try:
        units = units_of(table, id="id", name="name")
    except UnitsError as error:
        raise _named(error, names) from None
    return _several(Listed(units, tuple(ids)))


def _named(error: UnitsError, names: Sequence[str]) -> UnitsError:
    """The refusal with the names it is about instead of lines of a file that nobody has seen."""
    en, da = [], []
    for fault in error.facts.get("faults", ()):
        place = fault["line"] - 2
        name = f"{masked(names[place])}: " if 0 <= place < len(names) else ""
        en.append(f"{name}{fault['en']}")
        da.append(f"{name}{fault['da']}")
    told = list(dict.fromkeys(zip(en, da, strict=True)))
    return UnitsError(
        "\n".join(one for one, _ in told), error.facts, da="\n".join(other for _, other in told), code=error.code
    )


def _several(found: Listed) -> Listed:
    if len(found.units) >= 2:
        return found
    raise UsageError(
        "One unit cannot be drawn among. Name at least two, with commas between.",
        {"units": len(found.units)},
        da="Der kan ikke trækkes lod om én enhed. Nævn mindst to, med komma imellem.",
    )


def _no_such(text: str, last: int) -> tuple[str, str | None]:
    raise UsageError(
        f"{text} is not on the list of registers; it goes from 1 to {last}. Type a number, a file or names.",
        {"text": text},
        da=f"{text} står ikke på listen over registre; den går fra 1 til {last}. Skriv et nummer, en fil eller navne.",
    )
