"""How a page is read by its test: the fenced blocks a reader would copy, in order, and what each should give.

- ``console``: ``$ `` begins a command, ``> `` a line typed into it, other lines are what is printed (``...`` stands
  for anything). A command must exit with 0 unless ``$ echo $?`` follows and shows otherwise.
- ``python``: runs in one namespace per page; an expression with ``# -> text`` must have that ``repr``.
- a block after ``<!-- file: NAME -->`` is written to that file.
- a page that begins with ``<!-- files of: PAGE -->`` finds the files of that page's first blocks written already.
"""

from __future__ import annotations

import ast
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_EXPECTED = re.compile(r"#\s*->\s*(.+)$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    kind: str
    body: str
    line: int
    file: str = ""


@dataclass(frozen=True)
class Typed:
    """One command of a console block, what is typed into it and what it should print."""

    command: str
    answers: str
    expected: str


def pages() -> list[Path]:
    """Every page a reader is sent to; the specification and the decisions are texts of their own."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    own = [path for path in found if path.relative_to(ROOT / "docs").parts[0] not in ("spec", "decisions")]
    return [ROOT / "README.md", *own]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(found["kind"], found["body"], text[: found.start()].count("\n") + 1, found["file"] or "")


def given(page: Path) -> list[Block]:
    """The files a page takes over from the page it goes on from."""
    found = re.match(r"<!-- files of: (\S+) -->", page.read_text(encoding="utf-8"))
    return [block for block in blocks(page.parent / found[1]) if block.file] if found else []


def links(page: Path) -> list[str]:
    """The targets of a page's links, outside fenced blocks."""
    return _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def typed(block: Block) -> Iterator[Typed]:
    """The commands of a console block."""
    for part in re.split(r"^(?=\$ )", block.body, flags=re.MULTILINE):
        if not part.startswith("$ "):
            assert not part.strip(), f"line {block.line}: a console block begins with a command"
            continue
        first, *rest = part.splitlines()
        answers = [line[2:] for line in rest if line.startswith("> ")]
        printed = [line for line in rest if not line.startswith("> ")]
        yield Typed(first[2:], "".join(f"{line}\n" for line in answers), "\n".join(printed))


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what the page shows, spacing aside, ``...`` standing for anything."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("...")]
    return re.fullmatch(r"\s*" + r"(?:\s|.)*?".join(parts) + r"\s*", printed) is not None


def run(command: str, answers: str, folder: Path) -> tuple[int, str]:
    """Run one command: trialkit in this process, anything else in a shell; the exit status and what was printed."""
    if not command.startswith("trialkit ") or "|" in command or ">" in command:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            input=answers,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr
    from trialkit.cli.main import pressed

    out, kept = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), (sys.stdin, sys.stdout, sys.stderr)
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(answers), out, out
    try:
        status = pressed(shlex.split(command)[1:])
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
    out.seek(0)
    return status, out.read()


def run_python(block: Block, names: dict[str, object]) -> None:
    """Run a python block; each expression marked ``# -> text`` must have that ``repr``."""
    lines = block.body.splitlines()
    for node in ast.parse(block.body).body:
        expected = _EXPECTED.search(lines[node.end_lineno - 1]) if node.end_lineno else None
        where = f"line {block.line + node.lineno}"
        if expected and isinstance(node, ast.Expr):
            found = repr(eval(compile(ast.Expression(node.value), where, "eval"), names))
            assert matches(expected[1], found), f"{where}: {found} is not {expected[1]}"
        else:
            assert not expected, f"{where}: only an expression has a value to show"
            exec(compile(ast.Module([node], []), where, "exec"), names)
