"""Marginal models for trials in clusters, by generalized estimating equations whose errors hold with few clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, one_per_row
from trialkit.estimate.contrast import contrast_name, contrast_weights
from trialkit.estimate.gee_contrast import DEFAULT_ERRORS, Df, degrees_of_freedom, undefined
from trialkit.estimate.gee_family import Family, FamilyName, Link
from trialkit.estimate.gee_fit import Solved, Status, refusal, solved
from trialkit.estimate.gee_rows import Prepared
from trialkit.estimate.gee_sandwich import Bread, Errors
from trialkit.estimate.gee_working import Correlation, working
from trialkit.estimate.given import side_by_side
from trialkit.estimate.moments import Moments
from trialkit.estimate.regression import INTERCEPT
from trialkit.estimate.result import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Labels = Sequence[object] | NDArray[np.generic]
PLAIN_FROM: Final = 40
PERMUTATION_TO: Final = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class GeeFit:
    """A marginal model, fitted.

    Parameters
    ----------
    terms : (p,) names of the coefficients
    coefficients : (p,) float
        On the scale of the link: in ``unit`` for the identity, else logarithms.
    correlation : name of the working correlation
    alpha : name -> its parameters
        All 0 where ``held``.
    phi : float
        Dispersion: a row's variance is phi v(mu) / weight.
    held : bool
        The residuals asked for correlations that no rows can have, so the fit went on with independence.
    n_rows : int
        Persons (or weighted rows) behind the fit.
    clusters : names of the clusters
    fitted : (n,) float
        Expected outcome of each row, per person; in the order of the rows, nan for a row of nobody.
    residuals : (n,) float
        Outcome per person minus that.
    notes : what a reader must know beside the numbers
    """

    terms: tuple[str, ...]
    coefficients: Floats
    family: Family
    correlation: Correlation
    alpha: Mapping[str, float]
    phi: float
    held: bool
    unit: str
    n_rows: int
    clusters: tuple[str, ...]
    fitted: Floats
    residuals: Floats
    notes: tuple[str, ...]
    bread: Bread = field(repr=False)

    def covariance(self, errors: Errors | None = None) -> Floats:
        """(p, p) covariance of the coefficients; nan where a cluster decides a coefficient alone (KC, MD).

        Raises
        ------
        EstimateError
            Unknown errors, or DF without more clusters than coefficients.
        """
        return np.asarray(self.bread.covariance(errors or DEFAULT_ERRORS)[0], np.float64)

    def df(self, df: Df = "clusters - 2") -> float:
        """Degrees of freedom; nan for the normal distribution.

        Raises
        ------
        EstimateError
            Nothing is left, or a name nobody knows.
        """
        return degrees_of_freedom(df, len(self.clusters), len(self.terms))

    def moments(
        self, contrast: Mapping[str, float] | str, *, errors: Errors | None = None, df: Df = "clusters - 2"
    ) -> Moments:
        """Value, error and degrees of freedom of a contrast: weights by term, or one term.

        Parameters
        ----------
        errors : "KC", "MD", "FG", "DF", "LZ", "KC product" or "model", optional
            Mancl-DeRouen where none is named.
        df : "clusters - 2", "clusters - parameters" or "normal"

        Raises
        ------
        EstimateError
            A term is not in the model, errors or degrees of freedom are undefined, or a cluster decides alone.
        """
        weights = contrast_weights(contrast, self.terms)
        named = errors or DEFAULT_ERRORS
        variance = float(weights @ np.where(np.outer(weights, weights) != 0, self.covariance(named), 0.0) @ weights)
        if not variance >= 0:
            raise undefined(named, [t for t, w in zip(self.terms, weights, strict=True) if w])
        return Moments(value=float(self.coefficients @ weights), std_error=variance**0.5, df=self.df(df))

    def estimate(
        self,
        contrast: Mapping[str, float] | str,
        *,
        term: str = "",
        errors: Errors | None = None,
        df: Df = "clusters - 2",
        level: float = 0.95,
    ) -> Estimate:
        """A contrast as a result on the scale of the link; ``n_units`` counts clusters.

        Raises
        ------
        EstimateError
            As ``moments``.
        """
        named = term or contrast_name(contrast)
        found = self.moments(contrast, errors=errors, df=df)
        return found.as_estimate(
            unit=self.family.scale_of(self.unit), level=level, method=self._method(errors or DEFAULT_ERRORS, df),
            term=named, n_units=len(self.clusters),
        )  # fmt: skip

    def ratio(
        self,
        contrast: Mapping[str, float] | str,
        *,
        term: str = "",
        errors: Errors | None = None,
        df: Df = "clusters - 2",
        level: float = 0.95,
    ) -> Estimate:
        """The same as a ratio (of odds, risks or rates): value and ends exponentiated, the error by the delta method.

        Statistic and p-value are those of the logarithm, whose normal approximation is the better one.

        Raises
        ------
        EstimateError
            As ``moments``; also a link whose effects are differences.
        """
        if self.family.link == "identity":
            raise EstimateError(
                "Effects of the identity link are differences, and exp of a difference means nothing. Use estimate, or "
                "fit a logit or log link.",
                {"link": self.family.link},
                da="Effekter med identity-linket er forskelle, og exp af en forskel betyder intet. Brug estimate, eller "
                "tilpas med et logit- eller log-link.",
            )
        found = self.estimate(contrast, term=term, errors=errors, df=df, level=level)
        value = _exp(found.estimate)
        return replace(
            found, estimate=value, std_error=value * found.std_error, conf_low=_exp(found.conf_low),
            conf_high=_exp(found.conf_high), unit=self.family.ratio_of(self.unit),
        )  # fmt: skip

    def to_frame(self, *, errors: Errors | None = None, df: Df = "clusters - 2", level: float = 0.95) -> pd.DataFrame:
        """One row per coefficient."""
        import pandas as pd

        rows = [self.estimate(term, errors=errors, df=df, level=level).to_frame() for term in self.terms]
        return pd.concat(rows).reset_index(drop=True)

    def plot(self, ax: Axes, *, terms: Sequence[str] | None = None, level: float = 0.95) -> Axes:
        """Coefficients with their intervals on the caller's axes, the intercept left out unless it is named."""
        for term in terms or [term for term in self.terms if term != INTERCEPT]:
            self.estimate(term, level=level).plot(ax)
        return ax

    def _method(self, errors: Errors, df: Df) -> str:
        number = self.df(df)
        law = "normal" if df == "normal" else f"t({number:g})"
        said = f"GEE ({self.family.name}, {self.family.link}; {self.correlation}), {errors} errors, {law}"
        if errors in ("LZ", "model") and df == "normal" and len(self.clusters) < PLAIN_FROM:
            said += f"; too narrow with {len(self.clusters)} clusters, asked for by name"
        return said


def gee(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
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
) -> GeeFit:
    """Average effects over the population, without a model of how rows of a cluster hang together.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        One value per person; with ``sizes`` the sum over the persons of a cell.
    columns : name -> (n,) float
        Beside the intercept, which is always there.
    clusters : (n,) labels
        What was drawn by lot; rows of different clusters are independent.
    unit : str
        What one step of the outcome means.
    family : "gaussian", "binomial" or "poisson"
    link : "identity", "logit" or "log", optional
        identity for gaussian; logit (else identity: risk differences, or log: risk ratios) for binomial; log for
        poisson.
    correlation : str
        ``"independence"``; ``"exchangeable"``, one correlation in a cluster; ``"nested"``, one within a period of a
        cluster and one between its periods; ``"autoregressive"``, AR(1) over periods, for one row per cluster and
        period (means or shares with ``weights``, or counts with an ``offset``).
    periods : (n,) labels that sort in time order
        Needed by ``"nested"`` and ``"autoregressive"``, which counts one step between neighbours.
    sizes : (n,) int >= 0, optional
        Persons behind each row's sum; a row of nobody is left out.  The answer is that of their single rows, at the
        cost of the cells.
    squares : (n,) float, optional
        With sizes, for outcomes other than 0 and 1: sums of squared outcomes.
    weights : (n,) float, > 0, optional
        A row's variance is phi v(mu) / weight, e.g. persons behind a share.  Not with ``sizes`` or ``"nested"``.
    offset : (n,) float, optional
        Added to the linear predictor, e.g. the logarithm of persons behind a count.

    Returns
    -------
    GeeFit
        Errors hold with few clusters unless others are asked for by name.

    Raises
    ------
    EstimateError
        A length differs, a value is missing or one the family cannot have, a column follows from the others, or a
        correlation lacks its labels or cannot be told.  ``E_FEW_CLUSTERS``: fewer than 3.  ``E_SEPARATION``: outcomes
        without variation somewhere.  ``E_OUTSIDE``: probabilities outside 0 and 1.  ``E_SINGULAR``: the information.
        ``E_NOT_CONVERGED``.

    References
    ----------
    Liang & Zeger (1986), doi:10.1093/biomet/73.1.13; Preisser, Lu & Qaqish (2008), doi:10.1002/sim.3393; Li, Yu,
    Rathouz, Turner & Preisser (2022), doi:10.1093/biostatistics/kxaa056.
    """
    side_by_side(
        columns, outcome=outcome, clusters=clusters, periods=periods, sizes=sizes, squares=squares, weights=weights,
        offset=offset,
    )  # fmt: skip
    rows = Prepared.of(
        one_per_row(outcome)[None], columns, clusters=clusters, family=Family.of(family, link),
        correlation=correlation, periods=periods, sizes=sizes, squares=squares, weights=weights, offset=offset,
    )  # fmt: skip
    found = solved(rows.grid, rows.outcomes, rows.family, working(correlation, rows.grid))
    if found.status[0] != Status.DONE:
        raise refusal(int(found.status[0]), family=rows.family, terms=rows.terms)
    return _fit(rows, found, correlation, unit)


def _fit(rows: Prepared, found: Solved, correlation: Correlation, unit: str) -> GeeFit:
    names = working(correlation, rows.grid).names
    expected = rows.family.mean(rows.x @ found.beta[0] + rows.offset)
    fitted = np.where(np.isfinite(rows.per_person), expected, np.nan)
    return GeeFit(
        terms=rows.terms, coefficients=found.beta[0], family=rows.family, correlation=correlation,
        alpha=dict(zip(names, found.alpha[0].tolist(), strict=True)), phi=float(found.phi[0]),
        held=bool(found.held[0]), unit=unit, n_rows=int(rows.grid.n_persons), clusters=rows.clusters,
        fitted=fitted, residuals=rows.per_person - fitted, notes=_notes(rows, found, names), bread=found.bread,
    )  # fmt: skip


def _notes(rows: Prepared, found: Solved, names: tuple[str, ...]) -> tuple[str, ...]:
    said, clusters = [], len(rows.clusters)
    if found.held[0]:
        told = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, found.told[0], strict=True))
        said.append(
            f"The residuals ask for a correlation that rows of these clusters cannot have ({told}), so the fit went on "
            "with independence. The errors hold all the same: they do not trust the working correlation."
        )
    if clusters <= PERMUTATION_TO:
        said.append(
            f"There are {clusters} clusters: the permutation test is the primary answer, and this stands beside it."
        )
    if clusters <= len(rows.terms):
        said.append(
            f"{clusters} clusters cannot show the errors of {len(rows.terms)} coefficients together; single contrasts "
            "are what the errors are for."
        )
    return tuple(said)


def _exp(value: float) -> float:
    return exp(value) if value < 700 else inf


__all__ = ["Df", "GeeFit", "gee"]
