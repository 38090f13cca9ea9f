"""``record``, ``freeze`` and what ``verify`` says of data, as a person presses them."""

import csv
import json
import sqlite3

import pytest

from tests.records.counts import copied, tampered
from trialkit.canonical import jcs
from trialkit.cli.main import pressed
from trialkit.protocol.plan import plan
from trialkit.records.store import Store
from trialkit.trial import Trial


@pytest.fixture
def press(capsys):
    def run(*words, status=0):
        capsys.readouterr()
        found = pressed([str(word) for word in words])
        said = capsys.readouterr()
        assert found == status, said
        assert "Traceback" not in said.out + said.err
        return said.out + said.err

    return run


@pytest.fixture
def folder(tmp_path):
    trial = copied(tmp_path)
    people = trial.population()
    (trial.folder / "plan.json").write_bytes(jcs(plan(trial.protocol, people.units, people.outside)))
    return trial.folder


def counts(folder, *rows, name="tal.csv"):
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["enhed", "måned", "tæller", "nævner"], *rows])
    return path


GOOD = ["Valby", "2012-02", "3", "40"], ["Vanløse", "2012-02", "0", "31"]


def test_a_file_is_taken_in_and_frozen_and_verified(press, folder):
    said = press("record", folder, "--from", counts(folder, *GOOD), "--by", "sundhedsplejen", "--lang", "da")
    assert "2 nye tal" in said
    head = Store(folder / "trial.db").entries()[-1]["hash"]
    assert head in said
    said = press("freeze", folder, "--by", "analytiker", "--lang", "da")
    (frozen,) = Trial.open(folder).snapshots
    assert frozen.digest in said
    assert "sha256sum --check" in said
    press("verify", folder)
    press("verify", folder / "trial.db", "--head", head)
    press("verify", frozen.folder)
    facts = json.loads(press("verify", folder, "--json"))
    assert (facts["status"], facts["faults"], len(facts["parts"])) == (0, [], 2)


def test_the_answer_for_machines_says_what_became_of_the_rows(press, folder):
    facts = json.loads(press("record", folder, "--from", counts(folder, *GOOD), "--by", "register", "--json"))
    assert (facts["new"], facts["corrected"], facts["unchanged"], facts["batch"]) == (2, 0, 0, 1)
    facts = json.loads(press("freeze", folder, "--by", "register", "--json"))
    assert facts["files"][0]["rows"] == 2


def test_a_bad_file_is_refused_whole_with_every_fault(press, folder):
    bad = counts(folder, *GOOD, ["Valby", "feb-12", "3", "40"], ["Oddense", "2012-02", "", "40"])
    said = press("record", folder, "--from", bad, "--by", "register", "--lang", "da", status=1)
    for place in ("tal.csv:4:2", "tal.csv:5:1", "tal.csv:5:3"):
        assert place in said
    assert "Der er ikke registreret noget" in said
    assert not (folder / "trial.db").exists()


def test_a_correction_needs_its_reason(press, folder):
    press("record", folder, "--from", counts(folder, *GOOD), "--by", "register")
    later = counts(folder, ["Valby", "2012-02", "4", "40"], name="later.csv")
    assert "E_CORRECTION" in press("record", folder, "--from", later, "--by", "register", status=1)
    said = press("record", folder, "--from", later, "--by", "register", "--correct", "one child was missing")
    assert "1 corrected" in said
    assert "E_REPEATED" in press("record", folder, "--from", later, "--by", "register", status=1)


def test_wrong_usage_and_missing_files_are_told(press, folder, tmp_path):
    press("record", folder, "--from", counts(folder, *GOOD), status=2)  # nobody
    assert "E_FILE" in press("record", folder, "--from", folder / "nowhere.csv", "--by", "register", status=1)
    assert "E_NO_RECORDS" in press("freeze", folder, "--by", "register", status=1)
    press("freeze", folder, "--by", "register", "--as-of", "yesterday", status=2)
    assert "E_USAGE" in press("record", tmp_path, "--from", "x.csv", "--by", "register", status=2)


def test_changed_records_and_snapshots_are_found_by_verify(press, folder):
    press("record", folder, "--from", counts(folder, *GOOD), "--by", "register")
    press("freeze", folder, "--by", "register")
    (frozen,) = Trial.open(folder).snapshots
    data = frozen.folder / "data.csv"
    data.write_text(data.read_text(encoding="utf-8").replace(",3,40", ",4,40"), encoding="utf-8")
    assert "data.csv" in press("verify", folder, status=1)
    tampered(folder / "trial.db", ("UPDATE measurement SET numerator = '4' WHERE seq = 1", ()))
    said = press("verify", folder, "--lang", "da", status=1)
    assert "measurement 1 (early_support, w_valby, 2012-02)" in said
    (folder / "trial.db").write_bytes(b"not a database at all" * 200)
    assert "E_NOT_RECORDS" in press("freeze", folder, "--by", "register", status=1)
    press("verify", folder / "trial.db", status=1)


def test_a_snapshot_that_was_taken_away_is_missed(press, folder):
    press("record", folder, "--from", counts(folder, *GOOD), "--by", "register")
    press("freeze", folder, "--by", "register")
    (frozen,) = Trial.open(folder).snapshots
    for path in [*frozen.folder.iterdir()]:
        path.unlink()
    frozen.folder.rmdir()
    assert frozen.digest[:16] in press("verify", folder, status=1)


def test_records_are_an_ordinary_database_anybody_can_read(press, folder):
    press("record", folder, "--from", counts(folder, *GOOD), "--by", "register")
    db = sqlite3.connect(folder / "trial.db")
    found = db.execute("SELECT unit, period, numerator, denominator FROM measurement ORDER BY seq").fetchall()
    db.close()
    assert found == [("w_valby", "2012-02", "3", "40"), ("w_vanlose", "2012-02", "0", "31")]
