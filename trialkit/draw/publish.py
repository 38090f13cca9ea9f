"""Files on disk, whole or not at all: the room's only writing."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trialkit.errors import DrawError

_LOCK = ".lock"


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet; after a crash it is there whole, or not at all.

    Raises
    ------
    DrawError
        ``E_EXISTS``: the file is there already.
    """
    written = _written(path, data)
    try:
        try:
            os.link(written, path)
        except FileExistsError:
            raise _exists(path) from None
        except OSError:  # some network drives have no hard links: reserve the name, then fill it
            _reserve(path)
            written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    _settle(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Write a file over any earlier one; after a crash it is the old or the new, whole."""
    written = _written(path, data)
    try:
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    _settle(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against other processes; the lock falls with the process, so a crash never leaves it.

    Raises
    ------
    DrawError
        ``E_BUSY``: another process holds it.  ``E_LOCK``: the file system has no locks.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(folder) from None
        except OSError as error:
            raise _unlockable(folder, error) from None
        yield
    finally:
        os.close(descriptor)


def _written(path: Path, data: bytes) -> Path:
    """The data in a file of its own beside ``path``, on the disk and not only on its way there."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _reserve(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        raise _exists(path) from None


def _settle(folder: Path) -> None:
    """Make the folder's new entry survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> DrawError:
    return DrawError(
        f"{path} is there already, and what has been published is never written over. Keep it; if it is not the "
        "file you expect, compare its fingerprint with the minutes.",
        {"file": str(path)},
        da=f"{path} findes allerede, og det offentliggjorte bliver aldrig overskrevet. Behold den; er det ikke den "
        "ventede fil, så sammenlign dens fingeraftryk med mødets referat.",
        code="E_EXISTS",
    )


def _unlockable(folder: Path, error: OSError) -> DrawError:
    return DrawError(
        f"{folder} cannot be locked ({error}), so two processes could draw at once. Move the trial's folder to a disk "
        "of this machine.",
        {"folder": str(folder)},
        da=f"{folder} kan ikke låses ({error}), så to programmer kunne trække lod samtidig. Flyt forsøgets mappe til "
        "en disk på denne maskine.",
        code="E_LOCK",
    )


def _busy(folder: Path) -> DrawError:
    return DrawError(
        f"Another process is working in {folder}, and two at once could make two draws. Wait until it is done, or "
        "close it, and try again.",
        {"folder": str(folder)},
        da=f"Et andet program arbejder i {folder}, og to på én gang kunne give to lodtrækninger. Vent, til det er "
        "færdigt, eller luk det, og prøv igen.",
        code="E_BUSY",
    )
