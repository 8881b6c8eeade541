"""Syslog to a real daemon: what Debian's rsyslog makes of each message, over every transport."""

import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import lanner.outputs.syslog
from lanner.cli.log import LogOptions, configure, log
from lanner.diagnostics.visible import is_visible
from lanner.engine.alert import Alert
from lanner.outputs.format import AlertFormat
from lanner.outputs.lane import Route
from lanner.outputs.syslog import SyslogOptions, SyslogOutput, Transport
from lanner.rules.priority import Priority
from tests.unit.outputs.receivers import Fan, alert

from .rsyslog import DRIVERS, TIMEOUT_S, Rsyslog, free_port, rsyslog

JSON, TEXT = AlertFormat(json=True), AlertFormat()
HOSTILE = (
    'a\r\n<8>1 - evil - - - - x\n12 <8>1 \x00\x1b[31m\x7f\x9b\u202e\u2028 é\U0001f600 \\ " ] '
    "[x@1 y='z'] %s #012 \ufeff"
)
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def daemon(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rsyslog]:
    with rsyslog(tmp_path_factory.mktemp("rsyslog"), authority) as running:
        yield running


def certificate(authority: trustme.CA, folder: Path, name: str = "lanner.example.com") -> str:
    path = folder / "client.pem"
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


def output_to(
    daemon: Rsyslog, way: str, encoding: AlertFormat = JSON, *, client_cert: str = "", **options: Any
) -> SyslogOutput:
    if way in DRIVERS:
        options |= {"transport": Transport.TLS, "ca_cert": str(daemon.folder / "ca.pem")}
        options |= {"mtls": bool(client_cert), "client_cert": client_cert}
    elif way != "local":
        options["transport"] = Transport(way)
    port = daemon.udp if way == "udp" else daemon.ports.get(way, 0)
    options |= {"path": str(daemon.folder / "log")} if way == "local" else {"host": "127.0.0.1", "port": port}
    return SyslogOutput(SyslogOptions(**options), encoding)


def line(encoding: AlertFormat, given: Alert) -> str:
    return encoding.encode(given).decode().removesuffix("\n")


@pytest.mark.parametrize("encoding", [JSON, TEXT], ids=["json", "text"])
@pytest.mark.parametrize("way", ["udp", "tcp", *DRIVERS])
def test_every_part_of_a_message_is_read_as_it_is_meant(
    daemon: Rsyslog, authority: trustme.CA, tmp_path: Path, way: str, encoding: AlertFormat
) -> None:
    given = [alert(1, priority=priority, message=f"pöd {priority}") for priority in Priority]
    output = output_to(
        daemon, way, encoding, client_cert=certificate(authority, tmp_path), facility="local3", app_name="lan/ner-1"
    )
    output.write(given)
    output.close()
    found = sorted(daemon.received(len(given)), key=lambda each: int(each["pri"]))  # datagrams have no order
    assert len(found) == len(given)
    for number, (message, one) in enumerate(zip(found, given, strict=True)):
        assert message == {
            "pri": str(19 * 8 + number),
            "syslogfacility-text": "local3",
            "syslogseverity-text": SEVERITIES[number],
            "protocol-version": "1",
            "hostname": "vm",
            "app-name": "lan/ner-1",
            "procid": str(os.getpid()),
            "msgid": "-",
            "structured-data": "-",
            "msg": line(encoding, one),
            "inputname": "imudp" if way == "udp" else "imtcp",
            "time": "2026-11-21T10:23:58.064343Z",
        }


def test_on_the_local_socket_the_message_is_what_the_c_library_would_send(daemon: Rsyslog) -> None:
    given = [alert(1, priority=priority) for priority in Priority]
    output = output_to(daemon, "local", TEXT)
    output.write(given)
    output.close()
    found = daemon.received(len(given))
    assert [(each["syslogfacility-text"], each["syslogseverity-text"]) for each in found] == [
        ("user", severity) for severity in SEVERITIES
    ]
    for message, one in zip(found, given, strict=True):
        assert (message["app-name"], message["procid"], message["inputname"]) == (
            "lanner",
            str(os.getpid()),
            "imuxsock",
        )
        assert message["msg"] == f" {line(TEXT, one)}"  # the blank behind the tag, which belongs to the older format


@pytest.mark.parametrize("way", ["local", "udp", "tcp", *DRIVERS])
def test_nothing_in_an_event_makes_two_messages_of_one_or_is_altered(
    daemon: Rsyslog, authority: trustme.CA, tmp_path: Path, way: str
) -> None:
    output = output_to(daemon, way, client_cert=certificate(authority, tmp_path))
    output.write([alert(1, rule=HOSTILE, message=HOSTILE, hostname="a b\n<8>", output_fields={HOSTILE: HOSTILE})])
    output.write([alert(2)])
    output.close()
    first, second = daemon.received(2)
    assert first["syslogseverity-text"] == "warning"
    assert way == "local" or first["hostname"] == "a?b?<8>"
    assert "\\#" not in first["msg"].replace("#012", "")  # rsyslog's own escape for what it does not let through
    read = json.loads(first["msg"])
    assert (read["rule"], read["output_fields"][HOSTILE]) == (HOSTILE, HOSTILE)
    assert json.loads(second["msg"])["output"].endswith("pod 2")


def test_a_long_message_is_cut_where_it_is_said_and_the_next_one_is_whole(daemon: Rsyslog) -> None:
    for most in (8192, 60_000):
        output = output_to(daemon, "tcp", TEXT, max_message_bytes=most)
        output.write([alert(1, message="é" * 100_000), alert(2)])
        output.close()
        first, second = daemon.received(2)
        assert most - 70 < len(first["msg"].encode()) < most
        assert first["msg"].endswith("é")
        assert second["msg"] == line(TEXT, alert(2))
        assert output.truncated == 1


@pytest.mark.parametrize("way", ["tcp", *DRIVERS])
def test_many_messages_arrive_each_once_and_in_order(
    daemon: Rsyslog, authority: trustme.CA, tmp_path: Path, way: str
) -> None:
    given = [alert(number) for number in range(2000)]
    output = output_to(daemon, way, client_cert=certificate(authority, tmp_path))
    output.write(given)
    output.close()
    assert [each["msg"] for each in daemon.received(len(given))] == [line(JSON, each) for each in given]


def test_alerts_wait_for_a_daemon_that_is_away(authority: trustme.CA, tmp_path: Path) -> None:
    port = free_port()
    said: list[str] = []
    options = SyslogOptions(transport=Transport.TCP, host="127.0.0.1", port=port)
    fanout = Fan([Route(name="syslog", output=SyslogOutput(options, JSON))], report=said.append)
    given = [alert(number) for number in range(50)]
    fanout.write(given)
    with rsyslog(tmp_path, authority, tcp=port) as daemon:
        found = daemon.received(len(given))
        fanout.close()
    assert [each["msg"] for each in found] == [line(JSON, each) for each in given]
    assert fanout.stats()[0].delivered == 50
    assert [text.partition(" (alerts")[0] for text in said] == [
        f"output `syslog` (`127.0.0.1:{port}`): connection refused"
    ]


@pytest.mark.parametrize(
    ("way", "whose"),
    # The name in the certificate is looked at by both drivers; that for OpenSSL lets another one pass now and then.
    [("gtls", "another name"), *((way, whose) for way in DRIVERS for whose in ("another authority", "nobody"))],
)
def test_a_daemon_that_does_not_know_the_client_is_an_error_and_no_silent_loss(
    daemon: Rsyslog, authority: trustme.CA, tmp_path: Path, *, monkeypatch: pytest.MonkeyPatch, way: str, whose: str
) -> None:
    """With TLS 1.3 the daemon looks at the client's certificate when the client could send already."""
    signer = trustme.CA() if whose == "another authority" else authority
    name = "other.example.com" if whose == "another name" else "lanner.example.com"
    client = certificate(signer, tmp_path, name)
    output = output_to(daemon, way, client_cert="" if whose == "nobody" else client)
    with monkeypatch.context() as patch:
        patch.setattr(lanner.outputs.syslog, "_SETTLING_S", TIMEOUT_S)  # for a daemon on a machine that is busy
        for _ in range(3):
            with pytest.raises(OSError, match="does it accept the client's certificate"):
                output.write([alert(1)])
    output.close()
    known = output_to(daemon, way, client_cert=certificate(authority, tmp_path))
    known.write([alert(2)])
    known.close()
    assert [each["msg"] for each in daemon.received(1)] == [line(JSON, alert(2))]


@pytest.mark.parametrize("way", DRIVERS)
def test_a_daemon_that_nobody_vouches_for_gets_nothing(
    daemon: Rsyslog, authority: trustme.CA, tmp_path: Path, way: str
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca"))
    options = SyslogOptions(
        transport=Transport.TLS, host="127.0.0.1", port=daemon.ports[way], ca_cert=str(tmp_path / "ca")
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        SyslogOutput(options, JSON).write([alert(1)])
    known = output_to(daemon, way, client_cert=certificate(authority, tmp_path))
    known.write([alert(2)])
    known.close()
    assert len(daemon.received(1)) == 1


def test_messages_of_the_program_are_lines_of_the_systems_log(daemon: Rsyslog) -> None:
    configure(LogOptions(level="debug", to_stderr=False, syslog=str(daemon.folder / "log")))
    for level in ("critical", "error", "warning", "notice", "info", "debug"):
        log(level, f"it is {level} {HOSTILE}", help="see there")
    found = daemon.received(6)
    assert [each["syslogseverity-text"] for each in found] == [*SEVERITIES[2:]]
    assert {(each["syslogfacility-text"], each["app-name"], each["procid"]) for each in found} == {
        ("user", "lanner", str(os.getpid()))
    }
    assert found[0]["msg"].strip().startswith(r"it is critical a\r\n<8>1 - evil")
    assert all(is_visible(each["msg"]) for each in found)
