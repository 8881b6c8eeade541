"""All fields of rules, by name."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from lanner.events.values import Json
from lanner.fields.generic import EVENT_FIELDS, JSON_FIELDS
from lanner.fields.k8saudit import AUDIT_FIELDS
from lanner.fields.kx import OWN_FIELDS
from lanner.fields.spec import (
    ArgKind,
    Argument,
    Derived,
    Extract,
    FieldSpec,
    FieldType,
    FieldValue,
    Level,
    Meta,
    Pointer,
    PointerArgument,
    Source,
    Static,
    event_members,
    least_level,
    parse_pointer,
)

FIELDS: Mapping[str, FieldSpec] = MappingProxyType(
    {spec.name: spec for spec in (*AUDIT_FIELDS, *OWN_FIELDS, *JSON_FIELDS, *EVENT_FIELDS)}
)
"""Every field by name, in the order in which they are shown."""

STATIC_PREFIX = "static."
"""What the names of fields begin with that a configuration defines."""

_STATIC = FieldSpec(
    name="static", desc="A field of the configuration's `static_fields`.", extract=Static(), source="evt"
)

_BY_FOLDED_NAME = {name.casefold(): name for name in FIELDS}
_MAX_NAME = 120


def lookup(name: str) -> FieldSpec | None:
    """The field of that exact name, or None."""
    return FIELDS.get(name)


def spec_of(name: str) -> FieldSpec:
    """The field of that name, which is known to be one; all that a configuration defines are alike."""
    return _STATIC if name.startswith(STATIC_PREFIX) else FIELDS[name]


def suggest(name: str) -> str | None:
    """The field that a misspelt name most likely means, or None when no field is near."""
    folded = name[:_MAX_NAME].casefold()
    near = difflib.get_close_matches(folded, _BY_FOLDED_NAME, n=1, cutoff=0.75)
    return _BY_FOLDED_NAME[near[0]] if near else None


__all__ = [
    "FIELDS",
    "STATIC_PREFIX",
    "ArgKind",
    "Argument",
    "Derived",
    "Extract",
    "FieldSpec",
    "FieldType",
    "FieldValue",
    "Json",
    "Level",
    "Meta",
    "Pointer",
    "PointerArgument",
    "Source",
    "Static",
    "event_members",
    "least_level",
    "lookup",
    "parse_pointer",
    "spec_of",
    "suggest",
]
