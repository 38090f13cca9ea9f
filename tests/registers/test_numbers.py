"""Numbers as officers type them; what could mean two things is never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.canonical import DECIMAL
from trialkit.errors import UnitsError
from trialkit.registers import number, numbers
from trialkit.units import Unit, Units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,5", "1234.5"),
        ("1234,5", "1234.5"),
        ("1234.5", "1234.5"),
        ("1,234.5", "1234.5"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("1 234,50", "1234.5"),
        ("1\u00a0234\u00a0567", "1234567"),
        ("0,123", "0.123"),
        ("0.123", "0.123"),
        ("1234.567", "1234.567"),
        ("12,3450", "12.345"),
        ("007", "7"),
        ("-3,5", "-3.5"),
        ("\u22123,5", "-3.5"),
        ("-0,0", "0"),
        (" 12 ", "12"),
        ("914.4", "914.4"),
        ("1.2340", "1.234"),
    ],
)
def test_a_number_has_one_form(text: str, value: str) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["1.234", "1,234", "12.345", "-123,456"])
def test_a_thousand_or_a_bit_is_refused_unless_the_mark_is_known(text: str) -> None:
    with pytest.raises(UnitsError, match="a thousand times apart"):
        number(text)
    as_comma, as_dot = Decimal(number(text, decimal=",")), Decimal(number(text, decimal="."))
    assert {abs(as_comma / as_dot), abs(as_dot / as_comma)} == {Decimal(1000), Decimal("0.001")}


@pytest.mark.parametrize(
    "text",
    ["", "-", "ja", "1e5", "27,6 %", "1,2,3", "1.23.4", "12 34", "1..2", "+5", "٣", "1" * 16, "0,1234567891", "=1"],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UnitsError) as caught:
        number(text)
    assert caught.value.code == "E_NUMBER"


def column(*texts: str) -> Units:
    return Units.of(Unit(id=f"u{k}", facts={"n": text}) for k, text in enumerate(texts))


def test_the_column_shows_which_mark_is_meant() -> None:
    assert numbers(column("1.234", "7", "12,5"), "n") == ("1234", "7", "12.5")
    assert numbers(column("1.234", "7", "12.5"), "n") == ("1.234", "7", "12.5")
    assert numbers(column("1.234", "1.234.567"), "n") == ("1234", "1234567")


def test_a_column_that_shows_nothing_or_both_is_refused() -> None:
    with pytest.raises(UnitsError, match="a thousand times"):
        numbers(column("1.234", "7"), "n")
    with pytest.raises(UnitsError, match="in one way"):
        numbers(column("1.234", "12,5", "12.5"), "n")


def test_units_without_a_number_are_listed() -> None:
    with pytest.raises(UnitsError) as caught:
        numbers(column("1", "", "mange"), "n")
    assert caught.value.facts["units"] == ["u1", "u2"]
    with pytest.raises(UnitsError) as caught:
        numbers(column("1"), "børn")
    assert caught.value.facts["columns"] == ["n"]


@given(st.decimals(-(10**9), 10**9, places=4), st.sampled_from([",", "."]), st.booleans())
def test_writing_and_reading_agree(value: Decimal, mark: str, grouped: bool) -> None:
    text = f"{value:,.4f}" if grouped else f"{value:.4f}"
    if mark == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    found = number(text)
    assert Decimal(found) == value
    assert DECIMAL.fullmatch(found)


@given(st.text("0123456789.,- ", max_size=14))
def test_whatever_is_read_is_canonical_and_unambiguous(text: str) -> None:
    try:
        found = number(text)
    except UnitsError:
        return
    assert DECIMAL.fullmatch(found)
    assert number(found, decimal=".") == found
