"""Numbers, dates and names for people.  Outside truth: the conventions' examples, and Danish spelling dictionaries."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import UsageError
from trialkit.report.words import danish_key, date_long, listing, moment_long, number, probability, ranges, share

NAN = float("nan")


@pytest.mark.parametrize(
    ("x", "digits", "da", "en"),
    [
        (32820.5, None, "32.820,5", "32,820.5"),
        (1234.5, None, "1.234,5", "1,234.5"),
        (8164755937800, None, "8.164.755.937.800", "8,164,755,937,800"),
        (2286, None, "2.286", "2,286"),
        (999, None, "999", "999"),
        (0.125, 2, "0,13", "0.13"),  # a half away from zero, as people round
        (2.675, 2, "2,68", "2.68"),  # the float is below 2.675; people see 2.675
        (-5.5, None, "−5,5", "−5.5"),
        (-0.004, 2, "0,00", "0.00"),
        (0, 1, "0,0", "0.0"),
        (5.0, None, "5", "5"),
        (Fraction(1, 3), 3, "0,333", "0.333"),
        (Decimal("914.4"), None, "914,4", "914.4"),
        (1e22, None, "10.000.000.000.000.000.000.000", "10,000,000,000,000,000,000,000"),
        (1e30, 2, "1.000.000.000.000.000.000.000.000.000.000,00", "1,000,000,000,000,000,000,000,000,000,000.00"),
        (float("inf"), 2, "∞", "∞"),
        (NAN, 2, "–", "–"),
    ],
)
def test_numbers_read_as_people_write_them(x, digits, da, en):
    assert number(x, "da", digits) == da
    assert number(x, "en", digits) == en


@given(st.integers(-(10**60), 10**60))
def test_a_whole_number_keeps_its_value_whatever_its_separators(n):
    assert int(number(n, "da").replace(".", "").replace("−", "-")) == n
    assert number(n, "en").replace(",", ".") == number(n, "da")


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_rounding_never_moves_a_number_by_more_than_half_a_step(x, digits):
    told = Decimal(number(x, "en", digits).replace(",", "").replace("−", "-"))
    assert abs(told - Decimal(repr(x))) <= Decimal(1).scaleb(-digits) / 2
    assert str(told.as_tuple().exponent) == str(-digits)


def test_a_share_carries_its_counts_and_no_percent_below_a_base_of_twenty():
    # S1: 689 of 1,305 accepted at one and a half years, 52.8 %
    assert share(689, 1305, "da") == "52,8 % (689 af 1.305)"
    assert share(689, 1305, "en") == "52.8% (689 of 1,305)"
    assert share(1, 10, "da") == "1 af 10"
    assert share(19, 19, "en") == "19 of 19"
    assert share(1, 20, "da") == "5,0 % (1 af 20)"
    assert share(0, 0, "da") == "0 af 0"


@pytest.mark.parametrize(("k", "n"), [(2, 1), (-1, 3), (1, -1)])
def test_what_is_no_share_is_refused(k, n):
    with pytest.raises(UsageError) as refused:
        share(k, n, "da")
    assert refused.value.facts == {"k": k, "n": n}


def test_probabilities_say_when_they_are_too_small_to_print():
    assert probability(1 / 35, "da") == "0,0286"
    assert probability(Fraction(1, 35), "en") == "0.0286"
    assert probability(1e-9, "da") == "under 0,0001"
    assert probability(0.00004, "en") == "below 0.0001"
    assert probability(0.00005, "en") == "0.0001"
    assert probability(0.99999, "da") == "over 0,9999"
    assert (probability(0, "da"), probability(1.0, "en")) == ("0", "1")


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_probability_that_is_neither_0_nor_1_never_prints_as_either(p):
    assert float(probability(p, "en").split()[-1]) not in (0, 1)


def test_dates_in_words():
    assert date_long("2011-01-10", "da") == "10. januar 2011"
    assert date_long(date(2011, 1, 10), "en") == "10 January 2011"
    assert date_long("2012-03-01", "da") == "1. marts 2012"
    with pytest.raises(UsageError):
        date_long("10-01-2011", "da")


def test_moments_are_told_in_danish_time_with_utc_beside():
    # summer time in August, the next day just before midnight UTC; winter time in January
    assert moment_long("2023-08-23T15:59:24Z", "da") == "23. august 2023 kl. 17.59.24 dansk tid (15.59.24 UTC)"
    assert moment_long("2023-08-23T23:00:00Z", "en") == "24 August 2023 at 01:00:00 Danish time (23:00:00 UTC)"
    assert moment_long("2024-01-20T11:00:00Z", "da", utc=False) == "20. januar 2024 kl. 12.00.00"
    with pytest.raises(UsageError):
        moment_long("2024-01-20 11:00", "da")


def test_lists_and_runs_of_numbers():
    assert listing([], "da") == ""
    assert listing(["a"], "da") == "a"
    assert listing(["a", "b"], "en") == "a and b"
    assert listing(iter(["a", "b", "c"]), "da") == "a, b og c"
    assert ranges([1, 2, 3, 7, 9, 10], "da") == "1–3, 7, 9 og 10"
    assert ranges([], "da") == ""


@given(st.sets(st.integers(1, 200)))
def test_runs_of_numbers_name_every_number_and_no_other(numbers):
    named = set()
    for part in ranges(sorted(numbers), "da").replace(" og ", ", ").split(", "):
        first, _, last = part.partition("–")
        named |= set(range(int(first), int(last or first) + 1)) if first else set()
    assert named == numbers


def test_danish_order_files_aa_as_å_after_ø():
    # S4 lists its municipalities so: Aabenraa and Aarhus last
    rightly = ["Albertslund", "Fanø", "Fredericia", "Faaborg-Midtfyn", "Vesthimmerland", "Viborg", "Ærø", "Østerbro",
               "Aabenraa", "Aalborg", "Aarhus"]  # fmt: skip
    assert sorted(set(rightly), key=danish_key) == rightly
    assert sorted(["Århus 10", "Aarhus", "århus"], key=danish_key) == ["Aarhus", "århus", "Århus 10"]
    assert sorted(["Vest 2", "Vestby", "Vest"], key=danish_key) == ["Vest", "Vest 2", "Vestby"]
    assert sorted(["Bjørn", "Björk", "Bjerg"], key=danish_key) == ["Bjerg", "Björk", "Bjørn"]
    assert sorted(["É", "f", "e", "Жук"], key=danish_key) == ["e", "É", "f", "Жук"]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_danish_order_is_one_order_whatever_the_order_before(names):
    backwards = names[::-1]
    assert sorted(names, key=danish_key) == sorted(backwards, key=danish_key)
