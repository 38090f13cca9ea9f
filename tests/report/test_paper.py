"""What a browser really prints.  Needs chromium, so nightly; the pages themselves are tested without it."""

import re
import shutil
import subprocess

import pytest
from pages import OK, official, record_of

from trialkit.report.certificate import certificate
from trialkit.report.notary import notary

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: nothing here can print a page"),
]
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
         "--disable-background-networking", "--disable-sync", "--no-pdf-header-footer"]  # fmt: skip


def sheets(html, folder):
    """How many sheets the page prints on."""
    source, pdf = folder / "page.html", folder / "page.pdf"
    source.write_text(html, encoding="utf-8")
    subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={pdf}", source.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    found = pdf.read_bytes()
    return len(re.findall(rb"/Type /Page\b", found))


def with_forty_units():
    record, ledger = official()
    record["protocol"]["units"] = [{"id": f"enhed-{n:02d}"} for n in range(40)]
    labels = [label["name"] for label in record["protocol"]["design"]["labels"]]
    record["result"]["allocation"] = [
        {"id": unit["id"], "label": labels[n * 7 % 3 % 2]} for n, unit in enumerate(record["protocol"]["units"])
    ]
    return record, ledger, {f"enhed-{n:02d}": f"Vesterbro/Kongens Enghave nr. {n}" for n in range(40)}


@pytest.mark.parametrize("lang", ["da", "en"])
def test_a_notarys_statement_is_two_sheets(lang, tmp_path):
    record, ledger, names = with_forty_units()
    few, few_entries = official()
    for case, (document, entries, called) in enumerate(
        [
            (record, ledger, names),
            (record["protocol"], ledger[:1], names),
            (few, few_entries, {}),
            (record_of("lottery of one"), [], {}),
            (record_of("entropy: three parties, then drand"), [], {}),
            (record_of("complete, 98 municipalities, weights 37:61"), [], {}),
        ]
    ):
        folder = tmp_path / str(case)
        folder.mkdir()
        assert sheets(notary(document, entries, lang, names=called), folder) == 2, case


def test_a_certificate_of_ten_units_is_four_sheets(tmp_path):
    record, ledger = official()
    assert sheets(certificate(record, ledger=ledger, verdict=OK, lang="da"), tmp_path) == 4
