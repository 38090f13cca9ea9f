"""Numbers, dates and names as people in Denmark read them, and the same in English.

Danish: decimal comma, point for thousands, a space before the per cent sign, æ ø å last and aa as å
(the project's statistical conventions, "Numbers for people").
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from trialkit.canonical import nfc
from trialkit.errors import Lang, UsageError

SMALLEST_BASE: Final = 20
_WIDE: Final = Context(prec=400)  # every digit of any float: the default of 28 refuses large counts
_MONTHS: Final[dict[Lang, str]] = {
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "en": "January February March April May June July August September October November December",
}
_AND: Final[dict[Lang, str]] = {"da": "og", "en": "and"}
_OF: Final[dict[Lang, str]] = {"da": "af", "en": "of"}
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyzæøå"
_TWINS: Final = {"ä": "æ", "ö": "ø", "ü": "y", "ð": "d", "þ": "th", "œ": "ø", "ß": "ss"}


def number(x: float | Fraction | Decimal, lang: Lang, digits: int | None = None) -> str:
    """A number with separators: ``32.820,5`` in Danish, ``32,820.5`` in English.

    Parameters
    ----------
    x : any real number; nan becomes a dash
    digits : decimals, a half rounded away from zero as people do; None keeps what `x` has
    """
    if isinstance(x, float) and not math.isfinite(x):
        return "–" if math.isnan(x) else ("−∞" if x < 0 else "∞")
    exact = _decimal(x)
    if digits is not None:
        exact = _rounded(exact, digits)
    text = f"{exact.copy_abs():,f}"  # abs() would round to 28 digits
    if lang == "da":
        text = text.translate(str.maketrans(",.", ".,"))
    return f"−{text}" if exact < 0 else text


def _decimal(x: float | Fraction | Decimal) -> Decimal:
    """`x` as the decimal people would write: a float by its shortest form, a fraction to 28 digits."""
    if isinstance(x, Fraction):
        return Decimal(x.numerator) / Decimal(x.denominator)
    if isinstance(x, float):
        shortest = Decimal(repr(float(x)))  # numpy's own floats name their type
        return shortest.to_integral_value() if x.is_integer() else shortest
    return Decimal(x) if isinstance(x, (int, Decimal)) else Decimal(repr(float(x)))


def _rounded(exact: Decimal, digits: int) -> Decimal:
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=_WIDE)


def share(k: int, n: int, lang: Lang, digits: int = 1) -> str:
    """A share with its counts: ``52,8 % (689 af 1.305)``; below a base of 20 only the counts, ``1 af 10``.

    Raises
    ------
    UsageError
        `k` of `n` is not a share.
    """
    if not 0 <= k <= n:
        raise UsageError(
            f"{k} of {n} is not a share, so no per cent can stand for it. Give 0 <= k <= n.",
            {"k": k, "n": n},
            da=f"{k} af {n} er ikke en andel, så den kan ikke stå i procent. Angiv 0 <= k <= n.",
        )
    counts = f"{number(k, lang)} {_OF[lang]} {number(n, lang)}"
    if n < SMALLEST_BASE:
        return counts
    percent = number(Fraction(100 * k, n), lang, digits)
    return f"{percent}{' %' if lang == 'da' else '%'} ({counts})"


def probability(p: float | Fraction, lang: Lang, digits: int = 4) -> str:
    """A probability or p-value, ``0,0286``; what would round to 0 or 1 says ``under 0,0001`` or ``over 0,9999``."""
    if p in (0, 1):
        return str(int(p))
    step = Fraction(1, 10**digits)
    if 0 < p < step / 2:
        return f"{'under' if lang == 'da' else 'below'} {number(step, lang, digits)}"
    if 1 - step / 2 <= p < 1:
        return f"{'over' if lang == 'da' else 'above'} {number(1 - step, lang, digits)}"
    return number(p, lang, digits)


def date_long(day: date | str, lang: Lang) -> str:
    """A date in words, ``10. januar 2011`` or ``10 January 2011``; `day` may be an ISO string.

    Raises
    ------
    UsageError
        `day` is not a calendar date.
    """
    when = _date(day)
    month = _MONTHS[lang].split()[when.month - 1]
    return f"{when.day}{'.' if lang == 'da' else ''} {month} {when.year}"


def _date(day: date | str) -> date:
    try:
        return day if isinstance(day, date) else date.fromisoformat(day)
    except ValueError:
        raise UsageError(
            f"{day!r} is not a date, so nobody could know which day is meant. Write it as 2011-01-31.",
            {"date": day},
            da=f"{day!r} er ikke en dato, så ingen kan vide, hvilken dag der menes. Skriv den som 2011-01-31.",
        ) from None


def moment_long(moment: datetime | str, lang: Lang, *, utc: bool = True) -> str:
    """A moment in Danish time, with its UTC beside it; `moment` is aware, or the ledger's ``...Z`` form.

    ``23. august 2023 kl. 17.59.24 dansk tid (15.59.24 UTC)``; the day is the Danish one.  Without `utc`, as in a
    table whose heading says whose time it is, the words end at the seconds.

    Raises
    ------
    UsageError
        `moment` is not a moment in UTC.
    """
    when = _moment(moment)
    local = when.astimezone(ZoneInfo("Europe/Copenhagen"))
    clock = "%H.%M.%S" if lang == "da" else "%H:%M:%S"
    at, zone = ("kl.", "dansk tid") if lang == "da" else ("at", "Danish time")
    words = f"{date_long(local.date(), lang)} {at} {local.strftime(clock)}"
    return f"{words} {zone} ({when.strftime(clock)} UTC)" if utc else words


def _moment(moment: datetime | str) -> datetime:
    try:
        if isinstance(moment, datetime):
            return moment.astimezone(UTC)
        return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(
            f"{moment!r} is not a moment in UTC, so it cannot be shown. Write it as 2023-08-23T15:59:24Z.",
            {"time": moment},
            da=f"{moment!r} er ikke et tidspunkt i UTC og kan ikke vises. Skriv det som 2023-08-23T15:59:24Z.",
        ) from None


def listing(items: Iterable[str], lang: Lang) -> str:
    """``a, b og c`` (``a, b and c``)."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {_AND[lang]} {words[-1]}"


def ranges(numbers: Sequence[int], lang: Lang) -> str:
    """Ascending whole numbers with runs drawn together: ``1-3, 7 og 9-12`` (an en dash between)."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return listing((part for run in runs for part in _parts(run)), lang)


def _parts(run: Sequence[int]) -> list[str]:
    """A run of three or more as one part; shorter ones number by number."""
    return [f"{run[0]}–{run[-1]}"] if len(run) > 2 else [str(n) for n in run]


def danish_key(text: str) -> tuple[tuple[int, ...], str]:
    """Sort key: æ, ø, å last, aa as å, accents and case only between equals, spaces and signs before letters."""
    letters = nfc(text).lower().replace("aa", "å")
    return tuple(place for letter in letters for place in _places(letter)), text


def _places(letter: str) -> list[int]:
    """Where a lower-case letter stands: signs, then digits, then the Danish alphabet, then other scripts."""
    plain = _TWINS.get(letter, letter)
    if plain not in _ALPHABET:
        plain = unicodedata.normalize("NFD", plain)[0]
    if plain in _ALPHABET or len(plain) > 1:
        return [1000 + _ALPHABET.index(part) for part in plain]
    if plain.isdecimal():
        return [900 + unicodedata.decimal(plain)]
    return [2000 + ord(plain) if plain.isalpha() else min(ord(plain), 899)]
