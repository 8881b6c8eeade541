"""Policy files to policies, with every problem shown where it stands.

What an API server refuses is an error here, also what it only passes over with a line in its own log, as an unknown
key: the policy in force is then not the one that was written. Source: Kubernetes, apiserver: audit/policy/reader.go,
apis/audit/validation (v1.36).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from lanner.diagnostics import Diagnostics, Span
from lanner.policy.model import STAGES, AuditLevel, GroupResources, Policy, PolicyRule
from lanner.rules import nodes
from lanner.rules.files import read_rule_files
from lanner.rules.nodes import Node, Scalar, Sequence, parse_yaml

VERSIONS = ("audit.k8s.io/v1", "audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1")
"""What `apiVersion` may be, the present one first; the others are read by Kubernetes before 1.24."""

_GROUP = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_GROUP = 253
_RESOLVER = yaml.SafeLoader("")
_TEXT_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_BOOL_TAG = "tag:yaml.org,2002:bool"
_TRUE = ("true", "yes", "on")


def read_policy_file(path: str | Path) -> tuple[Policy | None, Diagnostics]:
    """Read a policy; None where it has errors.

    Diagnostics: LN0101, LN0102, LN0113, LN0701 to LN0704, policy_version.
    """
    files, diagnostics = read_rule_files([path])
    if diagnostics.errors or not files:
        return None, diagnostics
    raw = Diagnostics()
    documents = parse_yaml(files[0], raw)
    for found in raw:
        code = "LN0704" if found.code.code == "duplicate_key" else found.code.code
        related = () if code == "LN0704" else found.related
        diagnostics.add(code, found.message, found.span, help=found.help, related=related, file=found.file)
    if documents is None:
        return None, diagnostics
    policy = _Reader(diagnostics).document(documents, Span(files[0], 0, 0))
    return (None if diagnostics.errors else policy), diagnostics


class _Reader:
    """Reads nodes, and reports those that are not as Kubernetes wants them; what is bad is read as nothing."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._policy: Mapping[str, Callable[[Node, str], Any]] = {
            "apiVersion": self._text,
            "kind": self._text,
            "metadata": self._metadata,
            "rules": self._rules,
            "omitStages": self._stages,
            "omitManagedFields": self._bool,
        }
        self._rule: Mapping[str, Callable[[Node, str], Any]] = {
            "level": self._level,
            "users": self._texts,
            "userGroups": self._texts,
            "verbs": self._texts,
            "resources": self._resources,
            "namespaces": self._texts,
            "nonResourceURLs": self._urls,
            "omitStages": self._stages,
            "omitManagedFields": self._bool,
        }
        self._group: Mapping[str, Callable[[Node, str], Any]] = {
            "group": self._group_name,
            "resources": self._texts,
            "resourceNames": self._texts,
        }

    def document(self, documents: list[Node], start: Span) -> Policy | None:
        """The policy of a file."""
        if not documents or not isinstance(documents[0], nodes.Mapping):
            place = documents[0].span if documents else start
            self._add("LN0701", "an audit policy is a mapping with `apiVersion`, `kind` and `rules`", place)
            return None
        if len(documents) > 1:
            self._add("LN0701", "an API server reads only the first document of a file", documents[1].span)
        root = documents[0]
        self._head(root)
        values = self._values(root, self._policy, "an audit policy")
        if not values.get("rules") and not self._diagnostics.errors:
            self._add("LN0703", "a policy needs at least one rule", _first_line(root.span), "add it under `rules`")
        return Policy(values.get("rules") or (), values.get("omitStages") or (), bool(values.get("omitManagedFields")))

    def _head(self, root: nodes.Mapping) -> None:
        for key, known in (("apiVersion", VERSIONS), ("kind", ("Policy",))):
            pair = root.get(key)
            text = pair[1].text if pair and isinstance(pair[1], Scalar) else ""
            if pair is None or text not in known:
                place = pair[1].span if pair else Span(root.span.file, root.span.start, root.span.start)
                message = f"`{text}` is not the `{key}` of an audit policy" if pair else f"`{key}` is missing"
                self._add("LN0701", message, place, f"write `{key}: {known[0]}`")
            elif text != known[0]:
                message = f"`{text}` is not read by Kubernetes 1.24 and later"
                self._add("policy_version", message, pair[1].span, f"write `{known[0]}`; the keys are the same")

    def _values(self, node: Node, keys: Mapping[str, Callable[[Node, str], Any]], what: str) -> dict[str, Any]:
        if not isinstance(node, nodes.Mapping):
            self._add("LN0702", f"{what} is a mapping", node.span)
            return {}
        values = {}
        for key, value in node.pairs:
            if key.text in keys:
                is_null = isinstance(value, Scalar) and value.is_null
                values[key.text] = None if is_null else keys[key.text](value, key.text)
                continue
            near = get_close_matches(key.text[:80], keys, 1)
            known = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(f'`{name}`' for name in keys)}"
            self._add("LN0704", f"{what} has no key `{key.text}`", key.span, known)
        return values

    def _rules(self, node: Node, key: str) -> tuple[PolicyRule, ...]:
        return tuple(self._policy_rule(each) for each in self._items(node, key))

    def _policy_rule(self, node: Node) -> PolicyRule:
        values = self._values(node, self._rule, "a rule")
        if isinstance(node, nodes.Mapping) and values.get("level") is None and not node.get("level"):
            self._add("LN0703", "a rule needs a `level`", _first_line(node.span), f"one of {_LEVELS}")
        if values.get("nonResourceURLs") and (values.get("resources") or values.get("namespaces")):
            self._add(
                "LN0702",
                "a rule is about resources or about other URLs, not about both",
                _first_line(node.span),
                "make two rules of it",
            )
        return PolicyRule(
            level=values.get("level") or AuditLevel.NONE,
            users=values.get("users") or (),
            user_groups=values.get("userGroups") or (),
            verbs=values.get("verbs") or (),
            resources=values.get("resources") or (),
            namespaces=values.get("namespaces") or (),
            non_resource_urls=values.get("nonResourceURLs") or (),
            omit_stages=values.get("omitStages") or (),
            omit_managed_fields=values.get("omitManagedFields"),
            span=_first_line(node.span),
        )

    def _resources(self, node: Node, key: str) -> tuple[GroupResources, ...]:
        return tuple(map(self._group_resources, self._items(node, key)))

    def _group_resources(self, node: Node) -> GroupResources:
        values = self._values(node, self._group, "an item of `resources`")
        found = GroupResources(
            values.get("group") or "", values.get("resources") or (), values.get("resourceNames") or ()
        )
        if found.names and not found.resources:
            self._add("LN0702", "`resourceNames` needs at least one of `resources`", _first_line(node.span))
        return found

    def _group_name(self, node: Node, key: str) -> str:
        text = self._text(node, key)
        if text and text != "*" and (len(text) > _MAX_GROUP or not _GROUP.fullmatch(text)):
            hint = (
                "write the group without its version" if "/" in text else "write it as in `apiVersion`, in lower case"
            )
            self._add("LN0702", f"`{text}` is not the name of an API group", node.span, hint)
        if text == "*":
            message = "group `*` is refused by Kubernetes before 1.36"
            self._add("policy_version", message, node.span, "name the groups one by one")
        return text

    def _level(self, node: Node, key: str) -> AuditLevel | None:
        text = self._text(node, key)
        level = AuditLevel.parse(text)
        if level is None:
            self._add("LN0702", f"`{text}` is not an audit level", node.span, f"one of {_LEVELS}")
        return level

    def _stages(self, node: Node, key: str) -> tuple[str, ...]:
        for each, text in self._listed(node, key):
            if text not in STAGES:
                self._add("LN0702", f"`{text}` is not a stage", each.span, f"stages are {', '.join(STAGES)}")
        return tuple(text for _, text in self._listed(node, key))

    def _urls(self, node: Node, key: str) -> tuple[str, ...]:
        found = self._listed(node, key)
        for each, text in found:
            if text == "*":
                continue
            if not text.startswith("/"):
                self._add("LN0702", f"`{text}` is not a path", each.span, "begin it with a slash, or write `*`")
            elif "*" in text[:-1]:
                self._add("LN0702", "`*` can only be the last character of a path", each.span)
        return tuple(text for _, text in found)

    def _metadata(self, node: Node, key: str) -> None:
        if not isinstance(node, nodes.Mapping):
            self._add("LN0702", f"`{key}` is a mapping", node.span)

    def _bool(self, node: Node, key: str) -> bool | None:
        if isinstance(node, Scalar) and not node.style and _tag(node) == _BOOL_TAG:
            return node.text.lower() in _TRUE
        self._add("LN0702", f"`{key}` is true or false", node.span)
        return None

    def _texts(self, node: Node, key: str) -> tuple[str, ...]:
        return tuple(text for _, text in self._listed(node, key))

    def _listed(self, node: Node, key: str) -> list[tuple[Node, str]]:
        return [(each, self._text(each, key)) for each in self._items(node, key)]

    def _items(self, node: Node, key: str) -> tuple[Node, ...]:
        if isinstance(node, Sequence):
            return node.items
        self._add("LN0702", f"`{key}` is a list", node.span, "write each item on a line of its own, behind `- `")
        return ()

    def _text(self, node: Node, key: str) -> str:
        if not isinstance(node, Scalar):
            self._add("LN0702", f"`{key}` holds texts", node.span)
            return ""
        if node.is_null:
            return ""
        if not node.style and _tag(node) not in _TEXT_TAGS:
            self._add("LN0702", f"`{node.text}` is not a text to YAML", node.span, f'write `"{node.text}"`')
        return node.text

    def _add(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        self._diagnostics.add(code, message, span, help=help)


_LEVELS = "None, Metadata, Request, RequestResponse"


def _tag(node: Scalar) -> str:
    tag = _RESOLVER.resolve(yaml.ScalarNode, node.text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's stubs
    return str(tag)


def _first_line(span: Span) -> Span:
    """The part of a place that stands on its first line, which is what a diagnostic can underline."""
    end = span.file.text.find("\n", span.start, span.end)
    return span if end == -1 else Span(span.file, span.start, end)
