"""Protocol: everything that is promised before the lot is drawn."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from trialkit.errors import ProtocolError
from trialkit.protocol.analysis import Analysis, Estimand, Planning
from trialkit.protocol.consistent import contradictions
from trialkit.protocol.later import not_yet
from trialkit.protocol.lottery import Lottery
from trialkit.protocol.outcomes import (
    ActionPlan,
    Deliveries,
    Funnels,
    Interruption,
    Outcome,
    Report,
    Teams,
)
from trialkit.protocol.terms import Accepts, Approval, Budget, Case, Privacy
from trialkit.protocol.text import ById, Name, Part, Text, Words, YesNo, refused, slug
from trialkit.protocol.units import (
    Arm,
    Aside,
    Balance,
    Capacity,
    FamilyRule,
    Fixed,
    ObservedEntry,
    Population,
    Rounds,
    RuleText,
    Strata,
    Wave,
)

SCHEMA_VERSION: Final = 1
_TRIAL_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
DesignName = Literal[
    "complete",
    "blocked",
    "matched",
    "phased_rollout",
    "capacity_rollout",
    "rolling_lottery",
    "place_lottery",
    "observed_staged_entry",
]


def _trial_id(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if _TRIAL_ID.fullmatch(text):
        return text
    raise refused(
        "The protocol's id is used in file names and announcements: small letters a-z, digits, _ and -, at most 40.",
        "Protokollens id bruges i filnavne og bekendtgørelser: små bogstaver a-z, cifre, _ og -, højst 40.",
        slug(text),
    )


TrialId = Annotated[
    str, BeforeValidator(_trial_id), WithJsonSchema({"type": "string", "pattern": f"^{_TRIAL_ID.pattern}$"})
]


class Protocol(Part):
    """A trial as it was promised.  Frozen; made from a draft by `load`, from a plan by `plan.from_plan`.

    ``design`` says how the lot falls: ``complete`` (one lot over all units), ``blocked`` (within strata),
    ``matched`` (within pairs or tuples), ``phased_rollout`` (waves with exact places, per stratum if given),
    ``capacity_rollout`` (waves with room for so many; the rest wait), ``rolling_lottery`` (people who come one by
    one), ``place_lottery`` (for places that become free) or ``observed_staged_entry`` (no lot was drawn).
    """

    protocol: TrialId
    version: Words
    title: Text
    design: DesignName
    units: Population
    arms: ById[Arm] = Field(min_length=2)
    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    estimand: Estimand
    analysis: Analysis
    planning: Planning
    privacy: Privacy
    plain_language: Text | None = None
    sources: tuple[Words, ...] = ()
    assignment: ObservedEntry | None = None
    fixed: tuple[Fixed, ...] = ()
    eligible: tuple[RuleText, ...] = ()  # all must accept
    never_in_lottery: tuple[Aside, ...] = ()
    eligible_families: tuple[FamilyRule, ...] = ()
    waves: tuple[Wave, ...] = ()
    strata: Strata = Strata()
    matched: Name | None = None  # the column whose equal values are one pair or tuple
    clusters: Name | None = None  # the column whose equal values are drawn together
    balance: tuple[Balance, ...] = ()
    lottery: Lottery | None = None
    capacity: Capacity | None = None
    rounds: Rounds | None = None
    funnels: Funnels = Funnels()
    deliveries: Deliveries = Deliveries()
    interruptions: tuple[Interruption, ...] = ()
    teams: Teams | None = None
    plan: ActionPlan | None = None
    reports: tuple[Report, ...] = ()
    budget: Budget = Budget()
    approvals: tuple[Approval, ...] = ()
    accepts: Accepts | None = None
    synthetic: YesNo = False  # units or outcomes are made up: every page says so
    case: Case | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := contradictions(self):
            listed = [(fault.path, fault.en, fault.da, fault.instead) for fault in found]
            raise PydanticCustomError("contradictions", "{en}", {"en": "; ".join(f.en for f in found), "found": listed})
        return self

    @classmethod
    def of(cls, **parts: Any) -> Self:
        """A protocol written in Python, with the words of a draft.

        Raises
        ------
        ProtocolError
            Something is missing, unknown or contradicts itself.
        """
        try:
            return cls.model_validate(parts)
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ProtocolError(
                f"The protocol does not hold together, so it cannot bind anybody. {told}",
                da=f"Protokollen hænger ikke sammen, så den kan ikke binde nogen. {told}",
            ) from None

    @property
    def drawn(self) -> bool:
        """Whether a lot decides anything."""
        return self.design != "observed_staged_entry"

    @property
    def awaiting(self) -> tuple[Approval, ...]:
        """The approvals an official draw still waits for."""
        return tuple(approval for approval in self.approvals if approval.status != "approved")

    def later(self) -> tuple[tuple[str, str, str], ...]:
        """The parts of this protocol that no command acts on yet: (field, English, Danish).

        They are bound by the plan's fingerprint all the same.
        """
        return not_yet(self)
