"""The page of an answer that another method than the randomization test gives: what carries it, and the check beside it."""

import re

import numpy as np
import pytest
from answered import QUARTERS, drawn, findings
from pages import Page

from trialkit.canonical import parse
from trialkit.protocol.analysis import Method
from trialkit.report.answer import Said
from trialkit.report.beside import SaidBeside
from trialkit.report.effect import effect
from trialkit.report.page import texts

MODELS = ("stepped_wedge_model", "mixed_model", "gee", "glmm")
LANGS = ("da", "en")


def asking(name, method, **analysis):
    """A shipped trial's plan with another primary method, and no windows that cross a start."""
    protocol = drawn(name)[0]
    outcomes = tuple(one.model_copy(update={"leave_out_if_window_crosses_start": False}) for one in protocol.outcomes)
    parts = {"primary": Method(method=method, alpha="0.05"), "interval": None, "secondary": (), **analysis}
    return protocol.model_copy(update={"outcomes": outcomes, "analysis": protocol.analysis.model_copy(update=parts)})


def copenhagen(method, **kwargs):
    given = {"people": 90, "seed": 4} | kwargs
    return findings(protocol=asking("copenhagen_2012_rollout", method), **given)


def houses(method, **kwargs):
    name = "family_houses_2022/synthetic"
    return findings(name, protocol=asking(name, method), periods=QUARTERS, people=90, **kwargs)


def told(value, places, lang):
    """A number as people of the language write it."""
    text = f"{value:,.{places}f}"
    return text.translate(str.maketrans(",.", ".,")) if lang == "da" else text


def rising(top, bottom, units):
    """From 3 of 60 to 15 of 60 from each area's own start."""
    _, _, draw = drawn("copenhagen_2012_rollout")
    begins = {"wave_1": 1, "wave_2": 5, "wave_3": 9}
    labels = dict(zip(draw.assignment.units.ids, draw.assignment.labels, strict=True))
    for row, unit in enumerate(units):
        for month in range(top.shape[1]):
            top[row, month] = 3 + (row + 2 * month) % 3 + 12 * (month >= begins.get(labels.get(unit, ""), 99))
    return top, bottom


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return copenhagen(request.param)


@pytest.mark.parametrize("lang", LANGS)
def test_a_model_says_that_it_is_one_and_shows_no_figure_of_draws(model, lang):
    text, w = Page(effect(model, lang)).text, texts(lang)["effect"]
    said, answer = Said(model, lang), model.answer
    named = texts(lang)["beside"][f"method_{answer.registered}"]
    assert named[1:] in said.basis()[0]
    assert ("hviler på en model" if lang == "da" else "rests on a model") in text
    assert w["distribution"].format(number=1) not in text
    assert w["design_caption"].format(number=1) in text
    for part in (said.level(), said.difference(), said.interval(), said.chance(), *said.verdict(), *said.basis()):
        assert part in text
    facts = dict(said.facts())
    assert answer.registered in facts[w["method_name"]]
    assert told(answer.estimate.df, 1, lang).removesuffix(",0").removesuffix(".0") in facts[w["p_name"]]
    assert w["smallest_name"] not in facts
    for word in (
        "lodtrækninger alligevel",
        "draws would still",
        "Because lots",
        "Fordi loddet",
    ):  # p is above the limit
        assert word not in text


@pytest.mark.parametrize("lang", LANGS)
def test_with_few_drawn_the_check_through_the_lot_is_told_with_its_figures(model, lang):
    said, check = Said(model, lang), model.answer.check.estimate
    basis = " ".join(said.basis())
    for text in (
        told(check.p_value, 4, lang),
        told(check.smallest_p, 4, lang),
        told(abs(100 * check.estimate), 1, lang),
    ):
        assert text in basis
    assert texts(lang)["effect"]["check_agrees"] in basis


@pytest.mark.parametrize("lang", LANGS)
def test_a_check_on_the_other_side_of_the_limit_is_a_warning(lang):
    found = copenhagen("stepped_wedge_model", effect=0.12, seed=3)  # the first wave is higher all along
    assert found.answer.estimate.p_value > 0.05 >= found.answer.check.estimate.p_value
    assert texts(lang)["effect"]["check_differs"] in Page(effect(found, lang)).text


@pytest.mark.parametrize("lang", LANGS)
def test_a_model_within_the_limit_is_given_a_cause_and_weighed_against_what_was_worth_finding(lang):
    found = copenhagen("stepped_wedge_model", counts=rising, people=60)
    assert found.answer.estimate.p_value < 0.05
    text, w = Page(effect(found, lang)).text, texts(lang)["effect"]
    assert ("kan den tilskrives" if lang == "da" else "can be put down to") in text
    assert w["worth_in"].split("{")[0] in text
    assert w["check_agrees"] in text


@pytest.mark.parametrize("lang", LANGS)
def test_odds_are_told_as_odds_and_never_as_a_difference(lang):
    found = copenhagen("glmm", counts=rising, people=60)
    one, said = found.answer.estimate, Said(found, lang)
    assert one.unit == "odds ratio"
    times = told(one.estimate, 2, lang)
    assert times in said.difference()
    assert "odds" in said.difference()
    assert "af 100" not in said.difference() + said.interval()
    assert "of 100" not in said.difference() + said.interval()
    assert dict(said.facts())[texts(lang)["effect"]["odds_name"]].startswith(times)
    assert any("odds" in sentence for sentence in said.verdict())  # what was worth finding is on another scale
    assert not any(sentence.startswith(texts(lang)["effect"]["worth_in"][:20]) for sentence in said.verdict())


@pytest.mark.parametrize("lang", LANGS)
def test_a_rollouts_own_estimator_keeps_the_figure_of_draws(lang):
    found = copenhagen("staggered_rollout")
    text, w, said = Page(effect(found, lang)).text, texts(lang)["effect"], Said(found, lang)
    assert w["distribution"].format(number=1) in text
    assert w["design_caption"].format(number=2) in text
    assert w["distribution_x_other"] in effect(found, lang)  # over its error, so not of 100
    assert "142" in said.chance()
    assert dict(said.facts())[w["by_name"]] == texts(lang)["beside"]["method_staggered_rollout"]
    assert not any("rests on" in one or "hviler på" in one for one in said.basis())


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("method", ["difference_in_means", "weighted_difference", "ancova"])
def test_averages_of_two_arms_say_that_their_uncertainty_is_an_approximation(method, lang):
    found = houses(method, effect=0.05)
    said = Said(found, lang)
    text = Page(effect(found, lang)).text
    assert ("tilnærmelse" if lang == "da" else "approximation") in said.basis()[0]
    assert said.basis()[0] in text
    assert found.answer.check is None


def test_the_document_names_the_method_its_error_and_the_check():
    for found in (copenhagen("gee"), copenhagen("staggered_rollout"), copenhagen("randomization_test")):
        document, answer = parse(found.document()), found.answer
        assert document["registered"] == answer.registered
        assert float(document["p_value"]) == pytest.approx(answer.estimate.p_value, abs=1e-9)
        assert ("exact" in document) == (answer.test is not None)
        assert ("check" in document) == (answer.check is not None)
        assert ("df" in document) == (answer.test is None)
        if answer.check is not None:
            assert float(document["check"]["p_value"]) == pytest.approx(answer.check.estimate.p_value, abs=1e-9)


@pytest.mark.parametrize("lang", LANGS)
def test_months_the_other_way_are_told_or_said_to_be_beyond_the_method(lang):
    marks = np.zeros((9, 12), bool)
    marks[:, 3] = True
    w = texts(lang)["effect"]
    other = copenhagen("gee", interrupted=marks).answer.sensitivity
    assert other is not None

    def holes(top, bottom, units):
        bottom[:, 3] = 0  # nobody was counted while the work stood still
        return np.where(bottom > 0, top, 0), bottom

    out = Method(method="staggered_rollout", alpha="0.05", months_excluded_by="interruptions")
    plan = asking("copenhagen_2012_rollout", "staggered_rollout", primary=out)
    lost = findings(protocol=plan, people=90, seed=4, counts=holes, interrupted=marks)
    assert lost.answer.sensitivity is None
    assert w["sensitivity_none"] in Said(lost, lang).notes()
    odds = copenhagen("glmm", interrupted=marks)
    assert w["odds_without"].split("{")[0] in " ".join(Said(odds, lang).notes())
    without = w["sensitivity_without"].format(
        difference=told(100 * other.estimate, 1, lang), p=told(other.p_value, 4, lang)
    )
    assert without[:40] in " ".join(Said(copenhagen("gee", interrupted=marks), lang).notes())
    assert told(other.p_value, 4, lang) in " ".join(Said(copenhagen("gee", interrupted=marks), lang).notes())


def test_beside_a_model_nothing_is_called_the_answer_through_the_draw():
    secondary = (Method(method="gee"), Method(method="randomization_test"))
    plan = asking("copenhagen_2012_rollout", "stepped_wedge_model", secondary=secondary)
    found = findings(protocol=plan, people=90, seed=4, others={})
    for lang in LANGS:
        text = Page(effect(found, lang)).text
        b = texts(lang)["beside"]
        assert b["through_the_lot"] in text
        assert b["method_randomization_test"] not in text
        assert not re.search(re.escape(b["few"].format(units=7)), text)
        assert b["few_models"].format(units=7) in text


@pytest.mark.parametrize("lang", LANGS)
def test_another_outcome_is_answered_by_the_same_method_with_both_its_levels(lang):
    plan = asking("copenhagen_2012_rollout", "glmm")
    other = plan.outcomes[1].model_copy(update={"type": "share"})
    plan = plan.model_copy(update={"outcomes": (plan.outcomes[0], other, *plan.outcomes[2:])})
    found = findings(protocol=plan, people=90, seed=4, others={other.id: 1})
    (line,) = (one for one in found.beside.answered if one.outcome == other.id)
    assert (line.estimate.unit, line.method) == ("odds ratio", "glmm")
    notes = " ".join(SaidBeside(found, lang).notes())
    for side in line.sides:
        level = f"{told(100 * side.level, 1, lang)} {texts(lang)['effect']['curves_y']}"
        assert level in notes


@pytest.mark.parametrize("lang", LANGS)
def test_a_normal_approximation_is_told_as_one(lang):
    primary = Method(method="stepped_wedge_model", alpha="0.05", small_sample_correction=False)
    found = findings(
        protocol=asking("copenhagen_2012_rollout", "stepped_wedge_model", primary=primary), people=90, seed=4
    )
    told_p = dict(Said(found, lang).facts())[texts(lang)["effect"]["p_name"]]
    assert ("normaltilnærmelse" if lang == "da" else "normal approximation") in told_p
