"""The records: append-only, corrections as versions, whole or not at all, one writer at a time."""

import os
import resource
import sqlite3
import warnings
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records.counts import OUTCOME, at, received, tampered
from trialkit.errors import RecordError
from trialkit.records import store as store_module
from trialkit.records.entry import Child, Received
from trialkit.records.store import Store

A = {("u1", "2012-02"): (3, 40), ("u2", "2012-02"): (0, 51)}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "trial.db", "rollout")


def kept(store, **rest):
    return {(one.unit, one.period): one.value for one in store.newest(**rest)}


def code(work):
    with pytest.raises(RecordError) as caught:
        work()
    assert caught.value.told("da") != caught.value.told("en")
    return caught.value.code


def test_every_value_carries_who_when_file_and_row(store):
    receipt = store.append(received(A), by="register", moment=at(1))
    first, second = store.newest()
    assert (first.seq, first.by, first.file, first.row) == (1, "register", "counts.csv", 2)
    assert (second.row, second.recorded, second.value) == (3, "2013-01-01T12:00:00Z", ("0", "51"))
    assert (receipt.new, receipt.corrected, receipt.unchanged) == (2, 0, 0)
    assert store.entries()[-1]["hash"] == receipt.head


def test_a_correction_is_a_new_version_that_names_the_old_and_why(store):
    store.append(received(A), by="register", moment=at(1))
    receipt = store.append(
        received({("u1", "2012-02"): (4, 40)}), by="register", moment=at(5), why="two files were joined"
    )
    old, new = store.history(OUTCOME, "u1", "2012-02")
    assert (old.value, new.value, new.corrects, new.why) == (("3", "40"), ("4", "40"), old.seq, "two files were joined")
    assert (receipt.new, receipt.corrected) == (0, 1)
    assert kept(store, as_of=date(2013, 1, 4))["u1", "2012-02"] == ("3", "40")
    assert kept(store, as_of=date(2013, 1, 5))["u1", "2012-02"] == ("4", "40")


def test_a_change_without_a_reason_is_refused_with_both_values_and_keeps_nothing(store):
    store.append(received(A), by="register", moment=at(1))
    with pytest.raises(RecordError) as caught:
        store.append(received({("u1", "2012-02"): (4, 40), ("u3", "2012-02"): (1, 2)}), by="register", moment=at(2))
    assert caught.value.code == "E_CORRECTION"
    assert "early_support u1 2012-02: 3/40 -> 4/40" in caught.value.message
    assert len(store.newest()) == 2
    assert len(store.entries()) == 2


def test_not_reported_is_kept_and_a_late_value_needs_no_reason(store):
    store.append(received({("u1", "2012-02"): None}), by="register", moment=at(1))
    assert kept(store) == {("u1", "2012-02"): (None, None)}
    receipt = store.append(received({("u1", "2012-02"): (0, 40)}), by="register", moment=at(2))
    assert (receipt.new, receipt.corrected) == (0, 1)
    withdrawn = received({("u1", "2012-02"): None}, file="later.csv")
    assert code(lambda: store.append(withdrawn, by="x", moment=at(3))) == "E_CORRECTION"


def test_what_is_known_already_makes_no_new_version(store):
    store.append(received(A), by="register", moment=at(1))
    receipt = store.append(received({**A, ("u3", "2012-02"): (1, 9)}), by="register", moment=at(2))
    assert (receipt.new, receipt.unchanged) == (1, 2)


def test_the_same_bytes_are_recognised_and_refused_unless_they_correct(store):
    store.append(received(A), by="register", moment=at(1))
    store.append(received({("u1", "2012-02"): (9, 40)}), by="register", moment=at(2), why="typing error")
    with pytest.raises(RecordError) as caught:
        store.append(received(A), by="register", moment=at(3))
    assert caught.value.code == "E_REPEATED"
    assert caught.value.facts["batch"] == 1
    store.append(received(A), by="register", moment=at(3), why="the first file was right")
    assert kept(store)["u1", "2012-02"] == ("3", "40")


def test_made_up_numbers_never_stand_beside_real_ones(store):
    store.append(received(A, synthetic=False), by="register", moment=at(1))
    assert not store.synthetic
    assert code(lambda: store.append(received({("u9", "2012-02"): (1, 2)}), by="x", moment=at(2))) == "E_SYNTHETIC"


def test_a_clock_that_goes_back_is_refused(store):
    store.append(received(A), by="register", moment=at(2))
    assert code(lambda: store.append(received({("u9", "2012-02"): (1, 2)}), by="x", moment=at(1))) == "E_RECORD_TIME"


@pytest.mark.parametrize("where", ["by", "why"])
def test_a_civil_registration_number_is_refused_and_not_echoed(store, where):
    words = {"by": "register", "why": "", where: "for 010112-1234"}
    with pytest.raises(RecordError) as caught:
        store.append(received(A), moment=at(1), **words)
    assert caught.value.code == "E_CPR"
    assert "0112" not in str(caught.value.args)
    assert not store.path.exists()


def test_nobody_is_no_role(store):
    assert code(lambda: store.append(received(A), by="", moment=at(1))) == "E_TEXT"


CHILDREN = tuple(
    Child(outcome=OUTCOME, unit=unit, period="2012-02", row=row, event=event)
    for row, (unit, event) in enumerate([("u1", True), ("u1", False), ("u2", False), ("u1", True)], start=2)
)


def test_children_are_counted_by_the_database(store):
    receipt = store.append(Received(file="c.csv", sha256="0" * 64, children=CHILDREN), by="register", moment=at(1))
    assert (receipt.children, receipt.new) == (4, 2)
    assert kept(store) == {("u1", "2012-02"): ("2", "3"), ("u2", "2012-02"): ("0", "1")}
    again = Received(file="d.csv", sha256="1" * 64, children=CHILDREN[:3])
    assert code(lambda: store.append(again, by="register", moment=at(2))) == "E_CORRECTION"
    store.append(again, by="register", moment=at(2), why="one child moved away")
    assert kept(store)["u1", "2012-02"] == ("1", "2")
    assert store.verify().whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET seq = seq + 100",
        "DELETE FROM {}",
        "INSERT OR REPLACE INTO {} SELECT * FROM {} WHERE seq = 1",
        "REPLACE INTO {} SELECT * FROM {}",
    ],
)
@pytest.mark.parametrize("table", ["audit", "measurement", "child"])
def test_the_database_itself_refuses_to_change_or_lose_a_row(store, table, statement):
    store.append(Received(file="c.csv", sha256="0" * 64, children=CHILDREN), by="register", moment=at(1))
    db = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="E_APPEND_ONLY"):
        db.execute(statement.format(table, table))
    db.close()


# --- what is not this trial's records


def test_nothing_recorded_yet_is_said(store):
    assert code(store.newest) == "E_NO_RECORDS"
    assert store.entries() == []
    store.path.touch()  # a first step that was killed
    assert code(store.newest) == "E_NO_RECORDS"
    store.append(received(A), by="register", moment=at(1))
    assert len(store.newest()) == 2


def test_another_trials_records_are_refused_by_name(store, tmp_path):
    store.append(received(A), by="register", moment=at(1))
    other = Store(store.path, "another_trial")
    assert code(other.newest) == "E_OTHER_TRIAL"
    assert code(lambda: other.append(received({}), by="x", moment=at(2))) == "E_OTHER_TRIAL"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("PRAGMA user_version = 0", "E_SCHEMA"),
        ("PRAGMA user_version = 2", "E_SCHEMA"),
        ("PRAGMA application_id = 0", "E_NOT_RECORDS"),
        ("DROP TABLE child", "E_SCHEMA"),
        ("DROP TRIGGER measurement_no_update", "E_SCHEMA"),
    ],
)
def test_another_form_or_a_missing_table_is_refused_by_name(store, change, expected):
    store.append(received(A), by="register", moment=at(1))
    db = sqlite3.connect(store.path)
    db.execute(change)
    db.commit()
    db.close()
    assert code(store.newest) == expected
    assert code(lambda: store.append(received({}), by="x", moment=at(2))) == expected
    assert not store.verify().whole


def test_another_kind_of_file_is_refused_and_left_alone(store):
    store.path.write_bytes(b"unit;month\n" * 400)
    assert code(store.newest) == "E_NOT_RECORDS"
    assert code(lambda: store.append(received(A), by="x", moment=at(1))) == "E_NOT_RECORDS"
    assert store.path.read_bytes() == b"unit;month\n" * 400


def test_somebody_elses_database_is_refused_and_left_alone(store):
    db = sqlite3.connect(store.path)
    db.execute("CREATE TABLE families (name)")
    db.commit()
    db.close()
    before = store.path.read_bytes()
    assert code(lambda: store.append(received(A), by="x", moment=at(1))) == "E_NOT_RECORDS"
    assert store.path.read_bytes() == before


# --- killed, crowded, full


def begun(work) -> int:
    """A process that does ``work``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside the test runner's own threads
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def died(work) -> int:
    """The exit status of a process that does ``work``."""
    return os.waitstatus_to_exitcode(os.waitpid(begun(work), 0)[1])


@pytest.mark.parametrize("first", [True, False], ids=["making the file", "adding to it"])
@pytest.mark.parametrize("place", ["_counted", "add", "entry"])
def test_killed_at_any_point_the_records_are_as_before_and_the_next_batch_comes_in(store, monkeypatch, first, place):
    if not first:
        store.append(received(A), by="register", moment=at(1))
    before = len(store.entries())
    batch, real = store_module._Batch, store_module._enter

    def kill(*_, **__):
        os.kill(os.getpid(), 9)

    def after(work):
        return lambda *given, **named: (work(*given, **named), kill())

    def work():
        if place == "entry":
            store_module._enter = lambda db, body, last: (real(db, body, last), body["kind"] == "batch" and kill())[0]
        else:
            setattr(batch, place, after(getattr(batch, place)))
        many = {(f"u{k}", "2012-03"): (k % 5, 50) for k in range(3000)}
        store.append(received(many), by="register", moment=at(2))

    assert died(work) == -9
    assert len(store.entries()) == before
    assert store.append(received({("u1", "2012-03"): (1, 9)}), by="register", moment=at(3)).new == 1
    assert store.verify().whole


def test_two_processes_at_once_both_get_in_one_after_the_other(store):
    def write(name):
        for k in range(5):
            store.append(received({(name, f"2012-{k + 1:02d}"): (k, 9)}), by=name, moment=at(1))

    children = [begun(partial(write, name)) for name in ("a", "b", "c")]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert len(store.newest()) == 15
    assert store.verify().whole


def test_a_writer_that_does_not_finish_makes_the_next_one_give_up_by_name(store):
    store.append(received(A), by="register", moment=at(1))
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    hasty = Store(store.path, "rollout", patience=0.05)
    assert code(lambda: hasty.append(received({("u9", "2012-02"): (1, 2)}), by="x", moment=at(2))) == "E_BUSY"
    assert len(hasty.newest()) == 2  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()


def test_a_full_disk_is_told_and_nothing_is_lost(store):
    store.append(received(A), by="register", moment=at(1))
    many = {(f"u{k}", f"20{m:02d}-01"): (1, 50) for k in range(300) for m in range(40)}

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (store.path.stat().st_size + 65536,) * 2)
        try:
            store.append(received(many), by="register", moment=at(2))
        except RecordError as error:
            os._exit(7 if error.code == "E_DISK" else 8)

    assert died(work) == 7
    assert len(store.newest()) == 2
    assert store.verify().whole
    assert store.append(received(many), by="register", moment=at(2)).new == 12000


def test_a_folder_that_takes_no_file_is_told(tmp_path):
    assert (
        code(lambda: Store(tmp_path / "gone" / "trial.db", "t").append(received(A), by="x", moment=at(1))) == "E_DISK"
    )


# --- laws


@pytest.fixture(scope="module")
def memory():
    """A folder in memory, where the machine has one: a law tries many files, and each commit waits for a disk."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()
    return folder


UNITS, PERIODS = ("u1", "u2", "å3"), ("2012-02", "2012-03")
values = st.none() | st.tuples(st.integers(0, 4), st.integers(4, 9))
batches = st.lists(
    st.tuples(
        st.integers(0, 2),  # days since the batch before
        st.dictionaries(st.tuples(st.sampled_from(UNITS), st.sampled_from(PERIODS)), values, max_size=4),
        st.sampled_from(["", "somebody found an error"]),
    ),
    max_size=6,
)


def as_text(value):
    return (None, None) if value is None else (str(value[0]), str(value[1]))


@settings(max_examples=25)
@given(batches)
def test_as_of_any_day_the_records_say_what_a_plain_list_says(memory, sequence):
    store = Store(emptied(memory) / "trial.db", "rollout")
    told, day, seen = [], 1, set()
    for number, (days, cells, why) in enumerate(sequence):
        day += days
        known = dict(pair for _, pairs in told for pair in pairs.items())
        file = received(cells, file=f"f{number % 3}.csv")
        changed = {cell for cell, value in cells.items() if known.get(cell) and as_text(value) != as_text(known[cell])}
        if not why and (changed or file.sha256 in seen):
            with pytest.raises(RecordError):
                store.append(file, by="register", moment=at(day), why=why)
            continue
        receipt = store.append(file, by="register", moment=at(day), why=why)
        assert receipt.new == sum(cell not in known for cell in cells)
        assert receipt.unchanged == sum(
            cell in known and as_text(known[cell]) == as_text(value) for cell, value in cells.items()
        )
        seen.add(file.sha256)
        told.append((day, cells))
    for asked in range(day + 2) if told else ():
        model = {}
        for when, cells in told:
            model |= cells if when <= asked else {}
        until = date(2013, 1, 1) + timedelta(days=asked - 1)
        assert kept(store, as_of=until) == {cell: as_text(value) for cell, value in model.items()}
    if told:
        versions = [len(store.history(OUTCOME, unit, period)) for unit in UNITS for period in PERIODS]
        assert sum(versions) == store.verify().measurements
        assert store.verify().whole


FULL = {}


def full(path):
    """Records with counts, children and a correction; made once and copied, for every commit waits for the disk."""
    if not FULL:
        made(path)
        FULL[0] = path.read_bytes()
    path.write_bytes(FULL[0])
    return Store(path, "rollout")


def made(path):
    store = Store(path, "rollout")
    store.append(received(A), by="register", moment=at(1))
    store.append(Received(file="c.csv", sha256="0" * 64, synthetic=True, children=tuple(
        one.model_copy(update={"period": "2012-03"}) for one in CHILDREN)), by="register", moment=at(2))  # fmt: skip
    store.append(received({("u1", "2012-02"): (5, 40)}), by="register", moment=at(3), why="found later")


COLUMNS = {
    "measurement": ("batch", "row", "outcome", "unit", "period", "numerator", "denominator", "corrects", "digest"),
    "child": ("batch", "measurement", "row", "event", "digest"),
    "audit": ("time", "line"),
}
cells_of_tables = [(table, column) for table, columns in COLUMNS.items() for column in columns]


@settings(max_examples=80)
@given(st.sampled_from(cells_of_tables), st.integers(0, 10), st.data())
def test_any_changed_value_is_found_and_named(memory, cell, which, data):
    table, column = cell
    store = full(emptied(memory) / "trial.db")
    assert store.verify().whole
    db = sqlite3.connect(store.path)
    rows = db.execute(f"SELECT seq, {column} FROM {table}").fetchall()
    db.close()
    seq, old = rows[which % len(rows)]
    new = data.draw(st.one_of(st.integers(0, 9), st.text("0123456789u.-æ", max_size=7), st.binary(max_size=3)))
    if column in ("numerator", "denominator") and old is None:
        return
    if table == "child" and column == "event":
        new = 1 - old
    if column == "corrects":
        new = seq - 1 if old is None or old != seq - 1 else None
    if str(new) == str(old):
        return
    tampered(store.path, (f"UPDATE {table} SET {column} = ? WHERE seq = ?", (new, seq)))
    db = sqlite3.connect(store.path)
    same = db.execute(f"SELECT {column} FROM {table} WHERE seq = ?", (seq,)).fetchone()[0] == old
    db.close()
    found = store.verify()
    assert found.whole == same
    if not same and table != "audit" and column != "batch":
        assert any(f"{table} {seq} " in fault.en for fault in found.faults), found.faults


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ([("DELETE FROM measurement WHERE seq = 2", ())], "measurement 2 is missing"),
        ([("DELETE FROM measurement WHERE seq = 5", ())], "measurement 5 is missing"),
        ([("DELETE FROM child WHERE seq < 3", ())], "child 1-2 is missing"),
        ([("DELETE FROM child", ())], "child 1-4 is missing"),
        ([("DELETE FROM audit WHERE seq = 1", ())], "Audit entry 1"),
        (
            [(f"UPDATE measurement SET seq = {a} WHERE seq = {b}", ()) for a, b in ((99, 1), (1, 2), (2, 99))],
            "measurement 1 (early_support, u2, 2012-02)",
        ),
        (
            [("INSERT INTO measurement SELECT 6, batch, row, outcome, unit, 'x', numerator, denominator, NULL, digest "
              "FROM measurement WHERE seq = 5", ())],
            "measurement 6 (early_support, u1, x)",
        ),
        (
            [("INSERT INTO child SELECT 5, 9, measurement, row, event, digest FROM child WHERE seq = 4", ())],
            "child 5 (measurement 4)",
        ),
    ],
)  # fmt: skip
def test_missing_added_and_moved_rows_are_found_by_name(tmp_path, statements, named):
    store = full(tmp_path / "trial.db")
    tampered(store.path, *statements)
    faults = store.verify().faults
    assert any(named in fault.en for fault in faults), faults
    assert all(fault.da and fault.da != fault.en for fault in faults)


def test_no_figure_rests_on_a_row_that_nobody_recorded(tmp_path):
    store = full(tmp_path / "trial.db")
    tampered(store.path, ("UPDATE measurement SET denominator = 'x' WHERE seq = 5", ()))
    assert code(store.newest) == "E_AUDIT"


def test_a_file_cut_back_is_found_by_whoever_kept_the_newest_hash(tmp_path):
    store = full(tmp_path / "trial.db")
    head = store.verify().head
    tampered(
        store.path,
        ("DELETE FROM measurement WHERE batch = 3", ()),
        ("DELETE FROM audit WHERE seq = 3", ()),
    )
    assert store.verify().whole  # nothing inside tells
    assert not store.verify(head=head).whole


def test_rows_written_anew_with_right_digests_are_found_at_their_entry(tmp_path):
    from trialkit.records.digests import following, measurement_line

    store = full(tmp_path / "trial.db")
    db = sqlite3.connect(store.path)
    row = list(db.execute("SELECT * FROM measurement WHERE seq = 5").fetchone())[:-1]
    db.close()
    row[6] = "39"
    digest = following(bytes.fromhex(store.entries()[3]["prev"]), measurement_line(row))
    tampered(store.path, ("UPDATE measurement SET numerator = '39', digest = ? WHERE seq = 5", (digest,)))
    (fault,) = store.verify().faults
    assert "entry 3" in fault.en


@settings(max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_byte_changed_anywhere_in_the_file_is_found_unless_nothing_it_says_changes(memory, where, by):
    path = emptied(memory) / "trial.db"
    store = full(path)
    before = [(one.seq, one.value, one.recorded, one.by, one.corrects) for one in store.newest()]
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= by
    path.write_bytes(bytes(data))
    try:
        whole = store.verify().whole
    except RecordError:
        whole = False
    if whole:
        assert [(one.seq, one.value, one.recorded, one.by, one.corrects) for one in store.newest()] == before
