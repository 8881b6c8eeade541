"""The catalogue as text for people and as JSON for programs: what `lanner fields` and the documentation show."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import msgspec

from lanner.fields.catalogue import FIELDS
from lanner.fields.spec import ArgKind, FieldSpec, Source

Format: TypeAlias = Literal["text", "markdown", "json"]

SOURCES: tuple[Source, ...] = get_args(Source)

_TITLES: Mapping[Source, str] = MappingProxyType(
    {
        "k8s_audit": "Kubernetes audit events",
        "lanner": "Kubernetes audit events, beyond Falco's fields",
        "json": "the event's JSON",
        "evt": "the event as the engine sees it",
    }
)
_WIDTH = 100


def render_fields(fmt: Format, source: Source | None = None) -> str:
    """Render the fields, of one source or of all.

    Args:
        fmt: `text`, `markdown` (a table per source), or `json` (one list of objects).
        source: Who gives the fields; None for all.

    Returns:
        Lines, the last one ended too.
    """
    specs = [spec for spec in FIELDS.values() if source in (None, spec.source)]
    match fmt:
        case "json":
            return msgspec.json.format(msgspec.json.encode([_row(spec) for spec in specs])).decode() + "\n"
        case "markdown":
            return _sections(specs, _markdown_section)
        case "text":
            return _sections(specs, _text_section)


def _sections(specs: Iterable[FieldSpec], render: Callable[[str, list[FieldSpec]], str]) -> str:
    return "\n".join(
        render(f"{source}: {_TITLES[source]}", list(rows))
        for source, rows in groupby(specs, key=lambda spec: spec.source)
    )


def _text_section(title: str, specs: list[FieldSpec]) -> str:
    lines = [title, ""]
    for spec in specs:
        lines.append(f"{spec.name}{_argument(spec)}  ({_type(spec)}, {spec.level})")
        lines += textwrap.wrap(_description(spec), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def _markdown_section(title: str, specs: list[FieldSpec]) -> str:
    lines = [
        f"## {title}",
        "",
        "| field | type | least audit level | description | example |",
        "| --- | --- | --- | --- | --- |",
    ]
    for spec in specs:
        cells = (f"`{spec.name}{_argument(spec)}`", _type(spec), spec.level, _description(spec), _example(spec))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _row(spec: FieldSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "source": spec.source,
        "type": spec.type,
        "is_list": spec.is_list,
        "argument": spec.arg.name.lower(),
        "argument_required": spec.arg_required,
        "level": spec.level,
        "description": spec.desc,
        "example": spec.example,
        "example_argument": spec.example_arg,
        "deprecated_by": spec.deprecated,
        "since": spec.since,
    }


def _argument(spec: FieldSpec) -> str:
    """The brackets after a name: `[key]` when they are needed, `[[index]]` when they may be left out."""
    if spec.arg is ArgKind.NONE:
        return ""
    kind = spec.arg.name.lower()
    return f"[{kind}]" if spec.arg_required else f"[[{kind}]]"


def _type(spec: FieldSpec) -> str:
    return f"list of {spec.type}{'e' * spec.type.endswith('s')}s" if spec.is_list else spec.type


def _description(spec: FieldSpec) -> str:
    return spec.desc if spec.deprecated is None else f"Deprecated: use `{spec.deprecated}`. {spec.desc}"


def _example(spec: FieldSpec) -> str:
    """The example as code; a list's elements one by one, and before it the argument when there is one."""
    if spec.example is None:
        return ""
    values = spec.example if isinstance(spec.example, tuple) else (spec.example,)
    shown = ", ".join(f"`{value}`" if value else '`""`' for value in values)
    return shown if spec.example_arg is None else f"`[{spec.example_arg}]`: {shown}"


def describe(spec: FieldSpec) -> str:
    """One field in Markdown: a line with its name and type, the description, and the example."""
    head = f"`{spec.name}{_argument(spec)}` ({_type(spec)}, from audit level {spec.level})"
    example = _example(spec)
    return "\n\n".join([head, _description(spec), *([f"Example: {example}"] if example else [])])
