"""Years on the way and neighbours, as a person presses them: nothing is tested early, and nothing unasked is an answer."""

import json
import re
from pathlib import Path

import pytest

from tests.copenhagen import drawn, frozen, recorded
from trialkit.canonical import parse
from trialkit.errors import EstimateError
from trialkit.estimate.looks import check_day
from trialkit.protocol.plan import from_plan
from trialkit.trial import Trial

FINAL = (r"(?m)^estimand:", "reports: [{year: 1}, {final: 2014-06-30}]\nestimand:")
EARLY = (
    r"(?m)^  many_outcomes: holm.*$",
    "  many_outcomes: holm\n  early_report: {year: 1, purpose: describe, test: no}",
)
LOOK = (r"(?m)^  many_outcomes: holm.*$", "  many_outcomes: holm\n  looks: [2013-01-15]")
UNASKED = (r"(?m)^    - \{method: spillover_check.*\n", "")


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    return frozen(recorded(drawn(tmp_path_factory.mktemp("early") / "trial", FINAL, EARLY)))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return frozen(recorded(drawn(tmp_path_factory.mktemp("plain") / "trial", UNASKED)))


def report(trial, ending):
    return next(path for path in (trial.folder / "reports").iterdir() if path.name.endswith(ending))


def text_of(path):
    html = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", html)


def test_before_the_final_day_nothing_is_tested_and_nothing_written(press, early):
    """S3.7: reading effects early."""
    for lang, word in (("da", "kig"), ("en", "look")):
        said = press("estimate", early.folder, "--lang", lang, status=1)
        assert "E_LOOK" in said
        assert word in said
        assert "2014-06-30" in said
    assert "E_LOOK" in press("estimate", early.folder, "--live", status=1)
    assert "E_LOOK" in press("estimate", early.folder, "--spillover", status=1)  # its p-value is a look as well
    assert not [path for path in early.folder.glob("reports/*") if "year" not in path.name]


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_year_describes_without_a_test(press, tmp_path, lang):
    trial = frozen(recorded(drawn(tmp_path / "trial", FINAL, EARLY)))
    said = press("estimate", trial.folder, "--year", "1", "--lang", lang, status=1)
    assert "E_LOOK" in said  # the trial began on 1 February 2012, and the data are as known on 15 January 2013
    later = drawn(tmp_path / "later", FINAL, EARLY, (r"start: 2012-02-01", "start: 2012-01-01"))
    trial = frozen(recorded(later))
    said = press("estimate", trial.folder, "--year", "1", "--lang", lang)
    page = text_of(report(trial, "-year-1") / f"year.{lang}.html")
    told = {
        "da": ("Efter år 1", "31. december 2012", "30. juni 2014"),
        "en": ("After year 1", "31 December 2012", "30 June 2014"),
    }
    for word in told[lang]:
        assert word in page
    for word in ("p-v", "p =", "interval", "Interval", "forskel", "difference", "effekt", "effect"):
        assert word not in page, word
        assert word not in said, word
    document = parse((report(trial, "-year-1") / "year.json").read_bytes())
    assert document["tested"] is False
    assert not {"p_value", "estimate", "conf_low", "statistic"} & set(json.dumps(document).replace('"', " ").split())
    assert document["nothing_recorded"] == ["days_to_support", "age_at_first_support", "joint_meetings"]


def test_the_counts_of_a_year_are_those_recorded_until_its_last_day(tmp_path):
    later = drawn(tmp_path / "trial", FINAL, EARLY, (r"start: 2012-02-01", "start: 2012-01-01"))
    trial = frozen(recorded(later))
    found = trial.early(1)
    panel = trial.panel("early_support", snapshot="", pilots=True).panel
    assert found.until.isoformat() == "2012-12-31"
    document = parse(found.document())
    shown = {(one["group"], one["quarter"]): one for one in document["outcomes"][0]["counts"]}
    labels = found.labels
    for label in ("wave_1", "wave_2", "wave_3"):
        rows = [place for place, unit in enumerate(panel.units) if labels.get(unit) == label]
        assert float(shown[label, "all"]["numerator"]) == panel.numerator[rows].sum()
        assert float(shown[label, "all"]["denominator"]) == panel.denominator[rows].sum()
    assert max(one["quarter"] for one in document["outcomes"][0]["counts"] if one["quarter"] != "all") == "2012q4"
    assert found.synthetic


def test_a_report_that_was_not_promised_is_refused(press, early, plain):
    assert "E_LOOK" in press("estimate", early.folder, "--year", "2", status=1)
    said = press("estimate", plain.folder, "--year", "1", "--lang", "da", status=1)
    assert "ingen rapport efter år 1" in said


def test_a_planned_look_may_be_read(press, tmp_path):
    trial = frozen(recorded(drawn(tmp_path / "trial", FINAL, LOOK)))
    said = press("estimate", trial.folder, "--lang", "en")
    assert "142" in said
    assert "The plan allows a look on this day" in said  # and it is no final answer
    protocol = from_plan(parse((trial.folder / "plan.json").read_bytes()))
    (day,) = protocol.analysis.looks
    check_day(protocol, day)
    with pytest.raises(EstimateError):  # another day than the planned one is not
        check_day(protocol, day.replace(day=16))


def test_neighbours_nobody_asked_for_are_stamped_and_stand_apart(press, plain):
    before = press("estimate", plain.folder)
    folder = plain.folder / "reports"
    known = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = press("estimate", plain.folder, "--spillover", "--lang", "en")
    assert "The plan does not ask this" in said
    assert {path: path.read_bytes() for path in known} == known  # the registered answer is as it was
    page = text_of(report(plain, "-spillover") / "spillover.en.html")
    assert "EXPLORATORY" in page
    assert "The plan does not ask this" in page
    document = parse((report(plain, "-spillover") / "spillover.json").read_bytes())
    assert document["exploratory"] is True
    assert len(document["cells"]) == 7 * 8
    assert press("estimate", plain.folder) == before
    names = {path.name for path in folder.iterdir()}
    press("estimate", plain.folder, "--spillover", "--lang", "da")
    assert {path.name for path in folder.iterdir()} == names  # the same page in the other language is no new report


def test_registered_neighbours_are_the_answers_own(press, tmp_path):
    trial = frozen(recorded(drawn(tmp_path / "trial")))
    press("estimate", trial.folder, "--spillover")
    document = parse((report(trial, "-spillover") / "spillover.json").read_bytes())
    assert document["exploratory"] is False
    answer = trial.estimate()
    (registered,) = [line for line in answer.beside.lines if line.method == "spillover_check"]
    assert float(document["test"]["p_value"]) == pytest.approx(registered.estimate.p_value, abs=1e-9)
    page = text_of(report(trial, "-spillover") / "spillover.en.html")
    assert "EXPLORATORY" not in page
    for unit in trial.plan["units"]:
        assert unit["name"] in page
    found = trial.spillover()
    for (_, cells), (_, chances), row in zip(found.rows(), found.chances("en"), range(7), strict=True):
        assert [int(cell.split()[1].split("/")[0]) for cell in cells] == [
            round(share * int(cells[0].split("/")[1])) for share in found.found.exposed.shares[row].tolist()
        ]
        assert chances[0] == "{:.0f} / {:.0f}".format(*(100 * found.found.exposed.probabilities[:2, row, 0] + 1e-9))


def test_where_nothing_was_drawn_neither_is_possible(press, tmp_path):
    import shutil

    folder = Path(
        shutil.copytree(Path(__file__).parents[2] / "protocols" / "thousand_days_two_rounds", tmp_path / "days")
    )
    assert Trial.open(folder).binding.drawn is False
    for words in (["--year", "1"], ["--spillover"]):
        assert "E_NOT_DRAWN" in press("estimate", folder, *words, status=1)
