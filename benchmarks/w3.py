"""W3: stepped-wedge power, 24 clusters x 5 periods x 20 persons, 10,000 data sets by REML.

Given data, everybody gets the same rows.  When simulating, the peers draw every person, since they need rows; trialkit
draws the sums its fit needs, whose distribution is known (`trialkit.power.wedge_sums`), so that people per cell cost
nothing.  Peers fit one data set at a time on the first few data sets and are scaled: statsmodels MixedLM, and feasible
least squares with moment estimates as a careful user writes it in numpy.  mcpower simulates and fits as many, where it is
installed (`pip install mcpower`).  The data are synthetic.
"""

from __future__ import annotations

import importlib
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import Contestant, Timed, interleaved, peak_mib, verdict
from trialkit.estimate.mixed import Df
from trialkit.estimate.mixed_many import ManyFits, many_mixed_models
from trialkit.estimate.wedge import TREATED, columns, stepped_wedge
from trialkit.power.components import Components
from trialkit.power.layout import Layout
from trialkit.power.wedge_world import WedgeWorld

Floats = NDArray[np.float64]

SETS, BY_MIXEDLM, BY_GLS = 10_000, 20, 500  # peers cost in proportion; they fit fewer data sets and are scaled
CLUSTERS, PERIODS, PERSONS = 24, 5, 20
CLUSTER = np.repeat(np.arange(CLUSTERS), PERIODS * PERSONS)
PERIOD = np.tile(np.repeat(np.arange(PERIODS), PERSONS), CLUSTERS)
START = 1 + np.arange(CLUSTERS) // (CLUSTERS // (PERIODS - 1))
EXPOSURE = np.maximum(PERIOD - START[CLUSTER] + 1, 0)
FIXED = columns(EXPOSURE, PERIOD)
LEVELS = np.array([0.0, 0.1, 0.15, 0.25, 0.3])
WORLD = WedgeWorld(
    layout=Layout.stepped([CLUSTERS // (PERIODS - 1)] * (PERIODS - 1), sizes=PERSONS),
    components=Components(residual=1.0, cluster=0.0625), effect=0.2, levels=LEVELS,
)  # fmt: skip
X = np.column_stack([np.ones(len(PERIOD)), *FIXED.values()])
EFFECT = 1 + list(FIXED).index(TREATED)

# Dense-grid REML on the generated data.
TRUSTED = {"estimate": [0.10942206, 0.18876125, 0.18907938], "std_error": [0.07167802, 0.0701237, 0.07097604]}
SEVENTH = {"estimate": 0.14303586, "std_error": 0.06572368, "ratio": 0.01387203}
SHARE_BELOW_05 = 0.8091


def generated(sets: int = SETS) -> Floats:
    """(sets, 2400) outcomes; fewer are the first of more."""
    rng, of_cluster = (np.random.Generator(np.random.PCG64([20260101, 3, part])) for part in (0, 1))
    y = rng.standard_normal((sets, CLUSTERS, PERIODS, PERSONS))
    y += of_cluster.standard_normal((sets, CLUSTERS, 1, 1)) * 0.25
    treated = np.arange(PERIODS) >= START[:, None]
    y += (LEVELS + 0.2 * treated)[None, :, :, None]
    return y.reshape(sets, -1)


def loaded(path: Path) -> Floats:
    """The same from a file with ``y`` (sets, 24, 5, 20)."""
    with np.load(path) as found:
        return np.ascontiguousarray(found["y"], np.float64).reshape(len(found["y"]), -1)


def ours(y: Floats, df: Df) -> ManyFits:
    """Ours, all data sets in one call."""
    return many_mixed_models(y, FIXED, contrast=TREATED, clusters=CLUSTER, random="cluster", unit="1", df=df)


def simulated(sets: int, df: Df) -> ManyFits:
    """Ours, drawn and fitted."""
    return WORLD.fits(sets, np.random.default_rng(20260103), random="cluster", df=df)


def one_fit(y: Floats) -> float:
    """One data set of rows, the default model with Kenward-Roger: what a person waits for."""
    fit = stepped_wedge(y, clusters=CLUSTER, periods=PERIOD, exposure=EXPOSURE, unit="1")
    return fit.effect().df


def by_mixedlm(y: Floats) -> list[float]:
    """statsmodels, one data set at a time."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in y:
            found.append(float(MixedLM(one, X, groups=CLUSTER).fit(reml=True).params[EFFECT]))
    return found


def by_gls(y: Floats) -> list[float]:
    """Feasible least squares from moment estimates of the two variances, on cell means; not the REML answer."""
    cell = X.reshape(CLUSTERS * PERIODS, PERSONS, -1)[:, 0]
    blocks, found = cell.reshape(CLUSTERS, PERIODS, -1), []
    for one in y.reshape(len(y), CLUSTERS, PERIODS, PERSONS):
        means, s2 = one.mean(axis=2), one.var(axis=2, ddof=1).mean()
        left = (means.ravel() - cell @ np.linalg.lstsq(cell, means.ravel(), rcond=None)[0]).reshape(CLUSTERS, PERIODS)
        tau2 = max(0.0, left.mean(axis=1).var(ddof=1) - s2 / (PERIODS * PERSONS))
        v = np.linalg.inv(s2 / PERSONS * np.eye(PERIODS) + tau2)
        information = np.einsum("ctp,ts,csq->pq", blocks, v, blocks)
        beta = np.linalg.solve(information, np.einsum("ctp,ts,cs->p", blocks, v, means))
        found.append(float(beta[EFFECT]))
    return found


def by_mcpower(sets: int) -> float:
    """mcpower, simulated and fitted by ML: as many rows, clusters and columns, its smallest ICC; it draws who is treated."""
    later = [f"p{k}" for k in range(1, PERIODS)]
    model = importlib.import_module("mcpower").MCPower(f"y = treated + {' + '.join(later)} + (1|cluster)", family="lme")
    model.set_variable_type(", ".join(f"{name}=binary" for name in ["treated", *later]))
    model.set_effects({"treated": 0.2} | dict(zip(later, [0.1, 0.15, 0.25, 0.3], strict=True)))
    model.set_cluster("cluster", ICC=0.1, n_clusters=CLUSTERS)
    found = model.find_power(
        len(CLUSTER), target_test="treated", n_sims=sets, seed=1, progress_callback=False, verbose=False
    )
    return len(found)


def run(data: Path | None, rounds: int) -> list[str]:
    """Ours and the peers', as lines to print."""
    y = loaded(data) if data else generated()
    few, some = y[:BY_MIXEDLM], y[:BY_GLS]
    answers = [_answer(ours(y, "normal"), by_mixedlm(few), trusted=data is None)]
    peer = {"mcpower": Contestant(lambda: by_mcpower(SETS), SETS)} if find_spec("mcpower") else {}
    times = interleaved(
        {
            "trialkit, normal": Contestant(lambda: ours(y, "normal"), len(y)),
            "trialkit, Kenward-Roger": Contestant(lambda: ours(y, "Kenward-Roger"), len(y)),
            "trialkit, simulated and fitted": Contestant(lambda: simulated(SETS, "normal"), SETS),
            "trialkit, the same, Kenward-Roger": Contestant(lambda: simulated(SETS, "Kenward-Roger"), SETS),
            "statsmodels MixedLM": Contestant(lambda: by_mixedlm(few), len(few)),
            "persons simulated, MixedLM": Contestant(lambda: by_mixedlm(generated(len(few))), len(few)),
            "loop, feasible least squares": Contestant(lambda: by_gls(some), len(some)),
            "trialkit, one data set of rows": Contestant(lambda: [one_fit(one) for one in few], len(few)),
            **peer,
        },
        rounds,
    )
    return [
        f"{len(y):,} data sets of {len(CLUSTER):,} rows; {rounds} interleaved rounds, medians; MixedLM fitted {len(few)} "
        f"and the loop {len(some)} data sets, and both are scaled",
        *answers,
        *_lines(times, len(y)),
        f"peak memory {peak_mib():.0f} MiB",
    ]


def _answer(found: ManyFits, theirs: list[float], *, trusted: bool) -> str:
    """The numbers, beside what they must be; a fast number that is wrong is worth nothing."""
    away = np.abs(found.estimate[: len(theirs)] - theirs)
    share = float((found.p_value < 0.05).mean())
    drawn = float((simulated(SETS, "normal").p_value < 0.05).mean())
    said = (
        f"share of p < .05: {share:.4f}, of those drawn as sums {drawn:.4f}; MixedLM's effect differs "
        f"by more than .0001 in {int((away > 1e-4).sum())} of "
        f"{len(theirs)} data sets (its optimizer stops at other places)"
    )
    if not trusted:
        return said
    np.testing.assert_allclose(found.estimate[:3], TRUSTED["estimate"], atol=1e-8)
    np.testing.assert_allclose(found.std_error[:3], TRUSTED["std_error"], atol=1e-8)
    ratio = found.components["cluster"][6] / found.components["residual"][6]
    seventh = [found.estimate[6], found.std_error[6], ratio]
    np.testing.assert_allclose(seventh, list(SEVENTH.values()), atol=1e-8)
    assert abs(share - SHARE_BELOW_05) < 5e-5, share
    assert abs(drawn - share) < 4 * (2 * share * (1 - share) / SETS) ** 0.5, drawn  # four Monte Carlo errors
    return f"{said}; all as the dense grid has them"


def _lines(times: dict[str, Timed], sets: int) -> list[str]:
    plain, adjusted, drawn, drawn_adjusted, mixedlm, from_persons, loop, one, *peer = times.values()
    return [
        plain.line(sets),
        adjusted.line(sets, f"CPU ratio to normal {verdict(adjusted.over(plain), at_most=5)}"),
        mixedlm.line(sets, f"CPU ratio {verdict(mixedlm.over(plain), at_least=5_000)}"),
        loop.line(sets, f"CPU ratio {loop.over(plain):.0f}x"),
        drawn.line(sets),
        drawn_adjusted.line(sets, f"CPU ratio to normal {verdict(drawn_adjusted.over(drawn), at_most=5)}"),
        from_persons.line(sets, f"CPU ratio {verdict(from_persons.over(drawn), at_least=10_000)}"),
        one.line(1, "of 2,400; nested exchangeable, Kenward-Roger"),
        *(mcpower.line(sets, f"CPU ratio {verdict(mcpower.over(drawn), at_least=40)}") for mcpower in peer),
        *([] if peer else ["mcpower is not installed here, so it was not timed"]),
    ]
