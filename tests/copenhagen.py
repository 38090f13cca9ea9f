"""The Copenhagen trial from draft to frozen data at fixed moments with fixed dice: the same bytes in every run."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trialkit.cli.demo_outcomes import write_outcomes
from trialkit.draw.official import redraw
from trialkit.trial import Trial

PROTOCOLS = Path(__file__).parents[1] / "protocols"
THROWS = [6, 3, 4, 5, 4, 6, 6, 0, 3, 9, 0, 1, 0, 3, 1, 6, 9, 4, 6, 2]
DAY = datetime(2013, 1, 15, 12, 0, 0, tzinfo=UTC)


def drawn(folder, *changes, throws=THROWS):
    """A trial in ``folder``, committed and drawn by dice; ``changes`` are (pattern, written) in its draft."""
    shutil.copytree(PROTOCOLS / "copenhagen_2012_rollout", folder)
    text = (folder / "draft.yaml").read_text(encoding="utf-8")
    for pattern, written in ((r"(?m)^    - \{drand: .*\n", ""), (r"status: awaiting", "status: approved"), *changes):
        text, times = re.subn(pattern, written, text)
        assert times, pattern
    (folder / "draft.yaml").write_text(text, encoding="utf-8")
    trial = Trial.open(folder)
    made = trial.commit(DAY)[0]
    made.folder.open(0, ",".join(map(str, throws)), DAY + timedelta(seconds=1))
    made.folder.draw([{"kind": "rolls", "values": throws}], DAY + timedelta(seconds=2))
    return Trial.open(folder)


def recorded(trial):
    """The same with the demonstration's outcomes in its records."""
    draw = redraw(trial.drawing().record_bytes)
    trial.record(write_outcomes(trial, draw), by="test", moment=DAY + timedelta(seconds=3))
    return trial


def frozen(trial):
    """The same, frozen."""
    trial.freeze(DAY + timedelta(seconds=4), by="test")
    return trial
