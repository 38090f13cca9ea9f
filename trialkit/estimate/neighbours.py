"""Neighbours in a trial: which units touched one that had started, and whether that moved anything.

The plan says where the map is from (a register, a file of pairs), the draw who started when, the design what else the
lot could have given; nothing is described anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from trialkit.errors import EstimateError, TrialkitError
from trialkit.estimate.drawn import ENUMERATED, ReferenceSet, size
from trialkit.estimate.exposure import Exposed, Exposure, exposed
from trialkit.estimate.question import DRAWS, Question
from trialkit.estimate.result import Estimate
from trialkit.estimate.spillover import NoSpillover, exposure_effect, no_spillover
from trialkit.estimate.within_months import Calendar
from trialkit.panel import Panel

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Who touches whom: pairs of ids, and the day from which each unit outside the lot had the new way.

    Parameters
    ----------
    touching : pairs of ids of all listed units, drawn or not
    pilots : units that no lot decided about and that were given the new way
    """

    touching: frozenset[tuple[str, str]] = frozenset()
    pilots: tuple[tuple[str, date | None], ...] = ()

    @classmethod
    def of(cls, protocol: Protocol, touching: Iterable[tuple[str, str]], outside: Iterable[tuple[str, str]]) -> Map:
        """From the listed pairs, and each unit outside the lot with its arm (``outside``: id, arm)."""
        new = protocol.estimand.compare[0] if protocol.estimand.compare else ""
        since = {fixed.arm: fixed.from_ for fixed in protocol.fixed}
        pilots = tuple((unit, since.get(arm)) for unit, arm in outside if arm == new)
        return cls(touching=frozenset((min(pair), max(pair)) for pair in touching), pilots=pilots)


@dataclass(frozen=True, eq=False, kw_only=True)
class Spillover:
    """What the map, the lot and the outcomes say about spillover.

    Parameters
    ----------
    exposed : every unit's exposure as drawn, and how probable each was by the design
    test : the change per whole neighbourhood started, with the exact p-value of none; None with `reason` if untestable
    effect : waiting beside a started unit less waiting alone; None where no unit could have been both
    focal : units whose outcomes the test compared
    pairs : the pairs of neighbours that were used, pilots among them
    reason : why there is no test, or why its statistic tells nothing
    """

    exposed: Exposed
    test: Estimate | None
    effect: Estimate | None
    focal: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    reason: TrialkitError | None = field(default=None)


def spillover(
    question: Question,
    drawn_map: Map,
    *,
    excluded: bool,
    rng: np.random.Generator | None,
    digests: tuple[str, ...] = (),
    exploratory: bool = True,
) -> Spillover:
    """Exposure to started neighbours, and the tests it allows.

    Parameters
    ----------
    question : of the outcome that is asked about
    excluded : interrupted periods are left out
    rng : where allocations are too many to go through

    Raises
    ------
    EstimateError
        No two units of the trial touch, so there is no map.
    """
    exposure, pairs = exposure_of(question, drawn_map)
    draws = 0 if size(question.lot.design) <= ENUMERATED else question.primary.draws or DRAWS
    panel = _counted(question, excluded)
    reference = ReferenceSet.of(question.lot, most=ENUMERATED, draws=draws, rng=rng)
    test, effect = None, None
    reason: TrialkitError | None = None
    focal: tuple[str, ...] = ()
    try:
        found = no_spillover(exposure, panel, counted_per=question.counted_per, draws=draws, rng=rng)
        focal = found.focal
        test, reason = (None, _silent(found)) if found.silent else (found.estimate, None)
    except EstimateError as error:
        reason = error
    try:
        effect = exposure_effect(
            exposure, panel, counted_per=question.counted_per, level=1 - question.alpha, draws=draws, rng=rng
        ).estimate
    except EstimateError as error:
        if error.code != "E_NEVER_CLEAN":  # which `exposed` says already
            raise
    test, effect = (
        one and replace(one, level=1 - question.alpha, exploratory=exploratory, digests=digests)
        for one in (test, effect)
    )
    return Spillover(
        exposed=exposed(exposure, reference), test=test, effect=effect, focal=focal, pairs=pairs, reason=reason
    )


def _silent(found: NoSpillover) -> EstimateError:
    """Why there is no answer: among units that are compared, neighbours' starts were alike, or the outcomes were."""
    facts = {"focal": list(found.focal)}
    if isnan(found.estimate.estimate):
        return EstimateError(
            "In this draw, units that are compared (in the same period, all begun or all waiting) had the same share of "
            "their neighbours begun. So the numbers cannot tell what neighbours mean, and there is no p-value.",
            facts,
            da="I denne lodtrækning var den samme andel af naboerne begyndt hos de enheder, der sammenlignes (i samme "
            "periode, alle begyndt eller alle ventende). Derfor kan tallene ikke sige, hvad naboer betyder, og der er "
            "ingen p-værdi.",
        )
    return EstimateError(
        "Among units that are compared (in the same period, all begun or all waiting) the outcome does not differ at "
        "all. So the numbers cannot tell what neighbours mean, and there is no p-value.",
        facts,
        da="Blandt de enheder, der sammenlignes (i samme periode, alle begyndt eller alle ventende), er der slet ingen "
        "forskel i udfaldet. Derfor kan tallene ikke sige, hvad naboer betyder, og der er ingen p-værdi.",
    )


def exposure_of(question: Question, drawn_map: Map) -> tuple[Exposure, tuple[tuple[str, str], ...]]:
    """The exposure of the question's units and periods, with the pairs it rests on.

    A pilot counts where it had the new way before the first period of the question.  Pairs with a unit that is neither
    drawn nor such a pilot are left out.

    Raises
    ------
    EstimateError
        No such pair is left.
    """
    periods = question.panel.periods
    first = date.fromordinal(int(Calendar.of(periods).first[0]))
    pilots = {unit for unit, since in drawn_map.pilots if since is None or since <= first}
    known = {*question.panel.units, *pilots}
    pairs = tuple(sorted(pair for pair in drawn_map.touching if known.issuperset(pair)))
    if not pairs:
        raise EstimateError(
            "No two units of the trial are known to touch, so nobody can be exposed to a neighbour. Name a list of "
            "neighbours in the plan (units: neighbours), or leave the question out.",
            da="Det er ikke kendt, at to af forsøgets enheder er naboer, så ingen kan være udsat for en nabo. Angiv en "
            "liste over naboer i planen (units: neighbours), eller stil ikke spørgsmålet.",
        )
    if question.protocol.waves:
        return Exposure.of_rollout(
            question.lot, periods, question.starts(), window_days=question.window_days, neighbours=pairs, pilots=pilots
        ), pairs
    return Exposure.of_arms(question.lot, question.compare[0], neighbours=pairs, pilots=pilots), pairs


def _counted(question: Question, excluded: bool) -> Panel:
    """The cells that count; of arms summed over all periods."""
    panel, seen = question.panel, question.seen(excluded)
    top, bottom = (np.where(seen, part, np.nan) for part in (panel.numerator, panel.denominator))
    if question.protocol.waves:
        return replace(panel, numerator=top, denominator=bottom)
    known = seen.any(axis=1)
    sums = [np.where(known, np.nansum(part, axis=1), np.nan)[:, None] for part in (top, bottom)]
    return Panel(units=panel.units, periods=("",), numerator=sums[0], denominator=sums[1], unit=panel.unit)


__all__ = ["Map", "Spillover", "exposure_of", "spillover"]
