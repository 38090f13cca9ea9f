"""A protocol or a record as a page needs it: numbered units, groups in words, nothing recomputed.

Section 4 of the draw's specification says what a protocol holds, section 6.4 what a result holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from trialkit.canonical import HEX64
from trialkit.errors import DrawError, Lang
from trialkit.report.naming import TIMED, Name, label_names, unit_names
from trialkit.report.page import counted, say, texts
from trialkit.report.words import danish_key, listing

_DRAW_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
LONGEST_SENTENCE: Final = 40  # names; above that a sentence is no longer read, a table is


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One unit on paper: its number, its name, where it belongs, and what it drew (empty before the draw)."""

    number: int
    id: str
    name: str
    place: str
    cluster: str
    label: str
    position: int
    fixed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Everyone with one label, with the sentences that say so."""

    label: str
    title: str
    begins: str
    count: str
    sentences: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A protocol, and its record where one has been drawn, as pages read it.

    Parameters
    ----------
    protocol : the protocol of section 4
    record : the record of section 10, or None before the draw
    names : for people, by label
    rows : the units in canonical order; the number on paper is the place, from 1
    """

    protocol: Mapping[str, Any]
    record: Mapping[str, Any] | None
    lang: Lang
    names: Mapping[str, Name]
    rows: tuple[Row, ...]

    @classmethod
    def of(
        cls,
        document: Mapping[str, Any],
        lang: Lang,
        *,
        plan: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> Self:
        """From a record, or from a protocol that has not been drawn yet.

        Raises
        ------
        DrawError
            `document` is neither, or a member the page needs is missing (``E_SCHEMA``).
        """
        try:
            record = document if document["kind"] == "record" else None
            protocol = document if record is None else document["protocol"]
            _checked(protocol, record)
            return cls(
                protocol=protocol,
                record=record,
                lang=lang,
                names=label_names(protocol["design"], plan, lang),
                rows=tuple(_rows(protocol, record, {**unit_names(plan), **(names or {})}, lang)),
            )
        except (KeyError, TypeError, IndexError, AttributeError) as missing:
            raise _no_document(repr(missing)) from missing

    @property
    def kind(self) -> str:
        """The design's kind."""
        return str(self.protocol["design"]["kind"])

    @property
    def rehearsal(self) -> bool:
        """Whether this is a rehearsal: it may never be taken for the official draw."""
        return str(self.protocol["title"]).startswith("PRØVE") or ".proeve" in self.protocol["draw_id"]

    def label(self, label: str) -> str:
        """A label for people."""
        return self.names[label].title if label in self.names else label

    def groups(self) -> list[Group]:
        """Who drew what, in the protocol's order of labels; labels nobody drew are left out."""
        found = [self._group(label, [row for row in self.rows if row.label == label]) for label in self.names]
        return [group for group in found if group.rows]

    def _group(self, label: str, rows: Sequence[Row]) -> Group:
        name = self.names[label]
        return Group(
            label=label,
            title=name.title,
            begins=name.begins,
            count=counted(len(rows), "unit", self.lang),
            sentences=tuple(self._sentences(label, rows)),
            rows=tuple(rows),
        )

    def _sentences(self, label: str, rows: Sequence[Row]) -> list[str]:
        """What happened to the drawn units of a label, and which were fixed to it beforehand."""
        said = texts(self.lang)["sentences"]
        drawn, fixed = [row for row in rows if not row.fixed], [row for row in rows if row.fixed]
        found = [self._sentence(label, drawn)] if drawn else []
        if fixed:
            found.append(say(said["fixed"], label=self.label(label), names=self._listed(fixed)))
        return found

    def _sentence(self, label: str, rows: Sequence[Row]) -> str:
        said = texts(self.lang)["sentences"]
        if self.kind == "lottery":
            return say(said[label], names=self._queue(rows))
        key = "waits" if label == "waiting" and self.kind == "rollout" else "begins" if self.kind in TIMED else "drawn"
        one = said[key][0 if len(rows) == 1 else 1]
        return say(one, names=self._listed(rows), label=self.label(label), begins=self.names[label].begins)

    def _listed(self, rows: Sequence[Row]) -> str:
        """The names in alphabetical order, or their count where there are too many to read."""
        if len(rows) > LONGEST_SENTENCE:
            return say(texts(self.lang)["sentences"]["many"], count=counted(len(rows), "unit", self.lang))
        return listing(sorted((row.name for row in rows), key=danish_key), self.lang)

    def _queue(self, rows: Sequence[Row]) -> str:
        """The names in the order of the lots, clusters by their own name."""
        lots = {row.position: row.cluster or row.name for row in rows}
        if len(lots) > LONGEST_SENTENCE:
            return say(texts(self.lang)["sentences"]["many_lots"], first=min(lots), last=max(lots))
        return listing((f"{place}.\N{NO-BREAK SPACE}{lots[place]}" for place in sorted(lots)), self.lang)


def _checked(protocol: Mapping[str, Any], record: Mapping[str, Any] | None) -> None:
    """What a page prints outside escaped text (its style sheet, a code) must have the specification's form."""
    if not _DRAW_ID.fullmatch(protocol["draw_id"]):
        raise _no_document(f"draw_id {protocol['draw_id']!r}")
    if record is None:
        return
    for name in ("protocol_hash", "seed"):
        if not HEX64.fullmatch(record[name]):
            raise _no_document(f"{name} {record[name]!r}")
    if [given["kind"] for given in record["evidence"]] != [source["kind"] for source in protocol["entropy"]]:
        raise _no_document("evidence")


def _rows(
    protocol: Mapping[str, Any], record: Mapping[str, Any] | None, names: Mapping[str, str], lang: Lang
) -> list[Row]:
    drawn = {entry["id"]: entry for entry in (record or {"result": {}})["result"].get("allocation", ())}
    return [
        Row(
            number=number,
            id=unit["id"],
            name=names.get(unit["id"]) or unit["id"],
            place=_place(unit, lang),
            cluster=unit.get("cluster", ""),
            label=drawn[unit["id"]]["label"] if drawn else "",
            position=drawn[unit["id"]].get("position", 0) if drawn else 0,
            fixed="fixed" in unit,
        )
        for number, unit in enumerate(protocol["units"], start=1)
    ]


def _place(unit: Mapping[str, Any], lang: Lang) -> str:
    """The unit's block, cluster or group of priority, as far as the design has one."""
    tier = say(texts(lang)["labels"]["tier"], tier=unit["tier"]) if "tier" in unit else ""
    return ", ".join(part for part in (unit.get("block", ""), unit.get("cluster", ""), tier) if part)


def _no_document(what: str) -> DrawError:
    return DrawError(
        f"This is not a protocol or record of trialkit-draw/1 ({what}), so no page can be made that people could "
        "trust. Use the file as trialkit wrote it; `trialkit verify` says what is wrong with it.",
        da=f"Det er ikke en protokol eller resultatfil i trialkit-draw/1 ({what}), så der kan ikke laves en side, man "
        "kan stole på. Brug filen, som trialkit skrev den; `trialkit verify` siger, hvad der er galt.",
        code="E_SCHEMA",
    )
