"""A listening socket, with or without TLS, and the HTTP server on it: uvicorn, with connections of our own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lanner.sources.auth import DENIALS, IPV6_SITE, Denial, Network, Peer, address_of, is_within
from lanner.sources.base import SourceError
from lanner.sources.connection import HEAD_BYTES, Bounds, Connection, Intake
from lanner.sources.crowd import Closing, ConnectionStats, Crowd, Rank
from lanner.sources.tls import Tls

OnRefused = Callable[[Peer, Denial | None, str], None]

_BACKLOG = 2048
_BURST = 64  # connections that are accepted before others have their turn
_PAUSE_S = 0.05  # until it is tried again where there was no room for another open file
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_DESCRIPTORS = 8192
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


class Server(uvicorn.Server):
    """Accepts connections by itself, so that those are bounded that are not open yet; leaves signals to the program."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        bounds: Bounds,
        tls: Tls | None,
        networks: tuple[Network, ...],
        stats: ConnectionStats,
        on_started: Callable[[], None],
        on_refused: OnRefused,
    ) -> None:
        super().__init__(config)
        self.bounds = bounds
        self.crowd = Crowd(min(bounds.connections, _descriptors() // 2), bounds.of_site, stats)
        self._head = memoryview(bytearray(HEAD_BYTES))
        self._tls = tls
        self._networks = networks
        self._named = tuple(network for network in networks if network.prefixlen > IPV6_SITE)
        self._on_started = on_started
        self._on_refused = on_refused
        self._renewing: asyncio.Task[None] | None = None
        self._is_over = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await self.lifespan.startup()
        self.servers = []
        for each in sockets or ():
            each.setblocking(False)
            self._listen(each)
        if self._tls is not None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew(self._tls))
        self.started = True
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and let those end that there are."""
        self._is_over = True
        for each in sockets or ():
            asyncio.get_running_loop().remove_reader(each)
        if self._renewing is not None:
            self._renewing.cancel()
        for member in self.crowd.members():
            if isinstance(member, Connection) and member.transport is None:
                member.give_up()
        await super().shutdown(sockets)

    def _listen(self, listening: socket.socket) -> None:
        if not self._is_over:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take connections that wait, but not so many that others do not have their turn."""
        loop = asyncio.get_running_loop()
        for _ in range(_BURST):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # of this connection, or of them all
                if error.errno in _NO_ROOM:
                    self.crowd.thin()
                    loop.remove_reader(listening)
                    loop.call_later(_PAUSE_S, self._listen, listening)
                    return
            else:
                self._admit(accepted, str(address[0]))

    def _admit(self, accepted: socket.socket, host: str) -> None:
        address = address_of(host)
        peer = Peer(address, is_named=is_within(address, self._named))
        connection = Connection(self.config, self.server_state, self.crowd, self.bounds, peer, head=self._head)
        is_stranger = bool(self._networks) and not is_within(address, self._networks)
        if self.crowd.enter(connection, peer.site, Rank.STRANGER if is_stranger else Rank.GUEST):
            connection.opening = asyncio.get_running_loop().create_task(self._open(connection, accepted))
            connection.opening.add_done_callback(lambda opening: self._see_opened(opening, connection, accepted))
        else:
            accepted.close()

    async def _open(self, connection: Connection, accepted: socket.socket) -> None:
        timeout_s = self.bounds.handshake_s if self._tls else None
        try:
            context = self._tls.get() if self._tls else None
            connection.generation = self._tls.changes if self._tls else 0
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Intake(connection),
                accepted,
                ssl=context,
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=timeout_s,
            )
        except OSError as error:
            self.crowd.close(Closing.HANDSHAKE)
            if isinstance(error, ssl.SSLError):
                self._on_refused(connection.peer, *_verdict(error))

    def _see_opened(self, opening: asyncio.Task[None], connection: Connection, accepted: socket.socket) -> None:
        """Let go of what was not opened, be it that it was given up before that began."""
        if opening.cancelled() or connection.transport is None:
            self.crowd.leave(connection)
            accepted.close()

    async def _renew(self, tls: Tls) -> None:
        """End connections that began with other certificates, once the requests that they have begun are done."""
        while True:
            await asyncio.sleep(self.bounds.renewal_s)
            tls.get()
            for each in self.crowd.members():
                if isinstance(each, Connection) and each.transport is not None and each.generation != tls.changes:
                    each.shutdown()


async def serve(
    app: Any,
    listening: socket.socket,
    *,
    tls: Tls | None = None,
    bounds: Bounds | None = None,
    networks: tuple[Network, ...] = (),
    stats: ConnectionStats | None = None,
    started: Callable[[], None] = lambda: None,
    on_refused: OnRefused = lambda peer, denial, reason: None,
    drain_timeout_s: int = 30,
) -> None:
    """Serve an ASGI application until cancelled; requests that have begun may then end within the time given.

    Args:
        app: The application; it finds the `Peer` as `peer` in a request's state.
        listening: A socket that listens.
        tls: For HTTPS, exchanged as its files are.
        bounds: What connections are granted.
        networks: Connections from elsewhere are the first to be given up; none: all are alike.
        stats: Where to count connections.
        started: Called once connections are accepted.
        on_refused: Told of a peer that TLS was not agreed on with; whether that is for what it shows of itself; and
            why, in words for people.
        drain_timeout_s: For requests that have begun.
    """
    bounds = bounds or Bounds()
    config = uvicorn.Config(
        app,
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what a peer sends must not fill the log
        access_log=False,
        proxy_headers=False,  # the peer's address is the connection's, whatever its headers say
        server_header=False,
        timeout_keep_alive=bounds.keep_alive_s,  # type: ignore[arg-type]  # it is a delay, of any number
        timeout_graceful_shutdown=drain_timeout_s,
    )
    config.load()
    server = Server(
        config,
        bounds=bounds,
        tls=tls,
        networks=networks,
        stats=stats or ConnectionStats(),
        on_started=started,
        on_refused=on_refused,
    )
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


def _descriptors() -> int:
    """How many files may be open, raised where the system allows: connections must leave enough for all else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


_TLS_REASONS = {
    "HTTP_REQUEST": "it speaks HTTP where HTTPS is spoken",
    "UNSUPPORTED_PROTOCOL": "its TLS is older than 1.2",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the CA that signed the certificate here",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not take the certificate here",
}


def _verdict(error: ssl.SSLError) -> tuple[Denial | None, str]:
    if error.reason == "CERTIFICATE_VERIFY_FAILED":
        return Denial.UNTRUSTED, DENIALS[Denial.UNTRUSTED]
    return None, _TLS_REASONS.get(error.reason or "", "TLS was not agreed on")
