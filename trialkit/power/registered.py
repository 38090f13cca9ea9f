"""The registered randomization test for many made-up data sets at once.

`trialkit.estimate.randomization` judges one data set; a power study judges thousands with the same allocations.  Every
statistic here is built from sums over units, so that all data sets under all allocations are one matrix product.  The
p-values are those of `randomization_test`, which a test holds it to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import nan
from typing import Final, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes, Design
from trialkit.errors import EstimateError
from trialkit.estimate.drawn import Drawn, size
from trialkit.estimate.null import extreme
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.statistics import DifferenceInMeans, Statistic, default
from trialkit.estimate.two_arms import TwoArms
from trialkit.estimate.within_months import STARTED, WAITING, Calendar, states

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sides = Literal["distance", "greater", "less"]

GONE_THROUGH: Final = 20_000  # allocations up to which every data set is compared with all of them
DRAWS: Final = 1_999  # Monte Carlo draws where the draft says nothing


class Verdicts(NamedTuple):
    """Of many data sets, all (m,): the effect found, the p-value of no effect, and that of the effect planted.

    All nan for a data set that the statistic cannot judge; the last one too if nobody asked for it.
    """

    estimate: Floats
    p_value: Floats
    p_planted: Floats


class ManyTests(Protocol):
    """A registered test that judges many data sets."""

    @property
    def name(self) -> str:
        """The statistic, as it is printed."""
        ...

    @property
    def design(self) -> Design:
        """What is drawn from."""
        ...

    @property
    def reference(self) -> Reference:
        """What each data set is compared with."""
        ...

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets (m, n_units, t), each under its own allocation ``codes`` (m, n_items)."""
        ...


def _unasked(p: Floats) -> Floats:
    return np.full_like(p, nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """The allocations every data set is compared with: all, or ``draws`` that each chunk of data sets draws anew."""

    design: Design
    draws: int

    @classmethod
    def of(cls, design: Design, *, draws: int | None = None) -> Reference:
        """All allocations if there are at most `GONE_THROUGH`, otherwise ``draws`` or `DRAWS`."""
        return cls(design=design, draws=0 if size(design) <= GONE_THROUGH else draws or DRAWS)

    @property
    def exact(self) -> bool:
        """Whether these are all the allocations."""
        return self.draws == 0

    @cached_property
    def listed(self) -> tuple[Codes, Floats]:
        """Every allocation (k, n_items) and its share of all, (k,)."""
        chunks = list(self.design.enumerate())
        weights = np.concatenate([np.full(len(chunk.codes), float(chunk.weight)) for chunk in chunks])
        return np.concatenate([chunk.codes for chunk in chunks]), weights / weights.sum()

    def allocations(self, rng: np.random.Generator) -> tuple[Codes, Floats]:
        """Those of `listed`, or fresh draws, each with its share."""
        if self.exact:
            return self.listed
        return self.design.sample(self.draws, rng), np.full(self.draws, 1 / self.draws)

    def p_values(
        self,
        values: Floats,
        own: Floats,
        shares: Floats,
        *,
        sides: Sides,
        scale: Floats | float,
        centre: float | None = None,
    ) -> Floats:
        """(m,) p-values of ``own`` (m,) among ``values`` (k, m); a value that does not exist counts as extreme.

        ``centre`` is the design mean where it is known; otherwise it is that of the allocations.
        """
        if sides == "distance" and centre != 0:
            mean = _mean(values, own, shares, exact=self.exact) if centre is None else centre
            values, own = values - mean, own - mean
        found = extreme(values, own, "mirror" if sides == "distance" else sides, scale)
        share = shares @ found
        share = share if self.exact else (1 + self.draws * share) / (1 + self.draws)
        return np.where(np.isnan(own), nan, share)


def _mean(values: Floats, own: Floats, shares: Floats, *, exact: bool) -> Floats:
    """(m,) the mean over allocations that have a value; among draws, with the one drawn."""
    known = np.isfinite(values)
    if known.all() and exact:
        return np.asarray(shares @ values)
    weight, total = shares @ known, shares @ np.where(known, values, 0.0)
    if not exact:
        one = 1 / len(values)
        weight, total = weight + one, total + one * own
    return np.asarray(total / weight)


@dataclass(frozen=True, eq=False, kw_only=True)
class WithinMonthsTests:
    """`trialkit.estimate.waves.DifferenceWithinMonths` for many data sets, whose numbers of people all differ.

    Parameters
    ----------
    starts : one date per label; None for one that never starts
    """

    design: Design
    reference: Reference
    calendar: Calendar
    starts: tuple[date | None, ...]
    window_days: int = 0
    counted_per: Literal["child", "unit"] = "child"
    sides: Sides = "distance"
    name: str = "difference within months"

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """(n_labels, t) started, waiting or left out."""
        return states(self.calendar, self.starts, window_days=self.window_days)

    @cached_property
    def free(self) -> Bools:
        """(n_units,) units that were drawn; the others take no part."""
        found = np.zeros(len(self.design.items), bool)
        found[list(self.design.free)] = True
        return found[self.design.item_of_unit]

    def verdicts(
        self, codes: Codes, top: Floats, bottom: Floats, planted: float | None, rng: np.random.Generator
    ) -> Verdicts:
        """Judge data sets of numerators and denominators."""
        weight, total, largest = self._cells(top, bottom)
        treated = weight * (self.states[codes[:, self.design.item_of_unit]] == STARTED)
        allocations, shares = self.reference.allocations(rng)
        values, slopes = self._among(allocations, weight, total, treated if planted else None)
        own, slope = self._own(codes[:, self.design.item_of_unit], weight, total, treated)
        p = self.reference.p_values(values, own, shares, sides=self.sides, scale=largest)
        if not planted:
            return Verdicts(own, p, _unasked(p) if planted is None else p)
        at, mine = values - planted * slopes, own - planted * slope
        scale = largest + abs(planted)
        return Verdicts(own, p, self.reference.p_values(at, mine, shares, sides=self.sides, scale=scale))

    def _cells(self, top: Floats, bottom: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights and weighted values (m, n, t), centred; and the largest centred value (m,)."""
        used = (bottom > 0) & self.free[:, None]
        weight = np.where(used, bottom if self.counted_per == "child" else 1.0, 0.0)
        value = np.divide(top, bottom, out=np.zeros_like(top), where=used)
        mean = (value * weight).sum(axis=(1, 2)) / np.maximum(weight.sum(axis=(1, 2)), 1e-300)
        value = np.where(used, value - mean[:, None, None], 0.0)
        return weight, weight * value, np.abs(value).max(axis=(1, 2))

    def _among(
        self, allocations: Codes, weight: Floats, total: Floats, treated: Floats | None
    ) -> tuple[Floats, Floats]:
        """(k, m) the statistic of every data set under every allocation, and what an effect of 1 adds to it."""
        sums = _Sums()
        for t, (on, off, which) in enumerate(self._listed if self.reference.exact else self._patterns(allocations)):
            columns = [weight[:, :, t].T, total[:, :, t].T] + ([] if treated is None else [treated[:, :, t].T])
            sums.add([on @ column for column in columns], [off @ column for column in columns], which)
        return sums.means()

    @cached_property
    def _listed(self) -> list[_Pattern]:
        return self._patterns(self.reference.listed[0])

    def _patterns(self, allocations: Codes) -> list[_Pattern]:
        """Per period the ways in which units are started and waiting, and which of them each allocation has."""
        found = []
        for t in range(len(self.calendar.periods)):
            state = self.states[:, t][allocations[:, self.design.item_of_unit]]
            patterns, which = np.unique(state, axis=0, return_inverse=True)
            found.append(
                _Pattern((patterns == STARTED).astype(float), (patterns == WAITING).astype(float), which.ravel())
            )
        return found

    def _own(self, codes: Codes, weight: Floats, total: Floats, treated: Floats) -> tuple[Floats, Floats]:
        """(m,) the same of each data set under its own allocation."""
        state = self.states[codes]  # (m, n, t)
        sums = _Sums()
        for t in range(len(self.calendar.periods)):
            on, off = (state[:, :, t] == kind for kind in (STARTED, WAITING))
            columns = [one[:, :, t] for one in (weight, total, treated)]
            sums.add([(on * c).sum(axis=1) for c in columns], [(off * c).sum(axis=1) for c in columns], slice(None))
        return sums.means()


class _Pattern(NamedTuple):
    """One period: (p, n) started and (p, n) waiting, and the (k,) place of each allocation among them."""

    started: Floats
    waiting: Floats
    which: NDArray[np.intp]


class _Sums:
    """Differences within months, weighed by n_t n_c / (n_t + n_c) and added up month by month."""

    def __init__(self) -> None:
        self.information: Floats | float = 0.0
        self.value: Floats | float = 0.0
        self.slope: Floats | float = 0.0

    def add(self, on: list[Floats], off: list[Floats], which: NDArray[np.intp] | slice) -> None:
        """One month: people, sums and treated people of started and waiting units."""
        both = (on[0] > 0) & (off[0] > 0)
        if not both.any():
            return
        n_on, n_off = np.where(both, on[0], 1.0), np.where(both, off[0], 1.0)
        information = np.where(both, n_on * n_off / (n_on + n_off), 0.0)
        self.information = self.information + information[which]
        self.value = self.value + (information * (on[1] / n_on - off[1] / n_off))[which]
        if len(on) > 2:
            self.slope = self.slope + (information * (on[2] / n_on - off[2] / n_off))[which]

    def means(self) -> tuple[Floats, Floats]:
        """Statistic and slope; nan where no month has both."""
        weight = np.asarray(self.information, np.float64)
        seen = np.where(weight > 0, weight, nan)
        return np.asarray(self.value) / seen, np.asarray(self.slope) / seen


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
        at = _unasked(p) if planted is None else p
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


__all__ = ["ManyTests", "Reference", "TwoArmTests", "Verdicts", "WithinMonthsTests", "two_arm_tests"]
