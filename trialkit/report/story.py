"""The ledger as people read it: what happened when, by the publisher's clock, and who signed.

Section 9 of the draw's specification.  Enrolments stand in the ledger one by one and here as their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from trialkit.canonical import digest
from trialkit.errors import Lang
from trialkit.report.drawn import Drawn
from trialkit.report.page import counted, say, texts
from trialkit.report.words import moment_long


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story: the entry's number on paper, when, and what."""

    number: str
    time: str
    what: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of the protocol, and by her own clock when she signed which stage (empty: not signed)."""

    name: str
    commit: str
    draw: str


def story(ledger: Sequence[Mapping[str, Any]], lang: Lang) -> list[Line]:
    """Every entry in words; entries that assign one person after another stand as one line."""
    return [_line(list(entries), lang) for _, entries in groupby(ledger, key=_together)]


def _together(entry: Mapping[str, Any]) -> object:
    return "assign" if entry["type"] == "assign" else entry["seq"]


def _line(entries: Sequence[Mapping[str, Any]], lang: Lang) -> Line:
    first, last = entries[0], entries[-1]
    numbers = f"{first['seq'] + 1}" if first is last else f"{first['seq'] + 1}–{last['seq'] + 1}"
    what = _what(first, lang)
    if first["type"] == "assign":
        what = say(texts(lang)["story"]["assign"], count=counted(len(entries), "person", lang))
    return Line(numbers, moment_long(last["time"], lang, utc=False), what)


def _what(entry: Mapping[str, Any], lang: Lang) -> str:
    said, body, kind = texts(lang)["story"], entry["body"], entry["type"]
    if kind == "commit":
        waits = body["entropy_time"]
        return say(said["commit_drand"], time=moment_long(waits, lang)) if waits else str(said["commit"])
    if kind == "witness":
        return say(said["witness_draw" if body["stage"] == "draw" else "witness_commit"], name=body["name"])
    if kind == "open":
        return say(said["open"], source=int(body["source"]) + 1)
    if kind in ("void", "note"):
        return say(said[kind], text=body["reason" if kind == "void" else "text"])
    return str(said[kind])


def witnesses(drawn: Drawn, ledger: Sequence[Mapping[str, Any]]) -> list[Witness]:
    """The protocol's witnesses with what they signed in the ledger; paper is left to the page."""
    signed = {
        (entry["body"]["name"], entry["body"]["stage"], entry["body"]["hash"]): entry["body"]["time"]
        for entry in ledger
        if entry["type"] == "witness"
    }
    stages = list(_stages(drawn))
    return [
        Witness(
            witness["name"],
            *(
                moment_long(time, drawn.lang, utc=False)
                if (time := signed.get((witness["name"], stage, hashed)))
                else ""
                for stage, hashed in stages
            ),
        )
        for witness in drawn.protocol["witnesses"]
    ]


def _stages(drawn: Drawn) -> Iterator[tuple[str, str]]:
    """What a signature must name at each stage."""
    yield "commit", digest(drawn.protocol)
    yield "draw", digest(drawn.record) if drawn.record is not None else ""


def lists_open(drawn: Drawn, ledger: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a sequential draw's lists may be shown: nothing is sealed, or the ledger shows it opened or drawn.

    Until then a page that printed them would tell the next assignment (section 6.5, concealment).
    """
    sealed = {str(place) for place, source in enumerate(drawn.protocol["entropy"]) if source["kind"] == "commit"}
    opened = {entry["body"]["source"] for entry in ledger if entry["type"] == "open"}
    return sealed <= opened or any(entry["type"] == "draw" for entry in ledger)
