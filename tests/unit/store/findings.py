"""Findings to be stored."""

from __future__ import annotations

from lanner.engine.alert import AlertKind, Finding
from lanner.rules.priority import Priority

KIND = AlertKind("Pod created", Priority.WARNING, "k8s_audit", ("k8s", "pods"), "vm", ("ka.target.name", "ka.verb"))


def finding(number: int, *, message: str | None = None, kind: AlertKind = KIND) -> Finding:
    text = f"pod {number}" if message is None else message
    return Finding(kind, 1795256638064343000 + number, text, (["a", f"web-{number}"], None), b"id-%d" % number)


def findings(*numbers: int) -> list[Finding]:
    return [finding(number) for number in numbers]
