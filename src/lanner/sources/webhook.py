"""The webhook that an API server posts its audit events to, over HTTP or HTTPS.

Source: Falco plugins, k8saudit (form of the address).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from lanner.sources.base import MIB, Handler, Limits, SourceError
from lanner.sources.listener import bind, serve, tls_context
from lanner.sources.receiver import ASGIApp, Receiver, WebhookStats

DEFAULT_CERTIFICATE = "/etc/falco/falco.pem"

_EXAMPLE = "write it like `http://127.0.0.1:9765/k8s-audit`"


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where and how to listen. An empty host is all interfaces; `path` is compared exactly."""

    host: str = "127.0.0.1"
    port: int = 9765
    path: str = "/k8s-audit"
    is_tls: bool = False
    certificate: str = DEFAULT_CERTIFICATE
    key: str | None = None
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_url(
        cls, url: str, *, certificate: str = DEFAULT_CERTIFICATE, key: str | None = None, limits: Limits | None = None
    ) -> WebhookOptions:
        """Read an address of Falco's `open_params`: `http(s)://host:port/path`.

        Raises:
            SourceError: It cannot be understood.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise SourceError(url, "not an address", _EXAMPLE, action="listen on") from error
        if parts.scheme not in ("http", "https"):
            raise SourceError(url, f"unknown scheme `{parts.scheme}`", _EXAMPLE, action="listen on")
        if port is None:
            raise SourceError(url, "the address has no port", _EXAMPLE, action="listen on")
        return cls(
            host=host,
            port=port,
            path=unquote(parts.path) or "/",
            is_tls=parts.scheme == "https",
            certificate=certificate,
            key=key,
            limits=limits or Limits(),
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class WebhookSource:
    """Receives posts of audit events; a post is answered with 200 once the handler has returned.

    Args:
        options: Where and how to listen.
        limits: Bounds, when they are not those of `options`.
        max_in_flight_bytes: Bound of all bodies held at a time; beyond it the API server is asked to wait.
        body_timeout_s: How long a body may take to arrive.
        drain_timeout_s: How long posts that have begun may take once the source is cancelled.
        extra: Applications for other paths on the same port.
        is_shared: Whether other processes may listen on the same port.
        stats: Where to count.
        on_started: Told host and port once connections are accepted.
    """

    def __init__(
        self,
        options: WebhookOptions,
        limits: Limits | None = None,
        *,
        max_in_flight_bytes: int = 512 * MIB,
        body_timeout_s: float = 60.0,
        drain_timeout_s: int = 30,
        extra: Mapping[str, ASGIApp] | None = None,
        is_shared: bool = False,
        stats: WebhookStats | None = None,
        on_started: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        self.options = options
        self.stats = stats or WebhookStats()
        self.address: tuple[str, int] | None = None
        """Host and port that are listened on, once they are."""
        self.started = asyncio.Event()
        """Set while connections are accepted."""
        self._limits = limits or options.limits
        self._max_in_flight_bytes = max_in_flight_bytes
        self._body_timeout_s = body_timeout_s
        self._drain_timeout_s = drain_timeout_s
        self._extra = extra
        self._is_shared = is_shared
        self._on_started = on_started

    async def run(self, handle: Handler) -> None:
        """Serve until cancelled; posts that have begun are then finished.

        Raises:
            SourceError: the address is not to be had, or certificate and key are not usable.
        """
        options = self.options
        tls = tls_context(options.certificate, options.key) if options.is_tls else None
        receiver = Receiver(
            options.path,
            handle,
            self._limits,
            max_in_flight_bytes=self._max_in_flight_bytes,
            body_timeout_s=self._body_timeout_s,
            extra=self._extra,
            stats=self.stats,
        )
        listening = bind(options.host, options.port, is_shared=self._is_shared)
        host, port = listening.getsockname()[:2]

        def started() -> None:
            self.started.set()
            self._on_started(host, port)

        try:
            self.address = host, port
            await serve(receiver, listening, tls=tls, started=started, drain_timeout_s=self._drain_timeout_s)
        finally:
            self.address = None
            self.started.clear()
            listening.close()


def url_of(options: WebhookOptions, host: str, port: int) -> str:
    """The address of a webhook that listens there."""
    scheme = "https" if options.is_tls else "http"
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}{options.path}"
