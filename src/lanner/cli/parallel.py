"""Work over files with several processes: files in parts, results in the order of the input."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from lanner.cli.messages import ExitCode, Failure
from lanner.sources.base import Delivery, Limits, SourceError
from lanner.sources.parts import Part, read_part, split

_AHEAD = 2
"""Parts in work for each process: the next one is at hand when one is done, and few results wait for their turn."""

T = TypeVar("T")
Work: TypeAlias = Callable[[Iterable[Delivery]], T]
"""What a process does with the deliveries of one part."""


@dataclass(slots=True)
class PartResult(Generic[T]):
    """What came of one part, and what of it could not be read."""

    part: Part
    value: T
    errors: list[tuple[str, str, str | None]] = field(default_factory=list)


_work: Work[Any] | None = None
"""Set before the processes start, so that they share with their parent what it needs, such as compiled rules."""


def map_parts(
    paths: Sequence[str], work: Work[T], processes: int, errors: list[SourceError]
) -> Iterator[PartResult[T]]:
    """Have all parts of the paths worked on by several processes.

    Args:
        paths: As for `scan`, without standard input.
        work: What is done with a part; its result is sent back to this process.
        processes: How many work at a time.
        errors: Takes paths that cannot be found.

    Yields:
        Results in the order of the input.

    Raises:
        Failure: A process was killed.
    """
    global _work  # noqa: PLW0603 - what forked processes inherit
    _work = work
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("fork"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    waiting: deque[Future[PartResult[T]]] = deque()
    parts = split(paths, on_error=errors.append)
    try:
        for part in parts:
            waiting.append(pool.submit(_work_on, part))
            if len(waiting) >= processes * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise Failure("a worker process was killed", "try fewer with `-j`", ExitCode.FAILED) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _work_on(part: Part) -> PartResult[Any]:
    assert _work is not None  # noqa: S101 - INVARIANT: set before the process was forked
    errors: list[tuple[str, str, str | None]] = []

    def on_error(error: SourceError) -> None:
        errors.append((error.path, error.reason, error.help))

    return PartResult(part, _work(read_part(part, Limits(), on_error=on_error)), errors)
