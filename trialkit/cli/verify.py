"""``verify`` and ``selftest``: what a stranger runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trialkit.canonical import parse
from trialkit.cli.data import holds_data, tell_data
from trialkit.cli.speech import speech
from trialkit.draw import drand
from trialkit.draw.sources import REHEARSAL_ID
from trialkit.draw.verify import Verdict, verify_ledger, verify_record
from trialkit.errors import CanonicalError, UsageError

if TYPE_CHECKING:
    from trialkit.draw.selftest import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The files of one draw: at least a record or a ledger, perhaps the plan its fingerprint binds."""

    name: str
    record: bytes | None = None
    ledger: bytes | None = None
    plan: bytes | None = None

    def verdict(self, head: str) -> Verdict:
        """The verdict on record and ledger together, or on the one that is there."""
        bls = drand.available()
        if self.ledger is None:
            return verify_record(self.record or b"", bls=bls)
        return verify_ledger(self.ledger, record=self.record, head=head or None, bls=bls)

    def plan_is_bound(self) -> bool | None:
        """Whether the plan's SHA-256 is the one inside the protocol; None where one of them is not there."""
        if self.plan is None or self.record is None:
            return None
        try:
            bound = parse(self.record)["protocol"].get("plan_hash", "")
        except (CanonicalError, KeyError, TypeError, AttributeError):
            return None
        body = self.plan[:-1] if self.plan.endswith(b"\n") else self.plan
        return bool(hashlib.sha256(body).hexdigest() == bound)


def verify_files(files: Sequence[Path], *, head: str) -> None:
    """Say of each draw whether it is confirmed, not confirmed, or what is wrong; the worst decides the exit.

    Records and frozen data that lie in a folder, or are given alone, are checked after the draws.
    """
    data = [path for path in files if holds_data(path)]
    statuses = [_tell(evidence, head) for evidence in _gathered([path for path in files if not _only_data(path)])]
    statuses += [tell_data(path, head=head if _only_data(path) else "") for path in data]
    raise typer.Exit(1 if 1 in statuses else max(statuses))


def _only_data(path: Path) -> bool:
    """Records or frozen data where no draw lies beside them."""
    return holds_data(path) and not (
        path.is_dir() and any([*path.glob("ledger.jsonl"), *path.glob("draws/*/ledger.jsonl")])
    )


def _gathered(files: Sequence[Path]) -> list[Evidence]:
    """Files given one by one are one draw; a folder is as many as it holds."""
    folders = [path for path in files if path.is_dir()]
    loose = [path for path in files if not path.is_dir()]
    found = [evidence for folder in folders for evidence in _in_folder(folder)]
    if loose:
        found.append(_loose(loose))
    return found


def _in_folder(folder: Path) -> list[Evidence]:
    ledgers = sorted([*folder.glob("ledger.jsonl"), *folder.glob("draws/*/ledger.jsonl")])
    if not ledgers:
        raise UsageError(
            f"{folder} holds no draw: there is no ledger.jsonl in it or in draws/. Give a record, a ledger or a trial's "
            "folder after `trialkit commit`.",
            {"folder": str(folder)},
            da=f"{folder} rummer ingen lodtrækning: der er ingen ledger.jsonl i den eller i draws/. Angiv en resultatfil, "
            "en logbog eller et forsøgs mappe efter `trialkit commit`.",
        )
    if official := [path for path in ledgers if REHEARSAL_ID not in path.parent.name]:
        _leave_out([path.parent.name for path in ledgers if path not in official])
        ledgers = official
    plan = next((path for path in (folder / "plan.json", folder / "../../plan.json") if path.is_file()), None)
    return [
        Evidence(
            name=path.parent.resolve().name,
            ledger=path.read_bytes(),
            record=record.read_bytes() if (record := path.with_name("record.json")).is_file() else None,
            plan=plan.read_bytes() if plan and REHEARSAL_ID not in path.parent.resolve().name else None,
        )
        for path in ledgers
    ]


def _leave_out(rehearsals: Sequence[str]) -> None:
    """A rehearsal is never confirmed and may be of an earlier draft, so it says nothing about the official draw."""
    if rehearsals:
        speech.note(
            f"Rehearsals are left out: {', '.join(rehearsals)}. Name a rehearsal's own folder to check it.",
            f"Prøver er udeladt: {', '.join(rehearsals)}. Angiv en prøves egen mappe for at kontrollere den.",
        )


def _loose(paths: Sequence[Path]) -> Evidence:
    """Sort single files by what they say they are."""
    kinds: dict[str, bytes] = {}
    for path in paths:
        if path.suffix.lower() in _OTHER:
            raise _neither(path)
        data = path.read_bytes()
        kind = _kind(data)
        if kind in kinds:
            raise UsageError(
                f"{path} is a second {kind}; a verdict is about one. Give one record, one ledger and at most one plan.",
                {"file": str(path), "kind": kind},
                da=f"{path} er nummer to af slagsen {kind}; en kontrol gælder én. Giv én resultatfil (record), én logbog "
                "(ledger) og højst én plan.",
            )
        kinds[kind] = data
    if "record" not in kinds and "ledger" not in kinds:
        raise UsageError(
            "A plan alone proves nothing about a draw. Give the record or the ledger too.",
            da="En plan alene siger intet om en lodtrækning. Giv også resultatfilen eller logbogen.",
        )
    return Evidence(name=paths[0].name, record=kinds.get("record"), ledger=kinds.get("ledger"), plan=kinds.get("plan"))


_OTHER = (".html", ".yaml", ".yml", ".csv", ".xlsx", ".pdf", ".db", ".txt", ".md")


def _neither(path: Path) -> UsageError:
    return UsageError(
        f"{path.name} is neither a record nor a ledger, so there is nothing in it to redo. Give record.json, ledger.jsonl or "
        "the trial's folder.",
        {"file": str(path)},
        da=f"{path.name} er hverken en resultatfil eller en logbog, så der er intet i den at gøre efter. Angiv record.json, "
        "ledger.jsonl eller forsøgets mappe.",
    )


def _kind(data: bytes) -> str:
    """What a file claims to be, from its first line; a broken record is still judged as a record."""
    first = data.split(b"\n", 1)[0]
    try:
        said = json.loads(first)
    except (ValueError, RecursionError):
        return "ledger" if data.count(b"\n") > 1 else "record"
    kind = said.get("kind") if isinstance(said, dict) else ""
    if kind == "entry":
        return "ledger"
    return "plan" if kind == "plan" else "record"


def _tell(evidence: Evidence, head: str) -> int:
    """Print one verdict; 0 confirmed, 1 failed, 3 not confirmed."""
    from trialkit.report.verdicts import explain, headline

    verdict = evidence.verdict(head)
    bound = evidence.plan_is_bound()
    status = 1 if verdict.failure or bound is False else 0 if verdict.confirmed else 3
    lines = [f"{evidence.name}: {headline(verdict, speech.lang)}"]
    if verdict.failure:
        lines.append(f"  {verdict.failure}: {explain(verdict.failure, speech.lang)}")
    lines += [f"  {name}: {explain(name, speech.lang)}" for name in verdict.all_warnings]
    if not verdict.failure and (evidence.ledger is None or evidence.record is None):
        lines.append("  " + (_about_ledger() if evidence.ledger is None else _about_record()))
    if bound is not None:
        lines.append(f"  {_about_plan(bound)}")
    if evidence.record is not None and not verdict.failure:
        lines.append(speech.of("  Record sha256: ", "  Resultatfilens fingeraftryk: ") + _sha256(evidence.record))
    facts = {
        "name": evidence.name,
        "verdict": headline(verdict, "en"),
        "failure": verdict.failure,
        "warnings": list(verdict.all_warnings),
        "plan_bound": bound,
        "status": status,
    }
    speech.show("\n".join(lines), facts)
    return status


def _about_ledger() -> str:
    return speech.of(
        "The record holds by itself. Without the ledger nobody can see that the plan was committed before the chance was "
        "known: give ledger.jsonl too.",
        "Resultatfilen holder i sig selv. Uden logbogen kan ingen se, at planen var låst, før det tilfældige var kendt: "
        "angiv også ledger.jsonl.",
    )


def _about_record() -> str:
    return speech.of(
        "The ledger hangs together. There is no record.json beside it, so there is no result to redo.",
        "Logbogen hænger sammen. Der er ingen record.json ved siden af den, så der er intet resultat at regne efter.",
    )


def _about_plan(bound: bool) -> str:
    if bound:
        return speech.of("The plan is the one the fingerprint binds.", "Planen er den, fingeraftrykket binder.")
    return speech.of(
        "E_PLAN: plan.json is not the plan that was committed. The draw stands; the plan has been changed.",
        "E_PLAN: plan.json er ikke den plan, der blev låst. Lodtrækningen står fast; planen er ændret.",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data[:-1] if data.endswith(b"\n") else data).hexdigest()


def replay_vectors(vectors: Path | None) -> None:
    """Replay a vector file; the last line is ``N passed, M failed``."""
    from trialkit.draw import published
    from trialkit.draw.selftest import Counts, checks, is_vector_file, total

    try:
        wanted = json.loads(vectors.read_bytes()) if vectors else published.vectors()
        if not is_vector_file(wanted):
            raise ValueError("it holds no list of vectors that is known here")
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{vectors} is not a vector file: {error}. Give a file in the form of draw_vectors.json.",
            {"file": str(vectors)},
            da=f"{vectors} er ikke en fil med kontroltal: {error}. Giv en fil af samme form som draw_vectors.json.",
        ) from None
    bls = drand.available()
    if not bls:
        speech.note(
            "Without the extra `drand` (pip install 'trialkit[drand]') signatures are not checked; those are skipped.",
            "Uden tilvalget `drand` (pip install 'trialkit[drand]') kontrolleres signaturer ikke; de springes over.",
        )
    counts = Counts.of(list(_watched(checks(wanted, bls=bls), total(wanted))))
    digest = hashlib.sha256(published.specification()).hexdigest()
    last = f"{counts.passed} passed, {counts.failed} failed" + (f", {counts.skipped} skipped" if counts.skipped else "")
    failed = [f"FAILED {check.group}: {check.name}: {check.why}" for check in counts.failures]
    facts = {
        "specification": digest,
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "failures": failed,
    }
    speech.show("\n".join([f"docs/spec/draw.md sha256 {digest}", *failed, last]), facts)
    raise typer.Exit(1 if counts.failed else 0)


def _watched(found: Iterator[Checked], total: int) -> Iterator[Checked]:
    """The checks, with a bar on the terminal of whoever waits."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(
        track(found, total=total, description="", console=console, transient=True, disable=not console.is_terminal)
    )
