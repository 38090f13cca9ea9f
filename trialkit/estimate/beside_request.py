"""One registered analysis that stands beside the primary answer, with what it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.question import DRAWS, Question

if TYPE_CHECKING:
    from trialkit.protocol.analysis import Method

Floats = NDArray[np.float64]
Facts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """One registered analysis, on one outcome.

    Parameters
    ----------
    question : what is compared
    method : the analysis as the draft has it
    excluded : interrupted periods are left out
    facts : unit -> column -> value, as the plan lists them
    rng : for Monte Carlo, where allocations are too many
    """

    question: Question
    method: Method
    excluded: bool
    facts: Facts
    rng: np.random.Generator | None

    @property
    def level(self) -> float:
        """Of the interval: by the method's own alpha, or the primary one."""
        return 1 - float(self.method.alpha or self.question.alpha)

    @property
    def draws(self) -> int:
        """Draws of a Monte Carlo test, where allocations are too many to go through."""
        return self.method.draws or self.question.primary.draws or DRAWS

    @property
    def two_arms(self) -> tuple[Floats, tuple[str, str]]:
        """One value per unit, and the labels compared.

        Raises
        ------
        EstimateError
            The draw gave more than two labels, so no two arms are compared.
        """
        question = self.question
        if question.way != "two_arms":
            labels = question.lot.design.label_names
            raise EstimateError(
                f"{self.method.method} compares two arms, and the lot gave {len(labels)} waves ({', '.join(labels)}) that "
                "are compared month by month. Register stepped_wedge_model or staggered_rollout for waves.",
                {"method": self.method.method, "labels": list(labels)},
                da=f"{self.method.method} sammenligner to grupper, men lodtrækningen gav {len(labels)} bølger "
                f"({', '.join(labels)}), som sammenlignes måned for måned. Registrér stepped_wedge_model eller "
                "staggered_rollout for bølger.",
                code="E_NOT_BUILT",
            )
        return question.unit_values(self.excluded), question.compare


__all__ = ["Facts", "Request"]
