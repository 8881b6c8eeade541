"""Regular expressions with one of their alternatives left out."""

from __future__ import annotations

from collections.abc import Iterator

import re2

from lanner.compiler.semantics import regex_options


def without_alternatives(pattern: str) -> Iterator[tuple[str, str]]:
    """Each alternative of each group, and the pattern without it; what would be no pattern is left out."""
    for start, end in _alternatives(pattern):
        last = pattern[end : end + 1] != "|"  # with the bar in front of the last one, behind the others
        shorter = pattern[: start - 1] + pattern[end:] if last else pattern[:start] + pattern[end + 1 :]
        try:
            re2.compile(shorter, regex_options())
        except re2.error:
            continue
        yield pattern[start:end], shorter


def _alternatives(pattern: str) -> Iterator[tuple[int, int]]:
    """Where the alternatives of groups that have several begin and end, groups within groups first."""
    stack: list[list[int]] = [[0]]
    at = 0
    while at < len(pattern):
        match pattern[at]:
            case "\\":
                at += 1
            case "[":
                at = _class_end(pattern, at)
            case "(":
                stack.append([at + 1])
            case "|":
                stack[-1].append(at + 1)
            case ")":
                yield from _spans(stack.pop(), at)
        at += 1
    yield from _spans(stack.pop(), len(pattern))


def _spans(starts: list[int], end: int) -> Iterator[tuple[int, int]]:
    if len(starts) > 1:
        yield from zip(starts, [*(start - 1 for start in starts[1:]), end], strict=True)


def _class_end(pattern: str, at: int) -> int:
    """The closing bracket of a class of characters; one that comes first is a member."""
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    if pattern[at : at + 1] == "]":
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at
