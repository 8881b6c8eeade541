"""Checked rules without a rule file, for the tests of this folder."""

from typing import Any

from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate
from lanner.condition import Expr, parse_condition
from lanner.diagnostics import MappedText
from lanner.rules.priority import Priority


def made(name: str, condition: Expr | str, **more: Any) -> Rule:
    """A rule of a condition without macros and lists; it prints nothing unless told otherwise."""
    settings: dict[str, Any] = {"priority": Priority.NOTICE, "tags": (), "output": OutputTemplate((), ()), **more}
    parsed = parse_condition(MappedText.literal(condition)) if isinstance(condition, str) else condition
    return Rule(name=name, desc="", source="k8s_audit", condition=parsed, **settings)
