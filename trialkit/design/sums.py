"""Sums over the items that get a label, under draws of the design, without writing down who they are.

A statistic that is a function of such sums needs no codes.  Where a part's numbers are certain and no constraint picks
among the allocations, its sums are looked up in tables of subsets (`trialkit.design.tiles`), drawn by whole numbers and
with the chances of `sample`; elsewhere they come from `sample` itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes, Design
from trialkit.design.parts_design import PartsDesign
from trialkit.design.tiles import LARGEST, PIECES, Tiling, tiling
from trialkit.design.urns import shown_parts

if TYPE_CHECKING:
    from trialkit.design.parts import Part

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Columns = Sequence[Floats]  # per column of values: (n_groups, k), or (n_groups, 1) where no draw changes it

ALIKE: Final = 1e-13  # values of one part closer than this, relative to the column's largest, are rounding apart
AT_ONCE: Final = 8192  # draws added up at a time, so that they stay in the cache beside the tables
AHEAD: Final = 2**18  # draws whose rows are known before they are added up, over the number of tables
JOINED: Final = 2**13  # rows of a table of several small parts together
HARDLY: Final = 0.25  # a smaller share of the places in tiles than this would be drawn again too often


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSums:
    """Sums of ``values`` over the items that get ``label``, group by group.

    Parameters
    ----------
    design : Design
    label : the label's code
    values : (q, n_items) float, finite
    groups : (n_items,) int
        From 0; each group has its own sums.
    """

    design: Design
    label: int
    values: Floats
    groups: Ints

    @classmethod
    def whole(cls, design: Design, label: int, values: Floats) -> Self:
        """All items together."""
        return cls(design=design, label=label, values=values, groups=np.zeros(values.shape[1], np.intp))

    @cached_property
    def n_groups(self) -> int:
        """Groups."""
        return int(self.groups.max(initial=0)) + 1

    @property
    def n_sums(self) -> int:
        """Sums of each allocation."""
        return len(self.values) * self.n_groups

    @cached_property
    def _masked(self) -> Floats:
        """(q x n_groups, n_items): a column's values in one group, 0 in the others."""
        here = np.arange(self.n_groups)[:, None] == self.groups
        found: Floats = (self.values[:, None, :] * here).reshape(-1, self.values.shape[1])
        return found

    def of(self, codes: Codes) -> Columns:
        """The sums under each of the allocations, (k, n_items)."""
        chosen = np.equal(codes.T, self.label).astype(np.float64)
        found: Floats = (self._masked @ chosen).reshape(len(self.values), self.n_groups, -1)
        return list(found)


class Lookup(NamedTuple):
    """The subsets of one part, or of a few small ones together: a table of sums, and the rows that make a draw."""

    group: int
    table: Floats  # (rows, q)
    tiles: Tiling | None  # None: every row is a draw

    def drawn(self, size: int, rng: np.random.Generator) -> Ints:
        """(lookups, size) rows of the table whose sum is a draw's."""
        if self.tiles is not None:
            return self.tiles.drawn(size, rng)
        return rng.integers(len(self.table), size=(1, size))

    def strips(self) -> list[Floats]:
        """The table in strips of 4, 2 or 1 columns: entries of 32, 16 or 8 bytes are copied in one step each."""
        q = self.table.shape[1]
        edges = [*range(0, q - q % 4 + 1, 4), *([q - q % 2] if q % 4 > 1 else []), *([q] if q % 2 else [])]
        return [np.ascontiguousarray(self.table[:, low:high]) for low, high in pairwise(edges)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SubsetSums:
    """The sums under draws, looked up; build with `of`.

    Parameters
    ----------
    certain : (q, n_groups) the sums of the fixed items, and all of a column that no draw changes
    varied : places among the columns of those that draws change
    lookups : one per part, or for a few small ones of the same group
    """

    certain: Floats
    varied: tuple[int, ...]
    lookups: tuple[Lookup, ...]

    @classmethod
    def of(cls, sums: LabelSums, draws: int) -> Self | None:
        """The tables, or None where they would not pay, or the design's chance does not fall into subsets."""
        design = sums.design
        if not isinstance(design, PartsDesign) or design.rule is not None:
            return None
        parts = [part for part in shown_parts(design) if part.items]
        tilings = [_tiling(part, sums, draws) for part in parts]
        if any(tiles is None for tiles in tilings):
            return None
        varied, certain = _split(sums, design.fixed, parts)
        some = np.ascontiguousarray(sums.values[list(varied)].T)
        lookups = [
            Lookup(int(sums.groups[part.items[0]]), tiles.table(some[list(part.items)]), tiles)
            for part, tiles in zip(parts, tilings, strict=True)
            if tiles is not None and varied
        ]
        return cls(certain=certain, varied=varied, lookups=tuple(_merged(lookups)))

    def sample(self, n: int, rng: np.random.Generator) -> Columns:
        """The sums under ``n`` independent allocations."""
        start = self.certain[list(self.varied)]
        found = np.empty((len(self.varied), start.shape[1], n))
        ahead = max(AT_ONCE // 8, AHEAD // max(1, len(self.lookups)))
        for first in range(0, n, ahead):
            self._fill(found[:, :, first : first + ahead], rng)
        if start.any():
            found += start[:, :, None]
        varied = dict(zip(self.varied, found, strict=True))
        return [varied.get(k, fixed[:, None]) for k, fixed in enumerate(self.certain)]

    def _fill(self, out: Floats, rng: np.random.Generator) -> None:
        """Write the varied columns of as many draws as ``out`` (columns, n_groups, k) holds, without what is certain."""
        rows = [lookup.drawn(out.shape[2], rng) for lookup in self.lookups]
        for first in range(0, out.shape[2], AT_ONCE):
            some = slice(first, first + AT_ONCE)
            for columns, tables in self._strips:
                out[columns, :, some] = self._added(tables, [drawn[:, some] for drawn in rows]).transpose(2, 0, 1)

    @cached_property
    def _strips(self) -> list[tuple[slice, tuple[Floats, ...]]]:
        """Some of the varied columns, and each lookup's table of them."""
        by_lookup = [lookup.strips() for lookup in self.lookups]
        edges = np.cumsum([0, *(strip.shape[1] for strip in by_lookup[0])]).tolist() if by_lookup else []
        return [
            (slice(*edge), tables) for edge, tables in zip(pairwise(edges), zip(*by_lookup, strict=True), strict=True)
        ]

    def _added(self, tables: Sequence[Floats], rows: Sequence[Ints]) -> Floats:
        """(n_groups, k, columns) what the tables hold in the rows, added up by group."""
        size = rows[0].shape[1], tables[0].shape[1]
        entries, found = np.empty(size), np.zeros((self.certain.shape[1], *size))
        for lookup, table, drawn in zip(self.lookups, tables, rows, strict=True):
            for row in drawn:
                table.take(row, axis=0, out=entries, mode="wrap")
                found[lookup.group] += entries
        return found


def _tiling(part: Part, sums: LabelSums, draws: int) -> Tiling | None:
    """The subsets of a part that can get the label; None where they cannot be drawn by tables, or not cheaply."""
    groups = sums.groups[list(part.items)]
    largest = min(LARGEST, (draws // PIECES).bit_length() - 1)  # all pieces together have no more subsets than draws
    if part.leftover or largest < 1 or (groups != groups[0]).any():
        return None
    tiles = tiling(len(part.items), part.counts[sums.label], largest)
    return tiles if tiles is not None and tiles.share >= HARDLY else None


def _split(sums: LabelSums, fixed: Sequence[int | None], parts: Sequence[Part]) -> tuple[tuple[int, ...], Floats]:
    """The columns for which it matters which items of a part get the label, and what is certain.

    The latter is (q, n_groups): what the fixed items add to every sum, and the parts to those of the other columns.
    """
    items = np.array([item for part in parts for item in part.items], np.intp)
    sizes = np.array([len(part.items) for part in parts])
    first = np.cumsum(sizes) - sizes
    own = sums.values[:, items]
    apart = np.maximum.reduceat(own, first, axis=1) - np.minimum.reduceat(own, first, axis=1)
    varies = (apart > ALIKE * np.abs(sums.values).max(axis=1, keepdims=True, initial=0.0)).any(axis=1)
    mean = np.add.reduceat(own, first, axis=1) / sizes
    added = mean * [part.counts[sums.label] for part in parts] * ~varies[:, None]
    found = np.zeros((len(sums.values), sums.n_groups))
    np.add.at(found.T, sums.groups[items[first]], added.T)
    for item, label in enumerate(fixed):
        if label == sums.label:
            found[:, sums.groups[item]] += sums.values[:, item]
    return tuple(np.flatnonzero(varies).tolist()), found


def _merged(lookups: Sequence[Lookup]) -> list[Lookup]:
    """Small tables of one group joined while at most `JOINED` rows come of it: one row is then a draw of several parts."""
    found: list[Lookup] = []
    for lookup in sorted(lookups, key=lambda one: (one.group, len(one.table))):
        if lookup.tiles is not None and not lookup.tiles.listed:
            found.append(lookup)
            continue
        table, last = lookup.table, found[-1] if found else None
        if last and last.group == lookup.group and last.tiles is None and len(last.table) * len(table) <= JOINED:
            table = (found.pop().table[:, None, :] + table).reshape(-1, table.shape[1])
        found.append(Lookup(lookup.group, table, None))
    return found


__all__ = ["Columns", "LabelSums", "SubsetSums"]
