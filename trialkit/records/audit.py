"""Is everything as it was kept?  Every entry and every row is read again and bound again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from trialkit import chain
from trialkit.canonical import NO_HASH
from trialkit.errors import CanonicalError, Fault
from trialkit.records.digests import child_line, following, measurement_line
from trialkit.records.schema import AUDIT, CHILD, MEASUREMENT

MOST: Final = 100  # faults told; a file that was rewritten has one per row
_BREAKS: Final = {
    "seq": ("an entry is missing or stands elsewhere", "en post mangler eller står et andet sted"),
    "prev": ("it does not follow the entry before it", "den følger ikke efter posten før den"),
    "hash": ("it was changed", "den er ændret"),
    "time": ("it is older than the entry before it", "den er ældre end posten før den"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found; ``faults`` name each row that was changed, is missing or stands elsewhere."""

    entries: int = 0
    measurements: int = 0
    children: int = 0
    head: str = NO_HASH
    faults: tuple[Fault, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything is as it was kept."""
        return not self.faults


def audited(db: Connection, *, head: str = "") -> Audit:
    """Read everything again.

    A file cut back to an earlier state verifies by itself; only a later hash that somebody kept (``head``: a receipt,
    the minutes, a bundle) shows that entries are gone.
    """
    lines = list(db.execute(select(AUDIT.c.seq, AUDIT.c.time, AUDIT.c.line).order_by(AUDIT.c.seq)))
    try:
        entries = chain.entries("".join(f"{line}\n" for _, _, line in lines).encode())
        broken = chain.first_break(entries)
    except (CanonicalError, KeyError, TypeError, ValueError):
        return Audit(faults=(_entry_fault(_first_unreadable(lines), "hash"),))
    if broken:
        return Audit(entries=len(entries), faults=(_entry_fault(*broken),))
    faults = [
        _entry_fault(place, "time" if seq == place else "seq")
        for place, (seq, time, _) in enumerate(lines)
        if (seq, time) != (place, entries[place]["time"])
    ]
    newest = str(entries[-1]["hash"])
    if head and head not in {entry["hash"] for entry in entries}:
        faults.append(_lost(head))
    rows = _Rows(db, entries)
    faults += rows.faults()
    return Audit(
        entries=len(entries),
        measurements=rows.read["measurement"],
        children=rows.read["child"],
        head=newest,
        faults=tuple(faults[:MOST]),
    )


class _Rows:
    """The rows of both tables, batch by batch, in the order they were bound."""

    def __init__(self, db: Connection, entries: list[dict[str, Any]]) -> None:
        self.entries = {int(entry["seq"]): entry for entry in entries if entry.get("kind") == "batch"}
        self.prev = {int(entry["seq"]): bytes.fromhex(entry["prev"]) for entry in entries}
        self.read = {"measurement": 0, "child": 0}
        self.tables = {table.name: _Reader(db, table) for table in (CHILD, MEASUREMENT)}

    def faults(self) -> Iterator[Fault]:
        """Everything that is not as it was bound."""
        for seq, entry in self.entries.items():
            digest, sound = self.prev[seq], True
            for name, member, line in (
                ("child", "children", child_line),
                ("measurement", "measurements", measurement_line),
            ):
                table = self.tables[name]
                for fault, after in table.bound(seq, digest, int(entry[member]), line):
                    digest, sound = after, sound and fault is None
                    if fault is not None:
                        yield fault
                self.read[name] = table.count
            if sound and digest.hex() != entry["rows_digest"]:
                yield _fault(
                    f"The rows of entry {seq} ({entry['file']}) are not those that were kept: they were written anew.",
                    f"Rækkerne i post {seq} ({entry['file']}) er ikke dem, der blev gemt: de er skrevet om.",
                )
        for table in self.tables.values():
            yield from table.rest()


class _Reader:
    """One table's rows by number, taken batch by batch."""

    def __init__(self, db: Connection, table: Table) -> None:
        self.name, self.count, self.expected = table.name, 0, 1
        rows = db.execution_options(yield_per=5000).execute(select(table).order_by(table.c.seq))
        self.batches = groupby(rows, key=lambda row: row[1])
        self.waiting = next(self.batches, None)

    def bound(
        self, batch: int, digest: bytes, many: int, line: Callable[[Sequence[object]], str]
    ) -> Iterator[tuple[Fault | None, bytes]]:
        """Each row of a batch with what is wrong with it and the digest the next row follows."""
        last = self.expected + many - 1
        if self.waiting is not None and self.waiting[0] == batch:
            for row in self.waiting[1]:
                self.count += 1
                seq, after = row[0], row[-1]
                gone = seq - self.expected
                if gone > 0:
                    yield self._missing(self.expected, seq - 1), digest
                right = gone > 0 or (gone == 0 and following(digest, line(row[:-1])) == after)
                self.expected, digest = seq + 1, after if isinstance(after, bytes) else b""
                yield None if right else self._changed(row), digest
            self.waiting = next(self.batches, None)
        if self.expected <= last:
            yield self._missing(self.expected, last), digest
            self.expected = last + 1

    def rest(self) -> Iterator[Fault]:
        """Rows that no entry speaks of."""
        while self.waiting is not None:
            for row in self.waiting[1]:
                yield self._changed(row)
            self.waiting = next(self.batches, None)

    def _changed(self, row: Sequence[Any]) -> Fault:
        place = f"measurement {row[2]}" if self.name == "child" else ", ".join(str(part) for part in row[3:6])
        return _fault(
            f"{self.name} {row[0]} ({place}) is not as it was kept: it was changed, added or moved.",
            f"{self.name} {row[0]} ({place}) er ikke, som den blev gemt: den er ændret, tilføjet eller flyttet.",
        )

    def _missing(self, first: int, last: int) -> Fault:
        which = f"{first}" if first >= last else f"{first}-{last}"
        return _fault(f"{self.name} {which} is missing.", f"{self.name} {which} mangler.")


def _first_unreadable(lines: list[Any]) -> int:
    for place, (_, _, line) in enumerate(lines):
        try:
            chain.first_break(chain.entries(f"{line}\n".encode()))
        except (CanonicalError, KeyError, TypeError, ValueError):
            return place
    return 0


def _entry_fault(place: int, member: chain.Break) -> Fault:
    en, da = _BREAKS[member]
    return _fault(f"Audit entry {place}: {en}.", f"Post {place} i revisionssporet: {da}.")


def _lost(head: str) -> Fault:
    return _fault(
        f"No entry has the hash {head} that was kept: entries were taken away or written anew.",
        f"Ingen post har den hash {head}, som blev gemt: poster er fjernet eller skrevet om.",
    )


def _fault(en: str, da: str) -> Fault:
    return Fault(en=en, da=da, code="E_AUDIT", file="trial.db")
