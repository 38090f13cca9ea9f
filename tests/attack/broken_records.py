"""One rule of a record broken at a time, everything else worked out again (specification sections 2 to 8, 10)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.attack.worlds import Json, World, written
from trialkit.canonical import skeleton, text_fault

Broken = World | Json | bytes | None  # None: this world has nothing of the kind to break
Breaker = Callable[[Random, World], Broken]

BREAKERS: list[tuple[str, str, Breaker]] = []  # name, the failure the specification gives ("?": whatever it is), damage


def breaks(expected: str) -> Callable[[Breaker], Breaker]:
    def register(breaker: Breaker) -> Breaker:
        BREAKERS.append((breaker.__name__, expected, breaker))
        return breaker

    return register


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value inside stands."""
    if at:
        yield at
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from paths(member, (*at, key))


def holder(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def found(value: Any, path: tuple[Any, ...]) -> Any:
    return holder(value, path)[path[-1]]


def put(value: Any, path: tuple[Any, ...], member: Any) -> None:
    holder(value, path)[path[-1]] = member


# -- 1: bytes ----------------------------------------------------------------------------------------------------

MARK = "\ue000here\ue000"
TOKENS = [
    *(b"null", b"1.0", b"-0", b"1e0", b"1E2", b"0.5", b"NaN", b"-Infinity", b"01", b"+1", b"undefined", b""),
    *(b"9007199254740992", b"-9007199254740992", b"1" + b"0" * 400, b"1" + b"0" * 5000, b"0x10", b"1_000"),
    *(b'"\\u00e6"', b'"\\/"', b'"\\u001F"', b'"\\u0008"', b'"\\u007f"', b'"\\ud800"', b'"\\udc00\\ud800"'),
    *(b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xff"', b'"\x00"', b'"\x1f"', b'"\n"', b"'x'", b'"\\ud83d\\ude00"'),
    *(b'{"A":1}', b'{"":1}', b'{"a-b":1}', b'{"\xc3\xa6":1}', b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"[1,]", b"[,1]"),
    *(b"[" * 17 + b"]" * 17, b"[" * 200 + b"]" * 200, b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 20000 + b"]" * 20000),
    *(b"/**/1", b"1 ", b" 1", b"\t1", b"True", b'"a" "b"', b'"\\x41"', b'"\\u12"', b'"' + "å".encode("latin-1") + b'"'),
]


def with_token(rng: Random, value: Any, token: bytes) -> bytes:
    """The document with one value somewhere replaced by a token that is no value of the restricted JSON."""
    where = rng.choice(list(paths(value)))
    kept = found(value, where)
    put(value, where, MARK)
    data = written(value)
    put(value, where, kept)
    return data.replace(b'"' + MARK.encode() + b'"', token)


@breaks("E_JSON")
def a_token_outside_the_restricted_json(rng: Random, world: World) -> Broken:
    return with_token(rng, world.copy().record(), rng.choice(TOKENS))


@breaks("E_JSON")
def bytes_around_the_document(rng: Random, world: World) -> Broken:
    data = written(world.record())
    return rng.choice([
        *(b"\xef\xbb\xbf" + data, data + b"\n\n", data + b"\r\n", b" " + data, data + b" ", data + data, b"", b"\n"),
        *(data[: rng.randrange(len(data))], data[rng.randrange(1, len(data)) :], data + b"\x00", b"\x00" + data),
        *(data.decode().encode("utf-16"), data.replace(b":", b": ", 1), data.replace(b",", b",\n", 1), data + b"//"),
    ])  # fmt: skip


@breaks("E_JSON")
def a_member_twice(rng: Random, world: World) -> Broken:
    return written(world.record()).replace(b'"method":', b'"method":"shuffle","method":', 1)


@breaks("?")
def any_byte(rng: Random, world: World) -> Broken:
    data = bytearray(written(world.record()))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@breaks("?")
def bytes_cut_out_or_doubled(rng: Random, world: World) -> Broken:
    data = written(world.record())
    one, other = sorted(rng.randrange(len(data)) for _ in "12")
    return data[:one] + data[other:] if rng.random() < 0.5 else data[:other] + data[one:]


@breaks("?")
def as_deep_as_allowed_or_one_deeper(rng: Random, world: World) -> Broken:
    levels = rng.choice((13, 14, 15, 16))
    return with_token(rng, world.copy().record(), b"[" * levels + b"]" * levels)


@breaks("OK")
def one_final_line_feed(rng: Random, world: World) -> Broken:
    return written(world.record()) + b"\n"


# -- 2 to 5: what kind of document ---------------------------------------------------------------------------------


@breaks("E_FORMAT")
def another_kind_of_document(rng: Random, world: World) -> Broken:
    return rng.choice([
        *(world.record(format="trialkit-draw/2"), world.record(kind="protocol"), world.record(kind=1), {}),
        *(world.protocol, written([world.record()]), written("record"), written(True), written(7), written([])),
    ])  # fmt: skip


@breaks("E_SCHEMA")
def members_of_the_record(rng: Random, world: World) -> Broken:
    record = world.record()
    member = rng.choice(("protocol", "protocol_hash", "evidence", "seed", "result"))
    if (change := rng.randrange(3)) == 0:
        del record[member]
    elif change == 1:
        record[rng.choice(("x", "__proto__", "note", "signatures"))] = "x"
    else:
        wrong = [value for value in (0, True, "x", [], {}) if not isinstance(value, type(record[member]))]
        record[member] = rng.choice(wrong)
    return record


@breaks("E_FORMAT")
def another_kind_of_protocol(rng: Random, world: World) -> Broken:
    changed = world.copy()
    changed.protocol[rng.choice(("format", "kind"))] = rng.choice(("trialkit-draw/2", "record", 1, "", {}))
    return changed


@breaks("E_PROTOCOL_HASH")
def a_protocol_changed_after_its_hash(rng: Random, world: World) -> Broken:
    changed = world.copy()
    changed.protocol["title"] += "!"
    return changed.record(protocol_hash=world.protocol_hash)


@breaks("E_PROTOCOL_HASH")
def a_hash_that_is_none(rng: Random, world: World) -> Broken:
    stated = world.protocol_hash
    return world.record(protocol_hash=rng.choice((stated.upper() + "A", stated[:-1], "", stated + "0", "0" * 64)))


# -- 6: members, types, ranges -------------------------------------------------------------------------------------

ODD = [0, -1, 1, True, False, "", "x", "0", "1.5", "-1.5", "-0", "01", "1.0000000001", [], {}, [[]], [1], ["x"],
       1_000_001, 2**53 - 1, -(2**53) + 1, 2**36 + 1, "f" * 64, "F" * 64, "f" * 63, "unit", "lottery", "drand"]  # fmt: skip


@breaks("E_SCHEMA")
def an_object_where_none_belongs(rng: Random, world: World) -> Broken:
    changed = world.copy()
    where = rng.choice([path for path in paths(changed.protocol) if path[0] not in ("format", "kind")])
    put(changed.protocol, where, {"zz": 1} if isinstance(found(changed.protocol, where), dict) else {})
    return changed


@breaks("E_SCHEMA")
def a_member_too_many(rng: Random, world: World) -> Broken:
    changed = world.copy()
    everywhere = [path for path in paths(changed.protocol) if isinstance(found(changed.protocol, path), dict)]
    target = found(changed.protocol, rng.choice(everywhere)) if rng.random() < 0.8 else changed.protocol
    target[rng.choice(("zz", "__proto__", "constructor", "id_", "hasownproperty"))] = 1
    return changed


@breaks("?")
def a_member_too_few(rng: Random, world: World) -> Broken:
    changed = world.copy()
    where = rng.choice(list(paths(changed.protocol)))
    del holder(changed.protocol, where)[where[-1]]
    return changed


@breaks("?")
def an_odd_value(rng: Random, world: World) -> Broken:
    changed = world.copy()
    put(changed.protocol, rng.choice(list(paths(changed.protocol))), rng.choice(ODD))
    return changed


@breaks("?")
def two_odd_values(rng: Random, world: World) -> Broken:
    changed = world.copy()
    for _ in "12":
        put(changed.protocol, rng.choice(list(paths(changed.protocol))), rng.choice(ODD))
    return changed


@breaks("?")
def two_values_exchanged(rng: Random, world: World) -> Broken:
    changed = world.copy()
    one, other = (rng.choice(list(paths(changed.protocol))) for _ in "12")
    if one[: len(other)] == other or other[: len(one)] == one:
        return None
    kept = found(changed.protocol, one)
    put(changed.protocol, one, found(changed.protocol, other))
    put(changed.protocol, other, kept)
    return changed


@breaks("E_SCHEMA")
def a_number_out_of_range(rng: Random, world: World) -> Broken:
    changed = world.copy()
    numbers = [path for path in paths(changed.protocol) if type(found(changed.protocol, path)) is int]
    put(changed.protocol, rng.choice(numbers), rng.choice((-1, 2**53 - 1, 100_000_000_000)))
    return changed


@breaks("E_SCHEMA")
def a_quorum_above_the_witnesses(rng: Random, world: World) -> Broken:
    return world.changed(quorum=len(world.protocol["witnesses"]) + 1)


@breaks("E_SCHEMA")
def faces_the_wrong_way_round(rng: Random, world: World) -> Broken:
    changed = world.copy()
    rolls = [source for source in changed.protocol["entropy"] if source["kind"] == "rolls"]
    if not rolls:
        return None
    rolls[0]["low"], rolls[0]["high"] = rolls[0]["high"], rolls[0]["low"]
    return changed


@breaks("E_SCHEMA")
def a_draw_id_or_plan_hash_of_another_form(rng: Random, world: World) -> Broken:
    ids = ("", "Æ", "A", "-a", ".", "../x", "a/b", "a b", "x" * 65, "a\n", "ａ", "a\u0000")
    hashes = ("", "F" * 64, "f" * 63, "f" * 65, "g" * 64, "f" * 64 + "\n")
    return rng.choice((world.changed(draw_id=rng.choice(ids)), world.changed(plan_hash=rng.choice(hashes))))


# -- 7 and 8: texts, names, order ----------------------------------------------------------------------------------

BAD_TEXTS = [
    *(
        "",
        "x" * 201,
        "æ" * 101,
        " x",
        "x ",
        "a  b",
        "\u00a0",
        "a\u00a0b",
        "a\tb",
        "a\nb",
        "a\u0000b",
        "\u0085",
        "\u2028",
    ),
    *("A\u030a", "e\u0301", "\u212b", "\u1100\u1161", "\u0958", "\u200b", "a\u200db", "a\u00adb", "\ufeffx", "\u034f"),
    *("\u2800", "\u3164", "\uffa0", "\ufe0f", "\u180e", "\u17b5", "\U0001d175", "\U000e0041", "\u2066x", "\u061c"),
    *("\ue000", "\U000f0000", "\ufdd0", "\ufffe", "\u0378", "\u007f", "\u3000", "\u1680", "\u115f", "\ufff8"),
]


def text_places(protocol: Json) -> list[tuple[Any, ...]]:
    design = protocol["design"]
    return [
        ("title",),
        *(("units", i, key) for i, unit in enumerate(protocol["units"]) for key in unit if key not in ("x", "tier")),
        *(("design", "labels", i, "name") for i, _ in enumerate(design.get("labels", ()))),
        *(("design", "quotas", i, "block") for i, _ in enumerate(design.get("quotas", ()))),
        *(("design", "strata", i) for i, _ in enumerate(design.get("strata", ()))),
        *(("design", "constraint", "covariates", i) for i, _ in enumerate(design.get("constraint", {}).get("covariates", ()))),
        *(("entropy", i, key) for i, source in enumerate(protocol["entropy"]) for key in ("party", "value") if key in source),
        *(("witnesses", i, "name") for i, _ in enumerate(protocol["witnesses"])),
    ]  # fmt: skip


@breaks("E_TEXT")
def a_text_nobody_may_publish(rng: Random, world: World) -> Broken:
    changed = world.copy()
    put(changed.protocol, rng.choice(text_places(changed.protocol)), rng.choice(BAD_TEXTS))
    return changed


@breaks("?")
def a_rare_but_good_text(rng: Random, world: World) -> Broken:
    rare = ("x" * 200, "æ" * 100, "\U0001d7d8", "ﬀ", "Ǆ", "ΟΔΟΣ", "ΣΑΣ", "İ", "ẞ", "𐐀", "ｱ", "ǅ", "Ω", "日本", "Å Å")
    changed = world.copy()
    put(changed.protocol, rng.choice(text_places(changed.protocol)), rng.choice(rare))
    return changed


@breaks("E_JSON")
def half_a_character(rng: Random, world: World) -> Broken:
    changed = world.copy()
    put(changed.protocol, rng.choice(text_places(changed.protocol)), rng.choice(("\ud800", "a\udfffb", "\udc00\ud800")))
    return changed


def _alike(text: str) -> str:
    """Another text with the same skeleton; "" if none is at hand."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    tries = [text.swapcase(), text.upper(), text.lower(), wide]
    good = [one for one in tries if one != text and skeleton(one) == skeleton(text) and not text_fault(one)]
    return good[0] if good else ""


NAME_SETS = [("units", "id"), ("units", "block"), ("units", "cluster"), ("labels", "name"), ("strata", ""),
             ("covariates", ""), ("entropy", "party"), ("witnesses", "name")]  # fmt: skip


def names_of(protocol: Json, where: str, key: str) -> list[tuple[Any, Any]]:
    """Holder and key of each name in one of the sets of section 3."""
    design = protocol["design"]
    covariates = design.get("constraint", {}).get("covariates", [])
    of_design = {"labels": design.get("labels", []), "strata": design.get("strata", []), "covariates": covariates}
    listed = of_design.get(where) or protocol.get(where, [])
    return [(listed, i) for i in range(len(listed))] if not key else [(one, key) for one in listed if key in one]


Names = list[tuple[Any, Any]]


def _many_names(rng: Random, changed: World, sets: list[tuple[str, str]]) -> Names:
    """The names of one set that has several."""
    many = [names for where in sets if len(names := names_of(changed.protocol, *where)) > 1]
    return rng.choice(many) if many else []


@breaks("E_DUPLICATE")
def one_name_twice(rng: Random, world: World) -> Broken:
    changed = world.copy()
    names = _many_names(rng, changed, [where for where in NAME_SETS if where[1] not in ("block", "cluster")])
    if not names:
        return None
    (one, key), (other, other_key) = rng.sample(names, 2)
    one[key] = other[other_key]
    return changed


@breaks("E_LOOKALIKE")
def two_names_that_look_alike(rng: Random, world: World) -> Broken:
    changed = world.copy()
    names = _many_names(rng, changed, NAME_SETS)
    if not names:
        return None
    (one, key), (other, other_key) = rng.sample(names, 2)
    alike = _alike(other[other_key])
    if not alike or alike in {holder[key] for holder, key in names}:
        return None
    one[key] = alike
    return changed


@breaks("E_DUPLICATE")
def two_witnesses_with_one_key(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if len(changed.protocol["witnesses"]) < 2:
        return None
    one, other = changed.protocol["witnesses"][:2]
    one["public_key"] = other["public_key"]
    return changed


@breaks("E_ORDER")
def units_in_another_order(rng: Random, world: World) -> Broken:
    changed = world.copy()
    units = changed.protocol["units"]
    if len(units) < 2:
        return None
    place = rng.randrange(len(units) - 1)
    units[place], units[place + 1] = units[place + 1], units[place]
    return changed


@breaks("E_ORDER")
def units_in_the_order_of_utf16(rng: Random, world: World) -> Broken:
    """A default sort in JavaScript puts a letter beyond the first plane before the private and compatibility ones."""
    changed = world.copy()
    units = changed.protocol["units"]
    if len(units) < 2:
        return None
    units[-2]["id"], units[-1]["id"] = "\U0001d7d8\U0001d7d8", "\uff5e\uff5e"
    return changed


@breaks("OK")
def units_in_the_order_of_utf8(rng: Random, world: World) -> Broken:
    changed = world.copy()
    units = changed.protocol["units"]
    if len(units) < 2 or unicodedata.normalize("NFC", units[-3]["id"] if len(units) > 2 else "") > "\uff00":
        return None
    units[-2]["id"], units[-1]["id"] = "\uff5e\uff5e", "\U0001d7d8\U0001d7d8"
    return changed
