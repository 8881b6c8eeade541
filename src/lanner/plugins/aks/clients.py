"""The clients of Azure: of the event hub, and of the container that holds checkpoints.

With connection strings, or with a credential of the environment: a workload identity, a managed identity, or that of
`az login`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from azure.eventhub import TransportType
from azure.eventhub.aio import CheckpointStore, EventHubConsumerClient
from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

from lanner.plugins.aks.options import Options
from lanner.plugins.common import needing
from lanner.sources.base import SourceError, reason_of

BALANCE_S, OWNED_S = 10.0, 60.0
"""How often members of a group look for partitions to take over, and how long one counts as alive. As upstream's."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients, open."""

    hub: EventHubConsumerClient
    checkpoints: CheckpointStore


class FromStart(CheckpointStore):
    """A store whose checkpoints count from the first on that is kept through it: each partition begins anew, once."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self._kept: set[object] = set()

    async def list_checkpoints(self, *place: Any, **options: Any) -> Iterable[dict[str, Any]]:
        """Those that were kept through this store."""
        found = await self._store.list_checkpoints(*place, **options)
        return [each for each in found if each["partition_id"] in self._kept]

    async def update_checkpoint(self, checkpoint: dict[str, Any], **options: Any) -> None:
        """Keep a checkpoint."""
        await self._store.update_checkpoint(checkpoint, **options)
        self._kept.add(checkpoint["partition_id"])

    async def list_ownership(self, *place: Any, **options: Any) -> Iterable[dict[str, Any]]:
        """Who has which partition."""
        return await self._store.list_ownership(*place, **options)

    async def claim_ownership(
        self, ownership_list: Iterable[dict[str, Any]], **options: Any
    ) -> Iterable[dict[str, Any]]:
        """Take partitions."""
        return await self._store.claim_ownership(ownership_list, **options)


@asynccontextmanager
async def connected(options: Options, *, from_start: bool = False, as_member: bool = True) -> AsyncIterator[Clients]:
    """The clients; nothing is asked of Azure yet. They are closed at the end.

    Args:
        options: Which.
        from_start: Whether checkpoints that are there do not count.
        as_member: Whether who reads shares the partitions with other members of the group; otherwise it takes them
            from nobody, and can read only where nobody else does.

    Raises:
        SourceError: A connection string cannot be used, or the library for credentials is not installed.
    """
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what goes wrong is told as trouble, once
    credential = None
    try:
        if not (options.event_hub_namespace_connection_string and options.blob_storage_connection_string):
            credential = _credential()
        blobs = _checkpoints(options, credential)
        checkpoints = FromStart(blobs) if from_start else blobs
        async with blobs, _hub(options, credential, checkpoints if as_member else None) as hub:
            yield Clients(hub, checkpoints)
    finally:
        if credential is not None:
            await credential.close()


def _credential() -> Any:
    with needing("aks"):
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - it costs start-up time, and few need it
    return DefaultAzureCredential()


def _checkpoints(options: Options, credential: Any) -> BlobCheckpointStore:
    container = options.blob_storage_container_name
    try:
        if text := options.blob_storage_connection_string:
            return BlobCheckpointStore.from_connection_string(text, container)
        return BlobCheckpointStore(options.blob_storage_account_url, container, credential=credential)
    except (ValueError, AttributeError) as error:
        raise _unusable("blob_storage_connection_string", "blob_storage_account_url", error) from None


def _hub(options: Options, credential: Any, checkpoints: CheckpointStore | None) -> EventHubConsumerClient:
    given: dict[str, Any] = {
        "checkpoint_store": checkpoints,
        "load_balancing_interval": BALANCE_S,
        "partition_ownership_expiration_interval": OWNED_S,
        "transport_type": TransportType.AmqpOverWebsocket if options.transport == "websocket" else TransportType.Amqp,
    }
    try:
        if text := options.event_hub_namespace_connection_string:
            return EventHubConsumerClient.from_connection_string(
                text, options.consumer_group, eventhub_name=options.event_hub_name, **given
            )
        return EventHubConsumerClient(
            options.event_hub_namespace, options.event_hub_name, options.consumer_group, credential, **given
        )
    except ValueError as error:
        raise _unusable("event_hub_namespace_connection_string", "event_hub_namespace", error) from None


def _unusable(name: str, other: str, error: Exception) -> SourceError:
    """The library's reasons name the form that is wanted, and no part of the string."""
    help_text = "copy it from the portal, or from `az`; it begins with `Endpoint=` or `DefaultEndpointsProtocol=`"
    return SourceError(
        "k8saudit-aks", f"`{name}` or `{other}` cannot be used: {reason_of(error)}", help_text, action="open"
    )
