"""Profile likelihood: where the likelihood, with everything else at its best, has fallen by what a level allows."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import brentq

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats
from trialkit.estimate.glmm_fit import RUNAWAY, Maximum, Warm, quasi_newton, round_scale
from trialkit.estimate.glmm_likelihood import CountLikelihood

WIDER: Final = 40  # times an end is looked for further out, before it is said to be infinite
OPENED: Final = 0.2  # a component on its boundary is let go from here, too, since another effect may need it
HIGHER: Final = 1e-5


@dataclass(frozen=True, eq=False)
class ProfileLikelihood:
    """The likelihood along ``direction`` (p + levels,) of psi: its value there is the number that is profiled."""

    likelihood: CountLikelihood
    best: Maximum
    direction: Floats

    @property
    def centre(self) -> float:
        """The number at the maximum."""
        return float(self.direction @ self.best.psi)

    def height(self, value: float) -> float:
        """The highest log-likelihood at which the number is ``value``; components on their boundary may leave it."""
        found = [self._height(value, self.best.psi)]
        held = (self.best.psi[self.likelihood.p :] == 0) & (self.direction[self.likelihood.p :] == 0)
        if held.any():
            opened = self.best.psi.copy()
            opened[self.likelihood.p :][held] = OPENED
            found.append(self._height(value, opened))
        return max(found)

    def _height(self, value: float, start: Floats) -> float:
        psi = start.copy()
        profiled = self.direction != 0
        if profiled[self.likelihood.p :].any():
            psi[profiled] = value
        scale = round_scale(self.likelihood, psi)
        free = np.r_[np.ones(self.likelihood.p, bool), psi[self.likelihood.p :] != 0]
        if profiled[self.likelihood.p :].any():
            rest = scale[:, free & ~profiled]
        else:
            along = scale[:, free].T @ self.direction
            psi = psi + scale[:, free] @ along * ((value - float(self.direction @ psi)) / float(along @ along))
            rest = scale[:, free] @ null_space(along[None])
        warm = Warm(self.likelihood, psi, rest)
        z = quasi_newton(warm, np.zeros(rest.shape[1]), gradient=1e-4)
        return -warm(z)[0]

    def root(self, value: float) -> float:
        """The signed root of twice the fall of the log-likelihood: standard normal, about, at the true value.

        Raises
        ------
        EstimateError
            The likelihood is higher here than at what was taken for its maximum.
        """
        fall = self.best.value - self.height(value)
        if fall < -HIGHER:
            raise EstimateError(
                f"The profile found a log-likelihood {-fall:.3g} above the maximum it started from, so the estimates are "
                "not the maximum. Report the data, and use the randomization test until it is mended.",
                {"fall": fall, "value": value},
                da=f"Profilen fandt en log-likelihood {-fall:.3g} over det maksimum, den begyndte ved, så skønnene er "
                "ikke maksimum. Send data til os, og brug randomiseringstesten så længe.",
            )
        return float(np.copysign(np.sqrt(2 * max(fall, 0.0)), value - self.centre))

    def interval(self, limit: float, step: float, *, lowest: float = -inf, highest: float = inf) -> tuple[float, float]:
        """Both ends at which the root is ``limit`` in size; ``lowest`` or infinity where it never is."""
        return self._end(-limit, -step, lowest), self._end(limit, step, highest)

    def _end(self, limit: float, step: float, furthest: float) -> float:
        inner, away = self.centre, 1.05 * abs(limit) * step
        for _ in range(WIDER):
            outer = self.centre + away
            reached = outer <= furthest if step < 0 else outer >= furthest
            outer = furthest if reached else outer
            if abs(self.root(outer)) >= abs(limit):
                return float(brentq(lambda value: self.root(value) - limit, inner, outer, xtol=1e-7 * abs(step)))
            if reached:
                return furthest if step < 0 else inf
            inner, away = outer, 1.5 * away
        return float(np.copysign(inf, step))


def spread_profile(likelihood: CountLikelihood, best: Maximum, level: int) -> ProfileLikelihood:
    """The profile of the standard deviation number ``level``."""
    direction = np.zeros(likelihood.p + likelihood.levels)
    direction[likelihood.p + level] = 1
    return ProfileLikelihood(likelihood, best, direction)


def spread_interval(likelihood: CountLikelihood, best: Maximum, level: int, limit: float) -> tuple[float, float]:
    """Ends of the interval of a standard deviation; 0 where the data do not rule it out, infinity likewise."""
    at = likelihood.p + level
    step = float(np.sqrt(best.covariance()[at, at])) or OPENED
    return spread_profile(likelihood, best, level).interval(limit, step, lowest=0.0, highest=RUNAWAY)


__all__ = ["ProfileLikelihood", "spread_interval", "spread_profile"]
