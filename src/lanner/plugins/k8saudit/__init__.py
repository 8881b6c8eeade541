"""k8saudit: the webhook that an API server posts its audit events to, and log files that it writes.

Source: Falco plugins, k8saudit 0.18.0 (names and meaning of options, forms of `open_params`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta

from lanner.plugins.common import MaxEventSize
from lanner.sources.auth import CERTIFICATE_KINDS, Access, Client, Network, client_of, network_of
from lanner.sources.base import Limits, Source, SourceError, reason_of
from lanner.sources.follow import FollowSource, StdinSource
from lanner.sources.listener import bind
from lanner.sources.plugin import Context, Finding, Plugin
from lanner.sources.tls import Tls
from lanner.sources.webhook import DEFAULT_CERTIFICATE, WebhookOptions, WebhookSource, url_of

DEFAULT_ADDRESS = "http://127.0.0.1:9765/k8s-audit"
"""Where it listens when it is not told."""

STDIN = "-"


class Options(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`init_config` of k8saudit."""

    ssl_certificate: Annotated[str, Meta(description="PEM file with certificate and key for HTTPS.")] = (
        DEFAULT_CERTIFICATE
    )
    ssl_key: Annotated[
        str, Meta(description="PEM file of the key, when it is not in the certificate's (Lanner's own).")
    ] = ""
    max_event_size: MaxEventSize = Limits().max_event_size
    webhook_max_batch_size: Annotated[
        int, Meta(description="Largest body of a post in bytes; a larger one is refused.", ge=1)
    ] = Limits().max_batch_size
    use_async: Annotated[bool, Meta(description="Accepted, without effect.")] = True
    client_ca: Annotated[
        str, Meta(description="PEM file with the CAs of client certificates: who posts needs one (Lanner's own).")
    ] = msgspec.field(default="", name="clientCA")
    token_file: Annotated[
        str,
        Meta(description="File with a bearer token a line, alone or after a name: who posts needs one (Lanner's own)."),
    ] = ""
    client_auth: Annotated[
        Literal["all", "any"],
        Meta(description="With both, whether certificate and token must hold, or one is enough (Lanner's own)."),
    ] = "all"
    allowed_clients: Annotated[
        list[str],
        Meta(
            description="Who may post, such as `CN:kube-apiserver-*`, `URI:spiffe://prod/*`, `token:prod`, each with "
            "` from NETWORK` or without; none: all that are authenticated (Lanner's own)."
        ),
    ] = []
    allowed_networks: Annotated[
        list[str], Meta(description="Networks that posts may come from; none: any (Lanner's own).")
    ] = []

    def __post_init__(self) -> None:
        """See that entries can be understood, and can fit somebody.

        Raises:
            ValueError: One does not.
        """
        self.networks()
        for client in self.clients():
            kind = client.pattern.partition(":")[0]
            key, value = ("clientCA", self.client_ca) if kind in CERTIFICATE_KINDS else ("tokenFile", self.token_file)
            if not value:
                raise ValueError(f"`{client.pattern}` in `allowedClients` fits nobody, because there is no `{key}`")

    def clients(self) -> tuple[Client, ...]:
        """The entries of `allowedClients`."""
        return tuple(map(client_of, self.allowed_clients))

    def networks(self) -> tuple[Network, ...]:
        """The entries of `allowedNetworks`."""
        return tuple(map(network_of, self.allowed_networks))


def listening(open_params: str, options: Options) -> WebhookOptions | None:
    """Where and how it listens; None when it reads a file.

    Raises:
        SourceError: The address cannot be understood.
    """
    address = open_params or DEFAULT_ADDRESS
    if not address.startswith(("http://", "https://")):
        return None
    found = WebhookOptions.from_url(
        address,
        certificate=options.ssl_certificate or DEFAULT_CERTIFICATE,
        key=options.ssl_key or None,
        limits=_limits(options),
        access=Access(
            client_ca=options.client_ca or None,
            token_file=options.token_file or None,
            needs_all=options.client_auth == "all",
            clients=options.clients(),
            networks=options.networks(),
        ),
    )
    if options.client_ca and not found.is_tls:
        help_text = "write `https://`, or leave `clientCA` out"
        raise SourceError(address, "client certificates are shown over HTTPS only", help_text, action="listen on")
    return found


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """The webhook, the file that is followed, or standard input.

    Raises:
        SourceError: The address cannot be understood.
    """
    webhook = listening(open_params, options)
    if webhook is not None:
        return WebhookSource(
            webhook,
            on_started=lambda host, port: _tell(context, webhook, host, port),
            on_trouble=context.tell,
            name=context.name,
        )
    if open_params == STDIN:
        return StdinSource(_limits(options), context)
    return FollowSource(_path(open_params), _limits(options), context)


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Whether the address can be listened on, or the file read; what is listened on by a run is in use."""
    webhook = listening(open_params, options)
    try:
        if webhook is None:
            return [] if open_params == STDIN else [_readable(_path(open_params))]
        if webhook.tls_files:
            Tls(webhook.tls_files)
        bind(webhook.host, webhook.port).close()
    except SourceError as error:
        return [Finding(f"address {open_params or DEFAULT_ADDRESS}", is_well=False, text=str(error), help=error.help)]
    return [Finding(f"address {open_params or DEFAULT_ADDRESS}", is_well=True, text="it can be listened on")]


def _readable(path: str) -> Finding:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except FileNotFoundError:
        help_text = "it is waited for; see that the API server's `--audit-log-path` names it"
        return Finding(f"file {path}", is_well=False, text="there is no such file", help=help_text)
    except OSError as error:
        help_text = f"`namei -l {shlex.quote(path)}` shows who may read each folder on the way"
        return Finding(f"file {path}", is_well=False, text=f"it cannot be read: {reason_of(error)}", help=help_text)
    return Finding(f"file {path}", is_well=True, text="it can be read")


def _tell(context: Context, webhook: WebhookOptions, host: str, port: int) -> None:
    url = url_of(webhook, host, port)
    context.started(f"listening on {url}", url)


def _limits(options: Options) -> Limits:
    return Limits(max_event_size=options.max_event_size, max_batch_size=options.webhook_max_batch_size)


def _path(open_params: str) -> str:
    """The file that is meant; `file:///var/log/audit.log` is one too."""
    scheme, found, _ = open_params.partition("://")
    if not found:
        return open_params
    try:
        parts = urlsplit(open_params)
        is_here = parts.netloc in ("", "localhost")
    except ValueError:
        is_here = False
    if scheme.lower() != "file":
        help_text = f"write an address like `{DEFAULT_ADDRESS}`, the path of a file, or `-`"
        raise SourceError(open_params, f"unknown scheme `{scheme}`", help_text, action="open")
    if not is_here or not parts.path:
        raise SourceError(open_params, "it names no file of this machine", "write `file:///var/log/audit.log`")
    return unquote(parts.path)


PLUGIN = Plugin(
    name="k8saudit",
    description="The API server's audit webhook over HTTP or HTTPS, or its audit log as a file.",
    version="0.18.0",
    open=open_source,
    open_params=f"`http(s)://HOST:PORT/PATH` to listen on (default {DEFAULT_ADDRESS}), a file to follow, or `-`",
    options=Options,
    listening=listening,
    check=check,
)
