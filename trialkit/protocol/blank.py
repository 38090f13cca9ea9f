"""A draft as text, from what an officer answered: readable, commented in one language, and quoted where YAML asks.

Whatever is not answered becomes a place to fill in, so the same pen writes the blank draft and the finished one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

from trialkit.errors import Lang
from trialkit.protocol.text import slug

FILL: Final[Mapping[Lang, str]] = {"en": "<- fill in", "da": "<- udfyld"}
OUTCOME: Final = "primary_outcome"  # the id where the outcome has no name yet
MOST_WAVES: Final = 12
_COMMENTS_FROM: Final = 34
_PLAIN: Final = re.compile(r"[A-Za-zÆØÅæøåÉé][A-Za-zÆØÅæøåÉé0-9 ()/._-]*")
_WORDS_OF_YAML: Final = frozenset({"null", "yes", "no", "true", "false", "on", "off", "none", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known about a trial that starts in waves; None stands where nobody has said.

    Parameters
    ----------
    trial, title : the id used in file names, and the title in the language of the draft
    register, frame : a shipped register and one of its lists; without one the units are in ``file``
    size : the column with how many people are counted in each unit
    touching : whether the register knows which units touch
    pilots : units that have the new way already, by name or id
    waves : start and places of each wave
    rest_waits : whether some units get no place in any wave and keep the present way
    among : of whom the outcome is counted
    window : days within which an event counts
    period : first and last day that are counted
    baseline, spread, effect : the level now, the standard deviation between persons (of a number), and the smallest
        effect worth finding, in the outcome's own units (0.03 is three percentage points)
    approvals : who decides
    throws : of a ten-sided die
    accepts : what the design cannot do, accepted in words (``low_power``, ``unreachable_p``)
    """

    trial: str | None = None
    title: str | None = None
    register: str | None = None
    frame: str | None = None
    file: str = "units.csv"
    size: str | None = None
    touching: bool = False
    pilots: tuple[str, ...] = ()
    waves: tuple[tuple[date | None, int | None], ...] = ((None, None), (None, None))
    rest_waits: bool = False
    new: str | None = None
    usual: str | None = None
    outcome: str | None = None
    kind: Literal["share", "yes_no", "number"] = "share"
    among: str | None = None
    window: int | None = None
    frequency: Literal["month", "month_of_birth"] = "month"
    reported_by: str | None = None
    period: tuple[date | None, date | None] = (None, None)
    baseline: Decimal | None = None
    spread: Decimal | None = None
    effect: Decimal | None = None
    approvals: tuple[str, ...] = ()
    throws: int = 20
    accepts: Mapping[str, str] = field(default_factory=dict)


def draft_text(answers: Answers, lang: Lang) -> str:
    """The draft that says what was answered; comments in ``lang``.

    A place that nobody has filled is empty and marked with `FILL`, so the loader names it until it is filled.
    """
    return "\n".join(_Pen(answers, lang).lines()) + "\n"


def scalar(text: str) -> str:
    """``text`` as YAML reads it back unchanged, inside braces too: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML and not text.endswith(" "):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Pen:
    """Writes one draft in one language."""

    def __init__(self, answers: Answers, lang: Lang) -> None:
        self.it, self.lang = answers, lang
        named = slug(answers.outcome) if answers.outcome else ""
        self.outcome_id = scalar(named or OUTCOME)

    def lines(self) -> Iterator[str]:
        yield from self._heading()
        for part in (self._units, self._arms, self._lottery, self._outcome, self._question, self._terms):
            yield ""
            yield from part()

    def of(self, en: str, da: str) -> str:
        return da if self.lang == "da" else en

    def said(self, line: str, en: str = "", da: str = "") -> str:
        """A line with its comment, if any, in a column of its own."""
        if not (comment := self.of(en, da)):
            return line
        return f"{line:<{_COMMENTS_FROM}} # {comment}" if len(line) < _COMMENTS_FROM else f"{line}   # {comment}"

    def needed(self, key: str, value: object | None, en: str, da: str) -> str:
        """A line that must have a value; empty and marked where there is none."""
        if value is None:
            fill = FILL[self.lang]
            return self.said(f"{key}:", f"{fill}: {en}", f"{fill}: {da}")
        return self.said(f"{key}: {value if not isinstance(value, str) else scalar(value)}", en, da)

    def possible(self, key: str, value: object | None, example: str, en: str, da: str) -> str:
        """A line that may be left out; it stands as a comment where there is no value."""
        if value is None:
            indent = key[: len(key) - len(key.lstrip())]
            return self.said(f"{indent}# {key.lstrip()}: {example}", en, da)
        return self.said(f"{key}: {value if not isinstance(value, str) else scalar(value)}", en, da)

    def _heading(self) -> Iterator[str]:
        yield self.of(
            "# Draft protocol. Lines marked (suggested) are trialkit's; confirm them before anything is drawn.",
            "# Udkast til protokol. Linjer mærket (foreslået) er trialkits; bekræft dem, før der trækkes lod.",
        )
        yield self.of(
            "# What stands after # is explanation. `trialkit check` says what is wrong and what the trial can show.",
            "# Det, der står efter #, er forklaring. `trialkit check` siger, hvad der er galt, og hvad forsøget kan vise.",
        )
        yield self.needed(
            "protocol", self.it.trial,
            "short id for file names: small letters a-z, digits and _",
            "kort id til filnavne: små bogstaver a-z, cifre og _",
        )  # fmt: skip
        yield "version: draft-1"
        yield "title:"
        yield self.needed(
            f"  {self.lang}", self.it.title,
            "one line; it is published with the draw",
            "én linje; den offentliggøres med lodtrækningen",
        )  # fmt: skip
        yield self.said(f'  # {self.of("da", "en")}: "..."', "the title in Danish, if it is to be read in Danish too",
                        "titlen på engelsk, hvis den også skal læses på engelsk")  # fmt: skip

    def _units(self) -> Iterator[str]:
        it = self.it
        if it.rest_waits:
            yield self.said("design: capacity_rollout", "lots decide who gets the places; the rest keep the present way",
                            "loddet afgør, hvem der får pladserne; resten fortsætter som nu")  # fmt: skip
        else:
            yield self.said("design: phased_rollout", "everybody gets the new way; lots decide the order",
                            "alle får det nye; loddet afgør rækkefølgen")  # fmt: skip
        yield "units:"
        if it.register is None:
            yield self.said(f"  file: {scalar(it.file)}", "one unit per row; CSV or XLSX in this folder",
                            "én enhed pr. række; CSV eller XLSX i denne mappe")  # fmt: skip
        else:
            yield self.said(f"  register: {scalar(it.register)}", "a list that comes with trialkit",
                            "en liste, der følger med trialkit")  # fmt: skip
            if it.frame is not None:
                yield self.said(f"  frame: {scalar(it.frame)}", "which areas count as units",
                                "hvilke områder der er enheder")  # fmt: skip
        yield self.possible(
            "  size", it.size, self.of("people", "personer"),
            "the column with how many are counted in each unit in a month",
            "kolonnen med, hvor mange der tælles i hver enhed på en måned",
        )  # fmt: skip
        if it.touching:
            yield self.said("  neighbours: register", "which units touch", "hvilke enheder der grænser op til hinanden")
        yield from self._pilots()

    def _pilots(self) -> Iterator[str]:
        if not self.it.pilots:
            yield self.said("# fixed:", "units that have the new way already (pilots)",
                            "enheder, der allerede har det nye (piloter)")  # fmt: skip
            yield self.of("#   - {units: [Name], arm: new, reason: pilot}",
                          "#   - {units: [Navn], arm: new, reason: pilot}")  # fmt: skip
            return
        yield self.said("fixed:", "not part of the lottery", "ikke med i lodtrækningen")
        yield f"  - units: [{', '.join(map(scalar, self.it.pilots))}]"
        yield "    arm: new"
        yield f"    reason: {{{self.lang}: {self.of('has tried the new way already', 'har afprøvet det nye')}}}"
        yield self.said(
            "    in_effect_estimate: no", "shown in tables and curves only", "vises kun i tabeller og kurver"
        )

    def _arms(self) -> Iterator[str]:
        yield "arms:"
        yield "  usual:"
        yield self.needed(f"    {self.lang}", self.it.usual, "the present way", "det, man gør nu")
        yield "  new:"
        yield self.needed(f"    {self.lang}", self.it.new, "the new way", "det nye")
        yield self.said("waves:", "one line per wave; write the dates year-month-day",
                        "én linje pr. bølge; skriv datoer som år-måned-dag")  # fmt: skip
        for number, (start, places) in enumerate(self.it.waves, start=1):
            if start is not None and places is not None:
                yield f"  - {{id: wave_{number}, start: {start}, places: {places}}}"
                continue
            yield f"  - id: wave_{number}"
            yield self.needed("    start", start, "the day, e.g. 2027-02-01", "dagen, fx 2027-02-01")
            yield self.needed("    places", places, "how many units start", "hvor mange enheder der begynder")
        yield self.said("strata: none", "or [column], to draw within each kind of unit",
                        "eller [kolonne], så der trækkes inden for hver slags enhed")  # fmt: skip

    def _lottery(self) -> Iterator[str]:
        yield "lottery:"
        yield self.said("  sources:", "where the chance comes from, named before it exists",
                        "hvor tilfældet kommer fra, nævnt før det findes")  # fmt: skip
        yield self.said(f"    - {{dice: ten-sided, throws: {self.it.throws}}}", "thrown in public, each throw read aloud",
                        "kastes i offentlighed, hvert kast læses op")  # fmt: skip
        yield self.of("    # - {drand: first round after 2027-01-20 12:00}   # a public beacon",
                      "    # - {drand: første runde efter 2027-01-20 12:00}   # et offentligt fyr")  # fmt: skip
        yield self.of("  # held_at: Open committee meeting", "  # held_at: Åbent udvalgsmøde")
        yield self.said("  witnesses: {names: [], needed: 0}", "who signs before and after",
                        "hvem der underskriver før og efter")  # fmt: skip

    def _outcome(self) -> Iterator[str]:
        it = self.it
        yield "outcomes:"
        yield f"  - id: {self.outcome_id}"
        yield self.said(
            "    primary: yes", "the one question the trial answers", "det ene spørgsmål, forsøget besvarer"
        )
        yield "    label:"
        yield self.needed(f"      {self.lang}", it.outcome, "the outcome in words", "udfaldet med ord")
        yield self.said(
            f"    type: {it.kind}", "share, yes_no or number", "share (andel), yes_no (ja/nej) eller number (tal)"
        )
        if it.kind == "share":
            yield self.needed("    numerator", it.outcome, "what is counted", "hvad der tælles")
            yield self.needed("    denominator", it.among, "of whom; all, not only those who were found",
                              "ud af hvem; alle, ikke kun dem, der blev fundet")  # fmt: skip
        yield self.possible("    window_days", it.window, "90", "days within which it must happen to count",
                            "dage, inden for hvilke det skal ske for at tælle med")  # fmt: skip
        if it.window is not None:
            yield self.said("    leave_out_if_window_crosses_start: yes", "nobody counts for both the old and the new",
                            "ingen tæller både for det gamle og det nye")  # fmt: skip
        yield self.said(
            "    level: person", "or child, family, unit ...", "eller child (barn), family (familie), unit ..."
        )
        yield self.said(f"    frequency: {it.frequency}", "counted month by month", "tælles måned for måned")
        yield self.needed(
            "    reported_by", it.reported_by,
            "register_extract, blinded_rater, family, treated_staff, project_manager ...",
            "register_extract (registertræk), blinded_rater, family, treated_staff, project_manager ...",
        )  # fmt: skip

    def _question(self) -> Iterator[str]:
        yield "estimand:"
        yield self.needed("  who", self.it.among, "who is compared", "hvem der sammenlignes")
        yield "  compare: [new, usual]"
        yield f"  what: {self.outcome_id}"
        yield f"  measure: {'mean_difference' if self.it.kind == 'number' else 'risk_difference'}"
        yield self.said("  counted_per: person", 'or "unit": every unit counts the same',
                        'eller "unit": hver enhed tæller lige meget')  # fmt: skip
        yield from self._period()
        yield "analysis:"
        yield self.said(
            "  primary: {method: randomization_test, statistic: difference_within_months, sides: two, alpha: 0.05}",
            "(suggested)", "(foreslået)",
        )  # fmt: skip
        yield "  interval: by_inverting_the_test"
        yield from self._planning()

    def _period(self) -> Iterator[str]:
        first, last = self.it.period
        yield self.said("  period:", "while some have started and others wait",
                        "mens nogle er begyndt, og andre venter")  # fmt: skip
        yield self.needed("    from", first, "first day that counts", "første dag, der tæller")
        yield self.needed("    to", last, "last day that counts", "sidste dag, der tæller")
        if last is not None:
            yield self.said(f"  complete_on: {last + timedelta(days=self.it.window or 0)}", "when every window has closed",
                            "når alle vinduer er lukket")  # fmt: skip

    def _planning(self) -> Iterator[str]:
        it = self.it
        yield "planning:"
        yield "  smallest_effect_worth_finding:"
        yield f"    outcome: {self.outcome_id}"
        share = it.kind != "number"
        yield self.needed(
            "    absolute",
            None if it.effect is None else _Raw(f"{it.effect:f}"),
            "0.03 is three percentage points" if share else "in the outcome's own unit",
            "0.03 er tre procentpoint" if share else "i udfaldets egen enhed",
        )
        yield self.possible("  baseline", self._of_outcome(it.baseline), f"{{{self.outcome_id}: 0.05}}",
                            "the level now", "niveauet nu")  # fmt: skip
        if it.kind == "number":
            yield self.possible("  standard_deviation", self._of_outcome(it.spread), f"{{{self.outcome_id}: 10}}",
                                "between persons", "mellem personer")  # fmt: skip
        yield self.said("  icc: [0.005, 0.02, 0.05]", "(suggested) the share of the variation that lies between units",
                        "(foreslået) den del af variationen, der ligger mellem enhederne")  # fmt: skip
        yield self.said("  cluster_autocorrelation: [0.5, 0.8, 0.95]", "(suggested) how alike a unit's months are",
                        "(foreslået) hvor ens en enheds måneder er")  # fmt: skip
        if it.accepts:
            yield self.said("accepts:", "what the trial cannot do, accepted in words beforehand",
                            "det, forsøget ikke kan, accepteret med ord på forhånd")  # fmt: skip
            for what, words in it.accepts.items():
                yield f"  {what}: {{{self.lang}: {scalar(words)}}}"

    def _of_outcome(self, value: Decimal | None) -> _Raw | None:
        return None if value is None else _Raw(f"{{{self.outcome_id}: {value:f}}}")

    def _terms(self) -> Iterator[str]:
        yield self.said("privacy: {hide_counts_below: 5}", "on pages and in exports", "på sider og i udtræk")
        if not self.it.approvals:
            yield self.said("# approvals:", "who must decide; the official draw waits for them",
                            "hvem der skal beslutte; lodtrækningen venter på dem")  # fmt: skip
            yield self.of("#   - {by: The committee, status: awaiting, what: the lottery}",
                          "#   - {by: Udvalget, status: awaiting, what: lodtrækningen}")  # fmt: skip
            return
        yield self.said("approvals:", "the official draw waits until each says approved",
                        "lodtrækningen venter, til der står approved ved dem alle")  # fmt: skip
        what = self.of("the lottery", "lodtrækningen")
        for by in self.it.approvals:
            yield f"  - {{by: {scalar(by)}, status: awaiting, what: {what}}}"


class _Raw:
    """YAML that is written already."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text
