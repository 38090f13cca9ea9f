"""From values to one self-contained printable page: no network, no script, no clock.

Templates and the words of each language stand in ``templates/``; a test holds the two languages to the same keys and
the same blanks.  Everything a person wrote is escaped by the environment, never by the caller.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from trialkit.errors import Lang
from trialkit.report import spelling, words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES: Final = files("trialkit.report") / "templates"


@cache
def texts(lang: Lang) -> Mapping[str, Any]:
    """All words of a language, by page: tables of texts with named blanks in braces."""
    return tomllib.loads((_TEMPLATES / f"{lang}.toml").read_text(encoding="utf-8"))


def render(template: str, lang: Lang, values: Mapping[str, Any]) -> str:
    """The page made from ``templates/<template>``; same values, same text.

    Parameters
    ----------
    template : file name in ``templates/``, ending in ``.html`` so that it is escaped
    values : what the template names; ``t`` (the language's words), ``say`` and the filters are added
    """
    spoken = {"t": texts(lang), "lang": lang, "say": say}
    return _environment().get_template(template).render({**spoken, **_speakers(lang), **values})


def say(text: str, /, **blanks: object) -> str:
    """A text with its blanks filled; what fills them is not read again as a text."""
    return text.format(**blanks)


def counted(n: int, noun: str, lang: Lang) -> str:
    """A number with its noun: ``1 enhed``, ``12 enheder``; `noun` is a key of the words' table ``nouns``."""
    one, many = texts(lang)["nouns"][noun]
    return f"{words.number(n, lang)} {one if n == 1 else many}"


def qr(data: str, title: str) -> Markup:
    """`data` as a QR code, inline SVG with `title` as its text for those who cannot see it."""
    import segno
    from markupsafe import Markup

    code = segno.make(data, error="m", micro=False)
    return Markup(code.svg_inline(scale=3, border=4, svgclass="qr", lineclass=None, title=title, omitsize=True))


def _speakers(lang: Lang) -> dict[str, Any]:
    """The functions of `words` a template may call, bound to the page's language."""
    return {
        "number": lambda n: words.number(n, lang),
        "counted": lambda n, noun: counted(n, noun, lang),
        "listing": lambda items: words.listing(items, lang),
        "spelled": lambda digest: spelling.spelled(digest, lang),
        "fingerprint": spelling.fingerprint,
    }


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: (_TEMPLATES / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["upfirst"] = lambda text: text[:1].upper() + text[1:]
    return environment
