"""Settings to a running detection: rules compiled, output made."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lanner.cli.loading import load_rules
from lanner.cli.messages import Console
from lanner.cli.screens import shows
from lanner.cli.settings import Settings
from lanner.compiler.ruleset import RuleSet, Selection, compile_rules
from lanner.outputs.format import AlertFormat
from lanner.outputs.screen import Screen, columns
from lanner.outputs.sink import Encoding
from lanner.outputs.stdout import Lines, SharedDescriptor, StdoutOutput, Stream
from lanner.outputs.terminal import SafeLines, TerminalFormat

if TYPE_CHECKING:
    from typing_extensions import Buffer


def compile_settings(settings: Settings, console: Console) -> RuleSet:
    """Load and compile the rules that the settings select.

    Raises:
        Failure: The rules have errors, or none of them is left.
    """
    loaded = load_rules(settings, console)
    selection = Selection(
        min_priority=settings.priority,
        tags=settings.tags,
        not_tags=settings.not_tags,
        disabled=settings.disabled,
    )
    compiled = compile_rules(loaded, matching=settings.rule_matching, selection=selection)
    if not compiled.rules:
        console.warn("no rule is selected")
    return compiled


def open_stdout(settings: Settings, console: Console, screen: Screen | None = None) -> StdoutOutput:
    """Standard output for alerts as the settings want them; above the status of a screen that is the same terminal."""
    stream: Stream = sys.stdout.buffer if settings.stdout_output else io.BufferedWriter(_Nowhere())
    if screen and settings.stdout_output and shows(screen, sys.stdout):
        stream = screen
    return StdoutOutput(stream, for_stdout(alert_format(settings), console))


def shared_stdout(screen: Screen | None) -> Lines:
    """Standard output for lines of several threads and processes; above the status of a screen that is the same."""
    return screen if screen and shows(screen, sys.stdout) else SharedDescriptor(sys.stdout.fileno())


def for_stdout(encoding: Encoding, console: Console) -> Encoding:
    """How alerts look on standard output that would otherwise look so: safe and easy to read when it is a terminal."""
    has_color, is_terminal = console.has_color(sys.stdout), sys.stdout.isatty()
    if isinstance(encoding, AlertFormat):
        if is_terminal and not encoding.json:
            width = partial(columns, sys.stdout.fileno())
            return TerminalFormat(columns=width, iso8601=encoding.iso8601, color=has_color)
        return replace(encoding, terminal=is_terminal, color=has_color)
    return SafeLines(encoding) if is_terminal else encoding


def alert_format(settings: Settings) -> AlertFormat:
    """Alerts as Falco prints them, as the settings want them."""
    return AlertFormat(
        json=settings.json_output,
        include_output=settings.json_include_output_property,
        include_tags=settings.json_include_tags_property,
        include_message=settings.json_include_message_property,
        include_fields=settings.json_include_output_fields_property,
        iso8601=settings.time_format_iso_8601,
    )


class _Nowhere(io.RawIOBase):
    """Takes what is written, and forgets it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        return memoryview(data).nbytes
