"""One thing to tell people, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from trialkit.errors import Lang


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in English and in Danish."""

    en: str
    da: str

    def told(self, lang: Lang) -> str:
        """The sentence in ``lang``."""
        return self.da if lang == "da" else self.en
