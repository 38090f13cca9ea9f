"""What every public name of the room says of itself: its parameters, shapes, what it refuses, and where a formula is from.

A door is a function that gives a result; kernels, arrays in and numbers out, say what they do in a line or two.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import trialkit.estimate

ROOM = Path(trialkit.estimate.__file__).parent
ARRAY = re.compile(r"ArrayLike|Floats|NDArray|Ints\b|Bools\b|Codes\b")
SHAPE = re.compile(r"\([a-z_]*\d*(, *[a-z_]+| x [a-z]+)*,?\)|[a-z_]+ x [a-z_]+")
OF_EVERY_RESULT = {"term", "exploratory", "digests", "level", "unit"}  # described where `Estimate` has them
RESULTS = {
    "Aggregate", "Answer", "Balance", "Bounds", "ConstrainedSet", "Correlation", "Estimate", "EventStudy", "ExposureEffect",
    "FTest", "GeeFit", "GlmmFit", "GroupTime", "Interval", "ManyModel", "MixedFit", "NoSpillover", "RandomizationTest",
    "Regression", "Staggered", "StepDown", "WildBootstrap",
}  # fmt: skip

# Doors that compute nothing of their own, with what they hand on to.
NO_FORMULA = {
    ("randomization", "Distribution"): "a histogram",
    ("registered", "registered"): "the analysis that the plan names, each with its own references",
}


# Modules that are still being written: theirs is to follow.
UNDER_WAY = {"beside_methods", "beside_models", "beside_request"}


def public() -> list[tuple[str, str]]:
    return [
        (file.stem, name) for file in sorted(ROOM.glob("*.py")) if file.stem not in UNDER_WAY for name in named(file)
    ]


def named(file: Path) -> list[str]:
    """Names of ``__all__`` that are defined in the file, functions and classes."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    listed: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            listed = ast.literal_eval(node.value)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return [name for name in listed if name in defined]


def node_of(module: str, name: str) -> tuple[ast.FunctionDef | ast.ClassDef, str, list[str]]:
    """The definition, its docstring, and the lines of the file."""
    text = (ROOM / f"{module}.py").read_text(encoding="utf-8")
    found = next(n for n in ast.parse(text).body if getattr(n, "name", "") == name)
    assert isinstance(found, ast.FunctionDef | ast.ClassDef)
    return found, ast.get_docstring(found) or "", text.splitlines()


def door(node: ast.FunctionDef) -> bool:
    return any(word in RESULTS for word in re.findall(r"\w+", result_of(node)))


def result_of(node: ast.FunctionDef) -> str:
    return ast.unparse(node.returns).strip("'\"") if node.returns else ""


def said(name: str, doc: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}\b", doc) is not None


@pytest.mark.parametrize(("module", "name"), public())
def test_a_public_name_says_what_it_is(module, name):
    node, doc, lines = node_of(module, name)
    assert doc, "no docstring"
    first = doc.split("\n\n")[0]
    assert first.rstrip().endswith((".", ":", "?")), first
    if isinstance(node, ast.ClassDef):
        check_fields(node, doc, lines)
    elif door(node):
        check_door(node, doc)
    if isinstance(node, ast.FunctionDef) and any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
        assert "Raises" in doc or "efuse" in doc, "it raises, and does not say so"


def check_fields(node: ast.ClassDef, doc: str, lines: list[str]) -> None:
    """Each field is described in the docstring or in a comment beside it; a class of methods has none."""
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    bare = [
        one.target.id
        for one in fields
        if isinstance(one.target, ast.Name)
        and not one.target.id.startswith("_")
        and not said(one.target.id, doc)
        and "#" not in lines[one.lineno - 1]
        and not says_itself(one)
    ]
    assert not bare, f"fields without a word: {', '.join(bare)}"


def says_itself(field: ast.AnnAssign) -> bool:
    """A text, a number or another object of the room whose name is its description: the room's words are its fields."""
    return not ARRAY.search(ast.unparse(field.annotation))


def check_door(node: ast.FunctionDef, doc: str) -> None:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    unsaid = [one.arg for one in given if one.arg not in OF_EVERY_RESULT and not said(one.arg, doc)]
    assert not unsaid, f"parameters without a word: {', '.join(unsaid)}"
    for one in given:
        kind = ast.unparse(one.annotation) if one.annotation else ""
        if ARRAY.search(kind) and "Assignment" not in kind:
            assert shaped(one.arg, doc), f"no shape of {one.arg}"
    if node.name not in {name for _, name in NO_FORMULA}:
        assert re.search(r"References|doi:|[Aa]s `|[Ss]ee `", doc), "no source of its formula"


def shaped(name: str, doc: str) -> bool:
    """Some line that names the parameter gives a shape, or says where it is given."""
    near = [line for line in doc.splitlines() if said(name, line)]
    return any(SHAPE.search(line) or re.search(r"\bas (for )?`|``float``|number", line) for line in near)


def test_the_page_of_estimators_forgets_no_door():
    text = (ROOM.parents[1] / "docs" / "reference" / "meanings.toml").read_text(encoding="utf-8")
    listed = {name for group in tomllib.loads(text)["estimators"] for name in group["names"]}
    doors = {
        f"{module}.{name}" for module, name in public()
        if isinstance(node := node_of(module, name)[0], ast.FunctionDef) and door(node)
    }  # fmt: skip
    plan = {"beside_methods", "beside_models"}  # they answer what a plan names, and are not called by themselves
    assert {name for name in doors - listed if name.partition(".")[0] not in plan} == set()


def test_there_is_something_to_hold():
    found = public()
    assert len(found) > 150
    assert {("difference", "difference_in_means"), ("randomization", "randomization_test")} <= set(found)
    assert len(NO_FORMULA) < 5
