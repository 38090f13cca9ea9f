"""Family d: difference-in-differences.  Truth: the R packages did 2.3.0 and fixest 0.14.2.

did 2.3.0 loses never-treated units whose g = 0 stands in a column of whole numbers: it writes infinity into the column,
which cannot hold it, and drops the rows (its own issue 264).  The last treated cohort then stands in as control, and is
missing from ``att_gt.group``.  So a case says itself whose numbers it holds: never-treated units in the file, and no
effect of the last cohort, mean numbers of the data without those units.  `fixest`, on the same file, kept them.  What
did printed with never-treated units in is held by test_never_treated.py, and the estimator by W4 of the benchmarks and by
brute force in tests/estimate/test_staggered_did.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trialkit.errors import EstimateError
from trialkit.estimate.callaway import GroupTime, callaway_santanna
from trialkit.estimate.cohorts import Wide, wide
from trialkit.estimate.twoway import sun_abraham, two_way

DID = {"rel": 1e-8, "abs": 1e-11}
FIXEST = {"rel": 1e-6, "abs": 1e-9}
CONTROLS = {"nevertreated": "never_treated", "notyettreated": "not_yet_treated"}
ERRORS: dict[str, dict[str, Any]] = {
    "twfe_cluster_i": {"errors": "unit"},
    "twfe_cluster_i_ssc_none": {"errors": "unit", "small_sample": False},
    "twfe_iid": {"errors": "iid"},
    "twfe_hetero": {"errors": "hetero"},
    "twfe_twoway": {"errors": "unit_and_period"},
}


def difference_in_differences(case: dict[str, Any], folder: Path) -> None:
    frame = pd.read_csv(folder / case["data"])
    data = wide(frame, unit="i", period="t", start="g", outcome="y")
    data = data._replace(start=np.where(data.start <= data.periods[-1], data.start, 0))  # never within the data
    for key, wanted in case["expected"].get("did", {}).items():
        control, base = key.split("_")
        check_did(as_did_saw(data, wanted), CONTROLS[control], base, wanted)
    fixest = case["expected"].get("fixest", {})
    check_two_way(data, frame, fixest)
    check_sun_abraham(data, fixest)


def as_did_saw(data: Wide, wanted: dict[str, Any]) -> Wide:
    """The data without never-treated units, where the numbers say that they were lost."""
    never = data.start == 0
    if not never.any() or data.start.max() in wanted["att_gt"]["group"]:
        return data
    return data._replace(units=data.units[~never], outcome=data.outcome[~never], start=data.start[~never])


def check_did(data: Wide, control: str, base: str, wanted: dict[str, Any]) -> None:
    y, start, periods = data.outcome, data.start, data.periods
    if control == "never_treated" and not (start == 0).any():  # the last cohort stands in, before it starts
        last = start.max()
        y, periods, start = y[:, periods < last], periods[periods < last], np.where(start == last, 0, start)
    found = callaway_santanna(y, start, control=control, base=base, periods=periods, unit="1")  # type: ignore[arg-type]
    table = wanted["att_gt"]
    assert found.times[found.group].tolist() == table["group"]
    assert found.times[found.period].tolist() == table["t"]
    assert found.estimate == pytest.approx(table["att"], **DID)
    assert found.std_error == pytest.approx(numbers(table["se_analytic"]), nan_ok=True, **DID)
    for kind in ("simple", "dynamic", "group", "calendar"):
        check_average(found, kind, wanted[kind])


def check_average(found: GroupTime, kind: str, wanted: dict[str, Any]) -> None:
    average = found.aggregate(kind)  # type: ignore[arg-type]
    assert average.overall.estimate == pytest.approx(wanted["overall_att"], **DID), kind
    assert average.overall.std_error == pytest.approx(wanted["overall_se"], **DID), kind
    if kind != "simple":
        assert average.at.tolist() == wanted["egt"]
        assert average.estimate == pytest.approx(wanted["att"], **DID)
        assert average.std_error == pytest.approx(numbers(wanted["se"]), nan_ok=True, **DID)


def check_two_way(data: Wide, frame: pd.DataFrame, expected: dict[str, Any]) -> None:
    known = dict(ERRORS)
    others = [name for name in frame.columns if name not in ("i", "t", "g", "y")]
    if "twfe_cluster_cl" in expected:  # the one other column, whatever its name
        of_unit = frame.drop_duplicates("i").set_index("i")[others[0]].loc[data.units].to_numpy()
        known["twfe_cluster_cl"] = {"errors": "cluster", "clusters": of_unit}
    for name, wanted in expected.items():
        if not name.startswith("twfe"):
            continue
        found = two_way(data.outcome, data.start, periods=data.periods, unit="1", **known[name])
        assert found.estimate == pytest.approx(wanted["estimate"][0], **FIXEST), name
        assert found.std_error == pytest.approx(wanted["se"][0], **FIXEST), name
        assert found.p_value == pytest.approx(wanted["p"][0], rel=1e-4), name
        assert found.df == wanted["df_t"], name


def check_sun_abraham(data: Wide, expected: dict[str, Any]) -> None:
    """Against never-treated units, or against the last cohort by name; what fixest found without one is no target."""
    never = bool((data.start == 0).any())
    if not any(name.startswith("sunab") for name in expected):
        return
    if not never:
        with pytest.raises(EstimateError, match="reference"):
            sun_abraham(data.outcome, data.start, periods=data.periods, unit="1")
    reference: Any = "never" if never else float(data.start.max())
    prefix = "sunab" if never else "sunab_refc_last"
    if f"{prefix}_event" not in expected:
        return
    found = sun_abraham(data.outcome, data.start, periods=data.periods, reference=reference, unit="1")
    events = expected[f"{prefix}_event"]
    assert [f"t::{e}" for e in found.events.event_time] == events["term"]
    assert found.events.estimate == pytest.approx(events["estimate"], **FIXEST)
    assert found.events.std_error == pytest.approx(events["se"], **FIXEST)
    overall = expected[f"{prefix}_att"]
    assert found.overall.estimate == pytest.approx(overall["estimate"], **FIXEST)
    assert found.overall.std_error == pytest.approx(overall["se"], **FIXEST)
    assert found.overall.p_value == pytest.approx(overall["p"], rel=1e-4)
    if never:
        by_cohort = expected["sunab_cohort"]
        mine = {one.term.replace("cohort ", "cohort::"): one for one in found.by_cohort}
        assert [mine[term].estimate for term in by_cohort["term"]] == pytest.approx(by_cohort["estimate"], **FIXEST)
        assert [mine[term].std_error for term in by_cohort["term"]] == pytest.approx(by_cohort["se"], **FIXEST)


def numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])
