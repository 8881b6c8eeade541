"""A condition by itself, as `lanner grep` takes it, to a checked rule."""

from __future__ import annotations

from lanner.compiler.check import Checker
from lanner.compiler.load import Rule
from lanner.compiler.output import OutputTemplate, parse_output
from lanner.compiler.resolve import Resolver
from lanner.compiler.scope import Scope
from lanner.diagnostics import Diagnostics, MappedText
from lanner.rules.model import Collection
from lanner.rules.priority import Priority
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS


def check_single(condition: str, output: str | None, diagnostics: Diagnostics) -> Rule | None:
    """Check a condition, and an output text if one is given, without any macros or lists.

    Returns:
        A rule that was made of them; None when there are errors, which are among the diagnostics.
    """
    scope = Scope.of(AUDIT_SOURCE, PLUGINS)
    text = MappedText.literal(condition, "condition")
    closed = Resolver(Collection({}, {}, {}, frozenset(), None, ()), diagnostics).rule(text)
    for problem, use in Checker().condition(closed, scope) if closed else ():
        problem.report(diagnostics, use)
    template: OutputTemplate | None = OutputTemplate((), ())
    if output is not None:
        template, problems = parse_output(MappedText.literal(output, "output"), scope)
        for problem in problems:
            problem.report(diagnostics)
    if closed is None or template is None or diagnostics.errors:
        return None
    return Rule(
        name="condition",
        desc="",
        source=AUDIT_SOURCE,
        priority=Priority.NOTICE,
        tags=(),
        condition=closed.expr,
        output=template,
        condition_text=condition,
        output_text=output or "",
    )
