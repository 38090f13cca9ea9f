"""Random valid drafts, protocols, evidence and seeds, for properties that must hold of every draw.

A draft is what a person could have written: not sorted, its texts possibly in NFD.  `drafts` makes only drafts that
can be prepared; a constraint may still accept no allocation (``E_NO_ACCEPT``), which a test can `assume` away.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import strategies as st

from trialkit.canonical import skeleton
from trialkit.draw.drand import CHAIN
from trialkit.draw.evidence import seal

Json = dict[str, Any]

KINDS = ("complete", "blocked", "matched", "stepped_wedge", "rollout", "blocked_wedge", "lottery", "sequential")
ROUND_1000 = {
    "kind": "drand",
    "round": 1000,
    "signature": "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
}  # a real pulse of quicknet

LETTERS = "abcdefghijkxyzæøåABCÆØÅÖé0123456789-\U0001d7d8ﬀ"


def texts() -> st.SearchStrategy[str]:
    """Short texts that may be published, in NFC: Danish letters, a space inside, a letter beyond the first plane."""
    word = st.text(LETTERS, min_size=1, max_size=6)
    return st.lists(word, min_size=1, max_size=2).map(" ".join).map(lambda text: unicodedata.normalize("NFC", text))


def names(least: int, most: int, *, avoid: str = "waiting") -> st.SearchStrategy[list[str]]:
    """Texts no two of which look alike."""
    return st.lists(
        texts().filter(lambda text: skeleton(text) != avoid), min_size=least, max_size=most, unique_by=skeleton
    )


def seeds() -> st.SearchStrategy[str]:
    """64 hex digits."""
    return st.binary(min_size=32, max_size=32).map(bytes.hex)


def decimals() -> st.SearchStrategy[str]:
    """Covariates between -99.9 and 99.9."""
    number = st.tuples(st.sampled_from(["", "-"]), st.integers(0, 99), st.integers(0, 9))
    return number.map(lambda parts: f"{parts[0]}{parts[1]}.{parts[2]}")


@st.composite
def drafts(draw: st.DrawFn, *, kinds: tuple[str, ...] = KINDS, rank: bool = True, constrained: bool = True) -> Json:
    """A draft of one of ``kinds`` with research-grade chance; see `draws` for other sources."""
    kind = draw(st.sampled_from(kinds))
    members = _sequential(draw) if kind == "sequential" else _at_one_time(draw, kind, rank, constrained)
    return {
        "draw_id": draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)),
        "title": draw(texts()),
        "entropy": [{"kind": "published", "value": draw(texts())}],
        "witnesses": [],
        "quorum": 0,
        **members,
    }


@st.composite
def draws(draw: st.DrawFn, **options: Any) -> tuple[Json, list[Json]]:
    """A draft and the evidence for its sources: published, dice, balls, two sealed secrets, drand, or several."""
    draft = draw(drafts(**options))
    pairs = draw(st.lists(st.sampled_from(("published", "dice", "balls", "secrets", "drand")), min_size=1, unique=True))
    given = [one for name in pairs for one in _chance(draw, name, draft["draw_id"])]
    return {**draft, "entropy": [source for source, _ in given]}, [evidence for _, evidence in given]


def nfd(value: Any) -> Any:
    """A draft as another keyboard writes it: every text in NFD."""
    if isinstance(value, dict):
        return {key: nfd(member) for key, member in value.items()}
    if isinstance(value, list):
        return [nfd(member) for member in value]
    return unicodedata.normalize("NFD", value) if isinstance(value, str) else value


def _chance(draw: st.DrawFn, name: str, draw_id: str) -> list[tuple[Json, Json]]:
    if name == "published":
        return [({"kind": "published", "value": draw(texts())}, {"kind": "published"})]
    if name == "dice":
        values = draw(st.lists(st.integers(1, 6), min_size=25, max_size=25))
        source = {"kind": "rolls", "low": 1, "high": 6, "count": 25, "distinct": False}
        return [(source, {"kind": "rolls", "values": values})]
    if name == "balls":
        values = draw(st.lists(st.integers(1, 90), min_size=12, max_size=12, unique=True))
        source = {"kind": "rolls", "low": 1, "high": 90, "count": 12, "distinct": True}
        return [(source, {"kind": "rolls", "values": values})]
    if name == "secrets":
        kept = [(party, draw(seeds())) for party in draw(names(2, 2))]
        return [(seal(draw_id, party, secret), {"kind": "commit", "secret": secret}) for party, secret in kept]
    return [({"kind": "drand", "chain": CHAIN, "round": 1000}, dict(ROUND_1000))]


def _sequential(draw: st.DrawFn) -> Json:
    labels = [{"name": name, "weight": draw(st.integers(1, 3))} for name in draw(names(2, 3))]
    weight = sum(label["weight"] for label in labels)
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True))
    design = {
        "kind": "sequential",
        "labels": labels,
        "strata": draw(names(1, 3)),
        "blocks": [size * weight for size in sizes],
        "length": draw(st.integers(1, 12)),
    }
    return {"method": "shuffle", "design": design, "units": []}


def _at_one_time(draw: st.DrawFn, kind: str, rank: bool, constrained: bool) -> Json:
    """Items first, labels and places to fit them, then the units that make up the items."""
    design: Json = {"kind": kind, "level": draw(st.sampled_from(("unit", "cluster")))}
    labels = [{"name": name} for name in draw(names(2, 3))]
    items: list[Json] = [{} for _ in range(draw(st.integers(2, 7)))]
    if kind in ("complete", "blocked", "matched"):
        for label in labels:
            label["weight"] = draw(st.integers(1, 3))
    if kind == "matched":
        weight = sum(label["weight"] for label in labels)
        blocks = draw(names(1, 2))
        items = [{"block": block} for block in blocks for _ in range(weight)]
    elif kind in ("blocked", "blocked_wedge"):
        blocks = draw(names(1, 3))
        items = [{"block": draw(st.sampled_from(blocks))} for _ in items]
    elif kind == "lottery":
        items = [{"tier": draw(st.integers(1, 3))} for _ in items]
    if kind == "lottery":
        design["places"] = draw(st.integers(0, len(items) + 2))
    else:
        design["labels"] = labels
    _fix_and_place(draw, design, items)
    with_x = constrained and kind not in ("lottery", "rollout") and draw(st.booleans())
    if with_x:
        design["constraint"] = _constraint(draw)
    units = _units(draw, design, items)
    exact = kind in ("stepped_wedge", "rollout", "blocked_wedge", "lottery", "matched")
    method = draw(st.sampled_from(("shuffle", "rank"))) if exact and rank else "shuffle"
    return {"method": method, "design": design, "units": draw(st.permutations(units))}


def _fix_and_place(draw: st.DrawFn, design: Json, items: list[Json]) -> None:
    """Fix some items, never all, and give waves the places that one imagined allocation takes."""
    kind = design["kind"]
    if kind in ("matched", "lottery"):
        return
    imagined = [draw(st.sampled_from(design["labels"]))["name"] for _ in items]
    for place, item in enumerate(items[1:], start=1):
        if draw(st.integers(0, 4)) == 0:
            item["fixed"] = imagined[place]
    order = [label["name"] for label in design["labels"]]
    if kind == "stepped_wedge":
        for label in design["labels"]:
            label["places"] = imagined.count(label["name"])
    elif kind == "rollout":
        for label in design["labels"]:
            held = sum(item.get("fixed") == label["name"] for item in items)
            label["places"] = held + draw(st.integers(0, 3))
    elif kind == "blocked_wedge":
        blocks = draw(st.permutations(sorted({item["block"] for item in items})))
        counted = {
            block: [name for name, item in zip(imagined, items, strict=True) if item["block"] == block]
            for block in blocks
        }
        design["quotas"] = [{"block": block, "places": [counted[block].count(n) for n in order]} for block in blocks]


def _constraint(draw: st.DrawFn) -> Json:
    covariates = draw(names(1, 2))
    tolerances = [draw(st.sampled_from(("30", "60.5", "1000"))) for _ in covariates]
    return {"kind": "tolerance", "covariates": covariates, "tolerances": tolerances, "max_attempts": 200}


def _units(draw: st.DrawFn, design: Json, items: list[Json]) -> list[Json]:
    """One unit per item, or one to three per cluster."""
    clustered = design["level"] == "cluster"
    sizes = [draw(st.integers(1, 3)) if clustered else 1 for _ in items]
    ids = draw(names(sum(sizes), sum(sizes)))
    clusters = draw(names(len(items), len(items))) if clustered else []
    q = len(design["constraint"]["covariates"]) if "constraint" in design else 0
    units = []
    for place, (item, size) in enumerate(zip(items, sizes, strict=True)):
        for _ in range(size):
            unit = {"id": ids.pop(), **item}
            if clustered:
                unit["cluster"] = clusters[place]
            if q:
                unit["x"] = draw(st.lists(decimals(), min_size=q, max_size=q))
            units.append(unit)
    return units
