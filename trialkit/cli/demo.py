"""``demo``: the Copenhagen rollout from draft to a draw that anybody can check.

The draft is the one in ``protocols/``; what no authority has decided (approvals, witnesses, the dice of the day) is
made up here and says so.
"""

from __future__ import annotations

import re
import secrets
from importlib.resources import files
from pathlib import Path

import typer

from trialkit.cli.check import check
from trialkit.cli.commit import moment
from trialkit.cli.pages import publish_pages
from trialkit.cli.speech import speech
from trialkit.cli.throws import rows
from trialkit.cli.verify import verify_files
from trialkit.draw.folder import DrawFolder
from trialkit.draw.publish import replace
from trialkit.draw.refusals import stamp
from trialkit.draw.witness import message, new_key, sign
from trialkit.errors import Lang, UsageError
from trialkit.trial import Trial

NAME = "copenhagen_2012_rollout"
WITNESSES = ("Witness A (made up)", "Witness B (made up)")
THROWS = 20
MARK = "DEMO.txt"


def demonstrate(folder: Path) -> None:
    """Check, commit, witness, throw, draw and verify, and say where to look."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(
            f"{folder} holds other files, and a demonstration would lie among them. Name an empty folder.",
            {"folder": str(folder)},
            da=f"{folder} rummer andre filer, og demonstrationen ville ligge imellem dem. Angiv en tom mappe.",
        )
    keys = _decided(_draft(folder) / "draft.yaml")
    trial = Trial.open(folder)
    _step("1. check", "1. check")
    check(trial.folder, waves=[], frames=[], units=[])
    _step("2. commit; two made-up witnesses sign the fingerprint", "2. commit; to opdigtede vidner underskriver")
    made = trial.commit(moment())[0]
    speech.note(f"   {made.fingerprint}", f"   {made.fingerprint}")
    _sign(made.folder, keys, "commit", made.fingerprint)
    _step(
        "3. open: twenty ten-sided dice, thrown by this machine",
        "3. open: tyve tisidede terninger, kastet af denne maskine",
    )
    throws = [secrets.randbelow(10) for _ in range(THROWS)]
    speech.note(rows(throws), rows(throws))
    made.folder.open(0, ",".join(map(str, throws)), moment())
    _step("4. draw; the witnesses sign the record", "4. draw; vidnerne underskriver resultatfilen")
    trial.ready(made.folder)
    drawn = made.folder.draw([{"kind": "rolls", "values": throws}], moment())
    _sign(made.folder, keys, "draw", drawn.record_hash)
    publish_pages(trial, made.folder)
    _step("5. verify", "5. verify")
    try:
        verify_files([trial.folder], head="")
    except typer.Exit as verdict:
        if verdict.exit_code:
            raise
    speech.note(_where(made.folder, "en"), _where(made.folder, "da"))


def _draft(folder: Path) -> Path:
    """A fresh copy of the trial's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    for item in (files("trialkit") / "protocols" / NAME).iterdir():
        if item.is_file():
            (folder / item.name).write_bytes(item.read_bytes())
    replace(folder / MARK, _ABOUT.encode())
    return folder


_ABOUT = (
    "Demonstration. The approval of the lottery, the witnesses and the dice are made up; nobody decided or drew this.\n"
    "Demonstration. Godkendelsen af lodtrækningen, vidnerne og terningerne er opdigtede; ingen har besluttet dette.\n"
)


def _decided(draft: Path) -> dict[str, str]:
    """Write into the draft what nobody has decided: approval, witnesses, dice alone; the witnesses' private keys."""
    keys = {name: new_key() for name in WITNESSES}
    named = ", ".join(f"{{name: {name}, public_key: {public}}}" for name, (_, public) in keys.items())
    text = draft.read_text(encoding="utf-8")
    for pattern, written in (
        (r"(?m)^(  en: Who gets .*)$", r"\1 (demonstration)"),
        (r"(?m)^(  da: Hvem får .*)$", r"\1 (demonstration)"),
        (r"(?m)^version: .*$", r"\g<0>\nsynthetic: yes"),
        (r"status: awaiting, what: the lottery itself", "status: approved, what: the lottery itself (made up)"),
        (r"names: \[\], needed: 0", f"names: [{named}], needed: {len(WITNESSES)}"),
        (r"(?m)^    - \{drand: .*\n", ""),
    ):
        text, times = re.subn(pattern, written, text)
        if times != 1:
            raise RuntimeError(f"the draft of the demonstration no longer has {pattern!r}")
    replace(draft, text.encode())
    return {name: private for name, (private, _) in keys.items()}


def _sign(folder: DrawFolder, keys: dict[str, str], stage: str, digest: str) -> None:
    for name, key in keys.items():
        head, time = folder.head, stamp(moment())
        signature = sign(key, message(stage, digest, head, time))
        body = {"name": name, "stage": stage, "hash": digest, "head": head, "time": time, "signature": signature}
        folder.witness(body, moment())


def _step(en: str, da: str) -> None:
    speech.note(f"\n--- trialkit {en}", f"\n--- trialkit {da}")


def _where(folder: DrawFolder, lang: Lang) -> str:
    """Where to look."""
    certificate = folder.path / ("certificate.html" if speech.lang == lang else f"certificate.{lang}.html")
    if lang == "da":
        return (
            f"\nSe her:\n  {certificate}   attesten, til udskrift\n  {folder.path / 'record.json'}   resultatfilen, som enhver "
            f"kan gøre efter\n  {folder.path / 'ledger.jsonl'}   logbogen: hvert trin, kædet\n"
            f"Gør det efter:  trialkit verify {folder.path}"
        )
    return (
        f"\nLook here:\n  {certificate}   the certificate, to print\n  {folder.path / 'record.json'}   the record, for "
        f"anyone to redo\n  {folder.path / 'ledger.jsonl'}   every step, chained\nRedo it:  trialkit verify {folder.path}"
    )
