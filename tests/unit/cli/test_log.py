import io
import json
import logging
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.cli import log as module
from lanner.cli.log import MAX_TEXT, LogOptions, begin_service, configure, honour, log
from lanner.cli.messages import Console, ExitCode, Failure, report
from lanner.cli.settings import Settings
from lanner.diagnostics.visible import is_visible

from .conftest import Lanner, event

HOSTILE = "\x1b[2J\x9b\u202eevil\u2066\x07\u200b\u2028\ufeff\u3164\r\n\x7f"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Err:
    """Standard error, a pipe."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._text = ""

    @property
    def text(self) -> str:
        self._text += self._captured.readouterr().err
        return self._text


@pytest.fixture
def err(capsys: pytest.CaptureFixture[str]) -> Err:
    return Err(capsys)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The system's log."""
    path = str(tmp_path / "log")
    monkeypatch.setattr(module, "SYSLOG", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(path)
        found.settimeout(10)
        yield found


def said(err: Err) -> dict[str, object]:
    [line] = err.text.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


# How messages look


def test_people_read_what_kind_of_message_it_is_and_what_to_do(err: Err) -> None:
    log("error", "it broke", help="mend it", reason="age")
    log("warning", "it may break")
    log("notice", "it is old")
    log("info", "it is there")
    log("debug", "it ticks")
    assert err.text == ("error: it broke\n  help: mend it\nwarning: it may break\nnote: it is old\nit is there\n"), (
        "below `info` nothing is said unless it is asked for"
    )


def test_programs_read_an_object_a_line_with_time_level_message_and_fields(err: Err) -> None:
    begin_service("auto")
    before = datetime.now(UTC)
    log("error", "it broke", help="mend it", pause_s=0.5)
    log("debug", "unheard", pause_s=None)
    found = said(err)
    assert list(found) == ["time", "level", "message", "help", "pause_s"]
    assert found | {"time": ""} == {
        "time": "",
        "level": "error",
        "message": "it broke",
        "help": "mend it",
        "pause_s": 0.5,
    }
    time = datetime.strptime(str(found["time"]), "%Y-%m-%dT%H:%M:%S.%f%z")
    assert before <= time <= datetime.now(UTC)


def test_on_a_terminal_a_service_speaks_to_people_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    begin_service("auto")
    module.set_color(True)
    log("warning", "look")
    log("info", "plain")
    assert terminal.getvalue() == "\x1b[33m\x1b[1mwarning: \x1b[0mlook\nplain\n"


@pytest.mark.parametrize("chosen", ["text", "json"])
def test_the_format_can_be_chosen(err: Err, chosen: module.LogFormat) -> None:
    begin_service(chosen)
    log("info", "here")
    assert err.text.startswith('{"time":' if chosen == "json" else "here\n")


@given(st.text(max_size=50) | st.just(HOSTILE))
def test_no_character_that_a_terminal_could_obey_is_ever_in_a_message(text: str) -> None:
    for options in (LogOptions(is_json=True), LogOptions()):
        stream, before = io.StringIO(), sys.stderr
        sys.stderr = stream
        try:
            configure(options)
            log("error", f"m {text}", file=text, keys=[text], help=f"h {text}")
        finally:
            sys.stderr = before
        lines = stream.getvalue().removesuffix("\n").split("\n")
        assert len(lines) == (1 if options.is_json else 2)
        assert all(map(is_visible, lines))
        if options.is_json:
            clean = text.encode("utf-8", "replace").decode()
            assert json.loads(lines[0]) | {"time": ""} == {
                "time": "",
                "level": "error",
                "message": f"m {clean}",
                "file": clean,
                "keys": [clean],
                "help": f"h {clean}",
            }


@pytest.mark.parametrize("secret", ["https://user:hunter2@host/x", "https://h/x?token=hunter2", "//h?a=1&tk=hunter2"])
def test_secrets_in_addresses_are_masked(err: Err, secret: str) -> None:
    for is_json in (True, False):
        configure(LogOptions(is_json=is_json))
        log("error", f"cannot reach `{secret}`", url=secret, help=f"look at {secret}")
    assert "hunter2" not in err.text
    assert err.text.count("***") == 5


def test_what_has_no_end_is_cut(err: Err) -> None:
    configure(LogOptions(is_json=True))
    log("error", "x" * 10_000_000, reason="y" * MAX_TEXT)
    found = said(err)
    assert found["message"] == "x" * MAX_TEXT + "…"
    assert found["reason"] == "y" * MAX_TEXT


def test_a_library_says_its_name_and_no_traceback(err: Err) -> None:
    begin_service("json")
    try:
        raise ValueError("of\nthis")
    except ValueError:
        logging.getLogger("other.part").exception("failed %s", "twice")
    logging.getLogger("other.part").info("chatter")
    assert said(err) | {"time": ""} == {
        "time": "",
        "level": "error",
        "message": "failed twice",
        "logger": "other.part",
        "exception": "ValueError: of\nthis",
    }
    configure(LogOptions())
    logging.getLogger("other").warning("careful")
    assert err.text.endswith("\nwarning: other: careful\n")


def test_a_reader_that_has_left_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    log("error", "nobody hears it")


# Which messages there are, and where they go


@pytest.mark.parametrize(
    ("level", "least"),
    [
        ("debug", "debug"),
        ("info", "info"),
        ("Informational", "info"),
        ("NOTICE", "notice"),
        ("warning", "warning"),
        ("error", "error"),
        ("critical", "critical"),
        ("alert", "critical"),
        ("emergency", "critical"),
    ],
)
def test_messages_below_the_level_are_left_out(err: Err, level: str, least: str) -> None:
    begin_service("json")
    honour(Settings(log_level=level))
    levels: tuple[module.Level, ...] = ("debug", "info", "notice", "warning", "error", "critical")
    for each in levels:
        log(each, "x")
    told = [json.loads(line)["level"] for line in err.text.splitlines()]
    assert told == [*levels[levels.index(least) :]]


def test_without_standard_error_only_the_end_is_told_there(err: Err) -> None:
    begin_service("text")
    honour(Settings(log_stderr=False))
    log("error", "goes on")
    Failure("ends", "why", ExitCode.FAILED).show()
    assert err.text == "error: ends\n  help: why\n"


def test_what_ends_the_program_has_its_status(err: Err) -> None:
    begin_service("json")
    Failure("ends", code=ExitCode.FAILED).show()
    assert said(err) | {"time": ""} == {"time": "", "level": "critical", "message": "ends", "status": 1}


@pytest.mark.parametrize(
    ("chosen", "configured", "is_json"),
    [("auto", "auto", True), ("auto", "text", False), ("auto", "json", True), ("text", "json", False)],
)
def test_the_configuration_chooses_the_format_unless_the_command_line_does(
    err: Err, chosen: module.LogFormat, configured: module.LogFormat, is_json: bool
) -> None:
    begin_service(chosen)
    honour(Settings(log_format=configured))
    assert module.is_json() == is_json


def test_the_configuration_has_no_say_in_what_a_scan_tells(err: Err) -> None:
    honour(Settings(log_format="json", log_level="emergency", log_stderr=False, log_syslog=True))
    log("info", "here")
    assert err.text == "here\n"


def test_syslog_gets_a_line_with_its_severity(daemon: socket.socket, err: Err) -> None:
    begin_service("json")
    honour(Settings(log_syslog=True, log_stderr=False))
    report(f"it broke {HOSTILE}", help="mend it")
    line = daemon.recv(65536).decode()
    assert line.startswith("<11>lanner[")
    assert "]: it broke \\x1b[2J" in line
    assert is_visible(line)
    log("info", "here")
    assert daemon.recv(65536).startswith(b"<14>lanner[")
    assert err.text == ""


def test_a_daemon_that_comes_back_gets_messages_again(daemon: socket.socket, err: Err) -> None:
    begin_service("text")
    honour(Settings(log_syslog=True, log_stderr=False))
    path = Path(module.SYSLOG)
    path.unlink()
    log("error", "lost")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(path))
        again.settimeout(10)
        log("error", "found")
        assert again.recv(65536).endswith(b"]: found")


def test_a_daemon_that_does_not_keep_up_holds_nothing_up(daemon: socket.socket, err: Err) -> None:
    begin_service("text")
    honour(Settings(log_syslog=True, log_stderr=False))
    for number in range(5000):
        log("error", f"{number} {'x' * 1000}")
    assert daemon.recv(65536).endswith(b"x")


def test_a_machine_without_syslog_is_told_of(err: Err, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYSLOG", str(tmp_path / "none"))
    begin_service("text")
    honour(Settings(log_syslog=True))
    assert err.text == f"note: there is no `{tmp_path}/none`: messages do not go to syslog\n"


def test_a_quiet_console_tells_errors_alone(err: Err) -> None:
    console = Console(quiet=True)
    for say in (console.note, console.notice, console.warn, console.tell):
        say("nothing")
    report("something")
    assert err.text == "error: something\n"


# With commands


def test_a_run_tells_programs_of_its_start_and_its_end(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    ran = lanner("run", "--log-format", "json", "-r", rules, "--dry-run", "/nowhere", "--workers", "2")
    assert ran.code == 2
    assert json.loads(ran.err) | {"time": ""} == {
        "time": "",
        "level": "critical",
        "message": "`--workers` is for webhooks, and `/nowhere` is none",
        "status": 2,
        "help": "leave `--workers` out: processes share the port of a webhook, and nothing else",
    }


def test_problems_of_rules_are_messages_with_their_place(lanner: Lanner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "- rule: A\n  desc: d\n  condition: ka.verbs = get\n  output: o\n  priority: INFO\n  source: k8s_audit\n"
    )
    lines = [json.loads(line) for line in lanner("run", "--log-format", "json", "-r", bad).err.splitlines()]
    assert [line["level"] for line in lines] == ["error", "critical"]
    assert lines[0] | {"time": "", "message": ""} == {
        "time": "",
        "level": "error",
        "message": "",
        "code": "LN0203",
        "file": str(bad),
        "line": 3,
        "column": 14,
        "help": "did you mean `ka.verb`?",
    }
    assert "`ka.verbs`" in lines[0]["message"]


def test_a_scan_speaks_to_people_though_it_is_piped(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    config = tmp_path / "falco.yaml"
    config.write_text("log_format: json\nlog_level: emergency\nengine: {kind: kmod}\n")
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event() + b"nonsense\n")
    ran = lanner("scan", "-c", config, "-r", rules, path)
    assert ran.err.startswith("note: without effect: engine\nwarning: malformed: ")
    assert "Events detected: 1\n" in ran.err
