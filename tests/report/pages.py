"""Records for the page tests, from the specification's vectors, and a reader that trips over broken markup."""

import copy
import json
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from trialkit.canonical import digest
from trialkit.draw.announce import prepare
from trialkit.draw.verify import Verdict

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "draw_vectors.json").read_text(encoding="utf-8"))
OK = Verdict(confirmed=True)
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "path"}


@cache
def drawn():
    """Every drawn vector whose result is written out, by name."""
    return {vector["name"]: vector for vector in VECTORS["draws"] if "result" in vector["expect"]}


def record_of(name):
    """The record of a drawn vector; its hash is the vector's, so the pages describe what was really drawn."""
    vector = copy.deepcopy(drawn()[name])
    protocol = prepare(vector["draft"])
    record = {
        "format": "trialkit-draw/1",
        "kind": "record",
        "protocol": protocol,
        "protocol_hash": digest(protocol),
        "evidence": vector["evidence"],
        "seed": vector["expect"]["seed"],
        "result": vector["expect"]["result"],
    }
    assert digest(record) == vector["expect"]["record_sha256"]
    return record


def official():
    """The record and the ledger of the vectors' confirmed draw."""
    vector = VECTORS["confirmed"][0]
    return json.loads(vector["record"]), [json.loads(line) for line in vector["ledger"].splitlines()]


class Page(HTMLParser):
    """Text, tags and attributes of a page; every tag must be closed in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data + " ")

    def handle_comment(self, data):
        raise AssertionError("pages carry no comments")
