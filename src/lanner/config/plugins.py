"""Plugins of a configuration: which count as loaded, and their options.

Source: Falco 0.44, configuration.cpp (which plugins are loaded), configuration.h (forms of `init_config`).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lanner.config.models import Config, PluginEntry
from lanner.config.pluginoptions import read_options
from lanner.config.reader import items, near
from lanner.diagnostics import Diagnostics, Span
from lanner.plugins import registry
from lanner.plugins.registry import PluginError
from lanner.rules.nodes import Mapping, Node, Scalar
from lanner.rules.versions import PLUGINS, WITHOUT_EVENTS
from lanner.sources.plugin import Plugin

FIELDS = "k8saudit"
"""The plugin whose fields all events have."""

SYSCALL_PLUGINS = frozenset({"container", "k8smeta", "krsyscall"})
"""Plugins for events of system calls alone; accepted, without effect."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """Where events come from.

    Attributes:
        name: What messages and metrics call it: the plugin's name, or that of an entry of `sources`.
        plugin: What kind of source it is.
        open_params: Where its events come from; empty when it does not say.
        options: Its `init_config`, as the plugin's options.
        span: Where it is configured.
        is_own: Whether it is an entry of `sources`, which Falco does not have.
        rules_files: Rule files for its events; none: those of all.
    """

    name: str
    plugin: Plugin
    open_params: str
    options: Any
    span: Span = field(compare=False)
    is_own: bool = False
    rules_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plugins:
    """What a configuration says of plugins.

    Attributes:
        versions: Name and version of those that count as loaded; None: all that are built in.
        sources: What events can come from, in order.
    """

    versions: Table[str, str] | None = None
    sources: tuple[LoadedPlugin, ...] = ()


def select_plugins(config: Config, root: Mapping, diagnostics: Diagnostics) -> Plugins:
    """The plugins that count as loaded: those that `load_plugins` names, without it all.

    When none of those that it names is one of Lanner's, as in Falco's stock configuration, all count as loaded too:
    otherwise no rule could be used. Diagnostics: LN0501, LN0502, LN0503, and those of YAML.
    """
    configured = _configured(config, root)
    sources: list[LoadedPlugin] = []
    versions: dict[str, str] = {}
    for name, span in _loaded(config, root).items():
        if name in WITHOUT_EVENTS or name in SYSCALL_PLUGINS:
            versions |= {name: PLUGINS[name]} if name in PLUGINS else {}
            continue
        entry, node = configured.get(name, (PluginEntry(name=name), Scalar("", span)))
        if plugin := _find(name, span, diagnostics):
            versions[name] = plugin.version
            options = read_options(_part(node, "init_config"), plugin, diagnostics)
            sources.append(LoadedPlugin(name, plugin, entry.open_params.strip(), options, node.span))
    others = {name: number for name, number in versions.items() if name not in PLUGINS}
    if not (config.load_plugins and versions):
        versions = {**PLUGINS, **others} if others else {}
    elif others:
        # Falco does not have them, and so no rules that ask for them. Their events have the fields of k8saudit.
        versions.setdefault(FIELDS, PLUGINS[FIELDS])
    found = MappingProxyType(versions) if versions else None
    return Plugins(found, (*sources, *_own(config, root, diagnostics)))


def _own(config: Config, root: Mapping, diagnostics: Diagnostics) -> Iterator[LoadedPlugin]:
    """The entries of `sources`."""
    for entry, node in zip(config.sources, items(root, "sources"), strict=True):
        if plugin := _find(entry.plugin, _part(node, "plugin").span, diagnostics):
            options = read_options(_part(node, "init_config"), plugin, diagnostics)
            address, files = entry.open_params.strip(), tuple(entry.rules_files)
            yield LoadedPlugin(entry.name, plugin, address, options, node.span, is_own=True, rules_files=files)


def _find(name: str, span: Span, diagnostics: Diagnostics) -> Plugin | None:
    try:
        return registry.find(name)
    except PluginError as error:
        known = [*dict.fromkeys([*registry.names(), *WITHOUT_EVENTS])]
        absent = near(name, known) or f"there are {', '.join(known)}; others come with packages of their own"
        diagnostics.add("LN0503", error.message, span, help=absent if error.is_absent else error.help)
        return None


def _configured(config: Config, root: Mapping) -> Table[str, tuple[PluginEntry, Node]]:
    """Each plugin under its name with its node; of two with the same name the first counts, as in Falco."""
    pairs = zip(reversed(config.plugins), reversed(items(root, "plugins")), strict=True)
    return {entry.name: (entry, node) for entry, node in pairs}


def _loaded(config: Config, root: Mapping) -> Table[str, Span]:
    """The names of the plugins that are loaded, and where they stand; unlike in Falco they need no entry."""
    entries = [(entry.name, _part(node, "name")) for entry, node in _configured(config, root).values()]
    if config.load_plugins is None:
        return {name: node.span for name, node in entries}
    known = {*WITHOUT_EVENTS, *registry.names()}
    named = [*zip(config.load_plugins, items(root, "load_plugins"), strict=True)]
    if not any(name in known for name, _ in named):
        named += [(name, node) for name, node in entries if name in known]
    return {name: node.span for name, node in named}


def _part(node: Node, name: str) -> Node:
    found = node.get(name) if isinstance(node, Mapping) else None
    return found[1] if found else Scalar("", node.span)
