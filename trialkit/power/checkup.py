"""The numbers of ``trialkit check``: the draft's design, what stops it, and other designs beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from trialkit.canonical import DECIMAL
from trialkit.design.compile import build
from trialkit.design.parts_design import PartsDesign
from trialkit.design.urns import shown_parts
from trialkit.errors import DesignError, UsageError
from trialkit.estimate.within_months import states
from trialkit.power.candidates import Candidate, Frame, Places, in_waves, menu, redrawn
from trialkit.power.feasibility import Feasibility, feasibility
from trialkit.power.groups import Groups, groups
from trialkit.power.money import agreement
from trialkit.power.neighbourhood import IN_WAVES
from trialkit.power.notices import notices
from trialkit.power.outlook import Outlook, Setting, outlook, setting, view_of
from trialkit.power.possible import possible
from trialkit.power.said import Said
from trialkit.power.smallest import SmallestP, View, smallest_p

if TYPE_CHECKING:
    from trialkit.design.base import Count
    from trialkit.population import Population
    from trialkit.protocol.model import Protocol
    from trialkit.protocol.text import Text

HOPELESS: Final = (
    0.30  # power at the smallest effect worth finding, under which a trial is a coin nobody should pay for
)
INDIVIDUAL: Final = ("rolling_lottery", "place_lottery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the draft should not be committed as it stands, and the way out.

    ``accepted`` holds the draft's own words if it accepts it.
    """

    code: Literal["unreachable_p", "low_power", "no_allocation", "nothing_compared"]
    said: Said
    way_out: Said
    accepted: Said | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One design in a line: the draft (``candidate`` None) or another."""

    candidate: Candidate | None
    n_drawn: int
    places: tuple[Places, ...]
    count: Count
    smallest_p: SmallestP
    reaches: bool
    outlook: Outlook | None


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Checkup:
    """Everything the first screen shows, computed.

    ``feasibility`` and ``outlook`` are of the draft's own design; both are None where nothing is drawn, and where
    people come one by one, for whom ``groups`` says what so many of them would show.
    """

    trial: str
    title: Said
    design: str
    drawn: bool
    alpha: float
    sides: int
    names: Mapping[str, str]
    pilots: tuple[str, ...]
    feasibility: Feasibility | None
    outlook: Outlook | None
    groups: Groups | None
    rows: tuple[Row, ...]
    reasons: tuple[Reason, ...]
    notes: tuple[Said, ...]

    @property
    def stops(self) -> tuple[Reason, ...]:
        """What stops the commitment: the reasons the draft has not accepted in words."""
        return tuple(reason for reason in self.reasons if reason.accepted is None)


def checkup(
    protocol: Protocol,
    population: Population,
    *,
    rng: np.random.Generator,
    neighbours: Iterable[tuple[str, str]] | None = None,
    waves: Sequence[Sequence[Places]] = (),
    frames: Sequence[Frame] = (),
    budget: Sequence[Mapping[str, str]] = (),
) -> Checkup:
    """What the draft's design and its alternatives can and cannot see.

    Parameters
    ----------
    protocol : Protocol
    population : Population
        Who is drawn, and the pilots; nobody for people who come one by one.
    rng : numpy Generator
        Used only where allocations are too many to list.
    neighbours : pairs of ids, drawn units and pilots alike; those of the population if left out
    waves : other designs asked for: places per wave, stratum by stratum (`wave_places`)
    frames : other units asked for, with or without names (`Frame.of_text`, `Frame.of_units`)
    budget : rows of the draft's table of costs (`agreement`)

    Raises
    ------
    UsageError
        Waves that fit neither the draft's units nor a frame.
    DesignError
        A design that cannot be drawn.
    """
    found = setting(protocol)
    design = drafted(protocol, population)
    names = {unit.id: unit.name or unit.id for unit in (*population.units, *population.outside)}
    made = _Made()
    if design is not None:
        touching = population.touching if neighbours is None else frozenset(neighbours)
        made = _screened(protocol, design, found, touching, [unit.id for unit in population.outside], rng)
    asked = _asked(protocol, design, waves, frames, len(population.pilots))
    sizes = {} if design is None else sizes_of(design, protocol)
    return Checkup(
        trial=protocol.protocol,
        title=Said(protocol.title.told("en"), protocol.title.told("da")),
        design=protocol.design,
        drawn=protocol.drawn,
        alpha=found.alpha,
        sides=found.sides,
        names=names,
        pilots=tuple(unit.id for unit in population.outside),
        feasibility=made.screen,
        outlook=made.view,
        groups=groups(protocol) if protocol.design in INDIVIDUAL else None,
        rows=(*made.rows, *(_row(candidate, protocol, found, sizes, rng) for candidate in asked)),
        reasons=made.reasons,
        notes=(
            *notices(protocol),
            *agreement(budget, protocol.budget.total_thousand_dkk),
            *map(_too_few, (frame for frame in frames if frame.total < 2)),
        ),
    )


def drafted(protocol: Protocol, population: Population) -> PartsDesign | None:
    """The design the draft draws at one time; None where nothing is drawn or people come one by one."""
    if not protocol.drawn or protocol.design in INDIVIDUAL:
        return None
    design = build(protocol, population.units)
    return design if isinstance(design, PartsDesign) else None


def sizes_of(design: PartsDesign, protocol: Protocol) -> dict[str, float]:
    """People per item, from the column the draft names; a cluster has its units' together.  Gaps are left out."""
    found: dict[str, float] = {}
    column = protocol.units.size
    for unit, place in zip(design.units, design.places_of_units, strict=True):
        text = unit.facts.get(column or "", "").strip()
        if DECIMAL.fullmatch(text):
            found[design.items[place]] = found.get(design.items[place], 0.0) + float(text)
    return found


@dataclass(frozen=True, slots=True)
class _Made:
    """What the draft's own design gave."""

    screen: Feasibility | None = None
    view: Outlook | None = None
    rows: tuple[Row, ...] = ()
    reasons: tuple[Reason, ...] = ()


def _screened(
    protocol: Protocol,
    design: PartsDesign,
    found: Setting,
    touching: frozenset[tuple[str, str]],
    pilots: Collection[str],
    rng: np.random.Generator,
) -> _Made:
    sizes = sizes_of(design, protocol)
    covariates = {protocol.units.size: sizes} if protocol.units.size and sizes else {}
    starts: tuple[date | None, ...] = tuple(wave.start for wave in protocol.waves)
    if "waiting" in design.label_names and len(starts) < len(design.label_names):
        starts = (*starts, None)
    try:
        screen = feasibility(
            design,
            _view(protocol, design, found, starts),
            rng=rng,
            covariates=covariates,
            neighbours=touching or None,
            pilots=pilots,
        )
    except DesignError as error:
        if error.code != "E_NO_ACCEPT":
            raise
        nothing = Said(error.told("en"), error.told("da"))
        return _Made(reasons=(Reason(code="no_allocation", said=nothing, way_out=Said("", "")),))
    level = screen.smallest_p.level(found.alpha, found.sides)
    view = outlook(design, screen.possible, found, level=level, starts=starts, sizes=sizes)
    row = Row(
        candidate=None,
        n_drawn=len(screen.drawn),
        places=tuple(part.counts for part in shown_parts(design)),
        count=screen.count,
        smallest_p=screen.smallest_p,
        reaches=screen.smallest_p.reaches(found.alpha, found.sides),
        outlook=view,
    )
    return _Made(screen, view, (row,), tuple(_reasons(protocol, row, found)))


def _view(protocol: Protocol, design: PartsDesign, found: Setting, starts: Sequence[date | None]) -> View:
    """What the registered test can tell apart; by period it cannot tell waves apart that look alike in all of them."""
    if found.within_months and design.kind in IN_WAVES:
        return View.by_state(states(found.calendar, starts, window_days=found.window))
    return view_of(design, protocol)


def _reasons(protocol: Protocol, row: Row, found: Setting) -> Iterator[Reason]:
    """What stops the draft, with its own words where it accepts it."""
    accepts = protocol.accepts
    if not row.reaches:
        words = accepts.unreachable_p if accepts else None
        yield Reason(code="unreachable_p", said=_unreachable(row, found), way_out=_OTHER_WAVES, accepted=_words(words))
    if row.reaches and row.outlook is None and found.within_months:
        yield Reason(code="nothing_compared", said=_NOTHING_COMPARED, way_out=_LONGER)
    power = row.outlook.middle.power if row.outlook else None
    if row.reaches and power is not None and power.t < HOPELESS:
        words = accepts.low_power if accepts else None
        yield Reason(code="low_power", said=_hopeless(power.t), way_out=_MORE_UNITS, accepted=_words(words))


_NOTHING_COMPARED: Final = Said(
    "In no month of the estimand's period is there both a unit that has started and one that waits with its window "
    "closed, so the registered comparison would be empty.",
    "I ingen måned i perioden er der både en enhed, der er begyndt, og en, der venter med sit vindue lukket, så den "
    "registrerede sammenligning ville være tom.",
)
_LONGER: Final = Said(
    "Give the waves more time between them, or make the window shorter (outcomes: window_days).",
    "Giv bølgerne mere tid imellem sig, eller gør vinduet kortere (outcomes: window_days).",
)
_OTHER_WAVES: Final = Said(
    "Draw among more units, use other waves, or say in the draft why it is worth doing anyway (accepts: "
    "unreachable_p).",
    "Træk lod blandt flere enheder, brug andre bølger, eller skriv i udkastet, hvorfor det alligevel er umagen værd "
    "(accepts: unreachable_p).",
)
_MORE_UNITS: Final = Said(
    "Draw among more units, look for a larger effect, or say in the draft why it is worth doing anyway (accepts: "
    "low_power).",
    "Træk lod blandt flere enheder, gå efter en større effekt, eller skriv i udkastet, hvorfor det alligevel er umagen "
    "værd (accepts: low_power).",
)


def _words(text: Text | None) -> Said | None:
    return None if text is None else Said(text.told("en"), text.told("da"))


def _unreachable(row: Row, found: Setting) -> Said:
    p, alpha = row.smallest_p.of(found.sides), found.alpha
    return Said(
        f"No outcome, however clear, can give a p-value of {alpha:g} or less: with {row.count.accepted:,} possible "
        f"allocations the smallest is {p:.4f}. The trial could not answer its question.",
        f"Intet udfald, hvor tydeligt det end er, kan give en p-værdi på {_comma(f'{alpha:g}')} eller mindre: med "
        f"{_comma(f'{row.count.accepted:,}')} mulige tildelinger er den mindste {_comma(f'{p:.4f}')}. Forsøget kunne "
        "ikke besvare sit spørgsmål.",
    )


def _hopeless(power: float) -> Said:
    of_100, limit = round(100 * power), round(100 * HOPELESS)
    return Said(
        f"If the new way has exactly the smallest effect worth finding, about {of_100} of 100 such trials would show "
        f"it; under {limit} of 100 is hopeless.",
        f"Har det nye netop den mindste effekt, der er værd at finde, ville omkring {of_100} af 100 sådanne forsøg "
        f"vise den; under {limit} af 100 er håbløst.",
    )


def _comma(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


def _asked(
    protocol: Protocol,
    design: PartsDesign | None,
    waves: Sequence[Sequence[Places]],
    frames: Sequence[Frame],
    n_pilots: int,
) -> Iterator[Candidate]:
    """The other designs: each frame with each line of waves, or with a small menu; or the draft's units in waves."""
    if frames and waves:
        yield from _fitting(waves, frames, n_pilots)
    for frame in frames if not waves else ():
        yield from menu(frame)
    if waves and not frames:
        if design is None:
            raise UsageError(
                "The draft has no list of units to draw in waves. Say how many there would be: --units 8.",
                da="Udkastet har ingen liste over enheder, der kan trækkes i bølger. Skriv, hvor mange der ville "
                "være: --units 8.",
            )
        own = Frame.of_units(design.units)
        for places in waves:
            plain = design.kind not in ("blocked", "matched", "blocked_wedge") and len(places) == 1
            yield redrawn(design, places[0]) if plain else in_waves(own, places)


def _too_few(frame: Frame) -> Said:
    return Said(
        f"{frame.label or 'Unnamed units'}: {frame.total} left for the lottery, so nothing can be drawn.",
        f"{frame.label or 'Unavngivne enheder'}: {frame.total} tilbage til lodtrækningen, så der er intet at trække.",
    )


def _fitting(waves: Sequence[Sequence[Places]], frames: Sequence[Frame], n_pilots: int) -> Iterator[Candidate]:
    """Every line of waves over every frame it fits; a line that fits none is refused."""
    for places in waves:
        fitted, misfit = 0, None
        for frame in frames:
            try:
                yield in_waves(frame, places, n_pilots=n_pilots)
                fitted += 1
            except UsageError as error:
                misfit = error
        if misfit is not None and not fitted:
            raise misfit


def _row(
    candidate: Candidate, protocol: Protocol, found: Setting, sizes: Mapping[str, float], rng: np.random.Generator
) -> Row:
    design = candidate.design
    count = design.count(rng=rng)
    if not count.accepted:
        return Row(
            candidate=candidate, n_drawn=len(design.free), places=candidate.places, count=count,
            smallest_p=SmallestP(one_sided=1.0, two_sided=1.0, mirror="none"), reaches=False, outlook=None,
        )  # fmt: skip
    listed = possible(design, total=count.total, rng=rng)
    smallest = smallest_p(design, View.ordered(len(design.label_names)), count=count, possible=listed)
    starts = spread_starts([wave.start for wave in protocol.waves], len(design.label_names))
    level = smallest.level(found.alpha, found.sides)
    seen = None
    if starts or len(design.label_names) == 2:
        seen = outlook(design, listed, found, level=level, starts=starts, sizes=sizes)
    return Row(
        candidate=candidate,
        n_drawn=len(design.free),
        places=candidate.places,
        count=count,
        smallest_p=smallest,
        reaches=smallest.reaches(found.alpha, found.sides),
        outlook=seen,
    )


def spread_starts(starts: Sequence[date], waves: int) -> tuple[date, ...]:
    """Starts for another number of waves: the first and last of the draft, and firsts of months evenly between."""
    if not starts or waves == len(starts):
        return tuple(starts)
    first, last = (day.year * 12 + day.month - 1 for day in (starts[0], starts[-1]))
    months = [first + round(k * (last - first) / max(waves - 1, 1)) for k in range(waves)]
    between = [date(month // 12, month % 12 + 1, 1) for month in months[1:-1]]
    return (starts[0], *between, starts[-1])[:waves]
