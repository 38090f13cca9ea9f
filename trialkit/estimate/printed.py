"""The average effect of an arm, with both intervals in the order in which they are to be read.

An interval from an error leans on an error that few units cannot show; the exact one leans on the lot alone, for an effect
that is the same for everybody.  Which of the two comes first is decided here, before anybody has seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from trialkit.errors import DesignError
from trialkit.estimate.arms import aligned
from trialkit.estimate.compared import Compared
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import ENUMERATED, Drawn
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.statistics import default

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design
    from trialkit.estimate.result import Estimate

FEW_UNITS: Final = 5  # in an arm: below, Student's t covers too little however its degrees of freedom are found
SEEN_ENOUGH: Final = 30  # degrees of freedom with which small arms of many blocks show an error together
FEW_CLUSTERS: Final = 12  # in all: up to here the test through the lot is the primary answer


@dataclass(frozen=True, eq=False, kw_only=True)
class AverageEffect:
    """The two answers.

    Parameters
    ----------
    estimates : the one to print first, then the other; the exact one alone where no variance can be seen
    why : why this one is first, in words for the page
    test : the randomization test, with its distribution
    """

    estimates: tuple[Estimate, ...]
    why: str
    test: RandomizationTest

    @property
    def first(self) -> Estimate:
        """The one to print first."""
        return self.estimates[0]

    def to_frame(self) -> pd.DataFrame:
        """One row each, in order."""
        import pandas as pd

        return pd.concat([one.to_frame() for one in self.estimates], ignore_index=True)

    def summary(self) -> str:
        """One line each, in order, and why."""
        return "\n".join([*(f"{one.summary()}; {one.method}" for one in self.estimates), self.why])


def average_effect(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    outcome: ArrayLike,
    *,
    compare: tuple[str, str],
    unit: str,
    level: float = 0.95,
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
    term: str = "average effect",
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> AverageEffect:
    """The effect of one arm over another, exactly through the lot and by Neyman's error.

    The exact interval comes first with fewer than `FEW_UNITS` units (or clusters) in an arm, or in an arm of a block where
    all blocks together leave fewer than `SEEN_ENOUGH` degrees of freedom; with fewer than `FEW_UNITS` pairs; with at most
    `FEW_CLUSTERS` clusters; and where an arm's outcomes do not vary, as a yes and no of few units often does not.  There
    the interval from the error left the truth out in up to 12 percent of trials, and in up to half where the arms' spreads
    differ (``simulations/results/exact_size.md``).  Where effects differ between units the exact one is no promise either.

    Parameters
    ----------
    design, drawn : as for `trialkit.estimate.randomization.randomization_test`
    outcome : (n_units,) float, in `unit`
    compare : two labels, the new one first
    unit, level, most, draws, rng : as for `trialkit.estimate.randomization.randomization_test`

    Raises
    ------
    EstimateError, UnitsError
        As `trialkit.estimate.randomization.randomization_test` and `trialkit.estimate.difference.difference_in_means`.

    References
    ----------
    As `trialkit.estimate.difference.difference_in_means`; the choice: Young (2019), doi:10.1093/qje/qjy029.
    """
    lot = Drawn.of(design, drawn)
    y = aligned(lot, outcome)[0]
    lot.arms(compare)
    named = {"unit": unit, "level": level, "term": term, "exploratory": exploratory, "digests": digests}
    test = randomization_test(design, drawn, default(lot, y, compare), most=most, draws=draws, rng=rng, **named)  # type: ignore[arg-type]
    try:
        error = difference_in_means(y, lot, compare=compare, **named)  # type: ignore[arg-type]
    except DesignError:
        return AverageEffect(
            estimates=(test.estimate,), why="An arm of a block has one unit, so no error is seen.", test=test
        )
    why = exact_first(Compared.of(y, lot, compare))
    pair = (test.estimate, error) if why else (error, test.estimate)
    return AverageEffect(estimates=pair, why=why or "Both arms have enough units for the error to be seen.", test=test)


def exact_first(found: Compared) -> str:
    """Why the exact interval is to be printed before the one by an error; an empty text where it is not."""
    items, what = found.items_by_arm, "clusters" if found.clustered else "units"
    if found.paired:
        few = f"there are {len(items)} pairs" if len(items) < FEW_UNITS else ""
    elif len(items) > 1 and found.n_items - 2 * len(items) < SEEN_ENOUGH:
        few = f"an arm of a block has {items.min()} {what}" if items.min() < FEW_UNITS else ""
    else:
        few = f"one arm has {items.sum(axis=0).min()} {what}" if items.sum(axis=0).min() < FEW_UNITS else ""
    if few:
        return f"The exact interval comes first: {few}, fewer than {FEW_UNITS}."
    if found.clustered and items.sum() <= FEW_CLUSTERS:
        return f"The exact interval comes first: there are {items.sum()} clusters, {FEW_CLUSTERS} or fewer."
    if any(np.ptp(found.outcome[found.treated == arm]) == 0 for arm in (True, False)):
        return "The exact interval comes first: the outcomes of one arm do not vary, so its error is not seen."
    return ""


__all__ = ["FEW_CLUSTERS", "FEW_UNITS", "AverageEffect", "average_effect", "exact_first"]
