"""A lottery among a million: drawn and checked in bounded memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from trialkit.draw.announce import prepare
from trialkit.draw.official import official
from trialkit.draw.verify import verify_record
draft = {"draw_id": "million", "title": "En million", "method": "shuffle", "witnesses": [], "quorum": 0,
         "design": {"kind": "lottery", "level": "unit", "places": 1000},
         "units": [{"id": f"Ø{number:07d}", "tier": 1} for number in range(1_000_000)],
         "entropy": [{"kind": "published", "value": "1"}]}
data = official(prepare(draft), [{"kind": "published"}]).record_bytes
del draft
verdict = verify_record(data)
assert verdict.failure == "", verdict.failure
assert verdict.draw.assignment.labels.count("offer") == 1000
assert sorted(verdict.draw.assignment.positions) == list(range(1, 1_000_001))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.nightly
def test_a_million_are_drawn_and_checked_in_two_gigabytes():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 2048
