"""The numbered list of units: to print, and as CSV text that no spreadsheet can take for a formula."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from trialkit.errors import Lang
from trialkit.report.certificate import masthead
from trialkit.report.drawn import Drawn
from trialkit.report.page import render

# Where a cell begins for some spreadsheet: at the start, or after what another country's settings part cells by.
_FORMULA: Final = re.compile(r'(^|[,;\t\r\n"])(\s*)(?=[=+\-@])')


def unit_list(
    protocol: Mapping[str, Any],
    lang: Lang,
    *,
    plan: Mapping[str, Any] | None = None,
    case: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """The protocol's units, numbered from 1, as one printable HTML page.

    Parameters
    ----------
    protocol : the protocol of specification section 4, or a record that holds it
    plan, case, names : as in `certificate`

    Raises
    ------
    DrawError
        `protocol` is neither (``E_SCHEMA``).
    """
    drawn = Drawn.of(protocol, lang, plan=plan, names=names)
    labels = {unit["id"]: drawn.label(unit["fixed"]) for unit in drawn.protocol["units"] if "fixed" in unit}
    fixed = {row.id: labels.get(row.id, "") for row in drawn.rows} if labels else {}
    return render("unit_list.html", lang, {**masthead(drawn, plan, case), "fixed": fixed})


def unit_csv(protocol: Mapping[str, Any], *, names: Mapping[str, str] | None = None) -> str:
    """The same as CSV text ``number;id;name``, every cell quoted; write it as UTF-8 with a byte order mark.

    A text that a spreadsheet might compute has an apostrophe put before it: the list is for people, and the
    protocol's file stays the one to draw from.

    Raises
    ------
    DrawError
        `protocol` is neither a protocol nor a record (``E_SCHEMA``).
    """
    rows = Drawn.of(protocol, "en", names=names).rows
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    text.write("number;id;name\r\n")
    writer.writerows((row.number, harmless(row.id), harmless(row.name)) for row in rows)
    return text.getvalue()


def harmless(cell: str) -> str:
    """`cell` with an apostrophe wherever a spreadsheet, of any country's settings, could see a formula begin."""
    wide = "".join(_narrow(letter) for letter in cell)
    found = [match.end() for match in _FORMULA.finditer(wide)]
    for place in reversed(found):
        cell = f"{cell[:place]}'{cell[place:]}"
    return cell


def _narrow(letter: str) -> str:
    """Full-width signs as plain ones, which some spreadsheets take them for; one character for one."""
    plain = unicodedata.normalize("NFKC", letter)
    return plain if len(plain) == 1 else letter
