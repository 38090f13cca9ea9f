"""Numbers as people write them, made into the one decimal form of a published document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from trialkit.canonical import DECIMAL, decimal_text, decimal_units
from trialkit.errors import UnitsError
from trialkit.registers.cpr import masked
from trialkit.units import Units

Mark = Literal[",", "."]
_SPACES: Final = re.compile(r"(?<=[0-9])[ \u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_SHAPE: Final = re.compile(r"-?[0-9]+(?:[.,][0-9]+)*", re.ASCII)
_GROUPED: Final = {
    ",": re.compile(r"-?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?", re.ASCII),
    ".": re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII),
}
_SIMPLE: Final = {
    ",": re.compile(r"-?[0-9]+(?:,[0-9]+)?", re.ASCII),
    ".": re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII),
}


def number(text: str, *, decimal: Mark | None = None) -> str:
    """``text`` as a decimal string of the specification, e.g. ``1.234,5`` as ``"1234.5"``.

    Both ``1.234,5`` and ``1,234.5`` are read, with a dot, a comma or a space between thousands.  ``1.234`` may be
    one thousand or one and a bit: it is refused unless ``decimal`` says which mark stands before decimals.

    Raises
    ------
    UnitsError
        Not a number, one that can be read in two ways, or one with more than 15 digits before or 9 after the mark
        (``E_NUMBER``).

    >>> number("1.234,5"), number("1234,5"), number("1 234.50"), number("1.234", decimal=",")
    ('1234.5', '1234.5', '1234.5', '1234')
    """
    found = readings(text)
    if decimal is not None:
        found = {mark: value for mark, value in found.items() if mark == decimal}
    values = sorted(set(found.values()))
    if len(values) == 1:
        return values[0]
    raise _two_ways(text, values) if values else _no_number(text)


def numbers(units: Units, fact: str) -> tuple[str, ...]:
    """The fact of every unit as a decimal string, in the order of ``units``.

    Rule for ``1.234``: if some other value of the column can be read in one way only and so shows which mark
    stands before decimals, all are read so; values that show different marks, or none, are refused.

    Raises
    ------
    UnitsError
        A unit lacks the fact or it is no number (``E_NUMBER``; ``facts["units"]`` lists them), or the column does
        not exist (``E_COLUMN``).
    """
    texts = {unit.id: unit.facts[fact] for unit in units if fact in unit.facts}
    if not texts:
        raise no_column(fact, sorted({heading for unit in units for heading in unit.facts}))
    wrong = [unit.id for unit in units if not readings(texts.get(unit.id, ""))]
    if wrong:
        raise UnitsError(
            f"The column {fact!r} is to be counted with and is no number for {len(wrong)} units: "
            f"{', '.join(wrong[:20])}. Write one for each, e.g. 1234,5.",
            {"fact": fact, "units": wrong},
            da=f"Kolonnen {fact!r} skal der regnes med, men den er ikke et tal for {len(wrong)} enheder: "
            f"{', '.join(wrong[:20])}. Skriv et tal for hver, f.eks. 1234,5.",
            code="E_NUMBER",
        )
    mark = _shown_mark(fact, texts.values())
    return tuple(number(texts[unit.id], decimal=mark) for unit in units)


def readings(text: str) -> dict[Mark, str]:
    """What ``text`` says if the mark before decimals is a comma, and if it is a dot; empty if it is no number."""
    bare = _SPACES.sub("", text.strip().replace("\u2212", "-"))
    found: dict[Mark, str] = {}
    if not _SHAPE.fullmatch(bare):
        return found
    marks: tuple[Mark, Mark] = (",", ".")
    for mark in marks:
        other = "." if mark == "," else ","
        if _SIMPLE[mark].fullmatch(bare) or _GROUPED[mark].fullmatch(bare):
            value = _canonical(bare.replace(other, "").replace(mark, "."))
            if value is not None:
                found[mark] = value
    return found


def _canonical(plain: str) -> str | None:
    whole, _, fraction = plain.lstrip("-").partition(".")
    sign = "-" if plain.startswith("-") else ""
    tail = fraction.rstrip("0")
    text = f"{sign}{whole.lstrip('0') or '0'}{'.' if tail else ''}{tail}"
    return decimal_text(decimal_units(text)) if DECIMAL.fullmatch(text) else None


def _shown_mark(fact: str, texts: Iterable[str]) -> Mark | None:
    """The mark that the values of a column show; None if none of them needs one."""
    shown: dict[Mark, str] = {}
    for text in texts:
        found = readings(text)
        if len(found) == 1:
            shown.setdefault(next(iter(found)), text)
    if len(shown) < 2:
        return next(iter(shown), None)
    comma, dot = masked(shown[","]), masked(shown["."])
    raise UnitsError(
        f"The column {fact!r} writes decimals with a comma ({comma}) and with a dot ({dot}), so nobody knows how "
        "large the others are. Write all in one way.",
        {"fact": fact, "values": [comma, dot]},
        da=f"Kolonnen {fact!r} skriver decimaler både med komma ({comma}) og med punktum ({dot}), så ingen ved, hvor "
        "store de andre er. Skriv dem alle på én måde.",
        code="E_NUMBER",
    )


def no_column(column: str, listed: list[str]) -> UnitsError:
    """A column that the units do not have."""
    has = ", ".join(listed) or "-"
    return UnitsError(
        f"The units have no column {column!r}, so there is nothing to read. They have: {has}.",
        {"column": column, "columns": listed},
        da=f"Enhederne har ingen kolonne {column!r}, så der er intet at læse. De har: {has}.",
        code="E_COLUMN",
    )


def _two_ways(text: str, values: list[str]) -> UnitsError:
    return UnitsError(
        f"{masked(text)!r} can be read as {' or as '.join(values)}, a thousand times apart. Write {values[0]} without "
        "a mark between thousands, or give more decimals.",
        {"text": masked(text), "values": values},
        da=f"{masked(text)!r} kan læses som {' eller som '.join(values)}, tusind gange fra hinanden. Skriv uden "
        "punktum mellem tusinder, eller skriv flere decimaler.",
        code="E_NUMBER",
    )


def _no_number(text: str) -> UnitsError:
    return UnitsError(
        f"{masked(text)!r} is not a number as it stands, so nothing can be counted with it. Write digits with at most "
        "one decimal mark, e.g. 1234,5 (at most 15 digits before and 9 after).",
        {"text": masked(text)},
        da=f"{masked(text)!r} er ikke et tal, som det står, så der kan ikke regnes med det. Skriv cifre med højst ét "
        "decimaltegn, f.eks. 1234,5 (højst 15 cifre før og 9 efter).",
        code="E_NUMBER",
    )
