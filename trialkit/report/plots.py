"""Figures as SVG inside a page: same numbers, same bytes; patterns, marks and words beside every colour.

Text stays text, so it can be read aloud and searched.  Layout is measured with the font matplotlib brings along, on
every machine alike, and the page's own font is put in afterwards.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

INK, SOFT, LINE, BLUE, PALE, DARK = "#1b1b1b", "#4a4a4a", "#8a8f98", "#0b3a63", "#c9d7e6", "#8a1c1c"
CLASSES: Final = 44  # of a distribution
WIDTH: Final = 6.7  # inches: the width of an A4 page's text
_STYLES: Final = (("-", "o", BLUE), ("--", "s", "#8a1c1c"), ("-.", "^", "#3d5a00"), (":", "D", "#5b2a86"))
_STEADY: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trialkit",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "hatch.linewidth": 0.6,
    "figure.dpi": 100,
    "path.simplify": False,
    "text.parse_math": False,  # a name may hold a dollar sign
}


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a value per column, nan where it is hidden or unknown; ``start`` is the place it began, or nan."""

    name: str
    values: tuple[float, ...]
    start: float = float("nan")
    aside: bool = False  # shown, and no part of the comparison


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the schematic: its name and the state of each period, one of `STATES`."""

    name: str
    cells: tuple[str, ...]


# What a period of the schematic can be: compared; asked about, with one side missing; outside the question.
MARKS: Final[Mapping[str, str]] = {"compared": "▼", "dropped": "×", "outside": "·"}

# What a cell of the schematic can be: its ground, its pattern, its letter.
STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    "started": (BLUE, "", "●"),
    "waiting": ("#ffffff", "", "○"),
    "crossing": ("#e6e6e6", "////", "–"),
    "pilot": (PALE, "---", ""),
    "interrupted": ("#f3d9c6", "xxxx", "!"),
    "missing": ("#ffffff", "\\\\\\\\", "?"),
}


def schematic(
    rows: Sequence[Row],
    periods: Sequence[str],
    *,
    marks: Sequence[str],
    title: str,
    key: str,
) -> Markup:
    """Units (or waves) by periods: who had begun, who waited, what was left out, which periods were compared.

    Parameters
    ----------
    marks : per period, one of `MARKS`: whether it enters the answer
    title : what the figure shows, for those who cannot see it
    key : prefix of the ids inside the SVG, one per page
    """
    height = 0.75 + 0.24 * len(rows)
    with _figure(height) as (figure, ax):
        for y, row in enumerate(rows):
            for x, state in enumerate(row.cells):
                _cell(ax, x, y, state, faint=marks[x] != "compared")
        for x, mark in enumerate(marks):
            ax.text(x + 0.5, -0.45, MARKS[mark], ha="center", va="center", fontsize=7.5)
        ax.set_xlim(0, len(periods))
        ax.set_ylim(len(rows), -0.9)
        ax.set_yticks(np.arange(len(rows)) + 0.5, [row.name for row in rows])
        ax.set_xticks(np.arange(len(periods)) + 0.5, [short(period) for period in periods], rotation=90, fontsize=6.5)
        ax.tick_params(length=0)
        for side in ax.spines.values():
            side.set_visible(False)
        wide = max((len(row.name) for row in rows), default=0)
        figure.subplots_adjust(
            left=min(0.35, 0.02 + 0.0098 * wide), right=0.995, top=0.995, bottom=min(0.45, 0.48 / height)
        )
        return _svg(figure, title, key)


def legend(states: Sequence[str], words: Mapping[str, str], *, title: str, key: str) -> Markup:
    """The states of the schematic with their names, as a strip."""
    with _figure(0.3) as (figure, ax):
        place = 0.0
        for state in states:
            _cell(ax, place, 0, state, faint=False)
            ax.text(place + 1.2, 0.5, words[state], va="center", fontsize=7.5)
            place += 2.2 + 0.5 * len(words[state])
        ax.set_xlim(0, max(place, 46))
        ax.set_ylim(1.05, -0.05)
        ax.axis("off")
        figure.subplots_adjust(left=0.005, right=0.995, top=0.98, bottom=0.02)
        return _svg(figure, title, key)


def _cell(ax: Axes, x: float, y: float, state: str, *, faint: bool) -> None:
    from matplotlib.patches import Rectangle

    ground, pattern, letter = STATES[state]
    ax.add_patch(
        Rectangle(
            (x + 0.04, y + 0.08), 0.92, 0.84, facecolor=ground, edgecolor=LINE, hatch=pattern, linewidth=0.5,
            alpha=0.45 if faint else 1.0,
        )
    )  # fmt: skip
    if letter:
        bright = state == "started"
        ax.text(x + 0.5, y + 0.53, letter, ha="center", va="center", fontsize=6.5,
                color="#ffffff" if bright else INK, alpha=0.6 if faint and not bright else 1.0)  # fmt: skip


def curves(
    lines: Sequence[Line],
    columns: Sequence[str],
    *,
    ylabel: str,
    title: str,
    key: str,
    number: Callable[[float], str],
    shaded: Sequence[int] = (),
) -> Markup:
    """Outcome by group and period; gaps where numbers are hidden; a line where each group began; ``shaded`` periods grey."""
    with _figure(2.7) as (figure, ax):
        for place in shaded:
            ax.axvspan(place - 0.5, place + 0.5, facecolor="#e6e6e6", linewidth=0, zorder=0)
        ends: list[tuple[float, float, str, str]] = []
        drawn = 0
        for line in lines:
            style, mark, colour = (":", "x", SOFT) if line.aside else _STYLES[drawn % len(_STYLES)]
            drawn += not line.aside
            values = np.array(line.values, float)
            ax.plot(np.arange(len(values)), values, style, marker=mark, color=colour, markersize=4.5, linewidth=1.3,
                    markerfacecolor="#ffffff" if drawn % 2 == 0 else colour)  # fmt: skip
            seen = np.flatnonzero(np.isfinite(values))
            if seen.size:
                ends.append((float(values[seen[-1]]), float(seen[-1]), line.name, colour))
            _start(ax, line, colour)
        top = max((value for line in lines for value in line.values if np.isfinite(value)), default=0.0)
        ax.set_ylim(0, top * 1.18 or 1.0)
        _named(ax, ends, len(columns), top)
        ax.set_xlim(-0.4, len(columns) + 1.3)
        ax.set_xticks(range(len(columns)), columns, fontsize=7 if len(columns) <= 14 else 5.5)
        ax.set_ylabel(ylabel)
        _numbered(ax, number, "y")
        _plain(ax)
        figure.subplots_adjust(left=0.085, right=0.995, top=0.97, bottom=0.11)
        return _svg(figure, title, key)


def _start(ax: Axes, line: Line, colour: str) -> None:
    """Where a group began."""
    if not np.isfinite(line.start):
        return
    ax.axvline(line.start, color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
    ax.text(line.start, 0.99, f" {line.name}", transform=ax.get_xaxis_transform(), fontsize=6.5, color=colour, va="top",
            rotation=90, ha="right")  # fmt: skip


def _named(ax: Axes, ends: Sequence[tuple[float, float, str, str]], columns: int, top: float) -> None:
    """The name of each curve at its right end, none over another; a hint line only where the curve reaches the end."""
    gap, place = 0.075 * (top or 1.0), -np.inf
    for value, at, name, colour in sorted(ends):
        if at < columns - 1:  # the last numbers are hidden: a line from here would look like data
            ax.annotate(name, (at, value), (5, 0), textcoords="offset points", fontsize=7.5, color=colour, va="center")
            continue
        place = max(value, place + gap)
        ax.annotate(name, (at, value), (columns - 0.75, place), fontsize=7.5, color=colour, va="center",
                    arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4})  # fmt: skip


def distribution(
    values: Floats,
    counts: Floats,
    *,
    observed: float,
    extreme: NDArray[np.bool_],
    xlabel: str,
    ylabel: str,
    words: Mapping[str, str],
    title: str,
    key: str,
    number: Callable[[float], str],
    region: Sequence[tuple[float, float]] = (),
    width: float = 0.0,
) -> Markup:
    """What the statistic would have been under every allocation; those at least as extreme as the one drawn stand out.

    Parameters
    ----------
    values, counts : (k,) the statistic and how many allocations give it (or what share of all)
    observed : of the allocation drawn
    extreme : (k,) at least as extreme
    words : ``observed``, ``extreme``, ``others`` and ``region``
    number : how a number on the axis is written
    region : from where to where a value is at least as extreme; shaded, on to either end of the axis
    width : of the classes that ``values`` are the middles of; 0 where they are values
    """
    with _figure(2.3) as (figure, ax):
        spread = float(np.ptp(np.append(values, observed))) or 1.0
        dots = counts.sum() <= 400 and np.allclose(counts, np.rint(counts))
        edges = _edges(values, observed, spread) if not width else np.append(values - width / 2, values[-1] + width / 2)
        place = np.clip(np.digitize(values + 1e-9 * spread, edges) - 1, 0, len(edges) - 2)
        middle, step = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
        high = (
            _dots(ax, middle, place, counts, extreme, words)
            if dots
            else _bars(ax, middle, step, place, counts, extreme, words)
        )
        ends = min(edges[0], observed) - 2.5 * step, max(edges[-1], observed) + 2.5 * step
        for place_of, (low, up) in enumerate(region):
            ax.axvspan(max(low, ends[0]), min(up, ends[1]), facecolor=PALE, edgecolor=LINE, alpha=0.45, linewidth=0.5, zorder=0,
                       label=words["region"] if place_of == 0 else None)  # fmt: skip
        side = (observed - ends[0]) / (ends[1] - ends[0])
        arrow = {"arrowstyle": "-|>", "color": DARK, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (observed, 0), (observed, high * 1.2), arrowprops=arrow)
        ax.text(observed, high * 1.24, words["observed"], fontsize=8, color=DARK, weight="bold",
                ha="right" if side > 0.8 else "left" if side < 0.2 else "center")  # fmt: skip
        ax.set_ylim(0, high * 1.42)
        ax.set_xlim(*ends)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        ax.legend(loc="upper right" if side < 0.35 else "upper left", fontsize=7, frameon=False, handletextpad=0.4,
                  borderaxespad=0.1)  # fmt: skip
        _numbered(ax, number, "x")
        ax.locator_params(axis="y", integer=True)  # draws are whole
        _numbered(ax, number, "y")
        _plain(ax)
        figure.subplots_adjust(left=0.085, right=0.985, top=0.985, bottom=0.17)
        return _svg(figure, title, key)


def _edges(values: Floats, observed: float, spread: float) -> Floats:
    """Edges of about 44 classes, the value observed in the middle of one."""
    low, high, width = min(float(values.min()), observed), max(float(values.max()), observed), spread / CLASSES
    below, above = int(np.ceil((observed - low) / width)), int(np.ceil((high - observed) / width))
    return np.asarray(observed + width * (np.arange(-below, above + 2) - 0.5))


def _dots(
    ax: Axes, middle: Floats, place: NDArray[np.intp], counts: Floats, extreme: NDArray[np.bool_], words: Mapping[str, str]
) -> float:  # fmt: skip
    """One dot per allocation, stacked."""
    x, y, dark, height = [], [], [], np.zeros(len(middle))
    for at, n, far in sorted(zip(place.tolist(), np.rint(counts).astype(int).tolist(), extreme.tolist(), strict=True)):
        for _ in range(n):
            height[at] += 1
            x.append(middle[at])
            y.append(height[at] - 0.5)
            dark.append(far)
    chosen = np.array(dark, bool)
    size = {"markersize": 4.6, "linestyle": "none"}
    ax.plot(np.array(x)[~chosen], np.array(y)[~chosen], marker="o", markerfacecolor="#ffffff", markeredgecolor=SOFT,
            markeredgewidth=0.8, label=words["others"], **size)  # type: ignore[arg-type]  # fmt: skip
    ax.plot(np.array(x)[chosen], np.array(y)[chosen], marker="D", color=BLUE, label=words["extreme"], **size)  # type: ignore[arg-type]
    return float(max(height.max(), 1.0))


def _bars(
    ax: Axes, middle: Floats, width: float, place: NDArray[np.intp], counts: Floats, extreme: NDArray[np.bool_],
    words: Mapping[str, str],
) -> float:  # fmt: skip
    """A histogram in two parts."""
    near = np.bincount(place[~extreme], counts[~extreme], len(middle))
    far = np.bincount(place[extreme], counts[extreme], len(middle))
    ax.bar(middle, near, width * 0.95, color="#ffffff", edgecolor=SOFT, linewidth=0.6, label=words["others"])
    ax.bar(middle, far, width * 0.95, bottom=near, color=PALE, edgecolor=BLUE, hatch="////", linewidth=0.6,
           label=words["extreme"])  # fmt: skip
    return float((near + far).max())


def _numbered(ax: Axes, number: Callable[[float], str], axis: Literal["x", "y"]) -> None:
    """Ticks in the page's own way of writing numbers."""
    of = ax.xaxis if axis == "x" else ax.yaxis
    of.set_major_formatter(lambda value, _: number(float(value)))


def _plain(ax: Axes) -> None:
    ax.spines["top"].set_visible(False)
    ax.spines["right"].set_visible(False)
    ax.tick_params(length=2, width=0.5)


def short(period: str) -> str:
    """``02·12`` for a month; anything else as it stands."""
    found = re.fullmatch(r"\d\d(\d\d)-(\d\d)", period)
    return f"{found[2]}·{found[1]}" if found else period


@contextmanager
def _figure(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of its own, with fixed settings and without the state pyplot keeps."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever this machine's own settings are
        matplotlib.rcParams.update(cast(Any, _STEADY))
        figure = Figure(figsize=(WIDTH, height))
        yield figure, figure.add_subplot()


_OUTER: Final = re.compile(r"<svg\b[^>]*\bviewBox=\"([^\"]*)\"[^>]*>")
_NAMED: Final = re.compile(r"(\bid=\"|\bxlink:href=\"#|\bhref=\"#|url\(#)")


def _svg(figure: Figure, title: str, key: str) -> Markup:
    """The figure as an element of a page: no clock, no comments, ids of its own, and a title for those who listen."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    found = _OUTER.search(text)
    assert found is not None
    body = _NAMED.sub(rf"\1{key}-", text[found.end() : text.rindex("</svg>")])
    body = body.replace("xlink:href", "href").replace(
        "'DejaVu Sans'", "'Segoe UI', Arial, 'Liberation Sans', sans-serif"
    )
    body = re.sub(r"\n\s*", "\n", body).strip()
    name = f"{key}-title"
    head = f'<svg class="figure" viewBox="{found[1]}" role="img" aria-labelledby="{name}"><title id="{name}">'
    # matplotlib escapes what it draws
    return Markup(f"{head}{escape(title)}</title>\n{body}\n</svg>")


__all__ = ["MARKS", "STATES", "Line", "Row", "curves", "distribution", "legend", "schematic", "short"]
