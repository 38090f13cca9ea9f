"""The page of an answer: what it must say, what it must never say, and what it must hide."""

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answered import MONTHS, QUARTERS, drawn, findings
from pages import Page

from trialkit.protocol.text import Text
from trialkit.report.answer import Said
from trialkit.report.effect import effect
from trialkit.report.page import texts
from trialkit.report.quarters import ALL, curve_csv, quarter, spans

CAUSAL = {"da": ("tilskrives", "skyldes", "virker", "årsag"), "en": ("put down to", "Because lots decided", "caused")}


@pytest.fixture(scope="module")
def clear():
    return findings(effect=0.12, people=90, seed=3)


@pytest.fixture(scope="module")
def unclear():
    return findings(people=90, seed=4)


@pytest.fixture(scope="module")
def small():
    return findings(people=7, share=0.1)


def figures(html):
    """What everybody reads: the page without its style sheet and figures."""
    return re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", html, flags=re.DOTALL)


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_page_is_whole_alone_and_the_same_every_time(clear, lang):
    html = effect(clear, lang)
    assert html == effect(clear, lang)
    page = Page(html)
    assert f'<html lang="{lang}">' in html
    assert not {"script", "img", "image", "iframe", "object"} & set(page.tags)
    assert not re.search(r"(?:href|src)=\"(?!#)", html)
    assert not re.search(r"https?://(?!www\.w3\.org)", html)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = re.findall(r"(?:url\(#|href=\"#)([^\")]+)", html)
    assert set(used) <= set(ids)


def test_the_same_bytes_in_another_process(clear):
    code = (
        "import sys, hashlib; sys.path[:0] = sys.argv[1:]\n"
        "from answered import findings; from trialkit.report.effect import effect\n"
        "print(hashlib.sha256(effect(findings(effect=0.12, people=90, seed=3), 'da').encode()).hexdigest())"
    )
    here = str(Path(__file__).parent)
    said = subprocess.run(
        [sys.executable, "-c", code, here], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    ).stdout
    assert said.strip() == hashlib.sha256(effect(clear, "da").encode()).hexdigest()


@pytest.mark.parametrize("lang", ["da", "en"])
def test_the_answer_stands_in_words_with_its_numbers(clear, lang):
    text, said, w = Page(effect(clear, lang)).text, Said(clear, lang), texts(lang)["effect"]
    estimate, answer = clear.answer.estimate, clear.answer
    for part in (said.asked(), said.level(), said.difference(), said.interval(), said.chance(), *said.verdict()):
        assert part in text
    for value in (estimate.estimate, estimate.conf_low, estimate.conf_high, answer.started.level, answer.waiting.level):
        told = f"{abs(100 * value):.1f}"
        assert (told.replace(".", ",") if lang == "da" else told) in said.level() + said.difference() + said.interval()
    assert f"{round(142 * estimate.p_value)} " in said.chance()
    assert "142" in said.chance()
    for heading in ("question", "answer", "limits", "measured", "sure", "design", "curves", "check"):
        assert w[heading] in text
    for digest in (clear.plan_hash, clear.record_hash, clear.snapshot):
        assert digest in effect(clear, lang) or " ".join(digest[k : k + 8] for k in range(0, 64, 8)) in text
    assert "sha256sum plan.json" in text
    assert "trialkit verify draws/copenhagen_2012_rollout" in text
    assert w["unsuppressed"].format(digest=clear.snapshot) in text


@pytest.mark.parametrize("lang", ["da", "en"])
def test_only_a_result_within_the_limit_is_given_a_cause(clear, unclear, lang):
    assert clear.answer.estimate.p_value <= 0.05 < unclear.answer.estimate.p_value
    assert CAUSAL[lang][0] in Page(effect(clear, lang)).text
    text = Page(effect(unclear, lang)).text
    for word in CAUSAL[lang]:
        assert word not in text
    assert ("kan derfor ikke afgøre" if lang == "da" else "cannot tell") in text


@pytest.mark.parametrize("lang", ["da", "en"])
def test_what_the_answer_does_not_say(clear, lang):
    text = Page(effect(clear, lang)).text
    assert ("7 enheder" if lang == "da" else "7 units") in text
    assert ("februar 2012 – juni 2012" if lang == "da" else "February 2012 – June 2012") in text
    assert ("nabo" if lang == "da" else "neighbour") in text
    assert ("Amager Vest og City/Østerbro" if lang == "da" else "Amager Vest and City/Østerbro") in text
    assert "register" in text
    assert ("opdigtede" if lang == "da" else "made up") in text


def test_the_outcome_of_trained_staff_carries_a_caution(clear):
    protocol = drawn("copenhagen_2012_rollout")[0]
    changed = tuple(
        one.model_copy(update={"reported_by": "treated_staff"}) if one.id == "early_support" else one
        for one in protocol.outcomes
    )
    found = findings(protocol=protocol.model_copy(update={"outcomes": changed}))
    assert "Læs dem med forbehold" in Page(effect(found, "da")).text
    assert "Læs dem med forbehold" not in Page(effect(clear, "da")).text


def test_synthetic_and_preliminary_are_stamped_in_the_title_and_on_the_page(clear):
    live = findings(effect=0.12, people=90, seed=3, snapshot="")
    html = effect(live, "da")
    title = re.search(r"<title>(.*?)</title>", html)[1]
    assert "Syntetiske data" in title
    assert "Foreløbig" in title
    for mark in ("FORELØBIG", "SYNTETISKE DATA"):
        assert html.count(mark) >= 3  # every printed sheet, the watermark, the box
    assert "ikke frosset" in Page(html).text
    assert "--live" in html
    assert "FORELØBIG" not in effect(clear, "da")
    real = findings(effect=0.12, people=90, seed=3, synthetic=False)
    assert "SYNTETISKE" not in effect(real, "da")
    assert "opdigtede" not in effect(real, "da")
    assert "PRELIMINARY" in effect(live, "en")


def test_open_windows_are_preliminary_too(clear):
    early = findings(effect=0.12, people=90, seed=3)
    early.unfinished[3, MONTHS.index("2012-06")] = True
    assert early.preliminary == ("early",)
    assert "90 dage" in Said(early, "da").preliminary()[0]
    outside = findings(effect=0.12, people=90, seed=3)
    outside.unfinished[3, MONTHS.index("2012-12")] = True
    assert outside.preliminary == ()


def cells_of(html):
    """The table of quarters as (heading, [cells])."""
    table = re.search(r'<table class="grid">(.*?)</table>', html, re.DOTALL)[1]
    rows = re.findall(r'<tr[^>]*><th scope="row">(.*?)</th>(.*?)</tr>', table)
    return {name: re.findall(r"<td>(.*?)</td>", cells) for name, cells in rows}


def test_no_small_count_is_on_the_page_in_any_form(small):
    quarters = small.quarters
    assert quarters.hidden > 0
    for lang in ("da", "en"):
        html = effect(small, lang)
        hidden = texts(lang)["effect"]["hidden"]
        for row in cells_of(html).values():
            for cell in row:
                top = cell.split(" ")[0]
                assert top in (hidden, "0") or int(top.replace(".", "").replace(",", "")) >= 5, cell
    rows = {unit: place for place, unit in enumerate(small.panel.units)}
    for one in quarters.groups:
        for column in quarters.columns:
            here = [k for k, period in enumerate(small.panel.periods) if quarter(period) == column]
            events = small.panel.numerator[np.ix_([rows[unit] for unit in one.units], here)].sum()
            told = quarters.cells[one.key, column].numerator
            assert (told is None) if 0 < events < 5 else told in (None, events)
    csv = curve_csv(quarters, outcome="early_support", titles={}, synthetic=True, preliminary=False)
    assert csv.count("hidden") == sum(
        n is None for counts in quarters.cells.values() for n in (counts.numerator, counts.denominator)
    )
    assert not re.search(r";[1-4];", csv)


@pytest.mark.parametrize("seed", range(6))
def test_no_hidden_number_is_a_sum_or_difference_of_those_shown(seed):
    """Linear algebra in place of the page's own audit: what is shown never spans what is hidden because it is small."""
    found = findings(people=3 + seed, share=0.1, seed=seed)
    quarters, panel = found.quarters, found.panel
    rows = {unit: place for place, unit in enumerate(panel.units)}
    sums, told, events = [], [], []

    def published(cells, shown):
        sums.append(cells.ravel().astype(float))
        told.append(shown)
        events.append(panel.numerator.ravel() @ sums[-1])

    drawn_rows = np.zeros(len(panel.units), bool)
    for one in quarters.groups:
        members = np.isin(np.arange(len(panel.units)), [rows[unit] for unit in one.units])
        drawn_rows |= members & one.compared
        for column in (*quarters.columns, ALL):
            when = np.array([column in (quarter(period), ALL) for period in panel.periods])
            published(np.outer(members, when), quarters.cells[one.key, column].numerator is not None)
    for column in (*quarters.columns, ALL):
        when = np.array([column in (quarter(period), ALL) for period in panel.periods])
        published(np.outer(drawn_rows, when), quarters.cells[ALL, column].numerator is not None)
    asked = [panel.periods.index(period) for period in found.answer.panel.periods]
    for side, counts in ((1, quarters.started), (0, quarters.waiting)):
        here = np.zeros(panel.numerator.shape, bool)
        here[np.ix_([rows[unit] for unit in found.answer.panel.units], asked)] = found.answer.used & (
            found.answer.states == side
        )
        published(here, counts.numerator is not None)
    known = np.array([cells for cells, shown in zip(sums, told, strict=True) if shown])
    rank = np.linalg.matrix_rank(known)
    small = [k for k, n in enumerate(events) if 0 < n < 5]
    assert small
    for k in small:
        assert not told[k]
        assert np.linalg.matrix_rank(np.vstack([known, sums[k]])) == rank + 1


def test_the_figure_shows_no_hidden_point(small):
    quarters = small.quarters
    hidden = [key for key, counts in quarters.cells.items() if counts.numerator is None]
    assert hidden
    assert all(np.isnan(quarters.cells[key].share) for key in hidden)


def test_totals_agree_with_the_parts_where_all_are_shown(clear):
    quarters = clear.quarters
    assert quarters.hidden == 0
    for column in (*quarters.columns, ALL):
        parts = [quarters.cells[one.key, column] for one in quarters.groups if one.compared]
        assert quarters.cells[ALL, column].numerator == sum(one.numerator for one in parts)
        assert quarters.cells[ALL, column].denominator == sum(one.denominator for one in parts)
    started = clear.answer.started
    assert (quarters.started.numerator, quarters.started.denominator) == (started.numerator, started.denominator)


def test_no_per_cent_stands_on_a_base_under_twenty():
    found = findings(people=2, share=0.4, periods=MONTHS)
    for row in cells_of(effect(found, "da")).values():
        for cell in row:
            base = re.search(r"af ([\d.]+)", cell)
            if base and int(base[1].replace(".", "")) < 20:
                assert "%" not in cell


def test_the_plan_decides_what_is_hidden_and_how_finely_it_is_shown():
    protocol = drawn("copenhagen_2012_rollout")[0]
    only = protocol.model_copy(update={"privacy": protocol.privacy.model_copy(update={"publish": "totals"})})
    found = findings(protocol=only, people=90)
    assert [one.key for one in found.groups] == ["drawn", "pilots"]
    assert "Bølge 1" not in figures(effect(found, "da")).split("Tabel 2")[1]
    lax = protocol.model_copy(update={"privacy": protocol.privacy.model_copy(update={"hide_counts_below": 3})})
    assert findings(protocol=lax, people=7, share=0.1).quarters.hidden < findings(people=7, share=0.1).quarters.hidden


@pytest.mark.parametrize(
    ("lang", "one", "several"),
    [("da", "kun 1 af de 142 mulige lodtrækninger have vist en forskel, der var så usædvanlig som denne: den, der blev trukket",
      "ville 3 af de 142 mulige"),
     ("en", "only 1 of the 142 possible draws would have shown one as unusual as this: the one that was made",
      "3 of the 142 possible draws would still")],
)  # fmt: skip
def test_a_single_draw_that_is_unusual_is_said_to_be_the_one_that_was_made(clear, lang, one, several):
    def told(count):
        answer = replace(clear.answer, estimate=replace(clear.answer.estimate, p_value=count / 142))
        return Said(replace(clear, answer=answer), lang).chance()

    assert one in told(1)
    assert several in told(3)
    assert {"da": "Den, der blev trukket, er en af dem.", "en": "The draw that was made is one of them."}[lang] in told(
        3
    )


@pytest.mark.parametrize("lang", ["da", "en"])
def test_texts_of_the_plan_in_one_language_are_marked_as_the_plans_words(clear, lang):
    name, _ = Said(clear, lang).promised()[0]  # who: the draft has it as a plain string
    assert name == {"da": "Hvem (planens ord)", "en": "Who (the plan's words)"}[lang]
    who = Text(en="all children", da="alle børn")
    both = clear.protocol.model_copy(update={"estimand": clear.protocol.estimand.model_copy(update={"who": who})})
    told = {"da": ("Hvem", "alle børn"), "en": ("Who", "all children")}[lang]
    assert Said(replace(clear, protocol=both), lang).promised()[0] == told


def test_every_figure_says_what_it_shows_and_every_table_has_headers(clear):
    html = effect(clear, "da")
    labelled = re.findall(
        r'<svg class="figure"[^>]*role="img" aria-labelledby="([^"]+)"><title id="\1">(.+?)</title>', html
    )
    assert len(labelled) == html.count("<svg") == 4
    assert all(len(title) > 20 for _, title in labelled)
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        assert "<caption>" in table
        assert table.count('scope="col"') == len(re.findall(r"<th\b", table.split("</thead>")[0]))
        assert re.findall(r"<tbody>.*</tbody>", table, re.DOTALL)[0].count("<tr") == table.count('scope="row"')


def test_nothing_rests_on_colour_alone(clear):
    html = effect(clear, "da")
    for mark in ("▼", "×", "●", "○"):
        assert mark in html
    assert html.count("<pattern") >= 2
    assert len(set(re.findall(r"stroke-dasharray: ([\d. ,]+)", html))) >= 3


def test_two_arms_over_quarters_by_a_monte_carlo_test():
    found = findings("family_houses_2022/synthetic", periods=QUARTERS, effect=0.03, people=80, share=0.05)
    text = Page(effect(found, "en")).text
    assert "with “Advice in the first year”" in text
    assert "of 10,000 draws that were tried" in text
    assert "the seed is the fingerprint of the draw's record" in text
    assert "months" not in Said(found, "en").level()
    assert [name for name, _ in Said(found, "en").facts()][-1] == "Method"


def test_one_side_or_a_set_with_holes_or_without_ends_is_said():
    found = findings(people=90)
    estimate = found.answer.estimate
    for (low, high), word in {
        (float("-inf"), float("inf")): "for lille til at sætte grænser",
        (0.01, float("inf")): "øvre grænse",
        (float("-inf"), 0.01): "nedre grænse",
        (float("nan"), float("nan")): "kan ikke angives",
    }.items():
        object.__setattr__(estimate, "conf_low", low)
        object.__setattr__(estimate, "conf_high", high)
        said = Said(found, "da")
        assert word in said.interval()
        assert "inf" not in said.interval() + " ".join(value for _, value in said.facts())
        assert "nan" not in " ".join(value for _, value in said.facts())


def test_names_are_text_and_never_markup_or_formulas():
    protocol = drawn("copenhagen_2012_rollout")[0]
    label = protocol.outcomes[0].label.model_copy(update={"da": "<b>$x^2$ & co</b>", "en": "=1+1"})
    changed = (protocol.outcomes[0].model_copy(update={"label": label}), *protocol.outcomes[1:])
    found = findings(protocol=protocol.model_copy(update={"outcomes": changed}))
    html = effect(found, "da")
    assert "<b>" not in html
    assert "&lt;b&gt;$x^2$ &amp; co" in html
    Page(html)


def test_runs_of_months_are_drawn_together():
    assert spans(["2012-02", "2012-03", "2012-05", "2012-12", "2013-01"]) == [
        ("2012-02", "2012-03"), ("2012-05", "2012-05"), ("2012-12", "2013-01"),
    ]  # fmt: skip
    assert spans(["2023q1", "2023q2"]) == [("2023q1", "2023q1"), ("2023q2", "2023q2")]


def test_every_word_of_the_page_is_used():
    room = Path(__file__).parents[2] / "trialkit" / "report"
    code = "".join(path.read_text(encoding="utf-8") for path in room.glob("*.py"))
    page = (room / "templates" / "effect.html").read_text(encoding="utf-8") + (
        room / "templates" / "base.html"
    ).read_text(encoding="utf-8")
    built = re.compile(r"(measured|source|state|weight)_|(more|fewer|none)(_100)?$|.*_arms$|level_|(pilots|drawn)")
    for key in texts("da")["effect"]:
        assert built.match(key) or f'"{key}"' in code or f"e.{key}" in page or f"t.effect.{key}" in page, key
