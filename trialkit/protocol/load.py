"""A draft file -> Protocol, or every fault in it at once.  The room's only I/O."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trialkit.errors import Fault, ProtocolError
from trialkit.protocol.faults import as_fault, told
from trialkit.protocol.mending import mend
from trialkit.protocol.model import Protocol
from trialkit.protocol.nodes import Entries, Source, at, value_of
from trialkit.protocol.reading import LARGEST, decoded, read

_LOOKS = 4  # a repaired fault may hide another; so many times the draft is read again


def load(path: Path | str) -> Protocol:
    """The protocol of a draft file, or of the ``draft.yaml`` in a trial's folder.

    Raises
    ------
    ProtocolError
        Every fault found, each with file, line, column and the corrected line (``facts["faults"]``).
    """
    path = Path(path)
    path = path / "draft.yaml" if path.is_dir() else path
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ProtocolError(
            f"The draft {path.name} cannot be read ({error.strerror}), so there is nothing to check. Make one with "
            "`trialkit new`, or give the trial's folder.",
            {"file": str(path)},
            da=f"Udkastet {path.name} kan ikke læses, så der er intet at kontrollere. Lav et med `trialkit "
            "new`, eller angiv "
            "forsøgets mappe.",
            code="E_FILE",
        ) from None
    return loads(decoded(data, path.name), file=path.name)


def loads(text: str, *, file: str) -> Protocol:
    """The protocol that ``text`` says; ``file`` is the name used in messages.

    Raises
    ------
    ProtocolError
        Every fault found, each with file, line, column and the corrected line (``facts["faults"]``).
    """
    tree, source = read(text, file)
    protocol, faults = _validated(tree, source)
    if faults := _in_order([*source.faults, *faults]):
        raise ProtocolError.listing(faults)
    if protocol is None:  # pragma: no cover - a draft without a fault is a protocol
        raise ProtocolError(
            "The draft was refused without a reason; report this.",
            da="Udkastet blev afvist uden begrundelse; meld det som en fejl.",
        )
    return protocol


def located(folder: Path, path: tuple[str | int, ...], en: str, da: str, code: str) -> Fault:
    """Something found wrong later, as a fault at the place of the folder's draft that speaks of it."""
    draft = folder / "draft.yaml"
    try:
        tree, source = read(decoded(draft.read_bytes(), draft.name), draft.name)
    except (OSError, ProtocolError):
        return Fault(en=en, da=da, code=code)
    place = at(tree, path)[1]
    return Fault(en=en, da=da, code=code, file=source.file, line=place.line, column=place.column)


def _validated(tree: Entries, source: Source) -> tuple[Protocol | None, list[Fault]]:
    """The protocol and the faults; a fault with a plain repair is repaired to see what stands behind it."""
    faults: list[Fault] = []
    for _ in range(_LOOKS):
        try:
            return Protocol.model_validate(value_of(tree)), faults
        except ValidationError as error:
            said = told(error, tree)
        known = {(fault.line, fault.column) for fault in faults}
        new = [as_fault(one, tree, source) for one in said]
        faults += [fault for fault in new if (fault.line, fault.column) not in known]
        repaired = [mend(one, tree) for one in reversed(said)]  # from the end, so that places in lists stay right
        if not all(repaired):
            break
    return None, faults


def _in_order(faults: list[Fault]) -> list[Fault]:
    unique: dict[Any, Fault] = {(fault.line, fault.column, fault.en): fault for fault in faults}
    return sorted(unique.values(), key=lambda fault: (fault.line, fault.column))
