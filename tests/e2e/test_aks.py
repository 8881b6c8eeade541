"""`lanner run` on an event hub: Azure's client against an AMQP peer and a blob server of the tests' own."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
import yaml

from tests.unit.plugins.aks.blobs import CONTAINER, Storage
from tests.unit.plugins.aks.hub import HUB, Hub

from .conftest import PROGRAM, Program, Start

RESOURCE = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-1"
RULE = """
- required_plugin_versions:
  - name: k8saudit-aks
    version: 0.6.0

- rule: Seen
  desc: d
  condition: ka.user.name exists
  output: seen (user=%ka.user.name cluster=%ka.cluster.name)
  priority: WARNING
  source: k8s_audit
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def storage() -> Iterator[Storage]:
    storage = Storage()
    yield storage
    storage.close()


@pytest.fixture
def configuration(hub: Hub, storage: Storage, tmp_path: Path) -> Path:
    """Falco's keys, as its plugin takes them."""
    (tmp_path / "rules.yaml").write_text(RULE)
    plugin = {
        "name": "k8saudit-aks",
        "library_path": "libk8saudit-aks.so",
        "init_config": {
            "event_hub_namespace_connection_string": hub.connection_string,
            "event_hub_name": HUB,
            "blob_storage_connection_string": storage.connection_string,
            "blob_storage_container_name": CONTAINER,
            "rate_limit_events_per_second": 10_000,
            "rate_limit_burst": 200,
        },
        "open_params": "Prod-1",
    }
    json_plugin = {"name": "json", "library_path": "libjson.so", "init_config": ""}
    config = {
        "plugins": [plugin, json_plugin],
        "load_plugins": ["k8saudit-aks", "json"],
        "rules_files": [str(tmp_path / "rules.yaml")],
    }
    path = tmp_path / "falco.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def records(*users: str) -> bytes:
    logs = [
        {
            "kind": "Event",
            "auditID": user,
            "stage": "ResponseComplete",
            "verb": "get",
            "user": {"username": user},
            "stageTimestamp": "2026-11-21T10:00:00.000000Z",
        }
        for user in users
    ]
    found = [{"category": "kube-audit", "resourceId": RESOURCE, "properties": {"log": json.dumps(log)}} for log in logs]
    return json.dumps({"records": [*found, {"category": "guard", "properties": {"log": "klog"}}]}).encode()


def wait_for(program: Program, lines: int) -> list[str]:
    until_s = monotonic() + 45
    while len(found := program.out.read_text().splitlines()) < lines:
        assert monotonic() < until_s, program.err
        sleep(0.05)
    return found


def test_records_raise_alerts_and_a_second_run_goes_on_behind_the_first(
    start: Start, configuration: Path, hub: Hub, storage: Storage
) -> None:
    hub.send([records(f"a{number}", f"b{number}") for number in range(100)], "0")
    hub.send([records("c")], "1")
    first = start("run", "-c", configuration)
    lines = wait_for(first, 201)
    assert first.stop(signal.SIGTERM) == 0
    assert sorted(lines)[0] == "10:00:00.000000000: Warning seen (user=a0 cluster=Prod-1)"
    assert storage.checkpoints == {"0": 99, "1": 0}
    hub.send([records("d")], "1")
    second = start("run", "-c", configuration)
    assert wait_for(second, 1) == ["10:00:00.000000000: Warning seen (user=d cluster=Prod-1)"]
    assert second.stop(signal.SIGTERM) == 0


def test_when_it_is_killed_what_was_not_checkpointed_is_read_again(
    start: Start, configuration: Path, hub: Hub, storage: Storage
) -> None:
    hub.send([records("a")])
    first = start("run", "-c", configuration)
    wait_for(first, 1)
    first.process.kill()
    first.process.wait()
    hub.send([records("b")])
    storage.expire()
    second = start("run", "-c", configuration)
    second.wait_for("reading partition")
    until_s = monotonic() + 45
    while "user=b" not in second.out.read_text():
        assert monotonic() < until_s, second.err
        sleep(0.05)
    assert second.stop(signal.SIGTERM) == 0


def test_a_check_says_what_is_there_and_what_is_not(configuration: Path, hub: Hub, storage: Storage) -> None:
    good = subprocess.run(
        [*PROGRAM, "run", "-c", configuration, "--check"], capture_output=True, text=True, check=False
    )
    assert good.returncode == 0, good.stdout + good.stderr
    storage.may_write = False
    bad = subprocess.run([*PROGRAM, "run", "-c", configuration, "--check"], capture_output=True, text=True, check=False)
    assert bad.returncode != 0
    assert "Storage Blob Data Contributor" in bad.stdout + bad.stderr


def test_secrets_are_not_shown(configuration: Path) -> None:
    shown = subprocess.run(
        [*PROGRAM, "config", "show", "-c", configuration], capture_output=True, text=True, check=True
    )
    assert "blob_storage_container_name" in shown.stdout
    assert "c2VjcmV0" not in shown.stdout
