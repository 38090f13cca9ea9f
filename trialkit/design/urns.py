"""A design's urns: what it draws from, many draws at a time.  `allocations.sample` screens and keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.arrangements import Ints, code_type, drawn
from trialkit.design.base import Codes
from trialkit.design.lottery import LOTTERY, offered
from trialkit.design.parts import Part, arrangements

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign

Floats = NDArray[np.float64]

# Draws at a time: fixed, so that a seed gives the same sample everywhere, and no multiple of a power of two, because
# columns of such a length share cache lines and turning draws into rows then takes six times as long.
BATCH: Final = 16_000
BATCH_BYTES: Final = 8_000_000


def shown_parts(design: PartsDesign) -> tuple[Part, ...]:
    """The parts with the labels that an allocation shows: a lottery's order of lots shows as offers."""
    return offered(design) if design.kind == LOTTERY.name else design.parts


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws side by side, one per column.

    ``codes`` is (n_free, k); ``totals`` the free items per label, (n_labels, k), or (n_labels, 1) where no number is
    left to chance; ``surplus`` (k,) is 1 / (probability of the draw x number of allocations), 1 without a leftover.
    """

    codes: Codes
    totals: Ints
    surplus: Floats


@dataclass(frozen=True, eq=False)
class Urns:
    """All urns of a design; build with `of`."""

    urns: tuple[_Urn, ...]
    n_free: int
    n_labels: int

    @classmethod
    def of(cls, design: PartsDesign) -> Self:
        """The urns of ``design``'s free items."""
        place = {item: k for k, item in zip(range(len(design.free)), design.free, strict=True)}
        urns = tuple(_Urn.of(part, place) for part in shown_parts(design))
        return cls(urns, len(design.free), len(design.label_names))

    @property
    def batch(self) -> int:
        """Draws at a time: `BATCH`, or fewer where they would leave the cache far behind."""
        return max(1, min(BATCH, BATCH_BYTES // self.n_free))

    def drawn(self, size: int, rng: np.random.Generator) -> Drawn:
        """``size`` independent draws, before any constraint."""
        codes = np.empty((self.n_free, size), code_type(self.n_labels))
        totals, surplus = np.zeros((self.n_labels, 1), np.int64), np.ones(size)
        for urn in self.urns:
            counts, more = urn.counts(size, rng)
            codes[urn.items] = drawn(counts, size, self.n_labels, rng)
            totals = totals + counts
            surplus *= more
        return Drawn(codes, totals, surplus)


@dataclass(frozen=True, eq=False)
class _Urn:
    items: NDArray[np.intp]  # places among the free items
    profiles: Ints  # (n_labels, n_profiles) items per label
    cumulative: Ints  # (n_profiles,) their probabilities as whole numbers, added up
    surplus: Floats  # (n_profiles,) arrangements per probability, relative to all of the part's

    @classmethod
    def of(cls, part: Part, place: dict[int, int]) -> Self:
        profiles = part.profiles()
        common = lcm(*(share.denominator for share, _ in profiles))
        sizes = [arrangements(counts) for _, counts in profiles] if part.leftover else [1]
        surplus = [float(size / (share * sum(sizes))) for (share, _), size in zip(profiles, sizes, strict=True)]
        return cls(
            np.array([place[item] for item in part.items], np.intp),
            np.array([counts for _, counts in profiles], np.int64).T,
            np.cumsum([int(share * common) for share, _ in profiles]),
            np.array(surplus),
        )

    def counts(self, size: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Items per label in each draw, (n_labels, size), and the surplus of each, (size,); one column if all agree."""
        if self.profiles.shape[1] == 1:
            return self.profiles, self.surplus
        number = rng.integers(self.cumulative[-1], size=size)
        chosen = np.searchsorted(self.cumulative, number, side="right")
        return self.profiles[:, chosen], self.surplus[chosen]
