from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from lanner.config.load import load_config
from lanner.config.schema import config_schema, rule_schema
from lanner.rules.keys import ITEMS

SCHEMA = config_schema()
OF_PLUGINS = SCHEMA["$defs"]["PluginEntry"]["allOf"]


def keys(name: str, path: str = "", seen: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a section and of those below it, as `-o` takes it, with its schema."""
    for key, found in SCHEMA["$defs"][name]["properties"].items():
        yield f"{path}{key}", found
        for place, inner in below(found):
            yield from keys(inner, f"{path}{key}{place}.", (*seen, name))


def below(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in (found, *found.get("anyOf", ())):
        if "$ref" in each:
            yield "", each["$ref"].rpartition("/")[2]
    items = found.get("items", {})
    for each in (items, *items.get("anyOf", ())):
        if "$ref" in each:
            yield "[]", each["$ref"].rpartition("/")[2]


KEYS = dict(keys("Config"))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described_and_accepted(key: str) -> None:
    schema = KEYS[key]
    assert schema["description"].endswith(".")
    loaded = load_config(None, [f"{key}={value(schema)}"])
    unknown = [found for found in loaded.diagnostics if found.code.code == "LN0501" or " takes " in found.message]
    assert unknown == []


def value(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if "$ref" in schema or kind == "object":
        return "{}"
    if "anyOf" in schema:
        return value(schema["anyOf"][0])
    if "enum" in schema:
        return str(schema["enum"][0])
    values = {
        "boolean": "true",
        "integer": str(schema.get("minimum", 1)),
        "number": str(schema.get("minimum", 1.5)),
        "array": "[]",
        "string": str(schema.get("default", "x")),
    }
    return values[str(kind)]


def test_keys_are_walked_to_the_bottom() -> None:
    assert {
        "webserver.listen_port",
        "plugins[].init_config",
        "rules[].enable.tag",
        "engine.kmod.buf_size_preset",
    } <= KEYS.keys()
    assert len(KEYS) > 130


def test_sections_take_no_other_keys() -> None:
    options = {each["then"]["properties"]["init_config"]["anyOf"][0]["$ref"] for each in OF_PLUGINS}
    sections = {name: found for name, found in SCHEMA["$defs"].items() if f"#/$defs/{name}" not in options}
    assert len(sections) > 20
    assert all(section["additionalProperties"] is False for section in sections.values())


@pytest.mark.parametrize("key", ["plugins", "sources"])
@pytest.mark.parametrize(
    ("init_config", "is_fine"),
    [
        ({"maxEventSize": 9}, True),
        ({"maxEventSize": "many"}, False),
        ("maxEventSize: 9", True),
        (None, True),
        (9, False),
    ],
)
def test_options_of_plugins_are_described_where_they_stand(key: str, init_config: object, is_fine: bool) -> None:
    names = {"name": "k8saudit"} if key == "plugins" else {"name": "api", "plugin": "k8saudit"}
    found = jsonschema.Draft202012Validator(SCHEMA).is_valid({key: [{**names, "init_config": init_config}]})
    assert found is is_fine


def test_rules_have_all_keys_of_their_table() -> None:
    found = {item["required"][0]: set(item["properties"]) for item in rule_schema()["items"]["anyOf"]}
    assert found == {kind: set(table) for kind, table in ITEMS.items()}
