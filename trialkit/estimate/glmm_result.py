"""What a generalized linear mixed model says: contrasts with errors and intervals, components, modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp, nan
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from scipy.special import ndtri, stdtrit

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.contrast import contrast_name, contrast_weights
from trialkit.estimate.given import one_of
from trialkit.estimate.glmm_cells import Family
from trialkit.estimate.glmm_fit import Maximum
from trialkit.estimate.glmm_likelihood import CountLikelihood
from trialkit.estimate.glmm_profile import ProfileLikelihood, spread_interval
from trialkit.estimate.moments import Moments, check_level
from trialkit.estimate.regression import INTERCEPT
from trialkit.estimate.result import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Intercepts = Literal["cluster", "nested"]
CountDf = Literal["clusters", "normal"]
CountErrors = Literal["hessian", "conditional"]
By = Literal["likelihood", "Wald"]
UNITS: Final = {"binomial": "log odds", "poisson": "log rate"}
RATIOS: Final = {"binomial": "odds ratio", "poisson": "rate ratio"}


@dataclass(frozen=True, eq=False, kw_only=True)
class GlmmFit:
    """A generalized linear mixed model, fitted.

    Parameters
    ----------
    terms : (p,) names of the fixed effects
    coefficients : (p,) float, in log odds (binomial) or log rates (Poisson)
        Given the random effects: the odds of one cluster, not of the population.
    components : name -> variance of the random intercepts, on the same scale squared
    log_likelihood : float
        With all constants of the rows as given: events among persons carry their binomial coefficient, so that cells
        and the single persons behind them differ by a constant, and by nothing else.
    singular : names of the components at 0
        They are fixed there: errors are those of the model without them.
    between_df : float
        Clusters less the fixed effects that are constant within clusters, at least 2 of them.
    notes : what a reader must know beside the numbers
    fitted, residuals : (n,) float, in events
        Given the modes of the random effects, in the order of the rows.
    random_effects : name -> (c, slots) float
        Modes by cluster, in the order of ``clusters``; by period in time order, 0 where a cluster lacks it.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    components: Mapping[str, float]
    log_likelihood: float
    family: Family
    random: Intercepts
    nodes: int
    n_rows: int
    clusters: tuple[str, ...]
    singular: tuple[str, ...]
    between_df: float
    notes: tuple[str, ...]
    fitted: Floats
    residuals: Floats
    random_effects: Mapping[str, Floats]
    likelihood: CountLikelihood = field(repr=False)
    best: Maximum = field(repr=False)

    @property
    def unit(self) -> str:
        """Of coefficients and standard deviations."""
        return UNITS[self.family]

    @property
    def covariance(self) -> Floats:
        """(p, p) covariance of the fixed effects from the full Hessian, standard deviations estimated with them."""
        p = len(self.terms)
        return self.best.covariance()[:p, :p]

    @property
    def conditional_covariance(self) -> Floats:
        """(p, p) covariance of the fixed effects as if the standard deviations were known."""
        return np.asarray(np.linalg.inv(self.likelihood.information(self.best.psi, self.best.mode)), np.float64)

    def moments(
        self, contrast: Mapping[str, float] | str, *, df: CountDf = "clusters", errors: CountErrors = "hessian"
    ) -> Moments:
        """Value, error and degrees of freedom of a contrast: weights by term, or one term.

        ``df="clusters"`` is t with ``between_df``; ``"normal"`` is the z that R prints.  ``errors="hessian"`` counts
        that the standard deviations were estimated; ``"conditional"`` does not.

        Raises
        ------
        EstimateError
            A term is not in the model, or there are too few clusters for t.
        """
        one_of(errors, get_args(CountErrors), "errors")
        weights = contrast_weights(contrast, self.terms)
        covariance = self.covariance if errors == "hessian" else self.conditional_covariance
        return Moments(
            value=float(weights @ self.coefficients),
            std_error=float(np.sqrt(weights @ covariance @ weights)),
            df=self._df(df),
        )

    def estimate(
        self, contrast: Mapping[str, float] | str, *, term: str = "", by: By = "likelihood", df: CountDf = "clusters",
        level: float = 0.95,
    ) -> Estimate:  # fmt: skip
        """A contrast as a result, in ``unit``; ``n_units`` counts clusters.

        ``by="likelihood"``: statistic and p-value are those of the signed root of the likelihood ratio, and the
        interval is the profile's; ``"Wald"``: all three from the standard error.  Both are held against ``df``.

        Raises
        ------
        EstimateError
            As ``moments`` and ``profile``.
        """
        one_of(by, get_args(By), "by")
        found = self.moments(contrast, df=df)
        wald = found.as_estimate(
            unit=self.unit, level=level, method=self._said(by, df), term=term or contrast_name(contrast),
            n_units=len(self.clusters),
        )  # fmt: skip
        if by == "Wald":
            return wald
        root = self._root(contrast, 0.0, df)
        low, high = self.profile(contrast, df=df, level=level)
        return replace(wald, statistic=root.value, p_value=root.p_value, conf_low=low, conf_high=high)

    def p_value_at(self, contrast: Mapping[str, float] | str, value: float, *, df: CountDf = "clusters") -> float:
        """The likelihood-ratio p-value of the hypothesis that a contrast is ``value``; the interval holds what it accepts.

        Raises
        ------
        EstimateError
            As ``profile``.
        """
        return self._root(contrast, value, df).p_value

    def _root(self, contrast: Mapping[str, float] | str, value: float, df: CountDf) -> Moments:
        """The signed root of the likelihood ratio, as a statistic to hold against ``df``."""
        return Moments(value=-self._profile(contrast).root(value), std_error=1.0, df=self._df(df))

    def ratio(
        self, contrast: Mapping[str, float] | str, *, term: str = "", by: By = "likelihood", df: CountDf = "clusters",
        level: float = 0.95,
    ) -> Estimate:  # fmt: skip
        """The same as an odds ratio or a rate ratio: ends and estimate exponentiated, p-value and statistic unmoved.

        ``std_error`` is that of the ratio by the delta method.
        """
        log = self.estimate(contrast, term=term, by=by, df=df, level=level)
        return replace(
            log, estimate=exp(log.estimate), std_error=exp(log.estimate) * log.std_error,
            conf_low=exp(log.conf_low), conf_high=exp(log.conf_high), unit=RATIOS[self.family],
        )  # fmt: skip

    def profile(
        self, contrast: Mapping[str, float] | str, *, df: CountDf = "clusters", level: float = 0.95
    ) -> tuple[float, float]:
        """Ends of the profile-likelihood interval of a contrast; infinite where the likelihood never falls enough.

        Raises
        ------
        EstimateError
            As ``moments``; also a likelihood that turns out higher than at its maximum.
        """
        step = self.moments(contrast, df=df).std_error
        return self._profile(contrast).interval(self._limit(df, level), step)

    def profile_sd(self, component: str, *, level: float = 0.95) -> tuple[float, float]:
        """Ends of the profile-likelihood interval of a random intercept's standard deviation (normal limits).

        Raises
        ------
        EstimateError
            The model has no such component.
        """
        return spread_interval(self.likelihood, self.best, self._component(component), self._limit("normal", level))

    def wald_sd(self, component: str, *, level: float = 0.95) -> tuple[float, float]:
        """Ends of the Wald interval of a standard deviation, cut at 0; nan where it is fixed at 0.

        Its estimate is skewed when clusters are few: ``profile_sd`` is the better interval.
        """
        at = len(self.terms) + self._component(component)
        if component in self.singular:
            return nan, nan
        moments = Moments(value=float(self.best.psi[at]), std_error=float(np.sqrt(self.best.covariance()[at, at])))
        low, high = moments.interval(level)
        return max(low, 0.0), high

    def to_frame(self, *, by: By = "likelihood", df: CountDf = "clusters", level: float = 0.95) -> pd.DataFrame:
        """One row per fixed effect."""
        import pandas as pd

        rows = [self.estimate(term, by=by, df=df, level=level).to_frame() for term in self.terms]
        return pd.concat(rows).reset_index(drop=True)

    def plot(self, ax: Axes, *, by: By = "likelihood", df: CountDf = "clusters", level: float = 0.95) -> Axes:
        """Draw the fixed effects but the intercept, with their intervals, on the caller's axes."""
        for term in reversed([term for term in self.terms if term != INTERCEPT]):
            self.estimate(term, by=by, df=df, level=level).plot(ax)
        ax.axvline(0.0, color="0.7", linewidth=0.8)
        return ax

    def _profile(self, contrast: Mapping[str, float] | str) -> ProfileLikelihood:
        direction = np.r_[contrast_weights(contrast, self.terms), np.zeros(self.likelihood.levels)]
        return ProfileLikelihood(self.likelihood, self.best, direction)

    def _limit(self, df: CountDf, level: float) -> float:
        check_level(level)
        degrees = self._df(df)
        return float(ndtri((1 + level) / 2) if np.isnan(degrees) else stdtrit(degrees, (1 + level) / 2))

    def _df(self, df: CountDf) -> float:
        one_of(df, get_args(CountDf), "df")
        if df == "normal":
            return nan
        if self.between_df < 1:
            raise EstimateError(
                f"{len(self.clusters)} clusters leave no degrees of freedom between them, so t is not defined. Use the "
                "randomization test, or ask for df='normal' and say that its interval is too short.",
                {"clusters": len(self.clusters), "df": self.between_df},
                da=f"{len(self.clusters)} klynger giver ingen frihedsgrader mellem dem, så t er ikke defineret. Brug "
                "randomiseringstesten, eller bed om df='normal', og skriv, at intervallet er for kort.",
            )
        return self.between_df

    def _component(self, name: str) -> int:
        if name not in self.components:
            raise EstimateError(
                f"The model has no component {name!r}. It has {', '.join(self.components)}.",
                {"component": name, "components": list(self.components)},
                da=f"Modellen har ikke komponenten {name!r}. Den har {', '.join(self.components)}.",
            )
        return list(self.components).index(name)

    def _said(self, by: By, df: CountDf) -> str:
        how = "Laplace" if self.nodes == 1 else f"{self.nodes}-point adaptive quadrature"
        against = "normal" if df == "normal" else f"t({self.between_df:g})"
        said = f"{self.family} mixed model ({self.random}), {how}, {by}, {against}"
        return said + (f"; singular: {', '.join(self.singular)} at 0" if self.singular else "")


__all__ = ["By", "CountDf", "CountErrors", "GlmmFit", "Intercepts"]
