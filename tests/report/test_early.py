"""Words of the pages for a year and for neighbours: each is used, and the early page has no word of comparison."""

import re
from pathlib import Path

import pytest

from trialkit.report.page import texts

ROOM = Path(__file__).parents[2] / "trialkit" / "report"


@pytest.mark.parametrize(
    ("table", "letter", "template"), [("early", "y", "early.html"), ("exposure", "x", "exposure.html")]
)
def test_every_word_is_used(table, letter, template):
    code = "".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py"))
    page = (ROOM / "templates" / template).read_text(encoding="utf-8")
    for key in texts("da")[table]:
        assert f'"{key}"' in code or f"{letter}.{key}" in page or key in ("all", "pilots"), key


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_early_page_has_no_word_of_an_effect(lang):
    for key, text in texts(lang)["early"].items():
        assert not re.search("effe[ck]t|forskel|differen|p-v|interval|virker|works", text, re.IGNORECASE), key
