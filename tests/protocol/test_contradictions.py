"""Every contradiction between two places of a draft is an error at its line, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from trialkit.errors import ProtocolError
from trialkit.protocol.load import loads

PROTOCOLS = Path(__file__).parents[2] / "protocols"
TEXTS = {path.name: (path / "draft.yaml").read_text(encoding="utf-8") for path in PROTOCOLS.iterdir() if path.is_dir()}
CPH, SCREEN, HOUSES = TEXTS["copenhagen_2012_rollout"], TEXTS["early_screening_2017"], TEXTS["family_houses_2022"]
HFI, DAYS = TEXTS["hfi_2023"], TEXTS["thousand_days_two_rounds"]
HEX = "ab" * 32


@pytest.mark.parametrize(
    ("draft", "old", "new", "says"),
    [
        (CPH, "start: 2012-06-01", "start: 2012-01-01", "in the order they start"),
        (CPH, "id: wave_2", "id: wave_1", "used twice"),
        (CPH, "arm: strengthened", "arm: strengthend", "Did you mean strengthened"),
        (CPH, "compare: [strengthened, usual]", "compare: [strengthened]", "compares two arms"),
        (CPH, "compare: [strengthened, usual]", "compare: [strengthened, never]", "not an arm"),
        (CPH, "what: early_support", "what: days_to_support", "does not fit"),
        (CPH, "what: early_support", "what: joint_meetings", "never tested as an effect"),
        (CPH, "measure: risk_difference", "measure: mean_difference", "does not fit"),
        (CPH, "measure: risk_difference", "measure: proportion", "describes one group"),
        (CPH, "complete_on: 2012-12-29", "complete_on: 2012-12-01", "still open"),
        (CPH, "period: {from: 2012-02-01, to: 2012-09-30}", "period: {from: 2012-09-30, to: 2012-02-01}", "ends before"),
        (CPH, "period: {from: 2012-02-01, to: 2012-09-30}", "period: {from: 2011-02-01, to: 2011-09-30}", "first wave"),
        (CPH, "strata: none", "strata: [region]", "per stratum"),
        (CPH, "compare: mean_per_wave", "compare: mean_per_arm", "compares per wave"),
        (CPH, "design: phased_rollout", "design: complete", "no meaning for design: complete"),
        (CPH, "design: phased_rollout", "design: observed_staged_entry", "No lot was drawn"),
        (CPH, "needed: 0", "needed: 1", "1 witnesses are needed and 0 are named"),
        (CPH, "names: [], needed: 0", f"names: [{{name: A, public_key: {HEX}}}, {{name: B, public_key: {HEX}}}], needed: 2",
         "same public_key"),
        (CPH, "throws: 20", "throws: 19", "at least 20"),
        (CPH, "dice: ten-sided, throws: 20", "balls: 36, drawn: 7", "too few outcomes"),
        (CPH, "{dice: ten-sided, throws: 20}", "{drand: 2012-01-20 13:00}", "At most one drand"),
        (CPH, "{dice: ten-sided, throws: 20}", "{numbered_table: ten-sided dice}", "needs method: rank"),
        (CPH, "{dice: ten-sided, throws: 20}", "{tombola: 20}", "source of chance is one of"),
        (CPH, "outcome: early_support, absolute: 0.03", "outcome: support, absolute: 0.03", "not an outcome"),
        (CPH, "outcome: early_support, absolute: 0.03", "outcome: early_support", "absolute or standard_deviations"),
        (CPH, "baseline: {early_support: 0.05}", "baseline: {early: 0.05}", "not an outcome"),
        (CPH, "baseline: {early_support: 0.05}", "baseline: {early_support: 5}", "between 0 and 1"),
        (CPH, "absolute: 0.03", "absolute: 3", "at most 1"),
        (CPH, "years: [2009, 2012]", "years: [2012, 2009]", "last year"),
        (CPH, "    primary: yes\n", "", "0 are marked"),
        (CPH, "  - id: days_to_support\n", "  - id: days_to_support\n    primary: yes\n", "2 are marked"),
        (CPH, "    frequency: month_of_birth\n", "", "frequency, or at_months"),
        (CPH, "sides: two, alpha: 0.05}\n  interval", "sides: two}\n  interval", "needs alpha"),
        (CPH, "alpha: 0.05", "alpha: 5", "between 0 and 1"),
        (CPH, "window_days: 90", "wait_months: 3", "needs its length"),
        (CPH, "many_outcomes: holm", "many_outcomes: one_family_per_administration_then_holm", "names its administration"),
        (CPH, "sides: two,", "sides: two, within: [region],", "repeats the draw"),
        (SCREEN, "block_sizes: [2, 4]", "block_sizes: [2, 3]", "multiples of 2"),
        (SCREEN, "block_sizes: [2, 4]", "block_sizes: [2, 2]", "must differ"),
        (SCREEN, "  length: 400", "  #", "needs length"),
        (SCREEN, "method: hidden_blocks", "method: shuffle", "drawn by method: hidden_blocks"),
        (SCREEN, "goes_to: training_now", "goes_to: training", "not an arm"),
        (SCREEN, "at_months: 6 ", "at_months: 7 ", "not measured at 7"),
        (SCREEN, "[needs_visits, screened, positive, offered, accepted, started, completed, plus_place]", "[offered]",
         "at least two"),
        (SCREEN, "created: on_arrival", "created: from_list", "one by one"),
        (HOUSES, '{"3": 19, "4": 6}', '{"3": 19}', "do not name the same strata"),
        (HOUSES, '{"3": 18, "4": 5}', "23", "per stratum"),
        (HOUSES, "largest_difference: 0.15", "largest_difference: {share_of_mean: 0.15}", "plain number"),
        (HOUSES, "levels: [open_only, referral_only, both, neither], ", "", "A category has levels"),
        (HFI, "bispebjerg: share_of_queue", "valby: share_of_queue", "not a stratum"),
        (HFI, ", bispebjerg: share_of_queue", "", "no line in free_places"),
        (HFI, "  queue: keep", "  priority: district\n  queue: keep", "would rank them"),
        (HFI, "last: 2025-12-01", "last: 2022-12-01", "before the first"),
        (HFI, "first: 2023-02-01", "first: 2022-02-01", "before there is any capacity"),
        (HFI, "- {from: 2024-01-01", "- {from: 2022-01-01", "order of time"),
        (HFI, "2023: 250", "2023: 25000", "more than the whole budget"),
        (HFI, "teams:                             # only the HFI arm is grouped by staff\n  arm: hfi", "teams:\n  arm: hfj",
         "Did you mean hfi"),
        (HFI, "{from: 2023-01-01, places: 20}", "{from: 2023-01-01, places: -1}", "below 0"),
        (HFI, "purpose: describe, test: no", "purpose: describe, test: ja", "tests nothing"),
        (DAYS, "by_lot: no", "by_lot: ja", "no lot was drawn"),
        (DAYS, "method: monthly_curve", "method: randomization_test", "no lot was drawn"),
        (DAYS, "claim: descriptive", "claim: causal", "not claimed"),
        (DAYS, ", label: not_randomized", "", "not_randomized"),
        (DAYS, "from: accepted, to: completed", "from: accepted, to: compleated", "Did you mean completed"),
        (DAYS, "from: accepted, to: completed", "from: completed, to: accepted", "does not come after"),
        (DAYS, "funnel: [visit_18_months, visit_36_months]", "funnel: [visit_18_months, visit_3_years]", "not a funnel"),
        (DAYS, "affects: {waves: [round_2]", "affects: {waves: [round_3]", "not a wave"),
        (DAYS, "keep_rows: yes", "keep_rows: no", "never deletes"),
        (DAYS, "[2020-09-05, 2021-05-05, at_end]", "[2020-09-05, 5/5 2021, at_end]", "2021"),
        (DAYS, 'rule: "health_visits > 5"', 'rule: "health_visits over 5"', "cannot be read"),
    ],
)  # fmt: skip
def test_a_contradiction_is_an_error(draft: str, old: str, new: str, says: str):
    assert draft.count(old) >= 1, f"the test's own text {old!r} is gone"
    with pytest.raises(ProtocolError) as caught:
        loads(draft.replace(old, new, 1), file="draft.yaml")
    assert says in caught.value.told("en")
    for fault in caught.value.facts["faults"]:
        assert fault["line"] > 0
        assert fault["da"]
        assert fault["da"] != fault["en"]


def test_a_published_seed_cannot_carry_an_official_draw():
    text = CPH.replace("{dice: ten-sided, throws: 20}", "{published: abc}")
    text = "\n".join(line for line in text.splitlines() if "drand: first" not in line)
    with pytest.raises(ProtocolError, match="known to everybody"):
        loads(text, file="draft.yaml")


def test_a_numbered_table_by_rank():
    text = CPH.replace("lottery:\n", "lottery:\n  method: rank\n", 1)
    text = text.replace("{dice: ten-sided, throws: 20}", "{numbered_table: three ten-sided dice}")
    text = "\n".join(line for line in text.splitlines() if "drand: first" not in line)
    assert loads(text, file="draft.yaml").lottery is not None
