"""What nobody should hand to the estimators of rows in clusters and of staggered starts: they refuse it in words."""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trialkit.design import complete
from trialkit.errors import TrialkitError
from trialkit.estimate.callaway import callaway_santanna
from trialkit.estimate.cluster_summary import cluster_summaries
from trialkit.estimate.cohorts import wide
from trialkit.estimate.gee import gee
from trialkit.estimate.gee_wedge import gee_wedge
from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.imputation import imputation
from trialkit.estimate.mixed import mixed_model
from trialkit.estimate.mixed_profile import profiled_correlations
from trialkit.estimate.partly_grouped import partly_grouped
from trialkit.estimate.rollout_lot import staggered_by_lot
from trialkit.estimate.staggered import staggered, staggered_event_study, without_periods
from trialkit.estimate.twoway import sun_abraham, two_way
from trialkit.estimate.wedge import stepped_wedge

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

Case = dict[str, Any]
N, PER = 8, 12
CLUSTER = np.repeat(list("abcdefgh"), PER)
PERIOD = np.tile(np.repeat([1, 2, 3, 4], 3), N)
START = np.repeat([2, 2, 3, 3, 4, 4, 9, 9], PER)
EXPOSURE = np.maximum(PERIOD - START + 1, 0)
TREATED = np.isin(CLUSTER, list("aceg")).astype(float)
RNG = np.random.default_rng(11)
Y = RNG.normal(size=N * PER) + np.repeat(RNG.normal(size=N), PER)
EVENTS = RNG.integers(1, 8, N * PER).astype(float)


def rows(y: np.ndarray = Y, **more: Any) -> Case:
    return {"outcome": y, "clusters": CLUSTER, "columns": {"z": TREATED}, "unit": "days"} | more


def stepped(y: np.ndarray = Y, **more: Any) -> Case:
    return {"outcome": y, "clusters": CLUSTER, "periods": PERIOD, "exposure": EXPOSURE} | more


DOORS: dict[str, tuple[Callable[..., Any], Case]] = {
    "gee": (gee, rows()),
    "glmm": (generalized_mixed_model, rows(EVENTS, family="binomial", random="cluster", sizes=np.full(Y.size, 20))),
    "mixed": (mixed_model, rows(random="cluster")),
    "summaries": (cluster_summaries, {"outcome": Y, "clusters": CLUSTER, "treated": TREATED, "unit": "days"}),
    "profiled": (profiled_correlations, {"outcome": Y, "clusters": CLUSTER, "periods": PERIOD}),
    "wedge": (stepped_wedge, stepped(unit="days")),
    "gee wedge": (gee_wedge, stepped(unit="days")),
    "count wedge": (stepped_wedge_counts, stepped(EVENTS, family="poisson")),
    "partly grouped": (
        partly_grouped,
        {
            "outcome": Y, "arms": np.where(TREATED > 0, "pairs", "alone"), "grouped": "pairs", "unit": "days",
            "groups": [name if z else None for name, z in zip(CLUSTER, TREATED, strict=True)],
        },
    ),
}  # fmt: skip
DOORS["glmm"][1].pop("unit")
CLUSTERED = [name for name in DOORS if name != "partly grouped"]
WEDGES = ["wedge", "gee wedge", "count wedge"]


def refused(door: str, match: str, **change: Any) -> TrialkitError:
    estimator, case = DOORS[door]
    with pytest.raises(TrialkitError, match=match) as told:
        estimator(**(case | change))
    assert told.value.facts
    assert told.value.args[2], "a refusal says it in Danish too"
    return told.value


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_number_is_refused_and_so_is_nothing(door: str) -> None:
    texts = [f"{one:.1f}".replace(".", ",") for one in DOORS[door][1]["outcome"]]
    refused(door, "outcome holds something that is no number", outcome=texts)
    refused(door, "outcome holds", outcome=[datetime.date(2020, 1, 1)] * Y.size)
    refused(door, "outcome holds", outcome=Y * 1j)
    refused(door, "outcome has shape|There are 0|0 rows", outcome=[])
    refused(door, "labelled otherwise", outcome=pd.Series(Y[::-1], index=range(Y.size)[::-1]), **other_index(door))


def other_index(door: str) -> Case:
    name = "arms" if door == "partly grouped" else "clusters"
    return {name: pd.Series(DOORS[door][1][name])}


@pytest.mark.parametrize("door", DOORS)
def test_tables_of_one_order_are_taken_as_their_values(door: str) -> None:
    estimator, case = DOORS[door]
    index = [f"row {k}" for k in range(Y.size)]
    table = pd.DataFrame({name: case[name] for name in ("outcome", *other_index(door))}, index=index)
    own, same = estimator(**case), estimator(**(case | dict(table.items())))
    assert type(same) is type(own)
    found, wanted = (getattr(one, "values", getattr(one, "icc", None)) for one in (same, own))
    if wanted is None:
        found, wanted = (getattr(one, "fit", one).coefficients for one in (same, own))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("lacking", [None, np.nan, "", pd.NA])
@pytest.mark.parametrize("door", CLUSTERED)
def test_a_row_without_a_cluster_is_named(door: str, lacking: object) -> None:
    labels: list[object] = CLUSTER.tolist()
    labels[3] = lacking
    assert refused(door, "Row 3 has no label in clusters", clusters=labels).facts["rows"] == [3]
    assert refused(door, "Row 3 has no label", clusters=np.array(labels, object)).facts["name"] == "clusters"


@pytest.mark.parametrize("door", ["profiled", *WEDGES])
def test_a_row_without_a_period_is_named(door: str) -> None:
    periods = PERIOD.astype(float)
    periods[5] = np.nan
    refused(door, "Row 5 has no label in periods", periods=periods)


@pytest.mark.parametrize("door", ["gee", "glmm", "mixed"])
def test_columns_need_names_and_numbers(door: str) -> None:
    refused(door, "without names", columns=TREATED)
    refused(door, "the column 'z' holds", columns={"z": ["new"] * Y.size})
    refused(door, "column 'z' are labelled", columns={"z": pd.Series(TREATED, index=CLUSTER)}, **other_index(door))
    estimator, case = DOORS[door]
    named = estimator(**(case | {"columns": pd.DataFrame({"z": TREATED})}))
    assert named.terms == ("(Intercept)", "z")


@pytest.mark.parametrize("door", ["summaries", "partly grouped", *WEDGES])
def test_covariates_need_names(door: str) -> None:
    refused(door, "without names", covariates=TREATED)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("door", ["gee", "mixed", "summaries", "wedge", "gee wedge", "partly grouped"])
def test_numbers_nobody_can_square_are_refused_for_that_reason(door: str, scale: float) -> None:
    refused(door, "beyond what a computer can hold", outcome=Y * scale)


@pytest.mark.parametrize("door", WEDGES)
def test_an_exposure_that_no_start_can_bring_about_is_refused(door: str) -> None:
    falling, apart = EXPOSURE.copy(), EXPOSURE.copy()
    falling[(CLUSTER == "a") & (PERIOD == 4)] = 0
    apart[np.flatnonzero((CLUSTER == "c") & (PERIOD == 3))[0]] = 0
    assert refused(door, "cluster a .* period 4", exposure=falling).facts["cluster"] == "a"
    assert refused(door, "cluster c .* period 3", exposure=apart).facts["period"] == "3"
    refused(door, "exposure holds", exposure=["0"] * Y.size)
    refused(door, "whole number from 0", exposure=np.where(EXPOSURE > 1, np.inf, EXPOSURE))


@pytest.mark.parametrize("door", WEDGES)
def test_rows_in_transition_can_be_left_out(door: str) -> None:
    estimator, case = DOORS[door]
    kept = EXPOSURE != 1
    by_row = {name: values[kept] if isinstance(values, np.ndarray) else values for name, values in case.items()}
    assert np.isfinite(estimator(**by_row).effect().estimate)


def test_options_nobody_knows_are_refused_with_the_choices() -> None:
    refused("mixed", "'REML', 'ML'", by="typo")
    refused("partly grouped", "'by arm', 'equal'", residuals="typo")
    refused("gee", "typo", correlation="typo")
    refused("glmm", "typo", random="typo")
    found = {name: estimator(**case) for name, (estimator, case) in DOORS.items()}
    for asked in (
        lambda: found["mixed"].estimate("z", df="typo"),
        lambda: found["wedge"].effect(df="typo"),
        lambda: found["gee"].estimate("z", df="typo"),
        lambda: found["gee wedge"].effect(errors="typo"),
        lambda: found["glmm"].estimate("z", by="typo"),
        lambda: found["count wedge"].effect(df="typo"),
        lambda: found["glmm"].moments("z", errors="typo"),
        lambda: found["summaries"].weighted("typo"),
        lambda: found["summaries"].difference(variance="typo"),
    ):
        with pytest.raises(TrialkitError, match="typo"):
            asked()


def test_sums_are_no_shares() -> None:
    sizes = np.full(Y.size, 20)
    for share in (EVENTS / 20, EVENTS + 0.5):
        refused("gee", "no whole number", outcome=share, family="binomial", sizes=sizes)
        refused("gee wedge", "no whole number", outcome=share, family="binomial", sizes=sizes)
    refused("gee", "no whole number", outcome=EVENTS + 0.5, family="poisson")
    assert np.isfinite(
        gee(**rows(EVENTS / 20, family="binomial", weights=sizes)).coefficients
    ).all()  # shares by weight


def test_two_clusters_and_separation_have_one_code_each() -> None:
    two = np.isin(CLUSTER, list("ab"))
    cut = {"outcome": EVENTS[two], "clusters": CLUSTER[two], "columns": {"z": TREATED[two]}}
    assert refused("gee", "2 clusters", **cut).code == "E_FEW_CLUSTERS"
    assert refused("glmm", "2 clusters", **cut, sizes=None, family="poisson").code == "E_FEW_CLUSTERS"
    never = np.where(TREATED > 0, 0.0, EVENTS)
    assert refused("gee", "the same", outcome=never, family="poisson").code == "E_SEPARATION"
    assert refused("glmm", "separated", outcome=never).code == "E_SEPARATION"
    told = mixed_model(Y[two], {}, clusters=CLUSTER[two], unit="days", random="cluster")
    assert any("2 clusters" in note for note in told.notes)


UNITS = [f"u{k:02d}" for k in range(12)]
TABLE = np.random.default_rng(5).normal(size=(12, 6))
STARTS = np.repeat([3, 5, 0], 4)
BY_UNIT: dict[str, Callable[..., Any]] = {
    "staggered": lambda *a, **k: staggered(*a, unit="days", **k).estimate,
    "event study": lambda *a, **k: staggered_event_study(*a, unit="days", **k).estimate,
    "callaway": lambda *a, **k: callaway_santanna(*a, unit="days", **k).estimate,
    "two way": lambda *a, **k: two_way(*a, unit="days", **k),
    "sun abraham": lambda *a, **k: sun_abraham(*a, unit="days", **k).overall,
    "imputation": lambda *a, **k: imputation(*a, unit="days", **k),
}


@pytest.mark.parametrize("door", BY_UNIT)
def test_starts_and_tables_that_cannot_be_meant_are_refused(door: str) -> None:
    asked = BY_UNIT[door]
    frame = pd.DataFrame(TABLE, index=UNITS, columns=[f"m{k}" for k in range(6, 12)])
    for change, match in (
        ((TABLE, np.where(STARTS == 3, 4.5, STARTS)), "start of row 0 is 4.5"),
        ((TABLE, np.where(STARTS == 3, -1, STARTS)), "start of row 0 is -1"),
        ((TABLE, ["3"] * 4 + ["5"] * 8), "start holds"),
        ((TABLE.astype(str), STARTS), "outcome holds"),
        ((TABLE * 1e200, STARTS), "beyond what a computer can hold"),
        ((frame.iloc[:, ::-1], STARTS), "columns are"),
        ((frame, pd.Series(STARTS, index=UNITS[::-1])), "labelled otherwise"),
    ):
        with pytest.raises(TrialkitError, match=match) as told:
            asked(*change)
        assert told.value.args[2]
    with pytest.raises(TrialkitError, match="columns are 2010"):
        asked(pd.DataFrame(TABLE, columns=range(2010, 2016)), STARTS, periods=range(1, 7))
    plain, labelled = asked(TABLE, STARTS), asked(frame, pd.Series(STARTS, index=UNITS))
    assert str(plain) == str(labelled)


@pytest.mark.parametrize("beta", [np.nan, np.inf, "1", [1.0]])
def test_a_beta_that_is_no_number_is_refused_at_once(beta: Any) -> None:
    with pytest.raises(TrialkitError, match="no finite number"):
        staggered(TABLE, STARTS, unit="days", beta=beta)
    with pytest.raises(TrialkitError, match="no finite number"):
        staggered_by_lot(*LOT, TABLE, {"first": 3, "second": 5, "later": None}, unit="days", beta=beta)


DESIGN = complete(UNITS, {"first": 4, "second": 4, "later": 4})
LOT = (DESIGN, ["first"] * 4 + ["second"] * 4 + ["later"] * 4)
KNOWN = {"first": 3, "second": 5, "later": None}


def test_units_of_a_table_are_put_in_the_designs_order() -> None:
    shuffled = np.random.default_rng(3).permutation(12)
    frame = pd.DataFrame(TABLE, index=UNITS).iloc[shuffled]
    sizes = pd.Series(np.arange(1.0, 13), index=UNITS)
    for own, moved in ((None, None), (sizes.to_numpy(), sizes.iloc[shuffled])):
        plain = staggered_by_lot(*LOT, TABLE, KNOWN, unit="days", sizes=own, test=False).estimate
        assert (
            staggered_by_lot(*LOT, frame, KNOWN, unit="days", sizes=moved, test=False).estimate.estimate
            == plain.estimate
        )
    with pytest.raises(TrialkitError, match="Not in both"):
        staggered_by_lot(*LOT, frame.rename(index={"u00": "x"}), KNOWN, unit="days", test=False)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"third": 4}, "starts name third"), ({"first": 4.5}, "start of first is 4.5"), ({"first": np.nan}, "first is nan"),
        ({"first": -1}, "start of first is -1"), ({"first": "3"}, "start of first holds"),
    ],
)  # fmt: skip
def test_starts_of_labels_are_refused_by_name(change: Case, match: str) -> None:
    with pytest.raises(TrialkitError, match=match):
        staggered_by_lot(*LOT, TABLE, KNOWN | change, unit="days", test=False)


def test_never_is_none_0_or_infinity() -> None:
    answers = [
        staggered_by_lot(*LOT, TABLE, KNOWN | {"later": never}, unit="days", test=False).estimate.estimate
        for never in (None, 0, np.inf)
    ]
    assert len(set(answers)) == 1


def test_options_of_staggered_starts() -> None:
    for asked in (
        lambda: two_way(TABLE, STARTS, unit="days", errors="typo"),  # type: ignore[arg-type]
        lambda: staggered(TABLE, STARTS, unit="days", method="typo"),  # type: ignore[arg-type]
        lambda: staggered_event_study(TABLE, STARTS, unit="days", errors="typo"),  # type: ignore[arg-type]
        lambda: without_periods(TABLE, STARTS, range(6), ["typo"], unit="days"),  # type: ignore[list-item]
    ):
        with pytest.raises(TrialkitError, match="typo"):
            asked()


def test_contrasts_are_finite_weights_by_term() -> None:
    (fit, case), (wedge, stepwise) = DOORS["gee"], DOORS["wedge"]
    found, by_time = fit(**case), wedge(**(stepwise | {"effect": "exposure"}))
    for wrong in ({"z": "x"}, {"z": np.nan}, ["z"], None):
        with pytest.raises(TrialkitError, match="no contrast"):
            found.estimate(wrong)
    with pytest.raises(TrialkitError, match="no contrast"):
        by_time.over({1: np.nan})
    refused("gee", "no row of labels", periods=5)
    refused("mixed", "no row of labels", clusters=CLUSTER[:, None])


def test_a_tidy_table_lacks_no_column_and_no_unit() -> None:
    tidy = pd.DataFrame({"u": ["a", "a", "b", "b"], "t": [1, 2, 1, 2], "g": [2, 2, 0, 0], "y": [1.0, 2.0, 3.0, 4.0]})
    names = {"unit": "u", "period": "t", "start": "g", "outcome": "y"}
    assert wide(tidy, **names).outcome.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(TrialkitError, match="no column 'when'"):
        wide(tidy, **(names | {"period": "when"}))
    with pytest.raises(TrialkitError, match="Row 1 has no label in u"):
        wide(tidy.assign(u=["a", None, "b", "b"]), **names)
    with pytest.raises(TrialkitError, match="y holds"):
        wide(tidy.assign(y=list("1234")), **names)
