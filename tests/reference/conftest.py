"""`pytest tests/reference --cases DIR` runs every case JSON under DIR; without it, the copies kept here."""

from pathlib import Path

import pytest

KEPT = Path(__file__).parent / "cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=Path, default=KEPT, help="folder of reference cases (JSON with CSV beside)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case_file" in metafunc.fixturenames:
        folder = getattr(metafunc.config.option, "cases", KEPT)
        files = sorted(folder.rglob("*.json"))
        assert files, f"no case under {folder}"
        metafunc.parametrize("case_file", files, ids=[str(file.relative_to(folder)) for file in files])
