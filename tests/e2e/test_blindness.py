"""A run that sees nothing says so, and says when it sees again: one process, and several."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Program, Start, event
from .test_operations import HEADERS, POLL_S, URL, WEB, configured, get, served, until

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
