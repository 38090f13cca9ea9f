"""One byte form and one SHA-256 for everything published.

Documents are JSON restricted as in sections 2 and 3 of the draw's specification (``docs/spec/draw.md``), so that
RFC 8785 needs no number algorithm and any language reaches the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any, Final, NoReturn

from trialkit.errors import CanonicalError

FORMAT: Final = "trialkit-draw/1"
DEEPEST: Final = 16
LARGEST: Final = 2**53 - 1
NO_HASH: Final = "0" * 64

HEX64: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)
_KEY: Final = re.compile(r"[a-z0-9_]+", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def jcs(value: Any) -> bytes:
    """The canonical bytes of ``value`` (RFC 8785 on the restricted JSON of specification section 2).

    Raises
    ------
    CanonicalError
        ``value`` holds something outside the restriction: null, a fraction, a large integer, another key.
    """
    _check(value, 0)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(value: Any) -> str:
    """``hash(v)``: lower-case hex of SHA-256 over the canonical bytes."""
    return hashlib.sha256(jcs(value)).hexdigest()


def parse(data: bytes, *, file: str = "") -> Any:
    """The value of a canonical file; one final LF may follow and is not part of it.

    Parameters
    ----------
    data : the file's bytes
    file : what a refusal calls it; left out where the bytes came without a name

    Raises
    ------
    CanonicalError
        The bytes are not the canonical form of what they say (code ``E_JSON``).
    """
    body = data[:-1] if data.endswith(b"\n") else data
    try:
        value = json.loads(body.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
        same = jcs(value) == body
    except (ValueError, RecursionError, CanonicalError) as error:
        raise _not_canonical(_fault(error, body), file) from None
    if not same:
        raise _not_canonical(("it is written in another way", "den er skrevet på en anden måde"), file)
    return value


def _check(value: Any, depth: int) -> None:
    """Walk ``value`` and refuse what the restricted JSON does not hold."""
    if value is True or value is False:
        return
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise _outside("a lone surrogate", "et halvt tegn")
    elif isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise _outside(f"the integer {value}", f"heltallet {value}")
    elif isinstance(value, (list, tuple, dict)):
        if depth == DEEPEST:
            raise _outside(f"more than {DEEPEST} levels", f"mere end {DEEPEST} niveauer")
        for member in value.values() if isinstance(value, dict) else value:
            _check(member, depth + 1)
        if isinstance(value, dict):
            _check_keys(value)
    else:
        raise _outside(f"a {type(value).__name__}", f"typen {type(value).__name__}")


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if not (isinstance(key, str) and _KEY.fullmatch(key)):
            raise _outside(f"the key {key!r}", f"nøglen {key!r}")


def _outside(what: str, hvad: str) -> CanonicalError:
    return CanonicalError(
        f"A published document cannot hold {what}: programs would write it differently and digests would not "
        "agree. Use text, whole numbers below 2^53, true, false, lists and simple keys, at most 16 levels deep.",
        da=f"Et offentliggjort dokument kan ikke rumme {hvad}: programmer ville skrive det forskelligt, og "
        "fingeraftrykkene ville ikke stemme. Brug tekst, hele tal, true, false, lister og enkle nøgler.",
    )


def _not_canonical(why: tuple[str, str], file: str) -> CanonicalError:
    return CanonicalError(
        f"{file or 'The file'} is not as trialkit wrote it: {why[0]}. It was cut or edited, so its digest proves nothing. "
        "Bring it back from a copy, and let `trialkit verify` look at it. Never open and save it in an editor.",
        {"file": file, "why": why[0]},
        da=f"{file or 'Filen'} er ikke, som trialkit skrev den: {why[1]}. Den er skåret over eller rettet i, så dens "
        "fingeraftryk beviser intet. Hent den fra en kopi, og lad `trialkit verify` se på den. Åbn og gem den aldrig i et "
        "redigeringsprogram.",
    )


def _fault(error: Exception, body: bytes) -> tuple[str, str]:
    """What keeps bytes from being read, in English and Danish."""
    if not body.strip():
        return "it is empty", "den er tom"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not text in UTF-8", f"byte {error.start + 1} er ikke tekst i UTF-8"
    if isinstance(error, json.JSONDecodeError):
        place = f"{error.lineno}:{error.colno}"
        return f"it cannot be read from line and column {place}", f"den kan ikke læses fra linje og kolonne {place}"
    if isinstance(error, RecursionError):
        return "it is nested too deep", "den har for mange niveauer"
    return "it holds something trialkit never writes", "den rummer noget, trialkit aldrig skriver"


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:40]} is not a whole number")


def nfc(text: str) -> str:
    """Unicode NFC: what preparing does to every text, and all it does."""
    return unicodedata.normalize("NFC", text)


def text_fault(text: str) -> tuple[str, str] | None:
    """Why ``text`` may not stand in a protocol (specification section 3), in English and Danish; None if it may."""
    if text.isascii() and text.isprintable() and 0 < len(text) <= 200 and "  " not in text:
        return None if text.strip(" ") == text else _SPACE_AT_AN_END
    return _rare_fault(text)


_SPACE_AT_AN_END = ("begins or ends with a space", "begynder eller slutter med et mellemrum")


def _rare_fault(text: str) -> tuple[str, str] | None:
    """The same for text that is not plainly right."""
    if _SURROGATE.search(text):
        return "holds half a character (a lone surrogate)", "rummer et halvt tegn"
    if not 1 <= (size := len(text.encode())) <= 200:
        return f"is {size} bytes long; 1 to 200 are allowed", f"fylder {size} bytes; 1 til 200 er tilladt"
    if nfc(text) != text:
        return "is not in Unicode form NFC", "er ikke på Unicode-formen NFC"
    for place, letter in enumerate(text, start=1):
        if letter != " " and (unicodedata.category(letter)[0] in "CZ" or _INVISIBLE.match(letter)):
            what = f"U+{ord(letter):04X}"
            return (
                f"holds the invisible or unprintable character {what} at place {place}",
                f"rummer det usynlige tegn {what} på plads {place}",
            )
    if text.strip(" ") != text:
        return _SPACE_AT_AN_END
    return ("has two spaces in a row", "har to mellemrum i træk") if "  " in text else None


def skeleton(text: str) -> str:
    """``lower(NFKC(text))``: texts with equal skeletons look alike and may not stand side by side."""
    return unicodedata.normalize("NFKC", text).lower()


def decimal_units(text: str) -> int:
    """A decimal string times 10^9, exactly (specification section 7).

    Raises
    ------
    CanonicalError
        ``text`` is not a decimal string of the specification.
    """
    if not DECIMAL.fullmatch(text):
        raise _outside(f"the decimal {text!r}", f"decimaltallet {text!r}")
    whole, _, fraction = text.lstrip("-").partition(".")
    size = int(whole) * 10**9 + int((fraction + "0" * 9)[:9])
    return -size if text.startswith("-") else size


def decimal_text(units: int) -> str:
    """The shortest decimal string of ``units`` billionths: the inverse of `decimal_units`."""
    whole, fraction = divmod(abs(units), 10**9)
    tail = f"{fraction:09d}".rstrip("0")
    return f"{'-' if units < 0 else ''}{whole}{'.' + tail if tail else ''}"
