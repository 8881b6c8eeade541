"""SIGUSR1 to a real process: files and programs begin anew, and nothing is lost or doubled."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.unit.outputs.receivers import TIMEOUT_S

RULES = """
- {rule: Rule A, desc: d, condition: ka.verb = get, output: "%ka.user.name", priority: NOTICE, source: k8s_audit}
"""


def event(number: int) -> bytes:
    return (
        '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete",'
        f'"requestURI":"/api","verb":"get","user":{{"username":"user-{number}"}},'
        '"stageTimestamp":"2026-11-21T10:00:00.5Z"}\n'
    ).encode()


def users(path: Path) -> list[str]:
    return [line.rpartition(" ")[2] for line in path.read_text().splitlines()] if path.exists() else []


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT_S * 2
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sigusr1_reopens_the_file_and_starts_the_program_anew(tmp_path: Path) -> None:
    file, pids, piped = tmp_path / "alerts", tmp_path / "pids", tmp_path / "piped"
    (tmp_path / "rules.yaml").write_text(RULES)
    config = {
        "rules_files": [str(tmp_path / "rules.yaml")],
        "stdout_output": {"enabled": False},
        "file_output": {"enabled": True, "keep_alive": True, "filename": str(file)},
        "program_output": {"enabled": True, "keep_alive": True, "program": f"echo $$ >> {pids}; exec cat >> {piped}"},
    }
    (tmp_path / "lanner.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "lanner", "run", "-c", str(tmp_path / "lanner.yaml"), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(event(1))
            wait_until(lambda: users(file) == users(piped) == ["user-1"])
            process.send_signal(signal.SIGUSR1)
            process.stdin.write(event(2))
            wait_until(lambda: users(file) == users(piped) == ["user-1", "user-2"])
            file.rename(tmp_path / "alerts.1")
            process.send_signal(signal.SIGUSR1)
            process.stdin.write(event(3))
            wait_until(lambda: users(file) == ["user-3"] and users(piped)[-1] == "user-3")
            process.stdin.close()
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()
    assert users(tmp_path / "alerts.1") == ["user-1", "user-2"]
    assert users(piped) == ["user-1", "user-2", "user-3"]
    assert len(set(pids.read_text().split())) == 3
