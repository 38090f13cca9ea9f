"""Killed at any instant, or out of room: a folder that verifies, and a command that can simply be run again."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.attack.results import seed, write
from tests.attack.terminal import (
    APPROVED,
    DICE_ALONE,
    ROUND_TO_COME,
    Ended,
    called,
    drawing,
    evidence,
    press,
    queue,
    started,
    trial,
)
from trialkit.draw.folder import DrawFolder

SEED = seed()
STEPS = ("commit", "draw", "next", "void")


@dataclass
class Scene:
    """A trial as it stands before a step, and the words that make the step."""

    before: Path
    words: Callable[[Path], list[object]]
    done: str  # the type of the entry that the step makes
    refusal: str  # what the same command says once the step is made
    life: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    place = tmp_path_factory.mktemp("scenes")
    throws, secret = evidence(place / "throws.json"), place / "secret.json"
    plain = trial("copenhagen_2012_rollout", place / "plain", DICE_ALONE, APPROVED)
    committed = place / "committed"
    shutil.copytree(plain, committed)
    assert called("commit", committed).status == 0
    waiting = trial("copenhagen_2012_rollout", place / "waiting", ROUND_TO_COME, APPROVED)
    assert called("commit", waiting).status == 0
    people = queue(place / "people", secret)
    assign = ["next", "F001", "--stratum", "unborn", "--secret-file", secret]
    return {
        "commit": Scene(plain, lambda here: ["commit", here], "commit", "E_REROLL"),
        "draw": Scene(committed, lambda here: ["draw", here, "--evidence", throws], "draw", "E_REROLL"),
        "next": Scene(people, lambda here: [*assign[:2], here, *assign[2:]], "assign", "E_ASSIGN"),
        "void": Scene(waiting, lambda here: ["void", here, "--reason", "Fejl i listen."], "void", "E_NOT_COMMITTED"),
    }


def traces(here: Path) -> set[tuple[str, int]]:
    """Names and sizes of everything in the trial's folder."""
    found = set()
    for root, _, names in os.walk(here):
        for name in names:
            try:
                found.add((name, os.stat(os.path.join(root, name)).st_mtime_ns))
            except FileNotFoundError:
                found.add((name, -1))
    return found


def kill(worker: subprocess.Popen[bytes], here: Path, rng: Random, life: float, *, at_work: bool) -> None:
    """At any instant of its life, or within milliseconds of its first writing."""
    if at_work:
        start = traces(here)
        while worker.poll() is None and traces(here) == start:
            pass
        time.sleep(rng.choice((0.0, rng.uniform(0, 0.004), rng.uniform(0, 0.05))))
    else:
        time.sleep(rng.uniform(0, life))
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def entries(here: Path, kind: str) -> int:
    if not (here / "draws").is_dir() or not list((here / "draws").glob("*/ledger.jsonl")):
        return 0
    return sum(entry["type"] == kind for entry in DrawFolder(drawing(here)).entries())


def holds(here: Path) -> bool:
    """Every ledger and record there verifies; one that is not there yet cannot fail."""
    folders = [DrawFolder(path.parent) for path in here.glob("draws/*/ledger.jsonl")]
    return all(folder.verify(bls=False).failure in _fair(folder) for folder in folders)


def _fair(folder: DrawFolder) -> tuple[str, ...]:
    """Between the draw's entry and its record's name there is an open ledger that says so, and nothing else."""
    return ("",) if folder.record_bytes or not folder.story().drawn or folder.pending() else ()


def again(scene: Scene, here: Path, made: bool) -> Ended:
    """The same command once more: it makes the step, or says that it is made."""
    ended = press(*scene.words(here)).civil()
    finished = scene.done == "draw" and ended.status == 0  # entered, but not yet under its own name
    if made and not finished:
        assert (ended.status, ended.code) == (1, scene.refusal), ended.said
    else:
        assert ended.status == 0, ended.said
    return ended


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.nightly)], ids=["reduced", "full"])
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_command_is_simply_run_again(
    step: str, kills: int, scenes: dict[str, Scene], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scene, rng, counted = scenes[step], Random(f"{SEED} {step}"), Counter[str]()
    for number in range(kills):
        here = tmp_path / f"k{number}"
        shutil.copytree(scene.before, here)
        worker = started(*scene.words(here), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill(worker, here, rng, life=1.0, at_work=number % 4 != 3)
        made = entries(here, scene.done) > 0
        left = [path.name for path in here.rglob(".*") if path.name != ".lock"]
        counted.update(["kills", "entered" if made else "not entered", *(["half-written"] if left else [])])
        counted.update(["pending"] if list(here.rglob("record.pending")) else [])
        assert holds(here), f"seed {SEED}, {step} {number}"
        again(scene, here, made)
        assert holds(here)
        assert entries(here, scene.done) == 1
        assert not [name for path in here.glob("draws/*/.*") if (name := path.name).startswith((".ledger", ".record"))]
        if step == "draw":
            assert list(drawing(here).glob("units.*.html"))
            assert not list(drawing(here).glob("record.pending"))
        shutil.rmtree(here)
    if kills > 2:
        write(f"attack_kills_{step}", SEED, [("count", name, count) for name, count in sorted(counted.items())])


# -- no room ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    here = tmp_path / "disk"
    here.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(here)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no small disk could be mounted (that takes root): the full disk was not tried; file sizes were")
    yield here
    subprocess.run(["umount", str(here)], check=True)


PAGE = 4096


def filled(disk: Path, free: int) -> None:
    """Fill the disk until ``free`` bytes are left."""
    (disk / "filler").unlink(missing_ok=True)
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(b"\0" * max(0, room - free))


@pytest.mark.parametrize("pages", [4, pytest.param(1, marks=pytest.mark.nightly)], ids=["reduced", "full"])
@pytest.mark.parametrize("step", ["commit", "draw"])
def test_a_full_disk_leaves_what_was_there_and_the_command_works_when_there_is_room(
    step: str, pages: int, scenes: dict[str, Scene], small_disk: Path
) -> None:
    scene, here, refused = scenes[step], small_disk / "trial", 0
    shutil.copytree(scene.before, here)
    for free in range(0, 64 * PAGE, pages * PAGE):
        filled(small_disk, free)
        made = entries(here, scene.done)
        ended = press(*scene.words(here)).civil()
        assert holds(here)
        assert entries(here, scene.done) >= made
        if ended.status == 0:
            break
        assert ended.code == "E_MACHINE" or made
        refused += 1
    (small_disk / "filler").unlink()
    if ended.status:
        ended = again(scene, here, entries(here, scene.done) > 0)
    assert refused
    assert entries(here, scene.done) == 1
    assert holds(here)
    assert not list(here.rglob(".ledger*"))


@pytest.mark.parametrize("largest", [0, 300, 2_000, 6_000])
def test_a_file_that_may_not_grow_is_not_half_written(largest: int, scenes: dict[str, Scene], tmp_path: Path) -> None:
    scene, here = scenes["draw"], tmp_path / "trial"
    shutil.copytree(scene.before, here)
    ended = press(*scene.words(here), limits={resource.RLIMIT_FSIZE: largest}).civil()
    assert (ended.status, ended.code) == (1, "E_MACHINE") or largest == 6_000
    made = entries(here, "draw") > 0
    assert holds(here)
    again(scene, here, made)
    assert entries(here, "draw") == 1
    assert list(drawing(here).glob("units.*.html"))
