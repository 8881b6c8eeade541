"""Short forms of the rows of Kubernetes audit fields."""

from collections.abc import Callable

from lanner.fields.spec import ArgKind, Argument, Derived, Extract, FieldSpec, FieldType, FieldValue, Level, Pointer

BODY = ("requestObject",)
"""The roots of what is computed from the request's object alone."""


def field(
    name: str,
    desc: str,
    extract: Extract,
    example: str | tuple[str, ...] | None,
    *,
    arg: ArgKind = ArgKind.NONE,
    arg_required: bool = False,
    example_arg: Argument = None,
    deprecated: str | None = None,
) -> FieldSpec:
    """A row; it is a list when its example is one."""
    return FieldSpec(
        name=f"ka.{name}",
        desc=desc,
        extract=extract,
        source="k8s_audit",
        is_list=isinstance(example, tuple),
        arg=arg,
        arg_required=arg_required,
        example=example,
        example_arg=example_arg,
        deprecated=deprecated,
    )


def at(name: str, path: tuple[str, ...], desc: str, example: str | tuple[str, ...]) -> FieldSpec:
    """A row that reads one place of the event."""
    return field(name, desc, Pointer(path), example)


def body(
    name: str,
    desc: str,
    function: Callable[..., FieldValue],
    example: str | tuple[str, ...],
    deprecated: str | None = None,
) -> FieldSpec:
    """A row that is computed from the request's object."""
    return field(name, desc, Derived(BODY, function), example, deprecated=deprecated)


def indexed(
    name: str, desc: str, function: Callable[..., FieldValue], example: tuple[str, ...], *words: str
) -> FieldSpec:
    """A list row that is computed from the request's object, and of which an index picks a part.

    `words` are those of `Derived`.
    """
    return field(name, desc, Derived(BODY, function, words), example, arg=ArgKind.INDEX)


def own(
    name: str,
    desc: str,
    extract: Extract,
    example: str | int | tuple[str, ...],
    *,
    type: FieldType = FieldType.STRING,
    arg: ArgKind = ArgKind.NONE,
    example_arg: Argument = None,
    recorded_from: Level = Level.METADATA,
) -> FieldSpec:
    """A row of Lanner's own; it is a list when its example is one, and needs its argument when it takes one."""
    return FieldSpec(
        name=f"kx.{name}",
        desc=desc,
        extract=extract,
        source="lanner",
        type=type,
        is_list=isinstance(example, tuple),
        arg=arg,
        arg_required=arg is not ArgKind.NONE,
        example=example,
        example_arg=example_arg,
        recorded_from=recorded_from,
    )


def own_at(name: str, path: tuple[str, ...], desc: str, example: str | tuple[str, ...]) -> FieldSpec:
    """A row of Lanner's own that reads one place of the event."""
    return own(name, desc, Pointer(path), example)


def own_body(
    name: str, desc: str, function: Callable[..., FieldValue], example: str | tuple[str, ...], *words: str
) -> FieldSpec:
    """A row of Lanner's own that is computed from the request's object; `words` are those of `Derived`."""
    return own(name, desc, Derived(BODY, function, words), example)
