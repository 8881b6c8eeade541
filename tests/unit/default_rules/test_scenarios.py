"""The labels of what was recorded from a real API server, the noise on its ordinary load, and Falco's own traces."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lanner import Alert, Engine, Priority, compile_rules
from tests.unit.default_rules.detection import at_least, load_default_rules, names, raw_alerts_on

# Labels that do not hold, by the number of the scenario, with the reason. A test fails when one of them comes to hold.
NOT_HELD: dict[str, str] = {}

# Words of outputs that tell that a request was refused.
REFUSED = ("resp=401", "resp=403", "decision=forbid")

MOST_NOTICES = 130
MOST_WARNINGS = 15


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scripted action: its number, its label, what was done, and what the default rules raise on its events."""

    number: str
    label: str
    action: str
    alerts: tuple[Alert, ...]

    def holds(self) -> bool:
        """Whether the alerts are what the label asks for."""
        match self.label:
            case "alert":
                return bool(at_least(self.alerts, Priority.WARNING))
            case "notice":
                return bool(at_least(self.alerts, Priority.NOTICE))
            case "benign":
                return not at_least(self.alerts, Priority.WARNING)
            case "attempt":
                return all(any(word in alert.message for word in REFUSED) for alert in self.alerts)
            case _:
                return True


# Lists as whoever runs the recorded cluster would fill them in.
FILLED = """
- list: allowed_namespaces
  items: [shop, dev, monitoring, tmp-ns, inject-ns]
  override: {items: append}
- list: allowed_k8s_users
  items: [kubernetes-admin, alice, bob, carol, dave, mallory, eve]
  override: {items: append}
"""

Detect = Callable[[bytes], list[Alert]]


@pytest.fixture(scope="module")
def scenarios(shared: Path) -> list[Scenario]:
    return list(_scenarios(shared / "recordings", raw_alerts_on))


@pytest.fixture(scope="module")
def with_lists(tmp_path_factory: pytest.TempPathFactory) -> Detect:
    """The default rules with their lists filled in."""
    path = tmp_path_factory.mktemp("rules") / "filled.yaml"
    path.write_text(FILLED)
    engine = Engine(compile_rules(load_default_rules(path)))
    return lambda payload: engine.process(payload).alerts


def _scenarios(recordings: Path, detect: Detect) -> Iterator[Scenario]:
    lines = (recordings / "scenarios.jsonl").read_bytes().split(b"\n")
    for row in (recordings / "scenarios.tsv").read_text().splitlines()[1:]:
        number, label, first, last, _, action = row.split("\t")
        alerts = detect(b"\n".join(lines[int(first) - 1 : int(last)]))
        yield Scenario(number, label, action, tuple(alerts))


@pytest.mark.parametrize("label", ["alert", "notice", "benign", "attempt"])
def test_labels_hold(label: str, scenarios: list[Scenario]) -> None:
    labelled = [scenario for scenario in scenarios if scenario.label == label]
    assert labelled
    failing = {
        s.number: (s.action, sorted(names(s.alerts))) for s in labelled if not s.holds() and s.number not in NOT_HELD
    }
    assert failing == {}


def test_labels_listed_as_not_held_do_not_hold(scenarios: list[Scenario]) -> None:
    assert [s.number for s in scenarios if s.number in NOT_HELD and s.holds()] == []
    assert set(NOT_HELD) <= {s.number for s in scenarios}


def test_what_was_refused_raises_only_rules_that_say_so(scenarios: list[Scenario]) -> None:
    done = {rule for s in scenarios if s.label == "attempt" for rule in names(s.alerts)}
    assert {
        rule for rule in done if not any(word in rule for word in ("Refused", "Unsuccessfully", "Overstepped"))
    } == set()


def test_ordinary_load_raises_few_alerts(shared: Path) -> None:
    alerts = raw_alerts_on(gzip.decompress((shared / "recordings" / "bulk.jsonl.gz").read_bytes()))
    counts = Counter(alert.rule for alert in alerts)
    assert len(at_least(alerts, Priority.NOTICE)) <= MOST_NOTICES, counts
    assert len(at_least(alerts, Priority.WARNING)) <= MOST_WARNINGS, counts


def test_ordinary_load_raises_nothing_above_informational_on_parts_of_kubernetes(shared: Path) -> None:
    alerts = raw_alerts_on(gzip.decompress((shared / "recordings" / "bulk.jsonl.gz").read_bytes()))
    loud = [alert for alert in alerts if alert.priority.level <= Priority.NOTICE.level]
    users = Counter(str(alert.output_fields["ka.user.name"]) for alert in loud)
    assert not [
        user
        for user in users
        if user.startswith(("system:node:", "system:serviceaccount:kube-system:", "system:kube-"))
    ]


def test_metadata_alone_raises_no_rule_that_needs_a_body(shared: Path) -> None:
    alerts = raw_alerts_on((shared / "recordings" / "metadata.jsonl").read_bytes())
    needs_body = {"Create Privileged Pod", "Create NodePort Service", "Ingress Object without TLS Certificate Created"}
    assert names(alerts).isdisjoint(needs_body)
    for rule in ("Certificate Signing Request Approved", "Security Tool Tampered With", "Kubernetes Events Deleted"):
        assert rule in names(alerts)


def test_traces_of_falco_raise_what_its_own_rules_raise_first(shared: Path) -> None:
    ours = {rule.name for rule in load_default_rules().rules}
    silent = {"Create Disallowed Namespace": "K8s Namespace Created", "Disallowed K8s User": "K8s Namespace Created"}
    rows = [row.split("\t") for row in (shared / "upstream" / "expected.tsv").read_text().splitlines()[1:]]
    missed = {}
    for trace, rules in rows:
        first = rules.split("; ")[0]
        raised = names(raw_alerts_on((shared / "upstream" / "traces" / trace).read_bytes()))
        if first in ours and silent.get(first, first) not in raised:
            missed[trace] = (first, raised)
    assert missed == {}


def test_with_lists_filled_in_traces_raise_their_rules_and_what_is_benign_stays_quiet(
    shared: Path, with_lists: Detect
) -> None:
    """A benign recording and a trace show the same, a namespace that an administrator makes: only a list tells them."""
    traces = shared / "upstream" / "traces"
    named = {
        "minikube_creates_namespace_foo.json": {"Create Disallowed Namespace", "Disallowed K8s User"},
        "some-user_creates_namespace_foo.json": {"Create Disallowed Namespace", "Disallowed K8s User"},
    }
    for trace, rules in named.items():
        assert rules <= names(with_lists((traces / trace).read_bytes()))
    benign = [each for each in _scenarios(shared / "recordings", with_lists) if each.label == "benign"]
    assert [(each.number, each.action, sorted(names(each.alerts))) for each in benign if not each.holds()] == []
