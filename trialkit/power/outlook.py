"""How large an effect the registered analysis of a protocol could see, from its own planning figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.within_months import Calendar, Contrast, contrast
from trialkit.power.analytic import Correlation, Pair, Precision, blocked_difference, precision
from trialkit.power.neighbourhood import IN_WAVES
from trialkit.power.said import Said
from trialkit.power.smallest import View

if TYPE_CHECKING:
    from trialkit.design.parts_design import PartsDesign
    from trialkit.power.possible import Possible
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.outcomes import Outcome

Floats = NDArray[np.float64]
Scale = Literal["share", "outcome", "sd", "sd_between_units"]

USUAL_POWER: Final = 0.8
USUAL_ALPHA: Final = 0.05
_AGES: Final = re.compile(r"_(\d{1,2})(?:_(\d{1,2}))?(?:_|$)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One assumption about the correlations and what would be seen under it; ``power`` is nan without an effect."""

    icc: float
    cac: float
    precision: Precision
    smallest: Pair
    power: Pair | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the registered analysis could see.

    Parameters
    ----------
    scale : what effects are measured in: a share (0.03 is three percentage points), the outcome's own unit, standard
        deviations of one person, or standard deviations between units
    scenarios : low to high ICC by low to high autocorrelation
    middle : the scenario in the middle of both
    effect : the smallest effect worth finding, on the scale; None if the draft does not say
    level : the level the test really has (`SmallestP.level`)
    asked : the power the draft asks for
    periods, dropped : periods compared, and those in which nobody waits or nobody has started, in every allocation
    assumed : what was assumed to get here
    """

    scale: Scale
    scenarios: tuple[Scenario, ...]
    middle: Scenario
    effect: float | None
    level: float
    asked: float
    periods: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    assumed: tuple[Said, ...] = ()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Setting:
    """The planning figures of a protocol in numbers.

    ``per_month`` is the share of a unit's size that is counted in one month (a birth cohort), None where sizes are
    not known; ``total`` one person's variance.
    """

    outcome: Outcome
    scale: Scale
    total: float
    iccs: tuple[float, ...]
    cacs: tuple[float, ...]
    effect: float | None
    alpha: float
    sides: int
    asked: float
    calendar: Calendar
    per_child: bool
    window: int
    within_months: bool
    per_month: float | None
    compare: tuple[str, ...]
    assumed: tuple[Said, ...]


def setting(protocol: Protocol) -> Setting:
    """What the protocol's outcome, estimand, analysis and planning say about the size of effects."""
    outcome = next(found for found in protocol.outcomes if found.id == protocol.estimand.what)
    planning, primary = protocol.planning, protocol.analysis.primary
    calendar = _calendar(protocol, outcome)
    counted = _per_month(protocol.units.size or "", outcome) if protocol.units.size else None
    baseline = planning.baseline.get(outcome.id)
    spread = planning.standard_deviation.get(outcome.id)
    scale, total = _scale(outcome, baseline, spread, known=bool(planning.icc))
    assumed = list(_assumed(protocol, outcome, scale, counted))
    return Setting(
        outcome=outcome,
        scale=scale,
        total=total,
        iccs=tuple(sorted(float(icc) for icc in planning.icc)) if scale != "sd_between_units" else (1.0,),
        cacs=tuple(sorted(float(cac) for cac in planning.cluster_autocorrelation)) or (1.0,),
        effect=_effect(protocol, scale, total),
        alpha=alpha_of(protocol),
        sides=1 if primary.sides == "one" else 2,
        asked=float(planning.power or USUAL_POWER),
        calendar=calendar,
        per_child=protocol.estimand.counted_per not in (None, "unit"),
        window=(outcome.window_days or 0) if outcome.leave_out_if_window_crosses_start else 0,
        within_months=primary.statistic == "difference_within_months",
        per_month=counted,
        compare=protocol.estimand.compare,
        assumed=tuple(assumed),
    )


def alpha_of(protocol: Protocol) -> float:
    """The level of the primary analysis; 0.05 where the draft is silent."""
    return float(protocol.analysis.primary.alpha or USUAL_ALPHA)


def _scale(outcome: Outcome, baseline: object, spread: object, *, known: bool) -> tuple[Scale, float]:
    """In what effects can be told, and one person's variance on that scale; without an ICC only between units."""
    if not known:
        return "sd_between_units", 1.0
    if outcome.type in ("share", "yes_no") and baseline is not None:
        p = float(str(baseline))
        return "share", p * (1 - p)
    if spread is not None:
        return "outcome", float(str(spread)) ** 2
    return "sd", 1.0


def _effect(protocol: Protocol, scale: Scale, total: float) -> float | None:
    """The smallest effect worth finding, if it can be told on this scale."""
    worth = protocol.planning.smallest_effect_worth_finding
    if isinstance(worth, str):
        return None
    if worth.absolute is not None:
        return float(worth.absolute) if scale in ("share", "outcome") else None
    if scale == "sd_between_units" or worth.standard_deviations is None:
        return None
    return float(worth.standard_deviations) * float(np.sqrt(total))


def _calendar(protocol: Protocol, outcome: Outcome) -> Calendar:
    """The periods of the estimand; one that stands for all where the draft has none."""
    period = protocol.estimand.period
    if period is None:
        return Calendar.of(["2000"])
    months = {"quarter": 3, "year": 12}.get(outcome.frequency or "", 1)
    return Calendar.between(period.from_, period.to, months=months)


def _per_month(column: str, outcome: Outcome) -> float:
    """The part of a unit's size that is counted in one month.

    Births of a month are drawn from children of so many ages: a column ``children_0_2`` holds three years of births,
    so one month is a 36th.  Other outcomes count everybody in every period.
    """
    if outcome.frequency != "month_of_birth":
        return 1.0
    found = _AGES.search(column)
    years = int(found[2] or found[1]) - int(found[1]) + 1 if found else 1
    return 1 / (12 * max(years, 1))


def _assumed(protocol: Protocol, outcome: Outcome, scale: Scale, counted: float | None) -> list[Said]:
    """What had to be assumed, in words."""
    found = []
    if scale == "sd_between_units":
        found.append(
            Said(
                "The draft has no intracluster correlation (planning: icc), so effects are told in standard deviations "
                "between units, and cannot be compared with the smallest effect worth finding.",
                "Udkastet har ingen intraklassekorrelation (planning: icc), så effekter angives i standardafvigelser "
                "mellem enheder og kan ikke sammenlignes med den mindste effekt, der er værd at finde.",
            )
        )
    elif counted is None:
        found.append(
            Said(
                "The draft does not say how many people each unit has (units: size), so chance within units is left "
                "out and the figures are optimistic.",
                "Udkastet siger ikke, hvor mange personer hver enhed har (units: size), så tilfældig variation inden "
                "for enhederne er ikke med, og tallene er optimistiske.",
            )
        )
    elif counted < 1:
        months = round(1 / counted)
        found.append(
            Said(
                f"Births a month: {protocol.units.size} divided by {months}.",
                f"Fødsler pr. måned: {protocol.units.size} divideret med {months}.",
            )
        )
    return found


def view_of(design: PartsDesign, protocol: Protocol) -> View:
    """What the registered statistic can tell apart in this design."""
    if design.kind in IN_WAVES:
        return View.ordered(len(design.label_names))
    return View.comparing(design.label_names, *compared(design, protocol.estimand.compare))


def compared(design: PartsDesign, compare: Sequence[str]) -> tuple[str, str]:
    """The two labels the estimand compares; the first two where it names none of the design's."""
    if len(compare) == 2 and set(compare) <= set(design.label_names):
        return compare[0], compare[1]
    return design.label_names[0], design.label_names[1]


def outlook(
    design: PartsDesign,
    listed: Possible,
    found: Setting,
    *,
    level: float,
    starts: Sequence[date | None] = (),
    sizes: Mapping[str, float] | None = None,
) -> Outlook | None:
    """What ``design`` could see under ``found``.

    Parameters
    ----------
    design, listed : the design and its allocations
    level : float
        The level its test really has.
    starts : a date per label, for waves
    sizes : people per drawn item; the items' mean stands in for one without

    Returns
    -------
    Outlook, or None where no allocation can be compared (no period in which some have started and others wait)
    """
    free = list(design.free)
    people = _people([design.items[place] for place in free], found, sizes)
    made: Contrast | None = None
    if found.within_months or (starts and len(design.label_names) > 2):
        made = contrast(
            listed.codes[:, free], found.calendar, starts, window_days=found.window,
            sizes=people if found.per_child and np.isfinite(people).all() else None,
        )  # fmt: skip
        coefficients = made.coefficients
    else:
        coefficients = _arms(design, listed, free, found)
    middle_icc, middle_cac = found.iccs[len(found.iccs) // 2], found.cacs[len(found.cacs) // 2]
    scenarios = {}
    for icc in found.iccs:
        for cac in found.cacs:
            one = precision(
                listed, coefficients, people, Correlation(icc=icc, cac=cac), total=found.total, df=len(free) - 2
            )
            if not np.isfinite(one.std_error):
                return None
            scenarios[icc, cac] = _scenario(icc, cac, one, found, level)
    anywhere = np.ones(len(found.calendar.periods), bool) if made is None else np.asarray(made.used.any(axis=0))
    used = [bool(here) for here in anywhere]
    seen = list(zip(found.calendar.periods, used, strict=True))
    return Outlook(
        scale=found.scale,
        scenarios=tuple(scenarios.values()),
        middle=scenarios[middle_icc, middle_cac],
        effect=found.effect,
        level=level,
        asked=found.asked,
        periods=tuple(period for period, here in seen if here),
        dropped=tuple(period for period, here in seen if not here),
        assumed=found.assumed,
    )


def _scenario(icc: float, cac: float, one: Precision, found: Setting, level: float) -> Scenario:
    if level <= 0:  # no outcome, however large the effect, gives p <= alpha
        power = None if found.effect is None else Pair(normal=0.0, t=0.0)
        return Scenario(icc=icc, cac=cac, precision=one, smallest=Pair(normal=inf, t=inf), power=power)
    power = None if found.effect is None else one.power(found.effect, alpha=level, sides=found.sides)
    smallest = one.smallest_effect(power=found.asked, alpha=level, sides=found.sides)
    return Scenario(icc=icc, cac=cac, precision=one, smallest=smallest, power=power)


def _people(items: Sequence[str], found: Setting, sizes: Mapping[str, float] | None) -> Floats:
    """(n, t) people behind each mean; endless where nobody knows, so that only units vary."""
    n_periods = len(found.calendar.periods)
    if found.scale == "sd_between_units" or found.per_month is None or not sizes:
        return np.full((len(items), n_periods), np.inf)
    usual = float(np.mean(list(sizes.values())))
    each = np.array([sizes.get(item, usual) for item in items]) * found.per_month
    months = (found.calendar.last - found.calendar.first + 1) / 30.4 if found.per_month < 1 else np.ones(n_periods)
    return np.asarray(each[:, None] * months[None, :])


def _arms(design: PartsDesign, listed: Possible, free: list[int], found: Setting) -> Floats:
    """Two labels compared over all periods together, blocks weighing by size."""
    blocks = np.zeros(len(design.items), int)
    for number, names in enumerate(design.blocks.values()):
        blocks[names] = number
    codes = listed.codes[:, free]
    a, b = (design.label_names.index(name) for name in compared(design, found.compare))
    one = blocked_difference(codes, a, b, blocks[free])
    return np.repeat(one / len(found.calendar.periods), len(found.calendar.periods), axis=2)
