"""One question, answered; and several in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Literal

from trialkit.errors import EstimateError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Form = Literal["markdown", "html", "latex"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One question, answered.  Every number is in ``unit``.

    Raises
    ------
    EstimateError
        ``unit`` is no text.
    """

    term: str  # the estimand, in the protocol's words
    method: str
    estimate: float
    std_error: float
    statistic: float
    df: float  # nan where none applies
    p_value: float
    smallest_p: float  # what this design could have reached
    conf_low: float
    conf_high: float
    level: float
    n_units: int
    n_allocations: int  # 0: not a randomization test
    mc_error: float
    unit: str
    exploratory: bool = True
    digests: tuple[str, ...] = ()  # protocol, draws, snapshot

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str):
            raise EstimateError(
                f"unit={self.unit!r} is no text, so nobody could read what one step of the effect is. Write it out, e.g. "
                "unit='days'.",
                {"unit": self.unit},
                da=f"unit={self.unit!r} er ikke en tekst, så ingen kan læse, hvad ét trin af effekten er. Skriv det ud, f.eks. "
                "unit='days'.",
            )

    def to_frame(self) -> pd.DataFrame:
        """One row, fields in order: frames of many estimates stack."""
        import pandas as pd

        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """The estimate and its interval in one line; that there is none, where there is none."""
        ends = _interval(self, 3)
        interval = f"{percent(self.level)} interval {ends}" if ends else "no interval"
        value = "no estimate" if isnan(self.estimate) else f"{_plain(self.estimate)} {self.unit}"
        return f"{self.term}: {value} ({interval}, {self.n_units} units)"

    def plot(self, ax: Axes) -> Axes:
        """Draw the estimate and its interval on the caller's axes, one line per term.

        An end that is infinite is an arrow to the edge of the axes; one that does not exist is not drawn.
        """
        ends = (self.conf_low, self.conf_high)
        reach = [[abs(self.estimate - end) if isfinite(end) else 0.0] for end in ends]
        drawn = isfinite(self.estimate)
        ax.errorbar([self.estimate], [self.term], xerr=reach if drawn else None, fmt="o")
        for end, edge in zip(ends, (0, 1), strict=True):
            if drawn and not isfinite(end) and not isnan(end):
                ax.annotate(
                    "", (edge, self.term), (self.estimate, self.term), xycoords=("axes fraction", "data"),
                    textcoords="data", arrowprops={"arrowstyle": "->"},
                )  # fmt: skip
        ax.set_xlabel(self.unit)
        return ax


def percent(level: float) -> str:
    """A level in percent, with the decimals it has.

    >>> percent(0.95), percent(0.999), percent(1 - 0.05)
    ('95%', '99.9%', '95%')
    """
    return f"{100 * level:.6g}%"


def _plain(number: float, digits: int = 3) -> str:
    """A number for reading; 0 has no sign."""
    return f"{number + 0.0:.{digits}g}"


def _interval(one: Estimate, digits: int) -> str:
    """Both ends; an empty text where there is no interval."""
    if isnan(one.conf_low) or isnan(one.conf_high):
        return ""
    return f"{_plain(one.conf_low, digits)} to {_plain(one.conf_high, digits)}"


def table(estimates: Iterable[Estimate], form: Form = "markdown") -> str:
    """Several estimates as a table for a document: one row each, the columns a reader asks for.

    For a spreadsheet or a computation take ``to_frame``.

    Parameters
    ----------
    estimates : in the order of the rows
    form : ``markdown``, ``html`` or ``latex``
    """
    frame = _shown(estimates)
    if form == "markdown":
        return _markdown(frame)
    return str(
        frame.to_html(index=False, border=0)
        if form == "html"
        else frame.style.format(escape="latex").hide(axis="index").to_latex()
    )


def _shown(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """What a reader asks for, as text."""
    import pandas as pd

    columns = ("term", "estimate", "interval", "p", "method", "units", "registered")
    rows = [
        (
            one.term,
            f"{_plain(one.estimate, 4)} {one.unit}",
            _interval(one, 4) or "none",
            "none" if isnan(one.p_value) else f"{one.p_value:.4g}",
            one.method,
            str(one.n_units),
            "no" if one.exploratory else "yes",
        )
        for one in estimates
    ]
    return pd.DataFrame(rows, columns=list(columns))


def _markdown(frame: pd.DataFrame) -> str:
    """A pipe table; a bar inside a text is escaped."""
    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


__all__ = ["Estimate", "Form", "percent", "table"]
