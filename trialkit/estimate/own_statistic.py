"""A statistic of the user's own, with its contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from math import nan

import numpy as np
from numpy.typing import NDArray

from trialkit.design.base import Codes
from trialkit.errors import EstimateError
from trialkit.estimate.arms import Bound, aligned
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.given import numbers

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
        """The statistic of what was drawn.

        Raises
        ------
        EstimateError
            Outcomes or labels that do not fit the design, or a ``function`` that is none.
        """
        _check_function(self.function, self.name)
        values, item = aligned(drawn, self.outcome, table=self.compare is None)
        treated = np.zeros_like(values)
        if self.compare is not None:
            treated = (drawn.codes[item] == drawn.arms(self.compare)[0]).astype(float)
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
        found = self.function(self.outcome - tau * self.treated, codes[:, self.item])
        values = numbers(found, f"What the statistic {self.name!r} gave")
        if values.shape != (len(codes),) or not np.isfinite(values).all():
            raise EstimateError(
                f"The statistic {self.name!r} gave shape {values.shape} for {len(codes)} allocations, or a number that "
                "is not finite; it must give one finite number per allocation. Correct the function.",
                {"shape": values.shape, "allocations": len(codes)},
                da=f"Statistikken {self.name!r} gav formen {values.shape} for {len(codes)} tildelinger, eller et tal, "
                "der ikke er endeligt; den skal give ét tal pr. tildeling. Ret funktionen.",
            )
        return values

    def with_noise(self, rng: np.random.Generator) -> Own:
        """Other outcomes of the kind the function expects: its own, mixed."""
        return replace(self, outcome=rng.permutation(self.outcome))


def _check_function(function: object, name: str) -> None:
    """Refuse what cannot be called with outcomes and allocations, before it is.

    Raises
    ------
    EstimateError
        As said.
    """
    try:
        signature(function).bind(None, None)  # type: ignore[arg-type]
    except ValueError:  # a function written in C, which does not say what it takes
        return
    except TypeError as error:
        raise EstimateError(
            f"The statistic {name!r} is no function of two arguments, the outcomes (n_units,) and the codes of k "
            f"allocations (k, n_units): {error}. Correct the function.",
            {"statistic": name},
            da=f"Statistikken {name!r} er ikke en funktion af to ting, udfaldene (n_units,) og koderne for k tildelinger "
            "(k, n_units). Ret funktionen.",
        ) from error


__all__ = ["Own", "UserStatistic"]
