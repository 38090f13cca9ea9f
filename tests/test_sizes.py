"""How many people a unit has: the power that is promised rests on it, so no list may be read as if it said nothing."""

import pytest

from trialkit.errors import ProtocolError
from trialkit.trial import Trial

DRAFT = "protocols/copenhagen_2012_rollout/draft.yaml"


def trial(tmp_path, column, numbers):
    """The Copenhagen rollout on a list of its own, whose people stand in ``people``."""
    from tests.docs.pages import ROOT

    text = (ROOT / DRAFT).read_text(encoding="utf-8")
    start, end = text.index("  register: "), text.index("fixed:")
    text = f"{text[:start]}  file: units.csv\n  size: {column}\n{text[end:]}"
    start, end = text.index("fixed:"), text.index("arms:")
    text = text[:start] + text[end:]
    start, end = text.index("balance:"), text.index("lottery:")
    (tmp_path / "draft.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    rows = "".join(f"u{place};{number}\n" for place, number in enumerate(numbers))
    (tmp_path / "units.csv").write_text(f"id;people\n{rows}", encoding="utf-8")
    return Trial.open(tmp_path)


def test_people_are_read_as_danish_offices_write_them(tmp_path):
    units = trial(tmp_path, "people", ["2248", "1.997,0", "1 729", "3319,5", "2244", "1484", "2981"]).population().units
    assert [unit.facts["people"] for unit in units] == ["2248", "1997", "1729", "3319.5", "2244", "1484", "2981"]


@pytest.mark.parametrize(
    ("column", "number", "code"),
    [("children", "2248", "E_COLUMN"), ("people", "", "E_NUMBER"), ("people", "many", "E_NUMBER")],
)
def test_a_size_that_is_not_there_is_said_with_the_line_of_the_draft(tmp_path, column, number, code):
    with pytest.raises(ProtocolError) as found:
        trial(tmp_path, column, [number, "1997", "1729", "3319", "2244", "1484", "2981"]).population()
    assert found.value.code == code
    assert found.value.facts["faults"][0]["line"] > 0
    assert column in found.value.told("da")
