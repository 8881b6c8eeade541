"""Text to syntax tree, by the grammar in `grammar.lark`.

Source of the language: libsinsp, userspace/libsinsp/filter/parser.cpp (Falco 0.44).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError
from lark.visitors import v_args

from lanner.condition.ast import (
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
    Operand,
    Or,
    Place,
)
from lanner.condition.operators import OPERATORS, TRANSFORMERS
from lanner.diagnostics import MappedText, Span

MAX_NESTING = 150
"""Levels of parentheses. Falco's own bound is of the same order; people stay below ten."""

_EXPECTED = {
    "NUMBER_OPERATOR": "an operator",
    "TEXT_OPERATOR": "an operator",
    "LIST_OPERATOR": "an operator",
    "_EXISTS": "an operator",
    "NUMBER": "a number",
    "QUOTED": "a value",
    "BARE": "a value",
    "FIELD": "a field",
    "NAME": "a name",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "ARGUMENT": "`)`",
    "COMMA": "`,`",
    "_AND": "`and`",
    "_OR": "`or`",
    "$END": "the end",
}
_ESCAPES = {"b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", " ": b"\\", "\\": b"\\", "/": b"/"}
_NESTING = re.compile(r"[()]|\"(?:[^\"\\]|\\+\"?)*+\"?|'(?:[^'\\]|\\+'?)*+'?")
"""Parentheses, and quoted texts as the grammar has them: a quote behind a backslash never ends one."""
_OTHER_LANGUAGES = {
    "&&": "and", "AND": "and", "And": "and", "||": "or", "OR": "or", "Or": "or", "!": "not", "NOT": "not", "IN": "in",
    "like": "glob", "matches": "regex", "~": "regex",
}  # fmt: skip

_Node = TypeVar("_Node")


@dataclass(eq=False)
class ParseError(Exception):
    """A text that is not in the language: what is wrong, where in the user's file, and what could be written."""

    message: str
    span: Span
    label: str = ""
    help: str | None = None


class _Refused(Exception):
    """Carries a reason out of the tree builder; is no error of its own."""

    def __init__(self, message: str, token: Token, start: int, end: int, help: str) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.start = (token.start_pos or 0) + start
        self.end = (token.start_pos or 0) + end


def parse_condition(text: MappedText) -> Expr:
    """Parse a whole condition.

    Raises:
        ParseError: the text is not a condition.
    """
    node: Expr = _parse(text, "condition")
    return node


def parse_operand(text: MappedText) -> Operand:
    """Parse a field or a transformer around fields, as it stands behind `%` in an output or in an exception's `fields`.

    Raises:
        ParseError: the text is neither.
    """
    node: Operand = _parse(text, "operand")
    return node


def parse_list(text: MappedText) -> LiteralList:
    """Parse values in parentheses.

    Raises:
        ParseError: the text is no such list.
    """
    node: LiteralList = _parse(text, "values")
    return node


def _parse(text: MappedText, start: str) -> Any:
    depth = _nesting(text.text)
    if depth > MAX_NESTING:
        raise ParseError(
            f"condition is nested {depth} levels deep, the limit is {MAX_NESTING}", text.span(0, len(text.text))
        )
    try:
        return _Builder(text).transform(_lark().parse(text.text, start=start))
    except UnexpectedInput as problem:
        raise _explain(text, problem) from None
    except VisitError as problem:
        if isinstance(problem.orig_exc, _Refused):
            refused = problem.orig_exc
            raise ParseError(refused.message, text.span(refused.start, refused.end), help=refused.help) from None
        raise


@cache
def _lark() -> Lark:
    grammar = files("lanner.condition").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=["condition", "operand", "values"],
        propagate_positions=True,
        maybe_placeholders=False,
    )


def _nesting(text: str) -> int:
    """The deepest level of parentheses outside of quoted texts."""
    depth = deepest = 0
    for token in _NESTING.findall(text):
        depth += {"(": 1, ")": -1}.get(token, 0)
        deepest = max(deepest, depth)
    return deepest


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """Turns the parser's tree into the syntax tree, from the leaves up."""

    def __init__(self, text: MappedText) -> None:
        super().__init__(visit_tokens=False)
        self._text = text

    def _at(self, meta: Any) -> Place:
        return Place(self._text, getattr(meta, "start_pos", 0), getattr(meta, "end_pos", 0))

    def condition(self, meta: Any, parts: list[Any]) -> Expr:
        return parts[0]  # type: ignore[no-any-return]  # INVARIANT: the grammar's one child of `condition`

    def disjunction(self, meta: Any, parts: list[Any]) -> Or:
        return Or(_flat(Or, parts), self._at(meta))

    def conjunction(self, meta: Any, parts: list[Any]) -> And:
        return And(_flat(And, parts), self._at(meta))

    def negation(self, meta: Any, parts: list[Any]) -> Expr:
        """FALCO-COMPAT: `not not x` is `x`, no node is left of it."""
        child: Expr = parts[-1]
        return Not(child, self._at(meta)) if len(parts) % 2 == 0 else child

    def exists(self, meta: Any, parts: list[Any]) -> Check:
        return Check(parts[0], "exists", place=self._at(meta))

    def binary(self, meta: Any, parts: list[Any]) -> Check:
        left, operator, right = parts
        return Check(left, str(operator), right, place=self._at(meta))

    def modified(self, meta: Any, parts: list[Any]) -> Check:
        left, operator, modifier, right = parts
        return Check(left, str(operator), right, str(modifier), self._at(meta))

    def macro_name(self, meta: Any, parts: list[Token]) -> MacroName:
        return MacroName(str(parts[0]), self._at(meta))

    def field(self, meta: Any, parts: list[Token]) -> Field:
        name, bracket, argument = str(parts[0]).partition("[")
        return Field(name, _bracketed(parts[0], len(name) + 1, argument) if bracket else None, self._at(meta))

    def call(self, meta: Any, parts: list[Any]) -> Call:
        transformer, *arguments = parts
        argument = None
        if isinstance(arguments[-1], Token):
            closing = arguments.pop()
            argument = _bracketed(closing, 2, closing[2:])
        return Call(transformer[:-1], tuple(arguments), argument, self._at(meta))

    def val(self, meta: Any, parts: list[Any]) -> Call:
        return Call("val", (parts[0],), None, self._at(meta))

    def argument_list(self, meta: Any, parts: list[Any]) -> ArgumentList:
        return ArgumentList(tuple(parts), self._at(meta))

    def values(self, meta: Any, parts: list[Any]) -> LiteralList:
        return LiteralList(tuple(parts), self._at(meta))

    def list_name(self, meta: Any, parts: list[Token]) -> ListName:
        return ListName(str(parts[0]), self._at(meta))

    def quoted(self, meta: Any, parts: list[Token]) -> Literal:
        return Literal(_unescape(parts[0], 0, parts[0]), True, self._at(meta))

    def bare(self, meta: Any, parts: list[Token]) -> Literal:
        return Literal(str(parts[0]), False, self._at(meta))

    number = bare


def _flat(kind: type[And | Or], parts: list[Expr]) -> tuple[Expr, ...]:
    return tuple(parts)


def _bracketed(token: Token, start: int, rest: str) -> str:
    argument = rest[:-1]
    return _unescape(token, start, argument) if argument[0] in "\"'" else argument


def _unescape(token: Token, start: int, quoted: str) -> str:
    """The text between the quotes; bytes that are no UTF-8 become U+FFFD, as they do in events.

    Source: libsinsp, filter/escaping.cpp.
    """
    body = quoted[1:-1]
    if "\\" not in body:
        return body
    out = bytearray()
    at = 0
    while at < len(body):
        char = body[at]
        if char != "\\":
            out += char.encode("utf-8", "surrogatepass")
            at += 1
            continue
        escape = body[at + 1 : at + 2]
        if escape in _ESCAPES or escape == quoted[0]:
            out += _ESCAPES.get(escape) or escape.encode()
            at += 2
        elif escape == "x" and re.fullmatch(r"[0-9a-fA-F]{2}", body[at + 2 : at + 4]):
            out.append(int(body[at + 2 : at + 4], 16))
            at += 4
        else:
            message = f"unknown escape `\\{escape}` in a quoted text"
            hint = f"two backslashes stand for one: `\\\\{escape}`"
            raise _Refused(message, token, start + at + 1, start + at + 3, hint)
    return out.decode("utf-8", "replace")


def _explain(text: MappedText, problem: UnexpectedInput) -> ParseError:
    """Say what stands in the way in the language's own terms."""
    source = text.text
    start = min(max(problem.pos_in_stream or 0, 0), len(source))
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        start = len(source.rstrip())
    found = re.compile(r"\"[^\"]*\"?|'[^']*'?|[a-zA-Z0-9_.]+|&&|\|\||\S").match(source, start)
    word = found.group() if found else ""
    span = text.span(start, start + len(word))
    expected = _expected(problem)
    label = f"expected {expected}" if expected else ""
    if not source.strip():
        return ParseError("condition is empty", span, help="write at least one check, such as `ka.verb=delete`")
    if word in ("and", "or") and not source[start + len(word) :].strip():
        end = start + len(word)
        return ParseError("condition ends too early", text.span(end, end), "expected a check, a macro or `(`")
    if not word:
        return ParseError("condition ends too early", span, label, _help(source, start, word, expected))
    if word[0] in "\"'" and (len(word) == 1 or word[-1] != word[0]):
        return ParseError("quoted text is not closed", span, label, f"end it with {word[0]}")
    if word[0] in "\"'" and word[-2] == "\\":
        return ParseError("quoted text is not closed", span, label, "a quote behind a backslash does not end a text")
    return ParseError(f"unexpected `{word}`", span, label, _help(source, start, word, expected))


def _expected(problem: UnexpectedInput) -> str:
    names: set[str] = set()
    if isinstance(problem, UnexpectedToken):
        names = set(problem.accepts or problem.expected)
    elif isinstance(problem, UnexpectedCharacters):
        names = set(problem.allowed or ())
    phrases = sorted({_EXPECTED[name] for name in names if name in _EXPECTED})
    if {"FIELD", "NAME", "NOT"} <= names:
        return "a check, a macro or `(`"
    return f"{', '.join(phrases[:-1])} or {phrases[-1]}" if len(phrases) > 1 else "".join(phrases)


def _help(source: str, start: int, word: str, expected: str) -> str | None:
    before = re.search(r"([a-zA-Z0-9_.]+)\s*$", source[:start])
    previous = before.group(1) if before else ""
    if word in _OTHER_LANGUAGES:
        return f"write `{_OTHER_LANGUAGES[word]}`"
    if word == "(" and previous.isidentifier() and previous not in OPERATORS:
        near = get_close_matches(previous, TRANSFORMERS, 1, 0.5)
        known = ", ".join(name for name in TRANSFORMERS if name != "val")
        return f"did you mean `{near[0]}(`?" if near else f"transformers are {known}"
    if "an operator" in expected:
        near = get_close_matches(word, OPERATORS, 1)
        return f"did you mean `{near[0]}`?" if near else f"operators are {', '.join(OPERATORS)}"
    if previous in ("in", "intersects", "pmatch") and word:
        return "write the values in parentheses: `in (a, b)`"
    if expected == "a number" or "a number" in expected:
        return "<, <=, > and >= compare with a number"
    return None
