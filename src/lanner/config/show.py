"""The merged configuration as YAML with the origin of each value; secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from lanner.config.environment import Expanded
from lanner.config.models import PluginEntry, SourceEntry
from lanner.config.options import ORIGIN
from lanner.config.pluginoptions import option_types, parsed_options
from lanner.config.reader import bare, config_info
from lanner.config.secrets import MASK, SECRET_NAME, masked_value
from lanner.config.section import HIDDEN, STANDING, Standing
from lanner.diagnostics import Diagnostics
from lanner.diagnostics.render import printable
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence

_OPTIONS = "init_config"
_PLUGIN_KEYS = {PluginEntry: "name", SourceEntry: "plugin"}
"""By the kind of an entry, which of its keys names a plugin."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_PLAIN = re.compile(r"[A-Za-z0-9/_.][\w/.:@%+-]*", re.ASCII)


def show(root: Mapping) -> str:
    """The document, and the default of every key with an effect that it does not give."""
    lines = _section(root, config_info(), 0)
    return "".join(f"{line}\n" for line in lines)


def _section(root: Node | None, info: Any, depth: int) -> Iterator[str]:
    """The keys of a section in the order of the models; unknown ones cannot be there."""
    for field in info.fields:
        found = root.get(field.name) if isinstance(root, Mapping) else None
        standing = (field.type.extra or {}).get(STANDING, Standing.USED)
        if found and not (isinstance(found[1], Scalar) and found[1].is_null):
            yield from _entry(field.name, found[1], field.type, depth)
        elif standing is not Standing.ACCEPTED:
            yield from _default(field, depth)


def _entry(name: str, node: Node, info: Any, depth: int) -> Iterator[str]:
    """A key that is given, with what stands below it."""
    indent = "  " * depth
    kind = bare(info, node) if info is not None else None
    if (getattr(info, "extra", None) or {}).get(HIDDEN):
        node = _hidden(node)
    if isinstance(node, Scalar):
        yield f"{indent}{_key(name)}: {_scalar(name, node, kind)}  # {_origin(node)}"
    elif SECRET_NAME.search(name):
        yield f'{indent}{_key(name)}: "{MASK}"  # {_origin(node)}'
    elif isinstance(node, Sequence):
        yield from _list(name, node, kind, depth)
    elif not node.pairs:
        yield f"{indent}{_key(name)}: {{}}  # {_origin(node)}"
    else:
        yield f"{indent}{_key(name)}:"
        yield from _mapping(node, kind, depth + 1)


def _mapping(node: Mapping, kind: Any, depth: int) -> Iterator[str]:
    if isinstance(kind, inspect.StructType) and depth == 1:
        yield from _section(node, kind, depth)
        return
    types = {field.name: field.type for field in kind.fields} if isinstance(kind, inspect.StructType) else {}
    for key, value in node.pairs:
        if key.text == _OPTIONS:
            yield from _options(_plugin_of(node, kind), value, depth)
        else:
            yield from _entry(key.text, value, types.get(key.text, getattr(kind, "value_type", None)), depth)


def _plugin_of(entry: Mapping, kind: Any) -> str:
    """The plugin that an entry of `plugins` or `sources` is about."""
    key = _PLUGIN_KEYS[kind.cls]
    found = entry.get(key)
    default = next(field.default for field in kind.fields if field.name == key)
    return found[1].text if found and isinstance(found[1], Scalar) and found[1].text else str(default)


def _options(plugin: str, node: Node, depth: int) -> Iterator[str]:
    """`init_config` as the mapping that its text holds, so that secrets in it are masked too."""
    types = option_types(plugin)
    found = parsed_options(node, Diagnostics())
    if isinstance(found, Mapping):
        secret = {key for key, info in types.items() if (getattr(info, "extra", None) or {}).get(HIDDEN)}
        pairs = ((key, _hidden(value) if key.text.casefold() in secret else value) for key, value in found.pairs)
        found = replace(found, pairs=tuple(pairs))
    yield from _entry(_OPTIONS, found, None, depth)


def _list(name: str, node: Sequence, kind: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if not node.items:
        yield f"{indent}{_key(name)}: []  # {_origin(node)}"
        return
    yield f"{indent}{_key(name)}:"
    for item in node.items:
        inner = getattr(kind, "item_type", None)
        lines = [*_entry("-", item, inner, depth + 1)]
        if isinstance(item, Scalar) or not lines[0].endswith("-:"):
            yield lines[0].replace("-: ", "- ", 1)
        else:
            yield f"{lines[1][: 2 * depth + 2]}- {lines[1][2 * depth + 4 :]}"
            yield from lines[2:]


def _default(field: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    kind = bare(field.type)
    if isinstance(kind, inspect.StructType):
        yield f"{indent}{field.name}:"
        yield from _section(None, kind, depth + 1)
        return
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    text = msgspec.json.encode(value).decode()
    yield f"{indent}{field.name}: {text}  # default"


def _hidden(node: Node) -> Node:
    """The node with all its values masked, but for the kinds of addresses: `slack://***`."""
    match node:
        case Scalar():
            kind = _SCHEME.match(node.text)
            return replace(node, text=f"{kind[0] if kind else ''}{MASK}", style='"')
        case Sequence():
            return replace(node, items=tuple(map(_hidden, node.items)))
        case Mapping():
            return replace(node, pairs=tuple((key, _hidden(value)) for key, value in node.pairs))


def _scalar(name: str, node: Scalar, kind: Any) -> str:
    variables = node.variables if isinstance(node, Expanded) else ()
    if node.is_null:
        return node.text  # as it is: what it means depends on the key
    if node.text and (SECRET_NAME.search(name) or any(map(SECRET_NAME.search, variables))):
        return f'"{MASK}"'
    if isinstance(kind, inspect.BoolType | inspect.IntType | inspect.FloatType):
        return node.text
    text = masked_value(node.text)
    is_free = kind is None or isinstance(kind, inspect.AnyType)
    if is_free and not node.style and _PLAIN.fullmatch(text):
        return text
    return text if _is_plain(text) else _quoted(text)


def _key(name: str) -> str:
    return name if name == "-" or _is_plain(name) else _quoted(name)


def _is_plain(text: str) -> bool:
    """Whether YAML takes the text for itself without quotes."""
    return bool(_PLAIN.fullmatch(text)) and not text.endswith(":") and isinstance(yaml.safe_load(text), str)  # noqa: TID251


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', width=2**31).strip()


def _origin(node: Node) -> str:
    file = node.span.file.name
    origin = file if file == ORIGIN else f"{file}:{node.span.position[0]}"
    variables = node.variables if isinstance(node, Expanded) else ()
    return printable(", ".join([origin, *(f"${{{name}}}" for name in variables)]))
