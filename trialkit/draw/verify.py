"""Public files -> Verdict: draws again, trusts nothing stored, never raises on a bad file (section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trialkit.draw import drand
from trialkit.draw.evidence import check_signature
from trialkit.draw.ledger import read, replay
from trialkit.draw.official import Draw, redraw
from trialkit.draw.story import Known, Story, refuse
from trialkit.errors import Lang, TrialkitError


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict:
    """What a verifier found.

    Parameters
    ----------
    failure : the specification's name of the first failure; "" if there is none
    step : the step of section 10 that failed; the record's steps where the record fails
    warnings : of this file, sorted; only where nothing failed
    confirmed : section 10, "Confirmed or not"; never for a record or a ledger alone
    facts : what the verdict is about: hashes, head, number of entries
    error : the failure in words
    draw : the record's draw, drawn again
    record : for a ledger, the verdict on its record
    """

    failure: str = ""
    step: int = 0
    warnings: tuple[str, ...] = ()
    confirmed: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: TrialkitError | None = None
    draw: Draw | None = None
    record: Verdict | None = None

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """The warnings of ledger and record together, sorted: what a page shows beside NOT CONFIRMED."""
        of_record = self.record.warnings if self.record and not self.failure else ()
        return tuple(sorted({*self.warnings, *of_record}))

    def told(self, lang: Lang) -> str:
        """The failure in words; empty where there is none."""
        return self.error.told(lang) if self.error else ""


def verify_record(data: bytes, *, bls: bool = True) -> Verdict:
    """The verdict on a record's bytes.

    Parameters
    ----------
    data : the file
    bls : check a drand signature by pairing where py-ecc is installed; otherwise ``W_DRAND_UNVERIFIED``
    """
    steps = [0]
    try:
        draw = redraw(data, bls=bls and drand.available(), at=steps.append)
    except TrialkitError as error:
        return Verdict(failure=error.code, step=steps[-1], error=error, facts=error.facts)
    facts = {"draw_id": draw.protocol["draw_id"], "protocol_hash": draw.protocol_hash, "record_hash": draw.record_hash}
    return Verdict(step=steps[-1], warnings=draw.warnings, draw=draw, facts=facts | {"grade": draw.grade})


def verify_ledger(data: bytes, record: bytes | None = None, head: str | None = None, *, bls: bool = True) -> Verdict:
    """The verdict on a ledger, with its record or, while the draw is open, without.

    Parameters
    ----------
    data : the ledger's bytes
    record : the record's bytes, if there is one
    head : the ``hash`` of an entry that somebody kept; the ledger may have grown since
    bls : as in `verify_record`.  The order of failures is that of section 10, whose step 0 reads the record without
        BLS: a forged drand round is reported when all else holds, and then as ``E_DRAND_SIGNATURE``.
    """
    found = None if record is None else verify_record(record, bls=False)
    if found and found.failure:
        return Verdict(failure=found.failure, step=found.step, error=found.error, facts=found.facts, record=found)
    steps = [0]
    try:
        entries = read(data, head=head, at=steps.append)
        steps.append(4)
        story = replay(entries, _known(found.draw) if found and found.draw else None)
        steps.append(5)
        warnings = _check_end(story, found.draw) if found and found.draw else set(story.warnings)
        found = _with_pairing(found) if found and bls and drand.available() else found
    except TrialkitError as error:
        return Verdict(failure=error.code, step=steps[-1], error=error, facts=error.facts, record=found)
    told = {"head": entries[-1]["hash"], "entries": len(entries), "entropy_time": story.entropy_time}
    return Verdict(
        step=5,
        warnings=tuple(sorted(warnings)),
        confirmed=_confirmed(found, warnings),
        facts=told | {"protocol_hash": story.live or "", "record_hash": story.drawn or ""},
        draw=found.draw if found else None,
        record=found,
    )


def _with_pairing(record: Verdict) -> Verdict:
    """The verdict on a record whose drand signature, if it has one, is now checked too."""
    if record.draw is None or record.draw.drand_verified:
        return record
    check_signature(next(given for given in record.draw.evidence if given["kind"] == "drand"))
    draw = replace(record.draw, drand_verified=True)
    return replace(record, draw=draw, warnings=draw.warnings)


def _known(draw: Draw) -> Known:
    return Known(
        protocol=draw.protocol,
        protocol_hash=draw.protocol_hash,
        record_hash=draw.record_hash,
        evidence=draw.evidence,
        lists=dict(draw.assignment.lists),
    )


def _check_end(story: Story, draw: Draw) -> set[str]:
    """Step 5: the story ends with this record, seen by enough witnesses; the ledger's warnings."""
    rounds = [source["round"] for source in draw.protocol["entropy"] if source["kind"] == "drand"]
    if story.live != draw.protocol_hash or story.entropy_time != (drand.round_stamp(rounds[0]) if rounds else ""):
        raise refuse(
            "E_NOT_COMMITTED",
            "the record's protocol is not the one committed, or its round appears at another time",
            "resultatfilens plan er ikke den, der blev låst, eller dens runde kommer på et andet tidspunkt",
        )
    if story.drawn != draw.record_hash:
        raise refuse(
            "E_RECORD_HASH",
            "it enters no draw with this record",
            "den indfører ingen lodtrækning med denne resultatfil",
        )
    quorum = draw.protocol["quorum"]
    if min(len(story.commit_witnesses), len(story.draw_witnesses)) < quorum:
        raise refuse(
            "E_QUORUM",
            f"fewer than {quorum} witnesses signed the commitment in time, or the record",
            f"færre end {quorum} vidner har underskrevet planen i tide eller resultatet",
        )
    return {*story.warnings, *(_late_openings(story, draw) if rounds else ())}


def _late_openings(story: Story, draw: Draw) -> set[str]:
    """What became known after the drand round, though it was there before: whoever knows last decides."""
    late = [
        source["kind"]
        for place, source in enumerate(draw.protocol["entropy"])
        if source["kind"] in ("rolls", "commit") and not story.opened_in_time(place, draw.protocol["quorum"])
    ]
    if "rolls" in late:
        raise refuse(
            "E_LATE_OPENING",
            "the throws were not entered and seen before the drand round, so whoever typed them could choose",
            "kastene blev ikke indført og set før drand-runden, så den, der tastede dem, kunne vælge",
        )
    return {"W_LATE_OPENING"} if late and draw.design.kind != "sequential" else set()


def _confirmed(record: Verdict | None, warnings: set[str]) -> bool:
    """Section 10, "Confirmed or not"; ``warnings`` are the ledger's."""
    if record is None or record.draw is None:
        return False
    if {*warnings, *record.warnings} & {"W_RESEARCH_ONLY", "W_VOIDED", "W_DRAND_UNVERIFIED"}:
        return False
    protocol = record.draw.protocol
    return any(source["kind"] == "drand" for source in protocol["entropy"]) or protocol["quorum"] >= 1
