"""A file system that is really full: nothing is acknowledged that is not stored, and detection goes on."""

import json
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from lanner.store.alerts import decode

from ..unit.outputs.receivers import WebServer, web_server
from .conftest import Program, Start, event
from .test_operations import HEADERS, POLL_S, URL, configured
from .test_run import address

SIZE = 2 << 20
PADDING = "x" * 60_000
TIMEOUT_S = 50

MakeRoom = Callable[[Program], None]


@pytest.fixture(params=[pytest.param("file system", marks=pytest.mark.mounts), "file size"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, MakeRoom, MakeRoom]]:
    """A folder for the store, what bounds it once the program runs, and what makes room again.

    Where nothing can be mounted, as in most containers, the bound on the size of each file does: the system refuses to
    write just as well, with another error.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "file size":

        def limit(program: Program, size: int = SIZE) -> None:
            resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        yield folder, limit, lambda program: limit(program, resource.RLIM_INFINITY)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)

    def grow(program: Program) -> None:
        subprocess.run(["mount", "-o", f"remount,size={20 * SIZE}", folder], check=True)

    yield folder, lambda program: None, grow
    subprocess.run(["umount", "--lazy", folder], check=True)


def post(url: str, number: int) -> httpx.Response:
    return httpx.post(url, content=event(f"user-{number:04}-{PADDING}"), headers=HEADERS)


def users(fields: Iterable[Mapping[str, Any]]) -> list[str]:
    """Who is in alerts, with the padding left out; alerts about the program itself are left out too."""
    return [each["ka.user.name"][:9] for each in fields if "ka.user.name" in each]


def stored(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        bodies = connection.execute("SELECT body FROM lanner_alerts ORDER BY seq").fetchall()
    return users(decode(body).alert().output_fields for (body,) in bodies)


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with web_server() as found:
        yield found


def test_posts_wait_for_room_and_nothing_acknowledged_is_missing(
    start: Start, rules: Path, tmp_path: Path, disk: tuple[Path, MakeRoom, MakeRoom], receiver: WebServer
) -> None:
    folder, bound, make_room = disk
    config = configured(
        tmp_path,
        rules,
        json_output=True,
        stdout_output={"enabled": False},
        http_output={"enabled": True, "url": f"http://127.0.0.1:{receiver.port}/"},
        store={"url": f"sqlite:///{folder}/alerts.db"},
    )
    program = start("run", "-c", config, URL)
    url = address(program)
    bound(program)

    def names(numbers: range) -> list[str]:
        return [f"user-{number:04}" for number in numbers]

    def arrived() -> list[str]:
        return users(json.loads(post.body)["output_fields"] for post in [*receiver.posts.queue])

    def until_all_arrived(numbers: range) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not {*names(numbers)} <= {*arrived()}:
            assert time.monotonic() < deadline, {*names(numbers)} - {*arrived()}
            time.sleep(POLL_S)

    taken = 0
    while (answer := post(url, taken)).status_code == 200:
        taken += 1
        assert taken < 1000, "it is never full"
    assert taken > 10
    for number in range(taken, taken + 5):
        answer = post(url, number)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    everybody = range(taken + 5)
    until_all_arrived(everybody)  # also those that are not stored: detection goes on
    assert [*dict.fromkeys(arrived())][:taken] == names(range(taken)), "in order"

    make_room(program)
    assert [post(url, number).status_code for number in range(taken, taken + 6)] == [200] * 6
    until_all_arrived(range(taken + 6))
    assert program.stop(signal.SIGTERM) == 0
    assert stored(folder / "alerts.db") == names(range(taken + 6))
    assert sorted(arrived()) == names(range(taken + 6)), "each once: what came from memory does not come again"
    assert any("events are not acknowledged meanwhile" in line for line in program.said), program.err


def test_a_run_that_is_killed_on_a_full_disk_has_all_that_it_acknowledged(
    start: Start, rules: Path, tmp_path: Path, disk: tuple[Path, MakeRoom, MakeRoom]
) -> None:
    folder, bound, _ = disk
    options = ("-r", rules, "-o", f"store.url=sqlite:///{folder}/alerts.db", "-o", "stdout_output.enabled=false", URL)
    program = start("run", *options)
    url = address(program)
    bound(program)
    taken = 0
    while post(url, taken).status_code == 200:
        taken += 1
    program.process.send_signal(signal.SIGKILL)
    program.process.wait(TIMEOUT_S)
    assert stored(folder / "alerts.db") == [f"user-{number:04}" for number in range(taken)]
