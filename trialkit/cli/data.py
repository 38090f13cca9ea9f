"""What ``verify`` says of records and of frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trialkit.cli.speech import speech
from trialkit.errors import RecordError

RECORDS: Final = "trial.db"


def holds_data(path: Path) -> bool:
    """Whether ``path`` is a trial's records, one snapshot, or a trial's folder with either of them."""
    if not path.is_dir():
        return path.name == RECORDS and path.is_file()
    return (path / RECORDS).is_file() or (path / "manifest.json").is_file() or (path / "snapshots").is_dir()


def tell_data(path: Path, *, head: str = "") -> int:
    """Check everything of the kind at ``path`` and print what was found; 0 if all is as it was kept, otherwise 1."""
    parts = list(_parts(path, head))
    wrong = [fault for _, faults in parts for fault in faults]
    lines = [f"{name}: {_verdict(faults)}" for name, faults in parts]
    facts = {"name": str(path), "parts": [name for name, _ in parts], "faults": wrong, "status": int(bool(wrong))}
    speech.show("\n".join(lines), facts)
    return int(bool(wrong))


def _verdict(faults: list[str]) -> str:
    if not faults:
        return speech.of("as it was kept", "som det blev gemt")
    return speech.of("NOT as it was kept", "IKKE som det blev gemt") + "".join(f"\n  {fault}" for fault in faults)


def _parts(path: Path, head: str) -> Iterator[tuple[str, list[str]]]:
    """Name and faults of the records, and of each snapshot."""
    from trialkit.records.snapshot import snapshots_in

    database = path / RECORDS if path.is_dir() else path
    named: list[str] = []
    if database.is_file():
        yield from _records(database, head, named)
    folders = [path] if (path / "manifest.json").is_file() else list(snapshots_in(path / "snapshots"))
    gone = [name for name in named if path.is_dir() and name not in {folder.name for folder in folders}]
    for folder in [*folders, *(path / "snapshots" / name for name in gone)]:
        yield f"{folder.parent.name}/{folder.name[:16]}", _snapshot(folder)


def _records(database: Path, head: str, named: list[str]) -> Iterator[tuple[str, list[str]]]:
    from trialkit.records.store import Store

    store = Store(database)
    found = store.verify(head=head)
    yield database.name, [fault.told(speech.lang) for fault in found.faults]
    if found.whole:
        named += [entry["snapshot"] for entry in store.entries() if entry["kind"] == "freeze"]


def _snapshot(folder: Path) -> list[str]:
    from trialkit.records.snapshot import Snapshot

    try:
        Snapshot.open(folder)
    except RecordError as error:
        return [error.told(speech.lang)]
    return []
