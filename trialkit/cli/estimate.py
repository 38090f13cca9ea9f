"""``estimate``: the registered answer on the locked data, as a page, for machines, and as a table."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trialkit.canonical import parse
from trialkit.cli.speech import speech
from trialkit.draw.publish import write_new
from trialkit.errors import DrawError, Lang
from trialkit.report.answer import Said
from trialkit.report.effect import effect
from trialkit.report.findings import Findings
from trialkit.report.quarters import ALL, curve_csv
from trialkit.trial import Trial

_OTHER: dict[Lang, Lang] = {"da": "en", "en": "da"}


def estimate(trial: Path, *, snapshot: str, live: bool, draw: str) -> None:
    """Answer the question, write the report, and say the answer in words."""
    opened = Trial.open(trial)
    found = opened.estimate(snapshot=snapshot, live=live, draw=draw)
    pages = publish(opened.folder / "reports", found)
    speech.show("\n".join(_told(found, pages)), {**parse(found.document()), "files": [str(page) for page in pages]})


def publish(reports: Path, found: Findings) -> list[Path]:
    """Write a report's files; one that says the same is there already is left as it is.

    Raises
    ------
    DrawError
        ``E_EXISTS``: a report of other content lies there; nothing was written.
    """
    document = found.document()
    name = found.snapshot[:12] or f"preliminary-{hashlib.sha256(document).hexdigest()[:12]}"
    folder = reports / name
    files = {**_pages(folder, found), "estimate.json": document, _csv_name(found): _csv(found)}
    for name, data in files.items():
        if (folder / name).is_file() and (folder / name).read_bytes() != data:
            raise _other_content(folder / name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if not (folder / name).is_file():
            write_new(folder / name, data)
    return [folder / name for name in files]


def _pages(folder: Path, found: Findings) -> dict[str, bytes]:
    """``effect.html`` in the language of this run, or in the one it was first written in; the other beside it."""
    told = {lang: effect(found, lang).encode() for lang in _OTHER}
    first, other = speech.lang, _OTHER[speech.lang]
    if (folder / "effect.html").is_file() and (folder / "effect.html").read_bytes() == told[other]:
        first, other = other, first
    return {"effect.html": told[first], f"effect.{other}.html": told[other]}


def _csv_name(found: Findings) -> str:
    return "synthetic_curve.csv" if found.synthetic else "curve.csv"


def _csv(found: Findings) -> bytes:
    said = Said(found, "en")
    titles = {one.key: said.title(one.key) for one in found.groups} | {ALL: said.title("drawn")}
    text = curve_csv(
        found.quarters,
        outcome=found.outcome.id,
        titles=titles,
        synthetic=found.synthetic,
        preliminary=bool(found.preliminary),
    )
    return ("\ufeff" + text).encode()


def _told(found: Findings, pages: list[Path]) -> list[str]:
    said = Said(found, speech.lang)
    marks = [said.words["preliminary"]] if found.preliminary else []
    if found.synthetic:
        marks.append(speech.of("SYNTHETIC DATA", "SYNTETISKE DATA"))
    digests = [
        (speech.of("Plan", "Plan"), found.plan_hash),
        (speech.of("Draw record", "Lodtrækningens resultatfil"), found.record_hash),
        (speech.of("Snapshot", "Dataudtræk"), found.snapshot or speech.of("none: not frozen", "intet: ikke frosset")),
    ]
    return [
        *([" · ".join(marks), *said.preliminary(), ""] if marks else []),
        said.level(),
        f"{said.difference()} {said.interval()}",
        said.chance(),
        *said.verdict(),
        "",
        *(f"{name}: {value}" for name, value in [*said.facts()[:4], *digests]),
        *(f"  {page}" for page in pages),
    ]


def _other_content(path: Path) -> DrawError:
    return DrawError(
        f"{path} is there already and says something else, and a report that was given to people is never written over. "
        "Compare the two; if the old one was made by another version of trialkit, move its folder aside first.",
        {"file": str(path)},
        da=f"{path} findes allerede og siger noget andet, og en rapport, som folk har fået, bliver aldrig overskrevet. "
        "Sammenlign de to; er den gamle lavet af en anden udgave af trialkit, så flyt dens mappe først.",
        code="E_EXISTS",
    )
