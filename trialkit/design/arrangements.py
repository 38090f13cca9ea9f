"""Arrangements of labels over the items of one part: numbered, listed and drawn, many at once.

Arrays only.  ``counts[j]`` items get label j and every arrangement is equally likely; specification section 6.3
numbers them lexicographically by label over the items in canonical order, and so do these kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.parts import arrangements

Ints = NDArray[np.int64]

TABLE_BYTES: Final = 2**25  # a rank is looked up in two tables of at most this size; beyond it, item by item
MANY_LABELS: Final = 32  # from here on a shuffle of the labels is cheaper than an urn with one comparison per label
FEW_DRAWS: Final = 500  # below it the urn's steps from item to item cost more than a shuffle


def code_type(n_labels: int) -> np.dtype[np.integer]:
    """The small integer that holds a label's code: int8 up to 127 labels, else int16."""
    return np.dtype(np.int8 if n_labels <= 127 else np.int16)


@dataclass(frozen=True, eq=False)
class Ranked:
    """The arrangements of one part by their number; build with `ranked`.

    A row is the first items' labels beside the last items' labels.  All beginnings stand in one table, all ends in
    another, grouped by the numbers per label that a beginning leaves; ``first[p]`` is the rank at which beginning p
    starts and ``shift[p]`` what turns a rank into its row among the ends.
    """

    beginnings: Codes
    ends: Codes
    first: Ints
    shift: Ints

    def rows(self, ranks: Ints) -> Codes:
        """(k, m) arrangements numbered ``ranks``, (k,) from 0."""
        start = np.searchsorted(self.first, ranks, side="right") - 1
        ends = self.ends.take(ranks + self.shift.take(start), axis=0)
        if not self.beginnings.shape[1]:
            return ends
        return np.concatenate([self.beginnings.take(start, axis=0), ends], axis=1)


@dataclass(frozen=True, eq=False)
class Unranked:
    """The same without tables, for parts with many items and few arrangements."""

    counts: Ints
    size: int
    type: np.dtype[np.integer]

    def rows(self, ranks: Ints) -> Codes:
        """(k, m) arrangements numbered ``ranks``: ``unrank`` of section 6.3 on whole columns."""
        n_items = int(self.counts.sum())
        out = np.zeros((n_items, ranks.size), self.type)
        rank, total = ranks.copy(), np.full(ranks.size, self.size, np.int64)
        left = np.repeat(self.counts[:, None], ranks.size, axis=1)
        for item in range(n_items):
            _one_item(out[item], rank, total, left, n_items - item)
        return np.ascontiguousarray(out.T)


def _one_item(out: Codes, rank: Ints, total: Ints, left: Ints, items_left: int) -> None:
    """Give one item its label in every column and take the label from the counts that are left, in place."""
    open_ = np.ones(rank.size, bool)
    for label, count in enumerate(left):
        size = total * count // items_left
        here = open_ & (rank < size)
        out[here] = label
        open_ &= ~here
        rank -= np.where(open_, size, 0)
        count -= here
        total[here] = size[here]


def ranked(counts: Sequence[int], n_labels: int) -> Ranked | Unranked:
    """All arrangements of ``counts`` (their number below 2^62 / items), ready to be looked up by rank.

    ``n_labels`` decides the codes' type, so that parts of one design can stand side by side.
    """
    left, size = np.array([counts], np.int64), arrangements(counts)
    n_items, type_ = int(left.sum()), code_type(n_labels)
    half = 0 if size * n_items <= 2**20 else n_items // 2
    beginnings = _extended(left, half, type_)
    if beginnings is None:
        return Unranked(left[0], size, type_)
    groups, group = np.unique(beginnings.left, axis=0, return_inverse=True)
    ends = _extended(groups, n_items - half, type_)
    if ends is None:
        return Unranked(left[0], size, type_)
    n_ends = np.bincount(ends.origin, minlength=len(groups))
    group = group.ravel()  # numpy 2.0 gave it a second axis
    first = np.cumsum(n_ends[group]) - n_ends[group]
    return Ranked(beginnings.codes, ends.codes, first, (np.cumsum(n_ends) - n_ends)[group] - first)


@dataclass(frozen=True, eq=False)
class _Table:
    codes: Codes  # (k, steps)
    left: Ints  # (k, n_labels) items per label still to come
    origin: NDArray[np.intp]  # (k,) row of the start it grew from


def _extended(starts: Ints, steps: int, type_: np.dtype[np.integer]) -> _Table | None:
    """Every way to go on for ``steps`` items from each row of counts, in order; None beyond `TABLE_BYTES`."""
    table = _Table(np.zeros((len(starts), 0), type_), starts, np.arange(len(starts)))
    row_bytes = steps * type_.itemsize + starts.shape[1] * starts.itemsize
    for _ in range(steps):
        if np.count_nonzero(table.left) * row_bytes > TABLE_BYTES:
            return None
        row, label = np.nonzero(table.left)  # row by row, labels ascending: lexicographic order stays
        codes = np.concatenate([table.codes[row], label[:, None].astype(type_)], axis=1)
        left = table.left[row]
        left[np.arange(len(row)), label] -= 1
        table = _Table(codes, left, table.origin[row])
    return table


def drawn(counts: Ints, size: int, n_labels: int, rng: np.random.Generator) -> Codes:
    """(m, size) independent arrangements, one per column.

    ``counts`` is (n_labels, size), or (n_labels, 1) if all columns have the same; every column sums to m.  An urn:
    item by item, a whole number below the items left decides the label.  numpy draws these numbers with rejection, so
    every arrangement is exactly equally likely.
    """
    type_, used = code_type(n_labels), np.flatnonzero(counts.any(axis=1))
    if len(used) > MANY_LABELS or size < FEW_DRAWS:
        return _shuffled(np.broadcast_to(counts, (n_labels, size)), type_, rng)
    n_items = int(counts[:, 0].sum())
    if len(used) == 1:
        return np.full((n_items, size), used[0], type_)
    return _named(_urn(counts[used], n_items, size, rng), used.astype(type_))


def _named(places: Codes, used: Codes) -> Codes:
    """The labels at ``places`` among those in use."""
    if (used == np.arange(len(used))).all():
        return places.astype(used.dtype, copy=False)
    return used.take(places)


def _urn(counts: Ints, n_items: int, size: int, rng: np.random.Generator) -> Codes:
    """(n_items, size) places among the rows of ``counts``."""
    word = np.min_scalar_type(n_items)
    source = max(word, np.dtype(np.uint16))  # numpy draws 16 bits faster than 8
    below = np.cumsum(counts, axis=0)[:-1].astype(word)  # items left with this label or an earlier one
    below = np.repeat(below, size, axis=1) if below.shape[1] == 1 else below
    out = np.empty((n_items, size), np.int8)
    beyond = np.empty(size, bool)
    for item in range(n_items):
        number = rng.integers(0, n_items - item, size=size, dtype=source.type).astype(word, copy=False)
        np.greater_equal(number, below[0], out=out[item].view(bool))
        below[0] -= 1 - out[item].view(np.uint8)
        for left in below[1:]:
            np.greater_equal(number, left, out=beyond)
            out[item] += beyond.view(np.int8)
            left -= 1 - beyond.view(np.uint8)
    return out


def _shuffled(counts: Ints, type_: np.dtype[np.integer], rng: np.random.Generator) -> Codes:
    labels = np.broadcast_to(np.arange(len(counts), dtype=type_)[:, None], counts.shape)
    ordered = np.repeat(labels.T.ravel(), counts.T.ravel()).reshape(counts.shape[1], -1)
    mixed: Codes = rng.permuted(ordered, axis=1).T
    return mixed
