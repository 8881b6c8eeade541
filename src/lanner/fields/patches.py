"""What a body writes: the object itself, or what a JSON Patch makes of one.

The API server logs a patch as the client sent it. A merge patch, a strategic merge patch and a server-side apply look
like the part of the object that they write. A JSON Patch is a list of operations; from these, `written` puts together
the part that they write. Where an index does not tell which element it means, as after elements were put in front of
it, what an operation writes is kept beside the others rather than thrown away: nothing that a patch writes is hidden by
its order.

Source: RFC 6902; evanphx/json-patch, patch.go (what stands before the first slash of a path is passed over there).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Generic, TypeVar

import msgspec

from lanner.events.values import Json, as_text, decode_json, encode_json, walk
from lanner.fields.spec import parse_pointer

MAX_OPERATIONS = 10_000
"""Operations that the API server takes in one JSON Patch."""

_MAX_DEPTH = 64
_MAX_COPIED = 3 * 1024 * 1024
"""Bytes that the API server lets the `copy` operations of one patch add up to."""

_MAX_NULLS = 10_000
"""Members of a patch that are looked at for nulls."""

_DELETED = "$deleteFromPrimitiveList~1"
"""What stands in front of the name of a list, in a JSON pointer, where elements of it are removed."""

_INDEX = re.compile(r"-|-?[0-9]+")
_ELEMENT = re.compile(r"-?[0-9]*(\+[0-9]+)?")


Result = TypeVar("Result")


class Latest(Generic[Result]):
    """A function of a body that remembers its last result: every field of an event asks for the same one."""

    __slots__ = ("_function", "_known")

    def __init__(self, function: Callable[[Json], Result]) -> None:
        self._function = function
        self._known: tuple[Json, Result] | None = None

    def __call__(self, body: Json) -> Result:
        """The function of a body; nobody changes a decoded body, so that the same one has the same result."""
        known = self._known
        if known is None or known[0] is not body:
            self._known = known = body, self._function(body)
        return known[1]


def written(body: Json) -> Json:
    """The object that a request's body writes, or the part of it that is known."""
    return _put_together(body) if isinstance(body, list) else body


@Latest
def _put_together(body: Json) -> Json:
    return _Patched().after(body[:MAX_OPERATIONS] if isinstance(body, list) else ())


def elements(value: Json) -> Iterator[Json]:
    """The elements of a list, be it whole or put together from a patch; nothing for anything else."""
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from (element for key, element in value.items() if _ELEMENT.fullmatch(key))


def value_at(body: Json, pointer: str | None) -> str | None:
    """The text of what a body writes at a JSON pointer."""
    return as_text(walk(written(body), _keys(pointer or "")))


_keys = cache(parse_pointer)


def patch_type(verb: Json, body: Json) -> str | None:
    """The type of a patch as far as its body tells: `json`, `apply`, `strategic` or `merge`; None for other requests.

    The content type is not part of an event. A server-side apply has to name `kind` and `apiVersion`, other patches do
    not; a strategic merge patch is told from a merge patch by its directives alone, which begin with `$`.
    """
    if verb != "patch" or body is None:
        return None
    if isinstance(body, list):
        return "json"
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("kind"), str) and isinstance(body.get("apiVersion"), str):
        return "apply"
    return "strategic" if any(path.rpartition("/")[2].startswith("$") for path, _ in _members(body)) else "merge"


def patched_paths(body: Json) -> list[str] | None:
    """The paths that the operations of a JSON Patch write, with `*` for indexes; None for other bodies."""
    paths = dict.fromkeys(
        "".join(f"/{'*' if _INDEX.fullmatch(key) else key}" for key in _raw_keys(operation.get("path")))
        for operation in _operations(body)
        if operation.get("op") in ("add", "replace", "copy", "move")
    )
    return [*paths] or None


def removed_paths(verb: Json, body: Json) -> list[str] | None:
    """The JSON pointers that a patch removes: by `remove` and `move` in a JSON Patch, by null or a directive in others.

    Source: Kubernetes apimachinery, strategicpatch/patch.go (directives).
    """
    if verb != "patch":
        return None
    if isinstance(body, dict):
        return [*dict.fromkeys(path for member in _members(body) for path in _removed_by(*member))] or None
    sources = {"remove": "path", "move": "from"}
    removed = [
        _raw_keys(operation.get(sources[kind]))
        for operation in _operations(body)
        if isinstance(kind := operation.get("op"), str) and kind in sources
    ]
    return ["".join(f"/{key}" for key in keys) for keys in removed if keys] or None


def _removed_by(path: str, value: Json) -> Iterator[str]:
    """The pointers that a member of a merge patch or strategic merge patch removes; it is at `path`."""
    place, _, key = path.rpartition("/")
    if value is None:
        yield path
    elif key == "$retainKeys" or (key == "$patch" and value in ("replace", "delete")):
        yield place
    elif key.startswith(_DELETED):
        yield f"{place}/{key.removeprefix(_DELETED)}"


def _operations(body: Json) -> Iterable[dict[str, Json]]:
    return [item for item in body[:MAX_OPERATIONS] if isinstance(item, dict)] if isinstance(body, list) else ()


def _raw_keys(path: Json) -> list[str]:
    return path.split("/")[1:] if isinstance(path, str) else []


def _members(body: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """The members of objects in each other, by their pointers."""
    open_items: list[tuple[str, Json]] = [("", body)]
    seen = 0
    while open_items and seen < _MAX_NULLS:
        place, item = open_items.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                seen += 1
                path = f"{place}/{key.replace('~', '~0').replace('/', '~1')}"[:_MAX_POINTER]
                yield path, value
                open_items.append((path, value))
        elif isinstance(item, list):
            open_items += [(place, each) for each in item if isinstance(each, dict | list)]


_MAX_POINTER = 1024


class _Patched:
    """The object that comes of a patch. It never writes into the patch: what it changes it has copied before."""

    def __init__(self) -> None:
        self._own: dict[int, Json] = {}
        self._copied = 0

    def after(self, operations: Iterable[Json]) -> Json:
        """Carry out the operations, as far as that can be done without the object."""
        document = self._new()
        for number, operation in enumerate(operations):
            if not isinstance(operation, dict):
                continue
            kind, keys = operation.get("op"), _decoded(operation.get("path"))
            value = self._value(kind, operation, document)
            if keys is None or (value is None and (kind != "remove" or _is_index(keys[-1:]))):
                continue
            if keys:
                self._put(document, keys, value, f"+{number}" if kind != "replace" else "")
            elif isinstance(value, dict):
                document = self._owned(value)  # type: ignore[assignment]  # a copy of an object is one
        return document

    def _value(self, kind: Json, operation: dict[str, Json], document: Json) -> Json:
        if kind in ("add", "replace"):
            return operation.get("value")
        source = _decoded(operation.get("from"))
        if kind not in ("move", "copy") or source is None:
            return None
        return self._copy(walk(document, source))

    def _copy(self, value: Json) -> Json:
        """A copy of its own, so that no value can come to hold itself."""
        if self._copied > _MAX_COPIED:
            return None
        data = encode_json(value)
        self._copied += len(data)
        if self._copied > _MAX_COPIED:
            return None
        try:
            return decode_json(data)
        except msgspec.DecodeError:
            return None

    def _put(self, document: dict[str, Json], keys: list[str], value: Json, mark: str) -> None:
        node: Json = document
        for key in keys[:-1]:
            node = self._step(node, key)
            if node is None:
                return
        last = keys[-1]
        if isinstance(node, list):
            node.append(value)
        elif isinstance(node, dict):
            node[last + mark if _INDEX.fullmatch(last) else last] = value

    def _step(self, node: Json, key: str) -> Json:
        """The member of a node, made where it is missing, as a copy where it belongs to the patch."""
        if isinstance(node, list):
            at = int(key) if key.isascii() and key.isdigit() and len(key) < 9 else -1
            if not 0 <= at < len(node):
                node.append(self._new())
                return node[-1]
            node[at] = self._owned(node[at])
            return node[at]
        if not isinstance(node, dict):
            return None
        node[key] = self._owned(node.get(key))
        return node[key]

    def _owned(self, value: Json) -> Json:
        """The value if it was made here, else a copy of its outermost part; an object where it is none."""
        if id(value) in self._own:
            return value
        copy: Json = dict(value) if isinstance(value, dict) else [*value] if isinstance(value, list) else {}
        self._own[id(copy)] = copy
        return copy

    def _new(self) -> dict[str, Json]:
        made: dict[str, Json] = {}
        self._own[id(made)] = made
        return made


def _decoded(path: Json) -> list[str] | None:
    keys = _raw_keys(path)
    if not isinstance(path, str) or len(keys) > _MAX_DEPTH:
        return None
    return [key.replace("~1", "/").replace("~0", "~") for key in keys]


def _is_index(keys: list[str]) -> bool:
    return bool(keys) and _INDEX.fullmatch(keys[0]) is not None
