"""Write the checking page: ``python -m trialkit.report.verifier OUT [BUNDLE]``. ``make page`` calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from trialkit.report.verifier import page


def main(arguments: list[str]) -> None:
    """Write the page to the first path; a second names the script that verifies drand."""
    out = Path(arguments[0])
    bls = Path(arguments[1]).read_text(encoding="utf-8") if len(arguments) > 1 else None
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(bls), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
