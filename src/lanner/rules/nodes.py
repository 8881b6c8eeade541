"""YAML text to nodes that know where they stand.

Values stay text, as in Falco: what a text means is decided by the key that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from lanner.diagnostics import Diagnostics, Label, SourceFile, Span

MAX_DEPTH = 64
"""Levels of nesting; the rule language needs eight."""

MAX_NODES = 1_000_000
"""Nodes of one file, each alias counted with all that it stands for."""

_Event: TypeAlias = Any
"""An event of the parser; PyYAML's type stubs know neither its marks nor its anchor."""

_NULLS = {"", "~", "null", "Null", "NULL"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; `style` is empty for a plain one, else the character that announces it: one of ' " | >."""

    text: str
    span: Span
    style: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it is no value at all."""
        return not self.style and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    """Nodes in order."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in order; of a key that is given twice only the first counts, as in Falco."""

    pairs: tuple[tuple[Scalar, Node], ...]
    span: Span

    def get(self, name: str) -> tuple[Scalar, Node] | None:
        """The key of that name and its value."""
        return next((pair for pair in self.pairs if pair[0].text == name), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def parse_yaml(file: SourceFile, diagnostics: Diagnostics) -> list[Node] | None:
    """The documents of a file, or None when it is not YAML or goes beyond the limits.

    Diagnostics: LN0102, LN0106, LN0113, duplicate_key.
    """
    try:
        return list(_Composer(file, diagnostics).documents())
    except _RefusedError as refused:
        diagnostics.add(refused.code, refused.message, refused.span, related=refused.related)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        at = min(mark.index, len(file.text)) if mark else 0
        message = problem.problem or problem.context or "the text is not YAML"
        diagnostics.add("LN0102", message, Span(file, at, at), help=_YAML_HELP.get(file.text[at : at + 1]))
    except yaml.reader.ReaderError as problem:
        at = min(problem.position, len(file.text)) if isinstance(problem.position, int) else 0
        diagnostics.add("LN0102", f"unexpected character: {problem.reason}", Span(file, at, at))
    except UnicodeError:
        diagnostics.add("LN0102", "the text holds half of a surrogate pair", Span(file, 0, 0))
    return None


_YAML_HELP = {
    "\t": "indent with blanks, not with tabs",
    **dict.fromkeys(("%", "@", "`"), "put the text that begins here in quotes"),
    ":": "put a text with `: ` in quotes, or on a line of its own behind `>-`",
}
"""What to write instead, by the character at which a text is no YAML."""


class _RefusedError(Exception):
    """Carries a reason out of the composer."""

    def __init__(self, code: str, message: str, span: Span, related: tuple[Label, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.related = related


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    start: int
    is_mapping: bool
    anchor: str | None
    counted: int
    children: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from the parser's events, without recursion."""

    def __init__(self, file: SourceFile, diagnostics: Diagnostics) -> None:
        self._file = file
        self._diagnostics = diagnostics
        self._count = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}

    def documents(self) -> Iterator[Node]:
        for event in yaml.parse(self._file.text, Loader=_LOADER):
            node = self._node(event)
            if node is None:
                continue
            if self._stack:
                self._stack[-1].children.append(node)
            else:
                self._anchors = {}
                yield node

    def _node(self, event: _Event) -> Node | None:
        """The node that ends with this event."""
        if isinstance(event, yaml.ScalarEvent):
            self._grow(1, event)
            scalar = Scalar(event.value, self._span(event), event.style or "")
            if event.anchor:
                self._anchors[event.anchor] = scalar, 1
            return scalar
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            return self._close(event)
        return None

    def _span(self, event: _Event) -> Span:
        return Span(self._file, event.start_mark.index, max(event.end_mark.index, event.start_mark.index))

    def _grow(self, size: int, event: _Event) -> None:
        self._count += size
        if self._count > MAX_NODES:
            raise _RefusedError("LN0113", f"more than {MAX_NODES:,} values in one file", self._span(event))

    def _open(self, event: _Event) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _RefusedError("LN0113", f"more than {MAX_DEPTH} levels of nesting", self._span(event))
        self._grow(1, event)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(event.start_mark.index, is_mapping, event.anchor, self._count))
        if event.anchor:
            self._anchors[event.anchor] = None

    def _close(self, event: _Event) -> Node:
        top = self._stack.pop()
        end = len(self._file.text[top.start : event.end_mark.index].rstrip()) + top.start
        span = Span(self._file, top.start, end)
        node: Node = self._mapping(top.children, span) if top.is_mapping else Sequence(tuple(top.children), span)
        if top.anchor:
            self._anchors[top.anchor] = node, self._count - top.counted + 1
        return node

    def _alias(self, event: _Event) -> Node:
        name, span = event.anchor, self._span(event)
        if name not in self._anchors:
            raise _RefusedError("LN0102", f"nothing is called `&{name}` above this place", span)
        known = self._anchors[name]
        if known is None:
            start = next(o.start for o in self._stack if o.anchor == name)
            label = Label(Span(self._file, start, start), "this is the value that it stands in")
            raise _RefusedError("LN0113", f"`*{name}` refers to the value that it is a part of", span, (label,))
        node, size = known
        self._grow(size, event)
        return node

    def _mapping(self, children: list[Node], span: Span) -> Mapping:
        pairs: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._diagnostics.add("LN0106", "a key is a plain text", key.span)
            elif first := seen.get(key.text):
                related = (Label(first.span, "this one counts"),)
                message = f"key `{key.text}` is given twice"
                self._diagnostics.add("duplicate_key", message, key.span, label="ignored", related=related)
            else:
                seen[key.text] = key
                pairs.append((key, value))
        return Mapping(tuple(pairs), span)
