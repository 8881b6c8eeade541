"""Clients that are slow, endless or senseless: each is bounded and counted, and real posts get through meanwhile."""

import asyncio
import gzip
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from lanner.sources.base import Delivery, Limits
from lanner.sources.connection import Bounds
from lanner.sources.crowd import Closing
from lanner.sources.receiver import Refusal
from lanner.sources.room import Room
from lanner.sources.tls import TlsFiles, tls_context
from lanner.sources.webhook import WebhookOptions, WebhookSource
from tests.unit.sources.clients import BODY, Keep, head, request, run, running, send, until

LOCAL = WebhookOptions(port=0)

pytestmark = pytest.mark.usefixtures("intake")
SHORT = 0.1

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(port: int, data: bytes = b"", *, count: int = 1) -> list[Stream]:
    """Connections that sent some bytes and no more."""
    found = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        found.append((reader, writer))
    return found


async def rest_of(stream: Stream) -> bytes:
    """What comes until the end."""
    reader, writer = stream
    answer = b""
    with suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    return answer


def is_ok(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "start",
    [b"", b"P", b"POST /k8s-audit HTTP/1.1\r\nX: "],
    ids=["silent", "one letter", "half a head"],
)
def test_a_head_that_does_not_come_in_time_ends_its_connection(start: bytes) -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(head_s=SHORT))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [stream] = await opened(port, start)
            await rest_of(stream)

    run(main())
    assert source.stats.connections.closed == {Closing.SLOW: 1}


def test_a_line_break_between_requests_is_the_beginning_of_a_head() -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(head_s=SHORT))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [(reader, writer)] = await opened(port, head(len(BODY)) + BODY)
            assert is_ok(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"\r\n")
            await rest_of((reader, writer))

    run(main())
    assert source.stats.connections.closed == {Closing.SLOW: 1}


def test_a_head_that_comes_letter_by_letter_gets_no_more_time() -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(head_s=SHORT))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [(_, writer)] = await opened(port, b"POST /k8s-audit HTTP/1.1\r\nX: ")
            while not source.stats.connections.closed:
                with suppress(ConnectionError):
                    writer.write(b"x")
                await asyncio.sleep(SHORT / 10)
            writer.close()

    run(main())
    assert source.stats.connections.closed == {Closing.SLOW: 1}


def test_a_body_that_trickles_is_refused_long_before_the_longest_time_is_over() -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(body_s=3600, body_grace_s=SHORT, body_rate=1 << 20))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [(reader, writer)] = await opened(port, head(10_000))
            while not source.stats.refused:
                writer.write(b"x")
                await asyncio.sleep(SHORT / 10)
            answer = await rest_of((reader, writer))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")

    run(main())
    assert source.stats.refused == {Refusal.SLOW: 1}
    assert source.stats.in_flight_bytes == 0


def test_a_body_at_the_least_rate_is_taken() -> None:
    keep = Keep()
    source = WebhookSource(LOCAL, bounds=Bounds(body_s=3600, body_grace_s=30, body_rate=1))

    async def main() -> None:
        async with running(source, keep) as port:
            [(reader, writer)] = await opened(port, head(len(BODY), "Connection: close"))
            for byte in BODY:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.005)
            assert is_ok(await reader.read())
            writer.close()

    run(main())
    assert keep.deliveries[0].payload == BODY


@pytest.mark.parametrize(
    "start", [b"", b"POST /k8s-audit HTTP/1.1\r\nHo", request()[:-1]], ids=["idle", "head", "body"]
)
def test_real_posts_get_through_beside_more_connections_than_there_may_be(start: bytes) -> None:
    keep = Keep()
    is_body = start.startswith(request()[:40])
    bounds = Bounds(connections=40, of_site=30, body_grace_s=SHORT if is_body else 10)
    source = WebhookSource(LOCAL, bounds=bounds)

    async def main() -> None:
        async with running(source, keep) as port:
            streams = []
            for _ in range(4):
                streams += await opened(port, start, count=25)
                if is_body:  # who sends a body is not given up, but has to go on with it
                    await until(lambda: source.stats.in_flight_bytes == 0 and source.stats.connections.open == 0)
                assert is_ok(await send(port, request()))
            assert source.stats.connections.open <= 30
            for _, writer in streams:
                writer.close()

    run(main())
    assert len(keep.deliveries) == 4
    assert source.stats.connections.closed[Closing.CROWDED] or is_body


def test_a_connection_that_is_used_again_and_again_outlives_a_flood_of_others() -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(connections=20, of_site=20))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [(reader, writer)] = await opened(port)
            for _ in range(5):
                writer.write(head(len(BODY)) + BODY)
                assert is_ok(await reader.readuntil(b"\r\n\r\n"))
                for _, other in await opened(port, b"GET", count=50):
                    other.close()
            writer.close()

    run(main())
    assert source.stats.posts == 5


def test_stalled_handshakes_give_way_to_real_clients(tmp_path: Path) -> None:
    ca, keep = trustme.CA(), Keep()
    pem = tmp_path / "tls.pem"
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    options = WebhookOptions(host="localhost", port=0, is_tls=True, certificate=str(pem))
    source = WebhookSource(options, bounds=Bounds(connections=20, handshake_s=3600))
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)

    async def main() -> None:
        async with running(source, keep) as port:
            streams = await opened(port, b"\x16\x03\x01", count=60)
            assert is_ok(await send(port, request(), trusting))
            assert source.stats.connections.open <= 20
            for _, writer in streams:
                writer.close()

    run(main())
    assert source.stats.connections.closed[Closing.CROWDED] >= 40


def test_renegotiation_and_old_tls_are_off(tmp_path: Path) -> None:
    pem = tmp_path / "tls.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = tls_context(TlsFiles(str(pem)))
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.num_tickets == 0


def chunk(size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size)


async def pour(port: int, start: bytes, part: bytes) -> tuple[bytes, int]:
    """Send the same bytes without end; the answer, and how many bytes went out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    sent, answer = 0, b""
    with suppress(ConnectionError):
        while not reader.at_eof() and sent < 1 << 30:
            writer.write(part)
            await writer.drain()
            sent += len(part)
            await asyncio.sleep(0)
    with suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    return answer, sent


@pytest.mark.parametrize("length", [10 << 30, None], ids=["announced", "in chunks"])
def test_a_body_without_end_is_refused_at_the_bound(length: int | None) -> None:
    keep = Keep()
    source = WebhookSource(LOCAL, Limits(max_batch_size=4 << 20))

    async def main() -> None:
        async with running(source, keep) as port:
            part = b"x" * (1 << 18) if length else chunk(1 << 18)
            answer, sent = await pour(port, head(length), part)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
            assert sent < 64 << 20  # what the kernel buffers comes on top of the bound
            assert is_ok(await send(port, request()))

    run(main())
    assert len(keep.deliveries) == 1
    assert source.stats.refused == {Refusal.TOO_LARGE: 1}
    assert source.stats.in_flight_bytes == 0


def test_a_body_for_an_application_that_reads_none_ends_its_connection() -> None:
    async def health(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    source = WebhookSource(LOCAL, extra={"/healthz": health})

    async def main() -> None:
        async with running(source, Keep()) as port:
            answer, sent = await pour(port, head(None, path="/healthz"), chunk(1 << 16))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 204 ")
            assert sent < 64 << 20

    run(main())


def test_a_bomb_of_gzip_is_held_to_the_bound_of_a_body() -> None:
    most = 0
    source = WebhookSource(LOCAL, Limits(max_batch_size=8 << 20))
    bomb = gzip.compress(b"\0" * (256 << 20), 1)

    async def main() -> None:
        nonlocal most
        async with running(source, Keep()) as port:
            sending = asyncio.ensure_future(send(port, request("Content-Encoding: gzip", body=bomb)))
            while not sending.done():
                most = max(most, source.stats.in_flight_bytes)
                await asyncio.sleep(0)
            assert (await sending).startswith(b"HTTP/1.1 413 ")

    run(main())
    assert most <= len(bomb) + (8 << 20)


def test_many_tiny_posts_are_all_answered() -> None:
    keep, source = Keep(), WebhookSource(LOCAL)

    async def post(port: int, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number):
            writer.write(head(len(BODY)) + BODY)
            assert is_ok(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def main() -> None:
        async with running(source, keep) as port:
            await asyncio.gather(*(post(port, 100) for _ in range(20)))

    run(main())
    assert len(keep.deliveries) == source.stats.posts == 2000
    assert source.stats.in_flight_bytes == 0


def test_posts_that_are_evaluated_at_a_time_are_bounded_by_their_number() -> None:
    release = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        await release.wait()

    source = WebhookSource(LOCAL, bounds=Bounds(posts=3))

    async def main() -> None:
        async with running(source, handle) as port:
            waiting = [asyncio.ensure_future(send(port, request())) for _ in range(3)]
            await until(lambda: source.stats.in_flight_bytes == 3 * len(BODY))
            answer = await send(port, request())
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 5\r\n" in answer
            release.set()
            assert all(map(is_ok, await asyncio.gather(*waiting)))
            assert is_ok(await send(port, request()))

    run(main())
    assert source.stats.refused == {Refusal.BUSY: 1}


def test_one_site_cannot_take_all_bytes_in_flight() -> None:
    async def main() -> None:
        async with running(source, Keep()) as port:
            [(_, writer)] = await opened(port, head(700) + b"x" * 699)
            await until(lambda: source.stats.in_flight_bytes == 699)
            assert (await send(port, request(body=b"x" * 100))).startswith(b"HTTP/1.1 429 ")
            second = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            second[1].write(request(body=b"x" * 100))
            assert is_ok(await second[0].read())
            second[1].close()
            writer.close()

    source = WebhookSource(LOCAL, Limits(max_batch_size=700), bounds=Bounds(in_flight_bytes=1000))
    run(main())


def test_however_much_waits_to_be_read_no_more_is_held_than_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    most, count, size = 4 << 20, 12, 3 << 20
    held: list[int] = []
    before = Room.count

    def counted(room: Room, site: object, more: int) -> None:
        before(room, site, more)
        held.append(source.stats.in_flight_bytes)

    def attack(port: int) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(head(size) + b"x" * size)
            client.recv(100)

    async def main() -> None:
        async with running(source, Keep()) as port:
            clients = [threading.Thread(target=attack, args=(port,)) for _ in range(count)]
            for client in clients:
                client.start()
            await until(lambda: source.stats.in_flight_bytes > 0)
            threading.Event().wait(0.2)  # as while a large post is evaluated: meanwhile all that they send waits
            await until(lambda: not any(client.is_alive() for client in clients))

    monkeypatch.setattr(Room, "count", counted)
    source = WebhookSource(LOCAL, Limits(max_batch_size=most), bounds=Bounds(in_flight_bytes=most, of_site=count))
    run(main())
    assert max(held) <= most + count * 16 * 1024
    assert held[-1] == 0


def test_requests_that_are_sent_ahead_in_heaps_end_their_connection() -> None:
    keep = Keep()
    source = WebhookSource(LOCAL)

    async def main() -> None:
        async with running(source, keep) as port:
            await send(port, (head(0) * 500) + request())

    run(main())
    assert source.stats.connections.closed == {Closing.HEAD: 1}
    assert len(keep.deliveries) <= 70


def test_who_asks_and_never_takes_the_answers_is_given_up() -> None:
    async def large(scope: object, receive: object, send: object) -> None:
        headers = [(b"content-length", b"20000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})  # type: ignore[operator]

    source = WebhookSource(LOCAL, extra={"/metrics": large}, bounds=Bounds(answer_s=SHORT))

    async def main() -> None:
        async with running(source, Keep()) as port:
            [(_, writer)] = await opened(port, head(0, path="/metrics", method="GET"))
            await until(lambda: bool(source.stats.connections.closed))
            await until(lambda: source.stats.connections.open == 0)
            writer.close()

    run(main())
    assert source.stats.connections.closed == {Closing.SLOW: 1}


def lines(*more: str) -> bytes:
    return "\r\n".join(
        ["POST /k8s-audit HTTP/1.1", "Host: x", "Content-Type: application/json", *more, "", ""]
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1000,
        b"POST http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        lines("Content-Length: 2", "Content-Length: 3") + b"{}",
        lines("Content-Length: 2", "Transfer-Encoding: chunked") + b"{}",
        lines("Transfer-Encoding: gzip, chunked, x") + b"{}",
        lines("Content-Length: -2") + b"{}",
        lines("Content-Length: 99999999999999999999999") + b"{}",
        lines("Content-Length: 0x2") + b"{}",
        lines("Transfer-Encoding: chunked") + b"FFFFFFFFFFFFFFFFF\r\n",
        lines("Transfer-Encoding: chunked") + b"zz\r\n",
        lines("X" * 70_000 + ": 1"),
        lines("X: " + "1" * 70_000),
        lines(*["X: 1"] * 30_000),
        lines("Bad\0Header: 1"),
        b"POST /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        lines("Transfer-Encoding: chunked") + b"1;" + b"x" * 100_000 + b"\r\n{\r\n",
    ],
)
def test_what_is_no_proper_request_is_ended_without_a_word(data: bytes) -> None:
    keep, source = Keep(), WebhookSource(LOCAL, bounds=Bounds(body_s=0.5))

    async def main() -> None:
        async with running(source, keep) as port:
            answer = await send(port, data)
            assert answer in {b"", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"}
            assert is_ok(await send(port, request()))

    run(main())
    assert len(keep.deliveries) == 1
    assert source.stats.connections.closed[Closing.HEAD] == 1


@pytest.mark.parametrize(
    "upgrade", ["Upgrade: h2c\r\nConnection: Upgrade", "Upgrade: websocket\r\nConnection: Upgrade"]
)
def test_there_is_no_other_protocol_to_change_to(upgrade: str) -> None:
    source = WebhookSource(LOCAL, bounds=Bounds(body_s=0.2, keep_alive_s=0.2))

    async def main() -> None:
        async with running(source, Keep()) as port:
            answer = await send(port, head(len(BODY), upgrade) + BODY)
            assert not answer.startswith(b"HTTP/1.1 101")
            assert is_ok(await send(port, request()))

    run(main())


def test_http_1_0_is_spoken_with_a_connection_for_each_request() -> None:
    keep = Keep()

    async def main() -> None:
        async with running(WebhookSource(LOCAL), keep) as port:
            answer = await send(port, head(len(BODY), "Connection: keep-alive", version="1.0") + BODY)
            assert is_ok(answer)
            assert b"connection: close" in answer

    run(main())
    assert len(keep.deliveries) == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(), 200),
        (request(path="/x"), 404),
        (head(0, "Connection: close", method="PUT"), 405),
        (request("Content-Encoding: br"), 415),
        (request("Content-Encoding: gzip", body=b"{}"), 400),
        (b"GARBAGE\r\n\r\n", 400),
    ],
)
def test_answers_say_nothing_but_their_status(data: bytes, status: int) -> None:
    async def main() -> None:
        async with running(WebhookSource(LOCAL), Keep()) as port:
            answer = await send(port, data)
            first, _, rest = answer.partition(b"\r\n")
            assert first.split()[1] == b"%d" % status
            names = {line.partition(b":")[0] for line in rest.removesuffix(b"\r\n\r\n").split(b"\r\n")}
            assert names <= {b"date", b"content-length", b"connection", b"allow"}
            assert rest.endswith(b"\r\n\r\n")

    run(main())
