"""Which of the keys that a configuration gives have no effect, or none yet."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table

from lanner.config.models import Config
from lanner.config.reader import config_info
from lanner.config.section import STANDING, Standing
from lanner.rules.nodes import Mapping, Node, Scalar, Sequence

_OFF = {"", "0", "false", "no", "off", "n"}


def without_effect(config: Config, root: Mapping) -> Table[Standing, list[str]]:
    """The keys given, by standing, `USED` aside.

    A key that only concerns system calls is named whatever its value; one that comes later only if it asks for
    something: not when it is false, 0 or empty, nor within a section that is switched off.
    """
    found: dict[Standing, list[str]] = {Standing.ACCEPTED: [], Standing.LATER: []}
    for name, standing in _given(root, config_info(), config, ""):
        found[standing].append(name)
    return found


def _given(root: Mapping, info: object, value: object, prefix: str) -> Iterator[tuple[str, Standing]]:
    fields = {field.name: field.type for field in getattr(info, "fields", ())}
    for key, node in root.pairs:
        described = fields.get(key.text)
        if described is None:
            continue
        standing = (described.extra or {}).get(STANDING, Standing.USED)
        part = getattr(value, key.text, None)
        if standing is Standing.ACCEPTED or (standing is Standing.LATER and _asks(node, part)):
            yield f"{prefix}{key.text}", standing
        elif standing is Standing.USED and isinstance(node, Mapping) and getattr(part, "enabled", True):
            yield from _given(node, described.type, part, f"{prefix}{key.text}.")


def _asks(node: Node, value: object) -> bool:
    match node:
        case Scalar():
            return not node.is_null and node.text.casefold() not in _OFF
        case Sequence():
            return bool(node.items)
        case Mapping():
            return bool(node.pairs) and bool(getattr(value, "enabled", True))
