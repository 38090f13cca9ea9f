"""W8: what it costs to start a process, whole processes, interleaved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import Contestant, interleaved, verdict

STARTS = 4  # rounds of this workload for each round asked for: one start is short


def started(*command: str) -> Callable[[], object]:
    """One start of ``command`` that must succeed."""
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours beside bare Python and beside the command-line library it stands on."""
    if data:
        return ["starting a process takes no data; leave out --data"]
    python, script = sys.executable, Path(sys.executable).with_name("trialkit")
    found = interleaved(
        {
            "python -c pass": Contestant(started(python, "-c", "pass")),
            "import trialkit": Contestant(started(python, "-c", "import trialkit")),
            "import typer": Contestant(started(python, "-c", "import typer")),
            "trialkit --help": Contestant(started(str(script), "--help")),
        },
        rounds * STARTS,
    )
    bare, front_door, typer, help_ = found.values()
    return [
        bare.line(),
        front_door.line(note=f"CPU over bare python {verdict(front_door.over(bare), at_most=2)}"),
        typer.line(),
        help_.line(note=f"CPU over import typer {verdict(help_.over(typer), at_most=1.3)}"),
    ]
