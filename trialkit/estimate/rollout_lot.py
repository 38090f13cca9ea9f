"""The answer of a staggered rollout that was drawn: estimate from the design's strata and clusters, test through its lot.

The design says what was drawn among, so nobody re-describes it: strata, clusters, fixed units.  With few units a cohort
the test and its inverted interval are the answer, and no normal interval stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import timing
from trialkit.estimate.drawn import ENUMERATED, Drawn
from trialkit.estimate.event_study import Estimand
from trialkit.estimate.given import by_unit, numbers
from trialkit.estimate.inversion import by_scan
from trialkit.estimate.judge import Sides
from trialkit.estimate.null import ComputedNull, Tail
from trialkit.estimate.randomization import RandomizationTest, randomization_test
from trialkit.estimate.region import Region
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_strata import RULES, Method
from trialkit.estimate.rollout_test import KEPT, StaggeredContrast, by_design, check_labels, rows_of, unit_ids
from trialkit.estimate.staggered import SMALL, Staggered, staggered

if TYPE_CHECKING:
    import pandas as pd

    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design

REACH = 10.0  # standard errors that the scan of a beta found anew goes to either side


@dataclass(frozen=True, eq=False, kw_only=True)
class Rollout:
    """A rollout's answer.

    Parameters
    ----------
    found : Staggered
        Its ``estimate`` has the test's p-value and interval where a test was made.
    test : RandomizationTest or None
    region : the accepted effects; None without a test
    """

    found: Staggered
    test: RandomizationTest | None
    region: Region | None

    @property
    def estimate(self) -> Estimate:
        """The answer, for tables."""
        return self.found.estimate

    def to_frame(self) -> pd.DataFrame:
        """The answer as one row, both errors beside it."""
        return self.found.to_frame()

    def summary(self) -> str:
        """The answer in one line: the interval of the test where there is one, and the model-based one beside it."""
        if self.test is None or self.region is None:
            return self.found.summary()
        kind, p = ("all" if self.test.exact else "a sample of"), self.estimate
        apart = "" if self.region.connected else "; the accepted effects are not one interval"
        tested = (
            f"p = {p.p_value:.4g}" + ("" if self.test.exact else f" (Monte Carlo error {p.mc_error:.2g})")
            + f", {kind} {p.n_allocations:,} allocations, smallest possible p {p.smallest_p:.2g}{apart}"
        )  # fmt: skip
        return "; ".join([self.estimate.summary(), tested, *self.found.notes])


def staggered_by_lot(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    outcome: ArrayLike,
    starts: Mapping[str, float | None],
    *,
    unit: str,
    periods: ArrayLike | None = None,
    estimand: Estimand = "simple",
    method: Method = "efficient",
    beta: float | None = None,
    common_beta: bool = True,
    per: str = "cluster",
    sizes: ArrayLike | None = None,
    test: bool | None = None,
    sides: Sides = "distance",
    level: float = 0.95,
    term: str = "average effect",
    most: int | None = None,
    draws: int = 0,
    rng: np.random.Generator | None = None,
    exploratory: bool = True,
) -> Rollout:
    """`staggered` with everything the design knows, and the test through its own allocations.

    Parameters
    ----------
    design, drawn : what was drawn from, and what the lot gave
    outcome : (n_units, t) float, in ``unit``, in the order of the design's units
    starts : the period each label starts in; None for a label that never does
    per : ``cluster`` or ``unit``, where clusters were drawn (`trialkit.estimate.cohorts.clustered`)
    sizes : (n_units,) what each unit's outcome is a mean over, as in `staggered`; 1 for every unit gives the effect per
        unit where clusters were drawn, by ratios instead of totals
    test : bool, optional
        Whether to test through the design; left out, where a cohort (of a stratum) has fewer than `SMALL` units.
    sides, level, draws, rng : as in `randomization_test`
    most : int, optional
        Up to so many allocations are gone through one by one: 3,000,000, and 200,000 where beta is found anew for each.

    Returns
    -------
    Rollout
        With a given beta (``callaway_santanna``, ``sun_abraham``, ``unadjusted``) the interval's ends are exact
        breakpoints; the efficient estimator is not straight in the effect, so its interval is found by a scan to
        10 standard errors and halving, and ``region.how`` says so.

    Raises
    ------
    EstimateError, PanelError
        As `staggered` and `randomization_test`; a label without a start, or a start of a label the design does not have.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, sections 3.3 to 3.5.
    """
    lot = Drawn.of(design, drawn)
    y = by_design(lot, outcome, periods)
    labels = _starts(lot, starts, periods, y.shape[1])
    sizes = None if sizes is None else by_unit(sizes, unit_ids(lot), "sizes")
    rows, by_size = rows_of(lot, y, per, sizes)
    first = np.array([labels[code] for code in lot.codes[lot.free]], object)
    found = staggered(
        rows[lot.free], first, unit=unit, periods=periods, estimand=estimand, method=method, beta=beta,
        common_beta=common_beta, strata=lot.blocks[lot.free], level=level, term=term, exploratory=exploratory,
        shares=lot.units_per_item[lot.free] if per == "unit" else None,
        sizes=None if by_size is None else by_size[lot.free],
    )  # fmt: skip
    small = _smallest(lot, first) < SMALL
    if not (small if test is None else test):
        return Rollout(found=found, test=None, region=None)
    statistic = StaggeredContrast(
        outcome=y, starts=labels, periods=periods, estimand=estimand, method=method, beta=beta,
        common_beta=common_beta, per=per, sizes=sizes,
    )  # fmt: skip
    straight = beta is not None or RULES[method].beta is not None
    listed = most or (ENUMERATED if straight else KEPT)
    tested = randomization_test(
        design, lot.codes, statistic, unit=unit, term=term, sides=sides, level=level, interval=straight, most=listed,
        draws=draws, rng=rng, exploratory=exploratory,
    )  # fmt: skip
    region = tested.region if straight else scanned(tested, sides, 1 - level)
    return Rollout(found=replace(found, estimate=_answered(found, tested, region)), test=tested, region=region)


def placebo_by_lot(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    outcome: ArrayLike,
    starts: Mapping[str, float | None],
    *,
    unit: str,
    periods: ArrayLike | None = None,
    lead: int = 1,
    method: Method = "efficient",
    per: str = "cluster",
    sizes: ArrayLike | None = None,
    level: float = 0.95,
    most: int | None = None,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> Rollout:
    """The same estimate and test in the periods before anybody started, as if all had started ``lead`` periods earlier.

    Nothing had begun, so the effect is 0 whatever came later, and the test has its level under any effects.  A small p
    is chance, or says that the lot was not what was said, or that people acted on its result before their start.

    Parameters
    ----------
    lead : int
        How many periods earlier; cohorts that even so would start later count as waiting.
    design, drawn, outcome, starts, method, per, sizes, level, most, draws, rng : as in `staggered_by_lot`

    Raises
    ------
    EstimateError
        There are not so many periods before the first start, or as `staggered_by_lot`.
    """
    lot = Drawn.of(design, drawn)
    y = by_design(lot, outcome, periods)
    first, times = timing(np.array(_starts(lot, starts, periods, y.shape[1]), object), periods, y.shape[1])
    before = int(first[np.unique(lot.codes[lot.free])].min())
    if not 1 <= lead <= before:
        raise _too_early(lead, before)
    earlier = [float(times[k - lead]) if k - lead < before else None for k in first.tolist()]
    return staggered_by_lot(
        design, lot.codes, y[:, :before], dict(zip(design.label_names, earlier, strict=True)), unit=unit,
        periods=times[:before], method=method, per=per, sizes=sizes, test=True, level=level, most=most, draws=draws, rng=rng,
        term=f"placebo, as if {lead} periods earlier",
    )  # fmt: skip


def scanned(test: RandomizationTest, sides: Sides, alpha: float) -> Region:
    """The effects a test with a beta of its own for every allocation does not refuse."""
    null, own = test.judge.null, test.estimate
    assert isinstance(null, ComputedNull)

    def one(tail: Tail, share: float) -> Region:
        return by_scan(null, tail, share, start=own.estimate, reach=REACH * own.std_error)

    if sides == "doubled":
        return one("greater", alpha / 2).meet(one("less", alpha / 2))
    return one(sides, alpha)


def _answered(found: Staggered, test: RandomizationTest, region: Region | None) -> Estimate:
    """The estimate, with the test's p-value and interval."""
    own, by_test = found.estimate, test.estimate
    return replace(
        own,
        method=f"{own.method}; {by_test.method}",
        statistic=by_test.statistic,
        p_value=by_test.p_value,
        smallest_p=by_test.smallest_p,
        conf_low=region.low if region else nan,
        conf_high=region.high if region else nan,
        n_units=by_test.n_units,
        n_allocations=by_test.n_allocations,
        mc_error=by_test.mc_error,
    )


def _starts(
    lot: Drawn, starts: Mapping[str, float | None], periods: ArrayLike | None, n_periods: int
) -> list[float | None]:
    """The start of each of the design's labels, in their order."""
    check_labels(starts, lot.design.label_names)
    missing = [label for label in lot.design.label_names if label not in starts]
    if missing:
        raise EstimateError(
            f"No start is given for {', '.join(missing)}, so nobody knows when those units were treated. Give one per "
            "label, None for a label that never starts.",
            {"labels": missing},
            da=f"Der mangler en start for {', '.join(missing)}, så ingen ved, hvornår de enheder begyndte. Angiv én pr. "
            "bølge, og None for dem, der aldrig begynder.",
        )
    found = [starts[label] for label in lot.design.label_names]
    for label, start in zip(lot.design.label_names, found, strict=True):
        if start is not None and np.isnan(numbers(start, f"the start of {label}")).any():
            raise EstimateError(
                f"The start of {label} is nan, which says neither when nor never. Write the period, or None for a label that "
                "never starts.",
                {"label": label},
                da=f"Starten for {label} er nan, som hverken siger hvornår eller aldrig. Skriv perioden, eller None for en "
                "bølge, der aldrig begynder.",
            )
    timing(np.array(found, object), periods, n_periods, names=lot.design.label_names)
    return found


def _too_early(lead: int, before: int) -> EstimateError:
    return EstimateError(
        f"Only {before} periods come before the first start, so a start {lead} periods earlier has no data before it. "
        f"Give a lead between 1 and {before}, or earlier periods.",
        {"lead": lead, "periods_before": before},
        da=f"Der er kun {before} perioder før den første start, så en start {lead} perioder før har ingen data. Angiv et "
        f"tal mellem 1 og {before}, eller tidligere perioder.",
    )


def _smallest(lot: Drawn, first: NDArray[np.object_]) -> int:
    """Items in the smallest cohort of any stratum."""
    known = [float(v) if v is not None and isfinite(v) else 0.0 for v in first]
    cells = np.column_stack([lot.blocks[lot.free].astype(float), known])
    return int(np.unique(cells, axis=0, return_counts=True)[1].min())


__all__ = ["Rollout", "placebo_by_lot", "scanned", "staggered_by_lot"]
