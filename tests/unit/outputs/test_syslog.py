import json
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from lanner.outputs.format import AlertFormat
from lanner.outputs.sink import OptionError, RefusedError
from lanner.outputs.syslog import FACILITIES, Header, SyslogOptions, SyslogOutput, Transport
from lanner.rules.priority import Priority

from .receivers import TIMEOUT_S, alert, counted, datagram_daemon, server_context, stream_daemon

JSON = AlertFormat(json=True)
# Source: RFC 5424, section 6: VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
MESSAGE = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[!-~]{1,255})"
    rb" (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) - - (?P<text>.*)",
    re.DOTALL,
)


def parsed(message: bytes) -> dict[str, bytes]:
    found = MESSAGE.fullmatch(message)
    assert found, message
    return found.groupdict()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with datagram_daemon(("127.0.0.1", 0)) as receiver:
        yield receiver


def output_to(port: int, transport: Transport = Transport.UDP, **options: Any) -> SyslogOutput:
    chosen = SyslogOptions(transport=transport, host="127.0.0.1", port=port, timeout_s=TIMEOUT_S, **options)
    return SyslogOutput(chosen, JSON)


def test_a_datagram_is_a_message_of_rfc_5424(udp: socket.socket) -> None:
    output = output_to(udp.getsockname()[1], facility="local3", app_name="detector")
    output.write([alert(1)])
    output.flush()
    output.close()
    output.close()
    found = parsed(udp.recv(65536))
    assert found == {
        "priority": b"%d" % ((16 + 3) * 8 + 4),
        "time": b"2026-11-21T10:23:58.064343Z",
        "host": b"vm",
        "app": b"detector",
        "process": b"%d" % os.getpid(),
        "text": JSON.encode(alert(1)).removesuffix(b"\n"),
    }


@pytest.mark.parametrize(("priority", "severity"), list(zip(Priority, range(8), strict=True)))
def test_the_severity_is_the_priority_of_the_alert(udp: socket.socket, priority: Priority, severity: int) -> None:
    output = output_to(udp.getsockname()[1])
    output.write([alert(priority=priority)])
    output.close()
    assert int(parsed(udp.recv(65536))["priority"]) == FACILITIES["user"] * 8 + severity


def test_facilities_have_the_numbers_of_the_system() -> None:
    import syslog  # noqa: PLC0415 - the module of the system, for this test only

    for name in ("kern", "user", "mail", "daemon", "auth", "syslog", "news", "uucp", "cron", "authpriv", "local7"):
        assert FACILITIES[name] * 8 == getattr(syslog, f"LOG_{name.upper()}")


def test_the_local_socket_gets_what_the_c_library_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    path = str(tmp_path / "log")
    with datagram_daemon(path) as receiver:
        output = SyslogOutput(SyslogOptions(path=path), AlertFormat())
        output.write([alert(1), alert(2, time_ns=1796083200000000000)])
        output.close()
        messages = [receiver.recv(65536).decode() for _ in range(2)]
    monkeypatch.undo()
    time.tzset()
    assert messages == [
        f"<12>Nov 21 10:23:58 lanner[{os.getpid()}]: 10:23:58.064343001: Warning pod 1",
        f"<12>Dec  1 00:00:00 lanner[{os.getpid()}]: 00:00:00.000000000: Warning pod 2",
    ]


def test_the_local_socket_gets_rfc_5424_if_that_is_wanted(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with datagram_daemon(path) as receiver:
        output = SyslogOutput(SyslogOptions(path=path, header=Header.RFC5424), JSON)
        output.write([alert(1)])
        output.close()
        assert json.loads(parsed(receiver.recv(65536))["text"])["rule"] == "Pod created"


def test_a_local_daemon_that_comes_again_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    output = SyslogOutput(SyslogOptions(path=str(path)), JSON)
    with pytest.raises(FileNotFoundError):
        output.write([alert(1)])
    for number in (1, 2):
        with datagram_daemon(str(path)) as receiver:
            output.write([alert(number)])
            assert b"pod %d" % number in receiver.recv(65536)
        with pytest.raises(ConnectionRefusedError):
            output.write([alert(3)])
        path.unlink()
    output.close()


def test_over_tcp_each_message_stands_behind_its_length() -> None:
    with stream_daemon() as daemon:
        output = output_to(daemon.port, Transport.TCP)
        output.write([alert(1), alert(2, message="ü\nü")])
        with daemon.accept() as connection:
            for expected in (alert(1), alert(2, message="ü\nü")):
                assert parsed(counted(connection))["text"] == JSON.encode(expected).removesuffix(b"\n")
            output.close()
            assert connection.recv(1) == b""


def test_a_connection_that_the_daemon_closed_is_made_again_before_the_next_message() -> None:
    with stream_daemon() as daemon:
        output = output_to(daemon.port, Transport.TCP)
        output.write([alert(1)])
        with daemon.accept() as connection:
            counted(connection)
        output.write([alert(2)])
        with daemon.accept() as connection:
            assert b"pod 2" in counted(connection)
        output.close()


def test_the_signal_to_reopen_connects_anew() -> None:
    with stream_daemon() as daemon:
        output = output_to(daemon.port, Transport.TCP)
        output.write([alert(1)])
        output.reopen()
        output.write([alert(2)])
        with daemon.accept() as first, daemon.accept() as second:
            assert b"pod 1" in counted(first)
            assert first.recv(1) == b""
            assert b"pod 2" in counted(second)
        output.close()


def test_a_daemon_that_does_not_read_is_given_up_after_the_time_allowed() -> None:
    with stream_daemon() as daemon:
        options = SyslogOptions(transport=Transport.TCP, host="127.0.0.1", port=daemon.port, timeout_s=0.2)
        output = SyslogOutput(options, JSON)
        with pytest.raises(TimeoutError):
            output.write([alert(message="x" * 8000)] * 10_000)
        assert output._socket is None


def test_over_tls_both_sides_show_who_they_are(tmp_path: Path) -> None:
    authority = trustme.CA()
    client = authority.issue_cert("lanner.example.com")
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client"))
    tls = {"ca_cert": str(tmp_path / "ca"), "mtls": True, "client_cert": str(tmp_path / "client")}
    with stream_daemon(server_context(authority, wants_client=True)) as daemon, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(daemon.accept)
        output = output_to(daemon.port, Transport.TLS, **tls)
        output.write([alert(1)])
        with accepted.result(TIMEOUT_S) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            assert b"pod 1" in counted(connection)
            output.write([alert(2)])  # over the same connection: it is seen to be alive
            assert b"pod 2" in counted(connection)
        output.close()


def test_over_tls_a_daemon_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca"))
    with stream_daemon(server_context(trustme.CA())) as daemon, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(daemon.accept)
        output = output_to(daemon.port, Transport.TLS, ca_cert=str(tmp_path / "ca"))
        with pytest.raises(ssl.SSLCertVerificationError):
            output.write([alert(1)])
        with pytest.raises(OSError, match=r"."):
            accepted.result(TIMEOUT_S)
        output.close()


@pytest.mark.parametrize("is_json", [True, False])
def test_no_character_can_end_a_message_or_steer_a_terminal(udp: socket.socket, is_json: bool) -> None:
    hostile = "a\n<8>1 - evil - - - -\r\x00\x1b[31m\x7f\x9b\u202e\u2028é"
    options = SyslogOptions(transport=Transport.UDP, host="127.0.0.1", port=udp.getsockname()[1])
    output = SyslogOutput(options, AlertFormat(json=is_json))
    output.write([alert(message=hostile, hostname="a b\nc\u00e9", output_fields={"a": hostile})])
    output.close()
    found = parsed(udp.recv(65536))
    assert found["host"] == b"a?b?c?"
    assert found["text"].decode().isprintable()
    if is_json:
        assert json.loads(found["text"])["output_fields"]["a"] == hostile


def test_a_message_that_is_too_long_is_cut_between_characters_and_counted(udp: socket.socket) -> None:
    output = output_to(udp.getsockname()[1], max_message_bytes=1001)
    output.write([alert(1), alert(message="é" * 5000)])
    output.close()
    udp.recv(65536)
    message = udp.recv(65536)
    assert len(message) in (1000, 1001)
    assert message.decode().endswith("é")
    assert output.truncated == 1


def test_a_message_beyond_what_a_datagram_holds_is_refused(udp: socket.socket) -> None:
    output = output_to(udp.getsockname()[1], max_message_bytes=1_000_000)
    with pytest.raises(RefusedError, match="too many for the socket"):
        output.write([alert(message="x" * 100_000)])
    output.write([alert(1)])
    output.close()
    assert b"pod 1" in udp.recv(65536)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"transport": Transport.UDP}, "host"),
        ({"port": 65536}, "port"),
        ({"facility": "local8"}, "facility"),
        ({"app_name": "a b"}, "app_name"),
        ({"app_name": ""}, "app_name"),
        ({"app_name": "x" * 49}, "app_name"),
        ({"max_message_bytes": 100}, "max_message_bytes"),
        ({"transport": Transport.TLS, "host": "h", "ca_cert": "/nonexistent"}, "ca_cert"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_at_once(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError, match=f"^`{option}`: "):
        SyslogOutput(SyslogOptions(**options), JSON)
