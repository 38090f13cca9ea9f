"""The effect of exposure: unit-periods beside a started neighbour against those that were not, by their chances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from trialkit.errors import EstimateError
from trialkit.estimate.drawn import ENUMERATED, ReferenceSet
from trialkit.estimate.exposure import CONDITIONS, Exposed, Exposure, exposed
from trialkit.estimate.result import Estimate
from trialkit.panel import Panel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Estimator = Literal["hajek", "horvitz_thompson"]
Per = Literal["child", "unit"]

JOINT: Final = 1500  # unit-periods whose joint probabilities are kept: a table of their square
FEW: Final = 20  # units below which no normal interval is printed


@dataclass(frozen=True, eq=False, kw_only=True)
class ExposureEffect:
    """The effect of one condition over another.

    Parameters
    ----------
    estimate : for tables; without a p-value (`no_spillover` has one), without an interval below `FEW` units
    compare : two of `CONDITIONS`
    means : the outcome in either condition, over the same unit-periods
    cells : (n, t) bool, unit-periods compared: both conditions were possible and the outcome is known
    exposed : exposure as drawn and as it could have been
    """

    estimate: Estimate
    compare: tuple[str, str]
    means: tuple[float, float]
    cells: Bools
    exposed: Exposed


def exposure_effect(
    exposure: Exposure,
    panel: Panel,
    *,
    compare: tuple[str, str] = (CONDITIONS[1], CONDITIONS[0]),
    estimator: Estimator = "hajek",
    counted_per: Per = "unit",
    level: float = 0.95,
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> ExposureEffect:
    """The average effect of one exposure condition over another, each unit-period weighed by how probable it was.

    Over the unit-periods that could have been in either condition: ``mu(c) = sum(D(c) y / pi(c)) / N``
    (``horvitz_thompson``) or with ``sum(D(c) / pi(c))`` for N (``hajek``).  Unit-periods that could not are left out of
    both sides, so neither a trend nor geography can pass for an effect.

    Parameters
    ----------
    exposure : Exposure
        With the panel's units and periods.
    panel : Panel
    compare : two of `CONDITIONS`; spillover on those who wait unless given
    estimator : ``hajek`` or ``horvitz_thompson``
    counted_per : ``unit`` counts unit-periods the same, ``child`` by the panel's denominators
    level : float in (0, 1)
    most, draws, rng : up to ``most`` allocations are gone through, otherwise ``draws`` of them give the probabilities

    Returns
    -------
    ExposureEffect
        ``std_error`` is conservative (Aronow and Samii's bound on what cannot be seen; linearized for ``hajek``); nan
        beyond `JOINT` unit-periods.

    Raises
    ------
    EstimateError
        The panel has other units or periods; ``E_NEVER_CLEAN``: no unit-period could have been in both conditions, or
        none is in one of them as drawn; ``E_TOO_MANY``.

    References
    ----------
    Aronow and Samii (2017), doi:10.1214/16-AOAS1005, equations 5 and 12, with the variance of section 5.
    """
    exposure.check(panel)
    reference = ReferenceSet.of(exposure.drawn, most=most, draws=draws, rng=rng)
    found = exposed(exposure, reference)
    pair = tuple(CONDITIONS.index(name) for name in compare)
    known = panel.observed & (panel.denominator > 0)
    cells = known & (found.probabilities[list(pair)] > 0).all(axis=0)
    weight = np.where(cells, panel.denominator if counted_per == "child" else 1.0, 0.0)
    sides = [_Side.of(found, number, panel, weight, cells, estimator) for number in pair]
    if not all(side.seen.any() for side in sides):
        raise _never(compare, found)
    error = _error(exposure, reference, pair, sides, weight.sum(), cells)
    value = sides[0].mean - sides[1].mean
    n = int(cells.any(axis=1).sum())
    reach = float(norm.ppf((1 + level) / 2)) * error if n >= FEW else nan
    estimate = Estimate(
        term=f"{compare[0]} less {compare[1]}",
        method=f"{'Hajek' if estimator == 'hajek' else 'Horvitz-Thompson'}, exposure to neighbours",
        estimate=value,
        std_error=error,
        statistic=value / error if error > 0 else nan,
        df=nan,
        p_value=nan,
        smallest_p=nan,
        conf_low=value - reach,
        conf_high=value + reach,
        level=level,
        n_units=n,
        n_allocations=0,
        mc_error=0.0,
        unit=panel.unit,
    )
    return ExposureEffect(
        estimate=estimate, compare=compare, means=(sides[0].mean, sides[1].mean), cells=cells, exposed=found
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Side:
    """One condition: the cells in it, their probabilities, and what the variance is made of."""

    number: int
    seen: Bools  # (m,) cells compared that are in the condition
    pi: Floats  # (m,)
    mean: float
    residual: Floats  # (m,) y, or y less the mean for Hajek, times the cell's weight

    @classmethod
    def of(cls, found: Exposed, number: int, panel: Panel, weight: Floats, cells: Bools, estimator: Estimator) -> _Side:
        seen, pi = (found.conditions == number)[cells], found.probabilities[number][cells]
        y, w = panel.value[cells], weight[cells]
        inverse = np.where(seen, w / pi, 0.0) if pi.size else np.zeros(0)
        base = inverse.sum() if estimator == "hajek" else w.sum()
        mean = float(inverse @ y / base) if base > 0 else nan
        return cls(number=number, seen=seen, pi=pi, mean=mean, residual=w * (y - mean if estimator == "hajek" else y))


def _error(
    exposure: Exposure,
    reference: ReferenceSet,
    pair: tuple[int, ...],
    sides: Sequence[_Side],
    total: float,
    cells: Bools,
) -> float:
    """Conservative: what can never be seen together is bounded by Young's inequality."""
    m = int(cells.sum())
    if m > JOINT:
        return nan
    joint = {(a, b): np.zeros((m, m)) for a, b in ((0, 0), (1, 1), (0, 1))}
    mass = 0.0
    for codes, weight in exposure.chunks(reference):
        here = exposure.conditions(codes)[:, cells]
        mass += weight * len(codes)
        ours = [(here == number).astype(np.float64) for number in pair]
        for (a, b), table in joint.items():
            table += weight * (ours[a].T @ ours[b])
    variance = sum(_variance(side, joint[k, k] / mass) for k, side in enumerate(sides))
    variance -= 2 * _covariance(sides[0], sides[1], joint[0, 1] / mass)
    return sqrt(max(variance, 0.0)) / total


def _variance(side: _Side, joint: Floats) -> float:
    """Aronow and Samii's estimate with its bound for pairs that are never together in the condition."""
    u = np.where(side.seen, side.residual / side.pi, 0.0)
    together = joint > 0
    factor = np.where(together, 1 - np.outer(side.pi, side.pi) / np.where(together, joint, 1.0), 0.0)
    square = np.where(side.seen, side.residual**2 / side.pi, 0.0)
    return float(u @ factor @ u + (~together).sum(axis=1) @ square)


def _covariance(one: _Side, other: _Side, joint: Floats) -> float:
    """A lower bound of the covariance; a cell is never in two conditions, so every cell has such a pair: itself."""
    u, v = (np.where(side.seen, side.residual / side.pi, 0.0) for side in (one, other))
    together = joint > 0
    factor = np.where(together, 1 - np.outer(one.pi, other.pi) / np.where(together, joint, 1.0), 0.0)
    left, right = (np.where(side.seen, side.residual**2 / side.pi, 0.0) / 2 for side in (one, other))
    return float(u @ factor @ v - (~together).sum(axis=1) @ left - (~together).sum(axis=0) @ right)


def _never(compare: tuple[str, str], found: Exposed) -> EstimateError:
    return EstimateError(
        f"Nothing can be compared between {compare[0]!r} and {compare[1]!r}: no unit-period that could have been in "
        f"either is in each of them. {found.said()} Compare other conditions, or say that spillover cannot be judged.",
        {"compare": list(compare), "never": list(found.never)},
        da=f"Der er intet at sammenligne mellem {compare[0]!r} og {compare[1]!r}. {found.said('da')} Sammenlign andre "
        "grupper, eller skriv, at afsmitning ikke kan bedømmes.",
        code="E_NEVER_CLEAN",
    )


__all__ = ["Estimator", "ExposureEffect", "Per", "exposure_effect"]
