"""The plugins that are installed, by their entry points: a broken one hurts nobody but who wants it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

import msgspec
from msgspec import inspect

from lanner.sources.base import reason_of
from lanner.sources.plugin import GROUP, Plugin

OWN = "lanner"
"""The package whose plugins come before those of others with the same name."""

EVENT_SOURCE = "k8s_audit"
"""The source whose rules are evaluated."""

_MAX_REASON = 300


class PluginError(Exception):
    """A plugin that is not there, or cannot be used.

    Attributes:
        message: What is wrong, in a line.
        help: What to do about it.
        is_absent: Whether no package has it.
    """

    def __init__(self, message: str, help: str | None = None, *, is_absent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.is_absent = is_absent


def names() -> tuple[str, ...]:
    """The names of all plugins that are installed, Lanner's own first; they are not loaded."""
    return tuple(_entries())


def find(name: str) -> Plugin:
    """Load a plugin.

    Raises:
        PluginError: No package has it, several have it, or it cannot be used.
    """
    return _load(name, _entries().get(name, []))


def every() -> Iterator[tuple[str, Plugin | PluginError]]:
    """All plugins that are installed, or what is wrong with them, by name."""
    for name, entries in _entries().items():
        try:
            yield name, _load(name, entries)
        except PluginError as error:
            yield name, error


def package_of(name: str) -> str:
    """The package that a plugin comes from; empty when none has it."""
    return next(map(_package, _entries().get(name, ())), "")


def _entries() -> dict[str, list[EntryPoint]]:
    """By name, the entry points; where one is Lanner's own, that alone."""
    found: dict[str, list[EntryPoint]] = {}
    ordered = sorted(entry_points(group=GROUP), key=lambda entry: (_package(entry) != OWN, entry.name))
    for entry in ordered:
        same = found.setdefault(entry.name, [])
        if not (same and _package(same[0]) == OWN):
            same.append(entry)
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


def _load(name: str, entries: list[EntryPoint]) -> Plugin:
    if not entries:
        raise PluginError(f"there is no plugin `{name}`", is_absent=True)
    packages = ", ".join(f"`{_package(entry)}`" for entry in entries)
    if len(entries) > 1:
        raise PluginError(f"several packages have a plugin `{name}`: {packages}", "uninstall all of them but one")
    help_text = f"install another version of the package {packages}, or uninstall it"
    try:
        plugin = entries[0].load()
    except (Exception, SystemExit) as error:  # it is anybody's code, which may do anything when it is imported
        reason = f"{type(error).__name__}: {reason_of(error)}"[:_MAX_REASON]
        raise PluginError(f"plugin `{name}` cannot be loaded: {reason}", help_text) from error
    if problem := problem_of(plugin, name):
        raise PluginError(f"plugin `{name}` cannot be used: {problem}", help_text)
    assert isinstance(plugin, Plugin)  # noqa: S101 - INVARIANT: else there is a problem
    return plugin


def problem_of(plugin: object, name: str) -> str | None:
    """What keeps a value from being the plugin of a name, or None."""
    if not isinstance(plugin, Plugin):
        return f"its entry point is no `Plugin`, but of type `{type(plugin).__name__}`"
    if plugin.name != name:
        return f"it calls itself `{plugin.name}`"
    if plugin.event_source != EVENT_SOURCE:
        return f"its events are of the source `{plugin.event_source}`, and Lanner's rules are for `{EVENT_SOURCE}`"
    if not (isinstance(plugin.options, type) and issubclass(plugin.options, msgspec.Struct)):
        return "its options are no `msgspec.Struct`"
    fields = option_fields(plugin)
    without = [field.encode_name for field in fields if field.required]
    if without:
        return f"its option `{without[0]}` has no default"
    unknown = sorted(set(plugin.aliases.values()) - {field.encode_name for field in fields})
    return f"it has another name for an option `{unknown[0]}`, which it does not have" if unknown else None


def option_fields(plugin: Plugin) -> tuple[inspect.Field, ...]:
    """The options of a plugin, as msgspec sees them."""
    info = inspect.type_info(plugin.options)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - INVARIANT: options are a struct
    return info.fields
