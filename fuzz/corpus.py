"""Corpora: inputs that lead to different code, one archive for each target, so that a change is one file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).with_name("corpora")
MAX_INPUT_BYTES = 64 * 1024

_DAWN = (1980, 1, 1, 0, 0, 0)  # the same inputs are the same archive, whenever it is written


def read(target: str) -> list[bytes]:
    """The inputs that are kept for a target."""
    path = FOLDER / f"{target}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def write(target: str, inputs: Iterable[bytes]) -> int:
    """Keep inputs for a target in place of those of before; how many there are."""
    found = {hashlib.sha256(data).hexdigest()[:16]: data for data in inputs if len(data) <= MAX_INPUT_BYTES}
    FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(FOLDER / f"{target}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(found):
            archive.writestr(zipfile.ZipInfo(name, _DAWN), found[name], zipfile.ZIP_DEFLATED)
    return len(found)
