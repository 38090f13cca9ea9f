"""The page as one file: nothing is fetched, its policy allows exactly its own scripts, and it has words for everything."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from hashlib import sha256

import pytest

from tests.verifier.conftest import SOURCES, Node
from trialkit.errors import TrialkitError
from trialkit.report.verifier import page

NAMES = re.compile(r"\b[EW]_[A-Z]+(?:_[A-Z]+)*\b")


def blocks(html: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)


def allowed(html: str, kind: str) -> set[str]:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    [found] = [part.split()[1:] for part in policy[1].split(";") if part.split()[0] == kind]
    return set(found)


def digests(texts: list[str]) -> set[str]:
    return {f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts}


@pytest.mark.parametrize("bls", [None, "globalThis.trialkit.bls = () => false;"])
def test_the_policy_allows_these_scripts_and_nothing_else(bls: str | None) -> None:
    html = page(bls)
    assert allowed(html, "default-src") == {"'none'"}
    assert allowed(html, "script-src") == digests(blocks(html, "script"))
    assert allowed(html, "style-src") == digests(blocks(html, "style"))


def test_nothing_is_fetched() -> None:
    html = page()
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", html)
    code = "".join(blocks(html, "script"))
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|eval|innerHTML)\b", code)


def test_the_sources_hold_nobody_elses_code() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "."], cwd=SOURCES, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    assert not [name for name in tracked if "node_modules" in name or "bundle" in name]


def test_the_locked_tree_names_every_digest() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {"node_modules/@noble/curves", "node_modules/esbuild", "node_modules/axe-core"} <= packages.keys()
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


def test_a_script_that_would_end_itself_is_refused() -> None:
    with pytest.raises(TrialkitError, match="would end it inside the page"):
        page("'</script>'")


def words(node: Node) -> dict[str, dict[str, object]]:
    run = node(script="../../../tests/verifier/words.js")
    assert run.returncode == 0, run.stderr
    found: dict[str, dict[str, object]] = json.loads(run.stdout)
    return found


def shape(value: object) -> object:
    """Keys and blanks of words, without the words."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value]
    return sorted(set(re.findall(r"\{(\w+)\}", str(value))))


def test_both_languages_have_the_same_words_with_the_same_blanks(node: Node) -> None:
    found = words(node)
    assert shape(found["da"]) == shape(found["en"])


def test_every_failure_and_warning_has_plain_words(node: Node) -> None:
    """The names are those the page's own code can give; the vectors hold them to the specification."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in SOURCES.glob("*.js")
        if not path.name.startswith(("words", "page", "cli", "vectors"))
    )
    given = set(NAMES.findall(code))
    assert {"E_LATE_OPENING", "W_LATE_OPENING", "E_NO_ACCEPT", "W_NOT_CONCEALED"} <= given
    for told in words(node).values():
        failures, warnings = told["failure"], told["warning"]
        assert isinstance(failures, dict)
        assert isinstance(warnings, dict)
        assert {name for name in given if name.startswith("E_")} == set(failures)
        assert {name for name in given if name.startswith("W_")} == {n for n in warnings if n.startswith("W_")}
        assert all(len(text) == 2 and len(text[0]) > 20 for text in [*failures.values(), *warnings.values()])


def test_every_reason_the_code_can_give_has_words(node: Node) -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in SOURCES.glob("*.js") if not path.name.startswith("words")
    )
    reasons = set(re.findall(r'why: "(\w+)"', code)) | set(re.findall(r'wrong\("(\w+)"', code))
    for told in words(node).values():
        why = told["why"]
        assert isinstance(why, dict)
        assert reasons <= set(why)
