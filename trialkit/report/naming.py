"""What labels are called when people read them: the plan's own words, else the label made readable.

A plan is canonical JSON: maps with a person's keys stand as arrays of pairs, texts perhaps per language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trialkit.errors import Lang
from trialkit.protocol.text import Text
from trialkit.report.page import say, texts
from trialkit.report.words import date_long

_NUMBERED: Final = re.compile(r"(wave|sequence|step|round)[_ -]?([0-9]{1,4})")
TIMED: Final = frozenset({"stepped_wedge", "rollout", "blocked_wedge"})


@dataclass(frozen=True, slots=True)
class Name:
    """A label for people: its title, and the day it begins in words where the plan gives one."""

    title: str
    begins: str = ""


def label_names(design: Mapping[str, Any], plan: Mapping[str, Any] | None, lang: Lang) -> dict[str, Name]:
    """Every label a result of `design` can hold, in the protocol's order, with its name for people."""
    known, own = dict(_from_plan(plan or {}, lang)), texts(lang)["labels"]
    labels = [str(label["name"]) for label in design.get("labels", ())]
    found = {label: known.get(label, Name(readable(label, lang))) for label in labels}
    if design["kind"] == "rollout":
        found["waiting"] = Name(own["waits"])
    elif design["kind"] == "lottery":
        found = {"offer": Name(own["offer"]), "waiting": Name(own["waiting"])}
    return found


def unit_names(plan: Mapping[str, Any] | None) -> dict[str, str]:
    """The names for people that a plan gives its units, by id."""
    return {unit["id"]: unit["name"] for unit in (plan or {}).get("units", ()) if unit.get("name")}


def outside(plan: Mapping[str, Any] | None) -> list[str]:
    """The names of the plan's units that were never in the draw, such as pilots."""
    return [unit.get("name") or unit["id"] for unit in (plan or {}).get("outside", ())]


def readable(label: str, lang: Lang) -> str:
    """``bølge 1`` for ``wave_1``; any other label as it stands."""
    found = _NUMBERED.fullmatch(label)
    return f"{texts(lang)['labels'][found[1]]} {found[2]}" if found else label


def told(text: object, lang: Lang) -> str:
    """A plan's text in `lang`: a text as it stands, a text per language (mapping or pairs) in `lang` or the other."""
    if isinstance(text, str):
        return text
    versions = dict(_pairs(text))
    found = versions.get(lang) or versions.get("da") or versions.get("en")
    return found if isinstance(found, str) else ""


def own_words(name: str, text: Text, lang: Lang) -> tuple[str, str]:
    """A name and the plan's text; the name says whose words they are where the plan has them in one language only."""
    written = text.en != text.da and (text.da if lang == "da" else text.en)
    return name if written else say(texts(lang)["common"]["plans_words"], name=name), text.told(lang)


def _from_plan(plan: Mapping[str, Any], lang: Lang) -> Iterator[tuple[str, Name]]:
    """Arms, labels and waves of a plan, later ones over earlier ones."""
    promised = plan.get("protocol", plan)
    for table in ("arms", "labels", "waves"):
        for key, entry in _pairs(promised.get(table, ())):
            more = entry if isinstance(entry, Mapping) else {}
            title = told(more.get("title", more.get("label", entry)), lang) or readable(key, lang)
            yield key, Name(title, date_long(more["start"], lang) if "start" in more else "")


def _pairs(table: object) -> Iterable[tuple[str, Any]]:
    if isinstance(table, Mapping):
        return [(str(key), value) for key, value in table.items()]
    if not isinstance(table, Sequence) or isinstance(table, str):
        return []
    return [pair for entry in table if (pair := _pair(entry)) is not None]


def _pair(entry: object) -> tuple[str, Any] | None:
    if isinstance(entry, Mapping):
        key = entry.get("id", entry.get("name"))
        return None if key is None else (str(key), entry)
    if isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 2:
        return str(entry[0]), entry[1]
    return None
