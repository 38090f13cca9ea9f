"""The trial's folder: one plan, one or more draws, and the steps that lead from one to the other.

Rooms never learn of the folder; commands do nothing but open it and press a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trialkit.design.observed import observed
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw
from trialkit.draw.sources import REHEARSAL_ID
from trialkit.draw.verify import Verdict
from trialkit.errors import DrawError, TrialkitError
from trialkit.population import population
from trialkit.protocol.plan import plan_hash

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    from trialkit.estimate.neighbours import Map
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome
    from trialkit.records.snapshot import Snapshot
    from trialkit.report.described import Described
    from trialkit.report.early import Early
    from trialkit.report.exposure import Exposures
    from trialkit.report.findings import Findings

from trialkit.trial.draws import changed_record, is_entered, missing_record
from trialkit.trial.seen import Seen


@dataclass(frozen=True)
class Trial(Seen):
    """A trial as a folder on disk: what it promised, what was drawn, what was seen, and the answer.

    Parameters
    ----------
    folder : holds ``draft.yaml``, and after a commitment ``plan.json`` and ``draws/``
    draft : the draft's file; another name than ``draft.yaml`` where a file was named
    """

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
            ``E_NOT_DRAWN``, ``E_NOT_BUILT``: the registered answer cannot be given.  ``E_LOOK``: not yet, by the plan.
        """
        from trialkit.estimate.beside import beside
        from trialkit.estimate.looks import check_day
        from trialkit.estimate.registered import chance_of, check_built, registered
        from trialkit.report.findings import Findings

        for one in self._official():
            self._check_bound(one)
        protocol = self.binding
        check_built(protocol)
        verdict, drawn = _checked_draw(self.drawing(draw))
        hashes = (plan_hash(self.plan), drawn.record_hash)
        frozen = None if live else self.snapshot(snapshot)
        if frozen is not None:
            _check_of(frozen, hashes)
        known = self.records.last_day if frozen is None else frozen.as_of
        check_day(protocol, known)
        seen = self._tabulated(protocol.estimand.what, frozen, pilots=True)
        digests = (*hashes, *((frozen.digest,) if frozen else ()))
        lot = (protocol, drawn.design, drawn.assignment)
        facts = self._facts()
        answer = registered(*lot, seen.panel, facts=facts, rng=chance_of(drawn.record_hash), digests=digests)
        others = {one.id: self._tabulated(one.id, frozen, pilots=True).panel for one in _effects(protocol)}
        return Findings(
            protocol=protocol,
            plan=self.plan,
            record=drawn.record(),
            answer=answer,
            beside=beside(
                *lot,
                others | {protocol.estimand.what: seen.panel},
                neighbours=self.neighbours(),
                facts=facts,
                rng=chance_of(drawn.record_hash),
                digests=digests,
            ),
            panel=seen.panel,
            as_of=known,
            snapshot=frozen.digest if frozen else "",
            unfinished=seen.unfinished,
            confirmed=verdict.confirmed,
        )

    def early(self, year: int, *, snapshot: str = "", live: bool = False, draw: str = "") -> Early:
        """What was counted until the end of a year of the trial, where the plan has a report then: no test, no interval.

        Parameters
        ----------
        year : counted from the trial's first start; 1 is the first
        snapshot, live, draw : as `estimate`

        Raises
        ------
        EstimateError
            ``E_LOOK``: the plan has no such report, or the year has not ended in these data.
        """
        from trialkit.estimate.looks import year_end
        from trialkit.records.intake import countable
        from trialkit.report.early import Early, until

        protocol, drawn, frozen = self._answerable(snapshot, live=live, draw=draw)
        known = self.records.last_day if frozen is None else frozen.as_of
        end = year_end(protocol, year, known)
        name = None if frozen is None else frozen.digest
        cut = {one: until(self._tabulated(one, frozen, pilots=True).panel, end) for one in countable(protocol)}
        return Early(
            protocol=protocol,
            plan=self.plan,
            record=drawn.record(),
            labels=dict(zip(drawn.assignment.units.ids, drawn.assignment.labels, strict=True)),
            panels={one: panel for one, panel in cut.items() if panel is not None},
            year=year,
            until=end,
            as_of=known,
            snapshot=name or "",
        )

    def spillover(self, *, snapshot: str = "", live: bool = False, draw: str = "") -> Exposures:
        """Each unit's exposure to neighbours that had begun; exploratory unless the plan asks for it.

        Parameters
        ----------
        snapshot, live, draw : as `estimate`

        Raises
        ------
        EstimateError
            No two units are known to touch; what `estimate` raises.
        """
        from trialkit.estimate.drawn import Drawn
        from trialkit.estimate.looks import check_day
        from trialkit.estimate.neighbours import spillover
        from trialkit.estimate.question import Question
        from trialkit.estimate.registered import chance_of
        from trialkit.report.exposure import Exposures

        protocol, drawn, frozen = self._answerable(snapshot, live=live, draw=draw)
        known = self.records.last_day if frozen is None else frozen.as_of
        check_day(protocol, known)
        name = None if frozen is None else frozen.digest
        seen = self._tabulated(protocol.estimand.what, frozen, pilots=True)
        question = Question.of(protocol, Drawn.of(drawn.design, drawn.assignment), seen.panel)
        asked = any(method.method == "spillover_check" for _, method in protocol.analysis.methods)
        return Exposures(
            protocol=protocol,
            plan=self.plan,
            record=drawn.record(),
            found=spillover(
                question,
                self.neighbours(),
                excluded=question.excluded,
                rng=chance_of(drawn.record_hash),
                digests=(plan_hash(self.plan), drawn.record_hash, *((name,) if name else ())),
                exploratory=not asked,
            ),
            registered=asked,
            as_of=known,
            snapshot=name or "",
            synthetic=seen.panel.synthetic or protocol.synthetic,
            alpha=question.alpha,
        )

    def _answerable(self, snapshot: str, *, live: bool, draw: str) -> tuple[Protocol, Draw, Snapshot | None]:
        """The committed protocol, the draw and the data, after checking that they belong together."""
        for one in self._official():
            self._check_bound(one)
        _, drawn = _checked_draw(self.drawing(draw))
        if live:
            return self.binding, drawn, None
        frozen = self.snapshot(snapshot)
        _check_of(frozen, (plan_hash(self.plan), drawn.record_hash))
        return self.binding, drawn, frozen

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
        panels = {what: self._tabulated(what, frozen).panel for what in asked}
        return Described(
            protocol=protocol,
            plan=document,
            description=described(
                protocol, assignment, panels, digests=(plan_hash(document), *((name,) if name else ()))
            ),
            as_of=self.records.last_day if frozen is None else frozen.as_of,
            snapshot=name or "",
        )

    def neighbours(self) -> Map:
        """Who touches whom, and since when the pilots have had the new way, as the committed plan lists them."""
        from trialkit.estimate.neighbours import Map

        pairs = [(a, b) for a, b in self.plan.get("neighbours", ())]
        outside = [(unit["id"], unit.get("fixed", "")) for unit in self.plan.get("outside", ())]
        return Map.of(self.binding, pairs, outside)

    def _facts(self) -> dict[str, dict[str, str]]:
        """What the committed plan lists of each unit."""
        return {unit["id"]: dict(unit.get("facts", ())) for unit in self.plan.get("units", ())}


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
            raise missing_record(folder, entered)
        raise DrawError(
            f"{folder.draw_id} has not been drawn, so there is nothing to compare yet. Run `trialkit draw` first.",
            {"draw_id": folder.draw_id},
            da=f"Der er ikke trukket lod i {folder.draw_id}, så der er intet at sammenligne endnu. Kør `trialkit draw` først.",
            code="E_NOT_DRAWN",
        )
    verdict = folder.verify()
    if verdict.error is not None:
        entered = _entered(folder)
        if entered and not is_entered(folder, entered):
            raise changed_record(folder, entered, verdict.error)
        raise verdict.error
    assert verdict.draw is not None
    return verdict, verdict.draw


def _entered(folder: DrawFolder) -> str:
    """The record that the ledger enters; empty where the ledger itself is damaged."""
    try:
        return folder.story().drawn or ""
    except TrialkitError:
        return ""


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
