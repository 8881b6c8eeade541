"""Where alerts go beyond plain standard output: the outputs of the configuration, for `run` and for `scan`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lanner.cli.detection import alert_format, for_stdout
from lanner.cli.messages import Console, Failure
from lanner.cli.settings import Settings
from lanner.config.models import Config, alert_outputs
from lanner.config.outputs import StdoutOutput
from lanner.config.routing import Makings, routes_of
from lanner.engine.alert import Finding
from lanner.outputs.fanout import Fanout
from lanner.outputs.journal import MemoryJournal
from lanner.outputs.notices import tell
from lanner.outputs.route import Route
from lanner.outputs.sink import OptionError
from lanner.outputs.window import QueueLimits, size_of

if TYPE_CHECKING:
    from lanner.outputs.stdout import Lines

_LOG = logging.getLogger(__name__)

BATCH = 1000
BATCH_BYTES = 8 * 1024 * 1024
"""What is handed to the outputs at a time, about: a fraction of what they take."""

PATIENCE_S = 30.0
"""How long a scan waits for an output that takes nothing, though it does not fail either."""

CLOSE_S = 30.0
"""How long outputs may take for what is left at the end of a scan."""


def configured_routes(config: Config, settings: Settings, console: Console, stdout: Lines) -> tuple[Route, ...]:
    """The routes of a configuration.

    Raises:
        Failure: An option of an output cannot be used.
    """
    makings = Makings(
        format=alert_format(settings),
        shown=partial(for_stdout, console=console),
        stdout=stdout,
        echo=lambda text: _LOG.info("answer of http_output: %s", text),
    )
    try:
        return routes_of(config, makings)
    except OptionError as error:
        raise Failure(str(error), error.help) from error


def stdout_alone(config: Config) -> Config:
    """The configuration for a scan, whose alerts go to standard output: other outputs are for what happens now."""
    return Config(stdout_output=config.stdout_output, outputs_queue=config.outputs_queue)


def is_plain(config: Config) -> bool:
    """Whether alerts go to standard output alone, if anywhere, all of them and in the usual form."""
    stdout = config.stdout_output
    others = [section for section in alert_outputs(config) if section is not stdout and section.enabled]
    return not others and stdout == StdoutOutput(enabled=stdout.enabled)


class RoutedOutput:
    """The outputs of a configuration for work over files: it waits for them, so that none misses an alert.

    What memory has no room for, while an output fails or takes nothing for `PATIENCE_S`, is dropped and counted, and so
    is what is left `CLOSE_S` after the end.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        limits = routes[0].limits if routes else QueueLimits()
        self._most = min(BATCH, limits.max_alerts), min(BATCH_BYTES, limits.max_bytes)
        self._journal = MemoryJournal(limits, [route.name for route in routes])
        self._fanout = Fanout(routes, self._journal, report=tell, close_timeout_s=CLOSE_S)

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """Hand on what was found, in order.

        Raises:
            BrokenPipeError: All places that alerts went to are gone.
        """
        for batch in _batches(findings, *self._most):
            self._fanout.wait_for_room(batch, PATIENCE_S)
            self._journal.append(batch)
            self._fanout.wake()
            if self._fanout.is_gone:
                raise BrokenPipeError

    def flush(self) -> None:
        """Nothing waits here: the outputs have everything."""

    def close(self) -> Mapping[str, int]:
        """Deliver what waits; the number of alerts that each output did not get, where there are some."""
        self._fanout.close()
        return {stats.name: sum(stats.dropped.values()) for stats in self._fanout.stats() if stats.dropped}


def _batches(findings: Sequence[Finding], most: int, most_bytes: int) -> Iterator[Sequence[Finding]]:
    batch: list[Finding] = []
    room = most_bytes
    for finding in findings:
        size = size_of(finding)
        if batch and (len(batch) >= most or size > room):
            yield batch
            batch, room = [], most_bytes
        batch.append(finding)
        room -= size
    if batch:
        yield batch
