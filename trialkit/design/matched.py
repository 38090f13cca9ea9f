"""Matched pairs and tuples: blocks of exactly as many items as the weights sum to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialkit.design.blocked import weighed_blocks
from trialkit.design.kind import Kind
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign


def _check_tuples(design: PartsDesign) -> None:
    size = sum(design.weights)
    for block, items in design.blocks.items():
        if len(items) != size:
            raise DesignError(
                f"Block {block!r} has {len(items)} members, and a matched design with these weights needs exactly "
                f"{size} in each, or pairs would be uneven. Move or remove members, or draw in blocks instead.",
                {"block": block, "members": len(items), "needed": size},
                da=f"Blok {block!r} har {len(items)} medlemmer, men et matchet design med disse vægte kræver netop "
                f"{size} i hver, ellers blev parrene skæve. Flyt eller fjern medlemmer, eller træk lod i blokke.",
            )


MATCHED = Kind(name="matched", parts=weighed_blocks, check=_check_tuples, block=True, fixed=False)
