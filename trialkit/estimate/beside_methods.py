"""The methods a plan may register beside its primary answer, each on the drawn units and the periods of the question.

A method that the data or the design do not allow raises, and its reason is shown in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.adjusted import adjusted_difference
from trialkit.estimate.beside_models import gee, glmm, wedge
from trialkit.estimate.beside_request import Facts, Request
from trialkit.estimate.cohorts import counts
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.missing import Attrition, Bounds, attrition, lee_bounds, manski_bounds
from trialkit.estimate.question import not_built
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_lot import Rollout, staggered_by_lot
from trialkit.estimate.rollout_test import items_of
from trialkit.estimate.staggered import staggered_event_study
from trialkit.estimate.weighted import hajek
from trialkit.estimate.within_months import LEFT_OUT, Calendar

if TYPE_CHECKING:
    from collections.abc import Callable


Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_IN_UNIT: Final = {"share": (0.0, 1.0)}  # what an outcome can be at least and at most


def _randomization(it: Request) -> list[Estimate]:
    return [it.question.test(excluded=it.excluded, rng=it.rng, digests=(), asked=it.method).estimate]


def _means(it: Request) -> list[Estimate]:
    y, compare = it.two_arms
    return [difference_in_means(y, it.question.lot, compare=compare, unit=it.question.panel.unit, level=it.level)]


def _weighted(it: Request) -> list[Estimate]:
    y, compare = it.two_arms
    return [hajek(y, it.question.lot, compare=compare, unit=it.question.panel.unit, rng=it.rng, level=it.level)]


def _ancova(it: Request) -> list[Estimate]:
    """Lin's regression; strata of the lot enter by themselves."""
    y, compare = it.two_arms
    strata = it.question.protocol.strata.columns
    columns = {name: _column(it, name) for name in it.method.adjust if name not in strata}
    unit = it.question.panel.unit
    return [adjusted_difference(y, it.question.lot, columns, compare=compare, unit=unit, level=it.level)]


def _column(it: Request, name: str) -> Floats:
    """(n,) a covariate from the plan's list of units."""
    units = it.question.panel.units
    given = [it.facts.get(unit, {}).get(name, "") for unit in units]
    try:
        return np.array([float(value) for value in given])
    except ValueError:
        lacking = [unit for unit, value in zip(units, given, strict=True) if not _is_number(value)]
        raise EstimateError(
            f"The plan adjusts for {name}, and its list of units holds no number for {lacking[0]} and {len(lacking) - 1} "
            "others. A covariate has to be known before the draw: give it as a column of the units' file.",
            {"column": name, "units": lacking},
            da=f"Planen justerer for {name}, men dens liste over enheder rummer intet tal for {lacking[0]} og "
            f"{len(lacking) - 1} andre. Det, der justeres for, skal være kendt før lodtrækningen: giv det som en kolonne i "
            "filen over enheder.",
            code="E_NOT_BUILT",
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def rollout(it: Request) -> Rollout:
    """The answer of a rollout in waves, with its test through the lot where cohorts are small or the plan asks for it.

    Raises
    ------
    EstimateError
        ``E_NOT_BUILT``: there are no waves, or a unit lacks a period.
    """
    y, starts = _whole(it)
    question, sides = it.question, it.question.tail(it.method)
    inverted = it.method is question.primary and question.protocol.analysis.interval == "by_inverting_the_test"
    return staggered_by_lot(
        question.lot.design, question.lot.codes, y, starts, unit=question.panel.unit,
        test=True if inverted or sides != "distance" else None, sides=sides, level=it.level, draws=it.draws, rng=it.rng,
    )  # fmt: skip


def _staggered(it: Request) -> list[Estimate]:
    return [rollout(it).estimate]


def _event_study(it: Request) -> list[Estimate]:
    """One line for each number of periods since the start."""
    y, starts = _whole(it)
    lot = it.question.lot
    first = [starts[lot.design.label_names[code]] for code in lot.codes[lot.free].tolist()]
    study = staggered_event_study(
        items_of(lot, y, "cluster")[lot.free], np.array(first, object), unit=it.question.panel.unit,
        strata=lot.blocks[lot.free], level=it.level,
    )  # fmt: skip
    return [
        Estimate(
            term=f"{time:+d}", method=study.method, estimate=value, std_error=error, statistic=nan, df=nan, p_value=nan,
            smallest_p=nan, conf_low=low, conf_high=high, level=study.level, n_units=int(lot.free.sum()),
            n_allocations=0, mc_error=0.0, unit=study.unit,
        )
        for time, value, error, low, high in zip(
            study.event_time.tolist(), study.estimate.tolist(), study.std_error.tolist(), study.conf_low.tolist(),
            study.conf_high.tolist(), strict=True,
        )
    ]  # fmt: skip


def _whole(it: Request) -> tuple[Floats, dict[str, float | None]]:
    """(n, t) outcomes without gaps, and the place of the period each label starts in; interrupted periods go for all.

    Raises
    ------
    EstimateError
        Nothing starts by dates, or a unit lacks a period: these estimators compare whole rows.
    """
    question = it.question
    if not question.protocol.waves:
        raise not_built(f"{it.method.method} (without waves)")
    calendar = Calendar.of(question.panel.periods)
    keep = ~(it.excluded & question.panel.interrupted.any(axis=0))
    lost = ~question.seen(False) | (question.by_date() == LEFT_OUT)
    if gaps := int(lost[:, keep].sum()):
        raise EstimateError(
            f"{it.method.method} needs every unit in every period, and {gaps} unit-periods have no outcome or reach across "
            "the unit's own start. Filling them would be guessing.",
            {"cells": gaps, "method": it.method.method},
            da=f"{it.method.method} kræver alle enheder i alle perioder, men {gaps} enhedsperioder har intet udfald eller "
            "når hen over enhedens egen start. At fylde dem ud ville være at gætte.",
            code="E_NOT_BUILT",
        )
    first = calendar.first[keep]
    starts: dict[str, float | None] = {}
    for name, day in question.starts().items():
        place = np.inf if day is None else int(np.searchsorted(first, day.toordinal())) + 1
        starts[name] = float(place) if place <= len(first) else None
    kept = question.panel.only(tuple(np.array(question.panel.periods)[keep].tolist()))
    return counts(kept, per=question.counted_per), starts


_METHODS: Final[Mapping[str, Callable[[Request], list[Estimate]]]] = {
    "randomization_test": _randomization,
    "stepped_wedge_model": wedge,
    "mixed_model": wedge,
    "gee": gee,
    "glmm": glmm,
    "difference_in_means": _means,
    "weighted_difference": _weighted,
    "ancova": _ancova,
    "staggered_rollout": _staggered,
    "event_study": _event_study,
}


def estimates(it: Request, *, digests: tuple[str, ...]) -> list[Estimate]:
    """What the method finds, as registered answers about the outcome; several lines for an event study.

    Raises
    ------
    TrialkitError
        ``E_NOT_BUILT`` where there is no such method, otherwise whatever it refuses.
    """
    if it.method.method not in _METHODS:
        raise not_built(it.method.method)
    label = it.question.outcome.label.told("en")
    return [
        replace(one, term=f"{label}, {one.term}" if it.method.method == "event_study" else label, exploratory=False,
                digests=digests)
        for one in _METHODS[it.method.method](it)
    ]  # fmt: skip


def bounds(it: Request, name: str) -> Bounds:
    """Lee's bounds, or the worst case, where units did not report.

    Raises
    ------
    EstimateError
        ``E_NOT_BUILT`` for other ways with missing outcomes and for waves; nobody reported in an arm.
    """
    if name not in ("lee_bounds", "worst_case_bounds"):
        raise not_built(f"missing: {name}")
    y, treated = _two_sides(it)
    unit = it.question.panel.unit
    if name == "lee_bounds":
        return lee_bounds(y, treated, unit=unit, level=it.level)
    return manski_bounds(y, treated, unit=unit, support=_IN_UNIT.get(unit), level=it.level)


def reported(it: Request) -> Attrition:
    """How many units reported, arm by arm."""
    return attrition(*_two_sides(it))


def _two_sides(it: Request) -> tuple[Floats, Bools]:
    y, (new, usual) = it.two_arms
    codes, lot = it.question.labels, it.question.lot
    here = it.question.free & np.isin(codes, [lot.code(new), lot.code(usual)])
    return y[here], codes[here] == lot.code(new)


__all__ = ["Facts", "Request", "bounds", "estimates", "reported", "rollout"]
