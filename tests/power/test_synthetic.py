"""Made-up files: they say so everywhere, hold what the world gave, and their dirty copies are caught line by line."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from trialkit.design.compile import build
from trialkit.errors import DesignError, TrialkitError
from trialkit.power.synthetic import dirty, synthetic_data, synthetic_world
from trialkit.records.intake import receive
from trialkit.trial import Trial
from trialkit.units import Unit, Units

PROTOCOLS = Path(__file__).parents[2] / "protocols"
TRIAL = Trial.open(PROTOCOLS / "copenhagen_2012_rollout")
PEOPLE = TRIAL.population()
DESIGN = build(TRIAL.protocol, PEOPLE.units)
EVERYBODY = Units.of([*PEOPLE.units, *PEOPLE.outside])
CODES = np.array([0, 1, 2, 0, 1, 2, 0])


def made(form="counts", **told):
    world = synthetic_world(TRIAL.protocol, PEOPLE, DESIGN, effect=0.03, **told)
    return synthetic_data(
        world,
        CODES,
        seed=7,
        outcome="early_support",
        labels=DESIGN.label_names,
        name="copenhagen",
        form=form,
        window_days=90,
    )


def rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_the_copenhagen_world_is_the_one_of_the_page():
    world = made().world
    assert (world.periods[0], world.periods[-1], len(world.periods)) == ("2011-01", "2012-12", 24)
    assert (world.baseline, world.icc, world.cac, world.trend, world.ramp) == (0.05, 0.01, 0.8, 0.001, 2.0)
    assert len(world.units) == 9
    place = world.units.index("w_amager_ost")
    assert world.people[place] == pytest.approx([872 / 12] * 24)
    added = world.added(CODES[None, :])[0]
    pilots = [world.units.index(unit.id) for unit in PEOPLE.outside]
    assert added[pilots] == pytest.approx(np.array([[0.0075, 0.0225] + [0.03] * 22] * 2))
    assert added[place, :13] == pytest.approx(0)  # wave_1 starts in February 2012
    assert added[place, 13:] == pytest.approx([0.0075, 0.0225] + [0.03] * 9)


def test_every_row_and_name_says_synthetic_and_the_truth_is_whole():
    found = made()
    assert all(name.startswith("synthetic_") for name in found.files)
    lines = rows(found.files["synthetic_copenhagen.csv"])
    assert next(iter(lines[0])) == "synthetic"
    assert {row["synthetic"] for row in lines} == {"yes"}
    truth = json.loads(found.files["synthetic_copenhagen_truth.json"])
    assert truth["synthetic"] == "yes"
    assert truth["seed"] == 7
    assert truth["assignment"]["w_amager_ost"] == "wave_1"
    assert truth["effect"] == 0.03
    assert {"baseline", "trend", "icc", "cac", "ramp", "spillover", "people_per_period"} <= truth.keys()
    assert found.files == made().files  # the seed is the whole of the chance
    assert np.array(truth["expected_shares_added"]).shape == (9, 24)


def test_counts_come_back_through_the_door_as_they_were_made(tmp_path):
    found = made(spillover=0.2)
    path = tmp_path / "synthetic_copenhagen.csv"
    path.write_bytes(found.files[path.name])
    received = receive(path, TRIAL.protocol, EVERYBODY)
    assert received.synthetic
    assert len(received.measurements) == 9 * 24
    assert sum(float(one.numerator) for one in received.measurements) == found.outcomes.numerator.sum()
    assert sum(float(one.denominator) for one in received.measurements) == found.outcomes.denominator.sum()


def test_children_come_back_through_the_door_as_they_were_counted(tmp_path):
    found = made("children")
    path = tmp_path / "synthetic_copenhagen.csv"
    path.write_bytes(found.files[path.name])
    received = receive(path, TRIAL.protocol, EVERYBODY)
    assert received.synthetic
    assert len(received.children) == found.outcomes.denominator.sum()
    assert sum(child.event for child in received.children) == found.outcomes.numerator.sum()


@pytest.mark.parametrize("form", ["counts", "children"])
def test_a_dirty_copy_is_caught_line_by_line(form, tmp_path):
    clean = made(form).files["synthetic_copenhagen.csv"]
    names = {unit.id: unit.name for unit in EVERYBODY}
    files, told = dirty(clean, names, np.random.default_rng(3))
    assert [one.kind for one in told] == ["late", "missing", "decomposed", "lost_digits", "duplicate"]
    by_kind = {one.kind: one for one in told}
    lines = files["dirty"].decode().splitlines()
    n_clean = len(clean.decode().splitlines())
    assert len(lines) - 1 + len(files["late"].decode().splitlines()) - 1 == n_clean - 1 + 1  # and the one that is twice
    assert len(by_kind["missing"].lines) == pytest.approx(0.02 * len(lines), abs=1)
    twice = by_kind["duplicate"].lines
    assert lines[twice[0] - 1] == lines[twice[1] - 1]
    decomposed = lines[by_kind["decomposed"].lines[0] - 1]
    assert unicodedata.normalize("NFC", decomposed) != decomposed
    path = tmp_path / "synthetic_dirty.csv"
    path.write_bytes(files["dirty"])
    with pytest.raises(TrialkitError) as refused:
        receive(path, TRIAL.protocol, EVERYBODY)
    caught = {fault["line"] for fault in refused.value.facts["faults"]}
    for kind in ("missing", "decomposed"):
        assert set(by_kind[kind].lines) <= caught, kind
    if form == "counts":  # a child's code that lost a zero is another code; only its twin would show
        assert set(by_kind["lost_digits"].lines) <= caught
    assert twice[1] in caught


def test_a_name_that_decomposes_is_used_where_there_is_one():
    units = {"m1": "Ærø", "m2": "Sorø", "m3": "Nordborg på Als"}
    data = b"synthetic,unit,month,outcome,numerator,denominator\n" + b"".join(
        f"yes,{unit},2012-{month:02d},x,1,9\n".encode() for unit in units for month in range(1, 13)
    )
    files, told = dirty(data, units, np.random.default_rng(1))
    line = files["dirty"].decode().splitlines()[told[2].lines[0] - 1]
    assert unicodedata.normalize("NFD", "Nordborg på Als") in line
    assert "å" not in line


def test_no_counts_are_made_up_where_the_draft_has_no_share():
    trial = Trial.open(PROTOCOLS / "family_houses_2022" / "synthetic")
    people = trial.population()
    with pytest.raises(DesignError, match="no share"):
        synthetic_world(trial.protocol, people, build(trial.protocol, people.units), effect=0.1)


def test_ids_with_digits_lose_them_as_a_spreadsheet_would():
    units = Units.of([Unit(id="0101", name="A"), Unit(id="0147", name="B")])
    data = b"synthetic,unit,month,outcome,numerator,denominator\n" + b"".join(
        f"yes,{unit.id},2012-{month:02d},x,1,9\n".encode() for unit in units for month in range(1, 13)
    )
    files, told = dirty(data, {unit.id: unit.name for unit in units}, np.random.default_rng(1))
    line = files["dirty"].decode().splitlines()[told[3].lines[0] - 1]
    assert line.split(",")[1] in ("101", "147")
