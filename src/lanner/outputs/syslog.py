"""Alerts to syslog. Source: Falco, outputs_syslog.cpp; RFC 5424 (message), 5425 (TLS), 5426 (UDP), 6587 (TCP)."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from lanner.engine.alert import Alert
from lanner.outputs.format import for_terminal, utc_time
from lanner.outputs.sink import Encoding, OptionError, RefusedError
from lanner.outputs.tls import TlsOptions

_FACILITY_NAMES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news"),
    *("uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
FACILITIES = {name: number for number, name in enumerate(_FACILITY_NAMES)}
"""The facilities by name. Source: RFC 5424, table 1; the names of syslog.h where it has them."""

_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
_MAX_HOSTNAME = 255
_MIN_MESSAGE = 480  # RFC 5424: every receiver takes so many bytes
_SECOND_NS = 1_000_000_000
_SETTLING_S = 0.25
"""How long a daemon is given to close a new connection over TLS. It looks at the client's certificate and the name in
it when the client has done its part of the handshake already: what is sent then would be lost in silence."""
_PARTING_S = 1.0


class Transport(StrEnum):
    """How messages reach the daemon."""

    LOCAL = "local"
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Header(StrEnum):
    """What stands before the alert: that of RFC 5424, or that which daemons expect on their local socket."""

    RFC5424 = "rfc5424"
    LOCAL = "local"


_PORTS = {Transport.UDP: 514, Transport.TCP: 601, Transport.TLS: 6514}


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogOptions(TlsOptions):
    """Where and how; `falco.yaml` has none of these, and gets the defaults: what the C library's `syslog` does.

    Attributes:
        transport: The local socket, UDP, TCP (each message behind its length), or that within TLS.
        path: The local socket.
        host: The daemon's host, for the others.
        port: Its port, or 0 for the usual one: 514, 601 or 6514.
        facility: One of `FACILITIES`.
        app_name: What the messages say they come from: up to 48 printable ASCII characters.
        header: Which header; None for `local` on the local socket, where journald knows no other, else `rfc5424`.
        max_message_bytes: A longer message is cut there, and counted. 8 KiB is rsyslog's default too.
        timeout_s: How long connecting and sending may take, each.
    """

    transport: Transport = Transport.LOCAL
    path: str = "/dev/log"
    host: str = ""
    port: int = 0
    facility: str = "user"
    app_name: str = "lanner"
    header: Header | None = None
    max_message_bytes: int = 8192
    timeout_s: float = 10


class SyslogOutput:
    """Sends a message an alert, its severity the alert's priority.

    Attributes:
        truncated: How many messages were cut.
    """

    max_batch: ClassVar[int] = 1

    def __init__(self, options: SyslogOptions, encoding: Encoding) -> None:
        """Check the options; the daemon is sought with the first write.

        Raises:
            OptionError: An option cannot be used.
        """
        _check(options)
        self.truncated = 0
        self._options = options
        self._encoding = encoding
        self._is_local = options.header is Header.LOCAL or (
            options.header is None and options.transport is Transport.LOCAL
        )
        self._is_stream = options.transport in (Transport.TCP, Transport.TLS)
        self._context = options.context() if options.transport is Transport.TLS else None
        self._socket: socket.socket | None = None
        self._wants_reopen = False

    @property
    def place(self) -> str:
        """The local socket, or host and port."""
        return _place(self._options)

    def write(self, alerts: Sequence[Alert]) -> None:
        """Send the alerts, in order.

        Raises:
            RefusedError: The message is too large for the socket.
            OSError: The daemon cannot be reached, or does not take the message in time.
        """
        for alert in alerts:
            self._send(self._message(alert))

    def flush(self) -> None:
        """Nothing waits: each message went to the system."""

    def close(self) -> None:
        """Close the connection; over TLS both sides say so first, within a second."""
        if isinstance(self._socket, ssl.SSLSocket):
            with suppress(OSError):
                self._socket.settimeout(_PARTING_S)
                self._socket.unwrap()
        self._drop()

    def _drop(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def reopen(self) -> None:
        """Connect anew with the next write."""
        self._wants_reopen = True

    def _message(self, alert: Alert) -> bytes:
        priority = FACILITIES[self._options.facility] * 8 + alert.priority.level
        header = self._local_header(alert) if self._is_local else self._header(alert)
        text = for_terminal(self._encoding.encode(alert).removesuffix(b"\n"))
        message = f"<{priority}>{header}".encode() + text
        most = self._options.max_message_bytes
        if len(message) <= most:
            return message
        self.truncated += 1
        return message[:most].decode("utf-8", "ignore").encode()

    def _header(self, alert: Alert) -> str:
        host = _NOT_PRINTABLE.sub("?", alert.hostname)[:_MAX_HOSTNAME] or "-"
        microseconds = f"{utc_time(alert.time_ns)[:-4]}Z"
        return f"1 {microseconds} {host} {self._options.app_name} {os.getpid()} - - "

    def _local_header(self, alert: Alert) -> str:
        """Local time in English whatever the locale; the day is padded with a blank."""
        moment = time.localtime(alert.time_ns // _SECOND_NS)
        stamp = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2} {time.strftime('%H:%M:%S', moment)}"
        return f"{stamp} {self._options.app_name}[{os.getpid()}]: "

    def _send(self, message: bytes) -> None:
        connection = self._connected()
        try:
            if self._is_stream:
                connection.sendall(b"%d %b" % (len(message), message))
            else:
                connection.send(message)
        except OSError as error:
            self._drop()
            if error.errno == errno.EMSGSIZE:
                raise RefusedError(errno.EMSGSIZE, f"{len(message)} bytes are too many for the socket") from error
            raise

    def _connected(self) -> socket.socket:
        wants_reopen, self._wants_reopen = self._wants_reopen, False
        if self._socket is not None and (wants_reopen or (self._is_stream and _has_ended(self._socket, 0))):
            self._drop()
        if self._socket is None:
            self._socket = self._connect()
            self._socket.settimeout(self._options.timeout_s)
        return self._socket

    def _connect(self) -> socket.socket:
        options = self._options
        if options.transport is Transport.LOCAL:
            return _datagrams(socket.AF_UNIX, options.path)
        address = _address(options)
        if options.transport is Transport.UDP:
            family, _, _, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
            return _datagrams(family, found)
        plain = socket.create_connection(address, options.timeout_s)
        if self._context is None:
            return plain
        try:
            connection = self._context.wrap_socket(plain, server_hostname=options.host)
        except OSError:
            plain.close()
            raise
        try:
            _settle(connection)
        except OSError:
            connection.close()
            raise
        return connection


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _check(options: SyslogOptions) -> None:
    if options.transport is not Transport.LOCAL and not options.host:
        raise OptionError("host", f"needed for `{options.transport}`", "name the host of the daemon")
    if not 0 <= options.port <= 65535:
        raise OptionError("port", f"no port `{options.port}`")
    if options.facility not in FACILITIES:
        raise OptionError("facility", f"unknown facility `{options.facility}`", f"one of {', '.join(FACILITIES)}")
    if not options.app_name or len(options.app_name) > 48 or _NOT_PRINTABLE.search(options.app_name):
        raise OptionError("app_name", "not 1 to 48 printable ASCII characters without blanks")
    if options.max_message_bytes < _MIN_MESSAGE:
        raise OptionError("max_message_bytes", f"less than {_MIN_MESSAGE}")


def _address(options: SyslogOptions) -> tuple[str, int]:
    return options.host, options.port or _PORTS[options.transport]


def _place(options: SyslogOptions) -> str:
    if options.transport is Transport.LOCAL:
        return options.path
    host, port = _address(options)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _datagrams(family: int, address: str | tuple[object, ...]) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_DGRAM)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _settle(connection: ssl.SSLSocket) -> None:
    """Wait for what the daemon may have against the client.

    Raises:
        OSError: It has closed the connection.
    """
    until = time.monotonic() + _SETTLING_S
    while (rest := until - time.monotonic()) > 0:
        if _has_ended(connection, rest):
            raise ConnectionAbortedError(
                errno.ECONNABORTED, "the daemon closes the connection: does it accept the client's certificate?"
            )


def _has_ended(connection: socket.socket, timeout_s: float) -> bool:
    """Whether the daemon has closed the connection, or does within the time: what is sent then would vanish.

    What it says on it, such as tickets of TLS, is passed over.
    """
    usual = connection.gettimeout()
    connection.settimeout(timeout_s)
    try:
        return not connection.recv(4096)
    except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(usual)
