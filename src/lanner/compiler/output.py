"""Output texts to templates: what is printed as it stands, and which fields are put in.

Source: Falco libs, libsinsp/eventformatter.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lanner.compiler.check import operand_kind
from lanner.compiler.problem import Problem
from lanner.compiler.scope import Scope
from lanner.condition import ArgumentList, Call, Field, Literal, ParseError, Place, parse_operand
from lanner.condition.ast import Argument, Operand
from lanner.condition.operators import TRANSFORMERS
from lanner.diagnostics import MappedText

MAX_WIDTH = 4096
"""Characters that a field can be made wide with `%10field`."""

_MAX_NAME = 120
_FIELD = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+")
_TRANSFORMER = re.compile(rf"(?:{'|'.join(name for name in TRANSFORMERS if name != 'val')})\(")
_ARGUMENT = re.compile(r"""\[("[^"]*"|'[^']*'|[^\[\]"'\s]+)\]""")
_PARENTHESES = re.compile(r"""\(|\)|"[^"]*"|'[^']*'""")
_WIDTH = re.compile(r"[0-9]+")
_IN_OUTPUT = {"LN0203": "LN0302", "LN0211": "LN0304", "LN0204": "LN0303", "LN0207": "LN0303"}


@dataclass(frozen=True, slots=True)
class OutputField:
    """A field, or a transformer around one, in an output.

    Attributes:
        operand: What is printed.
        key: Its name in `output_fields`, spelt as Falco spells it.
        width: The number of characters that it is cut or filled with blanks to; 0 for as many as it has.
    """

    operand: Operand
    key: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class OutputTemplate:
    """A checked output text.

    Attributes:
        segments: What is printed, in order: texts and fields.
        fields: The entries of `output_fields`, in order of appearance, each key once.
    """

    segments: tuple[str | OutputField, ...]
    fields: tuple[OutputField, ...]


def parse_output(text: MappedText, scope: Scope) -> tuple[OutputTemplate | None, list[Problem]]:
    """Parse an output and check its fields; the template is None when there are errors.

    FALCO-COMPAT: where a name is no field but begins with one, that field is printed and the rest is text; a star in
    front is dropped.

    Problems: LN0301 to LN0304, shortened_field, and warnings about fields.
    """
    problems: list[Problem] = []
    segments: list[str | OutputField] = []
    source = text.text
    at = 1 if source.startswith("*") else 0
    if not source:
        problems.append(Problem("LN0301", "output is empty", Place(text, 0, 0)))
    while at < len(source):
        percent = source.find("%", at)
        if percent != at:
            segments.append(source[at:] if percent < 0 else source[at:percent])
        if percent < 0:
            break
        found = _Token(text, percent, scope).read(problems)
        if found is None:
            at = percent + 1
            continue
        segments.append(found.field)
        at = found.end
    if any(not problem.is_warning for problem in problems):
        return None, problems
    return OutputTemplate(tuple(segments), _fields(segments)), problems


def key_of(node: Argument) -> str:
    """The name of a field or transformer in `output_fields`."""
    match node:
        case Field():
            return node.name + _bracketed(node.argument)
        case Call():
            return f"{node.transformer}({','.join(map(key_of, node.arguments))}){_bracketed(node.argument)}"
        case ArgumentList():
            return f"({','.join(map(key_of, node.items))})"
        case Literal():
            return node.text


def _bracketed(argument: str | None) -> str:
    return "" if argument is None else f"[{argument}]"


def _fields(segments: list[str | OutputField]) -> tuple[OutputField, ...]:
    """FALCO-COMPAT: of a transformer, the fields in it are entries, and not what it gives."""
    found: dict[str, OutputField] = {}
    for segment in segments:
        if isinstance(segment, OutputField):
            for node in _fields_in(segment.operand):
                found.setdefault(key_of(node), OutputField(node, key_of(node)))
    return tuple(found.values())


def _fields_in(node: Argument) -> Iterator[Field]:
    match node:
        case Field():
            yield node
        case Call():
            for argument in node.arguments:
                yield from _fields_in(argument)
        case ArgumentList():
            for item in node.items:
                yield from _fields_in(item)


@dataclass(frozen=True, slots=True)
class _Found:
    field: OutputField
    end: int


class _Token:
    """What stands behind one `%`."""

    def __init__(self, text: MappedText, percent: int, scope: Scope) -> None:
        self._text = text
        self._source = text.text
        self._percent = percent
        self._scope = scope
        self._start = percent + 1

    def read(self, problems: list[Problem]) -> _Found | None:
        width = 0
        if digits := _WIDTH.match(self._source, self._start):
            width = int(digits.group()[:9])
            self._start = digits.end()
            if width > MAX_WIDTH:
                message = f"a field cannot be wider than {MAX_WIDTH:,} characters"
                problems.append(Problem("LN0301", message, self._place(self._start)))
                return None
        if name := _FIELD.match(self._source, self._start):
            found = self._field(name.group(), name.end(), problems)
        elif opening := _TRANSFORMER.match(self._source, self._start):
            found = self._transformer(opening.end(), problems)
        else:
            help_text = "a percent sign cannot be printed; a field is written as `%ka.verb`"
            problems.append(Problem("LN0301", "no field behind `%`", self._place(self._start), help=help_text))
            return None
        return found and replace(found, field=replace(found.field, width=width))

    def _place(self, end: int) -> Place:
        return Place(self._text, self._percent, end)

    def _field(self, name: str, end: int, problems: list[Problem]) -> _Found | None:
        """The longest beginning of what stands there that is a field."""
        first: list[Problem] = []
        argument = _ARGUMENT.match(self._source, end)
        if argument:
            found = self._try(Field(name, argument.group(1).strip("\"'")), argument.end(), first)
            if found:
                problems += first
                return found
        plain: list[Problem] = []
        found = self._try(Field(name), end, plain)
        if found is None:
            shorter = (name[:length] for length in range(min(len(name) - 1, _MAX_NAME), 0, -1))
            known = (Field(each) for each in shorter if self._scope.known(each))
            tries = (self._try(node, self._start + len(node.name), []) for node in known)
            found = next((each for each in tries if each), None)
        if found is None:
            problems += first or plain
            return None
        if not (found.end == end and argument is None):
            self._shortened(found, argument.end() if argument else end, first or plain, problems)
        else:
            problems += plain
        return found

    def _transformer(self, inside: int, problems: list[Problem]) -> _Found | None:
        end = self._closing(inside)
        argument = _ARGUMENT.match(self._source, end) if end else None
        for last in (argument.end() if argument else 0, end):
            if not last:
                continue
            part = self._source[self._start : last]
            place = self._place(last)
            tried: list[Problem] = []
            try:
                operand = parse_operand(MappedText.whole(part, place.span))
            except ParseError as error:
                problems.append(
                    Problem("LN0301", f"`{part}` cannot be parsed: {error.message}", place, help=error.help)
                )
                return None
            found = self._try(operand, last, tried)
            if found or last == end:
                problems += tried
                if found and argument and last == end:
                    self._shortened(found, argument.end(), [], problems)
                return found
        problems.append(Problem("LN0301", "parenthesis is not closed", self._place(inside), help="end it with `)`"))
        return None

    def _closing(self, inside: int) -> int:
        """Where the transformer ends: behind its closing parenthesis, or 0."""
        depth = 1
        for token in _PARENTHESES.finditer(self._source, inside):
            depth += {"(": 1, ")": -1}.get(token.group(), 0)
            if depth == 0:
                return token.end()
        return 0

    def _try(self, operand: Operand, end: int, problems: list[Problem]) -> _Found | None:
        found: list[Problem] = []
        operand_kind(operand, self._scope, found)
        place = self._place(end)
        problems += [
            replace(problem, code=_IN_OUTPUT.get(problem.code, problem.code), place=place) for problem in found
        ]
        if any(not problem.is_warning for problem in found):
            return None
        return _Found(OutputField(operand, key_of(operand)), end)

    def _shortened(self, found: _Found, meant: int, causes: list[Problem], problems: list[Problem]) -> None:
        written = self._source[self._start : meant]
        rest = self._source[found.end : meant]
        problems.append(
            Problem(
                "shortened_field",
                f"`{written}` is not a field; `{found.field.key}` is printed and `{rest}` behind it",
                self._place(meant),
                help=next((cause.help for cause in causes), None),
            )
        )
