"""The same estimating equations on thousands of data sets that share a design, as a power study solves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.contrast import contrast_weights
from trialkit.estimate.gee_contrast import DEFAULT_ERRORS, Df, degrees_of_freedom
from trialkit.estimate.gee_family import Family, FamilyName, Link
from trialkit.estimate.gee_fit import Solved, Status, solved
from trialkit.estimate.gee_rows import Prepared
from trialkit.estimate.gee_sandwich import Errors
from trialkit.estimate.gee_working import Correlation, working
from trialkit.estimate.given import numbers, side_by_side

if TYPE_CHECKING:
    import pandas as pd

Flags = NDArray[np.bool_]
Labels = Sequence[object] | NDArray[np.generic]
CHUNK: Final = 200  # data sets at a time: memory stays in the cache and does not grow with their number


@dataclass(frozen=True, eq=False, kw_only=True)
class ManyGee:
    """One contrast of d fits; numbers of a data set without an answer are nan.

    Parameters
    ----------
    estimate, std_error, p_value : (d,) float
        On the scale of the link.
    df : float
        Degrees of freedom of t; nan for the normal distribution.
    alpha : name -> (d,) float
        Working correlations.
    held : (d,) bool
        The residuals asked for correlations that no rows can have; the fit went on with independence.
    failed : (d,) str
        Why there is no answer: "running" (not converged), "separated", "singular", "outside", "exact", or "alone" (one
        cluster decides the contrast); empty where there is one.
    unit : what one step of the contrast means
    """

    estimate: Floats
    std_error: Floats
    p_value: Floats
    df: float
    alpha: Mapping[str, Floats]
    held: Flags
    failed: NDArray[np.str_]
    unit: str = field(kw_only=True)

    def to_frame(self) -> pd.DataFrame:
        """One row per data set."""
        import pandas as pd

        core = {"estimate": self.estimate, "std_error": self.std_error, "df": self.df, "p_value": self.p_value}
        return pd.DataFrame({**core, **self.alpha, "held": self.held, "failed": self.failed})


def many_gee(
    outcomes: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    contrast: Mapping[str, float] | str,
    clusters: Labels,
    unit: str,
    family: FamilyName = "gaussian",
    link: Link | None = None,
    correlation: Correlation = "exchangeable",
    periods: Labels | None = None,
    sizes: ArrayLike | None = None,
    squares: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    errors: Errors | None = None,
    df: Df = "clusters - 2",
) -> ManyGee:
    """One contrast of the same model on every data set: what ``gee`` finds one at a time.

    Parameters
    ----------
    outcomes : (d, n) float, in ``unit``
        One data set per row, its rows in one order; sums over ``sizes`` persons cost least.
    contrast : weights by term, or one term
    squares : (n,) or (d, n) float
    columns, clusters, family, link, correlation, periods, sizes, weights, offset : as in ``gee``
    errors, df : as in ``GeeFit.moments``

    Raises
    ------
    EstimateError
        What ``gee`` refuses before it fits; a data set without an answer is named in ``failed`` and raises nothing.
    """
    side_by_side(
        columns, clusters=clusters, periods=periods, sizes=sizes, squares=squares, weights=weights, offset=offset
    )  # fmt: skip
    y = numbers(outcomes, "outcomes")
    if y.ndim != 2:
        raise EstimateError(
            f"outcomes has shape {y.shape}, and many data sets need (data sets, rows). Give one data set per row.",
            {"shape": y.shape},
            da=f"outcomes har formen {y.shape}, men mange datasæt kræver (datasæt, rækker). Giv ét datasæt pr. række.",
        )
    rows = Prepared.of(
        y, columns, clusters=clusters, family=Family.of(family, link), correlation=correlation, periods=periods,
        sizes=sizes, squares=squares, weights=weights, offset=offset,
    )  # fmt: skip
    direction, between = contrast_weights(contrast, rows.terms), working(correlation, rows.grid)
    left = degrees_of_freedom(df, len(rows.clusters), len(rows.terms))
    named = errors or DEFAULT_ERRORS
    parts = [
        solved(rows.grid, rows.outcomes.of(sets), rows.family, between)
        for sets in np.split(np.arange(len(y)), range(CHUNK, len(y), CHUNK))
    ]
    return _joined(parts, direction, named, left, between.names, rows.family.scale_of(unit))


def _joined(
    parts: list[Solved], direction: Floats, errors: Errors, df: float, names: tuple[str, ...], unit: str
) -> ManyGee:
    value = np.concatenate([part.beta @ direction for part in parts])
    spread = np.concatenate([_std_error(part, direction, errors) for part in parts])
    status = np.concatenate([part.status for part in parts])
    alpha = np.concatenate([part.alpha for part in parts])
    words = np.array(["" if one == Status.DONE else Status(one).name.lower() for one in status.tolist()])
    below = -np.abs(value / np.where(spread > 0, spread, np.nan))
    p_value = np.asarray(2 * (ndtr(below) if np.isnan(df) else stdtr(df, below)), np.float64)
    return ManyGee(
        estimate=value, std_error=spread, p_value=p_value, df=df,
        alpha={name: alpha[:, j] for j, name in enumerate(names)},
        held=np.concatenate([part.held for part in parts]),
        failed=np.where((words == "") & np.isnan(spread), "alone", words), unit=unit,
    )  # fmt: skip


def _std_error(part: Solved, direction: Floats, errors: Errors) -> Floats:
    """(d,) of the contrast; nan where there is no answer."""
    found, used = np.full(len(part.beta), np.nan), direction != 0
    if len(part.done):
        covariance = part.bread.covariance(errors)[:, used][:, :, used]
        variance = np.einsum("i,dij,j->d", direction[used], covariance, direction[used])
        found[part.done] = np.sqrt(np.where(variance >= 0, variance, np.nan))
    return found


__all__ = ["ManyGee", "many_gee"]
