"""From a field and its argument to the function that reads it from events."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from lanner.events.values import Json, as_text, list_texts, walk
from lanner.fields.spec import (
    ArgKind,
    Argument,
    Derived,
    FieldSpec,
    FieldValue,
    Meta,
    Pointer,
    PointerArgument,
    Static,
    parse_pointer,
)

Extractor: TypeAlias = Callable[[Mapping[str, Json]], FieldValue]


def extractor(spec: FieldSpec, arg: Argument = None) -> Extractor:
    """Make the function that reads a field from a decoded event.

    Args:
        spec: The field.
        arg: Its argument, of the kind that the field takes.

    Returns:
        A function of the event's members by name. It never raises for odd data.

    Raises:
        ValueError: the field's value comes from the engine (`Meta`), not from the event.
    """
    match spec.extract:
        case Pointer(keys):
            return _pointer(keys, spec.is_list)
        case PointerArgument():
            return _pointer(parse_pointer(str(arg)), is_list=False)
        case Derived(roots, function):
            arguments = () if spec.arg is ArgKind.NONE else (arg,)
            reads = [_root(root) for root in roots]
            return lambda event: function(*(read(event) for read in reads), *arguments)
        case Meta() | Static():
            raise ValueError(f"`{spec.name}` is no part of the event")


def _pointer(keys: tuple[str, ...], is_list: bool) -> Extractor:
    convert: Callable[[Json], FieldValue] = list_texts if is_list else as_text
    if not keys:
        return lambda event: convert(dict(event))
    member, *rest = keys
    return lambda event: convert(walk(event.get(member), rest))


def _root(root: str) -> Callable[[Mapping[str, Json]], Json]:
    """What reads a member, or a text within one."""
    member, *rest = root.split("/")
    if not rest:
        return lambda event: event.get(member)
    return lambda event: as_text(walk(event.get(member), rest))
