"""Text files: their encoding, their delimiter, their rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from trialkit.canonical import nfc
from trialkit.registers.cells import line_ends
from trialkit.registers.cpr import masked
from trialkit.registers.table import Faults, Row, Table, refused, table_of

# A tie goes to the first: a comma stands inside names more often than a semicolon, and a tab hardly ever.
DELIMITERS: Final = ("\t", ";", ",")
ENCODINGS: Final = ("utf-8", "utf-16", "cp1252", "iso8859-1", "iso8859-15", "cp850", "cp865", "mac-roman")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEPARATOR_LINE: Final = re.compile(r"sep=([,;\t])\r?\n?", re.IGNORECASE)  # what Excel writes and reads
_WORD: Final = re.compile(r"[^\s,;\"]+")
_SAMPLE: Final = 2**16


def read_delimited(file: str, data: bytes, encoding: str | None) -> Table:
    """The table in the bytes of a text file.

    Raises
    ------
    UnitsError
        The bytes are not text in UTF-8 or in the named ``encoding`` (``E_ENCODING``, ``E_NUL``), or hold no heading.
    """
    text = decoded(file, data, encoding)
    if "\0" in text:
        raise _holds_nul(file, text)
    named = _SEPARATOR_LINE.match(text)
    delimiter = named[1] if named else delimiter_of(text)
    faults = Faults(file)
    rows = _rows(faults, text[named.end() :] if named else text, delimiter, 1 if named else 0)
    return table_of(faults, rows)


def delimiter_of(text: str) -> str:
    """Tab, semicolon or comma: one that splits the heading, and the rows below it into as many cells if any does."""
    split = {delimiter: _widths(text, delimiter) for delimiter in DELIMITERS}
    able = [delimiter for delimiter, widths in split.items() if widths and widths[0] > 1]
    even = [delimiter for delimiter in able if len(set(split[delimiter])) == 1]
    return (even or able or [","])[0]


def _widths(text: str, delimiter: str) -> list[int]:
    """Number of cells of the first fifty records that are not blank."""
    sample = text[:_SAMPLE]
    try:
        found = [len(cells) for cells in islice(csv.reader(io.StringIO(sample, ""), delimiter=delimiter), 50) if cells]
    except csv.Error:
        return []
    return found[:-1] if len(text) > _SAMPLE and 1 < len(found) < 50 else found


def _rows(faults: Faults, text: str, delimiter: str, above: int) -> Iterator[Row]:
    """Records with the line each begins in; ``above`` lines were taken off."""
    reader = csv.reader(io.StringIO(text, ""), delimiter=delimiter, strict=True)
    begin = above + 1
    try:
        for cells in reader:
            yield Row(begin, [cell if cell.isascii() and cell.isprintable() else _normal(cell) for cell in cells])
            begin = above + reader.line_num + 1
    except csv.Error:
        _add_quote_fault(faults, begin)


def _normal(cell: str) -> str:
    """NFC, and one kind of line end; cell by cell, because NFC makes a semicolon of the Greek question mark."""
    return line_ends(nfc(cell))


def _add_quote_fault(faults: Faults, line: int) -> None:
    faults.add(
        "E_CUT",
        "A quotation mark opens here and is not closed as it should be: the file was cut, or a name holds a mark. "
        'Rows after it would be lost. Save the file again, and double each mark inside a name ("").',
        "Et anførselstegn åbner her og lukkes ikke, som det skal: filen er skåret over, eller et navn rummer et "
        'anførselstegn. Rækkerne derefter ville gå tabt. Gem filen igen, og skriv tegnet dobbelt ("") i navne.',
        line=line,
    )


def decoded(file: str, data: bytes, encoding: str | None) -> str:
    """The text in ``data``: UTF-8 (or what its byte order mark says) unless ``encoding`` names another.

    Windows-1252 is never assumed, because any bytes can be read as it; the error shows what it would give.

    Raises
    ------
    UnitsError
        ``E_ENCODING``: unknown encoding, bytes that are not in it, or a name that contradicts the bytes.
    """
    mark = next(((bom, name) for bom, name in _BOMS if data.startswith(bom)), None)
    asked = None if encoding is None else _known(file, encoding)
    if asked and mark and asked != mark[1]:
        raise _contradiction(file, asked, mark[1])
    if asked and not asked.startswith("utf") and not data.isascii() and _is_utf8(data):
        raise _contradiction(file, asked, "utf-8")
    if asked == "utf-16" and mark is None and b"\0" not in data:  # in UTF-16 every comma and line end holds one
        raise (
            _contradiction(file, asked, "utf-8")
            if _is_utf8(data)
            else _undecodable(file, data, _first_far(data), asked)
        )
    codec = asked or (mark[1] if mark else "utf-8")
    body = data[len(mark[0]) :] if mark and codec == "utf-8" else data
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise _undecodable(file, body, error.start, codec) from None


def _known(file: str, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = ""
    name = "utf-8" if name == "utf-8-sig" else name
    if name in ENCODINGS:
        return name
    raise refused(
        file,
        "E_ENCODING",
        f"The encoding {encoding!r} is not one trialkit reads. Name one of: {', '.join(ENCODINGS)}.",
        f"Tegnsættet {encoding!r} er ikke et, trialkit læser. Angiv et af disse: {', '.join(ENCODINGS)}.",
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _first_far(data: bytes) -> int:
    """The place of the first byte that is no ASCII."""
    return next(place for place, byte in enumerate(data) if byte > 0x7F)


def _contradiction(file: str, asked: str, found: str) -> Exception:
    return refused(
        file,
        "E_ENCODING",
        f"The file is {found}, and it was to be read as {asked}; æ, ø and å would become other letters and names "
        f"would not be found. Leave the encoding out, or name {found}.",
        f"Filen er {found}, men skulle læses som {asked}; æ, ø og å ville blive til andre tegn, og navne ville ikke "
        f"blive fundet. Udelad tegnsættet, eller angiv {found}.",
    )


def _undecodable(file: str, data: bytes, place: int, codec: str) -> Exception:
    """Bytes outside ``codec``, told with the first such word as Windows-1252 would read it."""
    if codec == "utf-8" and len(data) - place < 4 and not data[:place].isascii() and _may_continue(data[place:]):
        return _cut_letter(file, data)
    begin = data.rfind(b"\n", 0, place) + 1
    end = data.find(b"\n", place)
    line = data[begin : end if end >= 0 else len(data)].decode("cp1252", "replace")
    word = next((found[0] for found in _WORD.finditer(line) if found.end() > place - begin), "")
    sample = data[: max(_SAMPLE, place)].decode("cp1252", "replace")
    before = line[: place - begin].split(delimiter_of(sample))
    return refused(
        file,
        "E_ENCODING",
        f"The bytes here are not {codec}, so letters such as æ, ø and å cannot be read. Read as Windows-1252 they "
        f'say "{masked(word)[:60]}": if that is right, name the encoding (in a draft encoding: windows-1252, '
        "on the command line --encoding cp1252). If not, the file is damaged or in another encoding: save it as CSV UTF-8.",
        f"Bytene her er ikke {codec}, så bogstaver som æ, ø og å kan ikke læses. Læst som Windows-1252 står der "
        f'"{masked(word)[:60]}": er det rigtigt, så angiv tegnsættet (i udkastet encoding: windows-1252, '
        "på kommandolinjen --encoding cp1252). Ellers er filen beskadiget eller i et andet tegnsæt: gem den som CSV UTF-8.",
        line=data.count(b"\n", 0, place) + 1,
        column=len(before),
    )


def _may_continue(tail: bytes) -> bool:
    """Whether the last bytes are the beginning of a letter that was cut."""
    return tail[0] >= 0xC2 and all(0x80 <= byte < 0xC0 for byte in tail[1:])


def _cut_letter(file: str, data: bytes) -> Exception:
    return refused(
        file,
        "E_CUT",
        "The file ends in the middle of a letter, so it was cut and rows may be missing. Fetch or save it again.",
        "Filen slutter midt i et bogstav; den er altså skåret over, og der kan mangle rækker. Hent eller gem den igen.",
        line=data.count(b"\n") + 1,
    )


def _holds_nul(file: str, text: str) -> Exception:
    line = text.count("\n", 0, text.index("\0")) + 1
    return refused(
        file,
        "E_NUL",
        "The file holds NUL bytes, so it is not a plain text file: perhaps a spreadsheet, or damaged. "
        "Save it again as CSV UTF-8.",
        "Filen rummer NUL-bytes og er altså ikke en ren tekstfil: måske er den et regneark, eller den er beskadiget. "
        "Gem den igen som CSV UTF-8.",
        line=line,
    )
