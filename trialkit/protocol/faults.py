"""What pydantic and the cross-checks refuse, said in our own words at a line of the draft."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from trialkit.errors import Fault
from trialkit.protocol.danish import MEANT
from trialkit.protocol.model import Protocol
from trialkit.protocol.nodes import Entries, Items, Node, Place, Scalar, Source, at

_MISSING: Final = ("missing", "model_type", "dict_type", "list_type", "tuple_type", "mapping_type")
_DECIMAL_COMMA: Final = re.compile(r"(-?[0-9]+),([0-9]+)")


@dataclass(frozen=True, slots=True)
class Told:
    """One refusal with its place, before it becomes a `Fault`; ``instead`` can be tried as a repair."""

    path: tuple[str | int, ...]
    en: str
    da: str
    code: str = "E_DRAFT"
    instead: str = ""
    key: bool = False  # the key itself is wrong, not its value
    lacking: str = ""  # the key that is missing at the path


def told(error: ValidationError, tree: Entries) -> list[Told]:
    """Every refusal of ``error``; where a decimal comma explains what is wrong at a place, nothing else is said of it."""
    said = [one for fault in error.errors() for one in _said(fault, tree)]
    commas = {_real(one.path, tree) for one in said if one.code == "E_COMMA"}
    renamed = {(one.path[:-1], one.instead) for one in said if one.key}  # a key misspelt is not also missing
    found: dict[tuple[Any, ...], Told] = {}
    for one in said:
        if one.lacking and (one.path, one.lacking) in renamed:
            continue
        place = _real(one.path, tree)
        if place not in commas or one.code == "E_COMMA":
            found.setdefault((place, one.en), one)
    return list(found.values())


def _real(path: tuple[str | int, ...], tree: Node) -> tuple[int, int]:
    place = at(tree, path)[1]
    return place.line, place.column


def _said(fault: Any, tree: Entries) -> Iterator[Told]:
    path, kind, context = tuple(fault["loc"]), str(fault["type"]), fault.get("ctx", {})
    if kind == "contradictions":
        yield from (
            Told(tuple(where), en, da, "E_CONTRADICTION", instead) for where, en, da, instead in context["found"]
        )
    elif comma := _split_item(path, tree):
        yield comma
    elif fault["input"] is None and kind != "extra_forbidden":
        yield Told(
            path,
            "Nothing is written here. Fill it in, or take the line out.",
            "Her står ikke noget. Udfyld det, eller slet linjen.",
            "E_EMPTY",
        )
    elif kind == "trialkit":
        yield _own(path, context, fault["input"], tree)
    elif kind == "extra_forbidden":
        yield _unknown_key(path, tree)
    elif kind == "literal_error":
        yield _not_a_choice(path, re.findall(r"'([^']*)'", str(context.get("expected", ""))), fault["input"])
    elif kind == "missing":
        yield _missing(path)
    elif kind in ("too_short", "too_long"):
        yield _length(path, kind, context)
    elif kind in ("list_type", "tuple_type"):
        instead = f"[{fault['input']}]" if isinstance(fault["input"], str) else ""
        yield Told(
            path,
            "A list is asked here: values in [ ] or lines that begin with -.",
            "Her skal stå en liste: værdier i [ ] eller linjer, der begynder med -.",
            "E_VALUE",
            instead,
        )
    elif kind in ("model_type", "dict_type", "mapping_type", "model_attributes_type"):
        yield Told(
            path,
            "Lines with a name and a value are asked here, such as name: value.",
            "Her skal stå linjer med navn og værdi, som navn: værdi.",
            "E_VALUE",
        )
    elif kind == "string_pattern_mismatch":
        yield Told(
            path,
            "64 digits 0-9 and small letters a-f are asked here, exactly as they were given out.",
            "Her skal stå 64 tegn, cifre 0-9 og små bogstaver a-f, præcis som de er udleveret.",
            "E_VALUE",
        )
    else:
        yield Told(
            path,
            "What is written here is not of the kind that is asked.",
            "Det, der står her, er ikke af den slags, der spørges om.",
            "E_VALUE",
        )


def _own(path: tuple[str | int, ...], context: Any, asked: object, tree: Entries) -> Told:
    """A refusal in our own words; a name people use becomes the id it belongs to."""
    key = path[-1:] == ("[key]",)
    instead = context["instead"]
    if instead and isinstance(asked, str) and not key:
        instead = _id_called(asked, tree) or instead
    return Told(path[:-1] if key else path, context["en"], context["da"], "E_VALUE", instead, key)


def _id_called(text: str, tree: Entries) -> str:
    """The id of the arm or outcome that the draft calls ``text``; empty if there is none or more than one."""
    ids = set()
    arms, outcomes = at(tree, ("arms",))[0], at(tree, ("outcomes",))[0]
    for key, label in arms.entries if isinstance(arms, Entries) and arms is not tree else []:
        ids |= {key.text} if text in _texts(label) else set()
    for outcome in outcomes.items if isinstance(outcomes, Items) else []:
        label, name = at(outcome, ("label",))[0], at(outcome, ("id",))[0]
        ids |= {name.text} if isinstance(name, Scalar) and text in _texts(label) else set()
    return ids.pop() if len(ids) == 1 else ""


def _texts(label: Node) -> list[str]:
    values = (
        [label] if isinstance(label, Scalar) else [v for _, v in label.entries] if isinstance(label, Entries) else []
    )
    return [value.text for value in values if isinstance(value, Scalar)]


def _split_item(path: tuple[str | int, ...], tree: Entries) -> Told | None:
    """``[0,005, 0,02]`` is read by YAML as 0, 005, 0 and 02."""
    place = path[-1] if path else ""
    holder = at(tree, path[:-1])[0]
    if not (isinstance(holder, Items) and isinstance(place, int) and 0 < place < len(holder.items)):
        return None
    one, two = holder.items[place - 1 : place + 1]
    if not (isinstance(one, Scalar) and isinstance(two, Scalar) and one.text.isdecimal() and two.text.isdecimal()):
        return None
    if (one.place.line, one.place.column + one.place.length + 1) != (two.place.line, two.place.column):
        return None
    return _comma((*path[:-1], place - 1), one.text, two.text)


def _comma(path: tuple[str | int, ...], whole: str, decimals: str) -> Told:
    number = f"{whole}.{decimals}"
    return Told(
        path,
        f"{whole},{decimals} has a comma; write a point: {number}.",
        f"{whole},{decimals} har komma; skriv punktum: {number}.",
        "E_COMMA",
        number,
    )


def _unknown_key(path: tuple[str | int, ...], tree: Entries) -> Told:
    key, parent = str(path[-1]), path[:-1]
    if comma := _split_decimal(key, parent, tree):
        return comma
    known = _keys_at(Protocol, parent)
    holder = at(tree, parent)[0]
    taken = {entry[0].text for entry in holder.entries} if isinstance(holder, Entries) else set()
    near = _near(key, [name for name in known if name not in taken], 0.6)
    listed = ", ".join(sorted(known))
    return Told(
        path,
        f"{key!r} is not known here. " + (f"Did you mean {near}?" if near else f"Known: {listed}."),
        f"{key!r} kendes ikke her. " + (f"Mente du {near}?" if near else f"Kendte: {listed}."),
        "E_UNKNOWN_KEY",
        near,
        key=True,
    )


def _near(word: str, known: list[str], alike: float) -> str:
    """The known word that was meant: its Danish name, or the nearest spelling; empty if none is near."""
    meant = MEANT.get(word.casefold(), "")
    return meant if meant in known else next(iter(get_close_matches(word, known, 1, alike)), "")


def _split_decimal(key: str, parent: tuple[str | int, ...], tree: Entries) -> Told | None:
    """``{share: 0,4}`` is read by YAML as share: 0 and a key 4."""
    holder = at(tree, parent)[0]
    if not (key.isdecimal() and isinstance(holder, Entries)):
        return None
    for before, after in zip(holder.entries, holder.entries[1:], strict=False):
        value = before[1]
        if after[0].text == key and isinstance(value, Scalar) and value.text.lstrip("-").isdecimal():
            return _comma((*parent, before[0].text), value.text, key)
    return None


def _keys_at(model: Any, path: tuple[str | int, ...]) -> list[str]:
    """The keys a part of the protocol has, found by walking the models."""
    models = [model]
    for step in path:
        inner = [field for part in models for name, field in _fields(part) if name == step]
        models = [part for field in inner for part in _models(field.annotation)] if inner else models
    return [name for part in models for name, _ in _fields(part)]


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models(inner)]


def _not_a_choice(path: tuple[str | int, ...], choices: list[str], asked: object) -> Told:
    near = _near(str(asked), choices, 0.5)
    guess = (f" Did you mean {near}?", f" Mente du {near}?") if near else ("", "")
    listed = ", ".join(choices)
    if path[-1:] == ("method",) and path[:1] == ("analysis",):
        return Told(
            path,
            f"The analysis {asked!r} is not built.{guess[0]} Built or planned by name: {listed}.",
            f"Analysen {asked!r} findes ikke.{guess[1]} Disse kendes: {listed}.",
            "E_METHOD",
            near,
        )
    return Told(
        path,
        f"{asked!r} is not one of the words asked here: {listed}.{guess[0]}",
        f"{asked!r} er ikke et af de ord, der kan stå her: {listed}.{guess[1]}",
        "E_VALUE",
        near,
    )


def _missing(path: tuple[str | int, ...]) -> Told:
    where = ".".join(str(step) for step in path[:-1] if isinstance(step, str) and step[0] != "<")
    if isinstance(path[-1], int):
        return Told(
            path[:-1],
            f"The list is too short: {path[-1] + 1} values are asked, such as [2009, 2012].",
            f"Listen er for kort: der skal stå {path[-1] + 1} værdier, som [2009, 2012].",
            "E_MISSING",
        )
    if not where:
        return Told(
            (),
            f"The draft ends without {path[-1]}. Add it; was the file saved and copied whole?",
            f"Udkastet slutter uden {path[-1]}. Tilføj det; er filen gemt og kopieret helt?",
            "E_MISSING",
            lacking=str(path[-1]),
        )
    return Told(
        path[:-1],
        f"{path[-1]} is missing in {where}. Add a line {path[-1]}: ...",
        f"{path[-1]} mangler i {where}. Tilføj en linje {path[-1]}: ...",
        "E_MISSING",
        lacking=str(path[-1]),
    )


def _length(path: tuple[str | int, ...], kind: str, context: Any) -> Told:
    if kind == "too_short":
        return Told(
            path,
            f"At least {context['min_length']} are asked here, and there are {context['actual_length']}.",
            f"Her skal stå mindst {context['min_length']}, og der er {context['actual_length']}.",
            "E_VALUE",
        )
    return Told(
        path,
        f"At most {context['max_length']} can stand here.",
        f"Her kan højst stå {context['max_length']}.",
        "E_VALUE",
    )


def as_fault(said: Told, tree: Entries, source: Source) -> Fault:
    """The refusal as a fault with file, line, column and the corrected line."""
    node, place = at(tree, said.path)
    if (
        said.key
        and isinstance(holder := at(tree, said.path[:-1])[0], Entries)
        and (entry := holder.find(str(said.path[-1])))
    ):
        node, place = entry[0], entry[0].place
    if not said.path:
        place = Place(max(len(source.lines), 1), 1)
    corrected = ""
    if said.instead and isinstance(node, Scalar):
        corrected = _comma_mended(said, node, source) or source.line_with(place, _as_written(said.instead))
    return Fault(
        en=said.en,
        da=said.da,
        code=said.code,
        file=source.file,
        line=place.line,
        column=place.column,
        corrected=corrected,
    )


def _comma_mended(said: Told, node: Scalar, source: Source) -> str:
    """The line in which ``0,4`` inside braces becomes ``0.4``."""
    line = source.lines[node.place.line - 1]
    split = _DECIMAL_COMMA.match(line, node.place.column - 1)
    if split and said.instead == f"{split[1]}.{split[2]}" and node.text == split[1]:
        return (line[: split.start()] + said.instead + line[split.end() :]).strip()
    return ""


def _as_written(value: str) -> str:
    return f'"{value}"' if re.search(r": |\s#|^[\"'&*!%@`>|{-]", value) else value
