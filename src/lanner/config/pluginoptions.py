"""`init_config` of a plugin to its options: a mapping, or a text that holds one as JSON or YAML.

Source: Falco 0.44, configuration.h (forms of `init_config`); Go's encoding/json (keys in any case).
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import inspect

from lanner.config.reader import near, place_of, read
from lanner.diagnostics import Diagnostics, SourceFile, Span
from lanner.diagnostics.diagnostic import Diagnostic
from lanner.plugins.registry import PluginError, find, option_fields
from lanner.rules.nodes import Mapping, Node, Scalar, parse_yaml
from lanner.sources.plugin import Plugin

_PLACE = re.compile(r"(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.S)
"""How msgspec says what does not fit."""


def read_options(node: Node, plugin: Plugin, diagnostics: Diagnostics) -> Any:
    """The options that a node holds; after a problem, the defaults.

    Keys are taken in any case, and by their other names; one without a value is as good as absent. Diagnostics: LN0501,
    LN0502, and those of YAML.
    """
    found = Diagnostics()
    inner = parsed_options(node, found)
    if isinstance(inner, Mapping):
        value = _convert(_known(inner, plugin, found), plugin, found)
    else:
        value = plugin.options()
        if not (isinstance(inner, Scalar) and not inner.text.strip()):
            found.add("LN0502", "`init_config` takes a mapping, or a text that holds one", node.span)
    diagnostics.items.extend(_in_file(problem, node) for problem in found.items)
    return value


def parsed_options(node: Node, diagnostics: Diagnostics) -> Node:
    """What the text of an `init_config` holds; the node itself when it is no text, or an empty one."""
    if not isinstance(node, Scalar) or node.is_null or not node.text.strip():
        return Scalar("", node.span) if isinstance(node, Scalar) else node
    found = Diagnostics()
    documents = parse_yaml(SourceFile(node.span.file.name, node.text), found)
    for problem in found.errors:
        diagnostics.add(problem.code.code, problem.message, node.span)
    return documents[0] if documents else node


def option_names(plugin: Plugin) -> Table[str, str]:
    """By each name that an option goes by, in lower case, its own."""
    own = {field.encode_name.casefold(): field.encode_name for field in option_fields(plugin)}
    return {**{alias.casefold(): name for alias, name in plugin.aliases.items()}, **own}


def option_types(name: str) -> Table[str, Any]:
    """The types of a plugin's options by each of their names, in lower case; none of a plugin that is not there."""
    try:
        plugin = find(name)
    except PluginError:
        return {}
    types = {field.encode_name: field.type for field in option_fields(plugin)}
    return {each: types[own] for each, own in option_names(plugin).items()}


def _known(node: Mapping, plugin: Plugin, diagnostics: Diagnostics) -> Mapping:
    """The mapping with the options' own names, without those that there are not."""
    names, pairs = option_names(plugin), dict[str, tuple[Scalar, Node]]()
    for key, value in node.pairs:
        name = names.get(key.text.casefold())
        if name is None:
            listed = ", ".join(f"`{each.encode_name}`" for each in option_fields(plugin)) or "none"
            help_text = near(key.text, [*names.values()]) or f"the options are {listed}"
            message = f"plugin `{plugin.name}` has no option `{key.text}`"
            diagnostics.add("LN0501", message, key.span, help=help_text)
        elif name in pairs:
            other = pairs[name][0].text
            message = f"`{key.text}` is the same option as `{other}`"
            diagnostics.add("LN0502", message, key.span, help="leave one of them out")
        else:
            pairs[name] = key, value
    return Mapping(tuple((replace(key, text=name), value) for name, (key, value) in pairs.items()), node.span)


def _convert(node: Mapping, plugin: Plugin, diagnostics: Diagnostics) -> Any:
    values = read(node, inspect.type_info(plugin.options), diagnostics)
    if diagnostics.errors:
        return plugin.options()
    try:
        return msgspec.convert(values, plugin.options, strict=False)
    except (msgspec.ValidationError, ValueError, TypeError) as error:  # a plugin may check by itself
        found = _PLACE.fullmatch(str(error))
        reason, path = (found["reason"], found["path"] or "") if found else (str(error), "")
        words = f"`{path}`: {reason[:1].lower()}{reason[1:]}" if path else f"{reason[:1].lower()}{reason[1:]}"
        diagnostics.add("LN0502", words, place_of(node, path), help=_description(plugin, path))
        return plugin.options()


def _description(plugin: Plugin, path: str) -> str | None:
    name = re.split(r"[.\[]", path)[0]
    for field in option_fields(plugin):
        if field.encode_name == name and isinstance(field.type, inspect.Metadata):
            return (field.type.extra_json_schema or {}).get("description")
    return None


def _in_file(problem: Diagnostic, node: Node) -> Diagnostic:
    """A problem of what a text holds, at its place in the file that has the text."""
    span = problem.span
    if span is None or span.file is node.span.file or not isinstance(node, Scalar):
        return problem
    return replace(problem, span=_found(span, node.span) or node.span)


def _found(inner: Span, outer: Span) -> Span | None:
    """The same words in what the file has between the same places, if they are there as often before."""
    word = inner.file.text[inner.start : inner.end]
    at, raw = outer.start, outer.file.text
    if not word:
        return None
    for _ in range(inner.file.text.count(word, 0, inner.start) + 1):
        at = raw.find(word, at, outer.end)
        if at < 0:
            return None
        at += len(word)
    return Span(outer.file, at - len(word), at)
