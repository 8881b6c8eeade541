"""What the page on knowing when blind shows can be used as it is."""

from pathlib import Path

import yaml

from lanner.config.load import load_config
from lanner.config.models import Config
from lanner.config.vigil import vigil_plan
from lanner.policy.model import AuditLevel, Request
from lanner.policy.reader import read_policy_file
from lanner.vigil.plan import CanaryPlan
from tests.docs.pages import ROOT, examples_of

PAGE = ROOT / "docs" / "guide" / "knowing-when-blind.md"
EXAMPLES = [example.text for example in examples_of(PAGE) if example.language == "yaml"]


def test_its_configurations_make_something_to_watch(tmp_path: Path) -> None:
    shown = [text for text in EXAMPLES if text.startswith("blindness:")]
    for text in shown:
        path = tmp_path / "lanner.yaml"
        path.write_text(text)
        loaded = load_config(str(path), environment={})
        assert [found.message for found in loaded.diagnostics] == []
        assert isinstance(loaded.config, Config)
        assert vigil_plan(loaded.config.blindness, {"lab", "archive", "k8saudit"}, {})
    assert len(shown) >= 4


def test_its_policy_records_the_canary(tmp_path: Path) -> None:
    [text] = [text for text in EXAMPLES if "kind: Policy" in text]
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    policy, found = read_policy_file(path)
    assert policy is not None, [each.message for each in found]
    *_, namespaces, namespace, _, name = CanaryPlan().path.split("/")
    assert namespaces == "namespaces"
    request = Request(
        user="system:serviceaccount:lanner:lanner",
        groups=("system:serviceaccounts", "system:authenticated"),
        verb="get",
        is_resource=True,
        resource="configmaps",
        namespace=namespace,
        name=name,
    )
    decision = policy.decide(request)
    assert decision.level is AuditLevel.METADATA
    assert decision.records("ResponseComplete")


def test_its_permissions_are_those_of_the_canary_and_of_the_metrics() -> None:
    manifests = [each for text in EXAMPLES if "rbac.authorization" in text for each in yaml.safe_load_all(text)]
    rules = [rule for each in manifests for rule in each.get("rules", [])]
    *_, namespace, resource, name = CanaryPlan().path.split("/")
    assert rules == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": [resource], "resourceNames": [name], "verbs": ["get"]},
    ]
    [role] = [each for each in manifests if each["kind"] == "Role"]
    assert role["metadata"]["namespace"] == namespace
    bound = {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in manifests if "roleRef" in each}
    assert bound == {(each["kind"], each["metadata"]["name"]) for each in manifests if "rules" in each}
