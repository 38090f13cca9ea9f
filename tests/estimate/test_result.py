"""A result as a frame, a line, a figure and a table for a document."""

import subprocess
import sys
from dataclasses import fields, replace
from html.parser import HTMLParser
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from trialkit.estimate.result import Estimate, table

ONE = Estimate(
    term="early support", method="randomization test", estimate=0.064, std_error=nan, statistic=0.064, df=nan, p_value=0.007,
    smallest_p=0.007, conf_low=0.033, conf_high=0.105, level=0.95, n_units=7, n_allocations=142, mc_error=0.0, unit="share",
)  # fmt: skip


def test_frames_stack_tidily():
    frames = [one.to_frame() for one in (ONE, replace(ONE, term="b", digests=("x", "y")), replace(ONE, conf_high=inf))]
    stacked = pd.concat(frames, ignore_index=True)
    assert list(stacked.columns) == [field.name for field in fields(Estimate)]
    assert len(stacked) == 3
    for name in ("estimate", "std_error", "p_value", "conf_low", "conf_high", "level", "mc_error"):
        assert stacked[name].dtype == np.float64
    for name in ("n_units", "n_allocations"):
        assert stacked[name].dtype == np.int64
    assert stacked["exploratory"].dtype == bool
    again = [Estimate(**{str(name): value for name, value in row.items()}) for row in stacked.to_dict("records")]
    assert [one.conf_high for one in again] == [0.105, 0.105, inf]
    assert [one.summary() for one in again] == [
        one.summary() for one in (ONE, replace(ONE, term="b"), replace(ONE, conf_high=inf))
    ]
    assert [one.digests for one in again] == [(), ("x", "y"), ()]


def test_a_line_says_the_interval_or_that_there_is_none():
    assert ONE.summary() == "early support: 0.064 share (95% interval 0.033 to 0.105, 7 units)"
    assert "no interval" in replace(ONE, conf_low=nan, conf_high=nan).summary()
    assert "nan" not in replace(ONE, conf_low=nan, conf_high=nan).summary()
    assert "0.033 to inf" in replace(ONE, conf_high=inf).summary()


@pytest.mark.parametrize("low", [0.033, -inf, nan])
@pytest.mark.parametrize("high", [0.105, inf, nan])
@pytest.mark.filterwarnings("error")
def test_a_figure_is_drawn_whatever_the_ends_are(low, high):
    figure = Figure()
    ax = figure.subplots()
    assert replace(ONE, conf_low=low, conf_high=high).plot(ax) is ax
    replace(ONE, term="another", estimate=0.1).plot(ax)
    figure.canvas.draw()
    assert ax.get_xlabel() == "share"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["early support", "another"]
    assert len(ax.texts) == int(low == -inf) + int(high == inf)  # an arrow for each end without limit
    left, right = ax.get_xlim()
    assert -1 < left < right < 1


@pytest.mark.filterwarnings("error")
def test_an_estimate_that_does_not_exist_keeps_its_line():
    figure = Figure()
    ax = replace(ONE, estimate=nan, conf_low=-inf, conf_high=inf).plot(figure.subplots())
    figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["early support"]


def test_tables_for_documents_hold_every_estimate():
    rows = [ONE, replace(ONE, term="a | b & c", p_value=nan, conf_low=nan, conf_high=nan, exploratory=False)]
    markdown = table(rows).splitlines()
    assert len(markdown) == 4
    assert {line.count("|") for line in markdown} == {8}
    assert "0.033 to 0.105" in markdown[2]
    assert markdown[3].endswith("| yes |")
    found = []
    parser = HTMLParser()
    parser.handle_data = lambda text: found.append(text.strip())
    parser.feed(table(rows, "html"))
    assert "a | b & c" in found
    assert found.count("none") == 2
    latex = table(rows, "latex")
    assert latex.count(r"\\") == 3
    assert "early support & 0.064 share" in latex
    assert r"b \& c" in latex  # what a person wrote is text, and no column


def test_no_clock_and_nothing_heavy_before_it_is_asked_for():
    heavy = ("pandas", "matplotlib", "datetime")
    code = f"import sys, trialkit.estimate.result; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
