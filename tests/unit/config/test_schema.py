from collections.abc import Iterator
from typing import Any

import pytest

from lanner.config.load import load_config
from lanner.config.schema import config_schema, rule_schema
from lanner.rules.keys import ITEMS

SCHEMA = config_schema()


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
    assert all(section["additionalProperties"] is False for section in SCHEMA["$defs"].values())


def test_rules_have_all_keys_of_their_table() -> None:
    found = {item["required"][0]: set(item["properties"]) for item in rule_schema()["items"]["anyOf"]}
    assert found == {kind: set(table) for kind, table in ITEMS.items()}
