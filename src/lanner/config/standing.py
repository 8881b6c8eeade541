"""Which of the keys that a configuration gives have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from lanner.config.models import Config
from lanner.config.reader import config_info
from lanner.config.section import STANDING, Standing
from lanner.rules.nodes import Mapping


def without_effect(config: Config, root: Mapping) -> list[str]:
    """The keys given that only concern system calls, or that Lanner has no need of, whatever their values.

    Those in a section that is switched off are left out.
    """
    return [*_given(root, config_info(), config, "")]


def _given(root: Mapping, info: object, value: object, prefix: str) -> Iterator[str]:
    fields = {field.name: field.type for field in getattr(info, "fields", ())}
    for key, node in root.pairs:
        described = fields.get(key.text)
        if described is None:
            continue
        part = getattr(value, key.text, None)
        if (described.extra or {}).get(STANDING) is Standing.ACCEPTED:
            yield f"{prefix}{key.text}"
        elif isinstance(node, Mapping) and getattr(part, "enabled", True):
            yield from _given(node, described.type, part, f"{prefix}{key.text}.")
