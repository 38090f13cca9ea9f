"""The pages work: their code runs, their links lead somewhere, and what is generated is what the code says today."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import ROOT, anchors, blocks, given, links, matches, pages, run, run_python, typed

SHOWN = {"", "text", "sh", "yaml", "csv", "toml", "json", "python", "console", "mermaid"}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def reference() -> ModuleType:
    """The script beside the pages that writes the reference from the code."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", pages(), ids=named)
def test_a_page_runs_as_it_is_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIALKIT_LANG", "da" if "da" in page.parts else "en")
    (tmp_path / "protocols").symlink_to(ROOT / "protocols")
    names: dict[str, object] = {}
    for block in [*given(page), *blocks(page)]:
        assert block.kind in SHOWN, f"{named(page)}:{block.line}: a block of unknown kind {block.kind!r}"
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
        elif block.kind == "python":
            run_python(block, names)
        elif block.kind == "console":
            _press(block, page, tmp_path)


def _press(block, page, folder):
    status, owed = 0, ""
    for one in typed(block):
        if one.command == "echo $?":
            assert one.expected.strip() == str(status), f"{named(page)}:{block.line}: {owed}"
            status = 0
            continue
        assert status == 0, f"{named(page)}:{block.line}: exit {status} of {owed}"
        status, printed = run(one.command, one.answers, folder)
        owed = f"$ {one.command}\n{printed}"
        assert matches(one.expected, printed), f"{named(page)}:{block.line}: the page shows\n{one.expected}\n\n{owed}"
    assert status == 0, f"{named(page)}:{block.line}: exit {status} of {owed}"


EVERY_PAGE = [*pages(), ROOT / "CHANGELOG.md", *sorted((ROOT / "changes").glob("*.md"))]
EVERY_PAGE += sorted((ROOT / "docs" / "decisions").glob("*.md"))


@pytest.mark.parametrize("page", EVERY_PAGE, ids=named)
def test_every_link_leads_somewhere(page):
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (page.parent / place).resolve() if place else page
        assert path.exists(), f"{named(page)}: {target}"
        assert not anchor or anchor in anchors(path), f"{named(page)}: {target}"


def test_every_page_can_be_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    reached, waiting = {index}, [index]
    while waiting:
        page = waiting.pop()
        found = {
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if not re.match("[a-z]+:", link)
        }
        new = {path for path in found if path.suffix == ".md" and path.is_file()} - reached
        reached |= new
        waiting += new
    assert not {named(page) for page in pages()} - {named(page) for page in reached}


@pytest.mark.parametrize("name", ["draft.md", "commands.md", "errors.md", "estimators.md"])
def test_the_reference_is_what_the_code_says_today(name):
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    script = [sys.executable, str(ROOT / "docs" / "make_reference.py"), name]
    made = subprocess.run(script, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert written == made, f"docs/reference/{name} is old: run `python docs/make_reference.py`"


def test_every_field_of_a_draft_and_every_code_has_its_meaning():
    made = reference()
    assert made.without_meaning() == []
    assert set(made.codes()) >= {"E_RESULT", "E_APPROVAL", "E_USAGE", "W_NO_WITNESS"}


def test_every_name_of_the_front_door_has_an_example():
    import trialkit

    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    shown = "\n".join(
        block.body for block in blocks(ROOT / "docs" / "reference" / "python.md") if block.kind == "python"
    )
    for name in trialkit.__all__:
        assert f"`{name}`" in page, name
        assert re.search(rf"\b{name}\b", shown), name


def test_a_page_that_is_wrong_is_found(tmp_path):
    """The reader of pages is a test too: it must be able to fail."""
    assert matches("a ... c", "a b\nc")
    assert not matches("a ... c", "a b")
    page = tmp_path / "page.md"
    page.write_text("```python\n1 + 1  # -> 3\n```\n")
    with pytest.raises(AssertionError, match="2 is not 3"):
        run_python(next(blocks(page)), {})


def test_every_fragment_has_a_kind_and_says_something():
    for path in (ROOT / "changes").glob("*.md"):
        if path.name == "README.md":
            continue
        assert re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md", path.name), path.name
        assert 20 < len(path.read_text(encoding="utf-8").strip()) < 400, path.name
