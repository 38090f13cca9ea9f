"""What the page says beside the answer: every promised line with its figures, and every unanswered one with its reason."""

import json
import re
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
from answered import drawn, findings
from pages import Page

from trialkit.protocol.analysis import Method
from trialkit.report.beside import SaidBeside
from trialkit.report.document import decimal
from trialkit.report.effect import effect
from trialkit.report.page import texts
from trialkit.report.words import number, probability

OUTCOMES = {"days_to_support": 20, "age_at_first_support": 0.1}


@pytest.fixture(scope="module")
def whole():
    return findings(effect=0.05, people=90, seed=3, others=OUTCOMES)


@pytest.fixture(scope="module")
def bare():
    return findings(people=90, seed=3, others={})


@pytest.mark.parametrize("lang", ["da", "en"])
def test_every_line_stands_in_the_table_with_its_figures(whole, lang):
    rows = SaidBeside(whole, lang).rows()
    page = Page(effect(whole, lang)).text
    assert len(rows) == 4 == len(whole.beside.lines)
    for row, line in zip(rows, whole.beside.lines, strict=True):
        for cell in (row.name, row.method, row.difference, row.p_value, row.adjusted, row.units):
            assert cell in page
        assert row.adjusted == probability(line.p_adjusted, lang, 3)
        assert row.p_value.startswith(probability(line.estimate.p_value, lang, 3))
    assert rows[0].difference.lstrip("+").startswith(number(100 * whole.beside.lines[0].estimate.estimate, lang, 1))
    assert rows[2].name == (
        "Dage fra første bekymring til første støtte" if lang == "da" else whole.beside.lines[2].estimate.term
    )
    assert texts(lang)["beside"]["adjusted_holm"] in page


def test_the_primary_answer_stands_first_and_is_not_touched(whole, bare):
    for lang in ("da", "en"):
        html = effect(whole, lang)
        assert html.index('class="answer"') < html.index(texts(lang)["beside"]["heading"])
    alone = findings(effect=0.05, people=90, seed=3)
    assert alone.answer.estimate == whole.answer.estimate
    assert json.loads(alone.document())["p_value"] == json.loads(whole.document())["p_value"]
    assert "p_adjusted" not in json.loads(whole.document())


@pytest.mark.parametrize("lang", ["da", "en"])
def test_what_was_promised_and_not_answered_is_listed_with_its_reason(bare, lang):
    page = Page(effect(bare, lang)).text
    assert texts(lang)["beside"]["unanswered"] in page
    for line in bare.beside.unanswered:
        assert line.reason.told(lang) in page
        assert f"({line.reason.code})" in page
    assert len(bare.beside.unanswered) == 2


def test_a_page_without_anything_beside_the_answer_says_nothing_of_it():
    protocol = drawn("copenhagen_2012_rollout")[0]
    plain = protocol.model_copy(
        update={
            "analysis": protocol.analysis.model_copy(update={"secondary": (), "many_outcomes": None}),
            "outcomes": protocol.outcomes[:1],
        }
    )
    html = effect(findings(protocol=plain, others={}), "en")
    for key in ("heading", "unanswered", "neighbours_intro"):
        assert texts("en")["beside"][key] not in html


@pytest.mark.parametrize("lang", ["da", "en"])
def test_neighbours_are_told_by_name_and_with_what_the_map_allows(whole, lang):
    page = Page(effect(whole, lang)).text
    found = whole.beside.spillover
    for sentence in SaidBeside(whole, lang).neighbours():
        assert sentence in page
        assert not re.search(r"\bw_[a-z]", sentence)
    assert probability(found.test.smallest_p, lang, 3) in page
    assert texts(lang)["beside"]["neighbours_blind"] in page  # with seven areas the smallest p lies above the limit
    rows = SaidBeside(whole, lang).map()
    assert [row[0] for row in rows] == [whole.name_of(unit) for unit in whole.answer.panel.units]
    for row, cells in zip(rows, found.exposed.conditions.tolist(), strict=True):
        assert [int(cell) for cell in row[2:4]] == [cells.count(0), cells.count(1)]


@pytest.mark.parametrize(("lang", "least"), [("da", "under 0,001"), ("en", "below 0.001")])
def test_two_p_values_below_the_last_decimal_are_written_alike(whole, lang, least):
    line = whole.beside.lines[0]
    small = replace(line, p_adjusted=0.000615773, estimate=replace(line.estimate, p_value=0.0003079, smallest_p=nan))
    row = SaidBeside(replace(whole, beside=replace(whole.beside, lines=(small,))), lang).rows()[0]
    assert (row.p_value, row.adjusted) == (least, least)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_table_of_neighbours_sets_periods_beside_what_the_draws_give_on_average(whole, lang):
    rows, found = SaidBeside(whole, lang).map(), whole.beside.spillover.exposed
    lot = whole.answer.panel
    for k, row in enumerate(rows):
        for cell, state in zip(row[4:], (0, 1), strict=True):
            assert cell == number(float(found.probabilities[state, k].sum()), lang, 1)
            assert float(cell.replace(",", ".")) <= len(lot.periods)
    page = Page(effect(whole, lang)).text
    assert texts(lang)["beside"]["neighbours_chances"].format(periods=SaidBeside(whole, lang).periods()) in page
    assert SaidBeside(whole, lang).periods().startswith(str(len(found.periods)))


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_test_of_neighbours_that_tells_nothing_is_listed_with_its_reason_and_without_a_p_value(lang):
    found = findings(
        counts=lambda top, bottom, units: (np.full(bottom.shape, 3.0), np.full(bottom.shape, 30.0)), others={}
    )
    (line,) = [one for one in found.beside.lines if one.method == "spillover_check"]
    assert line.estimate is None
    assert np.isnan(line.p_adjusted)
    told = SaidBeside(found, lang)
    assert (told.method(line), f"{line.reason.told(lang)} ({line.reason.code})") in told.unanswered()
    assert told.method(line) not in [row.method for row in told.rows()]
    assert line.reason.told(lang) in told.neighbours()


def test_machines_read_the_same(whole, bare):
    document = json.loads(whole.document())
    assert document["adjusted_by"] == "holm"
    for one, line in zip(document["beside"], whole.beside.lines, strict=True):
        assert (one["part"], one["method"], one["outcome"]) == (line.part, line.method, line.outcome)
        assert one["p_adjusted"] == decimal(line.p_adjusted)
        assert one["estimate"] == decimal(line.estimate.estimate)
        assert one["exploratory"] is False
    cells = document["spillover"]["cells"]
    assert len(cells) == 7 * 8
    for cell in cells:
        assert sum(float(p) for _, p in cell["probabilities"]) <= 1 + 1e-8
    assert [one["not_answered"] for one in json.loads(bare.document())["beside"][2:]] == ["E_NO_RECORDS"] * 2


def test_event_studies_bounds_and_reports_are_told():
    protocol = drawn("family_houses_2022/synthetic")[0]
    primary = protocol.analysis.primary.model_copy(update={"draws": 99})
    asked = protocol.model_copy(
        update={
            "analysis": protocol.analysis.model_copy(
                update={"primary": primary, "secondary": (Method(method="event_study"), Method(method="gee"))}
            )
        }
    )
    found = findings(
        "family_houses_2022/synthetic", periods=("2023q1", "2023q2", "2023q3"), protocol=asked, people=80, others={}
    )
    page = Page(effect(found, "en")).text
    assert "23 of 23 units with the new way and 25 of 25 without have reported" in page
    assert texts("en")["beside"]["method_worst_case_bounds"] in page
    assert texts("en")["beside"]["adjusted_none"] in page
    assert "same_share_in_the_year_before" in page


def test_every_word_is_used():
    room = Path(__file__).parents[2] / "trialkit" / "report"
    code = "".join(path.read_text(encoding="utf-8") for path in room.glob("*.py"))
    pages = "".join(path.read_text(encoding="utf-8") for path in (room / "templates").glob("*.html"))
    for key in texts("da")["beside"]:
        assert (
            re.match("(method|adjusted|with(out)?_interrupted)_|(odds|rate)_ratio|unit_", key)
            or f'"{key}"' in code
            or f"b.{key}" in pages
        ), key
    methods = set(Method.model_json_schema()["properties"]["method"]["enum"])
    assert {f"method_{name}" for name in methods} == {key for key in texts("en")["beside"] if key.startswith("method_")}
