"""The one interface of chance: a design asks for whole numbers and never makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment

Codes = NDArray[np.integer]  # (n, n_items) label of each item, as its place in `label_names`; int8 up to 127


class Stream(Protocol):
    """Whole numbers, uniform and independent, read once and in order."""

    def below(self, m: int) -> int:
        """A number from 0 to m - 1, every one equally likely."""
        ...


class Chance(Protocol):
    """Where a design gets its numbers: one stream per purpose, part and attempt."""

    def stream(self, purpose: str, kind: str, name: str, attempt: int) -> Stream:
        """The stream labelled ``[purpose, kind, name, attempt]`` (specification section 5)."""
        ...


@dataclass(frozen=True)
class Simulated:
    """Chance from a numpy generator, for studies; it never decides who is treated."""

    rng: np.random.Generator

    def stream(self, purpose: str, kind: str, name: str, attempt: int) -> Stream:
        """The same generator for every label: independent, not reproducible by label."""
        return _Generated(self.rng)


@dataclass(frozen=True)
class _Generated:
    rng: np.random.Generator

    def below(self, m: int) -> int:
        if m <= 2**63:
            return int(self.rng.integers(m))
        words = -(-m.bit_length() // 32)
        while True:  # rejection, as in the public stream
            value = 0
            for word in self.rng.integers(2**32, size=words, dtype=np.uint64):
                value = value << 32 | int(word)
            value >>= 32 * words - (m - 1).bit_length()
            if value < m:
                return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many allocations a design has.

    ``total`` counts those with the right numbers per label, ``accepted`` those that also meet the constraint.
    Without a constraint they are equal.  ``accepted`` is exact when ``mc_error`` is 0, otherwise estimated from
    draws with that standard error.
    """

    total: int
    accepted: int
    mc_error: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether ``accepted`` was counted, not estimated."""
        return self.mc_error == 0.0


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Shares:
    """Probabilities with their Monte Carlo error (0 where they are exact)."""

    values: NDArray[np.float64]
    mc_error: NDArray[np.float64]

    @property
    def exact(self) -> bool:
        """Whether every value is exact."""
        return not self.mc_error.any()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Allocations:
    """A chunk of possible allocations that are all equally likely.

    ``codes`` is (k, n_items); each row has probability ``weight`` divided by the sum of ``weight`` x rows over all
    chunks of the enumeration.  ``weight`` is 1 unless numbers per label are themselves drawn (leftover).
    """

    codes: Codes
    weight: int = 1


class Design(Protocol):
    """The whole truth about chance: what could be drawn, how probable it was, and how to draw it.

    Feasibility, power, the draw, the test and the weights all ask this object; nobody re-describes it.  Where an exact
    answer would mean looking at more allocations than `trialkit.design.allocations.ENUMERABLE`, it is estimated with
    ``rng`` and carries its error; without ``rng`` such a question raises `DesignError`.
    """

    @property
    def kind(self) -> str:
        """``complete``, ``blocked``, ``matched``, ``stepped_wedge``, ``blocked_wedge``, ``rollout``, ``lottery``
        or ``sequential``."""
        ...

    @property
    def items(self) -> tuple[str, ...]:
        """What is drawn, in canonical order: unit ids, cluster names, or ``stratum/position`` in a sequence."""
        ...

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels an item can get, in order; a code is a place in this tuple."""
        ...

    @property
    def free(self) -> tuple[int, ...]:
        """Places in `items` of those that are drawn; the others are fixed beforehand."""
        ...

    @property
    def item_of_unit(self) -> NDArray[np.intp]:
        """(n_units,) the place in `items` of each unit: ``codes[:, design.item_of_unit]`` is per unit."""
        ...

    def assign(self, chance: Chance) -> Assignment:
        """One allocation, by the rule of the public draw."""
        ...

    def count(self, *, rng: np.random.Generator | None = None) -> Count:
        """How many allocations there are, before and after the constraint."""
        ...

    def probabilities(self, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_labels): the probability that each item gets each label."""
        ...

    def joint_probabilities(self, a: int, b: int, *, rng: np.random.Generator | None = None) -> Shares:
        """(n_items, n_items): the probability that item i gets label code ``a`` and item j gets label code ``b``."""
        ...

    def enumerate(self, chunk: int = 65536) -> Iterator[Allocations]:
        """Every allocation once, in chunks of at most ``chunk`` rows."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """``n`` independent allocations, (n, n_items), from the same distribution as `assign`."""
        ...


__all__ = [
    "Allocations", "Chance", "Codes", "Count", "Design", "Shares", "Simulated", "Stream",
]  # fmt: skip
