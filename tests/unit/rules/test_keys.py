from dataclasses import fields

from lanner.rules.keys import EXCEPTION_KEYS, ITEMS, REQUIREMENT_KEYS, RULE_KEYS
from lanner.rules.model import RuleDef


def test_every_key_is_described_in_a_sentence() -> None:
    for keys in (*ITEMS.values(), EXCEPTION_KEYS, REQUIREMENT_KEYS):
        for name, key in keys.items():
            assert key.name == name
            assert key.description.endswith(".")
            assert key.description[0].isupper() or key.description.startswith("`")


def test_each_kind_of_item_has_its_own_key_first() -> None:
    assert all(next(iter(keys)) == kind for kind, keys in ITEMS.items())


def test_the_keys_of_a_rule_are_the_attributes_of_its_model() -> None:
    keys = {name.replace("-", "_") for name in RULE_KEYS} - {"rule", "append", "override"}
    assert keys == {field.name for field in fields(RuleDef)} - {"name", "place"}
