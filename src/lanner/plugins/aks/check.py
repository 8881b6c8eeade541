"""Whether the event hub can be read, and checkpoints be kept. Takes no message, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from azure.eventhub.aio import CheckpointStore

from lanner.plugins.aks.clients import Clients, connected
from lanner.plugins.aks.options import Options
from lanner.plugins.aks.source import said
from lanner.sources.plugin import Finding

TIMEOUT_S = 30.0

_RECEIVE = "`az role assignment create --role 'Azure Event Hubs Data Receiver' …`, or a rule with the right Listen"
_BLOBS = "`az role assignment create --role 'Storage Blob Data Contributor' …`, or the account's connection string"


async def findings(options: Options) -> Sequence[Finding]:
    """What was found, the event hub first.

    Raises:
        SourceError: The clients cannot be made.
    """
    async with connected(options) as clients:
        return [await _find_hub(clients, options), *await _find_container(clients, options), *_find_limit(options)]


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
