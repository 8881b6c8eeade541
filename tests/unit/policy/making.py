"""Policies and rules made in a test."""

from pathlib import Path
from textwrap import dedent

from lanner.compiler.load import Rule, load
from lanner.diagnostics import SourceFile
from lanner.policy.check import Verdict, check_policy
from lanner.policy.model import Policy
from lanner.policy.reader import read_policy_file


def make_policy(folder: Path, rules: str, head: str = "") -> Policy:
    """A policy of these rules."""
    path = folder / "policy.yaml"
    path.write_text(f"apiVersion: audit.k8s.io/v1\nkind: Policy\n{head}\nrules:\n{dedent(rules)}", encoding="utf-8")
    policy, diagnostics = read_policy_file(path)
    assert policy is not None, [found.message for found in diagnostics]
    return policy


def make_rules(*conditions: str, output: str = "%ka.user.name") -> tuple[Rule, ...]:
    """A rule for each condition."""
    text = "".join(
        f"- rule: R{number}\n  desc: d\n  condition: {condition!r}\n  output: {output!r}\n  priority: INFO\n"
        "  source: k8s_audit\n"
        for number, condition in enumerate(conditions)
    )
    loaded = load([SourceFile("rules.yaml", text)])
    assert loaded.rules is not None, [found.message for found in loaded.diagnostics]
    return loaded.rules.rules


def verdict(policy: Policy, condition: str, output: str = "%ka.user.name") -> Verdict:
    """What a policy does to a rule of this condition."""
    (found,) = check_policy(policy, make_rules(condition, output=output))
    return found
