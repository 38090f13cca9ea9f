"""The official steps of a trial's draws: commitment, approval, rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trialkit.canonical import digest, jcs, parse
from trialkit.design.compile import build
from trialkit.design.observed import observed
from trialkit.design.parts_design import PartsDesign
from trialkit.design.places import DrawKey
from trialkit.design.sequential import SequentialDesign
from trialkit.draw.announce import prepare
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import Draw
from trialkit.draw.publish import replace
from trialkit.draw.sources import REHEARSAL_ID, announce
from trialkit.errors import CanonicalError, DesignError, DrawError, TrialkitError
from trialkit.population import Population, population
from trialkit.protocol.plan import plan_hash

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    pass

from trialkit.trial.promise import Promise, which


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commitment made, to be read aloud and published."""

    draw_id: str
    fingerprint: str
    plan_hash: str
    head: str
    folder: DrawFolder


@dataclass(frozen=True)
class Draws(Promise):
    """A trial's folder with its draws."""

    def drawings(self) -> tuple[DrawFolder, ...]:
        """The draws that have a folder, in the order of their names."""
        return tuple(DrawFolder(path.parent) for path in sorted(self.folder.glob("draws/*/ledger.jsonl")))

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
            raise which([one.draw_id for one in named])
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

    def labels(self) -> dict[str, str] | None:
        """The wave or arm of each unit as it was drawn, or entered where nothing was drawn; None before the draw."""
        if not self.binding.drawn:
            seen = observed(self.binding, population(self.binding, self.folder).units)
            return dict(zip(seen.units.ids, seen.waves, strict=True))
        found = {
            unit["id"]: unit["label"]
            for one in self._official()
            if one.record_bytes
            for unit in parse(one.record_bytes, file=str(one.path / "record.json"))["result"].get("allocation", ())
        }
        return found or None

    def _official(self) -> list[DrawFolder]:
        """The draws that are not rehearsals."""
        return [one for one in self.drawings() if REHEARSAL_ID not in one.draw_id]

    def _drawn(self) -> list[tuple[str, str]]:
        """(draw_id, record_hash) of each official draw, after seeing that plan and record are those that were bound."""
        found = []
        for one in self._official():
            self._check_bound(one)
            if drawn := one.story().drawn:
                if not one.record_bytes:
                    raise missing_record(one, drawn)
                if not is_entered(one, drawn):
                    raise changed_record(one, drawn)
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


def is_entered(folder: DrawFolder, drawn: str) -> bool:
    """Whether ``record.json`` is the record that the ledger enters; a file that cannot be read is not."""
    try:
        return digest(parse(folder.record_bytes)) == drawn
    except CanonicalError:
        return False


def missing_record(folder: DrawFolder, drawn: str) -> DrawError:
    file = folder.path / "record.json"
    return DrawError(
        f"{file} is missing. The ledger says that the draw was made ({drawn}), and without the record nobody can see whose "
        "turn came when. Bring it back from a copy, such as the published one, and run `trialkit verify`.",
        {"file": str(file), "draw_id": folder.draw_id, "drawn": drawn},
        da=f"{file} mangler. Ifølge logbogen er der trukket lod ({drawn}), og uden resultatfilen kan ingen se, hvem der kom "
        "til hvornår. Hent den fra en kopi, fx den offentliggjorte, og kør `trialkit verify`.",
        code="E_RECORD_HASH",
    )


def changed_record(folder: DrawFolder, drawn: str, error: TrialkitError | None = None) -> DrawError:
    """A record that was changed since the draw; by the name of what the check found first, where there is one."""
    file = folder.path / "record.json"
    return DrawError(
        f"{file} was changed since the draw: it is not the record that the ledger entered ({drawn}), so nobody knows which "
        "draw the data belong to. Bring it back from a copy, such as the published one, and run `trialkit verify`.",
        {**(error.facts if error else {}), "file": str(file), "draw_id": folder.draw_id, "drawn": drawn},
        da=f"{file} er ændret siden lodtrækningen: den er ikke den resultatfil, logbogen har indført ({drawn}), så ingen ved, "
        "hvilken lodtrækning data hører til. Hent den fra en kopi, fx den offentliggjorte, og kør `trialkit verify`.",
        code=error.code if error else "E_RECORD_HASH",
    )
