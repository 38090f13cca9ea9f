"""One rule of design, sources, evidence or result broken at a time (specification sections 4 to 8; steps 9 to 13)."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.attack.broken_records import Broken, breaks, found, paths, put
from tests.attack.worlds import World, written
from tests.strategies import ROUND_1000

EVEN = [{"name": "nu", "weight": 1}, {"name": "senere", "weight": 1}]


def _design(world: World, **members: Any) -> World:
    return world.changed(design={**world.copy().protocol["design"], **members})


# -- 9: design -----------------------------------------------------------------------------------------------------


@breaks("E_CLUSTER_SPLIT")
def a_cluster_that_disagrees(rng: Random, world: World) -> Broken:
    changed = world.copy()
    units = changed.protocol["units"]
    if world.protocol["design"].get("level") != "cluster":
        return None
    unit = rng.choice(units)
    if sum(one["cluster"] == unit["cluster"] for one in units) < 2:
        return None
    if "block" in unit:
        unit["block"] += " x"
    elif "tier" in unit:
        unit["tier"] = unit["tier"] % 1000 + 1
    elif world.kind in ("complete", "stepped_wedge", "rollout"):
        unit["fixed"] = "Ålborg" if "fixed" in unit else world.protocol["design"]["labels"][0]["name"]
    return changed


@breaks("E_DESIGN")
def fixed_to_no_label(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.kind in ("matched", "lottery", "sequential") or world.protocol["design"]["level"] == "cluster":
        return None
    rng.choice(changed.protocol["units"])["fixed"] = "Ålborg"
    return changed


@breaks("E_DESIGN")
def nobody_left_to_draw(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.kind in ("matched", "lottery", "sequential"):
        return None
    for unit in changed.protocol["units"]:
        unit["fixed"] = changed.protocol["design"]["labels"][0]["name"]
    return changed


@breaks("E_DESIGN")
def more_attempts_than_a_meeting_lasts(rng: Random, world: World) -> Broken:
    if world.kind != "complete" or "number" in world.sources:
        return None
    units = [{"id": f"e{number:03d}", "x": [str(number)]} for number in range(101)]
    constraint = {"kind": "tolerance", "covariates": ["x"], "tolerances": ["1"], "max_attempts": 1_000_000}
    return world.changed(
        design={"kind": "complete", "level": "unit", "labels": EVEN, "constraint": constraint}, units=units
    )


@breaks("E_DESIGN")
def a_tuple_of_another_size(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.kind != "matched" or world.protocol["design"]["level"] == "cluster":
        return None
    rng.choice(changed.protocol["units"])["block"] = "alene"
    return changed


@breaks("E_DESIGN")
def quotas_of_other_blocks(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.kind != "blocked_wedge":
        return None
    quotas = changed.protocol["design"]["quotas"]
    how = rng.randrange(4)
    if how == 0:
        quotas.append({"block": "åååå", "places": quotas[0]["places"]})
    elif how == 1 and len(quotas) > 1:
        quotas.reverse()
    elif how == 2 and len(quotas) > 1:
        quotas.pop()
    else:
        quotas[0]["places"].append(0)
    return changed


@breaks("E_DESIGN")
def a_rank_with_a_leftover(rng: Random, world: World) -> Broken:
    design = world.protocol["design"]
    if world.kind not in ("complete", "blocked") or "number" in world.sources:
        return None
    labels = [{**label, "weight": 7919 + place} for place, label in enumerate(design["labels"])]
    return _design(world, labels=labels).changed(method="rank")


@breaks("E_DESIGN")
def a_wave_called_waiting(rng: Random, world: World) -> Broken:
    if world.kind != "rollout":
        return None
    labels = world.copy().protocol["design"]["labels"]
    old, labels[-1]["name"] = labels[-1]["name"], rng.choice(("waiting", "Waiting", "ＷＡＩＴＩＮＧ"))
    changed = _design(world, labels=labels)
    for unit in changed.protocol["units"]:
        if unit.get("fixed") == old:
            unit["fixed"] = labels[-1]["name"]
    return changed


@breaks("E_DESIGN")
def a_sequence_that_cannot_be_cut_into_blocks(rng: Random, world: World) -> Broken:
    if world.kind != "sequential":
        return None
    design = world.protocol["design"]
    weight = sum(label["weight"] for label in design["labels"])
    return rng.choice((
        _design(world, blocks=[weight, weight]), _design(world, blocks=[weight, weight + 1]),
        _design(world, length=1_000_000, strata=["en", "to"]), world.changed(method="rank"),
    ))  # fmt: skip


@breaks("E_PLACES")
def places_that_do_not_fit(rng: Random, world: World) -> Broken:
    changed = world.copy()
    design = changed.protocol["design"]
    if world.kind == "stepped_wedge":
        rng.choice(design["labels"])["places"] += 1
    elif world.kind == "blocked_wedge":
        places = rng.choice(design["quotas"])["places"]
        places[rng.randrange(len(places))] += 1
    elif world.kind == "rollout" and (
        fixed := [unit["fixed"] for unit in changed.protocol["units"] if "fixed" in unit]
    ):
        next(label for label in design["labels"] if label["name"] == fixed[0])["places"] = 0
    else:
        return None
    return changed


@breaks("E_COVARIATES")
def covariates_that_cannot_be_compared(rng: Random, world: World) -> Broken:
    changed = world.copy()
    constraint = changed.protocol["design"].get("constraint")
    units = changed.protocol["units"]
    if not constraint:
        return None
    if constraint["kind"] == "mahalanobis" and rng.random() < 0.7:
        if rng.random() < 0.5:
            for unit in units:
                unit["x"] = ["5"] * len(unit["x"])  # constant
        else:
            constraint["covariates"] = ["en", "to"]
            for unit in units:
                unit["x"] = [unit["x"][0], unit["x"][0]]  # collinear
    elif constraint["kind"] == "tolerance" and rng.random() < 0.5:
        constraint["tolerances"].append("1")
    else:
        rng.choice(units)["x"].append("1")
    return changed


@breaks("?")
def another_constraint(rng: Random, world: World) -> Broken:
    """Random covariates and bounds: acceptance, rejection and exact ties must be the same in both programs."""
    units = world.copy().protocol["units"]
    if world.kind in ("lottery", "rollout", "sequential") or "number" in world.sources:
        return None
    q = rng.choice((1, 1, 2, 3))
    for unit in units:
        unit["x"] = [rng.choice(("0", "1", "-1", "2.5", "0.000000001", "999999999999999.999999999")) if rng.random() < 0.3
                     else f"{rng.randint(-50, 50)}.{rng.randint(0, 99)}" for _ in range(q)]  # fmt: skip
    shared = {"covariates": [f"x{i}" for i in range(q)], "max_attempts": rng.choice((1, 5, 100))}
    constraint = rng.choice((
        {"kind": "mahalanobis", "threshold": rng.choice(("0", "0.01", "0.5", "1", "5", "1000")), **shared},
        {"kind": "tolerance", "tolerances": [rng.choice(("0", "0.5", "1", "10", "1000")) for _ in range(q)], **shared},
    ))  # fmt: skip
    return _design(world, constraint=constraint).changed(units=units)


@breaks("E_NO_ACCEPT")
def a_constraint_that_nothing_meets(rng: Random, world: World) -> Broken:
    if world.kind != "complete" or "number" in world.sources or len(world.protocol["units"]) % 2 == 0:
        return None
    units = [{key: value for key, value in unit.items() if key != "fixed"} for unit in world.copy().protocol["units"]]
    if len(units) < 3:
        return None
    units = [{**unit, "x": [str(10**place)]} for place, unit in enumerate(units)]  # no two sums are ever equal
    constraint = {"kind": "tolerance", "covariates": ["x"], "tolerances": ["0"], "max_attempts": rng.choice((1, 7))}
    design = {"kind": "complete", "level": "unit", "labels": EVEN, "constraint": constraint}
    for unit in units:
        unit.pop("cluster", None)
    return world.changed(design=design, units=units, method="shuffle")


@breaks("E_RANK_SIZE")
def more_allocations_than_a_number_has_digits(rng: Random, world: World) -> Broken:
    if world.kind != "lottery" or "number" in world.sources:
        return None
    units = [{"id": f"e{number:03d}", "tier": rng.choice((1, 1, 1, 2))} for number in range(60)]
    return _design(world, level="unit").changed(units=units, method="rank")


@breaks("OK")
def nearly_more_allocations_than_a_number_has_digits(rng: Random, world: World) -> Broken:
    """19! < 10^18 < 20!"""
    if world.kind != "lottery" or "number" in world.sources:
        return None
    units = [{"id": f"e{number:03d}", "tier": 1} for number in range(19)]
    return _design(world, level="unit").changed(units=units, method="rank")


@breaks("OK")
def any_good_draw(rng: Random, world: World) -> Broken:
    """The same protocol under another title, so with another seed and result."""
    if "constraint" in world.protocol["design"]:
        return None
    return world.changed(title=f"Forsøg {rng.randrange(10**9)}")


# -- 10: sources ---------------------------------------------------------------------------------------------------

DRAND = {"kind": "drand", "chain": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971", "round": 1000}


def _sourced(world: World, source: Any, given: Any) -> World:
    changed = world.copy()
    changed.protocol["entropy"].append(source)
    changed.evidence.append(given)
    return changed


@breaks("E_DESIGN")
def two_rounds(rng: Random, world: World) -> Broken:
    if "drand" not in world.sources or "number" in world.sources:
        return None
    return _sourced(world, DRAND, dict(ROUND_1000))


@breaks("E_DESIGN")
def a_number_beside_another_source(rng: Random, world: World) -> Broken:
    return _sourced(world, {"kind": "number"}, {"kind": "number", "tries": ["1"]})


@breaks("E_ENTROPY_SHORT")
def too_few_throws(rng: Random, world: World) -> Broken:
    if "number" in world.sources:
        return None
    low, high, count, distinct = rng.choice(((1, 6, 24, False), (0, 9, 19, False), (1, 90, 9, True), (1, 36, 7, True),
                                             (0, 1, 63, False), (1, 5, 6, True), (0, 1000, 6, False)))  # fmt: skip
    source = {"kind": "rolls", "low": low, "high": high, "count": count, "distinct": distinct}
    return _sourced(world, source, {"kind": "rolls", "values": [low] * count})


@breaks("OK")
def just_enough_throws(rng: Random, world: World) -> Broken:
    if "number" in world.sources or "constraint" in world.protocol["design"]:
        return None
    low, high, count = rng.choice(((1, 6, 25), (0, 9, 20), (0, 1, 64), (0, 1000, 7)))
    values = [rng.randint(low, high) for _ in range(count)]
    source = {"kind": "rolls", "low": low, "high": high, "count": count, "distinct": False}
    return _sourced(world, source, {"kind": "rolls", "values": values})


@breaks("OK")
def a_queue_that_anybody_can_compute(rng: Random, world: World) -> Broken:
    """W_NOT_CONCEALED: people are enrolled one by one, and no secret is sealed."""
    if world.kind != "sequential":
        return None
    changed = world.changed(entropy=[{"kind": "rolls", "low": 0, "high": 9, "count": 20, "distinct": False}])
    changed.evidence[:] = [{"kind": "rolls", "values": [rng.randint(0, 9) for _ in range(20)]}]
    return changed


@breaks("OK")
def three_that_two_labels_share(rng: Random, world: World) -> Broken:
    """W_LEFTOVER."""
    if world.kind != "complete" or "number" in world.sources:
        return None
    units = [{"id": name} for name in "abc"]
    design = {"kind": "complete", "level": "unit", "labels": EVEN}
    return world.changed(design=design, units=units, method="shuffle")


# -- 11 to 13: evidence, seed, result ------------------------------------------------------------------------------


@breaks("E_EVIDENCE")
def evidence_of_another_form(rng: Random, world: World) -> Broken:
    changed = world.copy()
    place = rng.randrange(len(changed.evidence))
    given = changed.evidence[place]
    how = rng.randrange(6)
    if how == 0:
        changed.evidence.pop(place)
    elif how == 1:
        changed.evidence.append(dict(given))
    elif how == 2:
        changed.evidence[place] = rng.choice((7, "x", [], True))  # type: ignore[call-overload]
    elif how == 3:
        given["zz"] = 1
    elif how == 4:
        given["kind"] = "published" if given["kind"] != "published" else "rolls"
    else:
        del given[rng.choice(sorted(given))]
    return changed


@breaks("E_EVIDENCE")
def throws_that_cannot_be(rng: Random, world: World) -> Broken:
    changed = world.copy()
    rolls = [(s, g) for s, g in zip(world.protocol["entropy"], changed.evidence, strict=True) if s["kind"] == "rolls"]
    if not rolls:
        return None
    source, given = rng.choice(rolls)
    values = given["values"]
    wrong = rng.choice((source["high"] + 1, source["low"] - 1, "3", True, [], values[0] if source["distinct"] else -5))
    values[-1] = wrong
    return changed


@breaks("E_EVIDENCE")
def a_round_or_secret_of_another_form(rng: Random, world: World) -> Broken:
    changed = world.copy()
    hexes = [(given, key) for given in changed.evidence for key in ("signature", "secret") if key in given]
    if not hexes:
        return None
    given, key = rng.choice(hexes)
    right = given[key]
    given[key] = rng.choice((right[:-1], right + "0", right[:-1] + "g", right[:-1] + "F", "", right + "\n", 5))
    if "round" in given and rng.random() < 0.3:
        given[key], given["round"] = right, rng.choice((1001, "1000", True, 1))
    return changed


@breaks("E_EVIDENCE")
def tries_that_do_not_end_with_the_accepted(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.sources != ["number"]:
        return None
    right = world.evidence[0]["tries"]
    changed.evidence[0]["tries"] = rng.choice((
        [*right, right[-1]], [], right[:-1], [*right[:-1], right[-1] + "0"], [*right[:-1], right[-1][1:]],
        [*right[:-1], "٠٩٧"], [97], ["0x1"], [*right[:-1], "97 "], "097", [*right[:-1], "999"],
    ))  # fmt: skip
    return changed


@breaks("OK")
def other_tries(rng: Random, world: World) -> Broken:
    changed = world.copy()
    if world.sources != ["number"]:
        return None
    changed.evidence[0]["tries"] = ["999"] * rng.randrange(4) + [f"{rng.randrange(252):03d}"]
    return changed


@breaks("E_COMMITMENT")
def another_secret(rng: Random, world: World) -> Broken:
    changed = world.copy()
    secrets = [given for given in changed.evidence if "secret" in given]
    if not secrets or "published" in world.sources[: world.sources.index("commit")]:
        return None
    rng.choice(secrets)["secret"] = f"{rng.getrandbits(256):064x}"
    return changed


@breaks("E_SEED")
def another_seed(rng: Random, world: World) -> Broken:
    seed = world.record()["seed"]
    return world.record(
        seed=rng.choice((seed[:-1] + "x", f"{rng.getrandbits(256):064x}", "", seed + "0", world.protocol_hash))
    )


@breaks("E_SEED")
def evidence_typed_in_again_after_the_draw(rng: Random, world: World) -> Broken:
    """Other throws or another signature than the seed was made of."""
    changed = world.copy()
    for source, given in zip(world.protocol["entropy"], changed.evidence, strict=True):
        if source["kind"] == "rolls":
            given["values"].reverse()
            return None if given["values"] == given["values"][::-1] else changed.record(seed=world.record()["seed"])
    return None


@breaks("E_RESULT")
def another_result(rng: Random, world: World) -> Broken:
    record = world.record()
    result = record["result"] = world.copy().record()["result"]
    where = rng.choice(list(paths(result)))
    value = found(result, where)
    other: Any = {}
    if isinstance(value, str):
        other = rng.choice((value + "x", "x" if value != "x" else "y", 1))
    elif isinstance(value, int):
        other = rng.choice((value + 1, str(value), True))
    elif isinstance(value, list):
        other = value[:-1]
    put(result, where, other)
    return record


@breaks("E_RESULT")
def members_of_the_result(rng: Random, world: World) -> Broken:
    result = dict(world.record()["result"])
    if rng.random() < 0.5:
        result["zz"] = rng.choice((1, "x", True, []))
    else:
        del result[rng.choice(sorted(result))]
    return world.record(result=result)


@breaks("E_RESULT")
def two_labels_exchanged(rng: Random, world: World) -> Broken:
    record = world.copy().record()
    allocation = record["result"].get("allocation", [])
    pairs = [(one, other) for one in allocation for other in allocation if one["label"] != other["label"]]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    one["label"], other["label"] = other["label"], one["label"]
    return written(record)
