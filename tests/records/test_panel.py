"""From the records to what an analysis reads: panels, marks and frozen data."""

import csv
import json
import shutil
import subprocess
from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pytest

from tests.records.counts import OUTCOME, PROTOCOLS, at, copied
from trialkit.canonical import digest, jcs
from trialkit.errors import DrawError, RecordError
from trialkit.protocol.load import load
from trialkit.protocol.outcomes import Interruption
from trialkit.protocol.plan import plan
from trialkit.records.snapshot import Snapshot
from trialkit.records.tabulate import exposure, interrupted
from trialkit.trial import Trial

UNITS = ("Amager Øst", "Bispebjerg", "Brønshøj-Husum", "Nørrebro", "Valby", "Vanløse", "Vesterbro/Kongens Enghave")
PILOTS = ("Amager Vest", "City/Østerbro")


def counts(folder, months, *, name="synthetic_counts.csv", units=UNITS, more=0):
    """A made-up file with so many in each unit and month."""
    path = folder / name
    rows = [["synthetic", "unit", "month", "numerator", "denominator"]]
    rows += [
        ["yes", unit, m, (k * 7 + j + more) % 9, 40 + k] for k, unit in enumerate(units) for j, m in enumerate(months)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def bound(trial):
    """The trial with its plan written, as `commit` would."""
    people = trial.population()
    (trial.folder / "plan.json").write_bytes(jcs(plan(trial.protocol, people.units, people.outside)))
    return Trial.open(trial.folder)


YEAR = [f"2012-{month:02d}" for month in range(1, 13)]


@pytest.fixture
def trial(tmp_path):
    made = bound(copied(tmp_path))
    made.record(counts(tmp_path, YEAR, units=[*UNITS, *PILOTS]), by="register", moment=at(200))
    return made


def test_the_panel_holds_the_drawn_units_and_pilots_on_request(trial):
    drawn, everybody = trial.panel(), trial.panel(pilots=True)
    assert drawn.panel.units == trial.population().units.ids
    assert set(everybody.panel.units) - set(drawn.panel.units) == {"w_amager_vest", "w_city_osterbro"}
    assert not drawn.frozen
    assert drawn.panel.synthetic


def test_months_outside_the_question_are_kept_and_marked(trial):
    found = trial.panel()
    assert found.panel.periods == tuple(YEAR)
    outside = [month for month, out in zip(YEAR, found.outside, strict=True) if out]
    assert outside == ["2012-01", "2012-10", "2012-11", "2012-12"]
    assert found.asked.periods == tuple(YEAR[1:9])


def test_months_whose_windows_were_still_open_are_marked(tmp_path):
    made = copied(tmp_path)
    made.record(counts(tmp_path, YEAR), by="register", moment=at(1))  # 1 January 2013: 90 days before is 3 October
    unfinished = made.panel().unfinished.all(axis=0)
    assert [month for month, still in zip(YEAR, unfinished, strict=True) if still] == ["2012-10", "2012-11", "2012-12"]


def test_what_was_not_reported_is_missing_and_zero_is_zero(tmp_path):
    made = copied(tmp_path)
    path = tmp_path / "counts.csv"
    path.write_text("unit,month,numerator,denominator\nValby,2012-02,,\nVanløse,2012-02,0,31\n", encoding="utf-8")
    made.record(path, by="register", moment=at(200))
    panel = made.panel().panel
    row, column = panel.units.index("w_vanlose"), panel.periods.index("2012-02")
    assert (panel.numerator[row, column], panel.denominator[row, column]) == (0, 31)
    assert panel.observed.sum() == 1


def test_a_panel_as_of_a_day_knows_no_later_correction(trial, tmp_path):
    before = trial.panel().panel
    later = counts(tmp_path, YEAR, name="later.csv", more=1)
    trial.record(later, by="register", moment=at(300), why="a better extract")
    assert (trial.panel().panel.numerator != before.numerator).any()
    np.testing.assert_array_equal(trial.panel(as_of=at(200).date()).panel.numerator, before.numerator)


def test_the_panel_is_what_a_plain_reader_of_the_snapshot_sees(trial):
    frozen = trial.freeze(at(200), by="analyst")
    seen = defaultdict(lambda: np.nan)
    with (frozen.folder / "data.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            seen[row["unit"], row["period"]] = float(row["numerator"]) / float(row["denominator"])
    panel = trial.panel(snapshot="")
    assert panel.frozen
    assert panel.snapshot == frozen.digest
    for i, unit in enumerate(panel.panel.units):
        for j, month in enumerate(panel.panel.periods):
            assert panel.panel.value[i, j] == seen[unit, month]


def test_an_outcome_nobody_promised_has_no_panel(trial):
    with pytest.raises(RecordError, match="E_OUTCOME"):
        trial.panel("grades")


@pytest.mark.parametrize("name", ["hfi_2023", "early_screening_2017"])
def test_where_people_come_one_by_one_there_is_no_panel_of_units(tmp_path, name):
    folder = tmp_path / name
    shutil.copytree(PROTOCOLS / name, folder)
    for look in (Trial.open(folder).panel, lambda: Trial.open(folder).record(folder / "x.csv", by="x", moment=at(1))):
        with pytest.raises(RecordError, match="E_UNITS"):
            look()


def test_quarters_of_ninety_eight_municipalities_become_a_panel(tmp_path):
    folder = tmp_path / "houses"
    shutil.copytree(PROTOCOLS / "family_houses_2022", folder)
    for made_up in (folder / "synthetic").glob("*"):
        shutil.copy(made_up, folder)
    trial = Trial.open(folder)
    ids = trial.population().units.ids
    trial.record(counts(tmp_path, ["2023q1", "2023q2"], units=ids), by="register", moment=at(5000))
    found = trial.panel()
    assert found.panel.observed.any(axis=0).sum() == 2
    assert found.panel.units == ids


# --- marks


def lockdown(**rest):
    return Interruption.model_validate({"id": "closed", "from": "2012-03-11", "to": "2012-05-10", **rest})


def marked(one, labels=None, outcome=0):
    protocol = load(PROTOCOLS / "copenhagen_2012_rollout")
    return interrupted([one], protocol.outcomes[outcome], ["a", "b"], YEAR[:6], labels).tolist()


def test_an_interruption_marks_every_month_it_touches():
    months = [False, False, True, True, True, False]
    assert marked(lockdown()) == [months, months]
    assert marked(lockdown(to=None))[0] == [False, False, True, True, True, True]


def test_an_interruption_of_some_waves_marks_their_units_and_all_while_nobody_knows_which():
    one = lockdown(affects={"waves": ["wave_1"]})
    months = [False, False, True, True, True, False]
    assert marked(one, {"a": "wave_1", "b": "wave_2"}) == [months, [False] * 6]
    assert marked(one) == [months, months]


def test_an_interruption_of_a_funnel_leaves_other_outcomes_alone():
    assert not np.any(marked(lockdown(affects={"funnel": "visits"})))


def test_exposure_counts_whole_months_since_the_units_own_start():
    months = ("2012-01", "2012-02", "2012-03", "2012-05")
    found = exposure(months, [date(2012, 2, 1), date(2012, 2, 15), None, date(2011, 11, 1)])
    assert found.tolist() == [[0, 1, 2, 4], [0, 0, 1, 3], [0, 0, 0, 0], [3, 4, 5, 7]]


def test_exposure_counts_quarters_and_years_in_their_own_length():
    assert exposure(("2012q1", "2012q2", "2012q4"), [date(2012, 4, 1), date(2012, 2, 1)]).tolist() == [
        [0, 1, 3],
        [0, 1, 3],
    ]
    assert exposure(("2012", "2013", "2014"), [date(2012, 6, 1)]).tolist() == [[0, 1, 2]]


def test_where_nothing_was_drawn_units_have_the_wave_they_entered_in_and_data_are_frozen_all_the_same(tmp_path):
    folder = tmp_path / "observed"
    shutil.copytree(PROTOCOLS / "thousand_days_two_rounds", folder)
    trial = Trial.open(folder)
    ids = trial.population().units.ids
    assert Counter(trial.labels().values()) == {"round_1": 12, "round_2": 9}
    trial.record(counts(tmp_path, ["2020-04"], units=ids), by="project manager", moment=at(5000))
    assert trial.panel().panel.interrupted.all()  # April 2020
    assert trial.freeze(at(5000), by="analyst").draws == ()


# --- frozen data


def test_the_same_data_give_the_same_digest_in_another_folder_and_another_order(tmp_path, trial):
    other = bound(copied(tmp_path, name="other"))
    lines = counts(tmp_path, YEAR, units=[*UNITS, *PILOTS]).read_text(encoding="utf-8").splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([lines[0], *reversed(lines[1:])]), encoding="utf-8-sig")
    other.record(turned, by="somebody else", moment=at(200, hour=20))
    assert trial.freeze(at(201), by="analyst").digest == other.freeze(at(260), by="another").digest


def test_the_digest_is_the_manifests_own_and_sha256sum_agrees(trial):
    frozen = trial.freeze(at(201), by="analyst")
    assert digest(frozen.manifest) == frozen.digest
    printed = subprocess.run(["sha256sum", frozen.folder / "manifest.json"], capture_output=True, text=True, check=True)
    assert printed.stdout.split()[0] == frozen.digest
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=frozen.folder, check=True, capture_output=True
    )
    manifest = json.loads((frozen.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["as_of"] == "2013-07-19"
    assert manifest["plan_hash"] == digest(trial.plan)
    assert manifest["synthetic"] is True
    assert manifest["files"][0]["rows"] == 108


def test_freezing_twice_makes_one_snapshot_and_one_entry(trial):
    first, again = trial.freeze(at(201), by="analyst"), trial.freeze(at(202), by="analyst")
    assert first.digest == again.digest
    assert [one.digest for one in trial.snapshots] == [first.digest]
    assert [entry["kind"] for entry in trial.records.entries()] == ["open", "batch", "freeze"]
    assert trial.records.verify().whole


def test_later_data_make_another_snapshot_and_leave_the_first_as_it_was(trial, tmp_path):
    first = trial.freeze(at(201), by="analyst")
    trial.record(
        counts(tmp_path, YEAR, name="later.csv", more=1), by="register", moment=at(300), why="a better extract"
    )
    second = trial.freeze(at(301), by="analyst")
    assert [one.digest for one in trial.snapshots] == [first.digest, second.digest]
    assert trial.snapshot().digest == second.digest
    assert trial.snapshot(first.digest[:12]).cells == first.cells
    assert trial.freeze(at(400), by="analyst", as_of=at(200).date()).digest == first.digest
    with pytest.raises(RecordError, match="E_SNAPSHOT"):
        trial.snapshot("zz")


@pytest.mark.parametrize("name", ["data.csv", "manifest.json", "SHA256SUMS"])
@pytest.mark.parametrize("change", ["byte", "gone"])
def test_a_changed_file_of_a_snapshot_is_found_by_name(trial, name, change):
    frozen = trial.freeze(at(201), by="analyst")
    path = frozen.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if change == "byte":
        path.write_bytes(bytes(data))
    for look in (
        lambda: Snapshot.open(frozen.folder),
        lambda: trial.panel(snapshot=""),
        lambda: trial.freeze(at(201), by="x"),
    ):
        with pytest.raises(RecordError) as caught:
            look()
        assert (caught.value.code, caught.value.facts["file"]) == ("E_SNAPSHOT", name)


def test_a_file_beside_the_frozen_ones_and_a_snapshot_that_is_gone_are_found(trial):
    frozen = trial.freeze(at(201), by="analyst")
    (frozen.folder / "data (copy).csv").write_bytes(b"")
    with pytest.raises(RecordError, match=r"data \(copy\)\.csv"):
        Snapshot.open(frozen.folder)
    shutil.rmtree(frozen.folder)
    with pytest.raises(RecordError, match="E_SNAPSHOT"):
        trial.panel(snapshot="")


def test_a_snapshot_that_was_begun_and_not_finished_is_nothing(trial, monkeypatch):
    from trialkit.records import snapshot

    def full(path, data):
        if path.name == "manifest.json":
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "write_new", full)
        with pytest.raises(OSError, match="No space"):
            trial.freeze(at(201), by="analyst")
    assert list((trial.folder / "snapshots").iterdir()) == []
    assert trial.snapshots == ()
    assert trial.freeze(at(201), by="analyst").manifest["trial"] == "copenhagen_2012_rollout"


def test_nothing_to_freeze_and_days_to_come_are_refused(tmp_path, trial):
    for day, code in ((date(2013, 1, 1), "E_NO_RECORDS"), (date(2014, 1, 1), "E_AS_OF")):
        with pytest.raises(RecordError, match=code):
            trial.freeze(at(201), by="analyst", as_of=day)
    with pytest.raises(RecordError, match="E_NO_RECORDS"):
        bound(copied(tmp_path, name="empty")).freeze(at(201), by="analyst")


def test_nothing_is_frozen_before_a_plan_is_committed(tmp_path):
    made = copied(tmp_path)
    made.record(counts(tmp_path, YEAR), by="register", moment=at(200))
    with pytest.raises(DrawError, match="E_NOT_COMMITTED"):
        made.freeze(at(201), by="analyst")


def test_outcomes_are_counted_by_the_plan_and_not_by_a_draft_changed_later(trial):
    draft = trial.folder / "draft.yaml"
    text = draft.read_text(encoding="utf-8")
    draft.write_text(text.replace("window_days: 90", "window_days: 365"), encoding="utf-8")
    assert Trial.open(trial.folder).panel().outcome.window_days == 90
    assert trial.panel().outcome.id == OUTCOME


# --- bound to the draw

THROWS = [6, 3, 4, 5, 4, 6, 6, 0, 3, 9, 0, 1, 0, 3, 1, 6, 9, 4, 6, 2]


@pytest.fixture
def drawn(tmp_path):
    trial = copied(tmp_path, (r"(?m)^    - \{drand: .*\n", ""), (r"status: awaiting", "status: approved"))
    assert trial.labels() is None
    (made,) = trial.commit(at(1))
    made.folder.draw([{"kind": "rolls", "values": THROWS}], at(2))
    trial = Trial.open(trial.folder)
    trial.record(counts(tmp_path, YEAR), by="register", moment=at(200))
    return trial


def test_a_snapshot_names_plan_and_draw_and_exposure_follows_the_drawn_waves(drawn):
    frozen = drawn.freeze(at(201), by="analyst")
    (folder,) = drawn.drawings()
    assert frozen.draws == ((folder.draw_id, folder.story().drawn),)
    assert frozen.plan_hash == digest(drawn.plan)
    labels = drawn.labels()
    starts = {wave.id: wave.start for wave in drawn.binding.waves}
    panel = drawn.panel().panel
    since = exposure(panel.periods, [starts[labels[unit]] for unit in panel.units])
    assert Counter(since[:, YEAR.index("2012-06")].tolist()) == {5: 3, 1: 2, 0: 2}


def test_a_changed_plan_or_record_is_found_before_anything_is_frozen(drawn):
    (folder,) = drawn.drawings()
    record, plan_file = folder.path / "record.json", drawn.folder / "plan.json"
    for path, old, new, code in (
        (record, b'"wave_1"', b'"wave_2"', "E_RECORD_HASH"),
        (plan_file, b'"window_days":90', b'"window_days":80', "E_PLAN"),
    ):
        kept = path.read_bytes()
        assert old in kept
        path.write_bytes(kept.replace(old, new, 1))
        with pytest.raises(DrawError, match=code):
            Trial.open(drawn.folder).freeze(at(201), by="analyst")
        path.write_bytes(kept)
    assert Trial.open(drawn.folder).freeze(at(201), by="analyst").synthetic
