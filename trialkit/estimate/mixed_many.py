"""The same mixed model on thousands of data sets that share a design, as a power study fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr

from trialkit.errors import EstimateError
from trialkit.estimate.cells import (
    Floats,
    Ints,
    Layout,
    Sums,
    check_rank,
    check_rows,
    check_within,
    fixed_effects,
    persons_of,
    weights_of,
)
from trialkit.estimate.contrast import contrast_weights
from trialkit.estimate.covariances import Structure
from trialkit.estimate.given import numbers, one_of, side_by_side
from trialkit.estimate.kenward_roger import Inference
from trialkit.estimate.mixed import Df
from trialkit.estimate.mixed_fit import Clustered, Criterion, Profile, fitted_ratios, profiled
from trialkit.estimate.nested import Nested, likelihood_of
from trialkit.estimate.patterns import Patterned
from trialkit.estimate.random_effects import Labels, Random, RandomEffects
from trialkit.estimate.spectral import one_ratio

if TYPE_CHECKING:
    import pandas as pd

Flags = NDArray[np.bool_]
CORE: Final = ("estimate", "std_error", "df", "p_value")
CHUNK: Final = 2_000  # data sets at a time, so that memory does not grow with their number,
PATTERNED: Final = 5_000  # and more of them where no cluster has matrices of its own


@dataclass(frozen=True, eq=False, kw_only=True)
class ManyFits:
    """One contrast of d fits.

    Parameters
    ----------
    estimate, std_error, df, p_value : (d,) float
        ``df`` is nan where the normal distribution was asked for.
    components : name -> (d,) float
        Variances (a decay: the correlation of neighbours); the residual is last.
    singular : name -> (d,) bool
        The component is on its boundary and was fixed there.
    unit : what one step of the outcome means
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    p_value: Floats
    components: Mapping[str, Floats]
    singular: Mapping[str, Flags]
    unit: str = field(kw_only=True)

    def to_frame(self) -> pd.DataFrame:
        """One row per data set."""
        import pandas as pd

        flags = {f"{name} on its boundary": found for name, found in self.singular.items()}
        core = {name: getattr(self, name) for name in CORE}
        return pd.DataFrame({**core, **self.components, **flags})


def many_mixed_models(
    outcomes: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    contrast: Mapping[str, float] | str,
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
    df: Df = "Kenward-Roger",
) -> ManyFits:
    """One contrast of the same model on every data set: what ``mixed_model`` finds one at a time.

    Parameters
    ----------
    outcomes : (d, n) float, in ``unit``
        One data set per row, its rows in one order.  Rows alike in cluster, columns and random effects are added up
        first, so that the cost hardly depends on persons per cell.
    contrast : weights by term, or one term
    clusters, columns, random, periods, persons, treated, weights, sizes, by : as in ``mixed_model``
    within : (d,) float >= 0
        With ``sizes``: the sum of squares of all persons about their cells' means, by data set.
    df : "Kenward-Roger", "Satterthwaite" or "normal"

    Raises
    ------
    EstimateError
        As ``mixed_model``; a data set whose likelihood has no maximum is named in ``facts["sets"]``.

    References
    ----------
    One ratio: the restricted likelihood in its eigenbasis, Patterson & Thompson (1971), doi:10.1093/biomet/58.3.545.
    """
    y = numbers(outcomes, "outcomes")
    if y.ndim != 2:
        raise EstimateError(
            f"outcomes has shape {y.shape}, and many data sets need (data sets, rows). Give one data set per row.",
            {"shape": y.shape},
            da=f"outcomes har formen {y.shape}, men mange datasæt kræver (datasæt, rækker). Giv ét datasæt pr. række.",
        )
    model = ManyModel.of(
        columns, y.shape[1], contrast=contrast, clusters=clusters, unit=unit, random=random, periods=periods,
        persons=persons, treated=treated, weights=weights, sizes=sizes, by=by, df=df,
    )  # fmt: skip
    return model.fits(y, within)


@dataclass(frozen=True, eq=False, kw_only=True)
class ManyModel:
    """A model that many data sets share: its rows, what is asked, and how.

    Parameters
    ----------
    layout, structure : rows and random effects
    direction : (p,) float, the contrast
    n_persons : whom rows that are cells stand for; 0 where rows stand for themselves
    """

    layout: Layout
    structure: Structure
    direction: Floats
    n_persons: int
    by: Criterion
    df: Df
    unit: str

    @classmethod
    def of(
        cls,
        columns: Mapping[str, ArrayLike],
        n: int,
        *,
        contrast: Mapping[str, float] | str,
        clusters: Labels,
        unit: str,
        random: Random = "nested",
        periods: Labels | None = None,
        persons: Labels | None = None,
        treated: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        sizes: ArrayLike | None = None,
        by: Criterion = "REML",
        df: Df = "Kenward-Roger",
    ) -> ManyModel:
        """The model of ``n`` rows; parameters and refusals as in ``many_mixed_models``."""
        side_by_side(
            columns, clusters=clusters, periods=periods, persons=persons, treated=treated, weights=weights, sizes=sizes
        )  # fmt: skip
        one_of(by, get_args(Criterion), "by")
        one_of(df, get_args(Df), "df")
        if by == "ML" and df != "normal":
            raise EstimateError(
                f"{df} is defined for REML. Fit by REML, or ask for df='normal'.",
                {"by": by, "df": df},
                da=f"{df} er defineret for REML. Brug REML, eller bed om df='normal'.",
            )
        names, x = fixed_effects(columns, n)
        size = None if sizes is None else persons_of(sizes, weights, n)
        effects = RandomEffects.of(random, clusters, periods=periods, persons=persons, treated=treated, sizes=size)
        w = weights_of(weights, n) if size is None else size
        check_rows(np.zeros(n), x, effects.cluster, w)
        check_rank(x, names)
        return cls(
            layout=Layout(x=x, z=effects.z, cluster=effects.cluster, weights=w), structure=effects.structure,
            direction=contrast_weights(contrast, names), n_persons=0 if size is None else int(size.sum()), by=by, df=df,
            unit=unit,
        )  # fmt: skip

    def fits(self, outcomes: Floats, within: ArrayLike | None = None) -> ManyFits:
        """Of outcomes (d, n), with the squares (d,) about them where rows are cells."""
        sums = self.layout.sums(outcomes)
        if self.n_persons:
            sums = sums.of_persons(self.n_persons, check_within(within, (len(outcomes),)))
        return self.of_sums(sums)

    def of_sums(self, sums: Sums) -> ManyFits:
        """Of data sets that are known by their sums alone."""
        _check_varying(sums)
        whole = Patterned.of_sums(sums, self.structure) or likelihood_of(sums, self.structure)
        parts = [_fitted(whole.of(sets), self.direction, by=self.by, df=self.df) for sets in _chunks(whole)]
        return _joined(parts, whole, self.unit)


def joined(parts: Sequence[ManyFits]) -> ManyFits:
    """The fits of several calls on one design, one after the other."""
    first = parts[0]
    plain = {name: np.concatenate([getattr(part, name) for part in parts]) for name in CORE}
    return ManyFits(
        **plain, unit=first.unit,
        components={name: np.concatenate([part.components[name] for part in parts]) for name in first.components},
        singular={name: np.concatenate([part.singular[name] for part in parts]) for name in first.singular},
    )  # fmt: skip


def _chunks(whole: Patterned | Nested | Clustered) -> list[Ints]:
    d, size = whole.sums.n_sets, PATTERNED if isinstance(whole, Patterned) else CHUNK
    return [np.arange(low, min(low + size, d)) for low in range(0, d, size)]


def _check_varying(sums: Sums) -> None:
    """A gap anywhere makes y'Wy nan; a data set its columns explain wholly has no likelihood."""
    explained = (sums.xy * np.linalg.solve(sums.xx, sums.xy.T).T).sum(axis=1)
    flat = np.flatnonzero(~(sums.yy - explained > 1e-12 * sums.yy))
    if flat.size:
        raise EstimateError(
            f"{len(flat)} data sets have a missing value, or an outcome the fixed effects give exactly; the first is "
            f"number {flat[0]}. Nothing could be said of them. Leave them out, or look at how they were made.",
            {"sets": flat.tolist()},
            da=f"{len(flat)} datasæt mangler en værdi eller har et udfald, som de faste effekter giver præcist; det "
            f"første er nummer {flat[0]}. Udelad dem, eller se på, hvordan de er lavet.",
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part:
    ratios: Floats
    estimate: Floats
    std_error: Floats
    df: Floats
    s2: Floats
    on_boundary: Flags


def _fitted(likelihood: Patterned | Nested | Clustered, direction: Floats, *, by: Criterion, df: Df) -> _Part:
    structure, sums = likelihood.structure, likelihood.sums
    alone = len(structure.names) == 1 and sums.m.shape[1] == 1
    ratios = one_ratio(sums, by=by) if alone else fitted_ratios(likelihood, by=by, starts=2)
    on_boundary = structure.boundary(ratios, sums.mean_weight)
    if df == "normal":
        value, error, s2 = _plain(likelihood, ratios, direction, by)
        return _Part(
            ratios=ratios, estimate=value, std_error=error, df=np.full(len(value), np.nan), s2=s2, on_boundary=on_boundary
        )  # fmt: skip
    found = np.empty((4, len(ratios)))
    for sets, free in _alike(structure, ratios, on_boundary, sums.mean_weight):
        here = likelihood.of(sets)
        pieces = here.pieces(ratios[sets])
        profile = profiled(pieces, n_rows=sums.n_rows, by=by)
        inference = Inference.of(pieces, profile, free=free, shape=structure.shape, n_rows=sums.n_rows)
        found[:, sets] = _small_sample(inference, profile, direction, df)
    value, error, degrees, s2 = found
    return _Part(ratios=ratios, estimate=value, std_error=error, df=degrees, s2=s2, on_boundary=on_boundary)


def _small_sample(inference: Inference, profile: Profile, direction: Floats, df: Df) -> Floats:
    adjusted = df == "Kenward-Roger"
    error = inference.std_error(direction, adjusted=adjusted)
    return np.stack([profile.beta @ direction, error, inference.df(direction, expected=adjusted), profile.s2])


def _plain(
    likelihood: Patterned | Nested | Clustered, ratios: Floats, direction: Floats, by: Criterion
) -> tuple[Floats, Floats, Floats]:
    if isinstance(likelihood, Patterned) and likelihood.alone:
        value, variance, squares = likelihood.solved(ratios, direction)
        s2 = squares / (likelihood.sums.n_rows - (len(direction) if by == "REML" else 0))
        return value, np.sqrt(s2 * variance), s2
    t0 = likelihood.level(ratios)[1]
    p = t0.shape[-1] - 1
    both = np.stack([t0[:, :p, p], np.broadcast_to(direction, (len(t0), p))], axis=2)
    solved = np.linalg.solve(t0[:, :p, :p], both)
    beta, along = solved[..., 0], solved[..., 1]
    free = likelihood.sums.n_rows - (p if by == "REML" else 0)
    s2 = (t0[:, p, p] - (beta * t0[:, :p, p]).sum(axis=1)) / free
    return beta @ direction, np.sqrt(s2 * (along @ direction)), s2


def _alike(structure: Structure, ratios: Floats, on_boundary: Flags, mean_weight: float) -> list[tuple[Ints, Floats]]:
    """Data sets whose fits are free in the same directions, with these directions."""
    _, code = np.unique(on_boundary @ 2 ** np.arange(on_boundary.shape[1]), return_inverse=True)
    groups = [np.flatnonzero(code.ravel() == k) for k in range(int(code.max()) + 1)]
    if structure.kind == "intercept and slope":  # a matrix of rank 1 is free along itself only
        groups = [one for group in groups for one in ([group] if not on_boundary[group[0]].any() else group[:, None])]
    return [(sets, structure.free(ratios[sets[0]], mean_weight)) for sets in groups]


def _joined(parts: list[_Part], whole: Patterned | Nested | Clustered, unit: str) -> ManyFits:
    structure = whole.structure
    value, error, df, s2 = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("estimate", "std_error", "df", "s2")
    )
    ratios = np.concatenate([part.ratios for part in parts])
    flags = np.concatenate([part.on_boundary for part in parts])
    below = -np.abs(value / error)
    with np.errstate(invalid="ignore"):
        p_value = 2 * np.where(np.isnan(df), ndtr(below), stdtr(df, below))
    components = {name: ratios[:, k] * (1 if structure.shape[k] else s2) for k, name in enumerate(structure.names)}
    return ManyFits(
        estimate=value, std_error=error, df=df, p_value=p_value, components={**components, "residual": s2},
        singular={name: flags[:, k] for k, name in enumerate(structure.names)}, unit=unit,
    )  # fmt: skip


__all__ = ["ManyFits", "ManyModel", "joined", "many_mixed_models"]
