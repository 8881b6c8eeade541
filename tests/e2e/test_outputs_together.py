"""All outputs at once, behind the engine, over real files, processes and sockets."""

import asyncio
import re
import shlex
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lanner
from lanner.demo import recording
from lanner.outputs.file import FileOptions, FileOutput
from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOptions, HttpOutput
from lanner.outputs.lane import DropReason, Route
from lanner.outputs.program import ProgramOptions, ProgramOutput
from lanner.outputs.stdout import SharedDescriptor, SharedOutput
from lanner.outputs.syslog import SyslogOptions, SyslogOutput, Transport
from lanner.server.pipeline import Pipeline
from lanner.sources.base import Delivery, Framing
from tests.unit.outputs.receivers import TIMEOUT_S, Daemon, Fan, counted, stream_daemon, web_server

RULES = Path(lanner.__file__).parent / "data" / "rules"
JSON = AlertFormat(json=True)


def detect(fanout: Fan) -> None:
    """Evaluate the recording that ships with Lanner, as a server does."""
    loaded = lanner.load_rules([RULES]).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded, selection=lanner.Selection(lanner.Priority.NOTICE)))

    async def run() -> None:
        pipeline = Pipeline(engine, fanout, asyncio.Lock())
        for body in recording():
            await pipeline.handle(Delivery(body, Framing.BODY, "test"))

    asyncio.run(run())


def messages(daemon: Daemon, number: int) -> list[bytes]:
    """The alerts in the first messages of the daemon's first connection."""
    with daemon.accept() as connection:
        return [counted(connection).split(b" - - ", 1)[1] for _ in range(number)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What standard output gets, line by line."""
    file = tmp_path_factory.mktemp("stdout") / "alerts.jsonl"
    with file.open("wb") as stream:
        output = SharedOutput(SharedDescriptor(stream.fileno()), JSON)
        fanout = Fan([Route(name="stdout", output=output)], report=pytest.fail)
        detect(fanout)
        fanout.close()
    lines = file.read_bytes().splitlines()
    assert len(lines) > 20
    return lines


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_every_output_gets_what_standard_output_gets_though_one_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: list[bytes]
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    file, piped = tmp_path / "alerts.jsonl", tmp_path / "piped.jsonl"
    program = f"sh -c {shlex.quote(f'cat > {shlex.quote(str(piped))}')}"
    said: list[str] = []
    with web_server() as web, stream_daemon() as daemon, ThreadPoolExecutor(1) as pool:
        received = pool.submit(messages, daemon, len(expected))
        url = f"http://127.0.0.1:{web.port}/"
        syslog = SyslogOptions(transport=Transport.TCP, host="127.0.0.1", port=daemon.port, max_message_bytes=1_000_000)
        fanout = Fan(
            [
                Route(name="away", output=HttpOutput(HttpOptions(url=f"http://127.0.0.1:{closed_port()}/"), JSON)),
                Route(name="file", output=FileOutput(FileOptions(filename=str(file), keep_alive=True), JSON)),
                Route(name="program", output=ProgramOutput(ProgramOptions(program=program, keep_alive=True), JSON)),
                Route(name="http", output=HttpOutput(HttpOptions(url=url, keep_alive=True), JSON)),
                Route(name="syslog", output=SyslogOutput(syslog, JSON)),
            ],
            report=said.append,
            close_timeout_s=3,
        )
        detect(fanout)
        posts = [web.next().body for _ in expected]
        by_syslog = received.result(TIMEOUT_S)
        fanout.close()
    assert file.read_bytes().splitlines() == expected
    assert piped.read_bytes().splitlines() == expected
    assert posts == expected
    assert by_syslog == expected
    away, *others = fanout.stats()
    assert (away.delivered, away.dropped) == (0, {DropReason.CLOSED: len(expected)})
    assert [(each.delivered, each.dropped, each.failures) for each in others] == [(len(expected), {}, 0)] * 4
    assert re.match(r"output `away` \(`http://127\.0\.0\.1:\d+`\): connection refused \(alerts waiting: \d+\)", said[0])
    assert [text for text in said if "`away`" not in text] == []
