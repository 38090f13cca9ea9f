"""Lotteries for places: which draws a protocol holds, and how free places are split between strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import product

from trialkit.errors import DesignError
from trialkit.protocol.model import Protocol
from trialkit.protocol.text import slug

_LONGEST_ID = 57  # 64 in the specification, less what a rehearsal adds
_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


@dataclass(frozen=True, slots=True)
class DrawKey:
    """One draw of a trial: ``id`` is its draw_id; most trials have one, without round or stratum."""

    id: str
    round: str = ""
    stratum: str = ""
    day: date | None = None  # of the round


def draws(protocol: Protocol) -> tuple[DrawKey, ...]:
    """The draws a protocol holds, in order; none where no lot is drawn.

    A lottery for places is drawn once per round and stratum: ``hfi_2023.2023q1.norrebro``.

    Raises
    ------
    DesignError
        Two strata would share a draw's id.
    """
    if not protocol.drawn:
        return ()
    if protocol.design != "place_lottery":
        return (DrawKey(protocol.protocol),)
    held: list[tuple[str, date | None]] = [*rounds(protocol)] or [("", None)]
    keys = [
        DrawKey(".".join(part for part in (protocol.protocol, name, slug(stratum)) if part), name, stratum, day)
        for name, day in held
        for stratum in strata(protocol) or ("",)
    ]
    if len({key.id for key in keys}) < len(keys):
        raise DesignError(
            "Two strata would give their draws the same id, so their ledgers could not be told apart. Rename one.",
            da="To strata ville give deres lodtrækninger samme id, så protokollerne ikke kunne kendes fra hinanden. "
            "Omdøb den ene.",
        )
    if longest := next((key.id for key in keys if len(key.id) > _LONGEST_ID), ""):
        raise DesignError(
            f"The draw's id {longest} is longer than {_LONGEST_ID} letters, so it cannot be announced. Shorten the "
            "protocol's id or the stratum's name.",
            {"draw": longest},
            da=f"Lodtrækningens id {longest} er længere end {_LONGEST_ID} tegn, så den ikke kan bekendtgøres. Gør "
            "protokollens id eller stratummets navn kortere.",
        )
    return tuple(keys)


def strata(protocol: Protocol) -> tuple[str, ...]:
    """The names of the strata in the order the protocol lists them; empty where it lists none.

    Several columns give names such as ``3 / Region Nordjylland``.
    """
    listed = [stratum.values for stratum in protocol.strata.by]
    if listed and all(listed):
        return tuple(" / ".join(values) for values in product(*listed))
    free = protocol.lottery.free_places if protocol.lottery else None
    return tuple(free) if isinstance(free, Mapping) else ()


def rounds(protocol: Protocol) -> list[tuple[str, date]]:
    """The rounds of a lottery for places, each with its day: ``2023q1`` on 2023-02-01."""
    if protocol.rounds is None:
        return []
    found, step, every = [], _MONTHS[protocol.rounds.every], protocol.rounds.every
    first = protocol.rounds.first
    months = first.year * 12 + first.month - 1
    while (day := _on(months, first.day)) <= protocol.rounds.last:
        part = (day.month - 1) // step + 1
        name = {"month": f"{day:%Y}m{day:%m}", "quarter": f"{day:%Y}q{part}", "half_year": f"{day:%Y}h{part}"}
        found.append((name.get(every, f"{day:%Y}"), day))
        months += step
    return found


def _on(months: int, day: int) -> date:
    """The day of a month counted from year 0; the last day where the month is shorter."""
    while True:
        try:
            return date(months // 12, months % 12 + 1, day)
        except ValueError:
            day -= 1


def room_on(protocol: Protocol, day: date | None) -> int | None:
    """How many places there are on ``day``; None where the draft does not know it."""
    capacity = protocol.capacity
    if capacity is None:
        return None
    if capacity.places is not None:
        return None if capacity.places == "unknown" else int(capacity.places)
    begun = [step.places for step in capacity.steps if day is None or step.from_ <= day]
    return begun[-1] if begun else 0


def free_places(protocol: Protocol, queue: Mapping[str, int], free: int) -> dict[str, int]:
    """How many of the ``free`` places each stratum draws for.

    A stratum with a number of its own has that number.  Those with ``share_of_queue`` share the rest in proportion
    to their ``queue`` by largest remainder; equal remainders go to the stratum the protocol lists first.  Nobody has
    more places than people in the queue.

    Raises
    ------
    DesignError
        The promised numbers are more than the free places, or a stratum of the protocol has no queue given.
    """
    asked = protocol.lottery.free_places if protocol.lottery else None
    if not isinstance(asked, Mapping):
        return {"": free if asked in (None, "share_of_queue") else int(str(asked))}
    names = [name for name in strata(protocol) if name in asked]
    if missing := [name for name in names if name not in queue]:
        raise DesignError(
            f"How many stand in the queue of {missing[0]!r} is not known, so the places cannot be shared. Give 0 if "
            "nobody does.",
            {"strata": missing},
            da=f"Det vides ikke, hvor mange der står i køen i {missing[0]!r}, så pladserne kan ikke fordeles. Skriv 0, "
            "hvis ingen gør.",
        )
    own = {name: asked[name] for name in names if isinstance(asked[name], int)}
    promised = {name: int(number) for name, number in own.items()}
    if sum(promised.values()) > free:
        raise DesignError(
            f"The draft promises {sum(promised.values())} places and {free} are free, so somebody would be promised a "
            "place that is not there. Lower the numbers, or draw later.",
            {"promised": promised, "free": free},
            da=f"Udkastet lover {sum(promised.values())} pladser, og {free} er ledige, så nogen ville få lovning på en "
            "plads, der ikke findes. Sænk tallene, eller træk senere.",
        )
    sharing = [name for name in names if name not in promised]
    shared = _largest_remainder([queue[name] for name in sharing], free - sum(promised.values()))
    given = {**promised, **dict(zip(sharing, shared, strict=True))}
    return {name: min(given[name], queue[name]) for name in names}


def _largest_remainder(sizes: Sequence[int], places: int) -> list[int]:
    """``places`` in proportion to ``sizes``; equal remainders to the first (Hamilton's method)."""
    total = sum(sizes)
    places = min(places, total)
    if not total:
        return [0] * len(sizes)
    exact = [Fraction(size * places, total) for size in sizes]
    given = [share.__floor__() for share in exact]
    order = sorted(range(len(sizes)), key=lambda place: (given[place] - exact[place], place))
    for place in order[: places - sum(given)]:
        given[place] += 1
    return given
