"""The difference adjusted by least squares, for any number of allocations after one decomposition.

The coefficient of z in a regression of y on z and X is z'My / z'Mz with M = I - QQ' and X = QR: one QR, then one
number per unit and q columns, whatever the number of allocations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.design.base import Codes
from trialkit.design.sums import Columns, LabelSums
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Arms, Bound
from trialkit.estimate.curves import Curves
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import by_unit
from trialkit.estimate.whole import check_whole

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class OlsAdjusted:
    """The coefficient of the new arm by least squares on covariates known before the draw.

    Parameters
    ----------
    outcome : (n_units,) float
    covariates : (n_units, q) float
        An intercept, or one per block, is added.
    compare : two labels, the new one first
    blocks : bool
        One intercept per block of the design.

    References
    ----------
    Frisch and Waugh (1933), doi:10.2307/1907330; as a statistic of randomization tests Tukey (1993),
    doi:10.1016/0197-2456(93)90012-Q.
    """

    outcome: Floats
    covariates: Floats
    compare: tuple[str, str]
    blocks: bool = True

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            Three arms or more; covariates of another length, missing, or that leave nothing of the treatment.
        """
        arms = Arms.of(drawn, self.outcome, self.compare)
        if not arms.two_labels:
            raise EstimateError(
                f"The adjusted difference compares two arms, and the design has {len(drawn.design.label_names)}. "
                "Use the difference in means.",
                da=f"Den justerede forskel sammenligner to grupper, men designet har {len(drawn.design.label_names)}. "
                "Brug forskellen i gennemsnit.",
            )
        columns = np.column_stack([_intercepts(arms, blocks=self.blocks), _checked(arms, self.covariates)])
        base = _orthonormal(columns[arms.included])
        full = np.zeros((arms.outcome.size, base.shape[1]))
        full[arms.included] = base
        found = Adjusted(arms=arms, base=_turned(arms, full))
        if not np.isfinite(found.estimate):
            raise EstimateError(
                "The covariates tell the treatment exactly, so nothing is left to compare. Leave some out.",
                da="Kovariaterne fortæller helt, hvem der er med, så der er intet tilbage at sammenligne. Udelad nogle.",
            )
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Adjusted:
    """The adjusted difference, bound; satisfies `Straight`."""

    arms: Arms
    base: Floats  # (n_units, r) orthonormal columns of the adjustment
    name: str = "least squares adjusted difference"
    monotone: bool = True

    @property
    def centre(self) -> float | None:
        """0 by symmetry where the two labels change places freely."""
        return 0.0 if self.arms.drawn.mirrored else None

    @cached_property
    def summed(self) -> LabelSums:
        """Of (3 + r, n_items): residual outcome, residual treatment, units, base; sums per item."""
        y, z = (self._residual(v) for v in (self.arms.outcome, self.arms.treated))
        rows = [y, z, np.ones_like(y), *self.base.T]
        columns = np.stack([self.arms.per_item(row) for row in rows])
        return LabelSums.whole(self.arms.drawn.design, self.arms.new, columns)

    def _residual(self, values: Floats) -> Floats:
        found: Floats = np.where(self.arms.included, values - self.base @ (self.base.T @ values), 0.0)
        return found

    @cached_property
    def estimate(self) -> float:
        """The coefficient found."""
        return float(self.curves(self.arms.drawn.codes[None, :]).level[0])

    @property
    def std_error(self) -> float:
        """None from the design alone."""
        return nan

    @property
    def n_units(self) -> int:
        """Units compared."""
        return int(self.arms.included.sum())

    def size(self, tau: float) -> float:
        """Of the outcomes."""
        return self.arms.largest + abs(tau)

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) the statistic."""
        return self.curves(codes).at(tau)

    def with_noise(self, rng: np.random.Generator) -> Adjusted:
        """Made-up outcomes."""
        return replace(self, arms=self.arms.noisy(rng))

    def curves(self, codes: Codes) -> Curves:
        """z'My / z'Mz under each allocation; nan where the covariates tell the allocation exactly."""
        return self.along(self.summed.of(codes), len(codes))

    def along(self, sums: Columns, k: int) -> Curves:
        """The same from the sums."""
        y, z, units, *base = (column[0] for column in sums)
        left = np.full(k, units)
        for column in base:
            left -= column * column  # z'Mz, and My is orthogonal to the base
        left[left <= 1e-10 * np.maximum(units, 1)] = nan
        return Curves(level=y / left, slope=z / left, size=self.arms.largest)


def _intercepts(arms: Arms, *, blocks: bool) -> Floats:
    block = arms.drawn.blocks[arms.item] if blocks else np.zeros(arms.item.size, np.intp)
    found: Floats = (block[:, None] == np.unique(block[arms.included])).astype(float)
    return found


def _turned(arms: Arms, base: Floats) -> Floats:
    """The same span, turned so that as few columns as can be vary within a part: only their sums differ by draw."""
    drawn = arms.drawn
    if not drawn.steady or not base.shape[1]:
        return base
    items = np.stack([arms.per_item(column) for column in base.T], axis=1)
    within = [items[list(part.items)] - items[list(part.items)].mean(axis=0) for part in drawn.parts if part.items]
    rows = np.concatenate(within)
    _, _, turn = np.linalg.svd(rows, full_matrices=len(rows) < base.shape[1])
    found: Floats = base @ turn.T
    return found


def _checked(arms: Arms, covariates: ArrayLike) -> Floats:
    ids = arms.drawn.unit_ids if arms.item.size == len(arms.drawn.unit_ids) else arms.drawn.design.items
    values = by_unit(covariates, ids, "covariates")
    values = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    if len(values) != arms.item.size:
        raise EstimateError(
            f"Covariates have shape {values.shape}, and the design needs a row for each of its "
            f"{arms.item.size} units; a shifted row would adjust one unit by another's. Give one row per unit.",
            {"shape": values.shape},
            da=f"Kovariaterne har formen {values.shape}, men designet kræver en række for hver af sine "
            f"{arms.item.size} enheder; en forskudt række ville justere én enhed efter en anden.",
        )
    check_whole(values, ids, "covariates")
    return values


def _orthonormal(columns: Floats) -> Floats:
    """A base of the columns' span; repeated and constant columns add nothing."""
    scaled = columns / np.maximum(np.linalg.norm(columns, axis=0), np.finfo(float).tiny)
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    found: Floats = left[:, size > 1e-10 * size.max(initial=0.0)]
    return found


__all__ = ["Adjusted", "OlsAdjusted"]
