"""Who takes part: the units and where they are listed, arms, waves, strata, balance, capacity and rounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trialkit.errors import ProtocolError
from trialkit.protocol import rules
from trialkit.protocol.text import (
    Amount,
    AtLeastOne,
    Counted,
    Day,
    Dec,
    FileName,
    Ident,
    Name,
    Named,
    Part,
    Text,
    Words,
    YesNo,
    _also_text,
    refused,
)


def _rule(text: str) -> str:
    try:
        return str(rules.parse(text))
    except ProtocolError as error:
        raise refused(error.message, error.told("da")) from None


RuleText = Annotated[Words, AfterValidator(_rule)]  # in the form `rules` writes it, so that spacing never matters
T = TypeVar("T")


def _map_or_one(value: Any) -> str:
    return "<per_stratum>" if isinstance(value, (dict, list, tuple)) else "<one>"


def _known(value: Any) -> str:
    return "<unknown>" if value == "unknown" else "<known>"


PerStratum = Annotated[
    Annotated[T, Tag("<one>")] | Annotated[Named[T], Tag("<per_stratum>")], Discriminator(_map_or_one)
]  # one for all, or a map of stratum to its own
OrUnknown = Annotated[
    Annotated[T, Tag("<known>")] | Annotated[Literal["unknown"], Tag("<unknown>")], Discriminator(_known)
]  # what nobody knows yet is written `unknown`


Encoding = Literal["utf-8", "windows-1252"]  # Danish Excel saves CSV as windows-1252


class JoinedWith(Part):
    """A second list joined to the units, one row per unit."""

    file: FileName
    on: Name  # the column both lists have
    columns: tuple[Name, ...] = Field(min_length=1)  # what is taken over
    encoding: Encoding | None = None  # of a CSV file that is not UTF-8


class Population(Part):
    """Where the units are listed: a register by name, a file in the trial's folder, or as people arrive."""

    register_name: Ident | None = Field(None, alias="register")
    frame: Ident | None = None  # which list of the register, where it has several
    file: FileName | None = None  # CSV or XLSX; {round} stands for the round of the draw
    created: Literal["on_arrival", "from_list"] | None = None
    where: RuleText | None = None  # which rows count
    encoding: Encoding | None = None  # of a CSV file that is not UTF-8
    id: Name | None = None  # the column with the unit's id
    name: Name | None = None  # the column with its name
    size: Name | None = None  # the column with how many people it has
    neighbours: FileName | None = None  # `register`, or a file of pairs that touch
    wave_column: Name | None = None  # what was not drawn: the wave each unit entered in
    joined_with: JoinedWith | None = None
    columns: tuple[Name, ...] = ()
    district_file: FileName | None = None  # the districts a person may live in
    housing_area_file: FileName | None = None  # the residential areas a family may live in

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        if (
            sum(where is not None for where in (self.register_name, self.created))
            + (self.file is not None and self.created is None)
            != 1
        ):
            raise refused(
                "Say where the units are: a register, a file, or created (on_arrival or from_list); one of them.",
                "Skriv, hvor enhederne står: et register (register), en fil (file) eller created (on_arrival eller "
                "from_list); ét af dem.",
            )
        if self.frame and not self.register_name:
            raise refused(
                "A frame is a list of a register, and no register is named.",
                "En ramme (frame) er en liste i et register, og der er ikke nævnt noget register.",
            )
        return self


class Fixed(Part):
    """Units whose arm or wave is known beforehand, such as pilots."""

    units: tuple[Name, ...] = Field(min_length=1)  # names or ids, as people write them
    arm: Ident | None = None  # a rollout's pilots: listed and shown, not among the units of the lots
    wave: Ident | None = None  # keeps its place in this wave: the wave has one place less to draw
    from_: Day | None = Field(None, alias="from")
    reason: Text
    in_effect_estimate: YesNo = False  # no: shown in tables and curves only

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.arm is None) == (self.wave is None):
            raise refused(
                "A fixed unit has an arm or a wave: write one of them.",
                "En fast enhed har en arm eller en bølge: skriv den ene.",
            )
        return self


class Aside(Part):
    """Those who never enter the lottery, and where they go instead."""

    rule: RuleText
    goes_to: Ident


class FamilyRule(Part):
    """One of the rules by which a unit chooses its families."""

    id: Ident
    rule: RuleText


class Arm(Text):
    """One thing a unit can be drawn for; ``weight`` 2 against 1 makes it twice as probable."""

    weight: AtLeastOne = 1

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _also_text(schema, handler)


class Wave(Part):
    """A day on which some units start."""

    id: Ident
    start: Day
    places: PerStratum[Counted]  # how many units start; a map gives places per stratum


class Stratum(Part):
    """A column within whose values the draw is made separately; the values in the order people read them."""

    column: Name
    values: tuple[Name, ...] = ()  # empty: those the list of units has


class Strata(Part):
    """The columns within which the draw is made separately: ``none``, a list of columns, or columns with values."""

    by: tuple[Stratum, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _three_ways(cls, value: object) -> object:
        if value == "none":
            return {"by": []}
        if isinstance(value, str):
            return {"by": [{"column": value}]}
        if isinstance(value, (list, tuple)):
            return {"by": [{"column": column} for column in value]}
        if isinstance(value, dict) and not (set(value) == {"by"} and _are_strata(value["by"])):
            return {"by": [{"column": column, "values": value[column]} for column in sorted(value)]}
        return value

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the order they name a stratum."""
        return tuple(stratum.column for stratum in self.by)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        texts: JsonSchemaValue = {"type": "array", "items": {"type": ["string", "number"]}}
        return {
            "title": "Strata",
            "description": cls.__doc__ or "",
            "anyOf": [{"type": "string"}, texts, {"type": "object", "additionalProperties": texts}],
        }


def _are_strata(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(part, (dict, Stratum)) for part in value)


class LargestDifference(Part):
    """How far apart the groups may be: in the variable's own units, or as a share of the drawn units' mean."""

    absolute: Amount | None = None
    share_of_mean: Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return value if isinstance(value, (dict, cls)) else {"absolute": value}

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.absolute is None) == (self.share_of_mean is None):
            raise refused(
                "Write a number, or share_of_mean: with a number; one of them.",
                "Skriv et tal eller share_of_mean: med et tal; det ene af dem.",
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = _also_text(schema, handler)
        found["anyOf"][0] = {"type": ["number", "string"]}
        return found


class Balance(Part):
    """A rule a possible allocation must pass before it may be drawn; the analysis repeats it."""

    variable: Name | None = None
    variables: tuple[Name, ...] = ()
    compare: Literal["mean_per_wave", "mean_per_arm", "share_per_wave", "share_per_arm", "mahalanobis"]
    largest_difference: LargestDifference | None = None
    threshold: Dec | None = None  # of the Mahalanobis distance

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.compare == "mahalanobis":
            right = bool(self.variables) and self.threshold is not None and self.threshold >= 0
            if not right or self.variable or self.largest_difference:
                raise refused(
                    "mahalanobis takes variables: [...] and a threshold of at least 0, and nothing else.",
                    "mahalanobis skal have variables: [...] og en threshold på mindst 0 og ikke andet.",
                )
        elif not self.variable or not self.largest_difference or self.variables or self.threshold is not None:
            raise refused(
                f"{self.compare} takes a variable and a largest_difference, and nothing else.",
                f"{self.compare} skal have en variable og en largest_difference og ikke andet.",
            )
        elif self.compare.startswith("share") and self.largest_difference.share_of_mean is not None:
            raise refused(
                "Shares differ by a plain number: write largest_difference: 0.15.",
                "Andele sammenlignes med et almindeligt tal: skriv largest_difference: 0.15.",
            )
        return self


class CapacityStep(Part):
    """From a day on there is room for so many."""

    from_: Day = Field(alias="from")
    places: Counted


class Capacity(Part):
    """How many there is room for: per month, or at the same time."""

    kind: Literal["starts_per_month", "at_the_same_time"]
    arm: Ident | None = None
    places: OrUnknown[Counted] | None = None
    steps: tuple[CapacityStep, ...] = ()
    longest_stay_months: AtLeastOne | None = None

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if (self.places is None) == (not self.steps):
            raise refused(
                "Write places (a number or unknown), or steps with a day each; one of them.",
                "Skriv places (et tal eller unknown) eller steps med hver sin dag; ét af dem.",
            )
        return self


class Rounds(Part):
    """When lots are drawn again for places that became free."""

    every: Literal["month", "quarter", "half_year", "year"]
    first: Day
    last: Day


class ObservedEntry(Part):
    """How units came to their wave where no lot was drawn."""

    by_lot: YesNo
    how: Words
