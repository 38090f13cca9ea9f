"""Robust covariances of least squares: HC0-HC3 by row, CR0-CR3 by cluster, with Bell-McCaffrey degrees of freedom.

Everything is done in coordinates in which the regressors are orthonormal (x'Wx = 1), so scales do not matter.  A
cluster's correction is the inverse square root of an identity plus something of low rank, which needs eigenproblems of
the size of the regressors and never of the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from trialkit.errors import EstimateError
from trialkit.estimate.given import labelled

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Errors = Literal["classical", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1", "CR2", "CR3"]

NOTHING_LEFT: Final = 1e-10  # of a row's or a cluster's own variance, after the regression went through it
ROUNDING: Final = 1e-13  # of the largest outcome: a residual below is how far a sum of floats is off, and says nothing
NO_VARIANCE: Final = 1e-20  # of what the largest residual alone would give a coefficient


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """What a covariance is made of.

    Parameters
    ----------
    x : (n, k) float
        Regressors times ``back``, so that x'Wx = 1.
    back : (k, k) float
        From those coordinates to the coefficients.
    residual : (n,) float
        Of the outcome as it is (for two-stage least squares: with the regressors as they are).
    weights : (n,) float, > 0, or None
        Of least squares.
    """

    x: Floats
    back: Floats
    residual: Floats
    weights: Floats | None

    @cached_property
    def weighted(self) -> Floats:
        """(n, k) Wx."""
        return self.x if self.weights is None else self.x * self.weights[:, None]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.x)

    @property
    def k(self) -> int:
        """Regressors."""
        return int(self.x.shape[1])


def orthonormal(columns: Floats, weights: Floats | None, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """(n, k) columns made orthonormal under the weights, and (k, k) the way back.

    Raises
    ------
    EstimateError
        Fewer rows than columns, or a column that others say already (``facts["column"]``).
    """
    n, k = columns.shape
    if n <= k:
        raise EstimateError(
            f"{n} rows cannot tell {k} coefficients and their error apart. Use fewer covariates, or the "
            "randomization test, which needs none.",
            {"rows": n, "columns": k},
            da=f"{n} rækker kan ikke bestemme {k} koefficienter og deres usikkerhed. Brug færre kovariater, eller "
            "randomiseringstesten, som ingen skal bruge.",
        )
    root = columns if weights is None else columns * np.sqrt(weights)[:, None]
    r = cast(Floats, np.linalg.qr(root, mode="r"))
    own, left = np.linalg.norm(root, axis=0), np.abs(np.diag(r))
    if (left <= NOTHING_LEFT * own).any():
        raise _collinear(names[int(np.argmax(left <= NOTHING_LEFT * own))])
    back = cast(Floats, solve_triangular(r, np.eye(k)))
    return columns @ back, back


def left_over(outcome: Floats, fitted: Floats) -> Floats:
    """(n,) outcomes less what was fitted; exactly 0 where that is rounding: else a perfect fit has an error of 1e-17."""
    residual = outcome - fitted
    return np.where(np.abs(residual) <= ROUNDING * np.abs(outcome).max(initial=0.0), 0.0, residual)


def covariance(fit: Fit, errors: Errors, sums: Clustered | None = None) -> Floats:
    """(k, k) covariance of the coefficients; nan where CR3 has none, since a cluster decides a coefficient alone.

    0 for a coefficient that no residual bears on, as the mean of an arm in which all outcomes are the same.

    Parameters
    ----------
    fit : Fit
    errors : str
        ``classical``; ``HC0``-``HC3`` by row; ``CR0``-``CR3`` by cluster.  ``CR1`` has Stata's factor
        G/(G - 1) x (n - 1)/(n - k); ``CR3`` is the jackknife's leave-one-cluster-out form without a factor.
    sums : Clustered
        Of the same fit; needed by CR0-CR3.

    Raises
    ------
    EstimateError
        Clusters given or missing against ``errors``; HC2, HC3: a row that the regression fits by itself.

    References
    ----------
    MacKinnon and White (1985), doi:10.1016/0304-4076(85)90158-7, for HC1-HC3; Liang and Zeger (1986),
    doi:10.1093/biomet/73.1.13, for CR0; Bell and McCaffrey (2002), Survey Methodology 28, 169-181, for CR2 and CR3;
    Pustejovsky and Tipton (2018), doi:10.1080/07350015.2016.1247004, for CR2 with weights (the working model is equal
    variance).
    """
    check_errors(errors, clustered=sums is not None)
    if sums is None:
        inner = _by_row(fit, errors)
    else:
        scores = sums.scores(errors)
        groups = len(scores)
        factor = groups / (groups - 1) * (fit.n - 1) / (fit.n - fit.k) if errors == "CR1" else 1.0
        inner = scores.T @ scores * factor
    found = fit.back @ inner @ fit.back.T
    least = NO_VARIANCE * np.square(fit.back).sum(axis=1) * float(np.square(fit.residual).max(initial=0.0))
    unseen = np.diag(found) <= least
    found[unseen] = found[:, unseen] = 0.0
    if sums is not None and errors == "CR3":
        found[sums.decided_alone] = found[:, sums.decided_alone] = np.nan
    return found


def degrees_of_freedom(fit: Fit, errors: Errors, sums: Clustered | None, contrasts: Floats) -> Floats:
    """(m,) degrees of freedom of t for each of (k, m) contrasts of the coefficients.

    n - k by row; clusters - 1 for CR0, CR1 and CR3; Satterthwaite's by contrast for CR2.
    """
    if sums is None:
        return np.full(contrasts.shape[1], float(fit.n - fit.k))
    if errors != "CR2":
        return np.full(contrasts.shape[1], float(len(sums.gram) - 1))
    expected, spread = sums.satterthwaite(contrasts)
    return expected**2 / np.where(spread > 0, spread, np.nan)


def check_errors(errors: str, *, clustered: bool) -> None:
    """Refuse errors that nobody knows, or that do not go with having clusters or not."""
    if errors not in get_args(Errors):
        raise EstimateError(
            f"There are no errors called {errors!r}, and guessing would print a wrong interval. Use one of "
            f"{', '.join(get_args(Errors))}.",
            {"errors": errors},
            da=f"Der er ingen standardfejl, der hedder {errors!r}, og at gætte ville give et forkert interval. Brug én "
            f"af {', '.join(get_args(Errors))}.",
        )
    if errors.startswith("CR") != clustered:
        raise EstimateError(
            f"{errors} and {'clusters' if clustered else 'no clusters'} do not go together: rows of one cluster are not "
            "independent, and only errors by cluster say so. Use CR0-CR3 with clusters and HC0-HC3 without.",
            {"errors": errors, "clusters": clustered},
            da=f"{errors} passer ikke sammen med {'klynger' if clustered else 'data uden klynger'}: rækker i samme "
            "klynge er ikke uafhængige, og kun fejl pr. klynge siger det. Brug CR0-CR3 med klynger og HC0-HC3 uden.",
        )


def _by_row(fit: Fit, errors: Errors) -> Floats:
    """The covariance in orthonormal coordinates, rows independent."""
    squares = fit.residual**2
    if errors == "classical":
        total = float(squares.sum() if fit.weights is None else squares @ fit.weights)
        return np.eye(fit.k) * (total / (fit.n - fit.k))
    if errors in ("HC2", "HC3"):
        left = 1 - np.einsum("ij,ij->i", fit.x, fit.weighted)
        if (left < NOTHING_LEFT).any():
            raise _fitted_alone(np.flatnonzero(left < NOTHING_LEFT).tolist())
        squares = squares / (left if errors == "HC2" else left**2)
    factor = fit.n / (fit.n - fit.k) if errors == "HC1" else 1.0
    return (fit.weighted * squares[:, None]).T @ fit.weighted * factor


@dataclass(frozen=True, eq=False, kw_only=True)
class Clustered:
    """Sums by cluster: u holds x, and beside it Wx where there are weights; r is its number of columns.

    Parameters
    ----------
    fit : Fit
    gram : (G, r, r) u'u
    cross : (G, r) u'e
    """

    fit: Fit
    gram: Floats
    cross: Floats

    @classmethod
    def of(cls, fit: Fit, clusters: Ints) -> Clustered:
        """The sums; ``clusters`` are (n,) from 0.

        Raises
        ------
        EstimateError
            Fewer than two clusters.
        """
        groups = int(clusters.max(initial=-1)) + 1
        if groups < 2:
            raise EstimateError(
                "There is one cluster only, so nothing shows how much clusters differ and no error can be given. "
                "At least two are needed, and many more for a useful interval.",
                {"clusters": groups},
                da="Der er kun én klynge, så intet viser, hvor forskellige klynger er, og der kan ikke gives nogen "
                "usikkerhed. Der skal mindst to til, og mange flere for et brugbart interval.",
            )
        u = fit.x if fit.weights is None else np.hstack([fit.x, fit.weighted])
        residual = fit.residual
        if (np.diff(clusters) < 0).any():
            order = np.argsort(clusters, kind="stable")
            u, residual, clusters = u[order], residual[order], clusters[order]
        edges = np.searchsorted(clusters, np.arange(groups + 1)).tolist()
        gram = np.stack([u[a:b].T @ u[a:b] for a, b in pairwise(edges)])
        cross = np.stack([residual[a:b] @ u[a:b] for a, b in pairwise(edges)])
        return cls(fit=fit, gram=gram, cross=cross)

    @property
    def own(self) -> slice:
        """The columns of u that are Wx."""
        return slice(self.gram.shape[1] - self.fit.k, None)

    def scores(self, errors: Errors) -> Floats:
        """(G, k) each cluster's corrected score x'W A e, in orthonormal coordinates."""
        raw: Floats = self.cross[:, self.own]
        if errors == "CR2":
            pulled = np.einsum("gij,gj->gi", self.correction, self.cross)
            raw = raw + np.einsum("gij,gj->gi", self.gram[:, self.own], pulled)
        if errors == "CR3":
            values, vectors = self.left_out
            turned = np.einsum("gij,gi->gj", vectors, raw)
            raw = np.einsum("gij,gj->gi", vectors, np.where(values > NOTHING_LEFT, turned / _or_one(values), 0.0))
        return raw

    @cached_property
    def left_out(self) -> tuple[Floats, Floats]:
        """(G, k) values and (G, k, k) vectors of what each cluster leaves to the others of x'Wx; 0: nothing."""
        values, vectors = np.linalg.eigh(np.eye(self.fit.k) - self.gram[:, self.own, : self.fit.k])
        return values, vectors

    @cached_property
    def decided_alone(self) -> NDArray[np.bool_]:
        """(k,) coefficients that cannot be found without some cluster, so that CR3 has no answer for them."""
        values, vectors = self.left_out
        gone = np.einsum("gij,gj->gij", vectors, values <= NOTHING_LEFT)
        moved = np.abs(np.einsum("ki,gij->gkj", self.fit.back, gone, optimize=True)).max(axis=(0, 2))
        return np.asarray(moved > 1e-7 * np.linalg.norm(self.fit.back, axis=1))

    @cached_property
    def spread(self) -> Floats:
        """(k, k) x'W^2x."""
        return self.fit.weighted.T @ self.fit.weighted

    @cached_property
    def correction(self) -> Floats:
        """(G, r, r) the matrices K of CR2's A = 1 + u K u'.

        A is the inverse square root of 1 + u C u', the variance that the regression leaves in the cluster under equal
        variances.  With u'u = LL' a function h of u C u' is -uCu'/2 + uC L k(L'CL) L'C u', k(v) = (h(v) + v/2)/v^2:
        nothing is divided by what a cluster's columns may lack.
        """
        k = self.fit.k
        if self.fit.weights is None:
            inner = -np.eye(k)
        else:
            inner = np.block([[self.spread, -np.eye(k)], [-np.eye(k), np.zeros((k, k))]])
        values, vectors = np.linalg.eigh(self.gram)
        root = vectors * np.sqrt(np.clip(values, 0, None))[:, None, :]
        values, vectors = np.linalg.eigh(root.transpose(0, 2, 1) @ inner @ root)
        side = inner @ root @ vectors
        return cast(Floats, -inner / 2 + (side * _remainder(values)[:, None, :]) @ side.transpose(0, 2, 1))

    def satterthwaite(self, contrasts: Floats) -> tuple[Floats, Floats]:
        """(m,) trace and (m,) sum of squares of the CR2 variance as a quadratic form, by (k, m) contrasts.

        Under equal variances the variance estimate of a contrast has mean proportional to the first and variance
        to twice the second, so its degrees of freedom are the first squared over the second (Bell and McCaffrey 2002;
        Pustejovsky and Tipton 2018, equation 11).  The sums of independent strata add before the ratio is taken.
        """
        k, turned = self.fit.k, self.fit.back.T @ contrasts
        embedded = np.zeros((self.gram.shape[1], turned.shape[1]))
        embedded[self.own] = turned
        pulled = embedded + self.correction @ (self.gram @ embedded)  # (G, r, m): a = u pulled
        seen = self.gram @ pulled
        size = np.einsum("grm,grm->gm", pulled, seen)
        both = np.concatenate([seen[:, :k], seen[:, self.own]], axis=1)  # (G, 2k, m): x'a and x'Wa
        inner = np.block([[self.spread, -np.eye(k)], [-np.eye(k), np.zeros((k, k))]])
        lost = np.einsum("grm,rs,gsm->gm", both, inner, both, optimize=True)
        total = inner @ np.einsum("grm,gsm->mrs", both, both, optimize=True)
        shared = np.einsum("mrs,msr->m", total, total)
        return (size + lost).sum(axis=0), (size**2 + 2 * size * lost).sum(axis=0) + shared


def _remainder(values: Floats) -> Floats:
    """k(v) = (h(v) + v/2)/v^2 with h(v) = (1 + v)^(-1/2) - 1, and -1 where nothing is left to divide by."""
    left = 1 + values
    gone = left < NOTHING_LEFT
    h = np.where(gone, -1.0, np.expm1(-0.5 * np.log(np.where(gone, 1.0, left))))
    small = np.abs(values) < 1e-6
    safe = np.where(small, 1.0, values)
    return np.where(small, 0.375 - 0.3125 * values, (h + values / 2) / safe**2)


def numbered(groups: object, name: str = "") -> tuple[Ints, tuple[str, ...]]:
    """(n,) codes from 0 and the names, ascending, of one label per row.

    Labels that a caller gave have a ``name``, and then none of them may be missing; a design's own blocks may be "".

    >>> numbered(["b", "a", "b"])[0].tolist()
    [1, 0, 1]

    Raises
    ------
    EstimateError
        A label is missing, or labels have no order.
    """
    found = labelled(groups, name) if name else np.asarray(groups)
    try:
        names, codes = np.unique(found, return_inverse=True)
    except TypeError as mixed:
        raise EstimateError(
            f"{name or 'A row of labels'} mixes kinds of labels (numbers and texts, say), which have no order. Write all of "
            "them as texts.",
            {"name": name},
            da=f"{name or 'En række navne'} blander slags navne (fx tal og tekster), som ingen rækkefølge har. Skriv dem alle "
            "som tekster.",
        ) from mixed
    return codes.ravel().astype(np.intp), tuple(str(name) for name in names)


def _collinear(name: str) -> EstimateError:
    return EstimateError(
        f"The column {name!r} says nothing that the columns before it do not say, so its coefficient could be "
        "anything. Leave it out.",
        {"column": name},
        da=f"Kolonnen {name!r} siger intet, som kolonnerne før den ikke siger, så dens koefficient kunne være hvad "
        "som helst. Udelad den.",
    )


def _fitted_alone(rows: list[int]) -> EstimateError:
    return EstimateError(
        f"{len(rows)} rows (first: number {rows[0] + 1}) are fitted exactly whatever their outcome, as a group of one "
        "is by its own coefficient, so nothing shows their variance. Merge such groups, or use the randomization test.",
        {"rows": rows},
        da=f"{len(rows)} rækker (den første: nummer {rows[0] + 1}) rammes præcist, uanset hvad deres udfald er, som en "
        "gruppe på én gør, så intet viser deres spredning. Slå sådanne grupper sammen, eller brug "
        "randomiseringstesten.",
    )


def _or_one(values: Floats) -> Floats:
    """The values to divide by; 1 where nothing is left."""
    return np.where(values > NOTHING_LEFT, values, 1.0)


__all__ = [
    "Clustered", "Errors", "Fit", "check_errors", "covariance", "degrees_of_freedom", "left_over", "numbered",
    "orthonormal",
]  # fmt: skip
