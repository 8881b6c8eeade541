"""What one field is: a row of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Literal, TypeAlias

FieldValue: TypeAlias = str | int | list[str] | None
"""What extraction gives: text, texts when the field is a list (never none of them), a number, or None when missing."""

Argument: TypeAlias = int | str | None
"""A field's argument: the number for `ArgKind.INDEX`, the text for `ArgKind.KEY`, None when it is left out."""

Source: TypeAlias = Literal["k8s_audit", "lanner", "json", "evt"]
"""Who gives the field: the k8saudit plugin, Lanner itself, the json plugin, or the rules engine."""


class FieldType(StrEnum):
    """What a field's value, or each element of a list, is."""

    STRING = "string"
    NUMBER = "number"
    """An unsigned integer of 64 bits."""
    ADDRESS = "address"
    """An IP address, which is compared with addresses and networks (`10.0.0.0/8`)."""


class ArgKind(Enum):
    """What may stand in brackets after a field's name."""

    NONE = auto()
    INDEX = auto()
    KEY = auto()


class Level(StrEnum):
    """The audit levels of Kubernetes that record anything, from least to most."""

    METADATA = "Metadata"
    REQUEST = "Request"
    REQUEST_RESPONSE = "RequestResponse"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Read the value at this path of the event: as text, or as a list of texts for a list field."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PointerArgument:
    """Read the value at the RFC 6901 pointer that is the field's argument; see `parse_pointer`."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Compute the value from members of the event.

    Attributes:
        roots: The members of the event that the function reads, in the order of its parameters; `user/username` is a
            text within a member.
        function: Gets one decoded value per root (None where the event has no such member) and, when the field
            takes an argument, that argument last (None when left out). It never raises for odd data.
        words: Of a function of one body: wherever it gives a value, one of these stands in the body's JSON, in a key
            or text. Empty where there are none, or only such as every body has.
    """

    roots: tuple[str, ...]
    function: Callable[..., FieldValue]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meta:
    """A value that the engine knows.

    Attributes:
        name: `time`, `iso8601`, `datetime`, `rawtime` (ns since the epoch), `num`, `source`, `plugininfo`,
            `pluginname`, `asynctype`, `hostname`, or `obj`: the whole event as JSON text, indented by two blanks.
            The engine gives it in the field's type: `evt.rawtime` is a number, `jevt.rawtime` its decimal text.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Static:
    """The value of the configuration, which the compiler puts in as the field's argument."""


Extract: TypeAlias = Pointer | PointerArgument | Derived | Meta | Static


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field.

    Attributes:
        name: As rules spell it.
        desc: One or two sentences for users.
        extract: Where the value comes from.
        source: Who gives the field.
        type: Of the value, or of each element of a list.
        is_list: Whether the value is a list.
        arg: What may stand in brackets after the name.
        arg_required: Whether it must.
        example: The value on the event of the documentation; None for a field whose value depends on the run.
        example_arg: The argument used for the example.
        recorded_from: The level from which the API server records what the field reads, where its place does not tell.
        deprecated: The field to use instead, or None.
        since: The first version of Lanner with the field.
    """

    name: str
    desc: str
    extract: Extract
    source: Source
    type: FieldType = FieldType.STRING
    is_list: bool = False
    arg: ArgKind = ArgKind.NONE
    arg_required: bool = False
    example: str | int | tuple[str, ...] | None = None
    example_arg: Argument = None
    recorded_from: Level = Level.METADATA
    deprecated: str | None = None
    since: str = "0.1"

    @property
    def level(self) -> Level:
        """The least audit level that fills the field, whatever its argument; see `least_level`."""
        return least_level(self)


def least_level(spec: FieldSpec, arg: Argument = None) -> Level:
    """The least audit level at which the API server records what the field reads.

    Args:
        spec: The field.
        arg: Its argument; only a JSON pointer makes a difference.
    """
    roots = set(event_members(spec.extract, arg))
    if "responseObject" in roots:
        return Level.REQUEST_RESPONSE
    return Level.REQUEST if "requestObject" in roots else spec.recorded_from


def event_members(extract: Extract, arg: Argument = None) -> tuple[str, ...]:
    """The members of the event that are read; empty for a value of the engine and for the whole event."""
    match extract:
        case Derived(roots):
            return tuple(root.partition("/")[0] for root in roots)
        case Pointer(keys):
            return keys[:1]
        case PointerArgument() if isinstance(arg, str):
            return parse_pointer(arg)[:1]
    return ()


def parse_pointer(argument: str) -> tuple[str, ...]:
    """Split a JSON pointer into keys: `/objectRef/name` gives `("objectRef", "name")`.

    A missing first slash is accepted; an empty pointer is the whole event. `~1` stands for `/`, `~0` for `~`.

    Source: RFC 6901; Falco plugins, json.go.
    """
    if not argument:
        return ()
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in argument.removeprefix("/").split("/"))
