"""Frozen data: what an analysis used, as files anybody can check with ``sha256sum``.

``snapshots/<digest>/`` holds ``data.csv`` (every count, nothing hidden), ``manifest.json`` and ``SHA256SUMS``.  The
digest is the SHA-256 of ``manifest.json`` as it lies on the disk; the manifest names the SHA-256 of the data.  The
same data, plan, draws and day give the same digest on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from trialkit.canonical import HEX64, jcs, parse
from trialkit.draw.publish import write_new
from trialkit.errors import CanonicalError
from trialkit.records.entry import Cell
from trialkit.records.refusals import changed_snapshot

FORMAT: Final = "trialkit-snapshot/1"
DATA, MANIFEST, SUMS = "data.csv", "manifest.json", "SHA256SUMS"
COLUMNS: Final = ("outcome", "unit", "period", "numerator", "denominator", "window_closed")


@dataclass(frozen=True)
class Snapshot:
    """Frozen data that were checked when they were opened."""

    folder: Path
    manifest: Mapping[str, Any]
    cells: tuple[Cell, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest: what an estimate names."""
        return self.folder.name

    @property
    def as_of(self) -> date:
        """The day at whose end the data were known so."""
        return date.fromisoformat(self.manifest["as_of"])

    @property
    def plan_hash(self) -> str:
        """Of the plan the data were counted by."""
        return str(self.manifest["plan_hash"])

    @property
    def draws(self) -> tuple[tuple[str, str], ...]:
        """(draw_id, record_hash) of each draw made when the data were frozen."""
        return tuple((one["draw_id"], one["record_hash"]) for one in self.manifest["draws"])

    @property
    def synthetic(self) -> bool:
        """Whether the data are made up; every page must say so."""
        return bool(self.manifest["synthetic"])

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A snapshot, after checking every file in its folder.

        Raises
        ------
        RecordError
            ``E_SNAPSHOT``: a file was changed, is missing or does not belong here; ``facts["file"]`` says which.
        """
        manifest = _manifest(folder)
        data = _read(folder, DATA)
        listed = {one["name"]: one["sha256"] for one in manifest["files"]}
        if listed != {DATA: hashlib.sha256(data).hexdigest()}:
            raise changed_snapshot(folder, DATA, _CHANGED)
        if _read(folder, SUMS) != _sums(data, _read(folder, MANIFEST)):
            raise changed_snapshot(folder, SUMS, _CHANGED)
        for path in sorted(folder.iterdir()):
            if path.name not in (DATA, MANIFEST, SUMS):
                raise changed_snapshot(folder, path.name, ("does not belong there", "hører ikke til der"))
        rows = csv.DictReader(io.StringIO(data.decode(), ""))
        return cls(folder, manifest, tuple(_cell(row) for row in rows))


_CHANGED: Final = ("was changed", "er ændret")


def write(
    snapshots: Path,
    cells: Iterable[Cell],
    *,
    trial: str,
    plan_hash: str,
    draws: Iterable[tuple[str, str]],
    as_of: date,
    synthetic: bool,
) -> Snapshot:
    """Write a snapshot, whole or not at all; one that is there already is checked and given back.

    Parameters
    ----------
    snapshots : the folder that holds all of them; made if it is not there
    cells : what was known, in any order
    draws : (draw_id, record_hash) of each draw made so far
    """
    rows = sorted(cells, key=lambda one: tuple(part.encode() for part in one.cell))
    data = _csv(rows)
    manifest = jcs(
        {
            "format": FORMAT,
            "kind": "snapshot",
            "trial": trial,
            "plan_hash": plan_hash,
            "draws": [{"draw_id": name, "record_hash": record} for name, record in sorted(draws)],
            "as_of": as_of.isoformat(),
            "outcomes": sorted({one.outcome for one in rows}),
            "synthetic": synthetic,
            "files": [{"name": DATA, "rows": len(rows), "sha256": hashlib.sha256(data).hexdigest()}],
        }
    )
    folder = snapshots / hashlib.sha256(manifest).hexdigest()
    if not folder.is_dir():
        _written(folder, {DATA: data, MANIFEST: manifest, SUMS: _sums(data, manifest)})
    return Snapshot.open(folder)


def snapshots_in(folder: Path) -> tuple[Path, ...]:
    """The folders in ``folder`` that go by a digest."""
    return tuple(sorted(path for path in folder.glob("*") if HEX64.fullmatch(path.name)))


def _written(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files in a folder of their own, which gets its name when all of them are on the disk."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    begun = Path(tempfile.mkdtemp(prefix=".begun.", dir=folder.parent))
    try:
        for name, data in files.items():
            write_new(begun / name, data)
        begun.chmod(0o755)
        try:
            begun.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process froze the same; `open` checks what it wrote
                raise
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    _settle(folder.parent)


def _settle(folder: Path) -> None:
    """Make the folder's new entry survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _csv(rows: Iterable[Cell]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in rows:
        writer.writerow([*one.cell, one.numerator or "", one.denominator or "", "yes" if one.closed else "no"])
    return out.getvalue().encode()


def _cell(row: Mapping[str, str]) -> Cell:
    given = {name: row[name] for name in ("outcome", "unit", "period")}
    return Cell(
        **given,
        numerator=row["numerator"] or None,
        denominator=row["denominator"] or None,
        closed=row["window_closed"] == "yes",
    )


def _sums(data: bytes, manifest: bytes) -> bytes:
    """What ``sha256sum --check`` reads."""
    files = ((DATA, data), (MANIFEST, manifest))
    return "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in files).encode()


def _manifest(folder: Path) -> dict[str, Any]:
    data = _read(folder, MANIFEST)
    try:
        found = parse(data)
    except CanonicalError:
        found = {}
    if hashlib.sha256(data).hexdigest() != folder.name or not isinstance(found, dict) or found.get("format") != FORMAT:
        raise changed_snapshot(folder, MANIFEST, _CHANGED)
    return found


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise changed_snapshot(folder, name, ("is missing", "mangler")) from None
