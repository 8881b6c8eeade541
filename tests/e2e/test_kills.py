"""Kills at the moments that matter: after an alert was stored, and after it was delivered."""

import signal
import time
from pathlib import Path

import httpx

from .conftest import Program, Start, event
from .test_run import address

HEADERS = {"content-type": "application/json"}
TIMEOUT_S = 50


def kill(program: Program) -> None:
    program.process.send_signal(signal.SIGKILL)
    program.process.wait(TIMEOUT_S)


def until_lines(path: Path, number: int) -> list[str]:
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists() or len(path.read_text().splitlines()) < number:
        assert time.monotonic() < deadline, f"{path} has no {number} lines"
        time.sleep(0.01)
    return path.read_text().splitlines()


def post(program: Program, *users: str) -> None:
    url = address(program)
    for user in users:
        assert httpx.post(url, content=event(user), headers=HEADERS).status_code == 200


def test_what_was_acknowledged_before_a_kill_is_delivered_by_the_next_run_once_and_in_order(
    start: Start, rules: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    config = tmp_path / "lanner.yaml"
    config.write_text(
        f"rules_files: [{rules}]\n"
        "stdout_output: {enabled: false}\n"
        f"file_output: {{enabled: true, filename: {folder}/alerts}}\n"
        f"store: {{url: 'sqlite:///{tmp_path}/alerts.db'}}\n"
    )
    first = start("run", "-c", config, "http://127.0.0.1:0/k8s-audit")
    users = [f"user-{number}" for number in range(20)]
    post(first, *users)
    kill(first)
    folder.mkdir()
    second = start("run", "-c", config, "http://127.0.0.1:0/k8s-audit")
    post(second, *users[10:], "last")  # the API server may have missed the answers
    lines = until_lines(folder / "alerts", 21)
    assert second.stop(signal.SIGTERM) == 0
    assert [line.rpartition("user=")[2] for line in lines] == [f"{user})" for user in [*users, "last"]]
    assert (folder / "alerts").read_text().splitlines() == lines


def test_after_a_kill_between_delivery_and_cursor_no_output_has_skipped_one(
    start: Start, rules: Path, tmp_path: Path
) -> None:
    options = ("-r", rules, "-o", f"store.url=sqlite:///{tmp_path}/alerts.db", "http://127.0.0.1:0/k8s-audit")
    delivered: list[str] = []
    for number in range(4):
        program = start("run", *options)
        post(program, *(f"user-{number}-{at}" for at in range(5)))
        until_lines(program.out, 1)
        kill(program)
        delivered += program.out.read_text().splitlines()
    last = start("run", *options)
    address(last)
    assert last.stop(signal.SIGTERM) == 0
    delivered += last.out.read_text().splitlines()
    users = [line.rpartition("user=")[2].rstrip(")") for line in delivered]
    expected = [f"user-{number}-{at}" for number in range(4) for at in range(5)]
    assert list(dict.fromkeys(users)) == expected, "each at least once, and first in order"
