"""The demonstration's own files, dropped on the page the draw leaves beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.conftest import Node
from tests.verifier.test_page import Files, canonical, checked, drop, rows, text, verdict
from trialkit.cli.main import pressed


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demonstration's draw."""
    folder = tmp_path_factory.mktemp("demo") / "trial"
    assert pressed(["demo", str(folder), "--lang", "da"]) == 0
    return folder / "draws" / "copenhagen_2012_rollout"


def files(demo: Path) -> Files:
    return {name: (demo / name).read_text(encoding="utf-8") for name in ("record.json", "ledger.jsonl")}


def test_the_other_implementation_confirms_the_demonstration(demo: Path, node: Node) -> None:
    found = json.loads(node(str(demo / "record.json"), str(demo / "ledger.jsonl")).stdout)
    assert (found["failure"], found["confirmed"], found["warnings"]) == ("OK", True, [])


@pytest.mark.parametrize(("lang", "word"), [("da", "BEKRÆFTET"), ("en", "CONFIRMED")])
def test_the_page_left_beside_the_draw_confirms_it(tab: Any, demo: Path, lang: str, word: str) -> None:
    assert checked(tab, (demo / "check.html").as_uri(), files(demo), lang) == "CONFIRMED"
    assert text(tab, "#verdict-word") == word
    assert sorted(row[2] for row in rows(tab)) == ["wave_1"] * 3 + ["wave_2"] * 2 + ["wave_3"] * 2


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_result_exchanged_between_two_areas_is_found(tab: Any, demo: Path, lang: str) -> None:
    record = json.loads(files(demo)["record.json"])
    first, *others = record["result"]["allocation"]
    other = next(one for one in others if one["label"] != first["label"])
    first["label"], other["label"] = other["label"], first["label"]
    tampered = files(demo) | {"record.json": canonical(record)}
    assert checked(tab, (demo / "check.html").as_uri(), tampered, lang) == "FAILED"
    assert text(tab, "#failure") == "E_RESULT"


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_ledger_alone_is_not_confirmed_and_a_cut_one_is_found_by_its_head(tab: Any, demo: Path, lang: str) -> None:
    ledger = files(demo)["ledger.jsonl"]
    head = json.loads(ledger.splitlines()[-1])["hash"]
    tab.goto(f"{(demo / 'check.html').as_uri()}?lang={lang}")
    drop(tab, {"ledger.jsonl": ledger})
    assert verdict(tab) != "CONFIRMED"
    shorter = "".join(line + "\n" for line in ledger.splitlines()[:-1])
    tab.goto(f"{(demo / 'check.html').as_uri()}?lang={lang}")
    drop(tab, files(demo) | {"ledger.jsonl": shorter})
    tab.fill("#head", head)
    tab.press("#head", "Enter")
    assert tab.wait_for_selector("#failure:has-text('E_LEDGER_HEAD')") is not None
