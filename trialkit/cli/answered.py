"""What was answered: as people read it, as the draft's pen takes it, as files of the trial's folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from trialkit.cli import listing, readers
from trialkit.cli.questions import Question
from trialkit.errors import Lang
from trialkit.protocol.blank import Answers
from trialkit.report.words import date_long, number


def shown(question: Question, value: Any, lang: Lang, *, known: Mapping[str, Any]) -> str:
    """An answer as people read it; ``known`` tells whether a level is a share."""
    if value is None:
        return "-"
    if isinstance(value, listing.Listed):
        where = "/".join(filter(None, (value.register, value.frame)))
        names = [unit.name or unit.id for unit in value.units]
        between = "; " if any("," in name for name in names) else ", "
        return f"{len(names)}: " + (where or between.join(names[:8]) + (" ..." if len(names) > 8 else ""))
    if question.choices:
        return next(choice.said.told(lang) for choice in question.choices if choice.word == value)
    if isinstance(value, bool):
        return {("da", True): "ja", ("da", False): "nej", ("en", True): "yes"}.get((lang, value), "no")
    if isinstance(value, tuple):
        return (" - " if question.key == "period" else ", ").join(_word(one, lang) for one in value)
    if isinstance(value, Decimal) and known.get("kind") != "number":
        points = {"da": "procentpoint", "en": "percentage points"}[lang]
        return f"{number((100 * value).normalize(), lang)} {points if question.key == 'effect' else '%'}"
    return _word(value, lang)


def _word(value: Any, lang: Lang) -> str:
    if isinstance(value, date):
        return date_long(value, lang)
    return number(value, lang) if isinstance(value, (int, Decimal)) else str(value)


def answers(known: Mapping[str, Any], accepts: Mapping[str, str] | None = None) -> Answers:
    """The answers as the draft's pen takes them."""
    units: listing.Listed = known["units"]
    people = known.get("people")
    starts: tuple[date, ...] = known["starts"]
    return Answers(
        trial=known["trial"],
        title=known["title"],
        new=known["new"],
        usual=known["usual"],
        outcome=known["outcome"],
        kind=known["kind"],
        among=known["among"],
        reported_by=known["reported_by"],
        effect=known["effect"],
        period=known["period"],
        throws=known["throws"],
        window=known.get("window"),
        baseline=known.get("baseline"),
        spread=known.get("spread"),
        register=units.register,
        frame=units.frame,
        file=listing.FILE,
        size=listing.PEOPLE if isinstance(people, tuple) else people,
        touching=bool(units.units.neighbours),
        pilots=known.get("pilots") or (),
        waves=tuple(zip(starts, known["places"], strict=True)),
        rest_waits=sum(known["places"]) < len(readers.drawn(known)),
        frequency="month_of_birth" if known.get("births") else "month",
        approvals=known.get("approvals") or (),
        accepts=dict(accepts or {}),
    )


def folder_files(known: Mapping[str, Any], text: str) -> dict[str, bytes]:
    """The files of the trial's folder, the draft last: with it the folder becomes a trial."""
    units: listing.Listed = known["units"]
    people = known.get("people")
    if isinstance(people, tuple):
        units = units.with_people(people)
    files = {} if units.register else {listing.FILE: units.csv()}
    return files | {"draft.yaml": text.encode()}
