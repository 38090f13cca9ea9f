"""``record`` and ``freeze``: files in, data locked."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from trialkit.cli.commit import moment
from trialkit.cli.speech import speech
from trialkit.records.entry import Receipt
from trialkit.trial import Trial


def record(trial: Path, *, file: Path, by: str, correct: str, outcome: str, encoding: str, sheet: str) -> None:
    """Take in a file, and say what became of its rows."""
    kept = Trial.open(trial).record(
        file, by=by, moment=moment(), why=correct, outcome=outcome, encoding=encoding or None, sheet=sheet or None
    )
    speech.show(speech.of(_in_english(file.name, kept), _in_danish(file.name, kept)), kept.model_dump())


def freeze(trial: Path, *, by: str, as_of: date | None) -> None:
    """Lock what is known, and print what an analysis will name."""
    opened = Trial.open(trial)
    found = opened.freeze(moment(), by=by, as_of=as_of)
    rows, day = found.manifest["files"][0]["rows"], found.as_of.isoformat()
    mark, mærke = (" Synthetic data.", " Syntetiske data.") if found.synthetic else ("", "")
    place = found.folder.relative_to(opened.folder)
    speech.show(
        speech.of(
            f"Frozen: {rows} values as they were known at the end of {day}.{mark}\n\n    {found.digest}\n\n"
            f"Check it anywhere: cd {place} && sha256sum --check SHA256SUMS",
            f"Frosset: {rows} tal, som de var kendt ved udgangen af {day}.{mærke}\n\n    {found.digest}\n\n"
            f"Kontrollér overalt: cd {place} && sha256sum --check SHA256SUMS",
        ),
        {"snapshot": found.digest, "folder": str(found.folder), **found.manifest},
    )


def _in_english(file: str, kept: Receipt) -> str:
    mark = " Synthetic data." if kept.synthetic else ""
    children = f" from {kept.children} children" if kept.children else ""
    return (
        f"{file} is recorded: {kept.new} values new{children}, {kept.corrected} corrected, {kept.unchanged} as they were "
        f"known.{mark}\nEntry {kept.batch}; the records' newest hash, worth keeping elsewhere:\n\n    {kept.head}"
    )


def _in_danish(file: str, kept: Receipt) -> str:
    mark = " Syntetiske data." if kept.synthetic else ""
    children = f" fra {kept.children} børn" if kept.children else ""
    return (
        f"{file} er registreret: {kept.new} nye tal{children}, {kept.corrected} rettede, {kept.unchanged} som de var "
        f"kendt.{mark}\nPost {kept.batch}; registreringernes seneste hash, som er værd at gemme et andet sted:\n\n"
        f"    {kept.head}"
    )
