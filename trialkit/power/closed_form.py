"""Power in closed form for any layout of clusters by periods: generalized least squares with known variances.

Clusters are independent, so the information about the effect and the periods is a sum over clusters; clusters with the
same row bring the same.  That makes a grid of correlations, or all allocations of a design, one array computation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import DesignError
from trialkit.power.analytic import Pair, Precision
from trialkit.power.components import Components
from trialkit.power.information import contrast, contrast_variance, exposure_times, information, inseparable
from trialkit.power.layout import Layout, per_label
from trialkit.power.possible import Possible, possible
from trialkit.power.wald import Tail, power_by_normal, power_by_t

if TYPE_CHECKING:
    from trialkit.design.base import Design

Floats = NDArray[np.float64]
Effect = Literal["immediate", "exposure"]

MOST_CLUSTERS: Final = 1_000_000
MOST_CELLS: Final = 4_000_000  # of information matrices in memory at a time, 32 MB


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class WedgePower:
    """The power of a two-sided or one-sided Wald test, by the normal and by t, side by side.

    Parameters
    ----------
    std_error, normal, t : the grid's shape
        Standard error of the effect, and the probability that it is seen; ``t`` is nan without degrees of freedom.
    df : float
        Degrees of freedom of ``t``: clusters - 2 unless they were given.
    effect, alpha, sides : what was asked
    """

    std_error: Floats
    normal: Floats
    t: Floats
    df: float
    effect: float
    alpha: float
    sides: int

    def summary(self) -> str:
        """Both answers in a line, with the degrees of freedom; the lowest to the highest of a grid."""
        freedom = f"t with {self.df:g} degrees of freedom"
        by_t = f"{_span(self.t)} by {freedom}" if self.df >= 1 else f"no answer by {freedom}"
        return f"power for an effect of {self.effect:g}: {_span(self.normal)} by the normal distribution, {by_t}"


def effect_variance(
    layout: Layout,
    components: Components,
    *,
    effect: Effect = "immediate",
    weights: Mapping[int, float] | None = None,
    periods: bool = True,
) -> Floats:
    """The variance of the treatment effect by generalized least squares, every observed period with its own level.

    It is that of the best analysis of the cells' means.  They carry all that people tell, except where one cohort's cells
    differ in size over time: then an analysis of the people themselves sees a little more.

    Parameters
    ----------
    layout : Layout
    components : Components
        One set of variances, or a grid.
    effect : "immediate" or "exposure"
        One effect that is there at once and stays, or one for each exposure time.
    weights : exposure time -> weight, optional
        The contrast of the effects by exposure time, as it stands; their mean (TATE) without.
    periods : bool
        False: one level for all periods, which assumes that nothing else changes in time.

    Returns
    -------
    float array of the grid's shape

    Raises
    ------
    DesignError
        The layout does not tell the effect apart from the periods; the covariance of a cluster's periods is none; or
        exposure times are asked for that nobody has.

    References
    ----------
    Hussey & Hughes (2007), doi:10.1016/j.cct.2006.05.007; Hooper et al. (2016), doi:10.1002/sim.7028;
    exposure times: Kenny et al. (2022), doi:10.1002/sim.9511, and Maleyeff et al. (2023), doi:10.1111/biom.13803.
    """
    rows, counts = layout.patterns()
    times = exposure_times(layout) if effect == "exposure" else ()
    asked = contrast(times, weights)
    chunk = max(1, MOST_CELLS // (len(counts) * (rows.treated.shape[1] + len(asked)) ** 2))
    made = []
    for part in components.parts(chunk):
        each = information(rows, part, times=times, periods=periods)
        made.append(contrast_variance(np.einsum("u,gupq->gpq", counts.astype(np.float64), each), asked))
    found = np.concatenate(made).reshape(components.shape)
    if not np.isfinite(found).all():
        raise inseparable()
    return found


def power(
    layout: Layout,
    components: Components,
    *,
    size: float,
    alpha: float = 0.05,
    sides: int = 2,
    df: float | None = None,
    effect: Effect = "immediate",
    weights: Mapping[int, float] | None = None,
    tail: Tail = "noncentral",
) -> WedgePower:
    """The probability that an effect of this ``size`` is seen, for one set of variances or a grid.

    Parameters
    ----------
    size : in the outcome's unit
    alpha, sides : of the test
    df : degrees of freedom of t; clusters - 2 without
    tail : as in `power_by_t`
    layout, components, effect, weights : as in `effect_variance`
    """
    error = np.sqrt(effect_variance(layout, components, effect=effect, weights=weights))
    freedom = float(layout.n_clusters - 2) if df is None else df
    return WedgePower(
        std_error=error,
        normal=power_by_normal(size, error, alpha=alpha, sides=sides),
        t=power_by_t(size, error, freedom, alpha=alpha, sides=sides, tail=tail),
        df=freedom, effect=size, alpha=alpha, sides=sides,
    )  # fmt: skip


def wedge_precision(
    layout: Layout,
    components: Components,
    *,
    df: float | None = None,
    effect: Effect = "immediate",
    weights: Mapping[int, float] | None = None,
) -> Precision:
    """The standard error with its degrees of freedom, for one set of variances: what can be seen with it is asked of it.

    ``found.smallest_effect()`` is the effect seen in 80 of 100 trials, ``found.power(size)`` its inverse.
    """
    variance = effect_variance(layout, _one(components), effect=effect, weights=weights)
    freedom = float(layout.n_clusters - 2) if df is None else df
    return Precision(std_error=sqrt(float(variance)), df=freedom)


def design_precision(
    design: Design,
    starts: Mapping[str, int | None],
    components: Components,
    *,
    periods: int,
    sizes: ArrayLike,
    rng: np.random.Generator,
    transition: int = 0,
    around: tuple[int, int] | None = None,
    effect: Effect = "immediate",
    weights: Mapping[int, float] | None = None,
) -> Precision:
    """What a design that will be drawn can see, its variance averaged over the allocations it could give.

    Parameters
    ----------
    design : Design
        Its items are the clusters; fixed ones are in the trial too.
    starts : label -> first treated period, from 1; None where the label never starts
    components : Components
        One set of variances.
    periods : how many periods the trial has
    sizes : float, (n_items,) or (n_items, t)
        People in a cell, in the order of ``design.items``.
    rng : Generator
        Draws allocations where there are too many to go through.
    transition, around : as in `Layout.without_transition` and `Layout.around`
    effect, weights : as in `effect_variance`

    Returns
    -------
    Precision
        df: clusters - 2; ``unseen`` is the share of allocations that cannot tell the effect apart from the periods.
    """
    people = Layout.of(np.zeros((len(design.items), periods)), sizes).sizes
    layouts = per_label(design.label_names, starts, periods=periods, sizes=people, transition=transition, around=around)
    by_time = effect == "exposure"
    times = tuple(sorted({time for layout in layouts for time in exposure_times(layout)})) if by_time else ()
    each = np.stack([information(layout, _one(components), times=times) for layout in layouts], axis=1)
    listed = possible(design, total=design.count(rng=rng).total, rng=rng)
    variance = _over_allocations(each, np.asarray(listed.codes, np.intp), contrast(times, weights))
    return _averaged(listed, variance, df=float((people > 0).any(axis=1).sum() - 2))


def _averaged(listed: Possible, variance: Floats, *, df: float) -> Precision:
    """The variance under each allocation (infinite where it tells nothing), averaged over those that tell the effect."""
    seen = np.isfinite(variance)
    if not seen.any():
        raise inseparable()
    kept = np.where(seen, variance, 0.0)
    mean = listed.mean(kept) / listed.mean(seen)
    return Precision(
        std_error=sqrt(mean),
        df=df,
        n_allocations=len(listed),
        mc_error=listed.mc_error(kept) / (2 * sqrt(mean)),
        unseen=listed.mean(~seen),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """How many clusters see an effect: so many times the layout's own, by the normal and by t; None above a million."""

    normal: int | None
    t: int | None


def clusters_needed(
    layout: Layout,
    components: Components,
    *,
    size: float,
    power: float = 0.8,
    alpha: float = 0.05,
    sides: int = 2,
    effect: Effect = "immediate",
    weights: Mapping[int, float] | None = None,
) -> Needed:
    """The fewest clusters with which an effect of this ``size`` is seen with this ``power``.

    Every cluster of the layout is repeated equally often, so the sequences keep their shares; the variance falls by
    that number and t has clusters - 2 degrees of freedom.

    Parameters
    ----------
    size : in the outcome's unit
    power : asked for
    layout, components, effect, weights : as in `effect_variance`, for one set of variances
    """
    error = sqrt(float(effect_variance(layout, _one(components), effect=effect, weights=weights)))

    n = layout.n_clusters

    def seen(k: int) -> Pair:
        return Precision(std_error=error / sqrt(k), df=k * n - 2).power(size, alpha=alpha, sides=sides)

    by_normal = _fewest(lambda k: seen(k).normal >= power, MOST_CLUSTERS // n)
    by_t = _fewest(lambda k: seen(k).t >= power, MOST_CLUSTERS // n)
    return Needed(normal=by_normal and n * by_normal, t=by_t and n * by_t)


def _one(components: Components) -> Components:
    """The components, if they are one set."""
    if components.shape:
        raise DesignError(
            f"A grid of {components.shape} variances was given where one answer is asked for. Give one set of numbers, or "
            "ask effect_variance or power, which answer for the whole grid.",
            {"shape": components.shape},
            da=f"Der er givet et gitter af varianser ({components.shape}), hvor der kun kan gives ét svar. Angiv ét sæt tal, "
            "eller brug effect_variance eller power, som svarer for hele gitteret.",
        )
    return components


def _over_allocations(each: Floats, codes: NDArray[np.intp], weights: Floats) -> Floats:
    """(k,) the variance under each allocation; each is (n, labels, p, p), codes (k, n)."""
    n, _, p, _ = each.shape
    chunk = max(1, MOST_CELLS // (n * p * p))
    items = np.arange(n)
    made = [
        contrast_variance(each[items, codes[at : at + chunk]].sum(axis=1), weights)
        for at in range(0, len(codes), chunk)
    ]
    return np.concatenate(made)


def _fewest(enough: Callable[[int], bool], most: int) -> int | None:
    """The smallest k from 1 with ``enough(k)``, which stays true once it is; None above ``most``."""
    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
        if low >= most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high if high <= most else None


def _span(values: Floats) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"


__all__ = [
    "Needed", "WedgePower", "clusters_needed", "design_precision", "effect_variance", "power", "wedge_precision",
]  # fmt: skip
