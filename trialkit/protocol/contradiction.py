"""A contradiction between two places of a draft, and the checks every part uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol

Path = tuple[str | int, ...]

ARM: Final = ("an arm", "en arm")
WAVE: Final = ("a wave", "en bølge")
STRATUM: Final = ("a stratum", "et stratum")
OUTCOME: Final = ("an outcome", "et udfald")
FUNNEL: Final = ("a funnel", "et forløb")
STEP: Final = ("a step", "et trin")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Something two places of a draft say differently; ``instead`` is what should stand at ``path``, if plain."""

    path: Path
    en: str
    da: str
    instead: str = ""


def unknown(
    path: Path, asked: str, known: Iterable[str], what: tuple[str, str], named: Mapping[str, str] | None = None
) -> Iterator[Contradiction]:
    """``asked`` must be one of ``known``; ``named`` maps what people call them to their ids."""
    known = list(known)
    if asked in known:
        return
    near = (named or {}).get(asked.casefold()) or next(iter(get_close_matches(asked, known, 1, 0.6)), "")
    listed = ", ".join(known) or "-"
    meant = (f" Did you mean {near}?", f" Mente du {near}?") if near else ("", "")
    yield Contradiction(
        path,
        f"{asked!r} is not {what[0]} of this protocol.{meant[0]} It has: {listed}.",
        f"{asked!r} er ikke {what[1]} i denne protokol.{meant[1]} Den har: {listed}.",
        near,
    )


def twice(path: Path, ids: Iterable[str]) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for place, name in enumerate(ids):
        if name in seen:
            yield Contradiction(
                (*path, place, "id"),
                f"The id {name!r} is used twice. Give each its own.",
                f"Id'et {name!r} bruges to gange. Giv hver sit eget.",
            )
        seen.add(name)


def arms_called(it: Protocol) -> dict[str, str]:
    """What people call the arms, in small letters, with their ids."""
    return {text.casefold(): name for name, arm in it.arms.items() for text in (arm.en, arm.da) if text}


def outcomes_called(it: Protocol) -> dict[str, str]:
    """What people call the outcomes, in small letters, with their ids."""
    return {text.casefold(): it.id for it in it.outcomes for text in (it.label.en, it.label.da) if text}
