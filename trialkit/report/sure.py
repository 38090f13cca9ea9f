"""How sure an answer is, in figures, and what must be known to read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from trialkit.report import resting
from trialkit.report.page import say, texts
from trialkit.report.words import listing, number, probability

if TYPE_CHECKING:
    from trialkit.estimate.randomization import RandomizationTest
    from trialkit.report.answer import Said

LOT: Final = "randomization_test"


def facts(said: Said) -> list[tuple[str, str]]:
    """Difference, interval, p-value and method by name; the months compared."""
    w, answer = said.words, said.found.answer
    found = [
        (w["odds_name" if said.ratio else "difference_name"], said.signed(answer.estimate.estimate)),
        _interval(said),
    ]
    found += _modelled(said) if answer.test is None else _through_the_lot(said)
    return [*found, *_months(said)]


def _interval(said: Said) -> tuple[str, str]:
    """The interval by its level; that there is none."""
    estimate, w = said.found.answer.estimate, said.words
    low, high = said.signed(estimate.conf_low, unit=False), said.signed(estimate.conf_high)
    known = said.found.answer.test is not None or not math.isnan(estimate.conf_low)
    name = say(w["interval_name"], level=number(100 * estimate.level, said.lang, 0))
    return name, say(w["interval_text"], low=low, high=high) if known else str(w["none_left_out"])


def _modelled(said: Said) -> list[tuple[str, str]]:
    """P-value with its degrees of freedom, and the method."""
    w, one = said.words, said.found.answer.estimate
    freedom = number(one.df, said.lang, None if float(one.df).is_integer() else 1)
    p = say(w["p_freedom" if math.isfinite(one.df) else "p_normal"], p=probability(one.p_value, said.lang), df=freedom)
    named = say(w["method_named"], method=resting.method(said), name=said.found.answer.registered)
    return [(w["p_name"], p), (w["method_name"], named)]


def _through_the_lot(said: Said) -> list[tuple[str, str]]:
    """P-value with its count, the smallest possible, and the method."""
    w, estimate = said.words, said.found.answer.estimate
    p = probability(estimate.p_value, said.lang)
    if not said.exact:
        error = probability(estimate.mc_error, said.lang, 5)
        p_text = say(w["p_error"], p=p, error=error, total=said.total)
    elif said.equally_likely:
        p_text = say(w["p_text"], p=p, count=number(round(said.extreme), said.lang), total=said.total)
    else:
        p_text = p
    smallest = w["smallest_text" if said.exact else "smallest_sampled"]
    return [
        (w["p_name"], p_text),
        (w["smallest_name"], say(smallest, p=probability(estimate.smallest_p, said.lang), total=said.total)),
        (w["method_name"], say(w["method_exact" if said.exact else "method_sampled"], total=said.total)),
        *([] if said.found.answer.registered == LOT else [(w["by_name"], resting.method(said))]),
    ]


def _months(said: Said) -> list[tuple[str, str]]:
    answer, w = said.found.answer, said.words
    if answer.way != "within_months":
        return []
    dropped, left_out = answer.dropped, answer.left_out
    window = say(w["window_text"], cells=number(len(left_out), said.lang), days=answer.window_days)
    none = w["none_left_out"]
    return [
        (w["compared_name"], said.periods(said.found.compared)),
        (w["dropped_name"], say(w["dropped_text"], periods=said.periods(dropped)) if dropped else none),
        (w["window_name"], window if left_out else none),
    ]


def notes(said: Said) -> list[str]:
    """What must be known to read the figures."""
    w, answer = said.words, said.found.answer
    told = [] if said.found.confirmed else [w["unconfirmed"]]
    told += [] if answer.test is None else _region(said, answer.test)
    if answer.dropped and answer.registered != LOT:
        told.append(w["other_months"])
    if answer.test is None and "singular" in answer.estimate.method:
        told.append(texts(said.lang)["beside"]["singular"])
    told += _sensitivity(said)
    snapshot = said.found.snapshot
    told.append(say(w["unsuppressed"], digest=snapshot) if snapshot else w["unsuppressed_live"])
    return told


def _sensitivity(said: Said) -> list[str]:
    """The answer with interrupted months the other way; that it cannot be had."""
    w, answer = said.words, said.found.answer
    if (other := answer.sensitivity) is None:
        return [w["sensitivity_none"]] if answer.panel.interrupted.any() else []
    with_them, without = ("odds_with", "odds_without") if said.ratio else ("sensitivity_with", "sensitivity_without")
    text = w[with_them if answer.excluded else without]
    return [say(text, difference=said.signed(other.estimate), p=probability(other.p_value, said.lang))]


def _region(said: Said, test: RandomizationTest) -> list[str]:
    """What counts as unusual, and which differences fit the numbers."""
    w = said.words
    told = [w["side" if test.sides in ("greater", "less") else "sides"]]
    if test.connected:
        told.append(w["connected"])
    elif test.region is not None and test.region.pieces:
        pieces = [
            say(w["interval_text"], low=said.signed(low, unit=False), high=said.signed(high))
            for low, high in test.region.pieces
        ]
        told.append(say(w["pieces"], pieces=listing(pieces, said.lang)))
    if test.undefined:
        told.append(say(w["undefined"], share=probability(test.undefined, said.lang)))
    return told


__all__ = ["facts", "notes"]
