"""What a file really is, by its first bytes, and whether a zipped one may be opened at all."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Final, Literal

from trialkit.registers.table import MOST_BYTES, refused

Kind = Literal["text", "xlsx", "xls", "ods", "xlsb", "zip", "page"]

SUFFIXES: Final[dict[str, Kind]] = {
    ".csv": "text",
    ".txt": "text",
    ".tsv": "text",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".ods": "ods",
}
MOST_MEMBERS: Final = 10_000
_PACKED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(ValueError, RuntimeError, EOFError, OSError),  # RuntimeError: a member under a password, or an unknown packing
)
_CALLED: Final[dict[Kind, tuple[str, str]]] = {
    "text": ("plain text", "almindelig tekst"),
    "xlsx": ("an Excel workbook (.xlsx)", "en Excel-projektmappe (.xlsx)"),
    "xls": ("an old or password-protected Excel workbook", "en gammel eller adgangskodebeskyttet Excel-projektmappe"),
    "ods": ("an OpenDocument spreadsheet (.ods)", "et OpenDocument-regneark (.ods)"),
    "xlsb": ("a binary Excel workbook (.xlsb)", "en binær Excel-projektmappe (.xlsb)"),
    "zip": ("a zip archive that holds no spreadsheet", "et zip-arkiv uden regneark"),
    "page": ("a web page", "en webside"),
}


def checked_kind(file: str, suffix: str, data: bytes) -> Kind:
    """What the file is, when its name says the same.

    Raises
    ------
    UnitsError
        The ending is unknown (``E_FILE``), the content is something else (``E_CONTENT``), or the archive would
        unpack to more than 512 MiB or ten thousand members, or is damaged (``E_SIZE``, ``E_CONTENT``).
    """
    if suffix not in SUFFIXES:
        raise refused(
            file,
            "E_FILE",
            f"A list of units ends in {', '.join(SUFFIXES)}, and this one in {suffix or 'nothing'}. Save it as one.",
            f"En liste over enheder ender på {', '.join(SUFFIXES)}, men denne på {suffix or 'ingenting'}. "
            "Gem den som en af dem.",
        )
    found = kind_of(data)
    if found == SUFFIXES[suffix]:
        if found in ("xlsx", "ods"):
            _check_archive(file, data)
        return found
    en, da = _CALLED[found]
    raise refused(
        file,
        "E_CONTENT",
        f"The name ends in {suffix}, but the content is {en}, so its rows cannot be read as they stand. "
        "Rename the file if that is right, or save it again as .xlsx or .csv.",
        f"Navnet ender på {suffix}, men indholdet er {da}, så rækkerne kan ikke læses, som de står. "
        "Omdøb filen, hvis det er rigtigt, eller gem den igen som .xlsx eller .csv.",
    )


def kind_of(data: bytes) -> Kind:
    """What the bytes are, whatever the file is called."""
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _kind_of_archive(data)
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "page" if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<table")) else "text"


def _kind_of_archive(data: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except _DAMAGED:
        return "xlsx" if b"xl/" in data[:4096] else "ods" if b"opendocument.spreadsheet" in data[:256] else "zip"
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "xl/workbook.xml" in names:
        return "xlsx"
    return "ods" if b"opendocument.spreadsheet" in data[:256] and "content.xml" in names else "zip"


def _check_archive(file: str, data: bytes) -> None:
    """Refuse a bomb by the archive's own list of contents, then anything that does not unpack to what it says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MOST_BYTES or len(archive.infolist()) > MOST_MEMBERS:
                raise _bomb(file, size)
            usual = all(member.compress_type in _PACKED for member in archive.infolist())
            once = len({name.lower() for name in archive.namelist()}) == len(archive.namelist())
            whole = usual and once and archive.testzip() is None
    except _DAMAGED:
        whole = False
    if not whole:
        raise refused(
            file,
            "E_CONTENT",
            "The workbook is damaged or was cut (its packed parts cannot be read), so rows may be missing. "
            "Fetch it again, or open and save it in the spreadsheet program.",
            "Projektmappen er beskadiget eller skåret over (dens pakkede dele kan ikke læses), så der kan mangle "
            "rækker. Hent den igen, eller åbn og gem den i regnearksprogrammet.",
        )


def _bomb(file: str, size: int) -> Exception:
    return refused(
        file,
        "E_SIZE",
        f"The workbook would unpack to {size // 2**20} MiB; trialkit opens at most {MOST_BYTES // 2**20}. A list of "
        "units is never that large. Copy the rows into a new workbook, or save them as CSV.",
        f"Projektmappen ville fylde {size // 2**20} MiB udpakket; trialkit åbner højst {MOST_BYTES // 2**20}. Så stor "
        "er en liste over enheder aldrig. Kopiér rækkerne til en ny projektmappe, eller gem dem som CSV.",
    )
