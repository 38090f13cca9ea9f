"""The demonstration closed end to end: the page's numbers, found again by brute force from the files alone.

The brute force below is plain Python on ``plan.json``, ``record.json`` and the snapshot's ``data.csv``; it shares no code with
the package.
"""

import calendar
import csv
import hashlib
import json
import shutil
import subprocess
from datetime import date, timedelta
from itertools import permutations

import pytest

from tests.copenhagen import drawn, frozen, recorded
from trialkit.cli.demo_outcomes import EFFECT
from trialkit.cli.estimate import publish


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return frozen(recorded(drawn(tmp_path_factory.mktemp("chain") / "trial")))


@pytest.fixture(scope="module")
def files(trial):
    return {path.name: path for path in publish(trial.folder / "reports", trial.estimate())}


class BruteForce:
    """The draft's test from the published files: orders by permutation, months by day, effects one breakpoint at a time."""

    def __init__(self, folder, snapshot):
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))["protocol"]
        record = json.loads(next(folder.glob("draws/*/record.json")).read_text(encoding="utf-8"))
        data = folder / "snapshots" / snapshot / "data.csv"
        self.units = [unit["id"] for unit in record["protocol"]["units"]]
        self.children = [float(unit["x"][0]) for unit in record["protocol"]["units"]]
        self.most = float(record["protocol"]["design"]["constraint"]["tolerances"][0])
        self.start = {wave["id"]: date.fromisoformat(wave["start"]) for wave in plan["waves"]}
        self.places = {wave["id"]: wave["places"] for wave in plan["waves"]}
        self.window = next(one["window_days"] for one in plan["outcomes"] if one["id"] == plan["estimand"]["what"])
        self.months = [f"2012-{month:02d}" for month in range(2, 10)]
        self.drawn = tuple(one["label"] for one in record["result"]["allocation"])
        with data.open(encoding="utf-8") as file:
            self.cells = {(row["unit"], row["period"]): row for row in csv.DictReader(file)}

    def orders(self):
        pool = [wave for wave, places in self.places.items() for _ in range(places)]
        for order in sorted(set(permutations(pool))):
            means = []
            for wave in self.places:
                sizes = [size for size, label in zip(self.children, order, strict=True) if label == wave]
                means.append(sum(sizes) / len(sizes))
            if max(means) - min(means) <= self.most:
                yield order

    def side(self, wave, month):
        """1 started, 0 waiting, None if some birth of the month is followed across the start."""
        year, number = map(int, month.split("-"))
        days = [date(year, number, day + 1) for day in range(calendar.monthrange(year, number)[1])]
        began = {(day >= self.start[wave], day + timedelta(self.window) >= self.start[wave]) for day in days}
        return 1 if began == {(True, True)} else 0 if began == {(False, False)} else None

    def statistic(self, order, value):
        """The difference within months of ``value(unit, month)``, weighed by births."""
        top = weight = 0.0
        for month in self.months:
            sums = {0: [0.0, 0.0], 1: [0.0, 0.0]}
            for unit, wave in zip(self.units, order, strict=True):
                side = self.side(wave, month)
                if side is not None:
                    births = float(self.cells[unit, month]["denominator"])
                    sums[side][0] += births * value(unit, month)
                    sums[side][1] += births
            (y0, n0), (y1, n1) = sums[0], sums[1]
            if n0 and n1:
                top += n0 * n1 / (n0 + n1) * (y1 / n1 - y0 / n0)
                weight += n0 * n1 / (n0 + n1)
        return top / weight

    def share(self, unit, month):
        cell = self.cells[unit, month]
        return float(cell["numerator"]) / float(cell["denominator"])

    def solve(self, alpha=0.05):
        treated = dict(zip(self.units, self.drawn, strict=True))
        orders = list(self.orders())
        level = [self.statistic(order, self.share) for order in orders]
        slope = [self.statistic(order, lambda unit, month: self.side(treated[unit], month) or 0) for order in orders]
        mean = sum(level) / len(level), sum(slope) / len(slope)
        lines = [(a - mean[0], b - mean[1]) for a, b in zip(level, slope, strict=True)]
        own = lines[orders.index(self.drawn)]

        def p(tau):
            observed = abs(own[0] - tau * own[1])
            return sum(abs(a - tau * b) >= observed - 1e-12 for a, b in lines) / len(lines)

        crossings = sorted(
            (a - sign * own[0]) / (b - sign * own[1])
            for a, b in lines
            for sign in (1, -1)
            if abs(b - sign * own[1]) > 1e-12
        )
        accepted = [tau for tau in crossings if p(tau) > alpha]
        return {
            "orders": len(orders),
            "estimate": level[orders.index(self.drawn)],
            "p": p(0.0),
            "low": min(accepted),
            "high": max(accepted),
            "outside": (p(crossings[0] - 1), p(crossings[-1] + 1)),
        }


def test_the_page_shows_what_brute_force_finds(trial, files):
    found = trial.estimate()
    by_hand = BruteForce(trial.folder, found.snapshot).solve()
    estimate = found.answer.estimate
    assert by_hand["orders"] == estimate.n_allocations == 142
    assert estimate.estimate == pytest.approx(by_hand["estimate"], abs=1e-12)
    assert estimate.p_value == pytest.approx(by_hand["p"], abs=1e-12)
    assert max(by_hand["outside"]) <= 0.05  # so the ends found are the ends there are
    assert estimate.conf_low == pytest.approx(by_hand["low"], abs=1e-9)
    assert estimate.conf_high == pytest.approx(by_hand["high"], abs=1e-9)
    document = json.loads(files["estimate.json"].read_bytes())
    for name, value in (("estimate", "estimate"), ("conf_low", "low"), ("conf_high", "high"), ("p_value", "p")):
        assert float(document[name]) == pytest.approx(by_hand[value], abs=1e-9)
    page = files["effect.en.html"].read_text(encoding="utf-8")
    for number in (by_hand["estimate"], by_hand["low"], by_hand["high"]):
        assert f"{abs(100 * number):.1f} {'more' if number > 0 else 'fewer'} of 100" in page
    assert f"{round(142 * by_hand['p'])} of the 142 possible draws" in page


def test_the_planted_effect_lies_inside_the_interval_of_this_draw(trial):
    estimate = trial.estimate().answer.estimate
    assert estimate.conf_low <= EFFECT <= estimate.conf_high
    assert json.loads((trial.folder / "synthetic_truth.json").read_bytes())["effect"] == f"{EFFECT:g}"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed: hashlib alone checks below")
def test_the_digests_on_the_page_verify_with_sha256sum(trial, files):
    found, page = trial.estimate(), files["effect.da.html"].read_text(encoding="utf-8")
    paths = {
        "plan.json": found.plan_hash,
        f"draws/{found.record['protocol']['draw_id']}/record.json": found.record_hash,
        f"snapshots/{found.snapshot}/manifest.json": found.snapshot,
    }
    command = f"sha256sum {' '.join(paths)}"
    assert command in page  # the page prints the very command
    said = subprocess.run(command.split(), cwd=trial.folder, capture_output=True, text=True, check=True).stdout
    assert dict(line.split("  ")[::-1] for line in said.splitlines()) == paths
    for digest in paths.values():
        assert " ".join(digest[k : k + 8] for k in range(0, 64, 8)) in page or digest in page
    check = ["sha256sum", "--check", "SHA256SUMS"]
    subprocess.run(check, cwd=trial.folder / "snapshots" / found.snapshot, check=True, capture_output=True)


def test_the_estimate_names_the_three_digests(trial):
    found = trial.estimate()
    record = next(trial.folder.glob("draws/*/record.json")).read_bytes()
    manifest = (trial.folder / "snapshots" / found.snapshot / "manifest.json").read_bytes()
    plan = (trial.folder / "plan.json").read_bytes()
    assert found.answer.estimate.digests == tuple(hashlib.sha256(data).hexdigest() for data in (plan, record, manifest))
    assert found.answer.estimate.exploratory is False


def test_the_page_shows_what_else_the_demonstration_promised(trial, files):
    found = trial.estimate()
    document = json.loads(files["estimate.json"].read_bytes())
    assert [one["method"] for one in document["beside"]] == [
        "stepped_wedge_model", "spillover_check", "randomization_test", "randomization_test",
    ]  # fmt: skip
    raw = [float(one["p_value"]) for one in document["beside"][:2]]
    low, high = sorted(raw)
    stepped = {low: min(2 * low, 1), high: max(2 * low, high)}  # Holm of two, by hand
    for one, p in zip(document["beside"][:2], raw, strict=True):
        assert float(one["p_adjusted"]) == pytest.approx(min(stepped[p], 1), abs=1e-8)
        assert one["digests"] == [found.plan_hash, found.record_hash, found.snapshot]
    assert [one["not_answered"] for one in document["beside"][2:]] == ["E_NO_RECORDS", "E_NO_RECORDS"]
    assert float(document["beside"][0]["conf_low"]) <= EFFECT <= float(document["beside"][0]["conf_high"])


def test_exposure_to_neighbours_is_that_of_the_published_files(trial, files):
    """Chances of waiting without a neighbour that has begun, from the record's units and the register's map."""
    brute = BruteForce(trial.folder, trial.estimate().snapshot)
    document = json.loads(files["estimate.json"].read_bytes())["spillover"]
    orders = list(brute.orders())
    near = {unit: [b if a == unit else a for a, b in document["pairs"] if unit in (a, b)] for unit in brute.units}
    cells = {(one["unit"], one["period"]): one for one in document["cells"]}
    for unit in brute.units:
        for month in brute.months:
            clean = 0
            for order in orders:
                wave = dict(zip(brute.units, order, strict=True))
                met = [brute.side(wave[other], month) != 0 if other in wave else True for other in near[unit]]
                clean += brute.side(wave[unit], month) == 0 and not any(met)
            told = dict(cells[unit, month]["probabilities"])["waiting_clean"]
            assert float(told) == pytest.approx(clean / len(orders), abs=1e-8)
