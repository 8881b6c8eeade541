"""Engines from short texts, for the tests of this folder and others."""

import json
from collections.abc import Iterable
from textwrap import indent
from typing import Any

from lanner.compiler.load import LoadedRules, load
from lanner.compiler.ruleset import Matching, Selection, compile_rules
from lanner.diagnostics import SourceFile
from lanner.engine.engine import Engine, Result

NOW = 1_700_000_000_000_000_000


def rule(name: str, condition: str, output: str = "x", *, priority: str = "notice", tags: Iterable[str] = ()) -> str:
    """The item of a rule; condition and output are written as literal blocks."""
    return (
        f"- rule: {json.dumps(name)}\n  desc: d\n  priority: {priority}\n  source: k8s_audit\n"
        f"  tags: {json.dumps([*tags])}\n"
        f"  condition: |-\n{indent(condition, '    ')}\n  output: |-\n{indent(output, '    ')}\n"
    )


def loaded(*items: str) -> LoadedRules:
    """The rules of items that have no errors."""
    result = load([SourceFile("rules.yaml", "".join(items))])
    assert result.rules is not None, [found.message for found in result.diagnostics]
    return result.rules


def engine(*items: str, matching: Matching = "all", selection: Selection | None = None) -> Engine:
    """An engine for items."""
    rules = compile_rules(loaded(*items), matching=matching, selection=selection)
    return Engine(rules, hostname="here", clock=lambda: NOW)


def check(condition: str, output: str = "x", *macros: str) -> Engine:
    """An engine for one condition."""
    return engine(*macros, rule("A", condition, output))


def event(verb: str = "get", **members: Any) -> bytes:
    """The text of an event."""
    return json.dumps({"auditID": "i", "stage": "ResponseComplete", "verb": verb, **members}).encode()


def listed(*events: bytes) -> bytes:
    """A webhook's body."""
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[' + b",".join(events) + b"]}"


def messages(result: Result) -> list[str]:
    """What the alerts say."""
    return [alert.message for alert in result.alerts]


def names(result: Result) -> list[str]:
    """The rules of the alerts."""
    return [alert.rule for alert in result.alerts]
