"""The command line run in this process, and small rules and events to run it on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lanner.cli.main import execute

RULES = """
- list: quiet_users
  items: [kubelet]
- macro: pod
  condition: ka.target.resource = pods
- rule: Pod Created
  desc: Somebody made a pod.
  condition: pod and ka.verb = create and not ka.user.name in (quiet_users)
  output: pod created (user=%ka.user.name pod=%ka.target.name)
  priority: WARNING
  source: k8s_audit
  tags: [k8s, pods]
- rule: Anything by Eve
  desc: Eve did something.
  condition: ka.user.name = eve
  output: eve did %ka.verb
  priority: NOTICE
  source: k8s_audit
  tags: [users]
- rule: Off
  desc: Not in use.
  condition: ka.verb exists
  output: off
  priority: DEBUG
  source: k8s_audit
  enabled: false
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def alerts(self) -> list[str]:
        """The rules of the JSON alerts on standard output, in order."""
        return [json.loads(line)["rule"] for line in self.out.splitlines()]


Lanner = Callable[..., Ran]


@pytest.fixture
def lanner(capfdbinary: pytest.CaptureFixture[bytes]) -> Lanner:
    """Runs a command line in this process, with messages as on a terminal unless it says otherwise."""

    def run(*arguments: str | Path) -> Ran:
        capfdbinary.readouterr()
        words = [str(argument) for argument in arguments]
        if words[:1] == ["run"] and "--log-format" not in words:
            words += ["--log-format", "text"]
        code = execute(words)
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return run


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rule file."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def event(user: str = "alice", verb: str = "create", name: str = "web", more: Mapping[str, object] = {}) -> bytes:
    """One audit event as a line, on which `Pod Created` fires as it is."""
    found = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "11111111-2222-3333-4444-555555555555",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/dev/pods",
        "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "sourceIPs": ["192.0.2.1"],
        "objectRef": {"resource": "pods", "namespace": "dev", "name": name, "apiVersion": "v1"},
        "responseStatus": {"code": 201},
        "requestReceivedTimestamp": "2026-11-21T10:00:00.000000Z",
        "stageTimestamp": "2026-11-21T10:00:00.500000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }
    return json.dumps({**found, **more}).encode() + b"\n"
