"""Somebody who sits at the machine: what is refused by name here, and what only witnesses can stop (decision 0009)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.attack.terminal import APPROVED, DICE_ALONE, THROWS, called, drawing, evidence, trial
from trialkit.canonical import parse
from trialkit.draw.folder import DrawFolder
from trialkit.draw.official import official

CHOSEN = THROWS[::-1]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = trial("copenhagen_2012_rollout", tmp_path_factory.mktemp("insider") / "trial", DICE_ALONE, APPROVED)
    assert called("commit", here).status == 0
    return here


@pytest.fixture
def here(committed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "trial"))


@pytest.fixture
def thrown(tmp_path: Path) -> Path:
    return evidence(tmp_path / "thrown.json")


def laid_ready(here: Path) -> bytes:
    """The record of a draw by throws that somebody chose at home."""
    protocol = parse((drawing(here) / "protocol.json").read_bytes())
    return official(protocol, [{"kind": "rolls", "values": CHOSEN}]).record_bytes


def test_a_draw_laid_ready_is_not_entered_instead_of_the_one_that_is_thrown(here: Path, thrown: Path) -> None:
    pending = drawing(here) / "record.pending"
    pending.write_bytes(laid_ready(here))
    ended = called("draw", here, "--evidence", thrown).civil()
    assert (ended.status, ended.code) == (1, "E_REROLL")
    assert "begun with other evidence" in ended.err
    assert DrawFolder(drawing(here)).story().drawn is None
    pending.unlink()
    assert called("draw", here, "--evidence", thrown).status == 0
    assert parse((drawing(here) / "record.json").read_bytes())["evidence"][0]["values"] == THROWS


@pytest.mark.parametrize("garbage", [b"x", b"{}", b"[" * 200, b"\0" * 5000])
def test_garbage_laid_ready_is_not_entered(here: Path, thrown: Path, garbage: bytes) -> None:
    (drawing(here) / "record.pending").write_bytes(garbage)
    assert called("draw", here, "--evidence", thrown).civil().code == "E_REROLL"
    assert called("draw", here, "--evidence", thrown).civil().code == "E_REROLL"
    assert DrawFolder(drawing(here)).story().drawn is None


def test_a_draw_laid_ready_after_the_draw_changes_nothing(here: Path, thrown: Path) -> None:
    assert called("draw", here, "--evidence", thrown).status == 0
    record = (drawing(here) / "record.json").read_bytes()
    (drawing(here) / "record.pending").write_bytes(laid_ready(here))
    ended = called("draw", here, "--evidence", thrown).civil()
    assert (ended.status, ended.code) == (1, "E_REROLL")
    assert (drawing(here) / "record.json").read_bytes() == record
    assert called("verify", here).civil().status == 3


def test_a_record_laid_ready_does_not_pass_for_the_result(here: Path, thrown: Path) -> None:
    record = drawing(here) / "record.json"
    record.write_bytes(laid_ready(here))
    ended = called("draw", here, "--evidence", thrown).civil()
    assert (ended.status, ended.code) == (1, "E_EXISTS")
    assert "E_RECORD_HASH" in called("verify", here).civil().out
    record.unlink()
    assert called("draw", here, "--evidence", thrown).status == 0
    record.write_bytes(laid_ready(here))
    assert "E_RECORD_HASH" in called("verify", here).civil().out


def test_an_older_copy_of_the_ledger_is_seen_by_whoever_kept_the_head(here: Path, thrown: Path) -> None:
    ledger = drawing(here) / "ledger.jsonl"
    before = ledger.read_bytes()
    assert called("draw", here, "--evidence", thrown).status == 0
    head = DrawFolder(drawing(here)).head
    for name in ("ledger.jsonl", "record.json"):
        (drawing(here) / name).unlink()
    ledger.write_bytes(before)
    other = evidence(here / "other.json", CHOSEN)
    assert called("draw", here, "--evidence", other).status == 0  # nothing on this machine can know
    ended = called("verify", here, "--head", head).civil()
    assert ended.status == 1
    assert "E_LEDGER_HEAD" in ended.out


def test_a_clock_set_back_is_refused(here: Path, thrown: Path) -> None:
    DrawFolder(drawing(here)).note("En note fra i morgen.", datetime.now(UTC) + timedelta(days=1))
    ended = called("draw", here, "--evidence", thrown).civil()
    assert (ended.status, ended.code) == (1, "E_LEDGER_TIME")
    assert not (drawing(here) / "record.json").exists()
    assert not (drawing(here) / "record.pending").exists()


def test_a_draws_folder_that_is_a_link_draws_once_like_any_other(here: Path, thrown: Path, tmp_path: Path) -> None:
    draws = here / "draws"
    (draws).rename(tmp_path / "elsewhere")
    draws.symlink_to(tmp_path / "elsewhere")
    second = tmp_path / "second"
    shutil.copytree(here, second, symlinks=True)
    assert called("draw", here, "--evidence", thrown).status == 0
    ended = called("draw", second, "--evidence", evidence(tmp_path / "other.json", CHOSEN)).civil()
    assert (ended.status, ended.code) == (1, "E_REROLL")


def test_a_draw_under_another_name_is_refused(here: Path, thrown: Path) -> None:
    (here / "draws" / "copenhagen_2012_again").symlink_to(drawing(here))
    ended = called("draw", here, "--draw", "copenhagen_2012_again", "--evidence", thrown).civil()
    assert ended.status in (1, 2)
    assert not list(here.glob("draws/*/record.json"))


@pytest.mark.parametrize("name", ["ledger.jsonl", "protocol.json", "record.json", "record.pending"])
def test_a_folder_where_a_file_should_be_is_refused_by_name(here: Path, thrown: Path, name: str) -> None:
    path = drawing(here) / name
    path.unlink(missing_ok=True)
    path.mkdir()
    ended = called("draw", here, "--evidence", thrown).civil()
    assert ended.status == 1
    assert not list(here.glob("draws/*/*.html"))


def test_a_folder_nobody_may_write_in_is_refused_in_words(here: Path, thrown: Path, tmp_path: Path) -> None:
    before = _files(here)
    closed = tmp_path / "closed"
    closed.mkdir()
    if os.geteuid() == 0:
        mount = subprocess.run(["mount", "--bind", str(here), str(closed)], capture_output=True)
        if mount.returncode != 0:
            pytest.skip("no read-only folder could be mounted, and root writes in any other: it was not tried")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(closed)], check=True)
    else:
        closed = here
        for folder in (here, *(path for path in here.rglob("*") if path.is_dir())):
            folder.chmod(0o500)
    try:
        for words in (["draw", closed, "--evidence", thrown], ["commit", closed], ["void", closed, "--reason", "x"]):
            ended = called(*words).civil()
            assert ended.status == 1
        assert called("draw", closed, "--evidence", thrown).code == "E_MACHINE"
        assert called("verify", closed).civil().status == 3
    finally:
        if closed != here:
            subprocess.run(["umount", str(closed)], check=True)
        else:
            for folder in (here, *(path for path in here.rglob("*") if path.is_dir())):
                folder.chmod(0o700)
    assert before == _files(here)


def _files(here: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}


def test_the_papers_of_another_result_are_not_made(here: Path, thrown: Path) -> None:
    """Without its papers a finished draw gets them again, but never from a record that is not the one entered."""
    assert called("draw", here, "--evidence", thrown).status == 0
    for page in drawing(here).glob("*.html"):
        page.unlink()
    (drawing(here) / "record.json").write_bytes(laid_ready(here))
    assert called("draw", here, "--evidence", thrown).civil().code == "E_REROLL"
    assert not list(drawing(here).glob("*.html"))


def test_a_secret_is_not_left_where_enrollers_look(here: Path) -> None:
    ended = called("seal", here, "--party", "Vogteren", "--out", here / "secret.json", "--json").civil()
    assert ended.status == 2
    assert json.loads(ended.out)["error"] == "E_USAGE"
    assert not (here / "secret.json").exists()
