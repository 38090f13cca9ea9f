"""What a ledger's entries tell, one after the other, and the rules no entry may break (section 10, step 4).

Names follow the specification: *live* is the protocol that is committed, a time is *in time* if it is before the
moment the live protocol's drand round appears, and a story is *mine* while the live protocol is the known record's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trialkit.canonical import HEX64, skeleton, text_fault
from trialkit.chain import is_time
from trialkit.draw.evidence import commitment
from trialkit.draw.witness import HEX128, is_signed
from trialkit.errors import DrawError

Body = Mapping[str, Any]

_SOURCE: Final = re.compile(r"0|[1-9][0-9]?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Known:
    """The record's side: what the entries of its own protocol must agree with."""

    protocol: Mapping[str, Any]
    protocol_hash: str
    record_hash: str
    evidence: Sequence[Mapping[str, Any]]
    lists: Mapping[str, Sequence[str]]

    @property
    def keys(self) -> dict[str, str]:
        """Public key of each witness, by name."""
        return {witness["name"]: witness["public_key"] for witness in self.protocol["witnesses"]}


@dataclass(frozen=True, slots=True)
class Signature:
    """One commit-stage signature: who, when by her own clock, and the entry she had seen."""

    name: str
    time: str
    seen: int


@dataclass(frozen=True, slots=True)
class Opening:
    """One opened source: which, and in which entry."""

    source: str
    seq: int
    in_time: bool


@dataclass(kw_only=True)
class Story:
    """The state of a ledger after the entries told so far."""

    known: Known | None = None
    live: str | None = None
    entropy_time: str = ""
    drawn: str | None = None
    voided: list[str] = field(default_factory=list)  # entropy times of voided commitments
    signatures: list[Signature] = field(default_factory=list)
    draw_witnesses: set[str] = field(default_factory=set)
    openings: list[Opening] = field(default_factory=list)
    assigned: dict[str, int] = field(default_factory=dict)  # stratum -> people assigned
    people: set[str] = field(default_factory=set)  # skeletons
    heads: dict[str, int] = field(default_factory=dict)  # hash -> seq

    @property
    def warnings(self) -> tuple[str, ...]:
        """``W_VOIDED``, if a commitment was withdrawn."""
        return ("W_VOIDED",) if self.voided else ()

    @property
    def mine(self) -> Known | None:
        """The record's side, while its protocol is live."""
        return self.known if self.known and self.known.protocol_hash == self.live else None

    @property
    def awaiting(self) -> bool:
        """A protocol is live and not drawn."""
        return self.live is not None and self.drawn is None

    @property
    def commit_witnesses(self) -> set[str]:
        """Who counts for the quorum of the commitment."""
        earliest = min(self.voided, default="")
        return {
            signed.name
            for signed in self.signatures
            if (not self.entropy_time or self.in_time(signed.time)) and (not earliest or signed.time < earliest)
        }

    def in_time(self, time: str) -> bool:
        """Whether ``time`` is before the live protocol's drand round; never without drand."""
        return bool(self.entropy_time) and time < self.entropy_time

    def opened_in_time(self, source: int, quorum: int) -> bool:
        """Whether the source was opened before the round, and ``quorum`` witnesses saw it in time."""
        seqs = [opening.seq for opening in self.openings if opening.source == str(source) and opening.in_time]
        timely = [signed for signed in self.signatures if self.in_time(signed.time)]
        return any(len({signed.name for signed in timely if signed.seen >= seq}) >= quorum for seq in seqs)

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Take in the next entry.

        Raises
        ------
        DrawError
            The rule it breaks, by the specification's name.
        """
        try:
            _RULES.get(entry["type"], _nothing)(self, entry["body"], entry["time"], entry["seq"])
        except DrawError as error:
            error.facts["seq"] = entry["seq"]
            raise
        self.heads[entry["hash"]] = entry["seq"]

    def _commit(self, body: Body, time: str, seq: int) -> None:
        if self.live is not None or self.drawn is not None:
            raise refuse(
                "E_REROLL",
                "a protocol is committed although one is live or a draw is made, so somebody could choose",
                "der låses en plan, selv om en anden gælder eller der er trukket lod, så nogen kunne vælge",
            )
        if self.known and self.known.protocol["draw_id"] != body["draw_id"]:
            raise _not_committed("another draw_id", "et andet draw_id")
        self.entropy_time = body["entropy_time"]
        if self.entropy_time and not self.in_time(time):
            raise refuse(
                "E_COMMIT_TOO_LATE",
                f"the commitment is from {time}, and the round appeared at {self.entropy_time}: the chance was known",
                f"planen er låst {time}, men runden kom {self.entropy_time}: lodderne var kendt",
            )
        self.live = body["protocol_hash"]

    def _void(self, body: Body, time: str, seq: int) -> None:
        if self.drawn is not None:
            raise _regretted()
        if body["protocol_hash"] != self.live:
            raise _not_committed("the withdrawal names another protocol", "tilbagetrækningen nævner en anden plan")
        if not self.in_time(time) or self.people:
            raise _regretted()
        self.voided.append(self.entropy_time)
        self.live, self.entropy_time = None, ""
        self.signatures, self.openings = [], []

    def _open(self, body: Body, time: str, seq: int) -> None:
        if not self.awaiting:
            raise _not_committed("a source is opened while nothing is open", "en kilde åbnes, mens intet er åbent")
        if self.mine:
            _check_opening(self.mine, body["source"], body["value"])
        self.openings.append(Opening(body["source"], seq, self.in_time(time)))

    def _draw(self, body: Body, time: str, seq: int) -> None:
        if self.drawn is not None:
            raise refuse("E_REROLL", "a second draw is entered", "der er indført endnu en lodtrækning")
        if body["protocol_hash"] != self.live:
            raise _not_committed("the draw names another protocol", "lodtrækningen nævner en anden plan")
        if self.in_time(time):
            raise refuse(
                "E_LEDGER_TIME",
                f"the draw is from {time}, before the round of {self.entropy_time} was out",
                f"lodtrækningen er fra {time}, før runden {self.entropy_time} var ude",
            )
        self.drawn = body["record_hash"]

    def _assign(self, body: Body, time: str, seq: int) -> None:
        stratum, unit, label = body["stratum"], body["unit"], body["label"]
        right = self.awaiting and body["position"] == self.assigned.get(stratum, 0) + 1
        right = right and not text_fault(unit) and skeleton(unit) not in self.people
        if right and self.mine:
            listed = self.mine.lists.get(stratum, ())
            right = body["position"] <= len(listed) and listed[body["position"] - 1] == label
        if not right:
            raise refuse(
                "E_ASSIGN",
                f"{unit!r} is not the next of {stratum!r}, stands there already, or got another label than the list's",
                f"{unit!r} er ikke den næste i {stratum!r}, står der allerede eller har fået en anden tildeling end "
                "listens",
            )
        self.assigned[stratum] = body["position"]
        self.people.add(skeleton(unit))

    def _witness(self, body: Body, time: str, seq: int) -> None:
        signed_hash = {"commit": self.live, "draw": self.drawn}.get(body["stage"])
        right = body["hash"] == signed_hash and body["head"] in self.heads
        right = right and is_time(body["time"]) and bool(HEX128.fullmatch(body["signature"]))
        right = right and not (body["stage"] == "draw" and self.in_time(body["time"]))
        if right and self.mine:
            keys = self.mine.keys
            right = body["name"] in keys and is_signed(body, keys[body["name"]])
        if not right:
            raise refuse(
                "E_SIGNATURE",
                f"the signature of {body['name']!r} is not a listed witness's, or not of what stands in the ledger",
                f"underskriften fra {body['name']!r} er ikke et navngivet vidnes eller gælder ikke det, der står her",
            )
        if body["stage"] == "commit":
            self.signatures.append(Signature(body["name"], body["time"], self.heads[body["head"]]))
        else:
            self.draw_witnesses.add(body["name"])


def _nothing(story: Story, body: Body, time: str, seq: int) -> None:
    """Notes and timestamps tell nothing that is checked here."""


_RULES: Final = {
    "commit": Story._commit,
    "void": Story._void,
    "open": Story._open,
    "draw": Story._draw,
    "assign": Story._assign,
    "witness": Story._witness,
}


def _check_opening(mine: Known, source: str, value: str) -> None:
    """An opening is of a source that can be opened, and opens what the record used."""
    sources = mine.protocol["entropy"]
    place = int(source) if _SOURCE.fullmatch(source) else len(sources)
    kind = sources[place]["kind"] if place < len(sources) else ""
    if kind not in ("commit", "rolls"):
        raise refuse("E_EVIDENCE", f"source {source!r} cannot be opened", f"kilde {source!r} kan ikke åbnes")
    if kind == "rolls":
        if value != ",".join(map(str, mine.evidence[place]["values"])):
            raise refuse(
                "E_LATE_OPENING",
                "the throws in the ledger are not those of the record",
                "kastene her er ikke dem, lodtrækningen brugte",
            )
    elif not HEX64.fullmatch(value) or _sealed(mine, place, value) != sources[place]["commitment"]:
        raise refuse(
            "E_COMMITMENT",
            f"the value is not the secret that {sources[place]['party']!r} sealed",
            f"værdien er ikke den hemmelighed, som {sources[place]['party']!r} forseglede",
        )


def _sealed(mine: Known, place: int, value: str) -> str:
    return commitment(mine.protocol["draw_id"], mine.protocol["entropy"][place]["party"], value)


def _not_committed(why: str, hvorfor: str) -> DrawError:
    return refuse("E_NOT_COMMITTED", f"{why} than the one committed", f"{hvorfor} end den låste")


def _regretted() -> DrawError:
    return refuse(
        "E_REROLL",
        "a commitment is withdrawn when its chance was knowable, whatever the reason",
        "en plan trækkes tilbage, da lodderne kunne være kendt, uanset grunden",
    )


def refuse(code: str, why: str, hvorfor: str, **facts: Any) -> DrawError:
    """The refusal of a ledger: what is wrong with it, and what to do about it."""
    return DrawError(
        f"The ledger does not hold: {why}. Compare it with the copy that was published, and with the heads that "
        "witnesses kept.",
        facts,
        da=f"Lodtrækningens protokol holder ikke: {hvorfor}. Sammenlign den med den offentliggjorte kopi og med de "
        "fingeraftryk, vidnerne har gemt.",
        code=code,
    )
