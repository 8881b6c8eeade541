"""Several processes find what one finds, in the same order."""

import json
import os
import signal
from pathlib import Path

import pytest

from lanner.cli import parallel
from lanner.sources import parts

from .conftest import Lanner, event

COUNTERS = ("Events detected", "Events read", "Bytes", "Malformed", "Truncated")


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file that is divided into many parts, and one that is not."""
    monkeypatch.setattr(parts.split, "__kwdefaults__", {"part_size": 2_000})
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"".join(event(name=f"pod-{n}") for n in range(200)) + b"{broken\n" + event("eve"))
    (folder / "b.jsonl").write_bytes(event(name="last"))
    for age, name in enumerate(("b.jsonl", "a.jsonl")):
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    return folder


def _counted(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(COUNTERS)]


def test_alerts_and_counts_are_those_of_one_process(lanner: Lanner, rules: Path, logs: Path) -> None:
    one = lanner("scan", "-r", rules, "--format", "json", logs)
    two = lanner("scan", "-j", "2", "-r", rules, "--format", "json", logs)
    assert len(one.alerts) == 203
    assert two.out == one.out
    assert _counted(two.err) == _counted(one.err)
    assert (two.code, one.code) == (0, 0)


def test_a_path_that_cannot_be_read_is_said_and_the_others_are_read(
    lanner: Lanner, rules: Path, logs: Path, tmp_path: Path
) -> None:
    ran = lanner("scan", "-j", "2", "-r", rules, tmp_path / "none", tmp_path / "*.none", logs)
    assert ran.code == 1
    assert f"error: cannot read `{tmp_path}/none`: no such file\n" in ran.err
    assert f"error: cannot read `{tmp_path}/*.none`: no file matches\n" in ran.err
    assert "Events detected: 203\n" in ran.err


def test_running_numbers_are_those_of_one_process(lanner: Lanner, tmp_path: Path, logs: Path) -> None:
    rules = tmp_path / "numbers.yaml"
    rules.write_text(
        "- rule: A\n  desc: d\n  condition: ka.verb=create\n  output: n=%evt.num\n"
        "  priority: WARNING\n  source: k8s_audit\n"
    )
    ran = lanner("scan", "-j", "2", "-r", rules, "--format", "json", logs / "a.jsonl")
    numbers = [json.loads(line)["output_fields"]["evt.num"] for line in ran.out.splitlines()]
    assert numbers == list(range(1, 202))


def test_a_worker_that_is_killed_ends_the_scan_with_an_error(
    lanner: Lanner, rules: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object, **options: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(parallel, "read_part", killed)
    ran = lanner("scan", "-j", "2", "-r", rules, logs)
    assert ran.code == 1
    assert "error: a worker process was killed\n" in ran.err
