"""A value with its standard error: the last step of every estimate that is not a randomization test."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from trialkit.errors import EstimateError
from trialkit.estimate.result import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """An estimate, its standard error, and the degrees of freedom of Student's t; nan where the normal applies."""

    value: float
    std_error: float
    df: float = nan

    @property
    def statistic(self) -> float:
        """The estimate over its standard error; nan where the error is 0 and nothing can be said."""
        return self.value / self.std_error if self.std_error > 0 else nan

    @property
    def p_value(self) -> float:
        """Two-sided, of no effect."""
        below = -abs(self.statistic)
        return float(2 * (ndtr(below) if isnan(self.df) else stdtr(self.df, below)))

    def interval(self, level: float) -> tuple[float, float]:
        """The two ends at ``level``."""
        check_level(level)
        tail = (1 + level) / 2
        width = float(ndtri(tail) if isnan(self.df) else stdtrit(self.df, tail)) * self.std_error
        return self.value - width, self.value + width

    def as_estimate(
        self,
        *,
        unit: str,
        level: float,
        method: str,
        n_units: int,
        term: str = "average effect",
        exploratory: bool = True,
        digests: tuple[str, ...] = (),
    ) -> Estimate:
        """The same as a result.  No allocation was gone through, so ``smallest_p`` is nan and the count is 0."""
        low, high = self.interval(level)
        return Estimate(
            term=term,
            method=method,
            estimate=self.value,
            std_error=self.std_error,
            statistic=self.statistic,
            df=self.df,
            p_value=self.p_value,
            smallest_p=nan,
            conf_low=low,
            conf_high=high,
            level=level,
            n_units=n_units,
            n_allocations=0,
            mc_error=0.0,
            unit=unit,
            exploratory=exploratory,
            digests=digests,
        )


def check_level(level: float) -> None:
    """Refuse a confidence level that is none.

    Raises
    ------
    EstimateError
        ``level`` is not strictly between 0 and 1.
    """
    if not isinstance(level, float | int | np.floating) or not 0 < level < 1:
        raise EstimateError(
            f"The level {level!r} is not a share between 0 and 1, so no interval has it. Write 0.95 for 95 percent.",
            {"level": level},
            da=f"Niveauet {level!r} er ikke en andel mellem 0 og 1, så intet interval har det. Skriv 0.95 for 95 procent.",
        )


__all__ = ["Moments", "check_level"]
