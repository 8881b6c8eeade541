"""`lanner run` on the audit log of an EKS cluster, in moto's CloudWatch Logs behind real HTTP."""

import json
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.plugins.cloudwatch import CLUSTER, REGION, CloudWatch, cloudwatch
from tests.unit.plugins.ldp import event

from .conftest import PROGRAM, Program, Start

RULE = """\
- rule: Anything
  desc: Any event.
  condition: ka.verb exists
  output: user=%ka.user.name cluster=%ka.cluster.name
  priority: NOTICE
  source: k8s_audit
"""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    with cloudwatch(monkeypatch) as found:
        yield found


@pytest.fixture
def arguments(tmp_path: Path) -> list[str | Path]:
    """A configuration with Falco's keys, and a rule."""
    plugin = {
        "name": "k8saudit-eks",
        "library_path": "libk8saudit-eks.so",
        "init_config": {
            "region": REGION,
            "shift": 60,
            "polling_interval": 0.1,
            "use_async": False,
            "buffer_size": 500,
        },
        "open_params": CLUSTER,
    }
    config = {"plugins": [plugin, {"name": "json", "init_config": ""}], "load_plugins": ["k8saudit-eks", "json"]}
    (tmp_path / "falco.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "rules.yaml").write_text(RULE)
    return ["-c", tmp_path / "falco.yaml", "-r", tmp_path / "rules.yaml"]


def of(user: str) -> dict[str, object]:
    return event(1, user={"username": user}, auditID=user)


def users(*programs: Program) -> Counter[str]:
    lines = [line for program in programs for line in program.out.read_text().splitlines() if "user=" in line]
    return Counter(line.partition("user=")[2].partition(" ")[0] for line in lines)


def wait_for(count: int, *programs: Program) -> None:
    until_s = time.monotonic() + 45
    while len(users(*programs)) < count:
        assert time.monotonic() < until_s, [program.err for program in programs]
        time.sleep(0.05)


def test_events_of_a_cluster_raise_alerts_with_its_name(
    cloud: CloudWatch, arguments: list[str | Path], start: Start
) -> None:
    cloud.make()
    now_ms = int(time.time() * 1000)
    names = [f"u{number}" for number in range(300)]
    cloud.put(*map(of, names), at_ms=now_ms - 1000)
    cut = json.dumps({**of("cut"), "requestObject": {"data": "x" * 500}})[:-50] + "[Truncated...]"
    cloud.put(cut, at_ms=now_ms)
    program = start("run", *arguments)
    wait_for(301, program)
    cloud.put(of("later"), at_ms=now_ms + 1)
    wait_for(302, program)
    assert program.stop(signal.SIGTERM) == 0
    assert users(program) == Counter([*names, "cut", "later"])
    alerts = [line for line in program.out.read_text().splitlines() if "user=" in line]
    assert all(line.endswith(f" cluster={CLUSTER}") for line in alerts)
    assert "CloudWatch cut an event, or it is damaged" in program.err
    assert "Lanner internal: damaged event" in program.out.read_text() + program.err


def test_what_a_killed_run_did_not_come_to_is_read_by_the_next(
    cloud: CloudWatch, arguments: list[str | Path], start: Start, tmp_path: Path
) -> None:
    cloud.make()
    arguments += ["-o", f"store.url=sqlite:///{tmp_path}/kept.db"]
    now_ms = int(time.time() * 1000)
    names = [f"u{number}" for number in range(4000)]
    cloud.put(*map(of, names[:3000]), at_ms=now_ms - 5000)
    first = start("run", *arguments)
    wait_for(100, first)
    first.process.kill()
    first.process.wait()
    cloud.put(*map(of, names[3000:]), at_ms=now_ms)
    second = start("run", *arguments)
    wait_for(4000, first, second)
    assert second.stop(signal.SIGTERM) == 0
    assert set(users(first, second)) >= {*names}
    kept = "SELECT count(*), count(DISTINCT identity) FROM lanner_alerts WHERE rule = 'Anything'"
    with sqlite3.connect(tmp_path / "kept.db") as store:
        assert store.execute(kept).fetchone() == (4000, 4000), "each alert once, though events were read twice"


def test_a_permission_that_is_missing_ends_the_run_with_what_to_do(
    cloud: CloudWatch, arguments: list[str | Path], start: Start
) -> None:
    cloud.make()
    cloud.answers += [(400, "AccessDeniedException")] * 10
    program = start("run", *arguments)
    assert program.end() != 0
    assert f"cannot read `/aws/eks/{CLUSTER}/cluster`: logs:FilterLogEvents is not allowed" in program.err
    assert "lanner init --provider eks" in program.err
    assert "Traceback" not in program.err


def test_a_check_names_what_is_missing(cloud: CloudWatch, arguments: list[str | Path]) -> None:
    def checked() -> tuple[int, str]:
        run = [*PROGRAM, "run", "--check", *arguments]
        found = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
        return found.returncode, found.stdout + found.stderr

    status, text = checked()
    assert status != 0
    assert f"there is no log group /aws/eks/{CLUSTER}/cluster" in text
    assert "aws eks update-cluster-config" in text
    cloud.make()
    status, text = checked()
    assert status == 0
    assert "its events can be read (logs:FilterLogEvents)" in text
