import asyncio
import gzip
import json
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from lanner.sources.base import Delivery, Framing, Handler, Limits, RejectedDelivery, SourceError
from lanner.sources.connection import Bounds
from lanner.sources.crowd import Closing
from lanner.sources.receiver import Message, Receive, Receiver, Refusal, Scope, Send
from lanner.sources.room import Body
from lanner.sources.webhook import DEFAULT_CERTIFICATE, WebhookOptions, WebhookSource

JSON = {"content-type": "application/json"}
BODY = b'{"kind":"EventList","items":[]}\n'
LOCAL = WebhookOptions(port=0)

pytestmark = pytest.mark.usefixtures("intake")

Client = Callable[[WebhookSource, httpx.AsyncClient], Awaitable[None]]


class Keep:
    """A handler that keeps what it gets."""

    def __init__(self, error: Exception | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self._error = error

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(replace(delivery, payload=bytes(delivery.payload)))  # its memory is used again
        if self._error:
            raise self._error


async def started(source: WebhookSource, handle: Handler) -> asyncio.Task[None]:
    """Run a source up to where it accepts connections."""
    running = asyncio.ensure_future(source.run(handle))
    waiting = asyncio.ensure_future(source.started.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        await running
    return running


async def stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def with_source(source: WebhookSource, handle: Handler, client: Client, verify: ssl.SSLContext | bool = True) -> None:
    async def main() -> None:
        running = await started(source, handle)
        try:
            assert source.address is not None
            scheme = "https" if source.options.is_tls else "http"
            base = f"{scheme}://localhost:{source.address[1]}"
            async with httpx.AsyncClient(base_url=base, verify=verify, trust_env=False) as http:
                await client(source, http)
        finally:
            await stop(running)

    asyncio.run(main())


def post(
    body: bytes | Iterable[bytes] = BODY,
    *,
    source: WebhookSource | None = None,
    handle: Handler | None = None,
    method: str = "POST",
    path: str = "/k8s-audit",
    headers: Mapping[str, str] = JSON,
) -> httpx.Response:
    """Send one request to a source of its own."""
    answers: list[httpx.Response] = []

    async def chunks(parts: Iterable[bytes]) -> Any:
        for part in parts:
            yield part

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        content = body if isinstance(body, bytes) else chunks(body)
        answers.append(await http.request(method, path, content=content, headers=headers))

    with_source(source or WebhookSource(LOCAL), handle or Keep(), client)
    return answers[0]


async def raw(source: WebhookSource, request: bytes) -> bytes:
    """Send bytes as they are, and read until the connection is closed."""
    assert source.address is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def head(length: int, *more: str) -> bytes:
    lines = [
        "POST /k8s-audit HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_post_is_delivered_as_it_is_and_answered_with_an_empty_200() -> None:
    keep, source = Keep(), WebhookSource(LOCAL)
    answer = post(handle=keep, source=source)
    (delivery,) = keep.deliveries
    assert (delivery.payload, delivery.framing, delivery.truncated) == (BODY, Framing.BODY, False)
    assert delivery.origin.startswith("127.0.0.1:")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "server" not in answer.headers
    assert (source.stats.posts, source.stats.bytes, source.stats.in_flight_bytes) == (1, len(BODY), 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "Application/JSON ; charset=utf-8"}, 200),
        ({"Content-Type": "text/plain; x=application/json"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": "text/plain, application/json"}, 415),
        ({"Content-Type": "application/json", "Origin": "https://example.com"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
    ],
)
def test_a_page_in_a_browser_cannot_post(headers: dict[str, str], status: int) -> None:
    keep, answers = Keep(), []

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        answers.append(await http.post("/k8s-audit", content=BODY, headers=headers))

    with_source(WebhookSource(LOCAL), keep, client)
    assert [answer.status_code for answer in answers] == [status]
    assert len(keep.deliveries) == (status == 200)


def test_the_answer_waits_for_the_handler() -> None:
    log: list[str] = []

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            entered.set()
            await release.wait()
            log.append("handled")

        handler.append(handle)
        posting = asyncio.ensure_future(http.post("/k8s-audit", content=BODY, headers=JSON))
        await entered.wait()
        assert source.stats.in_flight_bytes == len(BODY)
        assert not posting.done()
        release.set()
        assert (await posting).status_code == 200
        log.append("answered")

    handler: list[Handler] = []

    async def handle(delivery: Delivery) -> None:
        await handler[0](delivery)

    with_source(WebhookSource(LOCAL), handle, client)
    assert log == ["handled", "answered"]


@pytest.mark.parametrize(
    ("request_", "status", "refusal"),
    [
        ({"path": "/k8s-audit?timeout=30s"}, 200, None),
        ({"path": "/k8s-audit/"}, 404, Refusal.NOT_FOUND),
        ({"path": "/"}, 404, Refusal.NOT_FOUND),
        ({"path": "/K8S-audit"}, 404, Refusal.NOT_FOUND),
        ({"method": "GET", "body": b""}, 405, Refusal.METHOD),
        ({"method": "PUT"}, 405, Refusal.METHOD),
        ({"headers": {}}, 415, Refusal.CONTENT_TYPE),
        ({"headers": {"content-type": "text/plain"}}, 415, Refusal.CONTENT_TYPE),
        ({"headers": {"content-type": "application/json; charset=utf-8"}}, 200, None),
        ({"headers": JSON | {"content-encoding": "br"}}, 415, Refusal.ENCODING),
        ({"headers": JSON | {"content-encoding": "identity"}}, 200, None),
        ({"headers": JSON | {"content-encoding": "gzip"}}, 400, Refusal.DAMAGED),
    ],
)
def test_only_a_post_of_json_to_the_endpoint_is_taken(
    request_: dict[str, Any], status: int, refusal: Refusal | None
) -> None:
    source = WebhookSource(LOCAL)
    answer = post(source=source, **request_)
    assert answer.status_code == status
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    assert dict(source.stats.refused) == ({refusal: 1} if refusal else {})
    assert source.stats.in_flight_bytes == 0


@pytest.mark.parametrize(
    ("error", "status", "refusal"),
    [
        (RejectedDelivery("not JSON"), 400, Refusal.REJECTED),
        (OSError("no space left"), 500, Refusal.FAILED),
        (TimeoutError(), 500, Refusal.FAILED),
    ],
)
def test_what_the_handler_raises_is_the_answer(error: Exception, status: int, refusal: Refusal) -> None:
    source = WebhookSource(LOCAL)
    answer = post(source=source, handle=Keep(error))
    assert answer.status_code == status
    assert "space" not in answer.text
    assert (dict(source.stats.refused), source.stats.posts) == ({refusal: 1}, 0)


def test_a_compressed_body_is_delivered_plain() -> None:
    keep, source = Keep(), WebhookSource(LOCAL)
    plain = json.dumps([{"auditID": os.urandom(8).hex()} for _ in range(200_000)]).encode()
    compressed = gzip.compress(plain, 1)
    headers = JSON | {"content-encoding": "gzip"}
    assert post(compressed, source=source, handle=keep, headers=headers).status_code == 200
    assert keep.deliveries[0].payload == plain
    assert keep.deliveries[0].received == source.stats.bytes == len(compressed)
    assert source.stats.in_flight_bytes == 0


@pytest.mark.parametrize(
    "body",
    [gzip.compress(BODY)[:-5], gzip.compress(BODY) + b"x", gzip.compress(BODY) * 2, b"", b"\x1f\x8b\x08" + b"x" * 50],
    ids=["cut off", "followed by more", "twice", "empty", "broken"],
)
def test_a_body_that_is_not_one_gzip_member_is_refused(body: bytes) -> None:
    source = WebhookSource(LOCAL)
    assert post(body, source=source, headers=JSON | {"content-encoding": "gzip"}).status_code == 400
    assert dict(source.stats.refused) == {Refusal.DAMAGED: 1}
    assert source.stats.in_flight_bytes == 0


def test_a_body_that_decompresses_beyond_the_limit_is_refused() -> None:
    source = WebhookSource(LOCAL, Limits(max_batch_size=10 << 20))
    bomb = gzip.compress(b"x" * (64 << 20), 1)
    assert post(bomb, source=source, headers=JSON | {"content-encoding": "gzip"}).status_code == 413
    assert (dict(source.stats.refused), source.stats.in_flight_bytes) == ({Refusal.TOO_LARGE: 1}, 0)


def test_a_body_in_chunks_is_put_together() -> None:
    keep = Keep()
    parts = [os.urandom(30_000) for _ in range(20)]
    assert post(parts, handle=keep).status_code == 200
    assert keep.deliveries[0].payload == b"".join(parts)


def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        answer = await raw(source, head(1001))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer

    source = WebhookSource(LOCAL, Limits(max_batch_size=1000))
    with_source(source, Keep(), client)
    assert dict(source.stats.refused) == {Refusal.TOO_LARGE: 1}


def test_a_body_in_chunks_beyond_the_limit_is_refused() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        start = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        answer = await raw(source, start + b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")

    source = WebhookSource(LOCAL, Limits(max_batch_size=1000))
    with_source(source, Keep(), client)
    assert source.stats.in_flight_bytes == 0


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert post(b"x" * 1000, source=WebhookSource(LOCAL, Limits(max_batch_size=1000))).status_code == 200


@pytest.mark.parametrize("cut", [1, 200, 70_000])
def test_long_bodies_on_one_connection_are_told_apart_wherever_they_are_cut(cut: int) -> None:
    bodies = [b"[%s]" % (letter * size) for letter, size in ((b"a", 300_000), (b"b", 5), (b"c", 1_200_000))]
    sent = b"".join(head(len(body)) + body for body in bodies)
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
        for part in (sent[:cut], sent[cut:-1], sent[-1:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        for _ in bodies:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()

    source = WebhookSource(LOCAL)
    with_source(source, keep, client)
    assert [delivery.payload for delivery in keep.deliveries] == bodies
    assert source.stats.in_flight_bytes == 0


def test_a_long_body_is_delivered_where_it_was_received() -> None:
    payloads: list[object] = []

    async def handle(delivery: Delivery) -> None:
        payloads.append(delivery.payload)
        assert bytes(delivery.payload) == b"x" * 1_000_000

    assert post(b"x" * 1_000_000, handle=handle).status_code == 200
    assert [type(payload) for payload in payloads] == [memoryview]


def test_bodies_that_come_at_the_same_time_are_kept_apart() -> None:
    bodies = [b"[%d,%s]" % (number, b"%d" % number * 300_000) for number in range(6)]
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*[http.post("/k8s-audit", content=body, headers=JSON) for body in bodies])
        assert [answer.status_code for answer in answers] == [200] * len(bodies)

    with_source(WebhookSource(LOCAL), keep, client)
    assert sorted(bytes(delivery.payload) for delivery in keep.deliveries) == bodies


def test_a_body_that_breaks_off_far_in_is_not_delivered_and_its_memory_serves_the_next() -> None:
    whole = b"[%s]" % (b"x" * 2_000_000)
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
            writer.write(head(len(whole)) + whole[:-1])
            await writer.drain()
            writer.transport.abort()
            assert (await http.post("/k8s-audit", content=BODY * 10_000, headers=JSON)).status_code == 200

    source = WebhookSource(LOCAL)
    with_source(source, keep, client)
    assert [delivery.payload for delivery in keep.deliveries] == [BODY * 10_000] * 3
    assert source.stats.in_flight_bytes == 0


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        answer = await raw(source, head(100) + b"{")
        assert answer.startswith(b"HTTP/1.1 408 ")

    source = WebhookSource(LOCAL, bounds=Bounds(body_s=0.05))
    with_source(source, Keep(), client)
    assert (dict(source.stats.refused), source.stats.in_flight_bytes) == ({Refusal.SLOW: 1}, 0)


@pytest.mark.parametrize(("came", "status"), [(b"{}", 200), (b"", 408)])
def test_while_more_of_a_body_comes_it_is_waited_for(came: bytes, status: int) -> None:
    """What is received in place comes without messages."""
    poured: list[Body] = []
    statuses: list[int] = []

    async def receive() -> Message:
        if poured and not poured[0].size and came:
            poured[0].add(came)  # for two seconds more
            await asyncio.Event().wait()
        elif not came:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    scope: Scope = {
        "path": "/k8s-audit",
        "method": "POST",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "state": {"pour": lambda scope, body: poured.append(body)},
    }
    keep = Keep()
    asyncio.run(
        Receiver("/k8s-audit", keep, Limits(), bounds=Bounds(body_grace_s=0.01, body_rate=1))(scope, receive, send)
    )
    assert statuses == [status]
    assert [delivery.payload for delivery in keep.deliveries] == ([came] if came else [])


def test_a_body_that_trickles_in_is_refused_once_its_time_is_over() -> None:
    """One byte in each turn of the event loop does not keep it waited for."""
    statuses: list[int] = []

    async def trickle(body: Body) -> None:
        while not statuses:
            body.filled(1)
            await asyncio.sleep(0)

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def main() -> None:
        async with asyncio.TaskGroup() as group:

            async def receive() -> Message:
                await asyncio.Event().wait()
                return {}

            scope: Scope = {
                "path": "/k8s-audit",
                "method": "POST",
                "headers": [(b"content-type", b"application/json")],
                "client": ("127.0.0.1", 1),
                "state": {"pour": lambda scope, body: group.create_task(trickle(body))},
            }
            receiver = Receiver("/k8s-audit", Keep(), Limits(), bounds=Bounds(body_s=0.05, body_rate=1))
            await asyncio.wait_for(receiver(scope, receive, send), 60)

    asyncio.run(main())
    assert statuses == [408]


def test_beyond_the_bytes_in_flight_the_client_is_asked_to_wait() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        entered.set()
        await release.wait()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        first = asyncio.ensure_future(http.post("/k8s-audit", content=b"x" * 900, headers=JSON))
        await entered.wait()
        second = await http.post("/k8s-audit", content=b"x" * 200, headers=JSON)
        assert (second.status_code, second.headers["retry-after"]) == (429, "5")
        release.set()
        assert (await first).status_code == 200
        assert (await http.post("/k8s-audit", content=b"x" * 200, headers=JSON)).status_code == 200

    source = WebhookSource(LOCAL, Limits(max_batch_size=1000), bounds=Bounds(in_flight_bytes=1000))
    with_source(source, handle, client)
    assert dict(source.stats.refused) == {Refusal.BUSY: 1}


def test_announced_bytes_that_do_not_come_keep_nobody_out() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        _, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
        writer.write(head(1000))
        await writer.drain()
        assert (await http.post("/k8s-audit", content=b"x" * 900, headers=JSON)).status_code == 200
        writer.close()

    with_source(WebhookSource(LOCAL, Limits(max_batch_size=1000), bounds=Bounds(in_flight_bytes=1000)), Keep(), client)


def test_a_client_that_goes_away_is_counted_and_not_delivered() -> None:
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        _, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
        writer.write(head(100) + b"{")
        await writer.drain()
        writer.close()

    source = WebhookSource(LOCAL)
    with_source(source, keep, client)  # the source ends only when the request has ended
    assert keep.deliveries == []
    assert source.stats.posts == source.stats.in_flight_bytes == 0
    assert set(source.stats.refused) <= {Refusal.DISCONNECTED}


@pytest.mark.parametrize(
    "request_",
    [
        head(2, "X-Junk: " + "x" * 67_000),
        head(2, *[f"X-{number}: x" for number in range(20_000)]),
        head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        + b"2\r\n{}\r\n0\r\nX-Trailer: "
        + b"x" * 200_000,
    ],
    ids=["one large header", "many headers", "trailers"],
)
def test_all_that_is_not_body_is_bounded(request_: bytes) -> None:
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        answer = b""
        with suppress(ConnectionError):  # it is closed while there is still much to read
            answer = await raw(source, request_)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")

    with_source(WebhookSource(LOCAL, bounds=Bounds(body_s=5)), keep, client)
    assert keep.deliveries == []


@pytest.mark.parametrize("start", [b"", b"POST /k8s-audit HTTP/1.1\r\nHost:"], ids=["silent", "slow head"])
def test_a_connection_without_a_request_is_closed(start: bytes) -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        with suppress(ConnectionError):
            assert await raw(source, start) == b""

    source = WebhookSource(LOCAL, bounds=Bounds(head_s=0.05))
    with_source(source, Keep(), client)
    assert source.stats.connections.closed == {Closing.SLOW: 1}


def test_a_connection_too_many_takes_the_place_of_an_idle_one() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        idle, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
        while not source.stats.connections.open:
            await asyncio.sleep(0)
        assert (await http.post("/k8s-audit", content=BODY, headers=JSON)).status_code == 200
        with suppress(ConnectionError):
            assert await idle.read() == b""
        assert source.stats.connections.open == 1
        writer.close()

    source = WebhookSource(LOCAL, bounds=Bounds(connections=1))
    with_source(source, Keep(), client)
    assert source.stats.connections.closed == {Closing.CROWDED: 1}


def test_a_connection_too_many_is_refused_while_all_others_are_in_use() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        entered.set()
        await release.wait()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        posting = asyncio.ensure_future(http.post("/k8s-audit", content=BODY, headers=JSON))
        await entered.wait()
        with suppress(ConnectionError):
            assert await raw(source, head(2, "Connection: close") + b"{}") == b""
        release.set()
        assert (await posting).status_code == 200

    source = WebhookSource(LOCAL, bounds=Bounds(connections=1))
    with_source(source, handle, client)
    assert source.stats.posts == 1


def test_requests_on_one_connection_each_begin_a_new_count() -> None:
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        one = head(2, "X-Junk: " + "x" * 3000) + b"{}"
        answer = await raw(source, one * 50 + head(2, "Connection: close") + b"{}")
        assert answer.count(b"HTTP/1.1 200 OK") == 51

    with_source(WebhookSource(LOCAL), keep, client)
    assert len(keep.deliveries) == 51


def test_a_forged_address_is_not_believed() -> None:
    keep = Keep()
    post(handle=keep, headers=JSON | {"x-forwarded-for": "8.8.8.8"})
    assert keep.deliveries[0].origin.startswith("127.0.0.1:")


def test_other_applications_answer_on_their_paths() -> None:
    async def health(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    source = WebhookSource(LOCAL, extra={"/healthz": health})
    assert post(b"", source=source, method="GET", path="/healthz").status_code == 204
    assert not source.stats.refused


def test_when_cancelled_posts_that_have_begun_are_finished_and_new_ones_refused() -> None:
    log: list[object] = []

    async def main() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            entered.set()
            await release.wait()
            log.append("handled")

        source = WebhookSource(LOCAL)
        running = await started(source, handle)
        assert source.address is not None
        base = f"http://127.0.0.1:{source.address[1]}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
            posting = asyncio.ensure_future(http.post("/k8s-audit", content=BODY, headers=JSON))
            await entered.wait()
            running.cancel()
            refused = False
            while not refused:  # until the listening socket is closed
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
                    writer.close()
                except ConnectionError:
                    refused = True
            assert not running.done()
            release.set()
            log.append((await posting).status_code)
            with pytest.raises(asyncio.CancelledError):
                await running
        assert source.address is None

    asyncio.run(main())
    assert log == ["handled", 200]


def test_signals_stay_the_programs() -> None:
    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert signal.getsignal(signal.SIGTERM) == before

    before = signal.getsignal(signal.SIGTERM)
    with_source(WebhookSource(LOCAL), Keep(), client)


def run_fails(options: WebhookOptions) -> SourceError:
    with pytest.raises(SourceError) as caught:
        asyncio.run(asyncio.wait_for(WebhookSource(options).run(Keep()), 10))
    return caught.value


def test_a_port_in_use_is_told_before_serving() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = run_fails(WebhookOptions(port=port))
    assert str(error) == f"cannot listen on `127.0.0.1:{port}`: address already in use"
    assert "ss -ltnp" in (error.help or "")


@pytest.mark.parametrize(
    ("host", "reason"), [("192.0.2.1", "cannot assign requested address"), ("no host", "unknown host")]
)
def test_an_address_of_another_host_is_told(host: str, reason: str) -> None:
    assert run_fails(WebhookOptions(host=host, port=0)).reason == reason


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pem(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "falco.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_https_with_key_and_certificate_in_one_file(authority: trustme.CA, pem: Path) -> None:
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert (await http.post("/k8s-audit", content=BODY * 100_000, headers=JSON)).status_code == 200

    options = WebhookOptions.from_url("https://localhost:0/k8s-audit", certificate=str(pem))
    with_source(WebhookSource(options), keep, client, trusting(authority))
    assert keep.deliveries[0].payload == BODY * 100_000


def test_https_with_the_key_in_a_file_of_its_own(authority: trustme.CA, tmp_path: Path) -> None:
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert (await http.post("/k8s-audit", content=BODY, headers=JSON)).status_code == 200

    cert, key = str(tmp_path / "cert"), str(tmp_path / "key")
    options = WebhookOptions.from_url("https://localhost:0/k8s-audit", certificate=cert, key=key)
    with_source(WebhookSource(options), Keep(), client, trusting(authority))


def test_certificates_that_cannot_be_used_are_told(authority: trustme.CA, pem: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(other))
    junk = tmp_path / "junk"
    junk.write_text("junk")

    def reason(certificate: Path, key: Path | None = None) -> str:
        options = WebhookOptions(port=0, is_tls=True, certificate=str(certificate), key=str(key) if key else None)
        return str(run_fails(options))

    assert reason(tmp_path / "none") == f"cannot read `{tmp_path}/none`: no such file"
    assert reason(pem, tmp_path / "none") == f"cannot read `{tmp_path}/none`: no such file"
    assert reason(junk) == f"cannot read `{junk}`: no usable certificate and key"
    assert reason(pem, other) == f"cannot read `{pem}`: the key does not belong to the certificate"


def test_an_address_is_read_as_falco_writes_it() -> None:
    limits = Limits(max_event_size=262144, max_batch_size=12582912)
    options = WebhookOptions.from_url("https://:9765/k8s-audit", certificate="/a.pem", limits=limits)
    assert options == WebhookOptions(
        host="",
        port=9765,
        path="/k8s-audit",
        is_tls=True,
        certificate="/a.pem",
        limits=limits,
    )
    assert WebhookOptions.from_url("http://127.0.0.1:9765/k8s-audit") == WebhookOptions()
    assert WebhookOptions().certificate == DEFAULT_CERTIFICATE


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("[::1]", True), ("", False), ("0.0.0.0", False)],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert WebhookOptions.from_url(f"http://{host}:1/x").is_loopback is expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x:1/y", "unknown scheme `ftp`"),
        ("http://x/y", "the address has no port"),
        ("http://x:99999/y", "not an address"),
        ("http://[x/y", "not an address"),
    ],
)
def test_what_is_no_address_is_told(url: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        WebhookOptions.from_url(url)
    assert str(caught.value) == f"cannot listen on `{url}`: {message}"
    assert "http://127.0.0.1:9765/k8s-audit" in (caught.value.help or "")


def test_all_interfaces_take_both_versions_of_ip() -> None:
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        for host in ["127.0.0.1", "[::1]"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]:
            url = f"http://{host}:{source.address[1]}/k8s-audit"
            assert (await http.post(url, content=BODY, headers=JSON)).status_code == 200

    with_source(WebhookSource(WebhookOptions(host="", port=0)), keep, client)
    assert keep.deliveries


def test_the_recorded_posts_of_an_api_server_are_taken_as_sent(shared: Path) -> None:
    with gzip.open(shared / "recordings" / "webhook-posts.jsonl.gz") as file:
        bodies = list(file)
    headers = (shared / "recordings" / "webhook-headers.jsonl").read_text()
    requests = [json.loads(line) for line in headers.splitlines()]
    assert [len(body) for body in bodies] == [request["body_bytes"] for request in requests]
    keep = Keep()

    async def client(source: WebhookSource, http: httpx.AsyncClient) -> None:
        assert source.address is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", source.address[1])
        for request, body in zip(requests, bodies, strict=True):
            lines = [request["request"], *(f"{name}: {value}" for name, value in request["headers"])]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()

    source = WebhookSource(LOCAL)
    with_source(source, keep, client)
    assert [delivery.payload for delivery in keep.deliveries] == bodies
    assert (source.stats.posts, source.stats.bytes) == (len(bodies), sum(map(len, bodies)))
