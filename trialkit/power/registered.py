"""The registered randomization test for many made-up data sets at once.

`trialkit.estimate.randomization` judges one data set; a power study judges thousands with the same allocations.  Every
statistic here is built from sums over units, so that all data sets under all allocations are one matrix product.  The
p-values are those of `randomization_test`, which a test holds it to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes, Design
from trialkit.estimate.drawn import size
from trialkit.estimate.null import extreme

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sides = Literal["distance", "greater", "less"]

GONE_THROUGH: Final = 20_000  # allocations up to which every data set is compared with all of them
DRAWS: Final = 1_999  # Monte Carlo draws where the draft says nothing


class Verdicts(NamedTuple):
    """Of many data sets, all (m,): the effect found, the p-value of no effect, and that of the effect planted.

    All nan for a data set that the statistic cannot judge; the last one too if nobody asked for it.
    """

    estimate: Floats
    p_value: Floats
    p_planted: Floats


class ManyTests(Protocol):
    """A registered test that judges many data sets."""

    @property
    def name(self) -> str:
        """The statistic, as it is printed."""
        ...

    @property
    def design(self) -> Design:
        """What is drawn from."""
        ...

    @property
    def reference(self) -> Reference:
        """What each data set is compared with."""
        ...

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets (m, n_units, t), each under its own allocation ``codes`` (m, n_items)."""
        ...


def unasked(p: Floats) -> Floats:
    """Nothing but nan, in the shape of ``p``."""
    return np.full_like(p, nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """The allocations every data set is compared with: all, or ``draws`` that each chunk of data sets draws anew."""

    design: Design
    draws: int

    @classmethod
    def of(cls, design: Design, *, draws: int | None = None) -> Reference:
        """All allocations if there are at most `GONE_THROUGH`, otherwise ``draws`` or `DRAWS`."""
        return cls(design=design, draws=0 if size(design) <= GONE_THROUGH else draws or DRAWS)

    @property
    def exact(self) -> bool:
        """Whether these are all the allocations."""
        return self.draws == 0

    @cached_property
    def listed(self) -> tuple[Codes, Floats]:
        """Every allocation (k, n_items) and its share of all, (k,)."""
        chunks = list(self.design.enumerate())
        weights = np.concatenate([np.full(len(chunk.codes), float(chunk.weight)) for chunk in chunks])
        return np.concatenate([chunk.codes for chunk in chunks]), weights / weights.sum()

    def allocations(self, rng: np.random.Generator) -> tuple[Codes, Floats]:
        """Those of `listed`, or fresh draws, each with its share."""
        if self.exact:
            return self.listed
        return self.design.sample(self.draws, rng), np.full(self.draws, 1 / self.draws)

    def p_values(
        self,
        values: Floats,
        own: Floats,
        shares: Floats,
        *,
        sides: Sides,
        scale: Floats | float,
        centre: float | None = None,
    ) -> Floats:
        """(m,) p-values of ``own`` (m,) among ``values`` (k, m); a value that does not exist counts as extreme.

        ``centre`` is the design mean where it is known; otherwise it is that of the allocations.
        """
        if sides == "distance" and centre != 0:
            mean = _mean(values, own, shares, exact=self.exact) if centre is None else centre
            values, own = values - mean, own - mean
        found = extreme(values, own, "mirror" if sides == "distance" else sides, scale)
        share = shares @ found
        share = share if self.exact else (1 + self.draws * share) / (1 + self.draws)
        return np.where(np.isnan(own), nan, share)


def _mean(values: Floats, own: Floats, shares: Floats, *, exact: bool) -> Floats:
    """(m,) the mean over allocations that have a value; among draws, with the one drawn."""
    known = np.isfinite(values)
    if known.all() and exact:
        return np.asarray(shares @ values)
    weight, total = shares @ known, shares @ np.where(known, values, 0.0)
    if not exact:
        one = 1 / len(values)
        weight, total = weight + one, total + one * own
    return np.asarray(total / weight)


__all__ = ["ManyTests", "Reference", "Sides", "Verdicts", "unasked"]
