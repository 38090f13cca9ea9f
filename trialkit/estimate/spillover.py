"""Spillover: the exact test that units are moved by their own start alone, and not by their neighbours'."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.parts_design import PartsDesign
from trialkit.design.screen import Screen
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import ENUMERATED, ROWS, ReferenceSet, size
from trialkit.estimate.exposure import CELLS, CONDITIONS, Exposed, Exposure, exposed
from trialkit.estimate.exposure_effect import ExposureEffect, Per, exposure_effect
from trialkit.estimate.exposure_slope import ExposureWeighted
from trialkit.estimate.given import one_of
from trialkit.estimate.judge import firsts
from trialkit.estimate.null import extreme
from trialkit.estimate.result import Estimate
from trialkit.estimate.within_months import LEFT_OUT
from trialkit.panel import Panel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PATIENCE: Final = 2000  # draws for each one that the balance rule accepts
ROUNDING: Final = 1e-9  # of a sum's size, below which it is zero: doubles carry 16 digits, cells are thousands at most


@dataclass(frozen=True, eq=False, kw_only=True)
class NoSpillover:
    """The exact test that nobody is moved by neighbours.

    Parameters
    ----------
    estimate : the change in the outcome per whole neighbourhood started, with the p-value of no spillover
    focal : units whose outcomes are compared; what they drew is held fixed
    exact : every allocation that leaves the focal units as they are was gone through
    silent : the outcomes, or the shares of neighbours started, do not differ within any period and own state; then the
        statistic is zero but for rounding whatever neighbours mean, and its p-value is about nothing
    """

    estimate: Estimate
    focal: tuple[str, ...]
    exact: bool
    silent: bool


def no_spillover(
    exposure: Exposure,
    panel: Panel,
    *,
    focal: Collection[str] | None = None,
    counted_per: Per = "unit",
    most: int = ENUMERATED,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> NoSpillover:
    """Test that outcomes depend on a unit's own start alone, whatever that does.

    Some units are focal: what they drew is held fixed, the others are drawn again.  Without spillover the focal units'
    outcomes are then the same under every such allocation, so the share of allocations in which they go with the
    neighbours' starts at least as closely as they did is an exact p-value, for any effect of a unit's own start.  The
    statistic sums outcome times share of neighbours started, the outcome taken from its mean within period and own
    state.

    Parameters
    ----------
    exposure, panel : as `exposure_effect`
    focal : ids, chosen without a look at the draw or the outcomes; unless given, a largest-first set of units no two
        of which touch, found from the map alone
    counted_per : ``child`` weighs unit-periods by the panel's denominators
    most, draws, rng : up to ``most`` allocations are gone through, otherwise ``draws`` are drawn among those that leave
        the focal units, and each part's numbers per label, as they are

    Returns
    -------
    NoSpillover
        ``smallest_p`` says what the map and the lot could have shown at best; with seven areas that is often above .05.

    Raises
    ------
    EstimateError
        As `exposure_effect`; an unknown focal unit, or none with neighbours; a design that only lists people.

    References
    ----------
    Athey, Eckles and Imbens (2018), doi:10.1080/01621459.2016.1241178, sections 3 and 5; Aronow (2012),
    doi:10.1177/0049124112437535.
    """
    one_of(counted_per, get_args(Per), "counted_per")
    exposure.check(panel)
    chosen = _focal(exposure, focal)
    drawn = exposure.drawn.codes[None, :]
    used = panel.observed & chosen[:, None] & (exposure.own(drawn)[0] != LEFT_OUT)
    weight = np.where(used, panel.denominator, 0.0)
    if counted_per == "unit":
        weight = (weight > 0).astype(np.float64)
    residual = _within(exposure, np.where(weight > 0, panel.value, 0.0), weight)
    share = exposure.shares(drawn)[0]
    spread = _within(exposure, share, weight)
    conditional = _Conditional.of(exposure, chosen, most=most, draws=draws, rng=rng)
    values, noise, mass = conditional.statistics(residual * weight, weight)
    own = float((residual * weight * share).sum())
    mean = conditional.mean(residual * weight)
    if mean is None:
        mean = float(mass @ values / mass.sum())
    p = float(mass @ extreme(values - mean, own - mean, "mirror", conditional.scale(residual * weight)) / mass.sum())
    information = float((weight * spread**2).sum())
    seen = information > ROUNDING**2 * float(weight.sum())  # shares are at most 1
    n = len(values) if conditional.exact else draws
    estimate = Estimate(
        term="spillover from neighbours that have started",
        method="conditional randomization test, focal units held fixed",
        estimate=float((weight * residual * spread).sum()) / information if seen else nan,
        std_error=nan,
        statistic=own,
        df=nan,
        p_value=p,
        smallest_p=_smallest(noise, mass) if conditional.exact else 1 / (1 + draws),
        conf_low=nan,
        conf_high=nan,
        level=0.95,
        n_units=int((weight > 0).any(axis=1).sum()),
        n_allocations=n,
        mc_error=0.0 if conditional.exact else sqrt(p * (1 - p) / draws),
        unit=panel.unit,
    )
    names = tuple(id for id, here in zip(exposure.ids, chosen, strict=True) if here)
    size = float((weight * np.abs(np.where(weight > 0, panel.value, 0.0))).sum())
    silent = not seen or conditional.scale(residual * weight) <= ROUNDING * size
    return NoSpillover(estimate=estimate, focal=names, exact=conditional.exact, silent=silent)


def _smallest(noise: Floats, mass: Floats) -> float:
    """The least weight of allocations that no outcomes can tell apart, by distance from the mean."""
    far = np.abs(noise - mass @ noise / mass.sum())
    order = np.argsort(far, kind="stable")
    first = firsts(far[order], float(far.max(initial=0.0)))
    return float(np.add.reduceat(mass[order], first).min() / mass.sum())


def _within(exposure: Exposure, values: Floats, weight: Floats) -> Floats:
    """(n, t) values less their weighted mean within period and own state, as drawn; 0 without weight."""
    own = exposure.own(exposure.drawn.codes[None, :])[0]
    found = np.zeros_like(values)
    for state in np.unique(own):
        here = weight * (own == state)
        mass = here.sum(axis=0)
        mean = (here * values).sum(axis=0) / np.where(mass > 0, mass, 1.0)
        found += np.where(here > 0, values - mean, 0.0)
    return found


def _focal(exposure: Exposure, named: Collection[str] | None) -> Bools:
    """(n,) focal units; of a cluster all or none, since its units draw together."""
    item = exposure.drawn.design.item_of_unit
    n_items = len(exposure.drawn.design.items)
    if named is not None:
        if unknown := sorted(set(named) - set(exposure.ids)):
            raise _no_focal(f"{unknown[0]!r} is not a unit", f"{unknown[0]!r} er ikke en enhed", unknown)
        chosen = np.isin(exposure.ids, list(named))
    else:
        between = np.zeros((n_items, n_items), bool)
        rows, columns = np.nonzero(exposure.touching)
        between[item[rows], item[columns]] = True
        np.fill_diagonal(between, False)
        chosen = _apart(between)[item]
    if not (chosen & exposure.touching.any(axis=1)).any():
        raise _no_focal("no focal unit has a neighbour", "ingen af de udvalgte enheder har en nabo", [])
    return np.asarray(chosen, bool)


def _apart(between: Bools) -> Bools:
    """Items no two of which touch: those with fewest neighbours first, then in canonical order."""
    degree = between.sum(axis=1)
    chosen = np.zeros(len(between), bool)
    for item in sorted(np.flatnonzero(degree), key=lambda k: (degree[k], k)):
        chosen[item] = not (between[item] & chosen).any()
    return chosen


@dataclass(frozen=True, eq=False, kw_only=True)
class _Conditional:
    """Allocations that leave the focal items as they are."""

    exposure: Exposure
    held: Bools  # (n_items,)
    exact: bool
    draws: int
    rng: np.random.Generator | None

    @classmethod
    def of(
        cls, exposure: Exposure, chosen: Bools, *, most: int, draws: int, rng: np.random.Generator | None
    ) -> _Conditional:
        drawn = exposure.drawn
        held = ~drawn.free
        held[drawn.design.item_of_unit[chosen]] = True
        exact = size(drawn.design) <= most
        if not exact:
            ReferenceSet.of(drawn, most=most, draws=draws, rng=rng)  # refuses what cannot be drawn
            if not isinstance(drawn.design, PartsDesign):
                raise _no_focal("people who come one by one are not a map", "personer er ikke et kort", [])
        return cls(exposure=exposure, held=held, exact=exact, draws=draws, rng=rng)

    def chunks(self) -> Iterator[tuple[Codes, float]]:
        """Allocations with their weights; the one drawn comes first among draws."""
        drawn = self.exposure.drawn
        if self.exact:
            for codes, weight in ReferenceSet(drawn=drawn).chunks():
                yield codes[(codes[:, self.held] == drawn.codes[self.held]).all(axis=1)], weight
            return
        yield drawn.codes[None, :], 1.0
        found, tried = 0, 0
        while found < self.draws:
            batch = min(self.draws - found, ROWS)
            codes = self._mixed(batch)
            found, tried = found + len(codes), tried + batch
            if tried > PATIENCE * (found + 1):
                raise _no_focal(
                    "hardly any draw meets the balance rule with the focal units held fixed",
                    "næsten ingen lodtrækning opfylder balancekravet, når de udvalgte enheder holdes fast",
                    [],
                )
            yield codes, 1.0

    def mean(self, residual: Floats) -> float | None:
        """The mean of the statistic where it is known without going through allocations: draws and no balance rule.

        With the mean of the draws in its place, an allocation and its mirror image would no longer tie.
        """
        drawn = self.exposure.drawn
        if self.exact or drawn.constrained:
            return None
        chances = np.eye(len(drawn.design.label_names))[drawn.codes]
        for part in drawn.parts:
            items = [item for item in part.items if not self.held[item]]
            if items:
                chances[items] = chances[items].mean(axis=0)
        return float((residual * self.exposure.expected_shares(chances)).sum())

    def _mixed(self, n: int) -> Codes:
        """Labels of the items not held, mixed within their parts; what the balance rule refuses is drawn again."""
        drawn = self.exposure.drawn
        assert self.rng is not None
        found = np.repeat(drawn.codes[None, :], n, axis=0)
        for part in drawn.parts:
            items = [item for item in part.items if not self.held[item]]
            found[:, items] = self.rng.permuted(found[:, items], axis=1)
        design = drawn.design
        if isinstance(design, PartsDesign) and design.rule is not None:
            free = list(design.free)
            counts = np.bincount(drawn.codes[free], minlength=len(design.label_names))[:, None]
            found = found[Screen(design.rule, len(design.label_names)).accepted(found[:, free].T, counts)]
        return found

    def statistics(self, residual: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
        """(k,) the statistic, the same of made-up outcomes, and the weights."""
        noise = weight * np.random.default_rng(0).normal(size=weight.shape)  # only to see which allocations differ
        parts = []
        rows = max(1, CELLS // residual.size)
        for codes, mass in self.chunks():
            for start in range(0, len(codes), rows):
                share = self.exposure.shares(codes[start : start + rows]).reshape(-1, residual.size)
                parts.append((share @ residual.ravel(), share @ noise.ravel(), np.full(len(share), mass)))
        values, made_up, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        return values, made_up, weights

    def scale(self, residual: Floats) -> float:
        """How large the statistic can be."""
        return float(np.abs(residual).sum())


def _no_focal(en: str, da: str, units: Sequence[str]) -> EstimateError:
    return EstimateError(
        f"Spillover cannot be tested: {en}. Name focal units that have neighbours, or describe the map alone.",
        {"units": list(units)},
        da=f"Afsmitning kan ikke testes: {da}. Vælg enheder, der har naboer, eller beskriv kun kortet.",
    )


__all__ = [
    "CONDITIONS", "Exposed", "Exposure", "ExposureEffect", "ExposureWeighted", "NoSpillover", "exposed", "exposure_effect",
    "no_spillover",
]  # fmt: skip
