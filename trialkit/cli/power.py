"""``power``: whole trials drawn again and again, judged by the test that will really be used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from trialkit.cli.speech import speech
from trialkit.errors import UsageError
from trialkit.trial import Trial

if TYPE_CHECKING:
    from trialkit.population import Population
    from trialkit.power.checkpoint import Checkpoint
    from trialkit.power.planning import WorldName

LOOKED_AT: Final = 6  # effects a study looks at, about: none, the one worth finding, and those of the search
SIZES: Final = 3  # studies of people who come one by one, about


def show_power(
    trial: Path,
    *,
    trials: int,
    workers: int,
    world: str,
    effects: Sequence[float],
    seed: int,
    checkpoint: Path | None,
) -> None:
    """Simulate, with progress, and print the sentence and the table."""
    from trialkit.power.answer import power
    from trialkit.report.powertext import as_facts, as_text

    if world not in ("plain", "protocol", "rising"):
        raise UsageError(
            f"There is no world called {world!r}. Use plain, protocol or rising.",
            {"world": world},
            da=f"Der er ingen verden, der hedder {world!r}. Brug plain, protocol eller rising.",
        )
    opened, named = Trial.open(trial), cast("WorldName", world)
    people = _people(opened)
    kept = _kept(checkpoint, opened, people, world, seed) if checkpoint else None
    effects_looked_at = (len(effects) + LOOKED_AT) * (1 if people else SIZES)
    with _executor(workers) as executor, _progress(trials * effects_looked_at) as progress:
        found = power(
            opened.protocol, people, world=named, trials=trials, seed=seed, effects=effects, executor=executor,
            progress=progress, checkpoint=kept,
        )  # fmt: skip
    speech.show(as_text(found, speech.lang), as_facts(found))


def _people(trial: Trial) -> Population | None:
    """Who is drawn; nobody is asked for where people come one by one, or where nothing is drawn."""
    one_by_one = trial.protocol.design in ("place_lottery", "rolling_lottery")
    return None if one_by_one or not trial.protocol.drawn else trial.population()


def _kept(path: Path, trial: Trial, people: Population | None, world: str, seed: int) -> Checkpoint:
    import numpy as np

    from trialkit import __version__
    from trialkit.canonical import digest
    from trialkit.power.checkpoint import Checkpoint
    from trialkit.protocol.plan import plan

    made = plan(trial.protocol, people.units if people else (), people.outside if people else ())
    what = {"power_of": digest(made), "world": world, "seed": seed, "trialkit": __version__, "numpy": np.__version__}
    return Checkpoint.open(path, what)


@contextmanager
def _executor(workers: int) -> Iterator[Executor | None]:
    """So many processes; none besides this one if one is enough.  Work not begun is dropped when the run is stopped."""
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar with the remaining time, as far as it can be known, on a terminal; nothing where nobody looks."""
    if speech.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    words = speech.of("of about {task.total:.0f} trials", "af omkring {task.total:.0f} forsøg")
    columns = (TextColumn("{task.completed:.0f} " + words), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda n: bar.advance(task, n)
