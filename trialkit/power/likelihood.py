"""Power for shares from the exact likelihood of a random intercept: every outcome that could be counted, and its chance.

With few people in a cluster the linear formulas are rough for shares.  Here the expected information is summed over all
counts a cluster could show, its own level integrated out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import DesignError
from trialkit.power.discrete import Link, linked, slope, unlinked
from trialkit.power.information import contrast_variance, effect_columns, inseparable
from trialkit.power.layout import Layout

Floats = NDArray[np.float64]

NODES: Final = 40  # Gauss-Legendre points for a cluster's level
WIDE: Final = 6.0  # standard deviations to either side; beyond lies 2e-9
MOST_OUTCOMES: Final = 100_000_000  # counts a cluster could show, before we stop
CHUNK: Final = 2_000_000  # of them at a time, 16 MB an array
WIDEST: Final = 20.0  # standard deviation of a level, beyond which shares are 0 or 1
EDGE: Final = 1e-9  # shares are kept this far from 0 and 1


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Intercepts:
    """A random intercept on the link's scale, and the predictors it goes with.

    Parameters
    ----------
    control : (t,) predictor of a cluster in the middle, without the new way
    size : effect on the link's scale, for one cluster
    deviation : standard deviation of the clusters' levels before they are cut
    link : Link
    low, high : where the levels are cut, so that no share leaves 0 to 1; infinite with a logit
    """

    control: Floats
    size: float
    deviation: float
    link: Link
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def of_means(cls, *, start: float, end: float, size: float, icc: float, periods: int, link: Link) -> Self:
        """From what people can tell beforehand: means over all clusters, and the correlation of two people.

        Parameters
        ----------
        start, end : mean without the new way in the first and the last period; straight between on the link's scale
        size : float
            The effect on the link's scale as the means show it in the first period; with a logit a cluster's own effect
            is a little larger.
        icc : correlation of two outcomes of one cluster in the first period without the new way
        """
        ends = np.array([linked(start, link), linked(end, link)])
        all_of = np.concatenate([ends, ends + size])
        bottom, top = {"identity": (0.0, 1.0), "log": (-np.inf, 0.0), "logit": (-np.inf, np.inf)}[link]
        made = cls(
            control=ends, size=size, deviation=0.0, link=link, low=bottom - all_of.min(), high=top - all_of.max()
        )
        made = replace(made, deviation=made._deviation(start, icc))
        first, last = made._centre(start), made._centre(end)
        treated = made._centre(float(unlinked(linked(start, link) + size, link)))
        return replace(made, control=np.linspace(first, last, periods), size=treated - first)

    def levels(self) -> tuple[Floats, Floats]:
        """(q,) levels of a cluster around the middle, and their chances."""
        if self.deviation == 0:
            return np.zeros(1), np.ones(1)
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        low, high = max(self.low, -WIDE * self.deviation), min(self.high, WIDE * self.deviation)
        levels = np.asarray((low + high) / 2 + (high - low) / 2 * nodes, np.float64)
        chances = weights * np.exp(-((levels / self.deviation) ** 2) / 2)
        return levels, np.asarray(chances / chances.sum(), np.float64)

    def shares(self, predictor: Floats) -> Floats:
        """(..., q) the share at every level of a cluster."""
        levels, _ = self.levels()
        found = unlinked(np.asarray(predictor)[..., None] + levels, self.link)
        return np.asarray(np.clip(found, EDGE, 1 - EDGE), np.float64)

    def _mean(self, predictor: float) -> float:
        return float(self.shares(np.asarray(predictor)) @ self.levels()[1])

    def _centre(self, mean: float) -> float:
        """The predictor in the middle whose mean over all levels is ``mean``."""
        from scipy.optimize import brentq

        start, far = float(linked(mean, self.link)), 1.0 + self.deviation**2
        return float(brentq(lambda at: self._mean(at) - mean, start - far, start + far, xtol=1e-13))

    def _deviation(self, mean: float, icc: float) -> float:
        """The deviation with which two outcomes of one cluster correlate by ``icc`` where the mean is ``mean``."""
        from scipy.optimize import brentq

        def above(deviation: float) -> float:
            wide = replace(self, deviation=deviation)
            shares = wide.shares(np.asarray(wide._centre(mean)))
            return float(wide.levels()[1] @ (shares - mean) ** 2) / (mean * (1 - mean)) - icc

        if icc == 0:
            return 0.0
        top = 0.01
        while above(top) < 0:
            top *= 1.5
            if top > WIDEST:
                raise _too_alike(mean, icc)
        return float(brentq(above, top / 1e3, top, xtol=1e-13))


def likelihood_variance(layout: Layout, intercepts: Intercepts, *, periods: bool = True) -> float:
    """The asymptotic variance of the maximum likelihood effect, a cluster's level normal and its variance estimated too.

    Parameters
    ----------
    layout : Layout
        Sizes are whole numbers.
    intercepts : Intercepts
    periods : False: one level for all periods

    Raises
    ------
    DesignError
        A size is no whole number, or a cluster could show more than `MOST_OUTCOMES` different counts; or the effect
        cannot be told apart from the periods.

    References
    ----------
    Zhou et al. (2020), doi:10.1093/biostatistics/kxy031.
    """
    if np.any(layout.sizes != np.floor(layout.sizes)):
        raise _halves(float(layout.sizes[layout.sizes != np.floor(layout.sizes)][0]))
    rows, counts = layout.patterns()
    x = effect_columns(rows, periods=periods)
    predictor = intercepts.control + intercepts.size * rows.treated
    p = x.shape[2]
    whole = np.zeros((p + 1, p + 1))
    for row, count in enumerate(counts):
        whole += count * _row(x[row], predictor[row], rows.sizes[row], intercepts)
    found = float(contrast_variance(whole, np.ones(1)))
    if not np.isfinite(found):
        raise inseparable()
    return found


def _row(x: Floats, predictor: Floats, sizes: Floats, intercepts: Intercepts) -> Floats:
    """(p + 1, p + 1) information of one cluster; cells alike in predictor and fixed effects count as one."""
    seen = sizes > 0
    cells, at = np.unique(np.c_[predictor, x][seen], axis=0, return_inverse=True)
    people = np.bincount(at.ravel(), weights=sizes[seen]).astype(int)
    each = _outcomes(cells[:, 0], people, intercepts)
    to = np.zeros((len(cells) + 1, x.shape[1] + 1))
    to[:-1, :-1], to[-1, -1] = cells[:, 1:], 1.0
    return np.asarray(to.T @ each @ to)


def _outcomes(predictor: Floats, people: NDArray[np.int_], intercepts: Intercepts) -> Floats:
    """(c + 1, c + 1): expected information about c predictors and the deviation, summed over all counts.

    The chance of counts y is the mean over levels of prod_c Bin(y_c); its derivative by one predictor replaces one
    factor by factor x score.  Cells are put in two halves, so that the mean over levels is one matrix product.
    """
    total = float(np.prod(people + 1.0))
    if total > MOST_OUTCOMES:
        raise _too_many(total)
    levels, chances = intercepts.levels()
    shares = intercepts.shares(predictor)  # (c, q)
    factors = [_binomial(share, n, intercepts.link) for share, n in zip(shares, people, strict=True)]
    half = len(people) // 2
    wider = (levels**2 - chances @ levels**2) / (intercepts.deviation or 1.0) ** 3  # derivative of the log density
    left, right = _half(factors[:half], len(levels)), _half(factors[half:], len(levels))
    found = np.zeros((len(people) + 1, len(people) + 1))
    step = max(1, CHUNK // right[0].shape[1])
    for start in range(0, left[0].shape[1], step):
        part = [rows[:, start : start + step] * chances[:, None] for rows in left]
        chance = part[0].T @ right[0]
        slopes = [rows.T @ right[0] for rows in part[1:]] + [part[0].T @ columns for columns in right[1:]]
        slopes.append((part[0] * wider[:, None]).T @ right[0])
        scores = np.stack(slopes).reshape(len(people) + 1, -1)
        found += (scores / np.maximum(chance.ravel(), 1e-300)) @ scores.T
    if intercepts.deviation == 0:
        found[-1, -1] = 1.0  # nothing to estimate
    return found


def _half(factors: list[tuple[Floats, Floats]], n_levels: int) -> list[Floats]:
    """Products over cells, (q, outcomes): plain first, then with each cell's score in turn."""
    made = []
    for scored in range(-1, len(factors)):
        rows = np.ones((n_levels, 1))
        for cell, (chance, moved) in enumerate(factors):
            factor = moved if cell == scored else chance
            rows = (rows[:, :, None] * factor[:, None, :]).reshape(n_levels, -1)
        made.append(rows)
    return made


def _binomial(shares: Floats, n: int, link: Link) -> tuple[Floats, Floats]:
    """(q, n + 1) chances of 0 ... n, and their derivatives by the predictor."""
    from scipy import stats

    counts = np.arange(n + 1)
    chance = np.asarray(stats.binom.pmf(counts, n, shares[:, None]), np.float64)
    moved = (counts - n * shares[:, None]) * (slope(shares, link) / (shares * (1 - shares)))[:, None]
    return chance, np.asarray(chance * moved, np.float64)


def _too_many(total: float) -> DesignError:
    return DesignError(
        f"One cluster could show {total:.2g} different counts, too many to go through. Use fewer people or periods, or the "
        "formulas of trialkit.power.discrete, which are good where a cluster has many people.",
        {"outcomes": total},
        da=f"Én klynge kunne give {total:.2g} forskellige optællinger, for mange til at gennemgå. Brug færre personer eller "
        "perioder, eller formlerne i trialkit.power.discrete, som er gode, når en klynge har mange personer.",
    )


def _halves(size: float) -> DesignError:
    return DesignError(
        f"A cell has {size:g} people, and counts can only be listed of whole people. Round the sizes.",
        {"size": size},
        da=f"En celle har {size:g} personer, men der kan kun tælles hele personer. Afrund størrelserne.",
    )


def _too_alike(mean: float, icc: float) -> DesignError:
    return DesignError(
        f"No clusters with a mean share of {mean:g} are as much alike within as an ICC of {icc:g} says, if no share may leave "
        "0 to 1. Give a smaller ICC, or another link.",
        {"mean": mean, "icc": icc},
        da=f"Ingen klynger med en gennemsnitlig andel på {mean:g} ligner hinanden så meget, som en ICC på {icc:g} siger, når "
        "andele skal ligge mellem 0 og 1. Angiv en mindre ICC eller en anden link-funktion.",
    )


__all__ = ["Intercepts", "likelihood_variance"]
