"""Contradictions: what each field allows on its own and the protocol as a whole does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialkit.protocol import consistent_design, consistent_lottery, consistent_question
from trialkit.protocol.contradiction import Contradiction

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


def contradictions(protocol: Protocol) -> list[Contradiction]:
    """Everything in the protocol that contradicts something else in it, in the order of the draft's parts."""
    rules = (*consistent_design.RULES, *consistent_lottery.RULES, *consistent_question.RULES)
    return [fault for rule in rules for fault in rule(protocol)]
