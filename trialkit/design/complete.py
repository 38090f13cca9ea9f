"""Complete randomization: one draw over all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialkit.design.kind import Kind
from trialkit.design.parts import Part

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign


def _parts(design: PartsDesign) -> tuple[Part, ...]:
    return (Part.weighing("all", "", design.free, design.weights),)


COMPLETE = Kind(name="complete", parts=_parts)
