"""Write docs/reference/{draft,commands,errors,estimators}.md from the code: ``python docs/make_reference.py``.

What a field means stands beside it in ``trialkit/protocol`` (a comment on its line, a docstring on its part); what
stands in no comment is said in ``docs/reference/meanings.toml``. A test runs this again and compares.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

DOCS = Path(__file__).parent
ROOM = DOCS.parent / "trialkit"
MADE = "<!-- Made by docs/make_reference.py; change the code or docs/reference/meanings.toml and run it. -->\n"
MEANINGS: dict[str, Any] = tomllib.loads((DOCS / "reference" / "meanings.toml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((ROOM / "protocol" / "schema" / "protocol-1.json").read_text(encoding="utf-8"))
_COMMENT = re.compile(r"#\s(?!noqa)(.+)$")
_DOI = re.compile(r"doi:(10\.\d+/(?:[^\s()]|\([^\s()]*\))+?)(?=[.,;:]?(?:[\s)]|$))")
_CODE = re.compile(r"""["']([EW]_[A-Z][A-Z_]+)["']""")


# ---- draft.md


def _comments() -> dict[str, str]:
    """``Part.field`` to the comment on the field's own line, for every part of a protocol."""
    found = {}
    for path in sorted((ROOM / "protocol").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for part in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)):
            for node in part.body:
                if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                    continue
                if said := _COMMENT.search(lines[node.lineno - 1]):
                    found[f"{part.name}.{_alias(node)}"] = said[1].split("# noqa")[0].strip()
    return found


def _alias(node: ast.AnnAssign) -> str:
    """The field's name in a draft."""
    for word in ast.walk(node):
        if isinstance(word, ast.keyword) and word.arg == "alias" and isinstance(word.value, ast.Constant):
            return str(word.value.value)
    assert isinstance(node.target, ast.Name)
    return node.target.id


def _parts() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts of a draft, the whole first, then as they are met when it is read from the top."""
    waiting, met = ["Protocol"], {"Protocol"}
    while waiting:
        name = waiting.pop(0)
        part = SCHEMA if name == "Protocol" else SCHEMA["$defs"][name]
        yield name, part
        for ref in re.findall(r'#/\$defs/(\w+)"', json.dumps(_fields(part), sort_keys=False)):
            if ref not in met:
                met.add(ref)
                waiting.append(ref)


def _fields(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part's fields, also where the part may be written as a plain text too."""
    forms = [part, *part.get("anyOf", ())]
    return {name: field for form in forms for name, field in form.get("properties", {}).items()}


def _required(part: Mapping[str, Any]) -> set[str]:
    return {name for form in (part, *part.get("anyOf", ())) for name in form.get("required", ())}


def _meaning(part: str, field: str, comments: Mapping[str, str]) -> str:
    said = MEANINGS["draft"].get(part, {}).get(field) or comments.get(f"{part}.{field}", "")
    return str(said)[:1].upper() + str(said)[1:]


def _type(field: Mapping[str, Any]) -> str:
    """A field's type in words, with links to the parts it is made of."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    forms = [form for form in (*field.get("anyOf", ()), *field.get("oneOf", ())) if form.get("type") != "null"]
    if forms:
        return " or ".join(dict.fromkeys(map(_type, forms)))
    if True in field.get("enum", ()):
        return "`yes` or `no`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type")
    if isinstance(kind, list):
        return "number" if "number" in kind else " or ".join(_plain(one, field) for one in kind)
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object":
        inner = next(iter(field.get("patternProperties", {}).values()), field.get("additionalProperties"))
        return f"map of your own ids to {_type(inner)}" if isinstance(inner, dict) else "map"
    return _plain(str(kind), field)


def _plain(kind: str, field: Mapping[str, Any]) -> str:
    if kind == "string" and field.get("format") == "date":
        return "date (2027-02-01)"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`yes` or `no`", "None": "any"}
    said = names.get(kind, kind)
    if kind == "string" and "pattern" in field:
        said = "id" if "a-z0-9" in field["pattern"] else "64 hex digits" if "64" in field["pattern"] else said
    low = field.get("minimum", field.get("exclusiveMinimum"))
    return f"{said}, at least {low}" if low and kind in ("integer", "number") else said


def _default(field: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "**needed**"
    value = field.get("default")
    if value in (None, [], {}, "") or isinstance(value, dict):
        return ""
    return f"`{'yes' if value is True else 'no' if value is False else value}`"


def draft() -> str:
    """Every field of a draft."""
    comments = _comments()
    out = [MADE, "# Every field of a draft\n", MEANINGS["text"]["draft"]]
    for name, part in _parts():
        title = "The draft itself" if name == "Protocol" else name
        about = MEANINGS["about"].get(name) or " ".join(str(part.get("description", "")).split()).replace("``", "`")
        out.append(f"\n## {title}\n\n{about}\n")
        if fields := _fields(part):
            out.append("| field | type | left out | meaning |\n|---|---|---|---|")
            needed = _required(part)
            out += [
                _row(f"`{key}`", _type(field), _default(field, key in needed), _meaning(name, key, comments))
                for key, field in fields.items()
            ]
    return "\n".join(out).rstrip() + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# ---- commands.md


def _commands() -> Iterator[tuple[str, Any]]:
    os.environ["TRIALKIT_LANG"] = "en"  # before the command line is loaded: help texts are chosen then
    import typer

    from trialkit.cli.main import app

    yield from typer.main.get_group(app).commands.items()


def commands() -> str:
    """Every command with its arguments, options and exit status."""
    out = [MADE, "# Every command\n", MEANINGS["text"]["commands"]]
    for name, command in _commands():
        out.append(f"\n## trialkit {name}\n\n{command.help}\n\n{MEANINGS['commands'].get(name, '')}".rstrip() + "\n")
        out.append("| argument or option | default | meaning |\n|---|---|---|")
        out += [_parameter(one) for one in command.params if one.name != "help"]
    return "\n".join(out).rstrip() + "\n"


def _parameter(one: Any) -> str:
    if one.opts[0][0] != "-":
        said = one.name.upper() + (" ..." if one.nargs == -1 else "")
    else:
        said = one.opts[0] if getattr(one, "is_flag", False) else f"{one.opts[0]} {_kind(one)}"
    default = "" if one.default in (None, "", False, [], ()) or callable(one.default) else f"`{one.default}`"
    return _row(f"`{said}`", "**needed**" if one.required else default, one.help or "")


def _kind(one: Any) -> str:
    """What stands behind an option: a path, a number or a text."""
    kind = one.type_descriptor.annotation
    for word, typed in (("PATH", Path), ("NUMBER", int)):
        if kind is typed or typed in getattr(kind, "__args__", ()):
            return word
    return "TEXT"


# ---- errors.md


def codes() -> dict[str, list[str]]:
    """Every code the package can say, with the rooms that say it."""
    found: dict[str, set[str]] = {}
    for path in sorted(ROOM.rglob("*.py")):
        room = path.relative_to(ROOM).parts[0].removesuffix(".py")
        for code in _CODE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(room)
    return {code: sorted(rooms) for code, rooms in sorted(found.items())}


def _told(code: str) -> tuple[str, str]:
    """What a code means, in English and Danish."""
    from trialkit.report.verdicts import MEANINGS as VERDICTS

    if said := MEANINGS["errors"].get(code):
        return str(said["en"]), str(said["da"])
    return (VERDICTS[code].en, VERDICTS[code].da) if code in VERDICTS else ("", "")


def errors() -> str:
    """Every code, first those of the draw's specification, then the rest."""
    from trialkit.report.verdicts import MEANINGS as VERDICTS

    out = [MADE, "# Every named reason\n", MEANINGS["text"]["errors"]]
    everything = codes()
    groups = (
        ("Failures of a draw", [code for code in everything if code in VERDICTS and code.startswith("E_")]),
        ("Warnings of a draw", [code for code in everything if code.startswith("W_")]),
        (
            "Refusals before, beside and after a draw",
            [code for code in everything if code not in VERDICTS and code[0] == "E"],
        ),
    )
    for heading, listed in groups:
        out.append(f"\n## {heading}\n\n| code | what it means | på dansk |\n|---|---|---|")
        out += [_row(f"`{code}`", *_told(code)) for code in listed]
    return "\n".join(out).rstrip() + "\n"


# ---- estimators.md


def _defined(name: str) -> ast.FunctionDef | ast.ClassDef:
    """The function or class ``module.name`` of the estimate room."""
    module, _, own = name.partition(".")
    tree = ast.parse((ROOM / "estimate" / f"{module}.py").read_text(encoding="utf-8"))
    return next(n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == own)


def estimators() -> str:
    """Every estimator by question: its module, its docstring's first sentence and the papers that it cites."""
    out = [MADE, "# Every estimator\n", MEANINGS["text"]["estimators"]]
    for group in MEANINGS["estimators"]:
        out.append(f"\n## {group['title']}\n\n| module and name | what it is | from |\n|---|---|---|")
        for name in group["names"]:
            doc = ast.get_docstring(_defined(name)) or ""
            first = " ".join(doc.split("\n\n")[0].split()).replace("``", "`")
            papers = dict.fromkeys(_DOI.findall(doc))
            links = ", ".join(f"[{doi}](https://doi.org/{quote(doi, safe='/:;')})" for doi in papers)
            out.append(_row(f"`{name}`", first, links))
    return "\n".join(out).rstrip() + "\n"


def without_meaning() -> list[str]:
    """Fields and codes that nobody has explained."""
    comments = _comments()
    fields = [
        f"{name}.{field}" for name, part in _parts() for field in _fields(part) if not _meaning(name, field, comments)
    ]
    return fields + [code for code in codes() if not all(_told(code))]


PAGES: dict[str, Callable[[], str]] = {
    "draft.md": draft, "commands.md": commands, "errors.md": errors, "estimators.md": estimators,
}  # fmt: skip


def main(asked: list[str]) -> int:
    """Write the pages, or print those that are asked for; name what has no meaning yet."""
    if asked:
        sys.stdout.buffer.write("".join(PAGES[name]() for name in asked).encode())
        return 0
    for name, made in PAGES.items():
        (DOCS / "reference" / name).write_text(made(), encoding="utf-8")
    missing = without_meaning()
    sys.stderr.write("".join(f"no meaning: {name}\n" for name in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
