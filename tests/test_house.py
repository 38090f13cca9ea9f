"""The house: what an import costs, what the front door offers, and that no message lacks its Danish."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trialkit

ROOT = Path(trialkit.__file__).parent
HEAVY = {"numpy", "pandas", "scipy", "statsmodels", "matplotlib", "pydantic", "sqlalchemy", "jinja2"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_the_front_door_loads_nothing_heavy():
    assert not HEAVY & loaded_after("import trialkit")


def test_the_command_line_loads_nothing_heavy_before_a_command_runs():
    assert not HEAVY & loaded_after("import trialkit.cli.main")


@pytest.mark.parametrize("name", trialkit.__all__)
def test_every_name_at_the_front_door_opens(name):
    assert getattr(trialkit, name).__name__ == name


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        trialkit.nothing  # noqa: B018


def test_the_draw_never_loads_numpy_random_scipy_or_pandas():
    statement = "import trialkit.draw.official, trialkit.draw.verify, trialkit.draw.ledger"
    assert not {"numpy.random", "scipy", "pandas", "statsmodels"} & loaded_after(statement)


ROOMS_AN_ADMINISTRATOR_MEETS = ("units", "registers", "protocol", "draw", "trial", "cli")


def refusals() -> list[tuple[str, ast.Call]]:
    """Every call that makes an error of ours in the rooms an administrator meets."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0].removesuffix(".py") not in ROOMS_AN_ADMINISTRATOR_MEETS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if named in {"UnitsError", "ProtocolError", "DrawError", "UsageError", "CanonicalError"}:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node))
    return found


def test_every_refusal_an_administrator_can_meet_is_written_in_danish_too():
    calls = refusals()
    silent = [where for where, call in calls if "da" not in {keyword.arg for keyword in call.keywords}]
    assert len(calls) > 20
    assert silent == []
