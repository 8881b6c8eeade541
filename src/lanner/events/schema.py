"""What of an event is decoded: a typed decoder made to measure for the fields that the loaded rules can ask for.

Reading JSON is most of what an event costs, and most of an event is never asked for. From the paths that rules use, a
schema builds `msgspec` structs with just these members: texts are decoded as texts, the bodies stay raw bytes until a
rule asks. The shape of an event is `audit.k8s.io/v1` (kubernetes,
staging/src/k8s.io/apiserver/pkg/apis/audit/v1/types.go). An event of another shape fails the typed decoder and takes
the slow way through `from_object`, which gives the same struct.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, partial
from typing import Any, Literal, TypeAlias

import msgspec

from lanner.events.values import Json, as_text, encode_json, list_texts

Event: TypeAlias = Any
"""An instance of `EventSchema.event_type`: a struct whose attributes depend on the rules."""

Path: TypeAlias = tuple[str, ...]

Kind: TypeAlias = tuple[str | None, str | None, str | None, str | None, str | None]
"""Stage, verb, resource, subresource and user name of an event: nearly all that most rules ask for."""


class Leaf(Enum):
    """How a member is kept."""

    TEXT = auto()
    NUMBER = auto()
    TEXTS = auto()
    RAW = auto()


_TYPES: Mapping[Leaf, Any] = {
    Leaf.TEXT: str | None,
    Leaf.NUMBER: int | None,
    Leaf.TEXTS: list[str] | None,
    Leaf.RAW: msgspec.Raw,
}
_DEFAULTS: Mapping[Leaf, Any] = {**dict.fromkeys(_TYPES), Leaf.RAW: msgspec.Raw()}

_TEXT = Leaf.TEXT
_USER = {"username": _TEXT, "uid": _TEXT, "groups": Leaf.TEXTS}
_SHAPE: Mapping[str, Leaf | Mapping[str, Leaf]] = {
    **dict.fromkeys(
        ("kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "userAgent"),
        _TEXT,
    ),
    **dict.fromkeys(("requestReceivedTimestamp", "stageTimestamp", "timestamp"), _TEXT),
    "sourceIPs": Leaf.TEXTS,
    "user": _USER,
    "impersonatedUser": _USER,
    "objectRef": dict.fromkeys(
        ("resource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion", "subresource"), _TEXT
    ),
    "responseStatus": {"status": _TEXT, "message": _TEXT, "reason": _TEXT, "code": Leaf.NUMBER},
    "annotations": {"*": _TEXT},
}
KIND_PATHS: tuple[Path, ...] = (
    ("stage",),
    ("verb",),
    ("objectRef", "resource"),
    ("objectRef", "subresource"),
    ("user", "username"),
)
"""What the kind of an event is made of, in order."""

_ALWAYS: tuple[Path, ...] = (*KIND_PATHS, ("auditID",), ("stageTimestamp",))

_DEMANDED: Mapping[str, tuple[Any, ...]] = {
    "auditID": (str,),
    "stage": (Literal["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] | None, None),
}
"""Types, with defaults: every audit event has an `auditID`, and nothing else does; the texts of the stages need not be
made anew. What differs takes the slow way."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the value at a path is reached: over these attributes of the event, then `rest` in what is decoded there.

    With no attributes the path begins at the event as a whole, which is decoded for it.
    """

    attributes: Path
    leaf: Leaf
    rest: Path = ()


class EventSchema:
    """The struct types for a set of paths."""

    def __init__(self, paths: Iterable[Path]) -> None:
        tree: dict[str, dict[str, Leaf] | Leaf] = {}
        for path in (*_ALWAYS, *paths):
            _grow(tree, path)
        self._names: dict[str, str] = {}
        self._nested = {
            key: self._struct(key, {name: (_TYPES[leaf], _DEFAULTS[leaf]) for name, leaf in sub.items()})
            for key, sub in tree.items()
            if isinstance(sub, dict)
        }
        members = {key: _DEMANDED.get(key) or self._member(key, sub) for key, sub in tree.items()}
        self.event_type = self._struct("Event", members)
        self._makers = [(key, self._name(key), self._maker(key, sub)) for key, sub in tree.items()]

    def access(self, path: Path, *, is_list: bool = False) -> Access:
        """Where to find the value of a path that the schema was made for.

        Args:
            path: Keys from the event down.
            is_list: Whether a list of texts is wanted there. As text, a list is JSON, which only the whole event tells.
        """
        if not path:
            return Access((), Leaf.RAW, path)
        shape = _shape(path)
        match shape:
            case Leaf.TEXTS if not is_list:
                return Access((), Leaf.RAW, path)
            case Leaf.RAW:
                return Access((self._name(path[0]),), Leaf.RAW, path[1:])
            case Leaf():
                return Access(tuple(self._name(key) for key in path), shape)
            case _:
                return Access((), Leaf.RAW, path)

    def from_object(self, value: Mapping[str, Json]) -> Event:
        """The struct of an event that was decoded without a schema, whatever its members hold.

        A member of another type than Kubernetes gives it counts as its text, as it does for Falco.
        """
        return self.event_type(**{attribute: make(value.get(key)) for key, attribute, make in self._makers})

    def _maker(self, key: str, sub: dict[str, Leaf] | Leaf) -> Callable[[Json], Any]:
        """The function from a member of an event, decoded, to that of the struct."""
        if isinstance(sub, Leaf):
            return partial(_convert, sub)
        nested, leaves = self._nested[key], [(name, self._name(name), leaf) for name, leaf in sub.items()]

        def make(value: Json) -> msgspec.Struct:
            found = value if isinstance(value, dict) else {}
            return nested(**{attribute: _convert(leaf, found.get(name)) for name, attribute, leaf in leaves})

        return make

    def _member(self, key: str, sub: dict[str, Leaf] | Leaf) -> tuple[Any, ...]:
        if isinstance(sub, dict):
            return self._nested[key], self._nested[key]()
        return _TYPES[sub], _DEFAULTS[sub]

    def _struct(self, name: str, members: Mapping[str, tuple[Any, ...]]) -> type[msgspec.Struct]:
        fields = [(self._name(key), *member) for key, member in members.items()]
        rename = {self._name(key): key for key in members}
        return msgspec.defstruct(name, fields, rename=rename, gc=False, kw_only=True, frozen=True)

    def _name(self, key: str) -> str:
        """The attribute for a member: its own name where that is one, else a made-up one."""
        if key.isidentifier() and key.isascii() and not key.startswith("_") and not keyword.iskeyword(key):
            return key
        return self._names.setdefault(key, f"_{len(self._names)}")


def kind_of(event: Event) -> Kind:
    """The kind of an event."""
    ref = event.objectRef
    return event.stage, event.verb, ref.resource, ref.subresource, event.user.username


@lru_cache(maxsize=256)
def member_finder(name: str) -> Callable[[bytes], msgspec.Raw] | None:
    """The function from a JSON object's text to that of one of its members; None where msgspec cannot look for it.

    The text is empty where there is no such member. The function raises what a decoder raises.
    """
    if not is_member_name(name):
        return None
    holder = msgspec.defstruct("Holder", [("member", msgspec.Raw, msgspec.Raw())], rename={"member": name}, gc=False)
    decode = msgspec.json.Decoder(holder).decode
    return lambda text: decode(text).member  # type: ignore[attr-defined]  # the struct is made here


def is_member_name(key: str) -> bool:
    """Whether msgspec takes the key as the name of a struct's member."""
    return key.isprintable() and '"' not in key and "\\" not in key


def _shape(path: Path) -> Leaf | None:
    """How the value at a path is kept; None for one that needs the event as a whole."""
    if not all(map(is_member_name, path[:2])):
        return None
    first = _SHAPE.get(path[0], Leaf.RAW)
    if isinstance(first, Leaf):
        return first if first is Leaf.RAW or len(path) == 1 else None
    if len(path) != 2:
        return None
    return first.get(path[1]) or first.get("*")


def _grow(tree: dict[str, dict[str, Leaf] | Leaf], path: Path) -> None:
    shape = _shape(path) if path else None
    if shape is None:
        return
    if isinstance(_SHAPE.get(path[0], Leaf.RAW), Leaf):
        tree[path[0]] = shape
        return
    branch = tree.setdefault(path[0], {})
    assert isinstance(branch, dict)  # noqa: S101 - INVARIANT: `_SHAPE` says which members are branches
    branch[path[1]] = shape


def _convert(leaf: Leaf, value: Json) -> Any:
    match leaf:
        case Leaf.TEXT:
            return as_text(value)
        case Leaf.NUMBER:
            return value if type(value) is int else as_text(value)
        case Leaf.TEXTS:
            return list_texts(value)
        case Leaf.RAW:
            return msgspec.Raw() if value is None else msgspec.Raw(encode_json(value))
