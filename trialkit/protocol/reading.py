"""A draft's bytes -> nodes: YAML 1.2, with mistakes of spelling told and mended in memory.

Nothing is resolved: ``020`` stays ``020`` and ``no`` stays ``no``, until the declared type of a field reads it.
Anchors, aliases, tags and several documents are refused, so a draft is a tree of what is plainly written in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from trialkit.canonical import nfc
from trialkit.errors import Fault, ProtocolError
from trialkit.protocol.nodes import Entries, Items, Node, Place, Scalar, Source

LARGEST: Final = 1_000_000  # bytes
DEEPEST: Final = 20
_REPAIRS: Final = 50  # mistakes of spelling mended in one reading
_KEY_AND_REST: Final = re.compile(r"(\s*(?:- )?[^\s:#{\[\"'][^:#]*?:\s+)([^\s\"'\[{>|#].*?)(\s+#.*)?")
_FLOW_VALUE: Final = re.compile(r"([^\s,{\[]+: +)([^\"',{}\[\]]*: [^,}\]]*?)(?=\s*[,}])")


def decoded(data: bytes, file: str) -> str:
    """The text of a draft's bytes.

    Raises
    ------
    ProtocolError
        Too large, not UTF-8, or with NUL bytes; the message names Windows-1252 where it is that.
    """
    if len(data) > LARGEST:
        raise _whole_file(
            file,
            f"The file has {len(data)} bytes; a draft has at most {LARGEST}.",
            f"Filen fylder {len(data)} bytes; et udkast fylder højst {LARGEST}.",
            "E_TOO_LARGE",
        )
    if b"\x00" in data:
        what = ("It looks like UTF-16.", "Den ligner UTF-16.") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("", "")
        raise _whole_file(
            file,
            f"The file holds NUL bytes, so it is not plain text. {what[0]} Save it as UTF-8.",
            f"Filen rummer NUL-bytes og er derfor ikke ren tekst. {what[1]} Gem den som UTF-8.",
            "E_ENCODING",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error.start, file) from None


def _not_utf8(data: bytes, start: int, file: str) -> ProtocolError:
    line = data.count(b"\n", 0, start) + 1
    begun = data.rfind(b"\n", 0, start) + 1
    guess = data.splitlines()[line - 1].decode("cp1252", "replace").strip()
    fault = Fault(
        en="The file is not UTF-8; it looks like Windows-1252, where æ, ø and å are other bytes. Save it as UTF-8.",
        da="Filen er ikke UTF-8; den ligner Windows-1252, hvor æ, ø og å er andre bytes. Gem den som UTF-8.",
        code="E_ENCODING",
        file=file,
        line=line,
        column=start - begun + 1,
        corrected=guess,
    )
    return ProtocolError.listing([fault])


def _whole_file(file: str, en: str, da: str, code: str) -> ProtocolError:
    return ProtocolError.listing([Fault(en=en, da=da, code=code, file=file)])


def read(text: str, file: str) -> tuple[Entries, Source]:
    """The tree of a draft, with the faults found while reading it.

    Tabs and a colon in an unquoted text are mended in memory, so that what comes after them is checked too.

    Raises
    ------
    ProtocolError
        The text cannot be read at all; every fault found until then is listed.
    """
    if len(text.encode()) > LARGEST or "\x00" in text:
        decoded(text.encode(), file)
    if not text.strip():
        raise _whole_file(file, "The file is empty.", "Filen er tom.", "E_EMPTY")
    source = Source(file, nfc(text).splitlines())
    _mend_tabs(source)
    for _ in range(_REPAIRS):
        seen = len(source.faults)
        try:
            tree = _Tree(source).whole()
        except MarkedYAMLError as error:
            _explain(source, error)
            if len(source.faults) == seen or not source.faults[-1].corrected:
                break
            continue
        except (YAMLError, RecursionError, ValueError) as error:
            source.fault(
                Place(1, 1),
                f"The file cannot be read as YAML: {str(error)[:80]}.",
                "Filen kan ikke læses som YAML.",
                code="E_YAML",
            )
            break
        if isinstance(tree, Entries):
            return tree, source
        source.fault(
            Place(1, 1),
            "A draft is a map: lines such as title: ... The file holds something else.",
            "Et udkast er linjer som title: ... Filen rummer noget andet.",
            code="E_YAML",
        )
        break
    raise ProtocolError.listing(source.faults)


def _mend_tabs(source: Source) -> None:
    for number, line in enumerate(source.lines, start=1):
        if "\t" in line.split("#")[0]:
            indent = line[: len(line) - len(line.lstrip())]
            mended = indent.replace("\t", "  ") + re.sub(r"\t+", " ", line.lstrip())
            source.fault(
                Place(number, line.index("\t") + 1),
                "The line holds a tab; YAML needs spaces.",
                "Linjen rummer et tabulatortegn; YAML kræver mellemrum.",
                code="E_TAB",
                corrected=mended,
            )
            source.lines[number - 1] = mended


def _explain(source: Source, error: MarkedYAMLError) -> None:
    """Say in words what the YAML reader stumbled over, and mend the line where that is plain."""
    mark = error.problem_mark or error.context_mark
    place = Place(min(mark.line + 1, max(len(source.lines), 1)), mark.column + 1) if mark else Place(1, 1)
    line = source.lines[place.line - 1] if source.lines else ""
    problem = str(error.problem or "")
    quoted = _quoted_line(line)
    if quoted and ("mapping values are not allowed" in problem or "got ':'" in problem):
        source.fault(
            place,
            "The text holds a colon, so it must stand in quotes.",
            "Teksten rummer et kolon og skal derfor stå i anførselstegn.",
            code="E_COLON",
            corrected=quoted.strip(),
        )
        source.lines[place.line - 1] = quoted
        return
    if odd := _open_quote(source, place.line):
        place = odd
        en, da = "A quote is opened here and not closed.", "Et anførselstegn er åbnet her og ikke lukket."
        source.fault(place, en, da, code="E_QUOTE")
    elif "end>, but found '<stream end>'" in problem or place.line >= len(source.lines):
        source.fault(
            place,
            "The file ends in the middle of something: a bracket or a line is not finished. Was it saved or copied whole?",
            "Filen slutter midt i noget: en parentes eller en linje er ikke afsluttet. Er den gemt eller kopieret helt?",
            code="E_TRUNCATED",
        )
    else:
        source.fault(
            place,
            "The line cannot be read as YAML. Check quotes, brackets and that lines that belong together are indented "
            "alike.",
            "Linjen kan ikke læses som YAML. Se efter anførselstegn og parenteser, og at linjer, der hører sammen, er "
            "rykket lige langt ind.",
            code="E_YAML",
        )


def _open_quote(source: Source, last: int) -> Place | None:
    """The first line up to ``last`` with a single quotation mark, which may have swallowed what stands after it."""
    for number, line in enumerate(source.lines[:last], start=1):
        if line.replace('\\"', "").count('"') % 2:
            return Place(number, line.rindex('"') + 1)
    return None


def _quoted_line(line: str) -> str:
    """The line with the text that holds a colon in quotes; empty if there is none."""
    if (whole := _KEY_AND_REST.fullmatch(line)) and ":" in whole[2]:
        return f"{whole[1]}{_in_quotes(whole[2])}{whole[3] or ''}"
    if inside := _FLOW_VALUE.search(line):
        return f"{line[: inside.start()]}{inside[1]}{_in_quotes(inside[2])}{line[inside.end() :]}"
    return ""


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Tree:
    """Events of the YAML reader gathered into nodes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        reader: Any = YAML(typ="safe", pure=True)  # the round-trip reader marks folded lines inside the text
        self.events: Iterator[Any] = reader.parse("\n".join(source.lines) + "\n")

    def whole(self) -> Node | None:
        tree: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second document (---)", "et andet dokument (---)")
            elif isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                found = self.node(event, 0)
                tree = tree if documents > 1 else found
        return tree

    def node(self, event: Any, depth: int) -> Node:
        place = _placed(event)
        if isinstance(event, AliasEvent):
            self._refuse(event, f"the alias *{event.anchor}", f"henvisningen *{event.anchor}")
            return Scalar("", place)
        if event.anchor:
            self._refuse(event, f"the anchor &{event.anchor}", f"ankeret &{event.anchor}")
        if event.tag:
            self._refuse(event, f"the tag {event.tag}", f"mærket {event.tag}")
        if isinstance(event, ScalarEvent):
            return Scalar(event.value, place, event.style is None or event.style == "")
        if depth == DEEPEST:
            self.source.fault(
                place,
                f"More than {DEEPEST} levels inside each other.",
                f"Mere end {DEEPEST} niveauer i hinanden.",
                code="E_TOO_DEEP",
            )
            raise ProtocolError.listing(self.source.faults)
        if isinstance(event, SequenceStartEvent):
            return self._items(place, depth)
        return self._entries(place, depth)

    def _items(self, place: Place, depth: int) -> Items:
        found = Items(place)
        while not isinstance(event := next(self.events), SequenceEndEvent):
            found.items.append(self.node(event, depth + 1))
        return found

    def _entries(self, place: Place, depth: int) -> Entries:
        found = Entries(place)
        while not isinstance(event := next(self.events), MappingEndEvent):
            key, value = self.node(event, depth + 1), self.node(next(self.events), depth + 1)
            if not isinstance(key, Scalar):
                self.source.fault(key.place, "A key must be one word.", "En nøgle skal være ét ord.", code="E_YAML")
            elif earlier := found.find(key.text):
                self.source.fault(
                    key.place,
                    f"{key.text!r} stands here for the second time; the first is in line "
                    f"{earlier[0].place.line}. Keep one.",
                    f"{key.text!r} står her for anden gang; den første er i linje {earlier[0].place.line}. "
                    "Behold den ene.",
                    code="E_DUPLICATE_KEY",
                )
            else:
                found.entries.append((key, value))
        return found

    def _refuse(self, event: Any, en: str, da: str) -> None:
        self.source.fault(
            _placed(event),
            f"A draft cannot hold {en}: write in full what is meant.",
            f"Et udkast kan ikke rumme {da}: skriv helt ud, hvad der menes.",
            code="E_YAML_FEATURE",
        )


def _placed(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    same = end is not None and start.line == end.line
    return Place(start.line + 1, start.column + 1, end.column - start.column if same else 0)
