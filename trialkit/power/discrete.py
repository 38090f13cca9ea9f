"""Power in closed form for shares and counts: the same information, on the scale of a link.

Two questions, two models: the marginal one is about the shares themselves (GEE), the mixed one about a cluster's own log
odds or log rate (by Laplace's approximation; `trialkit.power.likelihood` has the exact likelihood of shares).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import DesignError
from trialkit.power.components import Components
from trialkit.power.information import contrast_variance, effect_columns, inseparable, inverses
from trialkit.power.layout import Layout

Floats = NDArray[np.float64]
Link = Literal["identity", "log", "logit"]
Family = Literal["binomial", "poisson", "gaussian"]

CANONICAL: Final[dict[str, Link]] = {"binomial": "logit", "poisson": "log", "gaussian": "identity"}


def linked(mean: ArrayLike, link: Link) -> Floats:
    """Means on the link's scale."""
    given = np.asarray(mean, np.float64)
    if link == "identity":
        return given
    return np.asarray(np.log(given) if link == "log" else np.log(given) - np.log1p(-given), np.float64)


def unlinked(predictor: ArrayLike, link: Link) -> Floats:
    """Means from the link's scale."""
    given = np.asarray(predictor, np.float64)
    if link == "identity":
        return given
    return np.asarray(np.exp(given) if link == "log" else 1 / (1 + np.exp(-given)), np.float64)


def slope(mean: Floats, link: Link) -> Floats:
    """How fast the mean moves with the link's scale."""
    if link == "identity":
        return np.ones_like(mean)
    return mean if link == "log" else mean * (1 - mean)


def line(start: float, end: float, *, periods: int, link: Link) -> Floats:
    """(t,) predictor of untreated periods whose mean goes from ``start`` to ``end``, straight on the link's scale."""
    return np.asarray(np.linspace(linked(start, link), linked(end, link), periods), np.float64)


def marginal_variance(
    layout: Layout,
    correlation: Components,
    *,
    control: ArrayLike,
    size: float,
    link: Link,
    family: Family = "binomial",
    scale: float = 1.0,
    periods: bool = True,
) -> Floats:
    """The variance of the effect on the link's scale when means are modelled by GEE with the true correlation.

    Parameters
    ----------
    layout : Layout
    correlation : Components
        With total variance 1 (``Components.shares``): correlations of the outcomes themselves.
    control : (t,) float
        Predictor of each period without the new way, on the link's scale (`line`).
    size : the effect on that scale
    family : variance of an outcome with mean p: p (1 - p), p, or 1
    scale : multiplies it; sigma^2 of a gaussian outcome
    periods : as in `closed_form.effect_variance`

    Raises
    ------
    DesignError
        A mean that the family cannot have; or as `closed_form.effect_variance`.

    References
    ----------
    Li, Turner & Preisser (2018), doi:10.1111/biom.12918.
    """
    mean = _means(layout, control, size, link, family)
    spread = np.sqrt(scale * _spread(mean, family)) / slope(mean, link)
    rows = correlation.covariances(layout.treated, layout.sizes)
    spread = np.where(layout.observed, spread, 1.0)
    return _variance(layout, rows * spread[:, :, None] * spread[:, None, :], periods)


class Laplace(NamedTuple):
    """Variances of the effect with the means of no effect, and with those of the effect."""

    without: Floats
    within: Floats


def laplace_variance(
    layout: Layout,
    components: Components,
    *,
    control: ArrayLike,
    size: float,
    family: Family,
    periods: bool = True,
) -> Laplace:
    """The variance of a cluster's own log odds ratio or log rate ratio in a mixed model.

    A cell of n people with mean p at the middle of all random effects tells n p (1 - p), or n p, about its predictor.

    Parameters
    ----------
    components : Components
        Variances on the link's scale; the residual one is not used.
    control : (t,) float
        Log odds or log rates without the new way at a cluster in the middle.
    size : the effect on that scale
    family : "binomial" (logit) or "poisson" (log)

    References
    ----------
    Breslow & Clayton (1993), doi:10.1080/01621459.1993.10594284; Xia et al. (2021), doi:10.1186/s13063-021-05542-9.
    """
    link = CANONICAL[family]
    effects = replace(components, residual=0.0).covariances(layout.treated, layout.sizes)
    people = np.where(layout.observed, layout.sizes, 1.0)

    def at(effect: float) -> Floats:
        tells = people * _spread(_means(layout, control, effect, link, family), family)
        own = np.where(layout.observed, 1 / tells, 0.0)
        return _variance(layout, effects + own[:, :, None] * np.eye(own.shape[1]), periods)

    return Laplace(without=at(0.0), within=at(size))


def laplace_power(size: float, variance: Laplace, *, alpha: float = 0.05, sides: int = 2) -> Floats:
    """The power of a Wald test whose critical value is that of no effect.

    References
    ----------
    Xia et al. (2021), doi:10.1186/s13063-021-05542-9.
    """
    from scipy import stats

    critical = float(stats.norm.ppf(1 - alpha / sides)) * np.sqrt(variance.without)
    error = np.sqrt(variance.within)
    wrong = stats.norm.cdf((-critical - abs(size)) / error) if sides == 2 else 0.0
    return np.asarray(stats.norm.cdf((abs(size) - critical) / error) + wrong, np.float64)


def _means(layout: Layout, control: ArrayLike, size: float, link: Link, family: Family) -> Floats:
    """(n, t) the mean of every cell."""
    found = unlinked(np.asarray(control, np.float64) + size * layout.treated, link)
    most = {"binomial": 1.0, "poisson": np.inf}.get(family)
    inside = np.isfinite(found) if most is None else (found > 0) & (found < most)
    if not inside[layout.observed].all():
        raise DesignError(
            f"With this effect some cell would have a mean of {float(found[layout.observed & ~inside][0]):.3g}, which no "
            f"{family} outcome has. Give a smaller effect, or means further inside.",
            {"means": found.tolist(), "family": family},
            da=f"Med denne effekt ville en celle få middelværdien {float(found[layout.observed & ~inside][0]):.3g}, som et "
            f"udfald af typen {family} ikke kan have. Angiv en mindre effekt eller andre middelværdier.",
        )
    return np.where(inside, found, 0.5)


def _spread(mean: Floats, family: Family) -> Floats:
    """The variance of one outcome with this mean."""
    if family == "gaussian":
        return np.ones_like(mean)
    return mean * (1 - mean) if family == "binomial" else mean


def _variance(layout: Layout, covariance: Floats, periods: bool) -> Floats:
    x = effect_columns(layout, periods=periods)
    each = np.swapaxes(x, -1, -2) @ inverses(covariance) @ x
    found = contrast_variance(each.sum(axis=-3), np.ones(1))
    if not np.isfinite(found).all():
        raise inseparable()
    return found


__all__ = ["Laplace", "laplace_power", "laplace_variance", "line", "linked", "marginal_variance", "slope", "unlinked"]
