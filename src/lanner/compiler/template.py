"""Output templates to Python functions that render an alert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lanner.compiler.codegen import compile_function
from lanner.compiler.load import Rule
from lanner.compiler.operands import Constants, Operand, OperandCompiler, variable_name
from lanner.compiler.output import OutputField, OutputTemplate

FieldValue: TypeAlias = "str | int | list[str] | None"
Render: TypeAlias = Callable[[Any, Any], tuple[str, tuple[FieldValue, ...]]]
"""From an event and its context to the message and the values of the output fields, in the order of `output_keys`."""

MISSING = "<NA>"


def output_keys(rule: Rule) -> tuple[str, ...]:
    """The names of a rule's output fields, sorted as Falco prints them."""
    return tuple(sorted({*(found.key for found in rule.output.fields), *(extra.key for extra in rule.extra_fields)}))


def render_source(rule: Rule, operands: OperandCompiler, constants: Constants) -> str:
    """The source of the function that renders a rule's alerts."""
    writer = _Writer(operands, constants)
    message = writer.text(rule.output)
    entries = {found.key: writer.value(found) for found in rule.output.fields}
    for extra in rule.extra_fields:
        raw = next(iter(extra.template.fields), None) if extra.raw else None
        entries[extra.key] = writer.value(raw) if raw else writer.text(extra.template)
    values = "".join(f"{entries[key]}, " for key in output_keys(rule))
    return "\n".join([f"def render(e, c):  # {rule.name!r}", *writer.lines, f"    return {message}, ({values})", ""])


def text_source(template: OutputTemplate, operands: OperandCompiler, constants: Constants) -> str:
    """The source of the function that renders a template alone."""
    writer = _Writer(operands, constants)
    message = writer.text(template)
    return "\n".join(["def render(e, c):", *writer.lines, f"    return {message}", ""])


def compile_render(source: str, constants: Constants, name: str) -> Any:
    """The function of such a source."""
    return compile_function(source, constants.values, name)


class _Writer:
    def __init__(self, operands: OperandCompiler, constants: Constants) -> None:
        self.lines: list[str] = []
        self._operands = operands
        self._constants = constants
        self._names: dict[str, tuple[str, Operand]] = {}
        self._texts: dict[str, str] = {}

    def value(self, found: OutputField) -> str:
        """The variable that holds a field's value."""
        return self._variable(found)[0]

    def text(self, template: OutputTemplate) -> str:
        """The template as one expression: string literals side by side, of which those with a value are formatted."""
        parts = [repr(part) if isinstance(part, str) else f'f"{{{self._as_text(part)}}}"' for part in template.segments]
        return " ".join(parts) or "''"

    def _variable(self, found: OutputField) -> tuple[str, Operand]:
        operand = self._operands.compile(found.operand)
        if operand.key not in self._names:
            name = variable_name(operand.key, [known for known, _ in self._names.values()])
            self._names[operand.key] = name, operand
            self.lines.append(f"    {name} = {operand.code}")
        return self._names[operand.key]

    def _as_text(self, found: OutputField) -> str:
        name, operand = self._variable(found)
        if operand.is_list:
            text = f"('(' + ','.join({name}) + ')' if {name} is not None else {MISSING!r})"
        elif operand.is_number:
            text = f"(str({name}) if {name} is not None else {MISSING!r})"
        else:
            text = f"({name} if {name} is not None else {MISSING!r})"
        return f"{text}[:{found.width}].ljust({found.width})" if found.width else text
