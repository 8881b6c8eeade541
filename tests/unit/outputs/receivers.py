"""Real receivers on loopback, and an output that does as it is told."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, ClassVar

import msgspec
import trustme

from lanner.engine.alert import Alert, Finding
from lanner.outputs.fanout import Fanout
from lanner.outputs.journal import MemoryJournal
from lanner.outputs.route import Route
from lanner.outputs.window import QueueLimits
from lanner.rules.priority import Priority

TIMEOUT_S = 20


def alert(number: int = 0, **changes: Any) -> Alert:
    base = Alert(
        time_ns=1795256638064343000 + number,
        rule="Pod created",
        priority=Priority.WARNING,
        source="k8s_audit",
        message=f"pod {number}",
        output_fields={"ka.target.name": f"web-{number}", "ka.user.groups": ["a", "b"], "ka.verb": None},
        tags=("k8s", "pods"),
        hostname="vm",
    )
    return msgspec.structs.replace(base, **changes)


@dataclass(frozen=True, slots=True)
class Post:
    """What a web server was sent."""

    path: str
    headers: dict[str, str]
    body: bytes
    client_port: int
    client_name: str | None


@dataclass(slots=True)
class WebServer:
    """Takes posts, and answers with `statuses` in turn, then with 200."""

    port: int
    posts: Queue[Post] = field(default_factory=Queue)
    statuses: list[int] = field(default_factory=list)
    answer: bytes = b"ok"

    def next(self) -> Post:
        return self.posts.get(timeout=TIMEOUT_S)


@contextmanager
def web_server(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_S
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = _client_name(self.connection)
            web.posts.put(Post(self.path, dict(self.headers), body, self.client_address[1], name))
            self.send_response(web.statuses.pop(0) if web.statuses else 200)
            self.send_header("Content-Length", str(len(web.answer)))
            self.end_headers()
            self.wfile.write(web.answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            plain, address = super().get_request()
            if context is None:
                return plain, address
            try:
                return context.wrap_socket(plain, server_side=True), address
            except OSError:
                plain.close()
                raise

    server = Server(("127.0.0.1", port), Handler)
    web = WebServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _client_name(connection: socket.socket) -> str | None:
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not certificate:
        return None
    names = certificate["subjectAltName"]
    assert isinstance(names, tuple)
    return str(names[0][1])


@dataclass(slots=True)
class Daemon:
    """A syslog daemon's end of a stream: connections in the order in which they came."""

    port: int
    listener: socket.socket
    context: ssl.SSLContext | None

    def accept(self) -> socket.socket:
        connection, _ = self.listener.accept()
        connection.settimeout(TIMEOUT_S)
        if self.context is None:
            return connection
        return self.context.wrap_socket(connection, server_side=True)


@contextmanager
def stream_daemon(context: ssl.SSLContext | None = None) -> Iterator[Daemon]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        yield Daemon(listener.getsockname()[1], listener, context)


@contextmanager
def datagram_daemon(address: str | tuple[str, int]) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(TIMEOUT_S)
        yield receiver


def counted(connection: socket.socket) -> bytes:
    """A message behind its length, as RFC 6587 counts octets."""
    digits = b""
    while (char := connection.recv(1)) != b" ":
        assert char.isdigit()
        digits += char
    message = b""
    while len(message) < int(digits):
        part = connection.recv(int(digits) - len(message))
        assert part
        message += part
    return message


def server_context(authority: trustme.CA, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    if wants_client:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@dataclass(slots=True)
class ScriptedSink:
    """Does with each write what `script` says next, and takes alerts when that has nothing more to say."""

    max_batch: ClassVar[int] = 4
    script: list[Callable[[], None]] = field(default_factory=list)
    taken: Queue[list[Alert]] = field(default_factory=Queue)
    closed: threading.Event = field(default_factory=threading.Event)
    reopened: int = 0
    attempts: int = 0
    place: str = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        self.attempts += 1
        if self.script:
            self.script.pop(0)()
        self.taken.put(list(alerts))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed.set()

    def reopen(self) -> None:
        self.reopened += 1

    def next(self) -> list[str]:
        return [each.message for each in self.taken.get(timeout=TIMEOUT_S)]


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


class Fan(Fanout):
    """A fanout over a journal in memory, and whoever writes to that."""

    def __init__(self, routes: Sequence[Route], **options: Any) -> None:
        limits = routes[0].limits if routes else QueueLimits()
        self.journal = MemoryJournal(limits, [route.name for route in routes])
        super().__init__(routes, self.journal, **options)

    def write(self, alerts: Sequence[Alert]) -> None:
        self._append([Finding.of(each, os.urandom(8)) for each in alerts])

    async def put(self, findings: Sequence[Finding]) -> None:
        """What a pipeline asks of a keeper."""
        self._append(findings)

    def _append(self, findings: Sequence[Finding]) -> None:
        if findings:
            self.journal.append(findings)
            self.wake()
