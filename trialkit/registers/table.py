"""A table as it was read: one heading and rows of texts with the place each came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from trialkit.errors import Fault, UnitsError

MOST_COLUMNS: Final = 16_384  # a sheet's own limit
MOST_ROWS: Final = 1_000_000  # the draw's own limit (docs/spec/draw.md section 4)
MOST_BYTES: Final = 512 * 2**20
MOST_FAULTS: Final = 1000
TOLD_FAULTS: Final = 12  # in words; machines are told all that are kept

TEXT, NUMBER, DATE = "t", "n", "d"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``line`` in the file (the heading is usually 1), cells as text, and what each cell was.

    ``kinds`` has one letter per cell (`TEXT`, `NUMBER`, `DATE`); empty when all are text, as in CSV.
    """

    line: int
    cells: Sequence[str]
    kinds: str = ""

    def kind(self, place: int) -> str:
        """What the cell at ``place`` (from 0) was in the file."""
        return self.kinds[place] if self.kinds else TEXT


@dataclass(slots=True)
class Faults:
    """Faults of one file, collected; the first thousand are kept and the rest counted."""

    file: str
    found: list[Fault] = field(default_factory=list)
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, code: str, en: str, da: str, *, line: int = 0, column: int = 0, corrected: str = "") -> None:
        """One more fault; ``line`` and ``column`` count from 1, 0 where there is none."""
        if len(self.found) == MOST_FAULTS:
            self.more += 1
            return
        self.found.append(Fault(en=en, da=da, code=code, file=self.file, line=line, column=column, corrected=corrected))

    def error(self) -> UnitsError:
        """All of them in one error, by line and column; in words the first dozen and how many more there are."""
        listed = sorted(self.found, key=lambda fault: (fault.line, fault.column))
        told, rest = listed[:TOLD_FAULTS], len(listed) - TOLD_FAULTS + self.more
        if self.more:
            listed.append(self._rest(self.more))
        code = self.found[0].code
        if rest <= 0:
            return UnitsError.listing(told, code=code)
        words = UnitsError.listing([*told, self._rest(rest)], code=code)
        return UnitsError(words.message, UnitsError.listing(listed).facts, da=words.told("da"), code=code)

    def _rest(self, number: int) -> Fault:
        """The line that stands for those that are not told one by one."""
        return Fault(
            en=f"... and {number} more; --json lists them.",
            da=f"... og {number} til; --json viser dem.",
            file=self.file,
        )


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds: the heading's row and the rows below it, read once and in order.

    ``faults`` grow while the rows are read: a file may turn out to be damaged only at its end.
    """

    faults: Faults
    header: Row
    rows: Iterable[Row]


def refused(file: str, code: str, en: str, da: str, *, line: int = 0, column: int = 0) -> UnitsError:
    """A file that cannot be read further, as an error with its one fault."""
    faults = Faults(file)
    faults.add(code, en, da, line=line, column=column)
    return faults.error()


def table_of(faults: Faults, rows: Iterator[Row]) -> Table:
    """The first row as heading, the others below it.

    Raises
    ------
    UnitsError
        No row, or a heading with more than 16,384 columns (``E_EMPTY``, ``E_COLUMNS``).
    """
    header = next(rows, None)
    if header is None and faults:
        raise faults.error()
    if header is None or not any(header.cells):
        raise refused(
            faults.file,
            "E_EMPTY" if header is None else "E_HEADER",
            "The first row must hold the columns' names, and it is empty, so no unit can be read. "
            "Save the list again with its heading in the first row.",
            "Første række skal rumme kolonnernes navne, men den er tom, så ingen enhed kan læses. "
            "Gem listen igen med overskrifter i første række.",
            line=0 if header is None else header.line,
        )
    last = max(place for place, cell in enumerate(header.cells) if cell) + 1
    if last > MOST_COLUMNS:
        raise refused(
            faults.file,
            "E_COLUMNS",
            f"The heading has {last} columns; a sheet has at most {MOST_COLUMNS}. "
            "The file may be turned on its side. Give one unit per row.",
            f"Overskriften har {last} kolonner; et regneark har højst {MOST_COLUMNS}. "
            "Filen er måske vendt på siden. Skriv én enhed pr. række.",
            line=header.line,
        )
    return Table(faults, header, rows)
