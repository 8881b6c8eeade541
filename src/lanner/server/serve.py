"""One source, run until it ends, a signal comes, the time is up, or nobody reads the alerts any more."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from lanner.engine.engine import Engine
from lanner.outputs.base import Output
from lanner.server.pipeline import Pipeline
from lanner.sources.base import Source

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve(
    source: Source,
    engine: Engine,
    outputs: Sequence[Output],
    *,
    report: Callable[[OSError], None],
    stop_after_s: float | None = None,
    signals: Sequence[signal.Signals] = STOP_SIGNALS,
) -> signal.Signals | None:
    """Run a source into an engine and its alerts into outputs.

    What was received is evaluated and written before this returns.

    Args:
        source: Gives the deliveries.
        engine: Evaluates them.
        outputs: Take the alerts.
        report: Told when an output cannot take alerts; what was delivered is then not acknowledged.
        stop_after_s: End after so many seconds.
        signals: Those that are taken over while it runs, and ask to end.

    Returns:
        The signal that asked to end, or None.

    Raises:
        SourceError: The source cannot start, or cannot go on.
        BrokenPipeError: An output's reader has left.
    """
    stopped: list[signal.Signals] = []
    lost: list[BrokenPipeError] = []
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        stopped.append(number)
        task.cancel()

    def on_failure(error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            lost.append(error)
            task.cancel()
        else:
            report(error)

    task = loop.create_task(source.run(Pipeline(engine, outputs, on_failure=on_failure).handle))
    for number in signals:
        loop.add_signal_handler(number, on_signal, number)
    timer = loop.call_later(stop_after_s, task.cancel) if stop_after_s is not None else None
    await asyncio.wait([task])
    for number in signals:
        loop.remove_signal_handler(number)
    if timer:
        timer.cancel()
    if lost:
        raise lost[0]
    if not task.cancelled():
        task.result()
    return stopped[0] if stopped else None
