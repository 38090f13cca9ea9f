"""``estimate``: the registered answer on the locked data, as a page, for machines, and as a table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from trialkit.canonical import jcs, parse
from trialkit.cli.speech import speech
from trialkit.design.compile import not_drawn
from trialkit.draw.publish import write_new
from trialkit.errors import DrawError, Lang
from trialkit.report.answer import Said
from trialkit.report.beside import NONE, SaidBeside
from trialkit.report.described import Described, SaidOfCounts, description
from trialkit.report.early import Early, SaidEarly, early
from trialkit.report.effect import effect
from trialkit.report.exposure import Exposures, exposure_page, told
from trialkit.report.findings import Findings
from trialkit.report.quarters import ALL, curve_csv
from trialkit.trial import Trial

_OTHER: dict[Lang, Lang] = {"da": "en", "en": "da"}


def estimate(
    trial: Path, *, snapshot: str, live: bool, draw: str, year: int | None = None, spillover: bool = False
) -> None:
    """Answer the question, write the report, and say the answer in words; describe where no lot was drawn."""
    opened = Trial.open(trial)
    if not opened.binding.drawn:
        if year is not None or spillover:
            raise not_drawn(opened.binding)
        describe(opened, snapshot=snapshot, live=live)
        return
    if year is not None:
        describe_year(opened, year, snapshot=snapshot, live=live, draw=draw)
        return
    if spillover:
        show_exposure(opened, snapshot=snapshot, live=live, draw=draw)
        return
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
    folder = reports / _folder_name(found)
    return _write(folder, {**_pages(found), "estimate.json": found.document(), _csv_name(found): _csv(found)})


def _folder_name(found: Findings | Described | Early | Exposures) -> str:
    return found.snapshot[:12] or f"preliminary-{hashlib.sha256(found.document()).hexdigest()[:12]}"


def _write(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """The files, all or none; those that say the same are left as they are."""
    for name, data in files.items():
        if (folder / name).is_file() and (folder / name).read_bytes() != data:
            raise _other_content(folder / name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if not (folder / name).is_file():
            write_new(folder / name, data)
    return [folder / name for name in files]


def describe(opened: Trial, *, snapshot: str, live: bool) -> None:
    """The description of a trial that was not drawn by lot: write it and say it in words."""
    found = opened.description(snapshot=snapshot, live=live)
    folder = opened.folder / "reports" / _folder_name(found)
    said = SaidOfCounts(found, speech.lang)
    titles = {one.key: SaidOfCounts(found, "en").title(one.key) for one in found.groups} | {ALL: "everybody"}
    text = curve_csv(
        found.quarters, outcome=found.outcome.id, titles=titles, synthetic=found.synthetic,
        preliminary=bool(found.preliminary),
    )  # fmt: skip
    in_two = {lang: description(found, lang).encode() for lang in _OTHER}
    pages = _write(
        folder,
        {
            **_in_two("description", in_two), "estimate.json": found.document(), "plan.json": jcs(found.plan),
            _csv_name(found): ("\ufeff" + text).encode(),
        },
    )  # fmt: skip
    lines = [
        *_synthetic(found.synthetic),
        *([said.words["live"], ""] if found.preliminary else []),
        said.level(), said.interval(), said.not_drawn(), *said.interruptions(), "",
        *(
            f"{row.name}, {row.method}: {row.difference}{_bracketed(row.interval)}"
            for row in SaidBeside(found, speech.lang).rows()
        ),
        f"{speech.of('Plan', 'Plan')}: {found.plan_hash}",
        f"{speech.of('Snapshot', 'Dataudtræk')}: {found.snapshot or speech.of('none: not frozen', 'intet: ikke frosset')}",
        *(f"  {page}" for page in pages),
    ]  # fmt: skip
    speech.show("\n".join(lines), {**parse(found.document()), "files": [str(page) for page in pages]})


def describe_year(opened: Trial, year: int, *, snapshot: str, live: bool, draw: str) -> None:
    """A year on the way: write what was counted, and say it."""
    found = opened.early(year, snapshot=snapshot, live=live, draw=draw)
    folder = opened.folder / "reports" / f"{_folder_name(found)}-year-{year}"
    in_two = {lang: early(found, lang).encode() for lang in _OTHER}
    pages = _write(folder, {**_in_two("year", in_two), "year.json": found.document()})
    said = SaidEarly(found, speech.lang)
    lines = [
        *_synthetic(found.synthetic),
        said.intro(),
        *(line for one in found.outcomes for line in ("", one.label.told(speech.lang), *said.levels(one))),
        "",
        *(f"  {page}" for page in pages),
    ]
    speech.show("\n".join(lines), {**parse(found.document()), "files": [str(page) for page in pages]})


def show_exposure(opened: Trial, *, snapshot: str, live: bool, draw: str) -> None:
    """Neighbours: write who was exposed and how probable that was, apart from the registered answer."""
    found = opened.spillover(snapshot=snapshot, live=live, draw=draw)
    folder = opened.folder / "reports" / f"{_folder_name(found)}-spillover"
    in_two = {lang: exposure_page(found, lang).encode() for lang in _OTHER}
    pages = _write(folder, {**_in_two("spillover", in_two), "spillover.json": found.document()})
    marks = [*_synthetic(found.synthetic), *([] if found.snapshot else [_not_frozen(), ""])]
    lines = [*marks, *told(found, speech.lang), "", *(f"  {page}" for page in pages)]
    speech.show("\n".join(lines), {**parse(found.document()), "files": [str(page) for page in pages]})


def _pages(found: Findings) -> dict[str, bytes]:
    return _in_two("effect", {lang: effect(found, lang).encode() for lang in _OTHER})


def _in_two(stem: str, text: Mapping[Lang, bytes]) -> dict[str, bytes]:
    """``STEM.da.html`` and ``STEM.en.html``, whoever asks first; the one in the language of this run leads the list."""
    return {f"{stem}.{lang}.html": text[lang] for lang in (speech.lang, _OTHER[speech.lang])}


def _csv_name(found: Findings | Described) -> str:
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
    digests = [
        (speech.of("Plan", "Plan"), found.plan_hash),
        (speech.of("Draw record", "Lodtrækningens resultatfil"), found.record_hash),
        (speech.of("Snapshot", "Dataudtræk"), found.snapshot or speech.of("none: not frozen", "intet: ikke frosset")),
    ]
    return [
        *_synthetic(found.synthetic),
        *([said.words["preliminary"], *said.preliminary(), ""] if found.preliminary else []),
        said.level(),
        f"{said.difference()} {said.interval()}",
        said.chance(),
        *said.verdict(),
        *said.basis(),
        "",
        *_beside(found),
        *(f"{name}: {value}" for name, value in [*said.facts()[:4], *digests]),
        *(f"  {page}" for page in pages),
    ]


def _synthetic(synthetic: bool) -> list[str]:
    """The line that begins every answer on made-up data, frozen or not."""
    return [speech.of("SYNTHETIC DATA", "SYNTETISKE DATA"), ""] if synthetic else []


def _not_frozen() -> str:
    return speech.of(
        "PRELIMINARY: the data are not frozen and may still change.",
        "FORELØBIG: data er ikke frosset og kan stadig ændre sig.",
    )


def _beside(found: Findings) -> list[str]:
    """What else was promised: each line with its figures, or the reason why it has none."""
    beside = SaidBeside(found, speech.lang)
    adjusted = beside.words["adjusted"]
    lines = [
        f"{row.name}, {row.method}: {row.difference}{_bracketed(row.interval)}, p: {row.p_value}"
        + (f", {adjusted}: {row.adjusted}" if row.adjusted != NONE else "")
        for row in beside.rows()
    ]
    lines += [f"{name}: {reason}" for name, reason in beside.unanswered()]
    return [beside.words["heading"] + ":", *(f"  {line}" for line in lines), ""] if lines else []


def _bracketed(interval: str) -> str:
    """An interval behind its estimate; nothing where there is none."""
    return "" if interval == NONE else f" ({interval})"


def _other_content(path: Path) -> DrawError:
    return DrawError(
        f"{path} is there already and says something else, and a report that was given to people is never written over. "
        "Compare the two; if the old one was made by another version of trialkit, move its folder aside first.",
        {"file": str(path)},
        da=f"{path} findes allerede og siger noget andet, og en rapport, som folk har fået, bliver aldrig overskrevet. "
        "Sammenlign de to; er den gamle lavet af en anden udgave af trialkit, så flyt dens mappe først.",
        code="E_EXISTS",
    )
