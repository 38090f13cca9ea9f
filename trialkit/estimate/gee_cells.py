"""Rows, or sums over cells, reduced to what estimating equations need: rows alike in all but the outcome are one cell.

A cell's outcomes enter through their number, their mean and their sum of squares about it, so that a fit costs what its
cells cost and never what its people cost, and sums over cells give what the rows behind them would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints
from trialkit.estimate.given import numbers


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """What each row says: ``size`` persons with this mean, and the sum of squares about it.

    Parameters
    ----------
    size : (n,) float >= 0
        Persons behind the row; 1 for a person.
    mean, squares : (d, n) float
        By data set.
    """

    size: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, outcomes: Floats, sizes: ArrayLike | None, squares: ArrayLike | None, *, binary: bool) -> Rows:
        """Rows of persons, or sums over ``sizes`` persons with their sums of squares (0/1 outcomes: the sums).

        Raises
        ------
        EstimateError
            Sizes of another length or below 0; sums without the squares they need, or that no persons could have.
        """
        n = outcomes.shape[-1]
        if sizes is None:
            if squares is not None:
                raise _without_sizes()
            return cls(size=np.ones(n), mean=outcomes, squares=np.zeros_like(outcomes))
        size = numbers(sizes, "sizes")
        if size.shape != (n,) or not (size >= 0).all() or (size != np.floor(size)).any():
            raise _wrong_sizes(n, size)
        if squares is None and not binary:
            raise _without_squares()
        divisor = np.where(size > 0, size, 1.0)
        mean = outcomes / divisor
        raw = outcomes if squares is None else _squared(squares, outcomes.shape)
        about = raw - outcomes * mean
        impossible = about < -1e-9 * np.maximum(np.abs(raw), 1.0)
        impossible |= (size == 0) & (outcomes != 0)
        if impossible.any():
            raise _impossible(np.flatnonzero(impossible.any(axis=0)))
        return cls(size=size, mean=mean, squares=np.maximum(about, 0.0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """The cells of c clusters, K slots each; a slot a cluster does not use holds nobody.

    Parameters
    ----------
    x : (c, K, p) float
        Columns over their root mean square ``scale`` (p,).
    n : (c, K) float
        Persons.
    weight, offset : (c, K) float
    period : (c, K) int
        Codes from 0; 0 throughout where periods do not matter.
    n_periods : int
    """

    x: Floats
    scale: Floats
    n: Floats
    weight: Floats
    offset: Floats
    period: Ints
    n_periods: int

    @property
    def n_persons(self) -> float:
        """Rows behind all cells."""
        return float(self.n.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """By data set and cell, (d, c, K): the mean, and the sum of squares about it."""

    mean: Floats
    squares: Floats

    def of(self, sets: Ints) -> Outcomes:
        """These data sets."""
        if len(sets) == len(self.mean):
            return self
        return Outcomes(mean=self.mean[sets], squares=self.squares[sets])


def gathered(
    rows: Rows, x: Floats, cluster: Ints, period: Ints, weight: Floats, offset: Floats, *, by_period: bool
) -> tuple[Grid, Outcomes]:
    """The grid and what was seen in it; ``by_period`` gives every period a slot of its own, in order.

    Every row holds somebody; ``cluster`` and ``period`` are codes from 0 without gaps.
    """
    code, first = _alike(np.stack([offset, weight, *x.T[::-1], period.astype(float), cluster.astype(float)]))
    owner = cluster[first]
    slot = period[first] if by_period else np.arange(len(first)) - np.searchsorted(owner, owner)
    shape, where = (int(owner.max()) + 1, int(slot.max()) + 1), (owner, slot)
    size = np.bincount(code, weights=rows.size).astype(np.float64)
    mean, squares = _pooled(rows, code, size)
    scale = np.sqrt((x**2).mean(axis=0))
    grid = Grid(
        x=_placed(x[first] / scale, where, shape), scale=scale, n=_placed(size, where, shape),
        weight=_placed(weight[first], where, shape), offset=_placed(offset[first], where, shape),
        period=_placed(period[first].astype(float), where, shape).astype(np.intp), n_periods=int(period.max()) + 1,
    )  # fmt: skip
    seen = [np.ascontiguousarray(np.moveaxis(_placed(values.T, where, shape), -1, 0)) for values in (mean, squares)]
    return grid, Outcomes(mean=seen[0], squares=seen[1])


def _alike(keys: Floats) -> tuple[Ints, Ints]:
    """Cell of each row, cells in the order of the keys (the last is first), and the first row of each."""
    order = np.lexsort(keys)
    new = np.r_[True, (np.diff(keys[:, order], axis=1) != 0).any(axis=0)]
    code = np.empty(len(order), np.intp)
    code[order] = np.cumsum(new) - 1
    return code, order[new]


def _pooled(rows: Rows, code: Ints, size: Floats) -> tuple[Floats, Floats]:
    """(d, g) means, and sums of squares about them, of each cell."""
    gather = csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(size), len(code)))
    centre = np.asarray((gather @ (rows.mean * rows.size).T).T, np.float64) / size
    about = rows.squares + rows.size * (rows.mean - centre[:, code]) ** 2
    return centre, np.asarray((gather @ about.T).T, np.float64)


def _placed(values: Floats, where: tuple[Ints, Ints], shape: tuple[int, int]) -> Floats:
    found = np.zeros(shape + values.shape[1:])
    found[where] = values
    return found


def _squared(squares: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Sums of squares by data set and row: given for each, or one for all data sets."""
    found = numbers(squares, "squares")
    if found.shape not in (shape, shape[-1:]) or not np.isfinite(found).all():
        raise EstimateError(
            f"squares has shape {found.shape} or a missing value, and the sums have shape {shape}. Give one per row.",
            {"shape": found.shape, "expected": shape},
            da=f"squares har formen {found.shape} eller mangler en værdi, og summerne har formen {shape}. Giv én pr. række.",
        )
    return np.broadcast_to(found, shape)


def _without_sizes() -> EstimateError:
    return EstimateError(
        "squares were given without sizes. A sum of squares belongs to a row that stands for several persons. Give "
        "sizes too, or leave squares out.",
        {},
        da="squares er givet uden sizes. En sum af kvadrater hører til en række, der står for flere personer. Giv også "
        "sizes, eller udelad squares.",
    )


def _wrong_sizes(n: int, size: Floats) -> EstimateError:
    return EstimateError(
        f"sizes must be {n} whole numbers from 0, the persons behind each row's sum; they have shape {size.shape} or a "
        "value that counts nobody. Give how many persons each sum is over.",
        {"rows": n, "shape": size.shape},
        da=f"sizes skal være {n} hele tal fra 0, personerne bag hver rækkes sum; de har formen {size.shape} eller en "
        "værdi, der ikke er et antal. Giv, hvor mange personer hver sum er over.",
    )


def _without_squares() -> EstimateError:
    return EstimateError(
        "Sums alone do not show how persons of a cell differ, and the correlation is told from that. Give squares, the "
        "sum of squared outcomes of each cell, or one row per person.",
        {},
        da="Summer alene viser ikke, hvor forskellige personerne i en celle er, og det er det, korrelationen ses på. Giv "
        "squares, summen af kvadrerede udfald i hver celle, eller én række pr. person.",
    )


def _impossible(rows: Ints) -> EstimateError:
    return EstimateError(
        f"{len(rows)} rows have a sum that their persons cannot have (the first is row {rows[0]}): more ones than "
        "persons, a sum of nobody, or squares below what the sum needs. Check outcome, sizes and squares.",
        {"rows": rows.tolist()},
        da=f"{len(rows)} rækker har en sum, som personerne ikke kan have (den første er række {rows[0]}): flere ettaller "
        "end personer, en sum af ingen eller kvadrater, der er mindre, end summen kræver. Se på outcome, sizes og "
        "squares.",
    )


__all__ = ["Grid", "Outcomes", "Rows", "gathered"]
