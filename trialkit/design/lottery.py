"""A lottery of priority: an order of lots within each tier, tier 1 first; the first ``places`` get an offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trialkit.design.kind import Kind
from trialkit.design.parts import Part

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign

OFFERS: Final = ("offer", "waiting")


def _parts(design: PartsDesign) -> tuple[Part, ...]:
    """One part per tier, ascending; each item is its own label."""
    tiers = design.tiers.items()
    return tuple(
        Part(kind="tier", name=str(tier), items=tuple(items), counts=(1,) * len(items)) for tier, items in tiers
    )


def offered(design: PartsDesign) -> tuple[Part, ...]:
    """The same parts with two labels, offer and waiting: what enumeration and analysis see."""
    found, left = [], design.places
    for part in design.parts:
        offers = min(left, len(part.items))
        counts = (offers, len(part.items) - offers)
        found.append(Part(kind=part.kind, name=part.name, items=part.items, counts=counts))
        left -= offers
    return tuple(found)


LOTTERY = Kind(name="lottery", parts=_parts, sized="", fewest_labels=0, tier=True, fixed=False, constraint=False)
