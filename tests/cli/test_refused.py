"""What an officer is told when a file is cut, changed or gone, or a command asks for two things at once."""

import json
import shutil
from pathlib import Path

import pytest

from tests.copenhagen import drawn, frozen, recorded
from trialkit.canonical import jcs, parse
from trialkit.errors import CanonicalError
from trialkit.trial import Trial

PROTOCOLS = Path(__file__).parents[2] / "protocols"
ENGLISH = ("The ", "the bytes", "Unterminated", "Expecting", "canonical", "line 1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made") / "trial"
    frozen(recorded(drawn(place)))
    return place


@pytest.fixture
def trial(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "trial"))


@pytest.mark.parametrize("size", [0, 1, 500, -2])
def test_a_cut_plan_is_named_with_what_to_do_in_the_language_asked_for(press, trial, size):
    plan = trial / "plan.json"
    plan.write_bytes(plan.read_bytes()[:size])
    said = press("estimate", trial, "--lang", "da", status=1)
    assert f"{plan} er ikke, som trialkit skrev den" in said
    assert "trialkit verify" in said
    assert not [word for word in ENGLISH if word in said]
    assert f"{plan} is not as trialkit wrote it" in press("estimate", trial, "--lang", "en", status=1)
    assert "(E_JSON)" in said


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b'{"a":"b', "it cannot be read from line and column 1:6"),
        (b'{"a":"\xff"}', "byte 7 is not text in UTF-8"),
        (b'{"a":1.5}', "it holds something trialkit never writes"),
        (b'{"a":null}', "it holds something trialkit never writes"),
        (b'{"a": 1}', "it is written in another way"),
        (b"[" * 100_000, "it is nested too deep"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data, why):
    with pytest.raises(CanonicalError) as caught:
        parse(data, file="plan.json")
    assert caught.value.message.startswith(f"plan.json is not as trialkit wrote it: {why}. ")
    assert caught.value.facts == {"file": "plan.json", "why": why}
    assert caught.value.told("da").startswith("plan.json er ikke, ")


def test_a_missing_record_is_said_to_be_missing(press, trial):
    path = next(trial.glob("draws/*/record.json"))
    path.unlink()
    for command in (("estimate", trial), ("freeze", trial, "--by", "analyst")):
        said = press(*command, "--lang", "en", status=1)
        assert f"{path} is missing" in said
        assert "(E_RECORD_HASH)" in said
    assert f"{path} mangler" in press("estimate", trial, "--lang", "da", status=1)


@pytest.mark.parametrize(
    "change", [lambda data: data.replace(b"w_valby", b"w_vanlose"), lambda data: data[:300], lambda data: b"{}"]
)
def test_a_changed_record_is_said_to_be_changed(press, trial, change):
    path = next(trial.glob("draws/*/record.json"))
    path.write_bytes(change(path.read_bytes()))
    for command in (("estimate", trial), ("freeze", trial, "--by", "analyst")):
        assert f"{path} was changed since the draw" in press(*command, "--lang", "en", status=1)
    assert f"{path} er ændret siden lodtrækningen" in press("estimate", trial, "--lang", "da", status=1)


def test_a_record_that_the_ledger_enters_keeps_its_own_fault(press, trial):
    """Where the ledger is what was changed, the record is not blamed."""
    path = next(trial.glob("draws/*/ledger.jsonl"))
    path.write_bytes(path.read_bytes()[:-40])
    assert "was changed since the draw" not in press("estimate", trial, "--lang", "en", status=1)


def test_two_kinds_of_data_at_once_are_refused(press, trial):
    (snapshot,) = Trial.open(trial).snapshots
    assert "E_USAGE" in press("estimate", trial, "--live", "--snapshot", snapshot.digest[:6], status=2)
    for name in ("", " "):
        assert "--snapshot har intet navn" in press("estimate", trial, "--snapshot", name, "--lang", "da", status=2)
    assert not (trial / "reports").exists()


def test_nothing_frozen_yet_is_said_with_the_two_commands(press, trial):
    shutil.rmtree(trial / "snapshots")
    (trial / "trial.db").unlink()
    recorded(Trial.open(trial))
    assert "Intet er frosset endnu" in press("estimate", trial, "--lang", "da", status=1)
    said = press("estimate", trial, "--lang", "en", status=1)
    assert "Nothing is frozen yet" in said
    assert "trialkit record" in said
    assert "trialkit freeze" in said


def test_a_snapshot_of_no_name_here_is_said_beside_those_there_are(press, trial):
    (snapshot,) = Trial.open(trial).snapshots
    said = press("estimate", trial, "--snapshot", "zz", "--lang", "en", status=1)
    assert "No snapshot begins with 'zz'" in said
    assert snapshot.digest[:16] in said


@pytest.mark.parametrize("words", [("estimate", "--year", "1"), ("estimate", "--spillover"), ("commit",)])
def test_where_no_lot_was_drawn_the_command_that_answers_is_named(press, tmp_path, words):
    trial = shutil.copytree(PROTOCOLS / "thousand_days_two_rounds", tmp_path / "days")
    for lang in ("en", "da"):
        said = press(words[0], trial, *words[1:], "--lang", lang, status=1)
        assert "`trialkit estimate`" in said
        assert "trialkit.design" not in said
        assert "(E_NOT_DRAWN)" in said


def test_one_wrong_column_is_told_in_a_dozen_lines_and_whole_to_machines(press, trial):
    file = trial / "counts.csv"
    rows = [f"w_valby,20{year}-{month:02d},a,40" for year in range(20, 39) for month in range(1, 13)]
    file.write_text("\n".join(["unit,month,numerator,denominator", *rows[:218]]), encoding="utf-8")
    said = press("record", trial, "--from", file, "--by", "register", "--lang", "en", status=1)
    assert said.count("counts.csv:") == 13
    assert "... and 206 more; --json lists them." in said
    assert "... og 206 til" in press("record", trial, "--from", file, "--by", "register", "--lang", "da", status=1)
    facts = json.loads(press("record", trial, "--from", file, "--by", "register", "--json", status=1))["facts"]
    assert len(facts["faults"]) == 218
    assert {fault["code"] for fault in facts["faults"]} == {"E_NUMBER"}
    assert jcs(facts["faults"][-1]["line"]) == b"219"


@pytest.mark.parametrize("words", [(), ("--spillover",)])
@pytest.mark.parametrize("live", [(), ("--live",)])
def test_made_up_data_are_named_first_whichever_way_they_are_asked_for(press, trial, words, live):
    for lang, mark, early in (("en", "SYNTHETIC DATA", "PRELIMINARY"), ("da", "SYNTETISKE DATA", "FORELØBIG")):
        lines = press("estimate", trial, *words, *live, "--lang", lang).splitlines()
        assert lines[0] == mark
        assert any(line.startswith(early) for line in lines) == bool(live)
