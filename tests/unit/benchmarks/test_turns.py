"""Processes that take turns: one at a time, and none is left stopped."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from benchmarks.process import BenchmarkError, Process
from benchmarks.turns import Turn, by_turns

WORK = """
import sys, time
print("up", file=sys.stderr, flush=True)
sys.stdin.read()
until = time.process_time() + {cpu_s}
while time.process_time() < until: pass
sys.exit({status})
"""


def run(turn: Turn, folder: Path, cpu_s: float, status: int = 0) -> tuple[float, float]:
    """A process that works as soon as it has begun: the processor time that it took, and the time that it had."""
    folder.mkdir()
    command = (sys.executable, "-c", WORK.format(cpu_s=cpu_s, status=status))
    with Process(command, out=folder / "out", err=folder / "err", stdin=True, turn=turn) as process:
        process.wait_for("up")
        process.begin()
        process.stdin.close()
        usage = process.finish()
    return usage.cpu_s, usage.wall_s


def test_both_get_as_long_as_they_need_one_at_a_time(tmp_path: Path) -> None:
    began = time.monotonic()
    both = by_turns((lambda turn: run(turn, tmp_path / "a", 0.3), lambda turn: run(turn, tmp_path / "b", 0.6)), (1, 2))
    took_s = time.monotonic() - began
    assert [cpu_s >= least for (cpu_s, _), least in zip(both, (0.3, 0.6), strict=True)] == [True, True]
    assert sum(had_s for _, had_s in both) <= took_s


def test_one_that_fails_does_not_keep_the_other_from_its_end(tmp_path: Path) -> None:
    ended: list[tuple[float, float]] = []

    def fails(turn: Turn) -> None:
        run(turn, tmp_path / "a", 0.01, status=3)

    with pytest.raises(BenchmarkError, match="exit status 3"):
        by_turns((fails, lambda turn: ended.append(run(turn, tmp_path / "b", 0.2))), (1, 1))
    assert len(ended) == 1


def test_one_that_never_begins_is_not_waited_for(tmp_path: Path) -> None:
    def never(turn: Turn) -> None:
        raise KeyError

    ended: list[tuple[float, float]] = []
    with pytest.raises(KeyError):
        by_turns((never, lambda turn: ended.append(run(turn, tmp_path / "b", 0.05))), (1, 1))
    assert len(ended) == 1


def test_a_process_is_stopped_until_all_others_have_come() -> None:
    seen = threading.Event()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0) as process:

        def one(turn: Turn) -> None:
            turn.join(process.pid)
            assert seen.wait(60)

        def other(turn: Turn) -> None:
            while Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(") ")[2][0] != "T":
                time.sleep(0.001)
            seen.set()

        by_turns((one, other), (1, 1))
        process.kill()
