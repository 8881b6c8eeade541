"""Files of the user written as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_file(path: str | Path, text: str) -> None:
    """Put a text in the place of a file, which at every moment is the old or the new one, also after a crash.

    Mode and symbolic links stay as they are.

    Raises:
        OSError: It cannot be written; the old file is as it was.
    """
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode if target.exists() else None
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, (0o666 & ~_umask()) if mode is None else mode & 0o7777)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    """The bits that new files do not get; the system tells them only when they are set."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
