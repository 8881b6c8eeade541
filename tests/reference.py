"""A small reference interpreter: what a condition means, said as plainly as possible.

It walks the tree for every event and shares no code with the compiler but the functions of transformers and patterns.
Generated code must agree with it.
"""

import ipaddress
import re
from typing import Any

from lanner.compiler import semantics
from lanner.condition import (
    And,
    ArgumentList,
    Call,
    Check,
    Expr,
    Field,
    ListName,
    Literal,
    LiteralList,
    MacroName,
    Not,
    Or,
)
from lanner.condition.ast import Argument
from lanner.fields.catalogue import FIELDS, ArgKind, FieldType, Meta
from lanner.fields.extraction import extractor

Value = str | int | list[str] | None


def holds(condition: Expr, event: dict[str, Any], number: int = 1) -> bool:
    """Whether a closed condition holds for a decoded event."""
    match condition:
        case And():
            return all(holds(child, event, number) for child in condition.children)
        case Or():
            return any(holds(child, event, number) for child in condition.children)
        case Not():
            return not holds(condition.child, event, number)
        case Check():
            return _check(condition, event, number)
        case MacroName():
            raise ValueError(condition.name)


def value_of(node: Argument, event: dict[str, Any], number: int = 1) -> Value:
    """The value of a field or transformer; None where it is missing."""
    match node:
        case Literal():
            return node.text
        case ArgumentList():
            return semantics.gather(*(value_of(item, event, number) for item in node.items))
        case Field():
            return _field(node, event, number)
        case Call():
            return _call(node, [value_of(argument, event, number) for argument in node.arguments])


def _field(node: Field, event: dict[str, Any], number: int) -> Value:
    spec = FIELDS[node.name]
    if isinstance(spec.extract, Meta):
        known: dict[str, Value] = {"num": number, "source": "k8s_audit", "pluginname": "k8saudit", "asynctype": None}
        return known[spec.extract.name]
    argument = int(node.argument) if spec.arg is ArgKind.INDEX and node.argument is not None else node.argument
    return extractor(spec, argument)(event)


def _call(node: Call, arguments: list[Value]) -> Value:
    if node.transformer == "getopt" and node.argument is not None:
        words, options = arguments
        return semantics.getopt_value(words, options, node.argument)  # type: ignore[arg-type]  # checked at load
    if node.transformer in ("join", "concat", "getopt"):
        return getattr(semantics, node.transformer)(*arguments)  # type: ignore[no-any-return]
    (value,) = arguments
    if value is None or node.transformer == "val":
        return value
    if node.transformer == "len":
        return len(value) if isinstance(value, list) else len(str(value).encode())
    function = {"tolower": semantics.lower, "toupper": semantics.upper}.get(node.transformer)
    function = function or getattr(semantics, node.transformer)
    if isinstance(value, list):
        found = [function(item) for item in value]
        return None if None in found else found
    return function(str(value))


def _check(check: Check, event: dict[str, Any], number: int) -> bool:
    left = value_of(check.left, event, number)
    if left is None:
        return False
    if check.operator == "exists":
        return True
    match check.right:
        case Literal():
            right = [check.right.text]
        case ListName():
            right = [check.right.name]
        case LiteralList():
            right = [item.text for item in check.right.items]
        case Call():
            other = value_of(check.right, event, number)
            if other is None:
                return False
            right = other if isinstance(other, list) else [other]  # type: ignore[list-item]
        case None:
            raise ValueError(check)
    if isinstance(check.left, Field) and FIELDS[check.left.name].type is FieldType.ADDRESS:
        return _is_in_networks(left, check.operator, right)
    if isinstance(left, list):
        found = [value in right for value in left]
        return all(found) if check.operator == "in" else any(found)
    if check.operator in ("in", "intersects"):
        return any(_compare("=", left, value) for value in right)
    if check.operator == "pmatch":
        return any(_compare("pmatch", left, value) for value in right)
    passed = sum(_compare(check.operator, left, value) for value in right)
    return {None: passed == 1, "oneof": passed == 1, "anyof": passed > 0, "allof": passed == len(right) > 0}[
        check.modifier
    ]


def _is_in_networks(left: Value, operator: str, right: list[str]) -> bool:
    """Whether addresses are in one of some networks, as Python's own library says."""
    found = []
    for text in left if isinstance(left, list) else [str(left)]:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            found.append(False)
            continue
        address = getattr(address, "ipv4_mapped", None) or address
        found.append(any(address in ipaddress.ip_network(network, strict=False) for network in right))
    if isinstance(left, list):
        return all(found) if operator == "in" else any(found)
    return found[0] != (operator == "!=")


def _compare(operator: str, left: str | int, right: str) -> bool:
    if isinstance(left, int):
        number = right if isinstance(right, int) else semantics.parse_number(right)
        assert number is not None
        return {
            "=": left == number,
            "==": left == number,
            "!=": left != number,
            "<": left < number,
            "<=": left <= number,
            ">": left > number,
            ">=": left >= number,
        }[operator]
    match operator:
        case "=" | "==":
            return left == right
        case "!=":
            return left != right
        case "<" | "<=" | ">" | ">=":
            mine, other = left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
            return {"<": mine < other, "<=": mine <= other, ">": mine > other, ">=": mine >= other}[operator]
        case "contains":
            return left.find(right) >= 0
        case "icontains":
            return _folded(left).find(_folded(right)) >= 0
        case "startswith":
            return left[: len(right)] == right
        case "endswith":
            return left[max(len(left) - len(right), 0) :] == right
        case "glob":
            return semantics.glob_test(right)(left)
        case "iglob":
            return semantics.glob_test(right, ignore_case=True)(left)
        case "regex":
            return semantics.regex_test(right)(left)
        case "pmatch":
            return semantics.path_test([right])(left)
        case _:
            raise ValueError(operator)


def _folded(text: str) -> str:
    return re.sub("[A-Z]", lambda found: found.group().lower(), text)
