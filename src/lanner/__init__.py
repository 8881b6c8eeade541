"""Threat detection on Kubernetes audit logs, with Falco's rules.

    import lanner

    loaded = lanner.load_rules(["rules.yaml"])       # diagnostics, and rules unless there are errors
    engine = lanner.Engine(lanner.compile_rules(loaded.rules))
    for alert in engine.process(open("audit.log", "rb").read()).alerts:
        print(alert.rule, alert.message)

What is listed in `__all__` is the public interface; everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanner.compiler.load import LoadResult, load_rules
    from lanner.compiler.ruleset import RuleSet, Selection, compile_rules
    from lanner.diagnostics import Diagnostic
    from lanner.engine.alert import Alert
    from lanner.engine.engine import Engine, Result
    from lanner.engine.filter import Filter, compile_filter
    from lanner.engine.stats import Stats
    from lanner.rules.priority import Priority

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "Diagnostic",
    "Engine",
    "Filter",
    "LoadResult",
    "Priority",
    "Result",
    "RuleSet",
    "Selection",
    "Stats",
    "compile_filter",
    "compile_rules",
    "load_rules",
]

# Imported when first asked for: `lanner --version` must not wait for a JSON decoder and a regular expression engine.
_HOMES = {
    "Alert": "lanner.engine.alert",
    "Diagnostic": "lanner.diagnostics",
    "Engine": "lanner.engine.engine",
    "Filter": "lanner.engine.filter",
    "LoadResult": "lanner.compiler.load",
    "Priority": "lanner.rules.priority",
    "Result": "lanner.engine.engine",
    "RuleSet": "lanner.compiler.ruleset",
    "Selection": "lanner.compiler.ruleset",
    "Stats": "lanner.engine.stats",
    "compile_filter": "lanner.engine.filter",
    "compile_rules": "lanner.compiler.ruleset",
    "load_rules": "lanner.compiler.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `lanner` has no attribute `{name}`")
    return getattr(import_module(_HOMES[name]), name)
