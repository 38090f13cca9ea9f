"""A statistic of the user's own, with its contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import nan
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Bound, aligned
from trialkit.estimate.drawn import Drawn

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class UserStatistic:
    """A statistic of the user's own.

    Parameters
    ----------
    function : (outcome (n_units,) float, codes (k, n_units) int) -> (k,) float
        Pure, one finite number per allocation, the larger the more the new arm is ahead; ``codes`` are places in
        the design's ``label_names``.  It must not look at anything but its arguments.
    outcome : (n_units,) float, or (n_units, ...) without ``compare``
    compare : two labels, optional
        The arm that the hypothesised effect is taken from, first; needed for an interval only, which is then found
        by a scan (and says so).
    """

    function: Callable[[Floats, Codes], Floats]
    outcome: Floats
    compare: tuple[str, str] | None = None
    name: str = "the user's own statistic"

    def bind(self, drawn: Drawn) -> Bound:
        """The statistic of what was drawn."""
        values, item = aligned(drawn, self.outcome, table=self.compare is None)
        treated = np.zeros_like(values)
        if self.compare is not None:
            drawn.code(self.compare[1])
            treated = (drawn.codes[item] == drawn.code(self.compare[0])).astype(float)
        return Own(drawn=drawn, function=self.function, outcome=values, item=item, treated=treated, name=self.name)


@dataclass(frozen=True, eq=False, kw_only=True)
class Own:
    """A user's statistic, bound."""

    drawn: Drawn
    function: Callable[[Floats, Codes], Floats]  # as in `UserStatistic`
    outcome: Floats  # (n_units,), or (n_units, ...)
    item: NDArray[np.intp]  # (n_units,)
    treated: Floats  # (n_units,) 1 where the hypothesised effect is taken off
    name: str
    centre: float | None = None
    estimate: float = nan
    std_error: float = nan

    @property
    def n_units(self) -> int:
        """All units."""
        return int(self.item.size)

    def size(self, tau: float) -> float:
        """Unknown: ties are measured against the observed value alone."""
        return 0.0

    def values(self, codes: Codes, tau: float = 0.0) -> Floats:
        """(k,) what the function says.

        Raises
        ------
        EstimateError
            It does not keep its contract.
        """
        found: Any = np.asarray(self.function(self.outcome - tau * self.treated, codes[:, self.item]), np.float64)
        if found.shape != (len(codes),) or not np.isfinite(found).all():
            raise EstimateError(
                f"The statistic {self.name!r} gave shape {found.shape} for {len(codes)} allocations, or a number that "
                "is not finite; it must give one finite number per allocation. Correct the function.",
                {"shape": found.shape, "allocations": len(codes)},
                da=f"Statistikken {self.name!r} gav formen {found.shape} for {len(codes)} tildelinger, eller et tal, "
                "der ikke er endeligt; den skal give ét tal pr. tildeling. Ret funktionen.",
            )
        return cast(Floats, found)

    def with_noise(self, rng: np.random.Generator) -> Own:
        """Other outcomes of the kind the function expects: its own, mixed."""
        return replace(self, outcome=rng.permutation(self.outcome))


__all__ = ["Own", "UserStatistic"]
