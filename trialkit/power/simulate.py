"""Design x world x registered test -> power, by drawing whole trials again and again.

Every made-up trial draws its allocation by the design's own `sample`, its outcomes from the world, and is judged by the
test that the trial will really use, over the design's own allocations.  Trials come in chunks of fixed size, each with
its own stream: the numbers do not depend on the executor, or on how many workers it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from math import inf, nan, sqrt
from typing import Final, NamedTuple, Protocol, Self

import numpy as np
from numpy.random import SeedSequence

from trialkit.design.base import Codes
from trialkit.power.registered import ManyTests
from trialkit.power.world import Outcomes

CHUNK: Final = 100  # trials with one stream; Monte Carlo tests share their draws within a chunk
STEPS: Final = 24  # effects looked at in search of the smallest visible effect
CLOSE: Final = 0.08  # the search ends when the effect is known to this share of itself
AROUND: Final = 0.15  # the slope of the power is taken this share to either side of the effect
TIE: Final = 1e-9


class Believed(Protocol):
    """A world: outcomes under any assignment, with any effect."""

    @property
    def drawn(self) -> Sequence[int]:
        """Places of the units that a lot decides about, in the design's order; the test sees no others."""
        ...

    def with_effect(self, effect: float) -> Self:
        """The same world with another effect."""
        ...

    def outcomes(self, codes: Codes, rng: np.random.Generator) -> Outcomes:
        """One data set (n_units, t) for each assignment (k, n_units)."""
        ...


Key = tuple[float, bool, int, int]  # effect, with coverage, number of the chunk, trials in it


class Tally(NamedTuple):
    """What happened to one chunk of trials: counts and sums.

    ``found`` and ``squared`` add up estimate - effect and its square over the trials that could be judged; ``loud`` the
    absolute estimates of those that rejected, ``wrong`` counts those of them with the wrong sign.
    """

    trials: int
    judged: int
    rejected: int
    covered: int
    found: float
    squared: float
    loud: float
    wrong: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """What is simulated.

    Parameters
    ----------
    world : outcomes under any assignment
    test : the registered test, with its design
    alpha : level of the test
    """

    world: Believed
    test: ManyTests
    alpha: float = 0.05

    def chunk(self, effect: float, coverage: bool, task: tuple[SeedSequence, int]) -> Tally:
        """One chunk of trials; everything random comes from its own stream, in the same order for every effect."""
        seed, n = task
        rng = np.random.default_rng(seed)
        design = self.test.design
        codes = design.sample(n, rng)
        made = self.world.with_effect(effect).outcomes(codes[:, design.item_of_unit], rng)
        top, bottom = (part[:, list(self.world.drawn)] for part in made)
        verdicts = self.test.verdicts(codes, top, bottom, effect if coverage else None, rng)
        judged = np.isfinite(verdicts.p_value)
        rejected = judged & (verdicts.p_value <= self.alpha * (1 + TIE))
        error = verdicts.estimate[judged] - effect
        loud = verdicts.estimate[rejected]
        return Tally(
            trials=n,
            judged=int(judged.sum()),
            rejected=int(rejected.sum()),
            covered=int((verdicts.p_planted[judged] > self.alpha * (1 + TIE)).sum()) if coverage else 0,
            found=float(error.sum()),
            squared=float((error**2).sum()),
            loud=float(np.abs(loud).sum()),
            wrong=int((loud * effect < 0).sum()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of trials with its Monte Carlo error."""

    value: float
    mc_error: float

    @classmethod
    def of(cls, hits: int, n: int) -> Self:
        """Binomial; the error is never 0: one hit and one miss are added (Agresti and Coull 1998)."""
        near = (hits + 1) / (n + 2)
        return cls(value=hits / n if n else nan, mc_error=sqrt(near * (1 - near) / n) if n else nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the test does at one effect.

    Parameters
    ----------
    effect : planted, in the outcome's unit
    trials : simulated trials; ``unjudged`` of them gave the test nothing to compare, and count as not seen
    power : share that rejects; under no effect the size of the test
    bias, rmse : of the estimate, with the bias's Monte Carlo error
    coverage : share of judged trials whose inverted interval holds the full effect; None if it was not asked for
    exaggeration : mean size of the estimates that were seen, over the effect (type M); nan under no effect
    wrong_sign : share of them with the wrong sign (type S)
    """

    effect: float
    trials: int
    unjudged: int
    power: Rate
    bias: Rate
    rmse: float
    coverage: Rate | None
    exaggeration: float
    wrong_sign: float

    @classmethod
    def of(cls, effect: float, tallies: Sequence[Tally], *, coverage: bool, shared: bool) -> Self:
        """From the chunks; ``shared``: trials of a chunk share their Monte Carlo draws and are not independent."""
        trials, judged, rejected, covered, found, squared, loud, wrong = (
            sum(part) for part in zip(*tallies, strict=True)
        )
        power = Rate.of(rejected, trials)
        if shared and len(tallies) > 1:
            apart = sqrt(sum((t.rejected - t.trials * power.value) ** 2 for t in tallies)) / trials
            power = Rate(value=power.value, mc_error=max(power.mc_error, apart))
        mean, square = (found / judged, squared / judged) if judged else (nan, nan)
        return cls(
            effect=effect,
            trials=trials,
            unjudged=trials - judged,
            power=power,
            bias=Rate(value=mean, mc_error=sqrt(max(square - mean**2, 0.0) / judged) if judged else nan),
            rmse=sqrt(square) if judged else nan,
            coverage=Rate.of(covered, judged) if coverage else None,
            exaggeration=loud / rejected / abs(effect) if rejected and effect else nan,
            wrong_sign=wrong / rejected if rejected and effect else nan,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Smallest:
    """The smallest effect seen with the power asked for; infinite where no effect is.

    ``mc_error`` is that of the power, divided by its slope at this effect (delta method).
    """

    effect: float
    mc_error: float
    asked: float


class Memory(Protocol):
    """Chunks done before, which need not be done again."""

    def get(self, key: Key) -> Tally | None:
        """The chunk, if it is known."""
        ...

    def put(self, key: Key, tally: Tally) -> None:
        """Keep a chunk."""
        ...


@dataclass(kw_only=True)
class Simulation:
    """A study with its streams: the same trials for every effect, so that effects differ in nothing else.

    Parameters
    ----------
    study : Study
    trials : how many trials per effect
    rng : Generator
        Gives one child stream per chunk of `CHUNK` trials, and is not used otherwise.
    executor : Executor, optional
        Of any kind; without one, chunk after chunk in this process.
    progress : called with the number of trials after each chunk
    known : chunks of an interrupted run (`trialkit.power.checkpoint`)
    """

    study: Study
    trials: int
    rng: np.random.Generator
    executor: Executor | None = None
    progress: Callable[[int], None] | None = None
    known: Memory | None = None
    _tasks: list[tuple[SeedSequence, int]] = field(init=False, repr=False)
    _points: dict[float, Point] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [min(CHUNK, self.trials - start) for start in range(0, self.trials, CHUNK)]
        streams = self.rng.bit_generator.spawn(len(sizes))
        self._tasks = [(_seed(stream), n) for stream, n in zip(streams, sizes, strict=True)]

    def at(self, effect: float, *, coverage: bool = True) -> Point:
        """Power, bias and coverage at one effect; under no effect the power is the size of the test."""
        known = self._points.get(effect)
        if known is None or (coverage and known.coverage is None):
            known = self._run(effect, coverage)
            self._points[effect] = known
        return known

    def _run(self, effect: float, coverage: bool) -> Point:
        keys = [(effect, coverage, place, n) for place, (_, n) in enumerate(self._tasks)]
        found = {key: self.known.get(key) if self.known else None for key in keys}
        left = [key for key in keys if found[key] is None]
        work = partial(self.study.chunk, effect, coverage)
        tasks = [self._tasks[key[2]] for key in left]
        done = map(work, tasks) if self.executor is None else self.executor.map(work, tasks)
        self._report(sum(key[3] for key in keys if found[key] is not None))
        for key, tally in zip(left, done, strict=True):
            found[key] = tally
            if self.known is not None:
                self.known.put(key, tally)
            self._report(tally.trials)
        tallies = [tally for tally in found.values() if tally is not None]
        return Point.of(effect, tallies, coverage=coverage, shared=not self.study.test.reference.exact)

    def _report(self, trials: int) -> None:
        if self.progress is not None and trials:
            self.progress(trials)

    def smallest(self, *, power: float, start: float, limit: float = inf) -> Smallest:
        """The smallest effect that is seen with this power.

        The same trials serve every effect (common random numbers), so their power hardly ever falls as the effect
        grows; the answer is where it passes ``power``, between two effects less than a tenth apart.

        Parameters
        ----------
        power : asked for, e.g. 0.8
        start : where to look first; its sign is the direction
        limit : no effect can be larger in size
        """
        sign = -1.0 if start < 0 else 1.0

        def seen(size: float) -> tuple[float, float]:
            return size, self.at(sign * size, coverage=False).power.value

        low, high = (0.0, self.study.alpha), (inf, 1.0)
        guess = seen(min(abs(start), limit))
        for _ in range(STEPS):
            low, high = (low, guess) if guess[1] >= power else (guess, high)
            if low[0] >= limit:
                return Smallest(effect=sign * inf, mc_error=nan, asked=power)
            if high[0] < inf and high[0] - low[0] <= CLOSE * high[0]:
                break
            guess = seen(min(_next(low, high, power), limit))
        if high[0] == inf:
            return Smallest(effect=sign * inf, mc_error=nan, asked=power)
        found = _line(low, high, power)
        seen(found * (1 - AROUND))
        slope = self._slope(found)
        error = sqrt(power * (1 - power) / self.trials) / slope if slope > 0 else nan
        return Smallest(effect=sign * found, mc_error=error, asked=power)

    def _slope(self, size: float) -> float:
        """How fast the power grows about an effect of this size: the least-squares line through the known points."""
        near = [(abs(at), known.power.value) for at, known in self._points.items()]
        x, y = np.array([(at, power) for at, power in near if abs(at - size) <= 1.01 * AROUND * size]).T
        spread = float(((x - x.mean()) ** 2).sum())
        return float((x - x.mean()) @ y / spread) if spread > 0 else 0.0


def _next(low: tuple[float, float], high: tuple[float, float], power: float) -> float:
    """Where to look next between two (effect, power): on the line, a little to the side that closes the bracket."""
    if high[0] == inf:
        ahead = _line((0.0, low[1] / 2), low, power) if low[1] > 0.1 else inf
        return float(np.clip(1.03 * ahead, 1.2 * low[0], 2 * low[0]))
    found, width = _line(low, high, power), high[0] - low[0]
    closer = found * (1.02 if high[0] - found > found - low[0] else 0.98)
    return float(np.clip(closer, low[0] + 0.05 * width, high[0] - 0.05 * width))


def _line(low: tuple[float, float], high: tuple[float, float], power: float) -> float:
    """Where the normal quantiles of the power, on a straight line between two points, pass that of ``power``."""
    from scipy.stats import norm

    below, above, at = norm.ppf(np.clip([low[1], high[1], power], 1e-4, 1 - 1e-4)).tolist()
    return low[0] + (high[0] - low[0]) * (at - below) / (above - below) if above > below else high[0]


def _seed(stream: np.random.BitGenerator) -> SeedSequence:
    seed = stream.seed_seq
    assert isinstance(seed, SeedSequence)
    return seed


def simulate(
    study: Study,
    effects: Sequence[float],
    *,
    trials: int,
    rng: np.random.Generator,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Point, ...]:
    """What the test does at each effect.

    Returns
    -------
    One `Point` per effect, in their order; the same for any executor and any number of workers.
    """
    run = Simulation(study=study, trials=trials, rng=rng, executor=executor, progress=progress)
    return tuple(run.at(effect) for effect in effects)


__all__ = ["Key", "Memory", "Point", "Rate", "Simulation", "Smallest", "Study", "Tally", "simulate"]
