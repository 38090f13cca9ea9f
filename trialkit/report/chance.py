"""Where the chance came from, in words and tables: dice, numbers, a drand round, opened secrets, a known seed.

Sections 4.3 (sources), 5 (seed) and 8 (drand's calendar) of the draw's specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trialkit.canonical import FORMAT, jcs
from trialkit.draw.drand import randomness, round_time
from trialkit.draw.evidence import hashed_values
from trialkit.report.drawn import Drawn
from trialkit.report.page import counted, say, texts
from trialkit.report.spelling import fingerprint
from trialkit.report.words import moment_long, number

PER_ROW: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of chance: a heading, sentences, facts as pairs, and numbers in rows of ten."""

    heading: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()  # "11-20", the numbers


def sources(drawn: Drawn) -> list[Source]:
    """The protocol's sources in order; with what they gave where a record holds it."""
    evidence = drawn.record["evidence"] if drawn.record is not None else [None] * len(drawn.protocol["entropy"])
    return [
        _TELL[source["kind"]](source, given, drawn)
        for source, given in zip(drawn.protocol["entropy"], evidence, strict=True)
    ]


def seed_line(record: Mapping[str, Any]) -> str:
    """The one line whose SHA-256 is the seed (section 5), for those who redo it by hand."""
    values = hashed_values(record["protocol"], record["evidence"])
    return jcs([FORMAT, "seed", record["protocol_hash"], values]).decode()


def in_rows(values: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Numbers in rows of ten, each row with the places it holds, as people tick them off."""
    return tuple(
        (f"{start + 1}–{min(start + PER_ROW, len(values))}", tuple(values[start : start + PER_ROW]))
        for start in range(0, len(values), PER_ROW)
    )


def _rolls(source: Mapping[str, Any], given: Mapping[str, Any] | None, drawn: Drawn) -> Source:
    said = texts(drawn.lang)["sources"]
    text = say(
        said["balls" if source["distinct"] else "rolls"],
        count=number(source["count"], drawn.lang),
        low=number(source["low"], drawn.lang),
        high=number(source["high"], drawn.lang),
    )
    values = [str(value) for value in given["values"]] if given else []
    return Source(
        heading=said["balls_heading" if source["distinct"] else "rolls_heading"],
        sentences=(text,),
        rows=in_rows(values),
    )


def _number(source: Mapping[str, Any], given: Mapping[str, Any] | None, drawn: Drawn) -> Source:
    said = texts(drawn.lang)["sources"]
    if given is None or drawn.record is None:
        return Source(heading=said["number_heading"], sentences=(said["number"],))
    tries, attempt = given["tries"], drawn.record["result"]["attempt"]
    skipped = len(tries) - attempt - 1
    sentences = [said["number"], say(said["number_last"], number=tries[-1])]
    if skipped:
        sentences.append(say(said["number_skipped"], count=counted(skipped, "number", drawn.lang)))
    return Source(heading=said["number_heading"], sentences=tuple(sentences), rows=in_rows(tries))


def _drand(source: Mapping[str, Any], given: Mapping[str, Any] | None, drawn: Drawn) -> Source:
    lang, said = drawn.lang, texts(drawn.lang)["sources"]
    facts = [
        (said["drand_round"], number(source["round"], lang)),
        (said["drand_time"], moment_long(round_time(source["round"]), lang)),
    ]
    if given is not None:
        facts.append((said["drand_signature"], fingerprint(given["signature"])))
        facts.append((said["drand_randomness"], fingerprint(randomness(given["signature"]))))
    return Source(heading=said["drand_heading"], sentences=(said["drand"],), facts=tuple(facts))


def _commit(source: Mapping[str, Any], given: Mapping[str, Any] | None, drawn: Drawn) -> Source:
    said = texts(drawn.lang)["sources"]
    facts = [(said["commit_seal"], fingerprint(source["commitment"]))]
    if given is not None:
        facts.append((said["commit_secret"], fingerprint(given["secret"])))
    return Source(
        heading=say(said["commit_heading"], party=source["party"]), sentences=(said["commit"],), facts=tuple(facts)
    )


def _published(source: Mapping[str, Any], given: Mapping[str, Any] | None, drawn: Drawn) -> Source:
    said = texts(drawn.lang)["sources"]
    return Source(
        heading=said["published_heading"],
        sentences=(said["published"],),
        facts=((said["published_value"], source["value"]),),
    )


_TELL: Final = {"rolls": _rolls, "number": _number, "drand": _drand, "commit": _commit, "published": _published}


def passed_over(drawn: Drawn) -> str:
    """How many orders the balance rule passed over before the one that counts, and why that is no re-roll."""
    attempt = drawn.record["result"]["attempt"] if drawn.record is not None else 0
    said = texts(drawn.lang)["constraint"]
    if not attempt:
        return str(said["first"])
    return say(
        said["passed_one"] if attempt == 1 else said["passed"], count=number(attempt, drawn.lang), which=attempt + 1
    )
