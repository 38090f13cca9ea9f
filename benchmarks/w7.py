"""W7: 100,000 records with their audit chain, and the roll-up of rows to unit and month inside the database."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.timing import Contestant, interleaved, peak_mib, verdict
from trialkit.records.entry import Child, Received
from trialkit.records.store import Store

RECORDS, ROLLED = 100_000, 2_000_000
OUTCOMES = ("visits", "referrals", "placements", "wait_days")
Rows = Sequence[tuple[str, str, str, int]]  # outcome, unit, period, event


def generated(n: int, seed: int) -> Rows:
    """Made-up yes-or-no records of 98 units in 24 months, in order of arrival."""
    rng = np.random.Generator(np.random.PCG64([20260101, 7, seed]))
    return _rows(rng.integers(0, 98, n), rng.integers(0, 24, n), rng.integers(0, 4, n), rng.random(n))


def loaded(path: Path) -> Rows:
    """The same from a file with ``unit``, ``month`` (from 0), ``outcome`` (from 0 or its name) and ``value``."""
    with np.load(path) as found:
        names = found["outcome"]
        codes = names if names.dtype.kind in "iu" else np.unique(names, return_inverse=True)[1]
        value = found["value"]
        return _rows(found["unit"], found["month"], codes, value / value.max())


def _rows(unit: np.ndarray, month: np.ndarray, outcome: np.ndarray, value: np.ndarray) -> Rows:
    columns = zip(unit.tolist(), month.tolist(), outcome.tolist(), (value < 0.3).tolist(), strict=True)
    return [
        (OUTCOMES[o % 4], f"unit_{u:02d}", f"{2011 + m // 12}-{m % 12 + 1:02d}", int(event))
        for u, m, o, event in columns
    ]


def received(rows: Rows) -> Received:
    """The rows as a file that was read and found whole."""
    children = [
        Child.model_construct(outcome=o, unit=u, period=p, row=line, event=bool(event))
        for line, (o, u, p, event) in enumerate(rows, start=2)
    ]
    return Received.model_construct(
        file="w7.csv", sha256="0" * 64, measurements=(), children=tuple(children), synthetic=True
    )


def append(folder: Path, file: Received) -> None:
    """Ours: rows, digests, roll-up of the cells, versions, audit entry; one transaction."""
    Store(folder / "trial.db", "w7").append(file, by="benchmark", moment=datetime(2026, 1, 1, tzinfo=UTC))


def raw(folder: Path, rows: Rows) -> None:
    """The raw module: the same hash chain over the same fields, one `executemany`, one transaction."""
    db = sqlite3.connect(folder / "raw.db")
    db.execute(
        "create table r(seq integer primary key, row int, outcome text, unit text, period text, event int, h blob)"
    )
    with db:
        db.executemany("insert into r values (?,?,?,?,?,?,?)", _chained(rows))
    db.close()


def _chained(rows: Rows) -> list[tuple[int, int, str, str, str, int, bytes]]:
    head, found = bytes(32), []
    for seq, (o, u, p, event) in enumerate(rows, start=1):
        head = hashlib.sha256(head + f"child\t{seq}\t1\t{seq + 1}\t{o}\t{u}\t{p}\t{event}\n".encode()).digest()
        found.append((seq, seq + 1, o, u, p, event, head))
    return found


def rolled(path: Path) -> int:
    """The roll-up as `Store` does it: the database groups by a whole number, and Python sees one row per cell."""
    db = sqlite3.connect(path)
    counts = db.execute("select measurement, sum(event), count(*) from child where batch = 1 group by measurement")
    found = len(counts.fetchall())
    db.close()
    return found


def row_by_row(path: Path) -> int:
    """What a script would do on rows as they came: every one through Python."""
    db, cells = sqlite3.connect(path), dict[tuple[str, str, str], list[int]]()
    for o, u, p, event in db.execute("select outcome, unit, period, event from received"):
        cell = cells.setdefault((o, u, p), [0, 0])
        cell[0] += event
        cell[1] += 1
    db.close()
    return len(cells)


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    rows = loaded(data) if data else generated(RECORDS, 1)
    file, numbers = received(rows), count()
    with TemporaryDirectory() as place:

        def fresh() -> Path:
            folder = Path(place) / str(next(numbers))
            folder.mkdir()
            return folder

        _fill(Path(place) / "large.db", generated(ROLLED, 2))
        large = Path(place) / "large.db"
        found = interleaved(
            {
                "trialkit, append": Contestant(lambda: append(fresh(), file), len(rows)),
                "sqlite3, the same chain, one transaction": Contestant(lambda: raw(fresh(), rows), len(rows)),
                "trialkit, roll-up": Contestant(lambda: rolled(large), ROLLED),
                "row by row": Contestant(lambda: row_by_row(large), ROLLED),
            },
            rounds,
        )
    ours, peer, grouped, slow = found.values()
    return [
        f"{len(rows):,} rows into unit, month and outcome; {rounds} interleaved rounds, medians",
        ours.line(len(rows), f"CPU ratio {verdict(ours.over(peer), at_most=1.5)}; with the roll-up of its cells"),
        peer.line(len(rows)),
        grouped.line(
            50_000_000, f"scaled to 50 million from {ROLLED:,}; CPU ratio to row by row {slow.over(grouped):.2f}x"
        ),
        slow.line(50_000_000, "scaled the same way"),
        f"peak memory {peak_mib():.0f} MiB",
    ]


def _fill(path: Path, rows: Rows) -> None:
    """Many rows as they came, and as the records keep them, without digests: only the roll-up is timed."""
    numbers = {cell: number for number, cell in enumerate(sorted({row[:3] for row in rows}), start=1)}
    kept = sorted((numbers[row[:3]], row[3]) for row in rows)
    db = sqlite3.connect(path)
    db.execute("create table received(outcome text, unit text, period text, event int)")
    db.execute("create table child(seq integer primary key, batch int, measurement int, event int)")
    with db:
        db.executemany("insert into received values (?,?,?,?)", rows)
        db.executemany("insert into child(batch, measurement, event) values (1,?,?)", kept)
    db.close()
