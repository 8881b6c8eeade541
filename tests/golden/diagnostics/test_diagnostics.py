"""What users see of each kind of problem."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from lanner.compiler.load import load, read_rule_files
from lanner.config.load import load_config
from lanner.diagnostics import CODES, Diagnostic
from lanner.diagnostics.render import to_text
from lanner.policy.lint import lint_policy
from lanner.policy.reader import read_policy_file
from lanner.sigma.importer import import_sigma
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.suites import read_suite
from tests.golden.conftest import Golden

_CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.yaml"))


def _code(case: Path) -> str:
    return max((code for code in CODES if case.name.startswith(f"{code}_")), key=len)


def _diagnostics(case: Path) -> Sequence[Diagnostic]:
    """What reading `input.yaml` finds, by its code: rules, a configuration, rule tests, a policy or a Sigma rule."""
    if _code(case).startswith("LN05"):
        return load_config("input.yaml").diagnostics
    if _code(case).startswith(("LN07", "policy_")):
        policy, found = read_policy_file("input.yaml")
        if policy:
            lint_policy(policy, found)
        return found.ordered()
    files, diagnostics = read_rule_files(["input.yaml"])
    if _code(case).startswith("LN06"):
        read_suite(files[0], RuleBook(), diagnostics)
        return diagnostics.ordered()
    if _code(case).startswith(("LN08", "sigma_")):
        return import_sigma(files, diagnostics).diagnostics.ordered()
    return load(files, diagnostics=diagnostics).diagnostics


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_a_file_gives_the_expected_diagnostics(case: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    text = "\n\n".join(map(to_text, _diagnostics(case))) + "\n"
    golden(case / "expected.txt", text)
    assert f"[{_code(case)}]" in text


def test_every_code_has_a_golden_folder() -> None:
    assert {_code(case) for case in _CASES} == set(CODES)


def test_messages_follow_the_rules_of_wording() -> None:
    for case in _CASES:
        for line in (case / "expected.txt").read_text(encoding="utf-8").splitlines():
            if match := re.match(r"(?:error|warning)\[\w+\]: (.*)", line):
                message = match.group(1)
                assert not message.endswith("."), message
                assert not message[0].isupper(), message
