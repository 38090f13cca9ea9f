"""How often the intervals of a staggered rollout cover the effect: the test through the lot beside errors and tables.

    nice python simulations/staggered_size.py FOLDER [TRIALS] [SEED]

7, 8, 21 and 48 units in three waves, drawn among all, within two strata, or for clusters of 1 to 6 units (each cluster
counting the same, or each unit, by totals or by ratios).  Outcomes are synthetic: lasting differences between units,
strata and clusters, serial correlation, and an effect that is alike for all or one that grows and differs between units;
the truth is then the mean effect on these units.  A second part asks whether strata should share a beta.  FOLDER receives
staggered_coverage.csv, staggered_beta.csv and staggered_size.md, which is written from them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from math import nan, sqrt
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialkit.design import blocked_wedge, complete
from trialkit.design.base import Design
from trialkit.estimate.drawn import Drawn
from trialkit.estimate.event_study import weights
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.result import Estimate
from trialkit.estimate.rollout_lot import staggered_by_lot
from trialkit.estimate.rollout_test import StaggeredContrast, items_of
from trialkit.estimate.staggered import Staggered, staggered
from trialkit.units import Unit, Units

Floats = NDArray[np.float64]

T, LABELS, STARTS = 12, ("w1", "w2", "w3"), (4.0, 7.0, None)
FIRST = np.array([3, 6, T])
SIZES = {7: (3, 2, 2), 8: (2, 2, 4), 21: (7, 7, 7), 48: (16, 16, 16)}
STRATA = {8: ((2, 2, 0), (2, 0, 2)), 21: ((4, 3, 4), (3, 4, 3)), 48: ((8, 8, 8), (8, 8, 8))}  # 7 are too few for two
MEMBERS = (1, 2, 3, 6)  # units of a cluster, in turn
LOTS = {  # how timing is drawn, and what counts the same
    "all units": ("all", "cluster"), "two strata": ("strata", "cluster"), "clusters, each alike": ("clusters", "cluster"),
    "clusters, units alike": ("clusters", "unit"), "clusters, units by ratio": ("clusters", "ratio"),
}  # fmt: skip
FAR: Final = 1e3  # standard errors: outcomes no longer matter there, so what is accepted is accepted for ever
DRAWS: Final = 399
METHODS = (
    "efficient, test through the lot", "beta 1, test through the lot", "efficient, Neyman's error, normal",
    "efficient, Neyman's error, t", "efficient, adjusted error, normal", "beta 1, Neyman's error, t",
)  # fmt: skip


class Lot(NamedTuple):
    """A design, and who belongs where."""

    design: Design
    stratum: NDArray[np.intp]  # (n_units,)
    cluster: NDArray[np.intp]  # (n_units,)


def lot_of(n: int, kind: str) -> Lot:
    """``n`` units, or clusters."""
    ids = [f"u{k:02d}" for k in range(n)]
    sizes = dict(zip(LABELS, SIZES[n], strict=True))
    if kind == "clusters":
        members = [MEMBERS[k % len(MEMBERS)] for k in range(n)]
        units = Units.of(Unit(id=f"{i}-{j}", cluster=i) for i, m in zip(ids, members, strict=True) for j in range(m))
        design: Design = complete(units, sizes, level="cluster")
        return Lot(design, np.zeros(sum(members), np.intp), np.repeat(np.arange(n), members))
    if kind == "all":
        return Lot(complete(ids, sizes), np.zeros(n, np.intp), np.arange(n))
    return stratified(n, STRATA[n])


def stratified(n: int, quotas: tuple[tuple[int, int, int], ...]) -> Lot:
    """Units in order of strata."""
    codes = np.repeat(np.arange(len(quotas)), [sum(q) for q in quotas])
    blocks = {f"u{k:03d}": f"s{c:02d}" for k, c in enumerate(codes)}
    named = {f"s{c:02d}": quota for c, quota in enumerate(quotas)}
    return Lot(blocked_wedge(list(blocks), LABELS, named, blocks=blocks), codes, np.arange(n))


def counted(lot: Lot, per: str) -> dict[str, Any]:
    """What the estimators are told: totals over the mean cluster size, or ratios of totals."""
    return {"sizes": np.ones(lot.stratum.size)} if per == "ratio" else {"per": per}


def untreated(lot: Lot, rng: np.random.Generator, correlation: Floats) -> Floats:
    """(n_units, T) levels of clusters and units, a trend per stratum, and correlation from month to month."""
    y = rng.normal(size=(lot.cluster.size, T))
    for t in range(1, T):
        y[:, t] += correlation[lot.stratum] * y[:, t - 1]
    levels = rng.normal(size=lot.cluster.max() + 1)[lot.cluster] + 0.5 * rng.normal(size=lot.cluster.size)
    return y + levels[:, None] + lot.stratum[:, None] * (2 + 0.1 * np.arange(T))


def effects(lot: Lot, rng: np.random.Generator, kind: str) -> Floats:
    """(3, n_units, T): 1 for everybody, or growing by a tenth a month and with a spread of 0.5 between units."""
    exposure = np.clip(np.arange(T) - FIRST[:, None, None] + 1, 0, None)
    if kind == "alike":
        return np.broadcast_to(1.0 * (exposure > 0), (3, lot.stratum.size, T))
    own = 1 + 0.5 * rng.normal(size=(lot.stratum.size, 1))
    return own * np.where(exposure > 0, 0.5 + 0.1 * exposure, 0.0)


def truth(drawn: Drawn, effect: Floats, per: str) -> float:
    """The mean effect on these units, strata by their share."""
    total, counted = 0.0, drawn.units_per_item if per == "unit" else np.ones(len(drawn.codes))
    for block in np.unique(drawn.blocks):
        here = drawn.blocks == block
        labels, sizes = np.unique(drawn.codes[here], return_counts=True)
        table = weights(FIRST[labels], sizes, T, "simple")
        mean = np.array([items_of(drawn, effect[label], per)[here].mean(axis=0) for label in labels])
        total += float(counted[here].sum() / counted.sum() * (table * mean).sum())
    return total


class Trial(NamedTuple):
    """Of each method: whether it covers the effect, has an infinite end, covers no effect; and the errors of 0."""

    covers: tuple[bool, ...]
    infinite: tuple[bool, ...]
    covers_none: tuple[bool, ...]
    estimates: tuple[float, ...]
    adjusted_is_zero: bool


def trial(lot: Lot, per: str, kind: str, rng: np.random.Generator) -> Trial:
    """One trial: outcomes, a draw, every interval asked about the truth."""
    drawn = Drawn.of(lot.design, lot.design.sample(1, rng)[0])
    effect, codes = effects(lot, rng, kind), drawn.codes[drawn.design.item_of_unit]
    y = untreated(lot, rng, np.full(lot.stratum.max() + 1, 0.5)) + effect[codes, np.arange(codes.size)]
    target, asked = truth(drawn, effect, "cluster" if per == "cluster" else "unit"), counted(lot, per)
    found = staggered_by_lot(
        lot.design, drawn.codes, y, dict(zip(LABELS, STARTS, strict=True)), unit="1", test=False, **asked
    ).found
    by_lot = [tested(drawn, y, asked, beta, rng, target) for beta in (None, 1.0)]
    by_table = [covered(interval, target) for interval in intervals(found)]
    every = [*by_lot, *by_table]
    assert found.unadjusted is not None
    best, plain = found.estimate.estimate - target, found.unadjusted.estimate - target
    return Trial(
        tuple(c for c, _, _ in every), tuple(i for _, i, _ in every), tuple(z for _, _, z in every),
        (best, plain, best, best, best, plain), found.std_error_adjusted == 0,
    )  # fmt: skip


def tested(
    drawn: Drawn, y: Floats, asked: dict[str, Any], beta: float | None, rng: np.random.Generator, target: float
) -> tuple[bool, bool, bool]:
    """Whether the test accepts the truth, an effect far away on either side, and no effect: its interval, asked."""
    statistic = StaggeredContrast(outcome=y, starts=STARTS, beta=beta, **asked)
    test = randomization_test(
        drawn.design, drawn.codes, statistic, unit="1", interval=False, most=1000, draws=DRAWS, rng=rng
    )
    middle, far = test.estimate.estimate, FAR * test.estimate.std_error
    accepted = [test.p_value_at(tau) > 0.05 + 1e-12 for tau in (target, middle + far, middle - far)]
    return accepted[0], accepted[1] or accepted[2], test.p_value > 0.05 + 1e-12


def intervals(found: Staggered) -> Iterator[tuple[float, float]]:
    """Estimate and half width of the intervals that come from an error and a table."""
    from scipy import stats

    own, plain = found.estimate.estimate, found.unadjusted
    assert isinstance(plain, Estimate)
    z, t = float(stats.norm.isf(0.025)), float(stats.t.isf(0.025, plain.df))
    yield own, z * found.std_error_neyman
    yield own, t * found.std_error_neyman
    yield own, z * found.std_error_adjusted
    yield plain.estimate, (plain.conf_high - plain.conf_low) / 2


def covered(interval: tuple[float, float], target: float) -> tuple[bool, bool, bool]:
    """The same answers as `tested`; such intervals have no infinite end."""
    middle, reach = interval
    return abs(middle - target) <= reach, False, abs(middle) <= reach


def coverage(trials: int, seed: int) -> Iterator[dict[str, object]]:
    """One row per units, lot, effects and method."""
    for n, (name, (kind, per)), effect in product(SIZES, LOTS.items(), ("alike", "growing")):
        if kind == "strata" and n not in STRATA:
            continue
        lot, rng = lot_of(n, kind), np.random.default_rng([seed, n, list(LOTS).index(name), effect == "alike"])
        found = [trial(lot, per, effect, rng) for _ in range(trials)]
        for k, method in enumerate(METHODS):
            covers = float(np.mean([one.covers[k] for one in found]))
            wrong = np.array([one.estimates[k] for one in found])
            yield {
                "units": n, "lot": name, "effects": effect, "method": method, "trials": trials,
                "coverage": f"{covers:.4f}", "mc_error": f"{sqrt(covers * (1 - covers) / trials):.4f}",
                "infinite": f"{np.mean([one.infinite[k] for one in found]):.4f}",
                "power": f"{1 - np.mean([one.covers_none[k] for one in found]):.4f}",
                "bias": f"{wrong.mean():.4f}", "bias_error": f"{wrong.std() / sqrt(trials):.4f}",
                "rmse": f"{sqrt((wrong**2).mean()):.4f}",
                "adjusted_is_zero": f"{np.mean([one.adjusted_is_zero for one in found]):.4f}" if k == 4 else nan,
            }  # fmt: skip


# One beta for all strata, or one for each


GRID = {  # strata: places of each
    "2 of 4": STRATA[8], "3 of 7": ((3, 2, 2),) * 3, "2 of 10-11": STRATA[21], "8 of 6": ((2, 2, 2),) * 8,
    "2 of 24": STRATA[48], "2 of 60": ((20, 20, 20),) * 2, "2 of 240": ((80, 80, 80),) * 2,
}  # fmt: skip
CORRELATIONS = {"alike": (0.5, 0.5), "0.1 and 0.9": (0.1, 0.9)}


def betas(trials: int, seed: int) -> Iterator[dict[str, object]]:
    """One row per strata, correlations and rule: no effect, so what is estimated is the error."""
    for (name, quotas), (alike, values) in product(GRID.items(), CORRELATIONS.items()):
        lot = stratified(sum(map(sum, quotas)), quotas)
        rng = np.random.default_rng([seed, list(GRID).index(name), alike == "alike"])
        correlation = np.resize(np.array(values), len(quotas))
        table = np.array([_betas(lot, rng, correlation) for _ in range(trials)])  # (trials, 3, 2)
        for k, rule in enumerate(("one for all", "one for each", "beta 1")):
            wrong, error = table[:, k].T
            reject = float((np.abs(wrong) > 1.959964 * error).mean())
            yield {
                "strata": name, "correlation": alike, "beta": rule, "trials": trials,
                "rmse": f"{sqrt((wrong**2).mean()):.4f}", "mean_error": f"{sqrt((error**2).mean()):.4f}",
                "bias": f"{wrong.mean():.4f}", "bias_error": f"{wrong.std() / sqrt(trials):.4f}",
                "rejects": f"{reject:.4f}", "mc_error": f"{sqrt(reject * (1 - reject) / trials):.4f}",
            }  # fmt: skip


def _betas(lot: Lot, rng: np.random.Generator, correlation: Floats) -> list[tuple[float, float]]:
    codes = lot.design.sample(1, rng)[0]
    y = untreated(lot, rng, correlation)
    start = np.array([STARTS[c] or 0.0 for c in codes])
    found = [staggered(y, start, unit="1", strata=lot.stratum, common_beta=common) for common in (True, False)]
    plain = found[0].unadjusted
    assert plain is not None
    return [*((one.estimate.estimate, one.std_error_neyman) for one in found), (plain.estimate, plain.std_error)]


# The page


def written(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """A CSV, row by row, so that an interrupted run keeps what it has."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table: csv.DictWriter[str] | None = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, list(row), lineterminator="\n")
                table.writeheader()
            table.writerow(row)
            file.flush()


def page(folder: Path) -> str:
    """Both tables as Markdown, percentages with their Monte Carlo errors."""
    rows = list(csv.DictReader((folder / "staggered_coverage.csv").read_text(encoding="utf-8").splitlines()))
    pairs = list(csv.DictReader((folder / "staggered_beta.csv").read_text(encoding="utf-8").splitlines()))
    trials = int(rows[0]["trials"])
    lines = [
        "# Size and coverage of staggered rollouts", "",
        f"`python simulations/staggered_size.py FOLDER {trials}`; synthetic outcomes. Percent of {trials:,} trials whose 95 "
        f"percent interval holds the effect (Monte Carlo error {100 * sqrt(0.0475 / trials):.1f} at 95), for effects that "
        "are alike / that grow and differ between units. A test's interval is infinite where the lot is too small to "
        "exclude anything; how often stands in brackets, over both. With effects alike every method moves with the effect, "
        "so 100 less its first number is how often it rejects a true null.", "",
        "| units | lot | " + " | ".join(METHODS) + " | adjusted error 0 |", "|" + "---|" * (len(METHODS) + 3),
    ]  # fmt: skip
    for n, lot in dict.fromkeys((row["units"], row["lot"]) for row in rows):
        here = [row for row in rows if (row["units"], row["lot"]) == (n, lot)]
        each = [_cell([row for row in here if row["method"] == method]) for method in METHODS]
        zero = np.mean([float(row["adjusted_is_zero"]) for row in here if row["adjusted_is_zero"] != "nan"])
        lines.append(f"| {n} | {lot} | " + " | ".join(each) + f" | {100 * zero:.0f} |")
    lines += [
        "", "## One beta for all strata, or one for each", "",
        f"{int(pairs[0]['trials']):,} trials without an effect: root mean squared error of the estimate, what Neyman's error "
        "says it is on average, and the percent of true nulls that the normal interval with it rejects "
        f"(Monte Carlo error {100 * sqrt(0.0475 / int(pairs[0]['trials'])):.1f} at 5).", "",
        "| strata | month to month correlation | beta | RMSE | mean error | rejects |", "|---|---|---|---|---|---|",
        *(
            f"| {p['strata']} | {p['correlation']} | {p['beta']} | {float(p['rmse']):.3f} | {float(p['mean_error']):.3f} | "
            f"{100 * float(p['rejects']):.1f} |"
            for p in pairs
        ), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(rows: list[dict[str, str]]) -> str:
    infinite = 100 * float(np.mean([float(row["infinite"]) for row in rows]))
    both = " / ".join(f"{100 * float(row['coverage']):.1f}" for row in rows)
    return both + (f" ({infinite:.1f})" if infinite else "")


def main(folder: Path, trials: int, seed: int) -> None:
    """Both studies and the page."""
    folder.mkdir(parents=True, exist_ok=True)
    written(folder / "staggered_beta.csv", betas(trials, seed))
    written(folder / "staggered_coverage.csv", coverage(trials, seed))
    (folder / "staggered_size.md").write_text(page(folder), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(
        Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    )
