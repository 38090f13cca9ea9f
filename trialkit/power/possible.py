"""The allocations a design could give, for numbers that are averages over them: all, or a sample that says so."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trialkit.design.base import Codes, Design

ENUMERATED_UP_TO: Final = 20_000
SAMPLED: Final = 4_000
MOST_CELLS: Final = 200_000_000  # of a sample: a million units are averaged over 200 draws, in 200 MB


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Possible:
    """Allocations with their probabilities.

    Parameters
    ----------
    codes : (k, n_items) int
    shares : (k,) float
        Probability of each row; they sum to 1.
    exact : bool
        Whether these are all the allocations; otherwise they are independent draws, 1/k each.
    """

    codes: Codes
    shares: NDArray[np.float64]
    exact: bool

    def __len__(self) -> int:
        return len(self.codes)

    def mean(self, values: NDArray[np.generic]) -> float:
        """The average of one value per allocation."""
        return float(self.shares @ values.astype(np.float64))

    def mc_error(self, values: NDArray[np.generic]) -> float:
        """The standard error of `mean` because allocations were sampled; 0 when they are all here."""
        return 0.0 if self.exact else float(values.astype(np.float64).std(ddof=1)) / sqrt(len(self))

    def median(self, values: NDArray[np.generic]) -> float:
        """The value that half of the probability does not exceed."""
        order = np.argsort(values, kind="stable")
        place = int(np.searchsorted(np.cumsum(self.shares[order]), 0.5 - 1e-12))
        return float(values[order[min(place, len(order) - 1)]])


def possible(design: Design, *, total: int, rng: np.random.Generator) -> Possible:
    """Every allocation if there are at most `ENUMERATED_UP_TO`, otherwise `SAMPLED` draws with ``rng``, fewer where
    those would fill the memory.

    ``total`` is the number before the constraint (``design.count().total``): that many must be looked at.
    """
    if total > ENUMERATED_UP_TO:
        n = min(SAMPLED, max(2, MOST_CELLS // len(design.items)))
        return Possible(codes=design.sample(n, rng), shares=np.full(n, 1 / n), exact=False)
    chunks = list(design.enumerate())
    codes = np.concatenate([chunk.codes for chunk in chunks])
    # shares of big whole numbers first, so that a weight beyond 2^53 is no float before it is divided
    whole = sum(chunk.weight * len(chunk.codes) for chunk in chunks)
    shares = np.concatenate([np.full(len(chunk.codes), chunk.weight / whole) for chunk in chunks])
    return Possible(codes=codes, shares=shares, exact=True)
