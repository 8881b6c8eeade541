"""Debian's rsyslog, started by a test on loopback with a configuration of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

TIMEOUT_S = 30
DRIVERS = {"ossl": "lmnsd_ossl.so", "gtls": "lmnsd_gtls.so"}
"""The libraries that rsyslog can speak TLS with, by the names of their packages' drivers."""

_PROPERTIES = (
    *("pri", "syslogfacility-text", "syslogseverity-text", "protocol-version", "hostname", "app-name", "procid"),
    *("msgid", "structured-data", "msg", "inputname"),
)
_TIME = 'property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")'
_CONFIGURATION = """
global(
  workDirectory="{folder}" maxMessageSize="64k" parser.permitSlashInProgramName="on" net.enableDNS="off"
  defaultNetstreamDriverCAFile="{folder}/ca.pem"
  defaultNetstreamDriverCertFile="{folder}/server.pem"
  defaultNetstreamDriverKeyFile="{folder}/server-key.pem"
)
module(load="imudp")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
template(name="json" type="list" option.jsonf="on") {{
  {properties}
}}
input(type="imudp" address="127.0.0.1" port="{udp}")
input(type="imtcp" address="127.0.0.1" port="{tcp}")
{tls}
input(type="imuxsock" Socket="{folder}/log" CreatePath="on" RateLimit.Interval="0")
action(type="omfile" file="{folder}/received" template="json" fileCreateMode="0600" asyncWriting="off")
"""
_TLS = """
input(
  type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{folder}/{driver}.port"
  streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="x509/name"
  permittedPeer=["lanner.example.com"]
)
"""


@dataclass(frozen=True, slots=True)
class Rsyslog:
    """A daemon that runs.

    Attributes:
        folder: Has its files, and its local socket `log`.
        udp: Its port for datagrams.
        ports: Its ports for streams: `tcp`, and those with TLS by driver.
    """

    folder: Path
    udp: int
    ports: dict[str, int]

    def received(self, number: int) -> list[dict[str, Any]]:
        """The properties of the first messages, as the daemon parsed them, once there are so many; then no more."""
        path = self.folder / "received"
        _wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= number, lambda: f"{number} messages")
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"")
        return [json.loads(line) for line in lines]


def drivers() -> list[str]:
    """The drivers for TLS that are installed."""
    folders = [*Path("/usr/lib").glob("*/rsyslog"), Path("/usr/lib/rsyslog"), Path("/usr/lib64/rsyslog")]
    return [name for name, file in DRIVERS.items() if any((folder / file).exists() for folder in folders)]


def require() -> str:
    """The program; without it the test is skipped."""
    path = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path and set(drivers()) == set(DRIVERS):
        return path
    pytest.skip("rsyslog, rsyslog-openssl and rsyslog-gnutls are not all installed")


@contextmanager
def rsyslog(folder: Path, authority: trustme.CA, *, tcp: int | None = None) -> Iterator[Rsyslog]:
    """Start the daemon, and end it.

    Args:
        folder: For its files.
        authority: Vouches for it, and for the clients that may speak TLS with it: those named `lanner.example.com`.
        tcp: Its port for streams without TLS; None for any.
    """
    program = require()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "server-key.pem"))
    udp, tcp = free_port(socket.SOCK_DGRAM), tcp or free_port()
    text = _CONFIGURATION.format(
        folder=folder,
        udp=udp,
        tcp=tcp,
        properties="\n  ".join(
            [f'property(outname="{name}" name="{name}" format="jsonf")' for name in _PROPERTIES] + [_TIME]
        ),
        tls="".join(_TLS.format(folder=folder, driver=driver) for driver in drivers()),
    )
    (folder / "rsyslog.conf").write_text(text, encoding="utf-8")
    said = folder / "said"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [program, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")], stdout=log, stderr=log
        )
    try:
        files = {name: folder / f"{name}.port" for name in drivers()}
        _wait_until(
            lambda: (
                all(file.exists() and file.read_text().strip() for file in files.values())
                and (folder / "log").exists()
                and _is_bound("udp", udp)
                and _is_bound("tcp", tcp)
            ),
            lambda: f"rsyslog, which said: {said.read_text()}",
            process,
        )
        yield Rsyslog(folder, udp, {"tcp": tcp, **{name: int(file.read_text()) for name, file in files.items()}})
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT_S)
        finally:
            process.kill()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port on loopback that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_bound(protocol: str, port: int) -> bool:
    """Whether somebody takes what is sent there: of a socket that listens, the other end is nobody's."""
    return f" 0100007F:{port:04X} 00000000:0000 " in Path(f"/proc/net/{protocol}").read_text(encoding="utf-8")


def _wait_until(
    is_so: Callable[[], bool], what: Callable[[], str], process: subprocess.Popen[bytes] | None = None
) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not is_so():
        if time.monotonic() > until or (process is not None and process.poll() is not None):
            pytest.fail(f"waited in vain for {what()}")
        time.sleep(0.01)
