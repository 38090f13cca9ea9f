"""A draft as nodes: every value keeps its text and its place, until the declared type of a field reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trialkit.errors import Fault


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column from 1, and its length if it is on one line."""

    line: int
    column: int
    length: int = 0


@dataclass(slots=True)
class Scalar:
    """A value as it is written."""

    text: str
    place: Place
    plain: bool = True


@dataclass(slots=True)
class Items:
    """A list."""

    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Entries:
    """A map: keys with their values, in the order written."""

    place: Place
    entries: list[tuple[Scalar, Node]] = field(default_factory=list)

    def find(self, key: str) -> tuple[Scalar, Node] | None:
        """The entry with this key."""
        return next((entry for entry in self.entries if entry[0].text == key), None)


Node = Scalar | Items | Entries


@dataclass(slots=True)
class Source:
    """A draft's text, what is wrong with it so far, and its tree."""

    file: str
    lines: list[str]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, place: Place, en: str, da: str, *, code: str = "E_DRAFT", corrected: str = "") -> None:
        """Add a fault at a place."""
        self.faults.append(
            Fault(en=en, da=da, code=code, file=self.file, line=place.line, column=place.column, corrected=corrected)
        )

    def line_with(self, place: Place, instead: str) -> str:
        """The line at ``place`` with what stands there replaced; empty if it goes over several lines."""
        if not (0 < place.line <= len(self.lines) and place.length and instead):
            return ""
        line, start = self.lines[place.line - 1], place.column - 1
        return (line[:start] + instead + line[start + place.length :]).strip()


def value_of(node: Node) -> Any:
    """The node as plain Python: text, lists and maps; an empty or null value is None."""
    if isinstance(node, Scalar):
        return None if node.plain and node.text in ("", "~", "null") else node.text
    if isinstance(node, Items):
        return [value_of(item) for item in node.items]
    return {key.text: value_of(value) for key, value in node.entries}


def at(tree: Node, path: tuple[str | int, ...]) -> tuple[Node, Place]:
    """The node a path of keys and positions leads to, and the place to point at.

    Segments that name no key (a union's tag, a field that gathers a person's own keys) are passed over.
    """
    node, place = tree, tree.place
    for step in path:
        if isinstance(node, Entries) and isinstance(step, str) and (entry := node.find(step)):
            node = entry[1]
            blank = isinstance(node, Scalar) and not node.text
            place = entry[0].place if blank or isinstance(node, Items | Entries) else node.place
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
    return node, place
