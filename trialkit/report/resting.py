"""What a page says of an answer that is not the plain comparison through the lot: what it rests on, and the check."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trialkit.protocol.analysis import MODELS
from trialkit.report.beside import SaidBeside
from trialkit.report.page import say, texts
from trialkit.report.words import probability

if TYPE_CHECKING:
    from trialkit.estimate.randomization import RandomizationTest
    from trialkit.report.answer import Said

RATIOS: Final = frozenset({"odds ratio", "rate ratio"})
_TIE: Final = 1e-9


def method(said: Said) -> str:
    """The method in plain words."""
    return str(texts(said.lang)["beside"][f"method_{said.found.answer.registered}"])


def basis(said: Said) -> list[str]:
    """What the answer rests on; with few in the draw what the test through the lot finds."""
    w, answer = said.words, said.found.answer
    plain = answer.started.level - answer.waiting.level
    same = said.size(plain) == said.size(answer.estimate.estimate) or math.isclose(plain, answer.estimate.estimate)
    told = [] if said.ratio or same else [w["own_weights"]]
    if answer.test is None:
        name = method(said)
        key = "rests_model" if answer.registered in MODELS else "rests_averages"
        told.insert(0, say(w[key], method=name[:1].lower() + name[1:]))
    if answer.check is not None:
        told += _check(said, answer.check)
    if answer.unchecked is not None:
        told.append(say(w["unchecked"], reason=answer.unchecked.told(said.lang)))
    return told


def _check(said: Said, check: RandomizationTest) -> list[str]:
    """The same question through the lot, and whether the limit parts the two."""
    w, spoken, one = said.words, SaidBeside(said.found, said.lang), check.estimate
    ends = {"low": spoken.signed(one.conf_low, one, unit=False), "high": spoken.signed(one.conf_high, one)}
    blanks = {
        "size": spoken.more(one), "interval": say(spoken.words["from_to"], **ends),
        "p": probability(one.p_value, said.lang), "smallest": probability(one.smallest_p, said.lang),
    }  # fmt: skip
    limit = said.found.answer.alpha + _TIE
    if (one.p_value <= limit) == (said.found.answer.estimate.p_value <= limit):
        beside = "check_agrees"
    else:
        beside = "check_blind" if one.smallest_p > limit else "check_differs"
    return [say(w["check_few"] if not math.isnan(one.conf_low) else w["check_few_bare"], **blanks), w[beside]]


def chance(said: Said) -> str:
    """The p-value in words."""
    return say(said.words["chance_model"], p=said.in_100(said.found.answer.estimate.p_value))


__all__ = ["RATIOS", "basis", "chance", "method"]
