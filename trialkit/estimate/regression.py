"""Least squares with robust errors: the coefficients, their covariance, and each as a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.given import by_name, labelled, numbers, same_rows
from trialkit.estimate.moments import Moments
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import (
    Clustered,
    Errors,
    Fit,
    Ints,
    check_errors,
    covariance,
    degrees_of_freedom,
    left_over,
    numbered,
    orthonormal,
)
from trialkit.estimate.whole import check_whole

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Labels = Sequence[object] | NDArray[np.generic]
INTERCEPT: Final = "(Intercept)"


@dataclass(frozen=True, eq=False, kw_only=True)
class Regression:
    """Coefficients with robust errors.

    Parameters
    ----------
    terms : (k,) names
    coefficients : (k,) float
    covariance : (k, k) float
    df : (k,) float
        Degrees of freedom of t, by coefficient.
    errors : how the covariance was found
    n_rows, n_clusters : how many went in; 0 clusters where rows are independent
    r_squared : share of the (weighted) variance about the mean
    """

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    df: Floats
    errors: Errors
    n_rows: int
    n_clusters: int
    r_squared: float

    @property
    def std_errors(self) -> Floats:
        """(k,) standard errors."""
        return np.sqrt(np.diag(self.covariance))

    def moments(self, term: str) -> Moments:
        """Value, error and degrees of freedom of one coefficient.

        Raises
        ------
        EstimateError
            There is no such term.
        """
        if term not in self.terms:
            raise EstimateError(
                f"The regression has no term {term!r}, so there is nothing to report. It has {', '.join(self.terms)}.",
                {"term": term, "terms": list(self.terms)},
                da=f"Regressionen har ikke leddet {term!r}, så der er intet at vise. Den har {', '.join(self.terms)}.",
            )
        k = self.terms.index(term)
        return Moments(value=float(self.coefficients[k]), std_error=float(self.std_errors[k]), df=float(self.df[k]))

    def estimate(self, term: str, *, unit: str, level: float = 0.95) -> Estimate:
        """One coefficient as a result, in ``unit``; units are rows, or clusters where there are some."""
        method = f"least squares, {self.errors}"
        return self.moments(term).as_estimate(
            unit=unit, level=level, method=method, term=term, n_units=self.n_clusters or self.n_rows
        )

    def to_frame(self, *, unit: str, level: float = 0.95) -> pd.DataFrame:
        """One row per coefficient."""
        import pandas as pd

        return pd.concat([self.estimate(term, unit=unit, level=level).to_frame() for term in self.terms]).reset_index(
            drop=True
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """Checked input of a regression: outcome, named columns, what to report, weights and clusters."""

    outcome: Floats  # (n,)
    names: tuple[str, ...]
    values: Floats  # (n, k) the columns
    reported: int  # the first so many of them
    weights: Floats | None
    clusters: Ints | None

    @classmethod
    def of(
        cls,
        outcome: ArrayLike,
        columns: Mapping[str, ArrayLike],
        *,
        blocks: Labels | None = None,
        clusters: Labels | None = None,
        weights: ArrayLike | None = None,
    ) -> Columns:
        """The intercept and the columns; with ``blocks`` the columns and one indicator per block.

        Raises
        ------
        EstimateError
            A length that differs, a missing value, or a weight that is not positive.
        """
        columns = by_name(columns, "columns")
        rows = {"outcome": outcome, "blocks": blocks, "clusters": clusters, "weights": weights}
        same_rows({**rows, **columns})
        y = numbers(outcome, "outcome")
        given = {name: numbers(column, name) for name, column in columns.items()}
        if blocks is None:
            given = {INTERCEPT: np.ones_like(y), **given}
        reported = len(given)
        if blocks is not None:
            block, names = numbered(labelled(blocks, "blocks"))
            check_column("the blocks", block.astype(np.float64), y.shape)
            given |= {f"block {name}": (block == code).astype(np.float64) for code, name in enumerate(names)}
        if not given:
            raise EstimateError("A regression needs at least one column. Give what the outcome is compared by.")
        w = None if weights is None else numbers(weights, "weights")
        for name, column in {"the outcome": y, **given, **({} if w is None else {"the weights": w})}.items():
            check_column(name, column, y.shape)
        if w is not None and (w <= 0).any():
            raise EstimateError(
                "A weight is not positive, and a row without weight has no variance that could be seen. Leave such "
                "rows out.",
                {"rows": np.flatnonzero(w <= 0).tolist()},
                da="En vægt er ikke positiv, og en række uden vægt har ingen spredning, der kan ses. Udelad sådanne "
                "rækker.",
            )
        codes = None if clusters is None else numbered(labelled(clusters, "clusters"))[0]
        if codes is not None and codes.shape != y.shape:
            check_column("the clusters", codes.astype(np.float64), y.shape)
        return cls(
            outcome=y,
            names=tuple(given),
            values=np.column_stack(list(given.values())),
            reported=reported,
            weights=w,
            clusters=codes,
        )

    def solved(self, regressors: Floats, errors: Errors | None) -> Regression:
        """Least squares of the outcome on ``regressors``; residuals are those with the columns themselves."""
        errors = errors or ("HC2" if self.clusters is None else "CR2")
        check_errors(errors, clustered=self.clusters is not None)
        x, back = orthonormal(regressors, self.weights, self.names)
        weighted = x if self.weights is None else x * self.weights[:, None]
        coefficients = back @ (weighted.T @ self.outcome)
        residual = left_over(self.outcome, self.values @ coefficients)
        fit = Fit(x=x, back=back, residual=residual, weights=self.weights)
        sums = None if self.clusters is None else Clustered.of(fit, self.clusters)
        found = covariance(fit, errors, sums)
        shown = slice(self.reported)
        _check_found(found[shown, shown], self.names)
        return Regression(
            terms=self.names[shown],
            coefficients=coefficients[shown],
            covariance=found[shown, shown],
            df=degrees_of_freedom(fit, errors, sums, np.eye(fit.k)[:, shown]),
            errors=errors,
            n_rows=fit.n,
            n_clusters=0 if self.clusters is None else int(self.clusters.max()) + 1,
            r_squared=self._r_squared(residual),
        )

    def _r_squared(self, residual: Floats) -> float:
        w = np.ones_like(residual) if self.weights is None else self.weights
        about = self.outcome - np.average(self.outcome, weights=w)
        total = float(w @ about**2)
        return 1 - float(w @ residual**2) / total if total > 0 else float("nan")


def least_squares(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    clusters: Labels | None = None,
    weights: ArrayLike | None = None,
    blocks: Labels | None = None,
    errors: Errors | None = None,
) -> Regression:
    """Ordinary or weighted least squares with robust errors.

    With few units HC2 and n - k reject too often (up to 12 percent at 5 with 2 or 3 of 12 treated); for the effect of an arm
    ask `trialkit.estimate.printed.average_effect`.

    Parameters
    ----------
    outcome : (n,) float
        One value per row.
    columns : name -> (n,) float
        The intercept is added, unless there are ``blocks``.
    clusters : (n,) labels, optional
        Rows of one cluster may depend on each other.
    weights : (n,) float > 0, optional
        Of least squares; the error does not take them for known variances.
    blocks : (n,) labels, optional
        One indicator per block in place of the intercept; they are not reported.  Leverage and degrees of freedom
        count them.
    errors : ``classical``, ``HC0``-``HC3``, or with clusters ``CR0``-``CR3``
        HC2 without clusters and CR2 with Satterthwaite degrees of freedom with them, unless given.

    Returns
    -------
    Regression
        t with n - k degrees of freedom by row, clusters - 1 for CR0, CR1 and CR3, by coefficient for CR2.

    Raises
    ------
    EstimateError
        Columns that do not fit each other, that others say already, or errors that cannot be found; see
        `trialkit.estimate.sandwich.covariance`.

    References
    ----------
    MacKinnon and White (1985), doi:10.1016/0304-4076(85)90158-7; Bell and McCaffrey (2002), Survey Methodology 28;
    Pustejovsky and Tipton (2018), doi:10.1080/07350015.2016.1247004.
    """
    given = Columns.of(outcome, columns, blocks=blocks, clusters=clusters, weights=weights)
    return given.solved(given.values, errors)


def check_column(name: str, column: Floats, shape: tuple[int, ...]) -> None:
    """Refuse a column that is not one whole number per row.

    Raises
    ------
    EstimateError
        Another shape than the outcome's; a gap, an infinite number, or one too large to be squared.
    """
    if column.ndim != 1 or column.shape != shape:
        raise EstimateError(
            f"The column {name!r} has shape {column.shape}, and the outcome has {shape}. One row would be read as another, or "
            "be lost. Give one number per row.",
            {"column": name, "shape": column.shape, "missing": []},
            da=f"Kolonnen {name!r} har formen {column.shape}, men udfaldet har {shape}. En række ville blive læst som en "
            "anden eller gå tabt. Angiv ét tal pr. række.",
        )
    check_whole(column, None, name)


def _check_found(covariance: Floats, names: tuple[str, ...]) -> None:
    absent = np.flatnonzero(np.isnan(np.diag(covariance)))
    if absent.size:
        raise EstimateError(
            f"One cluster alone decides {names[absent[0]]!r}, so CR3, which leaves each cluster out in turn, has no "
            "answer. Use CR2.",
            {"terms": [names[k] for k in absent]},
            da=f"Én klynge alene bestemmer {names[absent[0]]!r}, så CR3, som udelader én klynge ad gangen, har intet "
            "svar. Brug CR2.",
        )


__all__ = ["INTERCEPT", "Columns", "Labels", "Regression", "check_column", "least_squares"]
