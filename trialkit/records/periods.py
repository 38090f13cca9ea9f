"""Months, quarters and years as they are counted in, and as people and spreadsheets write them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

from trialkit.protocol.outcomes import Outcome
from trialkit.protocol.text import meant_day

_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)
_QUARTER: Final = re.compile(r"([0-9]{4})-?q([1-4])", re.ASCII | re.IGNORECASE)
_YEAR: Final = re.compile(r"[0-9]{4}", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-./ m]*([0-9]{1,2})", re.ASCII | re.IGNORECASE)
_MONTH_FIRST: Final = re.compile(r"([0-9]{1,2})[-./ ]+([0-9]{4})", re.ASCII)
_SERIAL: Final = re.compile(r"[2-5][0-9]{4}|60000", re.ASCII)
_BEFORE_SERIALS: Final = date(
    1899, 12, 30
)  # day 0 of spreadsheets, which hold 1900 for a leap year (ECMA-376, 18.17.4)
_NAMED: Final = re.compile(r"([^\W\d]{3,9})\.?[-./ ]*([0-9]{4}|[0-9]{2})")


def length(outcome: Outcome) -> int:
    """How many months one period of an outcome lasts: 1, 3 or 12."""
    return {"quarter": 3, "year": 12}.get(outcome.frequency or "", 1)


def period(text: str, months: int) -> str:
    """The period ``text`` names in its one form: ``2012-02``, ``2012q1`` or ``2012``; empty if it is no such period."""
    if months == 3:
        found = _QUARTER.fullmatch(text)
        return f"{found[1]}q{found[2]}" if found else ""
    return text if (_MONTH if months == 1 else _YEAR).fullmatch(text) else ""


def containing(day: date, months: int) -> str:
    """The period a day lies in."""
    if months == 12:
        return f"{day.year:04d}"
    return f"{day.year:04d}q{(day.month + 2) // 3}" if months == 3 else f"{day.year:04d}-{day.month:02d}"


def meant(text: str, months: int) -> str:
    """The period a person or a spreadsheet meant by another form, e.g. ``feb-12``; empty if none is plain.

    >>> meant("feb-12", 1), meant("1. februar 2012", 1), meant("02/2012", 1), meant("2012 Q1", 3), meant("40544", 1)
    ('2012-02', '2012-02', '2012-02', '2012q1', '2011-01')
    """
    bare = text.strip()
    if stored := serial_day(bare):
        return containing(stored, months)
    if months == 3:
        found = re.fullmatch(r"([0-9]{4})[^0-9]*(?:q|k|kv|kvt|kvartal)[^0-9]*([1-4])", bare, re.ASCII | re.IGNORECASE)
        return f"{found[1]}q{found[2]}" if found else ""
    if months == 1 and (found := _YEAR_FIRST.fullmatch(bare)):
        return period(f"{found[1]}-{int(found[2]):02d}", 1)
    if months == 1 and (found := _MONTH_FIRST.fullmatch(bare)):
        return period(f"{found[2]}-{int(found[1]):02d}", 1)
    day = meant_day(bare)
    if not day and (found := _NAMED.fullmatch(bare)):
        day = meant_day(f"1 {found[1]} {found[2] if len(found[2]) == 4 else f'20{found[2]}'}")
    return containing(date.fromisoformat(day), months) if day else ""


def serial_day(text: str) -> date | None:
    """The day that a spreadsheet keeps as this number, from 1954-10-03 to 2064-04-08; None for any other text."""
    bare = text.strip()
    return _BEFORE_SERIALS + timedelta(days=int(bare)) if _SERIAL.fullmatch(bare) else None


def first_day(name: str) -> date:
    """The first day of a period."""
    if found := _QUARTER.fullmatch(name):
        return date(int(found[1]), 3 * int(found[2]) - 2, 1)
    return date(int(name[:4]), int(name[5:] or 1), 1)


def last_day(name: str) -> date:
    """The last day of a period."""
    first = first_day(name)
    months = 3 if "q" in name else 1 if "-" in name else 12
    after = first.year * 12 + first.month - 1 + months
    return date(after // 12, after % 12 + 1, 1) - timedelta(days=1)


def between(start: date, end: date, months: int) -> tuple[str, ...]:
    """Every period with at least one day from ``start`` to ``end``."""
    found = [containing(start, months)]
    while last_day(found[-1]) < end:
        found.append(containing(last_day(found[-1]) + timedelta(days=1), months))
    return tuple(found)
