"""Rules and recordings to measure with, and the files made of them.

With the conformance material at hand (`LANNER_SHARED`, else `../shared`), it is Falco's official rules and the bulk
recording, for which Falco's own figures are known; otherwise the default rules and the recording of `make demo`.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import lanner

_ROOT = Path(__file__).parents[1]
_DATA = _ROOT / "src" / "lanner" / "data"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of events, one a line."""

    path: Path
    events: int
    bytes: int

    def repeat(self, total_bytes: int) -> int:
        """How often it is to be read to come to so many bytes at least."""
        return max(1, -(-total_bytes // self.bytes))


@dataclass(frozen=True, slots=True)
class Material:
    """What to measure with.

    Attributes:
        is_official: Whether it is Falco's official rules and the bulk recording.
        rules: The rule files.
        defaults: The default rule set's files, of this tree whichever is measured.
        lines: The events of the recording, with their line breaks.
        alerts: By event, how many alerts the rules raise on it.
    """

    is_official: bool
    rules: tuple[Path, ...]
    defaults: tuple[Path, ...]
    lines: tuple[bytes, ...]
    alerts: tuple[int, ...]

    @property
    def benign(self) -> tuple[bytes, ...]:
        """The events that raise no alert."""
        return tuple(line for line, number in zip(self.lines, self.alerts, strict=True) if not number)

    @property
    def alerting(self) -> tuple[bytes, ...]:
        """The events that raise one or more."""
        return tuple(line for line, number in zip(self.lines, self.alerts, strict=True) if number)


class _Posted(msgspec.Struct):
    items: list[msgspec.Raw]


def shared_folder() -> Path | None:
    """Where the conformance material is, if it is there."""
    path = Path(os.environ.get("LANNER_SHARED", _ROOT.parent / "shared"))
    return path if (path / "recordings" / "bulk.jsonl.gz").is_file() else None


def load(shared: Path | None) -> Material:
    """Read rules and events, and find out which of these alert.

    Args:
        shared: The conformance material; None: what ships with the package.
    """
    defaults = tuple(sorted((_DATA / "rules").glob("*.yaml")))
    if shared:
        rules: tuple[Path, ...] = (shared / "upstream" / "k8s_audit_rules.yaml",)
        lines = gzip.decompress((shared / "recordings" / "bulk.jsonl.gz").read_bytes()).splitlines(keepends=True)
    else:
        rules = defaults
        posts = gzip.decompress((_DATA / "demo" / "posts.jsonl.gz").read_bytes()).splitlines()
        lines = [bytes(item) + b"\n" for post in posts for item in msgspec.json.decode(post, type=_Posted).items]
    return Material(bool(shared), rules, defaults, tuple(lines), tuple(_alerts(rules, lines)))


def save(lines: Sequence[bytes], path: Path, least_bytes: int = 0) -> Recording:
    """Write events to a file, over and over until it has so many bytes."""
    times = max(1, -(-least_bytes // sum(map(len, lines))))
    with path.open("wb") as file:
        for _ in range(times):
            file.writelines(lines)
    return Recording(path, len(lines) * times, path.stat().st_size)


def save_gzip(recording: Recording, path: Path) -> Recording:
    """Write a recording compressed; its bytes are counted as they were before."""
    path.write_bytes(gzip.compress(recording.path.read_bytes(), 6))
    return Recording(path, recording.events, recording.bytes)


def _alerts(rules: Sequence[Path], lines: Iterable[bytes]) -> Iterable[int]:
    loaded = lanner.load_rules(list(rules)).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded))
    return (len(engine.process(line).alerts) for line in lines)
