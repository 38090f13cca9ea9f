"""Danish words an officer writes where a draft has an English one, so that the right one can be suggested."""

from __future__ import annotations

from typing import Final

MEANT: Final = {
    "titel": "title", "enheder": "units", "bølger": "waves", "arme": "arms", "lodtrækning": "lottery", "kilder": "sources",
    "udfald": "outcomes", "udfaldsmål": "outcomes", "effektmål": "estimand", "analyse": "analysis", "analyseplan": "analysis",
    "planlægning": "planning", "godkendelser": "approvals", "databeskyttelse": "privacy", "afbrydelser": "interruptions",
    "afleveringer": "deliveries", "kapacitet": "capacity", "runder": "rounds", "pladser": "places", "fra": "from",
    "til": "to", "navn": "name", "fil": "file", "faste": "fixed", "vidner": "witnesses", "terninger": "dice", "kast": "throws",
    "rapporter": "reports", "sag": "case", "klynger": "clusters", "lag": "strata", "protokol": "protocol",
    "godkendt": "approved", "afventer": "awaiting", "foreslået": "proposed", "afslået": "refused", "afvist": "refused",
    "tisidet": "ten-sided", "ti-sidet": "ten-sided", "seks-sidet": "six-sided", "sekssidet": "six-sided", "mønt": "coin",
    "barn": "child", "familie": "family", "forælder": "parent", "voksen": "adult", "person": "person", "enhed": "unit",
    "kommune": "municipality", "bydel": "district", "område": "area", "institution": "institution", "højere": "higher",
    "lavere": "lower", "måned": "month", "kvartal": "quarter", "halvår": "half_year", "år": "year", "uge": "week",
    "dag": "day", "andel": "share", "antal": "count", "tal": "number", "ja_nej": "yes_no", "kategori": "category",
    "trappevis udrulning": "phased_rollout", "trinvis udrulning": "phased_rollout", "udrulning": "phased_rollout",
    "proces": "process", "beskrivelse": "description", "ingen": "none", "ukendt": "unknown", "to": "two", "en": "one",
}  # fmt: skip
