"""The assignment could have been ..."""

from trialkit.design.assignment import Assignment
from trialkit.design.build import from_spec, to_spec
from trialkit.design.constraint import Mahalanobis, Tolerance
from trialkit.design.constructors import (
    blocked,
    blocked_wedge,
    complete,
    lottery,
    matched,
    rollout,
    sequential,
    stepped_wedge,
)
from trialkit.design.labels import Label, Quota
from trialkit.design.parts import Part
from trialkit.design.parts_design import KINDS, PartsDesign
from trialkit.design.sequential import SequentialDesign

__all__ = [
    "KINDS", "Assignment", "Label", "Mahalanobis", "Part", "PartsDesign", "Quota", "SequentialDesign", "Tolerance",
    "blocked", "blocked_wedge", "complete", "from_spec", "lottery", "matched", "rollout", "sequential",
    "stepped_wedge", "to_spec",
]  # fmt: skip
