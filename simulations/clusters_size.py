"""Size and coverage of stepped-wedge analyses in 6 to 24 clusters: mixed models, GEE, GLMM, and the test through the lot.

    python simulations/clusters_size.py [TRIALS] [TRIALS OF THE GLMM] [SEED]

Every data set is made up: persons in cells, clusters that differ by the ICC, cluster-periods that differ where the CAC
is below 1, a trend, no effect.  A linear model's interval moves with the effect, so it covers in 100 less its size; for
shares, coverage is of a log odds ratio of 0.6, marginal for GEE and given the cluster for the GLMM.  IT is the effect
that is there at once and stays, TATE its average over exposure times.  Each line of the table is one world; singular
fits are counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import t as student

from trialkit.design import complete
from trialkit.errors import EstimateError
from trialkit.estimate.gee_many import ManyGee, many_gee
from trialkit.estimate.gee_working import Correlation
from trialkit.estimate.glmm import generalized_mixed_model
from trialkit.estimate.mixed_many import ManyFits, many_mixed_models
from trialkit.estimate.wedge import TREATED, columns, exposure_term
from trialkit.estimate.within_period import within_periods
from trialkit.power.logit import Logit

RESULTS = Path(__file__).parent / "results"
SEQUENCES = {6: 3, 8: 4, 12: 4, 24: 4}  # clusters: sequences, each of as many clusters
PERSONS, DRAWS, ALPHA = 20, 999, 0.05
ICCS, CACS = (0.01, 0.05, 0.1), (1.0, 0.8, 0.5)
BASE, TREND = 0.3, 0.02  # share in the first period, and its growth by period
EFFECT = 0.6  # log odds ratio that intervals are to cover
READING = """\
**What it says.** The mixed model that lets periods of a cluster differ (nested) with Kenward-Roger, GEE with Mancl and
DeRouen's error, and the test through the lot keep to 5 percent up to chance, for the effect at once and for its average
over exposure times. The GLMM is careful in few clusters, where its cluster-periods are mostly fitted as alike. One
random intercept per cluster does not keep to it: where periods of a cluster are less alike than persons of one period
(CAC below 1), it takes chance for an effect in up to 18 percent of trials, which is why it is never the default and
always carries a warning. Singular fits are counted: with 20 persons a cell, small components are often put at 0, and
the answers above are of all fits."""


@dataclass(frozen=True)
class Wedge:
    """Clusters by periods; one sequence starts after each period."""

    clusters: int

    @property
    def periods(self) -> int:
        return SEQUENCES[self.clusters] + 1

    @property
    def start(self) -> np.ndarray:
        """(c,) first treated period, from 1."""
        each = self.clusters // SEQUENCES[self.clusters]
        return 1 + np.arange(self.clusters) // each

    @property
    def exposure(self) -> np.ndarray:
        """(c, t) periods since the start, 1 in the first."""
        return np.maximum(np.arange(self.periods) - self.start[:, None] + 1, 0)

    def rows(self, cells: np.ndarray, each: int = PERSONS) -> np.ndarray:
        """(..., c, t) to rows, ``each`` persons of a cell after one another."""
        return np.repeat(cells.reshape(*cells.shape[:-2], -1), each, axis=-1)

    def fixed(self, effect: str, each: int = PERSONS) -> dict[str, np.ndarray]:
        """The columns of the model."""
        period = np.broadcast_to(np.arange(self.periods), self.exposure.shape)
        return columns(self.rows(self.exposure, each), self.rows(period, each), effect=effect)

    def contrast(self, effect: str) -> dict[str, float]:
        """IT, or TATE over the exposure times that were seen."""
        if effect == "immediate":
            return {TREATED: 1.0}
        times = np.unique(self.exposure[self.exposure > 0])
        return {exposure_term(int(time)): 1 / len(times) for time in times}

    @property
    def cluster(self) -> np.ndarray:
        return np.broadcast_to(np.arange(self.clusters)[:, None], self.exposure.shape)

    @property
    def period(self) -> np.ndarray:
        return np.broadcast_to(np.arange(self.periods), self.exposure.shape)


@dataclass(frozen=True, eq=False)
class Row:
    """One analysis of many data sets: p-values (d,), nan where there is no answer, and what else was seen (d,)."""

    method: str
    p: np.ndarray
    singular: np.ndarray | None = None
    failed: np.ndarray | None = None
    covered: np.ndarray | None = None


@dataclass(frozen=True)
class World:
    """Where outcomes come from."""

    wedge: Wedge
    outcome: str
    icc: float
    cac: float

    def persons(self, trials: int, rng: np.random.Generator) -> np.ndarray:
        """(trials, c, t, persons) outcomes without an effect; a number's total variance is 1."""
        c, t = self.wedge.clusters, self.wedge.periods
        if self.outcome == "binary":
            return self.cases(trials, rng, 0.0)
        u = rng.standard_normal((trials, c, 1)) * sqrt(self.icc * self.cac)
        v = rng.standard_normal((trials, c, t)) * sqrt(self.icc * (1 - self.cac))
        e = rng.standard_normal((trials, c, t, PERSONS)) * sqrt(1 - self.icc)
        return (u + v + 0.1 * np.arange(t))[..., None] + e

    def cases(self, trials: int, rng: np.random.Generator, effect: float, *, marginal: bool = True) -> np.ndarray:
        """(trials, c, t, persons) of 0 and 1, with a log odds ratio on average or given the cluster."""
        shape = (trials, self.wedge.clusters, self.wedge.periods)
        means = BASE + TREND * np.arange(self.wedge.periods)
        before = Logit.of(tuple(means), icc=self.icc, cac=self.cac)
        after = replace(before, centre=before.centre + effect)
        if marginal:
            after = Logit.of(tuple(expit(logit(means) + effect)), icc=self.icc, cac=self.cac)
        seed = int(rng.integers(2**63))  # one and the same clusters before and after
        old, new = (one.shares(shape, np.random.default_rng(seed)) for one in (before, after))
        shares = np.where(self.wedge.exposure > 0, new, old)
        return (rng.random((*shape, PERSONS)) < shares[..., None]).astype(float)

    def line(self, effect: str, row: Row) -> dict[str, object]:
        """A line of the table; an analysis without an answer rejects nothing."""
        shares = {
            name: np.nan if seen is None else seen.mean()
            for name, seen in vars(row).items()
            if name not in ("method", "p")
        }
        return {
            "clusters": self.wedge.clusters, "outcome": self.outcome, "icc": self.icc, "cac": self.cac, "effect": effect,
            "method": row.method, "trials": len(row.p), "size": float((row.p <= ALPHA).mean()), **shares,
        }  # fmt: skip


def mixed(world: World, y: np.ndarray, effect: str, random: str) -> ManyFits:
    """The mixed model of every data set, Kenward-Roger."""
    wedge = world.wedge
    return many_mixed_models(
        y.reshape(len(y), -1), wedge.fixed(effect), contrast=wedge.contrast(effect), clusters=wedge.rows(wedge.cluster),
        periods=wedge.rows(wedge.period), random=random, unit="1",
    )  # fmt: skip


def by_lot(world: World, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(trials,) p of the within-period comparison through the lot: every allocation, or draws."""
    wedge = world.wedge
    labels = np.unique(wedge.start)
    design = complete(
        [f"c{k:02d}" for k in range(wedge.clusters)], {f"s{k}": int((wedge.start == k).sum()) for k in labels}
    )
    own = np.searchsorted(labels, wedge.start)[None]
    count = design.count().total
    if count <= 3_000:
        codes = np.concatenate([chunk.codes for chunk in design.enumerate()])
    else:
        codes = np.concatenate([own, design.sample(DRAWS, rng)])
    p = []
    for means in y.mean(axis=3):
        found = np.abs(within_periods(means, labels, codes).estimates)
        drawn = abs(within_periods(means, labels, own).estimates[0])
        p.append((found >= drawn * (1 - 1e-9)).mean())
    return np.array(p)


def mixed_rows(world: World, y: np.ndarray, effect: str) -> Iterator[Row]:
    """The default and, for comparison, one random intercept per cluster."""
    for random in ("nested", "cluster"):
        found = mixed(world, y, effect, random)
        singular = np.any(list(found.singular.values()), axis=0)
        yield Row(f"mixed model, {random}, Kenward-Roger", found.p_value, singular=singular)


def marginal_rows(world: World, y: np.ndarray, affected: np.ndarray | None, effect: str) -> Iterator[Row]:
    """GEE, the default errors; one working correlation, or one within and one between periods."""
    for correlation in ("exchangeable", "nested"):
        found, covered = marginal(world, y, effect, correlation), None
        if affected is not None:
            other = marginal(world, affected, effect, correlation)
            covered = np.abs(other.estimate - EFFECT) <= student.ppf(1 - ALPHA / 2, other.df) * other.std_error
        yield Row(f"GEE, {correlation}", found.p_value, failed=found.failed != "", covered=covered)


def marginal(world: World, y: np.ndarray, effect: str, correlation: Correlation) -> ManyGee:
    """GEE of every data set, from sums by cell."""
    wedge = world.wedge
    sums = y.sum(axis=3).reshape(len(y), -1)
    squares = {} if world.outcome == "binary" else {"squares": (y**2).sum(axis=3).reshape(len(y), -1)}
    return many_gee(
        sums, wedge.fixed(effect, 1), contrast=wedge.contrast(effect), clusters=wedge.cluster.ravel(), unit="1",
        periods=wedge.period.ravel(), sizes=np.full(sums.shape[1], float(PERSONS)), correlation=correlation,
        family="binomial" if world.outcome == "binary" else "gaussian", **squares,
    )  # fmt: skip


def conditional_row(world: World, y: np.ndarray, affected: np.ndarray, effect: str) -> Row:
    """The nested generalized mixed model of shares."""
    p, _, singular = conditional(world, y, effect)
    _, covered, _ = conditional(world, affected, effect)
    return Row("GLMM, nested, Laplace", p, singular=singular == 1, failed=np.isnan(p), covered=covered)


def conditional(world: World, y: np.ndarray, effect: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(d,) p of no effect, whether the interval holds the effect, and whether the fit is singular; one data set at a time."""
    wedge = world.wedge
    fixed, contrast, sizes = wedge.fixed(effect, 1), wedge.contrast(effect), np.full(wedge.cluster.size, PERSONS)
    p, accepted, singular = np.full((3, len(y)), np.nan)
    for k, sums in enumerate(y.sum(axis=3)):
        try:
            fit = generalized_mixed_model(
                sums.ravel(),
                fixed,
                family="binomial",
                clusters=wedge.cluster.ravel(),
                periods=wedge.period.ravel(),
                sizes=sizes,
            )
        except EstimateError:
            continue
        p[k], accepted[k] = (fit.p_value_at(contrast, value) for value in (0.0, EFFECT))
        singular[k] = bool(fit.singular)
    return p, accepted > ALPHA, singular


def rows(world: World, trials: int, few: int, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """The lines of one world; models that are fitted one at a time see the ``few`` first data sets."""
    y, affected, own = world.persons(trials, rng), None, None
    if world.outcome == "binary":
        affected, own = world.cases(trials, rng, EFFECT), world.cases(few, rng, EFFECT, marginal=False)
    for effect, name in (("immediate", "IT"), ("exposure", "TATE")):
        found = [*mixed_rows(world, y, effect), *marginal_rows(world, y, affected, effect)]
        if own is not None and few:
            found.append(conditional_row(world, y[:few], own, effect))
        yield from (world.line(name, row) for row in found)
    yield world.line("IT", Row("within periods, through the lot", by_lot(world, y, rng)))


def page(table: pd.DataFrame) -> str:
    """The worst and the mean over ICC and CAC, for each analysis and number of clusters."""
    keys = ["method", "outcome", "effect"]
    wide = table.groupby([*keys, "clusters"])["size"].agg(["mean", "max"])
    least = table.groupby(keys)["covered"].min()
    failed = table.groupby(keys)[["singular", "failed"]].max()
    lines = []
    for key in dict.fromkeys(map(tuple, table[keys].to_numpy())):
        cells = [f"{100 * wide.loc[(*key, c), 'mean']:.1f} / {100 * wide.loc[(*key, c), 'max']:.1f}" for c in SEQUENCES]
        most = ["" if np.isnan(v) else f"{100 * v:.1f}" for v in (least.loc[key], *failed.loc[key])]
        lines.append("| " + " | ".join([*key, *cells, *most]) + " |")
    trials = table.groupby("method")["trials"].min()
    note = "; ".join(f"{method} {n:,}" for method, n in trials.items())
    head = (
        "| analysis | outcome | effect | "
        + " | ".join(f"{c} clusters" for c in SEQUENCES)
        + " | coverage, least | singular, most | no answer, most |"
    )
    worlds = f"ICC {', '.join(map(str, ICCS))} and CAC {', '.join(map(str, CACS))}"
    errors = " to ".join(f"{100 * sqrt(0.0475 / n):.1f}" for n in (trials.max(), trials.min()))
    intro = [
        "# Size of stepped-wedge analyses in 6 to 24 clusters",
        f"`python simulations/clusters_size.py`; synthetic outcomes, {PERSONS} persons a cell, 4 or 5 periods.",
        f"Percent of trials without an effect that are rejected at 5: mean / most over {worlds}; every world is a line of "
        f"[the table](clusters_size.csv). Monte Carlo error of one world at 5: {errors}.",
        f"Trials a world: {note}.",
    ]
    rule = "|" + "---|" * (6 + len(SEQUENCES))
    return "\n\n".join([*intro, "\n".join([head, rule, *lines]), READING]) + "\n"


def main(trials: int, few: int, seed: int) -> None:
    lines: list[dict[str, object]] = []
    for clusters in SEQUENCES:
        for outcome in ("gaussian", "binary"):
            for icc in ICCS:
                for cac in CACS:
                    world = World(Wedge(clusters), outcome, icc, cac)
                    rng = np.random.default_rng([seed, clusters, outcome == "binary", int(1e4 * icc), int(100 * cac)])
                    lines += rows(world, trials, few, rng)
                    print(world, flush=True)
    table = pd.DataFrame(lines)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "clusters_size.csv", index=False, float_format="%.4f")
    (RESULTS / "clusters_size.md").write_text(page(table), encoding="utf-8")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    main(*(given + [2000, 500, 1][len(given) :]))
