"""The words of the pages: two languages with the same keys and the same blanks, and colours everyone can read."""

import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

import trialkit.report
from trialkit.report.page import counted, say, texts

TEMPLATES = Path(trialkit.report.__file__).parent / "templates"


def leaves(table, path=()):
    if isinstance(table, dict):
        for key, value in table.items():
            yield from leaves(value, (*path, key))
    elif isinstance(table, list):
        for place, value in enumerate(table):
            yield from leaves(value, (*path, place))
    else:
        yield path, table


def blanks(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


DA, EN = dict(leaves(texts("da"))), dict(leaves(texts("en")))


def test_both_languages_say_the_same_things():
    assert DA.keys() == EN.keys()
    assert {path: blanks(text) for path, text in DA.items()} == {path: blanks(text) for path, text in EN.items()}


@pytest.mark.parametrize("path", [path for path in DA if len(DA[path]) > 30], ids=str)
def test_no_sentence_was_left_untranslated(path):
    assert DA[path] != EN[path]


def test_there_are_seven_sentences_in_each_language():
    assert [len(texts(lang)["certificate"]["sentences"]) for lang in ("da", "en")] == [7, 7]


def test_every_word_a_template_asks_for_is_there_and_every_word_is_asked_for():
    pages = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html"))
    code = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.parent.glob("*.py"))
    for table, short in (("certificate", "c"), ("notary", "n"), ("units", "u")):
        keys = set(texts("da")[table])
        asked = set(re.findall(rf"\b(?:{short}|t\.{table})\.([a-z_]+)", pages))
        unused = {key for key in keys - asked if f'"{key}"' not in code}
        assert asked <= keys
        assert not unused


def test_what_fills_a_blank_is_not_read_again():
    assert say("{name} begynder", name="{label}{0.__class__}") == "{label}{0.__class__} begynder"
    assert say("Note: {text}", text="{x}") == "Note: {x}"


def test_one_and_many():
    assert counted(1, "unit", "da") == "1 enhed"
    assert counted(1305, "unit", "da") == "1.305 enheder"
    assert counted(0, "place", "en") == "0 places"


def luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_meets_wcag_aa_on_white_and_on_the_tint():
    css = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    named = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css))
    used = re.findall(r"(?<![-a-z])color: (?:var\(--([a-z]+)\)|(#[0-9a-f]{3,6}))", css)
    colours = {named[name] if name else plain for name, plain in used}
    colours = {f"#{''.join(2 * part for part in c[1:])}" if len(c) == 4 else c for c in colours}
    assert len(colours) >= 4
    ground = luminance(named["tint"])  # darker than white: the harder of the two
    assert all((ground + 0.05) / (luminance(colour) + 0.05) >= 4.5 for colour in colours)


def test_importing_the_room_loads_neither_templates_nor_qr_codes():
    code = "import sys, trialkit.report, trialkit.report.words, trialkit.report.verdicts; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jinja2", "segno", "numpy", "pydantic"} & set(loaded)
