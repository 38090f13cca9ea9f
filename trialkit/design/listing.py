"""Every allocation of a design drawn at one time, by number, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import gcd, lcm, prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.arrangements import Ints, Ranked, Unranked, code_type, ranked
from trialkit.design.base import Allocations, Codes
from trialkit.design.parts import Part, arrangements
from trialkit.design.screen import Screen
from trialkit.design.urns import shown_parts
from trialkit.errors import DesignError

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign

Floats = NDArray[np.float64]

CHUNK_BYTES: Final = 2**26  # no chunk is larger, whatever its number of rows


def at_most(design: PartsDesign, limit: int) -> bool:
    """Whether there are at most ``limit`` allocations before the constraint."""
    total = 1
    for part in shown_parts(design):
        total *= sum(arrangements(counts, limit) for _, counts in part.profiles())
        if total > limit:
            return False
    return True


def listed(design: PartsDesign, chunk: int) -> Iterator[Allocations]:
    """All allocations that the constraint accepts, as `trialkit.design.allocations.enumerate` promises."""
    n_labels, free = len(design.label_names), list(design.free)
    screen = Screen(design.rule, n_labels) if design.rule else None
    row_bytes = len(design.items) * code_type(n_labels).itemsize
    rows = max(1, min(chunk, CHUNK_BYTES // row_bytes))
    for urns in product(*(_numbered(part, n_labels) for part in shown_parts(design))):
        weight, size = prod(urn.weight for urn in urns), prod(urn.size for urn in urns)
        totals = np.array([urn.counts for urn in urns], np.int64).sum(axis=0)[:, None]
        for start in range(0, size, rows):
            codes = _rows(design, urns, np.arange(start, min(start + rows, size)))
            if screen:
                codes = codes[screen.accepted(codes.T[free], totals)]
            if len(codes):
                yield Allocations(codes=codes, weight=weight)


def weighted_shares(chunks: Iterator[Allocations], table: Callable[[Codes], Ints]) -> Floats:
    """The share of what ``table`` counts in (k, n_items) codes, over weighted allocations, in whole numbers.

    Raises
    ------
    DesignError
        ``E_NO_ACCEPT``: there is no allocation.
    """
    found: dict[int, tuple[int, Ints]] = {}
    for chunk in chunks:
        rows, sums = found.get(chunk.weight, (0, np.int64(0)))
        found[chunk.weight] = (rows + len(chunk.codes), sums + table(chunk.codes))
    if not found:
        raise _none_accepted()
    whole = sum(weight * rows for weight, (rows, _) in found.items())
    weighed: NDArray[Any] = reduce(np.add, [sums.astype(object) * weight for weight, (_, sums) in found.items()])
    shares: Floats = (weighed / whole).astype(np.float64)  # Python rounds int / int correctly, also beyond 2^53
    return shares


def blank(design: PartsDesign, n: int) -> Codes:
    """(n, n_items) codes with the fixed items' labels; the free items' are still to be placed."""
    out = np.empty((n, len(design.items)), code_type(len(design.label_names)))
    for item, label in zip(range(len(design.items)), design.fixed, strict=True):
        if label is not None:
            out[:, item] = label
    return out


def place(out: Codes, items: NDArray[np.intp], codes: Codes) -> None:
    """Write ``codes`` into the columns ``items``; a run of columns as a slice, which is many times faster."""
    if items[-1] - items[0] == len(items) - 1:
        out[:, items[0] : items[-1] + 1] = codes
    else:
        out[:, items] = codes


@dataclass(frozen=True, eq=False)
class _Numbered:
    """One part with one tuple of items per label: its arrangements by number."""

    items: NDArray[np.intp]
    counts: tuple[int, ...]
    weight: int
    size: int
    table: Ranked | Unranked


def _numbered(part: Part, n_labels: int) -> list[_Numbered]:
    """One for each profile of the part, with whole weights in the ratio of probability / arrangements."""
    profiles = part.profiles()
    sizes = [arrangements(counts) for _, counts in profiles]
    shares = [share / size for (share, _), size in zip(profiles, sizes, strict=True)]
    common = lcm(*(share.denominator for share in shares))
    weights = [int(share * common) for share in shares]
    items, divisor = np.array(part.items, np.intp), gcd(*weights)
    return [
        _Numbered(items, counts, weight // divisor, size, ranked(counts, n_labels))
        for (_, counts), weight, size in zip(profiles, weights, sizes, strict=True)
    ]


def _rows(design: PartsDesign, urns: tuple[_Numbered, ...], ranks: Ints) -> Codes:
    """(k, n_items) the allocations numbered ``ranks``; the first part is the most significant digit."""
    if len(urns) == 1 and len(urns[0].items) == len(design.items):
        return urns[0].table.rows(ranks)
    out = blank(design, len(ranks))
    for urn in reversed(urns):
        ranks, digit = np.divmod(ranks, urn.size)
        place(out, urn.items, urn.table.rows(digit))
    return out


def _none_accepted() -> DesignError:
    return DesignError(
        "No allocation meets the constraint, so nothing can be drawn and nothing has a probability. "
        "Soften the constraint.",
        da="Ingen tildeling opfylder balancekravet, så der kan ikke trækkes lod, og intet har en sandsynlighed. "
        "Lemp kravet.",
        code="E_NO_ACCEPT",
    )
