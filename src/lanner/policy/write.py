"""A policy as the YAML text of a file, with comments that say which rules need what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from lanner.diagnostics.render import printable
from lanner.policy.generate import Generated
from lanner.policy.model import Policy, PolicyRule
from lanner.policy.reader import VERSIONS

SCOPE = (
    "It is the least by level, verb and resource, not by user or namespace: a policy that leaves out users or",
    "namespaces is a hole to walk through when rules change.",
)
"""What the least policy is the least of; comment lines for the head of the file."""

BLIND_SPOT = (
    "Bodies of patches are recorded, so one apply in YAML can lose a whole batch of events: have losses told of",
    "(`blindness.apiserver.metrics` in Lanner's configuration), or generate it with --no-patch-bodies.",
)
"""What is said of a policy that opens the API server's blind spot, likewise."""

_WIDTH = 110
_MAX_NAMES = 3


def to_text(generated: Generated, head: Sequence[str] = ()) -> str:
    """The policy, with comment lines at its head."""
    policy = generated.policy
    lines = [*(f"# {line}" for line in head), f"apiVersion: {VERSIONS[0]}", "kind: Policy"]
    if policy.omit_stages:
        lines.append(_dumped({"omitStages": list(policy.omit_stages)}))
    if policy.omit_managed_fields:
        lines.append("omitManagedFields: true")
    lines.append("rules:")
    for rule, names in zip(policy.rules, generated.reasons, strict=True):
        lines += [f"  # {printable(line)}" for line in _why(names)]
        lines.append(_indented(_dumped([as_object(rule)])))
    return "\n".join(lines) + "\n"


def as_object(rule: PolicyRule) -> dict[str, Any]:
    """A rule as a policy file has it, without what is empty."""
    resources = [
        {"group": each.group}
        | ({"resources": list(each.resources)} if each.resources else {})
        | ({"resourceNames": list(each.names)} if each.names else {})
        for each in rule.resources
    ]
    found: dict[str, Any] = {
        "level": rule.level.text,
        "users": list(rule.users),
        "userGroups": list(rule.user_groups),
        "verbs": list(rule.verbs),
        "resources": resources,
        "namespaces": list(rule.namespaces),
        "nonResourceURLs": list(rule.non_resource_urls),
        "omitStages": list(rule.omit_stages),
    }
    kept = {key: value for key, value in found.items() if value}
    return kept if rule.omit_managed_fields is None else {**kept, "omitManagedFields": rule.omit_managed_fields}


def policy_object(policy: Policy) -> dict[str, Any]:
    """A policy as a policy file has it."""
    found: dict[str, Any] = {"apiVersion": VERSIONS[0], "kind": "Policy"}
    if policy.omit_stages:
        found["omitStages"] = list(policy.omit_stages)
    if policy.omit_managed_fields:
        found["omitManagedFields"] = True
    return {**found, "rules": [as_object(rule) for rule in policy.rules]}


def _why(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = len(names) - _MAX_NAMES
    shown = ", ".join(" ".join(name.split()) for name in names[:_MAX_NAMES])
    return [shown + (f" and {more} more" if more > 0 else "")]


def _dumped(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return text.rstrip("\n")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


class _Dumper(yaml.SafeDumper):
    """Lists of texts on one line, everything else as a block."""

    def represent_sequence(self, tag: Any, sequence: Any, flow_style: Any = None) -> Any:
        """Write a list."""
        is_flat = all(isinstance(each, str) for each in sequence)
        return super().represent_sequence(tag, sequence, flow_style=is_flat)

    def represent_mapping(self, tag: Any, mapping: Any, flow_style: Any = None) -> Any:
        """Write a mapping, with each key on a line of its own."""
        return super().represent_mapping(tag, mapping, flow_style=False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values as often as they stand there: policies are read by people."""
        return True
