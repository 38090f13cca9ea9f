"""The statement for the notary, before and after the draw."""

import pytest
from pages import Page, drawn, official, record_of

from trialkit.canonical import digest
from trialkit.errors import DrawError
from trialkit.report.notary import notary
from trialkit.report.spelling import fingerprint


@pytest.mark.parametrize("lang", ["da", "en"])
@pytest.mark.parametrize("name", sorted(drawn()))
def test_every_draw_of_the_specification_has_a_statement(name, lang):
    record = record_of(name)
    told = Page(notary(record, (), lang)).text
    assert fingerprint(digest(record)) in told
    assert fingerprint(record["protocol_hash"]) in told
    assert fingerprint(record["seed"]) in told
    assert ("§ 22" if lang == "da" else "section 22") in told


def test_the_drawn_numbers_are_those_of_the_list():
    record, ledger = official()
    told = Page(notary(record, ledger, "da")).text
    # units 5, 6, 7, 9 and 10 of the published list drew samarbejdsmodel (the vector's result)
    numbers = [
        str(place)
        for place, entry in enumerate(record["result"]["allocation"], start=1)
        if entry["label"] == "samarbejdsmodel"
    ]
    assert numbers == ["5", "6", "7", "9", "10"]
    assert "Samarbejdsmodel: 5–7, 9 og 10." in told
    assert "Uændret: 1–4 og 8." in told
    assert "Numrene er uden huller fra 1 til 10" in told
    assert "1–10: 6 3 4 5 4 6 6 0 3 9 ; 11–20: 0 1 0 3 1 6 9 4 6 2" in told
    assert fingerprint(ledger[-1]["hash"]) in told


def test_a_lottery_is_read_out_in_the_order_of_the_lots():
    told = Page(notary(record_of("lottery with tiers"), (), "da")).text
    assert "I loddets rækkefølge: 3, 8, 5, 1, 2, 6, 10, 9, 4, 7." in told


def test_fixed_units_are_named_as_not_drawn():
    told = Page(notary(record_of("rollout, capacity short, one pilot"), (), "da")).text
    assert "Bølge 1: 6 og 10 (heraf lagt fast på forhånd, ikke trukket: 6)." in told


def test_before_the_draw_the_result_is_left_to_be_written_in():
    record, _ = official()
    told = Page(notary(record["protocol"], (), "da")).text
    assert "Der er ikke trukket lod endnu." in told
    assert fingerprint(digest(record["protocol"])) in told
    assert fingerprint(record["seed"]) not in told
    assert "Samarbejdsmodel:" not in told
    assert "20 kast, hvert et tal fra 0 til 9" in told
    assert "6 3 4 5 4 6" not in told


def test_sequential_lists_are_sealed_here_too():
    record = record_of("sequential, sealed secret plus drand")
    opened = {"type": "open", "body": {"source": "0", "value": ""}, "hash": "0" * 64}
    assert "Listen for laget" not in Page(notary(record, (), "da")).text
    assert "Listen for laget Valby har 20 pladser" in Page(notary(record, [opened], "da")).text


def test_more_units_than_fit_are_attached():
    told = Page(notary(record_of("complete, 98 municipalities, weights 37:61"), (), "da")).text
    assert "Numrene er uden huller fra 1 til 98. Listen er for lang" in told
    assert "Albertslund" not in told


def test_a_notary_gets_lines_and_boxes_and_no_signature_of_ours():
    record, ledger = official()
    html = notary(record, ledger, "da")
    assert html.count('class="box"') == 6
    for words in ("Notarens segl eller stempel", "Byret og notarens journalnr.", "Den sagkyndiges navn og stilling"):
        assert words in Page(html).text
    assert html == notary(record, ledger, "da")


def test_something_else_is_refused():
    with pytest.raises(DrawError):
        notary({"kind": "entry"}, (), "da")
