"""Whether the event hub can be read, and checkpoints be kept. Takes nothing from anybody, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from azure.eventhub import EventData
from azure.eventhub.aio import CheckpointStore, PartitionContext
from azure.eventhub.exceptions import EventHubError

from lanner.plugins.aks.clients import Clients, connected
from lanner.plugins.aks.options import Options
from lanner.plugins.aks.source import said
from lanner.sources.plugin import Finding

TIMEOUT_S = 30.0

QUIET_S = 10.0
"""For so long nobody has to refuse a reader of a partition that has no messages."""

_STOLEN = "link:stolen"
"""How Event Hubs calls it that somebody has a partition for themselves."""

_CREATE = "`az eventhubs eventhub consumer-group create … --name {}`"
_RECEIVE = "`az role assignment create --role 'Azure Event Hubs Data Receiver' …`, or a rule with the right Listen"
_BLOBS = "`az role assignment create --role 'Storage Blob Data Contributor' …`, or the account's connection string"


async def findings(options: Options) -> Sequence[Finding]:
    """What was found, the event hub first.

    Raises:
        SourceError: The clients cannot be made.
    """
    async with connected(options, as_member=False) as clients:
        hub = await _find_hub(clients, options)
        group = [await _find_group(clients, options)] if hub.is_well else []
        return [hub, *group, *await _find_container(clients, options), *_find_limit(options)]


def _find_limit(options: Options) -> Sequence[Finding]:
    limit = options.rate_limit_events_per_second
    if not limit:
        return []
    text = f"at most {limit:g} records are read in a second; a cluster that has more falls behind"
    return [Finding("limit", True, text, "set `rate_limit_events_per_second` to 0")]


async def _find_hub(clients: Clients, options: Options) -> Finding:
    subject = f"event hub {options.event_hub_name}"
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await clients.hub.get_eventhub_properties()
    except TimeoutError:
        return Finding(subject, False, f"no answer within {TIMEOUT_S:g} s", "look at the namespace and the firewall")
    except Exception as error:  # whatever the library raises is the finding
        return Finding(subject, False, said(error), _RECEIVE)
    return Finding(subject, True, f"has {len(found['partition_ids'])} partitions")


async def _find_group(clients: Clients, options: Options) -> Finding:
    """Try to read a message of one partition: the only way to learn whether the group is there."""
    subject = f"consumer group {options.consumer_group}"
    try:
        async with asyncio.timeout(TIMEOUT_S):
            text = await _read(clients)
    except TimeoutError:
        return Finding(subject, False, f"nothing could be read within {TIMEOUT_S:g} s", "look at the firewall")
    except EventHubError as error:
        if error.error == _STOLEN:
            return Finding(subject, True, "is there, and somebody reads from it")
        return Finding(subject, False, said(error), f"{_CREATE.format(options.consumer_group)}, or {_RECEIVE}")
    except Exception as error:  # likewise
        return Finding(subject, False, said(error), _RECEIVE)
    return Finding(subject, True, text)


async def _read(clients: Clients) -> str:
    """Read a message of the first partition, and say so; raises what reading is refused with."""
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def receive(partition: PartitionContext, events: list[EventData]) -> None:
        if not found.done():
            found.set_result("can be read from" if events else "has nothing to read yet, and is not refused")

    async def fail(partition: PartitionContext | None, error: Exception) -> None:
        if not found.done():
            found.set_exception(error)

    reading = asyncio.ensure_future(
        clients.hub.receive_batch(
            receive,
            partition_id=(await clients.hub.get_partition_ids())[0],
            max_batch_size=1,
            prefetch=1,
            max_wait_time=QUIET_S,
            starting_position="-1",
            on_error=fail,
        )
    )
    try:
        return await found
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _find_container(clients: Clients, options: Options) -> Sequence[Finding]:
    subject = f"container {options.blob_storage_container_name}"
    place = _place(clients, options)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            kept = [*await clients.checkpoints.list_checkpoints(*place.values())]
    except TimeoutError:
        return [Finding(subject, False, f"no answer within {TIMEOUT_S:g} s", "look at the account and the firewall")]
    except Exception as error:  # likewise
        return [Finding(subject, False, said(error), _BLOBS)]
    if not await _can_write(clients.checkpoints, place):
        return [Finding(subject, False, "it can be read, but not written", _BLOBS)]
    return [Finding(subject, True, f"has checkpoints of {len(kept)} partitions, and can be written")]


async def _can_write(checkpoints: CheckpointStore, place: dict[str, str]) -> bool:
    """Try to claim what nobody can claim: a partition that does not exist, in a state that it never had.

    That is refused for its state when writing is allowed; for want of permission it fails, and what was asked for is
    given back.
    """
    claim: dict[str, Any] = {**place, "partition_id": "lanner-check", "owner_id": "", "etag": '"0x0"'}
    async with asyncio.timeout(TIMEOUT_S):
        return not [*await checkpoints.claim_ownership([claim])]


def _place(clients: Clients, options: Options) -> dict[str, str]:
    host = options.event_hub_namespace
    for part in options.event_hub_namespace_connection_string.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "endpoint":
            host = value.partition("://")[2].strip("/")
    return {
        "fully_qualified_namespace": host,
        "eventhub_name": clients.hub.eventhub_name,
        "consumer_group": options.consumer_group,
    }
