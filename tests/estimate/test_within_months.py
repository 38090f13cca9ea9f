"""The difference within months, against a loop that follows every birth day by day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import EstimateError
from trialkit.estimate.within_months import LEFT_OUT, STARTED, WAITING, Calendar, contrast, states

DRAFT_STARTS = (date(2012, 2, 1), date(2012, 6, 1), date(2012, 10, 1))
DRAFT = Calendar.between(date(2012, 2, 1), date(2012, 9, 30))


def state_day_by_day(first: date, last: date, start: date | None, window: int) -> int:
    """Follow each birth of the period through its whole window."""
    found = set()
    for day in range((last - first).days + 1):
        born = first + timedelta(days=day)
        followed = [born + timedelta(days=k) for k in range(window + 1)]
        met = [start is not None and when >= start for when in followed]
        found.add(STARTED if all(met) else WAITING if not any(met) else LEFT_OUT)
    return found.pop() if len(found) == 1 else LEFT_OUT


def estimate_by_loop(y, allocation, cells, sizes):
    """The convention read aloud, one month at a time."""
    parts, weights = [], []
    for month in range(y.shape[1]):
        arms = {STARTED: ([], []), WAITING: ([], [])}
        for unit, label in enumerate(allocation):
            state = cells[label][month]
            if state != LEFT_OUT and sizes[unit, month] > 0:
                arms[state][0].append(y[unit, month] * sizes[unit, month])
                arms[state][1].append(sizes[unit, month])
        n1, n0 = sum(arms[STARTED][1]), sum(arms[WAITING][1])
        if n1 > 0 and n0 > 0:
            parts.append(sum(arms[STARTED][0]) / n1 - sum(arms[WAITING][0]) / n0)
            weights.append(n1 * n0 / (n1 + n0))
    return float(np.dot(parts, weights) / sum(weights)) if parts else float("nan")


def test_the_draft_of_2012_has_five_months_to_compare():
    # worked by hand: a birth on 29 February is followed to 29 May, before wave 2 starts on 1 June; one on
    # 31 March to 29 June, after it; one on 30 June to 28 September, before wave 3 on 1 October.
    found = states(DRAFT, DRAFT_STARTS, window_days=90)
    assert DRAFT.periods == tuple(f"2012-0{month}" for month in range(2, 10))
    assert found.tolist() == [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [0, -1, -1, -1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, -1, -1, -1],
    ]
    made = contrast(np.array([[0, 0, 0, 1, 1, 2, 2]]), DRAFT, DRAFT_STARTS, window_days=90)
    assert [p for p, used in zip(DRAFT.periods, made.used[0], strict=True) if used] == [
        "2012-02", "2012-03", "2012-04", "2012-05", "2012-06",
    ]  # fmt: skip
    # weights n_t n_c / (n_t + n_c): 3 against 4 once, 3 against 2 three times, 5 against 2 once
    weights = np.array([12 / 7, 6 / 5, 6 / 5, 6 / 5, 10 / 7])
    assert made.coefficients[0, :3].sum(axis=0)[:4] == pytest.approx((weights / weights.sum())[:4])
    assert made.coefficients[0, 5:].sum(axis=0)[4] == pytest.approx(-(weights / weights.sum())[4])
    assert made.left_out([0, 0, 0, 1, 1, 2, 2]).sum() == 2 * 3 + 2 * 3


def test_a_start_on_the_first_day_and_one_day_later():
    february = Calendar.of(["2012-02"])
    assert states(february, [date(2012, 2, 1)]).tolist() == [[STARTED]]
    assert states(february, [date(2012, 2, 2)]).tolist() == [[LEFT_OUT]]  # one day of births had to wait
    assert states(february, [date(2012, 3, 1)]).tolist() == [[WAITING]]
    assert states(february, [date(2012, 5, 30)], window_days=90).tolist() == [[WAITING]]  # 29 February + 90 = 29 May
    assert states(february, [date(2012, 5, 29)], window_days=90).tolist() == [[LEFT_OUT]]
    assert states(february, [None], window_days=90).tolist() == [[WAITING]]


@given(
    st.dates(date(2011, 11, 1), date(2013, 2, 1)),
    st.integers(0, 120),
    st.sampled_from(["2012-02", "2012-12", "2012q3"]),
)
def test_states_follow_every_birth_through_its_window(start, window, period):
    calendar = Calendar.of([period])
    first, last = date.fromordinal(int(calendar.first[0])), date.fromordinal(int(calendar.last[0]))
    assert states(calendar, [start], window_days=window)[0, 0] == state_day_by_day(first, last, start, window)


@given(st.integers(0, 2**32 - 1), st.integers(0, 100), st.booleans())
def test_coefficients_give_what_the_loop_gives(seed, window, per_child):
    rng = np.random.default_rng(seed)
    starts = [date(2012, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 400, size=2)] + [None]
    calendar = Calendar.of([f"2012-{month:02d}" for month in range(1, 9)])
    codes = rng.integers(0, 3, size=(6, 5)).astype(np.int8)
    y = rng.normal(size=(5, 8))
    observed = rng.random((5, 8)) < 0.9
    sizes = rng.integers(0, 9, size=(5, 8)).astype(float)
    made = contrast(codes, calendar, starts, window_days=window, sizes=sizes if per_child else None, observed=observed)
    weight = np.where(observed, sizes if per_child else 1.0, 0.0)
    cells = states(calendar, starts, window_days=window)
    expected = [estimate_by_loop(y, row, cells, weight) for row in codes]
    assert made.estimates(np.where(weight > 0, y, np.nan)) == pytest.approx(np.array(expected), nan_ok=True)
    assert np.isnan(expected).tolist() == (~made.usable).tolist()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_trend_never_passes_for_an_effect_and_the_effect_is_found(seed, per_child):
    rng = np.random.default_rng(seed)
    codes = np.array([rng.permutation([0, 0, 0, 1, 1, 2, 2]) for _ in range(5)])
    sizes = rng.integers(1, 60, size=(7, 8)).astype(float) if per_child else None
    made = contrast(codes, DRAFT, DRAFT_STARTS, window_days=90, sizes=sizes)
    trend = rng.normal(size=8)
    effect = 0.03
    for row, started in enumerate(made.states[codes] == STARTED):
        y = trend + effect * started
        assert made.estimates(y)[row] == pytest.approx(effect)
    assert made.coefficients.sum(axis=1) == pytest.approx(np.zeros((5, 8)), abs=1e-12)
    assert np.abs(made.coefficients).sum(axis=(1, 2)) == pytest.approx(np.full(5, 2.0))


def test_per_unit_it_is_least_squares_with_a_level_for_every_month():
    """Outside truth: numpy's least squares of y on month indicators and "has started", over the cells that count."""
    rng = np.random.default_rng(5)
    allocation, y = rng.permutation([0, 0, 0, 1, 1, 2, 2]), rng.normal(size=(7, 8))
    made = contrast(allocation[None], DRAFT, DRAFT_STARTS, window_days=90)
    cell = made.states[allocation]
    unit, month = np.nonzero((cell != LEFT_OUT) & made.used[0])
    columns = np.column_stack([np.eye(8)[month][:, made.used[0]], cell[unit, month] == STARTED])
    fitted = np.linalg.lstsq(columns, y[unit, month], rcond=None)[0]
    assert made.estimates(y)[0] == pytest.approx(fitted[-1])


def test_relabelling_units_relabels_the_coefficients():
    rng = np.random.default_rng(3)
    codes, sizes, order = rng.permutation([0, 0, 0, 1, 1, 2, 2]), rng.random((7, 8)) + 1, rng.permutation(7)
    made = contrast(codes[None], DRAFT, DRAFT_STARTS, window_days=90, sizes=sizes)
    again = contrast(codes[None, order], DRAFT, DRAFT_STARTS, window_days=90, sizes=sizes[order])
    assert again.coefficients[0] == pytest.approx(made.coefficients[0][order])


def test_many_outcomes_at_once_are_each_outcome_alone():
    rng = np.random.default_rng(4)
    codes = np.array([rng.permutation([0, 0, 0, 1, 1, 2, 2]) for _ in range(9)])
    made = contrast(codes, DRAFT, DRAFT_STARTS, window_days=90)
    y = rng.normal(size=(4, 7, 8))
    together = made.estimates(y)
    assert together.shape == (9, 4)
    assert together == pytest.approx(np.stack([made.estimates(one) for one in y], axis=1))


def test_no_month_with_both_arms_gives_no_estimate():
    made = contrast(
        np.array([[0, 0, 1]]), Calendar.of(["2012-08"]), [date(2012, 1, 1), date(2012, 10, 1)], window_days=90
    )
    assert not made.usable[0]
    assert not made.coefficients.any()
    assert np.isnan(made.estimates(np.ones((3, 1)))).all()


def test_calendars():
    assert Calendar.between(date(2023, 4, 1), date(2023, 9, 30), months=3).periods == ("2023q2", "2023q3")
    assert Calendar.between(date(2023, 12, 31), date(2024, 1, 1)).periods == ("2023-12", "2024-01")
    assert Calendar.between(date(2023, 2, 3), date(2024, 1, 1), months=12).periods == ("2023", "2024")
    leap = Calendar.of(["2012-02", "2012-Q4", "2013"])
    assert [date.fromordinal(int(day)).isoformat() for day in leap.last] == ["2012-02-29", "2012-12-31", "2013-12-31"]


@pytest.mark.parametrize("period", ["2012-13", "feb 2012", "2012q5", ""])
def test_a_period_nobody_can_date_is_refused_by_name(period):
    with pytest.raises(EstimateError, match="not a month") as error:
        Calendar.of([period])
    assert error.value.facts["period"] == period
    assert error.value.told("da") != error.value.told("en")


def test_shapes_and_windows_are_checked():
    with pytest.raises(EstimateError, match=r"shape \(2, 8\)"):
        contrast(np.zeros((1, 3), int), DRAFT, DRAFT_STARTS, sizes=np.ones((2, 8)))
    with pytest.raises(EstimateError, match="before it begins"):
        states(DRAFT, DRAFT_STARTS, window_days=-1)
