"""`lanner plugins`: the sources of events that are installed, and what each takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import msgspec
from msgspec import inspect

from lanner.cli.messages import ExitCode, Failure, did_you_mean, report
from lanner.plugins import registry
from lanner.plugins.registry import PluginError, option_fields
from lanner.rules.versions import PLUGINS, WITHOUT_EVENTS
from lanner.sources.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a plugin, as people read it.

    Attributes:
        name: As in `init_config`.
        type: What it takes.
        default: Its default as JSON.
        description: What it does.
        aliases: Other names of it.
    """

    name: str
    type: str
    default: str
    description: str
    aliases: tuple[str, ...]


@click.command("plugins")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_context
def plugins(context: click.Context, name: str | None, output_format: str) -> None:
    """List the sources of events that are installed, or describe one with its options.

    Those that come with Lanner and those of other packages are listed alike; a package brings one by an entry point of
    the group `lanner.sources`.
    """
    if name is not None:
        plugin = installed(name)
        click.echo(json.dumps(_as_json(plugin), indent=2) if output_format == "json" else described(plugin))
        return
    found = dict(registry.every())
    usable = [plugin for plugin in found.values() if isinstance(plugin, Plugin)]
    if output_format == "json":
        click.echo(json.dumps([_as_json(plugin) for plugin in usable], indent=2))
    else:
        click.echo("\n".join(_table(usable)))
    problems = [problem for problem in found.values() if isinstance(problem, PluginError)]
    for problem in problems:
        report(problem.message, help=problem.help)
    context.exit(ExitCode.FAILED if problems else ExitCode.DONE)


def installed(name: str) -> Plugin:
    """A plugin by its name.

    Raises:
        Failure: It is not installed, or cannot be used.
    """
    try:
        return registry.find(name)
    except PluginError as error:
        known = [*registry.names()]
        absent = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise Failure(error.message, absent if error.is_absent else error.help) from error


def versions_of_all() -> dict[str, str]:
    """Name and version of what is installed and can be used, and of what only extracts fields."""
    found = {name: plugin.version for name, plugin in registry.every() if isinstance(plugin, Plugin)}
    return {**found, **{name: PLUGINS[name] for name in PLUGINS if name in WITHOUT_EVENTS}}


def described(plugin: Plugin) -> str:
    """What a plugin is and takes. Source: Falco 0.44, print_plugin_info.cpp, for the order of the parts."""
    lines = [f"Name: {plugin.name}", f"Description: {plugin.description}", f"Version: {plugin.version}"]
    package = registry.package_of(plugin.name)
    lines.append(f"Package: {package}" + (f" (pip install '{package}[{plugin.extra}]')" if plugin.extra else ""))
    lines += ["Capabilities:", f"  - Event Sourcing (source={plugin.event_source})", "  - Field Extraction"]
    lines += ["", "Init config:"]
    found = [*options_of(plugin)]
    for option in found:
        also = f" Also: {', '.join(option.aliases)}." if option.aliases else ""
        lines.append(f"  {option.name} ({option.type}, default {option.default}): {option.description}{also}")
    lines += [] if found else ["  none"]
    return "\n".join([*lines, "", f"Open params: {plugin.open_params}"])


def options_of(plugin: Plugin) -> Iterator[Option]:
    """The options of a plugin, in order."""
    for field in option_fields(plugin):
        schema = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
        value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        aliases = tuple(alias for alias, name in plugin.aliases.items() if name == field.encode_name)
        default, text = msgspec.json.encode(value).decode(), (schema or {}).get("description", "")
        yield Option(field.encode_name, _type_name(field.type), default, text, aliases)


def _type_name(info: Any) -> str:
    while isinstance(info, inspect.Metadata):
        info = info.type
    match info:
        case inspect.UnionType(types=types):
            return " or ".join(_type_name(each) for each in types if not isinstance(each, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return " or ".join(map(str, values))
        case inspect.ListType(item_type=item):
            return f"list of {_type_name(item)}"
        case _:
            return _TYPES.get(type(info), "value")


_TYPES: dict[type, str] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.DictType: "mapping",
    inspect.StructType: "mapping",
}


def _table(found: list[Plugin]) -> Iterator[str]:
    rows = [(plugin.name, plugin.version, registry.package_of(plugin.name), plugin.description) for plugin in found]
    rows.insert(0, ("NAME", "VERSION", "PACKAGE", "DESCRIPTION"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _as_json(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "description": plugin.description,
        "version": plugin.version,
        "package": registry.package_of(plugin.name),
        "extra": plugin.extra or None,
        "event_source": plugin.event_source,
        "open_params": plugin.open_params,
        "init_config": schema_of(plugin),
        "aliases": dict(plugin.aliases),
    }


def schema_of(plugin: Plugin) -> dict[str, Any]:
    """The JSON Schema of a plugin's options. Source: Falco's plugin API, `get_init_schema`."""
    return msgspec.json.schema(plugin.options)
