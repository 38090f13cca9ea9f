"""The power page in words and tables, Danish or English, and as facts for machines.  No number is made here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from trialkit.power.outlook import Scale
from trialkit.power.planning import WorldName
from trialkit.power.said import Said
from trialkit.report.words import number

if TYPE_CHECKING:
    from rich.table import Table

    from trialkit.errors import Lang
    from trialkit.power.analytic import Pair
    from trialkit.power.answer import Answered, PowerAnswer
    from trialkit.power.simulate import Point, Rate

_UNIT: Final[dict[Scale, Said]] = {
    "share": Said("percentage points", "procentpoint"),
    "outcome": Said("of the outcome's own unit", "i udfaldets egen enhed"),
    "sd": Said("standard deviations", "standardafvigelser"),
    "sd_between_units": Said("standard deviations between units", "standardafvigelser mellem enheder"),
}
_WORLD: Final[dict[WorldName, Said]] = {
    "plain": Said("the plainest world", "den enkleste verden"),
    "protocol": Said("the draft's own planning figures", "udkastets egne planlægningstal"),
    "rising": Said("a world with a trend and a slow start", "en verden med udvikling over tid og langsom start"),
}


def as_text(answer: PowerAnswer, lang: Lang, *, width: int = 100) -> str:
    """The whole page as plain text."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=False, color_system=None, highlight=False, markup=False, emoji=False,
        legacy_windows=False,
    )  # fmt: skip
    for piece in _pieces(_Pen(lang), answer):
        console.print(piece)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _pieces(pen: _Pen, answer: PowerAnswer) -> Iterator[str | Table]:
    yield f"{answer.trial} - {answer.title.told(pen.lang)}\n"
    trials, world = pen.n(answer.trials), _WORLD[answer.world].told(pen.lang)
    yield pen.of(
        f"Synthetic: {trials} made-up trials for each effect, in {world} (seed {answer.seed}). Each was drawn by the draft's "
        "own lot and judged by its own test.\n",
        f"Syntetisk: {trials} opdigtede forsøg for hver effekt, i {world} (frø {answer.seed}). Hvert er trukket med udkastets "
        "egen lodtrækning og bedømt med dets egen test.\n",
    )
    for one in answer.answers:
        yield from pen.study(one)
    for said in dict.fromkeys(said for one in answer.answers for said in one.planned.assumed):
        yield f"- {said.told(pen.lang)}"


class _Pen:
    """Writes in one language."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def of(self, en: str, da: str) -> str:
        return da if self.lang == "da" else en

    def n(self, value: float, digits: int | None = None) -> str:
        return number(value, self.lang, digits)

    def of_100(self, rate: Rate) -> str:
        return self.n(100 * rate.value, 0)

    def effect(self, value: float, scale: Scale, digits: int | None = None) -> str:
        """An effect's size on its scale: points of 100 for shares."""
        size = 100 * value if scale == "share" else value
        if digits is None:  # in a sentence: 3 and not 3.0
            return self.n(round(size, 1 if scale == "share" else 2))
        return self.n(size, digits)

    def study(self, one: Answered) -> Iterator[str | Table]:
        """One study: sentences, then the table."""
        name = one.planned.name.told(self.lang)
        if name:
            yield f"{name}:"
        yield from self.sentences(one)
        yield self.table(one)
        yield from self.formula(one)
        yield from self.compared_with(one)

    def sentences(self, one: Answered) -> Iterator[str]:
        """What a politician can repeat."""
        scale, unit = one.planned.scale, _UNIT[one.planned.scale].told(self.lang)
        if (worth := one.worth) is not None:
            size, seen = self.effect(abs(worth.effect), scale), self.of_100(worth.power)
            yield self.of(
                f"If the new way makes a difference of {size} {unit}, about {seen} of 100 such trials would show it.",
                f"Gør det nye en forskel på {size} {unit}, ville omkring {seen} af 100 sådanne forsøg vise den.",
            )
        asked = self.n(100 * one.smallest.asked, 0)
        if isfinite(one.smallest.effect):
            size = self.effect(abs(one.smallest.effect), scale)
            error = self.effect(one.smallest.mc_error, scale, 2)
            yield self.of(
                f"The smallest difference that {asked} of 100 such trials would show is about {size} {unit} (Monte Carlo "
                f"error {error}).",
                f"Den mindste forskel, som {asked} af 100 sådanne forsøg ville vise, er omkring {size} {unit} "
                f"(simuleringsusikkerhed {error}).",
            )
        else:
            yield self.of(
                f"No difference, however large, would be shown by {asked} of 100 such trials.",
                f"Ingen forskel, hvor stor den end er, ville vise sig i {asked} af 100 sådanne forsøg.",
            )
        size_of_test = one.points[0].power
        alarms, alpha = self.n(100 * size_of_test.value, 1), self.n(100 * one.planned.study.alpha, 0)
        yield self.of(
            f"Without any effect {alarms} of 100 would show one by mistake; {alpha} of 100 is what was promised at most.\n",
            f"Uden nogen effekt ville {alarms} af 100 vise en ved en fejl; højst {alpha} af 100 er lovet.\n",
        )

    def table(self, one: Answered) -> Table:
        """Every effect simulated."""
        from rich import box
        from rich.table import Table

        unit = _UNIT[one.planned.scale].told(self.lang)
        made = Table(
            title=self.of(f"Effects in {unit}", f"Effekter i {unit}"),
            title_justify="left", box=box.SIMPLE, pad_edge=False,
        )  # fmt: skip
        for column in (
            self.of("effect", "effekt"), self.of("seen in % (error)", "vises i % (usikkerhed)"),
            self.of("bias (error)", "skævhed (usikkerhed)"), self.of("interval holds it, %", "interval rummer den, %"),
            self.of("times too large when seen", "gange for stor, når den ses"),
            self.of("wrong sign, %", "forkert fortegn, %"),
        ):  # fmt: skip
            made.add_column(column, justify="right")
        for point in one.points:
            made.add_row(*self.row(point, one.planned.scale))
        return made

    def row(self, point: Point, scale: Scale) -> list[str]:
        """One effect; what cannot be told under no effect is a dash."""
        covered = "-" if point.coverage is None else self.n(100 * point.coverage.value, 1)
        return [
            self.effect(point.effect, scale, 1 if scale == "share" else 2),
            f"{self.n(100 * point.power.value, 1)} ({self.n(100 * point.power.mc_error, 1)})",
            f"{self.effect(point.bias.value, scale, 2)} ({self.effect(point.bias.mc_error, scale, 2)})",
            covered,
            self.n(point.exaggeration, 1) if isfinite(point.exaggeration) else "-",
            self.n(100 * point.wrong_sign, 1) if isfinite(point.wrong_sign) else "-",
        ]

    def formula(self, one: Answered) -> Iterator[str]:
        """The quick answer beside the simulated one."""
        planned = one.planned
        if planned.quick_smallest is None:
            return
        sizes = self.pair(planned.quick_smallest, planned.scale)
        text = self.of(
            f"By formula instead: smallest effect seen {sizes}", f"Efter formlen: mindste synlige effekt {sizes}"
        )
        if planned.quick_power is not None:
            t, normal = (self.n(100 * value, 0) for value in (planned.quick_power.t, planned.quick_power.normal))
            text += self.of(
                f"; power {t}% by t, {normal}% by the normal",
                f"; styrke {t} % efter t-fordelingen, {normal} % efter normalfordelingen",
            )
        yield text + "."

    def pair(self, found: Pair, scale: Scale) -> str:
        """Both answers of a formula."""
        t, normal = (self.effect(value, scale) if isfinite(value) else "-" for value in (found.t, found.normal))
        return self.of(
            f"{t} by t, {normal} by the normal", f"{t} efter t-fordelingen, {normal} efter normalfordelingen"
        )

    def compared_with(self, one: Answered) -> Iterator[str]:
        """What each made-up trial was compared with."""
        test = one.planned.study.test
        if test.reference.exact:
            n = self.n(len(test.reference.listed[0]))
            yield self.of(
                f"Test: {test.name}, exact over all {n} allocations.\n",
                f"Test: {_DANISH.get(test.name, test.name)}, eksakt over alle {n} mulige tildelinger.\n",
            )
            return
        n = self.n(test.reference.draws)
        yield self.of(
            f"Test: {test.name}, against {n} allocations drawn anew for every hundred trials.\n",
            f"Test: {_DANISH.get(test.name, test.name)}, mod {n} tildelinger trukket på ny for hvert hundrede forsøg.\n",
        )


_DANISH: Final = {
    "difference within months": "forskellen inden for måneder",
    "difference in means": "forskellen i gennemsnit",
    "difference in means within blocks": "forskellen i gennemsnit inden for strata",
    "studentized difference in means": "den studentiserede forskel i gennemsnit",
    "studentized difference in means within blocks": "den studentiserede forskel i gennemsnit inden for strata",
    "paired t": "parvis t",
}


def as_facts(answer: PowerAnswer) -> dict[str, Any]:
    """Everything the page shows; infinite and missing numbers are null."""
    from trialkit.report.checkup_facts import plain

    return {
        "synthetic": "yes",
        "trial": answer.trial,
        "title": plain(answer.title),
        "world": answer.world,
        "trials": answer.trials,
        "seed": answer.seed,
        "studies": [_study(one) for one in answer.answers],
    }


def _study(one: Answered) -> dict[str, Any]:
    from trialkit.report.checkup_facts import plain

    planned, test = one.planned, one.planned.study.test
    return {
        "name": plain(planned.name),
        "scale": planned.scale,
        "smallest_effect_worth_finding": planned.effect,
        "alpha": planned.study.alpha,
        "test": test.name,
        "exact": test.reference.exact,
        "allocations": len(test.reference.listed[0]) if test.reference.exact else test.reference.draws,
        "points": [plain(point) for point in one.points],
        "smallest_effect_seen": plain(one.smallest),
        "formula": {"power": plain(planned.quick_power), "smallest_effect_seen": plain(planned.quick_smallest)},
        "assumed": [plain(said) for said in planned.assumed],
    }


__all__ = ["as_facts", "as_text"]
