"""Contradictions about the lottery: sources, witnesses, hidden blocks, places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from trialkit.protocol.contradiction import (
    ARM,
    STRATUM,
    Contradiction,
    Path,
    arms_called,
    unknown,
)
from trialkit.protocol.lottery import EACH_COMMITMENT, Drand, NumberedTable, Published, SealedSecret

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


def _lottery(it: Protocol) -> Iterator[Contradiction]:
    if it.lottery is None:
        return
    lottery, rolling = it.lottery, it.design == "rolling_lottery"
    if (lottery.method == "hidden_blocks") != rolling:
        instead = "hidden_blocks" if rolling else "shuffle"
        yield Contradiction(
            ("lottery", "method"),
            f"design: {it.design} is drawn by method: {instead}.",
            f"design: {it.design} trækkes med method: {instead}.",
            instead,
        )
    for field, design in (
        ("block_sizes", "rolling_lottery"),
        ("length", "rolling_lottery"),
        ("only_when", "rolling_lottery"),
        ("free_places", "place_lottery"),
        ("priority", "place_lottery"),
        ("queue", "place_lottery"),
    ):
        if getattr(lottery, field) and it.design != design:
            yield Contradiction(
                ("lottery", field), f"{field} belongs to design: {design}.", f"{field} hører til design: {design}."
            )
    if lottery.witnesses.needed > len(lottery.witnesses.names):
        yield Contradiction(
            ("lottery", "witnesses", "needed"),
            f"{lottery.witnesses.needed} witnesses are needed and {len(lottery.witnesses.names)} are named.",
            f"Der kræves {lottery.witnesses.needed} vidner, og {len(lottery.witnesses.names)} er nævnt.",
        )
    for what, values in (
        ("name", [w.name for w in lottery.witnesses.names]),
        ("public_key", [w.public_key for w in lottery.witnesses.names]),
    ):
        if len(set(values)) < len(values):
            yield Contradiction(
                ("lottery", "witnesses", "names"),
                f"Two witnesses have the same {what}.",
                "To vidner har samme navn eller nøgle.",
            )


def _sources(it: Protocol) -> Iterator[Contradiction]:
    sources = it.lottery.sources if it.lottery else ()
    path: Path = ("lottery", "sources")
    beacons = [place for place, source in enumerate(sources) if isinstance(source, Drand)]
    if len(beacons) > 1:
        yield Contradiction(
            (*path, beacons[1]), "At most one drand round can be named.", "Der kan højst nævnes én drand-runde."
        )
    tables = [place for place, source in enumerate(sources) if isinstance(source, NumberedTable)]
    if tables and (len(sources) > 1 or (it.lottery and it.lottery.method != "rank")):
        yield Contradiction(
            (*path, tables[0]),
            "A numbered table is the only source and needs method: rank.",
            "En nummereret tabel er den eneste kilde og kræver method: rank.",
        )
    keepers = [source.sealed_secret for source in sources if isinstance(source, SealedSecret)]
    if len(set(keepers)) < len(keepers):
        yield Contradiction(
            path, "Each sealed secret has its own keeper.", "Hver forseglet hemmelighed har sin egen vogter."
        )
    if sources and all(isinstance(source, Published) for source in sources) and it.approvals:
        yield Contradiction(
            path,
            "A published seed is known to everybody beforehand: an official draw needs dice, a sealed secret or drand.",
            "Et offentligt frø er kendt af alle på forhånd: en officiel lodtrækning kræver terninger, en forseglet "
            "hemmelighed eller drand.",
        )
    for place in beacons:
        source = sources[place]
        if isinstance(source, Drand) and source.drand == EACH_COMMITMENT and not it.rounds:
            yield Contradiction(
                (*path, place, "drand"),
                "Without rounds, name the day and time the round comes after.",
                "Uden runder (rounds) skal du skrive den dag og det klokkeslæt, runden kommer efter.",
            )


def _rolling(it: Protocol) -> Iterator[Contradiction]:
    if it.design != "rolling_lottery" or it.lottery is None:
        return
    total = sum(arm.weight for arm in it.arms.values())
    for field in ("block_sizes", "length"):
        if not getattr(it.lottery, field):
            yield Contradiction(
                ("lottery",), f"A rolling lottery needs {field}.", f"En løbende lodtrækning kræver {field}."
            )
    for place, size in enumerate(it.lottery.block_sizes):
        if size % total:
            yield Contradiction(
                ("lottery", "block_sizes", place),
                f"A block of {size} cannot hold the arms' weights (sum {total}): use multiples of {total}.",
                f"En blok på {size} kan ikke rumme armenes vægte (sum {total}): brug multipla af {total}.",
            )
    if len(set(it.lottery.block_sizes)) < len(it.lottery.block_sizes):
        yield Contradiction(
            ("lottery", "block_sizes"), "The block sizes must differ.", "Blokstørrelserne skal være forskellige."
        )
    if it.units.created != "on_arrival":
        yield Contradiction(
            ("units",),
            "In a rolling lottery people come one by one: write created: on_arrival.",
            "I en løbende lodtrækning kommer folk én ad gangen: skriv created: on_arrival.",
        )
    for stratum in it.strata.by:
        if not stratum.values:
            yield Contradiction(
                ("strata",),
                f"Nobody has come yet, so the values of {stratum.column} must be listed.",
                f"Ingen er kommet endnu, så værdierne af {stratum.column} skal skrives op.",
            )


def _places(it: Protocol) -> Iterator[Contradiction]:
    if it.capacity and it.capacity.arm:
        yield from unknown(("capacity", "arm"), it.capacity.arm, it.arms, ARM, arms_called(it))
    if it.capacity:
        for place, (before, after) in enumerate(pairwise(it.capacity.steps), start=1):
            if after.from_ <= before.from_:
                yield Contradiction(
                    ("capacity", "steps", place, "from"),
                    "The steps of capacity come in order of time.",
                    "Trinene i kapaciteten skrives i tidsrækkefølge.",
                )
    if it.rounds and it.rounds.last < it.rounds.first:
        yield Contradiction(
            ("rounds", "last"), "The last round comes before the first.", "Sidste runde ligger før den første."
        )
    if it.design != "place_lottery" or it.lottery is None:
        return
    if it.rounds and it.capacity and it.capacity.steps and it.capacity.steps[0].from_ > it.rounds.first:
        yield Contradiction(
            ("rounds", "first"),
            "There is a round before there is any capacity.",
            "Der er en runde, før der er nogen kapacitet.",
        )
    free = it.lottery.free_places
    if free is None:
        yield Contradiction(
            ("lottery",),
            "A lottery for places needs free_places: a number, or share_of_queue per stratum.",
            "En lodtrækning om pladser kræver free_places: et tal eller share_of_queue pr. stratum.",
        )
    elif isinstance(free, (int, str)) != (not it.strata.by):
        yield Contradiction(
            ("lottery", "free_places"),
            "free_places is given per stratum exactly when there are strata.",
            "free_places angives pr. stratum, netop når der er strata.",
        )
    elif not isinstance(free, (int, str)) and len(it.strata.by) == 1 and it.strata.by[0].values:
        values = it.strata.by[0].values
        for name in free:
            yield from unknown(("lottery", "free_places", name), name, values, STRATUM)
        for missing in sorted(set(values) - set(free)):
            yield Contradiction(
                ("lottery", "free_places"),
                f"The stratum {missing} has no line in free_places.",
                f"Stratummet {missing} har ingen linje i free_places.",
            )
    if it.lottery.priority and it.lottery.priority in it.strata.columns:
        yield Contradiction(
            ("lottery", "priority"),
            "Strata never become priorities: that would rank them.",
            "Strata bliver aldrig prioriteter: det ville rangordne dem.",
        )


RULES = (_lottery, _sources, _rolling, _places)
