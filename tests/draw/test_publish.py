"""Files that are whole or not there, never written over, and one process at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from trialkit.draw import publish
from trialkit.errors import DrawError


def left_over(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_published_file_is_never_written_over(tmp_path):
    path = tmp_path / "record.json"
    publish.write_new(path, b"one")
    with pytest.raises(DrawError, match="E_EXISTS"):
        publish.write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert left_over(tmp_path) == ["record.json"]


def test_on_a_drive_without_hard_links_the_same_holds(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    test_a_published_file_is_never_written_over(tmp_path)


def test_replace_writes_over_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for data in (b"one\n", b"one\ntwo\n"):
        publish.replace(path, data)
    assert path.read_bytes() == b"one\ntwo\n"
    assert left_over(tmp_path) == ["ledger.jsonl"]


@pytest.mark.parametrize("write", [publish.write_new, publish.replace])
def test_a_write_that_fails_leaves_the_folder_as_it_was(tmp_path, monkeypatch, write):
    path = tmp_path / "a"

    def fail(_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, b"one")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("write", [publish.write_new, publish.replace])
def test_the_data_are_on_the_disk_before_the_name_and_the_folder_after(tmp_path, monkeypatch, write):
    steps = []
    path, real = tmp_path / "a", os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append((path.exists(), os.fstat(fd).st_size)), real(fd)))
    write(path, b"four")
    assert [there for there, _ in steps] == [False, True]
    assert steps[0][1] == 4


HOLD = """
import sys
from pathlib import Path
from trialkit.draw.publish import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_process_and_let_go_when_it_dies(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DrawError, match="E_BUSY"), publish.locked(tmp_path):
            pass
        other.kill()
    with publish.locked(tmp_path):
        pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(publish.fcntl, "flock", refuse)
    with pytest.raises(DrawError, match="E_LOCK"), publish.locked(tmp_path):
        pass
