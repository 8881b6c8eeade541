"""Alerts to a real web server, uvicorn, which asks for the client's certificate."""

import gzip
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import trustme
import uvicorn

from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOptions, HttpOutput
from lanner.outputs.lane import Route
from tests.unit.outputs.receivers import TIMEOUT_S, Fan, alert

JSON = AlertFormat(json=True)


@dataclass(slots=True)
class Receiver:
    """An application that keeps the posts it gets: headers, body, and the client's port."""

    posts: Queue[tuple[dict[str, str], bytes, int]] = field(default_factory=Queue)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body, is_more = body + message["body"], message["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.posts.put((headers, body, scope["client"][1]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def served(receiver: Receiver, folder: Path, authority: trustme.CA, *, port: int = 0) -> Iterator[int]:
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    server = uvicorn.Server(
        uvicorn.Config(
            receiver,
            host="127.0.0.1",
            port=port,
            log_config=None,
            lifespan="off",
            ssl_certfile=str(folder / "server.pem"),
            ssl_ca_certs=str(folder / "ca.pem"),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def options(folder: Path, authority: trustme.CA, port: int, **more: Any) -> HttpOptions:
    certificate = authority.issue_cert("lanner.example.com")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "client-key.pem"))
    return HttpOptions(
        url=f"https://localhost:{port}/",
        ca_cert=str(folder / "ca.pem"),
        mtls=True,
        client_cert=str(folder / "client.pem"),
        client_key=str(folder / "client-key.pem"),
        **more,
    )


@pytest.mark.parametrize("is_compressed", [False, True])
def test_alerts_are_posted_over_one_connection_to_a_server_that_knows_the_client(
    tmp_path: Path, authority: trustme.CA, is_compressed: bool
) -> None:
    receiver = Receiver()
    with served(receiver, tmp_path, authority) as port:
        more = {"keep_alive": True, "compress_uploads": is_compressed, "headers": {"X-Token": "t"}}
        output = HttpOutput(options(tmp_path, authority, port, **more), JSON)
        given = [alert(number, message="é" * 10_000) for number in range(20)]
        output.write(given)
        output.close()
    posts = [receiver.posts.get(timeout=TIMEOUT_S) for _ in given]
    assert [gzip.decompress(body) if is_compressed else body for _, body, _ in posts] == [
        JSON.encode(each).strip() for each in given
    ]
    assert len({port for _, _, port in posts}) == 1
    assert {headers["x-token"] for headers, _, _ in posts} == {"t"}
    assert {headers.get("content-encoding") for headers, _, _ in posts} == {"gzip" if is_compressed else None}


def test_a_client_that_the_server_does_not_know_posts_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    receiver = Receiver()
    with served(receiver, tmp_path, authority) as port:
        output = HttpOutput(options(tmp_path, trustme.CA(), port), JSON)
        with pytest.raises(OSError, match=r"."):
            output.write([alert(1)])
        output.close()
    assert receiver.posts.empty()


def test_alerts_wait_for_a_server_that_is_away(tmp_path: Path, authority: trustme.CA) -> None:
    receiver = Receiver()
    said: list[str] = []
    with served(receiver, tmp_path, authority) as port:
        fanout = Fan(
            [Route(name="http", output=HttpOutput(options(tmp_path, authority, port), JSON))],
            report=said.append,
            close_timeout_s=TIMEOUT_S,
        )
        fanout.write([alert(0)])
        assert json.loads(receiver.posts.get(timeout=TIMEOUT_S)[1])["output"].endswith("pod 0")
    fanout.write([alert(number) for number in range(1, 20)])
    with served(receiver, tmp_path, authority, port=port):
        found = [json.loads(receiver.posts.get(timeout=TIMEOUT_S)[1])["output"] for _ in range(19)]
        fanout.close()
    assert [text.rpartition(" ")[2] for text in found] == [str(number) for number in range(1, 20)]
    (stats,) = fanout.stats()
    assert (stats.delivered, stats.dropped) == (20, {})
    assert all(f"(`https://localhost:{port}`)" in text for text in said)
