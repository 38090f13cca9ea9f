"""Other designs for the same units, or for units that have no names yet: what ``check --waves --units`` asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from trialkit.design.constructors import blocked_wedge, matched, stepped_wedge
from trialkit.design.parts_design import PartsDesign
from trialkit.errors import UsageError
from trialkit.units import Units

ONE_AT_A_TIME_UP_TO: Final = 12  # units; above it one wave per unit is nobody's plan

Places = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Units that a design could be drawn among: how many in each stratum, and who, if they have names.

    Parameters
    ----------
    sizes : units per stratum; one number without strata
    names : the units' ids, stratum by stratum; made up as u01, u02, ... if left out
    pilots_inside : how many of the units that were asked about are the draft's pilots, and so left out of ``sizes``
    label : the name of another list of units (``--frame``), for people
    """

    sizes: tuple[int, ...]
    names: tuple[tuple[str, ...], ...] = ()
    pilots_inside: int = 0
    label: str = ""

    @classmethod
    def of_text(cls, text: str) -> Self:
        """``8`` units, or ``4+4`` in two strata.

        Raises
        ------
        UsageError
            Not whole numbers above 0.
        """
        return cls(sizes=tuple(_whole(part, text) for part in text.split("+")))

    @classmethod
    def of_units(cls, units: Units, label: str = "") -> Self:
        """Named units, stratum by stratum; those fixed to a wave are not drawn."""
        blocks: dict[str, list[str]] = {}
        for unit in units:
            if unit.fixed is None:
                blocks.setdefault(unit.block or "", []).append(unit.id)
        names = tuple(tuple(blocks[block]) for block in sorted(blocks, key=str.encode))
        return cls(sizes=tuple(map(len, names)), names=names, label=label)

    @property
    def total(self) -> int:
        """All units."""
        return sum(self.sizes)

    @property
    def strata(self) -> tuple[tuple[str, ...], ...]:
        """The units' ids, stratum by stratum."""
        if self.names:
            return self.names
        width, found, first = len(str(self.total)), [], 1
        for size in self.sizes:
            found.append(tuple(f"u{k:0{width}d}" for k in range(first, first + size)))
            first += size
        return tuple(found)

    def without_pilots(self, n_pilots: int) -> Self:
        """The same frame when the pilots are among its units: they start first and are not drawn."""
        return type(self)(sizes=(self.total - n_pilots,), pilots_inside=n_pilots, label=self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A design that could be drawn instead.

    ``places`` are units per wave, stratum by stratum; ``pairs`` marks matched pairs.
    """

    frame: Frame
    places: tuple[Places, ...]
    design: PartsDesign
    pairs: bool = False


def wave_places(text: str) -> tuple[Places, ...]:
    """``3,4`` places per wave; ``2,2+3,1`` stratum by stratum.

    Raises
    ------
    UsageError
        Not whole numbers above 0.
    """
    return tuple(tuple(_whole(part, text) for part in stratum.split(",")) for stratum in text.split("+"))


def in_waves(frame: Frame, places: Sequence[Places], *, n_pilots: int = 0) -> Candidate:
    """Waves over a frame.  One line of places holds for every stratum whose size it fits.

    Where places sum to the units less the draft's ``n_pilots``, the units asked about include the pilots.

    Raises
    ------
    UsageError
        The places fit the units in no way; the message says how many are missing.
    """
    lines = tuple(places) * (len(frame.sizes) if len(places) == 1 else 1)
    wanted = tuple(sum(line) for line in lines)
    if wanted == frame.sizes:
        return Candidate(frame=frame, places=lines, design=_wedge(frame, lines))
    if n_pilots and len(places) == 1 and sum(places[0]) == frame.total - n_pilots and not frame.names:
        rest = frame.without_pilots(n_pilots)
        return Candidate(frame=rest, places=(places[0],), design=_wedge(rest, (places[0],)))
    raise _no_fit(frame, places)


def redrawn(design: PartsDesign, places: Places) -> Candidate:
    """The draft's own units, balance rule included, in other waves.

    Raises
    ------
    UsageError
        The places do not sum to the units that are drawn.
    """
    names = tuple(design.items[place] for place in design.free)
    frame = Frame(sizes=(len(names),), names=(names,))
    if sum(places) != len(names):
        raise _no_fit(frame, (places,))
    units = design.units.where(lambda unit: unit.fixed is None)
    made = stepped_wedge(units, _labels(len(places), places), level=design.level, constraint=design.constraint)
    return Candidate(frame=frame, places=(places,), design=made)


def menu(frame: Frame) -> list[Candidate]:
    """What is worth looking at when nobody has said how.

    Two and three near-equal waves in every stratum, the same without strata, one at a time, matched pairs.
    """
    lines = [tuple(near_equal(size, waves) for size in frame.sizes) for waves in (2, 3) if min(frame.sizes) >= waves]
    if len(frame.sizes) == 1 and 3 < frame.total <= ONE_AT_A_TIME_UP_TO:
        lines.append(((1,) * frame.total,))
    found = [Candidate(frame=frame, places=line, design=_wedge(frame, line)) for line in lines]
    if len(frame.sizes) > 1:  # what the strata cost
        whole = Frame(sizes=(frame.total,), label=frame.label)
        found.append(in_waves(whole, [near_equal(frame.total, 2)]))
    if all(size % 2 == 0 for size in frame.sizes):
        found.append(_paired(frame))
    return found


def near_equal(n: int, waves: int) -> Places:
    """``n`` units in near-equal waves: 7 in two is 3, 4; in three 3, 2, 2."""
    small, extra = divmod(n, waves)
    if waves == 2:
        return small, n - small
    return tuple(small + (k < extra) for k in range(waves))


def _labels(n: int, places: Places) -> Mapping[str, int]:
    return {f"wave_{k}": places[k - 1] for k in range(1, n + 1)}


def _wedge(frame: Frame, lines: Sequence[Places]) -> PartsDesign:
    strata = frame.strata
    if len(strata) == 1:
        return stepped_wedge(list(strata[0]), _labels(len(lines[0]), lines[0]))
    blocks = {name: f"stratum_{k:03d}" for k, names in enumerate(strata, start=1) for name in names}
    labels = [f"wave_{k}" for k in range(1, max(map(len, lines)) + 1)]
    quotas = {f"stratum_{k:03d}": line for k, line in enumerate(lines, start=1)}
    return blocked_wedge(list(blocks), labels, quotas, blocks=blocks)


def _paired(frame: Frame) -> Candidate:
    """Neighbouring names make a pair; which units pair in earnest is decided with their sizes in hand."""
    blocks = {
        name: f"pair_{s:03d}_{k // 2:03d}" for s, names in enumerate(frame.strata) for k, name in enumerate(names)
    }
    made = matched(list(blocks), {"wave_1": 1, "wave_2": 1}, blocks=blocks)
    return Candidate(frame=frame, places=tuple((n // 2, n // 2) for n in frame.sizes), design=made, pairs=True)


def _whole(part: str, text: str) -> int:
    if part.strip().isascii() and part.strip().isdigit() and int(part) > 0:
        return int(part)
    raise UsageError(
        f"{text!r} is not whole numbers above 0. Write places per wave as 3,4 and units as 8, or 4+4 in two strata.",
        {"text": text},
        da=f"{text!r} er ikke hele tal over 0. Skriv pladser pr. bølge som 3,4 og enheder som 8 eller 4+4 (to strata).",
    )


def _no_fit(frame: Frame, places: Sequence[Places]) -> UsageError:
    asked, units = [sum(line) for line in places], "+".join(map(str, frame.sizes))
    return UsageError(
        f"The waves have {'+'.join(map(str, asked))} places and there are {units} units to draw. Everybody must get a "
        "place and every place must be filled. Change the waves or the units so that the numbers agree.",
        {"places": [list(line) for line in places], "units": list(frame.sizes)},
        da=f"Bølgerne har {'+'.join(map(str, asked))} pladser, og der er {units} enheder at trække lod om. Alle skal "
        "have en plads, og alle pladser skal fyldes. Ret bølgerne eller antallet af enheder, så tallene passer.",
    )
