"""Rows of the list of systems that `estimate` answers: early detection (S0.4), neighbours (S0.5), interruptions (S1.6),
administrations (S3.6), and covariates that the plan binds."""

import csv
import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.copenhagen import DAY, drawn, frozen, recorded
from trialkit.cli.estimate import publish
from trialkit.estimate.many import adjusted
from trialkit.protocol.load import load
from trialkit.protocol.plan import columns
from trialkit.report.beside import SaidBeside
from trialkit.trial import Trial

PROTOCOLS = Path(__file__).parents[2] / "protocols"
MONTHS = [f"{year}-{month:02d}" for year in (2011, 2012) for month in range(1, 13)]


def more(trial, outcomes, seed=1):
    """Made-up sums of other outcomes among those who got support: (id, mean) each."""
    rng = np.random.default_rng(seed)
    path = trial.folder / "more.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["synthetic", "unit", "month", "outcome", "numerator", "denominator"])
        for unit in (one["id"] for one in trial.plan["units"]):
            for month in MONTHS:
                people = int(rng.integers(3, 15))
                for name, mean in outcomes:
                    writer.writerow(["yes", unit, month, name, int(rng.poisson(mean * people)), people])
    trial.record(path, by="test", moment=DAY + timedelta(seconds=4))
    return trial


def frozen_later(trial):
    trial.freeze(DAY + timedelta(seconds=5), by="test")
    return trial


@pytest.fixture(scope="module")
def early_detection(tmp_path_factory):
    trial = recorded(drawn(tmp_path_factory.mktemp("rows") / "trial"))
    return frozen_later(more(trial, [("days_to_support", 40), ("age_at_first_support", 2)]))


def page(files, lang):
    path = files[f"effect.{lang}.html"]
    html = re.sub(r"<style>.*?</style>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_s0_4_share_days_and_age_with_their_denominators(early_detection):
    trial = early_detection
    found = trial.estimate()
    files = {path.name: path for path in publish(trial.folder / "reports", found)}
    lines = {line.outcome: line for line in found.beside.lines if line.part == "outcome"}
    for name in ("days_to_support", "age_at_first_support"):
        line, panel = lines[name], trial.panel(name, snapshot="").panel
        labels, starts = trial.labels(), {wave.id: str(wave.start) for wave in trial.promised.waves}
        top = {True: 0.0, False: 0.0}
        people = {True: 0.0, False: 0.0}
        for month in ("2012-02", "2012-03", "2012-04", "2012-05", "2012-06", "2012-07", "2012-08", "2012-09"):
            column = panel.periods.index(month)
            for row, unit in enumerate(panel.units):
                began = f"{month}-01" >= starts[labels[unit]]  # every wave starts on the first of a month
                top[began] += panel.numerator[row, column]
                people[began] += panel.denominator[row, column]
        assert [side.denominator for side in line.sides] == [people[True], people[False]]
        assert [side.numerator for side in line.sides] == [top[True], top[False]]
        assert line.sides[0].level - line.sides[1].level == pytest.approx(line.estimate.estimate, abs=1e-10)
        for lang, of in (("en", "among"), ("da", "blandt")):
            text = page(files, lang)
            assert f"({of} {written(people[True], lang)})" in text
    english = page(files, "en")
    assert "from the staff who work with the new way themselves" in english  # who measured days to support
    assert "Defined only for children who get support" in english  # what the draft warns of
    document = json.loads(files["estimate.json"].read_bytes())
    p = [float(one["p_value"]) for one in document["beside"]]
    assert [float(one["p_adjusted"]) for one in document["beside"]] == pytest.approx(adjusted(p), abs=1e-8)


def written(n, lang):
    return f"{n:,.0f}" if lang == "en" else f"{n:,.0f}".replace(",", ".")


def test_small_bases_of_other_outcomes_are_hidden(tmp_path):
    trial = recorded(drawn(tmp_path / "trial"))
    path = trial.folder / "few.csv"
    rows = [["synthetic", "unit", "month", "outcome", "numerator", "denominator"]]
    units = [one["id"] for one in trial.plan["units"]]
    rows += [["yes", unit, month, "days_to_support", 0, 0] for unit in units for month in MONTHS]
    waits = next(unit for unit in units if trial.labels()[unit] == "wave_3")
    begun = next(unit for unit in units if trial.labels()[unit] == "wave_1")
    for row in rows[1:]:
        if row[2] == "2012-03" and row[1] in (waits, begun):
            row[4:] = [90, 3]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    trial.record(path, by="test", moment=DAY + timedelta(seconds=4))
    found = frozen_later(trial).estimate()
    said = " ".join(SaidBeside(found, "en").notes())
    line = next(one for one in found.beside.lines if one.outcome == "days_to_support")
    assert [side.denominator for side in line.sides] == [3, 3]
    assert "among 3" not in said
    assert "hidden with the new way, against hidden without" in said


def test_s0_5_exposure_of_the_shipped_map(early_detection):
    """4 of 7 areas touch a pilot, and at most two waiting areas are clean at once, whatever is drawn."""
    trial = early_detection
    found = trial.spillover().found
    pilots = {one["id"] for one in trial.plan["outside"]}
    beside = {a if b in pilots else b for a, b in found.pairs if (a in pilots) != (b in pilots)}
    assert len(beside) == 4
    assert 1 <= found.exposed.most_clean.max() <= 2
    always = set(found.exposed.always_exposed)
    assert beside <= always  # who touches a pilot is never clean
    assert found.exposed.exact


def test_s1_6_models_are_answered_with_and_without_interrupted_months(tmp_path):
    mark = (r"(?m)^estimand:", "interruptions: [{id: strike, from: 2012-04-02, to: 2012-04-20}]\nestimand:")
    trial = frozen(recorded(drawn(tmp_path / "trial", mark)))
    found = trial.estimate()
    wedge = next(line for line in found.beside.lines if line.method == "stepped_wedge_model")
    assert wedge.sensitivity is not None
    assert wedge.sensitivity.estimate != wedge.estimate.estimate
    assert found.answer.sensitivity is not None
    assert found.answer.panel.interrupted[:, 2].all()  # kept and marked
    for lang, word in (("en", "without the interrupted months"), ("da", "udelades de afbrudte måneder")):
        assert word in " ".join(SaidBeside(found, lang).notes())


ADMINISTRATIONS = (
    r"(?m)^estimand:",
    "\n".join(
        f"  - {{id: goal_{name}, administration: {name}, type: share, numerator: children with it, denominator: all children, "
        f"level: child, frequency: month, reported_by: register_extract, better: higher{role}, "
        f"label: {{en: Goal of {name}, da: Mål i {name}}}}}"
        for name, role in (("buf", ""), ("bif", ""), ("sof", ""), ("kff", ""), ("suf", ", role: process"))
    )
    + "\nestimand:",
)
ONE_FAMILY = (r"many_outcomes: holm", "many_outcomes: one_family_per_administration_then_holm")


def test_s3_6_one_line_per_administration_and_the_missing_ones_shown(tmp_path):
    trial = recorded(drawn(tmp_path / "trial", ADMINISTRATIONS, ONE_FAMILY))
    trial = frozen_later(more(trial, [("goal_buf", 0.3), ("goal_bif", 0.2)]))
    found = trial.estimate()
    lines = [line for line in found.beside.lines if line.administration]
    assert [line.administration for line in lines] == ["buf", "bif", "sof", "kff", "suf"]
    assert [line.estimate is None for line in lines] == [False, False, True, True, True]
    tested = [line.estimate.p_value for line in found.beside.lines if line.tested]
    together = [line.p_adjusted for line in found.beside.lines if line.tested]
    assert together == pytest.approx(adjusted(tested).tolist(), abs=1e-12)  # one outcome each: Holm over all of them
    files = {path.name: path for path in publish(trial.folder / "reports", found)}
    for lang in ("en", "da"):
        text = page(files, lang)
        for name in ("buf", "bif", "sof", "kff", "suf"):
            assert f"{name}: " in text
    assert found.answer.estimate.p_value == found.answer.test.p_value_at(0.0)  # the primary answer is not adjusted


def test_a_covariate_is_bound_by_the_plan_and_read_from_there(tmp_path):
    """An ancova adjusts for what the committed plan lists, so a column changed afterwards changes nothing."""
    folder = Path(shutil.copytree(PROTOCOLS / "family_houses_2022" / "synthetic", tmp_path / "houses"))
    draft = folder / "draft.yaml"
    text = draft.read_text(encoding="utf-8")
    units = folder / "synthetic_typology_by_municipality.csv"
    lines = units.read_text(encoding="utf-8").splitlines()
    joint = ";" if ";" in lines[0] else ","
    rng = np.random.default_rng(2)
    longer = [f"{lines[0]}{joint}same_share_in_the_year_before"]
    longer += [f"{line}{joint}0.{rng.integers(10, 60)}" for line in lines[1:]]
    units.write_text("\n".join(longer) + "\n", encoding="utf-8")
    draft.write_text(
        text.replace("columns: [synthetic,", "columns: [synthetic, same_share_in_the_year_before,"), encoding="utf-8"
    )
    assert "same_share_in_the_year_before" in columns(
        load(PROTOCOLS / "family_houses_2022" / "synthetic" / "draft.yaml")
    )
    document = Trial.open(folder).intended
    assert {"same_share_in_the_year_before"} <= {key for key, _ in document["units"][0]["facts"]}
