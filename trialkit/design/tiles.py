"""Every subset of a given size as a whole number, without a list of them.

A subset of n items is one subset of each of a few pieces of them, with sizes that add up (meet in the middle: Horowitz
and Sahni 1974, doi:10.1145/321812.321823).  For each way to add up, the pieces' subsets form a box, subsets of the first
piece by subsets of the second and so on.  Tiles of one shape cover the boxes; a uniform whole number names a tile and a
place in it, and a place beyond the edge of its box is drawn again.  Nothing is rounded: every subset has the same chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

LARGEST: Final = 12  # items of a piece: its 4,096 subsets stay in the cache
MANY: Final = 2**15  # tiles, if as few can cover the boxes
PIECES: Final = 3  # of more there are too many ways to add up, and most places would lie beyond an edge


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """The subsets of some items, as rows of a table: those of one size side by side, each size from a tile's edge on.

    ``groups`` are the subsets of each size that is needed, bit i standing for item i, with the row of the first.
    """

    items: slice
    groups: tuple[tuple[Rows, int], ...]

    def fill(self, table: Floats, values: Floats) -> None:
        """Write the sums of ``values`` (n_items, q) over each subset into its row of ``table`` (n_rows, q)."""
        own = values[self.items]
        sums = np.zeros((2 ** len(own), values.shape[1]))
        for bit, value in enumerate(own):
            np.add(sums[: 1 << bit], value, out=sums[1 << bit : 2 << bit])
        for subsets, row in self.groups:
            np.take(sums, subsets, axis=0, out=table[row : row + subsets.size], mode="wrap")

    def mark(self, member: NDArray[np.bool_]) -> None:
        """Mark its rows that are subsets."""
        for subsets, row in self.groups:
            member[row : row + subsets.size] = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Tiling:
    """The subsets of ``taken`` of ``n`` items, covered by tiles; build with `tiling`.

    Parameters
    ----------
    pieces : their subsets stand one below the other in one table of ``member.size`` rows
    starts : (n_pieces, n_tiles) the row of each piece at which a tile begins
    shifts : (n_pieces,) a tile has 2^shift rows of each piece
    member : (n_rows,) whether a row is a subset, or lies beyond the edge of its box
    share : of the places of all tiles, those that are subsets
    """

    pieces: tuple[Piece, ...]
    starts: Rows
    shifts: tuple[int, ...]
    member: NDArray[np.bool_]
    share: float

    @classmethod
    def of(cls, n: int, taken: int, largest: int = LARGEST) -> Self | None:
        """The tiles, with at most ``largest`` items to a piece; None for more items than `PIECES` pieces hold."""
        n_pieces = -(-n // largest)
        if n_pieces > PIECES:
            return None
        sizes = [n // n_pieces + (piece < n % n_pieces) for piece in range(n_pieces)]
        shifts = _shifts(sizes, taken)
        pieces, edges, first, row = [], [], 0, 0
        for size, shift in zip(sizes, shifts, strict=True):
            fewest, most = max(0, taken - (n - size)), min(size, taken)
            piece, begun, row = _piece(slice(first, first + size), range(fewest, most + 1), shift, row)
            pieces.append(piece)
            edges.append(begun)
            first += size
        member = np.zeros(row, bool)
        for piece in pieces:
            piece.mark(member)
        starts = _combined(edges, sizes, taken)
        share = comb(n, taken) / (starts.shape[1] << sum(shifts))
        return cls(pieces=tuple(pieces), starts=starts, shifts=shifts, member=member, share=share)

    @property
    def listed(self) -> bool:
        """Whether every row is a draw: one piece, tiles of one row."""
        return self.starts.shape == (1, self.member.size) and self.share == 1

    def table(self, values: Floats) -> Floats:
        """(n_rows, q) sums of ``values``, (n, q), over every subset of every piece."""
        found = np.zeros((self.member.size, values.shape[1]))
        for piece in self.pieces:
            piece.fill(found, values)
        return found

    def drawn(self, size: int, rng: np.random.Generator) -> Rows:
        """(n_pieces, size) rows of the table: ``size`` independent subsets, every one equally likely."""
        found = self._tried(size, rng)
        if self.share == 1:
            return found
        missed = np.flatnonzero(~self._within(found))
        while missed.size:  # the first of further tries that are subsets, a few more tried than are likely to be needed
            again = self._tried(int(1.1 * missed.size / self.share) + 8, rng)
            again = again[:, self._within(again)][:, : missed.size]
            found[:, missed[: again.shape[1]]] = again
            missed = missed[again.shape[1] :]
        return found

    def _tried(self, size: int, rng: np.random.Generator) -> Rows:
        bits = sum(self.shifts)
        number = rng.integers(self.starts.shape[1] << bits, size=size)
        place, found = number >> bits, np.empty((len(self.shifts), size), np.intp)
        for rows, starts in zip(found, self.starts, strict=True):
            starts.take(place, out=rows, mode="wrap")
        for rows, shift in zip(found, self.shifts, strict=True):
            bits -= shift
            if shift:
                np.right_shift(number, bits, out=place)
                place &= (1 << shift) - 1
                rows += place
        return found

    def _within(self, rows: Rows) -> NDArray[np.bool_]:
        within: NDArray[np.bool_] = self.member.take(rows[0])
        for others in rows[1:]:
            within &= self.member.take(others)
        return within


@lru_cache(maxsize=16)
def tiling(n: int, taken: int, largest: int = LARGEST) -> Tiling | None:
    """`Tiling.of`, kept: it depends on the numbers alone."""
    return Tiling.of(n, taken, largest)


def _shifts(sizes: list[int], taken: int) -> tuple[int, ...]:
    """Tiles grow, on the side that adds the fewest places, until `MANY` cover the boxes or more would not help."""
    shifts = (0,) * len(sizes)
    tiles = _tiles(sizes, shifts, taken)
    while tiles > MANY:
        grown = [tuple(shift + (k == side) for k, shift in enumerate(shifts)) for side in range(len(sizes))]
        fewer = {option: _tiles(sizes, option, taken) for option in grown}
        option = min(grown, key=lambda option: fewer[option] << sum(option))
        if fewer[option] == tiles:
            break
        shifts, tiles = option, fewer[option]
    return shifts


def _tiles(sizes: list[int], shifts: tuple[int, ...], taken: int) -> int:
    """How many tiles cover the boxes: the coefficient of ``taken`` in the product of the pieces' polynomials."""
    ways = [1]
    for size, shift in zip(sizes, shifts, strict=True):
        strips = [(comb(size, j) + (1 << shift) - 1) >> shift for j in range(size + 1)]
        total = range(min(taken, len(ways) - 1 + size) + 1)
        ways = [sum(ways[s - j] * strips[j] for j in range(max(0, s - len(ways) + 1), min(s, size) + 1)) for s in total]
    return ways[taken]


def _piece(items: slice, numbers: range, shift: int, row: int) -> tuple[Piece, dict[int, Rows], int]:
    """A piece from table row ``row`` on, where its tiles begin by the number of items taken, and the row after it."""
    members = np.zeros(1, np.int8)
    for _ in range(items.stop - items.start):
        members = np.concatenate([members, members + np.int8(1)])
    by_number = np.argsort(members, kind="stable")
    first = np.searchsorted(members[by_number], range(members[-1] + 2))
    groups, starts = [], {}
    for number in numbers:
        groups.append((by_number[first[number] : first[number + 1]], row))
        strips = (groups[-1][0].size + (1 << shift) - 1) >> shift
        starts[number] = row + (np.arange(strips) << shift)
        row += strips << shift
    return Piece(items=items, groups=tuple(groups)), starts, row


def _combined(edges: list[dict[int, Rows]], sizes: list[int], taken: int) -> Rows:
    """(n_pieces, n_tiles) where every tile begins, over all numbers per piece that add up to ``taken``."""
    partial = {0: np.zeros((0, 1), np.intp)}
    for place, starts in enumerate(edges):
        rest, grown = sum(sizes[place + 1 :]), dict[int, list[Rows]]()
        for total, before in partial.items():
            for number, new in starts.items():
                if taken - rest <= total + number <= taken:
                    both = np.vstack([np.repeat(before, new.size, axis=1), np.tile(new, before.shape[1])])
                    grown.setdefault(total + number, []).append(both)
        partial = {total: np.concatenate(found, axis=1) for total, found in grown.items()}
    return np.ascontiguousarray(partial[taken])


__all__ = ["Tiling", "tiling"]
