"""A file at the door: every fault told at once and nothing taken in, or what it says.

Two kinds of file are read, CSV or a sheet, with English or Danish headings.  *Counts*: unit, month, outcome,
numerator, denominator.  *Children*: unit, birth_month or birth_date, and event (yes or no) or event_date (the day of
first support); each child is counted by the outcome's own definition.  A column nobody asked for is refused, for data
nobody needs should not be here; a column of child codes is read to find a child that stands there twice, and not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trialkit.canonical import nfc
from trialkit.errors import UnitsError
from trialkit.protocol.model import Protocol
from trialkit.protocol.outcomes import Outcome
from trialkit.records import refusals
from trialkit.records.entry import Child, Measurement, Received
from trialkit.records.faults import Noted
from trialkit.registers.checks import check_headings, check_row
from trialkit.registers.cpr import holds_cpr
from trialkit.registers.names import place
from trialkit.registers.read import read_table
from trialkit.registers.table import Row, Table
from trialkit.units import Unit, Units, plain

HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "unit": ("unit", "enhed", "unit_id", "bydel", "kommune"),
    "month": ("month", "måned", "period", "periode", "quarter", "kvartal"),
    "outcome": ("outcome", "udfald", "udfaldsmål"),
    "numerator": ("numerator", "tæller"),
    "denominator": ("denominator", "nævner"),
    "birth_month": ("birth_month", "fødselsmåned", "month_of_birth"),
    "birth_date": ("birth_date", "fødselsdato", "date_of_birth"),
    "event": ("event", "hændelse", "støtte", "support"),
    "event_date": ("event_date", "hændelsesdato", "first_support", "første_støtte"),
    "child": ("child", "barn", "child_code", "barnets_kode"),
    "synthetic": ("synthetic", "syntetisk"),
}
COUNTABLE: Final = frozenset({"share", "yes_no", "count", "number", "score", "time_to_event"})
SHARES: Final = frozenset({"share", "yes_no"})
_COUNTS: Final = frozenset({"unit", "month", "outcome", "numerator", "denominator", "synthetic"})
_CHILDREN: Final = frozenset(
    {"unit", "birth_month", "birth_date", "event", "event_date", "outcome", "child", "synthetic"}
)


def receive(
    path: Path,
    protocol: Protocol,
    units: Units,
    *,
    outcome: str = "",
    encoding: str | None = None,
    sheet: str | None = None,
) -> Received:
    """What a file says.

    Parameters
    ----------
    path : CSV, TSV, XLSX, XLS or ODS, with headings in its first row
    protocol : says which outcomes are counted, and how
    units : everybody the trial knows, pilots and units left out too; found by id, name or known spelling
    outcome : where the file has no outcome column; left out, the primary one
    encoding, sheet : as for a list of units; an encoding is never guessed

    Raises
    ------
    RecordError
        Every fault, with file, row and column from 1 (``facts["faults"]``); none shows a civil registration number.
    """
    if holds_cpr(path.name):
        raise refusals.holds_a_cpr("the file's name")
    if not len(units):
        raise refusals.no_units()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise refusals.unreadable(path.name, error) from None
    if not data.strip():
        raise refusals.empty(path.name)
    try:
        table = read_table(path, encoding=encoding, sheet=sheet)
        door = _door(table, protocol, units, outcome)
        for row in table.rows:
            door.read(row)
        door.finish()
    except UnitsError as error:
        raise refusals.nothing_taken_in(error) from None
    return Received(
        file=nfc(path.name),
        sha256=hashlib.sha256(data).hexdigest(),
        measurements=tuple(door.measurements),
        children=tuple(door.children),
        synthetic=door.synthetic or protocol.synthetic,
    )


def countable(protocol: Protocol) -> dict[str, Outcome]:
    """The outcomes that are counted by unit and period."""
    return {one.id: one for one in protocol.outcomes if one.type in COUNTABLE}


def primary(protocol: Protocol) -> str:
    """The outcome of the primary question; the first where none is marked."""
    return next((one.id for one in protocol.outcomes if one.primary), protocol.outcomes[0].id)


def _door(table: Table, protocol: Protocol, units: Units, outcome: str) -> _Door:
    """The reader for this file's headings."""
    known = countable(protocol)
    default = outcome or primary(protocol)
    if default not in known:
        raise refusals.no_outcome(default, list(known))
    headings = check_headings(table)
    words = {word: name for name, listed in HEADINGS.items() for word in listed}
    named = [words.get(plain(heading).replace(" ", "_"), "") for heading in headings]
    of_children = bool({"birth_month", "birth_date", "event", "event_date"} & set(named))
    asked = _CHILDREN if of_children else _COUNTS
    noted = Noted(table.faults)
    for number, (name, heading) in enumerate(zip(named, headings, strict=True), start=1):
        if heading and name not in asked:
            noted.unasked(table.header.line, number, heading, [HEADINGS[one] for one in HEADINGS if one in asked])
        elif name in named[: number - 1]:
            noted.twice_named(table.header.line, number, name)
    at = {name: number for number, name in reversed(list(enumerate(named))) if name}
    told = list(known.values()) if "outcome" in at else [known[default]]
    plain_counts = any(one.type == "count" for one in told)
    noted.missing(table.header.line, [HEADINGS[one] for one in _needed(at, of_children, plain_counts) if one])
    if table.faults:
        raise table.faults.error()
    kind = _ChildDoor if of_children else _CountDoor
    return kind(table, headings, at, known, default, units)


def _needed(at: Mapping[str, int], of_children: bool, plain_counts: bool) -> list[str]:
    """The columns that are missing, by name; only plain counts do without a denominator."""
    if not of_children:
        always = ("unit", "month", "numerator", *(() if plain_counts else ("denominator",)))
        return [name for name in always if name not in at]
    return [
        "" if "unit" in at else "unit",
        "" if {"birth_month", "birth_date"} & set(at) else "birth_date",
        "" if {"event", "event_date"} & set(at) else "event",
        "birth_date" if "event_date" in at and "birth_date" not in at else "",
    ]


@dataclass
class _Door:
    """Rows as they come; what is right is kept, what is wrong noted at its row and column."""

    table: Table
    headings: Sequence[str]
    at: Mapping[str, int]
    known: Mapping[str, Outcome]
    default: str
    units: Units
    measurements: list[Measurement] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    marks: set[bool] = field(default_factory=set)
    found: dict[str, Unit | UnitsError] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self) -> None:
        self.noted = Noted(self.table.faults)

    @property
    def synthetic(self) -> bool:
        """Whether every row says that it is made up."""
        return self.marks == {True}

    def read(self, row: Row) -> None:
        """One row; a blank one holds nothing."""
        if not any(row.cells):
            return
        self.rows += 1
        faults = self.table.faults
        before = len(faults.found) + faults.more
        check_row(self.table, row, self.headings, named=(self.at["unit"], self.at.get("child", -1)), not_cpr=())
        if faults.more or any(fault.code == "E_RAGGED" for fault in faults.found[before:]):
            return
        self.noted.begin(row, {fault.column for fault in faults.found[before:]})
        self.marks.add(self.noted.yes_no(self.at["synthetic"]) is True if "synthetic" in self.at else False)
        self.take(row)

    def take(self, row: Row) -> None:
        """Read the cells of a row that is not blank."""
        raise NotImplementedError

    def finish(self) -> None:
        """Refuse the file if anything in it is wrong."""
        if not self.rows and not self.table.faults:
            raise refusals.empty(self.table.faults.file)
        if len(self.marks) > 1:
            self.noted.half_synthetic(self.table.header.line, self.at["synthetic"] + 1)
        if self.table.faults:
            raise self.table.faults.error()

    def outcome(self) -> Outcome | None:
        """The row's outcome."""
        name = self.noted.text(self.at["outcome"]) if "outcome" in self.at else self.default
        if name is None:
            return None
        if found := self.known.get(name) or self.known.get(plain(name)):
            return found
        self.noted.unknown_outcome(self.at["outcome"], name, list(self.known))
        return None

    def unit(self, find: Callable[[str], object]) -> str | None:
        """The id of the row's unit."""
        text = self.noted.text(self.at["unit"])
        if text is None:
            return None
        if text not in self.found:
            try:
                unit = find(text)
                self.found[text] = unit if isinstance(unit, Unit) else refusals.outside(text)
            except UnitsError as error:
                self.found[text] = error
        answer = self.found[text]
        if isinstance(answer, Unit):
            return answer.id
        self.noted.error(self.at["unit"], answer)
        return None


class _CountDoor(_Door):
    """Counts per unit and period."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lines: dict[tuple[str, str, str], int] = {}

    def take(self, row: Row) -> None:
        outcome, unit = self.outcome(), self.unit(self.units.find)
        period = self.noted.period(self.at["month"], outcome)
        if outcome is None:
            return
        value = self.noted.counted(self.at["numerator"], self.at.get("denominator", -1), outcome)
        if unit is None or not period:
            return
        cell = (outcome.id, unit, period)
        if (first := self.lines.setdefault(cell, row.line)) != row.line:
            self.noted.repeated(self.at["unit"], " ".join(cell), first)
        elif value is not None:
            top, bottom = value
            self.measurements.append(
                Measurement(
                    outcome=outcome.id, unit=unit, period=period, row=row.line, numerator=top, denominator=bottom
                )
            )


class _ChildDoor(_Door):
    """Children one by one; a part of a merged unit lies in that unit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.codes: dict[tuple[str, str], int] = {}

    def take(self, row: Row) -> None:
        outcome, unit = self.outcome(), self.unit(lambda text: place(text, self.units))
        if outcome is not None and outcome.type not in SHARES:
            self.noted.not_a_share(self.at.get("outcome", self.at["unit"]), outcome.id)
            return
        if outcome is None:
            return
        self._check_code(row, outcome)
        born = self.noted.day(self.at["birth_date"]) if "birth_date" in self.at else None
        period = self.noted.birth_period(self.at.get("birth_month", -1), born, outcome)
        if "event_date" in self.at:
            event = self.noted.in_time(self.at["event_date"], born, outcome)
        else:
            event = self.noted.yes_no(self.at["event"])
        if unit is not None and period and event is not None:
            self.children.append(Child(outcome=outcome.id, unit=unit, period=period, row=row.line, event=event))

    def _check_code(self, row: Row, outcome: Outcome) -> None:
        code = row.cells[self.at["child"]] if "child" in self.at else ""
        if code and (first := self.codes.setdefault((outcome.id, code), row.line)) != row.line:
            self.noted.same_child(self.at["child"], first)
