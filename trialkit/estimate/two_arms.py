"""The difference in means between two arms, within blocks, studentized or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, nan, sqrt
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import Columns, LabelSums
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Arms, Bound
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class DifferenceInMeans:
    """Mean of the new arm minus mean of the usual one; blocks weigh by their share of units.

    Parameters
    ----------
    outcome : (n_units,) or (n_items,) float
        One value per unit in the design's order, or one per cluster.
    compare : two labels, the new one first
    blocks : bool
        Within blocks, if the design has them; otherwise all units together.
    """

    outcome: Floats
    compare: tuple[str, str]
    blocks: bool = True

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn."""
        return TwoArms.of(drawn, self.outcome, self.compare, blocks=self.blocks, studentized=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class Studentized(DifferenceInMeans):
    """The difference in means over its Neyman standard error under each allocation; the default.

    Where a block can have one unit in an arm there is no variance to see, and the difference itself is used; the
    result says so.

    References
    ----------
    Neyman (1923), translated 1990, doi:10.1214/ss/1177012031; for studentizing in randomization tests Wu and Ding
    (2021), doi:10.1080/01621459.2020.1750415.
    """

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn."""
        return TwoArms.of(drawn, self.outcome, self.compare, blocks=self.blocks, studentized=True)


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoArms:
    """Difference in means by block, studentized or not; satisfies `Straight`."""

    arms: Arms
    block: NDArray[np.intp]  # (n_items,) from 0
    studentized: bool
    name: str

    @classmethod
    def of(cls, drawn: Drawn, outcome: Floats, compare: tuple[str, str], *, blocks: bool, studentized: bool) -> TwoArms:
        """Bound; unstudentized where an arm of a block can have a single unit."""
        arms = Arms.of(drawn, outcome, compare)
        block = drawn.blocks if blocks else np.zeros_like(drawn.blocks)
        block = np.unique(block, return_inverse=True)[1].ravel()
        sizes = arms.per_item(np.ones(arms.item.size)).astype(np.int64)
        alone = studentized and _fewest(drawn, block, (arms.new, arms.usual), sizes) < 2
        name = "difference in means" + (" within blocks" if block.max(initial=0) else "")
        if alone:
            name += ", unstudentized (a block can have one unit in an arm)"
        elif studentized:
            name = f"studentized {name}"
        found = cls(arms=arms, block=block, studentized=studentized and not alone, name=name)
        if not np.isfinite(found.estimate):
            raise EstimateError(
                f"No block has units in both arms ({compare[0]} and {compare[1]}), so there is nothing to compare. "
                "Check the labels.",
                {"compare": compare},
                da=f"Ingen blok har enheder i begge grupper ({compare[0]} og {compare[1]}), så der er intet at "
                "sammenligne. Tjek navnene.",
            )
        return found

    @cached_property
    def columns(self) -> Floats:
        """(5, n_items): units, sum, treated units; sum of squares, sum of the treated."""
        arms = self.arms
        y, z = arms.outcome, arms.treated
        return np.stack([arms.per_item(column) for column in (np.ones_like(y), y, z, y * y, y * z)])

    @cached_property
    def shares(self) -> Floats:
        """(blocks, 1) each block's share of the units."""
        units = np.bincount(self.block, self.columns[0])[:, None]
        found: Floats = units / units.sum()
        return found

    @cached_property
    def monotone(self) -> bool:
        """With equal arms of single units in one block the t grows with the difference, whatever the allocation."""
        if not self.studentized:
            return True
        drawn, sizes = self.arms.drawn, self.columns[0]
        equal = drawn.steady and self.arms.two_labels and len(drawn.parts) == 1 and len(set(drawn.parts[0].counts)) == 1
        return bool(equal and len(self.shares) == 1 and (sizes[drawn.free] == 1).all())

    @cached_property
    def centre(self) -> float | None:
        """0 by symmetry, or because a plain difference is unbiased within every block."""
        drawn = self.arms.drawn
        if drawn.mirrored:
            return 0.0
        single = bool((self.arms.per_item(np.ones(self.arms.item.size))[drawn.free] == 1).all())
        by_block = len(self.shares) == len(drawn.parts)
        unbiased = drawn.steady and not drawn.constrained and single and by_block and not self.studentized
        return 0.0 if unbiased else None

    @cached_property
    def _own(self) -> Curves:
        return self.curves(self.arms.drawn.codes[None, :], variance=True)

    @property
    def estimate(self) -> float:
        """The difference found."""
        return float(self._own.level[0])

    @property
    def std_error(self) -> float:
        """Neyman's; nan where an arm of a block has one unit."""
        assert self._own.variance is not None
        value = float(self._own.variance[0, 0])
        return sqrt(value) if isfinite(value) and value >= 0 else nan

    @property
    def n_units(self) -> int:
        """Units in the two arms."""
        codes = self.arms.drawn.codes[self.arms.item[self.arms.included]]
        return int(np.isin(codes, [self.arms.new, self.arms.usual]).sum())

    def size(self, tau: float) -> float:
        """A studentized difference is of size 1, a plain one of the size of the outcomes."""
        return 1.0 if self.studentized else self.arms.largest + abs(tau)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic."""
        return self.curves(codes).at(tau)

    def with_noise(self, rng: np.random.Generator) -> TwoArms:
        """Made-up outcomes."""
        return replace(self, arms=self.arms.noisy(rng))

    @property
    def summed(self) -> LabelSums | None:
        """Over the new arm by block, if the rest is the usual arm; without squares where nothing is studentized."""
        return self._sums(self.arms.new, squares=self.studentized) if self.arms.two_labels else None

    def curves(self, codes: Codes, *, variance: bool = False) -> Curves:
        """The statistic under each allocation as a function of the effect."""
        squares, arms = variance or self.studentized, self.arms
        new = self._sums(arms.new, squares=squares).of(codes)
        usual = None if arms.two_labels else self._sums(arms.usual, squares=squares).of(codes)
        return self._curves(new, usual, len(codes))

    def along(self, sums: Columns, k: int) -> Curves:
        """The same from the new arm's sums."""
        return self._curves(sums, None, k)

    def _sums(self, arm: int, *, squares: bool) -> LabelSums:
        values = self.columns if squares else self.columns[:3]
        return LabelSums(design=self.arms.drawn.design, label=arm, values=values, groups=self.block)

    def _curves(self, new: Columns, usual: Columns | None, k: int) -> Curves:
        if usual is None:
            whole = (np.bincount(self.block, column)[:, None] for column in self.columns)
            usual = [total - own for total, own in zip(whole, new, strict=False)]
        both = (new[0] > 0) & (usual[0] > 0)
        share = np.where(both, self.shares, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = share / share.sum(axis=0)
            level, slope = (_weighed(share, both, new[c] / new[0] - usual[c] / usual[0]) for c in (1, 2))
            spread = (
                [_weighed(share**2, both, a + b) for a, b in zip(_spread(new), _spread(usual), strict=True)]
                if len(new) > 3
                else None
            )
        return Curves(
            level=np.broadcast_to(level, k),
            slope=np.broadcast_to(slope, k),
            size=self.arms.largest,
            variance=None if spread is None else np.stack([np.broadcast_to(row, k) for row in spread]),
        )


def _fewest(drawn: Drawn, block: NDArray[np.intp], codes: tuple[int, int], sizes: Ints) -> int:
    """Fewest units an arm can have in a block of the statistic: of the design's own blocks, or of all together."""
    if len(np.unique(block)) > 1 or len(drawn.parts) <= 1:
        return min(drawn.fewest(code, sizes) for code in codes)
    return min(int(sizes[drawn.codes == code].sum()) for code in codes)


def _weighed(share: Floats, both: Bools, values: Floats) -> Floats:
    """(k,) sum over blocks with both arms."""
    return cast(Floats, (share * (values if both.all() else np.where(both, values, 0.0))).sum(axis=0))


def _spread(sums: Columns) -> tuple[Floats, Floats, Floats]:
    """Coefficients in tau of an arm's variance over its size: s^2(tau) / n, with n - 1."""
    n, s, treated, q, cross = sums
    scale = n * (n - 1)
    return (q - s * s / n) / scale, -2 * (cross - s * treated / n) / scale, (treated - treated**2 / n) / scale


__all__ = ["DifferenceInMeans", "Studentized", "TwoArms"]
