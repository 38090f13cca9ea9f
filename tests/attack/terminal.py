"""The real command in a process of its own: what it said, how it ended, and how much memory it took."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from trialkit.cli.main import pressed

COMMAND = Path(sys.executable).with_name("trialkit")
PROTOCOLS = Path(__file__).parents[2] / "protocols"
GIB = 2**30
ADDRESS_SPACE = 4 * GIB  # what a process may ask for; nothing that is not held against a bound of its own comes near
QUIET = {**os.environ, "TRIALKIT_LANG": "en", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

THROWS = [6, 3, 4, 5, 4, 6, 6, 0, 3, 9, 0, 1, 0, 3, 1, 6, 9, 4, 6, 2]
DICE_ALONE = (r"(?m)^    - \{drand: .*\n", "")
APPROVED = (r"status: awaiting", "status: approved")
ROUND_TO_COME = (r"first round after \d{4}-\d\d-\d\d \d\d:\d\d", "first round after 2099-01-20 12:00")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str
    mebibytes: int
    seconds: float

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def code(self) -> str:
        """The name in which it was refused; empty if it was not."""
        found = re.findall(r"\((E_[A-Z_]+)\)\s*$", self.err)
        return found[-1] if found else ""

    def civil(self) -> Ended:
        """Done, refused by name, wrong usage or not confirmed; never a traceback, never killed."""
        assert self.status in (0, 1, 2, 3), self.said[-2000:]
        assert "Traceback" not in self.said, self.said[-3000:]
        if self.status == 1:
            assert re.search(r"\bE_[A-Z_]+", self.said), self.said
        return self


def started(*words: object, folder: Path | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """The command on its way."""
    command = [str(COMMAND), *map(str, words)]
    return subprocess.Popen(command, env=QUIET, cwd=folder, stdin=subprocess.DEVNULL, **options)


def press(*words: object, folder: Path | None = None, limits: dict[int, int] | None = None) -> Ended:
    """The command to its end, under limits of the operating system."""
    held = {resource.RLIMIT_AS: ADDRESS_SPACE, **(limits or {})}

    def hold() -> None:
        for kind, most in held.items():
            resource.setrlimit(kind, (most, most))

    begun = time.monotonic()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}  # a file would be held by the limits too
    with started(*words, folder=folder, preexec_fn=hold, **pipes) as worker, ThreadPoolExecutor(2) as readers:
        out, err = readers.map(lambda pipe: pipe.read().decode("utf-8", "replace"), (worker.stdout, worker.stderr))
        _, status, used = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
    return Ended(
        status=worker.returncode,
        out=out,
        err=err,
        mebibytes=used.ru_maxrss // 1024,
        seconds=time.monotonic() - begun,
    )


def called(*words: object) -> Ended:
    """The command within this process, so much sooner; an exception that nobody caught stops the test."""
    out, err = StringIO(), StringIO()
    begun = time.monotonic()
    with redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, QUIET):
        status = pressed([str(word) for word in words])
    spent = time.monotonic() - begun
    return Ended(status=status, out=out.getvalue(), err=err.getvalue(), mebibytes=0, seconds=spent)


def trial(name: str, folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of a trial we ship, with lines of its draft changed; each change must find its line."""
    shutil.copytree(PROTOCOLS / name, folder)
    draft = folder / "draft.yaml"
    text = draft.read_text(encoding="utf-8")
    for pattern, written in changes:
        text, times = re.subn(pattern, lambda _, written=written: written, text)
        assert times, pattern
    draft.write_text(text, encoding="utf-8")
    return folder


def drawing(folder: Path) -> Path:
    """The folder of the trial's only draw."""
    (found,) = (folder / "draws").iterdir()
    return found


def evidence(path: Path, throws: Sequence[int] = THROWS) -> Path:
    """A file of throws for ``--evidence``."""
    path.write_text(json.dumps([{"kind": "rolls", "values": list(throws)}]))
    return path


def queue(folder: Path, secret: Path) -> Path:
    """The screening trial, committed behind a sealed secret, its dice entered: people can be assigned."""
    made = trial("early_screening_2017", folder, DICE_ALONE, APPROVED)
    sealed = json.loads(called("seal", made, "--party", "keeper outside the team", "--out", secret, "--json").out)
    draft = made / "draft.yaml"
    named = "{sealed_secret: keeper outside the team}"
    line = f"{named[:-1]}, commitment: {sealed['commitment']}}}\n    - {{dice: ten-sided, throws: 20}}"
    text = draft.read_text(encoding="utf-8")
    assert named in text
    draft.write_text(text.replace(named, line), encoding="utf-8")
    assert called("commit", made).status == 0
    assert called("open", made, "--source", 1, "--value", ",".join(map(str, THROWS))).status == 0
    return made
