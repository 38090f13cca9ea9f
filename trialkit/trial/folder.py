"""The trial's folder: one plan, one or more draws, and the steps that lead from one to the other.

Rooms never learn of the folder; commands do nothing but open it and press a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialkit.design.observed import observed
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw
from trialkit.draw.sources import REHEARSAL_ID
from trialkit.draw.verify import Verdict
from trialkit.errors import DrawError
from trialkit.population import Population, population
from trialkit.protocol.plan import plan_hash
from trialkit.units import Units

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    from trialkit.estimate.neighbours import Map
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome
    from trialkit.records.entry import Receipt
    from trialkit.records.snapshot import Snapshot
    from trialkit.records.store import Store
    from trialkit.records.tabulate import Tabulation
    from trialkit.report.described import Described
    from trialkit.report.findings import Findings

from trialkit.trial.draws import Draws, another_record


@dataclass(frozen=True)
class Trial(Draws):
    """A trial as a folder on disk: what it promised, what was drawn, what was seen, and the answer.

    Parameters
    ----------
    folder : holds ``draft.yaml``, and after a commitment ``plan.json`` and ``draws/``
    draft : the draft's file; another name than ``draft.yaml`` where a file was named
    """

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
        from trialkit.records import tabulate

        protocol = self.binding
        what = tabulate.promised(protocol, outcome)
        rows = self._rows(pilots)
        frozen = None if snapshot is None else self.snapshot(snapshot)
        return tabulate.tabulate(
            frozen.cells if frozen else tabulate.cells(self.records.newest(what.id, as_of=as_of), protocol),
            protocol,
            what,
            rows,
            labels=self.labels(),
            synthetic=frozen.synthetic if frozen else self.records.synthetic,
            snapshot=frozen.digest if frozen else "",
        )

    def estimate(self, *, snapshot: str = "", live: bool = False, draw: str = "") -> Findings:
        """The registered answer to the primary question and what is registered beside it, after checking plan, draw and
        data.

        Parameters
        ----------
        snapshot : the beginning of a digest; left out, the newest frozen data
        live : on what is known now, not frozen; everything made from it is preliminary
        draw : which draw, where the trial has several

        Raises
        ------
        DrawError
            ``E_PLAN``: the plan is not the one committed.  ``E_NOT_COMMITTED``, ``E_NOT_DRAWN``, or the name of what is
            wrong with ledger or record.
        RecordError
            ``E_SNAPSHOT``: there is none, it was changed, or it is of another plan or another draw.
        EstimateError
            ``E_NOT_DRAWN``, ``E_NOT_BUILT``: the registered answer cannot be given.
        """
        from trialkit.estimate.beside import beside
        from trialkit.estimate.registered import chance_of, check_built, registered
        from trialkit.report.findings import Findings

        for one in self._official():
            self._check_bound(one)
        protocol = self.binding
        check_built(protocol)
        verdict, drawn = _checked_draw(self.drawing(draw))
        hashes = (plan_hash(self.plan), drawn.record_hash)
        if not live:
            frozen = self.snapshot(snapshot)
            _check_of(frozen, hashes)
        name = None if live else frozen.digest
        seen = self.panel(protocol.estimand.what, snapshot=name, pilots=True)
        digests = (*hashes, *(() if live else (frozen.digest,)))
        lot = (protocol, drawn.design, drawn.assignment)
        answer = registered(*lot, seen.panel, rng=chance_of(drawn.record_hash), digests=digests)
        others = {one.id: self.panel(one.id, snapshot=name, pilots=True).panel for one in _effects(protocol)}
        return Findings(
            protocol=protocol,
            plan=self.plan,
            record=drawn.record(),
            answer=answer,
            beside=beside(
                *lot,
                others | {protocol.estimand.what: seen.panel},
                neighbours=self.neighbours(),
                facts=self._facts(),
                rng=chance_of(drawn.record_hash),
                digests=digests,
            ),
            panel=seen.panel,
            as_of=self.records.last_day if live else frozen.as_of,
            snapshot="" if live else frozen.digest,
            unfinished=seen.unfinished,
            confirmed=verdict.confirmed,
        )

    def description(self, *, snapshot: str = "", live: bool = False) -> Described:
        """The registered description of a trial that was not drawn by lot, after checking plan and data.

        Parameters
        ----------
        snapshot, live : as `estimate`

        Raises
        ------
        RecordError
            ``E_SNAPSHOT``: there is none, it was changed, or it was frozen under another plan.
        DesignError
            The trial is drawn by lot.
        EstimateError
            ``E_NOT_DRAWN``: a lot would be needed.  ``E_NOT_BUILT``, ``E_NO_RECORDS``: it cannot be given.
        """
        from trialkit.estimate.described import described
        from trialkit.report.described import Described

        protocol = self.binding
        people = population(protocol, self.folder)
        assignment = observed(protocol, people.units)
        document = self._promise(people)
        frozen = None if live else self.snapshot(snapshot)
        if frozen is not None:
            _check_plan_of(frozen, plan_hash(document))
        name = None if frozen is None else frozen.digest
        asked = [protocol.estimand.what, *(one.id for one in _effects(protocol))]
        panels = {what: self.panel(what, snapshot=name).panel for what in asked}
        return Described(
            protocol=protocol,
            plan=document,
            description=described(
                protocol, assignment, panels, digests=(plan_hash(document), *((name,) if name else ()))
            ),
            as_of=self.records.last_day if frozen is None else frozen.as_of,
            snapshot=name or "",
        )

    def _promise(self, people: Population) -> dict[str, Any]:
        """The plan that binds: the committed one, or the draft's where no draw ever commits it."""
        return self.plan if (self.folder / "plan.json").is_file() else self._plan_document(people)

    def neighbours(self) -> Map:
        """Who touches whom, as the plan's list of units says, and since when its pilots have had the new way."""
        from trialkit.estimate.neighbours import Map

        people = population(self.binding, self.folder)
        outside = [(pilot.unit.id, pilot.group.arm or "") for pilot in people.pilots]
        return Map.of(self.binding, people.touching, outside)

    def _facts(self) -> dict[str, dict[str, str]]:
        """What the committed plan lists of each unit."""
        return {unit["id"]: dict(unit.get("facts", ())) for unit in self.plan.get("units", ())}

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


def _effects(protocol: Protocol) -> list[Outcome]:
    """The outcomes beside the primary one that are effects and are counted by unit and period."""
    from trialkit.records.intake import countable

    return [one for one in countable(protocol).values() if one.role is None and one.id != protocol.estimand.what]


def _checked_draw(folder: DrawFolder) -> tuple[Verdict, Draw]:
    """The draw, made again from its record, and the verdict on record and ledger."""
    if REHEARSAL_ID in folder.draw_id:
        raise DrawError(
            f"{folder.draw_id} is a rehearsal: it decided nothing about who began, so it answers nothing. Name the "
            "official draw.",
            {"draw_id": folder.draw_id},
            da=f"{folder.draw_id} er en prøve: den afgjorde ikke, hvem der begyndte, så den besvarer intet. Angiv den "
            "officielle lodtrækning.",
            code="E_NOT_DRAWN",
        )
    if not folder.record_bytes:
        folder.protocol  # noqa: B018 - refused by its own name where nothing is committed
        if entered := folder.story().drawn:
            raise another_record(folder, entered)
        raise DrawError(
            f"{folder.draw_id} has not been drawn, so there is nothing to compare yet. Run `trialkit draw` first.",
            {"draw_id": folder.draw_id},
            da=f"Der er ikke trukket lod i {folder.draw_id}, så der er intet at sammenligne endnu. Kør `trialkit draw` først.",
            code="E_NOT_DRAWN",
        )
    verdict = folder.verify()
    if verdict.error is not None:
        raise verdict.error
    assert verdict.draw is not None
    return verdict, verdict.draw


def _check_of(frozen: Snapshot, hashes: tuple[str, str]) -> None:
    """Refuse data that were frozen under another plan, or that do not know this draw."""
    from trialkit.records.refusals import changed_snapshot

    _check_plan_of(frozen, hashes[0])
    if hashes[1] not in {record for _, record in frozen.draws}:
        raise changed_snapshot(
            frozen.folder, "draws", ("does not name this draw's record", "nævner ikke denne lodtræknings resultatfil")
        )


def _check_plan_of(frozen: Snapshot, promised: str) -> None:
    """Refuse data that were frozen under another plan."""
    from trialkit.records.refusals import changed_snapshot

    if frozen.plan_hash != promised:
        raise changed_snapshot(frozen.folder, "plan_hash", ("is that of another plan", "er en anden plans"))
