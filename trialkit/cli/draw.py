"""The draw itself: ``draw``, its rehearsal, and ``next``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trialkit.cli.commit import moment, secret_in
from trialkit.cli.pages import papers_finished, plan_of, publish_pages, unit_names
from trialkit.cli.speech import speech
from trialkit.cli.throws import ask_throws
from trialkit.draw import drand
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw, redraw
from trialkit.draw.relays import RELAYS, fetch
from trialkit.errors import UsageError
from trialkit.registers import danish_key
from trialkit.trial import Trial


def make(trial: Path, *, draw: str, evidence: Path | None, relays: Sequence[str], fetch: bool) -> None:
    """Make the official draw and write its record, list and certificate."""
    opened = Trial.open(trial)
    folder = opened.drawing(draw)
    opened.ready(folder)
    if _without_papers(folder):
        publish_pages(opened, folder)
        speech.note(
            "The papers of the draw that was made before were not finished. They have been made now.",
            "Papirerne til den lodtrækning, der er foretaget, blev ikke færdige. De er lavet nu.",
        )
    given = [] if folder.story().drawn else _evidence(folder, evidence, relays or (RELAYS if fetch else ()))
    _warn_unchecked(folder.protocol)
    drawn = folder.draw(given, moment)
    return _show(drawn, folder, publish_pages(opened, folder), unit_names(plan_of(opened, folder)))


def _without_papers(folder: DrawFolder) -> bool:
    """Whether the draw was entered by a process that died before the last of its papers."""
    drawn, record = folder.story().drawn, folder.record_bytes
    if not drawn or not record or folder.pending() or papers_finished(folder):
        return False
    return redraw(record).record_hash == drawn


def rehearse_draw(trial: Path, *, draw: str) -> None:
    """A rehearsal: PRØVE everywhere, another draw_id, a published seed; nothing official comes of it."""
    opened = Trial.open(trial)
    folder, drawn = opened.rehearse(moment(), draw=draw)
    pages = publish_pages(opened, folder)
    speech.note(
        "PRØVE (rehearsal): this decides nothing, and its seed was public beforehand.",
        "PRØVE: dette afgør intet, og startværdien var offentlig på forhånd.",
    )
    _show(drawn, folder, pages, unit_names(plan_of(opened, folder)))


def assign_next(
    trial: Path, *, unit: str, stratum: str, secret_file: Path | None, evidence: Path | None, draw: str
) -> None:
    """The next entry of a sequential design, or the next offer of a place lottery."""
    opened = Trial.open(trial)
    folder = opened.drawing(draw)
    kind = folder.protocol["design"]["kind"]
    if kind == "lottery":
        return _offer(folder, unit)
    if kind != "sequential":
        raise UsageError(
            f"{folder.draw_id} draws all its units at once, so there is no next one. Run `trialkit draw`.",
            {"draw_id": folder.draw_id, "design": kind},
            da=f"I {folder.draw_id} trækkes der lod om alle på én gang, så der er ingen næste. Kør `trialkit draw`.",
        )
    opened.ready(folder)
    if not stratum:
        strata = ", ".join(folder.protocol["design"]["strata"])
        stratum = speech.ask(f"Which stratum ({strata})?", f"Hvilket stratum ({strata})?")
    given = _evidence(folder, evidence, (), secret=secret_in(secret_file) if secret_file else "")
    label = folder.assign(unit, stratum, given, moment)
    speech.show(
        speech.of(f"{unit} ({stratum}): {label}", f"{unit} ({stratum}): {label}"),
        {"unit": unit, "stratum": stratum, "label": label, "head": folder.head},
    )


def _offer(folder: DrawFolder, unit: str) -> None:
    """Note that a family gives up its place, and who is next in the order of lots."""
    offered = folder.give_up(unit, moment)
    speech.show(
        speech.of(
            f"{unit} gives up the place. It is offered to {offered['id']}, number {offered['position']} in the order of lots.",
            f"{unit} giver pladsen fri. Den tilbydes {offered['id']}, nummer {offered['position']} i lodtrækningen.",
        ),
        {"gave_up": unit, "offered": offered["id"], "position": offered["position"], "head": folder.head},
    )


def _evidence(
    folder: DrawFolder, file: Path | None, relays: Sequence[str], *, secret: str = ""
) -> list[dict[str, Any]]:
    """One object per source: from a file, from the ledger, fetched, or typed."""
    if file:
        return _from_file(file)
    opened = folder.opened()
    return [
        _opened(source, opened[place]) if place in opened else _given(source, relays, secret)
        for place, source in enumerate(folder.protocol["entropy"])
    ]


def _from_file(file: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        found = str(error)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(
            f"{file} is not evidence: it must be a JSON list with one object per source, as in section 4.3 of "
            "docs/spec/draw.md. Nothing was drawn.",
            {"file": str(file)},
            da=f"{file} rummer ikke det tilfældige: det skal være en JSON-liste med ét objekt pr. kilde som i afsnit 4.3 i "
            "docs/spec/draw.md. Der er ikke trukket lod.",
        )
    return found


def _opened(source: Mapping[str, Any], value: str) -> dict[str, Any]:
    """The evidence of a source that stands opened in the ledger."""
    if source["kind"] == "rolls":
        return {"kind": "rolls", "values": [int(throw) for throw in value.split(",")]}
    return {"kind": "commit", "secret": value}


def _given(source: Mapping[str, Any], relays: Sequence[str], secret: str) -> dict[str, Any]:
    """The evidence of a source that is not opened yet, asked of a person or of the relays."""
    kind = source["kind"]
    if kind == "rolls":
        return {"kind": kind, "values": ask_throws(source)}
    if kind == "number":
        typed = speech.ask("The digits of every try, in order:", "Cifrene for hvert forsøg, i rækkefølge:")
        return {"kind": kind, "tries": typed.replace(",", " ").split()}
    if kind == "commit":
        asked = f"{source['party']}: "
        return {"kind": kind, "secret": secret or speech.ask(f"{asked}the secret:", f"{asked}hemmeligheden:")}
    if kind == "published":
        return {"kind": kind}
    if relays:
        return fetch(source["chain"], source["round"], relays)
    signature = speech.ask(
        f"The signature of drand round {source['round']} ({drand.round_stamp(source['round'])}), 96 hex digits:",
        f"Signaturen på drand-runde {source['round']} ({drand.round_stamp(source['round'])}), 96 hexcifre:",
    )
    return {"kind": kind, "round": source["round"], "signature": signature.lower()}


def _warn_unchecked(protocol: Mapping[str, Any]) -> None:
    if any(source["kind"] == "drand" for source in protocol["entropy"]) and not drand.available():
        speech.note(
            "!! W_DRAND_UNVERIFIED: this machine cannot check the drand signature; anyone could have typed 96 digits.\n"
            "!! Install the extra (pip install 'trialkit[drand]'), or compare with the round as others published it.",
            "!! W_DRAND_UNVERIFIED: denne maskine kan ikke kontrollere drand-signaturen; enhver kunne have tastet den.\n"
            "!! Installér tilvalget (pip install 'trialkit[drand]'), eller sammenlign med runden hos andre.",
        )


def _show(drawn: Draw, folder: DrawFolder, pages: Sequence[Path], names: Mapping[str, str]) -> None:
    """The result in words, the record's digest, and where everything is."""
    lines = [
        drawn.protocol["title"],
        *_result_lines(drawn.result, names),
        "",
        speech.of("Record sha256: ", "Resultatfilens fingeraftryk: ") + drawn.record_hash,
        *(f"  {page}" for page in (folder.path / "record.json", folder.path / "ledger.jsonl", *pages)),
    ]
    speech.show(
        "\n".join(lines),
        {
            "draw_id": folder.draw_id,
            "record_hash": drawn.record_hash,
            "protocol_hash": drawn.protocol_hash,
            "seed": drawn.seed,
            "result": drawn.result,
            "warnings": list(drawn.warnings),
            "files": [str(page) for page in pages],
        },
    )


def _result_lines(result: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Who got what, in the order of lots or wave by wave; a sequence only by its length."""
    if "lists" in result:
        return [f"  {one['stratum']}: {len(one['labels'])}" for one in result["lists"]]
    shown = [(names.get(one["id"], one["id"]), one["label"], one.get("position", 0)) for one in result["allocation"]]
    width = max(len(name) for name, _, _ in shown)
    return [
        f"  {name:<{width}}  {label}" + (f"  ({position})" if position else "")
        for name, label, position in sorted(shown, key=lambda one: (one[2], one[1], danish_key(one[0])))
    ]
