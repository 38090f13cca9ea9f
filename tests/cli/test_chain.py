"""The command line from draft to verdict, as a person presses it, on the trials we ship."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from trialkit.cli.main import pressed
from trialkit.draw import drand

PROTOCOLS = Path(__file__).parents[2] / "protocols"
THROWS = [6, 3, 4, 5, 4, 6, 6, 0, 3, 9, 0, 1, 0, 3, 1, 6, 9, 4, 6, 2]


class Terminal:
    """A person at a terminal: what is typed goes in, what is printed comes out."""

    def __init__(self, capsys, monkeypatch):
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words, typed="", status=0):
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        self.capsys.readouterr()
        found = pressed([str(word) for word in words])
        self.out, self.err = self.capsys.readouterr()
        assert found == status, f"{words}: exit {found}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.out + self.err
        return self.out + self.err

    def facts(self, *words, **rest):
        self(*words, "--json", **rest)
        return json.loads(self.out)


@pytest.fixture
def press(capsys, monkeypatch):
    return Terminal(capsys, monkeypatch)


def copied(name, tmp_path, *changes):
    """A trial's folder with lines of its draft changed; each change must find its line."""
    folder = tmp_path / name.replace("/", "_")
    shutil.copytree(PROTOCOLS / name, folder)
    text = (folder / "draft.yaml").read_text(encoding="utf-8")
    for pattern, written in changes:
        text, times = re.subn(pattern, written, text)
        assert times >= 1, pattern
    (folder / "draft.yaml").write_text(text, encoding="utf-8")
    return folder


DICE_ALONE = (r"(?m)^    - \{drand: .*\n", "")
APPROVED = (r"status: awaiting", "status: approved")


@pytest.fixture
def copenhagen(tmp_path):
    return copied("copenhagen_2012_rollout", tmp_path, DICE_ALONE, APPROVED)


def test_from_draft_to_a_draw_typed_throw_by_throw(press, copenhagen):
    said = press("commit", copenhagen, "--lang", "da")
    assert "Anna" in said or "Bernhard" in said or "Cecilie" in said  # the fingerprint, to be read aloud
    typed = "\n".join([*map(str, THROWS[:5]), "eleven", "10", *map(str, THROWS[5:]), "n", "3", "9", "j"]) + "\n"
    said = press("open", copenhagen, "--lang", "da", typed=typed)
    assert "Kast 1 af 20" in said
    assert "ikke et tal fra 0 til 9" in said
    assert "9 5 4" in said  # read back after the third throw was corrected from 4 to 9
    found = press.facts("draw", copenhagen)  # the dice stand in the ledger, so nothing is asked
    labels = sorted(one["label"] for one in found["result"]["allocation"])
    assert labels == ["wave_1"] * 3 + ["wave_2"] * 2 + ["wave_3"] * 2
    folder = copenhagen / "draws/copenhagen_2012_rollout"
    evidence = json.loads((folder / "record.json").read_text(encoding="utf-8"))["evidence"]
    assert evidence[0]["values"] == [*THROWS[:2], 9, *THROWS[3:]]
    for page in ("certificate.html", "certificate.da.html", "notary.html", "units.html", "units.csv"):
        assert (folder / page).stat().st_size > 100
    press("verify", copenhagen, status=3)  # nobody signed
    assert "NOT CONFIRMED" in press.out
    assert "W_NO_WITNESS" in press.out


def test_a_second_draw_changes_nothing(press, copenhagen, tmp_path):
    evidence = tmp_path / "evidence.json"
    evidence.write_text(json.dumps([{"kind": "rolls", "values": THROWS}]))
    press("draw", copenhagen, "--evidence", evidence, status=1)
    assert "E_NOT_COMMITTED" in press.err
    press("commit", copenhagen)
    press("draw", copenhagen, "--evidence", evidence)
    folder = copenhagen / "draws/copenhagen_2012_rollout"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    press("draw", copenhagen, "--evidence", evidence, status=1)
    assert "E_REROLL" in press.err
    press("commit", copenhagen, status=1)
    press("void", copenhagen, "--reason", "a pity", status=1)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_draw_waits_for_its_approvals_and_a_rehearsal_does_not(press, tmp_path):
    trial = copied("copenhagen_2012_rollout", tmp_path, DICE_ALONE)
    press("commit", trial)
    press("draw", trial, "--lang", "da", typed="1\n" * 20, status=1)
    assert "E_APPROVAL" in press.err
    assert "both committees" in press.err
    found = press.facts("draw", trial, "--rehearse")
    assert found["draw_id"].startswith("copenhagen_2012_rollout.proeve")
    page = (trial / "draws" / found["draw_id"] / "certificate.html").read_text(encoding="utf-8")
    assert "PRØVE" in page or "REHEARSAL" in page
    draft = trial / "draft.yaml"
    draft.write_text(
        draft.read_text(encoding="utf-8").replace("status: awaiting", "status: approved"), encoding="utf-8"
    )
    press("draw", trial, typed=" ".join(map(str, THROWS)) + "\ny\n")


def test_a_plan_changed_after_the_promise_is_found(press, copenhagen):
    press("commit", copenhagen)
    plan = copenhagen / "plan.json"
    plan.write_bytes(plan.read_bytes().replace(b"early_support", b"later_support"))
    press("draw", copenhagen, typed=" ".join(map(str, THROWS)) + "\ny\n", status=1)
    assert "E_PLAN" in press.err
    assert not (copenhagen / "draws/copenhagen_2012_rollout/record.json").exists()


def test_a_draft_changed_after_the_promise_cannot_be_committed_beside_it(press, copenhagen):
    press("commit", copenhagen)
    draft = copenhagen / "draft.yaml"
    draft.write_text(draft.read_text(encoding="utf-8").replace("alpha: 0.05", "alpha: 0.1"), encoding="utf-8")
    press("commit", copenhagen, status=1)
    assert "E_PLAN" in press.err


def test_witnesses_sign_with_keys_of_their_own(press, tmp_path):
    key = tmp_path / "key"
    public = press.facts("witness", "--new-key", key)["public_key"]
    names = f"names: [{{name: Formanden, public_key: {public}}}], needed: 1"
    trial = copied("copenhagen_2012_rollout", tmp_path, DICE_ALONE, APPROVED, (r"names: \[\], needed: 0", names))
    press("commit", trial)
    shown = press.facts("witness", trial)
    assert shown["stage"] == "commit"
    press("witness", trial, "--name", "Andre", "--key", key, status=1)
    assert "E_SIGNATURE" in press.err
    press("draw", trial, typed=" ".join(map(str, THROWS)) + "\ny\n", status=1)
    assert "E_QUORUM" in press.err
    press("witness", trial, "--name", "Formanden", "--key", key)
    press("draw", trial, typed=" ".join(map(str, THROWS)) + "\ny\n")
    press("witness", trial, "--name", "Formanden", "--key", key)
    press("verify", trial, "--lang", "da")
    assert "BEKRÆFTET" in press.out
    head = json.loads((trial / "draws/copenhagen_2012_rollout/ledger.jsonl").read_text().splitlines()[0])["hash"]
    press("verify", trial, "--head", head)
    press("verify", trial, "--head", "0" * 64, status=1)
    assert "E_LEDGER_HEAD" in press.out


def test_verify_names_what_is_wrong_with_single_files(press, copenhagen, tmp_path):
    press("commit", copenhagen)
    press("draw", copenhagen, typed=" ".join(map(str, THROWS)) + "\ny\n")
    folder = copenhagen / "draws/copenhagen_2012_rollout"
    record, ledger, plan = folder / "record.json", folder / "ledger.jsonl", copenhagen / "plan.json"
    press("verify", record, status=3)
    found = press.facts("verify", record, ledger, plan, status=3)
    assert found["plan_bound"] is True
    changed = tmp_path / "record.json"
    changed.write_bytes(record.read_bytes().replace(b"wave_1", b"wave_2", 1))
    press("verify", changed, ledger, status=1)
    assert "E_PROTOCOL_HASH" in press.out or "E_RESULT" in press.out
    other = tmp_path / "plan.json"
    other.write_bytes(plan.read_bytes().replace(b"0.05", b"0.10"))
    press("verify", record, ledger, other, status=1)
    assert "E_PLAN" in press.out
    press("verify", record, record, status=2)
    press("verify", plan, status=2)
    press("verify", tmp_path / "nothing", status=1)
    half = tmp_path / "half.jsonl"
    half.write_bytes(ledger.read_bytes()[:-40])
    press("verify", record, half, status=1)
    assert "E_LEDGER_FORMAT" in press.out


def test_a_queue_is_assigned_one_by_one_behind_a_sealed_secret(press, tmp_path):
    secret = tmp_path / "secret.json"
    trial = copied("early_screening_2017", tmp_path, DICE_ALONE, APPROVED)
    sealed = press.facts("seal", trial, "--party", "keeper outside the team", "--out", secret)
    press("seal", trial, "--party", "keeper", "--out", trial / "here.json", status=2)
    draft = trial / "draft.yaml"
    text = draft.read_text(encoding="utf-8")
    line = f"{{sealed_secret: keeper outside the team, commitment: {sealed['commitment']}}}"
    line += "\n    - {dice: ten-sided, throws: 20}"
    text, times = re.subn(r"\{sealed_secret: keeper outside the team\}", line, text)
    assert times == 1
    draft.write_text(text, encoding="utf-8")
    press("commit", trial)
    press("open", trial, "--source", 1, "--value", ",".join(map(str, THROWS)))
    given = [
        press.facts("next", f"F{number:03}", trial, "--stratum", "unborn", "--secret-file", secret)["label"]
        for number in range(4)
    ]
    assert set(given) <= {"training_now", "training_later"}
    press("next", "F001", trial, "--stratum", "unborn", "--secret-file", secret, status=1)
    assert "E_ASSIGN" in press.err
    assert json.loads(secret.read_text())["secret"] not in "".join(
        path.read_text(errors="replace") for path in trial.rglob("*") if path.is_file()
    )
    press("open", trial, "--source", 0, "--value", secret)
    found = press.facts("draw", trial)
    assert {one["stratum"]: one["labels"][:4] for one in found["result"]["lists"]}["unborn"] == given
    press("verify", trial, status=3)


def test_each_round_of_a_place_lottery_has_a_draw_per_district(press, tmp_path):
    trial = copied("hfi_2023/synthetic", tmp_path, DICE_ALONE)
    press("commit", trial, status=2)  # which round?
    press("commit", trial, "--draw", "2023q1")
    made = sorted(path.name for path in (trial / "draws").iterdir())
    assert made == ["hfi_2023_synthetic.2023q1.bispebjerg", "hfi_2023_synthetic.2023q1.norrebro"]
    press("draw", trial, typed=" ".join(map(str, THROWS)) + "\ny\n", status=2)  # which district?
    for name in made:
        press("draw", trial, "--draw", name, typed=" ".join(map(str, THROWS)) + "\ny\n")
    offers = [
        one
        for name in made
        for one in json.loads((trial / "draws" / name / "record.json").read_text(encoding="utf-8"))["result"][
            "allocation"
        ]
        if one["label"] == "offer"
    ]
    assert len(offers) == 20  # the first year's places, shared between the districts
    holder = offers[0]["id"]
    said = press("next", holder, trial, "--draw", made[0], "--lang", "da")
    assert "giver pladsen fri" in said


def test_what_was_not_drawn_is_refused_by_name(press):
    press("commit", PROTOCOLS / "thousand_days_two_rounds", status=1)
    assert "E_NOT_DRAWN" in press.err
    press("draw", PROTOCOLS / "thousand_days_two_rounds", "--rehearse", status=1)
    assert "E_NOT_DRAWN" in press.err


def test_the_missing_typology_is_missed_by_name_and_the_synthetic_one_serves(press, tmp_path):
    press("check", PROTOCOLS / "family_houses_2022", status=1)
    assert "typology_by_municipality.csv" in press.err
    press("check", PROTOCOLS / "family_houses_2022/synthetic")


def test_a_beacon_is_fetched_or_typed_and_a_machine_without_the_extra_says_so(press, tmp_path, monkeypatch):
    trial = copied(
        "copenhagen_2012_rollout",
        tmp_path,
        APPROVED,
        (r"first round after 2012-01-20 12:00", "first round after 2099-01-20 12:00"),
    )
    press("commit", trial)
    monkeypatch.setattr(drand, "available", lambda: False)
    press("draw", trial, typed=" ".join(map(str, THROWS)) + "\ny\n" + "a" * 96 + "\n", status=1)
    assert "W_DRAND_UNVERIFIED" in press.err
    assert "E_LEDGER_TIME" in press.err  # the round has not come


@pytest.mark.parametrize("words", [["check", "/nowhere"], ["draw", "/nowhere"], ["verify", "/nowhere"], ["commit"]])
def test_a_folder_that_is_no_trial_is_said_in_words(press, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    press(*words, status=2 if words[0] != "verify" else 1)


def test_wrong_usage_exits_with_two_and_help_speaks_danish(press):
    press("nonsense", status=2)
    press("check", "--lang", "fr", status=2)
    press("--version")
    assert re.fullmatch(r"trialkit \d+\.\d+\.\d+\n", press.out)


def test_selftest_replays_a_file_and_counts(press, tmp_path):
    vectors = json.loads((PROTOCOLS.parent / "tests/vectors/draw_vectors.json").read_text(encoding="utf-8"))
    kept = {name: vectors[name] for name in ("canonical", "parse", "text", "shuffle", "rank", "witness")}
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps(kept), encoding="utf-8")
    press("selftest", "--vectors", file)
    assert press.out.splitlines()[-1] == f"{sum(map(len, kept.values()))} passed, 0 failed"
    kept["shuffle"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(kept), encoding="utf-8")
    press("selftest", "--vectors", file, status=1)
    assert press.out.splitlines()[-1].endswith("1 failed")
    file.write_text("{", encoding="utf-8")
    press("selftest", "--vectors", file, status=2)
