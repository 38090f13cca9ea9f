"""Parts: items that share one urn.  The one primitive under every design that is drawn at one time.

Specification sections 6.1 to 6.3.  Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from math import comb
from typing import TYPE_CHECKING, Literal, Self, TypeVar

if TYPE_CHECKING:
    from trialkit.design.base import Chance, Stream

T = TypeVar("T")

PartKind = Literal["all", "block", "tier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Items among which ``counts[j]`` get label j, all arrangements equally likely.

    Parameters
    ----------
    kind, name : what the part's streams are labelled with
    items : places in the design's `items` of its free items, in canonical order
    counts : items per label; with a leftover, the sure ones
    remainders : r_j of specification section 6.1; all 0, or empty, without a leftover
    weight : the sum of the weights; 0 where places are given
    """

    kind: PartKind
    name: str
    items: tuple[int, ...]
    counts: tuple[int, ...]
    remainders: tuple[int, ...] = ()
    weight: int = 0

    @classmethod
    def weighing(cls, kind: PartKind, name: str, items: Iterable[int], weights: Sequence[int]) -> Self:
        """The part whose counts follow from weights."""
        listed, total = tuple(items), sum(weights)
        shares = [divmod(len(listed) * weight, total) for weight in weights]
        counts, remainders = (tuple(share[k] for share in shares) for k in (0, 1))
        return cls(kind=kind, name=name, items=listed, counts=counts, remainders=remainders, weight=total)

    @property
    def leftover(self) -> int:
        """How many items are left when every label has its sure ones; who gets one more is drawn."""
        return len(self.items) - sum(self.counts)

    def drawn_counts(self, chance: Chance, attempt: int) -> tuple[int, ...]:
        """Items per label at this attempt; draws where the leftover goes, if there is one."""
        if not self.leftover:
            return self.counts
        return self._counts_at(chance.stream("leftover", self.kind, self.name, attempt).below(self.weight))

    def profiles(self) -> list[tuple[Fraction, tuple[int, ...]]]:
        """Every possible tuple of items per label with its exact probability; they sum to 1."""
        if not self.leftover:
            return [(Fraction(1), self.counts)]
        starts = [0, *accumulate(self.remainders)]  # counts change only where some label's run begins or ends
        edges = sorted({start % self.weight for start in starts} | {0})
        found: dict[tuple[int, ...], int] = {}
        for low, high in pairwise([*edges, self.weight]):
            counts = self._counts_at(low)
            found[counts] = found.get(counts, 0) + high - low
        return [(Fraction(width, self.weight), counts) for counts, width in found.items()]

    def _counts_at(self, u: int) -> tuple[int, ...]:
        starts = accumulate(self.remainders, initial=0)
        runs = zip(self.counts, starts, self.remainders, strict=False)
        return tuple(base + ((u - start) % self.weight < run) for base, start, run in runs)


def shuffle(items: Sequence[T], stream: Stream) -> list[T]:
    """Every order equally likely, if `below(m)` is uniform on 0 ... m - 1."""
    order = list(items)
    below = stream.below
    for last in range(len(order) - 1, 0, -1):
        other = below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def dealt(counts: Sequence[int]) -> Iterator[int]:
    """The labels in the order of lots: label 0 ``counts[0]`` times, then label 1, and so on."""
    return chain.from_iterable((label,) * count for label, count in enumerate(counts))


def arrangements(counts: Sequence[int], limit: int | None = None) -> int:
    """How many ways ``counts[j]`` items can get label j: m! / (c_0! c_1! ...), exactly.

    With ``limit``, some number above it may stand for any number above it: a million items have an answer too long
    to compute only to refuse it.
    """
    total, left = 1, sum(counts)
    for count in counts:
        few = min(count, left - count)
        if limit is not None and (total > limit or few > limit.bit_length()):
            return limit + 1  # comb(left, few) >= 2^few
        total *= comb(left, few)
        left -= count
    return total


def unrank(counts: Sequence[int], rank: int) -> list[int]:
    """The arrangement with number ``rank``, lexicographic by label over items in order (section 6.3)."""
    left, total = list(counts), arrangements(counts)
    found = []
    for m in range(sum(left), 0, -1):
        label, share = 0, total * left[0] // m
        while rank >= share:
            rank -= share
            label += 1
            share = total * left[label] // m
        found.append(label)
        left[label] -= 1
        total = share
    return found
