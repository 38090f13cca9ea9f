"""One cell: its text, whatever a spreadsheet made of it, and what may be wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, NamedTuple

from trialkit.canonical import nfc, text_fault
from trialkit.registers.cpr import holds_cpr
from trialkit.registers.table import DATE, NUMBER, TEXT

FORMULA_SIGNS: Final = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"  # the last four are their wide forms
ALPHABETS: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
CELL_ERRORS: Final = frozenset(
    f"#{word}"
    for word in (
        *("DIV/0!", "N/A", "NAME?", "NULL!", "NUM!", "REF!", "VALUE!", "SPILL!", "CALC!"),
        *("DIVISION/0!", "I/T", "NAVN?", "NUL!", "REFERENCE!", "VÆRDI!", "OVERLØB!", "BEREGN!"),
    )
)

_SIGNED: Final = re.compile(r"[+-]?[0-9., \u00a0]*%?")  # a number with its sign, or a dash for none
_HARMLESS: Final = re.compile(
    r"[0-9A-Za-zÆØÅæøåÄÖÜäöüÉé(][0-9A-Za-zÆØÅæøåÄÖÜäöüÉé().,:;/_&'-]*(?: [0-9A-Za-zÆØÅæøåÄÖÜäöüÉé().,:;/_&'-]+)*"
)


class Finding(NamedTuple):
    """One thing wrong with a cell, in both languages, and the cell as it should read if that is known."""

    code: str
    en: str
    da: str
    corrected: str = ""


def cell_text(value: object) -> tuple[str, str]:
    """The text of a cell and its kind.

    A number becomes the text a person sees: 101.0 is ``101``, with 15 digits as in a sheet.  One with exactly three
    decimals gets a zero more, because ``1.234`` alone could also mean one thousand.  Dates are ISO; a missing value
    is empty.  A zero in front that the sheet has dropped cannot be known.
    """
    if value is None or value != value:  # nan differs from itself
        return "", TEXT
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, str):
        return (value if value.isascii() and value.isprintable() else line_ends(nfc(value))), TEXT
    if isinstance(value, bool):
        return str(value).lower(), TEXT
    if isinstance(value, (int, float, Decimal)):
        return _number_text(value), NUMBER
    if isinstance(value, (datetime, date, time)):
        return _date_text(value), DATE
    return nfc(str(value)), TEXT


def line_ends(text: str) -> str:
    """``text`` with one kind of line end inside."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _number_text(value: float | Decimal) -> str:
    exact = Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        return str(exact)
    if exact == exact.to_integral_value():
        return str(int(exact))
    text = f"{exact.normalize():f}"
    return f"{text}0" if len(text.partition(".")[2]) == 3 else text


def _date_text(value: date | time) -> str:
    if isinstance(value, datetime) and value.time() == time() and value.tzinfo is None:
        return value.date().isoformat()
    return value.isoformat()


def harmless(text: str) -> bool:
    """Whether a glance is enough: short, everyday letters, no double space, too few digits for a person's number."""
    few_digits = len(text) < 9 or sum(map(str.isdigit, text)) < 9
    return few_digits and len(text) <= 90 and _HARMLESS.fullmatch(text) is not None


def findings(text: str, *, named: bool, from_number: bool = False) -> Iterator[Finding]:
    """Everything wrong with one cell; ``named`` cells are ids, names and headings, which get published and typed.

    A cell that holds a civil registration number yields that alone, so that nothing repeats it.
    """
    if holds_cpr(text, from_number=from_number):
        yield _CPR
        return
    if text[:1] and text[0] in FORMULA_SIGNS and (named or not _SIGNED.fullmatch(text)) and not from_number:
        yield _FORMULA
    if text.isascii() and text.isprintable() and "  " not in text and text.strip(" ") == text and text[:1] != "#":
        if named and (why := text_fault(text)) and text:
            yield Finding("E_TEXT", f"This text {why[0]}; shorten it.", f"Teksten {why[1]}; forkort den.")
        return
    yield from _rare_findings(text, named)


def _rare_findings(text: str, named: bool) -> Iterator[Finding]:
    if text in CELL_ERRORS:
        yield _CELL_ERROR
        return
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        yield Finding(
            "E_TEXT", "This text holds half a character; correct it.", "Teksten rummer et halvt tegn; ret den."
        )
        return
    if "\ufffd" in text:
        yield _LOST_LETTERS
    if (right := _unmangled(text)) is not None:
        yield Finding(
            "E_ENCODING",
            "The letters were read in the wrong encoding and saved so; nobody would find this name.",
            "Bogstaverne er læst i et forkert tegnsæt og gemt sådan; ingen ville finde navnet.",
            right,
        )
        return
    clean = tidy(text, lines=not named)
    if clean != text:
        yield _stray(text, clean)
    elif named and (why := text_fault(text)):
        yield Finding("E_TEXT", f"This text {why[0]}; correct it.", f"Teksten {why[1]}; ret den.")
    if named and len(alphabets(text)) > 1:
        yield _mixed(text)


def _stray(text: str, clean: str) -> Finding:
    where = next((k for k, letter in enumerate(text, 1) if letter != " " and tidy(letter, lines=False) != letter), 0)
    sign = f" (U+{ord(text[where - 1]):04X} at place {where})" if where else ""
    place = f" (U+{ord(text[where - 1]):04X} på plads {where})" if where else ""
    return Finding(
        "E_SPACE",
        f"A stray space or invisible character{sign} stands here, and two texts that look the same would differ.",
        f"Her står et overflødigt mellemrum eller usynligt tegn{place}, og to tekster, der ser ens ud, ville være "
        "forskellige.",
        clean,
    )


def tidy(text: str, *, lines: bool) -> str:
    """``text`` without invisible letters and with single plain spaces; ``lines`` keeps line breaks."""
    if lines:
        return "\n".join(tidy(line, lines=False) for line in text.strip("\n").split("\n"))
    kinds = ((letter, unicodedata.category(letter)) for letter in text)
    seen = "".join(" " if kind[0] == "Z" or kind == "Cc" else "" if kind == "Cf" else sign for sign, kind in kinds)
    return " ".join(seen.split())


def alphabets(text: str) -> frozenset[str]:
    """Which of the alphabets with letters in common ``text`` is written in."""
    letters = {letter for letter in text if not letter.isascii() and letter.isalpha()}
    found = {unicodedata.name(letter, "").partition(" ")[0] for letter in letters}
    plain = {"LATIN"} if any(letter.isascii() and letter.isalpha() for letter in text) else set()
    return frozenset((found | plain) & ALPHABETS)


def _mixed(text: str) -> Finding:
    odd = next(letter for letter in text if alphabets(letter) - {"LATIN"})
    name = unicodedata.name(odd, "?")
    return Finding(
        "E_LOOKALIKE",
        f"Letters of several alphabets stand in one word ({name.lower()}): it looks like another name but is not "
        "equal to it. Type it again on your own keyboard.",
        f"Ordet blander bogstaver fra flere alfabeter ({name.lower()}): det ligner et andet navn uden at være ens med "
        "det. Skriv det igen på dit eget tastatur.",
    )


def _unmangled(text: str) -> str | None:
    """What ``text`` was before UTF-8 bytes were read as Windows-1252; None if that did not happen."""
    if text.isascii():
        return None
    try:
        return nfc(text.encode("cp1252").decode("utf-8"))
    except UnicodeError:
        return None


_CPR: Final = Finding(
    "E_CPR",
    "This cell holds what can be a civil registration number (CPR), which trialkit never takes in: lists and draws "
    "are published. Remove the column or use codes; if it is another number with ten digits, name its column in "
    "not_cpr.",
    "Cellen rummer noget, der kan være et CPR-nummer, og det tager trialkit aldrig imod: lister og lodtrækninger "
    "offentliggøres. Fjern kolonnen, eller brug koder; er det et andet tal med ti cifre, så nævn kolonnen i not_cpr.",
)
_HALF: Final = Finding(
    "E_TEXT", "This text holds half a character; correct it.", "Teksten rummer et halvt tegn; ret den."
)
_FORMULA: Final = Finding(
    "E_FORMULA",
    "The text begins like a formula (= + - @ or a tab), and a spreadsheet would calculate it instead of showing it. "
    "Begin it with a letter or a digit.",
    "Teksten begynder som en formel (= + - @ eller et tabulatortegn), og et regneark ville regne på den i stedet for "
    "at vise den. Lad den begynde med et bogstav eller et tal.",
)
_CELL_ERROR: Final = Finding(
    "E_CELL_ERROR",
    "The spreadsheet shows an error here instead of a value. Correct the formula, or write the value.",
    "Regnearket viser en fejl her i stedet for en værdi. Ret formlen, eller skriv værdien.",
)
_LOST_LETTERS: Final = Finding(
    "E_ENCODING",
    "Letters were lost here (a replacement character stands instead) when the file was saved in another encoding. "
    "Fetch the original and save it as CSV UTF-8.",
    "Her er bogstaver gået tabt (et erstatningstegn står i stedet), da filen blev gemt i et andet tegnsæt. "
    "Hent originalen, og gem den som CSV UTF-8.",
)
