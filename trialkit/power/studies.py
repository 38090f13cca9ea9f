"""Protocol -> studies: which worlds its planning figures describe, and the test it registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from trialkit.design.compile import build
from trialkit.design.constructors import lottery
from trialkit.design.parts_design import PartsDesign
from trialkit.design.sequential import SequentialDesign
from trialkit.errors import DesignError
from trialkit.power.analytic import Correlation, Pair, two_groups
from trialkit.power.checkup import INDIVIDUAL, drafted, sizes_of
from trialkit.power.groups import groups
from trialkit.power.many_arms import two_arm_tests
from trialkit.power.many_waves import WithinMonthsTests
from trialkit.power.outlook import Scale, Setting, compared, outlook, setting, view_of
from trialkit.power.planning import WorldName, births_of, in_world, people_of, planned_world
from trialkit.power.possible import possible
from trialkit.power.registered import ManyTests, Reference, Sides
from trialkit.power.said import Said
from trialkit.power.scores import Scores
from trialkit.power.simulate import Believed, Study
from trialkit.power.smallest import smallest_p
from trialkit.power.world import World
from trialkit.units import Unit, Units

if TYPE_CHECKING:
    from trialkit.population import Population
    from trialkit.protocol.model import Protocol

Floats = NDArray[np.float64]

ALWAYS: Final = date(1, 1, 1)  # an arm that has the new way in every period
_SEED: Final = 20120201  # of the allocations that stand in for a list too long to go through


@dataclass(frozen=True, eq=False, kw_only=True)
class Planned:
    """A study of a protocol with what people must know to read it.

    Parameters
    ----------
    study : to be simulated
    name : which of several, e.g. ``20 against 20``; empty where there is one
    scale : what effects are told in
    effect : the smallest effect worth finding, signed in the direction of better; None if the draft has none on this scale
    asked : the power the draft asks for
    limit : no effect can be larger in size
    quick_power, quick_smallest : the same by formula, normal and t; None where no formula holds
    assumed : what is believed in this world, and what had to be assumed
    """

    study: Study
    name: Said
    scale: Scale
    effect: float | None
    asked: float
    limit: float
    quick_power: Pair | None
    quick_smallest: Pair | None
    assumed: tuple[Said, ...]


def studies(
    protocol: Protocol, population: Population | None, *, world: WorldName = "protocol", draws: int | None = None
) -> tuple[Planned, ...]:
    """What `trialkit power` simulates: one study, or one per number of people where they come one by one.

    Parameters
    ----------
    population : who is drawn; None where people come one by one and nobody is known yet
    world : str
        ``plain``: units differ (ICC 0.01) and stay as they are, no trend, full effect at once.  ``protocol``: the draft's
        own planning figures, the middle one of several.  ``rising``: that of the project's page on synthetic
        outcomes, with ICC 0.01, CAC 0.8, a trend of 0.001 a period, and an effect reached over two months.
    draws : Monte Carlo draws of the test, instead of those the draft registers

    Raises
    ------
    DesignError
        ``E_NOT_DRAWN``: no lot is drawn.  ``E_NOT_BUILT``: the plan answers with a model, which is not simulated.
    """
    if not protocol.drawn:
        raise _observed(protocol)
    if not _simulated(protocol):
        raise _another_method(protocol)
    found = setting(protocol)
    drawn = draws or protocol.analysis.primary.draws
    if protocol.design in INDIVIDUAL:
        return tuple(_people(protocol, found, n, drawn) for n in sorted({row.n_a for row in groups(protocol).rows}))
    design = None if population is None else drafted(protocol, population)
    if population is None or design is None:
        raise AssertionError("units that are drawn at one time, and nobody to draw among")
    return (_Maker(protocol, population, design, in_world(found, world), world, drawn).planned(),)


@dataclass(frozen=True, eq=False)
class _Maker:
    """One study of units drawn at one time."""

    protocol: Protocol
    population: Population
    design: PartsDesign
    found: Setting
    name: WorldName
    draws: int | None

    def planned(self) -> Planned:
        """The study with its formula beside it."""
        test = self._test()
        world = self.world()
        power, smallest = self._quick()
        limit = inf if isinstance(world, Scores) else 1.0
        sign = -1.0 if self.found.outcome.better == "lower" else 1.0
        return Planned(
            study=Study(world=world, test=test, alpha=self.found.alpha),
            name=Said("", ""),
            scale=self.found.scale,
            effect=None if self.found.effect is None else sign * self.found.effect,
            asked=self.found.asked,
            limit=limit,
            quick_power=power,
            quick_smallest=smallest,
            assumed=tuple(self._assumed(world)),
        )

    @cached_property
    def by_waves(self) -> bool:
        """Whether the registered statistic compares within periods, as `trialkit.estimate.registered` decides."""
        waves = bool(self.protocol.waves) and len(self.design.label_names) > 2
        return self.found.within_months or (self.protocol.analysis.primary.statistic is None and waves)

    @cached_property
    def starts(self) -> tuple[date | None, ...]:
        """One per label: the wave's, or for two arms always and never."""
        if self.by_waves:
            waves: tuple[date | None, ...] = tuple(wave.start for wave in self.protocol.waves)
            return (*waves, None)[: len(self.design.label_names)]
        new = self.design.label_names.index(self.compare[0])
        return tuple(ALWAYS if code == new else None for code in range(len(self.design.label_names)))

    @cached_property
    def compare(self) -> tuple[str, str]:
        """The two labels compared, the new one first."""
        return compared(self.design, self.found.compare)

    def _test(self) -> ManyTests:
        sides = _sides(self.found)
        if not self.by_waves:
            plain = self.protocol.analysis.primary.statistic == "difference_in_means"
            return two_arm_tests(
                self.design, self.compare, studentized=False if plain else None, sides=sides, draws=self.draws
            )
        return WithinMonthsTests(
            design=self.design,
            reference=Reference.of(self.design, draws=self.draws),
            calendar=self.found.calendar,
            starts=self.starts,
            window_days=self.found.window,
            counted_per="child" if self.found.per_child else "unit",
            sides=sides,
        )

    def world(self) -> Believed:
        """What is believed about outcomes in the periods compared."""
        found = self.found
        if found.scale == "share":
            whole = planned_world(self.protocol, self.population, self.design, found, self.name, self.starts)
            return whole.during(found.calendar.periods, only_drawn=True)
        reached = [[float(start == ALWAYS)] * len(found.calendar.periods) for start in self.starts]
        if self.by_waves:
            days = [np.inf if start is None else start.toordinal() for start in self.starts]
            reached = [[float(first >= day) for first in found.calendar.first.tolist()] for day in days]
        return Scores(
            reached=np.array(reached),
            people=people_of(self.design.units, found, self.protocol),
            correlation=Correlation(icc=found.iccs[0], cac=found.cacs[0]),
            sd=float(np.sqrt(found.total)),
        )

    def _quick(self) -> tuple[Pair | None, Pair | None]:
        rng = np.random.default_rng(_SEED)
        count = self.design.count(rng=rng)
        listed = possible(self.design, total=count.total, rng=rng)
        least = smallest_p(self.design, view_of(self.design, self.protocol), count=count, possible=listed)
        level = least.level(self.found.alpha, self.found.sides)
        sizes = births_of(self.design.units) or sizes_of(self.design, self.protocol)
        one_year = replace(self.found, per_month=1 / 12) if births_of(self.design.units) else self.found
        seen = outlook(self.design, listed, one_year, level=level, starts=self._quick_starts(), sizes=sizes)
        return (None, None) if seen is None else (seen.middle.power, seen.middle.smallest)

    def _quick_starts(self) -> tuple[date | None, ...]:
        return self.starts if self.by_waves else ()

    def _assumed(self, world: Believed) -> Iterator[Said]:
        if isinstance(world, World):
            yield _described(world)
            births = births_of(self.design.units)
            if births:
                yield Said(
                    "Births: Poisson with a twelfth of the children under one a month.",
                    "Fødsler: Poisson med en tolvtedel af de 0-årige pr. måned.",
                )
        yield from (said for said in self.found.assumed if not (births_of(self.design.units) and "Births" in said.en))
        yield from _instead(self.protocol)


def _described(world: World) -> Said:
    """The world in a line."""
    ramp, until = ("", "") if not world.ramp else (f" over {world.ramp:g} months", f" over {world.ramp:g} måneder")
    trend = "no trend" if not world.trend else f"a trend of {100 * world.trend:g} points a period"
    udvikling = (
        "ingen udvikling over tid" if not world.trend else f"en udvikling på {_da(100 * world.trend)} point pr. periode"
    )
    return Said(
        f"Without the new way {100 * world.baseline:g} of 100, ICC {world.icc:g}, CAC {world.cac:g}, {trend}; the effect "
        f"is full{ramp or ' at once'}.",
        f"Uden det nye {_da(100 * world.baseline)} af 100, ICC {_da(world.icc)}, CAC {_da(world.cac)}, {udvikling}; effekten "
        f"er fuld{until or ' med det samme'}.",
    )


def _da(value: float) -> str:
    return f"{value:g}".replace(".", ",")


_INSTEAD: Final = {
    "ancova": Said(
        "The draft answers with an adjusted model; simulated is the randomization test of the plain difference through the "
        "design, which sees a little less.",
        "Udkastet svarer med en justeret model; her er simuleret randomiseringstesten af den rene forskel gennem designet, "
        "og den ser lidt mindre.",
    ),
    "difference_in_means": Said(
        "The draft tests the difference in means by t; simulated is the randomization test of the same difference through "
        "the design.",
        "Udkastet tester forskellen mellem gennemsnit med t; her er simuleret randomiseringstesten af den samme forskel "
        "gennem designet.",
    ),
    "weighted_difference": Said(
        "The draft answers with a difference weighted by the chances in the draw; simulated is the randomization test of "
        "the plain difference through the design.",
        "Udkastet svarer med en forskel vægtet med chancerne i loddet; her er simuleret randomiseringstesten af den rene "
        "forskel gennem designet.",
    ),
}


def _simulated(protocol: Protocol) -> bool:
    """Whether the registered test is simulated, or of two arms the plain difference in its place, which is said."""
    name = protocol.analysis.primary.method
    return name == "randomization_test" or (name in _INSTEAD and len(protocol.waves) <= 2)


def _instead(protocol: Protocol) -> Iterator[Said]:
    """What is simulated in the place of the registered answer."""
    if told := _INSTEAD.get(protocol.analysis.primary.method):
        yield told


def _another_method(protocol: Protocol) -> DesignError:
    name = protocol.analysis.primary.method
    return DesignError(
        f"The plan answers with `{name}`, and only the randomization test is simulated. Its power would be that of another "
        "analysis than the one promised, so none is given. Register randomization_test and put the other one beside it as "
        "secondary, or read the closed forms of `trialkit check`, which say what they are of.",
        {"registered": name},
        da=f"Planen svarer med `{name}`, og kun randomiseringstesten kan simuleres. Dens styrke ville være en anden analyses "
        "end den lovede, så der gives ingen. Registrér randomization_test og sæt den anden ved siden af som sekundær, "
        "eller læs formlerne i `trialkit check`, som siger, hvad de gælder.",
        code="E_NOT_BUILT",
    )


def _sides(found: Setting) -> Sides:
    if found.sides == 2:
        return "distance"
    return "less" if found.outcome.better == "lower" else "greater"


def _people(protocol: Protocol, found: Setting, n: int, draws: int | None) -> Planned:
    """People drawn one by one, ``n`` against ``n``, in standard deviations of one person."""
    design = _among(protocol, n)
    new, usual = (0, 1) if design.kind == "lottery" else _arm_codes(protocol, design)
    names = design.label_names
    n_units = len(design.item_of_unit)
    reached = np.zeros((len(names), 1))
    reached[new] = 1.0
    worth = protocol.planning.smallest_effect_worth_finding
    effect = None if isinstance(worth, str) or worth.standard_deviations is None else float(worth.standard_deviations)
    quick = two_groups(n, n)
    alpha, sides = found.alpha, found.sides
    return Planned(
        study=Study(
            world=Scores(reached=reached, people=np.ones((n_units, 1)), correlation=Correlation(icc=0.0)),
            test=two_arm_tests(design, (names[new], names[usual]), sides=_sides(found), draws=draws),
            alpha=alpha,
        ),
        name=Said(f"{n} against {n}", f"{n} mod {n}"),
        scale="sd",
        effect=effect if effect is None or found.outcome.better != "lower" else -effect,
        asked=found.asked,
        limit=inf,
        quick_power=None if effect is None else quick.power(effect, alpha=alpha, sides=sides),
        quick_smallest=quick.smallest_effect(power=found.asked, alpha=alpha, sides=sides),
        assumed=tuple(_instead(protocol)),
    )


def _among(protocol: Protocol, n: int) -> PartsDesign | SequentialDesign:
    """The draft's lottery, held among ``2 n`` people: ``n`` places, or lists that end when they are assigned."""
    if protocol.design == "place_lottery":
        width = len(str(2 * n))
        return lottery(Units.of([Unit(id=f"{k:0{width}d}") for k in range(1, 2 * n + 1)]), n)
    whole = build(protocol, Units(()))
    assert isinstance(whole, SequentialDesign)
    return replace(whole, length=max(2, -(-2 * n // len(whole.strata))))


def _arm_codes(protocol: Protocol, design: PartsDesign | SequentialDesign) -> tuple[int, int]:
    wanted = protocol.estimand.compare
    names = design.label_names
    if len(wanted) == 2 and set(wanted) <= set(names):
        return names.index(wanted[0]), names.index(wanted[1])
    return 0, 1


def _observed(protocol: Protocol) -> DesignError:
    """What stands instead of power where nothing was drawn: how the units entered, and what may be said of it."""
    entered = [(wave.id, wave.start.isoformat(), str(wave.places)) for wave in protocol.waves]
    en = "; ".join(f"{name}: {places} units from {start}" for name, start, places in entered)
    da = "; ".join(f"{name}: {places} enheder fra {start}" for name, start, places in entered)
    return DesignError(
        f"{protocol.protocol} was not drawn by lot ({en}). Who began when was decided otherwise, so a difference may have "
        "other causes, and there is no chance by which an effect would show: power has no meaning here. Describe the "
        "groups side by side (trialkit estimate), or draw lots for what has not begun yet.",
        {"protocol": protocol.protocol, "waves": [list(row) for row in entered]},
        da=f"{protocol.protocol} er ikke afgjort ved lodtrækning ({da}). Det var andet end lod, der afgjorde, hvem der "
        "begyndte hvornår, så en forskel kan have andre årsager, og der er ingen tilfældighed, hvormed en effekt ville vise "
        "sig: statistisk styrke giver ingen mening her. Beskriv grupperne side om side (trialkit estimate), eller træk lod "
        "om det, der endnu ikke er begyndt.",
        code="E_NOT_DRAWN",
    )


__all__ = ["Planned", "WorldName", "planned_world", "studies"]
