"""Never-treated units in family d: kept, the numbers are those did is known to print; lost, those of the cases.

The table is the one in the README and the vignette of the R package did for its own example (county teen employment,
2003 to 2007, no covariates, never-treated controls); its errors come from a bootstrap with a seed of R's.  The data are
public and are not copied here: tests that need them run where ``--cases`` holds d_mpdta.csv.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.reference.conftest import KEPT
from tests.reference.did_cases import as_did_saw
from trialkit.estimate.callaway import GroupTime, callaway_santanna
from trialkit.estimate.cohorts import Wide, wide

PRINTED = {  # (group, year): ATT, as printed
    (2004, 2004): -0.0105, (2004, 2005): -0.0704, (2004, 2006): -0.1373, (2004, 2007): -0.1008,
    (2006, 2004): 0.0065, (2006, 2005): -0.0028, (2006, 2006): -0.0046, (2006, 2007): -0.0412,
    (2007, 2004): 0.0305, (2007, 2005): -0.0027, (2007, 2006): -0.0311, (2007, 2007): -0.0261,
}  # fmt: skip
UNIVERSAL = {  # the same with one base period for each group
    (2006, 2003): -0.0038, (2006, 2004): 0.0028, (2007, 2003): 0.0033, (2007, 2004): 0.0338, (2007, 2005): 0.0311,
}  # fmt: skip
ROUNDED = 0.5e-4 * 1.001  # four decimals are printed


@pytest.fixture
def counties(request: pytest.FixtureRequest) -> Wide:
    files = sorted(Path(request.config.getoption("cases")).rglob("d_mpdta.csv"))
    if not files:
        pytest.skip("d_mpdta.csv is real public data and is not kept here; run with --cases where it is")
    return wide(pd.read_csv(files[0]), unit="i", period="t", start="g", outcome="y")


def table(found: GroupTime) -> dict[tuple[int, int], float]:
    frame = found.to_frame()
    return {(int(g), int(t)): v for g, t, v in zip(frame["group"], frame["period"], frame["estimate"], strict=True)}


def test_every_group_and_year_is_as_printed(counties: Wide) -> None:
    found = callaway_santanna(counties.outcome, counties.start, periods=counties.periods, unit="log employment")
    mine = table(found)
    assert mine.keys() == PRINTED.keys()
    assert all(abs(mine[key] - value) <= ROUNDED for key, value in PRINTED.items())
    universal = table(
        callaway_santanna(counties.outcome, counties.start, periods=counties.periods, base="universal", unit="1")
    )
    assert all(abs(universal[key] - value) <= ROUNDED for key, value in UNIVERSAL.items())


def test_the_cases_numbers_are_others_because_never_treated_counties_were_lost(counties: Wide) -> None:
    kept = counties.start > 0
    assert int((~kept).sum()) == 309
    again = callaway_santanna(
        counties.outcome[kept], counties.start[kept], periods=counties.periods, control="not_yet_treated", unit="1"
    )
    lost = table(again)
    assert 2007 not in {group for group, _ in lost}
    assert abs(lost[2004, 2004] - PRINTED[2004, 2004]) > 100 * ROUNDED  # -0.0354 beside -0.0105


def test_averages_are_as_printed(counties: Wide) -> None:
    found = callaway_santanna(counties.outcome, counties.start, periods=counties.periods, unit="log employment")
    printed = {"simple": -0.0400, "dynamic": -0.0772, "group": -0.0310}  # aggte() of the same vignette
    for kind, value in printed.items():
        assert found.aggregate(kind).overall.estimate == pytest.approx(value, abs=ROUNDED), kind  # type: ignore[arg-type]


def test_the_test_before_the_start_is_as_printed(counties: Wide) -> None:
    """P-value for pre-test of parallel trends assumption: 0.16812."""
    found = callaway_santanna(counties.outcome, counties.start, periods=counties.periods, unit="log employment")
    assert found.placebo().p_value == pytest.approx(0.16812, abs=0.5e-5)
    assert found.placebo().df == 5  # one before 2004 + 1 would need 2002; 2006 has two, 2007 three


def test_did_lost_them_where_its_version_meets_a_column_of_whole_numbers() -> None:
    """Issue 264 of did: 2.3.0 writes infinity for g = 0, which a column of whole numbers cannot hold."""
    seen = 0
    for file in sorted(KEPT.rglob("*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        if case.get("family") != "d_did_fixest" or not (file.parent / case["data"]).exists():
            continue
        frame = pd.read_csv(file.parent / case["data"])
        for wanted in case["expected"]["did"].values():
            never = bool((frame["g"] == 0).any())
            lost = never and case["packages"]["did"] == "2.3.0" and frame["g"].dtype.kind == "i"
            data = wide(frame, unit="i", period="t", start="g", outcome="y")
            assert (len(as_did_saw(data, wanted).units) < len(data.units)) == lost, file.name
            seen += never
    assert seen == 8
