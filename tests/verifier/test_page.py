"""The page in Debian's chromium, opened from disk without network: dropped files in, verdicts out, in both languages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.conftest import SOURCES, VECTOR_FILE, Vectors

Named = Callable[[str, str], dict[str, Any]]
Files = dict[str, str]

DROP = """files => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  return transfer;
}"""


def drop(tab: Any, files: Files) -> None:
    transfer = tab.evaluate_handle(DROP, list(files.items()))
    tab.dispatch_event("body", "drop", {"dataTransfer": transfer})


def verdict(tab: Any) -> str:
    return str(tab.wait_for_selector("[data-verdict]").get_attribute("data-verdict"))


def checked(tab: Any, url: str, files: Files, lang: str = "da") -> str:
    tab.goto(f"{url}?lang={lang}")
    drop(tab, files)
    return verdict(tab)


def text(tab: Any, selector: str) -> str:
    return str(tab.inner_text(selector))


def rows(tab: Any) -> list[list[str]]:
    cells = "found => found.map(row => [...row.cells].map(cell => cell.innerText))"
    found: list[list[str]] = tab.eval_on_selector_all("#list tbody tr", cells)
    return found


def canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("lang", "word", "doubt"),
    [("da", "IKKE BEKRÆFTET", "drand er ikke kontrolleret"), ("en", "NOT CONFIRMED", "drand was not verified")],
)
def test_the_core_page_never_confirms_drand(
    tab: Any, core_page: str, story: Files, lang: str, word: str, doubt: str
) -> None:
    assert checked(tab, core_page, story, lang) == "NOT_CONFIRMED"
    assert text(tab, "#verdict-word") == word
    assert doubt in text(tab, "#reasons")
    assert tab.get_attribute("html", "lang") == lang


@pytest.mark.parametrize(("lang", "word"), [("da", "BEKRÆFTET"), ("en", "CONFIRMED")])
def test_the_full_page_confirms_a_genuine_story(tab: Any, full_page: str, story: Files, lang: str, word: str) -> None:
    assert checked(tab, full_page, story, lang) == "CONFIRMED"
    assert text(tab, "#verdict-word") == word


def test_dice_and_witnesses_are_confirmed_without_drand(tab: Any, core_page: str, named: Named) -> None:
    dice = named("confirmed", "confirmed: dice alone, quorum met")
    files = {"record.json": dice["record"], "ledger.jsonl": dice["ledger"]}
    assert checked(tab, core_page, files) == "CONFIRMED"


def test_the_allocation_shown_is_the_record_s(tab: Any, core_page: str, story: Files) -> None:
    checked(tab, core_page, story)
    allocation = json.loads(story["record.json"])["result"]["allocation"]
    assert [row[1:] for row in rows(tab)] == [[entry["id"], entry["label"]] for entry in allocation]


@pytest.mark.parametrize(("lang", "step"), [("da", "trin 13"), ("en", "step 13")])
def test_a_tampered_record_names_failure_step_and_difference(
    tab: Any, core_page: str, named: Named, lang: str, step: str
) -> None:
    swapped = named("records", "record: two units' labels swapped")["record"]
    assert checked(tab, core_page, {"record.json": swapped}, lang) == "FAILED"
    assert text(tab, "#failure") == "E_RESULT"
    assert step in text(tab, ".where")
    odd = tab.eval_on_selector_all("#differences tbody th", "found => found.map(cell => cell.innerText)")
    assert odd == ["Amager Vest", "Brønshøj-Husum"]
    assert tab.query_selector("#list") is None  # a list that failed is not shown as the result


@pytest.mark.parametrize(("lang", "place"), [("da", "linje 10"), ("en", "line 10")])
def test_an_edited_ledger_names_the_line(tab: Any, full_page: str, named: Named, lang: str, place: str) -> None:
    edited = named("ledgers", "ledger: note edited")
    files = {"r.json": edited["record"], "l.jsonl": edited["ledger"]}
    assert checked(tab, full_page, files, lang) == "FAILED"
    assert text(tab, "#failure") == "E_LEDGER_HASH"
    assert place in text(tab, ".where")


def test_a_known_head_shows_what_was_cut_off(tab: Any, core_page: str, named: Named) -> None:
    cut = named("ledgers", "ledger: tail removed, head known")
    assert checked(tab, core_page, {"r.json": cut["record"], "l.jsonl": cut["ledger"]}) == "NOT_CONFIRMED"
    tab.fill("#head", cut["head"])
    tab.press("#head", "Enter")
    tab.wait_for_selector("[data-verdict=FAILED]")
    assert text(tab, "#failure") == "E_LEDGER_HEAD"


def test_a_mistyped_head_never_passes_unseen(tab: Any, core_page: str, named: Named) -> None:
    dice = named("confirmed", "confirmed: dice alone, quorum met")
    head = json.loads(dice["ledger"].splitlines()[-1])["hash"]
    checked(tab, core_page, {"record.json": dice["record"], "ledger.jsonl": dice["ledger"]})
    for typed, expected in [(head[:-1], "FAILED"), (head.upper(), "CONFIRMED")]:
        tab.fill("#head", typed)
        tab.press("#head", "Enter")
        tab.wait_for_selector(f"[data-verdict={expected}]")
    assert tab.query_selector("#head-help.problem") is None


def test_a_ledger_alone_is_still_open(tab: Any, core_page: str, named: Named) -> None:
    assert checked(tab, core_page, {"x": named("ledgers", "ledger: still open")["ledger"]}, "en") == "NOT_CONFIRMED"
    assert "OK so far" in text(tab, ".verdict")


def test_text_from_a_file_never_becomes_markup(tab: Any, core_page: str, named: Named) -> None:
    record = json.loads(named("records", "record: untouched")["record"])
    record["protocol"]["title"] = "<img src=x onerror=alert(1)>"
    assert checked(tab, core_page, {"record.json": canonical(record)}) == "FAILED"
    assert "<img src=x" in text(tab, ".verdict")
    assert tab.query_selector("img") is None


def test_every_record_and_ledger_of_the_vectors_gets_its_verdict(tab: Any, core_page: str, vectors: Vectors) -> None:
    """The view's own path from bytes to panel, over all vectors at once."""
    tab.goto(core_page)
    script = """cases => cases.map(({record, ledger, head}) => {
      const bytes = (text) => text === undefined ? undefined : new TextEncoder().encode(text);
      const found = trialkit.verify({record: bytes(record), ledger: bytes(ledger), head: head ?? ""});
      const panel = trialkit.ui.verdictPanel(found, new Date());
      return [panel.dataset.verdict, panel.querySelector("#failure")?.textContent ?? "OK"];
    })"""
    cases = [*vectors["records"], *vectors["ledgers"]]
    found = tab.evaluate(script, cases)
    assert [name for _, name in found] == [case["expect"] for case in cases]
    assert all((panel == "FAILED") == (name != "OK") for panel, name in found)


@pytest.mark.parametrize(("build", "left"), [("core_page", 18), ("full_page", 0)])
def test_the_vector_view_counts_all_checks(tab: Any, request: pytest.FixtureRequest, build: str, left: int) -> None:
    tab.goto(f"{request.getfixturevalue(build)}?vectors")
    tab.set_input_files("#vectors-file", str(VECTOR_FILE))
    panel = tab.wait_for_selector("[data-passed]", timeout=60_000)
    counts = [int(panel.get_attribute(f"data-{name}")) for name in ("passed", "failed", "skipped")]
    assert counts == [515 - left, 0, left]


def test_the_sources_open_from_disk_without_any_building(tab: Any, story: Files) -> None:
    assert checked(tab, (SOURCES / "page.html").as_uri(), story) == "NOT_CONFIRMED"


def large(vectors: Vectors, name: str) -> tuple[str, str]:
    """A protocol of ten thousand units and its evidence, from the vectors' rule."""
    vector = next(v for v in vectors["draws"] if v["name"] == name)
    draft = dict(vector["draft"])
    rule = draft.pop("units_rule")
    numbers = range(rule["from"], rule["to"] + 1)
    draft["units"] = [{"id": f"{rule['prefix']}{n:0{rule['width']}}", **rule["members"]} for n in numbers]
    protocol = canonical({**draft, "format": "trialkit-draw/1", "kind": "protocol"})
    return protocol, vector["evidence"][0]["signature"]


@pytest.mark.parametrize("name", ["complete, 10000 units", "lottery, 10000 units"])
def test_the_room_reaches_the_record_of_ten_thousand_units(
    tab: Any, core_page: str, vectors: Vectors, named: Named, name: str
) -> None:
    protocol, signature = large(vectors, name)
    tab.goto(f"{core_page}?room&lang=en")
    drop(tab, {"protocol.json": protocol})
    tab.fill("#source-0", signature)
    tab.click("#compute")
    assert verdict(tab) == "DRAWN"
    hashes = tab.eval_on_selector_all(".drawn-here .hash", "found => found.map(code => code.textContent)")
    expected = named("draws", name)["expect"]
    assert hashes == [expected["seed"], expected["result_sha256"], expected["record_sha256"]]
    assert text(tab, "#showing") == "Showing 100 of 10,000"
    tab.fill("#search", "u09999")
    assert [row[2 if name.startswith("lottery") else 1] for row in rows(tab)] == ["U09999"]


def test_the_room_draws_from_typed_dice_and_a_pasted_round(tab: Any, full_page: str, story: Files) -> None:
    record = json.loads(story["record.json"])
    tab.goto(f"{full_page}?lang=en")
    drop(tab, {"protocol.json": canonical(record["protocol"])})  # the page sees what it is, and moves
    tab.fill("#compare", record["protocol_hash"].upper())
    assert text(tab, "#compare-help") == "It is the same fingerprint."
    tab.fill("#compare", record["seed"])
    assert "Stop" in text(tab, "#compare-help")
    tab.fill("#source-0", ", ".join(str(value) for value in record["evidence"][0]["values"]))
    tab.fill("#source-1", json.dumps({"round": 1000, "signature": record["evidence"][1]["signature"]}))
    tab.click("#compute")
    assert verdict(tab) == "DRAWN"
    assert "signature is verified" in text(tab, ".drawn-here")
    assert [row[1:] for row in rows(tab)] == [[e["id"], e["label"]] for e in record["result"]["allocation"]]
    tab.fill("#source-0", "1 2 3")
    assert tab.query_selector("#list") is None  # no result beside chance it does not come from
    tab.click("#compute")
    tab.wait_for_selector("[data-verdict=FAILED]")
    assert text(tab, "#failure") == "E_EVIDENCE"


def test_names_that_mix_alphabets_get_a_notice(tab: Any, core_page: str, story: Files) -> None:
    protocol = json.loads(story["record.json"])["protocol"]
    protocol["units"][5]["id"] = "N\u043erebro"  # a Cyrillic o among Latin letters
    protocol["entropy"] = [{"kind": "published", "value": "tal"}]
    tab.goto(f"{core_page}?room&lang=en")
    drop(tab, {"protocol.json": canonical(protocol)})
    tab.click("#compute")
    assert verdict(tab) == "DRAWN"
    assert "N\u043erebro" in text(tab, "#result .notice")


def test_a_long_protocol_is_saved_as_the_file_its_hash_is_of(tab: Any, core_page: str, vectors: Vectors) -> None:
    protocol, signature = large(vectors, "complete, 10000 units")
    tab.goto(f"{core_page}?room")
    drop(tab, {"protocol.json": protocol})
    tab.fill("#source-0", signature)
    tab.click("#compute")
    verdict(tab)
    tab.click("#chain summary")
    with tab.expect_download() as saved:
        tab.click("#chain li:first-child button:not(.small)")
    assert Path(saved.value.path()).read_text(encoding="utf-8") == protocol


def test_a_command_can_be_copied(tab: Any, core_page: str, story: Files) -> None:
    checked(tab, core_page, story, "en")
    tab.click("#chain summary")
    tab.click("#chain li:nth-child(3) button")
    tab.wait_for_selector("text=Copied")
    tab.focus("#search")
    tab.keyboard.press("Control+V")
    assert tab.input_value("#search") == tab.text_content("#chain li:nth-child(3) pre")


CHAIN = """items => items.map(item => [
  item.querySelector("pre code")?.textContent ?? "",
  item.querySelector(".value code").textContent,
])"""


def commands(tab: Any) -> Iterable[tuple[str, str]]:
    found: list[tuple[str, str]] = tab.eval_on_selector_all(".chain > li", CHAIN)
    return found


def test_the_shell_commands_give_the_hashes_beside_them(tab: Any, full_page: str, story: Files, tmp_path: Path) -> None:
    if shutil.which("xxd") is None or shutil.which("sha256sum") is None:
        pytest.skip("xxd or sha256sum is missing: the page's shell commands were not run")
    for name, content in story.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    checked(tab, full_page, story)

    def shell(command: str) -> str:
        run = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout.split()[0]

    chain = list(commands(tab))
    assert len(chain) == 6  # protocol, drand, seed, one stream, result, record
    assert [shell(command) for command, _ in chain] == [value for _, value in chain]
    line = str(tab.text_content("#ledger pre code"))
    hashes = tab.eval_on_selector_all("#ledger td .hash", "found => found.map(code => code.textContent)")
    assert [shell(line.replace("'1p'", f"'{n}p'")) for n in range(1, len(hashes) + 1)] == hashes


STATES: dict[str, Callable[[Any, str, Files], object]] = {
    "empty": lambda tab, url, story: tab.goto(url),
    "confirmed": lambda tab, url, story: checked(tab, url, story),
    "alone, English": lambda tab, url, story: checked(tab, url, {"record.json": story["record.json"]}, "en"),
    "failed": lambda tab, url, story: checked(tab, url, {**story, "ledger.jsonl": story["ledger.jsonl"][:-40] + "\n"}),
    "room": lambda tab, url, story: room(tab, url, story),
    "vectors": lambda tab, url, story: tab.goto(f"{url}?vectors"),
}


def room(tab: Any, url: str, story: Files) -> None:
    record = json.loads(story["record.json"])
    tab.goto(f"{url}?room")
    drop(tab, {"protocol.json": canonical(record["protocol"])})
    tab.fill("#source-0", " ".join(str(value) for value in record["evidence"][0]["values"]))
    tab.fill("#source-1", record["evidence"][1]["signature"])
    tab.click("#compute")
    verdict(tab)


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_no_serious_violation(
    tab: Any, full_page: str, npm_tree: Path, story: Files, state: str, width: int
) -> None:
    axe = npm_tree / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is missing from node_modules: accessibility was not examined")
    tab.set_viewport_size({"width": width, "height": 850})
    STATES[state](tab, full_page, story)
    for details in tab.query_selector_all("summary"):
        details.click()
    tab.evaluate(axe.read_text(encoding="utf-8") + ";0")
    found = tab.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    assert len(found["passes"]) > 10
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in serious] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def focused(tab: Any) -> str:
    return str(tab.evaluate("document.activeElement.id || document.activeElement.textContent"))


def tab_to(tab: Any, wanted: str, most: int = 60) -> None:
    for _ in range(most):
        tab.keyboard.press("Tab")
        if focused(tab) == wanted:
            return
    raise AssertionError(f"the keyboard never reached {wanted}")


def test_the_keyboard_alone_is_enough(tab: Any, full_page: str, story: Files, tmp_path: Path) -> None:
    paths = []
    for name, content in story.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        paths.append(str(tmp_path / name))
    tab.on(
        "filechooser", lambda _: None
    )  # chromium hands the dialog to the test from now on, not only when it is awaited
    tab.goto(f"{full_page}?lang=da")
    tab_to(tab, "skip")
    tab_to(tab, "lang-en")
    tab.keyboard.press("Enter")
    assert focused(tab) == "lang-en"
    tab_to(tab, "files-button")
    with tab.expect_file_chooser() as chooser:
        tab.keyboard.press("Enter")
    chooser.value.set_files(paths)
    assert verdict(tab) == "CONFIRMED"
    tab_to(tab, "search")
    tab.keyboard.type("nørre")
    assert [row[1] for row in rows(tab)] == ["Nørrebro"]
    tab_to(tab, "Redo it yourself")
    tab.keyboard.press("Enter")
    assert tab.is_visible("#chain pre")


@pytest.mark.parametrize("lang", ["da", "en"])
def test_it_prints_on_a4_with_every_row_and_no_buttons(
    tab: Any, core_page: str, vectors: Vectors, lang: str, tmp_path: Path
) -> None:
    protocol, signature = large(vectors, "complete, 10000 units")
    small = json.loads(protocol)
    small["units"] = small["units"][:150]
    tab.goto(f"{core_page}?room&lang={lang}")
    drop(tab, {"protocol.json": canonical(small)})
    tab.fill("#source-0", signature)
    tab.click("#compute")
    verdict(tab)
    assert len(rows(tab)) == 100
    path = tmp_path / "print.pdf"
    tab.pdf(path=str(path), prefer_css_page_size=True)
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", path.read_bytes()))
    assert {(round(float(width)), round(float(height))) for width, height in boxes} <= {
        (595, 842),
        (596, 842),
        (594, 842),
    }
    assert boxes
    assert len(rows(tab)) == 150
    tab.emulate_media(media="print")
    assert not [button for button in tab.query_selector_all("button") if button.is_visible()]
    assert tab.is_visible("#list")
