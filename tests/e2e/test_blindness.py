"""A run that sees nothing says so, and says when it sees again: one process, and several."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..unit.vigil.fake import TOKEN, FakeApiServer
from .conftest import Program, Start, event
from .test_operations import HEADERS, POLL_S, URL, WEB, configured, get, served, until, value

SILENT = "Lanner internal: source silent"
AGAIN = "Lanner internal: seeing again"


def alert(program: Program, rule: str, number: int = 1) -> dict[str, Any]:
    """Wait for an alert of a rule; the test's time limit bounds it."""
    while True:
        lines = program.out.read_bytes().splitlines()
        found = [each for each in map(json.loads, lines) if each["rule"] == rule]
        if len(found) >= number:
            return dict(found[number - 1])
        time.sleep(POLL_S)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_silence_is_told_of_once_and_so_is_its_end(
    start: Start, tmp_path: Path, rules: Path, workers: tuple[str, ...]
) -> None:
    path = configured(
        tmp_path,
        rules,
        json_output=True,
        webserver=WEB,
        plugins=[{"name": "k8saudit", "open_params": URL}],
        blindness={"silence": {"sources": {"k8saudit": "2s"}}},
    )
    program = start("run", "-c", path, *workers)
    posts, base = served(program)
    first = alert(program, SILENT)
    assert f"{SILENT}: source k8saudit: not one event in the " in first["output"]
    assert (first["source"], first["priority"], first["output_fields"]["subject"]) == ("internal", "Error", "k8saudit")
    until(base, 1, "lanner_blind", check="silent", subject="k8saudit")
    until(base, 1, "lanner_internal_alerts_total", rule_name=SILENT)
    ready = get(f"{base}/readyz")
    assert (ready.status_code, len(ready.json()["blind"])) == (200, 1)

    path.write_text(path.read_text() + "priority: debug\n")  # read again: nothing is told twice, nothing is forgotten
    until(base, 1, "lanner_reloads_total", result="done")
    httpx.post(posts, content=event(), headers=HEADERS).raise_for_status()
    again = alert(program, AGAIN)
    assert again["output_fields"]["was"] == SILENT
    assert again["output_fields"]["blind_s"] >= 2
    told = [json.loads(line)["rule"] for line in program.out.read_bytes().splitlines()]
    assert [rule for rule in told[: told.index(AGAIN)] if rule == SILENT] == [SILENT]
    alert(program, SILENT, 2)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeApiServer]:
    """An API server whose clock runs, fast, in a thread of its own."""
    found, is_up, loop = FakeApiServer(), threading.Event(), asyncio.new_event_loop()

    async def main() -> None:
        async with found.serving(tmp_path):
            is_up.set()
            while True:
                await found.passes(10)
                await asyncio.sleep(0.02)

    running = loop.create_task(main())

    def serve() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(running)

    thread = threading.Thread(target=serve)
    thread.start()
    assert is_up.wait(30)
    yield found
    loop.call_soon_threadsafe(running.cancel)
    thread.join()
    loop.close()


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_an_api_server_is_watched_from_every_side(
    start: Start, tmp_path: Path, rules: Path, cluster: FakeApiServer, workers: tuple[str, ...]
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    path = configured(
        tmp_path,
        rules,
        json_output=True,
        webserver=WEB,
        plugins=[{"name": "k8saudit", "open_params": URL}],
        blindness={
            "late_after": 0,
            "apiserver": {
                "urls": [cluster.url],
                "ca_file": cluster.ca_file,
                "token_file": str(tmp_path / "token"),
                "server_name": "kubernetes.default.svc",
                "metrics": {"enabled": True, "interval": "1s", "arrival": "3s"},
                "canary": {"enabled": True, "interval": "2s", "within": "2s"},
            },
        },
    )
    program = start("run", "-c", path, *workers)
    cluster.webhook, base = served(program)
    while not value(base, "lanner_canaries_total", server=cluster.url, result="returned"):
        time.sleep(POLL_S)
    assert 0 < (value(base, "lanner_canary_round_trip_seconds", server=cluster.url) or 0) < 30
    cluster.errors["webhook"] += 61
    lost = alert(program, "Lanner internal: events lost by the API server")
    assert lost["output_fields"]["by"] == ["webhook=61"]
    path.write_text(path.read_text() + "priority: debug\n")  # read again: what is known is kept
    until(base, 1, "lanner_reloads_total", result="done")
    until(base, 61, "lanner_apiserver_lost_events_total", server=cluster.url, plugin="webhook")
    cluster.webhook = None
    assert alert(program, "Lanner internal: canary missing")["output_fields"]["subject"] == cluster.url
    assert alert(program, "Lanner internal: recorded events do not arrive")["priority"] == "Critical"
    until(base, 1, "lanner_blind", check="canary", subject=cluster.url)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_what_is_usual_is_known_after_a_restart(
    start: Start, tmp_path: Path, rules: Path, workers: tuple[str, ...]
) -> None:
    path = configured(
        tmp_path,
        rules,
        json_output=True,
        webserver=WEB,
        plugins=[{"name": "k8saudit", "open_params": URL}],
        store={"url": f"sqlite:///{tmp_path}/alerts.db"},
        blindness={"silence": {"at_least": "2s"}},
    )
    program = start("run", "-c", path, *workers)
    posts, base = served(program)
    until(base, 2, "lanner_source_silence_limit_seconds", source="k8saudit")
    httpx.post(posts, content=event(), headers=HEADERS).raise_for_status()
    until(base, 3600, "lanner_source_silence_limit_seconds", source="k8saudit")  # it is known to send now
    assert program.stop(signal.SIGTERM) == 0
    again = start("run", "-c", path, *workers)
    _, base = served(again)
    until(base, 3600, "lanner_source_silence_limit_seconds", source="k8saudit")
