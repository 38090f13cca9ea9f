"""`trialkit power`: the sentence and the table, in both languages and for machines; refusals by name."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from trialkit.cli.main import pressed

PROTOCOLS = Path(__file__).parents[2] / "protocols"
COPENHAGEN = str(PROTOCOLS / "copenhagen_2012_rollout")


def told(capsys, *words):
    status = pressed(["power", *words])
    out = capsys.readouterr()
    return status, out.out, out.err


def facts(capsys, *words):
    status, out, _ = told(capsys, *words, "--json")
    assert status == 0
    return json.loads(out)


def test_the_sentence_a_politician_can_repeat(capsys):
    status, text, _ = told(capsys, COPENHAGEN, "--trials", "300", "--world", "plain", "--lang", "en")
    assert status == 0
    joined = " ".join(text.split())
    assert "If the new way makes a difference of 3 percentage points, about" in joined
    assert "The smallest difference that 80 of 100 such trials would show is about" in joined
    assert "exact over all 142 allocations" in joined
    assert "Synthetic: 300 made-up trials" in joined


def test_the_same_in_danish_with_danish_numbers(capsys):
    status, text, _ = told(capsys, COPENHAGEN, "--trials", "300", "--world", "plain", "--lang", "da")
    assert status == 0
    joined = " ".join(text.split())
    assert "Gør det nye en forskel på 3 procentpoint, ville omkring" in joined
    assert "Den mindste forskel, som 80 af 100 sådanne forsøg ville vise, er omkring" in joined
    assert "Syntetisk: 300 opdigtede forsøg" in joined
    assert re.search(r"3,0 +\d+,\d \(\d,\d\)", joined)
    assert not re.search(r"\d\.\d\b(?!\d\d)", joined)


def test_the_facts_are_those_of_the_text(capsys):
    found = facts(capsys, COPENHAGEN, "--trials", "300", "--world", "plain", "--effect", "0.07")
    assert found["synthetic"] == "yes"
    (study,) = found["studies"]
    assert study["allocations"] == 142
    assert study["exact"] is True
    assert [point["effect"] for point in study["points"]] == [0.0, 0.03, 0.07]
    power = [point["power"]["value"] for point in study["points"]]
    assert power == sorted(power)
    assert power[0] <= 0.05 + 4 * study["points"][0]["power"]["mc_error"]
    assert 0.07 < study["smallest_effect_seen"]["effect"] < 0.11
    _, text, _ = told(capsys, COPENHAGEN, "--trials", "300", "--world", "plain", "--effect", "0.07", "--lang", "en")
    assert f"about {100 * power[1]:.0f} of 100 such trials" in " ".join(text.split())


def test_workers_do_not_change_a_number(capsys):
    words = (COPENHAGEN, "--trials", "250", "--seed", "5")
    assert facts(capsys, *words) == facts(capsys, *words, "--workers", "2")


def test_a_checkpoint_gives_the_same_and_is_of_one_simulation_only(capsys, tmp_path):
    kept = str(tmp_path / "kept.jsonl")
    words = (COPENHAGEN, "--trials", "250")
    whole = facts(capsys, *words)
    assert facts(capsys, *words, "--checkpoint", kept) == whole
    assert facts(capsys, *words, "--checkpoint", kept) == whole
    status, _, err = told(capsys, *words, "--checkpoint", kept, "--seed", "2", "--lang", "en")
    assert status == 2
    assert "another simulation" in err


def test_worlds_differ_and_an_unknown_one_is_refused(capsys):
    plain, rising = (facts(capsys, COPENHAGEN, "--trials", "400", "--world", name) for name in ("plain", "rising"))
    assert plain["studies"][0]["points"][1]["power"]["value"] > rising["studies"][0]["points"][1]["power"]["value"]
    assert rising["studies"][0]["smallest_effect_seen"]["effect"] is None  # no effect, however large
    status, _, err = told(capsys, COPENHAGEN, "--world", "best", "--lang", "da")
    assert status == 2
    assert "Der er ingen verden" in err


def test_what_was_not_drawn_is_described_and_refused(capsys):
    status, out, err = told(capsys, str(PROTOCOLS / "thousand_days_two_rounds"), "--lang", "da")
    assert (status, out) == (1, "")
    assert "ikke afgjort ved lodtrækning" in err
    assert "12 enheder" in err
    assert "E_NOT_DRAWN" in err


def with_primary(folder, method):
    """The Copenhagen draft with another primary method."""
    shutil.copytree(COPENHAGEN, folder)
    text = (folder / "draft.yaml").read_text(encoding="utf-8")
    text, times = re.subn(r"primary: \{method: .*\}", f"primary: {{method: {method}, alpha: 0.05}}", text)
    assert times == 1
    (folder / "draft.yaml").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("method", ["stepped_wedge_model", "gee", "staggered_rollout", "difference_in_means"])
def test_the_power_of_another_analysis_is_never_given_for_the_one_promised(capsys, tmp_path, method):
    """Three waves: nothing here is the randomization test, nor a difference of two arms that it could stand in for."""
    folder = with_primary(tmp_path / "trial", method)
    for lang, said in (
        ("da", "kun randomiseringstesten kan simuleres"),
        ("en", "only the randomization test is simulated"),
    ):
        status, out, err = told(capsys, folder, "--trials", "50", "--lang", lang)
        assert (status, out) == (1, "")
        assert said in err
        assert method in err
        assert "E_NOT_BUILT" in err
    assert pressed(["check", folder, "--lang", "en"]) == 0
    assert f"The plan answers with {method}." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("name", "smallest"), [("hfi_2023", {"20 against 20": 0.9, "60 against 60": 0.5})])
def test_lotteries_among_people_are_told_by_their_size(capsys, name, smallest):
    found = facts(capsys, str(PROTOCOLS / name), "--trials", "300")
    seen = {study["name"]["en"]: study["smallest_effect_seen"]["effect"] for study in found["studies"]}
    for size, effect in smallest.items():
        assert seen[size] == pytest.approx(effect, abs=0.1)
    assert {study["scale"] for study in found["studies"]} == {"sd"}
