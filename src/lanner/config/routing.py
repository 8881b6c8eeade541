"""From the keys of outputs to routes: each enabled output with its own options, filters, limits and form of alerts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from lanner.config.models import Config
from lanner.config.outputs import AlertOutput, LineOutput
from lanner.config.outputs import FileOutput as FileKeys
from lanner.config.outputs import HttpOutput as HttpKeys
from lanner.config.outputs import NotifyOutput as NotifyKeys
from lanner.config.outputs import ProgramOutput as ProgramKeys
from lanner.config.outputs import RateLimit as RateKeys
from lanner.config.outputs import StdoutOutput as StdoutKeys
from lanner.config.outputs import SyslogOutput as SyslogKeys
from lanner.outputs.file import FileOptions, FileOutput
from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOptions, HttpOutput
from lanner.outputs.lane import Route
from lanner.outputs.notify import NotifyOptions, NotifyOutput
from lanner.outputs.program import ProgramOptions, ProgramOutput
from lanner.outputs.rate import RateLimit
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import Encoding, OptionError, Sink
from lanner.outputs.stdout import Lines, SharedOutput
from lanner.outputs.syslog import Header, SyslogOptions, SyslogOutput, Transport
from lanner.outputs.template import AlertTemplate
from lanner.outputs.window import QueueLimits
from lanner.rules.priority import Priority


@dataclass(frozen=True, slots=True)
class Makings:
    """What outputs are made with, beside their own keys.

    Attributes:
        format: How alerts look where an output does not say otherwise.
        shown: How they look on standard output that would otherwise look so.
        stdout: Standard output.
        echo: Told what a server answers, where that is wanted.
    """

    format: AlertFormat
    shown: Callable[[Encoding], Encoding]
    stdout: Lines
    echo: Callable[[str], None]


_Make = Callable[[Any, Makings], Sink]
"""Makes an output of its section."""


def _stdout(section: StdoutKeys, makings: Makings) -> Sink:
    return SharedOutput(makings.stdout, makings.shown(_encoding(section, makings.format)))


def _file(section: FileKeys, makings: Makings) -> Sink:
    return FileOutput(_options(FileOptions, section), _encoding(section, makings.format))


def _program(section: ProgramKeys, makings: Makings) -> Sink:
    return ProgramOutput(_options(ProgramOptions, section), _encoding(section, makings.format))


def _http(section: HttpKeys, makings: Makings) -> Sink:
    return HttpOutput(_options(HttpOptions, section), _encoding(section, makings.format), echo=makings.echo)


def _syslog(section: SyslogKeys, makings: Makings) -> Sink:
    found: SyslogOptions = _options(SyslogOptions, section)
    header = Header(section.header) if section.header else None
    options = replace(found, transport=Transport(section.transport), header=header)
    return SyslogOutput(options, _encoding(section, makings.format))


def _notify(entry: NotifyKeys, makings: Makings) -> Sink:
    return NotifyOutput(_options(NotifyOptions, entry), iso8601=makings.format.iso8601)


_KINDS: Mapping[str, _Make] = MappingProxyType(
    {
        "stdout_output": _stdout,
        "file_output": _file,
        "program_output": _program,
        "http_output": _http,
        "syslog_output": _syslog,
    }
)
"""The outputs of which there is one each, by their key."""

_FILES = ("ca_cert", "ca_bundle", "client_cert", "client_key")
"""Keys that name files which an output reads when it is made."""


def routes_of(config: Config, makings: Makings) -> tuple[Route, ...]:
    """The routes to all outputs that are enabled.

    Raises:
        OptionError: An option cannot be used; it names the key with its section.
    """
    return tuple(_routes(config, makings))


def option_problems(config: Config, makings: Makings) -> Iterator[OptionError]:
    """What is wrong with the options of each output that is enabled; each names the key with its section."""
    for key, _, make, section in _enabled(config):
        try:
            make(section, makings)
        except OptionError as error:
            yield OptionError(f"{key}.{error.option}", error.message, error.help)


def _routes(config: Config, makings: Makings) -> Iterator[Route]:
    capacity = config.outputs_queue.capacity
    limits = QueueLimits(max_alerts=capacity) if capacity else QueueLimits()
    for key, name, kind, section in _enabled(config):
        try:
            sink = kind(section, makings)
        except OptionError as error:
            raise OptionError(f"{key}.{error.option}", error.message, error.help) from error
        yield Route(
            name=name,
            output=sink,
            filter=_filter(section),
            rate=_rate(section.rate_limit),
            limits=limits,
            made_of=(section, makings.format, [stamp(getattr(section, file, "")) for file in _FILES]),
        )


def _enabled(config: Config) -> Iterator[tuple[str, str, _Make, Any]]:
    """The key, name, kind and section of each output that is enabled."""
    for key, make in _KINDS.items():
        section = getattr(config, key)
        if section.enabled:
            yield key, key.removesuffix("_output"), make, section
    for number, entry in enumerate(config.notify_outputs):
        if entry.enabled:
            yield f"notify_outputs[{number}]", entry.name, _notify, entry


def _options(kind: type[Any], section: AlertOutput) -> Any:
    """Options of an output: those keys of its section that it has."""
    return kind(**{field.name: getattr(section, field.name) for field in fields(kind)})


def _encoding(section: LineOutput, usual: AlertFormat) -> Encoding:
    is_json = usual.json if section.format is None else section.format == "json"
    if section.template:
        return AlertTemplate(section.template, json=is_json, iso8601=usual.iso8601)
    return replace(usual, json=is_json)


def _filter(section: AlertOutput) -> OutputFilter:
    return OutputFilter(
        min_priority=Priority.parse(section.priority) or Priority.DEBUG,
        rules=tuple(section.rules),
        tags=frozenset(section.tags),
        sources=frozenset(section.sources),
    )


def _rate(keys: RateKeys) -> RateLimit | None:
    return RateLimit(rate=keys.rate, max_burst=keys.max_burst, summary_s=keys.summary_s) if keys.rate else None


def stamp(path: str) -> tuple[int, int] | None:
    """What tells a certificate from the one that took its name: what is made with it is made anew then."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
