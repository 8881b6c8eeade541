import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import PROGRAM, QUIET_EVENT, Start, event


def test_ctrl_c_finishes_the_block_prints_the_summary_and_exits_with_130(rules: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "scan", "-r", str(rules), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(event() + QUIET_EVENT * 20_000)
    process.stdin.flush()
    assert b"seen" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    counted = dict(line.split(": ") for line in err.decode().splitlines() if ": " in line)
    assert counted["Events detected"] == "1"
    assert 1 < int(counted["Events read"]) <= 20_001
    assert b"Traceback" not in err


def test_a_reader_that_leaves_ends_it_quietly(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event() * 50_000)
    process = subprocess.Popen(
        [*PROGRAM, "scan", "-r", str(rules), str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    assert b"seen" in process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert err == b""


def test_a_full_disk_is_a_clear_error(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event())
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*PROGRAM, "scan", "-r", str(rules), str(log)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode == 1
    assert b"error: cannot write the output: no space left on device\n" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_the_time_limit_of_falcos_flag_ends_a_wait_for_events(start: Start, rules: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    started = time.monotonic()
    program = start("-r", rules, "-M", "0.2", "-e", fifo)
    assert program.end() == 0
    assert "Events detected: 0\n" in program.err
    assert time.monotonic() - started < 30


def test_a_pipe_gets_neither_colour_nor_a_progress_bar(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event() * 1000)
    ran = subprocess.run([*PROGRAM, "scan", "-r", str(rules), str(log)], capture_output=True, check=True)
    assert b"\x1b" not in ran.stdout + ran.stderr
    assert ran.stdout.count(b"\n") == 1000


def test_a_terminal_gets_colour_and_a_pipe_beside_it_does_not(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event("\u202ealice"))
    master, terminal = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "TZ": "UTC"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [*PROGRAM, "scan", "-r", str(rules), str(log)], stdout=terminal, stderr=subprocess.PIPE, env=environment
    )
    os.close(terminal)
    _, err = process.communicate(timeout=60)
    shown = os.read(master, 4096).decode()
    os.close(master)
    dim, yellow, plain = "\x1b[2m", "\x1b[33m", "\x1b[0m"
    assert shown == (f"{dim}10:00:00.000{plain}  {yellow}WARNING  {plain}  seen ({dim}user={plain}\\u202ealice)\r\n")
    assert b"\x1b" not in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["scan", "run --from-start --workers 2"])
def test_closed_standard_streams_are_nowhere(rules: Path, tmp_path: Path, closed: str, command: str) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event())
    words = [*PROGRAM, *command.split(), "-r", str(rules), str(log)]
    ran = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], capture_output=True, check=False)
    assert ran.returncode == (0 if command == "scan" else 2)
    assert b"Traceback" not in ran.stderr
    assert (b"Events detected: 1" in ran.stderr) == (command == "scan" and "2>" not in closed)
    assert (b"seen (user=alice)" in ran.stdout) == (command == "scan" and ">&-" not in closed.replace("2>&-", ""))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_under_standard_error_ends_nothing(rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(event())
    with open("/dev/full", "wb") as full:
        words = [*PROGRAM, "scan", "-r", str(rules), str(log)]
        ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, check=True)
    assert ran.stdout.count(b"seen") == 1
