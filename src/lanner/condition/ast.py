"""The syntax tree of a condition: immutable nodes that compare by meaning, not by where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lanner.diagnostics import MappedText, Span


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands in the text that was parsed."""

    text: MappedText
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where that is in the user's file."""
        return self.text.span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: a quoted text (escapes resolved), a bare text or a number (as written)."""

    text: str
    quoted: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LiteralList:
    """Constants in parentheses, behind a list operator or a modifier."""

    items: tuple[Literal, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListName:
    """A bare name where a list is expected; Falco takes it for a list's name or for a single text."""

    name: str
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event, with its argument if one is given in brackets."""

    name: str
    argument: str | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ArgumentList:
    """A list among a transformer's arguments, as in `join("/", (ka.target.namespace, ka.target.name))`."""

    items: tuple[Argument, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A transformer around its arguments; `val` marks a field on the right-hand side."""

    transformer: str
    arguments: tuple[Argument, ...]
    argument: str | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


Argument = Literal | Field | Call | ArgumentList
Operand = Field | Call
Value = Literal | LiteralList | ListName | Call


@dataclass(frozen=True, slots=True)
class Check:
    """A field or transformer compared with a value; `exists` has none."""

    left: Operand
    operator: str
    right: Value | None = None
    modifier: str | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MacroName:
    """A name that stands alone: the condition of that macro is meant."""

    name: str
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """True where the child is false."""

    child: Expr
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class And:
    """True where all children are; two or more."""

    children: tuple[Expr, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Or:
    """True where one of the children is; two or more."""

    children: tuple[Expr, ...]
    place: Place | None = field(default=None, compare=False, repr=False)


Expr = And | Or | Not | Check | MacroName


def children(node: Expr) -> tuple[Expr, ...]:
    """The conditions directly below a condition."""
    match node:
        case And() | Or():
            return node.children
        case Not():
            return (node.child,)
        case Check() | MacroName():
            return ()


def checks(node: Expr) -> Iterator[Check]:
    """All checks of a condition, from left to right."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, Check):
            yield current
        stack.extend(reversed(children(current)))
