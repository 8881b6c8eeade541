"""A line of the user's own for each alert."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Template
from typing import ClassVar

from lanner.engine.alert import Alert
from lanner.outputs.format import escape, iso_time, local_time, utc_time
from lanner.outputs.sink import OptionError

_MISSING = "<NA>"
_PARTS = ("hostname", "message", "output", "priority", "rule", "source", "tags", "time")


class _Pattern(Template):
    """`%name`, `%{name}`, and `%%` for a percent sign; a name is that of a field or of a part of an alert."""

    delimiter = "%"
    idpattern = r"(?-i:[a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z0-9_]+)*(?:\[[^\[\]\s]*\])?)"
    flags = 0  # type: ignore[assignment] # typeshed wants a RegexFlag, of which 0 is the empty one


class AlertTemplate:
    """Alerts as a text with their values in it.

    `%rule`, `%priority`, `%source`, `%hostname`, `%tags` (as `(a,b)`), `%message`, `%time` (UTC) and `%output` (the
    line of text that Falco prints) are parts of the alert. A name with a dot is a field; it has a value if the rule's
    output names it, else it is `<NA>`.
    """

    max_fields: ClassVar[int] = 64

    def __init__(self, text: str, *, json: bool = False, iso8601: bool = False, option: str = "template") -> None:
        """Check the template.

        Args:
            text: One line, or with `json` a JSON text whose strings hold the names.
            json: Escape values for the inside of a JSON string, instead of only their control characters.
            iso8601: Date and time in UTC instead of the local time of day in `%output`.
            option: The key that has the template, for messages.

        Raises:
            OptionError: The template cannot be used.
        """
        self.json = json
        self._option = option
        self._pattern = _Pattern(text)
        self._iso8601 = iso8601
        self._names = tuple(_checked(self._pattern, option))
        if json:
            self._check_json()

    def encode(self, alert: Alert) -> bytes:
        """The alert as one line of UTF-8, with its line break."""
        if not self.json:
            return escape(self.fill(alert)) + b"\n"
        line = self.fill(alert, _inside_json)
        return escape(line.replace("\r", " ").replace("\n", " ").replace("\t", " ")) + b"\n"

    def fill(self, alert: Alert, encoded: Callable[[str], str] = str) -> str:
        """The template with the alert's values in it, each as `encoded` gives it; what UTF-8 cannot say is `?`."""
        values = {name: encoded(value) for name, value in self._values(alert).items()}
        return self._pattern.substitute(values).encode("utf-8", "replace").decode()

    def encode_all(self, alerts: Sequence[Alert]) -> bytes:
        """The alerts as lines, each with its line break."""
        return b"".join(map(self.encode, alerts))

    def _values(self, alert: Alert) -> Mapping[str, str]:
        fields = alert.output_fields
        return {name: self._part(alert, name) if name in _PARTS else _text(fields.get(name)) for name in self._names}

    def _part(self, alert: Alert, name: str) -> str:
        match name:
            case "tags":
                return f"({','.join(alert.tags)})"
            case "time":
                return utc_time(alert.time_ns)
            case "output":
                clock = iso_time(alert.time_ns) if self._iso8601 else local_time(alert.time_ns)
                return f"{clock}: {alert.priority} {alert.message}"
            case _:
                return str(getattr(alert, name))

    def _check_json(self) -> None:
        filled = self._pattern.substitute(dict.fromkeys(self._names, '\\"'))
        try:
            json.loads(filled)
        except ValueError as error:
            raise OptionError(
                self._option,
                "not JSON once its names are replaced",
                'write `{"text": "%output"}`, or `format: text` beside it',
            ) from error


def _checked(pattern: _Pattern, option: str) -> Iterator[str]:
    if not pattern.is_valid():
        raise OptionError(option, "a `%` that begins no name", "write `%%` for a percent sign")
    names = pattern.get_identifiers()
    if len(names) > AlertTemplate.max_fields:
        raise OptionError(option, f"more than {AlertTemplate.max_fields} names")
    for name in names:
        if "." not in name and name not in _PARTS:
            raise OptionError(option, f"unknown name `%{name}`", f"the names are fields, and {', '.join(_PARTS)}")
        yield name


def _text(value: str | int | list[str] | None) -> str:
    if value is None:
        return _MISSING
    return f"({','.join(value)})" if isinstance(value, list) else str(value)


def _inside_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
