"""What a sequence of permuted blocks can say about chance: how many lists, how probable, all of them, or a sample.

Different rows of blocks can give the same list (two blocks of 2 may look like one of 4), so lists are followed letter
by letter together with every place in a block that each could stand at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import product
from math import lcm, prod
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.arrangements import code_type
from trialkit.design.base import Allocations, Codes, Count, Shares
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.sequential import SequentialDesign

Floats = NDArray[np.float64]
Left = tuple[int, ...]  # labels left in the block that is open, one number per label
Standing = frozenset[Left]  # every place a list could stand at

STANDINGS: Final = 500_000  # steps of the count, summed over the list's places
ENUMERABLE: Final = 10_000_000  # lists `enumerate` will list
BATCH_BYTES: Final = 2_000_000


def count(design: SequentialDesign, *, rng: np.random.Generator | None = None) -> Count:
    """How many different lists there are; exact, so ``rng`` is not needed.

    Raises
    ------
    DesignError
        Blocks so large or lists so long that counting takes too long.
    """
    starts, reached, steps = _starts(design), {frozenset(_starts(design)): 1}, 0
    for _ in range(design.length):
        step: dict[Standing, int] = defaultdict(int)
        for standing, ways in reached.items():
            for label in range(len(design.labels)):
                if after := _after(standing, label, starts):
                    step[after] += ways
        reached, steps = step, steps + sum(map(len, step))
        if steps > STANDINGS:
            raise _too_many("count", "tælle")
    total = sum(reached.values()) ** len(design.strata)
    return Count(total=total, accepted=total)


def probabilities(design: SequentialDesign, *, rng: np.random.Generator | None = None) -> Shares:
    """(n_items, n_labels): every place gets each label with its share of the weights, exactly."""
    shares = np.array([weight / design.weight for weight in design.weights])
    return _exact(np.tile(shares, (len(design.items), 1)))


def joint_probabilities(design: SequentialDesign, a: int, b: int, *, rng: np.random.Generator | None = None) -> Shares:
    """(n_items, n_items): the probability that place i gets label code ``a`` and place j gets label code ``b``.

    Exact: given the blocks, places of different blocks are independent and those of one block share its urn.
    """
    share = [weight / design.weight for weight in design.weights]
    within = np.full((design.length, design.length), share[a] * share[b])
    for apart, together in _together(design).items():
        for size, chances in together:
            c_a, c_b = (design.weights[label] * size // design.weight for label in (a, b))
            change = c_a * (c_b - (a == b)) / (size * (size - 1)) - share[a] * share[b]
            first = np.arange(design.length - apart)
            within[first, first + apart] += chances * change
            within[first + apart, first] += chances * change
    np.fill_diagonal(within, share[a] if a == b else 0.0)
    n_strata = len(design.strata)
    found = np.full((n_strata, design.length, n_strata, design.length), share[a] * share[b])
    found[np.arange(n_strata), :, np.arange(n_strata), :] = within
    return _exact(found.reshape(len(design.items), -1))


def enumerate(design: SequentialDesign, chunk: int = 65536) -> Iterator[Allocations]:
    """Every possible row of lists once, in chunks of at most ``chunk`` rows with their weight.

    Raises
    ------
    DesignError
        More than `ENUMERABLE` rows of lists.
    """
    if count(design).total > ENUMERABLE:
        raise _too_many("list", "opregne")
    return _listed(design, chunk)


def sample(design: SequentialDesign, n: int, rng: np.random.Generator) -> Codes:
    """``n`` independent rows of lists, (n, n_items), from the same distribution as `assign`."""
    out = np.empty((n * len(design.strata), design.length), code_type(len(design.labels)))
    rows = max(1, BATCH_BYTES // (design.length + max(design.blocks)))
    for start in range(0, len(out), rows):
        out[start : start + rows] = _lists(design, min(rows, len(out) - start), rng)
    return out.reshape(n, -1)


# Letter by letter


def _starts(design: SequentialDesign) -> list[Left]:
    """The label counts of each block that can be opened."""
    return [tuple(weight * size // design.weight for weight in design.weights) for size in design.blocks]


def _after(standing: Iterable[Left], label: int, starts: list[Left]) -> Standing:
    """Every place a list can stand at when ``label`` comes next; where a block closes, each block may open."""
    found: set[Left] = set()
    for left in standing:
        if left[label]:
            rest = _less(left, label)
            found.update([rest] if any(rest) else starts)
    return frozenset(found)


def _less(left: Left, label: int) -> Left:
    return (*left[:label], left[label] - 1, *left[label + 1 :])


# How often two places share a block


def _together(design: SequentialDesign) -> dict[int, list[tuple[int, Floats]]]:
    """For each distance: (size, chances) with the chance that place i and the one so far behind share such a block.

    u(t) is the chance that a block opens at place t; a block of ``size`` that opened at most ``size - distance - 1``
    places before i reaches both.
    """
    opens = np.zeros(design.length)
    opens[0] = 1.0
    for place in range(1, design.length):
        opens[place] = sum(opens[place - size] for size in design.blocks if size <= place) / len(design.blocks)
    added = np.concatenate([[0.0], np.cumsum(opens)])
    found: dict[int, list[tuple[int, Floats]]] = {}
    for apart in range(1, min(max(design.blocks), design.length)):
        first = np.arange(design.length - apart)
        found[apart] = [
            (size, (added[first + 1] - added[np.maximum(first + apart + 1 - size, 0)]) / len(design.blocks))
            for size in design.blocks
            if size > apart
        ]
    return found


# Every list, with whole weights


def _listed(design: SequentialDesign, chunk: int) -> Iterator[Allocations]:
    lists = _weighted_lists(design)
    common = lcm(*(share.denominator for share in lists))
    for shares in product(lists, repeat=len(design.strata)):
        weight = prod(int(share * common) for share in shares)
        tables = [lists[share] for share in shares]
        sizes = [len(table) for table in tables]
        for start in range(0, prod(sizes), chunk):
            digits = np.unravel_index(np.arange(start, min(start + chunk, prod(sizes))), sizes)
            codes = np.concatenate([table[digit] for table, digit in zip(tables, digits, strict=True)], axis=1)
            yield Allocations(codes=codes, weight=weight)


def _weighted_lists(design: SequentialDesign) -> dict[Fraction, Codes]:
    """The lists of one stratum by their probability: (k, length) each."""
    starts, opened = _starts(design), Fraction(1, len(design.blocks))
    type_ = code_type(len(design.labels))
    grown: dict[_Weighted, Codes] = {_Weighted((left, opened) for left in starts): np.zeros((1, 0), type_)}
    for _ in range(design.length):
        step: dict[_Weighted, list[Codes]] = defaultdict(list)
        for standing, lists in grown.items():
            for label in range(len(design.labels)):
                if after := _weighted_after(standing, label, starts, opened):
                    letter = np.full((len(lists), 1), label, type_)
                    step[after].append(np.concatenate([lists, letter], axis=1))
        grown = {standing: np.concatenate(parts) for standing, parts in step.items()}
    found: dict[Fraction, list[Codes]] = defaultdict(list)
    for standing, lists in grown.items():
        found[sum((share for _, share in standing), Fraction(0))].append(lists)
    return {share: np.concatenate(parts) for share, parts in found.items()}


_Weighted = frozenset[tuple[Left, Fraction]]  # places a list could stand at, each with its probability


def _weighted_after(standing: _Weighted, label: int, starts: list[Left], opened: Fraction) -> _Weighted:
    """`_after` with probabilities: a label is drawn in proportion to how many of it the open block has left."""
    found: dict[Left, Fraction] = defaultdict(Fraction)
    for left, share in standing:
        if left[label]:
            rest, chance = _less(left, label), share * left[label] / sum(left)
            for open_, part in [(rest, chance)] if any(rest) else [(start, chance * opened) for start in starts]:
                found[open_] += part
    return _Weighted(found.items())


# Many lists at a time


def _lists(design: SequentialDesign, n: int, rng: np.random.Generator) -> Codes:
    """(n, length): sizes first, then all blocks of a size are shuffled together and laid where they belong."""
    sizes = np.array(design.blocks)
    most = -(-design.length // int(sizes.min()))
    chosen = rng.integers(len(sizes), size=(n, most))
    ends = np.cumsum(sizes[chosen], axis=1)
    begins = ends - sizes[chosen]
    out = np.empty((n, design.length + int(sizes.max())), code_type(len(design.labels)))
    for number, size in zip(range(len(sizes)), design.blocks, strict=True):
        row, block = np.nonzero((chosen == number) & (begins < design.length))
        pattern = np.array(design.block_of(size), out.dtype)
        mixed = rng.permuted(np.tile(pattern, (len(row), 1)), axis=1)
        out[row[:, None], begins[row, block][:, None] + np.arange(size)] = mixed
    return out[:, : design.length]


def _exact(values: Floats) -> Shares:
    return Shares(values=values, mc_error=np.zeros_like(values))


def _too_many(what: str, da: str) -> DesignError:
    return DesignError(
        f"There are too many different lists to {what} in reasonable time; lists this long, or blocks this large, are "
        "for drawing and sampling. Shorten the lists, or use smaller blocks.",
        da=f"Der er for mange forskellige lister til at {da} dem på rimelig tid. Lav listerne kortere eller blokkene "
        "mindre; lodtrækning og stikprøver kan stadig laves.",
    )
