import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanner.server import runner as runner_module
from lanner.server.station import Station
from lanner.server.systemd import notify, notify_reloading, watchdog_s

from .stations import Feed, plan, run, until


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(20)
        yield receiver


def told(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_states_reach_the_socket_of_the_environment(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname()}
    notify("READY=1\nSTATUS=é", environment)
    assert told(manager) == "READY=1\nSTATUS=é"
    notify_reloading(environment)
    state, _, moment = told(manager).partition("\n")
    assert state == "RELOADING=1"
    assert moment.startswith("MONOTONIC_USEC=")
    assert moment.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_an_abstract_socket_is_understood() -> None:
    name = f"lanner-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(20)
        notify("READY=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert told(receiver) == "READY=1"


@pytest.mark.parametrize("address", ["", "/no/such/socket", "@no-such-socket-of-lanner", "vsock:2:1", "relative"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    notify("READY=1", {"NOTIFY_SOCKET": address})
    notify("READY=1", {})


def test_a_manager_that_does_not_read_holds_nothing_up(manager: socket.socket) -> None:
    for _ in range(10_000):
        notify("WATCHDOG=1", {"NOTIFY_SOCKET": manager.getsockname()})
    assert told(manager) == "WATCHDOG=1"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_they_are_wanted(
    environment: dict[str, str], expected: float | None
) -> None:
    assert watchdog_s(environment) == expected


def test_a_run_tells_its_manager_of_its_start_its_readings_its_life_and_its_end(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "MIN_PAUSE_S", 1000)
    monkeypatch.setattr(runner_module, "MAX_PAUSE_S", 1000)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    good, other = Feed("good"), Feed("other")
    states: list[str] = []

    def listen() -> bool:
        """Take what came so far; signs of life once."""
        manager.setblocking(False)
        try:
            while True:
                state = told(manager).partition("\n")[0]
                if state not in states[-1:] and (state != "WATCHDOG=1" or state not in states):
                    states.append(state)
        except BlockingIOError:
            return False

    def has_come(*expected: str) -> bool:
        listen()
        return [state for state in states if state != "WATCHDOG=1"] == [*expected]

    async def then(station: Station) -> None:
        await until(lambda: has_come("READY=1"))
        await other.give(ValueError("a mistake"))
        await until(lambda: not station.snapshot().is_ready)
        station.reload()
        await until(lambda: has_come("READY=1", "RELOADING=1", "READY=1"))
        await until(lambda: listen() or "WATCHDOG=1" in states)
        station.stop()

    found = plan(good.plan(), other.plan())
    run(found, then, lambda: found)
    assert has_come("READY=1", "RELOADING=1", "READY=1", "STOPPING=1")
