"""Interleaved timing: A B A B ..., so that a busy minute on the machine falls on everybody."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Contestant:
    """Something to time; one call does ``work`` pieces of what is compared (draws, data sets, starts)."""

    run: Callable[[], object]
    work: float = 1.0


@dataclass(frozen=True)
class Timed:
    """Median seconds per piece of work, and every round of them."""

    name: str
    wall: float
    cpu: float
    rounds: tuple[float, ...]  # CPU seconds per piece, round by round

    def over(self, other: Timed) -> float:
        """How many times the CPU of ``other`` this takes: the median of the rounds' ratios."""
        return median(mine / its for mine, its in zip(self.rounds, other.rounds, strict=True))

    def line(self, pieces: float = 1.0, note: str = "") -> str:
        """Name, wall and CPU seconds for ``pieces`` pieces."""
        return (
            f"{self.name:<44} wall {self.wall * pieces:>10.4f} s   cpu {self.cpu * pieces:>10.4f} s   {note}".rstrip()
        )


def interleaved(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, Timed]:
    """Each contestant once to warm up, then ``rounds`` times in turn."""
    for contestant in contestants.values():
        contestant.run()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    gc.collect()
    for _ in range(rounds):
        for name, contestant in contestants.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            contestant.run()
            wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
            seconds[name].append((wall / contestant.work, cpu / contestant.work))
    return {
        name: Timed(
            name, median(wall for wall, _ in found), median(cpu for _, cpu in found), tuple(c for _, c in found)
        )
        for name, found in seconds.items()
    }


def cpu_seconds() -> float:
    """User and system seconds of this process and of the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mib() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def verdict(ratio: float, *, at_least: float | None = None, at_most: float | None = None) -> str:
    """The ratio beside its goal."""
    goal, reached = (
        (f">= {at_least:g}", ratio >= at_least) if at_least else (f"<= {at_most:g}", ratio <= (at_most or 0))
    )
    return f"{ratio:.2f}x (goal {goal}: {'reached' if reached else 'MISSED'})"
