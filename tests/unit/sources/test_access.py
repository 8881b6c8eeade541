"""Who is let in, over real sockets with real certificates."""

import asyncio
import datetime
import logging
import os
import ssl
from pathlib import Path

import pytest
import trustme

from lanner.sources.auth import Access, client_of, network_of
from lanner.sources.base import SourceError
from lanner.sources.connection import Bounds
from lanner.sources.crowd import Closing
from lanner.sources.plugin import Trouble
from lanner.sources.receiver import Receive, Scope, Send
from lanner.sources.webhook import WebhookOptions, WebhookSource
from tests.unit.sources.clients import BODY, Keep, Told, head, request, run, running, send, until

TOKEN, OTHER = "t" * 40, "u" * 40
UNTIL = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(days=1)


class Place:
    """A folder with a server's certificate, and CAs for clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.clients = trustme.CA()
        self.server = folder / "server.pem"
        self.ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(self.server))
        self.client_ca = folder / "client-ca.pem"
        self.clients.cert_pem.write_to_path(str(self.client_ca))
        self.tokens = folder / "tokens"
        self.tokens.write_text(f"prod {TOKEN}\n")

    def source(
        self, *, tls: bool = True, told: Told | None = None, bounds: Bounds | None = None, **access: object
    ) -> WebhookSource:
        options = WebhookOptions(
            host="localhost" if tls else "127.0.0.1",
            port=0,
            is_tls=tls,
            certificate=str(self.server),
            access=Access(**access),  # type: ignore[arg-type]  # its members by name
        )
        return WebhookSource(options, bounds=bounds, on_trouble=told or Told())

    def client(
        self, name: str | None = None, *, ca: trustme.CA | None = None, expires: datetime.datetime | None = None
    ) -> ssl.SSLContext:
        """The TLS of a client, with a certificate when it has a name."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if name:
            issued = (ca or self.clients).issue_cert(common_name=name, not_after=expires)
            with issued.private_key_and_cert_chain_pem.tempfile(str(self.folder)) as path:
                context.load_cert_chain(path)
        return context


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def status(answer: bytes) -> int:
    """The status of an answer; 0 when there is none."""
    return int(answer[9:12] or 0)


def test_a_client_certificate_lets_in_and_nothing_else_does(place: Place) -> None:
    keep, source = Keep(), place.source(client_ca=str(place.client_ca))

    async def main() -> None:
        async with running(source, keep) as port:
            assert status(await send(port, request(), place.client("api-server"))) == 200
            answer = await send(port, request(f"Authorization: Bearer {TOKEN}"), place.client())
            assert status(answer) == 401
            assert b"connection: close" in answer
            assert answer.endswith(b"\r\n\r\n")
            assert await send(port, request(), place.client("api-server", ca=trustme.CA())) == b""
            assert await send(port, request(), place.client("api-server", expires=UNTIL)) == b""
            assert await send(port, request(), place.client("api-server", ca=place.ca)) == b""

    run(main())
    assert [delivery.payload for delivery in keep.deliveries] == [BODY]
    assert source.stats.refused == {"no_certificate": 1, "untrusted_certificate": 3}
    assert source.stats.connections.closed == {Closing.HANDSHAKE: 3}


def test_a_token_lets_in_and_nothing_else_does(place: Place) -> None:
    keep, source = Keep(), place.source(token_file=str(place.tokens))

    async def main() -> None:
        async with running(source, keep) as port:
            tls = place.client()
            assert status(await send(port, request(f"Authorization: Bearer {TOKEN}"), tls)) == 200
            for more in ((), (f"Authorization: Bearer {OTHER}",), (f"Authorization: Basic {TOKEN}",)):
                answer = await send(port, request(*more), tls)
                assert status(answer) == 401
                assert answer.endswith(b"\r\n\r\n")
            assert status(await send(port, request(path=f"/k8s-audit?token={TOKEN}"), tls)) == 401

    run(main())
    assert len(keep.deliveries) == 1
    assert source.stats.refused == {"no_token": 2, "unknown_token": 2}


def test_who_is_known_and_not_allowed_gets_403(place: Place) -> None:
    keep, source = Keep(), place.source(client_ca=str(place.client_ca), clients=(client_of("CN:api-*"),))

    async def main() -> None:
        async with running(source, keep) as port:
            assert status(await send(port, request(), place.client("api-1"))) == 200
            assert status(await send(port, request(), place.client("kubelet"))) == 403

    run(main())
    assert len(keep.deliveries) == 1
    assert source.stats.refused == {"client": 1}


def test_who_comes_from_another_network_gets_403_whatever_it_proves(place: Place) -> None:
    networks = (network_of("192.0.2.0/24"),)
    keep, source = Keep(), place.source(tls=False, token_file=str(place.tokens), networks=networks)

    async def main() -> None:
        async with running(source, keep) as port:
            assert status(await send(port, request(f"Authorization: Bearer {TOKEN}"))) == 403

    run(main())
    assert not keep.deliveries
    assert source.stats.refused == {"network": 1}


def test_a_peer_over_both_versions_of_ip_is_found_in_its_network(place: Place) -> None:
    keep = Keep()
    options = WebhookOptions(host="", port=0, access=Access(networks=(network_of("127.0.0.0/8"),)))

    async def main() -> None:
        async with running(WebhookSource(options), keep) as port:
            assert status(await send(port, request())) == 200

    run(main())


@pytest.mark.parametrize("path", ["/k8s-audit", "/other", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_without_credentials_nothing_is_told_apart(place: Place, path: str, method: str) -> None:
    source = place.source(tls=False, token_file=str(place.tokens))

    async def main() -> None:
        async with running(source, Keep()) as port:
            assert status(await send(port, head(0, path=path, method=method))) == 401

    run(main())


def test_a_body_is_not_read_before_it_is_known_who_sends_it(place: Place) -> None:
    keep, source = Keep(), place.source(tls=False, token_file=str(place.tokens))

    async def main() -> None:
        async with running(source, keep) as port:
            assert status(await send(port, head(10 << 30))) == 401  # of which nothing is sent
            assert b"100 Continue" not in await send(port, head(10 << 30, "Expect: 100-continue"))
            good = await send(port, request(f"Authorization: Bearer {TOKEN}", "Expect: 100-continue"))
            assert good.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

    run(main())


def test_what_follows_a_refused_request_on_its_connection_is_not_evaluated(place: Place) -> None:
    keep, source = Keep(), place.source(tls=False, token_file=str(place.tokens))

    async def main() -> None:
        async with running(source, keep) as port:
            good = head(len(BODY), f"Authorization: Bearer {TOKEN}") + BODY
            await send(port, head(len(BODY)) + BODY + good * 5)

    run(main())
    assert not keep.deliveries


def test_applications_on_other_paths_ask_for_nothing(place: Place) -> None:
    async def health(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    options = WebhookOptions(port=0, access=Access(token_file=str(place.tokens), networks=(network_of("192.0.2.1"),)))
    source = WebhookSource(options, extra={"/healthz": health})

    async def main() -> None:
        async with running(source, Keep()) as port:
            assert status(await send(port, head(0, "Connection: close", path="/healthz", method="GET"))) == 204

    run(main())


def test_who_is_refused_is_said_once_a_minute_and_raised_when_it_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    source = place.source(tls=False, told=told, token_file=str(place.tokens))

    async def main() -> None:
        async with running(source, Keep()) as port:
            for _ in range(20):
                await send(port, request(f"Authorization: Bearer {OTHER}"))

    with caplog.at_level(logging.INFO, "lanner"):
        run(main())
    assert [record.message for record in caplog.records] == [
        "source `webhook`: refused 127.0.0.1: its bearer token is not in `tokenFile`"
    ]
    text = "requests are refused, the last one of 127.0.0.1: its bearer token is not in `tokenFile`"
    assert told.troubles == [(Trouble.DENIED, text)]
    assert OTHER not in caplog.text


def exchange(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(data)
    os.replace(new, path)


def test_another_ca_of_clients_counts_without_a_restart_also_for_connections_that_are_open(place: Place) -> None:
    keep, told = Keep(), Told()
    source = place.source(told=told, bounds=Bounds(renewal_s=0.01), client_ca=str(place.client_ca))
    other = trustme.CA()

    async def main() -> None:
        async with running(source, keep) as port:
            old, new = place.client("api"), place.client("api", ca=other)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=old, server_hostname="localhost")
            writer.write(head(len(BODY)) + BODY)
            assert status(await reader.readuntil(b"\r\n\r\n")) == 200
            assert await send(port, request(), new) == b""
            exchange(place.client_ca, other.cert_pem.bytes())
            assert await reader.read() == b""
            writer.close()
            assert status(await send(port, request(), new)) == 200
            assert await send(port, request(), old) == b""

    run(main())
    assert told.troubles == []


def test_a_renewed_certificate_of_the_server_is_shown_without_a_restart(place: Place) -> None:
    source = place.source(client_ca=str(place.client_ca))

    async def shown(port: int) -> bytes | None:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=place.client("api"), server_hostname="localhost"
        )
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return found

    async def main() -> None:
        async with running(source, Keep()) as port:
            before = await shown(port)
            assert await shown(port) == before
            renewed = place.ca.issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
            exchange(place.server, renewed)
            assert await shown(port) != before

    run(main())


def test_a_certificate_that_goes_bad_is_told_and_that_of_before_stays(place: Place) -> None:
    keep, told = Keep(), Told()
    source = place.source(told=told, client_ca=str(place.client_ca))

    async def main() -> None:
        async with running(source, keep) as port:
            place.server.unlink()
            for _ in range(3):
                assert status(await send(port, request(), place.client("api"))) == 200
                assert await send(port, request(), place.client("api", ca=trustme.CA())) == b""

    run(main())
    assert [trouble for trouble, text in told.troubles if str(place.server) in text] == [Trouble.UNUSABLE]


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_clients_of_cas_that_go_bad_are_shut_out_until_these_are_mended(place: Place, content: bytes | None) -> None:
    keep, told = Keep(), Told()
    source = place.source(told=told, client_ca=str(place.client_ca))
    good = place.client_ca.read_bytes()

    async def main() -> None:
        async with running(source, keep) as port:
            if content is None:
                place.client_ca.unlink()
            else:
                exchange(place.client_ca, content)
            for name in ("api", None):
                assert status(await send(port, request(), place.client(name))) == 401
            exchange(place.client_ca, good)
            assert status(await send(port, request(), place.client("api"))) == 200

    run(main())
    assert len(keep.deliveries) == 1
    assert [trouble for trouble, text in told.troubles if str(place.client_ca) in text] == [Trouble.UNUSABLE]


def test_another_ca_counts_although_the_certificate_cannot_be_read_by_then(place: Place) -> None:
    keep = Keep()
    source = place.source(client_ca=str(place.client_ca))
    good = place.server.read_bytes()

    async def main() -> None:
        async with running(source, keep) as port:
            place.server.unlink()
            other = trustme.CA()
            exchange(place.client_ca, other.cert_pem.bytes())
            assert status(await send(port, request(), place.client("api"))) == 401
            exchange(place.server, good)
            assert status(await send(port, request(), place.client("api", ca=other))) == 200
            assert await send(port, request(), place.client("api")) == b""

    run(main())
    assert len(keep.deliveries) == 1


def test_who_shows_a_certificate_of_another_ca_is_counted_and_raised(place: Place) -> None:
    told = Told()
    source = place.source(told=told, client_ca=str(place.client_ca))

    async def main() -> None:
        async with running(source, Keep()) as port:
            other = place.client("api", ca=trustme.CA())
            for _ in range(5):
                assert await send(port, request(), other) == b""

    run(main())
    assert source.stats.refused == {"untrusted_certificate": 5}
    assert [trouble for trouble, _ in told.troubles] == [Trouble.DENIED]


@pytest.mark.parametrize("content", [None, b"", b"junk", b"leaf"])
def test_a_file_that_holds_no_ca_is_refused_at_the_start(place: Place, content: bytes | None) -> None:
    path = place.folder / "ca.pem"
    if content == b"leaf":
        content = place.clients.issue_cert("x").cert_chain_pems[0].bytes()
    if content is not None:
        path.write_bytes(content)

    async def main() -> None:
        async with running(place.source(client_ca=str(path)), Keep()):
            pass

    with pytest.raises(SourceError) as caught:
        run(main())
    assert caught.value.path == str(path)
    assert "clientCA" in str(caught.value.help)


def test_tls_that_is_not_agreed_on_is_counted_and_said(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    source = place.source(client_ca=str(place.client_ca), bounds=Bounds(handshake_s=0.2))

    async def main() -> None:
        async with running(source, Keep()) as port:
            await send(port, request())  # HTTP
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""  # a client that says nothing
            writer.close()
            old = place.client("api")
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
            assert status(await send(port, request(), old)) == 200
            await until(lambda: source.stats.connections.open == 0)

    with caplog.at_level(logging.INFO, "lanner"):
        run(main())
    assert source.stats.connections.closed == {Closing.HANDSHAKE: 2}
    assert source.stats.refused == {"tls": 1}
    assert "refused 127.0.0.1: it speaks HTTP where HTTPS is spoken" in caplog.text


def test_sessions_of_tls_1_3_are_not_resumed_so_that_each_connection_proves_itself(place: Place) -> None:
    source = place.source(client_ca=str(place.client_ca))

    async def main() -> None:
        async with running(source, Keep()) as port:
            tls = place.client("api")

            def twice() -> list[bool]:
                import socket  # noqa: PLC0415 - for this thread alone

                reused, session = [], None
                for _ in range(2):
                    with (
                        socket.create_connection(("127.0.0.1", port)) as plain,
                        tls.wrap_socket(plain, server_hostname="localhost", session=session) as client,
                    ):
                        client.sendall(request())
                        while client.recv(65536):
                            pass
                        session = client.session
                        reused.append(bool(client.session_reused))
                return reused

            assert await asyncio.to_thread(twice) == [False, False]

    run(main())
