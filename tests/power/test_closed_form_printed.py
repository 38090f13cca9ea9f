"""The tables of printed examples: what they call printed is in the cases kept here, what they call ours the page computes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/printed-examples.md").read_text(encoding="utf-8")
KEPT = ROOT / "tests/reference/cases/stepped_wedge"
ROWS = re.findall(r"^\| (.+?) \| (\d\.\d+) \| (\d\.\d+) \|$", PAGE, re.MULTILINE)


def numbers(value):
    """Every number of a JSON document."""
    if isinstance(value, dict):
        return [one for member in value.values() for one in numbers(member)]
    if isinstance(value, list):
        return [one for member in value for one in numbers(member)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def known(name):
    return numbers(json.loads((KEPT / name).read_text(encoding="utf-8")))


def test_every_kept_printed_number_has_its_row():
    examples = json.loads((KEPT / "published_examples.json").read_text(encoding="utf-8"))["expected"]["examples"]
    assert {example["printed"] for example in examples} <= {float(printed) for _, printed, _ in ROWS}


@pytest.mark.parametrize(("example", "printed", "ours"), ROWS)
def test_a_row_says_what_was_printed_and_what_the_page_computes(example, printed, ours):
    digits = len(printed.partition(".")[2])
    sources = [*known("published_examples.json"), *known("power_published_and_docs.json")]
    assert any(f"{number:.{digits}f}" == printed for number in sources), example
    computed = [float(number) for number in re.findall(r"# -> (\d\.\d+)$", PAGE, re.MULTILINE)]
    assert float(ours) in computed
    assert f"{float(ours):.{digits}f}" == printed
