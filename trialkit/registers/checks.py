"""What may be wrong with a list of units: its headings, its rows, its ids side by side."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from trialkit.canonical import skeleton
from trialkit.registers.cells import findings, harmless
from trialkit.registers.cpr import masked
from trialkit.registers.table import DATE, NUMBER, Faults, Row, Table

MOST_DIGITS: Final = 15  # what a spreadsheet keeps of a number
_SCIENTIFIC: Final = re.compile(r"[0-9]([.,][0-9]+)?[Ee][+-][0-9]+")
_NUMBERED: Final = re.compile(r"([^0-9]*)([0-9]+)")


def check_headings(table: Table) -> list[str]:
    """The headings, with faults noted for blank, doubtful, repeated or look-alike ones."""
    headings, line, faults = list(table.header.cells), table.header.line, table.faults
    while headings and not headings[-1]:
        headings.pop()
    seen: dict[str, int] = {}
    for column, heading in enumerate(headings, start=1):
        if not heading:
            faults.add(
                "E_HEADER",
                "A column in the middle has no heading, so nobody can name it in a rule. Write one.",
                "En kolonne midt i listen har ingen overskrift, så ingen kan nævne den i en regel. Skriv en.",
                line=line,
                column=column,
            )
            continue
        _add_findings(faults, heading, line, column, named=True)
        first = seen.setdefault(skeleton(heading), column)
        if first != column:
            faults.add(
                "E_HEADER",
                f"Columns {first} and {column} have the same heading, so one would hide the other. Rename one.",
                f"Kolonne {first} og {column} har samme overskrift, så den ene ville skjule den anden. Omdøb én.",
                line=line,
                column=column,
            )
    return headings


def check_row(
    table: Table, row: Row, headings: Sequence[str], *, named: tuple[int, int], not_cpr: Collection[int]
) -> None:
    """Note the faults of one row that is not blank; ``named`` are the places of id and name."""
    cells, width = row.cells, len(headings)
    if len(cells) < width or any(cells[width:]):
        _add_ragged(table, row, width)
        return
    for place in range(width):
        cell = cells[place]
        if harmless(cell) or not cell:
            continue
        is_number = row.kind(place) == NUMBER
        shown = "" if place in not_cpr and cell.isdigit() else cell
        _add_findings(table.faults, shown, row.line, place + 1, named=place in named, from_number=is_number)


def _add_findings(faults: Faults, text: str, line: int, column: int, *, named: bool, from_number: bool = False) -> None:
    for found in findings(text, named=named, from_number=from_number):
        faults.add(found.code, found.en, found.da, line=line, column=column, corrected=found.corrected)


def _add_ragged(table: Table, row: Row, width: int) -> None:
    last = max((place for place, cell in enumerate(row.cells, start=1) if cell), default=0)
    has = last if last > width else len(row.cells)
    table.faults.add(
        "E_RAGGED",
        f"This row has {has} cells under {width} headings, so values would land in the wrong columns. The file may "
        "have been cut, or a name holds the delimiter: put such a name in quotation marks.",
        f"Rækken har {has} celler under {width} overskrifter, så værdier ville havne i forkerte kolonner. Filen kan "
        "være skåret over, eller et navn rummer skilletegnet: sæt navnet i anførselstegn.",
        line=row.line,
        column=min(has, width) + 1,
    )


class Codes:
    """The ids of a list, as they come: none blank, none twice, none alike, none that a spreadsheet has changed."""

    def __init__(self, faults: Faults, column: int) -> None:
        self.faults, self.column = faults, column
        self.seen: dict[str, int] = {}
        self.alike: dict[str, str] = {}
        self.lines = array("q")
        self.numbers = bytearray()

    @property
    def count(self) -> int:
        """How many rows came."""
        return len(self.lines)

    def add(self, row: Row, place: int) -> None:
        """Note the faults of one more id."""
        code, kind = row.cells[place], row.kind(place)
        if not code:
            self._fault(
                row.line,
                "E_BLANK",
                "This row has no id, so its unit could not be drawn or found again. Write the id, or delete the row.",
                "Rækken har intet id, så enheden kan hverken trækkes eller findes igen. Skriv id, eller slet rækken.",
            )
            return
        self.lines.append(row.line)
        self.numbers.append(kind == NUMBER)
        if kind == DATE or (kind == NUMBER and not _whole(code)) or _SCIENTIFIC.fullmatch(code):
            self._add_changed(row.line)
        self._compare(code, row.line)

    def _compare(self, code: str, line: int) -> None:
        first = self.seen.setdefault(code, line)
        if first != line:
            shown = masked(code)
            self._fault(
                line,
                "E_DUPLICATE",
                f"The id {shown!r} stands in row {first} already, and one unit cannot be drawn twice. Keep one.",
                f"Id'et {shown!r} står allerede i række {first}, og en enhed kan ikke trækkes to gange. Behold én.",
            )
            return
        shape = skeleton(code)
        other = self.alike.setdefault(code if shape == code else shape, code)
        if other != code:
            self._fault(
                line,
                "E_LOOKALIKE",
                f"The ids {masked(code)!r} and {masked(other)!r} (row {self.seen[other]}) look alike, and people would "
                "take one for the other. Keep one, or rename it.",
                f"Id'erne {masked(code)!r} og {masked(other)!r} (række {self.seen[other]}) ligner hinanden, og folk "
                "ville forveksle dem. Behold én, eller omdøb den.",
            )

    def _add_changed(self, line: int) -> None:
        self._fault(
            line,
            "E_CHANGED",
            "The spreadsheet has made a date, a decimal or a rounded number of this id, and the text that stood there "
            "is lost. Format the column as text, and type the id again.",
            "Regnearket har lavet id'et om til en dato, et decimaltal eller et afrundet tal, og den tekst, der stod "
            "der, er tabt. Formatér kolonnen som tekst, og skriv id'et igen.",
        )

    def finish(self) -> None:
        """Note ids that are shorter than the others, as when a spreadsheet has dropped the zeros in front."""
        if not self.seen or len(self.seen) != len(self.lines):
            return
        for code, place in _shortened(list(self.seen), self.numbers):
            self._fault(
                self.lines[place],
                "E_ZEROS",
                f"The id {masked(code)!r} is shorter than the others, as when a spreadsheet drops the zeros in front. "
                "trialkit cannot invent them. Format the column as text, and type the id as it should be.",
                f"Id'et {masked(code)!r} er kortere end de andre, som når et regneark fjerner nuller foran. trialkit "
                "kan ikke opfinde dem. Formatér kolonnen som tekst, og skriv id'et, som det skal være.",
            )

    def _fault(self, line: int, code: str, en: str, da: str) -> None:
        self.faults.add(code, en, da, line=line, column=self.column)


def _whole(text: str) -> bool:
    return text.isdigit() and len(text) <= MOST_DIGITS


def _shortened(codes: Sequence[str], numbers: bytearray) -> list[tuple[str, int]]:
    """Ids with fewer digits than nearly all others, with their places; running numbers are none.

    Text is trusted unless a full id begins with a zero.  A number is not: then four of five must be longer.
    """
    parts = [_NUMBERED.fullmatch(code) for code in codes]
    found = [part for part in parts if part is not None]
    if len(found) < len(codes) or len({part[1] for part in found}) > 1:
        return []
    width, many = Counter(len(part[2]) for part in found).most_common(1)[0]
    padded = any(part[2].startswith("0") and len(part[2]) == width > 1 for part in found)
    values = [int(part[2]) for part in found]
    running = max(values) - min(values) + 1 == len(values) and not padded
    needed = 0.5 if padded else 0.8
    if running or width < 2 or many <= needed * len(codes):
        return []
    short = [(part[0], place) for place, part in enumerate(found) if len(part[2]) < width]
    return [(code, place) for code, place in short if padded or (numbers[place] and width > 2)]
