"""A list of units from a file or a DataFrame: every fault told at once, or the units."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from trialkit.errors import UnitsError
from trialkit.registers.archive import checked_kind
from trialkit.registers.cells import line_ends
from trialkit.registers.checks import Codes, check_headings, check_row
from trialkit.registers.delimited import read_delimited
from trialkit.registers.frame import Frame, read_frame
from trialkit.registers.table import MOST_BYTES, MOST_ROWS, Row, Table, refused
from trialkit.registers.workbook import read_workbook
from trialkit.units import Unit, Units, plain

ID_WORDS: Final = ("id", "unit_id", "code", "kode", "unit", "enhed", "enheds_id", "enhedsid", "kommunekode")
NAME_WORDS: Final = ("name", "name_da", "navn", "enhedsnavn")
SPELLING_WORDS: Final = ("spellings", "other_spelling", "stavemåder")
MEMBER_WORDS: Final = ("members", "medlemmer")
_SHARED: Final = 4096  # values kept once however often they stand: regions, yes and no


def read_units(
    source: Path | str | Frame,
    *,
    id: str | None = None,
    name: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    not_cpr: Collection[str] = (),
) -> Units:
    """The units listed in a CSV, TXT, TSV, XLSX, XLS or ODS file, or in a DataFrame.

    Row order, delimiter, line ends, byte order mark and Unicode form never matter.  Everything is text: ``020``
    keeps its zero.  All columns become `Unit.facts`; columns called ``spellings`` (or ``other_spelling``) and
    ``members`` also become those fields, with ``;`` between.

    Parameters
    ----------
    source : a file, at most 512 MiB and one million rows, with headings in its first row; or a DataFrame
    id, name : columns to take them from; if not given, the first of `ID_WORDS` and of `NAME_WORDS` that is there
    encoding : of a text file that is not UTF-8, e.g. ``"cp1252"``; never guessed
    sheet : of a workbook where several sheets hold something
    not_cpr : columns whose ten digits are known to be something else than CPR numbers, e.g. P numbers

    Raises
    ------
    UnitsError
        Everything that is wrong, as faults with file, row and column from 1 (``facts["faults"]``).  No fault shows
        a civil registration number.
    """
    return units_of(read_table(source, encoding=encoding, sheet=sheet), id=id, name=name, not_cpr=not_cpr)


def read_table(source: Path | str | Frame, *, encoding: str | None = None, sheet: str | None = None) -> Table:
    """The rows of a file or a DataFrame, unchecked; parameters and errors as in `read_units`."""
    if not isinstance(source, (str, Path)):
        return read_frame(source)
    path = Path(source)
    data = _bytes(path)
    kind = checked_kind(path.name, path.suffix.lower(), data)
    if kind != "text":
        return read_workbook(path.name, data, kind, sheet)
    if sheet is not None:
        raise refused(
            path.name,
            "E_SHEET",
            f"A text file has no sheets, so {sheet!r} is not in it. Leave the sheet out, or give the workbook.",
            f"En tekstfil har ingen ark, så {sheet!r} findes ikke i den. Udelad arket, eller angiv projektmappen.",
        )
    return read_delimited(path.name, data, encoding)


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise missing_file(path.name)
    if path.stat().st_size > MOST_BYTES:
        raise refused(
            path.name,
            "E_SIZE",
            f"The file is larger than {MOST_BYTES // 2**20} MiB, and a list of units never is. Give the right file.",
            f"Filen er større end {MOST_BYTES // 2**20} MiB, og det er en liste over enheder aldrig. "
            "Angiv den rigtige fil.",
        )
    data = path.read_bytes()
    if not data.strip():
        raise refused(
            path.name,
            "E_EMPTY",
            "The file is empty, so there is nobody to draw among. Save the list again, with headings in row 1.",
            "Filen er tom, så der er ingen at trække lod imellem. Gem listen igen med overskrifter i række 1.",
        )
    return data


def missing_file(file: str) -> UnitsError:
    """A file that is not there, with who can provide it where trialkit knows."""
    from trialkit.registers.shipped import unpublished

    en, da = unpublished(file)
    return refused(
        file,
        "E_FILE",
        f"The file is not there, so its units cannot be read. {en} Put it beside the draft under this name.",
        f"Filen findes ikke, så dens enheder kan ikke læses. {da} Læg den ved siden af udkastet under dette navn.",
    )


def units_of(table: Table, *, id: str | None, name: str | None, not_cpr: Collection[str] = ()) -> Units:
    """The units of a table; parameters and errors as in `read_units`."""
    headings = check_headings(table)
    at = {heading: place for place, heading in enumerate(headings) if heading}
    id_at = _column(table, at, id, ID_WORDS)
    name_at = _column(table, at, name, NAME_WORDS, needed=name is not None)
    build = _Builder(headings, id_at, name_at)
    codes = Codes(table.faults, id_at + 1)
    blank: tuple[int, int] | None = None
    free = frozenset(place for heading, place in at.items() if heading in not_cpr)
    for row in table.rows:
        if not any(row.cells):
            blank = (blank[0] if blank else row.line, row.line)
            continue
        if blank:
            _add_blank(table, *blank)
            blank = None
        check_row(table, row, headings, named=(id_at, name_at), not_cpr=free)
        if len(row.cells) > id_at:
            codes.add(row, id_at)
        if codes.count > MOST_ROWS:
            raise _too_many(table)
        if not table.faults:
            build.add(row)
    codes.finish()
    return build.units(table)


def _column(table: Table, at: dict[str, int], asked: str | None, words: Sequence[str], *, needed: bool = True) -> int:
    """The place of a column that was asked for, or of the first that goes by a usual word; -1 if not needed."""
    if asked is not None and asked in at:
        return at[asked]
    if asked is None:
        usual = {plain(heading): place for heading, place in reversed(at.items())}
        found = [usual[word] for word in words if word in usual]
        if found or not needed:
            return found[0] if found else -1
    listed = ", ".join(at)
    what = f"{asked!r}" if asked else " / ".join(words[:4])
    table.faults.add(
        "E_HEADER",
        f"The first row has no column {what}, so nobody knows which text names a unit. It has: {listed}. "
        "If that is a unit and no heading, put headings above it; otherwise name the column: id=...",
        f"Første række har ingen kolonne {what}, så ingen ved, hvilken tekst der er enhedens navn. Den har: {listed}. "
        "Er det en enhed og ingen overskrift, så skriv overskrifter over den; ellers angiv kolonnen: id=...",
        line=table.header.line,
    )
    raise table.faults.error()


def _add_blank(table: Table, first: int, last: int) -> None:
    table.faults.add(
        "E_BLANK",
        f"Rows {first} to {last} are blank inside the list; units may have been lost there. Delete the blank rows.",
        f"Række {first} til {last} er tomme midt i listen; der kan være gået enheder tabt. Slet de tomme rækker.",
        line=first,
    )


def _too_many(table: Table) -> UnitsError:
    return refused(
        table.faults.file,
        "E_SIZE",
        f"The list has more than {MOST_ROWS} units, and a public draw holds no more. Draw in parts, or draw groups.",
        f"Listen har mere end {MOST_ROWS} enheder, og flere kan en offentlig lodtrækning ikke rumme. "
        "Træk i dele, eller træk grupper.",
    )


class _Builder:
    """Units from rows that hold no fault."""

    def __init__(self, headings: Sequence[str], id_at: int, name_at: int) -> None:
        self.headings = headings
        self.id_at, self.name_at = id_at, name_at
        usual = {plain(heading): place for place, heading in enumerate(headings)}
        self.spelling_at = next((usual[word] for word in SPELLING_WORDS if word in usual), -1)
        self.member_at = next((usual[word] for word in MEMBER_WORDS if word in usual), -1)
        self.made: list[Unit] = []
        self.memo: dict[str, str] = {}

    def add(self, row: Row) -> None:
        memo = self.memo
        cells = [memo.setdefault(cell, cell) if len(memo) < _SHARED else memo.get(cell, cell) for cell in row.cells]
        self.made.append(
            Unit(
                id=cells[self.id_at],
                name=cells[self.name_at] if self.name_at >= 0 else "",
                spellings=_parts(cells, self.spelling_at),
                members=_parts(cells, self.member_at),
                facts={heading: cell for heading, cell in zip(self.headings, cells, strict=False) if heading},
            )
        )

    def units(self, table: Table) -> Units:
        if table.faults:
            raise table.faults.error()
        if not self.made:
            raise refused(
                table.faults.file,
                "E_EMPTY",
                "There are headings and no units below them, so there is nobody to draw among. Add a row per unit.",
                "Der er overskrifter, men ingen enheder under dem, så der er ingen at trække lod imellem. "
                "Tilføj en række pr. enhed.",
            )
        return Units(tuple(sorted(self.made, key=lambda unit: unit.id.encode())))


def _parts(cells: Sequence[str], place: int) -> tuple[str, ...]:
    return tuple(part.strip() for part in cells[place].split(";") if part.strip()) if place >= 0 else ()


def write_units(units: Units, path: Path) -> None:
    """The units as CSV (UTF-8, comma): `read_units` gives back the same ids, names, spellings, members and facts.

    What a draft adds for the draw (block, cluster, tier, fixed, x), neighbours and areas are not written.  Fact
    columns stand in the order of the first unit; ``id`` and ``name`` are added unless a column that `read_units`
    would choose holds them.
    """
    path.write_text(units_csv(units), encoding="utf-8", newline="")


def units_csv(units: Units) -> str:
    """The text that `write_units` writes."""
    columns = {heading: None for unit in units for heading in unit.facts}
    rows = [dict(unit.facts) for unit in units]
    _put(columns, rows, ID_WORDS, [unit.id for unit in units])
    _put(columns, rows, NAME_WORDS, [unit.name for unit in units])
    _put(columns, rows, SPELLING_WORDS, [";".join(unit.spellings) for unit in units])
    _put(columns, rows, MEMBER_WORDS, [";".join(unit.members) for unit in units])
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({heading: line_ends(cell) for heading, cell in row.items()} for row in rows)
    return out.getvalue()


def _put(columns: dict[str, None], rows: list[dict[str, str]], words: Sequence[str], values: Sequence[str]) -> None:
    """See to it that the column `read_units` would choose among ``words`` holds ``values``; add one only if needed."""
    usual = {plain(heading): heading for heading in reversed(columns)}
    chosen = next((usual[word] for word in words if word in usual), None)
    if chosen is None and not any(values):
        return
    if chosen is not None and all(_same(row.get(chosen, ""), value) for row, value in zip(rows, values, strict=True)):
        return
    first = usual.get(words[0], words[0])
    columns.setdefault(first)
    for row, value in zip(rows, values, strict=True):
        row[first] = value


def _same(cell: str, value: str) -> bool:
    return cell == value or _parts([cell], 0) == _parts([value], 0)
