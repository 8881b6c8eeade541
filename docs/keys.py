"""The keys of the configuration as a flat table, from the models that reading goes by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from lanner.config.reader import bare, config_info
from lanner.config.section import STANDING, Standing


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key of the configuration.

    Attributes:
        section: The path of the section that it is in, with dots; empty for a key of the first level.
        name: Its name.
        default: Its default as JSON; empty for a section, or when it has to be given.
        standing: What Lanner does with it; never more than with its section.
        description: What it means.
        is_section: Whether it holds keys, or a list of sections.
    """

    section: str
    name: str
    default: str
    standing: Standing
    description: str
    is_section: bool

    @property
    def path(self) -> str:
        """Its name, behind that of its section."""
        return f"{self.section}.{self.name}" if self.section else self.name


def config_keys(info: Any = None, section: str = "", inherited: Standing = Standing.USED) -> Iterator[ConfigKey]:
    """All keys; those of a section in their order, and behind each that is one itself those in it."""
    for key in (info or config_info()).fields:
        kind = bare(key.type)
        standing = max((key.type.extra or {}).get(STANDING, inherited), inherited, key=[*Standing].index)
        inner = _section_of(kind.item_type) if isinstance(kind, inspect.ListType) else kind
        is_section = isinstance(inner, inspect.StructType)
        default = "" if key.required or (kind is inner and is_section) else _default_of(key)
        found = ConfigKey(section, key.name, default, standing, key.type.extra_json_schema["description"], is_section)
        yield found
        if is_section:
            yield from config_keys(inner, found.path, standing)


def _section_of(kind: Any) -> Any:
    """Of the kinds of an item the one that is a section, if there is one."""
    inner = bare(kind)
    union = kind.type if isinstance(kind, inspect.Metadata) else kind
    return next((each for each in getattr(union, "types", ()) if isinstance(each, inspect.StructType)), inner)


def _default_of(key: Any) -> str:
    value = key.default_factory() if key.default is msgspec.NODEFAULT else key.default
    return msgspec.json.encode(value).decode()
