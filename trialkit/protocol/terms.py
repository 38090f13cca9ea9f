"""The terms a trial runs on: budget, privacy, approvals, the case it is filed under, what it accepts openly."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trialkit.protocol.text import Amount, Counted, Day, FileName, Name, Named, Part, Text, Whole, Words, YesNo, refused


class BudgetLine(Part):
    """An amount for a range of years, first and last."""

    what: Words
    years: tuple[Whole, Whole]
    million_dkk: Amount | None = None  # for all the years together
    million_dkk_per_year: Amount | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if (self.million_dkk is None) == (self.million_dkk_per_year is None):
            raise refused(
                "Write million_dkk (for all years) or million_dkk_per_year; one of them.",
                "Skriv million_dkk (for alle årene) eller million_dkk_per_year; det ene af dem.",
            )
        if self.years[1] < self.years[0]:
            raise refused(
                "The budget's last year comes before its first.", "Budgettets sidste år ligger før det første."
            )
        return self

    @property
    def total(self) -> Decimal:
        """Million DKK over all the years."""
        years = self.years[1] - self.years[0] + 1
        return self.million_dkk if self.million_dkk is not None else (self.million_dkk_per_year or Decimal(0)) * years


class Budget(Part):
    """What it costs: lines of amounts, or totals per year with parts of them."""

    lines: tuple[BudgetLine, ...] = ()
    total_thousand_dkk: Named[Amount] = {}  # noqa: RUF012 - year to amount; pydantic copies it
    of_which_evaluation_thousand_dkk: Named[Amount] = {}  # noqa: RUF012
    detail: FileName | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_list(cls, value: object) -> object:
        return {"lines": value} if isinstance(value, (list, tuple)) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler.resolve_ref_schema(handler(schema))
        inner = dict(found)
        lines = inner["properties"]["lines"]
        found.clear()
        found.update(title=inner.pop("title"), description=inner.pop("description"), anyOf=[lines, inner])
        return found


class Privacy(Part):
    """What may be shown and stored.  Counts are hidden on pages and in exports only; the locked data keep them."""

    hide_counts_below: Counted
    publish: Literal["waves_by_quarter", "units_by_quarter", "totals"] | None = None
    codes_only: YesNo | None = None
    consent: Literal["needed_for_contact_details"] | None = None
    law: Text | None = None
    partners: Text | None = None


class Approval(Part):
    """Who decides.  An official draw waits until all have approved; a rehearsal does not."""

    by: Name
    status: Literal["proposed", "awaiting", "approved", "refused"]
    on: Day | None = None
    what: Text | None = None


class Case(Part):
    """Where the draw is filed in the authority's journal."""

    number: Name  # Sagsnr.
    document: Name | None = None  # Dokumentnr.
    officer_role: Name | None = None  # a role, never a person's name


class Accepts(Part):
    """What a design cannot do, accepted in words beforehand; without it the commitment is refused."""

    low_power: Text | None = None  # the smallest visible effect is above the smallest worth finding
    unreachable_p: Text | None = None  # no allocation can give a p-value as low as alpha

    @model_validator(mode="after")
    def _in_words(self) -> Self:
        if self.low_power is None and self.unreachable_p is None:
            raise refused(
                "Say what is accepted: low_power, unreachable_p or both.",
                "Skriv, hvad der accepteres: low_power, unreachable_p eller begge.",
            )
        return self
