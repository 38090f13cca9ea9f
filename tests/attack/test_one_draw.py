"""Eight people press the same button: one official draw, one entry each, and the losers are told why.

The folder's own races, 200 of eight processes, are in ``tests/draw/test_folder.py``; here the whole command runs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.attack.results import seed, write
from tests.attack.terminal import APPROVED, DICE_ALONE, THROWS, called, drawing, evidence, queue, started, trial
from trialkit.draw.folder import DrawFolder

SEED = seed()
EIGHT = range(8)


def together(commands: list[list[object]]) -> list[tuple[int, str]]:
    """All at once: how each ended, and what it said."""
    workers = [started(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for words in commands]
    said = [worker.communicate()[0].decode() for worker in workers]
    assert not [text for text in said if "Traceback" in text]
    return [(worker.returncode, text) for worker, text in zip(workers, said, strict=True)]


@pytest.mark.parametrize("races", [1, pytest.param(40, marks=pytest.mark.nightly)], ids=["reduced", "full"])
def test_of_eight_commands_one_draws(races: int, tmp_path: Path) -> None:
    before = trial("copenhagen_2012_rollout", tmp_path / "before", DICE_ALONE, APPROVED)
    assert called("commit", before).status == 0
    throws = [evidence(tmp_path / f"{place}.json", THROWS[place:] + THROWS[:place]) for place in EIGHT]
    winners = Counter[int]()
    for race in range(races):
        here = tmp_path / f"race {race}"
        shutil.copytree(before, here)
        ended = together([["draw", here, "--evidence", thrown] for thrown in throws])
        won = [place for place, (status, _) in enumerate(ended) if status == 0]
        lost = [text for status, text in ended if status == 1]
        assert (len(won), len(lost)) == (1, 7), ended
        assert all("E_REROLL" in text and "made once" in text for text in lost)
        folder = DrawFolder(drawing(here))
        drawn = [entry["body"]["record_hash"] for entry in folder.entries() if entry["type"] == "draw"]
        assert len(drawn) == 1
        assert drawn[0] in ended[won[0]][1]
        assert folder.verify().failure == ""
        winners.update(won)
    if races > 1:
        rows = [("winner", f"process {place}", winners[place]) for place in EIGHT]
        write("attack_races_draw", SEED, [("count", "races of 8 commands", races), *rows])


@pytest.mark.parametrize("races", [1, pytest.param(40, marks=pytest.mark.nightly)], ids=["reduced", "full"])
def test_eight_commands_get_eight_entries_and_skip_none(races: int, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    before = queue(tmp_path / "before", secret)
    for race in range(races):
        here = tmp_path / f"race {race}"
        shutil.copytree(before, here)
        words = [["next", f"F{place % 7}", here, "--stratum", "unborn", "--secret-file", secret] for place in EIGHT]
        ended = together(words)  # F0 is enrolled twice: one of the two is told
        refused = [text for status, text in ended if status]
        assert len(refused) == 1
        assert "E_ASSIGN" in refused[0]
        folder = DrawFolder(drawing(here))
        assigned = [entry["body"] for entry in folder.entries() if entry["type"] == "assign"]
        assert [body["position"] for body in assigned] == list(range(1, 8))
        assert {body["unit"] for body in assigned} == {f"F{place}" for place in range(7)}
        assert folder.verify().failure == ""
    if races > 1:
        write("attack_races_next", SEED, [("count", "races of 8 commands", races), ("count", "assigned", 7 * races)])
