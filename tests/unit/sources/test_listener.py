import asyncio
import errno
import socket
from contextlib import suppress
from typing import Any

import pytest
import uvloop

from lanner.sources.base import SourceError
from lanner.sources.connection import Connection
from lanner.sources.listener import Server, bind, reserve, serve

TIMEOUT_S = 20


def test_those_that_share_a_reserved_port_all_listen_and_each_connection_goes_to_one_of_them() -> None:
    with reserve("127.0.0.1", 0) as reserved:
        address = reserved.getsockname()
        with bind(*address, is_shared=True) as first, bind(*address, is_shared=True) as second:
            clients = [socket.create_connection(address) for _ in range(64)]
            accepted = 0
            for listening in (first, second):
                listening.setblocking(False)
                while (peer := _accept(listening)) is not None:
                    accepted += 1
                    peer.close()
            for client in clients:
                client.close()
    assert accepted == len(clients)


def _accept(listening: socket.socket) -> socket.socket | None:
    try:
        return listening.accept()[0]
    except BlockingIOError:
        return None


def test_a_reserved_port_takes_no_connections() -> None:
    with reserve("127.0.0.1", 0) as reserved, socket.socket() as client:
        assert client.connect_ex(reserved.getsockname()) == errno.ECONNREFUSED


def test_a_port_that_is_shared_is_in_use_for_others() -> None:
    with reserve("127.0.0.1", 0) as reserved:
        address = reserved.getsockname()
        with bind(*address, is_shared=True):
            for take in (bind, reserve):
                with pytest.raises(SourceError, match="address already in use"):
                    take(*address)


def test_a_port_in_use_cannot_be_shared() -> None:
    with bind("127.0.0.1", 0) as alone, pytest.raises(SourceError, match="address already in use"):
        bind(*alone.getsockname(), is_shared=True)


@pytest.mark.skipif(not socket.has_ipv6, reason="this host has no IPv6")
@pytest.mark.parametrize(("host", "is_only"), [("::1", 1), ("", 0)])
def test_an_address_of_ipv6_is_shared_as_it_is_reserved(host: str, is_only: int) -> None:
    with reserve(host, 0) as reserved:
        port = reserved.getsockname()[1]
        with bind(host, port, is_shared=True) as first, bind(host, port, is_shared=True) as second:
            for each in (reserved, first, second):
                assert each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == is_only


async def _unasked(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks for anything")


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_is_given_up_while_it_opens_keeps_no_server_from_ending(
    monkeypatch: pytest.MonkeyPatch, loop_of: Any
) -> None:
    opening = Server._open

    async def given_up(self: Server, connection: Connection, accepted: socket.socket) -> None:
        asyncio.get_running_loop().call_soon(connection.give_up)  # between the transport and `connection_made`
        await opening(self, connection, accepted)

    monkeypatch.setattr(Server, "_open", given_up)

    async def main() -> None:
        started = asyncio.Event()
        listening = bind("127.0.0.1", 0)
        address = listening.getsockname()
        serving = asyncio.ensure_future(serve(_unasked, listening, started=started.set, drain_timeout_s=1000))
        async with asyncio.timeout(TIMEOUT_S):
            await started.wait()
            reader, writer = await asyncio.open_connection(*address)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        serving.cancel()
        ended, _ = await asyncio.wait([serving], timeout=TIMEOUT_S)
        assert ended

    with asyncio.Runner(loop_factory=loop_of) as runner:
        runner.run(main())
