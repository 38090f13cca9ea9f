"""The certificate: what a draw leaves on paper."""

import copy
import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from pages import OK, Page, drawn, official, record_of

from trialkit.canonical import digest, jcs
from trialkit.draw.verify import Verdict, verify_ledger
from trialkit.errors import DrawError
from trialkit.protocol.load import load
from trialkit.protocol.plan import plan as plan_of
from trialkit.report.certificate import certificate
from trialkit.report.chance import seed_line
from trialkit.report.spelling import fingerprint, spelled
from trialkit.report.verdicts import explain
from trialkit.units import Unit

HOSTILE = "<script>alert('1')</script> & \"Søn\" {{ 7*7 }} {x}"


def page(record, ledger=(), *, verdict=OK, lang="da", **more):
    return Page(certificate(record, ledger=ledger, verdict=verdict, lang=lang, **more))


@pytest.mark.parametrize("lang", ["da", "en"])
@pytest.mark.parametrize("name", sorted(drawn()))
def test_every_draw_of_the_specification_has_a_certificate(name, lang):
    record = record_of(name)
    html = certificate(record, ledger=(), verdict=Verdict(warnings=("W_NO_WITNESS",)), lang=lang)
    told = Page(html)
    assert all(" ".join(unit["id"].split()) in told.text for unit in record["protocol"]["units"])
    for value in (record["protocol_hash"], record["seed"], digest(record)):
        assert fingerprint(value) in told.text
    assert " ".join(spelled(record["protocol_hash"], lang)[:1]) in told.text
    assert "{" not in re.sub(r"<style>.*?</style>|<pre>.*?</pre>", "", html, flags=re.S)  # no blank left open


@pytest.mark.parametrize("name", sorted(drawn()))
def test_the_printed_line_hashes_to_the_seed(name):
    record = record_of(name)
    line = seed_line(record)
    assert hashlib.sha256(line.encode()).hexdigest() == record["seed"]
    assert " ".join(line.split()) in page(record).text


def test_the_page_stands_alone_and_says_its_language():
    record, ledger = official()
    html = certificate(record, ledger=ledger, verdict=OK, lang="da")
    told = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert ("lang", "da") in told.attributes
    assert not {"script", "link", "img", "iframe", "form"} & set(told.tags)
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in told.attributes}
    assert not re.search(r"https?://|url\(|@import", html)
    assert told.tags.count("h1") == 1
    style = re.search(r"<style>(.*?)</style>", html, flags=re.S).group(1)
    assert style.count("{") == style.count("}") > 50
    assert {value for name, value in told.attributes if name == "scope"} == {"col", "row"}
    assert html == certificate(*map(copy.deepcopy, [record]), ledger=ledger, verdict=OK, lang="da")


def test_the_result_in_words_and_the_confirmed_verdict():
    record, ledger = official()
    data = jcs(record)
    verdict = verify_ledger(b"".join(jcs(entry) + b"\n" for entry in ledger), data)
    assert verdict.confirmed
    told = page(record, ledger, verdict=verdict).text
    assert "BEKRÆFTET Resultatet følger" in told
    assert "IKKE BEKRÆFTET" not in told
    # of the two groups drawn: names in Danish order, Å last
    assert "Indre By, Nørrebro, Vanløse, Østerbro og Ålekistekvarteret er trukket til »samarbejdsmodel«." in told
    assert "1–10 6 3 4 5 4 6 6 0 3 9 11–20 0 1 0 3 1 6 9 4 6 2" in told
    assert "Runde i nettet quicknet 1.000 Kommer ud 23. august 2023 kl. 17.59.24 dansk tid (15.59.24 UTC)" in told
    assert "mindst 2 af 3 vidner" in told
    assert fingerprint(ledger[-1]["hash"]) in told


def test_witnesses_show_who_signed_what_by_their_own_clock():
    record, ledger = official()
    told = page(record, ledger).text
    assert "Borgerrådgiveren 23. august 2023 kl. 15.59.24 23. august 2023 kl. 19.59.24" in told
    assert "Anna Ågård 21. august 2023 kl. 19.59.24 nej" in told
    assert "Note: offentliggjort på rådhuset" in told


@pytest.mark.parametrize("lang", ["da", "en"])
def test_warnings_and_failures_stand_in_words_beside_their_names(lang):
    record, ledger = official()
    warned = page(record, (), verdict=Verdict(warnings=("W_DRAND_UNVERIFIED", "W_VOIDED")), lang=lang).text
    for name in ("W_DRAND_UNVERIFIED", "W_VOIDED"):
        assert f"{name} {explain(name, lang)}" in warned
    assert ("IKKE BEKRÆFTET" if lang == "da" else "NOT CONFIRMED") in warned
    failed = page(record, ledger, verdict=Verdict(failure="E_QUORUM"), lang=lang).text
    assert f"E_QUORUM {explain('E_QUORUM', lang)}" in failed
    assert ("BEKRÆFTET" if lang == "da" else "CONFIRMED") not in failed


def test_the_warnings_of_record_and_ledger_are_shown_together():
    record, ledger = official()
    verdict = Verdict(warnings=("W_VOIDED",), record=Verdict(warnings=("W_RESEARCH_ONLY",)))
    told = page(record, ledger, verdict=verdict).text
    assert "W_RESEARCH_ONLY" in told
    assert "W_VOIDED" in told


def test_waves_begin_on_the_plans_dates():
    record = record_of("rollout, capacity short, one pilot")
    labels = {f"bølge {n}": f"wave_{n}" for n in (1, 2, 3)}
    record = renamed(record, labels)
    waves = [{"id": f"wave_{n}", "start": f"2012-{2 + 4 * (n - 1):02d}-01", "places": "3"} for n in (1, 2, 3)]
    told = page(record, plan={"waves": waves}).text
    assert "Bølge 1 · 2 enheder · begynder 1. februar 2012" in told
    assert "Østerbro begynder i bølge 1." in told
    assert "Lagt fast i bølge 1 på forhånd og ikke trukket: Nørrebro." in told
    assert "I filerne hedder det »wave_1«." in told
    assert "Amager Øst og Bispebjerg fik ikke plads i en bølge og venter." in told
    assert "10 Østerbro bølge 1 1. februar 2012" in told
    english = page(record, plan={"waves": waves}, lang="en").text
    assert "Østerbro begins in wave 1." in english
    assert "Bispebjerg got no place in a wave and wait." in english


def renamed(record, labels):
    """The record with other labels; no draw any more, but a page reads it."""
    record = copy.deepcopy(record)
    for label in record["protocol"]["design"]["labels"]:
        label["name"] = labels[label["name"]]
    for unit in record["protocol"]["units"]:
        if "fixed" in unit:
            unit["fixed"] = labels[unit["fixed"]]
    for entry in record["result"]["allocation"]:
        entry["label"] = labels.get(entry["label"], entry["label"])
    return record


@pytest.mark.parametrize(
    "arms",
    [
        {"samarbejdsmodel": {"da": "Den nye model", "en": "The new model"}},
        [["samarbejdsmodel", {"da": "Den nye model", "en": "The new model"}]],
        [["samarbejdsmodel", [["da", "Den nye model"], ["en", "The new model"]]]],
        [["samarbejdsmodel", {"da": "Den nye model", "weight": "1"}]],
    ],
)
def test_arms_carry_the_plans_titles_in_every_form_a_plan_has(arms):
    record, ledger = official()
    told = page(record, ledger, plan={"arms": arms}).text
    assert "er trukket til »Den nye model«." in told
    assert "Uændret · 5 enheder" in told


def test_the_copenhagen_plan_gives_its_own_dates_names_and_pilots():
    plan = plan_of(
        load(Path(__file__).parents[2] / "protocols" / "copenhagen_2012_rollout" / "draft.yaml"),
        [Unit(id="Amager Øst", name="Amager Øst (hele bydelen)")],
        [Unit(id="w_amager_vest", name="Amager Vest"), Unit(id="w_city_osterbro", name="City/Østerbro")],
    )
    steps = {f"trin {n}": f"wave_{n}" for n in (1, 2, 3)}
    record = renamed(record_of("constrained, stepped wedge, three sequences"), steps)
    told = page(record, plan=plan).text
    assert "Bølge 2 · 3 enheder · begynder 1. juni 2012" in told
    assert "Amager Øst (hele bydelen), Bispebjerg og Østerbro begynder i bølge 1." in told
    assert "Uden for lodtrækningen, fastlagt på forhånd: Amager Vest og City/Østerbro." in told
    assert "1. Amager Vest 2. Amager Øst (hele bydelen) Amager Øst 3. Bispebjerg" in told


def test_a_lottery_lists_positions_offers_and_the_queue():
    told = page(record_of("lottery with tiers")).text
    queue = "Får tilbud, i denne rækkefølge: 1. Bispebjerg, 2. Vesterbro-Kongens Enghave, 3. Indre By, 4. Amager Vest"
    assert f"{queue} og 5. Amager Øst." in told
    assert "Står på venteliste, i denne rækkefølge: 6. Nørrebro" in told
    assert "1 3 Bispebjerg gruppe 1 tilbud 2 8 Vesterbro-Kongens Enghave gruppe 1 tilbud" in told
    assert "Gruppe 1 trækkes før gruppe 2" in told


def test_clusters_are_told_as_clusters():
    told = page(record_of("clustered blocked")).text
    assert "enheder i samme klynge følges ad" in told


def test_orders_passed_over_are_counted_and_are_no_reroll():
    record = record_of("physical digits with a constraint, accepted at the last attempt")
    told = page(record).text
    assert "De 2 første fordelinger opfyldte ikke kravet; nr. 3 er den første, der gør" in told
    assert "Det er ikke at trække om" in told
    assert "Gennemsnittene af »alder« i to grupper må højst ligge 2 fra hinanden." in told
    assert "Det sidste nummer, 12, gælder." in told
    first = copy.deepcopy(record)
    first["result"]["attempt"] = 0
    assert "Den første fordeling opfyldte kravet og gælder." in page(first).text
    assert "2 tal var større end det højeste nummer" in page(first).text


SEQUENTIAL = "sequential, sealed secret plus drand"
OPENED = {"seq": 1, "time": "2024-01-01T00:00:00Z", "type": "open", "body": {"source": "0", "value": "x"}, "hash": ""}


def test_sequential_lists_stay_sealed_until_the_ledger_shows_them_opened():
    record = record_of(SEQUENTIAL)
    sealed, opened = page(record).text, page(record, [OPENED]).text
    assert "Listen for laget Nørrebro" not in sealed
    assert "1. kontrol 2. indsats" not in sealed
    assert "Listerne vises først" in sealed
    assert "Listen for laget Nørrebro 1. kontrol 2. indsats 3. indsats 4. kontrol" in opened
    assert "Listerne vises først" not in opened


def test_enrolments_stand_as_their_number():
    assign = [{**OPENED, "seq": n, "type": "assign", "body": {"stratum": "Valby", "position": n}} for n in (2, 3, 4)]
    told = page(record_of(SEQUENTIAL), [OPENED, *assign]).text
    assert "3–5 1. januar 2024 kl. 01.00.00 3 personer fik deres plads fra listen." in told


@pytest.mark.parametrize(("member", "value"), [("title", "PRØVE Udrulning"), ("draw_id", "kbh.proeve-1")])
def test_a_rehearsal_says_so_in_the_text_across_the_page_and_in_its_margin(member, value):
    record, ledger = official()
    record["protocol"][member] = value
    for lang, word in (("da", "PRØVE"), ("en", "REHEARSAL")):
        html = certificate(record, ledger=ledger, verdict=OK, lang=lang)
        assert f"<strong>{word}</strong>" in html
        assert re.search(rf'class="watermark"[^\n]*<span>{word}</span>', html)
        assert re.search(rf'@top-center {{ content: "{word}"', html)
        assert re.search(r"\.watermark { position: fixed", html)  # fixed boxes are printed on every page


def test_the_official_draw_carries_no_such_word():
    record, ledger = official()
    told = page(record, ledger).text
    assert "PRØVE" not in told
    assert "SYNTETISKE" not in told


def test_synthetic_data_say_so():
    record, ledger = official()
    html = certificate(record, ledger=ledger, verdict=OK, lang="da", plan={"synthetic": True})
    assert "<strong>SYNTETISKE DATA</strong>" in html
    assert '@top-center { content: "SYNTETISKE DATA"' in html


def test_the_case_is_printed_or_left_as_a_line_to_write_on():
    record, ledger = official()
    blank = certificate(record, ledger=ledger, verdict=OK, lang="da")
    assert blank.count('class="blank"') == 5
    case = {"authority": "Københavns Kommune", "case_number": "2011-1", "document_number": "7", "date": "2012-01-20"}
    plan = {"case": {"number": "overruled", "officer_role": "Projektleder"}}
    told = page(record, ledger, case=case, plan=plan).text
    for word in ("Københavns Kommune", "Sagsnr. 2011-1", "Dokumentnr. 7", "Projektleder", "Dato 20. januar 2012"):
        assert word in told
    assert "overruled" not in told


@pytest.mark.parametrize("where", ["title", "unit", "label", "witness", "party", "note", "name", "case"])
def test_nothing_a_person_wrote_becomes_markup_or_a_template(where):
    record = record_of("entropy: three parties, then drand")
    ledger = [{**OPENED, "type": "note", "body": {"text": HOSTILE if where == "note" else "x"}}]
    protocol = record["protocol"]
    if where == "title":
        protocol["title"] = HOSTILE
    elif where == "unit":
        protocol["units"][0]["id"] = record["result"]["allocation"][0]["id"] = HOSTILE
    elif where == "label":
        old = protocol["design"]["labels"][0]["name"]
        record = renamed(
            record, {label["name"]: label["name"] for label in protocol["design"]["labels"]} | {old: HOSTILE}
        )
    elif where == "witness":
        protocol["witnesses"] = [{"name": HOSTILE, "public_key": "0" * 64}]
    elif where == "party":
        protocol["entropy"][0]["party"] = HOSTILE
    names = {unit["id"]: HOSTILE for unit in protocol["units"]} if where == "name" else {}
    case = {"authority": HOSTILE} if where == "case" else {}
    told = page(record, ledger, names=names, case=case)
    assert "script" not in told.tags
    assert HOSTILE in told.text


def test_the_printed_command_gives_the_printed_fingerprint(tmp_path):
    record, ledger = official()
    html = certificate(record, ledger=ledger, verdict=OK, lang="da")
    command = next(text for text in re.findall(r"<pre>(.*?)</pre>", html) if "sha256sum" in text)
    command = command.replace("&#39;", "'").replace("&#34;", '"')
    for end in (b"", b"\n"):  # the optional final LF is not part of the document
        (tmp_path / "record.json").write_bytes(jcs(record) + end)
        told = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert told.split()[0] == drawn()["entropy: dice and drand together"]["expect"]["record_sha256"]
        assert fingerprint(told.split()[0]) in Page(html).text


def test_the_qr_code_holds_the_records_fingerprint_and_nothing_else():
    segno = pytest.importorskip("segno")
    record, ledger = official()
    html = certificate(record, ledger=ledger, verdict=OK, lang="da")
    code = segno.make(f"trialkit-draw/1 record sha256 {digest(record)}", error="m", micro=False)
    path = re.search(r' d="([^"]+)"', code.svg_inline(scale=3, border=4)).group(1)
    assert path in html
    assert "<title>QR-kode med resultatfilens fingeraftryk</title>" in html


def test_many_units_are_listed_once_each_and_the_sentence_counts_them():
    record = record_of("complete, 98 municipalities, weights 37:61")
    told = page(record)
    assert "61 enheder, nævnt én for én i tabellen nedenfor, er trukket til »senere«." in told.text
    assert told.tags.count("tr") == 98 + 1 + 1 + 2  # the result, two headings, two lines to sign on
    assert told.tags.count("ol") == 4


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"kind": "entry"},
        {"kind": "record", "protocol": {}},
        {"kind": "record", "protocol": 7},
    ],
)
def test_what_is_no_record_is_refused_by_name(broken):
    with pytest.raises(DrawError) as refused:
        certificate(broken, ledger=(), verdict=OK, lang="da")
    assert refused.value.code == "E_SCHEMA"


@pytest.mark.parametrize(
    ("member", "value"),
    [("seed", '"}; body { display: none'), ("protocol_hash", "x"), ("evidence", []), ("result", {"allocation": [{}]})],
)
def test_a_record_that_lies_about_its_form_is_refused(member, value):
    record, _ = official()
    with pytest.raises(DrawError):
        certificate({**record, member: value}, ledger=(), verdict=OK, lang="da")


def test_a_draw_id_cannot_reach_the_style_sheet_as_style():
    record, _ = official()
    record["protocol"]["draw_id"] = 'x"; } body { display: none } /*'
    with pytest.raises(DrawError):
        certificate(record, ledger=(), verdict=OK, lang="da")


def test_a_protocol_alone_has_no_certificate():
    record, _ = official()
    with pytest.raises(DrawError, match="only its protocol"):
        certificate(record["protocol"], ledger=(), verdict=OK, lang="da")
