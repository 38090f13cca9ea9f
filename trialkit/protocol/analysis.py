"""The question and how it will be answered: estimand, registered analysis, planning figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.functional_validators import AfterValidator

from trialkit.protocol.text import (
    Amount,
    AtLeastOne,
    ById,
    Counted,
    Day,
    Dec,
    Ident,
    Part,
    Share,
    Text,
    Words,
    YesNo,
    refused,
)
from trialkit.protocol.units import OrUnknown

Measure = Literal[
    "risk_difference",
    "mean_difference",
    "rate_difference",
    "risk_ratio",
    "hazard_ratio",
    "proportion",
    "mean",
    "rate",
]
LaterRound = Literal["compare_within_round", "count_from_first_round_lost", "count_as_first_drawn"]
MethodName = Literal[
    "randomization_test",
    "difference_in_means",
    "weighted_difference",
    "ancova",
    "instrumental_variable",
    "staggered_rollout",
    "event_study",
    "stepped_wedge_model",
    "mixed_model",
    "gee",
    "glmm",
    "difference_in_differences",
    "proportion_with_cluster_interval",
    "monthly_curve",
    "spillover_check",
    "multiple_imputation",
    "worst_case_bounds",
    "lee_bounds",
]
DESCRIBES: frozenset[str] = frozenset({"proportion", "mean", "rate"})  # one group, nothing compared
DIFFERENCES: frozenset[str] = frozenset({"risk_difference", "mean_difference", "rate_difference"})

# How a primary answer can be found: through the lot itself, from averages of two arms, or by a model of all periods.
THROUGH_THE_LOT: frozenset[str] = frozenset({"randomization_test", "staggered_rollout"})
AVERAGES: frozenset[str] = frozenset({"difference_in_means", "weighted_difference", "ancova"})
MODELS: frozenset[str] = frozenset({"stepped_wedge_model", "mixed_model", "gee", "glmm"})


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class Period(Part):
    """From the first day to the last, both counted."""

    from_: Day = Field(alias="from")
    to: Day

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.to < self.from_:
            raise refused("The period ends before it begins.", "Perioden slutter, før den begynder.")
        return self


class Estimand(Part):
    """Who, compared how, on what, counted per child or per unit, over which months."""

    who: Text
    what: Words  # the id of an outcome
    measure: Measure
    compare: tuple[Ident, ...] = ()  # two arms, the new one first; none where nothing is compared
    counted_per: Literal["child", "parent", "adult", "person", "family", "unit"] | None = None
    period: Period | None = None
    complete_on: Day | None = None  # when every window has closed
    at_months: Counted | None = None
    claim: Literal["causal", "descriptive"] | None = None
    if_family_moves: Text | None = None
    if_training_not_started: Literal["count_as_drawn"] | None = None
    if_drawn_in_a_later_round: Annotated[tuple[LaterRound, ...], BeforeValidator(_listed)] = ()
    secondary: Text | None = None


class PartlyGrouped(Part):
    """Outcomes are grouped by staff in one arm only."""

    arm: Ident
    by: Ident


def _alpha(value: Decimal) -> Decimal:
    if not 0 < value <= Decimal("0.5"):
        raise refused(
            "alpha lies above 0 and at most 0.5; 0.05 is usual.",
            "alpha ligger over 0 og højst på 0.5; 0.05 er det sædvanlige.",
        )
    return value


class Method(Part):
    """One analysis by its name, and what it needs to be repeated by somebody else."""

    method: MethodName
    statistic: Literal["difference_in_means", "difference_within_months", "studentized_difference"] | None = None
    sides: Literal["two", "one"] | None = None
    alpha: Annotated[Share, AfterValidator(_alpha)] | None = None
    within: tuple[Ident, ...] = ()  # columns the test re-draws within
    draws: AtLeastOne | None = None  # Monte Carlo, where allocations are too many to count
    adjust: tuple[Ident, ...] = ()  # covariates known before the draw
    time: Ident | None = None
    cluster: Ident | None = None
    by: Ident | None = None
    exposure: Literal["share_of_neighbours_started"] | None = None
    small_sample_correction: YesNo | None = None
    partly_grouped: PartlyGrouped | None = None
    months_excluded_by: Literal["interruptions"] | None = None
    label: Literal["not_randomized"] | None = None
    also: Literal["worst_case_bounds", "lee_bounds"] | None = None


class Missing(Part):
    """What is done where outcomes are missing."""

    method: Literal["multiple_imputation", "complete_cases", "worst_case_bounds", "lee_bounds"] | None = None
    also: Literal["worst_case_bounds", "lee_bounds"] | None = None
    not_answering: Literal["report_and_bound", "report"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.method is None and self.not_answering is None:
            raise refused(
                "Write a method, or not_answering: report_and_bound.",
                "Skriv en metode (method) eller not_answering: report_and_bound.",
            )
        return self


class EarlyReport(Part):
    """A report before the final one, and whether anything is tested in it."""

    year: AtLeastOne
    purpose: Literal["describe"]
    test: YesNo = False

    @model_validator(mode="after")
    def _no_peeking(self) -> Self:
        if self.test:
            raise refused(
                "A report that describes tests nothing: write test: no, or plan a look (looks).",
                "En rapport, der beskriver, tester ikke: skriv test: nej, eller planlæg et kig (looks).",
            )
        return self


class Analysis(Part):
    """The registered analysis: the primary answer and what stands beside it."""

    primary: Method
    interval: Literal["by_inverting_the_test", "model_based"] | None = None
    secondary: tuple[Method, ...] = ()
    model: Method | None = None
    check: Method | None = None
    missing: Missing | None = None
    many_outcomes: Literal["holm", "westfall_young", "one_family_per_administration_then_holm"] | None = None
    looks: tuple[Day, ...] = ()  # days on which the primary answer may be read early; empty: no peeking
    early_report: EarlyReport | None = None
    forbidden: tuple[MethodName, ...] = ()

    @property
    def methods(self) -> tuple[tuple[tuple[str | int, ...], Method], ...]:
        """Every method with its place in the draft."""
        several = [(("analysis", "secondary", place), method) for place, method in enumerate(self.secondary)]
        single = [(("analysis", name), getattr(self, name)) for name in ("primary", "model", "check")]
        return tuple((path, method) for path, method in [*single, *several] if method is not None)


class SmallestEffect(Part):
    """The smallest effect worth finding: in the outcome's own units, or in standard deviations."""

    outcome: Ident
    absolute: Amount | None = None
    standard_deviations: Amount | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.absolute is None) == (self.standard_deviations is None):
            raise refused(
                "Write absolute or standard_deviations; one of them.",
                "Skriv absolute eller standard_deviations; det ene af dem.",
            )
        return self


def _none(value: Any) -> str:
    return "<none>" if value == "none" else "<some>"


def _single(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


def _below_one(value: Decimal) -> Decimal:
    if value == 1:
        raise refused(
            "A correlation of 1 would mean that all in a unit are alike.",
            "En korrelation på 1 ville betyde, at alle i en enhed er ens.",
        )
    return value


Correlations = Annotated[tuple[Annotated[Share, AfterValidator(_below_one)], ...], BeforeValidator(_single)]
Several = Annotated[tuple[Share, ...], BeforeValidator(_single)]


class Planning(Part):
    """What feasibility and power are computed with."""

    smallest_effect_worth_finding: Annotated[
        Annotated[SmallestEffect, Tag("<some>")] | Annotated[Literal["none"], Tag("<none>")], Discriminator(_none)
    ]
    baseline: ById[Dec] = {}  # noqa: RUF012 - expected level of an outcome before; pydantic copies it
    standard_deviation: ById[Amount] = {}  # noqa: RUF012 - of an outcome between persons
    icc: Correlations = ()  # share of the variance that lies between units
    icc_pair: Correlations = ()  # the same between pairs of staff
    cluster_autocorrelation: Several = ()
    individual_autocorrelation: Several = ()
    power: Share | None = None
    expected: ById[OrUnknown[Share]] = {}  # noqa: RUF012
    note: Text | None = None
