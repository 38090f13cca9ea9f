"""P-values of many outcomes in families: one family per administration, or all together through the lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trialkit.estimate.many import westfall_young
from trialkit.estimate.question import DRAWS
from trialkit.estimate.statistics import Studentized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialkit.estimate.arms import Statistic
    from trialkit.estimate.drawn import Drawn


def by_administration(p_values: Sequence[float], families: Sequence[str]) -> list[float]:
    """P-values adjusted within each administration and then between administrations.

    Parameters
    ----------
    p_values : (m,) of outcomes that were tested
    families : (m,) whose outcome each is

    Returns
    -------
    (m,)
        With one outcome each this is Holm over administrations.  A family of several has as its p-value the smallest of
        its own after Holm within it, and Holm over families follows; an outcome in it also pays in full for the number
        of families, since a step down holds for families and not for their parts.

    Notes
    -----
    The chance of any false rejection is at most alpha, whatever the dependence: an outcome's value is never below
    families x (its p after Holm within its family), unless its family is that outcome alone.

    References
    ----------
    Holm (1979), Scand. J. Statist. 6, 65.
    """
    p, family = np.asarray(p_values, np.float64), np.asarray(families)
    names = list(dict.fromkeys(families))
    within = np.empty_like(p)
    for name in names:
        within[family == name] = holm(p[family == name])
    smallest = [float(within[family == name].min()) for name in names]
    between = dict(zip(names, holm(np.array(smallest)).tolist(), strict=True))
    found = []
    for value, name in zip(within.tolist(), families, strict=True):
        alone = int((family == name).sum()) == 1
        found.append(between[name] if alone else max(between[name], min(1.0, len(names) * value)))
    return found


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) Holm's adjusted p-values; `trialkit.estimate.many.adjusted` without its pause for each call."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    found = np.empty(len(order))
    found[order] = np.minimum(stepped, 1.0)
    return found


def together(
    drawn: Drawn, statistics: Mapping[str, Statistic], *, draws: int | None, rng: np.random.Generator | None
) -> dict[str, float]:
    """Westfall and Young's step-down p-values through the lot: on the statistics where all are studentized, otherwise on
    each outcome's own p-value.

    Raises
    ------
    EstimateError
        As `trialkit.estimate.many.westfall_young`.
    """
    alike = all(isinstance(one, Studentized) for one in statistics.values())
    found = westfall_young(
        drawn.design, drawn.codes, statistics, compared="max_t" if alike else "min_p",
        draws=DRAWS if draws is None else draws, rng=rng,
    )  # fmt: skip
    return dict(zip(found.terms, found.p_adjusted.tolist(), strict=True))


__all__ = ["by_administration", "holm", "together"]
