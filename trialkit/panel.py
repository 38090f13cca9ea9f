"""Outcomes by unit and period: all that estimators take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import PanelError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
        Shapes disagree, units are not in canonical order, a count is negative or infinite, or one of
        numerator and denominator is missing where the other is not; ``facts`` say where.
    """

    units: tuple[str, ...]
    periods: tuple[str, ...]
    numerator: Floats
    denominator: Floats
    interrupted: Bools = field(default_factory=lambda: np.zeros((0, 0), bool))
    unit: str = "share"
    synthetic: bool = False

    def __post_init__(self) -> None:
        shape = (len(self.units), len(self.periods))
        if np.size(self.interrupted) == 0:
            object.__setattr__(self, "interrupted", np.zeros(shape, bool))
        for name in ("numerator", "denominator", "interrupted"):
            frozen = np.array(getattr(self, name), bool if name == "interrupted" else np.float64)
            _check_shape(name, frozen, shape)
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)
        _check_order(self.units)
        _check_values(self)

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
            A row is of no unit or period of the trial, or stands there twice; ``facts["row"]`` counts from 1.
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
            counts[0][where], counts[1][where] = float(str(row["numerator"])), float(str(row["denominator"]))
        return cls(units=tuple(units), periods=tuple(periods), numerator=counts[0], denominator=counts[1], unit=unit)


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
