"""Neighbours: where started and waiting areas meet, and how many waiting areas nobody can have reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trialkit.design.base import Codes
    from trialkit.design.parts_design import PartsDesign
    from trialkit.power.possible import Possible

IN_WAVES: Final = ("stepped_wedge", "rollout", "blocked_wedge")  # labels in the order they start


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Borders while some have started and others wait: after the wave ``label``, before the next.

    ``borders`` counts pairs of neighbours (pilots apart) of which one has started and one waits.  A waiting item is
    clean if none of its neighbours has started, pilots included.
    """

    label: str
    fewest_borders: int
    most_borders: int
    fewest_clean: int
    most_clean: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Which drawn items touch each other or a pilot, and what that means while the rollout runs."""

    touching: tuple[tuple[str, str], ...]
    beside_pilot: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    exact: bool = True


def neighbourhood(
    design: PartsDesign, listed: Possible, pairs: set[tuple[str, str]], pilots: frozenset[str]
) -> Neighbourhood:
    """Who touches whom; and wave by wave how many borders run between started and waiting.

    ``pairs`` are ids of units, drawn or not; clusters touch where their units do.  ``pilots`` have started
    beforehand; fixed items start with their own wave.
    """
    item = {unit.id: design.items[k] for unit, k in zip(design.units, design.places_of_units, strict=True)}
    met = {(item.get(a, a), item.get(b, b)) for a, b in pairs}
    place = {name: k for k, name in enumerate(design.items)}
    touching = sorted({tuple(sorted((place[a], place[b]))) for a, b in met if a != b and a in place and b in place})
    beside = {b if a in pilots else a for a, b in met if (a in pilots) != (b in pilots)}
    near_pilot = np.array([name in beside for name in design.items])
    free = list(design.free)
    in_waves = len(design.label_names) - 1 if design.kind in IN_WAVES else 0
    return Neighbourhood(
        touching=tuple((design.items[i], design.items[j]) for i, j in touching if {i, j} <= set(free)),
        beside_pilot=tuple(design.items[k] for k in free if near_pilot[k]),
        steps=tuple(
            _step(listed.codes, label, touching, near_pilot, free, design.label_names[label])
            for label in range(in_waves)
        ),
        exact=listed.exact,
    )


def _step(
    codes: Codes,
    label: int,
    touching: Sequence[tuple[int, ...]],
    near_pilot: NDArray[np.bool_],
    free: list[int],
    name: str,
) -> Step:
    """Borders and clean waiting items after the wave with code ``label`` has started."""
    started = codes <= label
    borders = np.zeros(len(codes), int)
    exposed = np.tile(near_pilot, (len(codes), 1))
    for i, j in touching:
        borders += started[:, i] != started[:, j]
        exposed[:, i] |= started[:, j]
        exposed[:, j] |= started[:, i]
    waiting = ~started[:, free]
    clean = (waiting & ~exposed[:, free]).sum(axis=1)
    return Step(
        label=name,
        fewest_borders=int(borders.min()),
        most_borders=int(borders.max()),
        fewest_clean=int(clean.min()),
        most_clean=int(clean.max()),
        waiting=int(waiting.sum(axis=1).max()),
    )
