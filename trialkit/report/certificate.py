"""The certificate a draw leaves: one printable page that says what was drawn, from what chance, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trialkit.canonical import digest
from trialkit.errors import DrawError, Lang
from trialkit.report.announced import balance, rules
from trialkit.report.chance import passed_over, seed_line, sources
from trialkit.report.drawn import Drawn
from trialkit.report.naming import outside
from trialkit.report.page import qr, render, texts
from trialkit.report.story import lists_open, story, witnesses
from trialkit.report.verdicts import Verdict, explain, headline
from trialkit.report.words import danish_key, date_long, listing

_CASE: Final = {  # what a page asks for: what a plan's `case` may call it
    "authority": "authority",
    "case_number": "number",
    "document_number": "document",
    "officer": "officer_role",
    "date": "date",
    "place": "place",
}


@dataclass(frozen=True, slots=True)
class Queue:
    """One stratum's list of a sequential draw: its labels in words, from place 1."""

    stratum: str
    labels: tuple[str, ...]


def certificate(
    record: Mapping[str, Any],
    *,
    ledger: Sequence[Mapping[str, Any]],
    verdict: Verdict,
    lang: Lang,
    plan: Mapping[str, Any] | None = None,
    case: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """The certificate as one self-contained HTML page for A4 paper; same inputs, same bytes.

    Parameters
    ----------
    record : the record of specification section 10
    ledger : the ledger's entries in order; empty where there is none
    verdict : what `verify` said of both
    plan : the trial's plan (``plan.json``): the labels' titles and dates, the units' names, who was never in the draw
    case : ``authority``, ``case_number``, ``document_number``, ``officer``, ``date``, ``place``; what is absent
        becomes a line to write on; the plan's own ``case`` is read where `case` is silent.  ``synthetic`` marks
        every sheet as invented data
    names : names for people by unit id, over the plan's

    Raises
    ------
    DrawError
        `record` is no record (``E_SCHEMA``).
    """
    drawn = Drawn.of(record, lang, plan=plan, names=names)
    if drawn.record is None:
        raise DrawError(
            "A certificate needs the record of a draw that has been made; this is only its protocol. Draw first.",
            da="En attest kræver resultatfilen fra en foretaget lodtrækning; dette er kun protokollen. Træk først.",
            code="E_SCHEMA",
        )
    hashed = digest(record)
    waiting = _awaits_witnesses(verdict, drawn.protocol, ledger)
    values = {
        **masthead(drawn, plan, case),
        "status": texts(lang)["certificate"]["awaiting"] if waiting else headline(verdict, lang),
        "waiting": waiting,
        "confirmed": verdict.confirmed and not verdict.failure,
        "found": _found(verdict, lang),
        "alone": not ledger,
        "queues": _queues(drawn) if lists_open(drawn, ledger) else [],
        "sources": sources(drawn),
        "seed_line": seed_line(record),
        "rules": rules(drawn),
        "balance": balance(drawn),
        "passed_over": passed_over(drawn),
        "story": story(ledger, lang),
        "head": ledger[-1]["hash"] if ledger else "",
        "witnesses": witnesses(drawn, ledger),
        "record_hash": hashed,
        "qr": qr(f"trialkit-draw/1 record sha256 {hashed}", texts(lang)["certificate"]["qr"]),
    }
    return render("certificate.html", lang, values)


def masthead(drawn: Drawn, plan: Mapping[str, Any] | None, case: Mapping[str, Any] | None) -> dict[str, Any]:
    """What every page of a draw carries: the draw, the case, and whether it is a rehearsal or synthetic."""
    promised = (plan or {}).get("protocol", plan or {})
    filed: Mapping[str, Any] = {**(promised.get("case") or {}), **(case or {})}
    given = {name: str(filed.get(name) or filed.get(other) or "") for name, other in _CASE.items()}
    if given["date"]:
        given["date"] = date_long(given["date"], drawn.lang)
    return {
        "drawn": drawn,
        "protocol": drawn.protocol,
        "record": drawn.record,
        "protocol_hash": digest(drawn.protocol),
        "case": given,
        "rehearsal": drawn.rehearsal,
        "synthetic": bool(promised.get("synthetic") or (plan or {}).get("synthetic") or filed.get("synthetic")),
        "outside": listing(sorted(outside(plan), key=danish_key), drawn.lang),
    }


def _awaits_witnesses(verdict: Verdict, protocol: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing is missing but that the witnesses sign the record: the minutes after every draw."""
    if verdict.failure != "E_QUORUM" or not ledger:
        return False
    drawn = [place for place, entry in enumerate(ledger) if entry["type"] == "draw"]
    before = {entry["body"]["name"] for entry in ledger[: drawn[0]] if entry["type"] == "witness"} if drawn else set()
    after = {entry["body"]["name"] for entry in ledger if entry["body"].get("stage") == "draw"}
    quorum: int = protocol["quorum"]
    return len(before) >= quorum > len(after)


def _found(verdict: Verdict, lang: Lang) -> list[tuple[str, str]]:
    """The failure alone, or every warning of ledger and record together, each with its words."""
    names = [verdict.failure] if verdict.failure else sorted(getattr(verdict, "all_warnings", verdict.warnings))
    return [(name, explain(name, lang)) for name in names]


def _queues(drawn: Drawn) -> list[Queue]:
    lists = (drawn.record or {"result": {}})["result"].get("lists", ())
    return [Queue(entry["stratum"], tuple(drawn.label(label) for label in entry["labels"])) for entry in lists]
