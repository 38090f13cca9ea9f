"""What ``trialkit power`` answers: the registered test's power in a world, from many made-up trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from trialkit.power.planning import WorldName
from trialkit.power.said import Said
from trialkit.power.simulate import Point, Simulation, Smallest
from trialkit.power.studies import Planned, studies

if TYPE_CHECKING:
    from trialkit.population import Population
    from trialkit.power.checkpoint import Checkpoint
    from trialkit.protocol.model import Protocol

START: Final = 0.5  # standard deviations, where a search begins that has no formula to begin from


@dataclass(frozen=True, eq=False, kw_only=True)
class Answered:
    """One study, simulated.

    ``points`` begin with no effect (the size of the test); ``smallest`` is the smallest effect seen with the power
    asked for.
    """

    planned: Planned
    points: tuple[Point, ...]
    smallest: Smallest

    @property
    def worth(self) -> Point | None:
        """The point at the smallest effect worth finding."""
        return next((point for point in self.points if point.effect == self.planned.effect), None)


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerAnswer:
    """Everything the power page shows."""

    trial: str
    title: Said
    world: WorldName
    trials: int
    seed: int
    answers: tuple[Answered, ...]


def power(
    protocol: Protocol,
    population: Population | None,
    *,
    world: WorldName = "protocol",
    trials: int,
    seed: int,
    effects: Sequence[float] = (),
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> PowerAnswer:
    """Simulate a protocol's own power.

    Parameters
    ----------
    population : who is drawn; None where people come one by one
    trials : made-up trials per effect
    seed : of everything random; the same seed gives the same numbers, whatever the executor
    effects : further effects, in the outcome's unit, besides none and the smallest worth finding
    progress : called with the number of trials done since the last call
    checkpoint : chunks that were done before, and where to write new ones

    Raises
    ------
    DesignError
        ``E_NOT_DRAWN``: no lot is drawn, so there is no chance by which an effect would show.  ``E_NOT_BUILT``: the plan
        answers with a model, and only the randomization test is simulated.
    """
    found = []
    for number, planned in enumerate(studies(protocol, population, world=world)):
        run = Simulation(
            study=planned.study,
            trials=trials,
            rng=np.random.default_rng([seed, number]),
            executor=executor,
            progress=progress,
            known=None if checkpoint is None else checkpoint.of(number),
        )
        found.append(_answered(planned, run, effects))
    return PowerAnswer(
        trial=protocol.protocol,
        title=Said(protocol.title.told("en"), protocol.title.told("da")),
        world=world,
        trials=trials,
        seed=seed,
        answers=tuple(found),
    )


def _answered(planned: Planned, run: Simulation, effects: Sequence[float]) -> Answered:
    wanted = {0.0, *effects} | ({planned.effect} if planned.effect is not None else set())
    points = tuple(run.at(effect) for effect in sorted(wanted, key=abs))
    smallest = run.smallest(power=planned.asked, start=_start(planned), limit=planned.limit)
    return Answered(planned=planned, points=points, smallest=smallest)


def _start(planned: Planned) -> float:
    """Where to look first: the formula's answer, in the direction of better."""
    sign = -1.0 if (planned.effect or 0.0) < 0 else 1.0
    quick = planned.quick_smallest.t if planned.quick_smallest else np.nan
    if isfinite(quick):
        return sign * min(quick, planned.limit / 2)
    return sign * min(2 * abs(planned.effect) if planned.effect else START, planned.limit / 2)


__all__ = ["Answered", "PowerAnswer", "power"]
