"""`lanner run` on a tail like that of OVHcloud's Logs Data Platform: a real WebSocket server over TLS."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from websockets.sync.server import ServerConnection

from tests.unit.plugins.ldp import TOKEN, Platform, event, frame, platform, sends

from .conftest import PROGRAM, Program, Start

RULE = """\
- required_engine_version: 15
- required_plugin_versions:
  - name: k8saudit-ovh
    version: 0.1.0

- rule: TEST
  desc: >
    Test rule
  condition: >
    ka.verb in (get,create,delete,update)
  output: verb=%ka.verb name=%ka.target.name resp=%ka.response.code namespace=%ka.target.namespace 
  priority: NOTICE
  source: k8s_audit
  tags: [k8s]
"""

CONFIG = """\
plugins:
  - name: k8saudit-ovh
    library_path: /usr/share/falco/plugins/libk8saudit-ovh.so
    open_params: "{address}" # gra<x>.logs.ovh.com/tail/?tk=<ID>
  - name: json
    library_path: libjson.so
    init_config: ""
load_plugins: [k8saudit-ovh, json]
"""


@pytest.fixture
def ldp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setenv("TZ", "UTC")
    with platform(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def arguments(tmp_path: Path, ldp: Platform) -> list[str | Path]:
    """The command line of Falco's own example, with its configuration and its rule."""
    config, rules = tmp_path / "falco.yaml", tmp_path / "k8s_audit_rules.yaml"
    config.write_text(CONFIG.format(address=ldp.address))
    rules.write_text(RULE)
    return ["-c", config, "-r", rules]


def wait_for_alerts(program: Program, count: int) -> str:
    until_s = monotonic() + 45
    while program.out.read_text().count("\n") < count:
        assert monotonic() < until_s, program.err
        sleep(0.02)
    return program.out.read_text()


def test_falcos_example_runs_as_it_is_printed(ldp: Platform, arguments: list[str | Path], start: Start) -> None:
    ldp.follow(
        sends(
            frame(event(1)),
            frame(event(2, stageTimestamp="2025-02-10T12:29:51.900789Z")),
            frame(event(3, verb="list")),
        )
    )
    program = start(*arguments)
    wait_for_alerts(program, 2)
    assert program.stop(signal.SIGINT) == 130
    printed, _, summary = program.out.read_text().partition("Events detected")
    assert printed == (
        "12:29:51.895849000: Notice verb=get name=<NA> resp=200 namespace=<NA>\n"
        "12:29:51.900789000: Notice verb=get name=<NA> resp=200 namespace=<NA>\n"
    )
    told = f"Events detected{summary}{program.err}"
    assert "Events detected: 2\nRule counts by severity:\n   NOTICE: 2\nTriggered rules by rule name:\n" in told
    assert "\n   TEST: 2\n" in told


def test_a_gap_is_an_alert_and_the_token_is_nowhere(ldp: Platform, arguments: list[str | Path], start: Start) -> None:
    ldp.follow(sends(frame(event(1)), b"\x00", frame("other log")), sends(frame(event(2))))
    program = start("run", *arguments, "-o", "json_output=true")
    until_s = monotonic() + 45
    while "k8saudit-ovh" not in program.out.read_text() or program.out.read_text().count('"rule":"TEST"') < 2:
        assert monotonic() < until_s, program.err
        sleep(0.02)
    assert program.stop(signal.SIGTERM) == 0
    said = program.out.read_text() + program.err
    assert re.search(r"the tail was not read for \d+\.\d s, from .*: the platform closed the connection", said)
    assert "reading the tail of a stream on localhost" in said
    assert TOKEN not in said


def stays(connection: ServerConnection) -> None:
    connection.send(frame(event(1)))
    connection.recv()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_run_says_what_was_missed_between(
    ldp: Platform, arguments: list[str | Path], start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    ldp.follow(stays, stays)
    arguments += ["-o", f"store.url=sqlite:///{tmp_path}/kept.db"]
    first = start("run", *arguments)
    wait_for_alerts(first, 1)
    first.stop(number)
    second = start("run", *arguments)
    said = second.wait_for("the tail was not read for ")
    assert "no run was reading it; the platform cannot give again what happened meanwhile" in said
    assert second.stop(signal.SIGTERM) == 0


def test_a_refused_token_ends_the_run_with_what_to_do(ldp: Platform, arguments: list[str | Path], start: Start) -> None:
    ldp.status = 403
    program = start("run", *arguments)
    assert program.end() != 0
    assert f"cannot read `wss://localhost:{ldp.port}/tail/?tk=***`: the platform refuses it (HTTP 403)" in program.err
    assert "copy the address again" in program.err
    assert TOKEN not in program.err
    assert "Traceback" not in program.err


@pytest.mark.parametrize("command", ["config show -c", "config check", "--support -c", "run --check -c"])
def test_no_command_shows_the_token(ldp: Platform, arguments: list[str | Path], command: str) -> None:
    run = [*PROGRAM, *command.split(), arguments[1]]
    found = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert TOKEN not in found.stdout + found.stderr
    if "show" in command:
        assert f'open_params: "localhost:{ldp.port}/tail/?tk=***"' in found.stdout
    if "run" in command:
        assert f"tail on localhost:{ldp.port}: it accepts the token, and answers" in found.stdout + found.stderr
