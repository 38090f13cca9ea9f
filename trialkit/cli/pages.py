"""The papers a draw leaves beside its record: certificate, notary's statement, numbered list, checking page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trialkit.cli.speech import speech
from trialkit.draw.folder import DrawFolder
from trialkit.draw.publish import replace
from trialkit.draw.sources import REHEARSAL_ID
from trialkit.errors import Lang
from trialkit.trial import Trial

_OTHER: dict[Lang, Lang] = {"da": "en", "en": "da"}


def publish_pages(trial: Trial, folder: DrawFolder) -> list[Path]:
    """Write the papers of a drawn lottery, in both languages; they can be made again at any time."""
    from trialkit.canonical import parse
    from trialkit.report.certificate import certificate
    from trialkit.report.notary import notary
    from trialkit.report.unit_list import unit_csv, unit_list
    from trialkit.report.verifier import page

    record, ledger, verdict = parse(folder.record_bytes), folder.entries(), folder.verify()
    plan = plan_of(trial, folder)
    names = unit_names(plan)
    written = [
        _written(folder, "check.html", page()),
        _written(folder, "units.csv", "\ufeff" + unit_csv(record, names=names)),
    ]
    for lang, ending in ((speech.lang, ".html"), (_OTHER[speech.lang], f".{_OTHER[speech.lang]}.html")):
        pages = {
            "certificate": certificate(record, ledger=ledger, verdict=verdict, lang=lang, plan=plan, names=names),
            "notary": notary(record, ledger, lang, plan=plan, names=names),
            "units": unit_list(record, lang, plan=plan, names=names),
        }
        written += [_written(folder, name + ending, text) for name, text in pages.items()]
    return written


def papers_finished(folder: DrawFolder) -> bool:
    """Whether the last of the papers stands there: the list in the other language."""
    return any((folder.path / f"units.{lang}.html").is_file() for lang in _OTHER)


def unit_names(plan: Mapping[str, Any]) -> dict[str, str]:
    """The names of a plan's units, for people, by id."""
    return {unit["id"]: unit["name"] for unit in plan.get("units", ()) if unit.get("name")}


def plan_of(trial: Trial, folder: DrawFolder) -> dict[str, Any]:
    """The plan a draw was made by; of a rehearsal, the one the draft would commit."""
    return trial.intended if REHEARSAL_ID in folder.draw_id else trial.plan


def _written(folder: DrawFolder, name: str, text: str) -> Path:
    path = folder.path / name
    replace(path, text.encode())
    return path
