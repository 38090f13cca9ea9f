"""Sandwich errors of estimating equations, and their corrections for few clusters.

A cluster's leverage is H = D M D'V^-1, with M the inverse of the whole information and D'V^-1 D = W the cluster's own
part of it.  Corrections multiply the residuals r by a function of H, and since D'V^-1 f(H) = f(W M) D'V^-1, they need
eigenproblems of the size of the coefficients, never of the cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats

Errors = Literal["LZ", "DF", "KC", "KC product", "MD", "FG", "model"]
NOTHING_LEFT: Final = 1e-9  # of the information on a combination of coefficients, without one cluster
BOUND: Final = 0.75  # Fay & Graubard's b: no diagonal element of W M counts for more


@dataclass(frozen=True, eq=False, kw_only=True)
class Bread:
    """What covariances are made of, for d data sets, c clusters and p coefficients.

    Parameters
    ----------
    information : (d, c, p, p) float
        W = D'V^-1 D by cluster, phi taken as 1.
    scores : (d, c, p) float
        D'V^-1 r by cluster.
    phi : (d,) float
    scale : (p,) float
        What the columns were divided by: coefficients are those of this algebra over it.
    """

    information: Floats
    scores: Floats
    phi: Floats
    scale: Floats

    @cached_property
    def inverse(self) -> Floats:
        """(d, p, p) M."""
        return np.linalg.inv(self.information.sum(axis=1))

    @cached_property
    def leverage(self) -> tuple[Floats, Floats, Floats]:
        """Eigenvalues (d, c, p) of W M; the (d, c, p, p) matrices that turn a score to that basis and back."""
        return leverage(self.information)

    @cached_property
    def decided_alone(self) -> NDArray[np.bool_]:
        """(d, p) coefficients that cannot be told without some cluster, so that KC and MD have no answer."""
        values, _, back = self.leverage
        moved = np.abs(self.inverse[:, None] @ back) * (1 - values < NOTHING_LEFT)[..., None, :]
        size = np.sqrt(np.diagonal(self.inverse, axis1=1, axis2=2))
        return np.asarray(moved.max(axis=(1, 3)) > 1e-6 * size)

    def covariance(self, errors: Errors) -> Floats:
        """(d, p, p) covariance of the coefficients; nan where KC and MD have none, since a cluster decides alone.

        LZ is Liang and Zeger's sandwich; DF has the factor clusters / (clusters - coefficients); KC takes the principal
        (I - H)^(-1/2) r, and "KC product" the average of (I - H)^-1 r r' and its transpose, which is how some print it;
        MD takes (I - H)^-1 r; FG scales each score by (1 - min(3/4, diagonal of W M))^(-1/2); "model" is phi M.

        Raises
        ------
        EstimateError
            Unknown errors, or DF without more clusters than coefficients.

        References
        ----------
        Liang & Zeger (1986), doi:10.1093/biomet/73.1.13; Kauermann & Carroll (2001), doi:10.1198/016214501753382309;
        Mancl & DeRouen (2001), doi:10.1111/j.0006-341X.2001.00126.x; Fay & Graubard (2001),
        doi:10.1111/j.0006-341X.2001.01198.x.
        """
        check_errors(errors)
        inner = self.inverse * self.phi[:, None, None] if errors == "model" else self._sandwich(errors)
        found = inner / (self.scale[:, None] * self.scale)
        if errors in ("KC", "KC product", "MD"):
            gone = self.decided_alone
            found = np.where(gone[:, :, None] | gone[:, None, :], np.nan, found)
        return np.asarray(found, np.float64)

    def _sandwich(self, errors: Errors) -> Floats:
        scores, factor, other = self.scores, 1.0, None
        if errors == "DF":
            factor = self._factor()
        elif errors == "KC":
            scores = self._pulled(lambda left: left**-0.5)
        elif errors == "MD":
            scores = self._pulled(lambda left: 1 / left)
        elif errors == "KC product":
            other = self._pulled(lambda left: 1 / left)
        elif errors == "FG":
            diagonal = np.einsum("dcij,dji->dci", self.information, self.inverse)
            scores = scores / np.sqrt(1 - np.minimum(diagonal, BOUND))
        meat = scores.swapaxes(1, 2) @ (scores if other is None else other) * factor
        return np.asarray(self.inverse @ ((meat + meat.swapaxes(1, 2)) / 2) @ self.inverse, np.float64)

    def _pulled(self, function: Callable[[Floats], Floats]) -> Floats:
        """(d, c, p) function(I - W M) score; 0 in directions that a cluster decides alone."""
        return pulled(self.leverage, self.scores, function)

    def _factor(self) -> float:
        clusters, terms = self.scores.shape[1:]
        if clusters <= terms:
            raise EstimateError(
                f"DF multiplies by clusters / (clusters - coefficients), and {clusters} clusters with {terms} "
                "coefficients leave nothing to divide by. Use KC, MD or FG.",
                {"clusters": clusters, "coefficients": terms},
                da=f"DF ganger med klynger / (klynger - koefficienter), og {clusters} klynger med {terms} koefficienter "
                "giver intet at dele med. Brug KC, MD eller FG.",
                code="E_FEW_CLUSTERS",
            )
        return float(clusters / (clusters - terms))


def leverage(information: Floats) -> tuple[Floats, Floats, Floats]:
    """Eigenvalues (d, c, p) of each cluster's W M in 0 ... 1, and (d, c, p, p) matrices into their basis and back.

    With the whole information L L', W M = L (L^-1 W L^-T) L^-1, and what stands in brackets is symmetric.
    """
    root = np.linalg.cholesky(information.sum(axis=1))[:, None]
    into = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(into @ information @ into.swapaxes(-1, -2))
    return values, vectors.swapaxes(-1, -2) @ into, root @ vectors


def pulled(turned: tuple[Floats, Floats, Floats], scores: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """(d, c, p) function(I - W M) score; 0 in directions of which a cluster leaves nothing to the others."""
    values, into, back = turned
    left = 1 - values
    factor = np.where(left > NOTHING_LEFT, function(np.where(left > NOTHING_LEFT, left, 1.0)), 0.0)
    inside = (into @ scores[..., None])[..., 0] * factor
    return np.asarray((back @ inside[..., None])[..., 0], np.float64)


def leverage_free(information: Floats, scores: Floats) -> Floats:
    """(d, c, p) M (I - W M)^-1 score: with D'r it is what (I - H)^-1 adds to r'r."""
    inverse = np.linalg.inv(information.sum(axis=1))
    free = pulled(leverage(information), scores, lambda left: 1 / left)
    return np.asarray(np.einsum("dij,dcj->dci", inverse, free), np.float64)


def check_errors(errors: str) -> None:
    """Refuse errors nobody knows."""
    if errors not in get_args(Errors):
        known = ", ".join(get_args(Errors))
        raise EstimateError(
            f"There are no errors called {errors!r}, and guessing would print a wrong interval. Use one of {known}.",
            {"errors": errors},
            da=f"Der er ingen standardfejl, der hedder {errors!r}, og at gætte ville give et forkert interval. Brug én af "
            f"{known}.",
        )


__all__ = ["Bread", "Errors", "check_errors", "leverage_free"]
