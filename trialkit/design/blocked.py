"""One draw per block: arms by weight, or waves with each block's own places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialkit.design.kind import Kind, part_of_places
from trialkit.design.parts import Part
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign


def weighed_blocks(design: PartsDesign) -> tuple[Part, ...]:
    """One part per block that has free items; fixed items take no share of the weights."""
    free = {block: [item for item in items if design.fixed[item] is None] for block, items in design.blocks.items()}
    return tuple(Part.weighing("block", block, items, design.weights) for block, items in free.items() if items)


def _wedge(design: PartsDesign) -> tuple[Part, ...]:
    """Places are checked in every block, and a block without free items makes no part."""
    parts = [part_of_places(design, quota.block, quota.places, design.blocks[quota.block]) for quota in design.quotas]
    return tuple(part for part in parts if part.items)


def _check_quotas(design: PartsDesign) -> None:
    blocks, quotas = list(design.blocks), [quota.block for quota in design.quotas]
    if blocks != quotas:
        raise DesignError(
            f"The quotas name the blocks {quotas}, and the units stand in {blocks}. A block without quotas has no "
            "places. Give one line of places per block, in ascending order.",
            {"quotas": quotas, "blocks": blocks},
            da=f"Pladserne er angivet for blokkene {quotas}, men enhederne står i {blocks}. En blok uden angivelse har "
            "ingen pladser. Angiv én linje med pladser pr. blok i stigende rækkefølge.",
        )
    for quota in design.quotas:
        if len(quota.places) != len(design.labels):
            raise DesignError(
                f"Block {quota.block!r} has {len(quota.places)} place counts, and there are {len(design.labels)} "
                "waves, so nobody can tell which count belongs where. Give one per wave.",
                {"block": quota.block, "places": list(quota.places)},
                da=f"Blok {quota.block!r} har {len(quota.places)} pladstal, men der er {len(design.labels)} bølger, så "
                "ingen kan se, hvilket tal der hører til hvor. Angiv ét pr. bølge.",
            )


BLOCKED = Kind(name="blocked", parts=weighed_blocks, block=True)
BLOCKED_WEDGE = Kind(name="blocked_wedge", parts=_wedge, check=_check_quotas, sized="", block=True)
