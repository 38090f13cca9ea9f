"""Protocol and units -> Design: how each draft becomes a draw of the specification."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

from trialkit.design import constructors
from trialkit.design.covariates import balanced
from trialkit.design.parts_design import PartsDesign
from trialkit.design.places import DrawKey, draws, free_places, room_on, rounds, strata
from trialkit.design.sequential import SequentialDesign
from trialkit.errors import DesignError
from trialkit.protocol.model import Protocol
from trialkit.units import Units


def build(
    protocol: Protocol, units: Units, *, draw: DrawKey | None = None, free: int | None = None
) -> PartsDesign | SequentialDesign:
    """The design a protocol promises, on its units.

    Parameters
    ----------
    protocol : what was promised
    units : as `trialkit.population.population` gives them: eligible, with blocks, clusters and fixed labels;
        for a lottery for places everybody in the queue, and none for a rolling lottery
    draw : which of `draws`; needed where there are several
    free : how many places are free, in a lottery for places; all of them in the first round if left out

    Labels stand in the order of the waves, or of the arms' ids.

    Raises
    ------
    DesignError
        Nothing is drawn by lot, the draw is not named, or the design cannot be drawn.
    """
    if not protocol.drawn:
        raise not_drawn(protocol)
    if protocol.design == "rolling_lottery":
        return _sequential(protocol)
    if protocol.design == "place_lottery":
        return _places(protocol, units, draw, free)
    units, constraint = balanced(protocol, units)
    level: Literal["unit", "cluster"] = "cluster" if protocol.clusters else "unit"
    return _ONE_TIME[protocol.design](protocol, units, level=level, method=_method(protocol), constraint=constraint)


def not_drawn(protocol: Protocol) -> DesignError:
    """The refusal of every question about chance where no lot was drawn."""
    return DesignError(
        f"{protocol.protocol} was not drawn by lot, so there is no chance to describe and no lottery to repeat. "
        "`trialkit record` and `trialkit freeze` take the numbers in, and `trialkit estimate` describes them, without --year "
        "and --spillover; there is nothing to commit or draw.",
        {"protocol": protocol.protocol},
        da=f"{protocol.protocol} er ikke afgjort ved lodtrækning, så der er intet tilfælde at beskrive og ingen "
        "lodtrækning at gentage. `trialkit record` og `trialkit freeze` indlæser og låser tallene, og `trialkit estimate` "
        "beskriver dem, uden --year og --spillover; der er intet at låse eller trække lod om.",
        code="E_NOT_DRAWN",
    )


def _method(protocol: Protocol) -> Literal["shuffle", "rank"]:
    return "rank" if protocol.lottery and protocol.lottery.method == "rank" else "shuffle"


def _arms(protocol: Protocol) -> dict[str, int]:
    return {name: arm.weight for name, arm in protocol.arms.items()}


def _complete(protocol: Protocol, units: Units, **rest: Any) -> PartsDesign:
    return constructors.complete(units, _arms(protocol), **rest)


def _blocked(protocol: Protocol, units: Units, **rest: Any) -> PartsDesign:
    return constructors.blocked(units, _arms(protocol), **rest)


def _matched(protocol: Protocol, units: Units, **rest: Any) -> PartsDesign:
    return constructors.matched(units, _arms(protocol), **rest)


def _rollout(protocol: Protocol, units: Units, *, constraint: None, **rest: Any) -> PartsDesign:
    return constructors.rollout(units, _places_of_waves(protocol), **rest)


def _phased(protocol: Protocol, units: Units, **rest: Any) -> PartsDesign:
    if not protocol.strata.by:
        return constructors.stepped_wedge(units, _places_of_waves(protocol), **rest)
    names = {name for wave in protocol.waves if not isinstance(wave.places, int) for name in wave.places}
    found = {unit.block or "" for unit in units}
    if names != found:
        raise DesignError(
            f"The draft gives places for the strata {_listed(names)}, and the units are in {_listed(found)}, so "
            "somebody "
            "would have no place. Make them agree.",
            {"strata": sorted(names), "found": sorted(found)},
            da=f"Udkastet giver pladser til strata {_listed(names)}, og enhederne er i {_listed(found)}, så "
            "nogen ville "
            "mangle en plads. Få dem til at stemme.",
        )
    quotas = {name: [_place(wave.places, name) for wave in protocol.waves] for name in names}
    return constructors.blocked_wedge(units, [wave.id for wave in protocol.waves], quotas, **rest)


_ONE_TIME: Final[dict[str, Callable[..., PartsDesign]]] = {
    "complete": _complete,
    "blocked": _blocked,
    "matched": _matched,
    "phased_rollout": _phased,
    "capacity_rollout": _rollout,
}


def _places_of_waves(protocol: Protocol) -> dict[str, int]:
    return {wave.id: _place(wave.places, "") for wave in protocol.waves}


def _place(places: Any, stratum: str) -> int:
    return places if isinstance(places, int) else int(places[stratum])


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names, key=str.encode)) or "-"


def _sequential(protocol: Protocol) -> SequentialDesign:
    lottery = protocol.lottery
    if lottery is None or lottery.length is None:  # the protocol's own checks see to it
        raise DesignError(
            "A rolling lottery needs block sizes and a length.",
            da="En løbende lodtrækning kræver blokstørrelser og en længde.",
        )
    named = strata(protocol) or ("all",)
    return constructors.sequential(named, _arms(protocol), lottery.block_sizes, lottery.length)


def _places(protocol: Protocol, units: Units, draw: DrawKey | None, free: int | None) -> PartsDesign:
    known = draws(protocol)
    if draw is None:
        if len(known) > 1:
            raise _several(known)
        draw = known[0]
    elif draw not in known:
        raise DesignError(
            f"{draw.id} is not a draw of {protocol.protocol}.",
            {"draw": draw.id},
            da=f"{draw.id} er ikke en lodtrækning i {protocol.protocol}.",
        )
    queue = Counter(unit.block or "" for unit in units)
    number = free_places(protocol, {name: queue[name] for name in strata(protocol)}, _free(protocol, draw, free))
    mine = _tiered(protocol, units.where(lambda unit: not draw.stratum or unit.block == draw.stratum))
    level: Literal["unit", "cluster"] = "cluster" if protocol.clusters else "unit"
    return constructors.lottery(mine, number[draw.stratum], level=level, method=_method(protocol))


def _tiered(protocol: Protocol, units: Units) -> Units:
    """Everybody in one tier, unless the draft names a column of priorities."""
    column = protocol.lottery.priority if protocol.lottery else None
    if column is None:
        return units
    for unit in units:
        if not re.fullmatch("[1-9][0-9]{0,3}", unit.facts.get(column, ""), re.ASCII):
            raise DesignError(
                f"The unit {unit.id!r} has {unit.facts.get(column, '')!r} in the column of priorities {column!r}; 1, 2, 3 "
                "... is asked, and all of 1 come before all of 2. Correct it.",
                {"unit": unit.id, "column": column},
                da=f"Enheden {unit.id!r} har {unit.facts.get(column, '')!r} i prioritetskolonnen {column!r}; der skal stå "
                "1, 2, 3 ..., og alle med 1 kommer før alle med 2. Ret det.",
            )
    return units.map(lambda unit: replace(unit, tier=int(unit.facts[column])))


def _free(protocol: Protocol, draw: DrawKey, free: int | None) -> int:
    """The number of free places: as given, or all there is room for while nobody has been drawn."""
    first = not protocol.rounds or draw.round == rounds(protocol)[0][0]
    room = room_on(protocol, draw.day)
    if free is not None:
        if free < 0 or (room is not None and free > room):
            raise DesignError(
                f"{free} places are said to be free in {draw.id}, and there is room for {room} in all. Correct "
                "the number.",
                {"free": free, "room": room},
                da=f"Der siges at være {free} ledige pladser i {draw.id}, og der er plads til {room} i alt. Ret "
                "tallet.",
            )
        return free
    if first and room is not None:
        return room
    raise DesignError(
        f"How many places are free in {draw.id} is not in the draft: it depends on who has left. Say how many "
        "are free.",
        {"draw": draw.id},
        da=f"Hvor mange pladser der er ledige i {draw.id}, står ikke i udkastet: det afhænger af, hvem der er stoppet. "
        "Skriv, hvor mange der er ledige.",
        code="E_FREE_PLACES",
    )


def _several(known: tuple[DrawKey, ...]) -> DesignError:
    return DesignError(
        f"This protocol holds {len(known)} draws, one per round and stratum, and strata never become tiers of "
        "one draw: "
        f"that would rank them. Name one, for example {known[0].id}.",
        {"draws": [key.id for key in known]},
        da=f"Protokollen rummer {len(known)} lodtrækninger, én pr. runde og stratum, og strata bliver aldrig "
        "til trin i én "
        f"lodtrækning: det ville rangordne dem. Nævn én, for eksempel {known[0].id}.",
        code="E_TIERS",
    )
