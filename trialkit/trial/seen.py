"""What the trial's folder has seen: records as they came, snapshots, panels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialkit.population import Population, population
from trialkit.protocol.plan import plan_hash
from trialkit.trial.draws import Draws
from trialkit.units import Units

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    from trialkit.records.entry import Receipt
    from trialkit.records.snapshot import Snapshot
    from trialkit.records.store import Store
    from trialkit.records.tabulate import Tabulation


@dataclass(frozen=True)
class Seen(Draws):
    """A trial's folder with its records."""

    @property
    def records(self) -> Store:
        """Everything that was received, in ``trial.db``; the file is made by the first `record`."""
        from trialkit.records.store import Store

        return Store(self.folder / "trial.db", self.binding.protocol)

    def record(
        self,
        file: Path,
        *,
        by: str,
        moment: datetime,
        why: str = "",
        outcome: str = "",
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> Receipt:
        """Take in a file of counts or of children, whole or not at all; parameters as `records.intake.receive`
        and `records.store.Store.append` explain them.

        Raises
        ------
        RecordError
            Every fault of the file, or why the records cannot take it.
        """
        from trialkit.records.intake import receive

        received = receive(file, self.binding, self._everybody(), outcome=outcome, encoding=encoding, sheet=sheet)
        return self.records.append(received, by=by, moment=moment, why=why)

    def freeze(self, moment: datetime, *, by: str, as_of: date | None = None) -> Snapshot:
        """Freeze what was known at the end of a day (left out: of the last batch's) into ``snapshots/``.

        Raises
        ------
        RecordError
            ``E_NO_RECORDS``: nothing was known by then; ``E_AS_OF``: the day is still to come.
        DrawError
            ``E_NOT_COMMITTED``: no plan is committed; ``E_PLAN``, ``E_RECORD_HASH``: plan or draw was changed.
        """
        from trialkit.records.frozen import freeze

        document = self.plan if self.binding.drawn else self._promise(self.population())
        return freeze(
            self.records,
            self._snapshots,
            self.binding,
            plan_hash=plan_hash(document),
            draws=self._drawn(),
            by=by,
            moment=moment,
            as_of=as_of,
        )

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The frozen data, in the order they were frozen; each is checked as it is opened."""
        from trialkit.records.frozen import frozen

        return frozen(self.records, self._snapshots)

    def snapshot(self, name: str = "") -> Snapshot:
        """The snapshot whose digest begins with ``name``; without a name the newest.

        Raises
        ------
        RecordError
            ``E_SNAPSHOT``: there is no single one, or a file of one was changed.
        """
        from trialkit.records.frozen import chosen

        return chosen(self.snapshots, name)

    def panel(
        self, outcome: str = "", *, snapshot: str | None = None, as_of: date | None = None, pilots: bool = False
    ) -> Tabulation:
        """One outcome by unit and period.

        Parameters
        ----------
        outcome : its id; left out, the primary one
        snapshot : the beginning of a digest, or empty for the newest; left out, live data that are not frozen
        as_of : of live data, what was known at the end of this day
        pilots : with the units whose arm no lot decided
        """
        frozen = None if snapshot is None else self.snapshot(snapshot)
        return self._tabulated(outcome, frozen, as_of=as_of, pilots=pilots)

    def _tabulated(
        self, outcome: str, frozen: Snapshot | None, *, as_of: date | None = None, pilots: bool = False
    ) -> Tabulation:
        """One outcome of frozen data that are open already, or of live ones."""
        from trialkit.records import tabulate

        protocol = self.binding
        what = tabulate.promised(protocol, outcome)
        rows = self._rows(pilots)
        return tabulate.tabulate(
            frozen.cells if frozen else tabulate.cells(self.records.newest(what.id, as_of=as_of), protocol),
            protocol,
            what,
            rows,
            labels=self.labels(),
            synthetic=frozen.synthetic if frozen else self.records.synthetic,
            snapshot=frozen.digest if frozen else "",
        )

    def _promise(self, people: Population) -> dict[str, Any]:
        """The plan that binds: the committed one, or the draft's where no draw ever commits it."""
        return self.plan if (self.folder / "plan.json").is_file() else self._plan_document(people)

    @property
    def _snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def _one_by_one(self) -> bool:
        """Whether people come one by one, so that no list of units stands still."""
        return self.binding.design in ("place_lottery", "rolling_lottery")

    def _rows(self, pilots: bool) -> list[str]:
        """Ids of the units of a panel: those of the committed plan, or of the draft while nothing is committed."""
        from trialkit.records.refusals import no_units

        if self._one_by_one:
            raise no_units()
        document = self.plan if (self.folder / "plan.json").is_file() else self._plan_document(self.population())
        return [unit["id"] for unit in (*document.get("units", ()), *(document.get("outside", ()) if pilots else ()))]

    def _everybody(self) -> Units:
        """All units somebody may report on: drawn, pilots and left out; none where people come one by one."""
        if self._one_by_one:
            return Units(())
        people = population(self.binding, self.folder)
        asides = [one.unit for one in people.left_out]
        return Units.of([*people.units, *people.outside, *asides], areas=people.units.areas)
