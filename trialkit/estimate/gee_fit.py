"""Estimating equations solved for one or many data sets of one design: Fisher scoring, correlations told on the way.

Coefficients solve sum of D'V^-1 (y - mu) over clusters (Liang & Zeger 1986, equation 6).  A data set begins with
independence; once its coefficients hardly move, its correlations follow the residuals until nothing moves any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trialkit.errors import EstimateError
from trialkit.estimate.cells import Floats, Ints
from trialkit.estimate.gee_cells import Grid, Outcomes
from trialkit.estimate.gee_family import Family
from trialkit.estimate.gee_sandwich import Bread
from trialkit.estimate.gee_working import Flags, Point, Working

ITERATIONS: Final = 300
HALFWAY_FROM: Final = 60  # rounds: correlations that jump to and fro go half the way from here
SETTLED: Final = 1e-2  # of a standard error: from here correlations follow the residuals
MOVING: Final = 0.1  # of a logarithm
STILL: Final = 1e-10  # of a standard error, and of a correlation: nothing moves any more
SINGULAR: Final = 1e-11  # smallest eigenvalue of the information, its diagonal scaled to 1
HALVINGS: Final = 40
EXACT: Final = 1e-20  # of the outcome's sum of squares: nothing is left to vary


class Status(IntEnum):
    """How a data set came out."""

    RUNNING = 0
    DONE = 1
    SEPARATED = 2
    SINGULAR = 3
    OUTSIDE = 4
    EXACT = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Solved:
    """d data sets at their solutions.

    Parameters
    ----------
    beta : (d, p) float
        Of the columns as they were given.
    alpha : (d, k) float
        Working correlations; 0 where ``held``.
    phi : (d,) float
    told : (d, k) float
        What the residuals say of the correlations, held or not.
    held : (d,) bool
        The residuals asked for correlations that no rows can have; the fit went on with independence.
    status : (d,) int
        A ``Status``; numbers of a data set that is not DONE are nan.
    iterations : (d,) int
    bread : Bread
        Of the data sets that are DONE, in order.
    """

    beta: Floats
    alpha: Floats
    phi: Floats
    told: Floats
    held: Flags
    status: Ints
    iterations: Ints
    bread: Bread

    @property
    def done(self) -> Ints:
        """Which data sets have an answer."""
        return np.flatnonzero(self.status == Status.DONE)


class _Search:
    """Where each data set stands; arrays are changed in place, the live sets at a time."""

    def __init__(self, grid: Grid, outcomes: Outcomes, family: Family, working: Working, level: Floats) -> None:
        self.grid, self.outcomes, self.family, self.working, self.level = grid, outcomes, family, working, level
        d, p, k = len(outcomes.mean), grid.x.shape[-1], len(working.names)
        self.beta, self.alpha, self.told = np.zeros((d, p)), np.zeros((d, k)), np.zeros((d, k))
        self.phi, self.held = np.ones(d), np.zeros(d, bool)
        self.settled, self.status, self.iterations = np.full(d, not k), np.zeros(d, np.intp), np.zeros(d, np.intp)
        self.share = np.ones(d)
        self._begin()

    def _begin(self) -> None:
        """A constant; the intercept is the first column."""
        n = self.grid.n
        total = (n * self.grid.weight * self.outcomes.mean).sum(axis=(1, 2))
        if self.family.link == "log":
            mean = total / (n * self.grid.weight * np.exp(self.grid.offset)).sum()
        else:
            mean = total / (n * self.grid.weight).sum()
        self.beta[:, 0] = self.family.constant(mean) / self.grid.x[self.grid.n > 0][0, 0]

    def at(self, live: Ints) -> Point:
        return Point(self.grid, self.outcomes.of(live), self.family, self.beta[live])

    def advance(self, live: Ints) -> None:
        """One round for these data sets."""
        point, p = self.at(live), self.grid.x.shape[-1]
        moved = self._correlate(point, live)
        gram = self.working.gram(point, self.alpha[live]).sum(axis=1)
        step, size, singular = _scored(gram[:, :p, :p], gram[:, :p, p])
        size = size / np.sqrt(np.maximum(self.phi[live], 1e-300))
        share = self._inside(live, step)
        self.beta[live] += share[:, None] * step
        self.iterations[live] += 1
        still = self.settled[live] & (size < STILL) & (moved < STILL) & (share == 1)
        self.settled[live] |= (size < SETTLED) & (share == 1) & ~self._running(step)
        self.status[live[still]] = Status.DONE
        self.status[live[singular]] = Status.SINGULAR
        self.status[live[(share == 0) | (singular & (self.share[live] < 1))]] = Status.OUTSIDE
        self.share[live] = share
        self.status[live[point.squares.sum(axis=(1, 2)) <= EXACT * self.level[live]]] = Status.EXACT
        gone = self.family.runaway(self._eta(self.beta[live])) & (self.grid.n > 0)
        self.status[live[gone.any(axis=(1, 2))]] = Status.SEPARATED

    def _correlate(self, point: Point, live: Ints) -> Floats:
        """Correlations at these residuals; (d,) how far they moved."""
        told = self.working.told(point, self.alpha[live])
        self.phi[live], self.told[live] = told.phi, told.alpha
        self.held[live] |= self.settled[live] & ~told.possible
        follows = self.settled[live] & ~self.held[live]
        slow = follows & (self.iterations[live] >= HALFWAY_FROM)
        aim = np.where(slow[:, None], (told.alpha + self.alpha[live]) / 2, told.alpha)
        new = np.where(follows[:, None], aim, 0.0)
        moved = np.abs(new - self.alpha[live]).max(axis=1, initial=0.0)
        self.alpha[live] = new
        return np.asarray(moved, np.float64)

    def _eta(self, beta: Floats) -> Floats:
        return np.asarray(np.einsum("ckp,dp->dck", self.grid.x, beta) + self.grid.offset, np.float64)

    def _running(self, step: Floats) -> Flags:
        """(d,) whether a logarithm still moves: where outcomes are all alike it never stops, however small its error."""
        if self.family.link == "identity":
            return np.zeros(len(step), bool)
        moves = np.abs(np.einsum("ckp,dp->dck", self.grid.x, step)) * (self.grid.n > 0)
        return np.asarray(moves.max(axis=(1, 2)) > MOVING)

    def _inside(self, live: Ints, step: Floats) -> Floats:
        """(d,) the largest of 1, 1/2, 1/4 ... of a step that keeps every mean in its range; 0: none does."""
        share, real = np.ones(len(live)), self.grid.n > 0
        if self.family.name != "binomial" or self.family.link == "logit":
            return share
        for _ in range(HALVINGS):
            eta = self._eta(self.beta[live] + share[:, None] * step)
            out = (real & ~self.family.inside(eta)).any(axis=(1, 2))
            if not out.any():
                return share
            share[out] /= 2
        share[out] = 0
        return share


def solved(grid: Grid, outcomes: Outcomes, family: Family, working: Working) -> Solved:
    """Solutions of all data sets, each with how it came out; nothing raises."""
    if family.name != "gaussian":
        return _solved(grid, outcomes, family, working, np.ones(len(outcomes.mean)))
    # a far-off level is taken away first, so that it costs no digits; the intercept is the first column
    weight = grid.n * grid.weight
    level = (weight * outcomes.mean**2 + grid.weight * outcomes.squares).sum(axis=(1, 2))
    centre = (weight * outcomes.mean).sum(axis=(1, 2)) / weight.sum()
    moved = np.where(grid.n > 0, outcomes.mean - centre[:, None, None], 0.0)
    found = _solved(grid, Outcomes(mean=moved, squares=outcomes.squares), family, working, level)
    found.beta[:, 0] += centre
    return found


def _solved(grid: Grid, outcomes: Outcomes, family: Family, working: Working, level: Floats) -> Solved:
    search = _Search(grid, outcomes, family, working, level)
    with np.errstate(all="ignore"):  # a set that runs away is told by its status
        for _ in range(ITERATIONS):
            live = np.flatnonzero(search.status == Status.RUNNING)
            if not len(live):
                break
            search.advance(live)
    lost = search.status != Status.DONE
    search.status[(search.status == Status.RUNNING) & (search.share < 1)] = Status.OUTSIDE
    for values in (search.beta, search.alpha, search.phi, search.told):
        values[lost] = np.nan
    return Solved(
        beta=search.beta / grid.scale, alpha=search.alpha, phi=search.phi, told=search.told, held=search.held,
        status=search.status, iterations=search.iterations, bread=_bread(search, np.flatnonzero(~lost)),
    )  # fmt: skip


def _bread(search: _Search, done: Ints) -> Bread:
    point, p = search.at(done), search.grid.x.shape[-1]
    gram = search.working.gram(point, search.alpha[done])
    return Bread(
        information=gram[..., :p, :p], scores=gram[..., :p, p], phi=search.phi[done], scale=search.grid.scale
    )  # fmt: skip


def _scored(information: Floats, score: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fisher's steps (d, p), their lengths in sqrt(phi) standard errors (d,), and where the information is singular."""
    size = np.sqrt(np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-300))
    scaled = information / (size[:, :, None] * size[:, None, :])
    broken = ~np.isfinite(scaled).all(axis=(1, 2)) | ~np.isfinite(score).all(axis=1)
    scaled[broken] = np.eye(scaled.shape[1])
    singular = broken | (np.linalg.eigvalsh(scaled)[:, 0] < SINGULAR)
    scaled[singular] = np.eye(scaled.shape[1])
    turned = np.where(singular[:, None], 0.0, score / size)
    step = np.linalg.solve(scaled, turned[..., None])[..., 0]
    return step / size, np.sqrt(np.maximum((step * turned).sum(axis=1), 0.0)), singular


def refusal(status: int, *, family: Family, terms: tuple[str, ...]) -> EstimateError:
    """Why a data set has no answer, and what to do."""
    facts = {"status": Status(status).name.lower(), "family": family.name, "link": family.link, "terms": list(terms)}
    message, danish, code = _WHY[Status(status)]
    return EstimateError(message, facts, da=danish, code=code)


_WHY: Final = {
    Status.RUNNING: (
        f"The estimating equations did not settle in {ITERATIONS} rounds: coefficients and correlation chase each other, "
        "and where they stop would be chance. Use the independence correlation, or fewer columns.",
        f"Ligningerne faldt ikke til ro på {ITERATIONS} runder: koefficienter og korrelation jager hinanden, og hvor de "
        "stopper, ville være tilfældigt. Brug korrelationen independence eller færre kolonner.",
        "E_NOT_CONVERGED",
    ),
    Status.SEPARATED: (
        "Somewhere every outcome is the same (all 0 or all 1), and a logarithm has no finite effect that fits it: a "
        "coefficient runs to infinity. Merge periods or groups without variation, use the identity link, or the "
        "permutation test, which needs no coefficient.",
        "Et sted er alle udfald ens (kun 0 eller kun 1), og en logaritme har ingen endelig effekt, der passer: en "
        "koefficient løber mod uendelig. Slå perioder eller grupper uden variation sammen, brug identity-linket, eller "
        "permutationstesten, som ingen koefficient bruger.",
        "E_SEPARATION",
    ),
    Status.SINGULAR: (
        "The information on the coefficients is singular: at this fit two columns say the same, so a coefficient could be "
        "anything. Leave out a column, or use the independence correlation.",
        "Informationen om koefficienterne er singulær: her siger to kolonner det samme, så en koefficient kunne være hvad "
        "som helst. Udelad en kolonne, eller brug korrelationen independence.",
        "E_SINGULAR",
    ),
    Status.OUTSIDE: (
        "The equations point to probabilities outside 0 and 1, which nobody can have, so this link has no answer here. "
        "Use the logit link, or compare means of clusters.",
        "Ligningerne peger på sandsynligheder uden for 0 og 1, som ingen kan have, så dette link har intet svar her. Brug "
        "logit-linket, eller sammenlign klyngernes gennemsnit.",
        "E_OUTSIDE",
    ),
    Status.EXACT: (
        "The columns give the outcome exactly, so there is no variation to tell errors by. Look for an outcome that is "
        "constant or was made of the columns.",
        "Kolonnerne giver udfaldet præcist, så der er ingen variation at måle usikkerhed ved. Se efter et udfald, der er "
        "konstant eller er lavet af kolonnerne.",
        "E_ESTIMATE",
    ),
}  # fmt: skip

__all__ = ["Solved", "Status", "refusal", "solved"]
