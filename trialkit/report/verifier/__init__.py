"""The checking page: one HTML file that draws again in the browser, offline, from the specification alone.

The JavaScript beside this module shares no line with :mod:`trialkit.draw`; that is its worth. `page.html` opens from
disk as it stands. What is handed out is one file, so :func:`page` puts the sources into it; nothing is translated.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Final

from trialkit.errors import TrialkitError

_SCRIPT: Final = re.compile(r'<script src="([\w.]+)"></script>')
_STYLE: Final = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
_POLICY: Final = re.compile(r"(?<=script-src )'self'; style-src 'self'")
_BEFORE_WORDS: Final = '<script src="words.da.js"></script>'


def page(bls: str | None = None) -> str:
    """The checking page as one HTML text.

    Parameters
    ----------
    bls : str, optional
        The bundled script that verifies drand signatures (``make page`` builds it). Without it this is the core page,
        which holds no third-party code and says that drand is not confirmed.

    Returns
    -------
    str
        UTF-8 text to write to one file. Its content security policy allows these very scripts and no network.

    Raises
    ------
    TrialkitError
        A script holds the text that would end it early, so the page would break.
    """
    html = _source("page.html")
    names = _SCRIPT.findall(html)
    scripts = {name: _source(name) for name in names}
    style = _source(_STYLE.findall(html)[0])
    html = _STYLE.sub(lambda _: f"<style>{style}</style>", html)
    if bls is not None:
        html = html.replace(_BEFORE_WORDS, f'<script src="bls.js"></script>\n{_BEFORE_WORDS}')
        scripts["bls.js"] = bls
    _refuse_early_ends(scripts)
    html = _SCRIPT.sub(lambda found: f"<script>{scripts[found[1]]}</script>", html)
    policy = f"{_sources(list(scripts.values()))}; style-src {_sources([style])}"
    return _POLICY.sub(lambda _: policy, html, count=1)


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _refuse_early_ends(scripts: dict[str, str]) -> None:
    for name, text in scripts.items():
        if re.search(r"</script|<!--", text, re.IGNORECASE):
            raise TrialkitError(
                f"The script {name} holds '</script' or '<!--', which would end it inside the page, so no page was "
                f"made. Write the text another way, e.g. '<\\/script'.",
                {"script": name},
                da=f"Scriptet {name} indeholder '</script' eller '<!--', som ville afslutte det midt i siden, så siden "
                f"blev ikke lavet. Skriv teksten på en anden måde, f.eks. '<\\/script'.",
            )


def _sources(texts: Sequence[str]) -> str:
    """The texts' hashes as a content security policy names them."""
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)
