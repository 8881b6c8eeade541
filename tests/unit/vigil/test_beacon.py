"""A marker that is looked for in what arrives, in one process and in several."""

import asyncio
import os
from itertools import count

import pytest

from lanner.sources.base import Delivery, Framing
from lanner.vigil.beacon import Beacon

ONE = b"0123456789abcdef0123456789abcdef"
OTHER = b"f" * 32


def body(marker: bytes) -> bytes:
    return b'{"requestURI":"/api/v1/namespaces/lanner/configmaps/lanner-canary?lanner-canary=%s"}' % marker


def test_only_what_is_awaited_is_seen() -> None:
    beacon = Beacon(lambda: 7.0)
    beacon.look(body(ONE))
    assert beacon.seen_at() is None
    beacon.light(ONE)
    beacon.look(body(OTHER))
    assert beacon.seen_at() is None
    beacon.look(memoryview(b"x" * 100 + body(ONE))[50:])
    assert beacon.seen_at() == 7.0


def test_the_first_time_counts() -> None:
    ticks = count(1)
    beacon = Beacon(lambda: float(next(ticks)))
    beacon.light(ONE)
    for _ in range(3):
        beacon.look(body(ONE))
    assert beacon.seen_at() == 1.0


def test_what_was_seen_of_one_is_not_taken_for_the_next() -> None:
    beacon = Beacon(lambda: 7.0)
    beacon.light(ONE)
    beacon.look(body(ONE))
    beacon.light(OTHER)
    assert beacon.seen_at() is None
    beacon.look(body(ONE))
    assert beacon.seen_at() is None


def test_one_that_is_put_out_is_not_looked_for() -> None:
    beacon = Beacon()
    beacon.light(ONE)
    beacon.put_out()
    beacon.look(body(ONE))
    assert beacon.seen_at() is None


def test_another_process_sees_it_too() -> None:
    beacon = Beacon(lambda: 7.0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)
        beacon.look(body(ONE))
        os._exit(0)
    beacon.light(ONE)
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)
    assert beacon.seen_at() == 7.0


def test_what_was_not_dealt_with_has_not_come() -> None:
    beacon = Beacon(lambda: 7.0)
    beacon.light(ONE)
    delivery = Delivery(body(ONE), Framing.BODY, "test")

    async def full(delivery: Delivery) -> None:
        raise OSError("no space left on device")

    async def well(delivery: Delivery) -> None:
        pass

    with pytest.raises(OSError, match="no space"):
        asyncio.run(beacon.watched(full)(delivery))  # type: ignore[arg-type]  # a handler's awaitable is a coroutine here
    assert beacon.seen_at() is None
    asyncio.run(beacon.watched(well)(delivery))  # type: ignore[arg-type]  # as above
    assert beacon.seen_at() == 7.0


def test_markers_have_one_length() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Beacon().light(b"short")
