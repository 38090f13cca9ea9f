"""A share of all people, with an interval that knows they come in clusters."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.moments import Moments
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import numbered

Floats = NDArray[np.float64]


def proportion_with_cluster_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    clusters: ArrayLike,
    *,
    unit: str = "share",
    level: float = 0.95,
    term: str = "share",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """The sum of numerators over the sum of denominators; people of one cluster may be alike.

    The ratio is linearized: a cluster is worth ``e = numerator - share x denominator``.  Its error is CR2, that of least
    squares of people's 0 and 1 on a constant: ``sum e^2 / (1 - n / N)`` over N squared, for clusters of n among N.  t
    has Satterthwaite's degrees of freedom, which are few where a few clusters hold most people.

    Parameters
    ----------
    numerator, denominator : (n,) float, >= 0
        Rows are clusters, or parts of clusters; rows with nobody are passed over.
    clusters : (n,) labels
    unit, level, term, exploratory, digests : as everywhere

    Returns
    -------
    Estimate
        The interval is kept between 0 and 1 for a share, and there is none where no cluster differs from the others
        (nothing shows how they vary).  No p-value: nothing is compared.

    Raises
    ------
    EstimateError
        Lengths that differ, a gap, fewer than two clusters with people, or one with all of them.

    References
    ----------
    The ratio: Cochran (1977), Sampling Techniques, section 6.3, with clusters as units; CR2 and its degrees of freedom:
    Bell and McCaffrey (2002), Survey Methodology 28, 169-181, for a regression on a constant.
    """
    top, size = _by_cluster(numerator, denominator, clusters)
    total = float(size.sum())
    share = float(top.sum()) / total
    rest = 1 - size / total
    variance = float(((top - share * size) ** 2 / rest).sum()) / total**2
    moments = Moments(value=share, std_error=sqrt(variance), df=_satterthwaite(size, total))
    low, high = moments.interval(level) if variance > 0 else (nan, nan)
    if unit == "share":
        low, high = max(low, 0.0) if low == low else nan, min(high, 1.0) if high == high else nan
    return Estimate(
        term=term, method="share of all, CR2 by cluster, t with Satterthwaite's degrees of freedom", estimate=share,
        std_error=moments.std_error, statistic=nan, df=moments.df, p_value=nan, smallest_p=nan, conf_low=low,
        conf_high=high, level=level, n_units=len(size), n_allocations=0, mc_error=0.0, unit=unit,
        exploratory=exploratory, digests=digests,
    )  # fmt: skip


def _satterthwaite(size: Floats, total: float) -> float:
    """Degrees of freedom for independent people of one variance: trace squared over the trace of the square.

    The matrix has n on its diagonal and ``-n m / N / sqrt((1 - n / N)(1 - m / N))`` beside it.
    """
    part = size**2 / (1 - size / total)
    squares = float((size**2).sum()) + (float(part.sum()) ** 2 - float((part**2).sum())) / total**2
    return float(size.sum()) ** 2 / squares


def _by_cluster(numerator: ArrayLike, denominator: ArrayLike, clusters: ArrayLike) -> tuple[Floats, Floats]:
    """(g,) sums of both by cluster, of clusters with people."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    code, names = numbered(clusters)
    if not (top.shape == bottom.shape == code.shape) or not np.isfinite(top).all() or not np.isfinite(bottom).all():
        raise EstimateError(
            f"There are {top.shape} numerators, {bottom.shape} denominators and {code.shape} clusters, or one is missing. A "
            "share counts both or neither. Leave out what was not reported, in all three.",
            {"numerators": top.shape, "denominators": bottom.shape, "clusters": code.shape},
            da=f"Der er {top.shape} tællere, {bottom.shape} nævnere og {code.shape} klynger, eller én mangler. En andel "
            "tæller begge dele eller ingen af dem. Udelad det, der ikke er indberettet, alle tre steder.",
        )
    sums = [np.bincount(code, part, len(names)).astype(np.float64) for part in (top, bottom)]
    here = sums[1] > 0
    if here.sum() < 2:
        raise EstimateError(
            f"{int(here.sum())} cluster has people, and one shows nothing of how clusters vary. Give at least two.",
            {"clusters": int(here.sum())},
            da=f"Der er folk i {int(here.sum())} klynge, og én viser intet om, hvordan klynger varierer. Giv mindst to.",
        )
    return sums[0][here], sums[1][here]


__all__ = ["proportion_with_cluster_interval"]
