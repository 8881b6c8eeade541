"""A listening socket, with or without TLS, and the HTTP server on it: uvicorn, with the bounds that it leaves out."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lanner.sources.base import SourceError, reason_of

HEAD_LIMIT = 64 * 1024
"""Bytes of a request that are no body: an API server sends a few hundred, with a bearer token a few thousand."""

HEAD_TIMEOUT_S = 60.0
"""How long a request's head may take, and a new connection may be silent."""

MAX_CONNECTIONS = 1024
"""Those that are open; an API server in a blocking mode uses one for each request that it is serving."""

KEEP_ALIVE_S = 75
"""How long a connection may be idle between requests."""

_FRAMING = 8  # a chunk of one byte comes with five more
_BACKLOG = 2048
_HELP = {
    errno.EADDRINUSE: "stop what listens there (`ss -ltnp` shows it), or choose another port",
    errno.EACCES: "choose a port above 1023",
    errno.EADDRNOTAVAIL: "give an address of this host, or none for all",
}


def bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Listen on an address; an empty host is all interfaces, port 0 any free port.

    Args:
        host: A name or an address of this host.
        port: The port.
        is_shared: Whether others that share it, of the same user, may listen there too: the kernel spreads connections.

    Raises:
        SourceError: the address is not to be had, is unknown, or is in use.
    """
    with _binding(host, port):
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=_BACKLOG, reuse_port=is_shared, dualstack_ipv6=True
            )
        family, _, _, _, address = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]  # noqa: S104 - no host stands for all interfaces
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG, reuse_port=is_shared)


def reserve(host: str, port: int) -> socket.socket:
    """Keep an address for those that `bind` it shared, while the socket is open; it does not listen itself.

    Raises:
        SourceError: the address is not to be had, is unknown, or is in use, be it by others that share it.
    """
    with bind(host, port) as alone, _binding(host, port):
        kept = socket.socket(alone.family, socket.SOCK_STREAM)
        address, is_ipv6 = alone.getsockname(), alone.family == socket.AF_INET6
        if is_ipv6:
            only = alone.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            kept.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            kept.setsockopt(socket.SOL_SOCKET, option, 1)
        alone.close()
        try:
            kept.bind(address)
        except OSError:
            kept.close()
            raise
        return kept


@contextlib.contextmanager
def _binding(host: str, port: int) -> Iterator[None]:
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        yield
    except socket.gaierror as error:
        raise SourceError(name, "unknown host", "give an address of this host", action="listen on") from error
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number).lower()  # `error` has more words, of Python's
        raise SourceError(name, reason, _HELP.get(number), action="listen on") from error


def tls_context(certificate: str, key: str | None = None) -> ssl.SSLContext:
    """Make a server's TLS context from a PEM file with certificate and key, or from one file for each.

    Raises:
        SourceError: a file cannot be read, holds no certificate or no key, or the two do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (certificate, key or certificate):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise SourceError(path, reason_of(error), "`sslCertificate` names a PEM file") from error
    try:
        # The empty password keeps an encrypted key from being asked for at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        is_mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        reason = "the key does not belong to the certificate" if is_mismatch else "no usable certificate and key"
        help_text = "put the certificate and its unencrypted key into one PEM file, or name the key by `sslKey`"
        raise SourceError(certificate, reason, help_text) from error
    return context


class BoundedProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with bounds on connections, and on the size and time of all that is not body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Refuse a connection too many; expect a request on the others."""
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._excess = 0
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is not body; end a connection that sends too much of it."""
        self._excess += len(data)
        super().data_received(data)
        if self._excess > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop the clock: how long a body may take is for the application to say."""
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take body off the count, with what framing in small chunks adds to it; it earns nothing for later."""
        self._excess = max(0, self._excess - _FRAMING * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin anew with the next request."""
        self._excess = 0
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    """Leaves signals to the program, and says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()


async def serve(
    app: Any,
    listening: socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    started: Callable[[], None] = lambda: None,
    drain_timeout_s: int = 30,
) -> None:
    """Serve an ASGI application until cancelled; requests that have begun may then end within the time given."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what a peer sends must not fill the log
        access_log=False,
        proxy_headers=False,  # the peer's address is the connection's, whatever its headers say
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=drain_timeout_s,
    )
    config.load()
    config.ssl = tls
    server = _Server(config, started)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
