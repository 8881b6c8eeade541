"""The JSON Schemas of configurations and rule files, from the tables that reading goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lanner.config.models import Config
from lanner.plugins.registry import every
from lanner.rules.keys import EXCEPTION_KEYS, ITEMS, REQUIREMENT_KEYS, Form, Key
from lanner.rules.priority import Priority
from lanner.sources.plugin import Plugin

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """What a configuration may hold."""
    plugins = [plugin for _, plugin in every() if isinstance(plugin, Plugin)]
    types = [Config, *(plugin.options for plugin in plugins)]
    (root, *options), definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for section, key in (("PluginEntry", "name"), ("SourceEntry", "plugin")):
        of_plugins = zip(plugins, options, strict=True)
        definitions[section]["allOf"] = [_with_options(key, plugin, found) for plugin, found in of_plugins]
    return {"$schema": DIALECT, "title": "Configuration of Lanner", **root, "$defs": definitions}


def _with_options(key: str, plugin: Plugin, options: dict[str, Any]) -> dict[str, Any]:
    """What `init_config` of an entry holds when its key names the plugin; a text cannot be looked into."""
    aliases = {alias: {"$ref": f"{options['$ref']}/properties/{name}"} for alias, name in plugin.aliases.items()}
    taken = {"anyOf": [{**options, "properties": aliases}, {"type": "string"}, {"type": "null"}]}
    is_it = {"properties": {key: {"const": plugin.name}}, "required": [key]}
    return {"if": is_it, "then": {"properties": {"init_config": taken}}}


def rule_schema() -> dict[str, Any]:
    """What a rule file may hold. Overrides need fewer keys than new items, so that only the kind's key is required."""
    items = [_item(kind, keys) for kind, keys in ITEMS.items()]
    return {"$schema": DIALECT, "title": "Rules of Lanner", "type": "array", "items": {"anyOf": items}}


def _item(kind: str, keys: Mapping[str, Key]) -> dict[str, Any]:
    return {"type": "object", "properties": _properties(keys), "required": [kind], "additionalProperties": False}


def _properties(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {key.name: {"description": key.description, **_form(key)} for key in keys.values()}


def _form(key: Key) -> dict[str, Any]:
    found = _FORMS[key.form]()
    return {"anyOf": [found, {"type": "null"}]} if key.nullable else found


def _list_of(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": _properties(keys)}}


_SCALAR = {"type": ["string", "number", "boolean"]}
_FORMS: Mapping[Form, Any] = {
    Form.TEXT: lambda: _SCALAR,
    Form.BOOL: lambda: {"type": "boolean"},
    Form.NUMBER: lambda: {"type": "number"},
    Form.PRIORITY: lambda: {"type": "string", "enum": _spellings()},
    Form.TEXTS: lambda: {"type": "array", "items": _SCALAR},
    Form.EXCEPTIONS: lambda: _list_of(EXCEPTION_KEYS),
    Form.OVERRIDE: lambda: {"type": "object", "additionalProperties": {"enum": ["append", "replace"]}},
    Form.VERSION: lambda: {"type": ["string", "number"]},
    Form.REQUIREMENTS: lambda: (
        _list_of({name: key for name, key in REQUIREMENT_KEYS.items() if key.form is not Form.REQUIREMENTS})
        | _alternatives()
    ),
    Form.TREE: lambda: {},
    Form.TREES: lambda: {"type": "array"},
}
"""By the form of a key's value, its schema; functions, because requirements hold requirements."""


def _alternatives() -> dict[str, Any]:
    plain = {name: key for name, key in REQUIREMENT_KEYS.items() if key.form is not Form.REQUIREMENTS}
    nested = {"description": REQUIREMENT_KEYS["alternatives"].description, **_list_of(plain)}
    return {"items": {"type": "object", "properties": {**_properties(plain), "alternatives": nested}}}


def _spellings() -> list[str]:
    names = [*(priority.value for priority in Priority), "Info"]
    return [spelt for name in names for spelt in (name, name.lower(), name.upper())]
