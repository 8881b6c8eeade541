"""Nodes of YAML to plain values that fit a type of the models; every problem with its place.

As in Falco all values are texts, whose meaning the key's type decides: `"true"` in quotes is true for a key that takes
true or false.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Table
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from lanner.config.models import Config
from lanner.config.section import WORDS
from lanner.diagnostics import Diagnostics, Span
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence

Info: TypeAlias = Any
"""A type of `msgspec.inspect`."""

_INTEGER = re.compile(r"[-+]?\d{1,18}|0[xX][0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_NUMBER = re.compile(r"[-+]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][-+]?\d{1,3})?")
_TRUE, _FALSE = {"true", "yes", "on", "y"}, {"false", "no", "off", "n"}
_SHORT_LIST = 12


@cache
def config_info() -> Info:
    """The type of a whole configuration."""
    return inspect.type_info(Config)


def read(node: Node, info: Info, diagnostics: Diagnostics, key: str = "") -> Any:
    """The plain value of a node; when it does not fit, None and a diagnostic.

    Args:
        node: The value.
        info: Its type.
        diagnostics: Gets LN0501 and LN0502.
        key: The key that it belongs to, for messages; empty for a whole configuration.
    """
    base = bare(info, node)
    if isinstance(info, inspect.Metadata) and isinstance(node, Scalar):
        words = (info.extra or {}).get(WORDS)
        if words and node.text.casefold() not in words:
            return _misfit(node, f"one of {', '.join(words)}", diagnostics, key)
    return _READERS.get(type(base), _anything)(node, base, diagnostics, key)


def read_config(root: Mapping, diagnostics: Diagnostics) -> Config | None:
    """The configuration, or None when something in it does not fit. Diagnostics: LN0501, LN0502."""
    before = len(diagnostics.errors)
    value = read(root, config_info(), diagnostics)
    return None if len(diagnostics.errors) > before else msgspec.convert(value, Config)


def bare(info: Info, node: Node | None = None) -> Info:
    """A type without its description; of several that one which fits the form of the node."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    if not isinstance(info, inspect.UnionType):
        return info
    kinds = [each for each in info.types if not isinstance(each, inspect.NoneType)]
    forms = next((types for form, types in _FORMS.items() if isinstance(node, form)), ())
    return next((each for each in kinds if isinstance(each, forms)), kinds[0])


def plain(node: Node) -> Any:
    """The value of a node that may hold anything: plain texts that look like one are numbers, true, false or null."""
    match node:
        case Mapping():
            return {key.text: plain(value) for key, value in node.pairs}
        case Sequence():
            return [plain(item) for item in node.items]
        case Scalar(text=text):
            return text if node.style else _guessed(text, is_null=node.is_null)


def items(root: Mapping, name: str) -> tuple[Node, ...]:
    """The nodes of a list; a value alone is a list of one, and one that is null, of none."""
    found = root.get(name)
    if found is None or (isinstance(found[1], Scalar) and found[1].is_null):
        return ()
    return found[1].items if isinstance(found[1], Sequence) else (found[1],)


def place_of(root: Mapping, path: str) -> Span:
    """Where a key stands, such as `http_output.url` or `notify_outputs[0].urls`; if it is not given, what it is in."""
    node: Node = root
    for name in re.findall(r"[^.\[\]]+", path):
        inner = node.get(name) if isinstance(node, Mapping) else None
        if inner is not None:
            node = inner[1]
        elif isinstance(node, Sequence) and name.isdecimal() and int(name) < len(node.items):
            node = node.items[int(name)]
        else:
            break
    return node.span


def near(word: str, known: list[str]) -> str | None:
    """The help for a misspelt word, or None when nothing is near."""
    found = get_close_matches(word[:200], known, n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else None


def _guessed(text: str, *, is_null: bool) -> Any:
    if is_null:
        return None
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    return _as_integer(text) if _INTEGER.fullmatch(text) else float(text) if _NUMBER.fullmatch(text) else text


def _as_integer(text: str) -> int:
    return int(text, 0) if text[:2].lower() in ("0x", "0o") else int(text)


def _misfit(node: Node, expected: str, diagnostics: Diagnostics, key: str) -> Any:
    """Report what the key takes; None, as the value that there is none of."""
    subject = f"`{key}`" if key else "a configuration"
    diagnostics.add("LN0502", f"{subject} takes {expected}", node.span)
    return None


def _boolean(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    word = node.text.casefold() if isinstance(node, Scalar) else ""
    return True if word in _TRUE else False if word in _FALSE else _misfit(node, "true or false", diagnostics, key)


def _integer(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    if isinstance(node, Scalar) and _INTEGER.fullmatch(node.text):
        value = _as_integer(node.text)
        if _is_within(value, info):
            return value
    return _misfit(node, f"a whole number{_bounds(info)}", diagnostics, key)


def _number(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    if isinstance(node, Scalar) and _NUMBER.fullmatch(node.text) and _is_within(float(node.text), info):
        return float(node.text)
    return _misfit(node, f"a number{_bounds(info)}", diagnostics, key)


def _is_within(value: float, info: Info) -> bool:
    return (
        (info.ge is None or value >= info.ge)
        and (info.gt is None or value > info.gt)
        and (info.le is None or value <= info.le)
        and (info.lt is None or value < info.lt)
    )


def _bounds(info: Info) -> str:
    named = (("at least", info.ge), ("more than", info.gt), ("at most", info.le), ("less than", info.lt))
    bounds = [f"{words} {bound}" for words, bound in named if bound is not None]
    return f" of {' and '.join(bounds)}" if bounds else ""


def _text(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    return node.text if isinstance(node, Scalar) else _misfit(node, "a text", diagnostics, key)


def _literal(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    values = {str(value): value for value in info.values}
    if isinstance(node, Scalar) and node.text in values:
        return values[node.text]
    return _misfit(node, f"one of {', '.join(values)}", diagnostics, key)


def _list(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    """A list; a text alone is a list of one, as in Falco."""
    if isinstance(node, Mapping):
        return _misfit(node, "a list", diagnostics, key)
    nodes = node.items if isinstance(node, Sequence) else (node,)
    return [read(item, info.item_type, diagnostics, key) for item in nodes]


def _dict(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    if not isinstance(node, Mapping):
        return _misfit(node, "a mapping", diagnostics, key)
    return {name.text: read(value, info.value_type, diagnostics, name.text) for name, value in node.pairs}


def _section(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    """A mapping with known keys; a key without a value is as good as absent."""
    if not isinstance(node, Mapping):
        return _misfit(node, "a mapping", diagnostics, key)
    fields = {field.encode_name: field for field in info.fields}
    values: dict[str, Any] = {}
    for name, value in node.pairs:
        if name.text not in fields:
            _unknown(name, [*fields], diagnostics)
        elif not (isinstance(value, Scalar) and value.is_null):
            values[name.text] = read(value, fields[name.text].type, diagnostics, name.text)
    for field in info.fields:
        if field.required and field.encode_name not in values:
            diagnostics.add("LN0502", f"key `{field.encode_name}` is missing", node.span)
    return values


def _unknown(key: Scalar, known: list[str], diagnostics: Diagnostics) -> None:
    listed = f"known are {', '.join(known)}" if len(known) <= _SHORT_LIST else "`lanner --config-schema` has all keys"
    diagnostics.add("LN0501", f"unknown key `{key.text}`", key.span, help=near(key.text, known) or listed)


def _anything(node: Node, info: Info, diagnostics: Diagnostics, key: str) -> Any:
    return plain(node)


_READERS: Table[type, Callable[[Node, Info, Diagnostics, str], Any]] = MappingProxyType(
    {
        inspect.BoolType: _boolean,
        inspect.IntType: _integer,
        inspect.FloatType: _number,
        inspect.StrType: _text,
        inspect.LiteralType: _literal,
        inspect.ListType: _list,
        inspect.DictType: _dict,
        inspect.StructType: _section,
        inspect.AnyType: _anything,
    }
)
_FORMS: Table[type, tuple[type, ...]] = MappingProxyType(
    {
        Mapping: (inspect.StructType, inspect.DictType),
        Sequence: (inspect.ListType,),
        Scalar: (inspect.StrType,),
    }
)
"""By the form of a node, the type that it has where a key takes several; where none fits it is the first of them."""
