"""Closed-form power: by-hand GLS in R 4.2.2, and what swCRTdesign, SteppedPower and swdpwr print beside it.

A grid's variances and powers are written out in R (``power.R: vth``); the packages' numbers stand beside.  Where a
point carries a note that a package is off, ours is held to a covariance built person by person instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.power.person_level import person_level_variance
from trialkit.power import design_effects
from trialkit.power.analytic import Correlation
from trialkit.power.closed_form import effect_variance, power
from trialkit.power.components import Components
from trialkit.power.discrete import laplace_power, laplace_variance, line, linked, marginal_variance
from trialkit.power.layout import Layout
from trialkit.power.likelihood import Intercepts, likelihood_variance
from trialkit.power.wald import power_by_normal, power_by_t

Json = dict[str, Any]


def power_grid(case: Json, folder: Path) -> None:
    for point in case["expected"]["points"]:
        check_point(point, case["tolerance"])


def check_point(point: Json, allowed: Json) -> None:
    given, expected = point["inputs"], point["expected"]
    layout = Layout.of(np.array(given["X"], np.float64), given["n"])
    components = shared(given)
    variance = float(effect_variance(layout, components))
    assert variance == pytest.approx(expected["var_theta"], rel=allowed["var_rel"]), point["name"]
    assert variance**0.5 == pytest.approx(expected["se"], rel=allowed["var_rel"])
    near = {"abs": allowed["power_abs"], "rel": 0}
    asked = {"size": given["theta"], "std_error": variance**0.5, "alpha": given["alpha"]}
    one_tail = asked | {"alpha": given["alpha"] / 2, "sides": 1}
    assert float(power_by_normal(**one_tail)) == pytest.approx(expected["power_normal_one_tail"], **near)
    normal = float(power_by_normal(**asked))
    assert normal == pytest.approx(expected["power_normal_two_tail"], **near)
    n_clusters, n_effects = len(given["X"]), given["n_fixed_effects"]
    assert n_effects == int(layout.observed.any(axis=0).sum()) + 1
    for name, df in (("t_clusters_minus_2", n_clusters - 2), ("t_clusters_minus_p", n_clusters - n_effects)):
        if expected[name] is None:
            assert df < 1
            continue
        assert expected[name]["df"] == df
        by_t = {
            "central_shift_one_tail": power_by_t(**one_tail, df=df, tail="shifted"),
            "central_shift_two_tail": power_by_t(**asked, df=df, tail="shifted"),
            "noncentral_two_tail": power_by_t(**asked, df=df),
        }
        for key, found in by_t.items():
            assert float(found) == pytest.approx(expected[name][key], **near), (point["name"], name, key)
    side_by_side = power(layout, components, size=given["theta"], alpha=given["alpha"])
    assert side_by_side.df == n_clusters - 2
    check_packages(point, layout, components, allowed)


def shared(given: Json) -> Components:
    """The variances from the correlations, held to the ones the case lists."""
    decay = given["decay_r"] is not None
    assert decay == ("decay" in given["structure"])
    assert decay or given["cac"] == 1 or given["structure"] != "exchangeable"
    made = Components.shares(
        given["icc"], given["cac"], iac=given["iac"], decay=decay, total=given["total_variance"],
        treatment=given["eta2"], cluster_treatment=given["rho_tau_eta"],
    )  # fmt: skip
    listed = (given["tau2"], given["gamma2"], given["psi2"], given["sigma2"])
    assert (made.cluster, made.cluster_period, made.person, made.residual) == pytest.approx(
        listed, rel=1e-12, abs=1e-15
    )
    assert made.cluster_decay == (given["decay_r"] if decay else 1.0)
    return made


def check_packages(point: Json, layout: Layout, components: Components, allowed: Json) -> None:
    """swPwr and SteppedPower by the normal; SteppedPower's other corrections are central t moved by effect / error."""
    given, packages, note = point["inputs"], point["packages"], point["note"] or ""
    error = float(effect_variance(layout, components)) ** 0.5
    normal = float(power_by_normal(given["theta"], error, alpha=given["alpha"]))
    cells, n_clusters, n_effects = np.size(given["X"]), len(given["X"]), given["n_fixed_effects"]
    rule = {"between-within": n_clusters - n_effects, "containment": cells - n_clusters, "residual": cells - n_effects}
    for name, found in packages.items():
        package, _, kind = name.partition("_")
        if found is None:  # the package has no answer here
            continue
        if package in note:  # said to be off: our number is proved another way
            assert person_level_variance(layout, components) == pytest.approx(error**2, rel=allowed["var_rel"])
        elif package == "swdpwr":  # prints 3 decimals
            assert found["power"] == pytest.approx(normal, abs=0.0006)
            # whoever is measured again: icc x cac + (1 - icc) x iac
            assert found["alpha2"] == pytest.approx(float(components.within_person), abs=1e-12)
        elif isinstance(found, dict):
            df = found["df"]
            # with hardly any degrees of freedom the package falls back to the normal without a word; ours never does
            assert rule[kind] <= 3 if df is None else df == rule[kind], (point["name"], name)
            ours = normal if df is None else power_by_t(given["theta"], error, df, alpha=given["alpha"], tail="shifted")
            assert found["power"] == pytest.approx(float(ours), abs=allowed["power_abs"]), (point["name"], name)
        else:
            assert found == pytest.approx(normal, abs=allowed["power_abs"]), (point["name"], name)


def power_published(case: Json, folder: Path) -> None:
    for name, expected in case["expected"].items():
        if name == "hooper_vs_gls_ratio":
            check_hooper_against_gls(case["expected"]["hooper_vs_gls_ratio"], case["expected"]["design_effects"], case)
        else:
            PUBLISHED[name](expected, case["tolerance"])


def check_hussey_hughes(expected: Json, allowed: Json) -> None:
    """24 clusters, 4 sequences of 6, 5 periods; a share's variance at the mean of both means."""
    rel = allowed["closed_form_rel"]
    for rows in expected.values():
        for row in rows:
            middle = (row["p0"] + row["p1"]) / 2
            assert row["p1"] == pytest.approx(row["RR"] * row["p0"], rel=1e-12)
            assert row["sigma2_e_individual"] == pytest.approx(middle * (1 - middle), rel=rel)
            components = Components(residual=middle * (1 - middle), cluster=row["tau"] ** 2)
            layout = Layout.stepped([6, 6, 6, 6], sizes=row["n"])
            variance = float(effect_variance(layout, components))
            assert variance == pytest.approx(row["var_theta"], rel=rel)
            assert variance**0.5 == pytest.approx(row["se"], rel=rel)
            size = row["p0"] - row["p1"]
            one = float(power_by_normal(size, variance**0.5, alpha=0.025, sides=1))
            assert one == pytest.approx(row["power_normal_one_tail"], rel=rel)
            found = float(power(layout, components, size=size).normal)
            assert found == pytest.approx(row["power_normal_two_tail"], rel=rel)
            assert found == pytest.approx(row["swPwr"], rel=rel)


def check_design_effects(expected: Json, allowed: Json) -> None:
    near = {"rel": allowed["closed_form_rel"]}
    for row in expected["woertman"]:
        found = design_effects.woertman(
            row["steps_k"], row["n_per_meas"], row["icc"], measured=row["t_meas_per_step"], baseline=row["b_baseline"]
        )
        assert found == pytest.approx(row["DE"], **near)
    for row in expected["hooper_sw"]:
        correlation = Correlation(icc=row["icc"], cac=row["cac"], iac=row["iac"])
        r = design_effects.mean_correlation(row["m"], correlation)
        assert r == pytest.approx(row["r"], **near)
        assert design_effects.clustered(row["m"], row["icc"]) == pytest.approx(row["DE_cluster"], **near)
        assert design_effects.repeated(row["sequences"], r) == pytest.approx(row["DE_repeated_over_period"], **near)
        whole = design_effects.stepped_wedge(row["sequences"], row["m"], correlation)
        assert whole == pytest.approx(row["DE_total_per_period"], **near)
    for row in expected["parallel_unequal_eldridge"]:
        assert design_effects.clustered(row["mean_m"], row["icc"], cv=row["cv"]) == pytest.approx(row["DE"], **near)
    assert set(expected) == {"woertman", "hooper_sw", "parallel_unequal_eldridge"}


def check_hooper_against_gls(ratios: list[float], effects: Json, case: Json) -> None:
    """Variance of people compared once, times the design effect, is that of generalized least squares."""
    assert len(ratios) == len(effects["hooper_sw"])
    for ratio, row in zip(ratios, effects["hooper_sw"], strict=True):
        correlation = Correlation(icc=row["icc"], cac=row["cac"], iac=row["iac"])
        layout = Layout.stepped([2] * row["sequences"], sizes=row["m"])
        once = 4 / (layout.n_clusters * row["m"])
        formula = once * design_effects.stepped_wedge(row["sequences"], row["m"], correlation)
        found = formula / float(effect_variance(layout, Components.of(correlation)))
        assert found == pytest.approx(ratio, rel=case["tolerance"]["closed_form_rel"])


def check_exposure(expected: list[Json], allowed: Json) -> None:
    near = {"rel": allowed["closed_form_rel"]}
    for row in expected:
        layout = Layout.stepped([row["clusters_per_sequence"]] * row["sequences"], sizes=row["n"])
        components = Components.shares(row["icc"], row["cac"], total=row["total_variance"])
        tate = float(effect_variance(layout, components, effect="exposure"))
        immediate = float(effect_variance(layout, components))
        each = [
            float(effect_variance(layout, components, effect="exposure", weights={time: 1.0}))
            for time in range(1, row["sequences"] + 1)
        ]
        assert tate == pytest.approx(row["var_tate"], **near)
        assert each == pytest.approx(row["var_by_exposure"], **near)
        assert each[-1] == pytest.approx(row["var_last"], **near)
        assert immediate == pytest.approx(row["var_IT"], **near)
        assert tate / immediate == pytest.approx(row["inflation_TATE_over_IT"], **near)
        found = float(power(layout, components, size=row["theta"], effect="exposure").normal)
        assert found == pytest.approx(row["power_TATE_normal_two_tail"], **near)
        assert found == pytest.approx(row["swPwr_H_equal"], **near)


# swCRTdesign 4.0, the examples of help("swPwr"): 24 clusters in 4 sequences, n = 120, mu0 = 0.05, mu1 = 0.035, tau = 0.01
SWCRTDESIGN = {
    "Ex1_RIO_std": {},
    "Ex2_extended": {"after": 4},  # extra.trt.time = 3
    "Ex3_indep_random_treatment": {"eta": 0.0045},
    "Ex4_corr": {"eta": 0.0045, "rho": 0.4},
    "Ex5_random_time": {"eta": 0.0045, "rho": 0.4, "gamma": 0.1},
}  # fmt: skip


def swcrtdesign_example(name: str) -> float:
    given = dict(SWCRTDESIGN[name])
    layout = Layout.stepped([6, 6, 6, 6], sizes=120, after=int(given.pop("after", 1)))
    sigma = (0.0425 * (1 - 0.0425)) ** 0.5
    return float(power(layout, Components.deviations(sigma=sigma, tau=0.01, **given), size=0.015).normal)


def check_swcrtdesign(expected: Json, allowed: Json) -> None:
    for name, wanted in expected.items():
        assert swcrtdesign_example(name) == pytest.approx(wanted, rel=allowed["closed_form_rel"]), name


# SteppedPower 0.3.4, help("glsPower"): Cl = rep(1, 5), mu0 = 0, mu1 = 1, sigma = 2, tau = 0.33, N = 10
STEPPEDPOWER: dict[str, tuple[Json, Json]] = {
    "ex1": ({}, {}),
    "ex2_AR.7": ({}, {"ar": 0.7}),
    "ex3_unequalN": ({"sizes": [12, 8, 10, 9, 14]}, {}),
    "ex5_eta_rho": ({}, {"eta": 0.2, "rho": 0.25}),
    "ex6_incomplete3": ({"around": (3, 3)}, {}),
}


def steppedpower_example(name: str) -> float:
    where, how = STEPPEDPOWER[name]
    layout = Layout.stepped([1] * 5, sizes=where.get("sizes", 10))
    if "around" in where:
        layout = layout.around(*where["around"])
    return float(power(layout, Components.deviations(sigma=2, tau=0.33, **how), size=1.0).normal)


def check_steppedpower(expected: Json, allowed: Json) -> None:
    for name, wanted in expected.items():
        assert steppedpower_example(name) == pytest.approx(wanted, rel=allowed["closed_form_rel"]), name


def check_swdpwr(expected: list[Json], allowed: Json) -> None:
    for row in expected:
        assert swdpwr(row["args"], row["design"]) == pytest.approx(row["power"], abs=allowed["swdpwr_abs"]), row["args"]


def swdpwr(given: Json, design: list[list[int]]) -> float:
    """The call's own words: marginal models by GEE, conditional ones by likelihood; no time effect if the ends agree."""
    layout = Layout.of(design, given["K"])
    t, link, family = layout.treated.shape[1], given["link"], given["family"]
    start, end = given.get("meanresponse_start"), given.get("meanresponse_end0")
    size = given.get("effectsize_beta")
    if size is None:
        size = float(linked(given["meanresponse_end1"], link) - linked(end, link))
    periods = start is None or start != end
    if given["model"] == "conditional":
        assert (family, given["type"], given["alpha0"]) == ("binomial", "cross-sectional", given["alpha1"])
        levels = Intercepts.of_means(start=start, end=end, size=size, icc=given["alpha0"], periods=t, link=link)
        variance, size = likelihood_variance(layout, levels, periods=periods), levels.size
    else:
        icc, between = given["alpha0"], given["alpha1"]
        again = given.get("alpha2") if given["type"] == "cohort" else None
        correlation = Components.shares(icc, between / icc, iac=0.0 if again is None else (again - between) / (1 - icc))
        control = np.zeros(t) if start is None else line(start, end, periods=t, link=link)
        variance = float(marginal_variance(
            layout, correlation, control=control, size=size, link=link, family=family,
            scale=given.get("sigma2", 1.0), periods=periods,
        ))  # fmt: skip
    return float(power_by_normal(size, variance**0.5, alpha=given["typeIerror"]))


def check_laplace(expected: list[Json], allowed: Json) -> None:
    """swGlmPwr: bt is the level of every period after the first."""
    for row in expected:
        layout = Layout.stepped(row["cl"], sizes=row["n"])
        later = np.arange(layout.treated.shape[1]) > 0
        variance = laplace_variance(
            layout, Components.deviations(sigma=0, tau=row["tau"], gamma=row["gamma"]),
            control=row["b0"] + row["bt"] * later, size=row["b1"], family=row["distn"],
        )  # fmt: skip
        found = float(laplace_power(row["b1"], variance))
        assert found == pytest.approx(row["power"], rel=allowed["closed_form_rel"])


PUBLISHED = {
    "hussey_hughes_closed_form_EPT_like": check_hussey_hughes,
    "design_effects": check_design_effects,
    "eti_vs_it": check_exposure,
    "swCRTdesign_doc_examples": check_swcrtdesign,
    "SteppedPower_doc_examples": check_steppedpower,
    "swdpwr_doc_examples": check_swdpwr,
    "swdpwr_binary_grid": check_swdpwr,
    "swGlmPwr": check_laplace,
}


def published(case: Json, folder: Path) -> None:
    for example in case["expected"]["examples"]:
        found = printed_example(example)
        where = (example["title"], example["quantity"])
        assert found == pytest.approx(example["recomputed_here"], abs=case["tolerance"]["power_abs"]), where
        digits = len(str(example["printed"]).partition(".")[2])
        assert round(found, digits) == example["printed"], where


def printed_example(example: Json) -> float:
    """One call of a vignette, from its inputs; what is only in words is read from them."""
    given, words = example["inputs"], example["quantity"]
    layout, people = printed_layout(given, words)
    if "incomplete" in given:
        layout = layout.around(given["incomplete"], given["incomplete"])
    ar = given.get("AR", 1.0)
    if "on cluster (tau) and subject (psi) effects" in words:
        ar = [ar, 1.0, ar]
    still = {"sigma": 0.0, "gamma": 0.0} if "sigma=0" in words.split(":")[-1].replace(" ", "").split(",") else {}
    parts = {name: given.get(name, 0.0) for name in ("sigma", "tau", "gamma", "psi", "eta", "rho")} | still
    components = Components.deviations(**parts, ar=ar, churn=given.get("chi", 0.0))
    size = given["mu1"] - given.get("mu0", 0.0)
    assert people >= 1
    return float(power(layout, components, size=size).normal)


def printed_layout(given: Json, words: str) -> tuple[Layout, int]:
    people = given.get("n_per_cell", given.get("N", 1))
    if found := re.search(r"parallel, (\d+)\+(\d+) clusters, (\d+) periods", words):
        treated, control, periods = map(int, found.groups())
        return Layout.of([[1] * periods] * treated + [[0] * periods] * control, people), people
    if found := re.search(r"single period z-test, (\d+)\+(\d+)", words):
        treated, control = map(int, found.groups())
        return Layout.of([[1]] * treated + [[0]] * control, people), people
    counts = given.get("Cl") or [given["clusters"] // given["sequences"]] * given["sequences"]
    layout = Layout.stepped(counts, sizes=people)
    assert layout.treated.shape[1] == given.get("periods", layout.treated.shape[1])
    return layout, people
