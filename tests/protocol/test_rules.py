"""Rules select the rows their words say, and nothing in a draft is ever run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import ProtocolError
from trialkit.protocol import rules
from trialkit.protocol.rules import All, Either, Is, Not, Ordered, Rule, Within, columns, parse


@pytest.mark.parametrize(
    ("rule", "facts", "accepted"),
    [
        ("health_visits > 5", {"health_visits": "5"}, False),  # systems.md S1.5: 5 visits is out, 6 is in
        ("health_visits > 5", {"health_visits": "6"}, True),
        ("sessions >= 8", {"sessions": "7"}, False),
        ("sessions >= 8", {"sessions": "8"}, True),
        ("sessions >= 8", {"sessions": "10"}, True),  # as numbers, not as text
        ("child_age_years < 3", {"child_age_years": "2.9"}, True),
        ("child_age_years < 3", {"child_age_years": "-0.5"}, True),  # before birth
        ("topi in [yellow, red] or health_visits > 5", {"topi": "red", "health_visits": "0"}, True),
        ("topi in [yellow, red] or health_visits > 5", {"topi": "green", "health_visits": "6"}, True),
        ("topi in [yellow, red] or health_visits > 5", {"topi": "green", "health_visits": "5"}, False),
        ("group in [3, 4]", {"group": "3"}, True),
        ("group in [3, 4]", {"group": "34"}, False),
        ("group in [3, 4]", {"group": ""}, False),
        ("group not in [3, 4]", {"group": "2"}, True),
        ("answered == yes", {"answered": "ja"}, True),
        ("answered == yes", {"answered": "nej"}, False),
        ("answered == ja", {"answered": "YES"}, True),
        ("answered != yes", {"answered": ""}, True),
        ("acute_concern", {"acute_concern": "ja"}, True),
        ("not acute_concern", {"acute_concern": "no"}, True),
        ("code == 020", {"code": "20"}, False),  # a code is text
        ("code == 020", {"code": "020"}, True),
        ("count == 5", {"count": "5.0"}, True),
        ("waiting_families > free_places", {"waiting_families": "10", "free_places": "9"}, True),
        ('district == "Indre By"', {"district": "Indre By"}, True),
        ("bydel == Nørrebro", {"bydel": "Nørrebro"}, True),
        ("not (a and b) or c", {"a": "yes", "b": "no", "c": "no"}, True),
    ],
)
def test_what_a_rule_accepts(rule: str, facts: dict[str, str], accepted: bool):
    assert parse(rule).accepts(facts) is accepted


def test_and_binds_closer_than_or():
    assert parse("a or b and c") == Either((Is("a"), All((Is("b"), Is("c")))))


@pytest.mark.parametrize(
    "text",
    ["", "group = 3", "group in 3", "group in [3", "> 5", "a and", "(a", "a b", "a == ", "__import__('os')", "a; b",
     "a.b == 3", "5 < a", "a == 3 == 4", "not", "a in []", "a >= b >= c", "x" * 501, "(" * 40 + "a" + ")" * 40],
)  # fmt: skip
def test_what_is_no_rule(text: str):
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    assert caught.value.code == "E_RULE"
    assert caught.value.told("da") != caught.value.told("en")


def test_a_missing_column_is_named_even_if_the_answer_is_known_without_it():
    with pytest.raises(ProtocolError, match="'b'") as caught:
        parse("a or b").accepts({"a": "yes"})
    assert caught.value.facts["column"] == "b"


@pytest.mark.parametrize(
    ("rule", "value"), [("a > 3", ""), ("a > 3", "many"), ("a", ""), ("a", "perhaps"), ("a > 3", "3,5")]
)
def test_a_row_that_cannot_be_read_is_refused_not_guessed(rule: str, value: str):
    with pytest.raises(ProtocolError, match="'a'"):
        parse(rule).accepts({"a": value})


names = st.sampled_from(["a", "b", "group", "år", "health_visits"])
values = st.sampled_from(["3", "-1.5", "020", "yes", "nej", "red", "Indre By", "and", "x-y", "it's"])
leaves: st.SearchStrategy[Rule] = st.one_of(
    names.map(Is),
    st.builds(Within, names, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Ordered, names, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["5", "-0.5", "b"])),
)
some_rules = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
    ),
    max_leaves=6,
)
rows = st.fixed_dictionaries(
    {name: st.sampled_from(["3", "5", "-1.5"]) for name in ["a", "b", "group", "år", "health_visits"]}
)


def refusal(work: Callable[[], object]) -> str:
    """The code with which something is refused; empty if it is not."""
    try:
        work()
    except ProtocolError as error:
        return error.code
    return ""


@given(some_rules)
def test_a_rule_reads_back_as_it_is_written(rule: Rule):
    assert str(parse(str(rule))) == str(rule)


@given(
    st.lists(
        st.builds(Ordered, names, st.sampled_from(["<", ">="]), st.sampled_from(["5", "b"])), min_size=2, max_size=3
    ),
    rows,
)
def test_de_morgan(parts: list[Rule], row: dict[str, str]):
    both = tuple(parts)
    assert Not(All(both)).accepts(row) == Either(tuple(Not(part) for part in both)).accepts(row)
    assert parse(str(Not(All(both)))).accepts(row) == Not(All(both)).accepts(row)


@given(some_rules, st.data())
def test_a_rule_asks_for_its_columns_and_no_others(rule: Rule, data: st.DataObject):
    row = {name: data.draw(st.sampled_from(["yes", "no"])) for name in columns(rule)}
    assert refusal(lambda: rule.accepts(row)) in ("", "E_RULE")  # "yes" is no number; never a missing column


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_refused(text: str):
    assert refusal(lambda: parse(text)) in ("", "E_RULE")


def test_the_rule_language_has_no_door_to_python():
    assert not {"eval", "exec", "compile", "getattr"} & set(rules.__dict__)
