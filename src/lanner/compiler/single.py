"""A condition, an output and fields by themselves, as `lanner grep` and `stats` take them, to a checked rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from lanner.compiler.check import Checker, operand_kind
from lanner.compiler.load import ExtraField, Rule
from lanner.compiler.output import OutputField, OutputTemplate, key_of, parse_output
from lanner.compiler.problem import Problem
from lanner.compiler.resolve import Resolver
from lanner.compiler.scope import Scope
from lanner.condition import ParseError, parse_operand
from lanner.diagnostics import Diagnostics, MappedText
from lanner.rules.model import Collection
from lanner.rules.priority import Priority
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS

NO_NAMES: Final = Collection({}, {}, {}, frozenset(), None, ())


def check_single(
    condition: str,
    output: str | None,
    diagnostics: Diagnostics,
    *,
    fields: Iterable[str] = (),
    names: Collection = NO_NAMES,
) -> Rule | None:
    """Check a condition, and an output text and fields if they are given.

    Args:
        condition: As in a rule.
        output: As in a rule.
        diagnostics: Takes what is found.
        fields: Fields, or transformers around them, that become extra fields of the rule, in order, each once.
        names: Macros and lists that the condition can use.

    Returns:
        A rule that was made of them; None when there are errors, which are among the diagnostics.
    """
    scope = Scope.of(AUDIT_SOURCE, PLUGINS)
    text = MappedText.literal(condition, "condition")
    closed = Resolver(names, diagnostics).rule(text)
    for problem, use in Checker().condition(closed, scope) if closed else ():
        problem.report(diagnostics, use)
    template: OutputTemplate | None = OutputTemplate((), ())
    if output is not None:
        template, problems = parse_output(MappedText.literal(output, "output"), scope)
        for problem in problems:
            problem.report(diagnostics)
    extra = tuple({field.key: field for each in fields for field in _extra_field(each, scope, diagnostics)}.values())
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
        extra_fields=extra,
        condition_text=condition,
        output_text=output or "",
    )


def _extra_field(written: str, scope: Scope, diagnostics: Diagnostics) -> Iterator[ExtraField]:
    text = MappedText.literal(written, "field")
    problems: list[Problem] = []
    try:
        operand = parse_operand(text)
    except ParseError as problem:
        diagnostics.add("LN0201", problem.message, problem.span, label=problem.label, help=problem.help)
        return
    operand_kind(operand, scope, problems)
    for each in problems:
        each.report(diagnostics)
    key = key_of(operand)
    yield ExtraField(key, OutputTemplate((), (OutputField(operand, key),)), raw=True)
