"""What stands beside the answer, in words: other analyses and outcomes, neighbours, and what could not be answered."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from trialkit.estimate.beside import MISSING, OUTCOME
from trialkit.estimate.exposure import CONDITIONS
from trialkit.protocol.analysis import AVERAGES, MODELS
from trialkit.report.naming import readable
from trialkit.report.page import counted, say, texts
from trialkit.report.words import listing, number, probability

if TYPE_CHECKING:
    from trialkit.errors import Lang
    from trialkit.estimate.beside import Beside, Line
    from trialkit.estimate.neighbours import Spillover
    from trialkit.estimate.question import Side
    from trialkit.estimate.result import Estimate
    from trialkit.protocol.model import Protocol as Promised
    from trialkit.protocol.outcomes import Outcome

FEW: Final = 12  # units up to which a model is only a companion of the test
MANY: Final = 60  # units shown one by one in the table of neighbours
LOT: Final = "randomization_test"
NEIGHBOURS: Final = "spillover_check"
NONE: Final = "–"  # where a method gives no such figure
_WHOLE: Final = frozenset({"share", "yes_no", "count"})


class Answered(Protocol):
    """What a page is about: an answer through a lot, or a description."""

    @property
    def protocol(self) -> Promised: ...

    @property
    def beside(self) -> Beside: ...

    @property
    def alpha(self) -> float: ...

    def name_of(self, unit: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of what else was promised."""

    name: str
    method: str
    difference: str
    interval: str
    p_value: str
    adjusted: str
    units: str


@dataclass(frozen=True)
class SaidBeside:
    """What a page says of everything beside the answer, in one language."""

    found: Answered
    lang: Lang

    @cached_property
    def words(self) -> dict[str, Any]:
        """The words."""
        return dict(texts(self.lang)["beside"])

    def rows(self) -> list[Row]:
        """The table: everything that was answered, in the plan's order."""
        return [self._row(line, line.estimate) for line in self.found.beside.answered if line.estimate is not None]

    def _row(self, line: Line, one: Estimate) -> Row:
        low, high = one.conf_low, one.conf_high
        ends = {"low": self.signed(low, one, unit=False), "high": self.signed(high, one)}
        between = line.bounds and {
            "low": self.signed(line.bounds.lower, one, unit=False), "high": self.signed(line.bounds.upper, one),
        }  # fmt: skip
        return Row(
            name=self.outcome(line),
            method=self.method(line),
            difference=say(self.words["from_to"], **between) if between else self.signed(one.estimate, one),
            interval=NONE if math.isnan(low) else say(self.words["from_to"], **ends),
            p_value=self.p(one),
            adjusted=self._plain(line.p_adjusted),
            units=number(one.n_units, self.lang),
        )

    def _outcome(self, line: Line) -> Outcome:
        return next(one for one in self.found.protocol.outcomes if one.id == line.outcome)

    def outcome(self, line: Line) -> str:
        """The outcome's label, and whose goal it is."""
        label = self._outcome(line).label.told(self.lang)
        return f"{readable(line.administration, self.lang)}: {label}" if line.administration else label

    def method(self, line: Line) -> str:
        """The method in plain words; for an event study with the periods since the start."""
        own = self.found.protocol.analysis.primary.method == line.method
        name = str(self.words["through_the_lot" if line.method == LOT and not own else f"method_{line.method}"])
        if line.method == "event_study" and line.estimate is not None:
            return say(self.words["since_start"], method=name, periods=line.estimate.term.rpartition(" ")[2])
        return name

    def signed(self, value: float, one: Estimate, *, unit: bool = True) -> str:
        """A difference as a signed number, of 100 or in the outcome's own steps; a ratio as it is."""
        if one.unit in ("odds ratio", "rate ratio"):
            return f"{number(value, self.lang, 2)} {self.words[one.unit.replace(' ', '_')] if unit else ''}".rstrip()
        text = self._size(value, one)
        return (
            f"{'+' if value > 0 else ''}{text} {self.step(one.unit) if unit else ''}".rstrip()
            if math.isfinite(value)
            else text
        )

    def _size(self, value: float, one: Estimate) -> str:
        return number(100 * value, self.lang, 1) if one.unit == "share" else number(value, self.lang, 2)

    def step(self, unit: str) -> str:
        """What one step means, in the page's language; a draft's own word as it stands."""
        if unit == "share":
            return str(texts(self.lang)["effect"]["curves_y"])
        return str(self.words.get(f"unit_{unit}", unit))

    def more(self, one: Estimate) -> str:
        """A difference in words: ``8.6 more of 100``."""
        w, text = texts(self.lang)["effect"], self._size(abs(one.estimate), one)
        kind = "none" if text == self._size(0.0, one) else "more" if one.estimate > 0 else "fewer"
        key = f"{kind}_100" if one.unit == "share" else kind
        return say(w[key], size=text, unit=self.step(one.unit))

    def p(self, one: Estimate) -> str:
        """A p-value with its Monte Carlo error, and the smallest that was possible where a lot decides that."""
        if math.isnan(one.p_value):
            return NONE
        text = _three(one.p_value, self.lang)
        if one.mc_error > 0:
            text += f" ± {number(one.mc_error, self.lang, 4)}"
        if math.isnan(one.smallest_p):
            return text
        return say(self.words["p_smallest"], p=text, smallest=_three(one.smallest_p, self.lang))

    def _plain(self, p: float) -> str:
        return NONE if math.isnan(p) else _three(p, self.lang)

    def adjusted_by(self) -> str:
        """How p-values were adjusted; that they were not, where there are several."""
        way = self.found.beside.adjusted_by
        tested = [line for line in self.found.beside.answered if line.tested and line.part != MISSING]
        if not tested:
            return ""
        return str(self.words[f"adjusted_{way}" if way else "adjusted_none"])

    def notes(self) -> list[str]:
        """What must be known to read the table."""
        w, lines = self.words, self.found.beside.answered
        said = [sentence for line in lines for sentence in self._sides(line)]
        if any(NONE in (row.interval, row.p_value, row.adjusted) for row in self.rows()):
            said.append(w["none"])
        said += [self._focal(line) for line in lines if line.method == NEIGHBOURS]
        said += [self._sensitivity(line) for line in lines if line.sensitivity is not None]
        models = [line.estimate for line in lines if line.method in MODELS and line.estimate is not None]
        if models and min(one.n_units for one in models) <= FEW:
            key = "few_models" if self.found.protocol.analysis.primary.method in AVERAGES | MODELS else "few"
            said.append(say(w[key], units=number(min(one.n_units for one in models), self.lang)))
        if any("singular" in one.method for one in models):
            said.append(w["singular"])
        who = self.found.beside.attrition
        if who is not None:
            counts = {
                "new": round(who.n_treated * who.response_treated), "of_new": who.n_treated,
                "usual": round(who.n_control * who.response_control), "of_usual": who.n_control,
            }  # fmt: skip
            said.append(say(w["reported"], **{name: number(n, self.lang) for name, n in counts.items()}))
        return said

    def _sides(self, line: Line) -> list[str]:
        """Of another outcome: both levels with their bases, who measured, and its caution."""
        if line.sides is None or line.estimate is None:
            return []
        outcome = self._outcome(line)
        names = ("started", "waiting")
        levels = {name: self._level(side, outcome, line.estimate) for name, side in zip(names, line.sides, strict=True)}
        said = say(self.words["sides"], outcome=outcome.label.told(self.lang), **levels)
        measured = str(texts(self.lang)["effect"][f"measured_{outcome.reported_by}"])
        caution = [outcome.caution.told(self.lang)] if outcome.caution else []
        return [" ".join([said, measured, *caution])]

    def _level(self, side: Side, outcome: Outcome, one: Estimate) -> str:
        """A level and how many it is of; hidden where the counts are small."""
        least = self.found.protocol.privacy.hide_counts_below
        steps = replace(one, unit="share") if one.unit == "odds ratio" else one  # odds are of shares
        counts = (side.numerator, side.denominator) if outcome.type in _WHOLE else (side.denominator,)
        if any(0 < n < least for n in counts):
            return str(texts(self.lang)["effect"]["hidden"])
        base = number(side.denominator, self.lang, None if side.denominator.is_integer() else 2)
        return say(self.words["level_of"], level=self.signed(side.level, steps).lstrip("+"), base=base)

    def _focal(self, line: Line) -> str:
        """Of the test of neighbours: whose outcomes it compares."""
        found = self.found.beside.spillover
        names = listing(map(self.found.name_of, found.focal if found else ()), self.lang)
        return say(self.words["neighbours_row"], name=self.outcome(line), method=self.method(line), focal=names)

    def _sensitivity(self, line: Line) -> str:
        other = line.sensitivity
        assert other is not None
        name = f"{self.outcome(line)}, {self.method(line)}"
        if line.estimate is not None and _same(line.estimate, other):
            return say(self.words["interrupted_apart"], name=name)
        key = "with_interrupted" if line.excluded else "without_interrupted"
        tail = "" if math.isnan(other.p_value) else "_p"
        return say(
            self.words[key + tail], name=name,
            difference=self.signed(other.estimate, other), p=self._plain(other.p_value),
        )  # fmt: skip

    def unanswered(self) -> list[tuple[str, str]]:
        """What was promised and not answered, with the reason."""
        return [
            (
                self.outcome(line) if line.part == OUTCOME else self.method(line),
                f"{line.reason.told(self.lang)} ({line.reason.code})",
            )
            for line in self.found.beside.unanswered
            if line.reason is not None
        ]

    def neighbours(self) -> list[str]:
        """What the map, the lot and the outcomes say, in sentences."""
        found = self.found.beside.spillover
        return [] if found is None else spillover_told(found, self.found, self.lang)

    def periods(self) -> str:
        """How many periods the table of neighbours counts in."""
        found = self.found.beside.spillover
        return "" if found is None else counted(len(found.exposed.periods), "period", self.lang)

    def map(self) -> list[tuple[str, ...]]:
        """Unit by unit: neighbours, periods waited alone and beside one that had begun, and how many to expect."""
        found = self.found.beside.spillover
        return [] if found is None else map_rows(found, self.found, self.lang)


def _same(one: Estimate, other: Estimate) -> bool:
    """Whether both rest on the same numbers: estimate and interval agree to the last digits."""
    pairs = [(one.estimate, other.estimate), (one.conf_low, other.conf_low), (one.conf_high, other.conf_high)]
    return all(math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def spillover_told(found: Spillover, about: Answered, lang: Lang) -> list[str]:
    """Exposure, test and effect in sentences."""
    w, spoken = texts(lang)["beside"], SaidBeside(about, lang)
    said = _clean(found, about, lang)
    if found.test is not None:
        blanks = {
            "size": spoken.more(found.test), "p": _in_100(found.test.p_value, lang),
            "focal": listing((about.name_of(unit) for unit in found.focal), lang),
            "smallest": probability(found.test.smallest_p, lang, 3),
        }  # fmt: skip
        said.append(say(w["neighbours_test"], **blanks))
        said.append(say(w["neighbours_smallest"], **blanks))
        if found.test.smallest_p > about.alpha:
            said.append(w["neighbours_blind"])
    elif found.reason is not None:
        said.append(found.reason.told(lang))
    if found.effect is not None:
        said.append(say(w["neighbours_effect"], size=spoken.more(found.effect)))
    return said


def _clean(found: Spillover, about: Answered, lang: Lang) -> list[str]:
    """How many waiting units could be without a neighbour that had begun."""
    w, it = texts(lang)["beside"], found.exposed
    if CONDITIONS[0] in it.never:
        return [w["neighbours_never"]]
    said = [say(w["neighbours_most"], most=counted(int(it.most_clean.max()), "unit", lang))]
    if it.always_exposed:
        said.append(say(w["neighbours_always"], names=listing(map(about.name_of, it.always_exposed), lang)))
    return said


def map_rows(found: Spillover, about: Answered, lang: Lang) -> list[tuple[str, ...]]:
    """Rows of the table of neighbours; none where units are many."""
    it = found.exposed
    if len(it.ids) > MANY:
        return []
    alone, beside = it.probabilities[:2].sum(axis=2)  # periods to expect, over the draws that were possible
    return [
        (
            about.name_of(unit),
            number(sum(unit in pair for pair in found.pairs), lang),
            number(int((it.conditions[row] == 0).sum()), lang),
            number(int((it.conditions[row] == 1).sum()), lang),
            number(float(alone[row]), lang, 1),
            number(float(beside[row]), lang, 1),
        )
        for row, unit in enumerate(it.ids)
    ]


def _three(p: float, lang: Lang) -> str:
    """A p-value with three decimals; all that is below the last of them says so, so that two such agree."""
    return probability(0.0001 if 0 < p < 0.001 else p, lang, 3)


def _in_100(p: float, lang: Lang) -> str:
    return number(100 * p, lang, 1) if p >= 0.0005 else f"{'under' if lang == 'da' else 'below'} {number(0.1, lang)}"


__all__ = ["Row", "SaidBeside", "map_rows", "spillover_told"]
