"""What the trial's folder promises: its draft, its plan, and the units and draws they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from trialkit.canonical import parse
from trialkit.design.compile import not_drawn
from trialkit.design.places import DrawKey, draws
from trialkit.errors import DrawError, UsageError
from trialkit.population import Population, population
from trialkit.power.checkup import Checkup, checkup
from trialkit.protocol.load import load
from trialkit.protocol.model import Protocol
from trialkit.protocol.plan import from_plan, plan
from trialkit.registers.read import read_table
from trialkit.units import Units

if TYPE_CHECKING:  # the records' database is loaded when it is asked for, not by every step of a draw
    from trialkit.power.candidates import Frame, Places


_SEED: Final = 20120201  # of the draws that stand in for an enumeration where allocations are too many to list


@dataclass(frozen=True)
class Promise:
    """A trial's folder as far as it is promised.

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
        found: dict[str, Any] = parse(path.read_bytes(), file=str(path))
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

    @cached_property
    def binding(self) -> Protocol:
        """What outcomes are counted by: the committed plan, or the draft while nothing is committed."""
        return self.promised if (self.folder / "plan.json").is_file() else self.protocol

    def draw_id(self, name: str = "") -> str:
        """The draw's id, where ``name`` is empty the only one.

        Raises
        ------
        UsageError
            The trial has several draws and none is named, or it has none of this name.
        """
        return self._key(name).id

    def _key(self, name: str) -> DrawKey:
        """One draw of the protocol, by its id."""
        keys = self._held()
        named = [key for key in keys if key.id == name or not name]
        if len(named) != 1:
            raise which([key.id for key in keys], name)
        return named[0]

    def _round(self, name: str) -> list[DrawKey]:
        """The draws of one round: all strata, or the one named whole."""
        named = [key for key in self._held() if name in (key.id, key.round)]
        if not named:
            raise which([key.id for key in self.keys], name)
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
        units = () if self._people_come() else people.units
        return plan(self.protocol, units, people.outside, people.touching)


def which(ids: list[str], name: str = "") -> UsageError:
    what = f"no draw is called {name!r}" if name else "the trial has several draws"
    hvad = f"ingen lodtrækning hedder {name!r}" if name else "forsøget har flere lodtrækninger"
    shown = ", ".join(ids[:8]) + (" ..." if len(ids) > 8 else "")
    return UsageError(
        f"Say which draw with --draw: {what}. They are: {shown or 'none'}.",
        {"draws": ids},
        da=f"Angiv lodtrækningen med --draw: {hvad}. De er: {shown or 'ingen'}.",
    )
