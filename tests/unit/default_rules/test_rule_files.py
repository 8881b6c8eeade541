"""The rule files themselves: they load without a remark, and every rule has what a rule of ours has."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanner import load_rules
from lanner.cli.main import execute
from lanner.compiler.load import LoadedRules, Rule
from lanner.condition import to_text
from lanner.rules.notes import read_notes
from tests.unit.default_rules.builders import event, pod, pod_body
from tests.unit.default_rules.detection import RULES, alerts_on, load_default_rules, names

FILLED = {
    "Disallowed K8s User": ("allowed_k8s_users", "alice"),
    "Create Disallowed Namespace": ("allowed_namespaces", "shop"),
    "Create Disallowed Pod": ("allowed_k8s_images", "nginx"),
    "Untrusted Node Successfully Joined the Cluster": ("allowed_k8s_nodes", "node-1"),
    "Untrusted Node Unsuccessfully Tried to Join the Cluster": ("allowed_k8s_nodes", "node-1"),
    "Full K8s Administrative Access": ("full_admin_k8s_users", "mallory"),
    "Request From Suspicious Address": ("suspicious_source_ips", "203.0.113.0/24"),
    "Secret Read From Unexpected Network": ("expected_networks", "10.0.0.0/8"),
    "Secret Read by Unlisted User": ("allowed_secret_readers", "alice"),
    "Image Pulled That Is Not Listed": ("allowed_k8s_images", "nginx"),
}
UNLISTED = (
    event("get", "pods", "web", ns="shop"),
    event("get", "secrets", "db", ns="shop"),
    event("create", "events", "web.1", ns="shop", body={"message": 'Pulling image "evil:1"'}),
    event("create", "namespaces", "lair"),
    event("create", "namespaces", None, answer={"metadata": {"name": "lair-x7"}}),
    pod(pod_body(images=("evil:1",))),
    event("create", "nodes", "rogue", user="system:node:rogue"),
    event("create", "nodes", "rogue", user="system:node:rogue", code=403),
)


@pytest.fixture(scope="module")
def loaded() -> LoadedRules:
    return load_default_rules()


def _items() -> list[dict[str, Any]]:
    return [item for path in sorted(RULES.glob("*.yaml")) for item in yaml.safe_load(path.read_text(encoding="utf-8"))]


def test_files_load_without_errors_or_warnings() -> None:
    assert [found.message for found in load_rules([RULES]).diagnostics] == []


def test_all_macros_and_lists_are_used(loaded: LoadedRules) -> None:
    assert [macro.name for macro in loaded.macros if not macro.used] == []
    assert [values.name for values in loaded.lists if not values.used] == []


def test_names_are_unique_and_nothing_is_defined_twice() -> None:
    counts = Counter((kind, item[kind]) for item in _items() for kind in ("rule", "macro", "list") if kind in item)
    assert [name for name, count in counts.items() if count > 1] == []


def test_all_official_rule_names_exist(loaded: LoadedRules, shared: Path) -> None:
    text = (shared / "upstream" / "k8s_audit_rules.yaml").read_text(encoding="utf-8")
    official = set(re.findall(r"^- rule: (.+)$", text, re.MULTILINE))
    assert len(official) == 48
    assert official - {rule.name for rule in loaded.rules} == set()


def test_priorities_are_falcos_where_the_name_is(loaded: LoadedRules, shared: Path) -> None:
    items = yaml.safe_load((shared / "upstream" / "k8s_audit_rules.yaml").read_text(encoding="utf-8"))
    official = {item["rule"]: item["priority"] for item in items if "rule" in item}
    ours = {rule.name: rule.priority.short for rule in loaded.rules if rule.name in official}
    assert ours == official


def test_every_rule_says_who_did_it_and_how_it_ended(loaded: LoadedRules) -> None:
    shown = {"%ka.user.name", "%ka.impuser.name", "%ka.verb", "%ka.response.code", "%ka.auth.decision", "%ka.sourceips"}
    for rule in loaded.rules:
        assert {field for field in shown if field not in rule.output_text} == set(), rule.name


def test_every_rule_is_described_and_tagged(loaded: LoadedRules) -> None:
    for rule in loaded.rules:
        notes = read_notes(rule.desc)
        assert notes.summary.endswith("."), rule.name
        assert notes.false_positives.endswith("."), rule.name
        assert notes.references, rule.name
        assert all(re.fullmatch(r"https://[a-z0-9.-]+/\S+", link) for link in notes.references), rule.name
        assert rule.exceptions, rule.name
        assert rule.source == "k8s_audit"
        assert "k8s" in rule.tags
        assert any(tag.startswith("mitre_") for tag in rule.tags), rule.name
        assert any(re.fullmatch(r"T\d{4}(\.\d{3})?", tag) for tag in rule.tags), rule.name
        assert any(re.fullmatch(r"MS-TA90[0-4]\d", tag) for tag in rule.tags), rule.name


def test_rules_that_falco_cannot_read_say_so_and_the_others_stay_readable() -> None:
    loaded = load_default_rules()
    own = {rule.name for rule in loaded.rules if any(name.startswith("kx.") for name in _fields_of(rule))}
    skipped = {item["rule"] for item in _items() if item.get("skip-if-unknown-filter")}
    assert own == skipped
    assert len(loaded.rules) - len(own) > 100


def _fields_of(rule: Rule) -> set[str]:
    text = f"{to_text(rule.condition)} {rule.output_text}"
    return set(re.findall(r"\b(?:ka|kx|jevt)(?:\.\w+)+", text))


def test_exceptions_are_over_fields_that_falco_has() -> None:
    fields = {str(field) for item in _items() for found in item.get("exceptions", ()) for field in found["fields"]}
    assert all(field.startswith(("ka.", "jevt.")) for field in fields)


def test_only_noisy_rules_are_off_and_say_which_profile_has_them(loaded: LoadedRules) -> None:
    for rule in loaded.rules:
        assert rule.enabled != bool({"strict", "activity"} & set(rule.tags)), rule.name


def test_exceptions_wait_for_values() -> None:
    for item in _items():
        for exception in item.get("exceptions", ()):
            assert exception["name"].startswith("known_"), item["rule"]
            assert "values" not in exception, item["rule"]


@pytest.mark.parametrize("rule", FILLED)
def test_a_list_alone_switches_its_rule_on(rule: str, tmp_path: Path) -> None:
    name, value = FILLED[rule]
    override = tmp_path / "mine.yaml"
    override.write_text(f"- list: {name}\n  items: [{value}]\n  override: {{items: append}}\n", encoding="utf-8")
    assert rule not in names(alerts_on(UNLISTED))
    assert rule in names(alerts_on(UNLISTED, override))


def test_values_of_an_exception_silence_its_rule(tmp_path: Path) -> None:
    override = tmp_path / "mine.yaml"
    override.write_text(
        "- rule: Create Privileged Pod\n"
        "  exceptions:\n"
        "    - name: known_images\n"
        "      values: [[shop, [registry.example.com:5000/agent]]]\n"
        "  override: {exceptions: append}\n",
        encoding="utf-8",
    )
    known = pod(pod_body(images=("registry.example.com:5000/agent:1",), privileged=True))
    unknown = pod(pod_body(images=("registry.example.com:5000/agent:1", "evil:1"), privileged=True))
    assert "Create Privileged Pod" not in names(alerts_on([known], override))
    assert "Create Privileged Pod" in names(alerts_on([unknown], override))


def test_files_are_laid_out_as_the_formatter_does() -> None:
    assert execute(["rules", "fmt", "--check", str(RULES)]) == 0
