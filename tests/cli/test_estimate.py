"""``estimate`` as a person presses it: every link of the chain is checked first, and a report is written once."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.copenhagen import drawn, frozen, recorded
from trialkit.canonical import jcs, parse
from trialkit.cli.main import pressed
from trialkit.trial import Trial

CAUSAL = re.compile(
    r"effe[ck]t|\bvirk(er|ning)|skyldes|årsag|fordi|på grund af|takket være|fører til|medfør|forbedr|tilskrives|"
    r"because|\bcaus|due to|impact|\b(leads?|led) to|\bworks\b|thanks to|improve|put down to|over half|over halvdel",
    re.IGNORECASE,
)
PROTOCOLS = Path(__file__).parents[2] / "protocols"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One frozen trial, and one whose data are live only; tests copy them."""
    place = tmp_path_factory.mktemp("made")
    live = recorded(drawn(place / "live"))
    shutil.copytree(place / "live", place / "frozen")
    frozen(type(live).open(place / "frozen"))
    return place


@pytest.fixture
def trial(made, tmp_path):
    return Path(shutil.copytree(made / "frozen", tmp_path / "trial"))


def written(path, units):
    """Made-up counts of every unit in two months; in all the source's 689 of 1,305."""
    rows = [["synthetic", "unit", "month", "numerator", "denominator"]]
    for place, unit in enumerate(units):
        for month, (top, bottom) in (("2019-11", (16, 31)), ("2020-06", (16, 31))):
            more = (17, 3) if (place, month) == (0, "2019-11") else (0, 0)
            rows.append(["yes", unit, month, top + more[0], bottom + more[1]])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def snapshot_of(folder):
    return next(path for path in (folder / "snapshots").iterdir() if len(path.name) == 64)


def test_the_answer_in_words_and_its_files(press, trial):
    said = press("estimate", trial, "--lang", "da")
    name = snapshot_of(trial).name
    assert "SYNTETISKE DATA" in said
    assert "af de 142 mulige lodtrækninger" in said
    assert name in said
    folder = trial / "reports" / name[:12]
    assert sorted(path.name for path in folder.iterdir()) == [
        "effect.da.html", "effect.en.html", "estimate.json", "synthetic_curve.csv",
    ]  # fmt: skip
    assert '<html lang="da">' in (folder / "effect.da.html").read_text(encoding="utf-8")
    data = (folder / "estimate.json").read_bytes()
    document = parse(data)
    assert jcs(document) == data
    assert document["snapshot"] == name
    assert document["synthetic"] is True
    assert document["preliminary"] == []
    rows = list(
        csv.reader((folder / "synthetic_curve.csv").read_text(encoding="utf-8-sig").splitlines(), delimiter=";")
    )
    assert rows[0][0] == "synthetic"
    assert {row[0] for row in rows[1:]} == {"yes"}


@pytest.mark.parametrize("method", ["stepped_wedge_model", "glmm"])
def test_a_plan_that_answers_by_a_model_is_answered_by_it_and_checked_through_the_lot(press, tmp_path, method):
    """A model is the primary answer of a drawn trial, with everything the chain names."""
    changes = (
        (r"primary: \{method: randomization_test, .*\}", f"primary: {{method: {method}, alpha: 0.05}}"),
        (r"interval: by_inverting_the_test", "interval: model_based"),
    )
    trial = frozen(recorded(drawn(tmp_path / "trial", *changes)))
    told = {lang: press("estimate", trial.folder, "--lang", lang) for lang in ("da", "en")}
    assert "hviler på en model og ikke på loddet alene" in told["da"]
    assert "rests on a model and not on the draw alone" in told["en"]
    found = trial.estimate()
    one, check = found.answer.estimate, found.answer.check
    assert (found.answer.test, one.exploratory, one.n_allocations) == (None, False, 0)
    assert one.digests == (found.plan_hash, found.record_hash, found.snapshot)
    assert check is not None
    assert (check.exact, check.estimate.n_allocations) == (True, 142)
    document = parse((trial.folder / "reports" / found.snapshot[:12] / "estimate.json").read_bytes())
    assert document["registered"] == method
    assert float(document["check"]["p_value"]) == pytest.approx(check.estimate.p_value, abs=1e-9)
    assert document["snapshot"] == found.snapshot
    page = (trial.folder / "reports" / found.snapshot[:12] / "effect.da.html").read_text(encoding="utf-8")
    assert "Hvad kunne loddet have vist?" not in page


def test_for_machines(press, trial, capsys):
    assert pressed(["estimate", str(trial), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "estimate"
    assert float(found["conf_low"]) < float(found["estimate"]) < float(found["conf_high"])
    assert Path(found["files"][0]).name == "effect.en.html"


def test_again_changes_nothing_in_either_language_and_a_touched_report_is_never_written_over(press, trial):
    press("estimate", trial, "--lang", "da")
    folder = trial / "reports" / snapshot_of(trial).name[:12]
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    press("estimate", trial, "--lang", "en")
    press("estimate", trial, "--lang", "da", "--snapshot", snapshot_of(trial).name[:8])
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    page = folder / "estimate.json"
    page.write_bytes(page.read_bytes().replace(b'"units":7', b'"units":8'))
    (folder / "effect.da.html").unlink()
    assert "E_EXISTS" in press("estimate", trial, status=1)
    assert not (folder / "effect.da.html").exists()  # nothing is written beside a report that says something else


def test_the_pages_have_the_same_names_and_bytes_in_whichever_language_they_were_asked_for_first(
    press, trial, tmp_path
):
    folders = []
    for lang in ("da", "en"):
        mine = Path(shutil.copytree(trial, tmp_path / lang, ignore=shutil.ignore_patterns("reports")))
        said = press("estimate", mine, "--lang", lang)
        listed = [line.strip() for line in said.splitlines() if line.strip().endswith(".html")]
        other = {"da": "en", "en": "da"}[lang]
        assert [Path(line).name for line in listed] == [f"effect.{lang}.html", f"effect.{other}.html"]
        folders.append(next((mine / "reports").iterdir()))
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second


def test_live_data_only_when_asked_for_and_stamped_everywhere(press, made, tmp_path):
    trial = Path(shutil.copytree(made / "live", tmp_path / "live"))
    assert "E_SNAPSHOT" in press("estimate", trial, status=1)
    assert not (trial / "reports").exists()
    said = press("estimate", trial, "--live", "--lang", "da")
    assert "FORELØBIG" in said
    folder = next((trial / "reports").iterdir())
    assert folder.name.startswith("preliminary-")
    assert "PRELIMINARY" in (folder / "effect.en.html").read_text(encoding="utf-8")
    assert json.loads((folder / "estimate.json").read_bytes())["preliminary"] == ["live"]
    assert "snapshot" not in json.loads((folder / "estimate.json").read_bytes())
    assert ";yes;early_support" in (folder / "synthetic_curve.csv").read_text(encoding="utf-8-sig")


def test_a_changed_plan_is_found(press, trial):
    plan = parse((trial / "plan.json").read_bytes())
    plan["protocol"]["analysis"]["primary"]["sides"] = "one"
    (trial / "plan.json").write_bytes(jcs(plan))
    assert "E_PLAN" in press("estimate", trial, status=1)
    assert not (trial / "reports").exists()


def swap(allocation):
    """Two units of different waves change places."""
    first = allocation[0]
    other = next(one for one in allocation if one["label"] != first["label"])
    first["label"], other["label"] = other["label"], first["label"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda record: swap(record["result"]["allocation"]), "E_RESULT"),
        (lambda record: record["evidence"][0]["values"].reverse(), "E_SEED"),
    ],
)
def test_a_changed_draw_is_found_by_its_own_name(press, trial, change, code):
    path = next(trial.glob("draws/*/record.json"))
    record = parse(path.read_bytes())
    change(record)
    path.write_bytes(jcs(record))
    assert f"({code})" in press("estimate", trial, status=1)
    assert not (trial / "reports").exists()


@pytest.mark.parametrize("name", ["data.csv", "manifest.json", "SHA256SUMS"])
def test_a_changed_snapshot_is_found(press, trial, name):
    path = snapshot_of(trial) / name
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    assert "E_SNAPSHOT" in press("estimate", trial, status=1)
    assert not (trial / "reports").exists()


def test_a_snapshot_of_another_draw_is_not_used(press, made, trial, tmp_path):
    other = frozen(recorded(drawn(tmp_path / "other", throws=[1] * 20)))
    shutil.rmtree(trial / "snapshots")
    shutil.copytree(other.folder / "snapshots", trial / "snapshots")
    shutil.copy(other.folder / "trial.db", trial / "trial.db")
    said = press("estimate", trial, status=1)
    assert "E_SNAPSHOT" in said
    assert "record" in said


def test_a_rehearsal_answers_nothing(press, trial):
    press("draw", trial, "--rehearse")
    said = press("estimate", trial, "--live", "--draw", "copenhagen_2012_rollout.proeve1", "--lang", "da", status=1)
    assert "er en prøve" in said
    assert "E_NOT_DRAWN" in said


def test_a_snapshot_that_is_not_there_is_not_used(press, trial):
    assert "E_SNAPSHOT" in press("estimate", trial, "--snapshot", "ffff", status=1)


def test_nothing_committed_or_drawn_or_recorded_is_said_by_name(press, made, tmp_path):
    bare = Path(shutil.copytree(PROTOCOLS / "copenhagen_2012_rollout", tmp_path / "bare"))
    assert "E_NOT_COMMITTED" in press("estimate", bare, status=1)
    committed = Path(shutil.copytree(made / "live", tmp_path / "committed"))
    (committed / "trial.db").unlink()
    assert "E_NO_RECORDS" in press("estimate", committed, "--live", status=1)
    next(committed.glob("draws/*/record.json")).unlink()
    assert "E_RECORD_HASH" in press("estimate", committed, "--live", status=1)
    draft = bare / "draft.yaml"
    draft.write_text(re.sub(r"(?m)^    - \{drand: .*\n", "", draft.read_text(encoding="utf-8")), encoding="utf-8")
    press("commit", bare)
    assert "E_NOT_DRAWN" in press("estimate", bare, "--live", status=1)


def test_what_was_not_drawn_is_described_and_nothing_else(press, tmp_path):
    """S1.1 through the command line."""
    trial = Path(shutil.copytree(PROTOCOLS / "thousand_days_two_rounds", tmp_path / "days"))
    assert "E_NO_RECORDS" in press("estimate", trial, "--live", status=1)
    written(trial / "made_up.csv", Trial.open(trial).population().units.ids)
    press("record", trial, "--from", trial / "made_up.csv", "--by", "test")
    press("freeze", trial, "--by", "test")
    said = {lang: press("estimate", trial, "--lang", lang) for lang in ("da", "en")}
    assert "689 af 1.305" in said["da"]
    assert "52.8% (689 of 1,305)" in said["en"]
    folder = trial / "reports" / snapshot_of(trial).name[:12]
    assert sorted(path.name for path in folder.iterdir()) == [
        "description.da.html", "description.en.html", "estimate.json", "plan.json", "synthetic_curve.csv",
    ]  # fmt: skip
    assert hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest() in said["en"]
    document = json.loads((folder / "estimate.json").read_bytes())
    assert (document["kind"], document["drawn_by_lot"]) == ("description", False)
    assert "p_value" not in document
    told = [path for path in folder.iterdir() if path.name != "plan.json"]  # the draft's own field names
    everything = "".join(said.values()) + "".join(path.read_text(encoding="utf-8") for path in told)
    assert not CAUSAL.search(re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", everything, flags=re.DOTALL))


def test_a_plan_changed_after_the_data_were_frozen_is_found(press, tmp_path):
    trial = Path(shutil.copytree(PROTOCOLS / "thousand_days_two_rounds", tmp_path / "days"))
    written(trial / "made_up.csv", Trial.open(trial).population().units.ids)
    press("record", trial, "--from", trial / "made_up.csv", "--by", "test")
    press("freeze", trial, "--by", "test")
    draft = trial / "draft.yaml"
    draft.write_text(draft.read_text(encoding="utf-8").replace("alpha: 0.05", "alpha: 0.2"), encoding="utf-8")
    assert "E_SNAPSHOT" in press("estimate", trial, status=1)


def test_a_test_of_what_was_not_drawn_is_refused_with_the_reason(press, tmp_path):
    trial = Path(shutil.copytree(PROTOCOLS / "thousand_days_two_rounds", tmp_path / "days"))
    written(trial / "made_up.csv", Trial.open(trial).population().units.ids)
    draft = trial / "draft.yaml"
    known = draft.read_text(encoding="utf-8")
    primary = "method: proportion_with_cluster_interval, cluster: municipality"
    press("record", trial, "--from", trial / "made_up.csv", "--by", "test")
    for method, code in (("randomization_test", "E_CONTRADICTION"), ("difference_in_means", "E_NOT_DRAWN")):
        text = known.replace("  forbidden: [randomization_test]", "  forbidden: [gee]")
        draft.write_text(text.replace(primary, f"method: {method}"), encoding="utf-8")
        for lang, word in (("da", "lod"), ("en", "lot")):
            said = press("estimate", trial, "--live", "--lang", lang, status=1)
            assert code in said
            assert word in said
            assert not CAUSAL.search(said)


def test_the_demonstration_runs_to_an_answer(press, tmp_path):
    said = press("demo", tmp_path / "demo", "--lang", "en")
    assert "CONFIRMED" in said
    assert re.search(r"The planted effect is 8 more of 100 .* the interval (holds it|does not hold it)", said)
    page = Path(re.search(r"^  (\S+effect\.en\.html)   ", said, re.MULTILINE)[1])
    html = page.read_text(encoding="utf-8")
    assert "Synthetic data" in re.search("<title>(.*?)</title>", html)[1]
    found = json.loads(page.with_name("estimate.json").read_bytes())
    inside = float(found["conf_low"]) <= 0.08 <= float(found["conf_high"])
    assert ("interval holds it" in said) == inside
    for name in ("synthetic_outcomes.csv", "synthetic_truth.json"):
        assert b"yes" in (tmp_path / "demo" / name).read_bytes()
