"""The webhook that an API server posts its audit events to, over HTTP or HTTPS.

Source: Falco plugins, k8saudit (form of the address).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from lanner.sources.auth import Access, Denial, Guard, Peer
from lanner.sources.base import Delivery, Handler, Limits, RejectedDelivery, SourceError
from lanner.sources.connection import Bounds
from lanner.sources.listener import bind, serve
from lanner.sources.plugin import Trouble
from lanner.sources.receiver import ASGIApp, Receiver, Refusal, WebhookStats
from lanner.sources.refusals import Refusals
from lanner.sources.tls import Tls, TlsFiles

_LOG = logging.getLogger(__name__)

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
    access: Access = field(default_factory=Access)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        certificate: str = DEFAULT_CERTIFICATE,
        key: str | None = None,
        limits: Limits | None = None,
        access: Access | None = None,
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
            access=access or Access(),
        )

    @property
    def is_guarded(self) -> bool:
        """Whether nobody can post without proving who it is; over HTTP a token can be read on its way."""
        return self.is_loopback or (self.is_tls and self.access.asks)

    @property
    def tls_files(self) -> TlsFiles | None:
        """What its TLS is made of; None: it has none."""
        return TlsFiles(self.certificate, self.key, self.access.client_ca) if self.is_tls else None

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
        bounds: What connections and posts are granted.
        drain_timeout_s: How long posts that have begun may take once the source is cancelled.
        extra: Applications for other paths on the same port.
        is_shared: Whether other processes may listen on the same port.
        stats: Where to count.
        on_started: Told host and port once connections are accepted.
        on_trouble: Told of trouble that it goes on after, as `Context.tell`.
        name: What messages call it.
    """

    def __init__(
        self,
        options: WebhookOptions,
        limits: Limits | None = None,
        *,
        bounds: Bounds | None = None,
        drain_timeout_s: int = 30,
        extra: Mapping[str, ASGIApp] | None = None,
        is_shared: bool = False,
        stats: WebhookStats | None = None,
        on_started: Callable[[str, int], None] = lambda host, port: None,
        on_trouble: Callable[..., None] = lambda trouble, text, times=1: None,
        name: str = "webhook",
    ) -> None:
        self.options = options
        self.stats = stats or WebhookStats()
        self.address: tuple[str, int] | None = None
        """Host and port that are listened on, once they are."""
        self.started = asyncio.Event()
        """Set while connections are accepted."""
        self._limits = limits or options.limits
        self._bounds = bounds or Bounds()
        self._drain_timeout_s = drain_timeout_s
        self._extra = extra
        self._is_shared = is_shared
        self._on_started = on_started
        self._on_trouble = on_trouble
        self._name = name

    async def run(self, handle: Handler) -> None:
        """Serve until cancelled; posts that have begun are then finished.

        Raises:
            SourceError: the address is not to be had, or certificate and key are not usable.
        """
        options, access = self.options, self.options.access
        tls = Tls(options.tls_files, self._unusable) if options.tls_files else None
        refusals = Refusals(self._say, self._denied)

        def refused(peer: Peer, denial: Denial | None, reason: str) -> None:
            """TLS was not agreed on."""
            self.stats.refused[denial or Refusal.TLS] += 1
            (refusals.denied if denial else refusals.refused)(peer, reason)

        async def told(delivery: Delivery) -> None:
            try:
                await handle(delivery)
            except RejectedDelivery as error:
                self._on_trouble(Trouble.DAMAGED, f"a post of `{delivery.origin}` is set aside: {error}")
                raise

        receiver = Receiver(
            options.path,
            told,
            self._limits,
            bounds=self._bounds,
            guard=Guard(access, self._unusable),
            refusals=refusals,
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
            await serve(
                receiver,
                listening,
                tls=tls,
                bounds=self._bounds,
                networks=access.networks,
                stats=self.stats.connections,
                started=started,
                on_refused=refused,
                drain_timeout_s=self._drain_timeout_s,
            )
        finally:
            self.address = None
            self.started.clear()
            listening.close()

    def _say(self, text: str) -> None:
        _LOG.warning("%s", f"source `{self._name}`: {text}", extra={"fields": {"source": self._name}})

    def _denied(self, text: str, times: int) -> None:
        self._on_trouble(Trouble.DENIED, text, times)

    def _unusable(self, text: str, help_text: str | None) -> None:
        self._on_trouble(Trouble.UNUSABLE, f"{text}; {help_text}" if help_text else text)


def url_of(options: WebhookOptions, host: str, port: int) -> str:
    """The address of a webhook that listens there."""
    scheme = "https" if options.is_tls else "http"
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}{options.path}"
