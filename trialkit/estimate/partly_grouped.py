"""One arm in groups, the other in single persons: families share a pair of caseworkers in the new way only.

The groups' part of the outcome is in one arm's variance and not in the other's; left out, the interval is too short.
A model with a random intercept in the grouped arm only, and a residual variance per arm (Roberts & Roberts 2005,
doi:10.1191/1740774505cn076oa; Candlish et al. 2018, doi:10.1186/s12874-018-0559-x).

Within a group of n the covariance is sigma^2 I + tau^2 J, whose eigenvalues are sigma^2 (n - 1 times) and
sigma^2 + n tau^2.  So the rows are as good as independent parts: what varies within groups, one mean per group times
the root of n, and the single persons.  Each part's variance is linear in the components, which is all that
likelihood, Kenward-Roger and Satterthwaite need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints, check_rank, check_rows, fixed_effects, least_squares, one_per_row
from trialkit.estimate.cluster_summary import welch
from trialkit.estimate.covariances import Structure
from trialkit.estimate.given import by_name, labelled, one_of, side_by_side
from trialkit.estimate.kenward_roger import Inference
from trialkit.estimate.mixed import MixedFit
from trialkit.estimate.mixed_fit import Pieces, fitted_ratios, profiled
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import numbered

Labels = Sequence[object] | NDArray[np.generic]
Residuals = Literal["by arm", "equal"]

GROUP: Final = "group"
FEWEST: Final = 3  # groups, and single persons, below which no variance is told


@dataclass(frozen=True, eq=False, kw_only=True)
class Parts:
    """Independent parts of the rows: part j has variance s2 (base_j + load_j . ratios); satisfies `Likelihood`.

    Parameters
    ----------
    structure : the ratios
    base : (j,) float
    loads : (j, k) float
    count : (j,) float
        Directions of each part.
    uu : (d, j, p + 1, p + 1) float
        U'U of each part, U = [X, y].
    """

    structure: Structure
    base: Floats
    loads: Floats
    count: Floats
    uu: Floats

    @property
    def n_sets(self) -> int:
        """d."""
        return len(self.uu)

    @property
    def n_rows(self) -> int:
        """Rows per data set."""
        return int(self.count.sum())

    @property
    def mean_weight(self) -> float:
        """All rows have weight 1."""
        return 1.0

    @property
    def sums(self) -> Parts:
        """What is known of the data: this."""
        return self

    def of(self, sets: Ints) -> Parts:
        """For these data sets."""
        return replace(self, uu=self.uu[sets])

    def level(self, ratios: Floats) -> tuple[Floats, Floats]:
        """log|V| and U'V^-1U at ratios (d, k)."""
        v = self._variances(ratios)
        return np.log(v) @ self.count, self._weighted(1 / v)

    def pieces(self, ratios: Floats) -> Pieces:
        """All pieces at ratios (d, k)."""
        log_det, t0 = self.level(ratios)
        v = self._variances(ratios)
        k = self.loads.shape[1]
        counted = self.count[:, None] * self.loads
        pairs = [[self._weighted(self.loads[:, i] * self.loads[:, j] / v**3) for j in range(k)] for i in range(k)]
        return Pieces(
            log_det=log_det, t0=t0,
            t1=np.stack([self._weighted(self.loads[:, i] / v**2) for i in range(k)], axis=1),
            t2=np.stack([np.stack(row, axis=1) for row in pairs], axis=1),
            trace1=(1 / v) @ counted, trace2=np.einsum("dj,ji,jk->dik", 1 / v**2, counted, self.loads),
        )  # fmt: skip

    def _variances(self, ratios: Floats) -> Floats:
        """(d, j); never quite 0, where the likelihood of single persons has no value."""
        return np.asarray(np.maximum(self.base + ratios @ self.loads.T, 1e-12), np.float64)

    def _weighted(self, by: Floats) -> Floats:
        """(d, p+1, p+1) products of the parts, weighted by (d, j)."""
        return np.asarray(np.einsum("dj,djab->dab", by, self.uu), np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class PartlyGrouped:
    """A partly grouped trial, analysed.

    Parameters
    ----------
    fit : MixedFit
        Its components are ``group``, ``single persons`` (their residual; absent where residuals are taken as equal) and
        ``residual`` (of the grouped arm), as variances.
    by_means : Estimate
        The simpler answer beside it: the groups' means against single persons, by Welch's t; without covariates.
    grouped : the arm in groups; its effect is against the other arm
    n_groups, n_single : groups, and persons of the other arm
    """

    fit: MixedFit
    by_means: Estimate
    grouped: str
    n_groups: int
    n_single: int

    @property
    def icc(self) -> float:
        """Correlation of two persons of one group."""
        found = self.fit.components
        return found[GROUP] / (found[GROUP] + found["residual"])

    def effect(
        self, *, df: Literal["Kenward-Roger", "Satterthwaite"] = "Kenward-Roger", level: float = 0.95
    ) -> Estimate:
        """The grouped arm minus the other; ``n_units`` counts groups and single persons."""
        return self.fit.estimate(self.grouped, term="average effect", df=df, level=level)


def partly_grouped(
    outcome: ArrayLike,
    *,
    arms: Labels,
    grouped: str,
    groups: Labels,
    unit: str,
    covariates: Mapping[str, ArrayLike] | None = None,
    residuals: Residuals = "by arm",
) -> PartlyGrouped:
    """The effect where one arm's persons share groups, by REML.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        One per person.
    arms : (n,) labels, two different ones
    grouped : the label of the arm in groups (the draft's ``partly_grouped: {arm: ...}``)
    groups : (n,) labels
        The group of each person of that arm (the draft's ``by``); None or ``""`` in the other arm.
    covariates : name -> (n,) float, optional
    residuals : ``by arm`` or ``equal``
        Whether the arms' residual variances may differ.

    Returns
    -------
    PartlyGrouped
        Where the groups' variance is estimated as 0 the fit says so; with few groups look at ``by_means`` too.

    Raises
    ------
    EstimateError
        Other than two arms; a person of the grouped arm without a group, or one of the other arm with a group;
        fewer than three groups or single persons; every group of one; lengths, gaps or covariates that do not fit.
    """
    side_by_side(covariates, outcome=outcome, arms=arms, groups=groups)
    one_of(residuals, get_args(Residuals), "residuals")
    y = one_per_row(outcome)
    inside, group, names = _grouping(arms, grouped, groups)
    terms, x = fixed_effects({grouped: inside.astype(np.float64), **by_name(covariates, "covariates")}, len(y))
    check_rows(y, x, inside.astype(np.intp), np.ones_like(y))
    check_rank(x, terms)
    start, left = least_squares(x, y, np.ones_like(y))
    parts = _parts(x, left, inside, group, residuals)
    fit = _fit(parts, x, y, start, terms, inside, group, names, unit)
    return PartlyGrouped(
        fit=fit, by_means=_by_means(y, inside, group, unit), grouped=grouped, n_groups=len(names),
        n_single=int((~inside).sum()),
    )  # fmt: skip


def _grouping(arms: Labels, grouped: str, groups: Labels) -> tuple[NDArray[np.bool_], Ints, tuple[str, ...]]:
    """Who is in the grouped arm (n,), the group of each of them, and the groups' names."""
    arm = [str(one) for one in labelled(arms, "arms").tolist()]
    said = [_group_name(one) for one in groups]
    others = sorted(set(arm) - {grouped})
    if len(said) != len(arm) or grouped not in arm or len(others) != 1:
        raise EstimateError(
            f"{len(arm)} rows of the arms {', '.join(sorted(set(arm)))} with {len(said)} groups do not make a grouped arm "
            f"{grouped!r} and one other. Give one arm and one group per row, of two arms.",
            {"arms": sorted(set(arm)), "grouped": grouped, "rows": len(arm), "groups": len(said)},
            da=f"{len(arm)} rækker i grupperne {', '.join(sorted(set(arm)))} med {len(said)} makkerpar giver ikke én gruppe "
            f"{grouped!r} med par og én uden. Angiv gruppe og par for hver række, og kun to grupper.",
        )
    inside = np.array([one == grouped for one in arm])
    known = np.array([bool(name) for name in said])
    if wrong := np.flatnonzero(known != inside).tolist():
        lacking, carrying = np.flatnonzero(inside & ~known).tolist(), np.flatnonzero(~inside & known).tolist()
        raise EstimateError(
            f"{len(lacking)} rows of {grouped!r} lack a group and {len(carrying)} rows of {others[0]!r} carry one; the "
            f"first is row {wrong[0]}. Whoever shares a group is alike, and the interval rests on knowing who does. Name "
            "the group of each row of the grouped arm, and of no other.",
            {"lacking": lacking, "carrying": carrying},
            da=f"{len(lacking)} rækker i {grouped!r} mangler et par, og {len(carrying)} rækker i {others[0]!r} har et; den "
            f"første er række {wrong[0]}. Skriv parret i hver række i gruppen med par, og ikke i andre.",
        )
    code, names = numbered([name for name in said if name])
    if min(len(names), int((~inside).sum())) < FEWEST or len(code) == len(names):
        raise EstimateError(
            f"{len(names)} groups of {len(code)} persons and {int((~inside).sum())} single persons cannot show how groups "
            f"vary. At least {FEWEST} of each are needed, and a group of two.",
            {"groups": len(names), "grouped": len(code), "single": int((~inside).sum())},
            da=f"{len(names)} par med {len(code)} personer og {int((~inside).sum())} uden par kan ikke vise, hvordan par "
            f"varierer. Der skal være mindst {FEWEST} af hver, og et par med to.",
        )
    return inside, code, names


def _group_name(label: object) -> str:
    """Empty for None, blanks and nan."""
    return "" if label is None or label != label else str(label).strip()


def _parts(x: Floats, left: Floats, inside: NDArray[np.bool_], group: Ints, residuals: Residuals) -> Parts:
    """Within groups, each group's mean, single persons; in this order."""
    u = np.column_stack([x, left])
    size = np.bincount(group).astype(np.float64)
    sums = np.stack([np.bincount(group, column) for column in u[inside].T], axis=1)
    between = sums[:, :, None] * sums[:, None] / size[:, None, None]
    within = u[inside].T @ u[inside] - between.sum(axis=0)
    apart = residuals == "by arm"
    loads = np.zeros((len(size) + 2, 1 + apart))
    loads[1:-1, 0] = size
    base = np.ones(len(loads))
    if apart:
        base[-1], loads[-1, 1] = 0, 1
    names = (GROUP, "single persons")[: 1 + apart]
    return Parts(
        structure=Structure(names=names, basis=np.zeros((len(names), 1, 1))), base=base, loads=loads,
        count=np.r_[len(group) - len(size), np.ones(len(size)), (~inside).sum()],
        uu=np.concatenate([within[None], between, (u[~inside].T @ u[~inside])[None]])[None],
    )  # fmt: skip


def _fit(
    parts: Parts, x: Floats, y: Floats, start: Floats, terms: tuple[str, ...], inside: NDArray[np.bool_], group: Ints,
    names: tuple[str, ...], unit: str,
) -> MixedFit:  # fmt: skip
    structure, n = parts.structure, len(y)
    ratios = fitted_ratios(parts, by="REML")
    pieces = parts.pieces(ratios)
    profile = profiled(pieces, n_rows=n, by="REML")
    s2, beta = float(profile.s2[0]), start + profile.beta[0]
    inference = Inference.of(
        pieces, profile, free=structure.free(ratios[0], 1.0), shape=structure.shape, n_rows=n
    )  # fmt: skip
    size = np.bincount(group)
    mean_left = np.bincount(group, (y - x @ beta)[inside]) / size
    predicted = mean_left * size * ratios[0, 0] / (1 + size * ratios[0, 0])
    fitted = x @ beta
    fitted[inside] += predicted[group]
    free = n - x.shape[1]
    singular = structure.on_boundary(ratios[0], 1.0)
    return MixedFit(
        terms=terms, coefficients=beta,
        components={**dict(zip(structure.names, (ratios[0] * s2).tolist(), strict=True)), "residual": s2},
        log_likelihood=float(-0.5 * (profile.value[0] + free * (1 + np.log(2 * np.pi / free)))), by="REML",
        random="groups in one arm", unit=unit, n_rows=n,
        clusters=(*names, *(f"row {row}" for row in np.flatnonzero(~inside))), singular=singular, notes=_notes(singular),
        fitted=fitted, residuals=y - fitted, random_effects={GROUP: predicted[:, None]}, inference=inference,
        likelihood=parts, ratios=ratios[0],
    )  # fmt: skip


def _notes(singular: tuple[str, ...]) -> tuple[str, ...]:
    if not singular:
        return ()
    return (
        "The groups' variance is estimated as 0 and fixed there, which chance brings about when groups are few; the "
        "interval is then as if there were no groups. Print the comparison of the groups' means beside it.",
    )


def _by_means(y: Floats, inside: NDArray[np.bool_], group: Ints, unit: str) -> Estimate:
    means = np.bincount(group, y[inside]) / np.bincount(group)
    return welch(means, y[~inside]).as_estimate(
        unit=unit, level=0.95, method="means of groups against single persons, Welch's t test",
        n_units=len(means) + int((~inside).sum()),
    )  # fmt: skip


__all__ = ["PartlyGrouped", "Parts", "partly_grouped"]
