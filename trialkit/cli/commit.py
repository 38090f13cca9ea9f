"""Before the draw: ``seal``, ``commit``, ``witness``, ``open`` and ``void``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from trialkit.canonical import digest
from trialkit.cli.pages import publish_pages
from trialkit.cli.speech import speech
from trialkit.cli.throws import ask_throws
from trialkit.draw.drand import round_stamp
from trialkit.draw.evidence import new_secret
from trialkit.draw.evidence import seal as sealed
from trialkit.draw.folder import DrawFolder
from trialkit.draw.publish import write_new
from trialkit.draw.refusals import stamp
from trialkit.draw.witness import HEX128, message, public_key, sign
from trialkit.draw.witness import new_key as fresh_key
from trialkit.errors import UsageError
from trialkit.trial import Trial


def moment() -> datetime:
    """Now, by this machine's clock: the one place the command line reads it."""
    return datetime.now(UTC)


def seal(trial: Path, *, party: str, out: Path, draw: str) -> None:
    """Make a sealed secret for a party; the secret goes to the keeper, the commitment into the draft."""
    opened = Trial.open(trial)
    if out.resolve().is_relative_to(opened.folder.resolve()):
        raise UsageError(
            f"{out} lies in the trial's folder, where everybody who enrols could read the secret and know the next "
            "assignment. Keep it with the keeper, on another disk.",
            {"file": str(out)},
            da=f"{out} ligger i forsøgets mappe, hvor alle, der indskriver, kunne læse hemmeligheden og kende den næste "
            "tildeling. Læg den hos den, der skal gemme den, på en anden disk.",
        )
    draw_id = opened.draw_id(draw)
    secret = new_secret()
    commitment = sealed(draw_id, party, secret)["commitment"]
    facts = {"draw_id": draw_id, "party": party, "commitment": commitment, "secret": secret}
    write_new(out, (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode())
    os.chmod(out, 0o600)
    line = f"- {{sealed_secret: {json.dumps(party, ensure_ascii=False)}, commitment: {commitment}}}"
    speech.show(
        speech.of(
            f"The secret of {party} is in {out}. Nobody else may see it before it is opened.\n"
            f"Write this line under `sources:` in the draft:\n\n    {line}",
            f"Hemmeligheden for {party} ligger i {out}. Ingen andre må se den, før den åbnes.\n"
            f"Skriv denne linje under `sources:` i udkastet:\n\n    {line}",
        ),
        {"draw_id": draw_id, "party": party, "commitment": commitment, "file": str(out)},
    )


def commit(trial: Path, *, draw: str, free_places: int | None) -> None:
    """Freeze the plan and the draw's protocol; print what is to be published."""
    from trialkit.report.spelling import aloud, fingerprint

    for made in Trial.open(trial).commit(moment(), draw=draw, free=free_places):
        groups = fingerprint(made.fingerprint)
        speech.show(
            speech.of(
                f"{made.draw_id} is committed. Publish this fingerprint and write it in the minutes:\n\n"
                f"    {groups}\n\nRead aloud:\n{_indented(aloud(made.fingerprint, 'en'))}\n\n"
                f"Plan sha256:   {made.plan_hash}\nLedger's head: {made.head}\n{_what_next(made.folder)}",
                f"{made.draw_id} er låst. Offentliggør dette fingeraftryk, og skriv det i referatet:\n\n"
                f"    {groups}\n\nLæst højt:\n{_indented(aloud(made.fingerprint, 'da'))}\n\n"
                f"Planens fingeraftryk:   {made.plan_hash}\nLogbogens seneste hash: {made.head}\n"
                f"{_what_next(made.folder)}",
            ),
            {
                "draw_id": made.draw_id,
                "protocol_hash": made.fingerprint,
                "plan_hash": made.plan_hash,
                "head": made.head,
                "folder": str(made.folder.path),
            },
        )


def witness(
    trial: Path, *, name: str, key: Path | None, signature: str, time: str, head: str, new_key: Path | None, draw: str
) -> None:
    """Make a witness's key, show what she signs, or enter her signature."""
    if new_key:
        return _make_key(new_key)
    opened = Trial.open(trial)
    folder = opened.drawing(draw)
    now = folder.story()
    stage, hashed = ("draw", now.drawn) if now.drawn else ("commit", digest(folder.protocol))
    head = head or folder.head
    time = time or stamp(moment())
    if not key and not signature:
        said = message(stage, hashed, head, time).decode()
        return speech.show(
            speech.of(
                f"A witness signs exactly these bytes (Ed25519), with her own clock's time:\n\n    {said}\n\n"
                f"Then: trialkit witness --name NAME --time {time} --head {head} --signature 128-HEX",
                f"Et vidne underskriver præcis disse bytes (Ed25519) med tiden på sit eget ur:\n\n    {said}\n\n"
                f"Derefter: trialkit witness --name NAVN --time {time} --head {head} --signature 128-HEX",
            ),
            {"message": said, "stage": stage, "hash": hashed, "head": head, "time": time},
        )
    if key:
        signature = sign(_private(key), message(stage, hashed, head, time))
    if not HEX128.fullmatch(signature):
        raise _not_hex("signature", 128)
    body = {"name": name, "stage": stage, "hash": hashed, "head": head, "time": time, "signature": signature}
    new_head = folder.witness(body, moment)
    if now.drawn:
        publish_pages(opened, folder)  # a certificate from before the signature would say that it is missing
    speech.show(
        speech.of(
            f"{name} has signed the {'record' if now.drawn else 'fingerprint'}.\nLedger's head: {new_head}",
            f"{name} har underskrevet {'resultatfilen' if now.drawn else 'fingeraftrykket'}.\n"
            f"Logbogens seneste hash: {new_head}",
        ),
        {"name": name, "stage": stage, "head": new_head},
    )
    return None


def open_source(trial: Path, *, source: int | None, value: str, draw: str) -> None:
    """Enter dice or a sealed secret into the ledger, before the beacon comes."""
    folder = Trial.open(trial).drawing(draw)
    protocol = folder.protocol
    place = _openable(protocol["entropy"]) if source is None else source
    if not value:
        value = _asked_value(protocol, place)
    if _is_file(value):
        value = secret_in(Path(value))
    head = folder.open(place, value.replace(" ", ""), moment)
    speech.show(
        speech.of(
            f"Source {place} stands in the ledger.\nLedger's head: {head}",
            f"Kilde {place} står i logbogen.\nLogbogens seneste hash: {head}",
        ),
        {"source": place, "head": head},
    )


def void(trial: Path, *, reason: str, draw: str) -> None:
    """Withdraw a commitment while its chance is unknown."""
    folder = Trial.open(trial).drawing(draw)
    head = folder.void(reason, moment)
    speech.show(
        speech.of(
            f"{folder.draw_id} is withdrawn: {reason}\nLedger's head: {head}\nIt can be committed again.",
            f"{folder.draw_id} er trukket tilbage: {reason}\nLogbogens seneste hash: {head}\nDen kan låses igen.",
        ),
        {"draw_id": folder.draw_id, "head": head, "reason": reason},
    )


def _indented(text: str) -> str:
    return re.sub(r"^", "    ", text, flags=re.MULTILINE)


def _what_next(folder: DrawFolder) -> str:
    """What people do after a commitment, in the order in which it counts.

    Beside a beacon the witnesses sign after the dice: what they saw in the ledger is what nobody can type later
    (specification section 10, ``E_LATE_OPENING``).
    """
    protocol = folder.protocol
    rounds = [source["round"] for source in protocol["entropy"] if source["kind"] == "drand"]
    opened = {"rolls"} if protocol["design"]["kind"] == "sequential" else {"rolls", "commit"}
    known = [_OPENING[kind] for kind in ("rolls", "commit") if kind in opened & _kinds(protocol)]
    signed = [_signing(protocol["quorum"], bool(rounds and known))] if protocol["quorum"] else []
    steps = [*known, *signed, *map(_beacon, rounds)] if rounds else [*signed, *known]
    return "\n".join(f"{number}. {speech.of(*step)}" for number, step in enumerate(steps, start=1))


_OPENING: Final = {
    "rolls": (
        "Throw the dice in public, and enter them with `trialkit open`.",
        "Kast terningerne i offentlighed, og skriv dem ind med `trialkit open`.",
    ),
    "commit": (
        "Each party opens its sealed secret with `trialkit open`.",
        "Hver part åbner sin forseglede hemmelighed med `trialkit open`.",
    ),
}


def _kinds(protocol: Mapping[str, Any]) -> set[str]:
    return {source["kind"] for source in protocol["entropy"]}


def _signing(quorum: int, after: bool) -> tuple[str, str]:
    return (
        f"{quorum} witness(es) sign with `trialkit witness`" + (", when that stands in the ledger." if after else "."),
        f"{quorum} vidne(r) underskriver med `trialkit witness`" + (", når det står i logbogen." if after else "."),
    )


def _beacon(number: int) -> tuple[str, str]:
    time = round_stamp(number)
    return (
        f"All that before {time}, when drand's round {number} comes; then `trialkit draw`.",
        f"Alt det før {time}, hvor drands runde {number} kommer; derefter `trialkit draw`.",
    )


def _make_key(path: Path) -> None:
    private, public = fresh_key()
    write_new(path, (private + "\n").encode())
    os.chmod(path, 0o600)
    speech.show(
        speech.of(
            f"The key is in {path}; only the witness may have it. In the draft she is named with\n\n    {public}",
            f"Nøglen ligger i {path}; kun vidnet må have den. I udkastet angives vidnet med\n\n    {public}",
        ),
        {"file": str(path), "public_key": public},
    )


def _private(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        public_key(text)
    except ValueError:
        raise _not_hex(str(path), 64) from None
    return text


def _not_hex(what: str, digits: int) -> UsageError:
    return UsageError(
        f"{what} is not {digits} small hex digits (0-9, a-f), so it cannot be used. Copy it again, whole.",
        {"what": what},
        da=f"{what} er ikke {digits} små hexcifre (0-9, a-f) og kan ikke bruges. Kopiér det igen, helt.",
    )


def _openable(entropy: list[dict[str, Any]]) -> int:
    """The one source that can be opened, where there is one."""
    places = [place for place, source in enumerate(entropy) if source["kind"] in ("rolls", "commit")]
    if len(places) != 1:
        raise UsageError(
            f"The draw has {len(places)} sources that can be opened ({places}). Say which with --source.",
            {"sources": places},
            da=f"Lodtrækningen har {len(places)} kilder, der kan åbnes ({places}). Angiv hvilken med --source.",
        )
    return places[0]


def _asked_value(protocol: dict[str, Any], place: int) -> str:
    if place >= len(protocol["entropy"]):
        raise UsageError(
            f"There is no source {place}; the last is {len(protocol['entropy']) - 1}.",
            {"source": place},
            da=f"Der er ingen kilde {place}; den sidste er {len(protocol['entropy']) - 1}.",
        )
    source = protocol["entropy"][place]
    if source["kind"] == "rolls":
        return ",".join(str(throw) for throw in ask_throws(source))
    return speech.ask(
        "The secret (64 hex digits), or the keeper's file:", "Hemmeligheden (64 hexcifre) eller filen med den:"
    )


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except OSError:  # a thousand throws are no name a disk could hold
        return False


def secret_in(path: Path) -> str:
    """The secret in a keeper's file, as `seal` wrote it, or alone on a line."""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return str(json.loads(text)["secret"])
    except (ValueError, KeyError, TypeError):
        return text
