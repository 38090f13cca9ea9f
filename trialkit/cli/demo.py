"""``demo``: the Copenhagen rollout from draft to answer, each step one that anybody can check.

The draft is the one in ``protocols/``; what no authority has decided (approvals, witnesses, the dice of the day) and
every outcome is made up here and says so.
"""

from __future__ import annotations

import re
import secrets
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trialkit.cli.check import check
from trialkit.cli.commit import moment
from trialkit.cli.pages import publish_pages
from trialkit.cli.speech import speech
from trialkit.cli.throws import rows
from trialkit.cli.verify import verify_files
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw
from trialkit.draw.publish import replace
from trialkit.draw.refusals import stamp
from trialkit.draw.witness import message, new_key, sign
from trialkit.errors import Lang, UsageError
from trialkit.trial import Trial

if TYPE_CHECKING:
    from trialkit.estimate.result import Estimate

NAME = "copenhagen_2012_rollout"
WITNESSES = ("Witness A (made up)", "Witness B (made up)")
THROWS = 20
MARK = "DEMO.txt"


def demonstrate(folder: Path) -> None:
    """Check, commit, witness, throw, draw, verify, record, freeze and estimate, and say where to look."""
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
    page = _answered(trial, drawn)
    speech.note(_where(made.folder, page, "en"), _where(made.folder, page, "da"))


def _answered(trial: Trial, drawn: Draw) -> Path:
    """Made-up outcomes through the records to the answer; the page."""
    from trialkit.cli.demo_outcomes import write_outcomes
    from trialkit.cli.estimate import estimate
    from trialkit.cli.record import freeze, record

    _step("6. record: outcomes made up with a known effect", "6. record: opdigtede udfald med en kendt effekt")
    file = write_outcomes(trial, drawn)
    record(trial.folder, file=file, by="demonstration", correct="", outcome="", encoding="", sheet="")
    _step("7. freeze", "7. freeze")
    freeze(trial.folder, by="demonstration", as_of=None)
    _step("8. estimate", "8. estimate")
    estimate(trial.folder, snapshot="", live=False, draw="")
    found = trial.estimate()
    _tell_planted(found.answer.estimate)
    return trial.folder / "reports" / found.snapshot[:12] / f"effect.{speech.lang}.html"


def _tell_planted(estimate: Estimate) -> None:
    """Whether the answer holds the truth, which only a demonstration knows."""
    from trialkit.cli.demo_outcomes import EFFECT, TRUTH

    inside = estimate.conf_low <= EFFECT <= estimate.conf_high
    planted = f"{100 * EFFECT:g}"
    speech.note(
        f"\nThe planted effect is {planted} more of 100 ({TRUTH}); the interval "
        + ("holds it." if inside else "does not hold it, which happens in up to 5 of 100 demonstrations."),
        f"\nDen indlagte effekt er {planted} flere af 100 ({TRUTH}); intervallet "
        + ("rummer den." if inside else "rummer den ikke, og det sker i op til 5 af 100 demonstrationer."),
    )


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
    "Demonstration. The approval of the lottery, the witnesses, the dice and all outcomes are made up; nobody decided or "
    "drew this.\n"
    "Demonstration. Godkendelsen af lodtrækningen, vidnerne, terningerne og alle udfald er opdigtede; ingen har besluttet "
    "dette.\n"
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


def _where(folder: DrawFolder, page: Path, lang: Lang) -> str:
    """Where to look."""
    certificate = folder.path / ("certificate.html" if speech.lang == lang else f"certificate.{lang}.html")
    found = page.with_name(f"effect.{lang}.html")
    en, da = (
        ("Look here", "the certificate, to print", "the record, for anyone to redo", "every step, chained"),
        ("Se her", "attesten, til udskrift", "resultatfilen, som enhver kan gøre efter", "logbogen: hvert trin, kædet"),
    )
    look, paper, redo, chained = da if lang == "da" else en
    said = "svaret: spurgt, fundet, hvor sikkert" if lang == "da" else "the answer: asked, found, how sure"
    again = "Gør det efter" if lang == "da" else "Redo it"
    return (
        f"\n{look}:\n  {found}   {said}\n  {certificate}   {paper}\n  {folder.path / 'record.json'}   {redo}\n"
        f"  {folder.path / 'ledger.jsonl'}   {chained}\n{again}:  trialkit verify {folder.path}"
    )
