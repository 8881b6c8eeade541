"""k8saudit-ovh: the audit log of OVHcloud's Managed Kubernetes, from the tail of a stream of the Logs Data Platform.

Source: Falco plugins, k8saudit-ovh 0.6.0 (`open_params`, `maxEventSize`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from lanner.plugins.common import MaxEventSize, needing
from lanner.plugins.ovh.address import Address
from lanner.sources.base import Limits, Source, SourceError
from lanner.sources.plugin import Context, Finding, Plugin, Start


class Options(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`init_config` of k8saudit-ovh."""

    max_event_size: MaxEventSize = Limits().max_event_size
    stall_timeout: Annotated[
        float,
        Meta(
            description="Seconds without a message or the answer to a ping after which the connection counts as dead, "
            "and another is made (Lanner's own).",
            gt=0,
        ),
    ] = 60.0


def open_source(open_params: str, options: Options, context: Context) -> Source:
    """The tail of a stream.

    Raises:
        SourceError: The address cannot be used, the library is not installed, or it is to begin with the first.
    """
    address = Address.parse(open_params)
    if context.start is Start.FIRST:
        reason = "the tail of a stream has only what comes from now on"
        help_text = "leave `--from-start` out; export what the stream has kept, and give the file to `lanner scan`"
        raise SourceError(address.shown, reason, help_text, action="read from the start")
    limits = replace(context.limits, max_event_size=options.max_event_size)
    with needing("ovh"):
        from lanner.plugins.ovh.tail import TailSource, Timing  # noqa: PLC0415 - see `needing`
    return TailSource(address, limits, context, Timing(quiet=options.stall_timeout / 2))


async def check(open_params: str, options: Options) -> Sequence[Finding]:
    """Connect to the tail, and see whether it answers."""
    subject = "address of the tail"
    try:
        address = Address.parse(open_params)
        subject = f"tail on {address.host}"
        with needing("ovh"):
            from lanner.plugins.ovh.tail import probe  # noqa: PLC0415 - see `needing`
        trouble = await probe(address)
    except SourceError as error:
        return [Finding(subject, False, error.reason, error.help)]
    if trouble:
        return [Finding(subject, False, trouble, "Lanner has to reach it over TLS; HTTPS_PROXY can name a proxy")]
    return [Finding(subject, True, "it accepts the token, and answers")]


PLUGIN = Plugin(
    name="k8saudit-ovh",
    description="The audit log of OVHcloud Managed Kubernetes, from the live tail of the Logs Data Platform.",
    version="0.6.0",
    open=open_source,
    open_params="the address of the stream's WebSocket: `gra1.logs.ovh.com/tail/?tk=TOKEN`",
    options=Options,
    extra="ovh",
    check=check,
)
