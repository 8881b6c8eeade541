"""Plugins of a configuration: which count as loaded, and their options.

Source: Falco 0.44, configuration.cpp (which plugins are loaded), configuration.h (forms of `init_config`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lanner.config.models import Config, Plugin
from lanner.config.reader import items, near, plain
from lanner.diagnostics import Diagnostics, SourceFile, Span
from lanner.rules.nodes import Mapping, Node, Scalar, parse_yaml
from lanner.rules.versions import PLUGINS

SYSCALL_PLUGINS = frozenset({"container", "k8smeta", "krsyscall"})
"""Plugins for events of system calls alone; accepted, without effect."""

AUDIT_PLUGIN = re.compile(r"k8saudit(-\w+)?")
"""The names of plugins that events come from."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that counts as loaded.

    Attributes:
        name: As in the configuration.
        open_params: Where its events come from; empty when it does not say.
        options: Its `init_config`.
        span: Where it is configured.
    """

    name: str
    open_params: str
    options: Table[str, Any]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plugins:
    """What a configuration says of plugins.

    Attributes:
        versions: Name and version of those that count as loaded; None: all that are built in.
        sources: Those that events can come from, in order.
    """

    versions: Table[str, str] | None = None
    sources: tuple[LoadedPlugin, ...] = ()


def select_plugins(config: Config, root: Mapping, diagnostics: Diagnostics) -> Plugins:
    """The plugins that count as loaded: those that `load_plugins` names, without it all.

    When none of those that it names is one of Lanner's, as in Falco's stock configuration, all count as loaded too:
    otherwise no rule could be used. Diagnostics: LN0502, LN0503, and those of YAML.
    """
    configured = _configured(config, root)
    sources, versions = [], {}
    for name, span in _loaded(config, root).items():
        plugin, node = configured.get(name, (Plugin(name=name), Scalar("", span)))
        if name in PLUGINS:
            versions[name] = PLUGINS[name]
        elif name not in SYSCALL_PLUGINS:
            _unknown(name, span, diagnostics)
        if name in PLUGINS and AUDIT_PLUGIN.fullmatch(name):
            options = _options(_part(node, "init_config"), diagnostics)
            sources.append(LoadedPlugin(name, plugin.open_params.strip(), options, node.span))
    return Plugins(MappingProxyType(versions) if config.load_plugins and versions else None, tuple(sources))


def _configured(config: Config, root: Mapping) -> Table[str, tuple[Plugin, Node]]:
    """Each plugin under its name with its node; of two with the same name the first counts, as in Falco."""
    pairs = zip(reversed(config.plugins), reversed(items(root, "plugins")), strict=True)
    return {plugin.name: (plugin, node) for plugin, node in pairs}


def _loaded(config: Config, root: Mapping) -> Table[str, Span]:
    """The names of the plugins that are loaded, and where they stand; unlike in Falco they need no entry."""
    entries = [(plugin.name, _part(node, "name")) for plugin, node in _configured(config, root).values()]
    if config.load_plugins is None:
        return {name: node.span for name, node in entries}
    named = [*zip(config.load_plugins, items(root, "load_plugins"), strict=True)]
    if not any(name in PLUGINS for name, _ in named):
        named += [(name, node) for name, node in entries if name in PLUGINS]
    return {name: node.span for name, node in named}


def _unknown(name: str, span: Span, diagnostics: Diagnostics) -> None:
    known = near(name, [*PLUGINS]) or f"Lanner has {', '.join(PLUGINS)}"
    diagnostics.add("LN0503", f"plugin `{name}` is not built in", span, help=known)


def _part(node: Node, name: str) -> Node:
    found = node.get(name) if isinstance(node, Mapping) else None
    return found[1] if found else Scalar("", node.span)


def _options(node: Node, diagnostics: Diagnostics) -> Table[str, Any]:
    """`init_config` as a mapping; a text holds one, as JSON or YAML."""
    inner = parsed_options(node, diagnostics)
    if isinstance(inner, Mapping):
        return {key: value for key, value in plain(inner).items() if value is not None}
    if not (isinstance(inner, Scalar) and not inner.text.strip()):
        diagnostics.add("LN0502", "`init_config` takes a mapping, or a text that holds one", node.span)
    return {}


def parsed_options(node: Node, diagnostics: Diagnostics) -> Node:
    """What the text of an `init_config` holds; the node itself when it is no text, or an empty one."""
    if not isinstance(node, Scalar) or node.is_null or not node.text.strip():
        return Scalar("", node.span) if isinstance(node, Scalar) else node
    found = Diagnostics()
    documents = parse_yaml(SourceFile(node.span.file.name, node.text), found)
    for problem in found.errors:
        diagnostics.add(problem.code.code, problem.message, node.span)
    return documents[0] if documents else node
