"""The trial's folder: one plan, one or more draws, and the steps that lead from one to the other.

Rooms never learn of the folder; commands do nothing but open it and press a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from trialkit.canonical import digest, jcs, parse
from trialkit.design.compile import build, not_drawn
from trialkit.design.observed import observed
from trialkit.design.parts_design import PartsDesign
from trialkit.design.places import DrawKey, draws
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.announce import prepare
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw
from trialkit.draw.publish import replace
from trialkit.draw.sources import REHEARSAL_ID, announce
from trialkit.draw.verify import Verdict
from trialkit.errors import DesignError, DrawError, UsageError
from trialkit.population import Population, population
from trialkit.power.checkup import Checkup, checkup
from trialkit.protocol.load import load
from trialkit.protocol.model import Protocol
from trialkit.protocol.plan import from_plan, plan, plan_hash
from trialkit.registers.read import read_table
from trialkit.units import Units

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    from trialkit.power.candidates import Frame, Places
    from trialkit.records.entry import Receipt
    from trialkit.records.snapshot import Snapshot
    from trialkit.records.store import Store
    from trialkit.records.tabulate import Tabulation
    from trialkit.report.findings import Findings

_SEED: Final = 20120201  # of the draws that stand in for an enumeration where allocations are too many to list


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commitment made, to be read aloud and published."""

    draw_id: str
    fingerprint: str
    plan_hash: str
    head: str
    folder: DrawFolder


@dataclass(frozen=True)
class Trial:
    """A trial as a folder on disk.

    Parameters
    ----------
    folder : holds ``draft.yaml``, and after a commitment ``plan.json`` and ``draws/``
    draft : the draft's file; another name than ``draft.yaml`` where a file was named
    """

    folder: Path
    draft: Path

    @classmethod
    def open(cls, place: Path | str) -> Self:
        """The trial in a folder, or of a draft file.

        Raises
        ------
        UsageError
            Neither a draft nor a plan is there.
        """
        place = Path(place)
        folder, draft = (place.parent, place) if place.is_file() else (place, place / "draft.yaml")
        if not draft.is_file() and not (folder / "plan.json").is_file():
            raise UsageError(
                f"There is no trial in {folder}: neither draft.yaml nor plan.json. Name the trial's folder, or make one "
                "with `trialkit new DIR`.",
                {"folder": str(folder)},
                da=f"Der er intet forsøg i {folder}: hverken draft.yaml eller plan.json. Angiv forsøgets mappe, eller lav "
                "en med `trialkit new MAPPE`.",
            )
        return cls(folder, draft)

    @cached_property
    def protocol(self) -> Protocol:
        """What the draft says now; the committed plan where there is no draft any more.

        Raises
        ------
        ProtocolError
            Every fault of the draft at once.
        """
        return load(self.draft) if self.draft.is_file() else self.promised

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The committed plan.

        Raises
        ------
        DrawError
            ``E_NOT_COMMITTED``: nothing has been committed.
        """
        path = self.folder / "plan.json"
        if not path.is_file():
            raise DrawError(
                f"{self.folder} holds no plan.json, so nothing has been promised yet. Run `trialkit commit`.",
                {"folder": str(self.folder)},
                da=f"{self.folder} rummer ingen plan.json, så intet er lovet endnu. Kør `trialkit commit`.",
                code="E_NOT_COMMITTED",
            )
        found: dict[str, Any] = parse(path.read_bytes())
        return found

    @cached_property
    def intended(self) -> dict[str, Any]:
        """The plan that the draft would commit now: what a rehearsal shows."""
        return self._plan_document(self._listed())

    @cached_property
    def promised(self) -> Protocol:
        """The protocol of the committed plan."""
        return from_plan(self.plan)

    def population(self, *, frame: str | None = None, draw: DrawKey | None = None) -> Population:
        """The units of the draft, or of another ``frame`` of its register; ``draw`` where each has its own queue."""
        return population(self.protocol, self.folder, frame=frame, draw=draw)

    def checkup(
        self,
        people: Population | None = None,
        *,
        waves: Sequence[Sequence[Places]] = (),
        frames: Sequence[Frame] = (),
    ) -> Checkup:
        """What the design and others beside it can and cannot see; the same on every machine and every day."""
        people = people or self._listed()
        rng = np.random.default_rng(_SEED)
        return checkup(self.protocol, people, rng=rng, waves=waves, frames=frames, budget=self._budget())

    @property
    def keys(self) -> tuple[DrawKey, ...]:
        """The draws the protocol holds."""
        return draws(self.protocol)

    def drawings(self) -> tuple[DrawFolder, ...]:
        """The draws that have a folder, in the order of their names."""
        return tuple(DrawFolder(path.parent) for path in sorted(self.folder.glob("draws/*/ledger.jsonl")))

    def draw_id(self, name: str = "") -> str:
        """The draw's id, where ``name`` is empty the only one.

        Raises
        ------
        UsageError
            The trial has several draws and none is named, or it has none of this name.
        """
        return self._key(name).id

    def drawing(self, name: str = "") -> DrawFolder:
        """The folder of a committed draw; without a name the only one that is not a rehearsal.

        Raises
        ------
        DrawError
            ``E_NOT_COMMITTED``: nothing of this name is committed.
        UsageError
            Several are committed and none is named.
        """
        found = [one for one in self.drawings() if REHEARSAL_ID not in one.draw_id or name]
        named = [one for one in found if one.draw_id == name] if name else found
        if not named:
            return DrawFolder(self.folder / "draws" / self.draw_id(name))
        if len(named) > 1:
            raise _which([one.draw_id for one in named])
        return named[0]

    def commit(
        self,
        moment: datetime,
        *,
        draw: str = "",
        free: int | None = None,
        commitments: Mapping[str, str] | None = None,
    ) -> list[Committed]:
        """Freeze the plan and commit one draw, or every stratum's draw of one round of a place lottery.

        Raises
        ------
        TrialkitError
            Whatever is wrong with draft, units or design; ``E_REROLL`` where a draw is committed already;
            ``E_PLAN`` where another plan stands committed.
        """
        keys = self._round(draw) if self.protocol.design == "place_lottery" else [self._key(draw)]
        people = self.population(draw=keys[0])
        self._check_feasible(people)
        document = self._plan_document(people)
        self._check_plan(document)
        prepared = [
            (key, prepare(self._announced(key, people, document, free=free, moment=moment, commitments=commitments)))
            for key in keys
        ]
        replace(self.folder / "plan.json", jcs(document))
        return [self._committed(key, protocol, document, moment) for key, protocol in prepared]

    def ready(self, folder: DrawFolder) -> None:
        """Refuse an official draw that still waits for somebody, or whose plan is not the one committed.

        Raises
        ------
        DrawError
            ``E_APPROVAL``: an approval is missing; ``E_PLAN``: ``plan.json`` was changed.
        """
        self._check_bound(folder)
        if missing := [one for one in self.protocol.approvals if one.status != "approved"]:
            en = "; ".join(f"{one.by} ({one.what.told('en') if one.what else one.status})" for one in missing)
            da = "; ".join(f"{one.by} ({one.what.told('da') if one.what else one.status})" for one in missing)
            raise DrawError(
                f"The draw waits for: {en}. An official draw before the decision would bind nobody. Write `status: "
                "approved` with the date in the draft when they have decided; a rehearsal is possible now.",
                {"missing": [one.by for one in missing]},
                da=f"Lodtrækningen venter på: {da}. En officiel lodtrækning før beslutningen ville ikke binde nogen. Skriv "
                "`status: approved` med dato i udkastet, når de har besluttet; en prøve kan holdes nu.",
                code="E_APPROVAL",
            )

    def rehearse(self, moment: datetime, *, draw: str = "") -> tuple[DrawFolder, Draw]:
        """Commit and draw a rehearsal, under another draw_id and a published seed.

        Raises
        ------
        TrialkitError
            Whatever is wrong with draft, units or design.
        """
        key = self._round(draw)[0] if self.protocol.design == "place_lottery" else self._key(draw)
        people = self.population(draw=key)
        number = 1 + sum(REHEARSAL_ID in one.draw_id for one in self.drawings())
        seed = f"PRØVE {number}"
        document = self._plan_document(people)
        said = self._announced(key, people, document, rehearsal=seed, moment=moment)
        said["draw_id"] += str(number)
        folder = DrawFolder(self.folder / "draws" / said["draw_id"])
        folder.commit(prepare(said), moment)
        return folder, folder.draw([{"kind": "published"}], moment)

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

        document = self.plan if self.binding.drawn else self._plan_document(self.population())
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
        """The registered answer to the primary question, after checking plan, draw and data.

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
        seen = self.panel(protocol.estimand.what, snapshot=None if live else frozen.digest, pilots=True)
        digests = (*hashes, *(() if live else (frozen.digest,)))
        answer = registered(
            protocol, drawn.design, drawn.assignment, seen.panel, rng=chance_of(drawn.record_hash), digests=digests
        )
        return Findings(
            protocol=protocol,
            plan=self.plan,
            record=drawn.record(),
            answer=answer,
            panel=seen.panel,
            as_of=self.records.last_day if live else frozen.as_of,
            snapshot="" if live else frozen.digest,
            unfinished=seen.unfinished,
            confirmed=verdict.confirmed,
        )

    def labels(self) -> dict[str, str] | None:
        """The wave or arm of each unit as it was drawn, or entered where nothing was drawn; None before the draw."""
        if not self.binding.drawn:
            seen = observed(self.binding, population(self.binding, self.folder).units)
            return dict(zip(seen.units.ids, seen.waves, strict=True))
        found = {
            unit["id"]: unit["label"]
            for one in self._official()
            if one.record_bytes
            for unit in parse(one.record_bytes)["result"].get("allocation", ())
        }
        return found or None

    @cached_property
    def binding(self) -> Protocol:
        """What outcomes are counted by: the committed plan, or the draft while nothing is committed."""
        return self.promised if (self.folder / "plan.json").is_file() else self.protocol

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

    def _official(self) -> list[DrawFolder]:
        """The draws that are not rehearsals."""
        return [one for one in self.drawings() if REHEARSAL_ID not in one.draw_id]

    def _drawn(self) -> list[tuple[str, str]]:
        """(draw_id, record_hash) of each official draw, after seeing that plan and record are those that were bound."""
        found = []
        for one in self._official():
            self._check_bound(one)
            if drawn := one.story().drawn:
                if not one.record_bytes or digest(parse(one.record_bytes)) != drawn:
                    raise _another_record(one, drawn)
                found.append((one.draw_id, drawn))
        return found

    def _check_bound(self, folder: DrawFolder) -> None:
        """Refuse a plan that is not the one a draw was committed by."""
        bound = folder.protocol.get("plan_hash")
        if bound and bound != plan_hash(self.plan):
            raise DrawError(
                f"plan.json is not the plan that was committed (its digest is {plan_hash(self.plan)}, the fingerprint "
                f"binds {bound}). Outcomes or analysis may have been changed after the promise. Bring back the file.",
                {"found": plan_hash(self.plan), "bound": bound},
                da=f"plan.json er ikke den plan, der blev låst (dens fingeraftryk er {plan_hash(self.plan)}, men {bound} er "
                "bundet). Udfald eller analyse kan være ændret efter løftet. Find den rigtige fil frem.",
                code="E_PLAN",
            )

    def _check_feasible(self, people: Population) -> None:
        """Refuse a design that cannot answer its question, unless the draft accepts that in words."""
        if stops := self.checkup(people).stops:
            raise DesignError(
                "The design cannot answer its question, so it is not committed: "
                + " ".join(reason.said.told("en") for reason in stops),
                {"stops": [reason.code for reason in stops]},
                da="Designet kan ikke besvare sit spørgsmål, så det bliver ikke låst: "
                + " ".join(reason.said.told("da") for reason in stops),
                code="E_FEASIBILITY",
            )

    def _key(self, name: str) -> DrawKey:
        """One draw of the protocol, by its id."""
        keys = self._held()
        named = [key for key in keys if key.id == name or not name]
        if len(named) != 1:
            raise _which([key.id for key in keys], name)
        return named[0]

    def _round(self, name: str) -> list[DrawKey]:
        """The draws of one round: all strata, or the one named whole."""
        named = [key for key in self._held() if name in (key.id, key.round)]
        if not named:
            raise _which([key.id for key in self.keys], name)
        return named

    def _held(self) -> tuple[DrawKey, ...]:
        """The draws, where anything is drawn."""
        if not self.protocol.drawn:
            raise not_drawn(self.protocol)
        return self.keys

    def _people_come(self) -> bool:
        """Whether people come and go, so that a plan and a check know none of them."""
        return self.protocol.design in ("place_lottery", "rolling_lottery")

    def _listed(self) -> Population:
        """Everybody the draft lists; nobody where people come and go."""
        return Population(units=Units(())) if self._people_come() else self.population()

    def _budget(self) -> list[dict[str, str]]:
        """The rows of the budget's detail file, where the draft names one."""
        if (detail := self.protocol.budget.detail) is None:
            return []
        table = read_table(self.folder / detail)
        rows = [dict(zip(table.header.cells, row.cells, strict=False)) for row in table.rows]
        if table.faults:
            raise table.faults.error()
        return rows

    def _plan_document(self, people: Population) -> dict[str, Any]:
        """The plan; people in a queue are each draw's own and stand in its protocol only."""
        return plan(self.protocol, () if self._people_come() else people.units, people.outside)

    def _check_plan(self, document: Mapping[str, Any]) -> None:
        """A trial has one plan: another is only possible where no draw lives by the first."""
        path = self.folder / "plan.json"
        if not path.is_file() or path.read_bytes().rstrip(b"\n") == jcs(document):
            return
        living = [one.draw_id for one in self.drawings() if REHEARSAL_ID not in one.draw_id and one.story().live]
        if living:
            raise DrawError(
                f"The draft now says something else than the plan by which {', '.join(living)} is committed "
                f"({plan_hash(self.plan)}). Two plans would let somebody choose later. Take the change back, or "
                "withdraw with `trialkit void` while the chance is unknown.",
                {"draws": living, "committed": plan_hash(self.plan), "draft": digest(document)},
                da=f"Udkastet siger nu noget andet end den plan, som {', '.join(living)} er låst efter "
                f"({plan_hash(self.plan)}). To planer ville lade nogen vælge senere. Tag ændringen tilbage, eller træk "
                "planen tilbage med `trialkit void`, mens lodderne er ukendte.",
                code="E_PLAN",
            )
        replace(self.folder / f"plan.{plan_hash(self.plan)[:16]}.json", path.read_bytes())

    def _announced(
        self,
        key: DrawKey,
        people: Population,
        document: Mapping[str, Any],
        *,
        moment: datetime,
        free: int | None = None,
        rehearsal: str | None = None,
        commitments: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        return announce(
            self.protocol,
            self._design(key, people, free),
            draw_id=key.id,
            plan_hash=plan_hash(document),
            rehearsal=rehearsal,
            published=moment,
            commitments=commitments,
        )

    def _design(self, key: DrawKey, people: Population, free: int | None) -> PartsDesign | SequentialDesign:
        return build(self.protocol, people.units, draw=key, free=free)

    def _committed(
        self, key: DrawKey, protocol: Mapping[str, Any], document: Mapping[str, Any], moment: datetime
    ) -> Committed:
        folder = DrawFolder(self.folder / "draws" / key.id)
        head = folder.commit(protocol, moment)
        return Committed(
            draw_id=key.id, fingerprint=digest(protocol), plan_hash=plan_hash(document), head=head, folder=folder
        )


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
            raise _another_record(folder, entered)
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

    if frozen.plan_hash != hashes[0]:
        raise changed_snapshot(frozen.folder, "plan_hash", ("is that of another plan", "er en anden plans"))
    if hashes[1] not in {record for _, record in frozen.draws}:
        raise changed_snapshot(
            frozen.folder, "draws", ("does not name this draw's record", "nævner ikke denne lodtræknings resultatfil")
        )


def _another_record(folder: DrawFolder, drawn: str) -> DrawError:
    return DrawError(
        f"The record of {folder.draw_id} is not the one the ledger names ({drawn}), so nobody knows which draw the data "
        "belong to. Bring back record.json; `trialkit verify` says what is wrong.",
        {"draw_id": folder.draw_id, "drawn": drawn},
        da=f"Resultatfilen for {folder.draw_id} er ikke den, logbogen nævner ({drawn}), så ingen ved, hvilken lodtrækning "
        "data hører til. Find record.json frem igen; `trialkit verify` siger, hvad der er galt.",
        code="E_RECORD_HASH",
    )


def _which(ids: list[str], name: str = "") -> UsageError:
    what = f"no draw is called {name!r}" if name else "the trial has several draws"
    hvad = f"ingen lodtrækning hedder {name!r}" if name else "forsøget har flere lodtrækninger"
    shown = ", ".join(ids[:8]) + (" ..." if len(ids) > 8 else "")
    return UsageError(
        f"Say which draw with --draw: {what}. They are: {shown or 'none'}.",
        {"draws": ids},
        da=f"Angiv lodtrækningen med --draw: {hvad}. De er: {shown or 'ingen'}.",
    )
