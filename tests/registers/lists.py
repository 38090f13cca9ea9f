"""Lists of units for the tests of this folder: made, spoiled, and written in every form."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
import xlsxwriter

from trialkit.errors import UnitsError
from trialkit.registers import read_units

Cell = str | float | bool | date | None
Rows = Sequence[Sequence[Cell]]

GOOD: list[list[str]] = [
    ["kode", "navn", "region", "børn"],
    ["020", "Nørrebro", "Øst", "1.234"],
    ["101", "Amager Øst", "Vest", ""],
    ["147", "Valby; og Vigerslev, m.m.", "Vest", "7"],
    ["751", 'Den "lille" by', "", "12,5"],
]


def as_text(rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\n") -> str:
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL  # else a line end inside a cell is left bare
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue()


def as_xlsx(path: Path, rows: Rows, *, sheet: str = "Enheder", more: Sequence[str] = ()) -> Path:
    """A workbook that XlsxWriter made; ``more`` sheets hold one word each."""
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name in (sheet, *more):
            page = book.add_worksheet(name)
            if name != sheet:
                page.write_string(0, 0, name)
                continue
            for line, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, str):
                        page.write_string(line, column, cell)
                    elif cell is not None:
                        page.write(line, column, cell)
    return path


_OPEN = (
    '<?xml version="1.0" encoding="UTF-8"?><office:document-content'
    ' xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
    ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
)
_CLOSE = "</office:spreadsheet></office:body></office:document-content>"
# LibreOffice ends every table with such rows, up to the last of the sheet
_TAIL = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'  # noqa: E501


def ods_cell(cell: Cell) -> str:
    if cell is None or cell == "":
        return "<table:table-cell/>"
    if isinstance(cell, date):
        return f'<table:table-cell office:value-type="date" office:date-value="{cell}"><text:p>?</text:p></table:table-cell>'
    if isinstance(cell, float):
        return f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell:g}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="string"><text:p>{escape(str(cell))}</text:p></table:table-cell>'


def as_ods(path: Path, rows: Rows = (), *, inner: str = "") -> Path:
    """The smallest OpenDocument spreadsheet with one table; ``inner`` replaces its rows."""
    made = "".join(f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>" for row in rows) + _TAIL
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type={quoteattr(kind)}/></manifest:manifest>',
        )
        archive.writestr(
            "content.xml", f'{_OPEN}<table:table table:name="Enheder">{inner or made}</table:table>{_CLOSE}'
        )
    return path


def faults(path: Path, **how: str) -> list[tuple[str, int, int]]:
    """(code, row, column) of everything that reading ``path`` finds wrong; every fault names the file."""
    with pytest.raises(UnitsError) as caught:
        read_units(path, **how)  # type: ignore[arg-type]
    listed = caught.value.facts["faults"]
    assert all(fault["file"] == path.name and fault["en"] and fault["da"] for fault in listed)
    return [(fault["code"], fault["line"], fault["column"]) for fault in listed]
