"""Warnings about policies that an API server accepts."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from lanner.diagnostics import Diagnostics
from lanner.policy.lint import covers, lint_policy
from lanner.policy.model import Request
from lanner.policy.reader import read_policy_file
from tests.unit.policy.making import make_policy
from tests.unit.policy.test_model import policies, resource_requests


@given(policy=policies, request=resource_requests)
def test_a_rule_that_covers_another_matches_all_that_it_matches(
    policy: dict[str, Any], request: Request, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "covering.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    read, _ = read_policy_file(path)
    assert read is not None
    for first in read.rules:
        for second in read.rules:
            assert not (covers(first, second) and second.matches(request)) or first.matches(request)


def _codes(folder: Path, rules: str) -> set[str]:
    found = Diagnostics()
    lint_policy(make_policy(folder, rules), found)
    return {each.code.code for each in found}


@pytest.mark.parametrize(
    ("rules", "codes"),
    [
        ("- level: Metadata", set()),
        ("- {level: Request, verbs: [patch]}", {"policy_blind_spot"}),
        ("- {level: Metadata, verbs: [patch]}\n- {level: Request, verbs: [delete]}", set()),
        ("- {level: Request, verbs: [create], resources: [{group: apps}]}", set()),
        ('- {level: Request, verbs: [create], resources: [{group: "", resources: [secrets]}]}', {"policy_secrets"}),
        ('- {level: Request, verbs: [get], resources: [{group: "", resources: [secrets]}]}', set()),
        ('- {level: Metadata, resources: [{group: "", resources: [pods/*, "*/status", "*"]}]}', set()),
        ('- {level: Metadata, resources: [{group: "", resources: [pod]}]}', {"policy_group"}),
        ("- {level: Metadata, resources: [{group: shop.example, resources: [pods]}]}", set()),
        ("- level: Metadata\n- {level: None, users: [a]}", {"policy_unreachable"}),
        ("- {level: None, users: [a]}\n- level: Metadata", set()),
    ],
)
def test_what_is_worth_a_warning(tmp_path: Path, rules: str, codes: set[str]) -> None:
    assert _codes(tmp_path, rules) == codes
