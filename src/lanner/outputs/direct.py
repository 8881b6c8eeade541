"""Findings to lines, without an alert in between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from lanner.engine.alert import AlertKind, FieldValue, Finding
from lanner.events.schema import is_member_name
from lanner.outputs.format import ENCODE, ENCODE_LINES, AlertFormat, Line, local_second, utc_second
from lanner.outputs.sink import Encoding

_MAX_KINDS = 4096
"""Kinds of alerts that are remembered; rules that are loaded anew bring new ones."""

_Values: TypeAlias = tuple[FieldValue, ...]
_Fields: TypeAlias = Callable[[int, _Values], "msgspec.Struct | dict[str, FieldValue]"]
"""From an alert's time and the values of its output fields to what is encoded as these fields."""


class FindingEncoder:
    """Gives what an encoding's `encode_all` gives for the alerts of findings, as Falco's JSON in less time.

    The output fields of a rule are a struct made for it, whose keys are encoded already and in their order.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._format: AlertFormat | None = None
        if isinstance(encoding, AlertFormat) and encoding.json and not encoding.terminal:
            self._format = encoding
        self._known: dict[int, tuple[AlertKind, str, msgspec.Raw, _Fields]] = {}

    def encode(self, findings: Sequence[Finding]) -> bytes:
        """The findings as lines, each with its line break."""
        if self._format:
            try:
                return ENCODE_LINES(self._lines(findings, self._format))
            except UnicodeEncodeError:
                pass  # one of them holds what UTF-8 cannot say
        return self._encoding.encode_all([finding.alert() for finding in findings])

    def _lines(self, findings: Sequence[Finding], look: AlertFormat) -> list[Line]:
        unset, known = msgspec.UNSET, self._known
        is_local, has_message, has_output = not look.iso8601, look.include_message, look.include_output
        has_fields, has_tags = look.include_fields, look.include_tags
        lines = []
        second: str | None = None
        utc_start = local_start = ""
        for finding in findings:
            kind, time_ns, message = finding.kind, finding.time_ns, finding.message
            _, word, tags, fields = known.get(id(kind)) or self._learn(kind, look.time_key)
            digits = str(time_ns).zfill(10)  # a text is cut apart in less time than a number
            if digits[:-9] != second:
                second = digits[:-9]
                utc_start, local_start = utc_second(int(second)) + ".", local_second(int(second)) + "."
            fraction = digits[-9:]
            utc = utc_start + fraction
            clock = local_start + fraction if is_local else utc + "+0000"
            lines.append(
                Line(
                    kind.hostname,
                    message if has_message else unset,
                    f"{clock}: {word} {message}" if has_output else unset,
                    fields(time_ns, finding.values) if has_fields else unset,
                    word,
                    kind.rule,
                    kind.source,
                    tags if has_tags else unset,
                    utc + "Z",
                )
            )
        return lines

    def _learn(self, kind: AlertKind, time_key: str) -> tuple[AlertKind, str, msgspec.Raw, _Fields]:
        """Remember how a kind is encoded, and the kind itself, so that its `id` stays its own."""
        if len(self._known) >= _MAX_KINDS:
            self._known.clear()
        tags = msgspec.Raw(ENCODE(kind.tags))
        learnt = self._known[id(kind)] = kind, kind.priority.value, tags, _fields(kind.keys, time_key)
        return learnt


def _fields(keys: tuple[str, ...], time_key: str) -> _Fields:
    """The fields with the time among them, by name; a field of that name stands in its place."""
    has_time = time_key in keys
    at = bisect_left(keys, time_key)
    names = keys if has_time else (*keys[:at], time_key, *keys[at:])
    make = _struct(names) if all(map(is_member_name, names)) else _mapping(names)
    if has_time:
        return lambda time_ns, values: make(*values)
    if at == 0:
        return lambda time_ns, values: make(time_ns, *values)
    return lambda time_ns, values: make(*values[:at], time_ns, *values[at:])


def _struct(names: tuple[str, ...]) -> Callable[..., msgspec.Struct]:
    attributes = {f"f{number}": name for number, name in enumerate(names)}
    return msgspec.defstruct("OutputFields", list(attributes), rename=attributes, gc=False)


def _mapping(names: tuple[str, ...]) -> Callable[..., dict[str, FieldValue]]:
    return lambda *values: dict(zip(names, values, strict=True))
