"""The draft as text: whatever people type comes back unchanged, and a blank passes once its marked places are filled."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.canonical import text_fault
from trialkit.errors import ProtocolError
from trialkit.protocol.blank import FILL, Answers, draft_text, scalar
from trialkit.protocol.consistent_design import REHEARSAL
from trialkit.protocol.load import loads
from trialkit.protocol.model import Protocol

NASTY = ["- a", "a: b", "a #b", '"', "'", "\\", "{x}", "[x]", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "? a",
         "null", "~", "no", "ja", "0x1", "1e3", "020", "=1+1", "æøå", "a,b", "--- a", "...", "<<", "a\u0338", "😀", "\\n",
         "a:"]  # fmt: skip


def allowed(text: str) -> bool:
    return text_fault(REHEARSAL + text) is None and text_fault(text) is None


def texts() -> st.SearchStrategy[str]:
    """Any text the rules of the draw allow, among them what YAML reads as something else."""
    pieces = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), min_size=1, max_size=4)
    free = st.tuples(pieces, st.sampled_from(["", " "])).map(lambda parts: parts[1].join(parts[0]))
    return free.map(lambda text: unicodedata.normalize("NFC", text)).filter(allowed)


def complete(**changes: object) -> Answers:
    given: dict[str, object] = {
        "trial": "t", "title": "Title", "waves": ((date(2027, 2, 1), 2), (date(2027, 6, 1), 3)), "new": "New",
        "usual": "Usual", "outcome": "Support", "among": "all children", "reported_by": "register_extract",
        "period": (date(2027, 2, 1), date(2027, 5, 31)), "effect": Decimal("0.1"),
    }  # fmt: skip
    return Answers(**{**given, **changes})  # type: ignore[arg-type]


def read(answers: Answers, lang: str = "da") -> Protocol:
    return loads(draft_text(answers, lang), file="draft.yaml")  # type: ignore[arg-type]


@given(texts(), texts(), texts(), texts(), st.lists(texts(), min_size=1, max_size=3), st.sampled_from(["da", "en"]))
def test_every_text_that_may_be_published_comes_back_unchanged(title, new, outcome, among, names, lang):
    found = read(
        complete(title=title, new=new, outcome=outcome, among=among, pilots=tuple(names), approvals=tuple(names),
                 accepts={"low_power": title}), lang
    )  # fmt: skip
    assert found.title.told(lang) == title
    assert found.arms["new"].told(lang) == new
    assert found.outcomes[0].label.told(lang) == outcome == found.outcomes[0].numerator
    assert found.outcomes[0].denominator == among == found.estimand.who.told(lang)
    assert found.fixed[0].units == tuple(names)
    assert tuple(one.by for one in found.approvals) == tuple(names)
    assert found.accepts is not None
    assert found.accepts.low_power.told(lang) == title


@given(texts())
def test_a_text_is_one_value_on_one_line_wherever_it_stands(text):
    assert "\n" not in scalar(text)
    tree = loads(draft_text(complete(pilots=("a", text, "b")), "en"), file="draft.yaml")
    assert tree.fixed[0].units == ("a", text, "b")


@pytest.mark.parametrize("text", ["Valby", "City/Østerbro", "Brønshøj-Husum", "Udvalg (2)"])
def test_plain_names_stay_plain_to_read(text):
    assert scalar(text) == text


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 9)), min_size=1, max_size=12),
    st.sampled_from(["share", "yes_no", "number"]),
    st.none() | st.integers(1, 400),
    st.none() | st.decimals("0.01", "0.99", places=3),
    st.decimals("0.001", "0.9", places=4),
    st.booleans(),
)
def test_every_answer_stands_in_the_draft(waves, kind, window, baseline, effect, waits):
    days = [date(2027, 1, 1) + timedelta(days=sum(gap for gap, _ in waves[: k + 1])) for k in range(len(waves))]
    period = (days[0], days[-1] + timedelta(days=30))
    found = read(complete(
        waves=tuple(zip(days, [places for _, places in waves], strict=True)), kind=kind, window=window,
        baseline=baseline, spread=baseline, effect=effect, rest_waits=waits, period=period,
    ))  # fmt: skip
    assert [(wave.start, wave.places) for wave in found.waves] == list(zip(days, [p for _, p in waves], strict=True))
    assert found.design == ("capacity_rollout" if waits else "phased_rollout")
    assert found.outcomes[0].type == kind
    assert found.outcomes[0].window_days == window
    assert found.planning.smallest_effect_worth_finding.absolute == effect
    assert found.planning.baseline == ({} if baseline is None else {"support": baseline})
    assert (found.estimand.period.from_, found.estimand.period.to) == period
    assert (found.estimand.complete_on - period[1]).days == (window or 0)


def filled(lang: str) -> str:
    """The blank, every marked place filled in by its key, as a person would."""
    values = iter(["2027-02-01", "3", "2027-06-01", "4"])
    given = {
        "protocol": "my_trial", lang: "Tekst: æøå" if lang == "da" else "Text", "numerator": "children helped",
        "denominator": "all children", "reported_by": "register_extract", "who": "all children", "from": "2027-02-01",
        "to": "2027-05-31", "absolute": "0.1",
    }  # fmt: skip
    lines = []
    for line in draft_text(Answers(), lang).splitlines():  # type: ignore[arg-type]
        if FILL[lang] in line.partition("#")[2]:  # type: ignore[index]
            key = re.fullmatch(r"\s*(?:- )?(\w+):\s*#.*", line)
            assert key, f"a marked place is a key without a value: {line!r}"
            value = next(values) if key[1] in ("start", "places") else given[key[1]]
            line = line.replace(f"{key[1]}:", f'{key[1]}: "{value}"', 1)
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_blank_passes_once_its_marked_places_are_filled(lang):
    found = loads(filled(lang), file="draft.yaml")
    assert found.protocol == "my_trial"
    assert [wave.places for wave in found.waves] == [3, 4]
    assert found.units.file == "units.csv"


@pytest.mark.parametrize("lang", ["da", "en"])
def test_no_marked_place_can_be_forgotten(lang):
    whole = filled(lang).splitlines()
    places = [k for k, line in enumerate(whole) if FILL[lang] in line]
    assert len(places) >= 15
    for k in places:
        line = re.sub(r'(:) "[^"]*"', r"\1", whole[k], count=1)
        with pytest.raises(ProtocolError):
            loads("\n".join([*whole[:k], line, *whole[k + 1 :]]), file="draft.yaml")


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_blank_that_nobody_filled_is_refused_in_words(lang):
    text = draft_text(Answers(), lang)
    with pytest.raises(ProtocolError) as caught:
        loads(text, file="draft.yaml")
    told = caught.value.told(lang)
    assert "None" not in told
    lines = {fault["line"] for fault in caught.value.facts["faults"]}
    starts = [k for k, line in enumerate(text.splitlines(), start=1) if line.startswith("    start:")]
    assert lines.issuperset(starts), "the loader names the places of the dates"


def test_every_line_of_a_draft_is_explained_in_one_language_only():
    danish, english = draft_text(complete(), "da"), draft_text(complete(), "en")
    assert "lodtrækning" in danish
    assert "lottery" not in danish.replace("lottery:", "")
    assert not re.search("[æøå]", english)


@given(texts())
def test_look_of_a_draft_does_not_depend_on_what_is_typed(text):
    base, other = draft_text(complete(), "da"), draft_text(complete(title=text), "da")
    assert base.count("\n") == other.count("\n")
