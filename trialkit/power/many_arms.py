"""Two arms compared in many made-up data sets at once: differences in means within blocks, or any other statistic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes, Design
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, Statistic, default
from trialkit.estimate.two_arms import TwoArms
from trialkit.power.registered import GONE_THROUGH, ManyTests, Reference, Sides, Verdicts, unasked

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoArmTests:
    """Difference in means within blocks, studentized or not, for many data sets.

    ``bound`` is the same statistic bound to one allocation: its name, its blocks, and whether it studentizes.
    """

    design: Design
    reference: Reference
    bound: TwoArms
    sides: Sides = "distance"

    @property
    def name(self) -> str:
        """The statistic."""
        return self.bound.name

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets; a unit's outcome is its sum over its people."""
        y = top.sum(axis=2) / bottom.sum(axis=2)
        included = self.bound.arms.included
        y = np.where(included, y - y[:, included].mean(axis=1, keepdims=True), 0.0)
        allocations, shares = self.reference.allocations(rng)
        sums = self._listed if self.reference.exact else self._weighed(allocations)
        p = self._p_values(codes, sums, shares, y)
        at = unasked(p) if planted is None else p
        if planted:
            treated = np.equal(codes[:, self.design.item_of_unit], self.bound.arms.new) & included
            at = self._p_values(codes, sums, shares, y - planted * treated)
        return Verdicts(np.where(np.isnan(p), nan, self._own(codes, y)[0]), p, at)

    @cached_property
    def _listed(self) -> Weighed:
        return self._weighed(self.reference.listed[0])

    def _p_values(self, codes: Codes, sums: Weighed, shares: Floats, y: Floats) -> Floats:
        studentized = self.bound.studentized
        per_item = self._per_item(y)
        values = sums.studentized(*per_item) if studentized else sums.difference(per_item[0])
        level, variance = self._own(codes, y)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = level / np.sqrt(variance) if studentized else level
        scale = 1.0 if studentized else np.abs(y).max(axis=1)
        return self.reference.p_values(values, own, shares, sides=self.sides, scale=scale, centre=self.bound.centre)

    @cached_property
    def _member(self) -> Floats:
        """(n_items, n_units) 1.0 where a unit that takes part is of the item."""
        arms = self.bound.arms
        found = np.zeros((len(self.design.items), arms.item.size))
        found[arms.item, np.arange(arms.item.size)] = arms.included
        return found

    def _per_item(self, y: Floats) -> tuple[Floats, Floats]:
        """Sums and sums of squares (n_items, m)."""
        return self._member @ y.T, self._member @ y.T**2

    def _weighed(self, allocations: Codes) -> Weighed:
        """What each item counts for in the mean of its arm, block by block, under every allocation."""
        units = self._member.sum(axis=1)
        arms = [np.equal(allocations, arm).astype(float) for arm in (self.bound.arms.new, self.bound.arms.usual)]
        here = np.arange(len(self.bound.shares))[:, None] == self.bound.block  # (blocks, n_items)
        counts = [[on[:, at] @ units[at] for on in arms] for at in here]
        return Weighed.of(arms, here, counts, self.bound.shares, studentized=self.bound.studentized)

    def _own(self, codes: Codes, y: Floats) -> tuple[Floats, Floats]:
        """(m,) difference and variance of each data set under its own allocation."""
        sums, squares = self._per_item(y)
        own = self._weighed(codes)
        level = np.einsum("mi,im->m", own.level, sums)
        variance = np.einsum("mi,im->m", own.square, squares)
        for means, weight in own.means:
            variance -= weight * np.einsum("mi,im->m", means, sums) ** 2
        return level, variance


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighed:
    """Allocations as matrices: a difference is one product with the items' sums, a variance a few more.

    ``level @ sums`` is the difference in means; ``square @ squares`` less ``weight x (means @ sums)^2`` of every arm of
    every block is Neyman's variance.

    Parameters
    ----------
    level, square : (k, n_items) float
    means : for every arm of every block (k, n_items) and (k,); empty where nothing is studentized
    """

    level: Floats
    square: Floats
    means: tuple[tuple[Floats, Floats], ...]

    @classmethod
    def of(
        cls, arms: list[Floats], here: Bools, counts: list[list[Floats]], shares: Floats, *, studentized: bool
    ) -> Weighed:
        """From both arms (k, n_items), the items of each block, units per block and arm (k,), and blocks' shares.

        A block that lacks an arm under an allocation takes no part there.
        """
        both = np.array([(new > 0) & (usual > 0) for new, usual in counts])
        share = np.where(both, shares, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = share / share.sum(axis=0)
        level, square, means = np.zeros_like(arms[0]), np.zeros_like(arms[0]), []
        for at, numbers, weight in zip(here, counts, share, strict=True):
            for sign, on, n in zip((1.0, -1.0), arms, numbers, strict=True):
                mean = on * at / np.maximum(n, 1.0)[:, None]
                level += sign * weight[:, None] * mean
                if studentized:
                    scale = weight**2 / np.maximum(n - 1, 1.0)
                    square += scale[:, None] * mean
                    means.append((mean, scale))
        return cls(level=level, square=square, means=tuple(means))

    def difference(self, sums: Floats) -> Floats:
        """(k, m) the difference in means of every data set under every allocation."""
        return np.asarray(self.level @ sums)

    def studentized(self, sums: Floats, squares: Floats) -> Floats:
        """(k, m) the same over its Neyman standard error; infinite where nothing varies."""
        variance = self.square @ squares
        for means, weight in self.means:
            part = means @ sums
            np.multiply(part, part, out=part)
            part *= weight[:, None]
            variance -= part
        found = self.level @ sums
        with np.errstate(divide="ignore", invalid="ignore"):
            np.sqrt(variance, out=variance)
            return np.asarray(np.divide(found, variance, out=found))


@dataclass(frozen=True, eq=False, kw_only=True)
class OneByOneTests:
    """Any other statistic: every data set is judged by `randomization_test` itself."""

    design: Design
    reference: Reference
    compare: tuple[str, str]
    name: str

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets one after another."""
        found = []
        for own, y in zip(codes, top.sum(axis=2) / bottom.sum(axis=2), strict=True):
            drawn = Drawn(design=self.design, codes=own)
            test = randomization_test(
                self.design, own, default(drawn, y, self.compare), unit="", interval=False, most=GONE_THROUGH,
                draws=self.reference.draws, rng=rng,
            )  # fmt: skip
            at = nan if planted is None else test.p_value_at(planted)
            found.append((test.estimate.estimate, test.p_value, at))
        return Verdicts(*np.array(found).T)


def two_arm_tests(
    design: Design,
    compare: tuple[str, str],
    *,
    studentized: bool | None = None,
    sides: Sides = "distance",
    draws: int | None = None,
) -> ManyTests:
    """The test of two arms that the draft registers: the plain difference, or the default of the design.

    Raises
    ------
    EstimateError
        ``E_NOT_DRAWN``: nothing was drawn.
    """
    rng = np.random.default_rng(0)  # any outcomes without ties, and any allocation with both arms, tell the form
    codes = next(row for row in design.sample(64, rng) if {design.label_names.index(a) for a in compare} <= set(row))
    drawn = Drawn.of(design, codes)
    outcome = rng.standard_normal(len(design.item_of_unit))
    statistic: Statistic = default(drawn, outcome, compare)
    if studentized is False:
        statistic = DifferenceInMeans(outcome=outcome, compare=compare)
    bound = statistic.bind(drawn)
    reference = Reference.of(design, draws=draws)
    if isinstance(bound, TwoArms):
        return TwoArmTests(design=design, reference=reference, bound=bound, sides=sides)
    if sides != "distance":
        raise EstimateError(
            f"Power of a one-sided {bound.name} is not simulated. Register two sides, or blocks instead of pairs.",
            da=f"Styrken af en ensidet {bound.name} kan ikke simuleres. Registrér to sider, eller blokke i stedet for par.",
        )
    return cast(ManyTests, OneByOneTests(design=design, reference=reference, compare=compare, name=bound.name))


__all__ = ["TwoArmTests", "two_arm_tests"]
