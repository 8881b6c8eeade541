"""Where YAML values begin and end in a file, for those who change it and leave comments and layout as they are."""

from __future__ import annotations

import re

from lanner.rules.nodes import Mapping, Node, Sequence

_PROPERTIES = re.compile(r"(?:[!&]\S*\s+)*")
_ALIAS = re.compile(r"(?:[\s:-]|#[^\n]*\n)*\*[^\s,\[\]{}]+")


def is_flow(node: Node) -> bool:
    """Whether a value is written in brackets."""
    return node.span.file.text[start_of(node)] in "[{" if start_of(node) < node.span.end else False


def start_of(node: Node) -> int:
    """Where a value begins, behind its anchor and tag."""
    found = _PROPERTIES.match(node.span.file.text, node.span.start)
    return found.end() if found else node.span.start


def end_of(node: Node, after: int = 0) -> int:
    """Where a value's text ends: a block's span goes on through the comments behind it.

    Args:
        node: The value.
        after: A place in front of it. What stands before that place is what an alias behind it stands for.
    """
    text = node.span.file.text
    if node.span.start < after:
        found = _ALIAS.match(text, after)
        return found.end() if found else after
    if isinstance(node, Mapping) and not is_flow(node):
        key, value = node.pairs[-1]
        return end_of(value, key.span.end)
    if isinstance(node, Sequence) and not is_flow(node):
        at = node.span.start
        for item in node.items:
            at = end_of(item, at)
        return at
    return len(text[: node.span.end].rstrip())


def line_end(node: Node, after: int = 0) -> int:
    """The end of the line that a value ends on, behind a comment there."""
    text = node.span.file.text
    at = text.find("\n", end_of(node, after))
    return len(text) if at < 0 else at
