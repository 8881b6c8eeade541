"""What rule files say, item by item, and what comes of all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from lanner.diagnostics import MappedText, SourceFile, Span
from lanner.rules.priority import Priority
from lanner.rules.versions import Version

Tree: TypeAlias = "MappedText | tuple[Tree, ...]"
"""A text or a list of such, as exceptions are made of."""


@dataclass(frozen=True, slots=True)
class ExceptionDef:
    """An exception of a rule; what it lacks is None or empty."""

    name: str
    place: Span
    fields: Tree | None = None
    comps: Tree | None = None
    values: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDef:
    """A rule; each attribute but `place` is the key of that name, with underscores for hyphens."""

    name: str
    place: Span
    condition: MappedText
    output: MappedText
    desc: MappedText
    priority: Priority
    source: str
    enabled: bool = True
    tags: tuple[str, ...] = ()
    exceptions: tuple[ExceptionDef, ...] = ()
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    capture: bool = False
    capture_duration: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUpdate:
    """A change of a rule defined before; `append` and `replace` hold attributes of `RuleDef`."""

    name: str
    place: Span
    source: str
    append: Mapping[str, Any]
    replace: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleSwitch:
    """An item that only turns a rule on or off."""

    name: str
    place: Span
    enabled: bool


@dataclass(frozen=True, slots=True)
class MacroDef:
    """A macro, or what is appended to one."""

    name: str
    place: Span
    condition: MappedText
    append: bool = False


@dataclass(frozen=True, slots=True)
class ListDef:
    """A list, or what is appended to one."""

    name: str
    place: Span
    items: tuple[MappedText, ...]
    append: bool = False


@dataclass(frozen=True, slots=True)
class EngineRequirement:
    """The oldest engine that the rules run with."""

    version: Version
    place: Span


@dataclass(frozen=True, slots=True)
class PluginRequirement:
    """Plugins of which one has to be there: name and version."""

    alternatives: tuple[tuple[str, Version], ...]
    place: Span


@dataclass(frozen=True, slots=True)
class Broken:
    """An item that could not be read; references to it are no further error. `kind` is its key in `ITEMS`."""

    kind: str
    name: str


Item: TypeAlias = (
    RuleDef | RuleUpdate | RuleSwitch | MacroDef | ListDef | EngineRequirement | PluginRequirement | Broken
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """An item after all appending and overriding.

    Attributes:
        item: What it has become.
        index: The running number of its first definition.
        visibility: The running number of its last change; a macro sees those with a smaller index.
    """

    item: T
    index: int
    visibility: int


@dataclass(frozen=True, slots=True)
class Collection:
    """All items of all files, in the order of their first definition."""

    rules: Mapping[str, Entry[RuleDef]]
    macros: Mapping[str, Entry[MacroDef]]
    lists: Mapping[str, Entry[ListDef]]
    broken: frozenset[Broken]
    engine: EngineRequirement | None
    plugins: tuple[PluginRequirement, ...]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The items of one file."""

    file: SourceFile
    items: tuple[Item, ...]
