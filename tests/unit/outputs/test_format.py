import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lanner.engine.alert import Alert
from lanner.outputs.format import AlertFormat, escape, for_terminal, iso_time, local_second, local_time, utc_time
from lanner.rules.priority import Priority

ALERT = Alert(
    time_ns=1795256638064343000,
    rule="Pod created",
    priority=Priority.WARNING,
    source="k8s_audit",
    message="a pod (name=web)",
    output_fields={"ka.target.name": "web", "ka.user.groups": ["a", "b"], "ka.verb": None},
    tags=("a", "k8s"),
    hostname="vm",
)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from _zone(monkeypatch, "UTC")


@pytest.fixture
def kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from _zone(monkeypatch, "NPT-5:45")


def _zone(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        local_second.cache_clear()
        yield
    time.tzset()
    local_second.cache_clear()


def recorded(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def as_alert(line: str) -> Alert:
    """The alert that a real Falco printed."""
    found = json.loads(line)
    fields = dict(found["output_fields"])
    time_ns = fields.pop("evt.time")
    message = found.get("message") or found["output"].split(": ", 1)[1].removeprefix(found["priority"] + " ")
    priority = Priority(found["priority"])
    tags = tuple(found.get("tags", ()))
    return Alert(time_ns, found["rule"], priority, found["source"], message, fields, tags, found["hostname"])


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    "name", ["official-a.all", "official-a.first", "official-b.all", "official-b.first", "alerts-a.all", "alerts-b.all"]
)
def test_json_is_byte_for_byte_what_falco_printed(shared: Path, name: str) -> None:
    lines = recorded(shared / "conformance" / f"{name}.jsonl.gz")
    alert_format = AlertFormat(json=True)
    assert lines
    for line in lines:
        assert alert_format.encode(as_alert(line)).decode() == line + "\n"


def test_json_options_leave_out_and_add_what_falco_does(shared: Path) -> None:
    lines = recorded(shared / "conformance" / "official-a.options.jsonl.gz")
    alert_format = AlertFormat(json=True, include_message=True, include_output=False, include_tags=False)
    assert lines
    for line in lines:
        assert alert_format.encode(as_alert(line)).decode() == line + "\n"


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(("name", "iso8601"), [("text", False), ("iso8601", True)])
def test_text_is_byte_for_byte_what_falco_printed(shared: Path, name: str, iso8601: bool) -> None:
    alerts = [as_alert(line) for line in recorded(shared / "conformance" / "official-a.all.jsonl.gz")]
    expected = (shared / "conformance" / f"official-a.{name}.txt").read_bytes().splitlines(keepends=True)
    found = [AlertFormat(iso8601=iso8601).encode(alert) for alert in alerts]
    assert sorted(found) == sorted(expected)


def test_output_fields_can_be_left_out() -> None:
    found = json.loads(AlertFormat(json=True, include_fields=False).encode(ALERT))
    assert list(found) == ["hostname", "output", "priority", "rule", "source", "tags", "time"]


@pytest.mark.parametrize(("iso8601", "key"), [(False, "evt.time"), (True, "evt.time.iso8601")])
def test_the_time_of_the_line_is_among_the_fields_by_name(iso8601: bool, key: str) -> None:
    alert = msgspec.structs.replace(ALERT, output_fields={"a": "1", "evt.num": 3, "ka.verb": "get"})
    found = json.loads(AlertFormat(json=True, iso8601=iso8601).encode(alert))["output_fields"]
    assert found[key] == ALERT.time_ns
    assert list(found) == sorted(found)


def test_an_alert_without_fields_still_has_its_time() -> None:
    alert = msgspec.structs.replace(ALERT, output_fields={})
    assert json.loads(AlertFormat(json=True).encode(alert))["output_fields"] == {"evt.time": ALERT.time_ns}


@pytest.mark.usefixtures("kathmandu")
def test_the_time_in_text_is_local_and_everything_else_is_utc() -> None:
    assert local_time(ALERT.time_ns) == "16:08:58.064343000"
    assert utc_time(ALERT.time_ns) == "2026-11-21T10:23:58.064343000Z"
    assert iso_time(ALERT.time_ns) == "2026-11-21T10:23:58.064343000+0000"
    assert AlertFormat().encode(ALERT).startswith(b"16:08:58.064343000: Warning a pod")


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (2**64 - 1, "2554-07-21T23:34:33.709551615Z"),
    ],
)
def test_times_at_the_ends_of_the_range_are_printed(time_ns: int, text: str) -> None:
    assert utc_time(time_ns) == text


@pytest.mark.parametrize(
    "message",
    ['line\nbreak "quoted" \\ \t\x00\x1b[31m', "\u202e\x85é\U0001f600", "x" * 100_000],
    ids=["controls", "unicode", "long"],
)
def test_an_alert_is_one_line_whatever_its_message(message: str) -> None:
    alert = msgspec.structs.replace(ALERT, message=message, output_fields={"a": message})
    for is_json in (False, True):
        line = AlertFormat(json=is_json).encode(alert)
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")
        assert not re.search(rb"[\x00-\x09\x0b-\x1f]", line)
    assert json.loads(AlertFormat(json=True).encode(alert))["output_fields"]["a"] == message


def test_text_has_controls_escaped_as_json_does_and_quotes_as_they_are() -> None:
    assert escape('a\n"b"\\ \x00\x1b\t\x7f') == b'a\\n"b"\\ \\u0000\\u001b\\t\x7f'


def test_a_terminal_sees_no_character_that_it_could_obey_or_hide() -> None:
    message = "\u202eevil\u2066 \x9b31m \x7f \ufeff \U000e0041 é 文"
    alert = msgspec.structs.replace(ALERT, message=message)
    line = AlertFormat(json=True, terminal=True).encode(alert).decode()
    assert line[:-1].isprintable()
    assert "é 文" in line
    assert json.loads(line)["output"].endswith(message), "the escapes are JSON's own"
    text = AlertFormat(terminal=True).encode(alert).decode()
    assert text[:-1].isprintable()
    assert r"\u202eevil\u2066 \u009b31m \u007f \ufeff \udb40\udc41" in text


def test_a_pipe_gets_the_bytes_of_falco_even_for_odd_characters() -> None:
    alert = msgspec.structs.replace(ALERT, message="\u202e\x7f")
    assert "\u202e\x7f".encode() in AlertFormat().encode(alert)


def test_bytes_that_are_no_text_do_not_reach_a_terminal() -> None:
    assert for_terminal(b"a\xff\x9bb") == "a\ufffd\ufffdb".encode()


def test_color_is_around_the_priority_only() -> None:
    line = AlertFormat(color=True, terminal=True).encode(ALERT)
    assert line.endswith(b": \x1b[33mWarning\x1b[0m a pod (name=web)\n")
    assert b"\x1b" not in AlertFormat(json=True, color=True).encode(ALERT)


def test_halves_of_characters_are_replaced_as_falco_replaces_what_is_no_text() -> None:
    alert = msgspec.structs.replace(
        ALERT, message="a\ud800b", hostname="h\udcff", output_fields={"k\udfff": "v\ud800", "l": ["\ud800"], "n": 1}
    )
    found = json.loads(AlertFormat(json=True).encode(alert))
    assert found["hostname"] == "h\ufffd"
    assert found["output"].endswith("a\ufffdb")
    assert found["output_fields"] == {"evt.time": ALERT.time_ns, "k\ufffd": "v\ufffd", "l": ["\ufffd"], "n": 1}
    assert AlertFormat().encode(alert).decode().endswith("a\ufffdb\n")
