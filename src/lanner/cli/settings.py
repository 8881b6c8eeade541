"""What detection does and how alerts look: Falco's settings as one frozen value, whatever they were given by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lanner.cli.messages import Failure, did_you_mean
from lanner.rules.priority import Priority

if TYPE_CHECKING:
    from lanner.compiler.load import AppendOutput

Matching: TypeAlias = Literal["all", "first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings by the names of `falco.yaml`, and the selection of rules.

    Attributes:
        rules_files: Files and folders with rules; none: the default rule set.
        rule_matching: Whether all rules that match an event alert, or only the first.
        priority: Rules below it are not loaded.
        tags: Only rules with one of these tags, when there are any.
        not_tags: No rules with one of these tags.
        disabled: No rules whose name fits one of these globs.
        append_output: What is added to outputs.
        json_output: Alerts as JSON.
        json_include_output_property: JSON alerts have `output`.
        json_include_tags_property: JSON alerts have `tags`.
        json_include_message_property: JSON alerts have `message`.
        json_include_output_fields_property: JSON alerts have `output_fields`.
        time_format_iso_8601: Date and time in UTC in front of alerts.
        buffered_outputs: Accepted; alerts are handed on with each block of events that was evaluated.
    """

    rules_files: tuple[str, ...] = ()
    rule_matching: Matching = "all"
    priority: Priority = Priority.DEBUG
    tags: frozenset[str] = frozenset()
    not_tags: frozenset[str] = frozenset()
    disabled: tuple[str, ...] = ()
    append_output: tuple[AppendOutput, ...] = ()
    json_output: bool = False
    json_include_output_property: bool = True
    json_include_tags_property: bool = True
    json_include_message_property: bool = False
    json_include_output_fields_property: bool = True
    time_format_iso_8601: bool = False
    buffered_outputs: bool = False


def apply_options(settings: Settings, options: Iterable[str]) -> Settings:
    """The settings with Falco's `-o key=value` put over them, in order.

    Raises:
        Failure: A key is unknown, or a value does not fit it.
    """
    for option in options:
        key, equals, text = option.partition("=")
        if not equals:
            raise Failure(f"option `{option}` has no value", "write `-o KEY=VALUE`")
        settings = _apply(settings, key.strip(), text)
    return settings


def _apply(settings: Settings, key: str, text: str) -> Settings:
    if key == "append_output[]":
        added = _append_output(_value(key, text))
        return replace(settings, append_output=(*settings.append_output, added))
    reader = _READERS.get(key)
    if reader is None:
        raise Failure(
            f"unknown option `{key}`", did_you_mean(key, OPTION_KEYS) or f"known are {', '.join(OPTION_KEYS)}"
        )
    value = reader(_value(key, text))
    if value is None:
        raise Failure(f"`{text}` does not fit option `{key}`", _EXPECTED[reader])
    changes: dict[str, Any] = {key: value}
    return replace(settings, **changes)


def _value(key: str, text: str) -> Any:
    import yaml  # noqa: PLC0415 - kept out of the start of the program

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise Failure(f"the value of option `{key}` is not valid YAML") from error


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _matching(value: object) -> Matching | None:
    return value if value in ("all", "first") else None


def _priority(value: object) -> Priority | None:
    return Priority.parse(value) if isinstance(value, str) else None


_READERS: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {
        "json_output": _boolean,
        "json_include_output_property": _boolean,
        "json_include_tags_property": _boolean,
        "json_include_message_property": _boolean,
        "json_include_output_fields_property": _boolean,
        "time_format_iso_8601": _boolean,
        "buffered_outputs": _boolean,
        "rule_matching": _matching,
        "priority": _priority,
    }
)
_EXPECTED: Mapping[Callable[[object], object], str] = MappingProxyType(
    {
        _boolean: "write `true` or `false`",
        _matching: "write `all` or `first`",
        _priority: f"write one of {', '.join(p.value.lower() for p in Priority)}",
    }
)
OPTION_KEYS = [*_READERS, "append_output[]"]

_APPEND_HELP = (
    'write `append_output[]={"match": {"source": …, "rule": …, "tags": […]}, "extra_output": …, "extra_fields": […]}`'
)


def _append_output(value: object) -> AppendOutput:
    """One entry of Falco's `append_output`. Source: Falco 0.44, configuration.h."""
    from lanner.compiler.load import AppendOutput  # noqa: PLC0415 - kept out of the start of the program

    entry = _mapping(value, {"match", "extra_output", "extra_fields", "suggested_output"})
    match = _mapping(entry.get("match") or {}, {"source", "rule", "tags"})
    fields = entry.get("extra_fields") or []
    tags = match.get("tags") or []
    texts = (match.get("source") or "", match.get("rule") or "", entry.get("extra_output") or "")
    if not (
        isinstance(fields, list) and isinstance(tags, list) and all(isinstance(text, str) for text in (*texts, *tags))
    ):
        raise Failure("the value of option `append_output[]` does not fit", _APPEND_HELP)
    return AppendOutput(
        source=texts[0],
        rule=texts[1],
        tags=frozenset(tags),
        extra_output=texts[2],
        extra_fields=tuple(_extra_field(field) for field in fields),
    )


def _extra_field(value: object) -> tuple[str, str, bool]:
    """`ka.auditid` is a field under its own name, `{"key": "text with %fields"}` a text under a key."""
    if isinstance(value, str):
        return value, f"%{value}", True
    if isinstance(value, dict) and len(value) == 1:
        [(key, text)] = value.items()
        if isinstance(key, str) and isinstance(text, str):
            return key, text, False
    raise Failure(
        "an entry of `extra_fields` does not fit", 'write the name of a field, or `{"key": "text with %fields"}`'
    )


def _mapping(value: object, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not known.issuperset(value):
        raise Failure("the value of option `append_output[]` does not fit", _APPEND_HELP)
    return value
