"""`lanner run` on topics of librdkafka's mock brokers, which live in this process and listen on loopback."""

import json
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest
import yaml

from lanner.store.tables import ALERTS
from tests.postgres import Server
from tests.unit.plugins.kafka.cluster import QUICK, Cluster

from .conftest import PROGRAM, Program, Start

_USER = re.compile(rb"user=(\w+)\)")


def user_event(user: str) -> bytes:
    return (
        b'{"kind":"Event","auditID":"%s","stage":"ResponseComplete","verb":"get","user":{"username":"%s"},'
        b'"stageTimestamp":"2026-11-21T10:00:00.000000Z"}' % (user.encode(), user.encode())
    )


@pytest.fixture
def configuration(tmp_path: Path, rules: Path) -> tuple[Cluster, Path]:
    """The brokers, and a configuration with Falco's keys that reads a topic of theirs."""
    cluster = Cluster()
    path = tmp_path / "falco.yaml"
    plugin = {
        "name": "kafka",
        "open_params": f"{cluster.brokers}/k8s-audit",
        "init_config": {"group": "detectors", "properties": QUICK},
    }
    config = {"plugins": [plugin], "load_plugins": ["kafka", "json"], "rules_files": [str(rules)]}
    path.write_text(yaml.safe_dump(config))
    return cluster, path


def users(*programs: Program) -> Counter[str]:
    """The users that alerts were about, and how often."""
    lines = [line for program in programs for line in program.out.read_text().splitlines()]
    return Counter(line.partition("(user=")[2].rstrip(")") for line in lines)


def wait_until(count: int, *programs: Program, more_than: int = 0) -> None:
    until_s = monotonic() + 45
    while len(users(*programs)) < count or any(len(users(program)) <= more_than for program in programs[1:]):
        assert monotonic() < until_s, [program.err for program in programs]
        sleep(0.05)


def test_events_of_a_topic_raise_alerts_and_are_committed(start: Start, configuration: tuple[Cluster, Path]) -> None:
    cluster, path = configuration
    names = [f"u{number}" for number in range(500)]
    for partition in range(4):
        cluster.send("k8s-audit", map(user_event, names[partition::4]), partition)
    program = start("run", "-c", path)
    wait_until(500, program)
    assert program.stop(signal.SIGTERM) == 0
    assert users(program) == Counter(names)
    assert "Events read: 500\n" in program.err
    assert cluster.committed("k8s-audit", "detectors") == dict.fromkeys(range(4), 125)


def test_when_one_of_two_is_killed_the_other_takes_its_partitions_over(
    start: Start, configuration: tuple[Cluster, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, path = configuration
    monkeypatch.setenv("LANNER_STATE_DIR", str(tmp_path / "one"))
    first = start("run", "-c", path)
    cluster.send("k8s-audit", [user_event("first")])
    wait_until(1, first)
    monkeypatch.setenv("LANNER_STATE_DIR", str(tmp_path / "two"))
    second = start("run", "-c", path)
    second.wait_for("reading k8s-audit/")
    names = [f"u{number}" for number in range(400)]
    for partition in range(4):
        cluster.send("k8s-audit", map(user_event, names[partition::4]), partition)
    wait_until(401, first, second, more_than=10)
    first.process.kill()
    more = [f"v{number}" for number in range(400)]
    for partition in range(4):
        cluster.send("k8s-audit", map(user_event, more[partition::4]), partition)
    wait_until(801, first, second)
    assert second.stop(signal.SIGTERM) == 0
    assert set(users(first, second)) == {"first", *names, *more}
    assert set(more) <= set(users(second)), "the killed one had none of them"
    assert cluster.committed("k8s-audit", "detectors") == {0: 201, 1: 200, 2: 200, 3: 200}


def test_secrets_are_not_shown(configuration: tuple[Cluster, Path]) -> None:
    _, path = configuration
    config = yaml.safe_load(path.read_text())
    config["plugins"][0]["init_config"] |= {
        "sasl_password": "hunter2",
        "properties": {"ssl.keystore.password": "swordf"},
    }
    path.write_text(yaml.safe_dump(config))
    shown = subprocess.run([*PROGRAM, "config", "show", "-c", path], capture_output=True, text=True, check=True)
    assert "detectors" in shown.stdout
    assert "hunter2" not in shown.stdout
    assert "swordf" not in shown.stdout


def test_the_default_rules_take_events_of_a_topic(start: Start, configuration: tuple[Cluster, Path]) -> None:
    cluster, path = configuration
    config = yaml.safe_load(path.read_text())
    del config["rules_files"]
    path.write_text(yaml.safe_dump(config))
    deletion = json.loads(user_event("alice")) | {
        "verb": "delete",
        "objectRef": {"resource": "namespaces", "name": "shop", "apiVersion": "v1"},
        "responseStatus": {"code": 200},
    }
    cluster.send("k8s-audit", [json.dumps(deletion).encode()])
    program = start("run", "-c", path)
    wait_until(1, program)
    assert program.stop(signal.SIGTERM) == 0
    assert "Namespace" in program.out.read_text()


def test_a_check_says_what_is_there_and_what_is_not(configuration: tuple[Cluster, Path]) -> None:
    cluster, path = configuration
    cluster.send("k8s-audit", [user_event("a")])
    good = subprocess.run([*PROGRAM, "run", "-c", path, "--check"], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    path.write_text(path.read_text().replace("/k8s-audit", "/k8s-adit"))
    bad = subprocess.run([*PROGRAM, "run", "-c", path, "--check"], capture_output=True, text=True, check=False)
    assert bad.returncode != 0
    assert "k8s-adit" in bad.stdout + bad.stderr


def test_with_a_shared_store_each_alert_is_stored_once_though_one_is_killed_midway(
    start: Start, configuration: tuple[Cluster, Path], postgres: Server
) -> None:
    """What the killed one had stored, and not committed, is evaluated again by the other, and is not stored again."""
    cluster, path = configuration
    url = postgres.new_database()
    path.write_text(path.read_text() + yaml.safe_dump({"store": {"url": url}}))
    first = start("run", "-c", path)
    second = start("run", "-c", path)
    cluster.send("k8s-audit", [user_event("first")])
    second.wait_for("reading k8s-audit/")
    names = [f"u{number}" for number in range(2000)]
    for partition in range(4):
        cluster.send("k8s-audit", map(user_event, names[partition::4]), partition)
    wait_until_stored(url, 500)
    first.process.kill()
    more = [f"v{number}" for number in range(400)]
    for partition in range(4):
        cluster.send("k8s-audit", map(user_event, more[partition::4]), partition)
    found = wait_until_stored(url, 2401)
    assert found == Counter(["first", *names, *more])
    wait_until(2401, first, second)
    assert second.stop(signal.SIGTERM) == 0
    assert set(users(first, second)) == {"first", *names, *more}


def wait_until_stored(url: str, count: int) -> Counter[str]:
    """The users that stored alerts are about, once there are so many."""
    until_s = monotonic() + 50
    while True:
        found = stored(url)
        if found.total() >= count:
            return found
        assert monotonic() < until_s, found.total()
        sleep(0.05)


def stored(url: str) -> Counter[str]:
    with psycopg.connect(url) as connection:
        try:
            rows = connection.execute(f"SELECT body FROM {ALERTS.name} WHERE rule = 'Seen'").fetchall()
        except psycopg.errors.UndefinedTable:
            return Counter()
    return Counter(found[1].decode() for (body,) in rows if (found := _USER.search(body)))
