"""A peer that speaks as much of AMQP 1.0 as the client of Event Hubs asks of the service: over real sockets, no TLS.

What it knows: SASL ANONYMOUS, tokens on `$cbs` (any is taken, unless it is told to refuse them), the properties of the
hub on `$management`, and receiving from partitions of the consumer groups that there are, with the service's selectors,
credit, and epochs: a new receiver with one takes a partition from those before, and one without is refused where there
is one with. It is no emulator of Azure's: limits, throttling, failures and timing of
the service are not here. Frames are coded by the client library's own codec, which is private to it.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from azure.eventhub._pyamqp import _decode as decoding
from azure.eventhub._pyamqp import _encode as encoding
from azure.eventhub._pyamqp import performatives as frames
from azure.eventhub._pyamqp.endpoints import Source, Target
from azure.eventhub._pyamqp.error import AMQPError
from azure.eventhub._pyamqp.message import Message, Properties
from azure.eventhub._pyamqp.outcomes import Accepted
from azure.eventhub._pyamqp.types import TYPE, VALUE, AMQPTypes

HUB = "audit"
_TIME = {TYPE: AMQPTypes.timestamp, VALUE: 1_795_000_000_000}
_SASL, _AMQP = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
_SASL_FRAME, _AMQP_FRAME = b"\x01", b"\x00"
_CHUNK = 30_000
_SELECTOR = re.compile(rb"x-opt-(offset|sequence-number) (>=?) '([^']*)'")
_PARTITION = re.compile(rb".*/ConsumerGroups/(.+)/Partitions/(\w+)$")
_EPOCH = b"com.microsoft:epoch"
_STOLEN, _NOT_FOUND = b"amqp:link:stolen", b"amqp:not-found"


class _Code(IntEnum):
    """What frames there are, by their codes in the standard."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_INIT = 0x41


@dataclass
class _Link:
    """A link by its name on the client's side; `at` is the next message of a partition to be sent."""

    channel: int
    handle: int
    address: bytes
    is_receiver: bool
    credit: int = 0
    sent: int = 0
    has_epoch: bool = False
    partition: str = ""
    at: int = 0


@dataclass
class _Connection:
    writer: asyncio.StreamWriter
    links: dict[tuple[int, int], _Link] = field(default_factory=dict)
    deliveries: int = 0

    def send(self, frame: Any, channel: int = 0, kind: bytes = _AMQP_FRAME) -> None:
        header, body = encoding.encode_frame(frame, kind)
        self.writer.write(header + channel.to_bytes(2, "big") + bytes(body or b""))

    def transfer(self, link: _Link, message: Message) -> None:
        """Send a message, in as many frames as it takes."""
        payload = bytes(encoding.encode_payload(bytearray(), message))
        parts = [payload[start : start + _CHUNK] for start in range(0, len(payload), _CHUNK)]
        for number, part in enumerate(parts):
            tag = self.deliveries.to_bytes(4, "big")
            more = number + 1 < len(parts)
            frame = frames.TransferFrame(
                link.handle, self.deliveries, tag, 0, True, more, None, None, False, False, False, part
            )
            self.send(frame, link.channel)
        self.deliveries += 1
        link.sent += 1
        link.credit -= 1


class Hub:
    """The service: a namespace with one event hub, in a thread of its own."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions = [str(number) for number in range(partitions)]
        self.groups = {"$Default"}
        self.sent = 0
        self.refuses_tokens = False
        self._first = dict.fromkeys(self.partitions, 0)
        self._messages: dict[str, list[bytes]] = {partition: [] for partition in self.partitions}
        self._connections: list[_Connection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.connection_string = (
            f"Endpoint=sb://{self.address}/;SharedAccessKeyName=lanner;SharedAccessKey=c2VjcmV0;"
            "UseDevelopmentEmulator=true;"
        )

    def close(self) -> None:
        """End the service."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def send(self, bodies: Iterable[bytes], partition: str = "0") -> None:
        """Append messages to a partition."""

        def append() -> None:
            self._messages[partition] += bodies
            self._deliver()

        self._call(append)

    def delete(self, count: int, partition: str = "0") -> None:
        """Forget the first messages of a partition, as the service does when their time is over."""

        def forget() -> None:
            del self._messages[partition][:count]
            self._first[partition] += count

        self._call(forget)

    def disconnect(self) -> None:
        """Cut all connections."""

        def abort() -> None:
            for connection in self._connections:
                connection.writer.transport.abort()

        self._call(abort)

    def _call(self, function: Callable[[], None]) -> None:
        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.append(connection)
        try:
            while True:
                start = await reader.readexactly(8)
                if start == _SASL:
                    writer.write(_SASL)
                    connection.send(frames.SASLMechanism([b"ANONYMOUS"]), kind=_SASL_FRAME)
                elif start == _AMQP:
                    writer.write(_AMQP)
                else:
                    size, offset = int.from_bytes(start[:4], "big"), 4 * start[4]
                    body = (await reader.readexactly(size - 8))[offset - 8 :]
                    if body:
                        code, fields = decoding.decode_frame(memoryview(body))
                        self._take(connection, int.from_bytes(start[6:8], "big"), code, fields)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.remove(connection)
            writer.close()

    def _take(self, connection: _Connection, channel: int, code: int, fields: list[Any]) -> None:
        match code:
            case _Code.SASL_INIT:
                connection.send(frames.SASLOutcome(0, None), kind=_SASL_FRAME)
            case _Code.OPEN:
                connection.send(frames.OpenFrame("hub", None, 65536, 100, None, None, None, None, None, None))
            case _Code.BEGIN:
                connection.send(frames.BeginFrame(channel, 0, 65536, 65536, 255, None, None, None), channel)
            case _Code.ATTACH:
                self._attach(connection, channel, fields)
            case _Code.FLOW:
                self._flow(connection, channel, fields)
            case _Code.TRANSFER:
                self._answer(connection, channel, fields)
            case _Code.DETACH:
                if connection.links.pop((channel, fields[0]), None):
                    connection.send(frames.DetachFrame(fields[0], True, None), channel)
            case _Code.END:
                connection.send(frames.EndFrame(None), channel)
            case _Code.CLOSE:
                connection.send(frames.CloseFrame(None))

    def _attach(self, connection: _Connection, channel: int, fields: list[Any]) -> None:
        name, handle, is_receiver = fields[0].decode(), fields[1], fields[2]
        address = (fields[5] if is_receiver else fields[6])[0] or b""
        link = _Link(channel, handle, address, is_receiver)
        source = Source(address.decode(), 0, b"session-end", 0, False, None, None, None, None, None, None)
        target = Target(address.decode(), 0, b"session-end", 0, False, None, None)
        refusal = None
        if is_receiver and (found := _PARTITION.match(address)):
            link.partition = found[2].decode()
            link.at = self._position(link.partition, fields[5])
            link.has_epoch = _EPOCH in (fields[13] or {})
            refusal = self._refusal(link, found[1].decode())
        if refusal is None:
            self._steal(link)
            connection.links[channel, handle] = link
        count = 0 if is_receiver else None
        reply = (name, handle, not is_receiver, fields[3], fields[4], source, target, None, False, count, 1 << 20)
        connection.send(frames.AttachFrame(*reply, None, None, None), channel)
        if refusal is not None:
            connection.send(frames.DetachFrame(handle, True, refusal), channel)
        if not is_receiver:
            connection.send(frames.FlowFrame(0, 65536, 0, 65536, handle, 0, 1000, None, False, False, None), channel)

    def _position(self, partition: str, source: list[Any]) -> int:
        """The first message that a receiver wants, by its number in the partition."""
        first, end = self._first[partition], self._first[partition] + len(self._messages[partition])
        found = _SELECTOR.search(b"".join(map(bytes, _texts(source[7]))))
        assert found, "the client gives no selector"
        if found[3] == b"@latest":
            return end
        return max(first, int(found[3]) + (found[2] == b">"))

    def _refusal(self, link: _Link, group: str) -> AMQPError | None:
        """Why somebody may not receive, if so."""
        if group not in self.groups:
            return AMQPError(_NOT_FOUND, f"the consumer group {group} could not be found", None)
        if not link.has_epoch and any(other.has_epoch for _, _, other in self._others(link)):
            return AMQPError(_STOLEN, "a receiver with an epoch is there", None)
        return None

    def _steal(self, wanted: _Link) -> None:
        """Take a partition from the receivers that have it, for one with an epoch."""
        for connection, key, link in self._others(wanted) if wanted.has_epoch else ():
            del connection.links[key]
            error = AMQPError(_STOLEN, "another receiver has come", None)
            connection.send(frames.DetachFrame(link.handle, True, error), link.channel)

    def _others(self, wanted: _Link) -> list[tuple[_Connection, tuple[int, int], _Link]]:
        """Those who receive from the same partition for the same group."""
        return [
            (connection, key, link)
            for connection in self._connections
            for key, link in connection.links.items()
            if link.partition and link.address == wanted.address
        ]

    def _flow(self, connection: _Connection, channel: int, fields: list[Any]) -> None:
        link = connection.links.get((channel, fields[4]))
        if link and link.is_receiver:
            link.credit = (fields[5] or 0) + fields[6] - link.sent
        self._deliver()

    def _deliver(self) -> None:
        """Send what receivers have credit for."""
        for connection in self._connections:
            for link in connection.links.values():
                while link.partition and link.credit > 0:
                    number = link.at - self._first[link.partition]
                    if number >= len(self._messages[link.partition]):
                        break
                    annotations: dict[str | bytes, Any] = {
                        b"x-opt-sequence-number": {TYPE: AMQPTypes.long, VALUE: link.at},
                        b"x-opt-offset": str(link.at),
                        b"x-opt-enqueued-time": _TIME,
                    }
                    body = self._messages[link.partition][number]
                    connection.transfer(link, Message(message_annotations=annotations, data=[body]))
                    link.at += 1
                    self.sent += 1

    def _answer(self, connection: _Connection, channel: int, fields: list[Any]) -> None:
        """Answer a request on `$cbs` or `$management`."""
        asked = connection.links[channel, fields[0]]
        request = decoding.decode_payload(memoryview(fields[-1]))
        if not fields[4]:
            connection.send(frames.DispositionFrame(True, fields[1], fields[1], True, Accepted(), False), channel)
        asked_by: Any = request.properties
        is_refused = self.refuses_tokens and asked.address == b"$cbs"
        value = {
            "name": HUB,
            "type": "com.microsoft:eventhub",
            "created_at": _TIME,
            "partition_count": len(self.partitions),
            "partition_ids": self.partitions,
        }
        reply = Message(
            properties=Properties(correlation_id=asked_by.message_id),
            application_properties={
                "status-code": 401 if is_refused else 200,
                "status-description": "the token has an invalid signature" if is_refused else "OK",
            },
            value=None if asked.address == b"$cbs" else value,
            data=[b""] if asked.address == b"$cbs" else None,
        )
        for link in connection.links.values():
            if link.channel == channel and link.is_receiver and link.address == asked.address:
                connection.transfer(link, reply)


def _texts(value: Any) -> Iterable[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
