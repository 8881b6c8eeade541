"""Values of keys, each read in the form that the table of keys gives it.

Source: Falco, rule_loader_reader.cpp, and yaml-cpp's conversions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from lanner.diagnostics import Diagnostics, MappedText, Span
from lanner.rules import nodes
from lanner.rules.keys import Form, Key
from lanner.rules.model import Tree
from lanner.rules.positions import mapped
from lanner.rules.priority import Priority
from lanner.rules.versions import Version, parse_engine_version

_TRUE = {"y", "yes", "true", "on"}
_FALSE = {"n", "no", "false", "off"}
_NUMBER = re.compile(r"\d{1,10}")


class BadValueError(Exception):
    """A value that was reported; `values` are those beside it that could be read."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.values = values or {}


class ValueReader:
    """Reads values and reports those that are not as their key wants them.

    Diagnostics: LN0105 to LN0108, LN0112.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._forms: Mapping[Form, Callable[[nodes.Node, Key], Any]] = {
            Form.TEXT: self._text,
            Form.BOOL: self._bool,
            Form.NUMBER: self._number,
            Form.PRIORITY: self._priority,
            Form.TEXTS: self._texts,
            Form.EXCEPTIONS: self._sequence,
            Form.OVERRIDE: self._mapping_of,
            Form.VERSION: self._version,
            Form.REQUIREMENTS: self._sequence,
            Form.TREE: self._tree,
            Form.TREES: self._trees,
        }

    def values(
        self,
        mapping: nodes.Mapping,
        kind: str,
        keys: Mapping[str, Key],
        only: Iterable[str] | None = None,
        *,
        optional: bool = False,
    ) -> dict[str, Any]:
        """The values of the keys that are there; raises when one of them, or a required one, is bad.

        `optional` leaves it to the caller that a required key is not there.
        """
        values: dict[str, Any] = {}
        failed = False
        for name in keys if only is None else only:
            key, pair = keys[name], mapping.get(name)
            try:
                if pair is not None:
                    values[name] = self._value(pair[0], pair[1], key)
                elif key.required and not optional:
                    raise self.bad("LN0105", f"{kind} has no `{name}`", title(mapping), f"add `{name}`: {key.form}")
            except BadValueError:
                failed = True
        if failed:
            raise BadValueError(values)
        return values

    def _value(self, name: nodes.Scalar, node: nodes.Node, key: Key) -> Any:
        if isinstance(node, nodes.Scalar) and node.is_null:
            if key.nullable or key.form is Form.TREE:
                return None
            raise self.bad("LN0107", f"`{name.text}` has no value", name.span, f"write {key.form}")
        return self._forms[key.form](node, key)

    def bad(self, code: str, message: str, span: Span, help_text: str | None = None) -> BadValueError:
        """Report a problem; the error is to be raised by the caller, and caught where reading can go on."""
        self._diagnostics.add(code, message, span, help=help_text)
        return BadValueError()

    def _wrong_kind(self, node: nodes.Node, key: Key) -> BadValueError:
        help_text = f"write {key.form}"
        if key.form is Form.TEXTS and isinstance(node, nodes.Scalar):
            help_text = f"write `[{node.text}]`"
        return self.bad("LN0106", f"`{key.name}` is not {key.form}", node.span, help_text)

    def _scalar(self, node: nodes.Node, key: Key) -> nodes.Scalar:
        if not isinstance(node, nodes.Scalar):
            raise self._wrong_kind(node, key)
        if not node.text:
            raise self.bad("LN0107", f"`{key.name}` is empty", node.span, f"write {key.form}")
        return node

    def _text(self, node: nodes.Node, key: Key) -> MappedText:
        return mapped(self._scalar(node, key))

    def _bool(self, node: nodes.Node, key: Key) -> bool:
        text = self._scalar(node, key).text
        if text in (text.lower(), text.upper(), text.capitalize()):
            if text.lower() in _TRUE:
                return True
            if text.lower() in _FALSE:
                return False
        raise self._wrong_kind(node, key)

    def _number(self, node: nodes.Node, key: Key) -> int:
        text = self._scalar(node, key).text
        if not _NUMBER.fullmatch(text):
            raise self._wrong_kind(node, key)
        return int(text)

    def _priority(self, node: nodes.Node, key: Key) -> Priority:
        text = self._scalar(node, key).text
        priority = Priority.parse(text)
        if priority is None:
            names = [p.lower() for p in Priority]
            near = get_close_matches(text[:80].lower(), names, 1)
            raise self.bad(
                "LN0108",
                f"unknown priority `{text}`",
                node.span,
                f"did you mean `{near[0]}`?" if near else f"priorities are {', '.join(names)}",
            )
        return priority

    def _version(self, node: nodes.Node, key: Key) -> Version:
        text = self._scalar(node, key).text
        version = parse_engine_version(text)
        if version is None:
            raise self.bad("LN0112", f"`{text}` is not a version", node.span, "write x.y.z, such as `0.62.0`")
        return version

    def _texts(self, node: nodes.Node, key: Key) -> tuple[MappedText, ...]:
        texts = []
        failed = False
        for item in self._sequence(node, key):
            if isinstance(item, nodes.Scalar) and not item.is_null:
                texts.append(mapped(item))
            else:
                failed = True
                self.bad("LN0106", f"one of `{key.name}` is not a text", item.span, "write texts only")
        if failed:
            raise BadValueError
        return tuple(texts)

    def _sequence(self, node: nodes.Node, key: Key) -> tuple[nodes.Node, ...]:
        if not isinstance(node, nodes.Sequence):
            raise self._wrong_kind(node, key)
        return node.items

    def _mapping_of(self, node: nodes.Node, key: Key) -> nodes.Mapping:
        if not isinstance(node, nodes.Mapping):
            raise self._wrong_kind(node, key)
        return node

    def mapping(self, node: nodes.Node, what: str) -> nodes.Mapping:
        """The node as a mapping; raises for any other."""
        if not isinstance(node, nodes.Mapping):
            raise self.bad("LN0106", f"{what} is not a mapping", node.span, "write `name: …` and its other keys")
        return node

    def _trees(self, node: nodes.Node, key: Key) -> tuple[Tree, ...]:
        return tuple(self._tree(item, key) for item in self._sequence(node, key))

    def _tree(self, node: nodes.Node, key: Key) -> Tree:
        match node:
            case nodes.Sequence():
                return tuple(self._tree(item, key) for item in node.items)
            case nodes.Scalar() if node.is_null:
                return MappedText.whole("", node.span)
            case nodes.Scalar():
                return mapped(self._scalar(node, key))
            case nodes.Mapping():
                raise self._wrong_kind(node, key)


def title(mapping: nodes.Mapping) -> Span:
    """The first line's key and value: what the item is."""
    if not mapping.pairs:
        return mapping.span
    key, value = mapping.pairs[0]
    same_line = key.span.position[0] == value.span.position[0]
    return Span(key.span.file, key.span.start, value.span.end if same_line else key.span.end)
