"""Freezing what was known, and finding what was frozen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from trialkit.protocol.model import Protocol
from trialkit.records import refusals
from trialkit.records.snapshot import Snapshot, snapshots_in, write
from trialkit.records.store import Store
from trialkit.records.tabulate import cells


def freeze(
    store: Store,
    snapshots: Path,
    protocol: Protocol,
    *,
    plan_hash: str,
    draws: Iterable[tuple[str, str]],
    by: str,
    moment: datetime,
    as_of: date | None = None,
) -> Snapshot:
    """Freeze what was known at the end of a day (left out: of the last batch's), and enter it into the audit chain.

    Parameters
    ----------
    snapshots : the folder that holds all of them
    plan_hash : of the plan the outcomes are counted by
    draws : (draw_id, record_hash) of each draw made so far

    Raises
    ------
    RecordError
        ``E_NO_RECORDS``: nothing was known by then.  ``E_AS_OF``: the day is still to come.
    """
    day = as_of or store.last_day
    if day > (today := moment.astimezone(UTC).date()):
        raise refusals.day_to_come(day, today)
    known = store.newest(as_of=day)
    if not known:
        raise refusals.nothing_by(day)
    found = write(
        snapshots,
        cells(known, protocol),
        trial=protocol.protocol,
        plan_hash=plan_hash,
        draws=draws,
        as_of=day,
        synthetic=store.synthetic,
    )
    store.note_freeze(found.digest, day.isoformat(), by=by, moment=moment)
    return found


def frozen(store: Store, snapshots: Path) -> tuple[Snapshot, ...]:
    """Every snapshot in the order they were frozen, checked as it is opened.

    Raises
    ------
    RecordError
        ``E_SNAPSHOT``: a file of one was changed, or one that the audit chain names is gone.
    """
    noted = [entry["snapshot"] for entry in store.entries() if entry["kind"] == "freeze"]
    there = [path.name for path in snapshots_in(snapshots) if path.name not in noted]
    return tuple(Snapshot.open(snapshots / name) for name in [*noted, *there])


def chosen(among: tuple[Snapshot, ...], name: str) -> Snapshot:
    """The snapshot whose digest begins with ``name``; the newest where it is empty.

    Raises
    ------
    RecordError
        ``E_SNAPSHOT``: there is no single one.
    """
    named = [one for one in among if one.digest.startswith(name)]
    if not named or (name and len(named) > 1):
        raise refusals.no_snapshot(name, [one.digest for one in among])
    return named[-1]
