"""What can be told to the source.

Source: Falco plugins, k8saudit-aks 0.6.0 (names, meaning and defaults of its options); Lanner's own say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lanner.plugins.common import MaxEventSize
from lanner.sources.base import Limits, SourceError
from lanner.sources.plugin import Start, secret

DEFAULT_GROUP = "$Default"

_HELP = "docs: `lanner init --provider aks` writes the commands that make it"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "event_hub_name": (),
    "event_hub_namespace_connection_string": ("event_hub_namespace",),
    "blob_storage_container_name": (),
    "blob_storage_connection_string": ("blob_storage_account_url",),
}
"""Options that are needed, each with those that can stand in its place."""


class Options(msgspec.Struct, frozen=True, kw_only=True, rename={"max_event_size": "maxEventSize"}):
    """`init_config` of k8saudit-aks."""

    event_hub_namespace_connection_string: Annotated[
        str, secret("Connection string of the Event Hubs namespace, or of the event hub.")
    ] = ""
    event_hub_name: Annotated[str, Meta(description="The event hub.")] = ""
    blob_storage_connection_string: Annotated[
        str, secret("Connection string of the storage account that checkpoints are kept in.")
    ] = ""
    blob_storage_container_name: Annotated[str, Meta(description="The blob container of the checkpoints.")] = ""
    rate_limit_events_per_second: Annotated[
        float, Meta(description="How many records are read in a second; 0: as many as there are.", ge=0)
    ] = 100
    rate_limit_burst: Annotated[
        int, Meta(description="How many records are read at once before the limit counts.", ge=1)
    ] = 200
    max_event_size: MaxEventSize = Limits().max_event_size
    consumer_group: Annotated[str, Meta(description="The consumer group (Lanner's own).", min_length=1)] = DEFAULT_GROUP
    event_hub_namespace: Annotated[
        str,
        Meta(
            description="The namespace, as `NAME.servicebus.windows.net`, for a managed identity or another "
            "credential of the environment in place of its connection string (Lanner's own)."
        ),
    ] = ""
    blob_storage_account_url: Annotated[
        str,
        Meta(description="The storage account, as `https://NAME.blob.core.windows.net`, likewise (Lanner's own)."),
    ] = ""
    transport: Annotated[
        Literal["amqp", "websocket"],
        Meta(description="AMQP on port 5671, or within a WebSocket on port 443 (Lanner's own)."),
    ] = "amqp"


def need(options: Options) -> None:
    """Whether everything is given that is needed.

    Raises:
        SourceError: It is not.
    """
    for name, others in _NEEDED.items():
        if not any(getattr(options, each) for each in (name, *others)):
            alternative = "".join(f", or `{other}`" for other in others)
            raise SourceError("k8saudit-aks", f"option `{name}` is not given", f"give it{alternative}", action="open")


def first_position(start: Start) -> str:
    """Where to begin in a partition that has no checkpoint, in the words of Event Hubs."""
    return "@latest" if start is Start.NEW else "-1"
