"""An API server that behaves as a real one was recorded to, with its time in the hands of the test.

Over TLS it answers requests and shows its metrics; every request is judged by an audit policy; its webhook's client
posts batches of up to 400 events, or what there is after 30 seconds, tries a batch five times, and then drops it. One
event that cannot be encoded, as the body of a server-side apply in YAML, takes the batch around it with it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import trustme

from lanner.sources.listener import serve
from lanner.sources.tls import Tls, TlsFiles

MAX_BATCH = 400
BATCH_S = 30.0
BUFFER = 10_000
GAPS_S = (10.0, 15.0, 22.0, 35.0)
"""Between the five tries of a batch."""

TOKEN = "token-of-lanner"
EPOCH_S = 1_800_000_000.0
FILLER = b"# HELP apiserver_request_total Requests.\n" + b"".join(
    b'apiserver_request_total{code="200",verb="GET",resource="things%d"} 1e+06\n' % n for n in range(2000)
)
"""What else an API server shows, and nobody wants to know."""

Policy = Callable[[str, str], str]
"""The level of a request, by its user and its path."""


def metadata(user: str, path: str) -> str:
    """A policy that records everything."""
    return "Metadata"


def nothing(user: str, path: str) -> str:
    """A policy that records nothing."""
    return "None"


@dataclass
class Event:
    """An audit event; one that cannot be encoded is never sent."""

    item: dict[str, Any]
    can_be_encoded: bool = True


@dataclass
class Batch:
    """Events on their way, with the times of the tries that are left."""

    events: list[Event]
    tries: deque[float]


@dataclass(eq=False)
class FakeApiServer:
    """The API server.

    Attributes:
        webhook: Where audit events are posted; None: nowhere, as with another kubeconfig.
        policy: What is recorded; None: the server has no audit policy.
        grants: What the token may do; of the paths that it may not get the answer is 403.
        now: The time, in seconds since the server's clock began.
    """

    webhook: str | None = None
    policy: Policy | None = metadata
    grants: tuple[str, ...] = ("/metrics", "/api")
    token: str = TOKEN
    is_down: bool = False
    hidden: tuple[str, ...] = ()
    now: float = 0.0
    started: float = EPOCH_S - 1_000_000
    events: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""
    ca_file: str = ""
    _buffer: deque[tuple[float, Event]] = field(default_factory=deque)
    _batches: list[Batch] = field(default_factory=list)
    _client: httpx.AsyncClient | None = None

    # What happens in the cluster

    def happens(self, times: int = 1, user: str = "alice", path: str = "/api/v1/namespaces/shop/pods/cart") -> None:
        """Somebody asks for something."""
        for _ in range(times):
            self._audit(user, path, 200)

    def is_applied_in_yaml(self, user: str = "mallory") -> None:
        """Somebody applies something in YAML, under a policy that records the body."""
        self._audit(user, "/api/v1/namespaces/shop/configmaps/x?fieldManager=m", 200, can_be_encoded=False)

    def restart(self) -> None:
        """Start again: what waited is gone, and all counts begin anew."""
        self.started = EPOCH_S + self.now
        self.events, self.rejected = 0, 0
        self.errors.clear()
        self.levels.clear()
        self._buffer.clear()
        self._batches.clear()

    # Its audit backend

    def _audit(self, user: str, path: str, code: int, *, can_be_encoded: bool = True) -> None:
        if self.policy is None:
            return
        level = self.policy(user, path)
        self.levels[level] += 1
        if level == "None":
            return
        self.events += 1
        if len(self._buffer) >= BUFFER:
            self.errors["buffered"] += 1
            return
        at = datetime.fromtimestamp(EPOCH_S + self.now, UTC).isoformat().replace("+00:00", "Z")
        item = {
            "level": level,
            "auditID": f"{self.events:08d}",
            "stage": "ResponseComplete",
            "requestURI": path,
            "verb": "get",
            "user": {"username": user, "groups": ["system:authenticated"]},
            "sourceIPs": ["10.0.0.7"],
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": at,
            "stageTimestamp": at,
        }
        self._buffer.append((self.now, Event(item, can_be_encoded)))

    async def passes(self, seconds: float) -> None:
        """Let time pass: batches are made, posted, tried again and dropped when their time comes."""
        self.now += seconds
        while self._buffer and (len(self._buffer) >= MAX_BATCH or self._buffer[0][0] + BATCH_S <= self.now):
            events = [self._buffer.popleft()[1] for _ in range(min(MAX_BATCH, len(self._buffer)))]
            tries = deque([self.now])
            for gap in GAPS_S:
                tries.append(tries[-1] + gap)
            self._batches.append(Batch(events, tries))
        for batch in [*self._batches]:
            if batch.tries[0] > self.now:
                continue
            batch.tries.popleft()
            if await self._post(batch):
                self._batches.remove(batch)
            elif not batch.tries:
                self._batches.remove(batch)
                self.errors["webhook"] += len(batch.events)

    async def _post(self, batch: Batch) -> bool:
        if self.webhook is None or not all(event.can_be_encoded for event in batch.events):
            return False
        assert self._client
        items = [event.item for event in batch.events]
        body = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}
        try:
            answer = await self._client.post(f"{self.webhook}?timeout=30s", json=body)
        except httpx.TransportError:
            return False
        return answer.status_code in (200, 201, 202, 204)

    # What it answers

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI application."""
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        headers = dict(scope["headers"])
        self.asked.append(path)
        if headers.get(b"authorization") != f"Bearer {self.token}".encode():
            code, body = 401, b'{"kind":"Status","code":401}'
        elif not any(path.startswith(grant) for grant in self.grants):
            code, body = 403, b'{"kind":"Status","code":403}'
        elif self.is_down:
            code, body = 503, b"etcd is away"
        else:
            code, body = (200, b"") if path == "/metrics" else (404, b'{"kind":"Status","code":404}')
        self._audit("system:serviceaccount:lanner:lanner", path, code)
        if path == "/metrics" and code == 200:
            body = FILLER + self.metrics() + FILLER
        await send({"type": "http.response.start", "status": code, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    def metrics(self) -> bytes:
        """Its metrics that are about auditing, as it shows them."""
        series: dict[str, dict[str, float]] = {
            "apiserver_audit_event_total": {"": self.events},
            "apiserver_audit_error_total": {f'{{plugin="{name}"}}': n for name, n in self.errors.items()},
            "apiserver_audit_level_total": {f'{{level="{name}"}}': n for name, n in self.levels.items()},
            "apiserver_audit_requests_rejected_total": {"": self.rejected},
            "process_start_time_seconds": {"": self.started},
        }
        lines = []
        for name, values in series.items():
            if name not in self.hidden:
                lines += [f"# HELP {name} [ALPHA] Words.", f"# TYPE {name} counter"]
                lines += [f"{name}{labels} {value}" for labels, value in values.items()]
        return "".join(f"{line}\n" for line in lines).encode()

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[FakeApiServer]:
        """Listen, with a certificate for the name that API servers have in a cluster."""
        authority = trustme.CA()
        certificate = authority.issue_cert("kubernetes.default.svc")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "apiserver.pem"))
        self.ca_file = str(folder / "ca.crt")
        authority.cert_pem.write_to_path(self.ca_file)
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        started = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.answer(scope, receive, send)

        tls = Tls(TlsFiles(str(folder / "apiserver.pem")))
        serving = asyncio.ensure_future(serve(app, listening, tls=tls, started=started.set, drain_timeout_s=1))
        try:
            async with httpx.AsyncClient(trust_env=False) as self._client:
                await started.wait()
                yield self
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            listening.close()
