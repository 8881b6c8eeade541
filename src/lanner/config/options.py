"""`-o KEY=VALUE`: paths into the document, and what is put there.

Source: Falco 0.44, yaml_helper.h (form of keys), configuration.cpp (form of values).
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Steps
from dataclasses import dataclass
from typing import TypeAlias

from lanner.diagnostics import Diagnostics, SourceFile, Span
from lanner.rules.nodes import MAX_DEPTH, Mapping, Node, Scalar, Sequence, parse_yaml

ORIGIN = "-o"
"""What stands in place of a file's name for values from the command line."""

Step: TypeAlias = str | int | None
"""A key, a place in a list, or None for a new entry at its end."""

_STEP = re.compile(r"((?:[^\\.\[\]]|\\[.\[\]\\])+)((?:\[\d{0,6}\])*)(\.|$)")
_INDEX = re.compile(r"\[(\d*)\]")
_ESCAPE = re.compile(r"\\(.)")
_HELP = "write keys like `webserver.listen_port`, `plugins[0].open_params` or `append_output[]`"


@dataclass(frozen=True, slots=True)
class Option:
    """What is put where; `key` is the place of the path on the command line."""

    path: tuple[Step, ...]
    value: Node
    key: Span


class _MisplacedError(Exception):
    pass


def read_option(text: str, diagnostics: Diagnostics) -> Option | None:
    """One option, or None when it cannot be understood. Diagnostics: LN0501, LN0502, and those of YAML."""
    file = SourceFile(ORIGIN, text)
    key, equals, written = text.partition("=")
    span = Span(file, 0, len(key.rstrip()))
    if not equals:
        diagnostics.add("LN0502", f"option `{key}` has no value", span, help="write `-o KEY=VALUE`")
        return None
    path = _path(key.strip())
    if path is None:
        diagnostics.add("LN0501", f"`{key}` is not the name of a key", span, help=_HELP)
        return None
    value = _value(file, len(key) + 1, written, diagnostics)
    return None if value is None else Option(path, value, span)


def put(root: Mapping, option: Option, diagnostics: Diagnostics) -> Mapping:
    """The document with the option's value in its place. Diagnostics: LN0501."""
    try:
        changed = _put(root, option.path, option)
    except _MisplacedError as error:
        diagnostics.add("LN0501", str(error), option.key, help=_HELP)
        return root
    return changed if isinstance(changed, Mapping) else root


def _path(key: str) -> tuple[Step, ...] | None:
    steps: list[Step] = []
    at, follows = 0, "."
    while follows:
        found = _STEP.match(key, at)
        if found is None:
            return None
        steps.append(_ESCAPE.sub(r"\1", found[1]))
        steps += [int(index) if index else None for index in _INDEX.findall(found[2])]
        at, follows = found.end(), found[3]
        if len(steps) > MAX_DEPTH:
            return None
    return tuple(steps)


def _value(file: SourceFile, start: int, written: str, diagnostics: Diagnostics) -> Node | None:
    """A text as it stands; YAML when it is a mapping or a list."""
    text = written.strip()
    begin = start + len(written) - len(written.lstrip())
    if not text.startswith(("{", "[")):
        return Scalar(text, Span(file, begin, begin + len(text)))
    documents = parse_yaml(SourceFile(ORIGIN, " " * start + written), diagnostics)
    return documents[0] if documents else None


def _put(node: Node | None, path: Steps[Step], option: Option) -> Node:
    if not path:
        return option.value
    step, rest = path[0], path[1:]
    if isinstance(node, Scalar) and node.is_null:
        node = None
    return _put_key(node, step, rest, option) if isinstance(step, str) else _put_item(node, step, rest, option)


def _put_key(node: Node | None, name: str, rest: Steps[Step], option: Option) -> Node:
    if node is None:
        node = Mapping((), option.key)
    if not isinstance(node, Mapping):
        raise _MisplacedError(f"there is no mapping that `{name}` could be a key of")
    known = node.get(name)
    changed = _put(known[1] if known else None, rest, option)
    if known is None:
        return Mapping((*node.pairs, (Scalar(name, option.key), changed)), node.span)
    return Mapping(tuple((key, changed if key.text == name else old) for key, old in node.pairs), node.span)


def _put_item(node: Node | None, index: int | None, rest: Steps[Step], option: Option) -> Node:
    if node is None:
        node = Sequence((), option.key)
    if not isinstance(node, Sequence):
        raise _MisplacedError("there is no list that an index could be a place in")
    items = [*node.items]
    at = len(items) if index is None else index
    if at > len(items):
        raise _MisplacedError(f"the list has {len(items)} entries, so there is no place {at}")
    items[at:] = [_put(items[at] if at < len(items) else None, rest, option), *items[at + 1 :]]
    return Sequence(tuple(items), node.span)
