"""What nobody meant to hand in, through the command: done, or refused by name, in bounded memory, nothing half-written."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from random import Random

import pytest

from tests.attack.results import seed, write
from tests.attack.terminal import (
    APPROVED,
    DICE_ALONE,
    PROTOCOLS,
    THROWS,
    Ended,
    called,
    drawing,
    evidence,
    press,
    trial,
)
from trialkit.canonical import FORMAT, NO_HASH, digest, jcs
from trialkit.chain import linked
from trialkit.draw.announce import prepare
from trialkit.draw.folder import DrawFolder

SEED = seed()
DRAFT = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")
MOST = 400  # MiB for anything that is refused


def everything(here: Path) -> dict[str, bytes]:
    return {str(path.relative_to(here)): path.read_bytes() for path in here.rglob("*") if path.is_file()}


def refused(here: Path, *words: object, real: bool = False) -> Ended:
    """The command is refused by name and leaves the folder as it was."""
    before = everything(here)
    ended = (press if real else called)(*words).civil()
    assert ended.status in (1, 2), ended.said[-500:]
    assert {name: data for name, data in everything(here).items() if not name.endswith(".lock")} == {
        name: data for name, data in before.items() if not name.endswith(".lock")
    }
    assert ended.mebibytes < MOST
    return ended


# -- drafts ----------------------------------------------------------------------------------------------------------

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DRAFTS = {
    "an alias bomb": BOMB + DRAFT,
    "a hundred thousand brackets": "title: " + "[" * 100_000,
    "200 levels of maps": "\n".join(" " * level + "a:" for level in range(200)),
    "an object": 'protocol: !!python/object/apply:os.system ["touch owned"]\n',
    "NUL bytes": DRAFT.replace("protocol", "proto\0col", 1),
    "a number of 5000 digits": "protocol: 1" + "0" * 5000,
    "twenty megabytes": "a: " + "x" * 20_000_000,
    "nothing": "",
    "two documents": "---\na: 1\n---\nb: 2\n",
    "a traversal for a name": DRAFT.replace("protocol: copenhagen_2012_rollout", "protocol: ../x"),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAFTS)
def test_a_draft_that_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(DRAFTS[name], encoding="utf-8")
    refused(tmp_path, "commit", tmp_path, real="bomb" in name or "brackets" in name)
    assert not Path("owned").exists()


@pytest.mark.parametrize("data", [DRAFT.encode("utf-16"), DRAFT.encode("latin-1", "replace"), bytes(range(256)) * 40])
def test_a_draft_in_no_known_letters(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_bytes(data)
    assert refused(tmp_path, "check", tmp_path).code == "E_ENCODING"


@pytest.mark.parametrize("cuts", [6, pytest.param(200, marks=pytest.mark.nightly)], ids=["reduced", "full"])
def test_a_draft_cut_anywhere_and_one_with_any_byte_changed(cuts: int, tmp_path: Path) -> None:
    rng, data = Random(SEED), DRAFT.encode()
    for _ in range(cuts):
        (tmp_path / "draft.yaml").write_bytes(data[: rng.randrange(len(data) - 400)])
        refused(tmp_path, "commit", tmp_path)
        changed = bytearray(data)
        for _ in range(3):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        (tmp_path / "draft.yaml").write_bytes(changed)
        called("check", tmp_path).civil()  # a letter of a sentence may well be another


@pytest.mark.parametrize(
    "file", ["../../etc/passwd", "/etc/passwd", "a/../../x.csv", "..\\x.csv", "units.csv\0", "~/x.csv", "file:///x", "/dev"]
)  # fmt: skip
def test_a_list_of_units_that_lies_elsewhere(file: str, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(_own_list(json.dumps(file)), encoding="utf-8")
    assert "root:" not in refused(tmp_path, "commit", tmp_path).said


def _own_list(file: str, places: tuple[int, int, int] = (3, 2, 2)) -> str:
    """The Copenhagen draft with a list of its own."""
    units = f"units:\n  file: {file}\n  id: id\n  size: children\narms:"
    text = re.sub(r"(?s)units:\n  register.*?\narms:", lambda _: units, DRAFT)
    text = re.sub(r"(?s)balance:.*?\nlottery:", "lottery:", text)
    text = re.sub(*DICE_ALONE, text).replace("status: awaiting", "status: approved")
    waves = iter(places)
    return re.sub(r"(id: wave_\d, start: [\d-]+, places: )\d", lambda found: found[1] + str(next(waves)), text)


# -- lists of units --------------------------------------------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", member)
    return data.getvalue()


LISTS = {
    "a renamed zip": ("units.xlsx", lambda: zipped(letter=b"hello"), "E_CONTENT"),
    "a zip bomb": ("units.xlsx", lambda: zipped(xl__workbook=b"<a/>", xl__worksheets__sheet1=b"0" * 540_000_000), "E_SIZE"),
    "a bomb that fits": ("units.xlsx", lambda: zipped(xl__workbook=b"<a/>", xl__sheet1=b" " * 200_000_000), "E_CONTENT"),
    "half a workbook": ("units.xlsx", lambda: zipped(xl__workbook=b"<a/>" * 999)[:400], "E_CONTENT"),
    "noise": ("units.xlsx", lambda: bytes(range(256)) * 99, "E_CONTENT"),
    "NUL bytes": ("units.csv", lambda: b"id,children\ne\0,1\n", "E_NUL"),
    "one endless line": ("units.csv", lambda: b"x" * 20_000_000, "E_CUT"),
    "an open quote": ("units.csv", lambda: b'id,children\n"' + b"a,b\n" * 100_000, "E_CUT"),
    "a hundred thousand columns": ("units.csv", lambda: b",".join(b"c%d" % i for i in range(100_000)), "E_COLUMNS"),
    "nothing": ("units.csv", lambda: b"", "E_EMPTY"),
    "a formula": ("units.csv", lambda: b'id,children\n"=HYPERLINK(""http://x"")",1\n', "E_FORMULA"),
    "another formula": ("units.csv", lambda: b"id,children\n@SUM(A1),1\n", "E_FORMULA"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_units_that_is_none(name: str, tmp_path: Path) -> None:
    file, made, code = LISTS[name]
    (tmp_path / "draft.yaml").write_text(_own_list(file), encoding="utf-8")
    (tmp_path / file).write_bytes(made())
    assert refused(tmp_path, "commit", tmp_path, real="bomb" in name or "endless" in name).code == code


@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero"])
def test_a_list_that_is_a_link_to_elsewhere(target: str, tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(_own_list("units.csv"), encoding="utf-8")
    (tmp_path / "units.csv").symlink_to(target)
    ended = called("commit", tmp_path).civil()
    assert (ended.status, ended.code) == (1, "E_FILE")


def test_names_that_are_paths_or_markup_stay_names(tmp_path: Path) -> None:
    here = tmp_path / "trial"
    here.mkdir()
    names = ["../../outside", "<script>alert(1)</script>", "a/b", "con", "&amp;", "..", "{{7*7}}"]
    (here / "draft.yaml").write_text(_own_list("units.csv"), encoding="utf-8")
    listed = "".join(f'"{name}",{100 + place}\n' for place, name in enumerate(names))
    (here / "units.csv").write_text("id,children\n" + listed, encoding="utf-8")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(here)}
    thrown = evidence(here / "throws.json")
    assert called("commit", here).civil().status == 0
    assert called("draw", here, "--evidence", thrown).civil().status == 0
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(here)} == before
    pages = "".join(path.read_text(encoding="utf-8") for path in here.rglob("*.html"))
    assert "<script>alert" not in pages
    assert "49" not in re.findall(r"<td[^>]*>(.*?)</td>", pages)
    rows = (drawing(here) / "units.csv").read_text(encoding="utf-8-sig").splitlines()
    assert not [row for row in rows if row.lstrip('"').startswith(("=", "+", "-", "@"))]


# -- words, evidence, records ----------------------------------------------------------------------------------------

GIVEN = ["5", "[]", "[5]", "[{}]", '[{"kind":5}]', '[{"kind":"rolls"}]', '[{"kind":"rolls","values":5}]', "\0", "",
         '[{"kind":"rolls","values":null}]', '[{"kind":"rolls","values":[1.5,NaN,null]}]', "[" * 200 + "]" * 200,
         "[" * 200_000, '[{"kind":"rolls","values":[1' + "0" * 5000 + "]}]", '[{"kind":"rolls","values":"\\ud800"}]',
         '[{"kind":"rolls","values":{"a":1}}]', '{"kind":"rolls"}']  # fmt: skip


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = trial("copenhagen_2012_rollout", tmp_path_factory.mktemp("garbage") / "trial", DICE_ALONE, APPROVED)
    assert called("commit", here).status == 0
    return here


@pytest.mark.parametrize("text", GIVEN, ids=range(len(GIVEN)))
def test_evidence_that_is_none(text: str, committed: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text(text)
    assert refused(committed, "draw", committed, "--evidence", tmp_path / "evidence.json").code in (
        "E_EVIDENCE",
        "E_USAGE",
    )


WORDS: list[tuple[object, ...]] = [
    *(("draw", "--draw", name) for name in ("../x", "/etc", "..", "a/b", "x" * 5000, "*", "")),
    *(("commit", "--draw", name) for name in ("../x", "x" * 5000)),
    *(("open", "--source", 0, "--value", value) for value in ("x" * 5000, "9," * 500, "１,2", "/etc/passwd", "\x01")),
    ("open", "--source", 10**20, "--value", "1"),
    *(("witness", "--name", "x", "--signature", value) for value in ("zz", "0" * 128, "F" * 128)),
    ("witness", "--name", "x", "--signature", "0" * 128, "--time", "now", "--head", "x"),
    *(("witness", "--name", "x", "--key", value) for value in ("/etc/passwd", "/nonexistent", "/tmp")),
    *(("void", "--reason", reason) for reason in ("\x01", "x" * 100_000)),
    *(("next", unit) for unit in ("=1+1", "../x", "x" * 5000)),
    ("seal", "--party", "x" * 300, "--out", "/nonexistent/x"),
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS, ids=[str(place) for place in range(len(WORDS))])
def test_words_that_mean_nothing(words: tuple[object, ...], committed: Path) -> None:
    refused(committed, words[0], *words[1:], committed) if words[0] != "next" else refused(committed, *words, committed)


FILES = [b"[" * 200 + b"]" * 200, b"[" * 200_000, b'{"a":' * 200 + b"1" + b"}" * 200, b"\0" * 1000, b"", b"\n", b"\xff\xfe",
         b"1" * 100_000,
         b"{}\n" * 5, b'{"kind":5}', b'{"kind":"entry"}', b'{"kind":"plan"}', b"[1]\n[2]\n", b"-0", b"1e400"]  # fmt: skip


@pytest.mark.parametrize("data", FILES, ids=range(len(FILES)))
def test_records_ledgers_and_vectors_that_are_none(data: bytes, committed: Path, tmp_path: Path) -> None:
    file, ledger = tmp_path / "file.json", drawing(committed) / "ledger.jsonl"
    file.write_bytes(data)
    for words in (["verify", file], ["verify", ledger, file], ["selftest", "--vectors", file]):
        ended = called(*words).civil()
        assert ended.status in (1, 2) or b"plan" in data
    if len(data) > 100_000:
        assert press("verify", file).civil().mebibytes < MOST


# -- large -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "most", "seconds"),
    [(2_000, 300, 20), pytest.param(100_000, 800, 30, marks=pytest.mark.nightly)],
    ids=["reduced", "full"],
)
def test_a_long_ledger_is_verified_and_appended_to(n: int, most: int, seconds: int, tmp_path: Path) -> None:
    """A queue in which ``n`` people stand already, and one more comes."""
    folder = DrawFolder(tmp_path / "trial" / "draws" / "queue")
    folder.path.mkdir(parents=True)
    protocol, secret = _queue(n)
    (folder.path / "protocol.json").write_bytes(jcs(protocol))
    (folder.path / "ledger.jsonl").write_bytes(_long(protocol, secret, n))
    (tmp_path / "given.json").write_text(
        json.dumps([{"kind": "commit", "secret": secret}, {"kind": "rolls", "values": THROWS}])
    )
    shutil.copy(PROTOCOLS / "early_screening_2017" / "draft.yaml", tmp_path / "trial" / "draft.yaml")
    shutil.copy(PROTOCOLS / "early_screening_2017" / "districts.csv", tmp_path / "trial" / "districts.csv")
    text = (
        (tmp_path / "trial" / "draft.yaml").read_text(encoding="utf-8").replace("status: awaiting", "status: approved")
    )
    (tmp_path / "trial" / "draft.yaml").write_text(text, encoding="utf-8")
    checked = press("verify", folder.path / "ledger.jsonl").civil()
    words = [
        "next",
        "Sidste",
        tmp_path / "trial",
        "--draw",
        "queue",
        "--stratum",
        "A",
        "--evidence",
        tmp_path / "given.json",
    ]
    appended = press(*words).civil()
    assert (checked.status, appended.status) == (3, 0), appended.said[-500:]
    assert DrawFolder(folder.path).entries()[-1]["body"]["position"] == n + 1
    found = [
        (name, ended.mebibytes, round(ended.seconds, 1)) for name, ended in (("verify", checked), ("next", appended))
    ]
    print(f"{n} entries: {found}")
    assert max(size for _, size, _ in found) < most
    if n > 2_000:
        rows = [row for name, size, spent in found for row in ((name, "MiB", size), (name, "seconds", spent))]
        write("attack_long_ledger", SEED, [("count", "entries", n), *rows])


def _queue(n: int) -> tuple[dict[str, object], str]:
    from trialkit.draw.evidence import seal

    secret = f"{SEED:064x}"
    labels = [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]
    design = {"kind": "sequential", "labels": labels, "strata": ["A"], "blocks": [2, 4], "length": n + 10}
    dice = {"kind": "rolls", "low": 0, "high": 9, "count": 20, "distinct": False}
    draft = {
        "draw_id": "queue",
        "title": "Kø",
        "method": "shuffle",
        "design": design,
        "units": [],
        "witnesses": [],
        "quorum": 0,
    }
    return prepare({**draft, "entropy": [seal("queue", "Vogter", secret), dice]}), secret


def _long(protocol: dict[str, object], secret: str, n: int) -> bytes:
    from trialkit.draw.official import official

    given = [{"kind": "commit", "secret": secret}, {"kind": "rolls", "values": THROWS}]
    labels = dict(official(protocol, given).assignment.lists)["A"]
    lines, prev = [], NO_HASH
    said = [("commit", {"draw_id": "queue", "protocol_hash": digest(protocol), "entropy_time": ""})]
    said += [("assign", {"stratum": "A", "position": k + 1, "unit": f"F{k:06}", "label": labels[k]}) for k in range(n)]
    for seq, (kind, body) in enumerate(said):
        members = {"format": FORMAT, "kind": "entry", "time": "2026-01-01T00:00:00Z", "type": kind, "body": body}
        entry = linked(members, seq=seq, prev=prev)
        prev = entry["hash"]
        lines.append(jcs(entry) + b"\n")
    return b"".join(lines)


@pytest.mark.parametrize(
    ("n", "most"), [(3_000, 300), pytest.param(1_000_000, 3_000, marks=pytest.mark.nightly)], ids=["reduced", "full"]
)
def test_a_great_lottery_is_drawn_and_verified(n: int, most: int, tmp_path: Path) -> None:
    """The draw itself in ``tests/draw/test_million.py``; here the record is a file and the command verifies it."""
    dice = {"kind": "rolls", "low": 0, "high": 9, "count": 20, "distinct": False}
    draft = {"draw_id": "great", "title": "Stor", "method": "shuffle", "witnesses": [], "quorum": 0, "entropy": [dice]}
    design = {"kind": "lottery", "level": "unit", "places": 10}
    units = [{"id": f"Ø{number:07d}", "tier": 1} for number in range(n)]
    folder = DrawFolder(tmp_path / "great")
    from datetime import UTC, datetime

    now = datetime(2026, 3, 2, tzinfo=UTC)
    folder.commit(prepare({**draft, "design": design, "units": units}), now)
    del units
    folder.draw([{"kind": "rolls", "values": THROWS}], now)
    ended = press("verify", folder.path).civil()
    assert ended.status == 3, ended.said[-500:]
    print(f"{n} units verified: {ended.mebibytes} MiB, {ended.seconds:.1f} s")
    assert ended.mebibytes < most
    if n > 3_000:
        rows = [("verify", "MiB", ended.mebibytes), ("verify", "seconds", round(ended.seconds, 1))]
        write("attack_great_lottery", SEED, [("count", "units", n), *rows])


@pytest.mark.parametrize(
    ("n", "places"),
    [(3_000, (2_000, 600, 400)), pytest.param(1_000_000, (500_000, 300_000, 200_000), marks=pytest.mark.nightly)],
    ids=["reduced", "full"],
)
def test_a_great_list_of_units_is_checked(n: int, places: tuple[int, int, int], tmp_path: Path) -> None:
    (tmp_path / "draft.yaml").write_text(_own_list("units.csv", places), encoding="utf-8")
    rows = "".join(f"e{number:07d},{number % 977}\n" for number in range(n))
    (tmp_path / "units.csv").write_text("id,children\n" + rows, encoding="utf-8")
    ended = press("check", tmp_path).civil()
    print(f"{n} rows checked: exit {ended.status}, {ended.mebibytes} MiB, {ended.seconds:.1f} s")
    (tmp_path / "units.csv").write_text("id,children\n" + rows + "e0000000,1\n", encoding="utf-8")
    assert press("check", tmp_path).civil().status == 1
    if n > 3_000:
        write(
            "attack_great_list",
            SEED,
            [
                ("count", "rows", n),
                ("check", "exit", ended.status),
                ("check", "MiB", ended.mebibytes),
                ("check", "seconds", round(ended.seconds, 1)),
            ],
        )
