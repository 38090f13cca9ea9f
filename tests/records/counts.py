"""Made-up counts for the tests of this folder, and the trial they belong to: the Copenhagen rollout we ship."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from trialkit.population import population
from trialkit.protocol.load import load
from trialkit.protocol.model import Protocol
from trialkit.records.entry import Measurement, Received
from trialkit.trial import Trial
from trialkit.units import Units

PROTOCOLS = Path(__file__).parents[2] / "protocols"
ROLLOUT = PROTOCOLS / "copenhagen_2012_rollout"
OUTCOME = "early_support"

Cells = Mapping[tuple[str, str], tuple[int, int] | None]  # (unit, period) -> numerator and denominator, or not reported


def at(day: int = 1, hour: int = 12) -> datetime:
    """A moment in January 2013 and on: ``day`` counts from 1 January."""
    return datetime.fromtimestamp(datetime(2013, 1, 1, hour, tzinfo=UTC).timestamp() + (day - 1) * 86400, UTC)


def received(cells: Cells, *, file: str = "counts.csv", synthetic: bool = True) -> Received:
    """A file that says this, without the file."""
    measurements = tuple(
        Measurement(
            outcome=OUTCOME,
            unit=unit,
            period=period,
            row=row,
            numerator=None if value is None else str(value[0]),
            denominator=None if value is None else str(value[1]),
        )
        for row, ((unit, period), value) in enumerate(cells.items(), start=2)
    )
    body = f"{file}{sorted(cells.items(), key=str)}"
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Received(file=file, sha256=digest, measurements=measurements, synthetic=synthetic)


@cache
def rollout() -> tuple[Protocol, Units]:
    """The protocol, and everybody its register lists: nine units, two of them pilots."""
    protocol = load(ROLLOUT)
    people = population(protocol, ROLLOUT)
    return protocol, Units.of([*people.units, *people.outside], areas=people.units.areas)


def copied(tmp_path: Path, *changes: tuple[str, str], name: str = "trial") -> Trial:
    """A trial of one's own, with lines of its draft changed."""
    folder = tmp_path / name
    shutil.copytree(ROLLOUT, folder)
    text = (folder / "draft.yaml").read_text(encoding="utf-8")
    for pattern, written in changes:
        text, times = re.subn(pattern, written, text)
        assert times >= 1, pattern
    (folder / "draft.yaml").write_text(text, encoding="utf-8")
    return Trial.open(folder)


def tampered(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the file as somebody does who knows how: refusals off, change, refusals on."""
    db = sqlite3.connect(path)
    rules = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in rules:
        db.execute(f"DROP TRIGGER {name}")
    for statement, values in statements:
        db.execute(statement, values)
    for _, rule in rules:
        db.execute(rule)
    db.commit()
    db.close()
