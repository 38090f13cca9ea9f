"""Exposure: which units could have met the new way through a neighbour, under what was drawn and what could have been.

Areas touch; families move and staff talk.  Every unit-period is in one of four conditions, by whether it has started
itself and whether any neighbour has, and the design says how probable each was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn, ReferenceSet
from trialkit.estimate.within_months import STARTED, WAITING, Calendar, check_panel, start_dates, states
from trialkit.panel import Panel
from trialkit.units import Units

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CONDITIONS: Final = ("waiting, clean", "waiting, exposed", "started, alone", "started, beside started")
NEITHER: Final = -1  # a period in which the unit's own start falls
CELLS: Final = 2**19  # allocations x units x periods in hand at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Exposure:
    """Who touches whom, and who has started when: the exposure of every unit-period under any allocation.

    Parameters
    ----------
    drawn : Drawn
    ids : (n,) units, in the design's order
    touching : (n, n) bool, symmetric, False on the diagonal
    pilots : (n,) int, neighbours outside the design that had started beforehand
    periods : (t,) labels; one empty label without periods
    states : (n_labels, t) int8, as `trialkit.estimate.within_months.states`
    """

    drawn: Drawn
    ids: tuple[str, ...]
    touching: Bools
    pilots: NDArray[np.intp]
    periods: tuple[str, ...]
    states: NDArray[np.int8]

    @classmethod
    def of_rollout(
        cls,
        drawn: Drawn,
        periods: Sequence[str],
        starts: Mapping[str, date | None],
        *,
        window_days: int = 0,
        neighbours: Iterable[tuple[str, str]] | None = None,
        pilots: Collection[str] = (),
    ) -> Self:
        """Unit-periods of a rollout in waves.

        Parameters
        ----------
        periods : months, quarters or years, as in the panel
        starts : date of each label, None for one that never starts
        window_days : how long after birth an event may still count
        neighbours : pairs of ids, pilots among them; those of the design's units unless given
        pilots : ids of units outside the design that had started before the first period

        Raises
        ------
        EstimateError
            A label without a start, an id that is neither a unit nor a pilot, or periods that are not.
        """
        dates = start_dates(drawn.design.label_names, starts)
        found = states(Calendar.of(periods), dates, window_days=window_days)
        return cls._of(drawn, tuple(periods), found, neighbours, pilots)

    @classmethod
    def of_arms(
        cls,
        drawn: Drawn,
        new: str,
        *,
        neighbours: Iterable[tuple[str, str]] | None = None,
        pilots: Collection[str] = (),
    ) -> Self:
        """One period, in which the label ``new`` has started and every other waits.

        Raises
        ------
        EstimateError
            An unknown label, or an id that is neither a unit nor a pilot.
        """
        found = np.full((len(drawn.design.label_names), 1), WAITING, np.int8)
        found[drawn.code(new)] = STARTED
        return cls._of(drawn, ("",), found, neighbours, pilots)

    @classmethod
    def _of(
        cls,
        drawn: Drawn,
        periods: tuple[str, ...],
        found: NDArray[np.int8],
        neighbours: Iterable[tuple[str, str]] | None,
        pilots: Collection[str],
    ) -> Self:
        units = getattr(drawn.design, "units", None)
        ids = units.ids if isinstance(units, Units) else drawn.design.items
        pairs = units.neighbours if neighbours is None and isinstance(units, Units) else neighbours or ()
        touching, beside = _graph(ids, pairs, set(pilots))
        return cls(drawn=drawn, ids=tuple(ids), touching=touching, pilots=beside, periods=periods, states=found)

    @property
    def shape(self) -> tuple[int, int]:
        """Units and periods."""
        return len(self.ids), len(self.periods)

    @cached_property
    def neighbours(self) -> Floats:
        """(n,) how many neighbours each unit has, pilots among them."""
        found: Floats = self.touching.sum(axis=1) + self.pilots.astype(np.float64)
        return found

    def check(self, panel: Panel) -> None:
        """Refuse a panel of other units or periods.

        Raises
        ------
        EstimateError
            They differ, or it is no panel.
        """
        check_panel(panel)
        if panel.units != self.ids or len(panel.periods) != self.shape[1]:
            raise EstimateError(
                "The panel has other units or periods than the exposure, so outcomes would be credited to the wrong "
                "neighbours. Make both from the same units and periods.",
                {"units": len(panel.units), "periods": len(panel.periods)},
                da="Tallene gælder andre enheder eller perioder end naboskaberne, så udfald ville blive regnet til de "
                "forkerte. Dan begge ud fra de samme enheder og perioder.",
            )

    def own(self, codes: Codes) -> NDArray[np.int8]:
        """(k, n, t) each unit's own state: 1 started, 0 waiting, -1 its start falls in the period or its window."""
        found: NDArray[np.int8] = self.states[codes[:, self.drawn.design.item_of_unit]]
        return found

    def shares(self, codes: Codes) -> Floats:
        """(k, n, t) the share of each unit's neighbours that had started; 0 for a unit without neighbours.

        A neighbour whose start falls in the period, or in its window, counts as started: only those are clean that
        nobody can have reached.
        """
        return self._shared((self.own(codes) != WAITING).astype(np.float64))

    def expected_shares(self, chances: Floats) -> Floats:
        """(n, t) the mean of `shares` where each item has each label with probability ``chances`` (n_items, n_labels)."""
        met = chances @ (self.states != WAITING).astype(np.float64)
        return self._shared(met[self.drawn.design.item_of_unit])

    def _shared(self, met: Floats) -> Floats:
        """From who has started, or how probably, (..., n, t), the share of each unit's neighbours."""
        count = np.matmul(self.touching.astype(np.float64), met) + self.pilots[:, None]
        found: Floats = count / np.maximum(self.neighbours, 1)[:, None]
        return found

    def conditions(self, codes: Codes) -> NDArray[np.int8]:
        """(k, n, t) place in `CONDITIONS`; -1 where the unit's own start falls in the period or its window."""
        own = self.own(codes)
        exposed = self.shares(codes) > 0
        return np.where(own == STARTED, 2 + exposed, np.where(own == WAITING, exposed, NEITHER)).astype(np.int8)

    def chunks(self, reference: ReferenceSet) -> Iterator[tuple[Codes, float]]:
        """Allocations so many at a time that their cells fit in the cache."""
        rows = max(1, CELLS // (self.shape[0] * self.shape[1]))
        for codes, weight in reference.chunks():
            for start in range(0, len(codes), rows):
                yield codes[start : start + rows], weight

    def probabilities(self, reference: ReferenceSet) -> Floats:
        """(4, n, t) how probable each condition of each unit-period was.

        Exact over all allocations; from draws the share among them, the allocation drawn being one of them, so that
        nothing that happened has probability 0.

        References
        ----------
        Aronow and Samii (2017), doi:10.1214/16-AOAS1005, section 3 and equation 4.
        """
        found, total = np.zeros((len(CONDITIONS), *self.shape)), 0.0
        for codes, weight in self.chunks(reference):
            here = self.conditions(codes)
            total += weight * len(codes)
            for number in range(len(CONDITIONS)):
                found[number] += weight * np.count_nonzero(here == number, axis=0)
        return found / total


@dataclass(frozen=True, eq=False, kw_only=True)
class Exposed:
    """What the lot gave, and what it could have given.

    Parameters
    ----------
    ids, periods : units and periods
    conditions : (n, t) place in `CONDITIONS` under the allocation drawn; -1 neither
    shares : (n, t) share of neighbours started
    probabilities : (4, n, t) of each condition
    exact : over all allocations
    clean : (t,) waiting units with no started neighbour, as drawn; ``most_clean`` : (t,) the most under any allocation
    """

    ids: tuple[str, ...]
    periods: tuple[str, ...]
    conditions: NDArray[np.int8]
    shares: Floats
    probabilities: Floats
    exact: bool
    clean: NDArray[np.intp]
    most_clean: NDArray[np.intp]

    @property
    def never(self) -> tuple[str, ...]:
        """Conditions that no unit has in any period under any allocation gone through."""
        return tuple(name for name, p in zip(CONDITIONS, self.probabilities, strict=True) if not p.any())

    @property
    def always_exposed(self) -> tuple[str, ...]:
        """Units that, while they wait, have a started neighbour in every period under every allocation."""
        waiting = self.probabilities[:2].sum(axis=0).any(axis=1)
        clean = self.probabilities[0].any(axis=1)
        return tuple(id for id, w, c in zip(self.ids, waiting, clean, strict=True) if w and not c)

    def said(self, lang: str = "en") -> str:
        """What the map allows, in a sentence or two."""
        if CONDITIONS[0] in self.never:
            return (
                "Ingen ventende enhed er nogen sinde uden en begyndt nabo, så effekten kan ikke skilles fra, hvad "
                "naboerne spreder."
                if lang == "da"
                else "No waiting unit is ever without a started neighbour, so the effect cannot be told apart from what "
                "neighbours spread."
            )
        always = ", ".join(self.always_exposed)
        if lang == "da":
            tail = f" Altid udsat, mens de venter: {always}." if always else ""
            return f"Højst {self.most_clean.max()} ventende enheder er på én gang uden en begyndt nabo.{tail}"
        tail = f" Always exposed while they wait: {always}." if always else ""
        return f"At most {self.most_clean.max()} waiting units are without a started neighbour at once.{tail}"


def exposed(exposure: Exposure, reference: ReferenceSet) -> Exposed:
    """Exposure as drawn, beside what the design could have given.

    Parameters
    ----------
    exposure : Exposure
    reference : ReferenceSet
        All allocations, or draws (`trialkit.estimate.drawn.ReferenceSet.of`).
    """
    drawn = exposure.drawn.codes[None, :]
    own = exposure.conditions(drawn)[0]
    most = np.zeros(exposure.shape[1], np.intp)
    for codes, _ in exposure.chunks(reference):
        most = np.maximum(most, (exposure.conditions(codes) == 0).sum(axis=1).max(axis=0))
    return Exposed(
        ids=exposure.ids,
        periods=exposure.periods,
        conditions=own,
        shares=exposure.shares(drawn)[0],
        probabilities=exposure.probabilities(reference),
        exact=reference.exact,
        clean=(own == 0).sum(axis=0),
        most_clean=most,
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs, checked to be two ids each.

    Raises
    ------
    EstimateError
        One is not.
    """
    found = list(pairs) if isinstance(pairs, Iterable) and not isinstance(pairs, str) else [pairs]
    for pair in found:
        two = isinstance(pair, Collection) and not isinstance(pair, str) and len(pair) == 2
        if not two or not all(isinstance(one, str) for one in pair):
            raise EstimateError(
                f"The neighbours {pair!r} are not a pair of two ids, so nobody can say who touches whom. Give one pair for "
                "each border.",
                {"pair": pair},
                da=f"Naboerne {pair!r} er ikke et par af to id'er, så ingen kan sige, hvem der er nabo til hvem. Giv ét par "
                "for hver grænse.",
            )
    return [tuple(pair) for pair in found]  # type: ignore[misc]


def _graph(ids: Sequence[str], pairs: Iterable[tuple[str, str]], pilots: set[str]) -> tuple[Bools, NDArray[np.intp]]:
    """Who touches whom within the design, and how many pilots touch each; each pair counts once."""
    place = {id: k for k, id in enumerate(ids)}
    touching, beside = np.zeros((len(ids), len(ids)), bool), np.zeros(len(ids), np.intp)
    for a, b in {(min(pair), max(pair)) for pair in _pairs(pairs)}:
        if unknown := [id for id in (a, b) if id not in place and id not in pilots]:
            raise EstimateError(
                f"{unknown[0]!r} touches a unit and is neither a unit of the design nor a pilot, so nobody knows whether "
                "it had started. Name it among the pilots, or leave the pair out.",
                {"pair": [a, b]},
                da=f"{unknown[0]!r} er nabo til en enhed, men er hverken med i lodtrækningen eller en pilot, så ingen "
                "ved, om den var begyndt. Nævn den som pilot, eller udelad parret.",
            )
        if a in place and b in place:
            touching[place[a], place[b]] = touching[place[b], place[a]] = a != b
        elif a in place or b in place:
            beside[place[a if a in place else b]] += 1
    return touching, beside


__all__ = ["CONDITIONS", "NEITHER", "Exposed", "Exposure", "exposed"]
