"""The ledger: every official step of one draw, one chained line each (specification section 9).

`append` writes an entry, `read` and `read_on` check form and chain, `replay` checks that the story holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from trialkit.canonical import FORMAT, HEX64
from trialkit.chain import Break, appended, entries, first_break, is_time
from trialkit.draw.story import Known, Story, refuse
from trialkit.errors import CanonicalError

Entry = dict[str, Any]
Check = Callable[[Any], bool]

_BREAKS: Final[Mapping[Break, str]] = {
    "seq": "E_LEDGER_SEQ",
    "prev": "E_LEDGER_CHAIN",
    "hash": "E_LEDGER_HASH",
    "time": "E_LEDGER_TIME",
}


def append(data: bytes, kind: str, body: Mapping[str, Any], time: str) -> bytes:
    """The ledger ``data`` (empty, or whole lines) with one more entry.

    Parameters
    ----------
    kind : a type of section 9, such as ``commit``
    body : exactly the members of that type
    time : ``YYYY-MM-DDThh:mm:ssZ``

    Raises
    ------
    DrawError
        ``E_LEDGER_FORMAT``: an entry that no ledger may hold, or ``data`` is none.
    """
    try:
        grown = appended(data, {"format": FORMAT, "kind": "entry", "time": time, "type": kind, "body": dict(body)})
        _check_entry(entries(grown.rstrip(b"\n").rpartition(b"\n")[2] + b"\n")[0])
    except CanonicalError as error:
        raise refuse("E_LEDGER_FORMAT", error.message, error.told("da")) from None
    return grown


def read(data: bytes, *, head: str | None = None, at: Callable[[int], object] = lambda step: None) -> list[Entry]:
    """The entries of a ledger whose form and chain hold (steps 1 to 3); ``head`` is one somebody kept.

    Raises
    ------
    DrawError
        ``E_LEDGER_FORMAT``; ``E_LEDGER_SEQ``, ``E_LEDGER_CHAIN``, ``E_LEDGER_HASH`` or ``E_LEDGER_TIME`` at the first
        entry that breaks the chain; ``E_LEDGER_HEAD``.
    """
    at(1)
    found = _formed(data)
    at(2)
    if broken := first_break(found):
        raise _unchained(*broken)
    at(3)
    if head is not None and head not in {entry["hash"] for entry in found}:
        raise refuse(
            "E_LEDGER_HEAD",
            f"the head {head} that was kept is no entry's, so lines are missing or were replaced",
            f"det gemte slutfingeraftryk {head} er ikke nogen linjes, så linjer mangler eller er skiftet ud",
        )
    return found


def read_on(found: Sequence[Entry], more: bytes) -> list[Entry]:
    """The entries of a ledger that has grown by the lines ``more`` since ``found`` was read from it.

    Raises
    ------
    DrawError
        As `read`, of the new lines.
    """
    grown = [*found, *_formed(more)]
    if broken := first_break(grown, start=len(found)):
        raise _unchained(*broken)
    return grown


def _formed(data: bytes) -> list[Entry]:
    """The entries on the lines of ``data``, each by itself as it must be (step 1)."""
    try:
        found = entries(data)
    except CanonicalError as error:
        raise refuse("E_LEDGER_FORMAT", error.message, error.told("da")) from None
    for entry in found:
        _check_entry(entry)
    return found


def replay(found: Sequence[Entry], known: Known | None = None) -> Story:
    """What the entries tell (step 4); ``known`` is the record's side of it, if there is a record.

    Raises
    ------
    DrawError
        The first entry that breaks the rules of section 10, by name; ``facts["seq"]`` says which.
    """
    story = Story(known=known)
    for entry in found:
        story.tell(entry)
    return story


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _position(value: Any) -> bool:
    return type(value) is int and value >= 1


def _entropy_time(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or is_time(value))


_BODIES: Final[Mapping[str, Mapping[str, Check]]] = {
    "commit": {"draw_id": _text, "protocol_hash": _text, "entropy_time": _entropy_time},
    "witness": dict.fromkeys(("name", "stage", "hash", "head", "time", "signature"), _text),
    "open": {"source": _text, "value": _text},
    "void": {"protocol_hash": _text, "reason": _text},
    "draw": {"protocol_hash": _text, "record_hash": _text},
    "assign": {"stratum": _text, "position": _position, "unit": _text, "label": _text},
    "timestamp": {"hash": _text, "token": _text},
    "note": {"text": _text},
}


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


_ENTRY: Final[Mapping[str, Check]] = {
    "format": lambda value: value == FORMAT,
    "kind": lambda value: value == "entry",
    "seq": lambda value: type(value) is int,
    "prev": _matches(HEX64),
    "time": lambda value: isinstance(value, str) and is_time(value),
    "type": lambda value: isinstance(value, str) and value in _BODIES,
    "body": lambda value: isinstance(value, dict),
    "hash": _matches(HEX64),
}


def _check_entry(entry: Entry) -> None:
    """Exact members, types, format and kind, times well formed."""
    wrong = _misfit(entry, _ENTRY) or _misfit(entry["body"], _BODIES[entry["type"]])
    if wrong:
        raise refuse(
            "E_LEDGER_FORMAT",
            f"an entry has {wrong!r} missing, unknown or ill-formed",
            f"i en linje mangler {wrong!r}, eller det er ukendt eller forkert skrevet",
            seq=entry.get("seq"),
        )


def _misfit(found: Mapping[str, Any], checks: Mapping[str, Check]) -> str:
    """The first member that is missing, unknown or fails its check; "" if none."""
    if found.keys() != checks.keys():
        return str(min(found.keys() ^ checks.keys()))
    return next((name for name, check in checks.items() if not check(found[name])), "")


def _unchained(place: int, member: Break) -> Exception:
    return refuse(
        _BREAKS[member],
        f"line {place + 1} does not continue the line before it ({member}), so it was removed, added or changed",
        f"linje {place + 1} fortsætter ikke linjen før ({member}), så noget er fjernet, tilføjet eller ændret",
        seq=place,
    )
