"""A rule's exceptions to a part of its condition.

FALCO-COMPAT: exceptions are put together as text, so that what works as a value in Falco works here (values in
parentheses, names of lists). Source: Falco, rule_loader_compiler.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lanner.compiler.problem import Problem
from lanner.compiler.resolve import enclosed, quoted
from lanner.condition.operators import MODIFIERS, OPERATORS
from lanner.diagnostics import Diagnostics, MappedText, Span
from lanner.rules.model import ExceptionDef, RuleDef, Tree

FieldCheck = Callable[[MappedText], Problem | None]
"""Says what is wrong with a text as a field, or None."""


def with_exceptions(
    rule: RuleDef, check_field: FieldCheck, diagnostics: Diagnostics
) -> tuple[MappedText, tuple[str, ...]]:
    """The rule's condition with its exceptions, and their names; those with errors or without values are left out.

    Diagnostics: LN0404.
    """
    if not rule.exceptions:
        return rule.condition, ()
    names = []
    parts = [enclosed("(", rule.condition, ")")]
    for exception in rule.exceptions:
        text = _Builder(exception, check_field, diagnostics).text()
        if text is not None:
            parts += [MappedText.whole(" and not ", exception.place), text]
            names.append(exception.name)
    return MappedText.concat(parts), tuple(names)


class _Builder:
    def __init__(self, exception: ExceptionDef, check_field: FieldCheck, diagnostics: Diagnostics) -> None:
        self._exception = exception
        self._check_field = check_field
        self._diagnostics = diagnostics

    def text(self) -> MappedText | None:
        """The part of the condition; None when there is nothing to say, or after an error."""
        fields, comps = self._exception.fields, self._exception.comps
        match fields, comps:
            case MappedText(), MappedText():
                return self._single(fields, comps)
            case tuple(), tuple():
                return self._combined(fields, comps)
        return None

    def _single(self, field: MappedText, comparison: MappedText) -> MappedText | None:
        """`(field in (a, b))`."""
        values = [self._text(value, "the value of a single field is a text") for value in self._exception.values]
        if not self._are_fields([field]) or not all(values):
            return None
        items = [quoted(value) for value in values if value]
        if not items:
            return None
        return self._list([self._joined([field, comparison, self._list(items, ", ")])], "")

    def _combined(self, fields: tuple[Tree, ...], comps: tuple[Tree, ...]) -> MappedText | None:
        """`((a = x and b in (y, z)) or (…))`."""
        names = [self._text(field, "a field is a text") for field in fields]
        operators = [self._text(comparison, "an operator is a text") for comparison in comps]
        alternatives = [self._alternative(names, operators, row) for row in self._exception.values]
        given = [name for name in names if name]
        if not self._are_fields(given) or len(given) < len(names) or not all(alternatives) or not alternatives:
            return None
        rows = [row for row in alternatives if row]
        return self._list(rows, " or ")

    def _alternative(
        self, fields: list[MappedText | None], operators: list[MappedText | None], row: Tree
    ) -> MappedText | None:
        values = row if isinstance(row, tuple) else (row,)
        if isinstance(row, MappedText) or len(values) != len(fields):
            count = f"{len(values)} value{'s' if len(values) != 1 else ''}"
            self._malformed(
                f"exception `{self._exception.name}` has {len(fields)} fields and here {count}"
                if isinstance(row, tuple)
                else "the values are not a list",
                _span(row, self._exception.place),
                "give a list with one value for each field",
            )
            return None
        parts: list[MappedText] = []
        for field, operator, value in zip(fields, operators, values, strict=True):
            right = self._right(operator, value)
            if field is None or operator is None or right is None:
                return None
            parts.append(self._joined([field, operator, right]))
        return self._list(parts, " and ")

    def _right(self, operator: MappedText | None, value: Tree) -> MappedText | None:
        if isinstance(value, tuple):
            items = [self._text(item, "a value is nested too deeply") for item in value]
            if not all(items):
                return None
            texts = [quoted(item) for item in items if item]
            return self._list(texts, ", ")
        text = self._text(value, "a value is empty")
        if text is None or operator is None:
            return None
        if _takes_list(operator.text.strip()):
            return text if text.text.startswith("(") else enclosed("(", text, ")")
        return quoted(text)

    def _are_fields(self, fields: list[MappedText]) -> bool:
        problems = [(field, self._check_field(field)) for field in fields]
        for field, problem in problems:
            if problem:
                self._malformed(problem.message, field.span(0, len(field.text)), problem.help)
        return not any(problem for _, problem in problems)

    def _text(self, tree: Tree, otherwise: str) -> MappedText | None:
        if isinstance(tree, MappedText) and tree.text:
            return tree
        self._malformed(otherwise, _span(tree, self._exception.place))
        return None

    def _malformed(self, message: str, span: Span, help_text: str | None = None) -> None:
        self._diagnostics.add("LN0404", message, span, help=help_text)

    def _list(self, parts: Iterable[MappedText], separator: str) -> MappedText:
        """The parts in parentheses."""
        return enclosed("(", self._joined(parts, separator), ")")

    def _joined(self, parts: Iterable[MappedText], separator: str = " ") -> MappedText:
        found: list[MappedText] = []
        for part in parts:
            found += [MappedText.whole(separator, self._exception.place), part] if found else [part]
        return MappedText.concat(found)


def _takes_list(operator: str) -> bool:
    name, _, modifier = operator.partition(" ")
    return OPERATORS[name].takes_list if not modifier and name in OPERATORS else modifier in MODIFIERS


def _span(tree: Tree, otherwise: Span) -> Span:
    """Where a text or the first text of a list stands."""
    while isinstance(tree, tuple) and tree:
        tree = tree[0]
    return tree.span(0, len(tree.text)) if isinstance(tree, MappedText) else otherwise
