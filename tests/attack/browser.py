"""The second program: the checking page's own JavaScript under node, one process, one JSON line per case."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attack.cases import Case

VERIFIER = Path(__file__).parents[2] / "trialkit" / "report" / "verifier"
WINDOW = 64  # cases under way at once: node works while Python does, and neither's pipe fills up


def node() -> str:
    """The program, or a skip that says what was not compared."""
    if (program := shutil.which("node")) is None:
        pytest.skip("node is not installed: Python and JavaScript were not compared")
    return program


def needs_curves() -> None:
    if not (VERIFIER / "node_modules" / "@noble" / "curves").is_dir():
        pytest.skip("node_modules is missing (make page installs it): drand was not compared with JavaScript")


def answers(cases: Iterable[Case], *options: str) -> Iterator[tuple[Case, dict[str, Any]]]:
    """Each case with the page's answer."""
    command = [node(), str(VERIFIER / "cli.js"), *options, "--stream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as worker:
        assert worker.stdin
        assert worker.stdout
        waiting: list[Case] = []
        for case in cases:
            worker.stdin.write(json.dumps(case.as_line()) + "\n")
            waiting.append(case)
            if len(waiting) == WINDOW:
                worker.stdin.flush()
                yield from _read(waiting, worker.stdout)
                waiting = []
        worker.stdin.close()
        yield from _read(waiting, worker.stdout)
    assert worker.returncode == 0


def _read(waiting: list[Case], lines: Any) -> Iterator[tuple[Case, dict[str, Any]]]:
    for case in waiting:
        line = lines.readline()
        assert line, f"the JavaScript stopped at {case.name}"
        yield case, json.loads(line)
