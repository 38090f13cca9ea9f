"""A first walk through a workbook's XML, before anything builds its grid.

The reader lays a sheet out as a full rectangle, so one cell in the far corner would take hundreds of gigabytes; and
it gives an empty cell where a formula failed.  This walk finds both, with bounded memory.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Final
from xml.parsers import expat

from trialkit.registers.table import MOST_FAULTS

_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_CHUNK: Final = 2**16
Attributes = Mapping[str, str]


class ScanError(Exception):
    """XML that is not what a spreadsheet program writes."""


@dataclass(slots=True)
class Scan:
    """How far a sheet reaches (cells from A1), and the (row, column) of cells whose formula failed or never ran."""

    height: int = 0
    width: int = 0
    failed: list[tuple[int, int]] = field(default_factory=list)

    def reach(self, row: int, column: int) -> None:
        """Make the sheet reach this cell."""
        self.height, self.width = max(self.height, row), max(self.width, column)

    def fail(self, row: int, column: int) -> None:
        """Note a cell without a value; the first thousand are enough."""
        if len(self.failed) < MOST_FAULTS:
            self.failed.append((row, column))


def scan_xlsx(data: bytes) -> dict[str, Scan]:
    """Every worksheet of an XLSX workbook by its name.

    Raises
    ------
    ScanError
        The XML is broken, or declares a document type.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        paths = _sheet_paths(archive)
        scans = {}
        for name, path in paths.items():
            walk = _XlsxSheet()
            with archive.open(path) as stream:
                _parse(stream, walk.start, walk.end)
            scans[name] = walk.scan
    return scans


def scan_ods(data: bytes) -> dict[str, Scan]:
    """Every table of an ODS document by its name; raises as `scan_xlsx`."""
    walk = _OdsTables()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("content.xml") as stream:
        _parse(stream, walk.start, walk.end)
    return walk.scans


def _parse(stream: IO[bytes], start: Callable[[str, Attributes], None], end: Callable[[str], None]) -> None:
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda name, attributes: start(_local(name), attributes)
    parser.EndElementHandler = lambda name: end(_local(name))
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ScanError(str(error)) from None


def _no_doctype(*_: object) -> None:
    raise ScanError("a document type declaration")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _sheet_paths(archive: zipfile.ZipFile) -> dict[str, str]:
    """Worksheets' names and where each lies in the archive."""
    sheets: dict[str, str] = {}
    targets: dict[str, str] = {}

    def sheet(name: str, attributes: Attributes) -> None:
        if name == "sheet":
            title = _attribute(attributes, "name")
            if title in sheets:
                raise ScanError("two sheets of one name")
            sheets[title] = _attribute(attributes, "id")

    def relation(name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
            path = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
            targets[attributes.get("Id", "")] = path.lstrip("/")

    with archive.open("xl/workbook.xml") as stream:
        _parse(stream, sheet, _ignore)
    with archive.open("xl/_rels/workbook.xml.rels") as stream:
        _parse(stream, relation, _ignore)
    return {name: targets[key] for name, key in sheets.items() if key in targets}


def _ignore(_: str) -> None:
    return


class _XlsxSheet:
    """Rows and cells of one worksheet; a cell without a reference follows the one before it."""

    def __init__(self) -> None:
        self.scan = Scan()
        self.row = self.column = 0
        self.fails = self.formula = self.value = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "row":
            self.row, self.column = _whole(attributes.get("r"), self.row + 1), 0
        elif name == "c":
            self._begin(attributes)
        elif name == "f":
            self.formula = True
        elif name in ("v", "is"):
            self.value = True

    def _begin(self, attributes: Attributes) -> None:
        self.column += 1
        if "r" in attributes:
            place = _CELL.fullmatch(attributes["r"])
            if place is None:
                raise ScanError(f"the cell {attributes['r'][:20]}")
            self.row, self.column = int(place[2]), _column_number(place[1])
        self.fails, self.formula, self.value = attributes.get("t") == "e", False, False
        self.scan.reach(self.row, self.column)

    def end(self, name: str) -> None:
        if name == "c" and (self.fails or (self.formula and not self.value)):
            self.scan.fail(self.row, self.column)


class _OdsTables:
    """Rows and cells of every table; empty repeats at the end do not count."""

    def __init__(self) -> None:
        self.scans: dict[str, Scan] = {}
        self.scan = Scan()
        self.row = self.column = self.last = 0
        self.repeat = self.width = 1

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "table":
            self.scan, self.row = Scan(), 0
            title = _attribute(attributes, "name")
            if title in self.scans:
                raise ScanError("two tables of one name")
            self.scans[title] = self.scan
        elif name == "table-row":
            self.repeat = _whole(_attribute(attributes, "number-rows-repeated"), 1)
            self.column = self.last = 0
        elif name in ("table-cell", "covered-table-cell"):
            self.width = _whole(_attribute(attributes, "number-columns-repeated"), 1)
            self.column += self.width
            kinds = [value for key, value in attributes.items() if _local(key) == "value-type"]
            self.last = self.column if kinds else self.last
            if "error" in kinds:
                self.scan.fail(self.row + 1, self.column)
        elif name == "p":
            self.last = self.column

    def end(self, name: str) -> None:
        if name == "table-row":
            if self.last:
                self.scan.reach(self.row + self.repeat, self.last)
            self.row += self.repeat


def _attribute(attributes: Attributes, name: str) -> str:
    return next((value for key, value in attributes.items() if _local(key) == name), "")


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else otherwise


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
