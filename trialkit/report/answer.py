"""The answer in words: what was found, how sure that is, and what it does not say.

Only what was drawn by lot comes here (`trialkit.estimate.registered` refuses the rest), so causal words are allowed, and
used only where the p-value is within the limit set beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trialkit.errors import Lang
from trialkit.report import resting, sure
from trialkit.report.findings import Findings
from trialkit.report.naming import own_words, readable
from trialkit.report.page import counted, say, texts
from trialkit.report.quarters import Counts, period_name, spans_told
from trialkit.report.words import SMALLEST_BASE, date_long, listing, number, probability

_PEOPLE: Final = ("child", "parent", "adult", "person", "family")
_TIE: Final = 1e-9


@dataclass(frozen=True)
class Said:
    """What a page says of one answer, in one language."""

    found: Findings
    lang: Lang

    @cached_property
    def words(self) -> dict[str, Any]:
        """The page's words."""
        return dict(texts(self.lang)["effect"])

    @property
    def share(self) -> bool:
        """Whether the outcome is a share, told as so many of 100."""
        return self.found.panel.unit == "share"

    @property
    def ratio(self) -> bool:
        """Whether the answer is a ratio of odds or of rates, and no difference."""
        return self.found.answer.estimate.unit in resting.RATIOS

    @cached_property
    def outcome(self) -> str:
        """The outcome's label."""
        return self.found.outcome.label.told(self.lang)

    @cached_property
    def arms(self) -> dict[str, str]:
        """``new`` and ``usual`` as the protocol calls them."""
        arms, wanted = self.found.protocol.arms, self.found.protocol.estimand.compare
        names = wanted if len(wanted) == 2 and set(wanted) <= set(arms) else tuple(arms)[:2]
        return {role: arms[name].told(self.lang) for role, name in zip(("new", "usual"), names, strict=True)}

    @property
    def total(self) -> str:
        """How many allocations the answer was compared with."""
        return number(self.found.answer.estimate.n_allocations, self.lang)

    def asked(self) -> str:
        """The question in one sentence."""
        return say(self.by_way("asked"), outcome=self.outcome, **self.arms)

    def by_way(self, key: str) -> str:
        """The words for waves, or those for arms."""
        return str(self.words[key if self.found.protocol.waves else f"{key}_arms"])

    def promised(self) -> list[tuple[str, str]]:
        """What was laid down beforehand, by name."""
        w, found = self.words, self.found
        estimand, outcome = found.protocol.estimand, found.outcome
        facts = [own_words(w["who"], estimand.who, self.lang)]
        facts += [(w[name], text) for name in ("numerator", "denominator") if (text := getattr(outcome, name))]
        if estimand.period:
            first, last = (date_long(day, self.lang) for day in (estimand.period.from_, estimand.period.to))
            facts.append((w["period"], say(w["period_text"], first=first, last=last)))
        facts.append((w["weight"], w[f"weight_{found.answer.counted_per}"]))
        if worth := self._worth():
            facts.append((w["worth"], self.size(worth)))
        facts.append((w["limit"], say(w["limit_text"], alpha=number(found.answer.alpha, self.lang))))
        return facts

    def _worth(self) -> float | None:
        """The smallest effect worth finding, in the outcome's own steps and its better direction."""
        worth = self.found.protocol.planning.smallest_effect_worth_finding
        if isinstance(worth, str) or worth.absolute is None or worth.outcome != self.found.outcome.id:
            return None
        return float(worth.absolute) * (-1 if self.found.outcome.better == "lower" else 1)

    def plain(self, value: float) -> str:
        """A level: so many of 100, or in the outcome's own steps."""
        return number(100 * value, self.lang, 1) if self.share else number(value, self.lang, 2)

    def size(self, value: float) -> str:
        """A difference with its direction."""
        text = self.plain(abs(value))
        kind = "none" if text == self.plain(0.0) else "more" if value > 0 else "fewer"
        key = f"{kind}_100" if self.share else kind
        return say(self.words[key], size=text, unit=self.found.panel.unit)

    def level(self) -> str:
        """Both sides in one sentence."""
        answer = self.found.answer
        key = "level_mean" if not self.share else "level_months" if answer.way == "within_months" else "level_share"
        people = self.people()
        return say(
            self.words[key], outcome=self.outcome, started=self.plain(answer.started.level),
            waiting=self.plain(answer.waiting.level), people=f" {people}" if people else "", unit=self.found.panel.unit,
            **self.arms,
        )  # fmt: skip

    def people(self) -> str:
        """Whom the outcome is counted among, where it is people."""
        levels = (self.found.protocol.estimand.counted_per, self.found.outcome.level)
        known = next((level for level in levels if level in _PEOPLE), None)
        return str(texts(self.lang)["nouns"][known][1]) if known else ""

    def difference(self) -> str:
        """The difference found; of odds their ratio."""
        found = self.found.answer.estimate.estimate
        if self.ratio:
            return say(self.words["odds"], times=number(found, self.lang, 2), **self.arms)
        return say(self.words["difference"], size=self.size(found))

    def interval(self) -> str:
        """Where it can lie."""
        low, high = self.found.answer.estimate.conf_low, self.found.answer.estimate.conf_high
        if math.isnan(low):
            return str(self.words["empty" if self.found.answer.test else "no_interval"])
        if self.ratio:
            return say(self.words["odds_between"], low=number(low, self.lang, 2), high=number(high, self.lang, 2))
        known = {
            (True, True): "between", (True, False): "at_least", (False, True): "at_most", (False, False): "unbounded",
        }[math.isfinite(low), math.isfinite(high)]  # fmt: skip
        ends = {name: self.size(end) for name, end in (("low", low), ("high", high)) if math.isfinite(end)}
        return say(self.words[known], **ends)

    @cached_property
    def extreme(self) -> float:
        """How many allocations are at least as unusual as the one drawn; of a sample, with the drawn one among them."""
        estimate = self.found.answer.estimate
        n = estimate.n_allocations + (0 if self.exact else 1)
        return estimate.p_value * n

    @property
    def exact(self) -> bool:
        """Whether every allocation was gone through."""
        return self.found.answer.test is not None and self.found.answer.test.exact

    @property
    def equally_likely(self) -> bool:
        """Whether the p-value is a plain count of allocations."""
        return abs(self.extreme - round(self.extreme)) < 1e-6

    def chance(self) -> str:
        """The p-value in words."""
        estimate = self.found.answer.estimate
        if self.found.answer.test is None:
            return resting.chance(self)
        if not self.exact:
            return say(self.words["chance_sampled"], count=number(round(self.extreme) - 1, self.lang), total=self.total)
        if not self.equally_likely:
            return say(self.words["chance_weighed"], p=probability(estimate.p_value, self.lang))
        if round(self.extreme) == 1:
            return say(self.words["chance_exact_one"], total=self.total)
        return say(self.words["chance_exact"], count=number(round(self.extreme), self.lang), total=self.total)

    def verdict(self) -> list[str]:
        """What may be concluded, by the limit set beforehand and by the smallest difference worth finding."""
        estimate, alpha = self.found.answer.estimate, self.found.answer.alpha
        within = estimate.p_value <= alpha + _TIE
        blanks = {"p": self.in_100(estimate.p_value), "limit": number(100 * alpha, self.lang)}
        caused, unclear = ("caused", "unclear") if self.found.answer.test else ("caused_model", "unclear_model")
        said = [say(self.by_way(caused) if within else self.words[unclear], **blanks, **self.arms)]
        if estimate.smallest_p > alpha + _TIE:
            said.append(self.words["smallest_above"])
        worth = self._worth()
        if worth is not None and self.ratio:
            said.append(say(self.words["worth_odds"], worth=self.size(worth)))
        elif worth is not None and not math.isnan(estimate.conf_low):
            said.append(say(self.words[self._against(worth)], worth=self.size(worth)))
        return said

    def basis(self) -> list[str]:
        """What the answer rests on where that is not the plain comparison through the lot, and its check."""
        return resting.basis(self)

    def in_100(self, p: float) -> str:
        """A p-value as so many of 100; one that would round to 0 as less than the last digit."""
        if p >= 0.0005:
            return number(100 * p, self.lang, 1)
        return f"{'under' if self.lang == 'da' else 'below'} {number(0.1, self.lang)}"

    def _against(self, worth: float) -> str:
        """Where the interval lies, seen from the smallest difference worth finding."""
        estimate = self.found.answer.estimate
        ends = sorted((estimate.conf_low, estimate.conf_high), key=lambda end: end * math.copysign(1, worth))
        if ends[0] * math.copysign(1, worth) > abs(worth):
            return "worth_in"
        return "worth_out" if ends[1] * math.copysign(1, worth) < abs(worth) else "worth_open"

    def counts(self) -> str:
        """The plain count of both sides, as far as it may be shown."""
        quarters = self.found.quarters
        return say(self.by_way("counted"), started=self.of(quarters.started), waiting=self.of(quarters.waiting))

    def of(self, counts: Counts, *, percent: bool = True) -> str:
        """``163 of 1,264 (12.9%)``, ``hidden of 1,264``; no per cent on a small base."""
        shown = [self.words["hidden"] if n is None else number(n, self.lang, None if float(n).is_integer() else 2)
                 for n in (counts.numerator, counts.denominator)]  # fmt: skip
        text = say(self.words["of"], k=shown[0], n=shown[1])
        if not percent or math.isnan(counts.share) or (counts.denominator or 0) < SMALLEST_BASE:
            return text
        if not self.share:
            return f"{text} ({number(counts.share, self.lang, 2)})"
        return f"{text} ({number(100 * counts.share, self.lang, 1)}{' %' if self.lang == 'da' else '%'})"

    def facts(self) -> list[tuple[str, str]]:
        """How sure it is, in figures."""
        return sure.facts(self)

    def notes(self) -> list[str]:
        """What must be known to read the figures."""
        return sure.notes(self)

    def signed(self, value: float, *, unit: bool = True) -> str:
        """A difference as a signed number: of 100, or in the outcome's own steps; a ratio as it is."""
        if self.ratio:
            times = self.words["odds_step"] if unit else ""
            return f"{number(value, self.lang, 2)} {times}".rstrip()
        text = number(100 * value, self.lang, 1) if self.share else number(value, self.lang, 3)
        step = (self.words["curves_y"] if self.share else self.found.panel.unit) if unit else ""
        return f"{'+' if value > 0 else ''}{text} {step}".rstrip() if math.isfinite(value) else text

    def limits(self) -> list[str]:
        """What the answer does not say."""
        w, found = self.words, self.found
        names = [found.name_of(unit) for unit in found.pilots]
        only = say(
            self.by_way("limit_only"), units=counted(len(found.answer.panel.units), "unit", self.lang),
            periods=self.periods(found.compared),
        )  # fmt: skip
        waves = [self.by_way("limit_neighbours")] + ([w["limit_slow"]] if found.answer.way == "within_months" else [])
        said = [only, *waves, w["limit_same"], w["limit_which"]]
        if names:
            said.append(say(w["limit_pilots"], names=listing(names, self.lang)))
        return [*([w["limit_synthetic"]] if found.synthetic else []), *said]

    def measured(self) -> list[str]:
        """Who measured, and what that means; the outcome's own caution."""
        outcome = self.found.outcome
        caution = [outcome.caution.told(self.lang)] if outcome.caution else []
        return [self.words[f"measured_{outcome.reported_by}"], *caution]

    def source(self) -> str:
        """What stands below a table."""
        return say(self.words["source"], source=self.words[f"source_{self.found.outcome.reported_by}"])

    def preliminary(self) -> list[str]:
        """Why this is not final."""
        return [say(self.words[reason], days=self.found.outcome.window_days or 0) for reason in self.found.preliminary]

    def periods(self, periods: tuple[str, ...]) -> str:
        """Months as ranges: ``February 2012 – June 2012``."""
        if not periods:
            return str(self.words["none_left_out"])
        return spans_told(periods, self.lang)

    def period(self, name: str) -> str:
        """A month, quarter or year in words."""
        return period_name(name, self.lang)

    def quarter(self, name: str, form: str = "quarter_short") -> str:
        """``Q1 2012``; a year as it stands."""
        return period_name(name, self.lang, form)

    def title(self, key: str, *, short: bool = False) -> str:
        """A group for people: a wave's name, an arm's, or the pilots."""
        if key in ("pilots", "drawn"):
            return str(self.words[f"{key}_short" if short and key == "pilots" else key])
        arms, waves = self.found.protocol.arms, [wave.id for wave in self.found.protocol.waves]
        if key in arms:
            return arms[key].told(self.lang)
        name = readable(key, self.lang)
        if key in waves and name == key:  # a name of the draft's own, in whatever language
            return f"{texts(self.lang)['labels']['wave']} {waves.index(key) + 1} ({key})"
        return name


__all__ = ["Said"]
