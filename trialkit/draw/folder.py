"""One draw's folder: every official step, made by one process, whole or not at all.

``protocol.json`` and ``record.json`` follow the specification; ``ledger.jsonl`` decides.  A step counts from the
moment its entry stands in the ledger, which is replaced whole, so a process that dies leaves the ledger as it was
before or after.  ``record.pending`` holds a record between being drawn and being entered: until it is entered, only
the evidence it was drawn with is taken, so that nobody stops a draw to try another.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from trialkit.canonical import NO_HASH, digest, jcs, nfc, parse, skeleton, text_fault
from trialkit.draw import drand
from trialkit.draw.evidence import commitment
from trialkit.draw.ledger import Entry, append, read, read_on, replay
from trialkit.draw.official import Draw, official, redraw
from trialkit.draw.publish import locked, replace, write_new
from trialkit.draw.refusals import (
    another_draw,
    another_protocol,
    begun_otherwise,
    cannot_assign,
    committed_already,
    drawn_already,
    in_the_way,
    late,
    no_place,
    not_committed,
    not_drawn,
    opened_otherwise,
    stamp,
    too_early,
    too_late,
    unsigned,
    unwitnessed,
)
from trialkit.draw.story import Story
from trialkit.draw.verify import Verdict, verify_ledger
from trialkit.draw.witness import is_signed
from trialkit.errors import DrawError

Moment = datetime | Callable[[], datetime]

PATIENCE: Final = 30.0  # seconds to wait while another process makes its step

_LEFT: Final = re.compile(r"\.(ledger\.jsonl|protocol(\.[0-9a-f]{16})?\.json|record\.(json|pending))\.[a-z0-9_]{8}")


@dataclass(frozen=True)
class DrawFolder:
    """``draws/<draw_id>/`` of a trial.

    Every step takes the moment it happens at, or a clock to read once no other process is at work: a step that waited
    for another did not happen before it.
    """

    path: Path

    @property
    def draw_id(self) -> str:
        """The draw's name, which is the folder's."""
        return self.path.name

    @property
    def ledger_bytes(self) -> bytes:
        """The ledger as it stands; empty before the commitment."""
        return self._read("ledger.jsonl")

    @property
    def record_bytes(self) -> bytes:
        """The record; empty before the draw."""
        return self._read("record.json")

    @property
    def protocol(self) -> dict[str, Any]:
        """The committed protocol.

        Raises
        ------
        DrawError
            ``E_NOT_COMMITTED``: there is none, or it is another draw's; ``E_PROTOCOL_HASH``: the file is not the one
            the ledger names.
        """
        live, data = self.story().live, self._read("protocol.json")
        if not live or not data:
            raise not_committed(self.draw_id)
        found: dict[str, Any] = parse(data, file=str(self.path / "protocol.json"))
        if digest(found) != live:
            raise another_protocol(self.path / "protocol.json", digest(found), live)
        if found["draw_id"] != self.draw_id:
            raise another_draw(self.path, found["draw_id"])
        return found

    def entries(self) -> list[Entry]:
        """The ledger's entries, after checking form and chain; none before the commitment.

        Raises
        ------
        DrawError
            The ledger is damaged; the code is the specification's name for how.
        """
        return _entries(self.ledger_bytes)

    def story(self) -> Story:
        """What the ledger says has happened."""
        return replay(self.entries())

    @property
    def head(self) -> str:
        """The hash of the last entry; 64 zeros before the first."""
        found = self.entries()
        return str(found[-1]["hash"]) if found else NO_HASH

    def opened(self) -> dict[int, str]:
        """What the live commitment's sources were opened to, by their place."""
        found = self.entries()
        return {int(one.source): found[one.seq]["body"]["value"] for one in reversed(replay(found).openings)}

    def commit(self, protocol: Mapping[str, Any], moment: datetime) -> str:
        """Commit a prepared protocol; the ledger's new head.

        Raises
        ------
        DrawError
            ``E_REROLL`` if one is committed or drawn already, ``E_COMMIT_TOO_LATE`` if its drand round is out.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._alone():
            story = self.story()
            if story.live or story.drawn:
                raise committed_already(self.draw_id, story)
            comes = _entropy_time(protocol)
            if comes and stamp(moment) >= comes:
                raise too_late(comes, moment)
            self._keep_voided()
            replace(self.path / "protocol.json", jcs(protocol))
            body = {"draw_id": self.draw_id, "entropy_time": comes, "protocol_hash": digest(protocol)}
            return self._append("commit", body, moment)

    def witness(self, signed: Mapping[str, str], moment: Moment) -> str:
        """Enter a witness's signature: ``name, stage, hash, head, time, signature``; the ledger's new head.

        Raises
        ------
        DrawError
            ``E_SIGNATURE``: not a listed witness, or not her signature of what stands in the ledger.
        """
        with self._alone():
            moment = _read(moment)
            keys = {one["name"]: one["public_key"] for one in self.protocol["witnesses"]}
            if signed["name"] not in keys or not is_signed(signed, keys[signed["name"]]):
                raise unsigned(signed["name"], sorted(keys))
            return self._append("witness", dict(signed), moment)

    def open(self, source: int, value: str, moment: Moment) -> str:
        """Enter dice (joined by commas) or a sealed secret into the ledger; the ledger's new head.

        Raises
        ------
        DrawError
            ``E_EVIDENCE`` if the source cannot be opened or the value is not one it can have, ``E_COMMITMENT`` if
            the secret is another, ``E_REROLL`` if other dice of this source stand there already.
        """
        with self._alone():
            moment = _read(moment)
            _check_opening(self.protocol, source, value)
            if self.opened().get(source, value) != value:
                raise opened_otherwise(source)
            return self._append("open", {"source": str(source), "value": value}, moment)

    def void(self, reason: str, moment: Moment) -> str:
        """Withdraw the commitment before the chance is knowable; the ledger's new head.

        Raises
        ------
        DrawError
            ``E_REROLL``: the chance is or could be known, somebody has been assigned, or the draw is made.
        """
        with self._alone():
            moment = _read(moment)
            if self._read("record.pending") or self.story().drawn:
                raise drawn_already(self.draw_id)
            return self._append("void", {"protocol_hash": digest(self.protocol), "reason": reason}, moment)

    def draw(self, evidence: Sequence[Mapping[str, Any]], moment: Moment) -> Draw:
        """Make the official draw, once; the same call again finishes one that a dying process left unfinished.

        Raises
        ------
        DrawError
            ``E_REROLL`` if it has been made, or begun with other evidence; ``E_NOT_COMMITTED``; ``E_LEDGER_TIME``
            before the drand round; ``E_QUORUM`` if too few witnesses signed the fingerprint; ``E_LATE_OPENING`` if the
            dice are not those in the ledger or came there too late; ``E_EXISTS`` if a record stands there that was
            never entered; and whatever is wrong with the evidence.
        """
        with self._alone():
            moment = _read(moment)
            if finished := self._finish():
                return finished
            story = self.story()
            if story.drawn:
                raise drawn_already(self.draw_id)
            protocol = self.protocol
            if self.record_bytes:
                raise in_the_way(self.path / "record.json")
            if story.in_time(stamp(moment)):
                raise too_early(story.entropy_time, moment)
            self._check_witnessed(story, protocol, evidence)
            drawn = official(protocol, list(evidence), bls=drand.available())
            if self._read("record.pending") not in (b"", drawn.record_bytes):
                raise begun_otherwise(self.path / "record.pending")
            self._enter(drawn, moment)
            return drawn

    def pending(self) -> bool:
        """Whether a draw was begun and not finished; `draw` then finishes that one, with its own evidence."""
        return bool(self._read("record.pending"))

    def assign(self, unit: str, stratum: str, evidence: Sequence[Mapping[str, Any]], moment: Moment) -> str:
        """The next label of a sequential design's stratum, entered for ``unit``.

        Raises
        ------
        DrawError
            ``E_ASSIGN``: no such stratum, the unit has an assignment, or the list is used up; ``E_LEDGER_TIME``
            before the drand round.
        """
        unit = nfc(unit)
        with self._alone():
            moment = _read(moment)
            story, protocol = self.story(), self.protocol
            if story.in_time(stamp(moment)):
                raise too_early(story.entropy_time, moment)
            lists = dict(official(protocol, list(evidence), bls=drand.available()).assignment.lists)
            given = story.assigned.get(stratum, 0)
            if why := _unassignable(unit, stratum, lists, story):
                raise cannot_assign(unit, why, sorted(lists))
            label = lists[stratum][given]
            body = {"stratum": stratum, "position": given + 1, "unit": unit, "label": label}
            self._append("assign", body, moment)
            return label

    def give_up(self, unit: str, moment: Moment) -> dict[str, Any]:
        """``unit`` gives its place up in a drawn lottery; the next in the order of lots, noted in the ledger.

        Raises
        ------
        DrawError
            ``E_ASSIGN``: ``unit`` holds no place, or nobody waits.
        """
        with self._alone():
            moment = _read(moment)
            if not self.record_bytes:
                raise not_drawn(self.draw_id)
            order = sorted(parse(self.record_bytes)["result"]["allocation"], key=lambda one: int(one["position"]))
            notes = [entry["body"]["text"] for entry in self.entries() if entry["type"] == "note"]
            passed = [note for note in notes if note.startswith(_PLACE)]
            offered = sum(one["label"] == "offer" for one in order) + len(passed)
            holders = {one["id"] for one in order[:offered]} - {note.split(" -> ")[0][len(_PLACE) :] for note in passed}
            if nfc(unit) not in holders or offered >= len(order):
                raise no_place(unit, waiting=len(order) - offered)
            following: dict[str, Any] = order[offered]
            self._append("note", {"text": f"{_PLACE}{nfc(unit)} -> {following['id']}"}, moment)
            return following

    def note(self, text: str, moment: Moment) -> str:
        """A note in the ledger; the new head."""
        with self._alone():
            moment = _read(moment)
            return self._append("note", {"text": text}, moment)

    def verify(self, *, head: str | None = None, bls: bool = True) -> Verdict:
        """The verdict on ledger and record as they stand."""
        return verify_ledger(self.ledger_bytes, record=self.record_bytes or None, head=head, bls=bls)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder; wait a while for another process to finish its step."""
        if not self.path.is_dir():
            raise not_committed(self.draw_id)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with locked(self.path):
                    self._sweep()
                    yield
                    return
            except DrawError as error:
                if error.code != "E_BUSY" or time.monotonic() > until:
                    raise
            time.sleep(0.02)

    def _sweep(self) -> None:
        """Remove what a dying process was writing: whoever holds the folder knows that nobody writes it any more."""
        for path in self.path.glob(".*"):
            if _LEFT.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _read(self, name: str) -> bytes:
        path = self.path / name
        return path.read_bytes() if path.is_file() else b""

    def _append(self, kind: str, body: Mapping[str, Any], moment: datetime) -> str:
        """Append one entry, unless the ledger would no longer tell a story that holds; the new head."""
        return self._become(self._grown(kind, body, moment))

    def _grown(self, kind: str, body: Mapping[str, Any], moment: datetime) -> bytes:
        """The ledger with one more entry, if that still tells a story that holds."""
        data = append(self.ledger_bytes, kind, body, stamp(moment))
        replay(_entries(data))
        return data

    def _become(self, data: bytes) -> str:
        replace(self.path / "ledger.jsonl", data)
        return str(_entries(data)[-1]["hash"])

    def _keep_voided(self) -> None:
        """Keep the protocol of a voided commitment under its own fingerprint."""
        data = self._read("protocol.json")
        if data and self.ledger_bytes:
            replace(self.path / f"protocol.{digest(parse(data))[:16]}.json", data)

    def _check_witnessed(
        self, story: Story, protocol: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]
    ) -> None:
        """Refuse a draw whose record could never verify, while that can still be said before anybody knows it."""
        quorum, opened = protocol["quorum"], self.opened()
        if len(story.commit_witnesses) < quorum:
            raise unwitnessed(quorum, sorted(story.commit_witnesses))
        for place, (source, given) in enumerate(zip(protocol["entropy"], evidence, strict=False)):
            if source["kind"] != "rolls":
                continue
            values = given.get("values")
            thrown = ",".join(map(str, values)) if isinstance(values, list) else ""
            unseen = bool(story.entropy_time) and not story.opened_in_time(place, quorum)
            if unseen or opened.get(place, thrown) != thrown:
                raise late(place, unseen)

    def _enter(self, drawn: Draw, moment: datetime) -> None:
        """Record first beside the ledger, then the entry that makes it official, then its own name."""
        body = {"protocol_hash": drawn.protocol_hash, "record_hash": drawn.record_hash}
        grown = self._grown("draw", body, moment)  # a ledger that takes no draw leaves no result behind
        replace(self.path / "record.pending", drawn.record_bytes)
        self._become(grown)
        self._finish()

    def _finish(self) -> Draw | None:
        """Give an entered record its name, if a process died before it could; the draw, if there was one to finish."""
        data, drawn = self._read("record.pending"), self.story().drawn
        if not data or not drawn or hashlib.sha256(data).hexdigest() != drawn:
            return None
        if self.record_bytes not in (b"", data):
            raise in_the_way(self.path / "record.json")
        finished = redraw(data)
        if not self.record_bytes:
            write_new(self.path / "record.json", data)
        (self.path / "record.pending").unlink()
        return finished


_last: tuple[bytes, list[Entry]] = (b"", [])  # the ledger read last: a step reads it several times, and it only grows


def _entries(data: bytes) -> list[Entry]:
    """The entries of a ledger whose form and chain hold; only what is new is checked again."""
    global _last
    known, found = _last
    if not data:
        return []
    if data != known:
        grown = bool(known) and data.startswith(known)
        _last = data, read_on(found, data[len(known) :]) if grown else read(data)
    return list(_last[1])


def _read(moment: Moment) -> datetime:
    return moment() if callable(moment) else moment


_PLACE: Final = "place: "


def _entropy_time(protocol: Mapping[str, Any]) -> str:
    """When the protocol's drand round comes; empty without one."""
    rounds = [source["round"] for source in protocol["entropy"] if source["kind"] == "drand"]
    return drand.round_stamp(rounds[0]) if rounds else ""


def _unassignable(unit: str, stratum: str, lists: Mapping[str, Sequence[str]], story: Story) -> tuple[str, str] | None:
    """Why the unit cannot be assigned in this stratum; None if it can."""
    if fault := text_fault(unit):
        return fault
    if skeleton(unit) in story.people:
        return "has an assignment already", "er allerede tildelt"
    if stratum not in lists:
        return f"belongs to no stratum {stratum!r}", f"hører ikke til et stratum {stratum!r}"
    if story.assigned.get(stratum, 0) >= len(lists[stratum]):
        return "comes after the end of the list", "kommer efter listens slutning"
    return None


def _check_opening(protocol: Mapping[str, Any], source: int, value: str) -> None:
    """Refuse an opening that the evidence of this source can never be."""
    sources = protocol["entropy"]
    kind = sources[source]["kind"] if source < len(sources) else ""
    if kind == "rolls":
        throws = value.split(",")
        low, high, count = (sources[source][name] for name in ("low", "high", "count"))
        right = len(throws) == count and all(throw in map(str, range(low, high + 1)) for throw in throws)
        if right and not (sources[source]["distinct"] and len(set(throws)) < count):
            return
    elif kind == "commit":
        party, sealed = sources[source]["party"], sources[source]["commitment"]
        if commitment(protocol["draw_id"], party, value) == sealed:
            return
        raise DrawError(
            f"This is not the secret that {party} sealed, so it cannot be part of the chance. "
            "Ask the keeper for the secret made for this draw.",
            {"source": source, "party": party},
            da=f"Det er ikke den hemmelighed, som {party} forseglede, så den kan ikke indgå i lodtrækningen. "
            "Bed om den hemmelighed, der blev lavet til netop denne lodtrækning.",
            code="E_COMMITMENT",
        )
    raise DrawError(
        f"Source {source} cannot be opened with this value: dice are entered as {kind or 'whole numbers'} joined by "
        "commas, exactly as many as were promised and within their range; a drand round is never opened here.",
        {"source": source, "kind": kind},
        da=f"Kilde {source} kan ikke åbnes med dette: terninger skrives med komma imellem, præcis så mange som lovet "
        "og inden for deres tal; en drand-runde åbnes ikke her.",
        code="E_EVIDENCE",
    )
