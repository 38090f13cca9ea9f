"""Interrupted simulations: every chunk that is done, in a file, so that a run goes on where it stopped.  The room's
only I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from trialkit.errors import UsageError
from trialkit.power.simulate import Key, Tally


@dataclass(eq=False)
class Checkpoint:
    """A file of JSON lines: the first says what is simulated, each other holds one chunk.

    Chunks have their own streams, so one that was done before is the same as one done now.
    """

    path: Path
    what: str
    chunks: dict[tuple[int, Key], Tally] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, what: Mapping[str, Any]) -> Self:
        """The file as it stands, or a new one; a last line that was cut off is left out.

        Raises
        ------
        UsageError
            The file is of another simulation, or no checkpoint at all.
        """
        named = json.dumps(what, sort_keys=True)
        found = cls(path, named)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if lines and lines[0] != named:
            raise UsageError(
                f"{path} is of another simulation: another draft, world, seed or version. Its chunks would mix two studies. "
                "Name a new file.",
                {"file": str(path)},
                da=f"{path} hører til en anden simulering: et andet udkast, en anden verden, et andet frø eller en anden "
                "version. Angiv en ny fil.",
            )
        if not lines:
            path.write_text(named + "\n", encoding="utf-8")
        for line in lines[1:]:
            found._take(line)
        return found

    def _take(self, line: str) -> None:
        try:
            number, effect, coverage, place, n, *tally = json.loads(line)
        except ValueError:  # cut off when the run was stopped
            return
        self.chunks[number, (effect, coverage, place, n)] = Tally(*tally)

    def of(self, number: int) -> Known:
        """The chunks of one study."""
        return Known(self, number)


@dataclass(frozen=True, eq=False)
class Known:
    """The chunks of one study; satisfies `trialkit.power.simulate.Memory`."""

    checkpoint: Checkpoint
    number: int

    def get(self, key: Key) -> Tally | None:
        """The chunk, if it was done before."""
        return self.checkpoint.chunks.get((self.number, key))

    def put(self, key: Key, tally: Tally) -> None:
        """Write a chunk that is done."""
        self.checkpoint.chunks[self.number, key] = tally
        with self.checkpoint.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self.number, *key, *tally]) + "\n")


__all__ = ["Checkpoint", "Known"]
