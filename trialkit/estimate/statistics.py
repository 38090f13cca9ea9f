"""What a randomization test can compare: the statistics by name, and the one that is used unless another is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trialkit.estimate.arms import Statistic
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.exposure_slope import ExposureWeighted
from trialkit.estimate.frisch_waugh import OlsAdjusted
from trialkit.estimate.own_statistic import UserStatistic
from trialkit.estimate.pairs import PairedT
from trialkit.estimate.ranks import KolmogorovSmirnov, RankSum
from trialkit.estimate.two_arms import DifferenceInMeans, Studentized
from trialkit.estimate.waves import DifferenceWithinMonths

Floats = NDArray[np.float64]


def default(drawn: Drawn, outcome: Floats, compare: tuple[str, str]) -> Statistic:
    """The paired t for matched pairs, the studentized difference for everything else."""
    pairs = [part.items for part in drawn.parts]
    if drawn.design.kind == "matched" and all(len(items) == 2 for items in pairs):
        return PairedT(outcome=outcome, compare=compare)
    return Studentized(outcome=outcome, compare=compare)


__all__ = [
    "DifferenceInMeans", "DifferenceWithinMonths", "ExposureWeighted", "KolmogorovSmirnov", "OlsAdjusted", "PairedT", "RankSum",
    "Statistic", "Studentized", "UserStatistic", "default",
]  # fmt: skip
