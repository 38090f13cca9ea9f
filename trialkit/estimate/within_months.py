"""The difference within months: each month, units that have started against units that wait.

For a rollout in waves every month compares within itself, so a trend over calendar time cannot pass for an effect.
Which unit-months count depends on the allocation (a window that crosses the unit's own start is left out), so the
coefficients are found anew for every allocation: here for many at once, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.whole import check_whole
from trialkit.panel import Panel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

STARTED: Final = 1
WAITING: Final = 0
LEFT_OUT: Final = -1
NEVER: Final = date.max.toordinal()

_PERIOD: Final = re.compile(r"(?P<year>\d{4})(?:-?(?:q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?", re.ASCII)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Calendar:
    """Periods with the first and last day of each, as proleptic ordinals (``date.toordinal``); both (t,)."""

    periods: tuple[str, ...]
    first: Ints
    last: Ints

    @classmethod
    def of(cls, periods: Sequence[str]) -> Self:
        """Months ``2012-02``, quarters ``2012q1`` or ``2012-Q1``, years ``2012``.

        Raises
        ------
        EstimateError
            A label is none of these; ``facts["period"]`` says which.
        """
        bounds = np.array([_bounds(period) for period in periods], np.int64).reshape(-1, 2)
        return cls(periods=tuple(periods), first=bounds[:, 0], last=bounds[:, 1])

    @classmethod
    def between(cls, start: date, end: date, *, months: int = 1) -> Self:
        """Every month (``months`` 1), quarter (3) or year (12) with at least one day from ``start`` to ``end``."""
        number = start.year * 12 + (start.month - 1) // months * months
        labels: list[str] = []
        while number <= end.year * 12 + end.month - 1:
            year, month = divmod(number, 12)
            labels.append({1: f"{year}-{month + 1:02d}", 3: f"{year}q{month // 3 + 1}", 12: f"{year}"}[months])
            number += months
        return cls.of(labels)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Contrast:
    """The estimate of every allocation as a weighted sum of unit-period means.

    Parameters
    ----------
    coefficients : (k, n, t) float
        ``estimate[k] = sum(coefficients[k] * y)``; in every period they sum to 0 (so a period's level drops out),
        over started cells to 1 and over waiting cells to -1 in all.  All 0 where no period has both arms.
    used : (k, t) bool
        Periods in which both started and waiting units are seen; the others are dropped.
    states : (n_labels, t) int8
        1 started, 0 waiting, -1 left out because the label's start falls within the period or its window.
    """

    coefficients: Floats
    used: Bools
    states: NDArray[np.int8]

    @property
    def usable(self) -> Bools:
        """(k,) bool: the allocation has at least one period with both arms; without one there is no estimate."""
        return np.asarray(self.used.any(axis=1), bool)

    def estimates(self, values: Floats) -> Floats:
        """The estimate under every allocation, nan where it has none.

        Parameters
        ----------
        values : (n, t) or (r, n, t) float
            Unit-period means of one outcome, or of ``r`` of them; cells that carry no weight may be nan.

        Returns
        -------
        (k,) or (k, r) float
        """
        flat = np.nan_to_num(values, copy=True).reshape(*values.shape[:-2], -1)
        found: Floats = self.coefficients.reshape(len(self.coefficients), -1) @ flat.T
        found[~self.usable] = np.nan
        return found

    def left_out(self, allocation: Sequence[int] | NDArray[np.integer]) -> Bools:
        """(n, t) bool: cells of this allocation whose windows cross the unit's own start."""
        found: Bools = self.states[np.asarray(allocation)] == LEFT_OUT
        return found


def start_dates(names: Sequence[str], starts: Mapping[str, date | None]) -> tuple[date | None, ...]:
    """The start of each label, in the order of ``names``.

    Raises
    ------
    EstimateError
        ``starts`` is no mapping, lacks a label, has one that is none, or holds something that is neither date nor None.
    """
    if not isinstance(starts, Mapping):
        raise EstimateError(
            f"starts is {type(starts).__name__}, and a start is needed for each of {', '.join(names)}. Give a dictionary, "
            "label to date, None for one that never starts.",
            {"labels": list(names)},
            da=f"starts er {type(starts).__name__}, men der skal en startdato til hver af {', '.join(names)}. Giv en ordbog, "
            "navn til dato, None hvis den aldrig starter.",
        )
    if missing := [name for name in names if name not in starts]:
        raise EstimateError(
            f"Label {missing[0]!r} has no start, so nobody can say who was waiting. Give a date, or None for one "
            "that never starts.",
            {"labels": missing},
            da=f"{missing[0]!r} har ingen startdato, så ingen kan sige, hvem der ventede. Angiv en dato, eller None "
            "hvis den aldrig starter.",
        )
    wrong = [name for name in starts if name not in names or not isinstance(starts[name], date | None)]
    if wrong:
        raise EstimateError(
            f"starts says {starts[wrong[0]]!r} of {wrong[0]!r}, which is no date of a label of the design "
            f"({', '.join(names)}). Give a datetime.date for each, or None for one that never starts.",
            {"labels": wrong},
            da=f"starts siger {starts[wrong[0]]!r} om {wrong[0]!r}, og det er ikke en dato for et navn i designet "
            f"({', '.join(names)}). Giv en datetime.date for hvert, eller None hvis det aldrig starter.",
        )
    return tuple(starts[name] for name in names)


def check_panel(panel: object) -> None:
    """Refuse anything but a `Panel`, since bare numbers do not say whose they are, and values too large to be squared.

    Raises
    ------
    EstimateError
        As said.
    """
    if not isinstance(panel, Panel):
        raise EstimateError(
            f"panel is {type(panel).__name__}, which does not say which units and periods its numbers are of. Give a "
            "trialkit.Panel.",
            {"type": type(panel).__name__},
            da=f"panel er {type(panel).__name__} og siger ikke, hvilke enheder og perioder tallene gælder. Giv en "
            "trialkit.Panel.",
        )
    if panel.numerator.size:
        check_whole(panel.value[np.isfinite(panel.value)], None, "panel")


def states(calendar: Calendar, starts: Sequence[date | None], *, window_days: int = 0) -> NDArray[np.int8]:
    """Whether someone born in a period of the calendar met the new way: per label and period.

    A birth on day d is observed from d to d + ``window_days``.  It is started if start <= d, and waiting if its
    whole window ends before the start (d + window < start).  Between the two (d < start <= d + window) the window
    crosses the start.  A period counts only if it is the same for each of its days: started if its first day is on
    or after the start, waiting if the window of its last day ends before the start, otherwise left out.  This holds
    without a window too: a start in the middle of a month leaves that month out.

    Parameters
    ----------
    starts : one date per label; None for a label that never starts
    window_days : int >= 0

    Returns
    -------
    (n_labels, t) int8 of `STARTED`, `WAITING`, `LEFT_OUT`

    Raises
    ------
    EstimateError
        The window is negative.
    """
    if isinstance(window_days, bool) or not isinstance(window_days, int | np.integer) or window_days < 0:
        raise EstimateError(
            f"A window of {window_days!r} days is no number of days, or ends before it begins, so no outcome could be "
            "counted. Give a whole number, 0 or more.",
            {"window_days": window_days},
            da=f"Et vindue på {window_days!r} dage er intet antal dage, eller slutter, før det begynder, så intet kan tælles. "
            "Angiv et helt tal, 0 eller mere.",
        )
    start = np.array([NEVER if day is None else day.toordinal() for day in starts], np.int64)[:, None]
    found = np.full((len(start), len(calendar.periods)), LEFT_OUT, np.int8)
    found[calendar.last[None, :] + window_days < start] = WAITING
    found[calendar.first[None, :] >= start] = STARTED
    return found


def contrast(
    codes: Codes,
    calendar: Calendar,
    starts: Sequence[date | None],
    *,
    window_days: int = 0,
    sizes: Floats | None = None,
    observed: Bools | None = None,
) -> Contrast:
    """Coefficients of the difference within months, for many allocations at once.

    In each period the mean of the started units minus the mean of the waiting ones; periods weigh
    n_t n_c / (n_t + n_c), and those without both arms are dropped.

    Parameters
    ----------
    codes : (k, n) int
        One allocation per row: each unit's label, as its place in ``starts``.
    starts : one date per label; None for a label that never starts
    window_days : int
        How long after birth an event may still count (`states`).
    sizes : (n, t) float, optional
        Children per unit and period, when the estimand counts per child: means and n_t, n_c are then of children,
        and a cell with 0 or nan has no mean and is not used.  Left out, every unit counts the same.
    observed : (n, t) bool, optional
        Cells with an outcome; the others are not used.

    Returns
    -------
    Contrast
        ``coefficients`` is (k, n, t): for large k ask in chunks.

    Raises
    ------
    EstimateError
        ``sizes`` or ``observed`` has another shape than units x periods, or the window is negative.

    References
    ----------
    The weights are those of least squares with one level per period and a constant effect (Frisch and Waugh 1933,
    doi:10.2307/1907330), for cells of equal precision per unit or per child.
    """
    allocations = np.atleast_2d(codes)
    weight = _cell_weights((allocations.shape[1], len(calendar.periods)), sizes, observed)
    state = states(calendar, starts, window_days=window_days)
    cell = state[allocations]  # (k, n, t)
    coefficients, used = _coefficients(np.where(cell == STARTED, weight, 0.0), np.where(cell == WAITING, weight, 0.0))
    return Contrast(coefficients=coefficients, used=used, states=state)


def _coefficients(started: Floats, waiting: Floats) -> tuple[Floats, Bools]:
    """From the cells' weights in either arm (k, n, t), the coefficients and the periods with both arms (k, t)."""
    n_started, n_waiting = started.sum(axis=1), waiting.sum(axis=1)
    used = (n_started > 0) & (n_waiting > 0)
    n_started, n_waiting = np.where(used, n_started, 1.0), np.where(used, n_waiting, 1.0)
    information = np.where(used, n_started * n_waiting / (n_started + n_waiting), 0.0)
    total = information.sum(axis=1, keepdims=True)
    share = information / np.where(total > 0, total, 1.0)
    found = started * (share / n_started)[:, None, :] - waiting * (share / n_waiting)[:, None, :]
    return found, used


def _cell_weights(shape: tuple[int, int], sizes: Floats | None, observed: Bools | None) -> Floats:
    """(n, t): how much each cell counts in the mean of its arm; 0 where there is nothing to count."""
    for name, given in (("sizes", sizes), ("observed", observed)):
        if given is not None and given.shape != shape:
            raise EstimateError(
                f"`{name}` has shape {given.shape}, and {shape[0]} units x {shape[1]} periods need {shape}. A shifted "
                "table would weigh one unit by another's children. Give one row per unit, one column per period.",
                {"name": name, "shape": given.shape, "expected": shape},
                da=f"`{name}` har formen {given.shape}, men {shape[0]} enheder x {shape[1]} perioder kræver {shape}. "
                "En forskudt tabel ville veje én enhed med en andens børn. Giv én række pr. enhed.",
            )
    weight = np.ones(shape) if sizes is None else np.nan_to_num(np.asarray(sizes, np.float64), copy=True)
    return weight if observed is None else np.where(observed, weight, 0.0)


def _bounds(period: str) -> tuple[int, int]:
    """First and last day of a month, quarter or year."""
    found = _PERIOD.fullmatch(period.strip().lower())
    if not found:
        raise EstimateError(
            f"{period!r} is not a month, quarter or year, so nobody can say who had started by then. "
            "Write 2012-02, 2012q1 or 2012.",
            {"period": period},
            da=f"{period!r} er ikke en måned, et kvartal eller et år, så ingen kan sige, hvem der var begyndt. "
            "Skriv 2012-02, 2012q1 eller 2012.",
        )
    year = int(found["year"])
    if found["month"]:
        first, length = int(found["month"]), 1
    elif found["quarter"]:
        first, length = 3 * int(found["quarter"]) - 2, 3
    else:
        first, length = 1, 12
    after = year * 12 + first - 1 + length
    return date(year, first, 1).toordinal(), date(after // 12, after % 12 + 1, 1).toordinal() - 1
