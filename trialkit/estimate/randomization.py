"""The randomization test: draw again, on paper, as the lot could have fallen, and compare.

Whatever the design drew among, strata, clusters, waves, a constraint, is drawn among again; under the hypothesis that
the effect is ``tau`` for everybody, every allocation's statistic is known, and the p-value is the share of
allocations at least as extreme as the one drawn.  Exact where all can be gone through, otherwise by Monte Carlo.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.arms import Statistic, bind
from trialkit.estimate.drawn import ENUMERATED, Drawn, ReferenceSet
from trialkit.estimate.given import one_of
from trialkit.estimate.judge import Judge, Sides, accepted, firsts, hodges_lehmann
from trialkit.estimate.moments import check_level
from trialkit.estimate.pairs import Pairs
from trialkit.estimate.ranks import Ranked
from trialkit.estimate.region import Region
from trialkit.estimate.result import Estimate
from trialkit.estimate.waves import WithinMonths
from trialkit.estimate.whole import check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

Floats = NDArray[np.float64]

APART: Final = 1000  # distinct values shown one by one; more are shown in classes


class Distribution(NamedTuple):
    """What the statistic could have been: values with their shares of all allocations.

    ``width`` is 0 if the values are the statistic's own, otherwise that of the classes they are the middles of.
    """

    values: Floats
    shares: Floats
    width: float


@dataclass(frozen=True, eq=False, kw_only=True)
class RandomizationTest:
    """A randomization test and what a page says about it.

    Parameters
    ----------
    estimate : the answer, for tables
    statistic : what was compared, as it was used
    sides : ``distance`` (from the design mean of the statistic), ``mirror`` (as far from 0 on either side), ``doubled``
        (twice the smaller one-sided p), ``greater`` or ``less``
    observed : the statistic of what was drawn
    exact : every allocation was gone through; otherwise ``draws`` of them
    hodges_lehmann : the effect at which the statistic lies at its design mean; nan if there is none
    region : the accepted effects; None if no interval was asked for, or none can be given
    undefined : share of allocations without a statistic; they count as extreme
    dropped : periods without both arms; ``left_out`` : (unit, period) whose windows cross the unit's own start
    """

    estimate: Estimate
    statistic: str
    sides: Sides
    observed: float
    exact: bool
    draws: int
    hodges_lehmann: float
    region: Region | None
    undefined: float
    dropped: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    judge: Judge

    @property
    def p_value(self) -> float:
        """The p-value of no effect."""
        return self.estimate.p_value

    @property
    def connected(self) -> bool | None:
        """Whether the accepted effects are one interval; None without a region."""
        return None if self.region is None else self.region.connected

    def p_value_at(self, tau: float, sides: Sides | None = None) -> float:
        """The p-value of the hypothesis that the effect is ``tau``, by this or another definition of extreme.

        Raises
        ------
        EstimateError
            ``tau`` is no finite number, or an unknown word for ``sides``.
        """
        check_number(tau, "tau")
        if sides is not None:
            one_of(sides, get_args(Sides), "sides")
        return self.judge.p_value(float(tau), sides or self.sides)

    @property
    def mean(self) -> float:
        """The design mean of the statistic under no effect."""
        return self.judge.mean()

    def distribution(self, classes: int = 60) -> Distribution:
        """The distribution under no effect, for a figure; in classes if it has more than `APART` values."""
        values, weights = self.judge.listed()
        finite = np.isfinite(values)
        values, weights = values[finite], weights[finite]
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order] / weights.sum()
        first = firsts(values, max(float(np.abs(values).max(initial=0.0)), 1e-300))
        if len(first) <= APART:
            return Distribution(values[first], np.add.reduceat(weights, first), 0.0)
        counts, edges = np.histogram(values, bins=classes, weights=weights)
        return Distribution((edges[1:] + edges[:-1]) / 2, counts, float(edges[1] - edges[0]))

    def to_frame(self) -> pd.DataFrame:
        """The estimate as one row."""
        return self.estimate.to_frame()

    def summary(self) -> str:
        """The answer in one line, with what it was compared with."""
        kind = "all" if self.exact else "a sample of"
        error = "" if self.exact else f" (Monte Carlo error {self.estimate.mc_error:.2g})"
        return (
            f"{self.estimate.summary()}; p = {self.p_value:.4g}{error}, {self.statistic}, {kind} "
            f"{self.estimate.n_allocations:,} allocations, smallest possible p {self.estimate.smallest_p:.2g}"
        )


def randomization_test(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    statistic: Statistic,
    *,
    unit: str,
    term: str = "average effect",
    sides: Sides | None = None,
    level: float = 0.95,
    interval: bool = True,
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
    exploratory: bool = True,
    digests: tuple[str, ...] = (),
) -> RandomizationTest:
    """Test and interval through the design's own lot.

    Parameters
    ----------
    design : Design
        What was drawn from.
    drawn : Assignment, or one label per unit, or one code per item
        What the lot gave.
    statistic : Statistic
        With its outcomes: `Studentized`, `DifferenceInMeans`, `PairedT`, `OlsAdjusted`, `RankSum`,
        `KolmogorovSmirnov`, `DifferenceWithinMonths`, `ExposureWeighted` or `UserStatistic`, all in
        `trialkit.estimate.statistics`, where `default` chooses; `trialkit.estimate.rollout_test.StaggeredContrast`; or
        `trialkit.estimate.balance.HansenBowers`.
    unit, term : str
        What one step of the effect means, and what is estimated; printed.
    sides : Sides, optional
        ``distance`` unless given; ``greater`` for a gap, which has one side.
    level : float in (0, 1)
        Of the interval, which holds every constant effect that this very test accepts at 1 - level; its ends are
        breakpoints of the p-value, infinite where the design is too small to exclude anything.
    interval : bool
        Without it only the p-value is found.
    most : int
        Up to so many allocations are gone through one by one.
    draws, rng : int and generator
        For more than ``most``: how many to draw, p = (1 + #) / (1 + draws).

    Returns
    -------
    RandomizationTest

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: no lot was drawn.  ``E_NOT_POSSIBLE``: the design could not have given this.
        ``E_TOO_MANY``: too many allocations and no ``draws``.  Outcomes that do not fit the design, no statistic, a
        level outside (0, 1), or an unknown word for ``sides``.

    References
    ----------
    Fisher (1935), The Design of Experiments; the interval by inversion: Rosenbaum (2002), Observational Studies,
    section 2.6; the Monte Carlo p-value: Phipson and Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    check_level(level)
    if sides is not None:
        one_of(sides, get_args(Sides), "sides")
    lot = Drawn.of(design, drawn)
    bound = bind(statistic, lot)
    reference = ReferenceSet.of(lot, most=most, draws=draws, rng=rng)
    sides = sides or ("greater" if isinstance(bound, Ranked) and bound.kind == "gap" else "distance")
    judge = Judge.of(bound, reference)
    p = judge.p_value(0.0, sides)
    point = hodges_lehmann(judge) if interval and judge.has_effect else nan
    found = accepted(judge, sides, 1 - level, point) if interval and judge.has_effect else None
    own = float(bound.values(lot.codes[None, :])[0])
    estimate = Estimate(
        term=term,
        method=f"randomization test, {bound.name}",
        estimate=bound.estimate if np.isfinite(bound.estimate) else point,
        std_error=bound.std_error,
        statistic=own,
        df=bound.df if isinstance(bound, Pairs) else nan,
        p_value=p,
        smallest_p=judge.smallest(sides),
        conf_low=found.low if found else nan,
        conf_high=found.high if found else nan,
        level=level,
        n_units=bound.n_units,
        n_allocations=judge.null.n if reference.exact else draws,
        mc_error=0.0 if reference.exact else sqrt(p * (1 - p) / draws),
        unit=unit,
        exploratory=exploratory,
        digests=digests,
    )
    waves = bound if isinstance(bound, WithinMonths) else None
    return RandomizationTest(
        estimate=estimate,
        statistic=bound.name,
        sides=sides,
        observed=own,
        exact=reference.exact,
        draws=reference.draws,
        hodges_lehmann=point,
        region=found,
        undefined=judge.undefined,
        dropped=waves.dropped if waves else (),
        left_out=waves.left_out if waves else (),
        judge=judge,
    )


__all__ = ["Distribution", "RandomizationTest", "Sides", "randomization_test"]
