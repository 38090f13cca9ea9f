"""The plan: the draft's form never changes it, its meaning always does, and it reads back."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from trialkit.canonical import jcs, parse
from trialkit.errors import ProtocolError
from trialkit.protocol.load import load, loads
from trialkit.protocol.model import Protocol
from trialkit.protocol.plan import columns, from_plan, plan, plan_hash
from trialkit.protocol.published import FILE, json_schema, schema_text
from trialkit.units import Unit

PROTOCOLS = Path(__file__).parents[2] / "protocols"
DRAFTS = sorted(PROTOCOLS.glob("**/draft.yaml"))
by_name = pytest.mark.parametrize("draft", DRAFTS, ids=lambda path: path.parent.name)


@by_name
def test_a_plan_is_canonical_and_reads_back(draft: Path):
    protocol = load(draft)
    document = plan(protocol)
    assert parse(jcs(document)) == document
    assert from_plan(parse(jcs(document))) == protocol


def rewritten(value: Any, data: st.DataObject) -> Any:
    """The same draft with its keys in another order."""
    if isinstance(value, dict):
        return {key: rewritten(value[key], data) for key in data.draw(st.permutations(list(value)))}
    return [rewritten(item, data) for item in value] if isinstance(value, list) else value


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(DRAFTS), st.sampled_from([None, '"', "'"]), st.booleans(), st.data())
def test_the_form_of_a_draft_never_changes_its_plan(draft: Path, quote: str | None, flow: bool, data: st.DataObject):
    reader = YAML(typ="safe", pure=True)
    reader.constructor.yaml_constructors.clear()  # every plain value as the text it is
    reader.constructor.add_constructor("tag:yaml.org,2002:map", lambda make, node: dict(_pairs(make, node)))
    reader.constructor.add_constructor("tag:yaml.org,2002:seq", lambda make, node: _items(make, node))
    reader.constructor.add_constructor(None, lambda make, node: node.value)
    given_text = draft.read_text(encoding="utf-8")
    shuffled = rewritten(reader.load(given_text), data)
    writer = YAML(typ="safe", pure=True)
    writer.default_style = quote
    writer.default_flow_style = flow
    writer.allow_unicode = True
    out = io.StringIO()
    writer.dump(shuffled, out)
    assert plan_hash(plan(loads(out.getvalue(), file="draft.yaml"))) == plan_hash(plan(load(draft)))


def _pairs(make: Any, node: Any) -> list[tuple[Any, Any]]:
    return [(make.construct_object(key, deep=True), make.construct_object(item, deep=True)) for key, item in node.value]


def _items(make: Any, node: Any) -> list[Any]:
    return [make.construct_object(item, deep=True) for item in node.value]


COPENHAGEN = (PROTOCOLS / "copenhagen_2012_rollout" / "draft.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [("alpha: 0.05", "alpha: 0.050"), ("0.4}", "0.40}"), ("primary: yes", "primary: ja"), ("# dates", "# other words"),
     ("12:00}", "12:00:00}"), ("first round after 2012-01-20 12:00", "2012-01-20T11:00:00Z"), ("strata: none", "strata: []"),
     ("in_effect_estimate: no ", "")],
)  # fmt: skip
def test_two_ways_to_say_one_thing_have_one_plan(old: str, new: str):
    assert COPENHAGEN.count(old) >= 1
    changed = loads(COPENHAGEN.replace(old, new, 1), file="draft.yaml")
    assert plan_hash(plan(changed)) == plan_hash(plan(loads(COPENHAGEN, file="draft.yaml")))


@pytest.mark.parametrize(
    ("old", "new"),
    [("alpha: 0.05", "alpha: 0.051"), ("places: 3}", "places: 4}"), ("12:00}", "12:01}"), ("better: higher", "better: lower"),
     ("hide_counts_below: 5", "hide_counts_below: 3"), ("thrown by", "thrown by"), ("Open committee meeting", "Open meeting")],
)  # fmt: skip
def test_another_meaning_has_another_plan(old: str, new: str):
    before, after = (loads(text, file="draft.yaml") for text in (COPENHAGEN, COPENHAGEN.replace(old, new, 1)))
    assert (plan_hash(plan(before)) == plan_hash(plan(after))) == (old == new)


def test_danish_time_is_written_as_utc():
    summer = COPENHAGEN.replace("2012-01-20 12:00", "2012-07-20 12:00")
    sources = plan(loads(summer, file="draft.yaml"))["protocol"]["lottery"]["sources"]
    assert sources[1] == {"drand": "first round after 2012-07-20T10:00:00Z"}


def test_an_hour_that_the_clock_repeats_is_refused():
    with pytest.raises(ProtocolError, match="clock changes"):
        loads(COPENHAGEN.replace("2012-01-20 12:00", "2012-10-28 02:30"), file="draft.yaml")


def test_a_plan_that_was_edited_is_refused():
    document = plan(loads(COPENHAGEN, file="draft.yaml"))
    document["protocol"]["analysis"]["primary"]["alpha"] = "0.0500"
    with pytest.raises(ProtocolError) as caught:
        from_plan(document)
    assert caught.value.code == "E_PLAN"
    document["protocol"]["analysis"]["primary"]["alpha"] = "yes"
    with pytest.raises(ProtocolError, match="alpha"):
        from_plan(document)
    with pytest.raises(ProtocolError, match="format"):
        from_plan({"format": "trialkit-plan/0", "kind": "plan"})


def test_columns_nobody_asked_for_are_never_published():
    protocol = loads(COPENHAGEN, file="draft.yaml")
    unit = Unit(id="valby", name="Valby", facts={"children_0_2_2011": "2244", "contact": "secret"})
    document = plan(protocol, [unit], [Unit(id="w", fixed="strengthened")])
    assert document["units"] == [{"id": "valby", "name": "Valby", "facts": [["children_0_2_2011", "2244"]]}]
    assert document["outside"] == [{"id": "w", "fixed": "strengthened"}]
    asked = ("group", "answered", "region", "same_share_in_the_year_before")  # the last one: what the model adjusts for
    assert columns(load(PROTOCOLS / "family_houses_2022")) == asked


@settings(max_examples=30, deadline=None)
@given(
    st.decimals(min_value=0, max_value=1000, places=9),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
)
def test_numbers_and_texts_survive_the_plan_exactly(limit: Decimal, label: str):
    text = COPENHAGEN.replace("{share_of_mean: 0.4}", format(limit, "f")).replace(
        "First support within 90 days of birth, da", f'"{label}", da'
    )
    protocol = loads(text, file="draft.yaml")
    assert protocol.balance[0].largest_difference is not None
    assert protocol.balance[0].largest_difference.absolute == limit
    assert from_plan(plan(protocol)) == protocol


def test_a_protocol_in_python_takes_no_floating_number():
    parts = plan(loads(COPENHAGEN, file="draft.yaml"))["protocol"]
    assert Protocol.of(**parts) == loads(COPENHAGEN, file="draft.yaml")
    parts["analysis"]["primary"]["alpha"] = 0.05
    with pytest.raises(ProtocolError, match="floating"):
        Protocol.of(**parts)


def test_the_published_schema_is_the_one_the_models_give():
    committed = Path(__file__).parents[2] / "trialkit" / "protocol" / "schema" / FILE
    assert committed.read_text(encoding="utf-8") == schema_text(), "the models changed: publish a new version"


def test_the_schema_forbids_what_the_models_forbid():
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) >= {
        "protocol",
        "title",
        "design",
        "units",
        "arms",
        "outcomes",
        "estimand",
        "analysis",
    }
    assert set(schema["properties"]) == {field.alias or name for name, field in Protocol.model_fields.items()}
