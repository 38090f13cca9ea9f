"""Civil registration numbers (CPR): found, refused and never printed.

The form is DDMMYY-XXXX.  Day + 60 marks replacement numbers given to persons without one.  The check digit is not
used: since 2007 valid numbers are issued that do not obey it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LIKE_CPR: Final = re.compile(r"(?<![0-9])([0-9]{2})[ ./-]?([0-9]{2})[ ./-]?([0-9]{2})[ ./-]{0,3}([0-9]{4})(?![0-9])")
_NINE_DIGITS: Final = re.compile(r"[0-9]{9}")
_DASHES: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def holds_cpr(text: str, *, from_number: bool = False) -> bool:
    """Whether ``text`` holds ten digits that can be a CPR number, with or without separators.

    ``from_number``: the cell was a number, so the zero of the days 01 to 09 is lost and nine digits are enough.

    >>> holds_cpr("Født: 311299-0000"), holds_cpr("321299-0000")
    (True, False)
    """
    if sum(letter.isdigit() for letter in text) < 9:
        return False
    if from_number and _NINE_DIGITS.fullmatch(text):
        text = f"0{text}"
    return any(_is_date(found) for found in _LIKE_CPR.finditer(_simple(text)))


def masked(text: str, *, from_number: bool = False) -> str:
    """``text`` as it may be shown: every digit hidden if it holds a CPR number."""
    if not holds_cpr(text, from_number=from_number):
        return text
    return "".join("#" if letter.isdigit() else letter for letter in text)


def _simple(text: str) -> str:
    """Plain digits, plain hyphens, nothing invisible: a disguise does not make a number harmless."""
    if text.isascii():
        return text
    wide = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return "".join(letter for letter in wide if unicodedata.category(letter) != "Cf")


def _is_date(found: re.Match[str]) -> bool:
    """Whether the six first digits are a day of some century."""
    day, month, year = (int(part) for part in found.groups()[:3])
    day -= 60 if day > 60 else 0
    leap_day = day == 29 and month == 2
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and (not leap_day or year % 4 == 0)
