"""The tables of ``trial.db``: rows come, and none is changed or taken away.

The database refuses updates, deletions and replacements itself.  Whoever has the file can still take the refusals
out; then the audit chain shows it (`store.Store.verify`).  Names and addresses will stand in tables of their own that
can be erased, bound here by salted digests only (docs/decisions/0007-records.md).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from trialkit.records.refusals import not_records, other_schema

VERSION: Final = 1
APPLICATION: Final = int.from_bytes(b"tkit")  # in the file's header, so that `file` and we know what it is

metadata: Final = MetaData()

AUDIT: Final = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),  # UTC, whole seconds; as in the line
    Column(
        "line", Text, nullable=False
    ),  # the chained entry, canonical JSON: all lines in order are a JSON-lines chain
)


def _batch() -> Column[int]:
    return Column("batch", Integer, ForeignKey("audit.seq", deferrable=True, initially="DEFERRED"), nullable=False)


MEASUREMENT: Final = Table(
    "measurement",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _batch(),
    Column("row", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("numerator", Text),
    Column("denominator", Text),
    Column("corrects", Integer, ForeignKey("measurement.seq")),
    Column("digest", LargeBinary, nullable=False),
    CheckConstraint("(numerator IS NULL) = (denominator IS NULL)", name="both_or_neither"),
    CheckConstraint("corrects < seq", name="corrects_an_earlier_one"),
)

CHILD: Final = Table(  # whole numbers only, so that counting millions of rows is grouping by a whole number
    "child",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _batch(),
    Column(
        "measurement", Integer, ForeignKey("measurement.seq", deferrable=True, initially="DEFERRED"), nullable=False
    ),
    Column("row", Integer, nullable=False),
    Column("event", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    CheckConstraint("event IN (0, 1)", name="yes_or_no"),
)

_TABLES: Final = (AUDIT, MEASUREMENT, CHILD)
_REFUSE: Final = {
    # REPLACE deletes without asking the trigger on DELETE, so a number that is taken is refused before it comes.
    "no_update": "BEFORE UPDATE ON {0} BEGIN SELECT RAISE(ABORT, 'E_APPEND_ONLY: {0} is never changed'); END",
    "no_delete": "BEFORE DELETE ON {0} BEGIN SELECT RAISE(ABORT, 'E_APPEND_ONLY: {0} is never deleted'); END",
    "no_replace": "BEFORE INSERT ON {0} WHEN EXISTS (SELECT 1 FROM {0} WHERE seq = NEW.seq) "
    "BEGIN SELECT RAISE(ABORT, 'E_APPEND_ONLY: {0} is never replaced'); END",
}
_PARTS: Final = frozenset(table.name for table in _TABLES) | {
    f"{table.name}_{name}" for table in _TABLES for name in _REFUSE
}


def create(db: Connection) -> None:
    """Tables and refusals in an empty database, inside the caller's transaction."""
    metadata.create_all(db, checkfirst=False)
    for table in _TABLES:
        for name, rule in _REFUSE.items():
            db.exec_driver_sql(f"CREATE TRIGGER {table.name}_{name} {rule.format(table.name)}")
    db.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    db.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def is_empty(db: Connection) -> bool:
    """Whether nothing was ever made here: a new file, or one whose first step was killed."""
    return not _parts(db) and not _pragma(db, "application_id")


def check(db: Connection, file: str) -> None:
    """See to it that these are records of this version, whole.

    Raises
    ------
    RecordError
        ``E_NOT_RECORDS``: another kind of database.  ``E_SCHEMA``: another version, or a table or refusal is gone.
    """
    if _pragma(db, "application_id") != APPLICATION:
        raise not_records(file)
    found, missing = _pragma(db, "user_version"), sorted(_PARTS - _parts(db))
    if found != VERSION or missing:
        raise other_schema(file, found, VERSION, missing)


def _parts(db: Connection) -> set[str]:
    return set(db.execute(text("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")).scalars())


def _pragma(db: Connection, name: str) -> int:
    return int(db.exec_driver_sql(f"PRAGMA {name}").scalar_one())
