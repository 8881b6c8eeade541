"""Fields with fixed values, which a configuration defines: `static.NAME`.

A value is put into the tree as the field's argument once the rule is checked, so that it is a constant for everything
that comes after. Source: Falco 0.44, falco.yaml (`static_fields`); Falco libs, sinsp_filtercheck_static.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

from lanner.compiler.output import OutputField, OutputTemplate
from lanner.condition import ArgumentList, Call, Check, Field
from lanner.condition.ast import And, Argument, Expr, Not, Or
from lanner.fields.catalogue import STATIC_PREFIX

Node = TypeVar("Node", bound=Argument)

StaticFields = Mapping[str, str]
"""Values by name, without the prefix."""


def bind(condition: Expr, values: StaticFields) -> Expr:
    """A checked condition with the values of its static fields; what macros share stays shared."""
    return _bind(condition, values, {}) if values else condition


def bind_output(template: OutputTemplate, values: StaticFields) -> OutputTemplate:
    """A checked output with the values of its static fields."""

    def bound(part: OutputField) -> OutputField:
        return replace(part, operand=_operand(part.operand, values))

    if not values:
        return template
    segments = tuple(part if isinstance(part, str) else bound(part) for part in template.segments)
    return OutputTemplate(segments, tuple(map(bound, template.fields)))


def _bind(node: Expr, values: StaticFields, done: dict[int, Expr]) -> Expr:
    if id(node) not in done:
        match node:
            case And() | Or():
                parts = tuple(_bind(child, values, done) for child in node.children)
                same = all(new is old for new, old in zip(parts, node.children, strict=True))
                done[id(node)] = node if same else replace(node, children=parts)
            case Not():
                child = _bind(node.child, values, done)
                done[id(node)] = node if child is node.child else replace(node, child=child)
            case Check():
                done[id(node)] = _check(node, values)
            case _:
                done[id(node)] = node
    return done[id(node)]


def _check(check: Check, values: StaticFields) -> Check:
    left = _operand(check.left, values)
    right = _operand(check.right, values) if isinstance(check.right, Call) else check.right
    return check if left is check.left and right is check.right else replace(check, left=left, right=right)


def _operand(node: Node, values: StaticFields) -> Node:
    """The same kind of node."""
    return cast("Node", _argument(node, values))


def _argument(node: Argument, values: StaticFields) -> Argument:
    match node:
        case Field() if node.name.startswith(STATIC_PREFIX):
            value = values.get(node.name.removeprefix(STATIC_PREFIX))
            return node if value is None else replace(node, argument=value)  # None: it is unknown, and told of
        case Call():
            arguments = tuple(_operand(each, values) for each in node.arguments)
            same = all(new is old for new, old in zip(arguments, node.arguments, strict=True))
            return node if same else replace(node, arguments=arguments)
        case ArgumentList():
            items = tuple(_operand(each, values) for each in node.items)
            same = all(new is old for new, old in zip(items, node.items, strict=True))
            return node if same else replace(node, items=items)
        case _:
            return node
