"""What every cluster tells of an effect: generalized least squares as a sum over clusters, for a grid of variances at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import DesignError
from trialkit.power.components import Components
from trialkit.power.layout import Layout

Floats = NDArray[np.float64]

NOTHING: Final = 1e-10  # of an effect's information: what periods leave of it below this share is rounding


def exposure_times(layout: Layout) -> tuple[int, ...]:
    """The exposure times that are observed, 1 is the first treated period.

    Raises
    ------
    DesignError
        A cluster is untreated again after its start, so that time since the start is not exposure.
    """
    gone = layout.observed & (layout.exposure > 0) & (layout.treated == 0)
    if gone.any():
        raise DesignError(
            "A cluster goes back to the usual way after it started, so time since its start is not exposure and no effect "
            "by exposure time can be told. Ask for effect='immediate'.",
            {"cells": np.argwhere(gone).tolist()},
            da="En klynge går tilbage til det sædvanlige efter sin start, så tid siden start er ikke eksponering, og "
            "effekten kan ikke opgøres efter den. Brug effect='immediate'.",
        )
    seen = np.unique(layout.exposure[layout.observed])
    return tuple(int(time) for time in seen if time > 0)


def contrast(times: tuple[int, ...], weights: Mapping[int, float] | None) -> Floats:
    """(k,) the weights of the effects: 1 for an immediate one, the mean of the exposure times unless told.

    Raises
    ------
    DesignError
        A weight for an exposure time that nobody has.
    """
    if not times:
        return np.ones(1)
    if weights is None:
        return np.full(len(times), 1 / len(times))
    if unknown := sorted(set(weights) - set(times)):
        raise DesignError(
            f"Nobody is observed at exposure times {unknown}; the layout has {list(times)}. Weigh those.",
            {"unknown": unknown, "times": list(times)},
            da=f"Ingen observeres efter {unknown} perioder; opstillingen har {list(times)}. Giv dem vægte.",
        )
    return np.array([weights.get(time, 0.0) for time in times])


def information(layout: Layout, components: Components, *, times: tuple[int, ...] = (), periods: bool = True) -> Floats:
    """(..., n, p, p): what each cluster tells of the effects (first) and the levels of the periods.

    Clusters differ in their covariance only by their sizes, and by their treatment where its effect varies.
    """
    x = effect_columns(layout, times=times, periods=periods)
    apart = layout.treated if np.any(np.asarray(components.treatment) > 0) else np.zeros_like(layout.treated)
    _, at, which = np.unique(np.c_[apart, layout.sizes], axis=0, return_index=True, return_inverse=True)
    inverse = inverses(components.covariances(apart[at], layout.sizes[at]))
    return np.asarray(np.swapaxes(x, -1, -2) @ inverse[..., which.ravel(), :, :] @ x)


def effect_columns(layout: Layout, *, times: tuple[int, ...] = (), periods: bool = True) -> Floats:
    """(n, t, p): the fixed effects of every cell, the treatment's first; 0 in cells that are not observed."""
    columns = [layout.treated * (layout.exposure == time) for time in times] or [layout.treated]
    n, t = layout.treated.shape
    level = np.broadcast_to(np.eye(t) if periods else np.ones((t, 1)), (n, t, t if periods else 1))
    found = np.concatenate([np.stack(columns, axis=2), level], axis=2)
    return np.asarray(found * layout.observed[:, :, None], np.float64)


def inverses(covariance: Floats) -> Floats:
    """(..., t, t): the inverse of every covariance.

    Raises
    ------
    DesignError
        A covariance that is not positive definite.
    """
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise DesignError(
            "These variances and correlations cannot be those of any outcomes: the covariance of a cluster's periods is "
            "not positive definite. Give people some variance of their own (an ICC below 1), and a smaller correlation of "
            "a cluster's level with its effect.",
            {"lowest": float(np.linalg.eigvalsh(covariance).min())},
            da="Disse varianser og korrelationer kan ikke forekomme: kovariansen mellem en klynges perioder er ikke positiv "
            "definit. Giv personer en varians (en ICC under 1) og en mindre korrelation mellem niveau og effekt.",
        ) from None
    return np.asarray(np.linalg.inv(covariance), np.float64)


def contrast_variance(whole: Floats, weights: Floats) -> Floats:
    """(...,) the variance of the weighted effects; infinite where the levels of the periods take all they tell.

    ``whole`` is (..., p, p) with the effects first.  Periods nobody is observed in have a row of zeros.
    """
    k = len(weights)
    nuisance = whole[..., k:, k:] + np.eye(whole.shape[-1] - k) * (whole[..., k:, k:] == 0)
    link = whole[..., :k, k:]
    left = whole[..., :k, :k] - link @ np.linalg.solve(nuisance, np.swapaxes(link, -1, -2))
    scale = np.sqrt(np.einsum("...kk->...k", whole[..., :k, :k]))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(left / (scale[..., :, None] * scale[..., None, :]))
    along = np.einsum("...kj,...k->...j", vectors, weights / scale) ** 2
    length = np.sum((weights / scale) ** 2, axis=-1)[..., None]
    gone = values < NOTHING
    parts = np.where(gone, 0.0, along / np.where(gone, 1.0, values))
    blocked = (gone & (along > NOTHING * length)).any(axis=-1)
    return np.asarray(np.where(blocked, np.inf, parts.sum(axis=-1)), np.float64)


def inseparable() -> DesignError:
    """What is said where periods take all that the layout tells of the effect."""
    return DesignError(
        "The effect cannot be told apart from the periods in this layout: no period, or no cluster in time, has both "
        "treated and waiting people to compare, so its variance is infinite. Add a period before or after, or clusters "
        "that start at another time.",
        {},
        da="Effekten kan ikke skilles fra perioderne i denne opstilling: der er ingen periode og ingen klynge med både "
        "indsats og venten at sammenligne, så variansen er uendelig. Tilføj en periode før eller efter, eller klynger, "
        "der begynder på et andet tidspunkt.",
    )


__all__ = [
    "contrast", "contrast_variance", "effect_columns", "exposure_times", "information", "inseparable", "inverses",
]  # fmt: skip
