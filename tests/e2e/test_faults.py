"""What goes wrong around a run: a database that others lock, an output that hangs or is away, a clock that jumps."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from ..unit.outputs.receivers import web_server
from .conftest import Program, Start, event
from .test_operations import HEADERS, POLL_S, URL, configured
from .test_run import address

TIMEOUT_S = 50
DAY_S = 86_400

SKEWED = """
import pathlib, sys, time
skew_s, now, now_ns = pathlib.Path(sys.argv.pop(1)), time.time, time.time_ns
time.time = lambda: now() + int(skew_s.read_text())
time.time_ns = lambda: now_ns() + int(skew_s.read_text()) * 10**9
from lanner.cli.main import main
main()
"""
"""The program, with a clock that a file puts wrong by so many seconds."""


def post(url: str, user: str) -> httpx.Response:
    return httpx.post(url, content=event(user), headers=HEADERS, timeout=TIMEOUT_S)


def users(lines: Sequence[bytes]) -> list[str]:
    """Who is in alerts, without those about the program itself."""
    found: list[dict[str, Any]] = [json.loads(line)["output_fields"] for line in lines]
    return [str(each["ka.user.name"]) for each in found if "ka.user.name" in each]


def until_lines(path: Path, expected: Sequence[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while users(path.read_bytes().splitlines() if path.exists() else []) != [*expected]:
        assert time.monotonic() < deadline, path.read_bytes()
        time.sleep(POLL_S)


def test_while_another_process_locks_the_store_posts_wait_and_alerts_go_out(
    start: Start, rules: Path, tmp_path: Path
) -> None:
    store = tmp_path / "alerts.db"
    program = start(
        "run", "-c", configured(tmp_path, rules, json_output=True, store={"url": f"sqlite:///{store}"}), URL
    )
    url = address(program)
    assert post(url, "before").status_code == 200
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = post(url, "meanwhile")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        until_lines(program.out, ["before", "meanwhile"])
        other.execute("ROLLBACK")
    assert [post(url, user).status_code for user in ("meanwhile", "after")] == [200, 200]
    until_lines(program.out, ["before", "meanwhile", "after"])
    assert program.stop(signal.SIGTERM) == 0
    assert users(program.out.read_bytes().splitlines()) == ["before", "meanwhile", "after"]


def test_an_output_that_hangs_holds_up_neither_posts_nor_others_nor_the_end_and_gets_its_alerts_from_the_next_run(
    start: Start, rules: Path, tmp_path: Path
) -> None:
    names = [f"user-{number}" for number in range(20)]
    store = {"url": f"sqlite:///{tmp_path}/alerts.db"}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and never answers
        port = silent.getsockname()[1]
        keys = {"http_output": {"enabled": True, "url": f"http://127.0.0.1:{port}/"}, "store": store}
        config = configured(tmp_path, rules, json_output=True, **keys)
        first = start("run", "-c", config, URL)
        url = address(first)
        assert [post(url, name).status_code for name in names] == [200] * len(names)
        until_lines(first.out, names)
        assert first.stop(signal.SIGTERM) == 1
        assert "http" in first.err
    with web_server() as web:
        keys["http_output"] = {"enabled": True, "url": f"http://127.0.0.1:{web.port}/"}
        second = start("run", "-c", configured(tmp_path, rules, json_output=True, **keys), URL)
        address(second)
        assert users([web.next().body for _ in names]) == names, "all of them, in order"
        assert second.stop(signal.SIGTERM) == 0
        assert not users([post.body for post in [*web.posts.queue]])


def test_a_clock_that_jumps_loses_no_alert_repeats_none_and_makes_no_dead_letter(rules: Path, tmp_path: Path) -> None:
    skew = tmp_path / "skew"
    skew.write_text("0")
    out = tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    keys: dict[str, Any] = {
        "http_output": {"enabled": True, "url": f"http://127.0.0.1:{port}/"},
        "store": {"url": f"sqlite:///{tmp_path}/alerts.db"},
    }
    words = ("run", "-c", str(configured(tmp_path, rules, json_output=True, **keys)), URL, "--log-format", "text")
    environment = {**os.environ, "LANNER_STATE_DIR": str(tmp_path / "state")}
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", SKEWED, str(skew), *words], stdout=stream, stderr=subprocess.PIPE, env=environment
        )
    program = Program(process, out)
    try:
        url = address(program)
        names = []
        for number, days in enumerate((0, 40, -40, 400, 1)):
            skew.write_text(str(days * DAY_S))
            names += [f"user-{number}-{at}" for at in range(3)]
            assert [post(url, name).status_code for name in names] == [200] * len(names), "also those that come again"
        until_lines(out, names)
        with web_server(port=port) as web:
            assert users([web.next().body for _ in names]) == names
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0
            assert not users([post.body for post in [*web.posts.queue]])
    finally:
        if process.poll() is None:
            process.kill()
        assert process.stderr
        process.stderr.close()
        process.wait()
    with closing(sqlite3.connect(tmp_path / "alerts.db")) as connection:
        assert connection.execute("SELECT count(*) FROM lanner_dead_letters").fetchone() == (0,)
