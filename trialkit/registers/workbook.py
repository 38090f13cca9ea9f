"""Spreadsheets: XLSX, XLS and ODS, through python-calamine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from trialkit.errors import UnitsError
from trialkit.registers.cells import cell_text
from trialkit.registers.sheetscan import Scan, ScanError, scan_ods, scan_xlsx
from trialkit.registers.table import MOST_COLUMNS, TEXT, Faults, Row, Table, refused, table_of

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

MOST_CELLS: Final = 20_000_000  # a million units with twenty columns


def read_workbook(file: str, data: bytes, kind: str, sheet: str | None) -> Table:
    """The table on ``sheet``, or on the only visible sheet that holds anything.

    Raises
    ------
    UnitsError
        The workbook is damaged or protected (``E_CONTENT``), too large (``E_SIZE``, ``E_COLUMNS``), or has no such
        sheet or several to choose from (``E_SHEET``).
    """
    scans = _scanned(file, data, kind)
    for name, scan in (scans or {}).items():
        _check_reach(file, name, scan)
    chosen = _chosen(file, data, sheet, scans)
    faults = Faults(file)
    for row, column in scans[chosen.name].failed if scans else ():
        _add_failed(faults, row, column)
    return table_of(faults, _rows(chosen))


def _scanned(file: str, data: bytes, kind: str) -> Mapping[str, Scan] | None:
    """What the first walk found; None for an XLS file, which has no XML to walk through."""
    if kind == "xls":
        return None
    try:
        return scan_xlsx(data) if kind == "xlsx" else scan_ods(data)
    except (ScanError, KeyError):
        raise _unreadable(file) from None


def _check_reach(file: str, sheet: str, scan: Scan) -> None:
    if scan.width > MOST_COLUMNS:
        raise refused(
            file,
            "E_COLUMNS",
            f"Sheet {sheet!r} has {scan.width} columns; a sheet has at most {MOST_COLUMNS}. "
            "It may be turned on its side. Give one unit per row.",
            f"Arket {sheet!r} har {scan.width} kolonner; et regneark har højst {MOST_COLUMNS}. "
            "Det er måske vendt på siden. Skriv én enhed pr. række.",
        )
    if scan.height * scan.width > MOST_CELLS:
        raise refused(
            file,
            "E_SIZE",
            f"Sheet {sheet!r} reaches to row {scan.height}, column {scan.width}: something stands far outside the "
            "list, and laying the sheet out would fill the memory. Delete what stands outside, or copy the list.",
            f"Arket {sheet!r} når til række {scan.height}, kolonne {scan.width}: noget står langt uden for listen, og "
            "arket ville fylde hele hukommelsen. Slet det, der står udenfor, eller kopiér listen.",
            line=scan.height,
            column=scan.width,
        )


@contextmanager
def _reading(file: str) -> Iterator[None]:
    """What the reader cannot do, in words."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError:
        raise refused(
            file,
            "E_CONTENT",
            "The workbook is protected by a password, so nobody could check what was read. Save it without one.",
            "Projektmappen er beskyttet med adgangskode, så ingen kunne kontrollere det læste. Gem den uden.",
        ) from None
    except CalamineError:
        raise _unreadable(file) from None
    except BaseException as error:  # a panic of the reader is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(file) from None


def _chosen(file: str, data: bytes, asked: str | None, scans: Mapping[str, Scan] | None) -> CalamineSheet:
    """The sheet asked for, or the only visible one with anything on it; none that was not walked through first."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with _reading(file):
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        pages = [about for about in workbook.sheets_metadata if about.typ == SheetTypeEnum.WorkSheet]
        if asked is None:
            names = [about.name for about in pages if about.visible == SheetVisibleEnum.Visible]
        else:
            names = [about.name for about in pages if about.name == asked]
        if scans is not None and not scans.keys() >= set(names):
            raise _unreadable(file)
        sheets = [workbook.get_sheet_by_name(name) for name in names]
    filled = [sheet for sheet in sheets if sheet.end is not None] or sheets[:1]
    if len(filled) == 1:
        return filled[0]
    return _no_choice(file, asked, ", ".join(repr(name) for name in workbook.sheet_names))


def _no_choice(file: str, asked: str | None, listed: str) -> CalamineSheet:
    if asked is None:
        raise refused(
            file,
            "E_SHEET",
            f"Several sheets hold something, and the units could be on any of them: {listed}. Name one: sheet=...",
            f"Flere ark rummer noget, og enhederne kan stå på dem alle: {listed}. Angiv ét: sheet=...",
        )
    raise refused(
        file,
        "E_SHEET",
        f"The workbook has no worksheet {asked!r}, so no unit was read. It has: {listed}.",
        f"Projektmappen har intet regneark {asked!r}, så ingen enhed er læst. Den har: {listed}.",
    )


def _rows(sheet: CalamineSheet) -> Iterator[Row]:
    """Every row from row 1 and column A, blank ones too, so that places agree with what a person sees."""
    left = sheet.start[1] if sheet.start else 0
    values: list[Any]
    for line, values in enumerate(sheet.iter_rows(), start=1):
        pairs = [cell_text(value) for value in values]
        texts = [""] * left + [text for text, _ in pairs]
        yield Row(line, texts, TEXT * left + "".join(kind for _, kind in pairs))


def _add_failed(faults: Faults, row: int, column: int) -> None:
    faults.add(
        "E_CELL_ERROR",
        "The formula here failed or was never calculated, so the cell has no value. "
        "Correct it, or write the value, and save the workbook in the spreadsheet program.",
        "Formlen her er fejlet eller aldrig beregnet, så cellen har ingen værdi. "
        "Ret den, eller skriv værdien, og gem projektmappen i regnearksprogrammet.",
        line=row,
        column=column,
    )


def _unreadable(file: str) -> UnitsError:
    return refused(
        file,
        "E_CONTENT",
        "The workbook cannot be read: it is damaged, or another kind of file under this name. "
        "Open it in the spreadsheet program and save it as .xlsx or .csv.",
        "Projektmappen kan ikke læses: den er beskadiget eller en anden slags fil under dette navn. "
        "Åbn den i regnearksprogrammet, og gem den som .xlsx eller .csv.",
    )
