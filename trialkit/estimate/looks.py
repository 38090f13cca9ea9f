"""Looks before the end: what the plan lets anybody see early, and when the primary answer may be read."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from trialkit.errors import EstimateError

if TYPE_CHECKING:
    from trialkit.protocol.model import Protocol


def final_day(protocol: Protocol) -> date | None:
    """The day of the final report, where the plan names one."""
    return next((report.final for report in protocol.reports if report.final is not None), None)


def years(protocol: Protocol) -> tuple[int, ...]:
    """The years after which the plan has a report that describes."""
    early = protocol.analysis.early_report
    named = {report.year for report in protocol.reports if report.year is not None}
    return tuple(sorted(named | ({early.year} if early is not None else set())))


def check_day(protocol: Protocol, known: date) -> None:
    """Refuse the primary answer before its day: reading it early, again and again, makes something of nothing.

    Parameters
    ----------
    known : the day at whose end the data were known so

    Raises
    ------
    EstimateError
        ``E_LOOK``: the final report is still to come, and no look is planned on this day.
    """
    final = final_day(protocol)
    if final is None or known >= final or known in protocol.analysis.looks:
        return
    planned = ", ".join(day.isoformat() for day in protocol.analysis.looks)
    reports = ", ".join(f"--year {year}" for year in years(protocol))
    raise EstimateError(
        f"The plan gives its answer on {final}, and these data are as known on {known}. A test before its day is a look that "
        f"nobody planned (planned looks: {planned or 'none'}), and whoever looks often enough finds something. "
        f"What may be seen now: {reports or 'nothing'}.",
        {"final": final.isoformat(), "known": known.isoformat(), "looks": planned, "years": list(years(protocol))},
        da=f"Planen giver sit svar {final}, og disse data er, som de var kendt {known}. En test før tid er et kig, ingen har "
        f"planlagt (planlagte kig: {planned or 'ingen'}), og den, der kigger ofte nok, finder noget. Det, der kan ses nu: "
        f"{reports or 'intet'}.",
        code="E_LOOK",
    )


def year_end(protocol: Protocol, year: int, known: date) -> date:
    """The last day of a year of the trial, counted from its first start.

    Raises
    ------
    EstimateError
        ``E_LOOK``: the plan has no report after this year, the year has not ended in these data, or nothing says when
        the trial began.
    """
    if year not in years(protocol):
        planned = ", ".join(map(str, years(protocol)))
        raise EstimateError(
            f"The plan has no report after year {year} (it has: {planned or 'none'}). A report nobody promised is one chosen "
            "after the numbers were seen.",
            {"year": year, "years": list(years(protocol))},
            da=f"Planen har ingen rapport efter år {year} (den har: {planned or 'ingen'}). En rapport, som ingen har lovet, er "
            "valgt, efter at tallene var set.",
            code="E_LOOK",
        )
    first = began(protocol)
    end = _after(first, year) - timedelta(days=1)
    if known < end:
        raise EstimateError(
            f"Year {year} ends on {end}, and these data are as known on {known}. Wait, or freeze newer data.",
            {"year": year, "end": end.isoformat(), "known": known.isoformat()},
            da=f"År {year} slutter {end}, og disse data er, som de var kendt {known}. Vent, eller frys nyere data.",
            code="E_LOOK",
        )
    return end


def began(protocol: Protocol) -> date:
    """When the trial began: its first wave, its first round, or the first day of its question.

    Raises
    ------
    EstimateError
        ``E_LOOK``: nothing says so.
    """
    if protocol.waves:
        return min(wave.start for wave in protocol.waves)
    if protocol.rounds is not None:
        return protocol.rounds.first
    if protocol.estimand.period is not None:
        return protocol.estimand.period.from_
    raise EstimateError(
        "The plan names no wave, round or period, so nobody can say when a year of it has passed.",
        da="Planen nævner hverken bølge, runde eller periode, så ingen kan sige, hvornår der er gået et år.",
        code="E_LOOK",
    )


def _after(day: date, years_: int) -> date:
    """The same day so many years later; 1 March for a 29 February that is not there."""
    try:
        return day.replace(year=day.year + years_)
    except ValueError:
        return date(day.year + years_, 3, 1)


__all__ = ["began", "check_day", "final_day", "year_end", "years"]
