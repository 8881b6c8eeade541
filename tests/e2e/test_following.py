"""`lanner run` on a log file over restarts: what it has evaluated is not read again, and what came meanwhile is."""

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from lanner.testing import event
from tests.e2e.conftest import Program, Start

RULES = """
- rule: Seen
  desc: Every event.
  condition: ka.verb exists
  output: seen %ka.auditid
  priority: NOTICE
  source: k8s_audit
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "lanner.yaml"
    path.write_text(
        f"rules_files: [{tmp_path}/rules.yaml]\njson_output: true\nstore: {{url: 'sqlite:///{tmp_path}/alerts.db'}}\n"
        f"plugins: [{{name: k8saudit, open_params: {tmp_path}/audit.log}}]\n"
    )
    return path


def write(folder: Path, *names: str) -> None:
    with (folder / "audit.log").open("ab") as file:
        file.writelines(event(name) + b"\n" for name in names)


def seen(*programs: Program) -> Counter[str]:
    lines = (json.loads(line) for program in programs for line in program.out.read_text().splitlines())
    return Counter(alert["output_fields"]["ka.auditid"] for alert in lines if alert["rule"] == "Seen")


def until_seen(program: Program, *names: str) -> None:
    """Wait for alerts; the time limit of the test ends what never comes."""
    while not {*names} <= {*seen(program)}:
        assert program.process.poll() is None, program.err
        time.sleep(0.02)


def test_an_orderly_end_repeats_nothing_and_a_rotation_meanwhile_loses_nothing(
    start: Start, config: Path, tmp_path: Path
) -> None:
    write(tmp_path, "a", "b")
    first = start("run", "-c", config)
    until_seen(first, "a", "b")
    assert first.stop(signal.SIGTERM) == 0
    write(tmp_path, "c")
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    write(tmp_path, "d")
    second = start("run", "-c", config)
    until_seen(second, "c", "d")
    write(tmp_path, "e")
    until_seen(second, "e")
    assert second.stop(signal.SIGTERM) == 0
    assert seen(second) == Counter("cde")


def test_after_a_crash_nothing_is_lost(start: Start, config: Path, tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(3000)]
    write(tmp_path, *names[:2000])
    first = start("run", "-c", config)
    until_seen(first, names[0])
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    write(tmp_path, *names[2000:])
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    write(tmp_path, "last")
    second = start("run", "-c", config)
    until_seen(second, "last")
    assert second.stop(signal.SIGTERM) == 0
    assert seen(first, second).keys() == {*names, "last"}


def test_a_log_that_is_gone_is_an_alert(start: Start, config: Path, tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    first = start("run", "-c", config)
    until_seen(first, "a", "b")
    assert first.stop(signal.SIGTERM) == 0
    (tmp_path / "audit.log").unlink()
    write(tmp_path, "c")
    second = start("run", "-c", config)
    until_seen(second, "c")
    assert second.stop(signal.SIGTERM) == 0
    alerts = [json.loads(line) for line in second.out.read_text().splitlines()]
    [gap] = [alert for alert in alerts if alert["rule"] == "Lanner internal: events may be missing"]
    assert gap["priority"] == "Warning"
    assert "was rotated, and the file that was read up to byte" in gap["output_fields"]["reason"]
    assert seen(second) == Counter("c")
