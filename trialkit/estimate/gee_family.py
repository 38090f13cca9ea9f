"""Means, variances and links of marginal models: how a linear predictor becomes an expected outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats

FamilyName = Literal["gaussian", "binomial", "poisson"]
Link = Literal["identity", "logit", "log"]
LINKS: Final[dict[str, tuple[Link, ...]]] = {
    "gaussian": ("identity",),
    "binomial": ("logit", "identity", "log"),
    "poisson": ("log",),
}
INSIDE: Final = 1e-10  # how near 0 or 1 a fitted probability may come
RUNAWAY: Final = 20.0  # a logarithm beyond: odds of 5e8 to 1, an expected count of 2e-9


@dataclass(frozen=True, kw_only=True)
class Family:
    """A variance function with a link; a row's variance is phi v(mu) / weight (McCullagh & Nelder 1989, chapter 2).

    Parameters
    ----------
    name : "gaussian" (v = 1), "binomial" (v = mu (1 - mu)) or "poisson" (v = mu)
    link : "identity", "logit" or "log"
    """

    name: FamilyName
    link: Link

    @classmethod
    def of(cls, name: str, link: str | None) -> Family:
        """The family by name; its first link where none is given.

        Raises
        ------
        EstimateError
            An unknown family, or a link it does not have.
        """
        if name not in LINKS or (link is not None and link not in LINKS[name]):
            known = "; ".join(f"{family} ({', '.join(links)})" for family, links in LINKS.items())
            raise EstimateError(
                f"There is no family {name!r} with link {link!r} here, and another would answer another question. Use "
                f"one of {known}.",
                {"family": name, "link": link},
                da=f"Der er ingen familie {name!r} med link {link!r}, og en anden ville svare på noget andet. Brug en af "
                f"{known}.",
            )
        return cls(name=name, link=link or LINKS[name][0])  # type: ignore[arg-type]

    def mean(self, eta: Floats) -> Floats:
        """Expected outcome at a linear predictor."""
        if self.link == "identity":
            return eta
        return np.asarray(expit(eta) if self.link == "logit" else np.exp(np.minimum(eta, 700.0)), np.float64)

    def predictor(self, mu: Floats) -> Floats:
        """The link: the linear predictor at an expected outcome."""
        if self.link == "identity":
            return mu
        return np.asarray(logit(mu) if self.link == "logit" else np.log(mu), np.float64)

    def slope(self, mu: Floats) -> Floats:
        """How fast the mean moves with its predictor."""
        if self.link == "identity":
            return np.ones_like(mu)
        return mu * (1 - mu) if self.link == "logit" else mu

    def variance(self, mu: Floats) -> Floats:
        """v(mu)."""
        if self.name == "gaussian":
            return np.ones_like(mu)
        return mu * (1 - mu) if self.name == "binomial" else mu

    def inside(self, eta: Floats) -> NDArray[np.bool_]:
        """Where the mean is one that the family can have."""
        if self.name == "binomial" and self.link != "logit":
            mu = self.mean(eta)
            return np.asarray((mu > INSIDE) & (mu < 1 - INSIDE))
        return np.isfinite(eta)

    def runaway(self, eta: Floats) -> NDArray[np.bool_]:
        """Where the predictor is on its way to infinity, since no outcome holds it back."""
        if self.link == "identity":
            return np.zeros(eta.shape, bool)
        return np.asarray((np.abs(eta) if self.link == "logit" else -eta) > RUNAWAY)

    def constant(self, mean: Floats) -> Floats:
        """The predictor that fits a share or a mean, drawn a little inside where it is at the edge."""
        if self.name == "binomial":
            return self.predictor(np.clip(mean, 1e-3, 1 - 1e-3))
        return self.predictor(np.where(mean > 0, mean, 1e-3)) if self.name == "poisson" else mean

    def scale_of(self, unit: str) -> str:
        """The unit of coefficients: the outcome's own, or that of logarithms."""
        return {"identity": unit, "logit": f"log odds of {unit}", "log": f"log ratio of {unit}"}[self.link]

    def ratio_of(self, unit: str) -> str:
        """The unit of exponentiated coefficients."""
        return f"{'odds ratio' if self.link == 'logit' else 'ratio'} of {unit}"


__all__ = ["LINKS", "Family", "FamilyName", "Link"]
