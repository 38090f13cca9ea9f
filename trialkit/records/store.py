"""The records: every value ever received, with who, when and why it changed.

One SQLite file, one process writing at a time.  A file becomes one batch, and a batch one transaction: killed at any
point, the records are what they were before it or after it.  A correction is a new version that names the one before;
"as of" a day is what was known at its end.  No clock is read here: every step takes the moment it happens at.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from pydantic import ValidationError
from sqlalchemy import Connection, NullPool, RowMapping, Table, create_engine, func, insert, select
from sqlalchemy.exc import DBAPIError

from trialkit import chain
from trialkit.canonical import NO_HASH, jcs, parse, text_fault
from trialkit.draw.refusals import stamp
from trialkit.errors import Fault, RecordError
from trialkit.records import refusals, schema
from trialkit.records.audit import Audit, audited
from trialkit.records.digests import child_line, following, measurement_line
from trialkit.records.entry import Receipt, Received, Version
from trialkit.records.schema import AUDIT, CHILD, MEASUREMENT
from trialkit.registers.cpr import holds_cpr

FORMAT: Final = "trialkit-records/1"
PATIENCE: Final = 30.0  # seconds to wait while another process writes its batch
SHOWN: Final = 20  # cells listed in one refusal

CellKey = tuple[str, str, str]  # outcome, unit, period
Value = tuple[str | None, str | None]  # numerator, denominator; both None where nothing was reported
_Said = tuple[CellKey, Value, int]  # what a file says of a cell, and in which row


class _Known(NamedTuple):
    """The newest version of a cell."""

    seq: int
    numerator: str | None
    denominator: str | None

    @property
    def value(self) -> Value:
        return self.numerator, self.denominator


@dataclass(frozen=True)
class Store:
    """The records of one trial.

    Parameters
    ----------
    path : ``trial.db``; made by the first batch
    trial : the protocol's id, which the file must carry; left out, whatever it carries is read
    patience : seconds to wait for another process
    """

    path: Path
    trial: str = ""
    patience: float = PATIENCE

    def append(self, received: Received, *, by: str, moment: datetime, why: str = "") -> Receipt:
        """Keep what a file said, as one batch.

        A cell (outcome, unit, period) that is known gets a new version where the file says something else; that is a
        correction and needs ``why``, except where nothing had been reported before.  Children are counted into cells
        by the database; a file of children holds all of a unit and month that it holds one of, and what they are counted
        into is a new version even if the numbers are as they were.

        Parameters
        ----------
        by : a role or code; never checked against a list of people
        moment : when it is recorded
        why : the reason for a correction

        Raises
        ------
        RecordError
            ``E_REPEATED``: the same bytes came before, and no reason is given.  ``E_CORRECTION``: known values would
            change without a reason.  ``E_SYNTHETIC``: made-up numbers beside real ones.  ``E_RECORD_TIME``: earlier
            than the last entry.  ``E_CPR``, ``E_TEXT``: in ``by``, ``why`` or the file's name.  ``E_BUSY``,
            ``E_DISK``, ``E_OTHER_TRIAL``, ``E_SCHEMA``, ``E_NOT_RECORDS``.
        """
        for what, text in (("--by", by), ("--correct", why), ("the file's name", received.file)):
            _check_text(what, text, needed=what != "--correct")
        with self._writing(by, moment) as (db, last):
            self._check_new(db, received, why)
            batch = _Batch(db, last, received)
            batch.add(known=_newest(db), why=why)
            return batch.close(by=by, time=stamp(moment), why=why)

    def note_freeze(self, snapshot: str, as_of: str, *, by: str, moment: datetime) -> str:
        """Enter that a snapshot was frozen; the chain's head.  The same snapshot is entered once."""
        _check_text("--by", by, needed=True)
        with self._writing(by, moment) as (db, last):
            if any(entry.get("snapshot") == snapshot for entry in _entries(db)):
                return str(last["hash"])
            body = {"kind": "freeze", "by": by, "snapshot": snapshot, "as_of": as_of, "time": stamp(moment)}
            return _enter(db, body, last)

    def entries(self) -> list[dict[str, Any]]:
        """The audit chain, oldest first; empty before the first batch."""
        try:
            with self.reading() as db:
                return _entries(db)
        except RecordError as error:
            if error.code != "E_NO_RECORDS":
                raise
            return []

    @property
    def synthetic(self) -> bool:
        """Whether the numbers are made up; the first batch decides for all."""
        return any(entry.get("synthetic") is True for entry in self.entries())

    @property
    def last_day(self) -> date:
        """The day (UTC) of the newest batch.

        Raises
        ------
        RecordError
            ``E_NO_RECORDS``: there is none.
        """
        batches = [entry["time"] for entry in self.entries() if entry["kind"] == "batch"]
        if not batches:
            raise refusals.nothing_recorded(self.path.name)
        return date.fromisoformat(batches[-1][:10])

    def newest(self, outcome: str = "", *, as_of: date | datetime | None = None) -> list[Version]:
        """What was known of every cell at the end of a day (UTC), or at a moment; of one outcome, or of all."""
        with self.reading() as db:
            return _versions(db, _newest_seqs(_last_batch(db, as_of)), outcome=outcome)

    def history(self, outcome: str, unit: str, period: str) -> list[Version]:
        """Every version of one cell, oldest first."""
        with self.reading() as db:
            every = select(MEASUREMENT.c.seq).where(MEASUREMENT.c.unit == unit, MEASUREMENT.c.period == period)
            return _versions(db, every, outcome=outcome)

    def verify(self, *, head: str = "") -> Audit:
        """Whether every row and entry is as it was kept; ``head`` is a hash somebody noted down earlier."""
        try:
            with self.reading() as db:
                return audited(db, head=head)
        except RecordError as error:
            if error.code not in ("E_NOT_RECORDS", "E_SCHEMA", "E_RECORD"):
                raise
            return Audit(faults=(Fault(en=error.message, da=error.told("da"), code=error.code),))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of records that are there and are this trial's.

        Raises
        ------
        RecordError
            ``E_NO_RECORDS``, ``E_NOT_RECORDS``, ``E_SCHEMA``, ``E_OTHER_TRIAL``, ``E_BUSY``.
        """
        if not self.path.is_file():
            raise refusals.nothing_recorded(self.path.name)
        with self._connected("rw", "BEGIN") as db:
            if schema.is_empty(db):
                raise refusals.nothing_recorded(self.path.name)
            self._check(db)
            yield db

    @contextmanager
    def _writing(self, by: str, moment: datetime) -> Iterator[tuple[Connection, dict[str, Any]]]:
        """The database, held alone, and its last entry; all or nothing of what is done inside is kept."""
        with self._connected("rwc", "BEGIN IMMEDIATE") as db:
            if schema.is_empty(db):
                schema.create(db)
                body = {"format": FORMAT, "kind": "open", "by": by, "trial": self.trial, "time": stamp(moment)}
                _enter(db, body, None)
            self._check(db)
            last = _last(db)
            if stamp(moment) < last["time"]:
                raise refusals.clock_back(stamp(moment), last["time"])
            yield db, last

    @contextmanager
    def _connected(self, mode: str, begin: str) -> Iterator[Connection]:
        def connect() -> sqlite3.Connection:
            uri = f"file:{quote(str(self.path))}?mode={mode}"
            return sqlite3.connect(uri, uri=True, timeout=self.patience, isolation_level=None)

        engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
        try:
            with engine.connect() as db:
                db.exec_driver_sql("PRAGMA synchronous = EXTRA")  # the journal's end, too, survives a loss of power
                db.exec_driver_sql(begin)
                yield db
                db.commit()
        except DBAPIError as error:
            raise self._told(error) from None
        except UnicodeDecodeError:  # a damaged header, which the driver quotes in its own message
            raise refusals.not_records(self.path.name) from None
        finally:
            engine.dispose()

    def _check(self, db: Connection) -> None:
        schema.check(db, self.path.name)
        first = db.execute(select(AUDIT.c.line).where(AUDIT.c.seq == 0)).scalar_one_or_none()
        named = re.search(r'"trial":"([^"]*)"', str(first))
        if named is None:
            raise refusals.not_records(self.path.name)
        if self.trial not in ("", named[1]):
            raise refusals.other_trial(self.path.name, named[1], self.trial)

    def _check_new(self, db: Connection, received: Received, why: str) -> None:
        """Refuse the same bytes again, and made-up numbers beside real ones."""
        for entry in _entries(db):
            if entry["kind"] != "batch":
                continue
            if entry["sha256"] == received.sha256 and not why:
                raise refusals.taken_in_already(received.file, entry["file"], entry["time"], entry["seq"])
            if entry["synthetic"] != received.synthetic:
                raise refusals.mixed(received.file, received.synthetic)

    def _told(self, error: DBAPIError) -> RecordError:
        """What the database says, in words."""
        name = str(getattr(error.orig, "sqlite_errorname", ""))
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return refusals.busy(self.path.name)
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
            return refusals.no_room(self.path.name, str(error.orig))
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or not name:  # without a name: text that is no text
            return refusals.not_records(self.path.name)
        return refusals.broken_rule(self.path.name, str(error.orig))


class _Batch:
    """One file on its way into the tables: rows, each bound to the one before, then the entry that binds them all."""

    def __init__(self, db: Connection, last: Mapping[str, Any], received: Received) -> None:
        self.db, self.last, self.received = db, last, received
        self.seq = int(last["seq"]) + 1
        self.digest = bytes.fromhex(last["hash"])
        self.written = self.new = self.corrected = self.unchanged = 0

    def add(self, *, known: Mapping[CellKey, _Known], why: str) -> None:
        """Keep the file's children, and a version of every cell that is new, says something else or has children."""
        first = _next(self.db, MEASUREMENT.c.seq)
        counted = self._counted(first)
        given = [*counted, *((one.cell, one.value, one.row) for one in self.received.measurements)]
        if not why and (silent := _silent(given, known)):
            raise _unannounced(self.received.file, silent)
        rows: list[tuple[Any, ...]] = []
        for place, (cell, value, line) in enumerate(given):
            before = known.get(cell)
            same = before is not None and before.value == value
            self.new += before is None
            self.unchanged += same
            if same and place >= len(counted):
                continue
            row = (first + len(rows), self.seq, line, *cell, *value, None if before is None else before.seq)
            self.digest = following(self.digest, measurement_line(row))
            rows.append((*row, self.digest))
        _insert(self.db, MEASUREMENT, rows)
        self.written, self.corrected = len(rows), len(given) - self.new - self.unchanged

    def _counted(self, first: int) -> list[_Said]:
        """The children by outcome, unit and period, as the database counts them.

        Each child is kept under the number its cell's version will have: from ``first``, in the order of the cells.
        """
        if not self.received.children:
            return []
        cells = [(one.outcome, one.unit, one.period) for one in self.received.children]
        numbers = {cell: first + place for place, cell in enumerate(sorted(set(cells)))}
        places = [numbers[cell] for cell in cells]
        children = [(place, one.row, int(one.event)) for place, one in zip(places, self.received.children, strict=True)]
        rows, batch, digest = [], self.seq, self.digest
        for seq, (place, line, event) in enumerate(sorted(children), start=_next(self.db, CHILD.c.seq)):
            row = (seq, batch, place, line, event)
            digest = following(digest, child_line(row))
            rows.append((*row, digest))
        self.digest = digest
        _insert(self.db, CHILD, rows)
        number, events = CHILD.c.measurement, func.sum(CHILD.c.event)
        counts = select(number, events, func.count()).where(CHILD.c.batch == batch).group_by(number)
        said = {number: (str(top), str(bottom)) for number, top, bottom in self.db.execute(counts)}
        return [(cell, said[number], 0) for cell, number in numbers.items()]

    def close(self, *, by: str, time: str, why: str) -> Receipt:
        """Enter the batch into the audit chain: file, counts and the last row's digest, which depends on every row."""
        file, children = self.received, len(self.received.children)
        body: dict[str, Any] = {"kind": "batch", "by": by, "time": time, "file": file.file, "sha256": file.sha256}
        body |= {"synthetic": file.synthetic, "rows_digest": self.digest.hex()}
        body |= {"measurements": self.written, "children": children, "unchanged": self.unchanged}
        body |= {"why": why} if why else {}
        head = _enter(self.db, body, self.last)
        counts = {name: getattr(self, name) for name in ("new", "corrected", "unchanged")}
        return Receipt(batch=self.seq, head=head, synthetic=file.synthetic, children=children, **counts)


def _insert(db: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of the table's columns, as plain tuples: dictionaries would cost as much as the insertion."""
    if rows:
        db.exec_driver_sql(str(insert(table).compile(dialect=db.dialect)), list(rows))


def _enter(db: Connection, body: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    """Append an entry to the audit chain; its hash."""
    seq, prev = (0, NO_HASH) if last is None else (int(last["seq"]) + 1, str(last["hash"]))
    entry = chain.linked(body, seq=seq, prev=prev)
    db.execute(insert(AUDIT), [{"seq": seq, "time": body["time"], "line": jcs(entry).decode()}])
    return str(entry["hash"])


def _entries(db: Connection) -> list[dict[str, Any]]:
    return [parse(str(line).encode()) for line in db.execute(select(AUDIT.c.line).order_by(AUDIT.c.seq)).scalars()]


def _last(db: Connection) -> dict[str, Any]:
    line = db.execute(select(AUDIT.c.line).order_by(AUDIT.c.seq.desc()).limit(1)).scalar_one()
    found: dict[str, Any] = parse(str(line).encode())
    return found


def _next(db: Connection, seq: Any) -> int:
    """The number of the next row; rows count from 1."""
    return int(db.execute(select(func.coalesce(func.max(seq), 0))).scalar_one()) + 1


def _last_batch(db: Connection, as_of: date | datetime | None) -> int:
    """Number of the last entry made by the end of a day or by a moment; entries' times never decrease."""
    if as_of is None:
        return int(_last(db)["seq"])
    until = stamp(as_of) if isinstance(as_of, datetime) else f"{as_of.isoformat()}T23:59:59Z"
    return int(db.execute(select(func.coalesce(func.max(AUDIT.c.seq), 0)).where(AUDIT.c.time <= until)).scalar_one())


def _newest_seqs(last_batch: int) -> Any:
    """A query for the numbers of the newest version of every cell among batches up to ``last_batch``."""
    cell = (MEASUREMENT.c.outcome, MEASUREMENT.c.unit, MEASUREMENT.c.period)
    return select(func.max(MEASUREMENT.c.seq)).where(MEASUREMENT.c.batch <= last_batch).group_by(*cell)


def _newest(db: Connection) -> dict[CellKey, _Known]:
    """The newest version of every cell."""
    m = MEASUREMENT.c
    found = db.execute(
        select(m.outcome, m.unit, m.period, m.seq, m.numerator, m.denominator).where(
            m.seq.in_(_newest_seqs(int(_last(db)["seq"])))
        )
    )
    return {(row[0], row[1], row[2]): _Known(*row[3:]) for row in found}


def _versions(db: Connection, seqs: Any, *, outcome: str = "") -> list[Version]:
    """The versions with these numbers, by outcome, unit, period and age, each with what its batch's entry says."""
    query = select(MEASUREMENT).where(MEASUREMENT.c.seq.in_(seqs))
    if outcome:
        query = query.where(MEASUREMENT.c.outcome == outcome)
    entries = {entry["seq"]: entry for entry in _entries(db)}
    found = [_version(row, entries.get(row["batch"], {})) for row in db.execute(query).mappings()]
    return sorted(found, key=lambda one: (*(part.encode() for part in one.cell), one.seq))


def _version(row: RowMapping, entry: Mapping[str, Any]) -> Version:
    """One row with what its batch's entry says."""
    members = {name: value for name, value in row.items() if name != "digest"}
    told = {name: entry.get(name) for name in ("by", "file")} | {"recorded": entry.get("time")}
    try:
        return Version(**members, **told, why=entry.get("why", ""))
    except ValidationError:
        raise refusals.damaged_row(row["seq"]) from None


def _check_text(what: str, text: str, *, needed: bool) -> None:
    if holds_cpr(text):
        raise refusals.holds_a_cpr(what)
    if (text or needed) and (why := text_fault(text)):
        raise refusals.unfit(what, text, why)


def _silent(given: Iterable[_Said], known: Mapping[CellKey, _Known]) -> list[tuple[CellKey, Value, Value]]:
    """Cells where a reported value would change, with the old value and the new one."""
    return [
        (cell, before.value, value)
        for cell, value, _ in given
        if (before := known.get(cell)) and before.numerator is not None and before.value != value
    ]


def _unannounced(file: str, silent: Sequence[tuple[CellKey, Value, Value]]) -> RecordError:
    places = [" ".join(cell) for cell, _, _ in silent]
    told = [f"  {' '.join(cell)}: {_shown(old)} -> {_shown(new)}" for cell, old, new in silent[:SHOWN]]
    return refusals.unannounced(file, places, told)


def _shown(value: Value) -> str:
    return "-" if value[0] is None else f"{value[0]}/{value[1]}"
