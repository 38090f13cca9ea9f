"""Civil registration numbers: invented ones here, with serial 0000 or a day that never was."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.registers import holds_cpr, masked

DAYS = st.integers(0, 40_000).map(lambda days: date(1920, 1, 1) + timedelta(days))


@given(DAYS, st.integers(0, 9999), st.sampled_from(["", "-", " ", " - ", "–"]), st.sampled_from(["", "nr. ", "a"]))
def test_every_date_with_four_digits_is_found_and_hidden(day: date, serial: int, mark: str, before: str) -> None:
    text = f"{before}{day:%d%m%y}{mark}{serial:04d}"
    assert holds_cpr(text)
    assert not any(letter.isdigit() for letter in masked(text))


@given(DAYS.filter(lambda day: day.day < 10), st.integers(0, 9999))
def test_a_sheet_that_dropped_the_zero_hides_nothing(day: date, serial: int) -> None:
    text = f"{day:%d%m%y}{serial:04d}"[1:]
    assert holds_cpr(text, from_number=True)
    assert not holds_cpr(text)
    assert "#" in masked(text, from_number=True)


@pytest.mark.parametrize(
    "text", ["０１０１９０-1234", "010190\u200b1234", "010190\u00a01234", "01.01.90-1234", "610190-1234"]
)
def test_a_disguise_does_not_help(text: str) -> None:
    assert holds_cpr(text)


@pytest.mark.parametrize(
    "text",
    ["321290-1234", "311190-1234", "290201-1234", "001290-1234", "12345678", "1234567890123", "2012-02-01", "101", ""],
)
def test_other_numbers_pass(text: str) -> None:
    assert not holds_cpr(text)
    assert masked(text) == text
