"""How often the room's default tests reject a true null, and how often their intervals hold the truth.

    python simulations/exact_size.py [TRIALS] [SEED] [LOT ...]

6, 7, 8, 12 and 21 units; arms of about the same size or very unequal; a measurement or a yes and no; the same spread in
both arms, or three times as much in the smaller one.  Units (and people) are drawn anew in each trial, so that an average
effect of 0 with unequal spread is exactly that and nothing in the design makes an interval wider than it must be.
Everything is made up; every number comes from the functions a user calls.  Results: exact_size.csv and exact_size.md
beside this file in ``results``; cells that are there already, of the same trials and seed, are not run again.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from trialkit.design import PartsDesign, blocked_wedge, complete, matched
from trialkit.errors import TrialkitError
from trialkit.estimate.adjusted import adjusted_difference
from trialkit.estimate.bootstrap import Signs, wild_bootstrap
from trialkit.estimate.compared import Compared
from trialkit.estimate.difference import difference_in_means
from trialkit.estimate.drawn import Drawn, ReferenceSet
from trialkit.estimate.judge import Judge
from trialkit.estimate.printed import average_effect, exact_first
from trialkit.estimate.randomization import randomization_test
from trialkit.estimate.regression import least_squares
from trialkit.estimate.result import Estimate
from trialkit.estimate.statistics import DifferenceInMeans, OlsAdjusted, RankSum, Statistic, default
from trialkit.estimate.weighted import hajek, horvitz_thompson
from trialkit.units import Unit, Units

ALPHA = 0.05
FIRST = "what is printed first"
ARMS = ("new", "usual")
SIZES = {6: (3, 2), 7: (3, 2), 8: (4, 2), 12: (6, 3), 21: (10, 6)}  # new units with about equal, and with unequal arms
STRATA = {8: ((2, 2), (2, 2)), 12: ((3, 3), (3, 3)), 21: ((5, 5), (5, 6))}  # a variance needs two in each arm
UNEVEN = {12: ((2, 4), (2, 4)), 21: ((3, 7), (3, 8))}
PAIRED = (6, 8, 12)
NOISIER = 3.0  # the spread of the smaller arm, where spreads differ
YES, CHANGED = 0.3, (0.1, 0.5)  # probability of yes; where spreads differ a yes and no cannot keep its mean
MOST, DRAWS = 20_000, 999  # where the allocations are more and there is no short cut, so many are drawn
QUICK = 1_000  # allocations that a loop of this file goes through as well
LOOKED_AT = {6: 50, 7: 50, 8: 50, 12: 50, 21: 20}  # trials whose interval is found as well
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of trial."""

    lot: str  # complete, blocked, pairs or clusters
    n: int
    arms: str  # balanced or unequal
    outcome: str  # gaussian or binary
    spread: str  # equal or unequal

    def row(self) -> dict[str, Any]:
        return {"lot": self.lot, "n": self.n, "arms": self.arms, "outcome": self.outcome, "spread": self.spread}

    def seed(self, seed: int) -> list[int]:
        return [seed, *(int.from_bytes(str(value).encode()) for value in self.row().values())]


class Trial(NamedTuple):
    """What one method is given: a lot, outcomes of units or of people, a covariate, the truth."""

    lot: Drawn
    y: np.ndarray
    x: np.ndarray
    treated: np.ndarray
    truth: float
    rng: np.random.Generator
    every: np.ndarray  # as `allocations`


class Found(NamedTuple):
    """What one method says of one trial."""

    rejects: bool  # the truth
    holds: bool  # the interval, the truth
    endless: bool | None = None  # an end is infinite; None: the interval was not found


Method = Callable[[Trial, bool], Found]
Values = Callable[[np.ndarray, np.ndarray, Trial], tuple[np.ndarray, float]]


# The worlds


def design_of(cell: Cell) -> PartsDesign:
    n, new = cell.n, SIZES[cell.n][cell.arms == "unequal"]
    ids = [f"u{k:02d}" for k in range(n)]
    places = {"new": new, "usual": n - new}
    if cell.lot == "complete":
        return complete(ids, places)
    if cell.lot == "pairs":
        return matched(ids, {"new": 1, "usual": 1}, blocks={name: f"p{k // 2}" for k, name in enumerate(ids)})
    if cell.lot == "blocked":
        quotas = (STRATA if cell.arms == "balanced" else UNEVEN)[n]
        first = sum(quotas[0])
        blocks = {name: "a" if k < first else "b" for k, name in enumerate(ids)}
        return blocked_wedge(ids, ARMS, dict(zip("ab", quotas, strict=True)), blocks=blocks)
    people = Units.of(
        Unit(id=f"{name}-{k:02d}", cluster=name) for j, name in enumerate(ids) for k in range(5 + 7 * j % 30)
    )
    return complete(people, places, level="cluster")


def world(cell: Cell, design: PartsDesign, every: np.ndarray, rng: np.random.Generator) -> Trial:
    """Outcomes without an effect on the average; with a yes and no of unequal spread, with one."""
    lot = Drawn.of(design, design.sample(1, rng)[0])
    item = np.asarray(design.item_of_unit)
    treated = lot.codes == design.label_names.index("new")
    noisy = treated if treated.sum() <= (~treated).sum() else ~treated
    scale = np.where(noisy, NOISIER, 1.0) if cell.spread == "unequal" else np.ones(cell.n)
    x = rng.normal(size=cell.n)
    block = lot.blocks / max(cell.n - 1, 1)
    if cell.lot == "clusters":
        return Trial(lot, people(cell, scale, item, rng), x[item], treated[item], 0.0, rng, every)
    if cell.outcome == "gaussian":
        return Trial(lot, block + scale * (0.6 * x + 0.8 * rng.normal(size=cell.n)), x, treated, 0.0, rng, every)
    chance = np.full(cell.n, YES)
    if cell.spread == "unequal":
        chance = np.where(noisy, CHANGED[1], CHANGED[0])
    truth = float(chance[treated][0] - chance[~treated][0])
    noise = (x + 0.8 / 0.6 * rng.normal(size=cell.n)) * 0.6  # standard normal; the yes follows the covariate
    return Trial(lot, (noise < ndtri(chance)) * 1.0, x, treated, truth, rng, every)


def people(cell: Cell, scale: np.ndarray, item: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """People in clusters: intracluster correlation about 0.1; unequal spread is that of the clusters."""
    own = scale * rng.normal(size=cell.n)
    if cell.outcome == "gaussian":
        return np.asarray((own / 3)[item] + rng.normal(size=item.size))
    spread = np.where(scale > 1, 0.24, 0.08)  # of a cluster's probability, which is on average YES
    a = YES * (YES * (1 - YES) / spread**2 - 1)
    chance = np.asarray(rng.beta(np.maximum(a, 0.05), np.maximum(a, 0.05) * (1 - YES) / YES))
    return (rng.random(item.size) < chance[item]) * 1.0


# The methods


def exact(statistic: Callable[[Trial], Statistic], quick: Values, most: int = MOST) -> Method:
    """The test through the lot, with its interval where it is looked at; elsewhere by ``quick``, which must agree."""

    def run(trial: Trial, look: bool) -> Found:
        if not look and len(trial.every):
            rejects = share_as_extreme(quick, trial) <= ALPHA
            return Found(rejects, not rejects)
        if not look:
            judge = Judge.of(statistic(trial).bind(trial.lot), reference(trial, most))
            rejects = judge.p_value(trial.truth, "distance") <= ALPHA
            return Found(rejects, not rejects)
        found = randomization_test(
            trial.lot.design, trial.lot.codes, statistic(trial), unit="1", most=most, draws=DRAWS, rng=trial.rng
        )
        p = found.p_value_at(trial.truth)
        if len(trial.every):
            assert abs(share_as_extreme(quick, trial) - p) < 1e-12, "two ways to one p-value differ"
        assert found.region is not None
        holds = any(low - 1e-8 <= trial.truth <= high + 1e-8 for low, high in found.region.pieces)  # solved to 1e-9
        assert holds or p <= ALPHA, "the interval leaves out what the test accepts"
        return Found(p <= ALPHA, holds, not all(map(isfinite, (found.estimate.conf_low, found.estimate.conf_high))))

    return run


def reference(trial: Trial, most: int) -> ReferenceSet:
    return ReferenceSet.of(trial.lot, most=most, draws=DRAWS, rng=trial.rng)


def allocations(design: PartsDesign) -> np.ndarray:
    """(N, n_items) 1.0 for the new arm, of every allocation; none where they are more than `QUICK`."""
    if design.count().total > QUICK:
        return np.zeros((0, len(design.items)))
    codes = np.concatenate([chunk.codes for chunk in design.enumerate()])
    return (codes == design.label_names.index("new")).astype(float)


def share_as_extreme(quick: Values, trial: Trial) -> float:
    """The p-value by distance from the design's mean, as `randomization_test` counts it."""
    design = trial.lot.design
    new = (trial.lot.codes == design.label_names.index("new")).astype(float)
    y = trial.y - trial.truth * trial.treated
    values, size = quick(np.vstack([new, trial.every]), y, trial)
    finite = np.isfinite(values[1:])
    values = np.abs(values - (values[1:][finite].mean() if finite.any() else 0.0))
    slack = 1e-9 * max(values[0], size) if isfinite(values[0]) else 0.0
    return float(1 - (values[1:] < values[0] - slack).mean())


def difference(new: np.ndarray, y: np.ndarray, trial: Trial, *, studentized: bool = False) -> tuple[np.ndarray, float]:
    """(k,) the difference within blocks under (k, n_items) allocations, over Neyman's error or not."""
    item, y = np.asarray(trial.lot.design.item_of_unit), y - y.mean()
    sums = np.stack([np.bincount(item, w, minlength=new.shape[1]) for w in (np.ones_like(y), y, y * y)])
    value = variance = np.zeros(len(new))
    for block in np.unique(trial.lot.blocks):
        own = trial.lot.blocks == block
        one = new[:, own] @ sums[:, own].T
        arms = [one, sums[:, own].sum(axis=1) - one]
        share = sums[0, own].sum() / y.size
        value = value + share * (arms[0][:, 1] / arms[0][:, 0] - arms[1][:, 1] / arms[1][:, 0])
        for n, s, q in (arm.T for arm in arms):
            variance = variance + share**2 * (q - s * s / n) / (n * (n - 1))
    size = float(np.abs(y).max()) or 1e-14
    return over_error(value, variance, size) if studentized else (value, size)


def over_error(value: np.ndarray, variance: np.ndarray, size: float) -> tuple[np.ndarray, float]:
    """t; without variance 0 or infinite."""
    flat = variance <= 1e-14 * size**2
    ends = np.where(np.abs(value) <= 1e-9 * size, 0.0, np.copysign(np.inf, value))
    return np.where(flat, ends, value / np.sqrt(np.where(flat, 1.0, variance))), 1.0


def paired(new: np.ndarray, y: np.ndarray, trial: Trial) -> tuple[np.ndarray, float]:
    """t of the differences within pairs, which are neighbours in the list."""
    gaps = y[::2] - y[1::2]
    value = (2 * new[:, ::2] - 1) @ gaps / gaps.size
    return over_error(
        value, (gaps @ gaps / gaps.size - value**2) / (gaps.size - 1), float(np.abs(y - y.mean()).max()) or 1.0
    )


def rank_sum(new: np.ndarray, y: np.ndarray, trial: Trial) -> tuple[np.ndarray, float]:
    return new @ rankdata(y.round(9)), float(y.size)


def adjusted(new: np.ndarray, y: np.ndarray, trial: Trial) -> tuple[np.ndarray, float]:
    """Least squares with the covariate (Frisch and Waugh)."""
    base = np.linalg.qr(np.column_stack([np.ones(y.size), trial.x]))[0]
    y = y - y.mean()
    left = new.sum(axis=1) - ((new @ base) ** 2).sum(axis=1)
    return new @ (y - base @ (base.T @ y)) / left, float(np.abs(y).max()) or 1e-14


def by_error(estimate: Callable[[Trial], Estimate]) -> Method:
    """An estimate with an error; where it rejects another truth than 0, its interval leaves it out."""

    def run(trial: Trial, look: bool) -> Found:
        found = estimate(trial)
        holds = found.conf_low <= trial.truth <= found.conf_high
        rejects = found.p_value <= ALPHA if trial.truth == 0 else not holds and found.std_error > 0
        return Found(bool(rejects), bool(holds), not (isfinite(found.conf_low) and isfinite(found.conf_high)))

    return run


def bootstrap(trial: Trial, look: bool, signs: Signs) -> Found:
    """The wild bootstrap; its interval holds what it does not reject."""
    clusters = np.asarray(trial.lot.design.item_of_unit)
    found = wild_bootstrap(
        trial.y,
        {"z": trial.treated},
        "z",
        clusters=clusters,
        unit="1",
        draws=DRAWS,
        rng=trial.rng,
        signs=signs,
        interval=look,
    )
    rejects = found.p_value <= ALPHA
    ends = found.estimate.conf_low, found.estimate.conf_high
    return Found(
        rejects, ends[0] <= 0 <= ends[1] if look else not rejects, not all(map(isfinite, ends)) if look else None
    )


def printed_first(exactly: Method, by_error: Method) -> Method:
    """What `average_effect` prints first: by the same rule, without finding both."""

    def run(trial: Trial, look: bool) -> Found:
        few = exact_first(Compared.of(trial.y, trial.lot, ARMS))
        if look:  # the rule is the function's own
            shown = average_effect(
                trial.lot.design, trial.lot.codes, trial.y, most=MOST, draws=DRAWS, rng=trial.rng, **ASKED
            )
            assert bool(few) == (shown.first is shown.test.estimate)
        return (exactly if few else by_error)(trial, look)

    return run


ASKED: dict[str, Any] = {"compare": ARMS, "unit": "1"}
T_TEST = partial(difference, studentized=True)
EXACT = exact(lambda t: default(t.lot, t.y, ARMS), T_TEST)
PAIR_TEST = exact(lambda t: default(t.lot, t.y, ARMS), paired)
DIFFERENCE = by_error(lambda t: difference_in_means(t.y, t.lot, **ASKED))
METHODS: dict[str, dict[str, Method]] = {
    "complete": {
        FIRST: printed_first(EXACT, DIFFERENCE),
        "exact, studentized": exact(lambda t: default(t.lot, t.y, ARMS), T_TEST),
        "exact, difference": exact(lambda t: DifferenceInMeans(outcome=t.y, compare=ARMS), difference),
        "exact, rank sum": exact(lambda t: RankSum(outcome=t.y, compare=ARMS), rank_sum),
        "exact, adjusted": exact(lambda t: OlsAdjusted(outcome=t.y, covariates=t.x[:, None], compare=ARMS), adjusted),
        "difference in means, Welch": DIFFERENCE,
        "regression, HC2": by_error(lambda t: least_squares(t.y, {"z": t.treated}).estimate("z", unit="1")),
        "Lin, Satterthwaite": by_error(lambda t: adjusted_difference(t.y, t.lot, {"x": t.x}, **ASKED)),
        "Lin, t(units - 4)": by_error(lambda t: adjusted_difference(t.y, t.lot, {"x": t.x}, df="design", **ASKED)),
        "Horvitz-Thompson, Welch": by_error(lambda t: horvitz_thompson(t.y, t.lot, **ASKED)),
        "Hajek, Welch": by_error(lambda t: hajek(t.y, t.lot, **ASKED)),
        "Horvitz-Thompson, normal": by_error(lambda t: horvitz_thompson(t.y, t.lot, df="normal", **ASKED)),
        "Hajek, normal": by_error(lambda t: hajek(t.y, t.lot, df="normal", **ASKED)),
    },
    "blocked": {
        FIRST: printed_first(EXACT, DIFFERENCE),
        "exact, studentized": EXACT,
        "difference in means, t(units - 2 x blocks)": DIFFERENCE,
    },
    "pairs": {
        FIRST: printed_first(PAIR_TEST, DIFFERENCE),
        "exact, paired t": PAIR_TEST,
        "difference in means, t(pairs - 1)": DIFFERENCE,
    },
    "clusters": {
        FIRST: printed_first(EXACT, DIFFERENCE),
        "exact, studentized": EXACT,
        "difference in means, CR2": DIFFERENCE,
        "wild bootstrap, Rademacher": partial(bootstrap, signs="rademacher"),
        "wild bootstrap, Webb": partial(bootstrap, signs="webb"),
    },
}  # fmt: skip


# The study


def cells() -> Iterator[Cell]:
    """Small ones first: they take the least time and say the most."""
    for n, (balanced, unequal) in SIZES.items():
        for lot in METHODS:
            for arms in ("balanced", "unequal") if balanced != unequal else ("balanced",):
                if lot == "pairs" and (n not in PAIRED or arms == "unequal"):
                    continue
                if lot == "blocked" and n not in (STRATA if arms == "balanced" else UNEVEN):
                    continue
                for outcome in ("gaussian", "binary"):
                    for spread in ("equal", "unequal"):
                        yield Cell(lot=lot, n=n, arms=arms, outcome=outcome, spread=spread)


def run(cell: Cell, trials: int, seed: int, names: Collection[str] = ()) -> list[dict[str, Any]]:
    """One row per method, of all or of ``names``: counts over ``trials`` trials, all methods on the same."""
    methods = {name: method for name, method in METHODS[cell.lot].items() if not names or name in names}
    design, rng = design_of(cell), np.random.default_rng(cell.seed(seed))
    every = allocations(design)
    found: dict[str, list[Found | None]] = {name: [] for name in methods}
    for k in range(trials):
        trial = world(cell, design, every, rng)
        for name, method in methods.items():
            try:
                found[name].append(method(trial, k < LOOKED_AT[cell.n]))
            except TrialkitError:  # it refuses, and says why
                found[name].append(None)
    return [
        {**cell.row(), "method": name, "trials": trials, "seed": seed, **counted(one)} for name, one in found.items()
    ]


def counted(found: list[Found | None]) -> dict[str, int]:
    said = [one for one in found if one is not None]
    looked = [one.endless for one in said if one.endless is not None]
    return {
        "refused": len(found) - len(said),
        "rejects": sum(one.rejects for one in said),
        "holds": sum(one.holds for one in said),
        "intervals": len(looked),
        "endless": sum(looked),
    }


def main(trials: int, seed: int, lots: list[str]) -> None:
    """Run what is not there yet, and keep every cell as it is found."""
    path = RESULTS / "exact_size.csv"
    rows = read(path)
    for cell in cells():
        asked = {key: str(value) for key, value in {**cell.row(), "trials": trials, "seed": seed}.items()}
        done = {row["method"] for row in rows if asked.items() <= row.items()}
        missing = [name for name in METHODS[cell.lot] if name not in done]
        if (lots and cell.lot not in lots) or not missing:
            continue
        rows = [row for row in rows if not (cell_of(row, cell) and row["method"] in missing)]
        rows += [{key: str(value) for key, value in row.items()} for row in run(cell, trials, seed, missing)]
        write(path, rows)
        (RESULTS / "exact_size.md").write_text(page(rows), encoding="utf-8")
        print(*cell.row().values(), flush=True)


def cell_of(row: dict[str, str], cell: Cell) -> bool:
    return {key: str(value) for key, value in cell.row().items()}.items() <= row.items()


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    order = [tuple(map(str, cell.row().values())) for cell in cells()]
    key = ("lot", "n", "arms", "outcome", "spread")
    rows = sorted(rows, key=lambda row: order.index(tuple(row[name] for name in key)))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


# The page

READING = """# How often tests of few units are wrong, and intervals miss

`python simulations/exact_size.py`, {trials} trials a cell, seed 1; everything is made up. The Monte Carlo error of 5
percent is 0.5.

An entry is the percent of trials in which a true hypothesis was rejected at 5 percent, and the percent of 95 percent
intervals that held the truth. ∞ is the percent of intervals with an infinite end, among the {looked} trials (20 with
21 units) whose interval was found; an exact interval holds exactly what its test accepts, and wherever it was found
it did. A measurement is normal; a yes is said by 30 percent. Where spreads differ, the smaller arm has three times
the spread, and the average effect is 0; a yes and no cannot change its spread alone, so there it goes from 10 to 50
percent and what is rejected is that true effect. Units and people are drawn anew in each trial. At 21 units 999 draws
stand for all allocations.

**Where the effect is the same for everybody** the exact tests reject at most 5 percent, whatever the outcome and the
split: the largest of the cells below, 6.0, is two Monte Carlo errors above, as one of that many cells will be. They
pay with power, and in the smallest designs with everything: 3 against 3 (20 allocations), 2 against 4 (15), three or
four pairs and two blocks of four never reject, and every interval is infinite.

**Welch's interval** holds from about 5 units in an arm. With 2 or 3 it does not, least of all for a yes and no, whose
arm of all no shows no spread at all. So `average_effect` prints the exact interval first below 5 units in an arm (or
in an arm of a block, while blocks are few), up to 12 clusters, and where an arm does not vary: *what is printed
first* rejects at most 6 percent and holds the truth in at least 94 in every one of these cells.
`difference_in_means`, `hajek` and `least_squares` give the error they are asked for, and say what to print first.

**Others.** Horvitz and Thompson's and Hajek's means by the normal reject up to four times too often, so both use
Welch's degrees of freedom; with equal chances Hajek's is then the difference in means itself. Lin's adjustment with
t(units - 4) rejects up to 20 percent; with Satterthwaite's degrees of freedom, now its own, at most 5.3 with a
measurement, and up to 8 for a yes and no. It is refused with 2 units in an arm. CR2 with Satterthwaite rejects at
most 6.6 percent from 6 clusters on. The wild bootstrap with six points (Webb) rejects up to 8 percent; with two
(Rademacher), now its own, up to 7, and with 12 clusters or fewer the lot comes first anyway.

**Where spreads differ nothing holds with 2 or 3 units in the noisier arm.** The exact test is of no effect on
anybody; that is then false, and it says so in up to 38 percent of trials, though the average effect is 0.
Studentizing mends this only with more units: with 6 against 15 it rejects 9 percent where the plain difference
rejects 19. Equal arms are the remedy that a design can give.

"""
KINDS = (("gaussian", "equal"), ("binary", "equal"), ("gaussian", "unequal"), ("binary", "unequal"))
HEADS = "| units | new | measurement | yes and no | measurement, spreads differ | yes and no, spreads differ |"
NO_EFFECT = {("gaussian", "equal"), ("binary", "equal")}


def percent(row: dict[str, str], key: str) -> float:
    return 100 * int(row[key]) / max(int(row["trials"]) - int(row["refused"]), 1)


def cell_text(row: dict[str, str] | None) -> str:
    """``rejects / holds``, with the share of infinite intervals where there are any."""
    if row is None:
        return ""
    if int(row["refused"]) > int(row["trials"]) / 2:
        return "refused"
    found = f"{percent(row, 'rejects'):.1f} / {percent(row, 'holds'):.1f}"
    endless = 100 * int(row["endless"]) / max(int(row["intervals"]), 1)
    return f"{found} ({endless:.0f} ∞)" if endless else found


def page(rows: list[dict[str, str]]) -> str:
    """The whole page from the table."""
    trials = {row["trials"] for row in rows}
    parts = [READING.format(trials="/".join(sorted(trials)), looked=LOOKED_AT[12]), summary(rows)]
    for lot, methods in METHODS.items():
        parts.append(f"## {LOTS[lot]}\n")
        for method in methods:
            parts.append(table([row for row in rows if (row["lot"], row["method"]) == (lot, method)], method))
    return "\n".join(parts)


LOTS = {
    "complete": "Single units, all at once", "blocked": "Within two blocks", "pairs": "Pairs",
    "clusters": "Clusters of 5 to 34 people",
}  # fmt: skip


def summary(rows: list[dict[str, str]]) -> str:
    """The worst cell of each method, where effects are the same for everybody and where spreads differ."""
    lines = [
        "| lot | method | rejects at most | holds at least | and with unequal spread: rejects at most | holds at least |",
        "|---|---|---|---|---|---|",
    ]
    for lot, methods in METHODS.items():
        for method in methods:
            own = [row for row in rows if (row["lot"], row["method"]) == (lot, method) and cell_text(row) != "refused"]
            sharp, other = (
                [r for r in own if ((r["outcome"], r["spread"]) in NO_EFFECT) == at] for at in (True, False)
            )
            worst = [
                f"{f((percent(row, key) for row in part), default=nan):.1f}"
                for part in (sharp, other)
                for f, key in WORST
            ]
            lines.append(f"| {lot} | {method} | " + " | ".join(worst) + " |")
    return "\n".join(lines) + "\n"


ANY = np.random.default_rng(0)  # every draw has as many new ones
WORST: tuple[tuple[Callable[[Any], float], str], ...] = ((max, "rejects"), (min, "holds"))


def table(rows: list[dict[str, str]], method: str) -> str:
    """One method: a line for each size and split."""
    lines = [f"**{method}**\n", HEADS, "|---|---|---|---|---|---|"]
    for n, arms in dict.fromkeys((int(row["n"]), row["arms"]) for row in rows):
        new = (
            design_of(Cell(lot=rows[0]["lot"], n=n, arms=arms, outcome="", spread=""))
            .sample(1, ANY)[0]
            .tolist()
            .count(0)
        )
        own = {(row["outcome"], row["spread"]): row for row in rows if (int(row["n"]), row["arms"]) == (n, arms)}
        lines.append(f"| {n} | {new} | " + " | ".join(cell_text(own.get(kind)) for kind in KINDS) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, int(sys.argv[2]) if len(sys.argv) > 2 else 1, sys.argv[3:])
