"""What the program says about itself: lines for people, or a JSON object a line, on standard error and to syslog.

It is the logging of the standard library, so that what other libraries have to say comes out in the same form.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from socket import AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, socket
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypedDict, Unpack

import click

from lanner.config.secrets import masked
from lanner.diagnostics.render import printable
from lanner.diagnostics.visible import unicode_escape, visible
from lanner.outputs.screen import Screen

Level: TypeAlias = Literal["critical", "error", "warning", "notice", "info", "debug"]
LogFormat: TypeAlias = Literal["auto", "text", "json"]

SYSLOG = "/dev/log"
MAX_TEXT = 4000
"""Characters of a message or a field; what is beyond is cut off, because some of them quote what others sent."""


class Fields(TypedDict, total=False):
    """What a message is about: members of its JSON line, beside `time`, `level` and `message`; None leaves one out."""

    help: Annotated[str | None, "What to do about it."]
    status: Annotated[int, "The exit status that the program ends with."]
    file: Annotated[str, "The file that it is about."]
    line: Annotated[int, "The line in the file, from 1."]
    column: Annotated[int, "The column in the line, from 1."]
    code: Annotated[str, "The code of a problem in rules or configuration; `lanner rules explain CODE` says more."]
    keys: Annotated[list[str], "Keys of the configuration."]
    rules: Annotated[int, "How many rules there are."]
    source: Annotated[str, "The source of events."]
    url: Annotated[str, "The address that is listened on."]
    output: Annotated[str, "The output that it is about."]
    reason: Annotated[str, "Why it happened."]
    pause_s: Annotated[float | None, "Seconds until the next attempt."]
    seconds: Annotated[float, "How long the program ran."]
    events: Annotated[int, "Events that were evaluated."]
    bytes: Annotated[int, "Bytes that were read."]
    alerts: Annotated[int, "Alerts that were raised."]
    malformed: Annotated[int, "Documents that could not be read, or only in part."]
    truncated: Annotated[int, "Events of which a part was beyond a limit."]
    dropped: Annotated[int, "Events that were not evaluated."]
    restarted: Annotated[int, "Workers that were started in place of others."]
    logger: Annotated[str, "The library that says it, when it is not Lanner itself."]
    exception: Annotated[str, "What went wrong in a library."]


_NOTICE = 25
_LEVELS: Mapping[str, int] = MappingProxyType(
    {
        "emergency": logging.CRITICAL,
        "alert": logging.CRITICAL,
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "notice": _NOTICE,
        "info": logging.INFO,
        "informational": logging.INFO,
        "debug": logging.DEBUG,
    }
)
"""Falco's words for `log_level` as levels of the standard library; none leaves out what ends the program."""

LEVELS: Mapping[Level, str] = MappingProxyType(
    {
        "critical": "The program ends because of it.",
        "error": "Something could not be done; the program goes on.",
        "warning": "Something to look at.",
        "notice": "Something that one may not expect.",
        "info": "What is going on.",
        "debug": "What helps to find a mistake.",
    }
)
"""What messages of a level are."""

_NAMES: Mapping[int, Level] = MappingProxyType(
    {50: "critical", 40: "error", 30: "warning", _NOTICE: "notice", 20: "info", 0: "debug"}
)
"""Levels of the standard library, from the highest on, as messages show them."""

PREFIXES: Mapping[Level, tuple[str, str]] = MappingProxyType(
    {
        "critical": ("error: ", "red"),
        "error": ("error: ", "red"),
        "warning": ("warning: ", "yellow"),
        "notice": ("note: ", "cyan"),
    }
)
"""What stands in front of a line for people, and its colour."""

_SEVERITIES: Mapping[Level, int] = MappingProxyType(
    {"critical": 2, "error": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
)
_USER = 1 << 3
"""How syslog numbers levels, and the facility `user`, as Falco sends it. Source: RFC 3164."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Where messages go, and how they look.

    Attributes:
        is_json: Objects for programs instead of lines for people.
        has_color: Lines for people have colour.
        level: Messages that matter less are left out.
        to_stderr: Messages go to standard error; those that tell why the program ends always do.
        syslog: The socket of the system's log, when messages go there.
        is_service: They are those of a program that runs until it is stopped, whose configuration has a say in this.
        is_fixed: The configuration has none in the format.
        screen: A terminal that messages share with alerts and a status; there they have the time in front.
    """

    is_json: bool = False
    has_color: bool = False
    level: str = "info"
    to_stderr: bool = True
    syslog: str | None = None
    is_service: bool = False
    is_fixed: bool = False
    screen: Screen | None = None


class LogSettings(Protocol):
    """The keys of a configuration that are about messages."""

    @property
    def log_format(self) -> LogFormat:
        """How messages look."""

    @property
    def log_level(self) -> str:
        """The least level of messages, in any case."""

    @property
    def log_stderr(self) -> bool:
        """Whether messages go to standard error."""

    @property
    def log_syslog(self) -> bool:
        """Whether messages go to syslog."""


def log(level: Level, message: str, **fields: Unpack[Fields]) -> None:
    """Say something.

    Args:
        level: How much it matters; `critical` for what ends the program.
        message: In lower case, one fact, without a period.
        **fields: What it is about, for programs; people read of it in the message, but for `help`.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    _LOGGER.log(_LEVELS[level], "%s", message, extra={"fields": given})


def configure(options: LogOptions) -> None:
    """Have all messages from now on look and go as the options say."""
    _STDERR.options = options
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Stderr | _Syslog)]:
        root.removeHandler(handler)
    root.addHandler(_STDERR)
    if options.syslog is not None:
        root.addHandler(_Syslog(options.syslog))
    _LOGGER.setLevel(_LEVELS[options.level])
    root.setLevel(max(_LEVELS[options.level], logging.WARNING))


@contextmanager
def above(screen: Screen | None) -> Iterator[None]:
    """Have messages stand above the status of a screen."""
    configure(replace(_STDERR.options, screen=screen))
    try:
        yield
    finally:
        configure(replace(_STDERR.options, screen=None))


def write(text: str) -> None:
    """Put text on standard error as it is, line breaks included; that nobody reads it ends nothing, nor a full disk."""
    screen = _STDERR.options.screen
    with suppress(OSError, ValueError):
        if screen:
            screen.append(text.encode())
        else:
            sys.stderr.write(text)
            sys.stderr.flush()


def is_json() -> bool:
    """Whether messages are for programs."""
    return _STDERR.options.is_json


def set_color(has_color: bool) -> None:
    """Show lines for people in colour, or not."""
    configure(replace(_STDERR.options, has_color=has_color))


def begin_service(chosen: LogFormat) -> None:
    """Have messages look as those of a program that runs until it is stopped.

    Args:
        chosen: `auto`: lines for people on a terminal, else objects for programs, unless the configuration says more.
    """
    is_json = not sys.stderr.isatty() if chosen == "auto" else chosen == "json"
    configure(replace(_STDERR.options, is_json=is_json, is_service=True, is_fixed=chosen != "auto"))


def honour(settings: LogSettings) -> None:
    """Have messages look and go as a configuration says, when they are a service's."""
    options = _STDERR.options
    if not options.is_service:
        return
    has_say = not options.is_fixed and settings.log_format != "auto"
    configure(
        replace(
            options,
            is_json=settings.log_format == "json" if has_say else options.is_json,
            level=settings.log_level.casefold(),
            to_stderr=settings.log_stderr,
            syslog=SYSLOG if settings.log_syslog else None,
        )
    )
    if settings.log_syslog and not os.path.exists(SYSLOG):
        log("notice", f"there is no `{SYSLOG}`: messages do not go to syslog")


class _Stderr(logging.Handler):
    """Standard error, whatever that is at the time."""

    options = LogOptions()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if self.options.to_stderr or record.levelno >= logging.CRITICAL:
            write(_as_json(record) if self.options.is_json else self._for_people(record))

    def _for_people(self, record: logging.LogRecord) -> str:
        text = _as_text(record, has_color=self.options.has_color)
        if self.options.screen is None:
            return text
        clock = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03}"
        return f"{click.style(clock, dim=True) if self.options.has_color else clock}  {text}"


class _Syslog(logging.Handler):
    """The system's log, whose lines have a time and a level of their own.

    A socket for each message: there are few, it may be sent from forked processes, and the daemon may come and go.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line, unless the daemon is away or does not keep up."""
        line = f"<{_USER + _SEVERITIES[_name(record)]}>lanner[{os.getpid()}]: {_as_line(record)}"
        with suppress(OSError), socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK) as found:
            found.sendto(line.encode(), self._path)


def _as_json(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    line = {
        "time": f"{seconds}.{int(record.created % 1 * 1e6):06}Z",
        "level": _name(record),
        "message": _clean(record.getMessage()),
        **{key: _clean(value) for key, value in _fields(record).items()},
    }
    return visible(json.dumps(line, ensure_ascii=False, separators=(",", ":")), unicode_escape) + "\n"


def _as_text(record: logging.LogRecord, *, has_color: bool) -> str:
    prefix, color = PREFIXES.get(_name(record), ("", ""))
    text = (click.style(prefix, fg=color, bold=True) if has_color and prefix else prefix) + _as_line(record)
    help_text = _fields(record).get("help")
    return f"{text}\n  help: {printable(_clean(help_text))}\n" if help_text else f"{text}\n"


def _as_line(record: logging.LogRecord) -> str:
    fields = _fields(record)
    name = f"{fields['logger']}: " if "logger" in fields else ""
    why = f" ({fields['exception']})" if "exception" in fields else ""
    return printable(_clean(f"{name}{record.getMessage()}{why}"))


def _name(record: logging.LogRecord) -> Level:
    return next(name for level, name in _NAMES.items() if record.levelno >= level)


def _fields(record: logging.LogRecord) -> Fields:
    """What a message is about; one of a library has no fields, but a name, and maybe an error."""
    is_own = record.name.partition(".")[0] == _LOGGER.name
    given = record.__dict__.get("fields", {} if is_own else {"logger": record.name})
    found: Fields = {key: value for key, value in given.items() if value is not None}  # type: ignore[assignment]
    if record.exc_info and record.exc_info[1]:
        found = {**found, "exception": f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"}
    return found


def _clean(value: Any) -> Any:
    """Text without secrets and not without end; anything else as it is."""
    if isinstance(value, list):
        return [*map(_clean, value)]
    if not isinstance(value, str):
        return value
    text = masked(value.encode("utf-8", "replace").decode())
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


_LOGGER = logging.getLogger("lanner")
_STDERR = _Stderr()
logging.addLevelName(_NOTICE, "NOTICE")
configure(LogOptions())
