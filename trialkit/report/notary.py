"""A statement for the notary who attends a draw: two pages, with room for what only the notary can write.

Notarialbekendtgørelsen (bekendtgørelse nr. 1555 af 18. december 2007 with later changes), chapter 10: the notary may
ask for consecutive numbers (section 21(2)) and for an expert statement about a program (section 22), and describes
how the draw was made and which numbers came out (section 23).  A draft for local counsel, not legal advice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from trialkit.canonical import digest
from trialkit.errors import Lang
from trialkit.report.announced import balance, rules
from trialkit.report.certificate import masthead
from trialkit.report.chance import Source, sources
from trialkit.report.drawn import Drawn, Row
from trialkit.report.page import counted, render, say, texts
from trialkit.report.story import lists_open
from trialkit.report.words import ranges

LISTED: Final = 40  # participants whose names fit on the first page
READ_OUT: Final = 120  # numbers one by one, in the order of the lots
THROWS: Final = 60  # numbers thrown that fit; more stand on the certificate


def notary(
    document: Mapping[str, Any],
    ledger: Sequence[Mapping[str, Any]],
    lang: Lang,
    *,
    plan: Mapping[str, Any] | None = None,
    case: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """The statement as one printable HTML page of two A4 sheets.

    Parameters
    ----------
    document : the record; or the protocol alone, for the meeting, with the result left open to be written in
    ledger : the ledger's entries in order; empty where there is none
    plan, case, names : as in `certificate`

    Raises
    ------
    DrawError
        `document` is neither a record nor a protocol (``E_SCHEMA``).
    """
    drawn = Drawn.of(document, lang, plan=plan, names=names)
    values = {
        **masthead(drawn, plan, case),
        "rules": rules(drawn),
        "balance": balance(drawn),
        "listed": len(drawn.rows) <= LISTED,
        "sources": [_brief(source, drawn) for source in sources(drawn)],
        "short": _throws(drawn) <= THROWS,
        "results": _results(drawn, ledger) if drawn.record is not None else [],
        "record_hash": digest(document) if drawn.record is not None else "",
        "head": ledger[-1]["hash"] if ledger else "",
    }
    return render("notary.html", lang, values)


def _brief(source: Source, drawn: Drawn) -> Source:
    """A source without drand's signature: the notary hears the value, and the record holds the proof."""
    proof = texts(drawn.lang)["sources"]["drand_signature"]
    return replace(source, facts=tuple(fact for fact in source.facts if fact[0] != proof))


def _throws(drawn: Drawn) -> int:
    evidence = drawn.record["evidence"] if drawn.record is not None else ()
    return sum(len(given.get("values", given.get("tries", ()))) for given in evidence)


def _results(drawn: Drawn, ledger: Sequence[Mapping[str, Any]]) -> list[str]:
    """What came out, by the numbers of the list, as section 23 asks."""
    said = texts(drawn.lang)["notary"]
    if drawn.kind == "sequential":
        return _lists(drawn) if lists_open(drawn, ledger) else [texts(drawn.lang)["certificate"]["sealed"]]
    found = [_numbers(drawn, group.title, group.rows) for group in drawn.groups()]
    if drawn.kind == "lottery":
        order = sorted(drawn.rows, key=lambda row: (row.position, row.number))
        listed = ", ".join(str(row.number) for row in order)
        found.append(f"{said['position']}: {listed}." if len(order) <= READ_OUT else said["long"])
    return found


def _numbers(drawn: Drawn, title: str, rows: Sequence[Row]) -> str:
    said = texts(drawn.lang)["notary"]
    fixed = ranges([row.number for row in rows if row.fixed], drawn.lang)
    text = f"{title[:1].upper()}{title[1:]}: {ranges([row.number for row in rows], drawn.lang)}"
    return f"{text} ({say(said['fixed'], numbers=fixed)})." if fixed else f"{text}."


def _lists(drawn: Drawn) -> list[str]:
    said = texts(drawn.lang)["notary"]
    lists = (drawn.record or {"result": {}})["result"]["lists"]
    return [
        say(said["queues"], stratum=entry["stratum"], count=counted(len(entry["labels"]), "place", drawn.lang))
        for entry in lists
    ]
