"""Rows reduced to what a mixed model needs of them: sums by cluster, shared by every data set of one design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from trialkit.errors import EstimateError
from trialkit.estimate.given import by_name, numbers
from trialkit.estimate.regression import INTERCEPT

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
FEWEST_CLUSTERS: Final = 3
FARTHEST: Final = 1e60  # from 1, up or down: the small-sample corrections take fourth powers, and 1e308 is the end


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Sufficient statistics of ``d`` data sets with one design: c clusters, q random-effect slots, p fixed effects.

    Parameters
    ----------
    m : (c, q, q) float
        Z'WZ by cluster; slots a cluster does not use are 0.
    a : (c, q, p) float
        Z'WX by cluster.
    b : (d, c, q) float
        Z'Wy by data set and cluster.
    xx, xy, yy : (p, p), (d, p) and (d,) float
        X'WX, X'Wy and y'Wy over all rows.
    log_weights : float
        Sum of the logarithms of the weights.
    n_rows : int
        Rows per data set.
    """

    m: Floats
    a: Floats
    b: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    log_weights: float
    n_rows: int

    @property
    def n_sets(self) -> int:
        """d: how many data sets."""
        return len(self.yy)

    @property
    def mean_weight(self) -> float:
        """Geometric mean of the weights: the scale on which a variance ratio is large or small."""
        return float(np.exp(self.log_weights / self.n_rows))

    def of(self, sets: Ints) -> Sums:
        """The same design with these data sets, in this order; a data set may be repeated."""
        return replace(self, b=self.b[sets], xy=self.xy[sets], yy=self.yy[sets])

    def of_persons(self, n_persons: int, within: Floats) -> Sums:
        """The sums of the persons behind cells' means, whose weights were their numbers.

        Persons of one cell are alike in all but the outcome, so that means and the sum of squares about them, over all
        cells (d,), are sufficient.
        """
        return replace(self, yy=self.yy + within, log_weights=0.0, n_rows=n_persons)


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Rows of one design: fixed effects, random-effect slots, clusters and weights.

    Parameters
    ----------
    x : (n, p) float
        Fixed effects.
    z : (n, q) float
        Loading of each row on the slots of its own cluster.
    cluster : (n,) int
        Codes from 0.
    weights : (n,) float, > 0
        A row's residual variance is sigma^2 / weight.
    """

    x: Floats
    z: Floats
    cluster: Ints
    weights: Floats

    def sums(self, outcomes: Floats) -> Sums:
        """Sums of ``outcomes`` (d, n); rows alike in everything but the outcome are added up first."""
        cell, first = self._cells()
        total = _added(outcomes, self.weights, cell, len(first))  # (d, g) sums of weight x outcome
        size = np.bincount(cell, weights=self.weights, minlength=len(first))
        x, z, cluster = self.x[first], self.z[first], self.cluster[first]
        n_clusters = int(cluster.max()) + 1
        m = np.empty((n_clusters, z.shape[1], z.shape[1]))
        a = np.empty((n_clusters, z.shape[1], x.shape[1]))
        b = np.empty((len(total), n_clusters, z.shape[1]))
        for c in range(n_clusters):
            here = np.flatnonzero(cluster == c)
            loaded = z[here].T * size[here]
            m[c], a[c], b[:, c] = loaded @ z[here], loaded @ x[here], total[:, here] @ z[here]
        return Sums(
            m=m, a=a, b=b, xx=(x.T * size) @ x, xy=total @ x, yy=_squares(outcomes, self.weights),
            log_weights=float(np.log(self.weights).sum()), n_rows=len(self.x),
        )  # fmt: skip

    def _cells(self) -> tuple[Ints, Ints]:
        """(n,) cell of each row, numbered in order of appearance, and the first row of each cell."""
        rows = np.column_stack([self.cluster.astype(np.float64), self.x, self.z])
        _, first, code = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return rank[code.ravel()].astype(np.intp), first[order].astype(np.intp)


def _added(outcomes: Floats, weights: Floats, cell: Ints, n_cells: int) -> Floats:
    """(d, n_cells) sums of weight x outcome; equal cells in a row are one matrix product, without a copy."""
    each = len(cell) // n_cells
    regular = each * n_cells == len(cell) and np.array_equal(cell, np.repeat(np.arange(n_cells), each))
    if regular and np.all(weights == weights[0]) and outcomes.flags.c_contiguous:
        found = outcomes.reshape(-1, each) @ np.full(each, weights[0])
        return np.asarray(found.reshape(len(outcomes), n_cells), np.float64)
    gather = csr_array((weights, (cell, np.arange(len(cell)))), shape=(n_cells, len(cell)))
    return np.ascontiguousarray((gather @ outcomes.T).T)


def _squares(outcomes: Floats, weights: Floats) -> Floats:
    if np.all(weights == weights[0]):
        return np.asarray(np.einsum("dn,dn->d", outcomes, outcomes) * weights[0], np.float64)
    return np.asarray(np.einsum("dn,n,dn->d", outcomes, weights, outcomes), np.float64)


def least_squares(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Coefficients (p,) and residuals (n,): what is fitted, so that a far-off level costs no digits.

    Raises
    ------
    EstimateError
        Nothing is left: the columns give the outcome exactly.
    """
    root = np.sqrt(w)
    start = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    left = y - x @ start
    if np.linalg.norm(left) <= 1e-10 * max(float(np.linalg.norm(y)), 1e-300):
        raise EstimateError(
            "The fixed effects give the outcome exactly, so there is no variation to tell errors by, and the likelihood "
            "has no maximum. Look for an outcome that is constant or was made of the columns.",
            {"rows": len(y)},
            da="De faste effekter giver udfaldet præcist, så der er ingen variation at måle usikkerhed ved, og modellens "
            "likelihood har intet maksimum. Se efter et udfald, der er konstant eller er lavet af kolonnerne.",
        )
    return np.asarray(start, np.float64), np.asarray(left, np.float64)


def one_per_row(outcome: ArrayLike, name: str = "outcome") -> Floats:
    """(n,) one number per row, at least one row.

    Raises
    ------
    EstimateError
        Something that is no number, no row, or another shape.
    """
    found = numbers(outcome, name)
    if found.ndim != 1 or not found.size:
        raise EstimateError(
            f"{name} has shape {found.shape}, and one number per row is needed, of at least one row. Give a list, an array "
            "or a Series.",
            {"name": name, "shape": found.shape},
            da=f"{name} har formen {found.shape}, og der skal være ét tal pr. række og mindst én række. Giv en liste, et "
            "array eller en Series.",
        )
    return found


def fixed_effects(columns: Mapping[str, ArrayLike], n: int) -> tuple[tuple[str, ...], Floats]:
    """Names and values of the intercept and the columns, in the order given.

    Parameters
    ----------
    columns : k columns by name, each (n,) float
        A column of the intercept's own name replaces it, in its place.
    n : int
        Rows.

    Returns
    -------
    (1 + k,) names and (n, 1 + k) float, the intercept first.

    Raises
    ------
    EstimateError
        A column is no numbers, or not (n,); ``facts["column"]`` says which.  Gaps are for `check_rows`, rank for `check_rank`.
    """
    named = by_name(columns, "columns").items()
    given = {INTERCEPT: np.ones(n), **{name: numbers(column, f"the column {name!r}") for name, column in named}}
    for name, column in given.items():
        if column.shape != (n,):
            raise EstimateError(
                f"The column {name!r} has shape {column.shape}, and there are {n} outcomes. Give one value per row.",
                {"column": name, "shape": column.shape, "rows": n},
                da=f"Kolonnen {name!r} har formen {column.shape}, men der er {n} udfald. Giv én værdi pr. række.",
            )
    return tuple(given), np.column_stack(list(given.values()))


def check_rows(y: Floats, x: Floats, cluster: NDArray[np.intp], weights: Floats) -> None:
    """Refuse lengths that differ, gaps, weights that are not positive, sizes nobody can square, and a single cluster."""
    n = len(x)
    if not (y.shape[-1] == len(cluster) == n and weights.shape == (n,)):
        raise EstimateError(
            f"There are {y.shape[-1]} outcomes, {len(cluster)} cluster labels and {len(weights)} weights. A shifted row "
            "would credit one cluster with another's outcome. Give one of each per row.",
            {"outcomes": y.shape[-1], "clusters": len(cluster), "weights": len(weights)},
            da=f"Der er {y.shape[-1]} udfald, {len(cluster)} klynger og {len(weights)} vægte. En forskudt række giver "
            "én klynge en andens tal. Giv én af hver pr. række.",
        )
    wrong = ~np.isfinite(x).all(axis=1) | ~np.isfinite(np.atleast_2d(y)).all(axis=0) | ~(weights > 0)
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise EstimateError(
            f"{len(rows)} rows have a missing value or a weight that is not positive; the first is row {rows[0]}. A row "
            "left out in silence would change the question. Leave them out by name, or fill them.",
            {"rows": rows.tolist()},
            da=f"{len(rows)} rækker mangler en værdi eller har en vægt, der ikke er positiv; den første er række "
            f"{rows[0]}. Udelad dem med vilje, eller udfyld dem.",
        )
    check_scale("the outcome", y)
    check_scale("a column", x)
    check_scale("a weight", weights)
    if len(np.unique(cluster)) < 2:
        raise EstimateError(
            "There is one cluster, so nothing shows how clusters vary. Give at least two.",
            {"clusters": 1},
            da="Der er én klynge, så intet viser, hvordan klynger varierer. Giv mindst to.",
            code="E_FEW_CLUSTERS",
        )


def check_scale(name: str, values: Floats) -> None:
    """Refuse numbers so large or so small that their squares and fourth powers are no numbers any more."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if largest and not 1 / FARTHEST <= largest <= FARTHEST:
        raise EstimateError(
            f"The numbers of {name} go to {largest:.3g}, and their squares and products are beyond what a computer can "
            "hold. Count in another unit, nearer 1.",
            {"name": name, "largest": largest},
            da=f"Tallene ({name}) går til {largest:.3g}, og deres kvadrater og produkter er uden for, hvad en computer kan "
            "rumme. Regn i en anden enhed, nærmere 1.",
        )


def check_clusters(clusters: int) -> None:
    """Refuse fewer clusters than show how clusters differ (``E_FEW_CLUSTERS``)."""
    if clusters < FEWEST_CLUSTERS:
        raise EstimateError(
            f"There are {clusters} clusters, and how clusters differ cannot be seen from fewer than {FEWEST_CLUSTERS}. Use "
            "the randomization test of the design.",
            {"clusters": clusters},
            da=f"Der er {clusters} klynger, og hvor forskellige klynger er, kan ikke ses af færre end {FEWEST_CLUSTERS}. "
            "Brug designets randomiseringstest.",
            code="E_FEW_CLUSTERS",
        )


def weights_of(weights: ArrayLike | None, n: int) -> Floats:
    """(n,) weights as numbers, 1 unless given; what they may be is for `check_rows`."""
    return np.ones(n) if weights is None else numbers(weights, "weights")


def persons_of(sizes: ArrayLike, weights: ArrayLike | None, n: int) -> Floats:
    """(n,) how many persons each row's mean is of, as weights.

    Raises
    ------
    EstimateError
        Not whole numbers from 1, or weights beside them.
    """
    found = numbers(sizes, "sizes")
    if weights is not None or found.shape != (n,) or not ((found >= 1) & (found == np.floor(found))).all():
        raise EstimateError(
            f"sizes has shape {found.shape} for {n} rows, is not whole numbers from 1, or stands beside weights. They count "
            "the persons behind each row's mean. Give one whole number per row, or weights, not both.",
            {"shape": found.shape, "rows": n, "weights": weights is not None},
            da=f"sizes har formen {found.shape} for {n} rækker, er ikke hele tal fra 1, eller står sammen med vægte. De "
            "tæller personerne bag hver rækkes gennemsnit. Angiv ét helt tal pr. række, eller vægte, ikke begge.",
        )
    return found


def check_within(within: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    """Sums of squares about the means, one per ``shape``.

    Raises
    ------
    EstimateError
        They are missing, of another shape, or negative.
    """
    found = numbers(np.nan if within is None else within, "within")
    if found.shape != shape or not (np.isfinite(found) & (found >= 0)).all():
        raise EstimateError(
            f"within has shape {found.shape}, is negative or was not given, and sizes need one sum of squares of the persons "
            f"about their mean for each of {shape}. Without it nobody knows how persons vary. Give it, or give weights.",
            {"shape": found.shape, "expected": shape},
            da=f"within har formen {found.shape}, er negativ eller mangler, og sizes kræver en kvadratsum for hver af "
            f"{shape}. Uden den ved ingen, hvor meget personer varierer. Angiv den, eller brug vægte.",
        )
    return found


def check_rank(x: Floats, names: tuple[str, ...]) -> None:
    """Refuse columns that follow from the others, and as many columns as rows."""
    size = np.linalg.norm(x, axis=0)
    rank = np.linalg.matrix_rank(x / np.where(size > 0, size, 1))
    if rank < x.shape[1] or len(x) <= x.shape[1]:
        raise EstimateError(
            f"The {x.shape[1]} fixed effects of {len(x)} rows have rank {rank}: a column follows from the others, or "
            f"nothing is left to tell variances by. Leave one out of {', '.join(names)}.",
            {"terms": list(names), "rank": int(rank), "rows": len(x)},
            da=f"De {x.shape[1]} faste effekter af {len(x)} rækker har rang {rank}: en kolonne følger af de andre, eller "
            f"der er intet tilbage at se varianser af. Udelad en af {', '.join(names)}.",
        )


__all__ = [
    "Floats", "Ints", "Layout", "Sums", "check_clusters", "check_rank", "check_rows", "check_scale", "check_within",
    "fixed_effects", "least_squares", "one_per_row", "persons_of", "weights_of",
]  # fmt: skip
