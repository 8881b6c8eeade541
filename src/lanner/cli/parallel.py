"""Scanning with several processes: files in parts, alerts in the order of the input."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from lanner.cli.messages import ExitCode, Failure
from lanner.compiler.ruleset import RuleSet
from lanner.engine.engine import Engine
from lanner.engine.stats import Stats
from lanner.outputs.format import AlertFormat
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.parts import Part, read_part, split

_AHEAD = 2
"""Parts in work for each process: the next one is at hand when one is done, and few results wait for their turn."""


@dataclass(slots=True)
class PartResult:
    """What came of one part: its alerts as lines, what was counted, and what could not be read."""

    part: Part
    lines: bytes = b""
    stats: Stats = field(default_factory=Stats)
    errors: list[tuple[str, str, str | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Worker:
    engine: Engine
    alert_format: AlertFormat


_worker: _Worker | None = None
"""Of a worker process: made before it starts, so that it shares the compiled rules with its parent."""


def scan_parts(
    paths: Sequence[str], rules: RuleSet, alert_format: AlertFormat, processes: int, errors: list[SourceError]
) -> Iterator[PartResult]:
    """Evaluate all events of the paths with several processes.

    Args:
        paths: As for `scan`, without standard input.
        rules: What to detect.
        alert_format: How alerts look.
        processes: How many work at a time.
        errors: Takes paths that cannot be found.

    Yields:
        Results in the order of the input.

    Raises:
        Failure: A process was killed.
    """
    global _worker  # noqa: PLW0603 - what forked processes inherit
    _worker = _Worker(Engine(rules), alert_format)
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("fork"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    waiting: deque[Future[PartResult]] = deque()
    parts = split(paths, on_error=errors.append)
    try:
        for part in parts:
            waiting.append(pool.submit(_evaluate, part))
            if len(waiting) >= processes * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise Failure("a worker process was killed", "try fewer with `-j`", ExitCode.FAILED) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _evaluate(part: Part) -> PartResult:
    assert _worker is not None  # noqa: S101 - INVARIANT: set before the process was forked
    engine, result = _worker.engine, PartResult(part)

    def on_error(error: SourceError) -> None:
        result.errors.append((error.path, error.reason, error.help))

    lines = []
    for delivery in read_part(part, Limits(), on_error=on_error):
        found = engine.process(
            delivery.payload,
            body=delivery.framing is Framing.BODY,
            truncated=delivery.truncated,
            size=delivery.size,
            origin=delivery.origin,
        )
        if found.alerts:
            lines.append(_worker.alert_format.encode_all(found.alerts))
    result.lines = b"".join(lines)
    result.stats = engine.take_stats()
    return result
