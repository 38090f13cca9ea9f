"""A stepped wedge from a trial's own panel: who had started when comes from the lot and the waves' dates, from nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import one_of
from trialkit.estimate.mixed import Df
from trialkit.estimate.mixed_fit import Criterion
from trialkit.estimate.random_effects import Random
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_test import check_labels
from trialkit.estimate.wedge import Wedge, stepped_wedge
from trialkit.estimate.within_months import LEFT_OUT, STARTED, Calendar, states
from trialkit.panel import Panel

if TYPE_CHECKING:
    from trialkit.design.assignment import Assignment
    from trialkit.design.base import Codes, Design
    from trialkit.protocol.model import Protocol

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = Literal["persons", "cells"]

NOT_USED: Final = -1
FEW: Final = 12  # clusters up to which the test through the lot is the answer and a model stands beside it


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelCells:
    """The cells of a panel that a wedge is fitted on, as any model of rows takes them.

    Parameters
    ----------
    numerator, sizes : (cells,) float
        As the panel has them; their ratio is the cell's mean.
    clusters : (cells,) what was drawn
    periods : (cells,) int
        Places of the panel's periods.
    exposure : (cells,) int
        Periods since the unit's start, 1 in its first whole one; 0 before it.
    table : (n, t) int
        The same by unit and period; -1 where the cell was not used.
    units, labels : of the table's rows and columns
    left_out : (unit, period) cells with an outcome whose windows cross the unit's own start
    interrupted : (unit, period) cells left out as marked
    unit : what one step of a mean means
    """

    numerator: Floats
    sizes: Floats
    clusters: NDArray[np.str_]
    periods: NDArray[np.intp]
    exposure: Ints
    table: Ints
    units: tuple[str, ...]
    labels: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    interrupted: tuple[tuple[str, str], ...]
    unit: str


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelWedge:
    """A panel's stepped wedge, fitted: the model, its cells, and what a reader must know beside the numbers."""

    wedge: Wedge
    cells: PanelCells
    notes: tuple[str, ...]

    def effect(self, *, df: Df = "Kenward-Roger", level: float = 0.95) -> Estimate:
        """The effect as `Wedge.effect` gives it; ``n_units`` counts what was drawn."""
        return self.wedge.effect(df=df, level=level)


def starts_of(protocol: Protocol, design: Design) -> dict[str, date | None]:
    """When each label of the design starts, by the protocol's waves; a label that is no wave never does."""
    dates = {wave.id: wave.start for wave in protocol.waves}
    return {name: dates.get(name) for name in design.label_names}


def panel_cells(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    panel: Panel,
    starts: Mapping[str, date | None],
    *,
    window_days: int = 0,
    interruptions: bool = True,
) -> PanelCells:
    """The cells of what the lot decided about, with their exposure by the lot and the calendar.

    Parameters
    ----------
    design, drawn : what was drawn from, and what the lot gave; units fixed beforehand are not compared
    panel : at least the design's units, by month, quarter or year; other units (pilots) are not compared
    starts : date of each label, None for one that never starts (`starts_of` reads them from the protocol)
    window_days : int
        How long an outcome may take; cells whose windows cross the unit's own start are left out and listed
        (`trialkit.estimate.within_months.states`).
    interruptions : whether marked cells are used

    Raises
    ------
    EstimateError
        A label without a start, a drawn unit the panel lacks, periods of different lengths, or no period in which some
        had started and some waited.
    """
    check_labels(starts, design.label_names)
    lot = Drawn.of(design, drawn)
    place = _rows_of(design, panel)
    labels = lot.codes[design.item_of_unit]
    exposure, crossing = _exposures(panel.periods, [_start(starts, name) for name in design.label_names], window_days)
    time, cross = exposure[labels], crossing[labels]
    seen = (panel.observed & (panel.denominator > 0))[place] & lot.free[design.item_of_unit][:, None]
    marked = seen & panel.interrupted[place] & (not interruptions)
    used = seen & ~cross & ~marked
    _check_both(time, used)
    clusters, ids = np.asarray(design.items)[design.item_of_unit], tuple(panel.units[k] for k in place)
    return PanelCells(
        numerator=panel.numerator[place][used], sizes=panel.denominator[place][used],
        clusters=np.repeat(clusters, used.sum(axis=1)), periods=np.nonzero(used)[1], exposure=time[used],
        table=np.where(used, time, NOT_USED), units=ids, labels=panel.periods,
        left_out=_named(seen & cross & ~marked, ids, panel.periods), interrupted=_named(marked, ids, panel.periods),
        unit=panel.unit,
    )  # fmt: skip


def wedge_of_panel(
    design: Design,
    drawn: Assignment | Sequence[str] | Codes,
    panel: Panel,
    starts: Mapping[str, date | None],
    *,
    effect: str = "immediate",
    random: Random = "nested",
    rows: Rows = "persons",
    within: float | None = None,
    window_days: int = 0,
    interruptions: bool = True,
    by: Criterion = "REML",
) -> PanelWedge:
    """The mixed model of a stepped wedge on a panel's cells, for what the lot decided about.

    Parameters
    ----------
    design, drawn, panel, starts, window_days, interruptions : as in `panel_cells`
    effect, random, by : as in `stepped_wedge`; the clusters are what was drawn
    rows : ``persons`` or ``cells``
        A share's numerator and denominator say everything of its persons: their 0s and 1s are fitted, exactly, from the
        counts (a linear probability model).  A measurement's persons are fitted if ``within`` is known.  ``cells`` takes
        each mean as one row, weighted by its denominator; the variance between cells cannot be told from the persons'
        then, so that ``random`` must be ``cluster`` or a random treatment effect.
    within : float > 0, optional
        Variance of one person about the cell's mean, in ``panel.unit`` squared, for measurements.

    Raises
    ------
    EstimateError
        As `panel_cells` and `stepped_wedge`; numerators that are no counts of persons.

    References
    ----------
    Hooper et al. (2016), doi:10.1002/sim.7028.
    """
    cells = panel_cells(design, drawn, panel, starts, window_days=window_days, interruptions=interruptions)
    wedge = stepped_wedge(
        cells.numerator / cells.sizes, clusters=cells.clusters, periods=cells.periods, exposure=cells.exposure,
        unit=cells.unit, effect=effect, random=random, by=by, **_persons(cells.numerator, cells.sizes, rows, within),
    )  # fmt: skip
    return PanelWedge(wedge=wedge, cells=cells, notes=(*_few(len(wedge.fit.clusters)), *wedge.fit.notes))


def _rows_of(design: Design, panel: Panel) -> list[int]:
    """The panel's row of each of the design's units."""
    if not isinstance(panel, Panel):
        raise EstimateError(
            f"The panel is a {type(panel).__name__}, which does not say whose numbers it holds, or when. Give a "
            "trialkit.Panel.",
            {"type": type(panel).__name__},
            da=f"Panelet er {type(panel).__name__}, som ikke siger, hvis tal det rummer, eller hvornår. Giv et trialkit.Panel.",
        )
    units = getattr(design, "units", None)
    ids = design.items if units is None else tuple(units.ids)
    at = {unit: k for k, unit in enumerate(panel.units)}
    if missing := [unit for unit in ids if unit not in at]:
        raise EstimateError(
            f"The panel holds nothing of {', '.join(missing[:5])}, which were drawn. Record what these units reported, or "
            "that they reported nothing.",
            {"units": missing},
            da=f"Tallene rummer intet om {', '.join(missing[:5])}, som var med i lodtrækningen. Indlæs det, enhederne har "
            "indberettet, eller at de intet har indberettet.",
        )
    return [at[unit] for unit in ids]


def _start(starts: Mapping[str, date | None], label: str) -> date | None:
    if label not in starts:
        raise EstimateError(
            f"Label {label!r} has no start, so nobody can say who was waiting. Give a date, or None for one that never "
            "starts.",
            {"label": label},
            da=f"{label!r} har ingen startdato, så ingen kan sige, hvem der ventede. Angiv en dato, eller None hvis den "
            "aldrig starter.",
        )
    start = starts[label]
    if start is not None and not isinstance(start, date):
        raise EstimateError(
            f"The start of {label!r} is {start!r}, which is no date. Give a datetime.date, or None for one that never starts.",
            {"label": label, "start": repr(start)},
            da=f"Starten for {label!r} er {start!r}, som ikke er en dato. Angiv en datetime.date, eller None hvis den aldrig "
            "starter.",
        )
    return start


def _exposures(periods: Sequence[str], starts: Sequence[date | None], window_days: int) -> tuple[Ints, Bools]:
    """(labels, t) periods since the start, by the calendar and whatever the panel lacks; and where windows cross it."""
    calendar = Calendar.of(periods)
    state = states(calendar, starts, window_days=window_days)
    first = [date.fromordinal(int(day)) for day in calendar.first]
    length = {
        _months(date.fromordinal(int(last) + 1)) - _months(day) for last, day in zip(calendar.last, first, strict=True)
    }
    if len(length) != 1:
        raise EstimateError(
            "The panel's periods have different lengths, so nobody can count periods since a start. Give months, quarters "
            "or years throughout.",
            {"periods": list(periods)},
            da="Tallenes perioder er ikke lige lange, så ingen kan tælle perioder siden start. Brug måneder, kvartaler "
            "eller år hele vejen.",
        )
    (months,) = length
    at = np.array([_months(day) for day in first])
    time = np.zeros(state.shape, np.int64)
    for row, start in enumerate(starts):
        if start is not None:
            begun = -(-(_months(start) + (start.day > 1)) // months) * months  # the first whole period
            time[row] = np.where(state[row] == STARTED, (at - begun) // months + 1, 0)
    return time, state == LEFT_OUT


def _months(day: date) -> int:
    return day.year * 12 + day.month - 1


def _persons(top: Floats, size: Floats, rows: Rows, within: float | None) -> dict[str, Any]:
    """How `stepped_wedge` is told who stands behind the means."""
    one_of(rows, get_args(Rows), "rows")
    if rows == "cells":
        return {"weights": size}
    whole = bool((size == np.floor(size)).all())
    if within is not None and whole and within > 0:
        return {"sizes": size, "within": within * (size - 1)}
    if within is not None or not (whole and ((top >= 0) & (top <= size) & (top == np.floor(top))).all()):
        raise EstimateError(
            "The numerators are not counts of persons among the denominators, or `within` is no variance, so nothing says "
            "how persons vary. Give `within` (the variance of one person about the cell's mean, above 0) with whole "
            "denominators, or rows='cells'.",
            {"whole_denominators": whole, "within": within},
            da="Tællerne er ikke antal personer blandt nævnerne, eller `within` er ikke en varians, så intet siger, hvor "
            "meget personer varierer. Angiv `within` (én persons varians om feltets gennemsnit, over 0) med hele nævnere, "
            "eller rows='cells'.",
        )
    return {"sizes": size, "within": top - top**2 / size}


def _check_both(time: Ints, used: Bools) -> None:
    if not (((time > 0) & used).any(axis=0) & ((time == 0) & used).any(axis=0)).any():
        raise EstimateError(
            "No period has both units that had started and units that waited with whole windows, so there is nothing to "
            "compare. Look at more periods, or a shorter window.",
            {"cells": int(used.sum())},
            da="Ingen periode har både enheder, der var begyndt, og enheder, der ventede, med hele vinduer, så der er intet "
            "at sammenligne. Tag flere perioder med, eller vælg et kortere vindue.",
        )


def _named(cells: Bools, units: Sequence[str], periods: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((units[u], periods[t]) for u, t in np.argwhere(cells))


def _few(n_clusters: int) -> tuple[str, ...]:
    if n_clusters > FEW:
        return ()
    return (
        f"{n_clusters} clusters are few for any model: the test through the lot is the answer, and this stands beside it.",
    )


__all__ = ["PanelCells", "PanelWedge", "panel_cells", "starts_of", "wedge_of_panel"]
