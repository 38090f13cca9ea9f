"""The browser's half of the draw, replayed by node: every vector, and the stream of cases that a comparison feeds it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.conftest import VECTOR_FILE, Node, Vectors

Named = Callable[[str, str], dict[str, Any]]


def counts(output: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"(\d+) (?:passed|failed|skipped)", output.splitlines()[-1]))


def needing_bls(vectors: Vectors) -> int:
    return len(vectors["records_bls"]) + sum(v["bls"] for v in vectors["confirmed"]) + len(vectors["drand"])


def test_core_agrees_with_every_vector_that_needs_no_pairing(node: Node, vectors: Vectors) -> None:
    run = node("--vectors", str(VECTOR_FILE))
    assert run.returncode == 0, run.stdout
    skipped = needing_bls(vectors)
    assert counts(run.stdout) == (515 - skipped, 0, skipped)  # 515: section 11 counts the file itself


@pytest.mark.usefixtures("npm_tree")
def test_with_the_pairing_all_515_checks_agree(node: Node) -> None:
    run = node("--bls", "--vectors", str(VECTOR_FILE))
    assert run.returncode == 0, run.stdout
    assert counts(run.stdout) == (515, 0, 0)


def test_a_changed_vector_is_reported_as_failed(node: Node, vectors: Vectors, tmp_path: Path) -> None:
    spoiled = json.loads(json.dumps(vectors))
    spoiled["shuffle"][0]["sha256"] = "0" * 64
    path = tmp_path / "spoiled.json"
    path.write_text(json.dumps(spoiled), encoding="utf-8")
    run = node("--vectors", str(path))
    assert run.returncode == 1
    assert f"failed: shuffle: {spoiled['shuffle'][0]['name']}" in run.stdout


def streamed(node: Node, cases: list[dict[str, str]]) -> list[dict[str, Any]]:
    run = node("--stream", given="".join(json.dumps(case) + "\n" for case in cases))
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_stream_of_cases_gets_one_answer_each(node: Node, story: dict[str, str], named: Named) -> None:
    record, ledger = story["record.json"], story["ledger.jsonl"]
    dice = named("confirmed", "confirmed: dice alone, quorum met")
    not_utf8 = base64.b64encode(record.encode() + b"\xff").decode()
    found = streamed(
        node,
        [
            {"record": record, "ledger": ledger},
            {"record": dice["record"], "ledger": dice["ledger"]},
            {"record": record + " ", "ledger": ledger},
            {"ledger": ledger},
            {"record": record, "ledger": ledger, "head": "0" * 64},
            {"record_base64": not_utf8},
        ],
    )
    brief = [(one["failure"], one["document"], one["step"], one["confirmed"]) for one in found]
    assert brief == [
        ("OK", "", 0, False),  # drand, and no pairing here
        ("OK", "", 0, True),
        ("E_JSON", "record", 1, False),
        ("OK", "", 0, False),
        ("E_LEDGER_HEAD", "ledger", 3, False),
        ("E_JSON", "record", 1, False),
    ]
    assert found[0]["warnings"] == ["W_DRAND_UNVERIFIED"]
    assert found[2]["ledger"] == {"failure": "E_JSON", "step": 0, "warnings": []}


@pytest.mark.parametrize(
    ("damage", "failure", "step"),
    [
        (lambda r: r[:-1] + b',"a":1}', "E_JSON", 1),  # keys out of order
        (lambda r: r[:-1] + b',"x":{"__proto__":1}}', "E_SCHEMA", 3),
        (lambda r: b"[" * 500_000 + b"]" * 500_000, "E_JSON", 1),  # deep enough for any stack
        (lambda r: r.replace(b'"attempt":0', b'"attempt":-0'), "E_JSON", 1),
        (lambda r: r.replace(b'"evidence"', b'"__proto__":1,"evidence"'), "E_SCHEMA", 3),
        (lambda r: b"\xef\xbb\xbf" + r, "E_JSON", 1),
        (lambda r: r + b"\n", "OK", 0),
        (lambda r: r + b"\n\n", "E_JSON", 1),
        (lambda r: b"", "E_JSON", 1),
        (lambda r: b'"text"', "E_FORMAT", 2),
    ],
)
def test_bytes_that_are_nearly_a_record(
    node: Node, story: dict[str, str], damage: Callable[[bytes], bytes], failure: str, step: int
) -> None:
    damaged = damage(story["record.json"].encode())
    [found] = streamed(node, [{"record_base64": base64.b64encode(damaged).decode()}])
    assert (found["failure"], found["step"]) == (failure, step)


def test_files_on_the_command_line(node: Node, story: dict[str, str], tmp_path: Path) -> None:
    for name, text in story.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = node(str(tmp_path / "record.json"), str(tmp_path / "ledger.jsonl"))
    assert run.returncode == 0
    assert json.loads(run.stdout)["ledger"] == {"failure": "OK", "step": 0, "warnings": []}
    assert node().returncode == 2
