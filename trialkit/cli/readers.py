"""How an answer is read: by the parsers of the draft, in the words people use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from trialkit.canonical import text_fault
from trialkit.cli.listing import Listed, split
from trialkit.errors import UsageError
from trialkit.power.candidates import near_equal
from trialkit.protocol.blank import MOST_WAVES
from trialkit.protocol.consistent_design import REHEARSAL
from trialkit.protocol.lottery import Dice
from trialkit.protocol.model import TrialId
from trialkit.protocol.text import Amount, AtLeastOne, Day, Name, YesNo, slug
from trialkit.registers.cpr import holds_cpr
from trialkit.units import Unit

Known = Mapping[str, Any]  # what the earlier questions gave, by their keys
T = TypeVar("T")

_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_ID: Final[TypeAdapter[str]] = TypeAdapter(TrialId)
_DAY: Final[TypeAdapter[date]] = TypeAdapter(Day)
_AT_LEAST_ONE: Final[TypeAdapter[int]] = TypeAdapter(AtLeastOne)
_AMOUNT: Final[TypeAdapter[Decimal]] = TypeAdapter(Amount)
_YES_NO: Final[TypeAdapter[bool]] = TypeAdapter(YesNo)
_DICE: Final[TypeAdapter[Dice]] = TypeAdapter(Dice)
_PERCENT: Final = re.compile(r"\s*(%|pct\.?|procent(point)?|percent(age points?)?|points?)", re.IGNORECASE)
_TO: Final = re.compile(r"\s*(?:,|;|\bto\b|\btil\b|--|–|—)\s*|\s+-\s+")


def fit(adapter: TypeAdapter[T], value: object) -> T:
    """What a draft's field of this type would hold; where its meaning is plain, as it should have been written.

    Raises
    ------
    UsageError
        What the draft would refuse, in the same words.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        said = error.errors()[0].get("ctx", {})
    if instead := said.get("instead"):
        return fit(adapter, instead)
    raise UsageError(str(said.get("en", "")), {"answer": str(value)}, da=str(said.get("da", "")))


def at_least_one(text: str) -> int:
    """A whole number above 0."""
    return fit(_AT_LEAST_ONE, text)


def name(text: str, known: Known) -> str:
    """One line that may be published, without anybody's civil registration number."""
    if holds_cpr(text):
        raise UsageError(
            "This can be a civil registration number (CPR), which trialkit never takes in: drafts are published. Leave "
            "it out.",
            da="Det her kan være et CPR-nummer, og det tager trialkit aldrig imod: udkast offentliggøres. Udelad det.",
            code="E_CPR",
        )
    return fit(_NAME, text)


def title(text: str, known: Known) -> str:
    """A name short enough to stand behind the mark of a rehearsal."""
    found = name(text, known)
    if why := text_fault(REHEARSAL + found):
        raise UsageError(
            f"The title {why[0]} with {REHEARSAL!r} before it, as on a rehearsal. Shorten it.",
            da=f"Titlen {why[1]} med {REHEARSAL!r} foran, som ved en prøve. Forkort den.",
        )
    return found


def trial_id(text: str, known: Known) -> str:
    """The id in file names."""
    return fit(_ID, text)


def short_id(known: Known) -> str:
    """An id made of the title, cut between words."""
    whole = slug(known["title"])
    return (whole if len(whole) <= 30 else whole[:31].rpartition("_")[0] or whole[:30]) or "trial"


def names(text: str, known: Known) -> tuple[str, ...]:
    """Names with commas or semicolons between, each once."""
    return tuple(dict.fromkeys(name(part, known) for part in split(text)))


def pilots(text: str, known: Known) -> tuple[str, ...]:
    """Names of units, at least two other units left to draw among."""
    units = known["units"].units
    written = tuple(dict.fromkeys(split(text)))
    whole = (text.strip(),) if "," in text and _is_called(text.strip(), known["units"]) else written
    found: dict[str, str] = {}
    for one in whole:
        for unit in units.find_all(one):
            if unit.id in found:
                raise UsageError(
                    f"{one} and {found[unit.id]} are the same unit. Name it once.",
                    da=f"{one} og {found[unit.id]} er samme enhed. Nævn den én gang.",
                )
            found[unit.id] = one
    if len(units) - len(found) < 2:
        raise UsageError(
            f"{len(found)} of {len(units)} units are pilots; fewer than two are left to draw among.",
            da=f"{len(found)} af {len(units)} enheder er piloter; der er under to tilbage at trække lod imellem.",
        )
    return whole


def _is_called(text: str, listed: Listed) -> bool:
    return any(text in (unit.id, unit.name, *unit.spellings) for unit in listed.units)


def drawn(known: Known) -> tuple[Unit, ...]:
    """The units that are not pilots."""
    units = known["units"].units
    outside = {unit.id for one in known.get("pilots") or () for unit in units.find_all(one)}
    return tuple(unit for unit in units if unit.id not in outside)


def people(text: str, known: Known) -> str | tuple[int, ...]:
    """A column of the list by its number or name; or how many, one number for all or one for each unit."""
    listed: Listed = known["units"]
    if text in listed.counts:
        return text
    numbers = tuple(at_least_one(part) for part in re.split(r"[\s,;]+", text.strip()))
    if listed.counts and len(numbers) == 1 and numbers[0] <= len(listed.counts):
        return listed.counts[numbers[0] - 1]
    if listed.register is None and len(numbers) in (1, len(listed.order)):
        return numbers
    if listed.register is not None:
        raise UsageError(
            f"Choose one of the columns of the register: 1 to {len(listed.counts)}.",
            da=f"Vælg en af registerets kolonner: 1 til {len(listed.counts)}.",
        )
    raise UsageError(
        f"There are {len(listed.order)} units and {len(numbers)} numbers. Type one number for all, or one for each.",
        da=f"Der er {len(listed.order)} enheder og {len(numbers)} tal. Skriv ét tal for alle eller ét for hver.",
    )


def waves(text: str, known: Known) -> int:
    """How many waves; no more than there are units."""
    number, n = at_least_one(text), len(drawn(known))
    if number > min(n, MOST_WAVES):
        raise UsageError(
            f"{number} waves are more than there are units ({n}) or than fit here ({MOST_WAVES}). Choose fewer.",
            da=f"{number} bølger er flere, end der er enheder ({n}), eller end der er plads til her ({MOST_WAVES}). "
            "Vælg færre.",
        )
    return number


def starts(text: str, known: Known) -> tuple[date, ...]:
    """A day for each wave, in the order of time."""
    days = tuple(fit(_DAY, part) for part in split(text))
    if len(days) != known["waves"]:
        raise UsageError(
            f"There are {known['waves']} waves and {len(days)} dates. Type one date per wave, with commas between.",
            da=f"Der er {known['waves']} bølger og {len(days)} datoer. Skriv én dato pr. bølge med komma imellem.",
        )
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise UsageError(
            "The dates must come one after the other, the first wave first.",
            da="Datoerne skal komme efter hinanden, første bølge først.",
        )
    return days


def places(text: str, known: Known) -> tuple[int, ...]:
    """Places per wave; together no more than the units that are drawn, and fewer where there is one wave."""
    numbers, n = tuple(at_least_one(part) for part in re.split(r"[\s,;+]+", text.strip())), len(drawn(known))
    if len(numbers) != known["waves"]:
        raise UsageError(
            f"There are {known['waves']} waves and {len(numbers)} numbers. Type one number per wave: 3, 2, 2.",
            da=f"Der er {known['waves']} bølger og {len(numbers)} tal. Skriv ét tal pr. bølge: 3, 2, 2.",
        )
    if sum(numbers) > n:
        raise UsageError(
            f"{sum(numbers)} places are more than the {n} units that are drawn among.",
            da=f"{sum(numbers)} pladser er flere end de {n} enheder, der trækkes lod imellem.",
        )
    if len(numbers) == 1 and numbers[0] == n:
        raise UsageError(
            "With one wave for all there is nobody to compare with. Take fewer places, or go back and choose two waves.",
            da="Med én bølge til alle er der ingen at sammenligne med. Tag færre pladser, eller gå tilbage og vælg to "
            "bølger.",
        )
    return numbers


def usual_places(known: Known) -> str:
    """Near-equal waves; half of the units where only one group starts."""
    n = len(drawn(known))
    found = near_equal(n, 2)[:1] if known["waves"] == 1 else near_equal(n, known["waves"])
    return ", ".join(map(str, found))


def window(text: str, known: Known) -> int:
    """Days."""
    return fit(_AT_LEAST_ONE, re.sub(r"\s*(dage?|days?)$", "", text.strip(), flags=re.IGNORECASE))


def yes(text: str, known: Known) -> bool:
    """Yes or no."""
    return fit(_YES_NO, {"j": "ja", "y": "yes", "n": "no"}.get(text.lower(), text))


def period(text: str, known: Known) -> tuple[date, date]:
    """First and last day, after the first wave has started."""
    days = [fit(_DAY, part) for part in _TO.split(text) if part.strip()]
    if len(days) != 2 or days[1] < days[0]:
        raise UsageError(
            "Type the first and the last day, in this order: 01-02-2027 to 30-09-2027.",
            da="Skriv første og sidste dag, i den rækkefølge: 01-02-2027 til 30-09-2027.",
        )
    if days[1] < known["starts"][0]:
        raise UsageError(
            f"The period ends before the first wave starts on {known['starts'][0]}.",
            da=f"Perioden slutter, før den første bølge starter den {known['starts'][0]}.",
        )
    return days[0], days[1]


def usual_period(known: Known) -> str:
    """From the first start until the day before the last wave; a year where the others never start."""
    first, last = known["starts"][0], known["starts"][-1] - timedelta(days=1)
    if sum(known["places"]) < len(drawn(known)) or last < first:
        last = max(last, first + timedelta(days=364))
    return f"{first} - {last}"


def share(text: str, known: Known, *, one: bool = False) -> Decimal:
    """A share written as 5 %, 5 or 0,05: above 0 and below 1; ``one``: whether 1 alone is one percent."""
    bare = _PERCENT.sub("", text).strip()
    found = fit(_AMOUNT, bare)
    if bare == text.strip() and found == 1 and not one:
        raise UsageError(
            "1 could mean 1 % or everybody. Write 1 % or 100 %.",
            da="1 kan betyde 1 % eller alle. Skriv 1 % eller 100 %.",
        )
    if bare != text.strip() or found >= 1:
        found = (found / 100).normalize()
    if not 0 < found < 1:
        raise UsageError(
            "The share must lie above 0 % and below 100 %, for something must be able to change.",
            da="Andelen skal ligge over 0 % og under 100 %, for noget skal kunne ændre sig.",
        )
    return found


def level(text: str, known: Known) -> Decimal:
    """The expected level: a share, or a number in the outcome's own unit."""
    return share(text, known) if known["kind"] != "number" else fit(_AMOUNT, text)


def effect(text: str, known: Known) -> Decimal:
    """The smallest effect worth finding, above 0; of a share in percentage points, or as a share."""
    if known["kind"] == "number":
        if (found := fit(_AMOUNT, text)) > 0:
            return found
        raise UsageError("An effect of 0 is no effect.", da="En effekt på 0 er ingen effekt.")
    return share(text, known, one=True)


def throws(text: str, known: Known) -> int:
    """Throws of a ten-sided die, enough that nobody can try them all."""
    number = at_least_one(text)
    try:
        return fit(_DICE, {"dice": "ten-sided", "throws": number}).throws
    except UsageError:
        raise UsageError(
            f"{number} throws can be tried out at home beforehand. Twenty or more are needed.",
            da=f"{number} kast kan prøves af hjemme på forhånd. Der skal mindst tyve til.",
        ) from None
