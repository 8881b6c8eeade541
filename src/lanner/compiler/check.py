"""The type check: do fields exist, and do arguments, operators, transformers and values fit.

Source: Falco libs, libsinsp: filter.cpp, filter_compare.cpp, plugin_filtercheck.cpp, value_parser.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

import re2

from lanner.compiler import lint
from lanner.compiler.problem import Problem
from lanner.compiler.resolve import Closed
from lanner.compiler.scope import Scope
from lanner.compiler.semantics import MAX_GLOB, parse_number, regex_options
from lanner.condition import ArgumentList, Call, Check, Field, Literal, LiteralList, Place, to_text
from lanner.condition.ast import Argument, Operand, children
from lanner.condition.operators import OPERATORS
from lanner.events.addresses import parse_network
from lanner.fields.catalogue import ArgKind, FieldSpec, FieldType

_INDEX = re.compile(r"0|[1-9][0-9]*")
_NOTEWORTHY = re.compile(r"[.(\0]")
"""What a text must hold to be a field, a transformer or refused; most items of long lists hold none of it."""

_REGEX_HELP = (
    (re.compile(r"\(\?[=!<]"), "RE2 has no lookahead or lookbehind"),
    (re.compile(r"\(\?"), "RE2 in POSIX syntax has no groups that begin with `(?`"),
    (
        re.compile(r"\\[dswDSWbB]"),
        r"RE2 in POSIX syntax has no `\d`, `\s`, `\w`, `\b`: write `[[:digit:]]` and the like",
    ),
)


_KIND_NAMES = {
    FieldType.STRING: ("a text", "texts"),
    FieldType.NUMBER: ("a number", "numbers"),
    FieldType.ADDRESS: ("an address", "addresses"),
}


class Kind(NamedTuple):
    """What an operand gives: texts or numbers, one or a list."""

    type: FieldType
    is_list: bool

    def __str__(self) -> str:
        one, many = _KIND_NAMES[self.type]
        return f"a list of {many}" if self.is_list else one


TEXT = Kind(FieldType.STRING, False)
TEXTS = Kind(FieldType.STRING, True)
NUMBER = Kind(FieldType.NUMBER, False)


@dataclass(slots=True)
class Checker:
    """Checks conditions; a check that many rules share through a macro is looked at once for each source."""

    _known: dict[tuple[int, str], tuple[Check, tuple[Problem, ...]]] = field(default_factory=dict)

    def condition(self, closed: Closed, scope: Scope) -> Iterator[tuple[Problem, Place | None]]:
        """The problems of a condition, each with the place in the rule where the macro that has it is named."""
        uses = {id(expr): place for expr, place in closed.uses}
        seen: set[int] = set()
        stack: list[tuple[object, Place | None]] = [(closed.expr, None)]
        while stack:
            node, use = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            use = use or uses.get(id(node))
            if isinstance(node, Check):
                for problem in self._check(node, scope):
                    yield problem, use
            else:
                stack.extend((child, use) for child in reversed(children(node)))  # type: ignore[arg-type]  # all are Expr

    def _check(self, check: Check, scope: Scope) -> tuple[Problem, ...]:
        key = id(check), scope.source
        if key not in self._known:
            self._known[key] = check, tuple(check_problems(check, scope))
        return self._known[key][1]


def check_problems(check: Check, scope: Scope) -> Iterator[Problem]:
    """What is wrong with one check."""
    problems: list[Problem] = []
    kind = operand_kind(check.left, scope, problems)
    yield from problems
    if kind is None:
        return
    if not _fits(check.operator, kind) or (check.modifier and kind.type is FieldType.ADDRESS):
        yield _operator(check, kind)
        return
    match check.right:
        case Literal():
            yield from _values(check, kind, (check.right,), scope)
        case LiteralList():
            yield from _values(check, kind, check.right.items, scope)
        case Call():
            yield from _right(check, kind, check.right, scope)
    yield from lint.not_available(check)


def operand_kind(operand: Operand, scope: Scope, problems: list[Problem]) -> Kind | None:
    """What a field or transformer gives; None when it has an error, or where the scope's fields are not known."""
    if isinstance(operand, Field):
        return _field(operand, scope, problems)
    return _call(operand, scope, problems)


def _field(node: Field, scope: Scope, problems: list[Problem]) -> Kind | None:
    found = scope.field(node.name)
    if isinstance(found, Problem):
        problems.append(found.at(node.place))
        return None
    if found is None:
        return None
    error = _argument(node, found)
    if error:
        problems.append(error)
        return None
    problems.extend(lint.deprecated(node, found))
    return Kind(found.type, found.is_list)


def _argument(node: Field, spec: FieldSpec) -> Problem | None:
    argument, name = node.argument, node.name
    if argument is None:
        if not spec.arg_required:
            return None
        example = f"{name}[0]" if spec.arg is ArgKind.INDEX else f"{name}[{spec.example_arg or 'key'}]"
        return Problem("LN0204", f"`{name}` needs an argument", node.place, help=f"write `{example}`")
    if spec.arg is ArgKind.NONE:
        return Problem("LN0204", f"`{name}` takes no argument", node.place, help=f"write `{name}`")
    if spec.arg is ArgKind.INDEX and not (_INDEX.fullmatch(argument) and len(argument) < 20):
        return Problem("LN0204", f"`{argument}` is not an index", node.place, help=f"write a number: `{name}[0]`")
    return None


def _call(node: Call, scope: Scope, problems: list[Problem]) -> Kind | None:
    before = len(problems)
    kinds = [_argument_kind(argument, scope, problems) for argument in node.arguments]
    if len(problems) > before and any(not p.is_warning for p in problems[before:]):
        return None
    reason = _misfit(node, kinds)
    if reason:
        problems.append(Problem("LN0207", reason, node.place))
        return None
    if None in kinds:
        return None
    return _result(node, [kind for kind in kinds if kind])


def _argument_kind(argument: Argument, scope: Scope, problems: list[Problem]) -> Kind | None:
    match argument:
        case Literal():
            return TEXT
        case ArgumentList():
            kinds = [_argument_kind(item, scope, problems) for item in argument.items]
            return None if None in kinds else TEXTS
        case Field() | Call():
            return operand_kind(argument, scope, problems)
        case _:
            assert_never(argument)


def _misfit(node: Call, kinds: list[Kind | None]) -> str | None:
    """Why the transformer does not take these arguments; an argument of unknown kind fits everywhere."""
    name, count = node.transformer, len(kinds)
    if node.argument is not None and (name != "getopt" or len(node.argument.encode(errors="replace")) != 1):
        return (
            f"`{name}` takes one option character in brackets"
            if name == "getopt"
            else f"`{name}` takes no argument in brackets"
        )
    first, *rest = kinds
    match name:
        case "val":
            return None
        case "len":
            fits = count == 1 and (first is None or first.is_list or first == TEXT)
            return None if fits else "`len` takes one text or one list"
        case "join":
            fits = count == 2 and first in (TEXT, None) and (rest[0] is None or rest[0].is_list)
            return None if fits else '`join` takes a separator and a list: `join(",", ka.user.groups)`'
        case "concat":
            fits = count >= 2 and all(kind in (TEXT, None) for kind in kinds)
            return None if fits else "`concat` takes two or more texts"
        case "getopt":
            fits = count == 2 and first in (TEXTS, None) and rest[0] in (TEXT, None)
            return None if fits else "`getopt` takes a list of texts and a text of option characters"
    if count != 1:
        return f"`{name}` takes one argument"
    return None if first is None or first.type is FieldType.STRING else f"`{name}` takes a text or a list of texts"


def _result(node: Call, kinds: list[Kind]) -> Kind:
    match node.transformer:
        case "len":
            return NUMBER
        case "join" | "concat":
            return TEXT
        case "getopt":
            return TEXT if node.argument is not None else TEXTS
    return kinds[0]


def _operator(check: Check, kind: Kind) -> Problem:
    known = ", ".join(f"`{name}`" for name in OPERATORS if _fits(name, kind))
    left = to_text(check.left)
    help_text = f"operators are {known}"
    if check.operator.startswith("b"):
        help_text = "use `contains` or `startswith`"
    elif kind == TEXTS and _fits(check.operator, TEXT):
        help_text += f'; all its values as one text are `join(" ", {left})`'
    return Problem(
        "LN0205", f"operator `{check.operator}` does not fit `{left}`", check.place, f"this is {kind}", help_text
    )


def _fits(operator: str, kind: Kind) -> bool:
    row = OPERATORS[operator]
    if kind.type is FieldType.ADDRESS:
        return row.address and (row.list or not kind.is_list)
    return row.list if kind.is_list else row.number if kind.type is FieldType.NUMBER else row.text


def _values(check: Check, kind: Kind, values: Iterable[Literal], scope: Scope) -> Iterator[Problem]:
    plain = kind.type is FieldType.STRING and check.operator not in ("regex", "glob", "iglob")
    for value in values:
        if plain and not _NOTEWORTHY.search(value.text):
            continue
        if "\0" in value.text:
            yield Problem("LN0206", "a value cannot hold a NUL character", value.place)
        elif kind.type is FieldType.NUMBER and parse_number(value.text) is None:
            message = f"`{value.text}` is not a number, as `{to_text(check.left)}` is"
            yield Problem("LN0206", message, value.place, help="write a decimal number without a sign")
        elif kind.type is FieldType.ADDRESS and parse_network(value.text) is None:
            message = f"`{value.text}` is neither an address nor a network, as `{to_text(check.left)}` is compared with"
            yield Problem("LN0206", message, value.place, help="write `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`")
        elif check.operator == "regex":
            yield from _regex(value)
        elif check.operator in ("glob", "iglob") and len(value.text) > MAX_GLOB:
            yield Problem("LN0206", f"the pattern has more than {MAX_GLOB:,} characters", value.place)
        yield from lint.suspicious(check, value, scope)


def _regex(value: Literal) -> Iterator[Problem]:
    try:
        re2.compile(value.text, regex_options())
    except UnicodeError:
        yield Problem("LN0206", "the regular expression is not UTF-8 text", value.place)
    except re2.error as error:
        reason = (
            error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        )
        help_text = next((text for pattern, text in _REGEX_HELP if pattern.search(value.text)), None)
        yield Problem("LN0206", f"invalid regular expression: {reason}", value.place, help=help_text)


def _right(check: Check, kind: Kind, right: Call, scope: Scope) -> Iterator[Problem]:
    """A field or transformer on the right-hand side."""
    problems: list[Problem] = []
    found = operand_kind(right, scope, problems)
    yield from problems
    if check.operator in ("pmatch", "regex") or kind.type is FieldType.ADDRESS:
        yield Problem("LN0206", f"`{check.operator}` needs values that do not depend on the event", right.place)
    elif found is not None and found != kind:
        yield Problem(
            "LN0206",
            f"`{to_text(check.left)}` is {kind}, `{to_text(right)}` is {found}",
            right.place,
            help="both sides have to be of one kind",
        )
