"""Linear mixed models for trials in clusters: by REML or ML, with errors that hold when clusters are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import (
    FEWEST_CLUSTERS,
    Floats,
    Layout,
    check_rank,
    check_rows,
    check_within,
    fixed_effects,
    least_squares,
    one_per_row,
    persons_of,
    weights_of,
)
from trialkit.estimate.contrast import contrast_name, contrast_weights
from trialkit.estimate.covariances import Structure
from trialkit.estimate.given import one_of, side_by_side
from trialkit.estimate.kenward_roger import Inference, JointTest, joint_test
from trialkit.estimate.mixed_fit import Clustered, Criterion, Likelihood, Profile, fitted_ratios, profiled
from trialkit.estimate.moments import Moments
from trialkit.estimate.nested import Nested, likelihood_of
from trialkit.estimate.random_effects import Random, RandomEffects
from trialkit.estimate.result import Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from trialkit.estimate.variance_profile import ComponentInterval

Df = Literal["Kenward-Roger", "Satterthwaite", "normal"]
Labels = Sequence[object] | NDArray[np.generic]
HUSSEY_HUGHES: Final = (
    "One random intercept per cluster takes two periods of a cluster to be as alike as two persons of one period; "
    "where they are less alike, the error is understated. The default, 'nested', lets the periods differ."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedFit:
    """A linear mixed model, fitted.

    Parameters
    ----------
    terms : (p,) names of the fixed effects
    coefficients : (p,) float, in ``unit``
    components : name -> variance (for a correlation or a share, that number), in ``unit`` squared
        The residual is last.  On rows with weights it is the variance of a row of weight 1.
    log_likelihood : float
        With all constants, of the criterion ``by``.
    singular : names of the components on their boundary
        They are fixed there: errors and degrees of freedom are those of the model without them.
    notes : what a reader must know beside the numbers
    fitted, residuals : (n,) float
        Given the random effects, in the order of the rows.
    random_effects : name -> (c, slots) float
        Predicted (BLUP) effects by cluster, in the order of ``clusters``; slots a cluster lacks are 0.
    inference, likelihood, ratios : what errors and intervals are made of; ``ratios`` (k,) are the optimum
    """

    terms: tuple[str, ...]
    coefficients: Floats
    components: Mapping[str, float]
    log_likelihood: float
    by: Criterion
    random: str
    unit: str
    n_rows: int
    clusters: tuple[str, ...]
    singular: tuple[str, ...]
    notes: tuple[str, ...]
    fitted: Floats
    residuals: Floats
    random_effects: Mapping[str, Floats]
    inference: Inference = field(repr=False)
    likelihood: Likelihood = field(repr=False)
    ratios: Floats = field(repr=False)

    @property
    def covariance(self) -> Floats:
        """(p, p) covariance of the fixed effects, as if the variances were known."""
        return np.asarray(self.inference.model_covariance[0], np.float64)

    @property
    def adjusted_covariance(self) -> Floats:
        """(p, p) Kenward and Roger's (1997) covariance of the fixed effects."""
        return np.asarray(self.inference.covariance[0], np.float64)

    def moments(self, contrast: Mapping[str, float] | str, *, df: Df = "Kenward-Roger") -> Moments:
        """Value, error and degrees of freedom of a contrast: weights by term, or one term.

        Raises
        ------
        EstimateError
            A term is not in the model, or the fit is by ML and ``df`` needs REML.
        """
        one_of(df, get_args(Df), "df")
        weights = contrast_weights(contrast, self.terms)
        value = float(self.coefficients @ weights)
        if df == "normal":
            return Moments(value=value, std_error=float(self.inference.std_error(weights, adjusted=False)[0]))
        self._needs_reml(df)
        adjusted = df == "Kenward-Roger"
        return Moments(
            value=value,
            std_error=float(self.inference.std_error(weights, adjusted=adjusted)[0]),
            df=float(self.inference.df(weights, expected=adjusted)[0]),
        )

    def estimate(
        self,
        contrast: Mapping[str, float] | str,
        *,
        term: str = "",
        df: Df = "Kenward-Roger",
        level: float = 0.95,
    ) -> Estimate:
        """A contrast as a result, in ``unit``; ``n_units`` counts clusters.

        Raises
        ------
        EstimateError
            A term is not in the model, or the fit is by ML and ``df`` needs REML.
        """
        said = f"mixed model ({self.random}), {self.by}, {df}"
        if self.singular:
            said += f"; singular: {', '.join(self.singular)} on the boundary"
        named = term or contrast_name(contrast)
        found = self.moments(contrast, df=df)
        return found.as_estimate(unit=self.unit, level=level, method=said, term=named, n_units=len(self.clusters))

    def joint(self, contrasts: Sequence[Mapping[str, float] | str]) -> JointTest:
        """Kenward and Roger's F test that all contrasts are zero.

        Raises
        ------
        EstimateError
            A term is not in the model, a contrast follows from the others, or the fit is by ML.
        """
        self._needs_reml("Kenward-Roger")
        rows = np.stack([contrast_weights(contrast, self.terms) for contrast in contrasts])
        return joint_test(self.inference, self.coefficients, rows)

    def to_frame(self, *, df: Df = "Kenward-Roger", level: float = 0.95) -> pd.DataFrame:
        """One row per fixed effect."""
        import pandas as pd

        rows = [self.estimate(term, df=df, level=level).to_frame() for term in self.terms]
        return pd.concat(rows).reset_index(drop=True)

    def intervals(self, *, level: float = 0.95) -> tuple[ComponentInterval, ...]:
        """Profile intervals of the variance components, in the order of ``components``.

        An end at 0 means that the data do not rule out that the component is absent.  The likelihood is the criterion
        ``by``, restricted by default (`trialkit.estimate.variance_profile`).

        Raises
        ------
        EstimateError
            ``level`` is not between 0 and 1.
        """
        from trialkit.estimate.variance_profile import component_intervals

        return component_intervals(
            self.likelihood, self.ratios, dict(self.components), by=self.by, unit=self.unit, level=level
        )

    def plot(self, ax: Axes) -> Axes:
        """Residuals against fitted values, both given the random effects, on the caller's axes.

        A funnel says that the variance grows with the level; a bend, that a column is missing.
        """
        ax.scatter(self.fitted, self.residuals, s=9, alpha=0.5)
        ax.axhline(0.0, linewidth=0.8, color="grey")
        ax.set_xlabel(f"fitted ({self.unit})")
        ax.set_ylabel(f"residual ({self.unit})")
        return ax

    def _needs_reml(self, df: Df) -> None:
        if self.by == "ML":
            raise EstimateError(
                f"{df} is defined for REML, and this model was fitted by ML, whose variances are too small in few "
                "clusters. Fit it by REML, or ask for df='normal'.",
                {"by": self.by, "df": df},
                da=f"{df} er defineret for REML, men modellen er tilpasset med ML, hvis varianser er for små, når der "
                "er få klynger. Brug REML, eller bed om df='normal'.",
            )


def mixed_model(
    outcome: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    clusters: Labels,
    unit: str,
    random: Random = "nested",
    periods: Labels | None = None,
    persons: Labels | None = None,
    treated: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    within: ArrayLike | None = None,
    by: Criterion = "REML",
) -> MixedFit:
    """Fixed effects of columns, with random effects of clusters.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        One value per row: a person in a period, or a cluster in a period.
    columns : name -> (n,) float
        Fixed effects beside the intercept, which is always there.
    clusters : (n,) labels
        What was drawn by lot; rows of different clusters are independent.
    unit : str
        What one step of the outcome means.
    random : str
        ``"cluster"`` (Hussey & Hughes 2007), ``"nested"`` (cluster and cluster-period; Hooper et al. 2016),
        ``"cohort"`` (cluster and person; Baio et al. 2015), ``"nested cohort"`` (all three), ``"treatment"`` (cluster
        and its treatment effect, correlated), ``"independent treatment"``, or ``"decay"`` (cluster-periods whose
        correlation falls with the distance between them; Kasza et al. 2019).
    periods : (n,) labels that sort in time order
        Needed by ``"nested"``, ``"nested cohort"`` and ``"decay"``; a decay counts one step between neighbours.
    persons : (n,) labels
        Needed by the cohorts; a label is one person within its cluster.
    treated : (n,) 0 or 1
        Needed by the random treatment effects.
    weights : (n,) float, > 0, optional
        A row's residual variance is that of a row of weight 1 over its weight, e.g. persons behind a mean.
    sizes, within : (n,) int >= 1 and (n,) float >= 0, optional
        Rows are cells: the outcome is the mean of ``sizes`` persons who are alike in everything else, ``within`` the sum of
        their squares about it.  The fit is that of the persons' own rows, to rounding; ``n_rows`` counts persons.
    by : "REML" or "ML"

    Returns
    -------
    MixedFit
        ``singular`` names components on their boundary; nothing is dropped in silence.

    Raises
    ------
    EstimateError
        A length differs, a value is missing, a weight is not positive, a column follows from the others, a structure
        lacks its labels or cannot be told from the residual, or the likelihood has no maximum.

    References
    ----------
    Hussey & Hughes (2007), doi:10.1016/j.cct.2006.05.007; Hooper et al. (2016), doi:10.1002/sim.7028; Kasza et al.
    (2019), doi:10.1177/0962280217734981; Kenward & Roger (1997), doi:10.2307/2533558.
    """
    side_by_side(
        columns, outcome=outcome, clusters=clusters, periods=periods, persons=persons, treated=treated, weights=weights,
        sizes=sizes, within=within,
    )  # fmt: skip
    one_of(by, get_args(Criterion), "by")
    y = one_per_row(outcome)
    names, x = fixed_effects(columns, len(y))
    size = None if sizes is None else persons_of(sizes, weights, len(y))
    effects = RandomEffects.of(random, clusters, periods=periods, persons=persons, treated=treated, sizes=size)
    w = weights_of(weights, len(y)) if size is None else size
    check_rows(y, x, effects.cluster, w)
    check_rank(x, names)
    layout = Layout(x=x, z=effects.z, cluster=effects.cluster, weights=w)
    start, left = least_squares(x, y, w)
    sums = layout.sums(left[None])
    if size is not None:
        sums = sums.of_persons(int(size.sum()), check_within(within, y.shape).sum(keepdims=True))
    likelihood = likelihood_of(sums, effects.structure)
    return _fit(likelihood, layout, y, start, names, effects, by=by, random=random, unit=unit)


def _fit(
    likelihood: Nested | Clustered, layout: Layout, y: Floats, start: Floats, names: tuple[str, ...], effects: RandomEffects,
    *, by: Criterion, random: Random, unit: str,
) -> MixedFit:  # fmt: skip
    structure, n = effects.structure, likelihood.sums.n_rows
    ratios = fitted_ratios(likelihood, by=by)
    pieces = likelihood.pieces(ratios)
    profile = profiled(pieces, n_rows=n, by=by)
    scale = likelihood.sums.mean_weight
    inference = Inference.of(
        pieces, profile, free=structure.free(ratios[0], scale), shape=structure.shape, n_rows=n
    )  # fmt: skip
    predicted = _predicted(likelihood, structure, ratios, profile)
    beta = start + profile.beta[0]
    fitted = layout.x @ beta + (layout.z * predicted[layout.cluster]).sum(axis=1)
    free = n - (len(names) if by == "REML" else 0)
    singular = structure.on_boundary(ratios[0], scale)
    return MixedFit(
        terms=names, coefficients=beta, components=_components(structure, ratios[0], profile.s2[0]),
        log_likelihood=float(-0.5 * (profile.value[0] + free * (1 + np.log(2 * np.pi / free)))),
        by=by, random=random, unit=unit, n_rows=n, clusters=effects.clusters, singular=singular,
        notes=_notes(random, singular, len(effects.clusters)), fitted=fitted, residuals=y - fitted,
        random_effects=effects.by_name(predicted), inference=inference, likelihood=likelihood, ratios=ratios[0],
    )  # fmt: skip


def _predicted(likelihood: Nested | Clustered, structure: Structure, ratios: Floats, profile: Profile) -> Floats:
    """(c, q) best linear unbiased predictions, Psi Z'V^-1 (y - X beta)."""
    s, psi = likelihood.sums, structure.psi(ratios)[0]
    left = s.b[0] - s.a @ profile.beta[0]
    solved = np.linalg.solve(np.eye(len(psi)) + s.m @ psi, left[..., None])[..., 0]
    return np.asarray(solved @ psi, np.float64)


def _components(structure: Structure, ratios: Floats, s2: float) -> dict[str, float]:
    found = {
        name: float(ratio if is_shape else ratio * s2)
        for name, ratio, is_shape in zip(structure.names, ratios, structure.shape, strict=True)
    }
    return {**found, "residual": float(s2)}


def _notes(random: Random, singular: tuple[str, ...], clusters: int) -> tuple[str, ...]:
    found = [HUSSEY_HUGHES] if random == "cluster" else []
    if clusters < FEWEST_CLUSTERS:
        found.append(
            f"There are {clusters} clusters, and how clusters differ cannot be seen from fewer than {FEWEST_CLUSTERS}: an "
            "effect between clusters has no interval here, or one that rests on the model alone. Use the randomization "
            "test of the design."
        )
    if singular:
        found.append(
            f"The fit is singular: {', '.join(singular)} is estimated on its boundary and fixed there, as happens in up "
            "to 15 percent of small trials. Put the permutation test beside it."
        )
    return tuple(found)


__all__ = ["Df", "MixedFit", "mixed_model"]
