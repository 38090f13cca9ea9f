"""Separation: fixed effects that the likelihood pushes to infinity, found before anything is fitted."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import linprog

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.glmm_cells import CountCells

SEEN: Final = 1e-7  # of a direction's largest entry: what is smaller is the rounding of the linear program


def check_separation(cells: CountCells, names: tuple[str, ...]) -> None:
    """Refuse data in which some direction of the fixed effects can grow without end and never fits worse.

    A cell with events and non-events (binomial), or with events (Poisson), holds its linear predictor; a cell with
    only events may move up, one without events down.  If a direction moves some cell and none the wrong way, every
    cluster's likelihood grows along it whatever its random effects are, so the marginal likelihood has no maximum.

    Raises
    ------
    EstimateError
        ``E_SEPARATION``; ``facts["terms"]`` lists the terms whose coefficient has no finite estimate.

    References
    ----------
    Albert & Anderson (1984), doi:10.1093/biomet/71.1.1; counts: Correia, Guimaraes & Zylkin (2019), arXiv:1903.01633.
    The linear program is that of Konis (2007), sections 3 and 4.
    """
    direction = separating(cells)
    if direction is None:
        return
    terms = [name for name, moved in zip(names, direction, strict=True) if moved]
    raise EstimateError(
        f"The outcome is separated: {', '.join(terms)} can grow without end and the model only fits better, as where a "
        "period or an arm has no events at all. No estimate or error would mean anything. Merge such periods, leave the "
        "term out, or use the randomization test, which needs no model.",
        {"terms": terms},
        da=f"Udfaldet er adskilt: {', '.join(terms)} kan vokse uden ende, og modellen passer kun bedre, som når en "
        "periode eller en gruppe slet ingen hændelser har. Intet skøn og ingen usikkerhed ville betyde noget. Slå "
        "sådanne perioder sammen, udelad leddet, eller brug randomiseringstesten, som ingen model skal bruge.",
        code="E_SEPARATION",
    )


def separating(cells: CountCells) -> np.ndarray | None:
    """(p,) which fixed effects a separating direction moves; None where there is none."""
    size = np.abs(cells.x).max(axis=0)
    x = cells.x / np.where(size > 0, size, 1)
    none, every = cells.events == 0, np.zeros(len(x), bool)
    if cells.family == "binomial":
        every = cells.events == cells.sizes
    held = x[~(none | every)]
    free = null_space(held) if len(held) else np.eye(x.shape[1])
    if not free.shape[1]:
        return None
    signed = np.concatenate([-x[none], x[every]]) @ free
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    direction = np.asarray(found.x, np.float64)
    return _moved(free, direction) if float((signed @ direction).sum()) > SEEN else None


def _moved(free: Floats, found: Floats) -> np.ndarray:
    direction = np.abs(free @ found)
    return np.asarray(direction > SEEN * direction.max())


__all__ = ["check_separation", "separating"]
