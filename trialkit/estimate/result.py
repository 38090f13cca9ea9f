"""One question, answered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One question, answered.  Every number is in ``unit``."""

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

    def to_frame(self) -> pd.DataFrame:
        """One row, fields in order: frames of many estimates stack."""
        import pandas as pd

        return pd.DataFrame([asdict(self)])

    def summary(self) -> str:
        """The estimate and its interval in one line."""
        return (
            f"{self.term}: {self.estimate:.3g} {self.unit} ({self.level:.0%} interval "
            f"{self.conf_low:.3g} to {self.conf_high:.3g}, {self.n_units} units)"
        )

    def plot(self, ax: Axes) -> Axes:
        """Draw the estimate and its interval on the caller's axes, one line per term."""
        ax.errorbar(
            [self.estimate],
            [self.term],
            xerr=[[self.estimate - self.conf_low], [self.conf_high - self.estimate]],
            fmt="o",
        )
        ax.set_xlabel(self.unit)
        return ax
