import gzip
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOptions, HttpOutput
from lanner.outputs.sink import OptionError, RefusedError
from lanner.outputs.template import AlertTemplate

from .receivers import TIMEOUT_S, WebServer, alert, server_context, web_server

JSON = AlertFormat(json=True)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def output_to(web: WebServer, **options: Any) -> HttpOutput:
    scheme = "https" if "ca_cert" in options or "ca_bundle" in options or "insecure" in options else "http"
    url = options.pop("url", f"{scheme}://127.0.0.1:{web.port}/alerts?to=1")
    return HttpOutput(HttpOptions(url=url, **options), JSON)


def files_of(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """The files of an authority and of a client that it vouches for, by option."""
    client = authority.issue_cert("lanner.example.com")
    certificate, key = client.cert_chain_pems[0], client.private_key_pem
    blobs = {"ca_cert": authority.cert_pem, "client_cert": certificate, "client_key": key}
    for name, blob in blobs.items():
        blob.write_to_path(str(folder / name))
    return {name: str(folder / name) for name in blobs}


def test_each_alert_is_a_post_of_its_own_as_falcosidekick_reads_it(web: WebServer) -> None:
    output = output_to(web)
    output.write([alert(1), alert(2)])
    output.flush()
    output.close()
    output.close()
    posts = [web.next(), web.next()]
    for number, post in enumerate(posts, 1):
        assert post.path == "/alerts?to=1"
        assert post.headers["Content-Type"] == "application/json"
        assert post.headers["User-Agent"] == "lanner"
        assert post.body == JSON.encode(alert(number)).removesuffix(b"\n")
        # Source: falcosidekick, types.go (`FalcoPayload` and its `Check`): these it needs, and of these types.
        payload = json.loads(post.body)
        assert payload["priority"] == "Warning"
        assert payload["rule"] == "Pod created"
        assert payload["time"].startswith("2026-11-21T10:23:58.06434300")
        assert payload["time"].endswith("Z")
        assert payload["output_fields"]
        assert {name: type(payload[name]) for name in ("output", "source", "hostname", "tags")} == {
            "output": str, "source": str, "hostname": str, "tags": list
        }  # fmt: skip
    assert web.posts.empty()


def test_text_is_plain_text(web: WebServer) -> None:
    output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{web.port}"), AlertFormat())
    output.write([alert(1)])
    output.close()
    post = web.next()
    assert post.headers["Content-Type"] == "text/plain"
    assert post.body == AlertFormat().encode(alert(1)).removesuffix(b"\n")


def test_a_template_in_json_is_json(web: WebServer) -> None:
    template = AlertTemplate('{"text": "%rule: %ka.target.name"}', json=True)
    output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{web.port}"), template)
    output.write([alert(output_fields={"ka.target.name": '"},{\n'})])
    output.close()
    post = web.next()
    assert post.headers["Content-Type"] == "application/json"
    assert json.loads(post.body) == {"text": 'Pod created: "},{\n'}


@pytest.mark.parametrize(("keep_alive", "connections"), [(True, 1), (False, 3)])
def test_a_connection_is_used_again_if_it_is_kept_alive(web: WebServer, keep_alive: bool, connections: int) -> None:
    output = output_to(web, keep_alive=keep_alive)
    for number in range(3):
        output.write([alert(number)])
    output.close()
    posts = [web.next() for _ in range(3)]
    assert len({post.client_port for post in posts}) == connections
    assert {post.headers["Connection"] for post in posts} == {"keep-alive" if keep_alive else "close"}


def test_the_signal_to_reopen_connects_anew(web: WebServer) -> None:
    output = output_to(web, keep_alive=True)
    output.write([alert(1)])
    output.reopen()
    output.write([alert(2)])
    output.close()
    assert web.next().client_port != web.next().client_port


def test_uploads_are_compressed_with_gzip(web: WebServer) -> None:
    output = output_to(web, compress_uploads=True)
    output.write([alert(1)])
    output.close()
    post = web.next()
    assert post.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(post.body) == JSON.encode(alert(1)).removesuffix(b"\n")


def test_headers_are_added_and_replace_the_usual_ones(web: WebServer) -> None:
    output = output_to(web, user_agent="falcosecurity/falco", headers={"X-Token": "t", "content-type": "text/x"})
    output.write([alert(1)])
    output.close()
    headers = {name.lower(): value for name, value in web.next().headers.items()}
    assert headers["user-agent"] == "falcosecurity/falco"
    assert headers["x-token"] == "t"
    assert headers["content-type"] == "text/x"


def test_a_password_in_the_address_is_sent_as_basic_authentication(web: WebServer) -> None:
    output = output_to(web, url=f"'http://user:secret@127.0.0.1:{web.port}/'")
    output.write([alert(1)])
    output.close()
    assert web.next().headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


@pytest.mark.parametrize(("status", "is_refusal"), [(400, True), (413, True), (302, False), (401, False), (503, False)])
def test_a_status_that_is_no_success_is_a_failure(web: WebServer, status: int, is_refusal: bool) -> None:
    web.statuses = [status]
    output = output_to(web, keep_alive=True)
    with pytest.raises(OSError, match=f"status {status}") as caught:
        output.write([alert(1)])
    assert isinstance(caught.value, RefusedError) is is_refusal
    output.write([alert(2)])
    output.close()
    assert web.next().client_port == web.next().client_port


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    output = HttpOutput(HttpOptions(url=f"http://user:secret@127.0.0.1:{port}/"), JSON)
    with pytest.raises(OSError, match="refused") as caught:
        output.write([alert(1)])
    output.close()
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_asked_again_as_often_as_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        output = HttpOutput(HttpOptions(url=url, max_consecutive_timeouts=2, timeout_s=0.1), JSON)
        with pytest.raises(TimeoutError, match=r"no answer within 0.1 s"):
            output.write([alert(1)])
        output.close()
        server.settimeout(0)
        connections = 0
        while True:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                break
            connections += 1
    assert connections == 3


def test_answers_are_told_in_part_and_without_what_a_terminal_obeys(web: WebServer) -> None:
    web.answer = b"\x1b[31m\n" + b"x" * 100_000
    for echo in (True, False):
        said: list[str] = []
        options = HttpOptions(url=f"http://127.0.0.1:{web.port}", echo=echo, keep_alive=True)
        output = HttpOutput(options, JSON, echo=said.append)
        output.write([alert(1), alert(2)])
        output.close()
        assert len(said) == (2 if echo else 0)
        for text in said:
            assert text.startswith("\\u001b[31m\\u000ax")
            assert len(text) < 2000


@pytest.mark.parametrize("option", ["ca_cert", "ca_bundle"])
def test_a_server_is_verified_against_the_authority_that_is_named(
    authority: trustme.CA, tmp_path: Path, option: str
) -> None:
    files = files_of(authority, tmp_path)
    with web_server(server_context(authority)) as web:
        output = output_to(web, **{option: files["ca_cert"]})
        output.write([alert(1)])
        output.close()
        assert json.loads(web.next().body)["rule"] == "Pod created"


def test_a_server_is_verified_against_a_folder_of_authorities(authority: trustme.CA, tmp_path: Path) -> None:
    """A folder as `openssl rehash` makes it: each authority under the hash of its name."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "authorities"
    folder.mkdir()
    with web_server(server_context(authority)) as web:
        url = f"https://127.0.0.1:{web.port}/"
        stranger = HttpOutput(HttpOptions(url=url, ca_path=str(folder)), JSON)
        with pytest.raises(OSError, match="certificate"):
            stranger.write([alert(1)])
        stranger.close()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        subprocess.run([openssl, "rehash", str(folder)], check=True, timeout=TIMEOUT_S)
        output = HttpOutput(HttpOptions(url=url, ca_path=str(folder)), JSON)
        output.write([alert(2)])
        output.close()
        assert json.loads(web.next().body)["output"].endswith("pod 2")


def test_a_server_of_another_authority_is_not_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    files = files_of(trustme.CA(), tmp_path)
    with web_server(server_context(authority)) as web:
        output = output_to(web, ca_cert=files["ca_cert"])
        with pytest.raises(OSError, match="certificate") as caught:
            output.write([alert(1)])
        assert not isinstance(caught.value, RefusedError)
        output.close()
        assert web.posts.empty()


def test_a_server_of_another_name_is_not_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.com").configure_cert(context)
    files = files_of(authority, tmp_path)
    with web_server(context) as web:
        output = output_to(web, ca_cert=files["ca_cert"])
        with pytest.raises(OSError, match="certificate"):
            output.write([alert(1)])
        output.close()
        assert web.posts.empty()


def test_a_server_is_not_verified_if_that_is_not_wanted(authority: trustme.CA) -> None:
    with web_server(server_context(authority)) as web:
        output = output_to(web, insecure=True)
        output.write([alert(1)])
        output.close()
        assert web.next().body


def test_with_mtls_the_server_sees_who_posts(authority: trustme.CA, tmp_path: Path) -> None:
    files = files_of(authority, tmp_path)
    with web_server(server_context(authority, wants_client=True)) as web:
        output = output_to(web, mtls=True, **files)
        output.write([alert(1)])
        output.close()
        assert web.next().client_name == "lanner.example.com"
        stranger = output_to(web, ca_cert=files["ca_cert"])
        with pytest.raises(OSError, match=r"."):
            stranger.write([alert(1)])
        stranger.close()
        assert web.posts.empty()


def test_a_folder_of_authorities_that_falco_names_and_nobody_has_is_no_mistake(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{web.port}", ca_path="/etc/ssl/certs"), JSON)
    output.write([alert(1)])
    output.close()
    assert web.next().body


def key_files(authority: trustme.CA, folder: Path) -> dict[str, dict[str, Any]]:
    """Options of clients whose key cannot be used, by what is wrong with it."""
    files = files_of(authority, folder)
    other, locked, unread = folder / "other", folder / "locked", folder / "unread"
    trustme.CA().issue_cert("lanner.example.com").private_key_pem.write_to_path(str(other))
    key = load_pem_private_key((folder / "client_key").read_bytes(), password=None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    unread.mkdir()
    wrong = {"of another": other, "encrypted": locked, "a folder": unread, "missing": folder / "missing"}
    return {what: {**files, "client_key": str(path)} for what, path in wrong.items()}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("of another", "not PEM, encrypted, or key and certificate do not belong together"),
        ("encrypted", "not PEM, encrypted, or key and certificate do not belong together"),
        ("a folder", "is a directory"),
        ("missing", "no such file or directory"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_to_be_at_once(
    authority: trustme.CA, tmp_path: Path, what: str, message: str
) -> None:
    options = key_files(authority, tmp_path)[what]
    with pytest.raises(OptionError) as caught:
        HttpOutput(HttpOptions(url="https://host/", mtls=True, **options), JSON)
    files = f"`{options['client_cert']}` and `{options['client_key']}`"
    assert str(caught.value) == f"`client_cert`: cannot use {files}: {message}"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, Queue[bytes]]]:
    """A server that gives each connection one answer, whatever it is, and closes it; then tells what it was sent."""
    seen: Queue[bytes] = Queue()

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(TIMEOUT_S)
                data = b""
                while not data.endswith(b"}"):
                    data += connection.recv(65536)
                connection.sendall(answer)
            seen.put(data)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(TIMEOUT_S)
        done = pool.submit(serve, listener)
        yield listener.getsockname()[1], seen
        done.result(TIMEOUT_S)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", id="half an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunks"),
        pytest.param(b"HTTP/1.1 " + b"x" * 200_000, id="an endless head"),
        pytest.param(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", id="busy"),
    ],
)
def test_after_an_answer_that_is_none_the_alert_is_posted_again(answer: bytes) -> None:
    with answering(answer, OK) as (port, seen):
        output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{port}/", keep_alive=True), JSON)
        with pytest.raises(OSError, match=r".") as caught:
            output.write([alert(1)])
        assert not isinstance(caught.value, RefusedError)
        assert "\n" not in str(caught.value)
        output.write([alert(1)])
        output.close()
        first, second = seen.get(timeout=TIMEOUT_S), seen.get(timeout=TIMEOUT_S)
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2] == JSON.encode(alert(1)).strip()


def test_a_connection_that_was_closed_meanwhile_costs_no_alert() -> None:
    with answering(OK, OK, OK) as (port, seen):
        output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{port}/", keep_alive=True), JSON)
        for number in range(3):
            output.write([alert(number)])
            assert seen.get(timeout=TIMEOUT_S).endswith(b"\r\n\r\n" + JSON.encode(alert(number)).strip())
        output.close()


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_an_alert_does_not_follow_a_redirect(web: WebServer, status: bytes) -> None:
    """Whoever answers there is not whom the operator named, and was shown no certificate."""
    answer = b"HTTP/1.1 %b\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status, web.port)
    with answering(answer) as (port, _):
        output = HttpOutput(HttpOptions(url=f"http://127.0.0.1:{port}/"), JSON)
        with pytest.raises(OSError, match=f"status {status[:3].decode()}"):
            output.write([alert(1)])
        output.close()
    assert web.posts.empty()


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://host/"}, "url"),
        ({"url": "http:///path"}, "url"),
        ({"url": "http://host:port/"}, "url"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"headers": {"X Y": "a"}}, "headers"),
        ({"user_agent": "a\nb"}, "headers"),
        ({"ca_cert": "/nonexistent"}, "ca_cert"),
        ({"ca_bundle": __file__}, "ca_bundle"),
        ({"ca_path": "/nonexistent"}, "ca_path"),
        ({"mtls": True}, "client_cert"),
        ({"mtls": True, "client_cert": "/nonexistent"}, "client_cert"),
        ({"mtls": True, "client_cert": __file__}, "client_cert"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_at_once(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError, match=f"^`{option}`: ") as caught:
        HttpOutput(HttpOptions(**({"url": "https://host/"} | options)), JSON)
    assert caught.value.option == option
