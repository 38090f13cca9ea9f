"""The first screen in words and tables, Danish or English: what can and cannot be seen.  No number is made here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from math import isinf, isnan
from typing import TYPE_CHECKING, Final

from trialkit.power.outlook import Outlook, Scale
from trialkit.power.said import Said
from trialkit.report.words import listing, number, probability

if TYPE_CHECKING:
    from rich.table import Table

    from trialkit.errors import Lang
    from trialkit.power.analytic import Pair
    from trialkit.power.checkup import Checkup, Row
    from trialkit.power.feasibility import Feasibility
    from trialkit.power.groups import Groups
    from trialkit.power.neighbourhood import Step

MOST_NAMES: Final = 8  # pairs and names printed in full; more are counted
_UNIT: Final[dict[Scale, Said]] = {
    "share": Said("percentage points", "procentpoint"),
    "outcome": Said("of the outcome's own unit", "i udfaldets egen enhed"),
    "sd": Said("standard deviations", "standardafvigelser"),
    "sd_between_units": Said("standard deviations between units", "standardafvigelser mellem enheder"),
}


def as_text(checkup: Checkup, lang: Lang, *, width: int = 100, terminal: bool = False) -> str:
    """The whole first screen; plain text unless ``terminal`` asks for colours and lines."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    for piece in _pieces(_Pen(checkup, lang)):
        console.print(piece)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _pieces(pen: _Pen) -> Iterator[str | Table]:
    checkup = pen.checkup
    yield f"{checkup.trial} - {checkup.title.told(pen.lang)}\n"
    yield from pen.summary()
    yield from pen.verdict()
    if checkup.rows:
        yield pen.designs()
    if checkup.outlook is not None:
        yield pen.scenarios(checkup.outlook)
        yield from pen.periods(checkup.outlook)
    if checkup.groups is not None:
        yield from pen.groups(checkup.groups)
    if checkup.feasibility is not None:
        yield from pen.chances(checkup.feasibility)
        yield from pen.balance(checkup.feasibility)
        yield from pen.pairs(checkup.feasibility)
        yield from pen.neighbours(checkup.feasibility)
    yield from (f"- {note.told(pen.lang)}" for note in checkup.notes)


class _Pen:
    """Writes one checkup in one language."""

    def __init__(self, checkup: Checkup, lang: Lang) -> None:
        self.checkup, self.lang = checkup, lang

    def of(self, en: str, da: str) -> str:
        return da if self.lang == "da" else en

    def n(self, value: float, digits: int | None = None) -> str:
        return number(value, self.lang, digits)

    def ways(self, n: int) -> str:
        """A number of allocations for a table: exact while it fits a column, then three digits."""
        if n < 10**12:
            return self.n(n)
        digits = str(round_to(n, 3))
        return f"{self.n(int(digits[:3]) / 100, 2)} x 10^{len(digits) - 1}"

    def name(self, item: str) -> str:
        return self.checkup.names.get(item, item)

    def listed(self, items: Sequence[str]) -> str:
        shown = [self.name(item) for item in items[:MOST_NAMES]]
        if len(items) > MOST_NAMES:
            left = self.n(len(items) - MOST_NAMES)
            shown.append(self.of(f"{left} more", f"{left} flere"))
        return listing(shown, self.lang)

    def couples(self, pairs: Sequence[tuple[str, str]]) -> str:
        shown = [f"{self.name(a)} + {self.name(b)}" for a, b in pairs[:MOST_NAMES]]
        if len(pairs) > MOST_NAMES:
            left = self.n(len(pairs) - MOST_NAMES)
            shown.append(self.of(f"{left} more pairs", f"{left} par til"))
        return "; ".join(shown)

    def table(self, title: str, *columns: str) -> Table:
        from rich import box
        from rich.table import Table

        made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, pad_edge=False)
        for place, column in enumerate(columns):
            made.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
        return made

    # What can and cannot be seen, in plain words

    def summary(self) -> Iterator[str]:
        screen = self.checkup.feasibility
        if not self.checkup.drawn:
            yield self.of("Nothing is drawn by lot here, so there is nothing to count and nothing to test.\n",
                          "Her trækkes der ikke lod, så der er intet at tælle og intet at teste.\n")  # fmt: skip
        if screen is None:
            return
        yield self._who(screen)
        yield self._how_many(screen)
        yield self._smallest(self.checkup.rows[0])
        if self.checkup.outlook is not None:
            yield self._seen(self.checkup.outlook)

    def _who(self, screen: Feasibility) -> str:
        n, pilots = self.n(len(screen.drawn)), self.checkup.pilots
        text = self.of(f"{n} units are drawn by lot.", f"Der trækkes lod mellem {n} enheder.")
        if pilots:
            names = self.listed(pilots)
            text += self.of(f" Not part of the lottery: {names}.", f" Ikke med i lodtrækningen: {names}.")
        if screen.fixed:
            placed = ", ".join(f"{self.name(item)} ({label})" for item, label in screen.fixed)
            text += self.of(f" Placed beforehand: {placed}.", f" Placeret på forhånd: {placed}.")
        return text

    def _how_many(self, screen: Feasibility) -> str:
        count = screen.count
        accepted, total = self.n(count.accepted), self.n(count.total)
        about = ""
        if not count.exact:  # three digits, for the others are not known
            about, accepted = self.of("about ", "omkring "), self.n(round_to(count.accepted, 3))
        if count.accepted == count.total:
            return self.of(f"The lot can fall in {total} ways.", f"Loddet kan falde på {total} måder.")
        return self.of(f"The lot can fall in {about}{accepted} ways; {total} before the balance rule.",
                       f"Loddet kan falde på {about}{accepted} måder; {total} før balancekravet.")  # fmt: skip

    def _smallest(self, row: Row) -> str:
        p = probability(row.smallest_p.of(self.checkup.sides), self.lang)
        alpha = self.n(self.checkup.alpha)
        sides = self.of(*(("one-sided", "ensidet") if self.checkup.sides == 1 else ("two-sided", "tosidet")))
        reach = self.of("can be reached", "kan nås") if row.reaches else self.of("can NOT be reached", "kan IKKE nås")
        return self.of(f"The smallest possible p-value is {p} ({sides}); {alpha} {reach}.",
                       f"Den mindste mulige p-værdi er {p} ({sides}); {alpha} {reach}.")  # fmt: skip

    def _seen(self, outlook: Outlook) -> str:
        seen, unit = self.effect(outlook.middle.smallest.t, outlook.scale), _UNIT[outlook.scale].told(self.lang)
        asked = self.n(100 * outlook.asked, 0)
        if isinf(outlook.middle.smallest.t):
            return self.of("No effect, however large, can be seen.\n", "Ingen effekt, hvor stor den end er, kan ses.\n")
        text = self.of(
            f"The smallest effect seen in {asked} of 100 such trials is about {seen} {unit}.",
            f"Den mindste effekt, der ses i {asked} af 100 sådanne forsøg, er omkring {seen} {unit}.",
        )
        if outlook.effect is not None and outlook.middle.power is not None:
            worth, power = self.effect(outlook.effect, outlook.scale), self.n(100 * outlook.middle.power.t, 0)
            text += self.of(
                f" The smallest worth finding is {worth}: it would be seen in about {power} of 100.",
                f" Den mindste, der er værd at finde, er {worth}: den ville ses i omkring {power} af 100.",
            )
        return text + "\n"

    def verdict(self) -> Iterator[str]:
        for reason in self.checkup.reasons:
            if reason.accepted is None:
                yield f"STOP: {reason.said.told(self.lang)} {reason.way_out.told(self.lang)}\n"
            else:
                word = self.of("Accepted in the draft", "Accepteret i udkastet")
                yield f"{reason.said.told(self.lang)}\n{word}: {reason.accepted.told(self.lang)}\n"

    # Designs side by side

    def designs(self) -> Table:
        made = self.table(
            self.of("Designs side by side", "Design ved siden af hinanden"),
            self.of("design", "design"), self.of("units", "enheder"), self.of("ways", "måder"),
            self.of("p one-sided", "p ensidet"), self.of("p two-sided", "p tosidet"),
            self.of(f"reaches {self.n(self.checkup.alpha)}", f"når {self.n(self.checkup.alpha)}"),
            self.of("smallest effect seen", "mindste synlige effekt"),
        )  # fmt: skip
        for row in self.checkup.rows:
            ways = self.ways(row.count.accepted if row.count.exact else round_to(row.count.accepted, 3))
            if row.count.accepted != row.count.total:
                ways += f" ({self.ways(row.count.total)})"
            made.add_row(
                self._design(row), self.n(row.n_drawn), ways,
                probability(row.smallest_p.one_sided, self.lang), probability(row.smallest_p.two_sided, self.lang),
                self.of("yes", "ja") if row.reaches else self.of("NO", "NEJ"),
                self.smallest_seen(row.outlook),
            )  # fmt: skip
        return made

    def smallest_seen(self, outlook: Outlook | None) -> str:
        if outlook is None:
            return "-"
        smallest = outlook.middle.smallest.t
        unit = "" if isnan(smallest) or isinf(smallest) else f" {_SHORT[outlook.scale].told(self.lang)}"
        return self.effect(smallest, outlook.scale) + unit

    def _design(self, row: Row) -> str:
        places = " + ".join("/".join(map(str, line)) for line in row.places)
        if len(row.places) > MOST_NAMES:
            strata = self.n(len(row.places))
            places = self.of(f"in {strata} strata", f"i {strata} strata")
        if row.candidate is None:
            return self.of(f"the draft: {places}", f"udkastet: {places}")
        frame = row.candidate.frame
        if row.candidate.pairs:
            text = self.of(f"{row.n_drawn // 2} matched pairs", f"{row.n_drawn // 2} matchede par")
        elif row.n_drawn > 2 and set(row.places[0]) == {1}:
            text = self.of("one at a time", "én ad gangen")
        else:
            text = self.of(f"waves {places}", f"bølger {places}")
        if frame.pilots_inside:
            text += self.of(
                f" ({frame.pilots_inside} pilots left out)", f" ({frame.pilots_inside} piloter trukket fra)"
            )
        return f"{frame.label}: {text}" if frame.label else text

    def effect(self, value: float, scale: Scale) -> str:
        """An effect on its scale: points of 100 for shares."""
        if isnan(value) or isinf(value):
            return self.of("none", "ingen")
        return self.n(100 * value, 1) if scale == "share" else self.n(value, 2)

    def scenarios(self, outlook: Outlook) -> Table:
        unit = _UNIT[outlook.scale].told(self.lang)
        made = self.table(
            self.of(f"Smallest effect seen, {unit}, and power at the smallest worth finding",
                    f"Mindste synlige effekt, {unit}, og styrken ved den mindste, der er værd at finde"),
            "ICC", "CAC", self.of("error", "fejl"), self.of("effect, t", "effekt, t"),
            self.of("effect, normal", "effekt, normal"), "df",
            self.of("power, t", "styrke, t"), self.of("power, normal", "styrke, normal"),
        )  # fmt: skip
        for one in outlook.scenarios:
            between = outlook.scale == "sd_between_units"
            effects = one.precision.std_error, one.smallest.t, one.smallest.normal
            made.add_row(
                *(("-", "-") if between else (self.n(one.icc), self.n(one.cac))),
                *(self.effect(value, outlook.scale) for value in effects),
                self.n(one.precision.df),
                *self._powers(one.power),
            )
        return made

    def _powers(self, power: Pair | None) -> tuple[str, str]:
        return ("-", "-") if power is None else (self.n(power.t, 2), self.n(power.normal, 2))

    def periods(self, outlook: Outlook) -> Iterator[str]:
        if outlook.dropped:
            used, dropped = listing(outlook.periods, self.lang), listing(outlook.dropped, self.lang)
            yield self.of(
                f"Compared: {used}. Dropped, because nobody waits or nobody has started: {dropped}.",
                f"Sammenlignes: {used}. Falder bort, fordi ingen venter eller ingen er begyndt: {dropped}.",
            )
        yield from (assumed.told(self.lang) for assumed in outlook.assumed)
        level = probability(outlook.level, self.lang)
        yield self.of(
            f"The test's own level is {level}. The t column is the one to trust with few units; the exact test lies up "
            "to 0.10 below it at seven.\n",
            f"Testens faktiske niveau er {level}. Kolonnen t er den, man kan stole på ved få enheder; den eksakte test "
            "ligger op til 0,10 under den ved syv.\n",
        )

    def groups(self, groups: Groups) -> Iterator[str | Table]:
        made = self.table(
            self.of("People drawn one by one: standard deviations that can be seen",
                    "Personer trukket én ad gangen: standardafvigelser, der kan ses"),
            self.of("in each group", "i hver gruppe"), self.of("ways", "måder"), "t", "normal",
            self.of("power, t", "styrke, t"), *(f"ICC {self.n(icc)}" for icc, _ in groups.rows[0].grouped),
        )  # fmt: skip
        for row in groups.rows:
            made.add_row(
                f"{self.n(row.n_a)} / {self.n(row.n_b)}", self.ways(row.allocations),
                self.n(row.smallest.t, 2), self.n(row.smallest.normal, 2), self._powers(row.power)[0],
                *(self.n(seen.t, 2) for _, seen in row.grouped),
            )  # fmt: skip
        yield made
        if groups.effect is not None and groups.needed is not None and groups.needed_with_loss is not None:
            effect, needed, more = self.n(groups.effect), self.n(groups.needed), self.n(groups.needed_with_loss)
            lost = self.of(f" ({more} with those expected to be lost)", f" ({more} med forventet frafald)")
            lost = lost if groups.needed_with_loss > groups.needed else ""
            asked = self.n(100 * groups.asked, 0)
            yield self.of(
                f"To see {effect} standard deviations in {asked} of 100 trials takes {needed} in each group{lost}.\n",
                f"For at se {effect} standardafvigelser i {asked} af 100 forsøg kræves {needed} i hver gruppe{lost}.\n",
            )

    # Who can get what

    def chances(self, screen: Feasibility) -> Iterator[str | Table]:
        if screen.equal_chances:
            shares = ", ".join(
                f"{label} {self.n(float(p), 3)}"
                for label, p in zip(screen.labels, screen.probabilities[0], strict=True)
            )
            yield self.of(f"Everybody has the same chances: {shares}.", f"Alle har samme chancer: {shares}.")
            return
        title = self.of("The balance rule makes chances unequal", "Balancekravet gør chancerne ulige")
        if screen.count.accepted == screen.count.total:
            title = self.of("Chances by stratum", "Chancer efter stratum")
        if len(screen.drawn) <= 4 * MOST_NAMES:
            made = self.table(title, self.of("unit", "enhed"), *screen.labels)
            for item, row in zip(screen.drawn, screen.probabilities, strict=True):
                made.add_row(self.name(item), *(self.n(float(p), 3) for p in row))
            yield made
            return
        spread = ", ".join(
            f"{label} {self.n(float(column.min()), 3)}-{self.n(float(column.max()), 3)}"
            for label, column in zip(screen.labels, screen.probabilities.T, strict=True)
        )
        yield f"{title}: {spread}."

    def balance(self, screen: Feasibility) -> Iterator[str]:
        for one in screen.balance:
            before, after = (
                listing([self.n(round(value)) for value in (found.least, found.middle, found.most)], self.lang)
                for found in (one.before, one.after)
            )
            text = self.of(
                f"{one.variable}: the largest difference between means (least, middle, most) is {before}",
                f"{one.variable}: den største forskel mellem gennemsnit (mindst, midt, mest) er {before}",
            )
            if one.before != one.after:
                text += self.of(f"; after the balance rule {after}", f"; efter balancekravet {after}")
            mean = self.n(round(one.mean))
            yield text + self.of(f". The mean of all is {mean}.", f". Gennemsnittet af alle er {mean}.")

    def pairs(self, screen: Feasibility) -> Iterator[str]:
        found = screen.pairs
        seen = "" if found.exact else self.of(" (as far as a sample shows)", " (så vidt en stikprøve viser)")
        if found.never:
            yield self.of(f"The balance rule keeps apart, always{seen}: {self.couples(found.never)}.",
                          f"Balancekravet holder altid adskilt{seen}: {self.couples(found.never)}.")  # fmt: skip
        if found.always:
            yield self.of(f"The balance rule keeps together, always{seen}: {self.couples(found.always)}.",
                          f"Balancekravet holder altid sammen{seen}: {self.couples(found.always)}.")  # fmt: skip
        if found.never_by_design:
            yield self.of(f"Never together, by design: {self.couples(found.never_by_design)}.",
                          f"Aldrig sammen, som designet er: {self.couples(found.never_by_design)}.")  # fmt: skip

    def neighbours(self, screen: Feasibility) -> Iterator[str]:
        around = screen.neighbourhood
        if around is None:
            return
        if around.touching:
            yield self.of(f"Neighbours: {self.couples(around.touching)}.", f"Naboer: {self.couples(around.touching)}.")
        if around.beside_pilot:
            n, total, names = (
                self.n(len(around.beside_pilot)),
                self.n(len(screen.drawn)),
                self.listed(around.beside_pilot),
            )
            yield self.of(
                f"{n} of {total} touch a pilot: {names}.", f"{n} af {total} grænser op til en pilot: {names}."
            )
        yield from (self._step(step) for step in around.steps)

    def _step(self, step: Step) -> str:
        low, high, clean = self.n(step.fewest_borders), self.n(step.most_borders), self.n(step.most_clean)
        return self.of(
            f"After {step.label}: {low} to {high} borders between units that have started and units that wait, however "
            f"the lot falls; at most {clean} of {step.waiting} waiting have no neighbour that has started.",
            f"Efter {step.label}: {low} til {high} grænser mellem enheder, der er begyndt, og enheder, der venter, "
            f"uanset hvordan loddet falder; højst {clean} af {step.waiting} ventende har ingen nabo, der er begyndt.",
        )


def round_to(n: int, digits: int) -> int:
    """A whole number with only its first ``digits`` digits kept, rounded."""
    step: int = 10 ** max(len(str(n)) - digits, 0)
    return (n + step // 2) // step * step


_SHORT: Final[dict[Scale, Said]] = {
    "share": Said("pp", "pp."),
    "outcome": Said("", ""),
    "sd": Said("SD", "SD"),
    "sd_between_units": Said("SD between", "SD mellem"),
}
