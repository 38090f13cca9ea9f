"""Every name of the specification has its words, in both languages."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from trialkit.report.verdicts import MEANINGS, explain, headline

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "draw.md"
NAMES = sorted(set(re.findall(r"\b[EW]_[A-Z_]+\b", SPEC.read_text(encoding="utf-8"))))


def test_the_specification_names_what_we_think_it_names():
    # sections 1, 10: 36 names in the text of version trialkit-draw/1
    assert {"E_JSON", "E_REROLL", "E_RESULT", "W_VOIDED", "W_LATE_OPENING"} <= set(NAMES)


def test_every_name_of_the_specification_is_explained_and_no_other():
    assert sorted(MEANINGS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_explanation_is_a_sentence_in_each_language(name):
    da, en = explain(name, "da"), explain(name, "en")
    assert da != en
    for text in (da, en):
        assert len(text) > 40
        assert text.endswith(".")
        assert name not in text
        assert not re.search(r"[`<>{}]|  ", text)


def test_no_two_names_share_a_text():
    assert len({told.da for told in MEANINGS.values()}) == len({told.en for told in MEANINGS.values()}) == len(NAMES)


def test_a_name_of_another_version_is_said_to_be_unknown():
    assert "E_TOMORROW" in explain("E_TOMORROW", "da")


@pytest.mark.parametrize(
    ("failure", "confirmed", "da", "en"),
    [
        ("", True, "BEKRÆFTET", "CONFIRMED"),
        (None, False, "IKKE BEKRÆFTET", "NOT CONFIRMED"),
        ("E_SEED", False, "FEJL", "FAILED"),
        ("E_SEED", True, "FEJL", "FAILED"),  # a failure outweighs whatever else a verdict says
    ],
)
def test_the_headline(failure, confirmed, da, en):
    verdict = SimpleNamespace(failure=failure, warnings=(), confirmed=confirmed)
    assert (headline(verdict, "da"), headline(verdict, "en")) == (da, en)
