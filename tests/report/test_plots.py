"""The figure of what the draw could have shown: whole draws up, the page's own numbers along, every dot where it belongs."""

import re

import numpy as np
import pytest

from trialkit.report import plots
from trialkit.report.words import number

VALUES = np.array([-8.7, -5.2, -2.4, -1.1, 0.3, 1.8, 3.3, 5.9, 8.7])
WORDS = {"observed": "the one", "extreme": "far", "others": "near", "region": "where it is far"}


def figure(lang, counts):
    return plots.distribution(
        VALUES, counts, observed=8.7, extreme=np.abs(VALUES) >= 8.7, xlabel="x", ylabel="y", words=WORDS, title="t", key="k",
        number=lambda value: number(round(value, 6), lang), region=[(-np.inf, -8.7), (8.7, np.inf)],
    )  # fmt: skip


def ticks(svg, axis):
    """What stands at an axis's marks."""
    return re.findall(rf'id="k-{axis}tick_\d+">.*?<text[^>]*>([^<]*)</text>', svg, re.DOTALL)


@pytest.mark.parametrize("scale", [1, 3, 7, 30])  # dots, and from 400 draws bars
def test_draws_are_counted_in_whole_numbers(scale):
    counts = scale * np.array([1.0, 2, 3, 4, 5, 4, 3, 2, 1]) * (2 if scale == 30 else 1)
    height = ticks(figure("en", counts), "y")
    assert len(height) > 1
    assert all(text.replace(",", "").isdigit() for text in height)


def test_the_axis_speaks_the_pages_language():
    text = figure("da", np.ones(9))
    along = ticks(text, "x")
    assert "2,5" in along
    assert not any("." in label for label in along)
    assert "where it is far" in text


@pytest.mark.parametrize("observed", [8.7, -8.7, 1.8])
def test_the_draw_that_was_made_stands_in_the_middle_of_its_class(observed):
    edges = plots._edges(VALUES, observed, float(np.ptp(VALUES)))
    middle = (edges[1:] + edges[:-1]) / 2
    assert np.abs(middle - observed).min() < 1e-9
    assert edges[0] <= VALUES.min()
    assert VALUES.max() < edges[-1]
