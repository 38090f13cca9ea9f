"""Where the chance comes from, named before it exists, and who watches."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic.functional_validators import AfterValidator

from trialkit.canonical import HEX64
from trialkit.protocol.text import AtLeastOne, Counted, Name, Part, Words, YesNo, meant_day, refused
from trialkit.protocol.units import PerStratum, RuleText

COPENHAGEN: Final = ZoneInfo("Europe/Copenhagen")
EACH_COMMITMENT: Final = "first round after each draw's commitment is published"
FACES: Final = {
    "coin": (0, 1),
    "four-sided": (1, 4),
    "six-sided": (1, 6),
    "eight-sided": (1, 8),
    "ten-sided": (0, 9),
    "twelve-sided": (1, 12),
    "twenty-sided": (1, 20),
}
_ENOUGH: Final = 2**64  # specification section 4.3
_AFTER: Final = re.compile(r"(?:(?:the )?first round after|første runde efter)\s+(.+)", re.IGNORECASE)
_MOMENT: Final = re.compile(r"(.+?)(?:[T ]\s*(?:kl\.?\s*)?([0-9]{1,2})[:.]([0-9]{2})(?::([0-9]{2}))?(Z?))?", re.ASCII)


def _moment(text: str) -> str:
    """``first round after <moment>`` in UTC; a time without Z is Danish local time."""
    if text.lower() in (EACH_COMMITMENT, "each_commitment"):
        return EACH_COMMITMENT
    after = _AFTER.fullmatch(text)
    found = _MOMENT.fullmatch((after[1] if after else text).strip())
    if not found or not found[2]:
        day = meant_day(found[1].strip()) if found else ""
        raise refused(
            f"{text!r} names no day and time. The round must be known to the second before it exists.",
            f"{text!r} angiver ikke dag og klokkeslæt. Runden skal være kendt på sekundet, før den findes.",
            f"first round after {day} 12:00" if day else "",
        )
    day, hour, minute, second = found[1].strip(), int(found[2]), found[3], found[4] or "00"
    try:
        when = datetime.fromisoformat(f"{day}T{hour:02d}:{minute}:{second}")
    except ValueError:
        instead = f"first round after {meant_day(day)} {hour:02d}:{minute}" if meant_day(day) else ""
        raise refused(
            f"{text!r} is not a day written year-month-day with a time.",
            f"{text!r} er ikke en dag skrevet år-måned-dag med et klokkeslæt.",
            instead,
        ) from None
    utc = when.replace(tzinfo=UTC) if found[5] else _from_copenhagen(when)
    return f"first round after {utc:%Y-%m-%dT%H:%M:%SZ}"


def _from_copenhagen(when: datetime) -> datetime:
    """Danish local time as UTC, refused in the two hours a year when it is not plain."""
    early, late = (when.replace(tzinfo=COPENHAGEN, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early != late:
        raise refused(
            f"On {when:%Y-%m-%d} the clock changes at {when:%H:%M}, so the time is not one moment. Choose "
            "another hour.",
            f"Den {when:%Y-%m-%d} stilles uret kl. {when:%H.%M}, så tidspunktet ikke er entydigt. Vælg en anden time.",
        )
    return early


def _kind_of_source(value: Any) -> str | None:
    for kind in ("dice", "balls", "drand", "sealed_secret", "numbered_table", "published"):
        if (isinstance(value, dict) and kind in value) or hasattr(value, kind):
            return f"<{kind}>"
    return None


class Dice(Part):
    """Dice thrown in public, in the order thrown."""

    dice: Literal["coin", "four-sided", "six-sided", "eight-sided", "ten-sided", "twelve-sided", "twenty-sided"]
    throws: AtLeastOne

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        faces = FACES[self.dice][1] - FACES[self.dice][0] + 1
        if faces**self.throws < _ENOUGH:
            needed = next(n for n in range(1, 65) if faces**n >= _ENOUGH)
            raise refused(
                f"{self.throws} throws can be tried out at home beforehand; {self.dice} needs at least {needed}. "
                f"Write throws: {needed}.",
                f"{self.throws} kast kan prøves af hjemme på forhånd; {self.dice} kræver mindst {needed}. "
                f"Skriv throws: {needed}.",
            )
        return self


class Balls(Part):
    """Numbered balls 1 to ``balls`` taken from a drum."""

    balls: AtLeastOne
    drawn: AtLeastOne
    put_back: YesNo = False

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        outcomes = 1
        for taken in range(self.drawn):
            outcomes *= max(self.balls - (0 if self.put_back else taken), 0)
        if outcomes < _ENOUGH or self.balls > 1000:
            raise refused(
                f"{self.drawn} balls of {self.balls} give too few outcomes (2^64 are needed), or more than 1000 balls. "
                "Twelve balls of 90 are enough.",
                f"{self.drawn} kugler af {self.balls} giver for få udfald (der kræves 2^64), eller der er over 1000 "
                "kugler. Tolv kugler af 90 er nok.",
            )
        return self


class Drand(Part):
    """A numbered round of the public randomness beacon drand (chain quicknet)."""

    drand: Annotated[Words, AfterValidator(_moment)]  # "first round after <UTC>", or after each draw's commitment

    @property
    def after(self) -> datetime | None:
        """The moment (UTC) the round comes after; None where it is each draw's commitment."""
        if self.drand == EACH_COMMITMENT:
            return None
        return datetime.strptime(self.drand.split()[-1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


class SealedSecret(Part):
    """A secret that a keeper sealed beforehand and opens later; ``commitment`` is needed from the commitment on."""

    sealed_secret: Name
    commitment: Annotated[Words, Field(pattern=f"^{HEX64.pattern}$")] | None = None


class NumberedTable(Part):
    """Every allocation has a line number, and the number is drawn in public; needs ``method: rank``."""

    numbered_table: Words  # how the digits are drawn


class Published(Part):
    """A seed known in advance: for rehearsals and research only."""

    published: Name


Source = Annotated[
    Annotated[Dice, Tag("<dice>")]
    | Annotated[Balls, Tag("<balls>")]
    | Annotated[Drand, Tag("<drand>")]
    | Annotated[SealedSecret, Tag("<sealed_secret>")]
    | Annotated[NumberedTable, Tag("<numbered_table>")]
    | Annotated[Published, Tag("<published>")],
    Discriminator(
        _kind_of_source,
        custom_error_type="trialkit",
        custom_error_message="A source is one of: dice, balls, drand, sealed_secret, numbered_table, published.",
        custom_error_context={
            "en": "A source of chance is one of: dice, balls, drand, sealed_secret, numbered_table, published.",
            "da": "En kilde til tilfældet er én af: dice (terninger), balls (kugler), drand, sealed_secret (forseglet "
            "hemmelighed), numbered_table (nummereret tabel), published (offentligt frø).",
            "instead": "",
        },
    ),
]


class Witness(Part):
    """Who signs, with an Ed25519 public key in 64 hex digits."""

    name: Name
    public_key: Annotated[Words, Field(pattern=f"^{HEX64.pattern}$")]


class Witnesses(Part):
    """Who signs the fingerprint before and the result after, and how many must."""

    names: tuple[Witness, ...] = ()
    needed: Counted = 0


FreePlaces = Literal["share_of_queue"]


def _free(value: Any) -> str:
    return "<share>" if isinstance(value, str) and value.strip() == "share_of_queue" else "<number>"


Free = Annotated[Annotated[Counted, Tag("<number>")] | Annotated[FreePlaces, Tag("<share>")], Discriminator(_free)]


class Lottery(Part):
    """How the lot is drawn."""

    method: Literal["shuffle", "rank", "hidden_blocks"] = "shuffle"  # rank: an allocation's number in a table
    sources: tuple[Source, ...] = Field(min_length=1, max_length=16)
    held_at: Words | None = None
    witnesses: Witnesses = Witnesses()
    attempts: AtLeastOne = 10_000  # how many allocations may be tried until one passes `balance`
    block_sizes: tuple[AtLeastOne, ...] = ()  # of a rolling lottery
    length: AtLeastOne | None = None  # entries per stratum, more than can be needed
    only_when: RuleText | None = None  # a rolling lottery waits for a queue
    free_places: PerStratum[Free] | None = None  # of a lottery for places
    priority: Name | None = None  # a column 1, 2, ... of a lottery for places: all of 1 come before all of 2
    queue: Literal["keep", "new"] | None = None  # keep: who is not drawn stays for the next round
