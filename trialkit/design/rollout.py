"""Waves: a stepped wedge fills every place, a rollout fills them in order and leaves the rest waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trialkit.canonical import skeleton
from trialkit.design.kind import Kind, part_of_places, places_left
from trialkit.design.parts import Part
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign

WAITING: Final = "waiting"


def _wedge(design: PartsDesign) -> tuple[Part, ...]:
    return (part_of_places(design, "", design.places_by_label, list(range(len(design.items)))),)


def _waves(design: PartsDesign) -> tuple[Part, ...]:
    items = list(range(len(design.items)))
    left = len(design.free)
    counts = []
    for places in places_left(design, "", design.places_by_label, items):
        counts.append(min(places, left))
        left -= counts[-1]
    return (Part(kind="all", name="", items=design.free, counts=(*counts, left)),)


def _check_waiting(design: PartsDesign) -> None:
    for label in design.labels:
        if skeleton(label.name) == WAITING:
            raise DesignError(
                f"A wave is called {label.name!r}, and that is what those are called who get no wave; the two would "
                "be mixed up in the result. Give the wave another name.",
                {"label": label.name},
                da=f"En bølge hedder {label.name!r}, men sådan kaldes de, der ingen bølge får, så de to ville blive "
                "blandet sammen i resultatet. Giv bølgen et andet navn.",
            )


STEPPED_WEDGE = Kind(name="stepped_wedge", parts=_wedge, sized="places")
ROLLOUT = Kind(
    name="rollout", parts=_waves, check=_check_waiting, sized="places", fewest_labels=1, constraint=False
)  # fmt: skip
