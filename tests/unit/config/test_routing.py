from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from lanner.config.models import Config
from lanner.config.routing import Makings, routes_of
from lanner.outputs.file import FileOutput
from lanner.outputs.format import AlertFormat
from lanner.outputs.http import HttpOutput
from lanner.outputs.lane import Route
from lanner.outputs.program import ProgramOutput
from lanner.outputs.rate import RateLimit
from lanner.outputs.selection import OutputFilter
from lanner.outputs.sink import OptionError
from lanner.outputs.stdout import SharedOutput
from lanner.outputs.syslog import SyslogOutput
from lanner.rules.priority import Priority
from tests.unit.outputs.receivers import alert

OUTPUTS: dict[str, tuple[type, dict[str, Any]]] = {
    "stdout_output": (SharedOutput, {}),
    "file_output": (FileOutput, {"filename": "/nowhere/alerts"}),
    "program_output": (ProgramOutput, {"program": "cat"}),
    "http_output": (HttpOutput, {"url": "http://127.0.0.1:1/"}),
    "syslog_output": (SyslogOutput, {"path": "/nowhere/log"}),
}


class Lines:
    """Standard output that keeps what it is given."""

    def __init__(self) -> None:
        self.text = b""

    def append(self, lines: bytes) -> None:
        self.text += lines


def made(lines: Lines | None = None, usual: AlertFormat | None = None, **keys: Any) -> tuple[Route, ...]:
    """The routes of a configuration with these keys; standard output is off unless they say otherwise."""
    config = msgspec.convert({"stdout_output": {"enabled": False}, **keys}, Config)
    makings = Makings(usual or AlertFormat(), lambda found: found, lines or Lines(), lambda text: None)
    return routes_of(config, makings)


def one(key: str, **options: Any) -> Route:
    keys: dict[str, Any] = {key: {"enabled": True, **OUTPUTS[key][1], **options}}
    (route,) = made(**keys)
    route.output.close()
    return route


def test_by_default_alerts_go_to_standard_output_alone() -> None:
    assert [route.name for route in routes_of(Config(), Makings(AlertFormat(), lambda x: x, Lines(), print))] == [
        "stdout"
    ]


@pytest.mark.parametrize("key", OUTPUTS)
def test_each_output_has_its_own_kind_name_and_defaults(key: str) -> None:
    route = one(key)
    assert isinstance(route.output, OUTPUTS[key][0])
    assert route.name == key.removesuffix("_output")
    assert route.filter == OutputFilter()
    assert route.rate is None
    switched_off: dict[str, Any] = {key: {"enabled": False, **OUTPUTS[key][1]}}
    assert made(**switched_off) == ()


@pytest.mark.parametrize("key", OUTPUTS)
def test_filters_limits_and_room_in_the_queue_are_those_of_the_keys(key: str) -> None:
    options = {
        "priority": "warning",
        "rules": ["Pod *"],
        "tags": ["a", "b"],
        "sources": ["internal"],
        "rate_limit": {"rate": 0.5, "max_burst": 3, "summary_s": 7},
    }
    keys: dict[str, Any] = {key: {"enabled": True, **OUTPUTS[key][1], **options}, "outputs_queue": {"capacity": 77}}
    (route,) = made(**keys)
    route.output.close()
    assert route.filter == OutputFilter(
        min_priority=Priority.WARNING,
        rules=("Pod *",),
        tags=frozenset({"a", "b"}),
        sources=frozenset({"internal"}),
    )
    assert route.rate == RateLimit(rate=0.5, max_burst=3, summary_s=7)
    assert route.limits.max_alerts == 77


@pytest.mark.parametrize(
    ("options", "usual", "begins"),
    [
        ({}, AlertFormat(), b"1"),
        ({}, AlertFormat(json=True), b"{"),
        ({"format": "json"}, AlertFormat(), b"{"),
        ({"format": "text"}, AlertFormat(json=True), b"1"),
        ({"format": "text", "template": "<%rule>"}, AlertFormat(json=True), b"<Pod created>"),
        ({"format": "json", "template": '{"name": "%rule"}'}, AlertFormat(), b'{"name": "Pod created"}'),
    ],
)
def test_how_alerts_look_is_the_outputs_own_or_the_usual(
    options: dict[str, Any], usual: AlertFormat, begins: bytes
) -> None:
    lines = Lines()
    (route,) = made(lines, usual, stdout_output={"enabled": True, **options})
    route.output.write([alert()])
    assert lines.text.startswith(begins)
    assert lines.text.endswith(b"\n")


@pytest.mark.parametrize("key", OUTPUTS)
def test_the_same_keys_make_the_same_route_and_others_another(key: str) -> None:
    route = one(key)
    assert route.is_as(one(key))
    for other in ({"priority": "error"}, {"rate_limit": {"rate": 1}}, {"format": "json"}, {"template": "%rule"}):
        assert not route.is_as(one(key, **other)), other


def test_another_usual_format_makes_another_route() -> None:
    (text,), (json,) = (made(usual=AlertFormat(json=found), stdout_output={"enabled": True}) for found in (False, True))
    assert not text.is_as(json)


def test_a_renewed_certificate_makes_another_route(tmp_path: Path) -> None:
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    options = {"url": "https://127.0.0.1:1/", "ca_cert": str(path)}
    before = one("http_output", **options)
    assert before.is_as(one("http_output", **options))
    new = tmp_path / "new.pem"
    trustme.CA().cert_pem.write_to_path(str(new))
    new.rename(path)
    assert not before.is_as(one("http_output", **options))


@pytest.mark.parametrize(
    ("key", "options", "option"),
    [
        ("http_output", {"url": "ftp://host/"}, "http_output.url"),
        ("file_output", {"filename": ""}, "file_output.filename"),
        ("program_output", {"program": ""}, "program_output.program"),
        ("syslog_output", {"facility": "no-such"}, "syslog_output.facility"),
        ("http_output", {"url": "https://h/", "ca_cert": "/none.pem"}, "http_output.ca_cert"),
        ("stdout_output", {"template": "%(rule"}, "stdout_output.template"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_its_section(
    key: str, options: dict[str, Any], option: str
) -> None:
    with pytest.raises(OptionError) as raised:
        one(key, **options)
    assert raised.value.option == option


def test_an_option_of_a_notification_is_named_with_its_place() -> None:
    entries = [{"name": "off", "urls": ["json://localhost"], "enabled": False}, {"name": "on", "urls": ["nonsense"]}]
    with pytest.raises(OptionError) as raised:
        made(notify_outputs=entries)
    assert raised.value.option == "notify_outputs[1].urls"
