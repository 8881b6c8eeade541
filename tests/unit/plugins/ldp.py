"""A Logs Data Platform to test against: a real WebSocket server over TLS, whose connections follow scripts."""

from __future__ import annotations

import http
import json
import queue
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

TIMEOUT_S = 20
TOKEN = "5f2d6c1e-0a4b-4d5e-9c1f-000000000042"

Script = Callable[[ServerConnection], None]


@dataclass
class Platform:
    """Each connection follows the next script and is closed then; one without a script stays open."""

    port: int = 0
    scripts: queue.SimpleQueue[Script] = field(default_factory=queue.SimpleQueue)
    paths: list[str] = field(default_factory=list)
    status: int | None = None
    connections: queue.SimpleQueue[ServerConnection] = field(default_factory=queue.SimpleQueue)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"localhost:{self.port}/tail/?tk={TOKEN}"

    def follow(self, *scripts: Script) -> None:
        for script in scripts:
            self.scripts.put(script)

    def wait(self) -> ServerConnection:
        """The next connection."""
        return self.connections.get(timeout=TIMEOUT_S)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        return None if self.status is None else connection.respond(http.HTTPStatus(self.status), "")

    def _serve(self, connection: ServerConnection) -> None:
        self.connections.put(connection)
        try:
            script = self.scripts.get_nowait()
        except queue.Empty:
            script = self._idle
        with suppress(ConnectionClosed, OSError):
            script(connection)

    def _idle(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while not self.ended.is_set():
                connection.recv()


@contextmanager
def platform(folder: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[Platform]:
    """A server with a certificate of its own authority, which `authority.pem` in the folder names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    if monkeypatch:
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    found = Platform()
    with serve(
        found._serve, "localhost", 0, ssl=context, process_request=found._answer, close_timeout=1, ping_interval=None
    ) as server:
        found.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            found.ended.set()
            server.shutdown()
            thread.join(TIMEOUT_S)
            while not found.connections.empty():
                with suppress(OSError):
                    found.connections.get().close_socket()


def event(number: int = 0, **members: Any) -> dict[str, Any]:
    """An audit event of its own."""
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"{number:08x}-0000-4000-8000-000000000000",
        "stage": "ResponseComplete",
        "requestURI": "/api",
        "verb": "get",
        "user": {"username": "kubernetes-admin", "groups": ["system:masters"]},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2025-02-10T12:29:51.895849Z",
        **members,
    }


def gelf(text: str, **members: Any) -> str:
    """A log in Graylog's form, as text."""
    return json.dumps({"version": "1.1", "host": "mks", "short_message": text, "timestamp": 1.5, **members})


def frame(content: Mapping[str, Any] | str, **members: Any) -> str:
    """A message of the tail that holds an event, or a text."""
    text = content if isinstance(content, str) else json.dumps(content)
    return json.dumps({"message": gelf(text, _appID="kube-apiserver", **members)})


def sends(*frames: str | bytes) -> Script:
    """Send the messages, and close."""

    def script(connection: ServerConnection) -> None:
        for each in frames:
            connection.send(each)

    return script
