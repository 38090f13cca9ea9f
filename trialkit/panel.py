"""Outcomes by unit and period: all that estimators take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import PanelError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING: Final = 1e-9  # a weighted count this much above its total, relative to it, is the total
_DATED: Final = re.compile(r"\d{4}(-?q[1-4]|-(0[1-9]|1[0-2]))?", re.ASCII)


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """One outcome, unit by period, in the order of ``units`` and ``periods``.

    Parameters
    ----------
    units : (n,) ids, ascending by their UTF-8 bytes, as in the design
    periods : (t,) labels, in time order, e.g. ``"2012-02"``; never assumed to be consecutive
    numerator : (n, t) float
        Events, or the sum of a measurement; nan where nothing was reported.
    denominator : (n, t) float, >= 0
        Children, families or rows the numerator is counted among; nan where nothing was reported.
    interrupted : (n, t) bool, optional
        Periods kept in the data but marked (a lockdown, a strike).
    unit : str
        What one step of the outcome means, e.g. ``"share"`` or ``"days"``.
    synthetic : bool
        Made up; every page made from it must say so.

    Raises
    ------
    PanelError
        Shapes disagree, something is no number, units are not in canonical order, a period stands twice or before its
        time, a count is negative or infinite, one of numerator and denominator is missing where the other is not, or a
        share (``unit="share"``) is below 0 or above 1; ``facts`` say where.
    """

    units: tuple[str, ...]
    periods: tuple[str, ...]
    numerator: Floats
    denominator: Floats
    interrupted: Bools = field(default_factory=lambda: np.zeros((0, 0), bool))
    unit: str = "share"
    synthetic: bool = False

    def __post_init__(self) -> None:
        for name in ("units", "periods"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        shape = (len(self.units), len(self.periods))
        if np.size(self.interrupted) == 0:
            object.__setattr__(self, "interrupted", np.zeros(shape, bool))
        for name in ("numerator", "denominator", "interrupted"):
            frozen = _as_numbers(name, _in_order(name, getattr(self, name), self.units, self.periods))
            _check_shape(name, frozen, shape)
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)
        _check_order(self.units)
        _check_periods(self.periods)
        _check_values(self)
        _names("unit", (self.unit,))
        if self.unit == "share":
            _check_shares(self)

    @property
    def observed(self) -> Bools:
        """(n, t) bool: something was reported."""
        return ~np.isnan(self.denominator)

    @property
    def value(self) -> Floats:
        """(n, t) numerator / denominator; nan where nothing was reported or the denominator is 0."""
        found: Floats = np.full(self.numerator.shape, np.nan)
        known = self.observed & (self.denominator > 0)
        found[known] = self.numerator[known] / self.denominator[known]
        return found

    def only(self, periods: Sequence[str]) -> Self:
        """The same panel with these periods, in the panel's own order.

        Raises
        ------
        PanelError
            The panel has no such period; ``facts["periods"]`` lists which.
        """
        missing = [period for period in periods if period not in self.periods]
        if missing:
            raise PanelError(
                f"The panel has no period {missing[0]!r}, so nothing can be compared there. "
                f"It holds {self.periods[0]} to {self.periods[-1]}.",
                {"periods": missing},
                da=f"Der er ingen periode {missing[0]!r} i tallene, så der kan intet sammenlignes. "
                f"De går fra {self.periods[0]} til {self.periods[-1]}.",
            )
        keep = [k for k, period in enumerate(self.periods) if period in set(periods)]
        return replace(
            self,
            periods=tuple(self.periods[k] for k in keep),
            numerator=self.numerator[:, keep],
            denominator=self.denominator[:, keep],
            interrupted=self.interrupted[:, keep],
        )

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Mapping[str, object]],
        *,
        units: Sequence[str],
        periods: Sequence[str],
        unit: str = "share",
    ) -> Self:
        """A panel from rows with ``unit``, ``period``, ``numerator``, ``denominator``; absent cells are nan.

        Raises
        ------
        PanelError
            A row is of no unit or period of the trial, stands there twice, or holds no number; ``facts["row"]`` counts
            from 1.
        """
        at_unit = {name: k for k, name in enumerate(units)}
        at_period = {name: k for k, name in enumerate(periods)}
        counts = np.full((2, len(units), len(periods)), np.nan)
        for number, row in enumerate(rows, start=1):
            where = at_unit.get(str(row["unit"])), at_period.get(str(row["period"]))
            if where[0] is None or where[1] is None:
                raise _misplaced(number, row)
            if not np.isnan(counts[0][where]):
                raise _twice(number, row)
            counts[0][where], counts[1][where] = _count(number, row, "numerator"), _count(number, row, "denominator")
        return cls(units=tuple(units), periods=tuple(periods), numerator=counts[0], denominator=counts[1], unit=unit)


def _names(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """The texts given, as a tuple."""
    if isinstance(given, str) or not isinstance(given, Iterable) or not all(isinstance(one, str) for one in given):
        raise PanelError(
            f"{name} must be texts, and {given!r} is not: nobody could say whose numbers these are. Write them out.",
            {"name": name},
            da=f"{name} skal være tekster, og {given!r} er det ikke: ingen kunne sige, hvis tal det er. Skriv dem ud.",
        )
    return tuple(given)


def _in_order(name: str, given: Any, units: tuple[str, ...], periods: tuple[str, ...]) -> Any:
    """A table with labels of its own, rows by unit and columns by period, in the panel's order; anything else as it is."""
    for axis, wanted in (("index", units), ("columns", periods)):
        own = getattr(given, axis, None)
        if own is None or callable(own) or list(own) == list(range(len(own))):
            continue
        place = {str(label): k for k, label in enumerate(own)}
        if len(place) != len(own) or set(place) != set(wanted):
            odd = sorted(set(place) ^ set(wanted))[:5]
            raise PanelError(
                f"The {axis} of {name} has other labels than the panel: {', '.join(odd) or 'one stands twice'}. A shifted "
                "table would credit one unit with another's outcome. Label rows by unit and columns by period, or give bare "
                "values.",
                {"name": name, "labels": list(place), "expected": list(wanted)},
                da=f"Navnene i {name} ({axis}) er andre end panelets: {', '.join(odd) or 'et navn står to gange'}. En forskudt "
                "tabel giver én enhed en andens tal. Navngiv rækker efter enhed og kolonner efter periode, eller giv de rene "
                "tal.",
            )
        order = [place[one] for one in wanted]
        given = given.iloc[order] if axis == "index" else given.iloc[:, order]
    return given


def _as_numbers(name: str, given: object) -> NDArray[np.generic]:
    """A copy as floats, or as truth values for ``interrupted``."""
    try:
        plain = np.array(given)
        if plain.dtype.kind in "biuf" or (plain.dtype.kind == "O" and not any(isinstance(k, str) for k in plain.flat)):
            return plain.astype(bool if name == "interrupted" else np.float64)
    except (TypeError, ValueError):  # rows of unlike lengths, or something that is no number
        pass
    raise PanelError(
        f"{name} holds something that is no number, so nothing can be counted. Convert texts such as '3,5' first, and leave "
        "what was not reported as nan.",
        {"name": name},
        da=f"{name} rummer noget, der ikke er et tal, så intet kan tælles. Lav tekster som '3,5' om først, og lad det, der "
        "ikke er indberettet, være nan.",
    )


def _check_shape(name: str, values: NDArray[np.generic], shape: tuple[int, int]) -> None:
    if values.shape != shape:
        raise PanelError(
            f"{name} has shape {values.shape}, and {shape[0]} units x {shape[1]} periods need {shape}. "
            "A shifted table would credit one unit with another's outcome. Give one row per unit.",
            {"name": name, "shape": values.shape, "expected": shape},
            da=f"{name} har formen {values.shape}, men {shape[0]} enheder x {shape[1]} perioder kræver {shape}. "
            "En forskudt tabel giver én enhed en andens tal. Giv én række pr. enhed.",
        )


def _check_order(units: tuple[str, ...]) -> None:
    if list(units) != sorted(set(units), key=str.encode):
        raise PanelError(
            "The units of a panel must be distinct and in canonical order (ascending UTF-8 bytes), because the "
            "design lists them so. Sort the rows with their units.",
            {"units": list(units)},
            da="Enhederne skal være forskellige og stå i kanonisk rækkefølge (stigende UTF-8-bytes), som i "
            "designet. Sortér rækkerne sammen med enhederne.",
        )


def _check_periods(periods: tuple[str, ...]) -> None:
    """Distinct; and in time order where the labels say what time they are: years, quarters or months."""
    twice = sorted({one for one in periods if periods.count(one) > 1})
    dated = all(_DATED.fullmatch(one.lower()) for one in periods)
    alike = len({len(one) for one in periods}) == 1 if dated else False
    early = [b for a, b in pairwise(periods) if alike and b.lower() < a.lower()]
    if twice or early:
        raise PanelError(
            f"The period {(twice or early)[0]!r} stands {'there twice' if twice else 'after a later one'}, so nobody knows "
            "what came before what. Give each period once, in time order, with its columns.",
            {"periods": twice or early},
            da=f"Perioden {(twice or early)[0]!r} står {'der to gange' if twice else 'efter en senere'}, så ingen ved, "
            "hvad der kom først. Angiv hver periode én gang, i tidsrækkefølge, sammen med dens kolonner.",
        )


def _check_shares(panel: Panel) -> None:
    """A share counts some of those it is counted among."""
    top, bottom = panel.numerator, panel.denominator
    wrong = (top < 0) | (top > bottom * (1 + ROUNDING))
    if wrong.any():
        unit, period = (int(k) for k in np.argwhere(wrong)[0])
        place = {"unit": panel.units[unit], "period": panel.periods[period], "cells": int(wrong.sum())}
        raise PanelError(
            f"{place['unit']} in {place['period']}: {top[unit, period]:g} of {bottom[unit, period]:g} is no share. Correct the "
            "counts, or say with unit= what the numbers are, e.g. unit='days'.",
            place,
            da=f"{place['unit']} i {place['period']}: {top[unit, period]:g} af {bottom[unit, period]:g} er ikke en andel. Ret "
            "tallene, eller sig med unit=, hvad de er, f.eks. unit='days'.",
        )


def _check_values(panel: Panel) -> None:
    top, bottom = panel.numerator, panel.denominator
    wrong = (np.isnan(top) != np.isnan(bottom)) | np.isinf(top) | np.isinf(bottom) | (bottom < 0)
    if wrong.any():
        unit, period = (int(k) for k in np.argwhere(wrong)[0])
        place = {"unit": panel.units[unit], "period": panel.periods[period], "cells": int(wrong.sum())}
        raise PanelError(
            f"{place['unit']} in {place['period']}: numerator {top[unit, period]} of {bottom[unit, period]} is not "
            "a count. Both must be given, or neither; a denominator is never negative.",
            place,
            da=f"{place['unit']} i {place['period']}: tæller {top[unit, period]} af {bottom[unit, period]} er ikke "
            "en optælling. Begge skal stå der, eller ingen af dem; en nævner er aldrig negativ.",
        )


def _count(number: int, row: Mapping[str, object], name: str) -> float:
    """A row's numerator or denominator."""
    try:
        return float(str(row[name]))
    except (KeyError, ValueError) as error:
        given = row.get(name, "")
        raise PanelError(
            f"Row {number}: {name} {given!r} is no number, so nothing can be counted. Write digits with a point, e.g. 3.5.",
            {"row": number, "name": name, "given": given},
            da=f"Række {number}: {name} {given!r} er ikke et tal, så intet kan tælles. Skriv cifre med punktum, f.eks. 3.5.",
        ) from error


def _misplaced(number: int, row: Mapping[str, object]) -> PanelError:
    return PanelError(
        f"Row {number}: unit {row['unit']!r} in period {row['period']!r} is not part of the trial, so its counts "
        "would be lost. Correct the row, or list the unit and the period.",
        {"row": number, "unit": row["unit"], "period": row["period"]},
        da=f"Række {number}: enhed {row['unit']!r} i periode {row['period']!r} hører ikke til forsøget, så tallene "
        "ville gå tabt. Ret rækken, eller tilføj enheden og perioden.",
    )


def _twice(number: int, row: Mapping[str, object]) -> PanelError:
    return PanelError(
        f"Row {number}: unit {row['unit']!r} in period {row['period']!r} stands there already, and nobody can tell "
        "which row is right. Keep one.",
        {"row": number, "unit": row["unit"], "period": row["period"]},
        da=f"Række {number}: enhed {row['unit']!r} i periode {row['period']!r} står der allerede, og ingen kan se, "
        "hvilken række der er rigtig. Behold én.",
    )
