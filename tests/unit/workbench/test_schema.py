"""The schemas that editors check rule files and rule tests by accept what Lanner accepts, and explain every key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lanner.config.schema import rule_schema
from lanner.workbench.schema import suite_schema

DATA = Path(__file__).parents[3] / "src" / "lanner" / "data"
SCHEMAS = {"rules": rule_schema(), "tests": suite_schema()}


def problems(kind: str, text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMAS[kind])
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, found in schema.get("properties", {}).items():
            yield f"{path}/{name}", found
        for name, found in schema.items():
            yield from properties(found, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, found in enumerate(schema):
            yield from properties(found, f"{path}/{number}")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_is_described(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind])
    found = dict(properties(SCHEMAS[kind]))
    assert len(found) > 20
    assert [path for path, schema in found.items() if not schema.get("description", "").endswith(".")] == []


def test_the_default_rules_and_their_tests_are_accepted() -> None:
    files = [("rules", path) for path in (DATA / "rules").glob("*.yaml")]
    files += [("tests", path) for path in (DATA / "rule_tests").glob("*.yaml")]
    assert {kind for kind, _ in files} == set(SCHEMAS)
    for kind, path in files:
        assert problems(kind, path.read_text(encoding="utf-8")) == [], path.name


def test_upstreams_rules_are_accepted(shared: Path) -> None:
    assert problems("rules", (shared / "upstream" / "k8s_audit_rules.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("rules", "- rule: x\n  conditions: y\n"),
        ("rules", "- rule: x\n  priority: hihg\n"),
        ("rules", "- rule: x\n  override: {condition: prepend}\n"),
        ("rules", "rule: x\n"),
        ("rules", "- macros: x\n"),
        ("tests", "test: []\n"),
        ("tests", "tests:\n  - cases:\n      - {base: x}\n"),
        ("tests", "tests:\n  - overrides: [{rule: x, conditions: y}]\n    cases: []\n"),
    ],
)
def test_mistakes_are_refused(kind: str, text: str) -> None:
    assert problems(kind, text) != []
