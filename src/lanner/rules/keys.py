"""The keys of rule files, one row each: what reading, overriding and warning about unknown keys go by.

Source: Falco, rule_loader_reader.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How a key's value is written."""

    TEXT = "a text"
    BOOL = "true or false"
    NUMBER = "a number"
    PRIORITY = "a priority"
    TEXTS = "a list of texts"
    EXCEPTIONS = "a list of exceptions"
    OVERRIDE = "a mapping of keys to append or replace"
    VERSION = "a version"
    REQUIREMENTS = "a list of plugins with versions"
    TREE = "a text or a list"
    TREES = "a list"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        name: As it is written.
        form: How its value is written.
        description: For documentation and schema.
        required: Whether a new item needs it.
        append: Whether an override can append to it.
        replace: Whether an override can replace it.
        nullable: Whether it may be there without a value.
    """

    name: str
    form: Form
    description: str
    required: bool = False
    append: bool = False
    replace: bool = False
    nullable: bool = False


def _keys(*rows: Key) -> Mapping[str, Key]:
    return {row.name: row for row in rows}


_APPEND = Key(
    "append", Form.BOOL, "The older form of `override`: append to the item of this name that is defined above."
)
_OVERRIDE = Key(
    "override", Form.OVERRIDE, "Which keys of the item defined above to append to or to replace.", nullable=True
)

RULE_KEYS = _keys(
    Key("rule", Form.TEXT, "The rule's name, unique among the rules.", required=True),
    Key("condition", Form.TEXT, "When the rule raises an alert.", required=True, append=True, replace=True),
    Key("output", Form.TEXT, "What the alert says; `%` puts fields in.", required=True, append=True, replace=True),
    Key("desc", Form.TEXT, "What the rule detects, for people.", required=True, append=True, replace=True),
    Key("priority", Form.PRIORITY, "How much the alert matters, from emergency to debug.", required=True, replace=True),
    Key("source", Form.TEXT, "Whose events the rule looks at, `k8s_audit` for audit events; without it, system calls."),
    Key("enabled", Form.BOOL, "Whether the rule is on; true unless set.", replace=True),
    Key("tags", Form.TEXTS, "Words to choose rules by.", append=True, replace=True),
    Key("exceptions", Form.EXCEPTIONS, "When the rule raises none.", append=True, replace=True, nullable=True),
    Key("warn_evttypes", Form.BOOL, "Of system calls only: whether to warn about slow conditions.", replace=True),
    Key(
        "skip-if-unknown-filter",
        Form.BOOL,
        "Whether to skip a rule with unknown fields without an error.",
        replace=True,
    ),
    Key("capture", Form.BOOL, "Of system calls only: whether an alert starts a capture.", replace=True),
    Key("capture_duration", Form.NUMBER, "Of system calls only: how long to capture, in milliseconds.", replace=True),
    _OVERRIDE,
    _APPEND,
)

MACRO_KEYS = _keys(
    Key("macro", Form.TEXT, "The macro's name: a letter, then letters, digits and underscores.", required=True),
    Key("condition", Form.TEXT, "What the name stands for.", required=True, append=True, replace=True),
    _OVERRIDE,
    _APPEND,
)

LIST_KEYS = _keys(
    Key("list", Form.TEXT, "The list's name.", required=True),
    Key("items", Form.TEXTS, "Values, and names of other lists.", required=True, append=True, replace=True),
    _OVERRIDE,
    _APPEND,
)

ENGINE_KEYS = _keys(
    Key("required_engine_version", Form.VERSION, "The oldest engine that the rules run with, x.y.z.", required=True)
)

PLUGINS_KEYS = _keys(
    Key("required_plugin_versions", Form.REQUIREMENTS, "The plugins that the rules need.", required=True)
)

REQUIREMENT_KEYS = _keys(
    Key("name", Form.TEXT, "The plugin's name.", required=True),
    Key("version", Form.TEXT, "The oldest version that will do, x.y.z.", required=True),
    Key("alternatives", Form.REQUIREMENTS, "Other plugins that will do as well."),
)

EXCEPTION_KEYS = _keys(
    Key("name", Form.TEXT, "The exception's name, unique within the rule.", required=True),
    Key("fields", Form.TREE, "A field, or a list of fields.", required=True),
    Key("comps", Form.TREE, "The operator for each field; `=`, or `in` for a single field, unless given."),
    Key("values", Form.TREES, "What the fields are compared with: a value, or a list of one value for each field."),
)

ITEMS: Mapping[str, Mapping[str, Key]] = {
    "required_engine_version": ENGINE_KEYS,
    "required_plugin_versions": PLUGINS_KEYS,
    "list": LIST_KEYS,
    "macro": MACRO_KEYS,
    "rule": RULE_KEYS,
}
"""The kinds of items and their keys; an item with several of these keys is of the kind that comes first here."""
