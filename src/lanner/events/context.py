"""What generated code asks of an event beyond its decoded members: bodies, the whole text, time, number."""

from __future__ import annotations

import os
import re
import socket
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from stringzilla import find

from lanner.events.decode import DECODE_ERRORS, Batch
from lanner.events.schema import Event, member_finder
from lanner.events.values import Json, as_text, decode_json, indented

SOURCE = "k8s_audit"
PLUGIN = "k8saudit"
Key = TypeVar("Key")
Value = TypeVar("Value")
_SECOND = 1_000_000_000
_FRACTION = re.compile(r"[.,]([0-9]{1,9})")
_SHORTEST = len("2006-01-02T15:04:05.0Z")
_MICRO_TIME = len("2006-01-02T15:04:05.000000Z")
_MIN_SEARCHED_BYTES = 256
"""A smaller body is decoded in less time than a search for a few words takes."""
_MAX_SECONDS = 4096
"""Seconds whose text is remembered: events come in bursts of the same few seconds."""
_NOTHING = Batch([])


def host_name() -> str:
    """The name of this host as Falco gives it: `FALCO_HOSTNAME`, else the system's."""
    return os.environ.get("FALCO_HOSTNAME") or socket.gethostname()


class Context:
    """The event at hand. One context serves all events of an engine, one after the other."""

    __slots__ = (
        *("_arrival", "_batch", "_clock", "_decoded", "_event", "_hostname", "_index", "_texts", "_time"),
        "first_number",
    )

    def __init__(self, hostname: str, clock: Callable[[], int]) -> None:
        self._hostname = hostname
        self._clock = clock
        self.first_number = 1
        self._batch = _NOTHING
        self._event: Event = None
        self._index = 0
        self._decoded: dict[str, Json] = {}
        self._texts: dict[str, memoryview | bool] = {}
        self._time: int | None = None
        self._arrival = 0

    def begin(self, batch: Batch) -> None:
        """Turn to another batch; its events arrive now."""
        self._batch = batch
        self._event = None
        self._arrival = self._clock()

    def end(self) -> None:
        """Let go of the batch: the next one takes its place in memory, and in the processor's caches."""
        self._batch = _NOTHING
        self._event = None
        self._decoded, self._texts = {}, {}

    def at(self, event: Event, index: int) -> None:
        """Turn to an event of the batch."""
        self._event = event
        self._index = index
        self._time = None
        if self._decoded or self._texts:
            self._decoded, self._texts = {}, {}

    def member(self, name: str) -> Json:
        """A member of the event that was kept raw, decoded; None where it is missing, or is no JSON by itself."""
        try:
            return self._decoded[name]
        except KeyError:
            raw = getattr(self._event, name)
            value = self._decoded[name] = _decode(raw) if raw else None
            self._texts[name] = True  # now it is cheaper to look at the value itself
            return value

    def may_hold(self, name: str, parts: tuple[bytes, ...]) -> bool:
        r"""Whether a text or key in a member that was kept raw can hold one of some parts; if that is not sure, it can.

        To look for words in a body is far cheaper than to decode it, and mostly the words are not there.

        Args:
            name: The member.
            parts: ASCII without quotes, backslashes, brackets, colons, commas and control characters. A text or key has
                such a part only where the JSON has it as it is, unless characters are written as `\u0061` or `\/`.
        """
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = _searchable(getattr(self._event, name))
        if type(text) is bool:
            return text
        for part in parts:  # noqa: SIM110 - a generator costs more than the search
            if find(text, part) >= 0:
                return True
        return False

    def outer(self, name: str) -> Json:
        """A member of the event that is not kept, decoded from the event's text; None where it is missing."""
        key = f"/{name}"  # no attribute has such a name
        try:
            return self._decoded[key]
        except KeyError:
            value = self._decoded[key] = self._outer(name)
            return value

    def _outer(self, name: str) -> Json:
        find = member_finder(name)
        if find and "" not in self._decoded:
            try:
                raw = find(self._batch.raw(self._index))
            except DECODE_ERRORS:
                pass  # what is left of it can be had from the whole event only
            else:
                return _decode(raw) if raw else None
        return self.whole().get(name)

    def whole(self) -> dict[str, Json]:
        """The event with all its members, decoded."""
        value = self._decoded.get("")
        if value is None:
            value = self._decoded[""] = _decode(self._batch.raw(self._index))
        return value if isinstance(value, dict) else {}

    def time_ns(self) -> int:
        """The event's time in nanoseconds since the epoch; that of its arrival when it carries none."""
        if self._time is None:
            event = self._event
            self._time = parse_time(event.stageTimestamp) if event.stageTimestamp else None
            if self._time is None:
                self._time = self._other_time()
        return self._time

    def _other_time(self) -> int:
        for name in ("requestReceivedTimestamp", "timestamp"):
            text = as_text(self.outer(name))
            if text and (found := parse_time(text)) is not None:
                return found
        return self._arrival

    def is_arrival(self, time_ns: int) -> bool:
        """Whether a time is that at which the batch arrived, and not the event's own."""
        return time_ns == self._arrival

    def num(self) -> int:
        """The event's running number, from 1."""
        return self.first_number + self._index

    def rawtime(self) -> int:
        """The event's time in nanoseconds since the epoch."""
        return self.time_ns()

    def time(self) -> str:
        """The event's local time of day."""
        seconds, ns = divmod(self.time_ns(), _SECOND)
        return f"{_local(seconds)[11:]}.{ns:09d}"

    def datetime(self) -> str:
        """The event's local date and time."""
        seconds, ns = divmod(self.time_ns(), _SECOND)
        return f"{_local(seconds)}.{ns:09d}"

    def iso8601(self) -> str:
        """The event's time in UTC."""
        return utc_text(self.time_ns()) + "+0000"

    def obj(self) -> str:
        """The whole event as indented JSON, spelt as it was sent."""
        return indented(self._text())

    def plugininfo(self) -> str:
        """The whole event as JSON."""
        return self._text()

    def _text(self) -> str:
        return self._batch.raw(self._index).decode("utf-8", "replace")

    def source(self) -> str:
        """The source that the event belongs to."""
        return SOURCE

    def pluginname(self) -> str:
        """The name of the plugin that read the event."""
        return PLUGIN

    def asynctype(self) -> None:
        """Audit events are never asynchronous."""

    def hostname(self) -> str:
        """The name of the host that detects."""
        return self._hostname


def _searchable(raw: bytes | msgspec.Raw) -> memoryview | bool:
    """A member's JSON, where words can be looked for in it; else whether it has to be decoded for that."""
    if len(raw) < _MIN_SEARCHED_BYTES:
        return bool(raw)
    text = memoryview(raw)
    return True if find(text, b"\\u") >= 0 or find(text, b"\\/") >= 0 else text


def _decode(raw: bytes | msgspec.Raw) -> Json:
    try:
        return decode_json(raw)
    except msgspec.DecodeError:
        return None


_seconds: dict[str, int] = {}
_local_texts: dict[int, str] = {}


def parse_time(text: str) -> int | None:
    """Nanoseconds since the epoch of an RFC 3339 time, or None where it is none, or not after the epoch.

    `metav1.MicroTime` prints six digits and `Z`; other producers give up to nine digits and an offset.
    """
    second = _seconds.get(text[:20])
    digits = text[20:26]
    if second is None or len(text) != _MICRO_TIME or text[26] != "Z" or not (digits.isdecimal() and digits.isascii()):
        return _parse_other_time(text)
    return second + int(digits) * 1000


def _parse_other_time(text: str) -> int | None:
    digits = text[20:-1]
    if len(text) < _SHORTEST or text[-1] != "Z" or text[19] != "." or not (digits.isdecimal() and digits.isascii()):
        return _parse_any_time(text)
    start = text[:20]
    second = _seconds.get(start)
    if second is None:
        try:
            second = timegm(datetime.strptime(start, "%Y-%m-%dT%H:%M:%S.").timetuple()) * _SECOND
        except ValueError:
            return None
        if second <= 0:
            return None
        _remember(_seconds, start, second)
    return second + int(digits[:9].ljust(9, "0"))


def _parse_any_time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        seconds = timegm(moment.utctimetuple())
    except (ValueError, OverflowError):  # an offset can lead out of the calendar
        return None
    if moment.tzinfo is None or seconds <= 0:
        return None
    digits = _FRACTION.search(text)
    return seconds * _SECOND + (int(digits[1].ljust(9, "0")) if digits else 0)


def utc_text(time_ns: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS.nnnnnnnnn` in UTC."""
    seconds, ns = divmod(time_ns, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}"


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Within the context, local times are those of a time zone by its name, for the whole process."""
    before = os.environ.get("TZ")
    _enter_time_zone(name)
    try:
        yield
    finally:
        _enter_time_zone(before)


def _enter_time_zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()
    _local_texts.clear()


def _local(seconds: int) -> str:
    """`YYYY-MM-DD HH:MM:SS` in the time zone of the process."""
    text = _local_texts.get(seconds)
    if text is None:
        text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
        _remember(_local_texts, seconds, text)
    return text


def _remember(cache: dict[Key, Value], key: Key, value: Value) -> None:
    if len(cache) >= _MAX_SECONDS:
        cache.clear()
    cache[key] = value
