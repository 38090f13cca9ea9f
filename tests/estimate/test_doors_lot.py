"""The doors of everything that rests on the lot: labels are obeyed or refused, and what is no number, no option, no level
or no statistic is refused in words, in both languages, without a warning."""

import warnings
from datetime import date

import numpy as np
import pandas as pd
import pytest

from trialkit.design import Assignment, complete
from trialkit.errors import EstimateError, PanelError, TrialkitError
from trialkit.estimate.adjusted import adjusted_difference, lin
from trialkit.estimate.balance import HansenBowers, balance, balance_test
from trialkit.estimate.bootstrap import wild_bootstrap
from trialkit.estimate.constrained import balance_scores
from trialkit.estimate.correlation import icc, icc_of_counts
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.exposure import Exposure
from trialkit.estimate.exposure_effect import exposure_effect
from trialkit.estimate.instrument import complier_effect, instrument_test, two_stage
from trialkit.estimate.logit_correlation import logit_icc
from trialkit.estimate.many import adjusted, one_primary, westfall_young
from trialkit.estimate.missing import lee_bounds, manski_bounds, worst_case
from trialkit.estimate.moments import Moments
from trialkit.estimate.own_statistic import UserStatistic
from trialkit.estimate.printed import average_effect
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.regression import least_squares
from trialkit.estimate.sequential_p import sequential_p
from trialkit.estimate.statistics import (
    DifferenceInMeans,
    DifferenceWithinMonths,
    KolmogorovSmirnov,
    OlsAdjusted,
    RankSum,
    Studentized,
)
from trialkit.estimate.weighted import hajek, horvitz_thompson
from trialkit.estimate.within_period import within_periods
from trialkit.panel import Panel
from trialkit.units import Unit, Units

IDS = tuple("abcdefgh")
DESIGN = complete(IDS, {"new": 4, "old": 4})
DRAWN = ["new", "old"] * 4
LOT = Drawn.of(DESIGN, DRAWN)
GIVEN = Assignment(units=Units.of(IDS), labels=tuple(DRAWN))
PAIR = ("new", "old")
Y = np.array([3.0, 5, 2, 6, 1, 7, 2.5, 5.5])
X = np.array([1.0, 4, 1, 5, 9, 2, 6, 5])
Z = np.array([True, False] * 4)
GROUPS = np.repeat(list("pqrs"), 2)
SHUFFLED = [5, 2, 7, 0, 1, 6, 3, 4]
TWO = Panel(units=IDS, periods=("2012-01", "2012-02"), numerator=np.outer(Y, [1, 2]), denominator=np.full((8, 2), 20.0))
HUGE = Panel(units=IDS, periods=TWO.periods, numerator=TWO.numerator * 1e300, denominator=TWO.denominator, unit="d")
STARTS = {"new": date(2012, 2, 1), "old": None}


def asked(statistic, **options):
    return randomization_test(DESIGN, DRAWN, statistic, unit="d", **options)


def first_arm(y, codes):
    return (y * (codes == 0)).sum(axis=1)


# Whoever takes one number per unit, in the design's order.
BY_UNIT = {
    "average_effect": lambda y: average_effect(DESIGN, DRAWN, y, compare=PAIR, unit="d").first,
    "difference_in_means": lambda y: difference_in_means(y, GIVEN, compare=PAIR, unit="d"),
    "adjusted": lambda y: adjusted_difference(y, LOT, {"x": X}, compare=PAIR, unit="d"),
    "adjusted by": lambda y: adjusted_difference(Y, LOT, {"x": y}, compare=PAIR, unit="d"),
    "complier": lambda y: complier_effect(y, Z * 1.0, LOT, compare=PAIR, unit="d"),
    "hajek": lambda y: hajek(y, LOT, compare=PAIR, unit="d"),
    "horvitz_thompson": lambda y: horvitz_thompson(y, LOT, compare=PAIR, unit="d"),
    "studentized": lambda y: asked(Studentized(outcome=y, compare=PAIR)).estimate,
    "difference": lambda y: asked(DifferenceInMeans(outcome=y, compare=PAIR)).estimate,
    "ranks": lambda y: asked(RankSum(outcome=y, compare=PAIR)).estimate,
    "gap": lambda y: asked(KolmogorovSmirnov(outcome=y, compare=PAIR), interval=False).estimate,
    "ols": lambda y: asked(OlsAdjusted(outcome=y, covariates=X, compare=PAIR)).estimate,
    "ols by": lambda y: asked(OlsAdjusted(outcome=Y, covariates=y, compare=PAIR)).estimate,
    "own": lambda y: asked(UserStatistic(function=first_arm, outcome=y, compare=PAIR), interval=False).estimate,
    "balance": lambda y: asked(HansenBowers(covariates={"x": y}, compare=PAIR), interval=False).estimate,
    "balance_test": lambda y: balance_test(DESIGN, DRAWN, {"x": y}, compare=PAIR).test.estimate,
    "sequential": lambda y: sequential_p(
        DESIGN, DRAWN, Studentized(outcome=y, compare=PAIR), rng=np.random.default_rng(1)
    ),
    "westfall_young": lambda y: tuple(
        westfall_young(DESIGN, DRAWN, {"y": Studentized(outcome=y, compare=PAIR)}).p_adjusted
    ),
}
BROKEN = {
    "texts": ["3,5"] * 8,
    "digits": list("12345678"),
    "dates": np.array(["2012-01-01"] * 8, "datetime64[D]"),
    "complex": Y * 1j,
    "short": Y[:7],
    "gap": np.where(np.arange(8) == 2, np.nan, Y),
    "endless": np.where(np.arange(8) == 2, np.inf, Y),
    "huge": Y * 1e300,
    "other labels": pd.Series(Y, index=list("ABCDEFGH")),
    "twice": pd.Series(Y, index=list("aacdefgh")),
    "a number": 3.0,
}


def refused(call, *errors):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(errors or TrialkitError) as refusal:
            call()
    error = refusal.value
    assert error.told("da") != error.told("en")
    return error


@pytest.mark.parametrize("name", BY_UNIT)
def test_a_series_in_another_order_is_put_in_the_units_order(name):
    series = pd.Series(Y, index=list(IDS))
    expected = BY_UNIT[name](Y)
    assert repr(BY_UNIT[name](series.iloc[SHUFFLED])) == repr(expected)
    assert repr(BY_UNIT[name](pd.Series(Y))) == repr(expected)  # nobody labelled it: the order it has


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", BY_UNIT)
def test_what_is_not_one_finite_number_per_unit_is_refused(name, kind):
    error = refused(lambda: BY_UNIT[name](BROKEN[kind]))
    if kind in ("gap", "endless"):
        assert "c" in error.facts["units"]
        assert ": c" in error.told("en")


@pytest.mark.parametrize(
    "compare", [("new", "new"), ("new",), None, "new", ("new", "old", "old"), ("new", 3), ("new", "x")]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda c: average_effect(DESIGN, DRAWN, Y, compare=c, unit="d"),
        lambda c: difference_in_means(Y, LOT, compare=c, unit="d"),
        lambda c: difference_in_means(Y, GIVEN, compare=c, unit="d"),
        lambda c: hajek(Y, LOT, compare=c, unit="d"),
        lambda c: asked(RankSum(outcome=Y, compare=c)),
        lambda c: asked(OlsAdjusted(outcome=Y, covariates=X, compare=c)),
        lambda c: asked(HansenBowers(covariates={"x": X}, compare=c)),
        lambda c: balance_test(DESIGN, DRAWN, {"x": X}, compare=c),
    ],
)
def test_two_different_labels_are_compared_or_nothing(call, compare):
    refused(lambda: call(compare))


@pytest.mark.parametrize(
    "statistic",
    [
        None, Y, first_arm, Studentized, {"y": Y},
        UserStatistic(function=3, outcome=Y),
        UserStatistic(function=lambda y: y, outcome=Y),
        UserStatistic(function=lambda y, codes: ["x"] * len(codes), outcome=Y),
        UserStatistic(function=lambda y, codes: None, outcome=Y),
        UserStatistic(function=lambda y, codes: [[1], [1, 2]], outcome=Y),
    ],
)  # fmt: skip
def test_what_is_no_statistic_is_refused(statistic):
    refused(lambda: asked(statistic), EstimateError)
    refused(lambda: westfall_young(DESIGN, DRAWN, {"y": statistic}), EstimateError)
    refused(lambda: sequential_p(DESIGN, DRAWN, statistic, rng=np.random.default_rng(1)), EstimateError)


T = Studentized(outcome=Y, compare=PAIR)
ROWS = {"clusters": GROUPS, "unit": "d"}
OPTIONS = [
    lambda w: asked(T, sides=w),
    lambda w: asked(T).p_value_at(0.0, w),
    lambda w: difference_in_means(Y, LOT, compare=PAIR, unit="d", df=w),
    lambda w: least_squares(Y, {"x": X}, errors=w),
    lambda w: hajek(Y, LOT, compare=PAIR, unit="d", df=w),
    lambda w: hajek(Y, LOT, compare=PAIR, unit="d", never_together=w),
    lambda w: horvitz_thompson(Y, LOT, compare=PAIR, unit="d", effects=w),
    lambda w: westfall_young(DESIGN, DRAWN, {"y": T}, compared=w),
    lambda w: westfall_young(DESIGN, DRAWN, {"y": T}, sides=w),
    lambda w: sequential_p(DESIGN, DRAWN, T, rng=np.random.default_rng(1), sides=w),
    lambda w: adjusted([0.1], w),
    lambda w: lee_bounds(Y, Z, unit="d", trimming=w),
    lambda w: balance({"x": X}, Z, weights=w),
    lambda w: balance_scores(Z[None, :], X[:, None], metric=w),
    lambda w: icc(Y, GROUPS, interval=w),
    lambda w: icc_of_counts([1, 2, 3], [4, 5, 6], interval=w),
    lambda w: logit_icc(Z, GROUPS, by=w),
    lambda w: wild_bootstrap(Y, {"x": X}, "x", draws=99, rng=np.random.default_rng(1), signs=w, **ROWS),
    lambda w: wild_bootstrap(Y, {"x": X}, "x", draws=99, rng=np.random.default_rng(1), sides=w, **ROWS),
    lambda w: within_periods(np.outer(Y, [1, 2]), [1, 2], LOT.codes, weights=w),
    lambda w: instrument_test(w, Y, {"x": X}, {"z": Z}),
    lambda w: exposure_effect(Exposure.of_rollout(LOT, TWO.periods, STARTS), TWO, estimator=w),
    lambda w: asked(DifferenceWithinMonths(panel=TWO, starts=STARTS, counted_per=w)),
]


@pytest.mark.parametrize("word", ["left", 7])
@pytest.mark.parametrize("call", OPTIONS)
def test_an_unknown_word_is_refused(call, word):
    refused(lambda: call(word), EstimateError)


@pytest.mark.parametrize("level", [95, 0, 1, np.nan, "0.95", None])
@pytest.mark.parametrize(
    "call",
    [
        lambda p: average_effect(DESIGN, DRAWN, Y, compare=PAIR, unit="d", level=p),
        lambda p: asked(T, level=p),
        lambda p: asked(T, level=p, interval=False),
        lambda p: difference_in_means(Y, LOT, compare=PAIR, unit="d", level=p),
        lambda p: hajek(Y, LOT, compare=PAIR, unit="d", level=p),
        lambda p: lee_bounds(Y, Z, unit="d", level=p),
        lambda p: manski_bounds(Y, Z, unit="d", level=p),
        lambda p: icc(Y, GROUPS, level=p),
        lambda p: logit_icc(Z, GROUPS, level=p),
        lambda p: wild_bootstrap(Y, {"x": X}, "x", draws=99, level=p, **ROWS),
        lambda p: exposure_effect(Exposure.of_rollout(LOT, TWO.periods, STARTS), TWO, level=p),
        lambda p: Moments(value=1.0, std_error=1.0).interval(p),
    ],
)
def test_a_level_is_a_share(call, level):
    assert "0.95" in refused(lambda: call(level), EstimateError).told("en")


@pytest.mark.parametrize(
    "call",
    [
        lambda: asked(T).p_value_at("x"),
        lambda: asked(T).p_value_at(np.nan),
        lambda: asked(T, most=1, draws=99.5, rng=np.random.default_rng(1)),
        lambda: asked(T, draws=-5),
        lambda: asked(T, most=1, draws=99, rng=7),
        lambda: sequential_p(DESIGN, DRAWN, T, rng=7),
        lambda: westfall_young(DESIGN, DRAWN, [T]),
        lambda: westfall_young(DESIGN, DRAWN, None),
        lambda: one_primary(0.05, {"a": 0.1}),
        lambda: one_primary(asked(T).estimate, {"a": 0.1}),
        lambda: adjusted(["0.1"]),
        lambda: manski_bounds(Y, Z, unit="d", support=(1,)),
        lambda: manski_bounds(Y, Z, unit="d", support="01"),
        lambda: manski_bounds(Y, Z, unit="d", support=(0, np.inf)),
        lambda: lee_bounds(["x"] * 8, Z, unit="d"),
        lambda: lee_bounds(Y, DRAWN, unit="d"),
        lambda: lee_bounds(Y * 1e300, Z, unit="d"),
        lambda: lee_bounds(pd.Series(Y, index=list(IDS)), pd.Series(Z, index=list(IDS[::-1])), unit="d"),
        lambda: worst_case(pd.Series(Y, index=list(IDS)), pd.Series(Z, index=list(IDS[::-1]))),
        lambda: least_squares(Y, X),
        lambda: least_squares(["x"] * 8, {"x": X}),
        lambda: least_squares(Y, {"x": DRAWN}),
        lambda: least_squares(Y, {"x": X}, clusters=[None, *GROUPS[1:]]),
        lambda: least_squares(Y, {"x": X}, clusters=[np.nan, *GROUPS[1:]]),
        lambda: least_squares(Y * 1e300, {"x": X}),
        lambda: least_squares(pd.Series(Y, index=list(IDS)), {"x": pd.Series(X, index=list(IDS[::-1]))}),
        lambda: lin(Y, DRAWN, {"x": X}),
        lambda: lin(Y, Z, X),
        lambda: lin(Y, Z, {"x": X[:7]}),
        lambda: two_stage(Y, X, {"z": Z}),
        lambda: balance({"x": DRAWN}, Z),
        lambda: balance(X, Z),
        lambda: balance({"x": pd.Series(X, index=list(IDS))}, pd.Series(Z, index=list(IDS[::-1]))),
        lambda: icc(["x"] * 8, GROUPS),
        lambda: icc(Y, [None, *GROUPS[1:]]),
        lambda: logit_icc(Z, [np.nan, *GROUPS[1:]]),
        lambda: within_periods([["x"]], [1], LOT.codes),
        lambda: difference_in_means(Y, DRAWN, compare=PAIR, unit="d"),
    ],
)
def test_what_nobody_can_compute_with_is_refused(call):
    refused(call)


@pytest.mark.parametrize(
    "options",
    [
        {"starts": None}, {"starts": {"new": "2012-02-01", "old": None}}, {"starts": {"new": 5, "old": None}},
        {"starts": {**STARTS, "odd": None}}, {"starts": {"new": None}}, {"window_days": "90"}, {"window_days": 1.5},
        {"panel": np.ones((8, 2))}, {"panel": HUGE},
    ],
)  # fmt: skip
def test_a_rollout_knows_its_starts_its_window_and_its_panel(options):
    refused(lambda: asked(DifferenceWithinMonths(**{"panel": TWO, "starts": STARTS, **options})), EstimateError)


@pytest.mark.parametrize("pairs", [[("a", "b", "c")], ["ab"], [(1, "a")], 5, "ab"])
def test_neighbours_come_in_pairs(pairs):
    refused(lambda: Exposure.of_arms(LOT, "new", neighbours=pairs), EstimateError)


def test_what_the_lot_gave_is_put_in_the_units_order_too():
    series = pd.Series(DRAWN, index=list(IDS)).iloc[[1, 0, 3, 2, 5, 4, 7, 6]]
    assert Drawn.of(DESIGN, series).codes.tolist() == LOT.codes.tolist()
    refused(lambda: Drawn.of(DESIGN, pd.Series(DRAWN, index=list("ABCDEFGH"))), EstimateError)


@pytest.mark.parametrize("row", [{"numerator": "3,5", "denominator": "7"}, {"numerator": "3"}])
def test_a_row_without_numbers_is_refused_by_its_number(row):
    rows = [{"unit": "a", "period": "1", **row}]
    assert refused(lambda: Panel.from_rows(rows, units=["a"], periods=["1"]), PanelError).facts["row"] == 1


@pytest.mark.parametrize("unit", [None, 3])
def test_a_unit_is_a_text(unit):
    refused(lambda: difference_in_means(Y, LOT, compare=PAIR, unit=unit), EstimateError)
    refused(lambda: Panel(units=("a",), periods=("1",), numerator=[[1]], denominator=[[1]], unit=unit), PanelError)


@pytest.mark.parametrize(
    "options",
    [
        {"numerator": np.full((8, 2), -1.0)}, {"numerator": np.full((8, 2), 21.0)}, {"numerator": [["x"] * 2] * 8},
        {"denominator": [["20"] * 2] * 8}, {"periods": ("2012-02", "2012-01")}, {"periods": ("2012-01", "2012-01")},
        {"numerator": pd.DataFrame(np.ones((8, 2)), index=list("ABCDEFGH"))},
    ],
)  # fmt: skip
def test_a_panel_holds_shares_of_its_units_in_time_order(options):
    given = {
        "units": IDS,
        "periods": TWO.periods,
        "numerator": TWO.numerator,
        "denominator": TWO.denominator,
        **options,
    }
    refused(lambda: Panel(**given), PanelError)


def test_a_panel_obeys_the_labels_of_a_table():
    table = pd.DataFrame(TWO.numerator, index=list(IDS), columns=list(TWO.periods)).iloc[SHUFFLED, ::-1]
    found = Panel(units=IDS, periods=TWO.periods, numerator=table, denominator=TWO.denominator)
    np.testing.assert_array_equal(found.numerator, TWO.numerator)


def test_a_clusters_series_is_put_in_the_clusters_order():
    """One value per cluster, named by the clusters, where the lot fell on clusters of two."""
    units = Units.of([Unit(id=one, cluster=str(GROUPS[k])) for k, one in enumerate(IDS)])
    design = complete(units, {"new": 2, "old": 2}, level="cluster")
    drawn = ["new"] * 4 + ["old"] * 4
    means = pd.Series([1.0, 2.0, 4.0, 7.0], index=list(design.items))

    def one(y):
        return randomization_test(design, drawn, DifferenceInMeans(outcome=y, compare=PAIR), unit="d").estimate

    assert repr(one(means.iloc[[2, 0, 3, 1]])) == repr(one(means.to_numpy()))


def test_a_constant_outcome_has_no_minus_zero_and_a_level_its_decimals():
    assert (
        "-0" not in Moments(value=-0.0, std_error=0.0).as_estimate(unit="d", level=0.95, method="", n_units=1).summary()
    )
    said = Moments(value=1.0, std_error=1.0).as_estimate(unit="d", level=0.999, method="", n_units=1).summary()
    assert "99.9% interval" in said
