"""What is counted, when and by whom: outcomes, funnels, deliveries, interruptions, reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trialkit.protocol.text import (
    Amount,
    AtLeastOne,
    ById,
    Counted,
    Day,
    Ident,
    Part,
    Text,
    Words,
    YesNo,
    refused,
)
from trialkit.protocol.units import RuleText

Kind = Literal["share", "yes_no", "count", "number", "score", "time_to_event", "category"]
Level = Literal[
    "child",
    "parent",
    "adult",
    "person",
    "family",
    "unit",
    "area",
    "district",
    "municipality",
    "institution",
]
Reporter = Literal[
    "register_extract",
    "blinded_rater",
    "family",
    "treated_staff",
    "treated_municipality",
    "project_manager",
    "committee_minutes",
]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Outcome(Part):
    """One thing that is counted or measured.  Left out, ``role`` is an effect; the others are never tested as one."""

    id: Ident
    label: Text
    type: Kind
    level: Level
    reported_by: Reporter
    primary: YesNo = False
    role: Literal["process", "description"] | None = None
    better: Literal["higher", "lower"] | None = None
    unit: Words | None = None  # what one step of a number means
    numerator: Words | None = None
    denominator: Words | None = None
    funnel: Annotated[tuple[Ident, ...], BeforeValidator(_one_or_many)] = ()  # a share of a step: funnel, from, to
    from_: Ident | None = Field(None, alias="from")
    to: Ident | None = None
    wait_months: Counted | None = None  # how long a step may take before it counts as not taken
    levels: tuple[Ident, ...] = ()  # of a category
    frequency: Literal["event", "day", "week", "month", "month_of_birth", "quarter", "year", "delivery"] | None = None
    at_months: tuple[Counted, ...] = ()  # months after the start
    window_days: AtLeastOne | None = None  # how long an event may take to count
    leave_out_if_window_crosses_start: YesNo = False
    censor_at_days: AtLeastOne | None = None
    administration: Ident | None = None
    caution: Text | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        for wrong, en, da in _type_faults(self):
            if wrong:
                raise refused(en, da)
        return self


def _type_faults(it: Outcome) -> tuple[tuple[bool, str, str], ...]:
    """What an outcome's type asks for or has no use of: (wrong, English, Danish)."""
    stepped = (bool(it.funnel), it.from_ is not None, it.to is not None)
    described = it.numerator is not None and it.denominator is not None
    return (
        (
            (it.frequency is None) == (not it.at_months),
            "Write when it is counted: frequency, or at_months; one of them.",
            "Skriv, hvornår det tælles: frequency eller at_months; ét af dem.",
        ),
        (
            (it.type == "category") != bool(it.levels),
            "A category has levels: [...], and only a category has.",
            "En kategori har levels: [...], og det har kun en kategori.",
        ),
        (
            any(stepped) and not all(stepped),
            "A share of a funnel names the funnel, from and to.",
            "En andel af et forløb angiver funnel, from og to.",
        ),
        (
            it.type == "share" and it.primary and not all(stepped) and not described,
            "The primary outcome is a share: write its numerator and denominator, or funnel, from and to.",
            "Det primære udfald er en andel: skriv tæller (numerator) og nævner (denominator) eller funnel, "
            "from og to.",
        ),
        (
            it.type != "share" and (any(stepped) or it.numerator is not None or it.denominator is not None),
            "Only a share has a numerator, a denominator or steps of a funnel.",
            "Kun en andel har tæller (numerator), nævner (denominator) eller trin i et forløb.",
        ),
        (
            it.censor_at_days is not None and it.type != "time_to_event",
            "Only a time to an event is censored.",
            "Kun en tid til en hændelse afskæres (censor_at_days).",
        ),
        (
            it.leave_out_if_window_crosses_start and it.window_days is None,
            "A window that may cross the start needs its length: window_days.",
            "Et vindue, der kan gå hen over starten, skal have en længde: window_days.",
        ),
        (
            it.wait_months is not None and not any(stepped),
            "wait_months belongs to a step of a funnel.",
            "wait_months hører til et trin i et forløb (funnel).",
        ),
        (
            it.primary and it.role is not None,
            "A process or description is never tested as an effect, so it cannot be primary.",
            "En proces eller beskrivelse testes aldrig som en effekt og kan derfor ikke være primær.",
        ),
    )


def _rest(value: object, inside: str, known: frozenset[str]) -> object:
    """A person's own names beside a few fields of ours: gathered under ``inside``."""
    if not isinstance(value, dict) or inside in value:
        return value
    ours = {key: item for key, item in value.items() if key in known}
    return {**ours, inside: {key: item for key, item in value.items() if key not in known}}


def _open_map(schema: CoreSchema, handler: GetJsonSchemaHandler, inside: str) -> JsonSchemaValue:
    found = handler.resolve_ref_schema(handler(schema))
    inner = found["properties"].pop(inside)
    found["additionalProperties"] = inner.get("additionalProperties", True)
    return found


class Funnels(Part):
    """Ordered steps; each is counted among those who took the one before."""

    steps: ById[tuple[Ident, ...]] = {}  # noqa: RUF012 - pydantic copies it
    completed_means: RuleText | None = None

    @model_validator(mode="before")
    @classmethod
    def _own_names(cls, value: object) -> object:
        return _rest(value, "steps", frozenset({"completed_means"}))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name, steps in self.steps.items():
            if len(steps) < 2 or len(set(steps)) != len(steps):
                raise refused(
                    f"The funnel {name} needs at least two different steps.",
                    f"Forløbet {name} skal have mindst to forskellige trin.",
                )
        if self.completed_means and not any("completed" in steps for steps in self.steps.values()):
            raise refused(
                "completed_means explains the step completed, and no funnel has it.",
                "completed_means forklarer trinnet completed, og intet forløb har det.",
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _open_map(schema, handler, "steps")


def _due(value: Any) -> str:
    return "<at_end>" if value == "at_end" else "<day>"


Due = Annotated[Annotated[Day, Tag("<day>")] | Annotated[Literal["at_end"], Tag("<at_end>")], Discriminator(_due)]


class Deliveries(Part):
    """What each unit owes, and when."""

    due: ById[tuple[Due, ...]] = {}  # noqa: RUF012 - pydantic copies it
    late_after_days: Counted = 0
    remind_days_before: tuple[Counted, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _own_names(cls, value: object) -> object:
        return _rest(value, "due", frozenset({"late_after_days", "remind_days_before"}))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _open_map(schema, handler, "due")


class Affected(Part):
    """What an interruption touches; left out, it touches everything."""

    waves: tuple[Ident, ...] = ()
    funnel: Ident | None = None


class Interruption(Part):
    """Days that stay in the data and are marked."""

    id: Ident
    from_: Day = Field(alias="from")
    to: Day | None = None
    keep_rows: YesNo = True
    label: Text | None = None
    affects: Affected | None = None

    @model_validator(mode="after")
    def _marked(self) -> Self:
        if not self.keep_rows:
            raise refused(
                "An interruption marks rows and never deletes them. Take keep_rows out or write yes.",
                "En afbrydelse markerer rækker og sletter dem aldrig. Slet keep_rows, eller skriv ja.",
            )
        if self.to is not None and self.to < self.from_:
            raise refused("The interruption ends before it begins.", "Afbrydelsen slutter, før den begynder.")
        return self


class Report(Part):
    """A report after a year of the trial, or the final one on a day."""

    year: AtLeastOne | None = None
    final: Day | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.year is None) == (self.final is None):
            raise refused(
                "A report has a year (1, 2, ...) or a final day; one of them.",
                "En rapport har et år (year: 1, 2, ...) eller en slutdato (final); ét af dem.",
            )
        return self


class Teams(Part):
    """Staff who see several families, so that outcomes in one arm are grouped."""

    arm: Ident
    grouped_by: Ident
    full_time_equivalents: ById[Amount] = {}  # noqa: RUF012 - pydantic copies it


class ActionPlan(Part):
    """The plan each family has, and what a row of it holds."""

    document: Ident
    rows_per: tuple[Ident, ...] = ()
    follow_up: Ident | None = None
