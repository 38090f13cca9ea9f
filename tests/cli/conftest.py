"""A command pressed as a person does, and what was said."""

import io
import sys

import pytest

from trialkit.cli.main import pressed


@pytest.fixture
def press(capsys, monkeypatch):
    def run(*words, status=0):
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        capsys.readouterr()
        found = pressed([str(word) for word in words])
        out, err = capsys.readouterr()
        assert found == status, f"{words}: exit {found}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return out + err

    return run
