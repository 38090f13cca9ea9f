"""What an officer types first, and what comes back: a protocol, or every fault with its corrected line."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialkit.errors import ProtocolError
from trialkit.protocol.later import unanswered
from trialkit.protocol.load import load, loads

PROTOCOLS = Path(__file__).parents[2] / "protocols"
DRAFTS = sorted(PROTOCOLS.glob("**/draft.yaml"))
COPENHAGEN = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")


def with_change(*changes: tuple[str, str], base: str = COPENHAGEN) -> str:
    for old, new in changes:
        assert old in base, f"the test's own text {old!r} is gone from the draft"
        base = base.replace(old, new, 1)
    return base


def faults(text: str) -> list[dict[str, object]]:
    with pytest.raises(ProtocolError) as caught:
        loads(text, file="draft.yaml")
    found: list[dict[str, object]] = caught.value.facts["faults"]
    assert all(fault["da"] and fault["en"] for fault in found), "every fault speaks both languages"
    assert not any("pydantic" in str(fault["en"]) or "input_value" in str(fault["en"]) for fault in found)
    return found


def one_fault(*changes: tuple[str, str]) -> dict[str, object]:
    found = faults(with_change(*changes))
    assert len(found) == 1, found
    return found[0]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda path: path.parent.name)
def test_every_draft_we_ship_loads(draft: Path):
    assert load(draft) == load(draft.parent)


def test_the_five_trials_are_there():
    assert {path.parent.name for path in DRAFTS} >= {
        "copenhagen_2012_rollout", "early_screening_2017", "family_houses_2022", "hfi_2023", "thousand_days_two_rounds",
    }  # fmt: skip


def test_values_have_the_types_their_fields_declare():
    protocol = loads(COPENHAGEN, file="draft.yaml")
    assert protocol.waves[0].start == date(2012, 2, 1)
    assert protocol.analysis.primary.alpha == Decimal("0.05")
    assert protocol.fixed[0].in_effect_estimate is False
    assert protocol.balance[0].largest_difference is not None
    assert protocol.balance[0].largest_difference.share_of_mean == Decimal("0.4")
    with pytest.raises(Exception, match="frozen"):
        protocol.version = "draft-2"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("yes", "no"), [("ja", "nej"), ("yes", "no"), ("true", "false"), ("Ja", "NEJ"), ('"ja"', "'no'")]
)
def test_yes_and_no_in_both_languages(yes: str, no: str):
    text = with_change(("primary: yes", f"primary: {yes}"), ("in_effect_estimate: no ", f"in_effect_estimate: {no} "))
    assert loads(text, file="draft.yaml") == loads(COPENHAGEN, file="draft.yaml")


@pytest.mark.parametrize("code", ["101", "020", "no", "0x1f", "1e3", "2012-02-01", "null-ish", "12:30"])
def test_a_text_stays_the_text_it_looks_like(code: str):
    text = with_change(("version: draft-1", f"version: {code}"))
    assert loads(text, file="draft.yaml").version == code


def test_a_decimal_comma():
    fault = one_fault(("share_of_mean: 0.4", "share_of_mean: 0,4"))
    assert str(fault["corrected"]).startswith("largest_difference: {share_of_mean: 0.4}")
    assert "komma" in str(fault["da"])


def test_a_decimal_comma_on_a_line_of_its_own():
    text = with_change(("    largest_difference: {share_of_mean: 0.4}", "    largest_difference: 0,4"))
    assert [fault["corrected"] for fault in faults(text)] == ["largest_difference: 0.4   # 0.4 x 2286 = 914.4 children"]


def test_decimal_commas_in_a_list():
    found = faults(with_change(("icc: [0.005, 0.02, 0.05]", "icc: [0,005, 0.02, 0,05]")))
    assert ["0.005" in str(found[0]["corrected"]), "0.05]" in str(found[1]["corrected"]), len(found)] == [True, True, 2]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("01-02-2012", "2012-02-01"), ("1/2 2012", "2012-02-01"), ("1. februar 2012", "2012-02-01"), ("1.2.2012", "2012-02-01"),
     ("01/02/12", "2012-02-01"), ("2012/2/1", "2012-02-01"), ("1 feb 2012", "2012-02-01"), ("2. maj 2012", "2012-05-02")],
)  # fmt: skip
def test_days_are_read_day_first(written: str, meant: str):
    fault = one_fault(("start: 2012-02-01", f"start: {written}"))
    assert fault["corrected"] == f"- {{id: wave_1, start: {meant}, places: 3}}"


def test_a_day_that_is_not_in_the_calendar_gets_no_suggestion():
    assert one_fault(("start: 2012-02-01", "start: 2012-02-30"))["corrected"] == ""
    assert one_fault(("start: 2012-02-01", "start: 31-02-2012"))["corrected"] == ""


def test_a_name_where_an_id_is_asked():
    fault = one_fault(("what: early_support", "what: First support within 90 days of birth"))
    assert fault["corrected"] == "what: early_support"
    fault = one_fault(("compare: [strengthened, usual]", "compare: [Ny samarbejdsmodel og afklaringsværktøj, usual]"))
    assert fault["corrected"] == "compare: [strengthened, usual]"


def test_an_unquoted_colon_in_a_title():
    fault = one_fault(
        ("  da: Hvem får det styrkede samarbejde først? Udrulning", "  da: Hvem får det først: udrulning")
    )
    assert fault["corrected"] == 'da: "Hvem får det først: udrulning ved lodtrækning i København, 2012"'
    assert fault["code"] == "E_COLON"


def test_an_unquoted_colon_inside_braces():
    fault = one_fault(("usual: {en: Collaboration as before", "usual: {en: Collaboration: as before"))
    assert '{en: "Collaboration: as before", da:' in str(fault["corrected"])


def test_a_tab():
    fault = one_fault(("  held_at: Open", "\theld_at: Open"))
    assert (fault["code"], fault["corrected"]) == ("E_TAB", "  held_at: Open committee meeting")


def test_an_unquoted_number_with_a_zero_in_front():
    assert str(one_fault(("window_days: 90", "window_days: 090"))["corrected"]).startswith("window_days: 90")


def test_an_unknown_key_gets_the_nearest_known_one():
    fault = one_fault(("budget:\n", "budgett:\n"))
    assert ("budget" in str(fault["en"]), fault["corrected"]) == (True, "budget:")


def test_an_unknown_word_gets_the_nearest_known_one():
    assert one_fault(("better: higher", "better: hihger"))["corrected"] == "better: higher"


@pytest.mark.parametrize(
    ("written", "instead", "corrected"),
    [("waves:  ", "bølger:  ", "waves:"), ("status: approved", "status: godkendt", "status: approved"),
     ("dice: ten-sided", "dice: ti-sidet", "dice: ten-sided"), ("throws: 20", "kast: 20", "throws: 20"),
     ("better: higher", "better: højere", "better: higher"), ("throws: 20", "throws: 1.000", "throws: 1000")],
)  # fmt: skip
def test_danish_words_and_numbers_get_the_word_that_was_meant(written: str, instead: str, corrected: str):
    assert corrected in str(one_fault((written, instead))["corrected"])


def test_an_unknown_key_that_resembles_nothing_hides_no_line_behind_false_contradictions():
    assert [fault["code"] for fault in faults(with_change(("waves:  ", "faser:  ")))] == ["E_UNKNOWN_KEY"]


def test_a_list_that_is_too_short():
    fault = one_fault(("years: [2009, 2012]", "years: [2009]"))
    assert "2 values" in str(fault["en"])


def test_an_unknown_analysis_is_refused_by_name():
    fault = one_fault(("method: randomization_test", "method: bayes_factor"))
    assert (fault["code"], "bayes_factor" in str(fault["en"])) == ("E_METHOD", True)


def test_faults_are_told_at_once_with_their_lines():
    text = with_change(
        ("start: 2012-02-01", "start: 01-02-2012"),
        ("share_of_mean: 0.4", "share_of_mean: 0,4"),
        ("  held_at:", "\theld_at:"),
        ("primary: yes", "primary: måske"),
        ("budget:\n", "budgett:\n"),
    )
    parts = ["01-02-2012", "share_of_mean: 0,4", "\theld_at", "måske", "budgett"]
    assert [fault["line"] for fault in faults(text)] == [line_of(text, part) for part in parts]


def test_a_contradiction_behind_a_slip_of_the_pen_is_found_too():
    """0,4 has a plain repair, so the draft is read on as if it had been made."""
    text = with_change(("share_of_mean: 0.4", "share_of_mean: 0,4"), ("what: early_support", "what: early_suport"))
    assert [fault["line"] for fault in faults(text)] == [
        line_of(text, "share_of_mean: 0,4"),
        line_of(text, "what: early_suport"),
    ]


def test_a_key_written_twice():
    fault = one_fault(("design: phased_rollout", "design: phased_rollout\ndesign: complete"))
    assert fault["code"] == "E_DUPLICATE_KEY"


@pytest.mark.parametrize("feature", ["&a x", "*a", "!!python/object/apply:os.system [ls]", "!include other.yaml"])
def test_yaml_that_is_more_than_data_is_refused_by_name(feature: str):
    codes = {fault["code"] for fault in faults(with_change(("version: draft-1", f"version: {feature}")))}
    assert "E_YAML_FEATURE" in codes


def test_an_alias_bomb_is_refused_and_not_expanded():
    bomb = "a: &a [x]\n" + "".join(
        f"b{n}: &b{n} [{', '.join(['*a' if n == 0 else f'*b{n - 1}'] * 9)}]\n" for n in range(9)
    )
    assert {fault["code"] for fault in faults(bomb)} >= {"E_YAML_FEATURE"}


def test_a_second_document():
    assert "E_YAML_FEATURE" in {fault["code"] for fault in faults(COPENHAGEN + "\n---\na: b\n")}


def test_too_deep_and_too_large():
    assert faults("a: " + "[" * 60 + "]" * 60)[0]["code"] == "E_TOO_DEEP"
    assert faults("a: " + "x" * 1_000_001)[0]["code"] == "E_TOO_LARGE"


@pytest.mark.parametrize(
    ("text", "code"), [("", "E_EMPTY"), ("a: [1, 2", "E_TRUNCATED"), ("- a\n", "E_YAML"), ("a\x00b", "E_ENCODING")]
)
def test_what_is_no_draft(text: str, code: str):
    assert faults(text)[0]["code"] == code


def test_a_draft_that_was_cut_off_says_so():
    found = faults(COPENHAGEN[: COPENHAGEN.index("outcomes:")])
    assert {fault["code"] for fault in found} == {"E_MISSING"}
    assert "whole" in str(found[0]["en"])


def test_a_quote_that_is_not_closed_is_found_where_it_opens():
    text = with_change(("  en: Who gets the strengthened", '  en: "Who gets the strengthened'))
    assert [fault["line"] for fault in faults(text)] == [line_of(text, 'en: "Who')]


def test_windows_1252_is_named(tmp_path: Path):
    (tmp_path / "draft.yaml").write_bytes(COPENHAGEN.encode("cp1252"))
    with pytest.raises(ProtocolError) as caught:
        load(tmp_path)
    assert caught.value.code == "E_ENCODING"
    assert "Windows-1252" in caught.value.told("da")
    assert (
        caught.value.facts["faults"][0]["corrected"]
        == "da: Hvem får det styrkede samarbejde først? Udrulning ved lodtrækning i København, 2012"
    )


def test_utf_16_is_refused(tmp_path: Path):
    (tmp_path / "draft.yaml").write_bytes(COPENHAGEN.encode("utf-16"))
    with pytest.raises(ProtocolError, match="UTF-16"):
        load(tmp_path)


def test_a_draft_that_is_not_there(tmp_path: Path):
    with pytest.raises(ProtocolError) as caught:
        load(tmp_path)
    assert caught.value.code == "E_FILE"


def test_unicode_form_never_matters():
    decomposed = unicodedata.normalize("NFD", COPENHAGEN)
    assert decomposed != COPENHAGEN
    assert loads(decomposed, file="draft.yaml") == loads(COPENHAGEN, file="draft.yaml")


def test_a_byte_order_mark_and_windows_line_ends_never_matter(tmp_path: Path):
    (tmp_path / "draft.yaml").write_bytes(b"\xef\xbb\xbf" + COPENHAGEN.replace("\n", "\r\n").encode())
    assert load(tmp_path) == loads(COPENHAGEN, file="draft.yaml")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(COPENHAGEN) - 1), st.text(max_size=3), st.integers(0, 30))
def test_any_damage_is_a_protocol_or_faults_never_a_traceback(place: int, put_in: str, taken_out: int):
    text = COPENHAGEN[:place] + put_in + COPENHAGEN[place + taken_out :]
    found: list[object] = ["read"]
    try:
        loads(text, file="draft.yaml")
    except ProtocolError as error:
        found = error.facts["faults"]
    assert found


def test_what_no_command_acts_on_yet_is_named():
    protocol = load(PROTOCOLS / "hfi_2023")
    named = {field for field, _, _ in protocol.later()}
    assert {"teams", "plan"} <= named
    assert "lottery.only_when" not in named
    assert {field for field, _, _ in load(PROTOCOLS / "early_screening_2017").later()} >= {
        "funnels",
        "lottery.only_when",
        "eligible",
        "never_in_lottery",
    }
    assert "eligible" not in named  # a list of families is read through the rules


@pytest.mark.parametrize(
    ("primary", "interval", "lacking"),
    [
        ("randomization_test", "by_inverting_the_test", ""),
        ("stepped_wedge_model", "model_based", ""),
        ("stepped_wedge_model", "by_inverting_the_test", "interval: by_inverting_the_test (stepped_wedge_model)"),
        ("randomization_test", "model_based", "interval: model_based (randomization_test)"),
        ("ancova", "model_based", "ancova (3 waves)"),
        ("gee, sides: one", "model_based", "sides: one (gee)"),
        ("gee, small_sample_correction: no", "model_based", "small_sample_correction: no (gee)"),
        ("stepped_wedge_model, small_sample_correction: no", "model_based", ""),
        ("gee, adjust: [area]", "model_based", "adjust: area (gee)"),
        ("staggered_rollout", "by_inverting_the_test", "staggered_rollout (leave_out_if_window_crosses_start)"),
        ("event_study", "model_based", "event_study"),
    ],
)
def test_a_primary_answer_that_cannot_be_given_is_named_before_anything_is_drawn(primary, interval, lacking):
    text = re.sub(r"primary: \{method: .*\}", f"primary: {{method: {primary}, alpha: 0.05}}", COPENHAGEN)
    text = re.sub(r"interval: by_inverting_the_test", f"interval: {interval}", text)
    protocol = loads(text, file="draft.yaml")
    assert unanswered(protocol) == lacking
    named = {field: said for field, *said in protocol.later()}
    assert ("analysis.primary" in named) == bool(lacking)
    assert all(lacking in said for said in named.get("analysis.primary", []))
