"""A made-up world of scores: normal outcomes whose effect is told in the outcome's own unit or in deviations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.power.analytic import Correlation
from trialkit.power.world import Outcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Unit-period means of normal outcomes, with the variances and correlations of `trialkit.power.analytic`.

    Parameters
    ----------
    reached : (n_labels, t) float
        How much of the effect a unit with each label has in each period, 0 to 1.
    people : (n, t) float
        People behind each mean; infinite where only units vary, 1 where the unit is a person.
    correlation : Correlation
        The ICC of 1 of a unit that is one person stands for the whole of its variance.
    sd : float
        Standard deviation of one person's outcome.
    effect : float
        Full effect, in the outcome's unit.
    """

    reached: Floats
    people: Floats
    correlation: Correlation
    sd: float = 1.0
    effect: float = 0.0

    @property
    def drawn(self) -> tuple[int, ...]:
        """All units."""
        return tuple(range(len(self.people)))

    def with_effect(self, effect: float) -> Self:
        """The same world with another effect; the same stream gives the same units."""
        return replace(self, effect=effect)

    @cached_property
    def _root(self) -> Floats:
        """(t, t) a root of the correlation of a unit's own part over time."""
        values, vectors = np.linalg.eigh(self.correlation.lasting(self.people.shape[1]))
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))

    def outcomes(self, codes: Codes, rng: np.random.Generator) -> Outcomes:
        """Sums and numbers of people (k, n, t) under assignments (k, n), one independent data set for each."""
        shape, icc = (len(codes), *self.people.shape), self.correlation.icc
        own = np.sqrt(icc) * (rng.standard_normal(shape) @ self._root.T)
        rest = np.sqrt((1 - icc) / self.people) * rng.standard_normal(shape)
        means = self.sd * (own + rest) + self.effect * self.reached[codes]
        people = np.broadcast_to(np.where(np.isfinite(self.people), self.people, 1.0), shape)
        return Outcomes(means * people, people)


__all__ = ["Scores"]
