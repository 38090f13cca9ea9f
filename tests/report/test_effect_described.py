"""The page of what was not drawn: counts first, an interval, marked months, and no word about causes in either language."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pages import Page

from trialkit.design.observed import observed
from trialkit.estimate.described import described
from trialkit.panel import Panel
from trialkit.population import population
from trialkit.protocol.load import load
from trialkit.protocol.plan import plan
from trialkit.report.beside import SaidBeside
from trialkit.report.described import Described, SaidOfCounts, description
from trialkit.report.page import texts

FOLDER = Path(__file__).parents[2] / "protocols" / "thousand_days_two_rounds"
MONTHS = tuple(f"{y}-{m:02d}" for y in (2019, 2020) for m in range(1, 13) if (2019, 6) <= (y, m) <= (2020, 8))
CAUSAL = re.compile(
    r"effe[ck]t|\bvirk(er|ning)|skyldes|årsag|fordi|på grund af|takket være|fører til|medfør|forbedr|tilskrives|"
    r"because|\bcaus|due to|impact|\b(leads?|led) to|\bworks\b|thanks to|improve|put down to|randomi[sz]",
    re.IGNORECASE,
)


def found(*, share=0.5, people=12, seed=1, top=None, bottom=None, snapshot="ab" * 32):
    protocol = load(FOLDER / "draft.yaml")
    units = population(protocol, FOLDER).units
    assignment = observed(protocol, units)
    rng = np.random.default_rng(seed)
    below = np.full((21, len(MONTHS)), float(people)) if bottom is None else bottom
    above = rng.binomial(below.astype(int), share).astype(float) if top is None else top
    marks = np.zeros(above.shape, bool)
    marks[:, [MONTHS.index(month) for month in ("2020-03", "2020-04", "2020-05")]] = True
    panel = Panel(
        units=units.ids, periods=MONTHS, numerator=above, denominator=below, interrupted=marks, synthetic=True
    )  # fmt: skip
    return Described(
        protocol=protocol, plan=plan(protocol, units), description=described(protocol, assignment, {"share_received": panel}),
        as_of=date(2020, 9, 6), snapshot=snapshot,
    )  # fmt: skip


def spread(k, n, seed=3):
    """k of n over 21 municipalities and the months, whole counts."""
    rng = np.random.default_rng(seed)
    cells = 21 * len(MONTHS)
    size = rng.multinomial(n, np.full(cells, 1 / cells))
    return rng.multivariate_hypergeometric(size, k).reshape(21, -1).astype(float), size.reshape(21, -1).astype(float)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_no_causal_word_stands_anywhere(lang):
    html = re.sub(r"<style>.*?</style>", "", description(found(), lang), flags=re.DOTALL)
    assert not CAUSAL.search(html)
    for key, text in texts(lang)["described"].items():
        assert not CAUSAL.search(text), key


@pytest.mark.parametrize(
    ("k", "n", "told"), [(689, 1305, {"en": "52.8% (689 of 1,305)", "da": "52,8 % (689 af 1.305)"}),
                         (404, 808, {"en": "50.0% (404 of 808)", "da": "50,0 % (404 af 808)"})],
)  # fmt: skip
def test_the_sources_numbers_stand_with_their_counts(k, n, told):
    top, bottom = spread(k, n)
    here = found(top=top, bottom=bottom)
    for lang in ("en", "da"):
        page = Page(description(here, lang)).text
        assert told[lang] in page
        assert not re.search("over half|over halvdel|more than half|mere end halv", page, re.IGNORECASE)
    document = json.loads(here.document())
    assert (document["numerator"], document["denominator"]) == (str(k), str(n))


@pytest.mark.parametrize("lang", ["da", "en"])
def test_interrupted_months_are_kept_marked_shaded_and_told_both_ways(lang):
    here = found()
    html = description(here, lang)
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>', html)
    assert [row for row in rows if row.endswith("!")] == [
        row for row in rows if re.match("(marts|april|maj|March|April|May) 2020", row)
    ]
    assert len(rows) >= len(MONTHS)
    assert html.count("#e6e6e6") >= 3
    said = " ".join(SaidOfCounts(here, lang).interruptions())
    assert ("Uden" if lang == "da" else "Without") in said
    assert re.search(r"12\.? [Mm]ar", said)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_what_the_interruption_takes_and_leaves_is_said_month_by_month(lang):
    here, words = found(), texts(lang)["described"]
    page = Page(description(here, lang)).text
    months = {"da": "marts 2020 – maj 2020", "en": "March 2020 – May 2020"}[lang]  # the lockdown ended on 1 May
    assert words["interrupted_whole"].format(periods=months) in page
    asked = {"da": "juni 2019 – august 2020", "en": "June 2019 – August 2020"}[lang]
    assert words["periods_text"].format(periods=asked) in page
    (line,) = [one for one in here.beside.answered if one.method == "difference_in_differences"]
    tells = SaidBeside(here, lang)._sensitivity(line)
    apart = texts(lang)["beside"]["interrupted_apart"].partition("{name}")[2]
    assert line.estimate.estimate == pytest.approx(line.sensitivity.estimate, rel=1e-12)
    assert tells.endswith(apart)
    other = replace(line.sensitivity, estimate=line.estimate.estimate + 0.01)
    assert apart not in SaidBeside(here, lang)._sensitivity(replace(line, sensitivity=other))
    sentence = SaidOfCounts(here, lang).interval()
    assert sentence.count("%") == 3
    assert "100" not in sentence


def test_counts_from_one_to_four_are_on_the_page_in_no_form():
    top, bottom = spread(100, 300, seed=8)
    here = found(top=top, bottom=bottom)
    for (_, column), counts in here.quarters.cells.items():
        for n in (counts.numerator, counts.denominator):
            assert n is None or n == 0 or n >= 5, column
    assert here.quarters.hidden > 0
    page = Page(description(here, "en")).text
    assert "hidden" in page
    assert not re.search(r"(?<![.,\d])[1-4] of (?!100\b)\d", page)  # "of 100" is what an axis says


def test_a_page_that_is_not_frozen_says_so_and_the_same_findings_give_the_same_bytes():
    live = found(snapshot="")
    assert texts("en")["described"]["live"] in Page(description(live, "en")).text
    assert json.loads(live.document())["preliminary"] == ["live"]
    assert description(found(), "da") == description(found(), "da")
    assert not re.search(r"https?://(?!www\.w3\.org)", description(found(), "da"))


def test_every_word_is_used():
    room = Path(__file__).parents[2] / "trialkit" / "report"
    code = "".join(path.read_text(encoding="utf-8") for path in room.glob("*.py"))
    page = (room / "templates" / "description.html").read_text(encoding="utf-8")
    for key in texts("da")["described"]:
        assert key.startswith("measured_") or f'"{key}"' in code or f"d.{key}" in page, key


def test_totals_alone_are_shown_where_the_plan_publishes_no_more():
    here = found(people=12)
    privacy = here.protocol.privacy.model_copy(update={"publish": "totals"})
    whole = replace(here, protocol=here.protocol.model_copy(update={"privacy": privacy}))
    page = Page(description(whole, "en")).text
    assert "Everybody" in page
    assert SaidOfCounts(whole, "en").table()[0] == ["Everybody"]
    assert [title for title, _, _ in SaidOfCounts(whole, "en").waves()] == ["Everybody"]
    assert SaidOfCounts(whole, "en").level() == SaidOfCounts(here, "en").level()


def test_long_series_are_gathered_in_quarters():
    here = found()
    assert here.by_month
    panel = here.description.panel
    months = tuple(f"{y}-{m:02d}" for y in (2018, 2019, 2020) for m in range(1, 13))
    top, bottom = np.full((21, 36), 6.0), np.full((21, 36), 12.0)
    longer = Panel(units=panel.units, periods=months, numerator=top, denominator=bottom, synthetic=True)
    units = population(here.protocol, FOLDER).units
    description_ = described(here.protocol, observed(here.protocol, units), {"share_received": longer})
    quarterly = replace(here, description=description_)
    assert not quarterly.by_month
    assert quarterly.quarters.columns[0] == "2018q1"
    assert "quarter 1 of 2018" in Page(description(quarterly, "en")).text
