"""Every place that text of an event or a rule comes to: whatever it holds, nobody is made to obey it."""

import csv
import io
import json
import logging
import re
import socket
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lanner.cli import log as program_log
from lanner.cli.tables import shown
from lanner.diagnostics.render import printable
from lanner.engine.alert import Alert
from lanner.engine.stats import Stats
from lanner.outputs.format import AlertFormat
from lanner.outputs.notify import inert
from lanner.outputs.syslog import SyslogOptions, SyslogOutput, Transport
from lanner.outputs.template import AlertTemplate
from lanner.outputs.terminal import SafeLines, TerminalFormat
from lanner.rules.priority import Priority
from lanner.server.metrics import metrics_text
from lanner.server.snapshot import RuleLabels, Snapshot, SourceCounts

from .conftest import Lanner

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "title and clipboard": "\x1b]0;pwned\x07\x1b]52;c;cm0gLXJm\x07",
    "C1": "\x9b31m\x9d0;x\x9c",
    "forged line": "x\n10:00:00.000000000: Critical all is well",
    "carriage return": "guilty\rinnocent",
    "backspaces": "guilty\b\b\b\b\b\binnocent",
    "nul": "a\x00b",
    "bidi": "user\u202enimda\u2066x\u2069",
    "line separators": "a\u2028b\u2029c\x85d\x0b\x0ce",
    "invisible": "ad\u200bm\u2060in\ufeff\U000e0041\ufe0f\u3164",
    "lone surrogate": "a\ud800b",
    "markup": "[bold red]x[/] [link=https://evil.example]y[/link] <script>alert(1)</script><b>&amp;",
    "mentions": "@everyone <!here> https://evil.example/a?b=c [x](javascript:alert(1))",
    "formula": "=cmd|' /C calc'!A0",
    "formulas": "@SUM(1+1)\t+1\t-1",
    "json": '","rule":"Forged","x":"\\',
    "yaml": "x\n- rule: Forged\n  condition: always\n: !!python/object/apply:os.system [id]",
    "prometheus": 'x"} 1\nforged_metric{a="\\',
    "template": "%rule %{rule} ${HOME} {0} %(x)s %s %n",
    "long": "x" * 20_000,
}
CLEAN = {name: text.encode("utf-8", "replace").decode() for name, text in HOSTILE.items()}


def is_quiet(char: str) -> bool:
    """Whether a terminal shows it as it is, and nothing else."""
    return char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")


def alert(text: str) -> Alert:
    return Alert(0, text, Priority.ERROR, "k8s_audit", f"seen {text}", {"ka.user.name": text}, (text,), "host")


def record(text: str) -> logging.LogRecord:
    found = logging.LogRecord("lanner.test", logging.ERROR, "x", 1, "%s", (f"refused {text}",), None)
    found.fields = {"help": f"mend {text}", "reason": text}
    return found


def syslog(text: str) -> bytes:
    """A message as it leaves the process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        options = SyslogOptions(host="127.0.0.1", port=port, transport=Transport.UDP)
        output = SyslogOutput(options, AlertFormat())
        output.write([alert(text)])
        output.close()
        return receiver.recv(65536)


Render = Callable[[str], bytes]

LINES: dict[str, Render] = {
    "text": lambda text: AlertFormat().encode(alert(text)),
    "JSON": lambda text: AlertFormat(json=True, include_message=True).encode(alert(text)),
    "template": lambda text: AlertTemplate("%rule|%ka.user.name|%message|%tags").encode(alert(text)),
    "template of JSON": lambda text: AlertTemplate('{"a": "%rule %ka.user.name %output"}', json=True).encode(
        alert(text)
    ),
}
"""Lines for files and programs: one each, in which control characters of ASCII are escaped."""

SCREENS: dict[str, Render] = {
    "text for a terminal": lambda text: AlertFormat(terminal=True).encode(alert(text)),
    "JSON for a terminal": lambda text: AlertFormat(json=True, terminal=True).encode(alert(text)),
    "a terminal": lambda text: TerminalFormat(columns=lambda: 80).encode(alert(text)),
    "a template for a terminal": lambda text: SafeLines(AlertTemplate("%rule %message")).encode(alert(text)),
    "syslog": syslog,
    "messages to people": lambda text: inert(text).encode(),
    "the log": lambda text: program_log._as_text(record(text), has_color=False).encode(),
    "the log as JSON": lambda text: program_log._as_json(record(text)).encode(),
    "the log in syslog": lambda text: program_log._as_line(record(text)).encode(),
    "diagnostics": lambda text: printable(text).encode(),
    "cells of tables": lambda text: shown(text).encode(),
}
"""What people read, also through a terminal: nothing in it is obeyed, hidden or put into another order."""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("sink", LINES)
def test_a_line_stays_one_line_without_controls(sink: str, name: str) -> None:
    line = LINES[sink](HOSTILE[name]).decode()
    assert line.endswith("\n")
    assert not re.search(r"[\x00-\x1f]", line[:-1])


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("sink", SCREENS)
def test_what_people_read_shows_every_character_and_obeys_none(sink: str, name: str) -> None:
    text = SCREENS[sink](HOSTILE[name]).decode()
    assert [char for char in text if not is_quiet(char)] == []
    if sink not in ("a terminal", "the log"):  # which wrap, or have a line for what to do
        assert "\n" not in text.removesuffix("\n")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("sink", ["JSON", "template of JSON", "JSON for a terminal", "the log as JSON"])
def test_json_stays_one_object_whose_texts_are_those_that_were_given(sink: str, name: str) -> None:
    found = json.loads({**LINES, **SCREENS}[sink](HOSTILE[name]))
    assert isinstance(found, dict)
    if sink.startswith("JSON"):
        same = HOSTILE[name].replace("\ud800", "\ufffd")
        assert (found["rule"], found["output_fields"]["ka.user.name"], found["tags"]) == (same, same, [same])


@pytest.mark.parametrize("name", HOSTILE)
def test_messages_to_people_name_nobody_and_lead_nowhere(name: str) -> None:
    text = inert(HOSTILE[name])
    assert not re.search(r"(?<!\[)[<@]", text)
    assert "//evil.example" not in text
    assert "](" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_metrics_have_the_name_of_a_rule_in_its_label_alone(name: str) -> None:
    text = CLEAN[name]
    stats = Stats()
    stats.by_rule = Counter({text: 3})
    snapshot = Snapshot(
        started_ns=0,
        stats=stats,
        sources={text: SourceCounts(refused=Counter({"client": 2}))},
        rules={text: RuleLabels(Priority.ERROR, "k8s_audit", (text,))},
    )
    families = {each.name: each for each in text_string_to_metric_families(metrics_text(snapshot).decode())}
    assert not any("forged" in each for each in families)
    [sample] = families["falcosecurity_falco_rules_matches"].samples
    assert (sample.labels["rule_name"], sample.value) == (text, 3)
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label) for label in sample.labels)
    [refused] = families["lanner_source_refused"].samples
    assert refused.labels == {"source": text, "reason": "client"}


def events(folder: Path, text: str) -> Path:
    path = folder / "audit.log"
    event = {
        "kind": "Event",
        "auditID": "1",
        "stage": "ResponseComplete",
        "verb": "get",
        "user": {"username": text},
        "stageTimestamp": "2026-11-21T10:00:00.000000Z",
    }
    path.write_text(json.dumps(event) + "\n")
    return path


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("output_format", ["table", "bars", "csv", "json"])
def test_counts_of_hostile_values_are_counts(lanner: Lanner, tmp_path: Path, output_format: str, name: str) -> None:
    ran = lanner("stats", "--format", output_format, "ka.user.name", events(tmp_path, HOSTILE[name]))
    assert ran.code == 0, ran.err
    assert [char for char in ran.out + ran.err if not is_quiet(char)] == []
    if output_format == "csv":
        header, row = csv.reader(io.StringIO(ran.out))
        assert (header, row[0]) == (["count", "ka.user.name"], "1")
        assert not row[1].lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))
    if output_format == "json":
        assert json.loads(ran.out)["rows"][0]["count"] == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_of_grep_is_one_line(lanner: Lanner, tmp_path: Path, name: str) -> None:
    ran = lanner("grep", "--output", "%ka.user.name", "ka.verb = get", events(tmp_path, HOSTILE[name]))
    assert ran.code == 0
    assert not re.search(r"[\x00-\x1f]", ran.out.removesuffix("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_an_exception_that_is_proposed_holds_the_value_as_a_value(
    lanner: Lanner, tmp_path: Path, rules: Path, name: str
) -> None:
    alerts = tmp_path / "alerts.jsonl"
    fields = {"ka.user.name": CLEAN[name], "ka.target.name": "p"}
    one = {"rule": "Pod Created", "output_fields": fields, "source": "k8s_audit", "priority": "Warning", "time": ""}
    alerts.write_text((json.dumps(one) + "\n") * 50)
    written = tmp_path / "local.yaml"
    ran = lanner("tune", "-r", rules, "--write", written, alerts)
    assert [char for char in ran.out + ran.err if not is_quiet(char)] == []
    if written.exists():
        assert {each.get("rule") for each in yaml.safe_load(written.read_text())} <= {"Pod Created"}
