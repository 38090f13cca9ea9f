"""Working correlations of estimating equations: what they weigh with, and how their parameters are told from residuals.

Everything is found from cells.  With u = sqrt(weight / v) dmu/dbeta, e the standardized residuals and R the correlation
of a cluster's rows, the equations need [u, e]' R^-1 [u, e] by cluster.  Where R is made of blocks, R^-1 is an identity
plus something of low rank in the sums of a cluster's periods, so that persons of a cell are never multiplied out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.gee_cells import Grid, Outcomes
from trialkit.estimate.gee_family import Family
from trialkit.estimate.gee_sandwich import leverage_free

Correlation = Literal["independence", "exchangeable", "nested", "autoregressive"]
Flags = NDArray[np.bool_]
PAIRS_AT_ONCE: Final = 2_000_000
NEAREST_ONE: Final = 0.9999  # an autoregressive correlation beyond makes neighbouring periods one
SMALL: Final = 1e-10  # of a variance, below which there is none


@dataclass(frozen=True, eq=False)
class Point:
    """d data sets at coefficients beta (d, p): standardized, by cell.

    Parameters
    ----------
    grid : Grid
    outcomes : Outcomes
    family : Family
    beta : (d, p) float
        Of the grid's columns.
    """

    grid: Grid
    outcomes: Outcomes
    family: Family
    beta: Floats

    @cached_property
    def mu(self) -> Floats:
        """(d, c, K) expected outcomes; empty slots have one in the middle of the family's range."""
        eta = np.einsum("ckp,dp->dck", self.grid.x, self.beta) + self.grid.offset
        return np.where(self.grid.n > 0, self.family.mean(eta), 0.5)

    @cached_property
    def root(self) -> Floats:
        """(d, c, K) sqrt(weight / v)."""
        return np.sqrt(self.grid.weight / self.family.variance(self.mu))

    @cached_property
    def residual(self) -> Floats:
        """(d, c, K) standardized residual of each cell's mean."""
        return (self.outcomes.mean - self.mu) * self.root

    @cached_property
    def squares(self) -> Floats:
        """(d, c, K) sum of the squared standardized residuals of a cell's rows."""
        return self.outcomes.squares * self.root**2 + self.grid.n * self.residual**2

    @cached_property
    def both(self) -> Floats:
        """(d, c, K, p + 1) [u, e]."""
        u = self.grid.x * (self.family.slope(self.mu) * self.root)[..., None]
        return np.concatenate([u, self.residual[..., None]], axis=-1)

    @cached_property
    def counted(self) -> Floats:
        """(d, c, K, p + 1) [u, e] times the persons of each cell."""
        return self.both * self.grid.n[..., None]

    @cached_property
    def plain(self) -> Floats:
        """(d, c, p + 1, p + 1) [u, e]'[u, e] by cluster: rows independent."""
        return np.asarray(self.both.swapaxes(-1, -2) @ self.counted, np.float64)

    @cached_property
    def mean_square(self) -> Floats:
        """(d,) phi: mean squared residual, each row by its weight."""
        total = (self.grid.n * self.grid.weight).sum()
        return np.asarray(self.squares.sum(axis=(1, 2)) / total, np.float64)


@dataclass(frozen=True, eq=False)
class Told:
    """The parameters of a working correlation as the residuals of d data sets tell them.

    Parameters
    ----------
    alpha : (d, k) float
        Correlations, in the order of the working correlation's ``names``.
    phi : (d,) float
        Dispersion: a row's variance is phi v / weight.  1 for the nested correlation of 0/1 outcomes.
    possible : (d,) bool
        Whether rows can be correlated so: the correlation of every cluster is positive definite, every weighted product
        has a variance, and neighbouring periods are not one (`NEAREST_ONE`).

    References
    ----------
    Liang & Zeger (1986), doi:10.1093/biomet/73.1.13, section 4; nested: Prentice (1988), doi:10.2307/2531733.
    """

    alpha: Floats
    phi: Floats
    possible: Flags


class Working(Protocol):
    """What the fit asks of a working correlation."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its parameters."""

    def gram(self, point: Point, alpha: Floats) -> Floats:
        """(d, c, p + 1, p + 1) [u, e]' R^-1 [u, e] by cluster, at alpha (d, k)."""

    def told(self, point: Point, alpha: Floats) -> Told:
        """The parameters at these residuals; ``alpha`` is where they were."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Independent, exchangeable, or nested exchangeable (Teerenstra et al. 2010): one correlation within a period of a
    cluster and one between its periods.

    Exchangeable parameters are moments (Liang & Zeger 1986, section 4), pairs weighing by the product of their weights.
    Nested ones solve Prentice's (1988) second equations, each pair's product weighing by the inverse of its variance,
    1 + c_j c_k rho - rho^2 with c = (1 - 2 mu)/sqrt(mu (1 - mu)) for 0/1 outcomes (Preisser, Lu & Qaqish 2008), and
    alike for others; phi is then 1 for 0/1 outcomes, and else the leverage-corrected sum of r'(I - H)^-1 r over
    N - p.

    References
    ----------
    Liang & Zeger (1986), doi:10.1093/biomet/73.1.13; Prentice (1988), doi:10.2307/2531733; Preisser, Lu & Qaqish
    (2008), doi:10.1002/sim.3393; Teerenstra et al. (2010), doi:10.1002/sim.4073; in sums of cluster-periods: Li, Yu,
    Rathouz, Turner & Preisser (2022), doi:10.1093/biostatistics/kxaa056.
    """

    grid: Grid
    kind: Literal["independence", "exchangeable", "nested"]

    @property
    def names(self) -> tuple[str, ...]:
        """No parameter, one or two."""
        found = {"independence": (), "exchangeable": ("exchangeable",), "nested": ("within period", "between periods")}
        return found[self.kind]

    @cached_property
    def belongs(self) -> Floats:
        """(c, T, K) whether a cell belongs to a block: the period, or the cluster whole."""
        if self.kind != "nested":
            return np.ones((len(self.grid.n), 1, self.grid.n.shape[1]))
        here = np.arange(self.grid.n_periods)[:, None] == self.grid.period[:, None, :]
        return np.asarray(here, np.float64)

    @cached_property
    def sizes(self) -> Floats:
        """(c, T) persons per block."""
        return np.asarray((self.belongs @ self.grid.n[..., None])[..., 0], np.float64)

    def gram(self, point: Point, alpha: Floats) -> Floats:
        """R = (1 - a) I + (a - b) (blocks) + b; a within a block and b between blocks."""
        if self.kind == "independence":
            return point.plain
        left, spread, between = self._parts(alpha)
        within = point.plain
        if self.kind == "nested":
            sums = self.belongs @ point.counted
            shrunk = sums / spread[..., None]
            within = within - (1 - left - between)[:, None, None, None] * (sums.swapaxes(-1, -2) @ shrunk)
            total = shrunk.sum(axis=2)
        else:
            total = point.counted.sum(axis=2) / spread
        persons = (self.sizes / spread).sum(axis=2)
        across = (between[:, None] / (1 + between[:, None] * persons))[..., None, None]
        outer = total[..., :, None] * total[..., None, :]
        return np.asarray(within / left[:, None, None, None] - across * outer, np.float64)

    def told(self, point: Point, alpha: Floats) -> Told:
        """Moments, or the next step of Prentice's equations."""
        if self.kind == "independence":
            return Told(alpha, point.mean_square, np.ones(len(alpha), bool))
        phi = point.mean_square if self.kind == "exchangeable" else self._scale(point, alpha)
        found, seen = self._moments(point) if self.kind == "exchangeable" else self._prentice(point, alpha)
        told = found / phi[:, None]
        return Told(told, phi, seen & self._possible(told))

    def _parts(self, alpha: Floats) -> tuple[Floats, Floats, Floats]:
        """1 - a (d,), a block's eigenvalue 1 - a + size (a - b) (d, c, T), and b (d,)."""
        within, between = alpha[:, 0], alpha[:, -1]
        left = 1 - within
        return left, left[:, None, None] + self.sizes * (within - between)[:, None, None], between

    def _possible(self, alpha: Floats) -> Flags:
        """Whether every cluster's correlation is positive definite."""
        left, spread, between = self._parts(alpha)
        fine = (left > SMALL) & (spread > SMALL).all(axis=(1, 2))
        persons = (self.sizes / np.where(spread > SMALL, spread, 1.0)).sum(axis=2)
        return np.asarray(fine & (1 + between[:, None] * persons > SMALL).all(axis=1))

    def _moments(self, point: Point) -> tuple[Floats, Flags]:
        """Mean product of two residuals of a cluster, each pair by the product of its weights."""
        n, weight = self.grid.n, self.grid.weight
        sums = (n * np.sqrt(weight) * point.residual).sum(axis=2)
        products = (sums**2).sum(axis=1) - (weight * point.squares).sum(axis=(1, 2))
        pairs = ((n * weight).sum(axis=1) ** 2).sum() - (n * weight**2).sum()
        return (products / pairs)[:, None], np.ones(len(products), bool)

    def _scale(self, point: Point, alpha: Floats) -> Floats:
        if point.family.name == "binomial":
            return np.ones(len(alpha))
        free = self.grid.n_persons - self.grid.x.shape[-1]
        gram, p = self.gram(point, alpha), self.grid.x.shape[-1]
        pulled = leverage_free(gram[..., :p, :p], gram[..., :p, p])
        lost = (point.plain[..., :p, p] * pulled).sum(axis=(1, 2))
        return np.asarray((point.squares.sum(axis=(1, 2)) + lost) / free, np.float64)

    def _prentice(self, point: Point, alpha: Floats) -> tuple[Floats, Flags]:
        """(d, 2) mean products within a period and between periods, and whether every product has a variance."""
        if point.family.name != "binomial":
            return self._even(point), np.ones(len(alpha), bool)
        d, c, k = point.mu.shape
        step = max(1, PAIRS_AT_ONCE // (d * k * k))
        parts = [self._weighted(point, alpha, slice(at, at + step)) for at in range(0, c, step)]
        top, bottom = (sum(part[i] for part in parts) for i in (0, 1))
        fine = np.all([part[2] for part in parts], axis=0)
        return np.asarray(top / bottom, np.float64), fine

    def _even(self, point: Point) -> Floats:
        """Every product weighs alike: sums by period are enough."""
        sums = (self.belongs @ point.counted[..., -1:])[..., 0]
        squares, n = point.squares.sum(axis=(1, 2)), self.sizes
        within = (sums**2).sum(axis=(1, 2))
        products = np.stack([within - squares, (sums.sum(axis=2) ** 2).sum(axis=1) - within], axis=1)
        inside = (n**2).sum()
        return np.asarray(products / np.array([inside - n.sum(), (n.sum(axis=1) ** 2).sum() - inside]), np.float64)

    def _weighted(self, point: Point, alpha: Floats, here: slice) -> tuple[Floats, Floats, Flags]:
        """Sums over pairs of some clusters' rows: product / variance, 1 / variance; pairs of a cell are counted."""
        n, mu, belongs = self.grid.n[here], point.mu[:, here], self.belongs[here]
        skew = (1 - 2 * mu) / np.sqrt(mu * (1 - mu))
        same = belongs.swapaxes(-1, -2) @ belongs
        rho = alpha[:, 1, None, None, None] + (alpha[:, 0] - alpha[:, 1])[:, None, None, None] * same
        variance = 1 + rho * (skew[..., :, None] * skew[..., None, :] - rho)
        pairs, sound = (n[:, :, None] * n[:, None, :]) > 0, variance > SMALL
        weigh = np.where(pairs & sound, 1 / np.where(sound, variance, 1.0), 0.0)
        inside = weigh * same
        right = np.stack([n * point.residual[:, here], np.broadcast_to(n, mu.shape)], axis=-1)
        own = np.einsum("dckk->dck", weigh)
        within = (right * (inside @ right)).sum(axis=(1, 2))
        within -= np.stack([(own * point.squares[:, here]).sum(axis=(1, 2)), (own * n).sum(axis=(1, 2))], axis=-1)
        between = (right * ((weigh - inside) @ right)).sum(axis=(1, 2))
        found = np.stack([within, between], axis=1)  # (d, within or between, products or counts)
        return found[..., 0], found[..., 1], np.asarray((sound | ~pairs).all(axis=(1, 2, 3)))


@dataclass(frozen=True, eq=False)
class Autoregressive:
    """AR(1): a cluster's periods correlate alpha^distance; the grid has one slot per period and at most one row in it.

    alpha solves sum over pairs of weights x d(alpha^h)/d(alpha) x (r_j r_k / phi - alpha^h) = 0, h their distance, all
    pairs of a cluster in it, so that missing periods cost nothing (Liang & Zeger 1986, section 4; Yan & Fine 2004,
    doi:10.1002/sim.1650).
    """

    grid: Grid

    names: tuple[str, ...] = ("autoregressive",)

    def gram(self, point: Point, alpha: Floats) -> Floats:
        """R^-1 of the periods a cluster has."""
        here, code = np.unique(self.grid.n > 0, axis=0, return_inverse=True)
        t = np.arange(here.shape[1])
        whole = alpha[:, 0, None, None] ** np.abs(t[:, None] - t)
        seen = here[:, :, None] & here[:, None, :]
        inverse = np.linalg.inv(np.where(seen, whole[:, None], np.eye(len(t))))
        return np.asarray(point.both.swapaxes(-1, -2) @ (inverse[:, code.ravel()] @ point.counted), np.float64)

    def told(self, point: Point, alpha: Floats) -> Told:
        """The least-squares alpha of the products, by distance."""
        weight = self.grid.weight * (self.grid.n > 0)
        r, t = point.residual * np.sqrt(weight), self.grid.n.shape[1]
        phi, distance = point.mean_square, np.arange(1, t)
        products = np.stack([(r[..., h:] * r[..., :-h]).sum(axis=(1, 2)) for h in distance], axis=1) / phi[:, None]
        pairs = np.array([(weight[:, h:] * weight[:, :-h]).sum() for h in distance])
        found = _least_squares(products, pairs, distance.astype(np.float64))
        return Told(found[:, None], phi, np.abs(found) < NEAREST_ONE)


def _least_squares(products: Floats, pairs: Floats, distance: Floats) -> Floats:
    """(d,) alpha nearest to the mean products of each distance: the best of a grid, then Newton."""
    nodes = np.linspace(-0.995, 0.995, 200)
    powers = nodes[:, None] ** distance
    found = nodes[np.argmin(powers**2 @ pairs - 2 * products @ powers.T, axis=1)]
    for _ in range(8):
        power = found[:, None] ** (distance - 1)
        gap = products - pairs * power * found[:, None]
        slope = (distance * power * gap).sum(axis=1)
        lower = np.where(distance > 1, found[:, None] ** np.maximum(distance - 2, 0), 0.0)
        bend = (distance * ((distance - 1) * lower * gap - distance * power**2 * pairs)).sum(axis=1)
        found = np.clip(found - np.where(bend < 0, slope / np.where(bend < 0, bend, 1.0), 0.0), -1.0, 1.0)
    return np.asarray(found, np.float64)


def working(kind: str, grid: Grid) -> Working:
    """The working correlation by name.

    Raises
    ------
    EstimateError
        An unknown name, or a correlation that no two rows show.
    """
    if kind == "autoregressive":
        if not ((grid.n > 0).sum(axis=1) > 1).any():
            raise _untold("autoregressive", "no cluster is seen in two periods")
        return Autoregressive(grid)
    if kind not in ("independence", "exchangeable", "nested"):
        raise EstimateError(
            f"There is no working correlation {kind!r}. Use independence, exchangeable, nested or autoregressive.",
            {"correlation": kind},
            da=f"Der er ingen arbejdskorrelation {kind!r}. Brug independence, exchangeable, nested eller autoregressive.",
        )
    found = Blocks(grid, kind)  # type: ignore[arg-type]
    if kind != "independence" and not (found.sizes > 1).any():
        raise _untold(kind, "no two rows are in one cluster" + (" and period" if kind == "nested" else ""))
    if kind == "nested" and not ((found.sizes > 0).sum(axis=1) > 1).any():
        raise _untold(kind, "no cluster is seen in two periods")
    return found


def _untold(kind: str, why: str) -> EstimateError:
    return EstimateError(
        f"The {kind} correlation cannot be told: {why}. Use a correlation that these rows show, or independence.",
        {"correlation": kind},
        da=f"Korrelationen {kind} kan ikke ses i disse rækker. Brug en, som de viser, eller independence.",
    )


__all__ = ["Autoregressive", "Blocks", "Correlation", "Point", "Told", "Working", "working"]
