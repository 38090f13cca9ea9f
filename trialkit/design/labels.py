"""What an item can be drawn for: an arm with a weight, a wave with places, or a name alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trialkit.errors import DesignError


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a design, in the order the protocol lists it.

    ``weight`` is the share of an arm in whole numbers, ``places`` the capacity of a wave; a blocked wedge has
    neither, for its `Quota`s say the places block by block.

    Raises
    ------
    DesignError
        A weight below 1 or negative places.
    """

    name: str
    weight: int | None = None
    places: int | None = None

    def __post_init__(self) -> None:
        if (self.weight is not None and self.weight < 1) or (self.places is not None and self.places < 0):
            raise DesignError(
                f"Label {self.name!r} has weight {self.weight} and places {self.places}; a weight is at least 1 and "
                "places at least 0, or nobody could be drawn for it. Correct the number, or leave the label out.",
                {"label": self.name},
                da=f"{self.name!r} har vægten {self.weight} og {self.places} pladser. En vægt er mindst 1 og pladser "
                "mindst 0, ellers kunne ingen trækkes dertil. Ret tallet, eller udelad navnet.",
            )

    def spec(self) -> dict[str, Any]:
        """The label as the draw protocol writes it."""
        size = {"weight": self.weight, "places": self.places}
        return {"name": self.name} | {key: value for key, value in size.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Quota:
    """The places of one block of a blocked wedge, one per label."""

    block: str
    places: tuple[int, ...]

    def spec(self) -> dict[str, Any]:
        """The quota as the draw protocol writes it."""
        return {"block": self.block, "places": list(self.places)}


def weighted(weights: Mapping[str, int]) -> tuple[Label, ...]:
    """Labels with weights, in the mapping's order."""
    return tuple(Label(name, weight=weight) for name, weight in weights.items())


def placed(places: Mapping[str, int]) -> tuple[Label, ...]:
    """Labels with places, in the mapping's order."""
    return tuple(Label(name, places=count) for name, count in places.items())
