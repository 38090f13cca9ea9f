"""The models a plan may register beside its primary answer, on the cells that the question counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.beside_request import Request
from trialkit.estimate.gee_wedge import gee_wedge
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.question import not_built
from trialkit.estimate.result import Estimate
from trialkit.estimate.wedge import stepped_wedge
from trialkit.estimate.wedge_panel import panel_cells
from trialkit.estimate.within_months import LEFT_OUT, STARTED

Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """The unit-periods of a model, all (m,): what was drawn, period, periods since its start, counts and people."""

    clusters: NDArray[np.str_]
    periods: NDArray[np.intp]
    exposure: NDArray[np.int64]
    top: Floats
    size: Floats

    @property
    def labels(self) -> dict[str, Any]:
        """What every model asks of a row."""
        return {"clusters": self.clusters, "periods": self.periods, "exposure": self.exposure}

    @property
    def share(self) -> bool:
        """Whether the counts tell everybody's 0 or 1."""
        top, size = self.top, self.size
        return bool((top == np.floor(top)).all() and (size == np.floor(size)).all() and (top <= size).all())


def _cells(it: Request) -> Cells:
    """The cells that count: seen, not left out by their window, of units that were drawn.

    Raises
    ------
    EstimateError
        The model groups people by something the records do not hold.
    """
    if it.method.partly_grouped is not None:
        raise _no_pairs(it.method.partly_grouped.by)
    question, panel = it.question, it.question.panel
    if question.protocol.waves:
        found = panel_cells(
            question.lot.design, question.lot.codes, panel, question.starts(), window_days=question.window_days,
            interruptions=not it.excluded,
        )  # fmt: skip
        return Cells(found.clusters, found.periods, found.exposure, found.numerator, found.sizes)
    state = question.by_date()
    unit, period = np.nonzero(question.seen(it.excluded) & (state != LEFT_OUT) & question.free[:, None])
    return Cells(
        clusters=np.array(question.lot.design.items)[question.lot.design.item_of_unit][unit],
        periods=period,
        exposure=(state == STARTED)[unit, period].astype(np.int64),
        top=panel.numerator[unit, period],
        size=panel.denominator[unit, period],
    )


def wedge(it: Request) -> list[Estimate]:
    """The mixed model of a wedge: of people, where a share's counts tell each of them; otherwise of unit-periods' means.

    With one mean per unit-period the variance between periods of a unit cannot be told from that within them, so means
    are not weighted and their residual holds both.
    """
    cells, unit = _cells(it), it.question.panel.unit
    if unit == "share" and cells.share:
        within = cells.top - cells.top**2 / cells.size
        fitted = stepped_wedge(cells.top / cells.size, sizes=cells.size, within=within, unit=unit, **cells.labels)
    else:
        fitted = stepped_wedge(cells.top / cells.size, random="cluster", unit=unit, **cells.labels)
    return [
        fitted.effect(df="normal" if it.method.small_sample_correction is False else "Kenward-Roger", level=it.level)
    ]


def gee(it: Request) -> list[Estimate]:
    """Estimating equations for a difference of shares; of a difference of means, with one mean per unit-period."""
    cells, unit = _cells(it), it.question.panel.unit
    if unit == "share" and cells.share:
        fitted = gee_wedge(cells.top, sizes=cells.size, family="binomial", link="identity", unit=unit, **cells.labels)
    else:
        fitted = gee_wedge(cells.top / cells.size, correlation="exchangeable", unit=unit, **cells.labels)
    return [fitted.effect(level=it.level)]


def glmm(it: Request) -> list[Estimate]:
    """The odds ratio of a share by maximum likelihood."""
    cells = _cells(it)
    if not (it.question.panel.unit == "share" and cells.share):
        raise not_built(f"glmm ({it.question.outcome.type})")
    fitted = stepped_wedge_counts(
        cells.top, family="binomial", sizes=cells.size, **cells.labels
    )  # fmt: skip
    return [fitted.effect(as_ratio=True, level=it.level)]


def _no_pairs(by: str) -> EstimateError:
    return EstimateError(
        f"The plan's model groups people by {by} in one arm, and the records hold no {by}. Without it the interval would "
        "be too narrow, so there is none.",
        {"column": by},
        da=f"Planens model samler personer efter {by} i den ene gruppe, men der er ikke indlæst noget {by}. Uden det ville "
        "intervallet være for smalt, så der gives intet.",
        code="E_NOT_BUILT",
    )


__all__ = ["gee", "glmm", "wedge"]
