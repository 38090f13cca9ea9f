"""What the checking page's tests share: vectors, node, chromium, and the two builds of the page as single files."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trialkit.report.verifier import page

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "trialkit" / "report" / "verifier"
VECTOR_FILE = HERE.parent / "vectors" / "draw_vectors.json"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Node = Callable[..., "subprocess.CompletedProcess[str]"]
Vectors = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def vectors() -> Vectors:
    found: Vectors = json.loads(VECTOR_FILE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def node() -> Node:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed: the browser's half of the draw was not replayed outside a browser")

    def run(*arguments: str, script: str = "cli.js", given: str = "") -> subprocess.CompletedProcess[str]:
        command = [program, str(SOURCES / script), *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8", check=False)

    return run


@pytest.fixture(scope="session")
def npm_tree() -> Path:
    """The locked third-party tree; `make page` installs it."""
    tree = SOURCES / "node_modules"
    if not (tree / "@noble" / "curves").is_dir():
        pytest.skip("node_modules is missing (make page installs it): drand was not verified in JavaScript")
    return tree


@pytest.fixture(scope="session")
def core_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the core page as one file on disk."""
    return _written(tmp_path_factory.mktemp("core"), page())


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory, npm_tree: Path) -> str:
    """URL of the full page as one file on disk, bundled here and now from the locked tree."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the full checking page was not built")
    subprocess.run([npm, "run", "--silent", "bundle"], cwd=SOURCES, check=True, capture_output=True)
    return _written(tmp_path_factory.mktemp("full"), page((npm_tree / ".bls.bundle.js").read_text(encoding="utf-8")))


def _written(folder: Path, html: str) -> str:
    path = folder / "check.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page was opened")
    if not CHROMIUM.exists():
        pytest.skip("/usr/bin/chromium is missing (apt-get install chromium): no page was opened")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A fresh tab without network; any error on the page, and any request but for the file itself, fails the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, offline=True, locale="da-DK")
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    opened.on(
        "request", lambda request: None if request.url.startswith(("file:", "blob:")) else troubles.append(request.url)
    )
    yield opened
    context.close()
    assert troubles == []


@pytest.fixture(scope="session")
def story(vectors: Vectors) -> dict[str, str]:
    """A genuine record and ledger: dice and drand, two witnesses of two."""
    found = next(v for v in vectors["confirmed"] if v["name"] == "confirmed: dice and drand, with BLS")
    return {"record.json": found["record"], "ledger.jsonl": found["ledger"]}


@pytest.fixture(scope="session")
def named(vectors: Vectors) -> Callable[[str, str], dict[str, Any]]:
    """A vector by its group and name."""
    return lambda group, name: next(v for v in vectors[group] if v["name"] == name)
