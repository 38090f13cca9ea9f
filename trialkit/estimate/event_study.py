"""What is averaged in a staggered rollout, and the one frame that every event study comes in.

An effect belongs to a cell: a cohort in a period in which it is treated and some later cohort is not.  An estimand is
a table of weights over cells; from it follow the contrast of cohort means that estimates it, and the same contrast
in the last period before each cohort's start, which estimates nothing but chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cohorts import Floats, Ints, unknown

if TYPE_CHECKING:
    import pandas as pd

Named = Literal["simple", "cohort", "calendar"]
Estimand = Named | int | Floats  # a name, an event time, or weights (g, t)
Control = Literal["not_yet_treated", "last"]
NAMED = ("simple", "cohort", "calendar")


class Contrasts(NamedTuple):
    """Rows of coefficients on the cohort means, (g, t) each."""

    effect: Floats  # A_theta: after the start
    before: Floats  # A_0: in the last period before it; 0 for a cohort without one


def cells(starts: Ints, n_periods: int) -> NDArray[np.bool_]:
    """(g, t) bool: treated, while a later cohort is still waiting."""
    t = np.arange(n_periods)
    return np.asarray((t >= starts[:, None]) & (t < starts.max(initial=0)))


def event_times(starts: Ints, n_periods: int) -> Ints:
    """Event times that some cell has, ascending; 0 is the first treated period."""
    where = np.argwhere(cells(starts, n_periods))
    return np.unique(where[:, 1] - starts[where[:, 0]])


def weights(starts: Ints, sizes: Ints, n_periods: int, estimand: Estimand) -> Floats:
    """(g, t) the weight of each cell; they sum to 1.

    ``simple``: all cells, by cohort size.  ``cohort``: each cohort's mean over its cells, by cohort size.  ``calendar``:
    each period's mean by cohort size, periods alike.  A whole number: the cells of that event time, by cohort size.
    An array: the user's own.

    Raises
    ------
    EstimateError
        No cell (everybody starts at once, or nobody), an unknown name, or own weights on what is no cell.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, section 2.2, equations (2) to (5).
    """
    here = cells(starts, n_periods)
    if isinstance(estimand, np.ndarray):
        return _own(np.asarray(estimand, np.float64), here)
    by_size: Floats = np.where(here, sizes[:, None], 0).astype(np.float64)
    if not isinstance(estimand, str):
        by_size *= np.arange(n_periods) - starts[:, None] == estimand
    if not by_size.any():
        raise _nothing(estimand)
    if estimand == "cohort":
        by_size /= np.maximum(here.sum(axis=1, keepdims=True), 1)
    elif estimand == "calendar":
        by_size /= np.maximum(by_size.sum(axis=0), 1)
    elif isinstance(estimand, str) and estimand != "simple":
        raise unknown("estimand", estimand, NAMED)
    found: Floats = by_size / by_size.sum()
    return found


def contrasts(starts: Ints, sizes: Ints, weight: Floats, control: Control = "not_yet_treated") -> Contrasts:
    """The contrasts of the weights (g, t): each cell against the cohorts still waiting, or against the last one alone.

    The comparison before the start is with the same cohorts as after it, in the last period before the cell's own
    start.  A cohort treated from the first period on has none; its cells count in the effect only.  ``starts`` and
    ``sizes`` are (g,).  Cells without a cohort to compare with are refused.

    References
    ----------
    Roth and Sant'Anna (2023), doi:10.1086/726581, section 3.1: theta_0 and X; with beta = 1 Callaway and Sant'Anna
    (2021), with ``last`` Sun and Abraham (2021).
    """
    n_periods = weight.shape[1]
    waiting = starts[:, None] > np.arange(n_periods)
    if control == "last":
        waiting &= (starts == starts.max())[:, None]
    elif control != "not_yet_treated":
        raise unknown("control", control, ("not_yet_treated", "last"))
    share = waiting * sizes[:, None]
    share = share / np.maximum(share.sum(axis=0), 1)  # (g, t)
    effect = weight - share * weight.sum(axis=0)
    before = np.zeros_like(effect)
    for g, start in enumerate(starts):
        if start > 0:
            before[:, min(start, n_periods) - 1] -= share @ weight[g]
            before[g, min(start, n_periods) - 1] += weight[g].sum()
    return Contrasts(effect, before)


def placebos(starts: Ints, n_periods: int) -> Floats:
    """(m, g, t) every comparison of neighbouring cohorts before either started: a base of all that estimate 0.

    References
    ----------
    Roth and Sant'Anna (2023), section 3.1: the vector X of all comparisons of cohorts not yet treated.
    """
    found: list[Floats] = []
    for t in range(n_periods):
        waiting = np.flatnonzero(starts > t)
        for a, b in pairwise(waiting):
            row = np.zeros((starts.size, n_periods))
            row[a, t], row[b, t] = 1.0, -1.0
            found.append(row)
    return np.array(found).reshape(-1, starts.size, n_periods)


@dataclass(frozen=True, eq=False, kw_only=True)
class EventStudy:
    """Effects by time since the start, whatever estimated them.  Numbers are in ``unit``.

    Parameters
    ----------
    event_time : (l,) int; 0 is the first treated period (exposure 1), negative ones are placebos
    estimate, std_error : (l,) float; the error is nan where the value is 0 by construction
    covariance : (l, l) float
    conf_low, conf_high : (l,) float, each at ``level``
    band_low, band_high : (l,) float, all at once at ``level``; nan where no band was asked for
    method, control : str, what estimated them and whom it compared with
    drawn_by_lot : bool; without a lot no causal word is printed
    notes : what the reader must know, such as why an interval is missing
    """

    event_time: Ints
    estimate: Floats
    std_error: Floats
    covariance: Floats
    conf_low: Floats
    conf_high: Floats
    band_low: Floats
    band_high: Floats
    level: float
    method: str
    control: str
    unit: str
    drawn_by_lot: bool
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per event time; frames of several estimators stack."""
        import pandas as pd

        columns: Mapping[str, object] = {
            "event_time": self.event_time, "exposure": self.event_time + 1, "estimate": self.estimate,
            "std_error": self.std_error, "conf_low": self.conf_low, "conf_high": self.conf_high,
            "band_low": self.band_low, "band_high": self.band_high, "level": self.level, "method": self.method,
            "control": self.control, "unit": self.unit, "drawn_by_lot": self.drawn_by_lot,
        }  # fmt: skip
        return pd.DataFrame(columns)


def _own(weight: Floats, here: NDArray[np.bool_]) -> Floats:
    if weight.shape != here.shape or (weight[~here] != 0).any() or not np.isfinite(weight).all():
        raise EstimateError(
            f"Own weights need shape {here.shape} (cohorts x periods) and 0 wherever a cohort is not yet treated or "
            "nobody is left to compare with; elsewhere they would weigh what the data cannot show. Correct the table.",
            {"shape": weight.shape, "expected": here.shape},
            da=f"Egne vægte skal have formen {here.shape} (hold x perioder) og være 0, hvor holdet ikke er begyndt, "
            "eller hvor ingen er tilbage at sammenligne med. Ret tabellen.",
        )
    return weight


def _nothing(estimand: object) -> EstimateError:
    return EstimateError(
        f"No cohort is treated in a period in which another one still waits (estimand {estimand!r}), so there is "
        "nothing to compare. Choose other event times, or earlier periods.",
        {"estimand": str(estimand)},
        da="Intet hold er begyndt i en periode, hvor et andet stadig venter, så der er intet at sammenligne. Vælg andre "
        "tidspunkter eller tidligere perioder.",
    )


__all__ = [
    "Contrasts", "Control", "Estimand", "EventStudy", "Named", "cells", "contrasts", "event_times", "placebos",
    "weights",
]  # fmt: skip
