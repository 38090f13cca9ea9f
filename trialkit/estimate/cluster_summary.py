"""Parallel trials in clusters, by one summary per cluster: t tests, weighted means, covariates in two stages.

With few clusters this is the analysis whose assumptions can be read off a page; the same summaries go through the
design's own lot (`ClusterSummaries.by_lot`), which assumes nothing but the lot.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import f as f_distribution

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, check_rank, check_rows, fixed_effects, least_squares, one_per_row
from trialkit.estimate.correlation import Correlation
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import by_name, numbers, one_of, side_by_side
from trialkit.estimate.moments import Moments, check_level
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.regression import least_squares as regression
from trialkit.estimate.result import Estimate
from trialkit.estimate.sandwich import numbered
from trialkit.estimate.statistics import Studentized

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

Bools = NDArray[np.bool_]
Labels = Sequence[object] | NDArray[np.generic]
Variance = Literal["equal", "Welch"]
By = Literal["size", "minimum variance"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ClusterSummaries:
    """One number per cluster, in ``unit``: its mean, or its mean difference from what covariates lead one to expect.

    Parameters
    ----------
    clusters : (k,) names
    treated : (k,) bool
    values : (k,) float
    sizes : (k,) float
        Persons.
    inside : (k,) float
        Sum of squares of the persons about their cluster's value.
    covariates : names of what was adjusted for
    n_by_cluster : how many covariates do not vary within clusters; each costs one degree of freedom
    """

    clusters: tuple[str, ...]
    treated: Bools
    values: Floats
    sizes: Floats
    inside: Floats
    unit: str
    covariates: tuple[str, ...] = ()
    n_by_cluster: int = 0

    def difference(self, *, variance: Variance = "equal", level: float = 0.95) -> Estimate:
        """Mean of the treated clusters' values minus that of the others, every cluster alike; by Student's t.

        Equal variances: clusters - 2 degrees of freedom.  Welch's lets them differ.

        Raises
        ------
        EstimateError
            An unknown ``variance``, or clusters of an arm that do not vary.
        """
        one_of(variance, get_args(Variance), "variance")
        if variance == "equal":
            return self._told(self._weighted(np.ones_like(self.sizes)), "t test", level)
        found = welch(self.values[self.treated], self.values[~self.treated])
        found = replace(found, df=found.df - self.n_by_cluster)
        return self._told(found, "Welch's t test", level)

    def weighted(self, by: By, *, level: float = 0.95) -> Estimate:
        """The difference of weighted means: every person alike, or the smallest variance for the ICC found.

        The weights are n, or n / (1 + (n - 1) ICC) with the ICC of `icc`, cut off at 0 (Kerry & Bland 2001,
        doi:10.1002/1097-0258(20010215)20:3<377::AID-SIM799>3.0.CO;2-N); the error is that of least squares.

        Raises
        ------
        EstimateError
            An unknown ``by``, or clusters of an arm that do not vary.
        """
        one_of(by, get_args(By), "by")
        share = max(self.icc().estimate, 0.0) if by == "minimum variance" else 0.0
        weights = self.sizes / (1 + (self.sizes - 1) * share)
        named = "size" if by == "size" else f"minimum variance, ICC {share:.3g}"
        return self._told(self._weighted(weights), f"weighted t test ({named})", level)

    def icc(self, *, level: float = 0.95) -> Correlation:
        """The correlation of two persons of one cluster, arms removed, by analysis of variance; not cut off at 0.

        (MSB - MSW) / (MSB + (m0 - 1) MSW) with m0 = (N - sum over arms of sum n^2 / N_arm) / (k - 2).  The interval
        inverts Wald's exact F test (1940, doi:10.1214/aoms/1177731946) with a mean per arm.

        Raises
        ------
        EstimateError
            No cluster has two persons.
        """
        check_level(level)
        k, total = self.sizes.size, float(self.sizes.sum())
        if total <= k:
            raise _impossible("no cluster has two persons", "ingen klynge har to personer")
        msb, msw = self._between(0.0), float(self.inside.sum()) / (total - k)
        typical = (total - sum(float(n @ n / n.sum()) for n in self._arms(self.sizes))) / (k - 2)
        between = (msb - msw) / typical
        low, high = self._wald(msw, level) if msw > 0 else (1.0, 1.0)
        return Correlation(
            name="ICC", estimate=between / (between + msw) if between + msw > 0 else 0.0, low=low, high=high, level=level,
            method="analysis of variance within arms, F interval", n_clusters=k, n_periods=1, between=between,
            cluster_period=0.0, within=msw,
        )  # fmt: skip

    def of(self, clusters: Sequence[str]) -> Floats:
        """The values of these clusters, in this order.

        Raises
        ------
        EstimateError
            One of them has no summary.
        """
        place = {name: k for k, name in enumerate(self.clusters)}
        missing = [name for name in clusters if name not in place]
        if missing:
            raise EstimateError(
                f"Nothing was summarised for {', '.join(missing[:5])}, and a cluster without an outcome cannot be drawn "
                "again. Give rows of every cluster that was drawn.",
                {"clusters": missing},
                da=f"Der er ingen tal for {', '.join(missing[:5])}, og en klynge uden udfald kan ikke trækkes om. Angiv "
                "rækker for alle klynger, der var med i lodtrækningen.",
            )
        return self.values[[place[name] for name in clusters]]

    def by_lot(
        self, design: Design, drawn: Assignment | Sequence[str] | Codes, *, compare: tuple[str, str], **asked: Any
    ) -> RandomizationTest:
        """The same summaries tested through the lot: every cluster's value with every allocation of the design.

        Parameters
        ----------
        design, drawn : what was drawn from, and what the lot gave; its items (units, or clusters) are the clusters here
        compare : two labels, the new one first
        asked : further arguments of `randomization_test`, e.g. ``level``, ``sides``, ``draws`` and ``rng``

        Raises
        ------
        EstimateError
            As `randomization_test`; also a cluster whose rows say another arm than the lot.
        """
        lot = Drawn.of(design, drawn)
        values = self.of(design.items)
        new = {name for name, code in zip(design.items, lot.codes, strict=True) if code == lot.code(compare[0])}
        said = {name for name, treated in zip(self.clusters, self.treated, strict=True) if treated}
        if wrong := sorted((new ^ said) & set(design.items)):
            raise EstimateError(
                f"The rows and the lot disagree about who was treated: {', '.join(wrong[:5])}. Analyse clusters as they "
                "were drawn, whatever was delivered.",
                {"clusters": wrong},
                da=f"Rækkerne og lodtrækningen er uenige om, hvem der fik indsatsen: {', '.join(wrong[:5])}. Regn "
                "klynger, som de blev trukket, uanset hvad de fik.",
            )
        return randomization_test(
            design, lot.codes, Studentized(outcome=values, compare=compare), unit=self.unit, **asked
        )

    def _arms(self, values: Floats) -> tuple[Floats, Floats]:
        return values[self.treated], values[~self.treated]

    def _weighted(self, weights: Floats) -> Moments:
        found = regression(
            self.values, {"treated": self.treated.astype(np.float64)}, weights=weights, errors="classical"
        ).moments("treated")
        return replace(found, df=found.df - self.n_by_cluster)

    def _told(self, found: Moments, how: str, level: float) -> Estimate:
        if not (found.std_error > 1e-10 * float(np.abs(self.values).max()) and found.df > 0):
            raise _impossible("the clusters of an arm do not vary", "klyngerne i en gruppe varierer ikke")
        adjusted = f", residuals given {', '.join(self.covariates)}" if self.covariates else ""
        return found.as_estimate(
            unit=self.unit, level=level, method=f"cluster summaries, {how}{adjusted}", n_units=len(self.clusters)
        )

    def _between(self, theta: float) -> float:
        """Weighted mean square about the arms' weighted means; weights n / (1 + n theta)."""
        found = 0.0
        for size, value in zip(self._arms(self.sizes), self._arms(self.values), strict=True):
            weight = size / (1 + size * theta)
            found += float(weight @ (value - weight @ value / weight.sum()) ** 2)
        return found / (self.sizes.size - 2)

    def _wald(self, msw: float, level: float) -> tuple[float, float]:
        """Where the mean square of a ratio theta of variances has the quantiles of F; as correlations."""
        k, least = self.sizes.size, -1 / float(self.sizes.max())
        ends = []
        for tail in ((1 + level) / 2, (1 - level) / 2):
            wanted = msw * float(f_distribution.ppf(tail, k - 2, float(self.sizes.sum()) - k))
            low, high = least * (1 - 1e-9), 1.0
            while self._between(high) > wanted and high < 1e12:
                high *= 4
            theta = least
            if self._between(low) > wanted:
                theta = float(brentq(lambda at, w=wanted: self._between(at) - w, low, high))
            ends.append(theta / (1 + theta))
        return ends[0], ends[1]


def welch(one: Floats, other: Floats) -> Moments:
    """The difference of two samples' means with variances of their own; the df are nan where neither varies.

    Welch (1947), doi:10.1093/biomet/34.1-2.28.
    """
    parts = [float(sample.var(ddof=1)) / sample.size for sample in (one, other)]
    spread = sum(part**2 / (sample.size - 1) for part, sample in zip(parts, (one, other), strict=True))
    df = sum(parts) ** 2 / spread if spread > 0 else float("nan")
    return Moments(value=float(one.mean() - other.mean()), std_error=float(np.sqrt(sum(parts))), df=df)


def cluster_summaries(
    outcome: ArrayLike,
    *,
    clusters: Labels,
    treated: ArrayLike,
    unit: str,
    covariates: Mapping[str, ArrayLike] | None = None,
    binary: bool = False,
) -> ClusterSummaries:
    """Each cluster's mean; with covariates the mean of its persons' residuals, in two stages.

    The first stage explains persons by their covariates alone, never by their arm: by least squares, or for a
    ``binary`` outcome by logistic regression.  The second compares observed minus expected per cluster.

    Parameters
    ----------
    outcome : (n,) float, in ``unit``
        One per person.
    clusters : (n,) labels
    treated : (n,) 0 or 1, the same throughout a cluster
    covariates : name -> (n,) float, optional
    binary : the outcome is 0 or 1 and covariates enter by their logit

    Raises
    ------
    EstimateError
        Lengths differ, a value is missing, a cluster is in both arms, an arm has fewer than two clusters, covariates
        follow from each other, a binary outcome that is none, or one that covariates give exactly.

    References
    ----------
    Hayes & Moulton (2017), Cluster Randomised Trials, 2nd edition, doi:10.4324/9781315370286, chapter 10; Gail, Mark,
    Carroll, Green & Pee (1996), doi:10.1002/(SICI)1097-0258(19960615)15:11<1069::AID-SIM220>3.0.CO;2-Q.
    """
    side_by_side(covariates, outcome=outcome, clusters=clusters, treated=treated)
    y = one_per_row(outcome)
    code, names = numbered(clusters, "clusters")
    given = by_name(covariates, "covariates")
    terms, x = fixed_effects(given, len(y))
    check_rows(y, x, code, np.ones(len(y)))
    check_rank(x, terms)
    arm = _arm(treated, code, names)
    left = y - _expected(y, x, binary) if given else y
    sizes = np.bincount(code).astype(np.float64)
    values = np.bincount(code, left) / sizes
    inside = np.asarray(np.bincount(code, (left - values[code]) ** 2), np.float64)
    return ClusterSummaries(
        clusters=names, treated=arm, values=values, sizes=sizes, inside=inside, unit=unit, covariates=tuple(given),
        n_by_cluster=_steady(x[:, 1:], code),
    )  # fmt: skip


def _arm(treated: ArrayLike, code: NDArray[np.intp], names: tuple[str, ...]) -> Bools:
    """(k,) the arm of each cluster."""
    z = numbers(treated, "treated")
    if z.shape != code.shape or not np.isin(z, (0.0, 1.0)).all():
        raise _impossible("treated is not 0 or 1 for every row", "treated er ikke 0 eller 1 for hver række")
    share = np.bincount(code, z) / np.bincount(code)
    if split := [name for name, one in zip(names, share, strict=True) if 0 < one < 1]:
        raise EstimateError(
            f"{', '.join(split[:5])} has rows in both arms, and one summary cannot stand for both. Give rows of one "
            "period of a parallel trial; a stepped wedge is compared within periods, or by stepped_wedge.",
            {"clusters": split},
            da=f"{', '.join(split[:5])} har rækker i begge grupper. Angiv rækker fra én periode; en udrulning i trin "
            "sammenlignes inden for perioder eller med stepped_wedge.",
        )
    if min(share.sum(), (1 - share).sum()) < 2:
        raise _impossible("an arm has fewer than two clusters", "en gruppe har færre end to klynger")
    return np.asarray(share == 1)


def _expected(y: Floats, x: Floats, binary: bool) -> Floats:
    """(n,) what the covariates lead one to expect."""
    if not binary:
        start, _ = least_squares(x, y, np.ones_like(y))
        return np.asarray(x @ start, np.float64)
    if not np.isin(y, (0.0, 1.0)).all() or y.min() == y.max():
        raise _impossible("a binary outcome is not both 0 and 1", "et ja/nej-udfald har ikke både 0 og 1")
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore")  # separation and no convergence are refused below, in words
        found = GLM(y, x, family=Binomial()).fit(tol=1e-13, maxiter=50)
        fitted = np.asarray(found.fittedvalues, np.float64)
    if not found.converged or np.minimum(fitted, 1 - fitted).min() < 1e-8:
        raise _impossible(
            "the covariates give the outcome of some persons exactly",
            "kovariaterne giver nogle personers udfald præcist",
        )
    return fitted


def _steady(x: Floats, code: NDArray[np.intp]) -> int:
    """How many columns do not vary within any cluster."""
    first = np.unique(code, return_index=True)[1]
    return int((x == x[first][code]).all(axis=0).sum())


def _impossible(why: str, da: str) -> EstimateError:
    return EstimateError(
        f"Clusters cannot be compared by summaries: {why}. Correct the rows, or ask another question of them.",
        {"reason": why},
        da=f"Klyngerne kan ikke sammenlignes ved ét tal pr. klynge: {da}. Ret rækkerne, eller stil dem et andet "
        "spørgsmål.",
    )


__all__ = ["ClusterSummaries", "cluster_summaries", "welch"]
