"""``check``: the first screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from trialkit.cli.speech import speech
from trialkit.trial import Trial


def check(trial: Path, *, waves: Sequence[str], frames: Sequence[str], units: Sequence[str]) -> None:
    """Show what the draft and its alternatives can and cannot see; exit 1 where that stops the trial."""
    from trialkit.power.candidates import Frame, wave_places
    from trialkit.report.checkup import as_text
    from trialkit.report.checkup_facts import as_facts

    opened = Trial.open(trial)
    others = [Frame.of_units(opened.population(frame=name).units, name) for name in frames]
    others += [Frame.of_text(text) for text in units]
    found = opened.checkup(waves=[wave_places(text) for text in waves], frames=others)
    speech.show(as_text(found, speech.lang), as_facts(found))
    if found.stops:
        raise typer.Exit(1)
