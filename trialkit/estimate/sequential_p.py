"""A Monte Carlo p-value that stops when it knows enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.arms import Bound, Statistic, bind
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import one_of
from trialkit.estimate.null import Tail, extreme
from trialkit.estimate.whole import check_count, check_generator

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

Floats = NDArray[np.float64]

AT_ONCE: Final = 1024  # draws looked at together; the stopping place does not depend on it


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialP:
    """A p-value from as many draws as it took.

    Parameters
    ----------
    p_value : hits / draws where it stopped at the last hit, otherwise (1 + hits) / (1 + draws)
    hits : draws at least as extreme as what the lot gave; ``draws`` : how many were made
    stopped : before the most that were allowed
    mc_error : standard error of the p-value as an estimate of the exact one; about p / sqrt(hits) where it stopped
    sides, statistic : what was called extreme, and what was compared
    """

    p_value: float
    hits: int
    draws: int
    stopped: bool
    mc_error: float
    sides: Tail
    statistic: str

    def summary(self) -> str:
        """The p-value in one line, with its guarantee."""
        how = (
            f"stopped at {self.hits} of {self.draws:,} draws" if self.stopped else f"{self.draws:,} draws, none spared"
        )
        return (
            f"p = {self.p_value:.3g} (Monte Carlo error {self.mc_error:.2g}), {self.statistic}, {how}; under no effect it "
            "falls to alpha or below in at most alpha of all trials"
        )


def sequential_p(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    hits: int = 20,
    most_draws: int = 99_999,
    sides: Tail = "mirror",
) -> SequentialP:
    """The p-value of no effect from draws that end once ``hits`` of them were as extreme as what the lot gave.

    A large p-value is known after a few dozen draws; only a small one needs many.  The guarantee is exact: for every
    alpha, ``P(p <= alpha) <= alpha`` under no effect, whatever ``hits`` and ``most_draws``, which must be fixed
    beforehand.  To stop by eye and use the plain share of hits has no such guarantee.

    Parameters
    ----------
    design, drawn, statistic : as in `trialkit.estimate.randomization.randomization_test`
    rng : of the draws; the same seed gives the same p-value
    hits : at least 1; the relative error of a p-value that stopped is about 1 / sqrt(hits)
    most_draws : at least ``hits``
    sides : ``mirror``, ``greater`` or ``less``; ``distance`` only where the design mean of the statistic is known, since
        the mean of the draws would change as they come

    Raises
    ------
    EstimateError
        As `randomization_test`; numbers of draws that are none; ``distance`` from a mean nobody knows.

    References
    ----------
    Besag and Clifford (1991), doi:10.1093/biomet/78.2.301, section 2.
    """
    one_of(sides, get_args(Tail), "sides")
    check_count(hits, "hits")
    check_count(most_draws, "most_draws")
    check_generator(rng, needed=True)
    if hits < 1 or most_draws < hits:
        raise EstimateError(
            f"{hits} hits in at most {most_draws} draws is no rule to stop by. Give hits of 1 or more, and more draws.",
            {"hits": hits, "most_draws": most_draws},
            da=f"{hits} træffere i højst {most_draws} træk er ingen regel at stoppe efter. Angiv mindst 1 træffer og "
            "flere træk.",
        )
    lot = Drawn.of(design, drawn)
    bound = bind(statistic, lot)
    mean = _mean(bound, sides)
    own = float(bound.values(lot.codes[None, :])[0]) - mean
    found, made = 0, 0
    while made < most_draws:
        values = bound.values(design.sample(AT_ONCE, rng))[: most_draws - made] - mean
        far = np.flatnonzero(extreme(values, own, "mirror" if sides == "distance" else sides, bound.size(0.0)))
        if found + far.size >= hits:
            made += int(far[hits - found - 1]) + 1
            p = hits / made
            error = p * sqrt((1 - p) / hits)
            return SequentialP(
                p_value=p, hits=hits, draws=made, stopped=True, mc_error=error, sides=sides, statistic=bound.name
            )
        found, made = found + int(far.size), made + values.size
    p = (1 + found) / (1 + made)
    return SequentialP(
        p_value=p, hits=found, draws=made, stopped=False, mc_error=sqrt(p * (1 - p) / made), sides=sides,
        statistic=bound.name,
    )  # fmt: skip


def _mean(bound: Bound, sides: Tail) -> float:
    """What distance is measured from."""
    if sides != "distance":
        return 0.0
    if bound.centre is None:
        raise EstimateError(
            f"The design mean of the {bound.name} is not known beforehand, and the mean of the draws changes as they come. "
            "Use sides='mirror', or a Monte Carlo test of fixed size.",
            {"statistic": bound.name},
            da=f"Gennemsnittet af {bound.name} over lodtrækningen kendes ikke på forhånd. Brug sides='mirror', eller en "
            "stikprøve af fast størrelse.",
        )
    return bound.centre


__all__ = ["SequentialP", "sequential_p"]
