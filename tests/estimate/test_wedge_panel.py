"""A wedge from a panel is the wedge of its persons, row by row, with exposures counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.estimate.test_registered import trial
from trialkit.design import stepped_wedge as waves
from trialkit.design.assignment import Assignment
from trialkit.errors import EstimateError
from trialkit.estimate.gee_wedge import gee_wedge
from trialkit.estimate.glmm_wedge import stepped_wedge_counts
from trialkit.estimate.registered import periods_of
from trialkit.estimate.wedge import stepped_wedge
from trialkit.estimate.wedge_panel import PanelWedge, panel_cells, starts_of, wedge_of_panel
from trialkit.estimate.within_months import LEFT_OUT, Calendar, states
from trialkit.panel import Panel

IDS = tuple(f"u{k}" for k in range(9))
DESIGN = waves(IDS, {"first": 3, "second": 3, "third": 3})
DRAWN = ["first", "third", "second", "second", "first", "third", "third", "second", "first"]
STARTS = {"first": date(2012, 2, 1), "second": date(2012, 4, 1), "third": date(2012, 6, 1)}
PERIODS = tuple(f"2012-{month:02d}" for month in range(1, 8))


def made_up(seed: int = 1, *, units: tuple[str, ...] = IDS, periods: tuple[str, ...] = PERIODS, **marks: Any) -> Panel:
    """Synthetic shares of small cells, one of them empty and one without people."""
    rng = np.random.default_rng(seed)
    people = rng.integers(3, 15, (len(units), len(periods))).astype(float)
    share = np.clip(0.3 + 0.15 * rng.normal(size=(len(units), 1)) + 0.05 * rng.normal(size=people.shape), 0.05, 0.9)
    events = rng.binomial(people.astype(int), share).astype(float)
    people[2, 3], events[2, 3] = 0, 0
    people[4, 1] = events[4, 1] = np.nan
    return Panel(units=units, periods=periods, numerator=events, denominator=people, synthetic=True, **marks)


def of_persons(panel: Panel, first: list[int], *, leave: Any = (), **asked: Any) -> Any:
    """One row for each 0 and 1; ``first`` is each unit's first treated column."""
    y, unit, period, exposure = [], [], [], []
    for u, t in np.ndindex(panel.value.shape):
        if not panel.observed[u, t] or (u, t) in leave:
            continue
        events, people = int(panel.numerator[u, t]), int(panel.denominator[u, t])
        y += [1.0] * events + [0.0] * (people - events)
        unit += [panel.units[u]] * people
        period += [t] * people
        exposure += [max(t - first[u] + 1, 0)] * people
    return stepped_wedge(y, clusters=unit, periods=period, exposure=exposure, unit="share", **asked)


def same(one: Any, other: Any) -> None:
    for ours, theirs in ((one.effect(), other.effect()), (one.effect(df="normal"), other.effect(df="normal"))):
        assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-9, abs=1e-12)
        assert ours.std_error == pytest.approx(theirs.std_error, rel=1e-7)
        assert ours.df == pytest.approx(theirs.df, rel=1e-6, nan_ok=True)


FIRST = [{"first": 1, "second": 3, "third": 5}[label] for label in DRAWN]


@pytest.mark.parametrize("random", ["cluster", "nested", "decay"])
@pytest.mark.parametrize("effect", ["immediate", "exposure"])
def test_shares_are_fitted_as_their_persons(random, effect):
    panel = made_up()
    found = wedge_of_panel(DESIGN, DRAWN, panel, STARTS, random=random, effect=effect)
    rows = of_persons(panel, FIRST, random=random, effect=effect)
    same(found, rows)
    assert found.wedge.fit.n_rows == rows.fit.n_rows == int(np.nansum(panel.denominator))
    assert found.wedge.fit.log_likelihood == pytest.approx(rows.fit.log_likelihood, abs=1e-7)
    for name, variance in rows.fit.components.items():
        assert found.wedge.fit.components[name] == pytest.approx(variance, rel=1e-6, abs=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(0, 60), st.booleans())
def test_windows_and_marked_cells_are_left_out_as_the_design_has_them(seed, window, kept):
    rng = np.random.default_rng(seed)
    marks = rng.random((9, 7)) < 0.1
    panel = made_up(seed, interrupted=marks)
    state = states(Calendar.of(PERIODS), list(STARTS.values()), window_days=window)
    at = [list(STARTS).index(label) for label in DRAWN]
    crossing = state[at] == LEFT_OUT
    usable = panel.observed & (panel.denominator > 0)
    leave = {tuple(cell) for cell in np.argwhere(crossing | (marks & (not kept)))}
    found = wedge_of_panel(
        DESIGN, DRAWN, panel, STARTS, window_days=window, interruptions=kept, random="cluster"
    )  # fmt: skip
    same(found, of_persons(panel, FIRST, leave=leave, random="cluster"))
    marked = usable & marks & (not kept)
    assert set(found.cells.interrupted) == {(IDS[u], PERIODS[t]) for u, t in np.argwhere(marked)}
    assert set(found.cells.left_out) == {(IDS[u], PERIODS[t]) for u, t in np.argwhere(usable & crossing & ~marked)}
    assert ((found.cells.table == -1) == ~(usable & ~crossing & ~marked)).all()


def test_exposure_is_counted_by_the_calendar_whatever_the_panel_lacks():
    kept = ("2012-01", "2012-02", "2012-03", "2012-06", "2012-07")
    whole = wedge_of_panel(DESIGN, DRAWN, made_up(), {**STARTS, "second": date(2012, 3, 15)})
    some = wedge_of_panel(DESIGN, DRAWN, made_up().only(kept), {**STARTS, "second": date(2012, 3, 15)})
    columns = [PERIODS.index(period) for period in kept]
    assert (some.cells.table == whole.cells.table[:, columns]).all()
    assert whole.cells.table[0].tolist() == [0, 1, 2, 3, 4, 5, 6]  # first: 1 February
    assert whole.cells.table[3].tolist() == [0, 0, -1, 1, 2, 3, 4]  # second: the month of 15 March belongs to neither
    assert ("u3", "2012-03") in whole.cells.left_out


def test_quarters_and_labels_that_never_start():
    quarters = ("2012q1", "2012q2", "2012q3", "2012q4", "2013q1")
    starts = {"first": date(2012, 4, 1), "second": date(2012, 8, 1), "third": None}
    found = wedge_of_panel(DESIGN, DRAWN, made_up(periods=quarters), starts, random="cluster")
    assert found.cells.table[0].tolist() == [0, 1, 2, 3, 4]
    assert found.cells.table[7].tolist() == [0, 0, -1, 1, 2]
    assert found.cells.table[1].tolist() == [0, 0, 0, 0, 0]


def test_measurements_are_cells_by_weight_or_persons_by_their_variance():
    panel = replace(made_up(), unit="days", numerator=made_up().numerator * 7.3)
    cells = wedge_of_panel(DESIGN, DRAWN, panel, STARTS, rows="cells", random="cluster")
    usable = panel.observed & (panel.denominator > 0)
    time = np.maximum(np.arange(7) - np.array(FIRST)[:, None] + 1, 0)
    units, months = np.nonzero(usable)
    by_hand = stepped_wedge(
        panel.value[usable], clusters=units, periods=months, exposure=time[usable], unit="days", random="cluster",
        weights=panel.denominator[usable],
    )  # fmt: skip
    same(cells, by_hand)
    known = wedge_of_panel(DESIGN, DRAWN, panel, STARTS, within=4.0)
    spread = 4.0 * (panel.denominator[usable] - 1)
    same(known, stepped_wedge(
        panel.value[usable], clusters=units, periods=months, exposure=time[usable], unit="days",
        sizes=panel.denominator[usable], within=spread,
    ))  # fmt: skip
    assert known.wedge.fit.n_rows == int(panel.denominator[usable].sum())
    with pytest.raises(EstimateError, match="not counts of persons"):
        wedge_of_panel(DESIGN, DRAWN, panel, STARTS)
    with pytest.raises(EstimateError, match="told from the residual"):
        wedge_of_panel(DESIGN, DRAWN, panel, STARTS, rows="cells")


def test_units_without_a_lot_are_not_compared():
    """A pilot that is fixed, and a unit that is no part of the design, change nothing."""
    fixed = waves((*IDS, "v_pilot"), {"first": 4, "second": 3, "third": 3}, fixed={"v_pilot": "first"})
    panel = made_up(3, units=(*IDS, "v_pilot", "w_other"))
    alone = replace(
        panel, units=IDS, numerator=panel.numerator[:9], denominator=panel.denominator[:9],
        interrupted=panel.interrupted[:9],
    )  # fmt: skip
    one = wedge_of_panel(DESIGN, DRAWN, alone, STARTS)
    two = wedge_of_panel(fixed, [*DRAWN, "first"], panel, STARTS)
    same(one, two)
    assert one.wedge.fit.clusters == two.wedge.fit.clusters


def test_clusters_of_units_are_the_clusters_of_the_model():
    clusters = {unit: f"c{k % 6}" for k, unit in enumerate(IDS)}
    design = waves(IDS, {"first": 2, "second": 2, "third": 2}, clusters=clusters, level="cluster")
    label = {"c0": "first", "c1": "first", "c2": "second", "c3": "second", "c4": "third", "c5": "third"}
    found = wedge_of_panel(design, [label[clusters[unit]] for unit in IDS], made_up(), STARTS)
    assert found.wedge.fit.clusters == ("c0", "c1", "c2", "c3", "c4", "c5")
    assert found.effect().n_units == 6
    assert "6 clusters are few" in found.notes[0]


def test_a_protocol_s_own_waves_are_the_starts():
    protocol, _, design = trial("copenhagen_2012_rollout")
    starts = starts_of(protocol, design)
    assert list(starts) == list(design.label_names)
    assert starts["wave_1"] == date(2012, 2, 1)
    codes = design.sample(1, np.random.default_rng(4))[0]
    labels = tuple(design.label_names[code] for code in codes[design.item_of_unit])
    units = tuple(sorted((*design.units.ids, "zz_pilot"), key=str.encode))
    panel = made_up(2, units=units, periods=periods_of(protocol))
    found = wedge_of_panel(design, Assignment(units=design.units, labels=labels), panel, starts, window_days=90)
    assert isinstance(found, PanelWedge)
    assert found.cells.units == design.units.ids
    assert "7 clusters are few" in found.notes[0]
    assert found.cells.left_out


def test_other_models_take_the_same_cells():
    """Estimating equations and the likelihood of events on the panel's cells are those on its persons."""
    panel = made_up(5)
    cells = panel_cells(DESIGN, DRAWN, panel, STARTS)
    rows = {"clusters": cells.clusters, "periods": cells.periods, "exposure": cells.exposure, "sizes": cells.sizes}
    each = np.repeat(np.arange(len(cells.sizes)), cells.sizes.astype(int))
    first = np.cumsum(cells.sizes) - cells.sizes
    y = (np.arange(len(each)) - first[each] < cells.numerator[each]).astype(float)
    single = {name: values[each] for name, values in rows.items() if name != "sizes"}
    for model, more in ((gee_wedge, {"unit": "share"}), (stepped_wedge_counts, {"random": "cluster"})):
        one = model(cells.numerator, family="binomial", **rows, **more).effect()
        other = model(y, family="binomial", **single, **more).effect()
        assert one.estimate == pytest.approx(other.estimate, rel=1e-5)
        assert one.conf_low == pytest.approx(other.conf_low, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"starts": {"first": date(2012, 2, 1)}}, "'second' has no start"),
        ({"panel": made_up(units=IDS[:8])}, "nothing of u8"),
        ({"starts": dict.fromkeys(STARTS)}, "nothing to compare"),
        ({"panel": made_up(periods=("2012-01", "2012-02", "2012-03", "2012q2"))}, "different lengths"),
        ({"within": -1.0}, "no variance"),
        ({"window_days": 93}, "nothing to compare"),  # each wave crosses until the one before it has started
    ],
)
def test_what_does_not_fit_is_refused_in_words(change, words):
    given = {"panel": made_up(), "starts": STARTS, **change}
    with pytest.raises(EstimateError, match=words) as told:
        wedge_of_panel(DESIGN, DRAWN, given.pop("panel"), given.pop("starts"), **given)
    assert told.value.told("da") != told.value.message
