"""Append-only JSON lines, each holding the hash of the one before.

An entry is an object with ``seq`` (from 0), ``prev`` (the previous entry's ``hash``, 64 zeros at first), ``time``
(UTC, whole seconds) and ``hash`` over everything else.  Whoever kept a later ``hash`` sees any change before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from trialkit.canonical import NO_HASH, digest, jcs, parse
from trialkit.errors import CanonicalError

Break = Literal["seq", "prev", "hash", "time"]

_TIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)


def is_time(text: str) -> bool:
    """Whether ``text`` is ``YYYY-MM-DDThh:mm:ssZ``, a real date from year 0001 (specification section 9).

    Such texts compare as their times do.
    """
    if not (found := _TIME.fullmatch(text)):
        return False
    try:
        datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return False
    return True


def linked(members: Mapping[str, Any], *, seq: int, prev: str) -> dict[str, Any]:
    """The entry with these members, ``time`` among them, as number ``seq`` after the entry with hash ``prev``."""
    entry = {**members, "seq": seq, "prev": prev}
    return {**entry, "hash": digest(entry)}


def appended(data: bytes, members: Mapping[str, Any]) -> bytes:
    """The lines of ``data`` and one more; ``data`` is empty or ends with a whole line.

    Raises
    ------
    CanonicalError
        The last line is not canonical, or ``members`` cannot be published.
    """
    seq, prev = 0, NO_HASH
    if data:
        last = parse(data.rstrip(b"\n").rpartition(b"\n")[2])
        seq, prev = last["seq"] + 1, last["hash"]
    return data + jcs(linked(members, seq=seq, prev=prev)) + b"\n"


def entries(data: bytes) -> list[dict[str, Any]]:
    """The objects on the lines of ``data``, each canonical and ended by one LF; at least one.

    Raises
    ------
    CanonicalError
        Anything else.
    """
    if not data.endswith(b"\n"):
        raise _not_lines("it does not end with a whole line", "den slutter ikke med en hel linje")
    found = [parse(line) for line in data[:-1].split(b"\n")]
    if not all(isinstance(entry, dict) for entry in found):
        raise _not_lines("a line holds no object", "en linje rummer ikke et objekt")
    return found


def first_break(found: Sequence[Mapping[str, Any]], *, start: int = 0) -> tuple[int, Break] | None:
    """Place and member of the first entry, from ``start`` on, that does not continue the one before; None if all do."""
    prev, time = (found[start - 1]["hash"], found[start - 1]["time"]) if start else (NO_HASH, "")
    for place, entry in enumerate(found[start:], start=start):
        rest = {key: value for key, value in entry.items() if key != "hash"}
        right: dict[Break, bool] = {
            "seq": entry["seq"] == place,
            "prev": entry["prev"] == prev,
            "hash": entry["hash"] == digest(rest),
            "time": entry["time"] >= time,
        }
        for member, holds in right.items():
            if not holds:
                return place, member
        prev, time = entry["hash"], entry["time"]
    return None


def _not_lines(why: str, hvorfor: str) -> CanonicalError:
    return CanonicalError(
        f"The file is not a chain of canonical lines ({why}), so nothing in it can be relied on. "
        "Use the file exactly as trialkit wrote it; do not open and save it in an editor.",
        da=f"Filen er ikke en kæde af kanoniske linjer ({hvorfor}), så intet i den kan lægges til grund. "
        "Brug filen præcis, som trialkit skrev den; åbn og gem den ikke i et redigeringsprogram.",
    )
