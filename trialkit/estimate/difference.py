"""The difference in means, as the lot was drawn: complete, blocked, clustered, in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.compared import Compared, Lot
from trialkit.estimate.given import one_of
from trialkit.estimate.moments import Moments
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import ROUNDING, Clustered, Fit, covariance, left_over, numbered, orthonormal

Floats = NDArray[np.float64]
DegreesOfFreedom = Literal["design", "satterthwaite"]
EFFECT = np.array([0.0, 1.0])  # the contrast: the coefficient of being treated


def difference_in_means(
    outcome: ArrayLike,
    assignment: Lot,
    *,
    compare: tuple[str, str],
    unit: str,
    rows: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    df: DegreesOfFreedom = "design",
    level: float = 0.95,
    term: str = "average effect",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> Estimate:
    """Average effect on these units, from the design alone.

    Blocks weigh by their share of rows, or of the weights; no outcome model is assumed.  Below 5 units in an arm print
    the exact interval of `randomization_test` first: this one, by t, covers too little there.

    Parameters
    ----------
    outcome : (n_units,) float, in `unit`; (n_rows,) with ``rows``
        One value per unit, in the order of ``assignment.units``, or one per row.
    assignment : Assignment, or Drawn (the design with it)
        What was drawn.  An `Assignment` is taken to have been drawn by the blocks and clusters its units carry.
    compare : two labels, the new one first
    unit : str
        What one step of `outcome` means, e.g. ``"days"``.  Printed, never inferred.
    rows : (n_rows,) unit ids, optional
        The unit of each row, where units hold many (people in districts).
    weights : (n_units,) or (n_rows,) float > 0, optional
        Means are weighted by them; not for matched pairs.
    df : ``design`` or ``satterthwaite``
        Degrees of freedom of t.  By design: Welch's for a plain difference, rows - 2 with weights, units - 2 x blocks,
        Satterthwaite's by Bell and McCaffrey for clusters, clusters - 2 x blocks, pairs - 1.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    Estimate
        ``std_error`` is conservative: effects that vary between units make it too wide.

    Raises
    ------
    UnitsError
        `outcome` has the wrong length or a gap, or a drawn unit has no row; ``facts["units"]`` lists which.
    DesignError
        An arm of a block has one unit, so its variance cannot be seen, or none.
    EstimateError
        Weights in matched pairs, or degrees of freedom that do not exist for this design.

    References
    ----------
    Neyman (1923), translated 1990, doi:10.1214/ss/1177012031; Imbens and Rubin (2015), doi:10.1017/CBO9781139025751,
    equations 6.16 (complete) and 9.5 (blocks); Welch (1947), doi:10.1093/biomet/34.1-2.28; clusters: Bell and McCaffrey
    (2002), Survey Methodology 28, 169-181; pairs of clusters: Imai, King and Nall (2009), doi:10.1214/08-STS274.
    """
    one_of(df, get_args(DegreesOfFreedom), "df")
    found = Compared.of(outcome, assignment, compare, rows=rows, weights=weights)
    moments, name = _paired(found, df) if found.paired else _within_blocks(found, df)
    return moments.as_estimate(
        unit=unit,
        level=level,
        method=f"difference in means, {name}",
        n_units=found.n_units,
        term=term,
        exploratory=exploratory,
        digests=digests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One block's difference.

    ``expected`` and ``spread`` make Satterthwaite's degrees of freedom, expected^2 / spread; nan where there are none.
    """

    value: float
    variance: float
    expected: float = nan
    spread: float = nan


def _within_blocks(found: Compared, df: DegreesOfFreedom) -> tuple[Moments, str]:
    """Blocks by their share of rows, or of the weights; a plain difference is one block."""
    found.check_two_per_arm()
    blocks = len(found.block_names)
    members = np.split(np.argsort(found.block, kind="stable"), np.cumsum(np.bincount(found.block))[:-1])
    share = np.bincount(found.block, found.weights)
    share = share / share.sum()
    pieces = [_piece(found, rows) for rows in members]
    plain = blocks == 1 and (found.clustered or found.weights is None)
    by_formula = df == "satterthwaite" or plain
    freedom = _satterthwaite(pieces, share) if by_formula else float(found.n_items - 2 * blocks)
    variance = float(share**2 @ [piece.variance for piece in pieces])
    value = float(share @ [piece.value for piece in pieces])
    return Moments(value=value, std_error=sqrt(variance), df=freedom), _name(found)


def _satterthwaite(pieces: Sequence[Piece], share: Floats) -> float:
    """Degrees of freedom of a weighted sum of independent variances; nan where no outcome varies.

    Raises
    ------
    EstimateError
        Weighted means of single units.
    """
    expected = float(share**2 @ [piece.expected for piece in pieces])
    spread = float(share**4 @ [piece.spread for piece in pieces])
    if np.isnan(expected):
        raise EstimateError(
            "Weighted means of single units have no Satterthwaite degrees of freedom here. Leave the option out: rows "
            "- 2 x blocks is used.",
            da="Vægtede gennemsnit af enkelte enheder har ingen Satterthwaite-frihedsgrader her. Udelad valget: rækker "
            "minus 2 x blokke bruges.",
        )
    return expected**2 / spread if spread > 0 else nan


def _piece(found: Compared, rows: NDArray[np.intp]) -> Piece:
    """The difference within one block."""
    y, z = found.outcome[rows], found.treated[rows]
    w = None if found.weights is None else found.weights[rows]
    if found.clustered:
        return clustered(y, z, w, numbered(found.item[rows])[0])
    return neyman(y[z], y[~z]) if w is None else weighted(y, z, w)


def neyman(new: Floats, usual: Floats) -> Piece:
    """Two plain means; the variance of each over its number (Neyman 1923; Imbens and Rubin 2015, equation 6.16)."""
    parts = [_variance(arm) / arm.size for arm in (new, usual)]
    spread = sum(part**2 / (arm.size - 1) for part, arm in zip(parts, (new, usual), strict=True))
    return Piece(value=float(new.mean() - usual.mean()), variance=sum(parts), expected=sum(parts), spread=spread)


def _variance(arm: Floats) -> float:
    """Of one arm; exactly 0 where all outcomes are the same, though their mean be rounded."""
    found = float(arm.var(ddof=1))
    return found if found > float(ROUNDING * np.abs(arm).max()) ** 2 else 0.0


def weighted(y: Floats, z: NDArray[np.bool_], w: Floats) -> Piece:
    """Two weighted means with HC2; y, z, w are (n,)."""
    fit, value = _two_means(y, z, w)
    return Piece(value=value, variance=float(covariance(fit, "HC2")[1, 1]))


def clustered(y: Floats, z: NDArray[np.bool_], w: Floats | None, item: NDArray[np.intp]) -> Piece:
    """Two means over rows with CR2; y, z, w and item (from 0) are (n,)."""
    fit, value = _two_means(y, z, w)
    sums = Clustered.of(fit, item)
    expected, spread = sums.satterthwaite(EFFECT[:, None])
    variance = float(covariance(fit, "CR2", sums)[1, 1])
    return Piece(value=value, variance=variance, expected=float(expected[0]), spread=float(spread[0]))


def _two_means(y: Floats, z: NDArray[np.bool_], w: Floats | None) -> tuple[Fit, float]:
    """The regression on an intercept and being treated, and its second coefficient."""
    x, back = orthonormal(np.column_stack([np.ones(y.size), z]), w, ("usual", "new"))
    means = [np.average(y[arm], weights=None if w is None else w[arm]) for arm in (z, ~z)]
    residual = left_over(y, np.where(z, *means))
    return Fit(x=x, back=back, residual=residual, weights=w), float(means[0] - means[1])


def _paired(found: Compared, df: DegreesOfFreedom) -> tuple[Moments, str]:
    """Pairs of units or of clusters, weighing by their share of rows (Imai, King and Nall 2009, equation 5)."""
    if found.weights is not None or df != "design":
        raise EstimateError(
            "Matched pairs take no weights and have pairs - 1 degrees of freedom: the variance is seen between pairs "
            "only. Leave both options out.",
            da="Matchede par tager ingen vægte og har antal par minus 1 frihedsgrader: spredningen ses kun mellem par. "
            "Udelad begge valg.",
        )
    pairs = len(found.block_names)
    cell = 2 * found.block + found.treated
    size = np.bincount(cell, minlength=2 * pairs).reshape(-1, 2)
    mean = np.bincount(cell, found.outcome, minlength=2 * pairs).reshape(-1, 2) / size
    part = size.sum(axis=1) / size.sum() * (mean[:, 1] - mean[:, 0])
    value = float(part.sum())
    apart = left_over(part, np.full(pairs, value / pairs))
    variance = pairs / (pairs - 1) * float(apart @ apart)
    name = "matched pairs" + (" of clusters" if found.clustered else "")
    return Moments(value=value, std_error=sqrt(variance), df=pairs - 1.0), name


def _name(found: Compared) -> str:
    words = ["blocked"] * (len(found.block_names) > 1) + ["clustered, CR2"] * found.clustered
    return ", ".join([*(words or ["complete"]), *(["weighted"] if found.weights is not None else [])])


__all__ = ["DegreesOfFreedom", "Piece", "clustered", "difference_in_means", "neyman", "weighted"]
