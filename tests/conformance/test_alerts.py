"""Alerts are those of a real Falco 0.44.1: rule, priority, time, output, fields, tags and order."""

import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from lanner.cli.summary import summary
from lanner.compiler.load import AppendOutput, load, read_rule_files
from lanner.compiler.ruleset import compile_rules
from lanner.engine.engine import Engine
from lanner.outputs.format import AlertFormat

OPTIONS = AppendOutput(extra_output="[stage=%ka.stage]", extra_fields=(("ka.auditid", "", True),))


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The recorded Falco ran with TZ=UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()


def make_engine(
    rules: Path, matching: Literal["all", "first"] = "all", append_output: tuple[AppendOutput, ...] = ()
) -> Engine:
    files, diagnostics = read_rule_files([rules])
    loaded = load(files, append_output=append_output, diagnostics=diagnostics)
    assert loaded.rules is not None, [found.message for found in loaded.diagnostics]
    return Engine(compile_rules(loaded.rules, matching=matching), hostname="vm")


def recorded(path: Path) -> list[dict[str, Any]]:
    return [_comparable(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def raised(engine: Engine, events: Path, fmt: AlertFormat) -> list[dict[str, Any]]:
    return [_comparable(fmt.encode(alert)) for alert in engine.process(events.read_bytes()).alerts]


def _comparable(line: bytes) -> dict[str, Any]:
    alert: dict[str, Any] = json.loads(line)
    alert.pop("hostname")
    return alert


@pytest.mark.parametrize("name", ["a", "b"])
def test_random_rules_raise_the_recorded_alerts(shared: Path, name: str) -> None:
    folder = shared / "conformance"
    found = raised(make_engine(folder / f"rules-{name}.yaml"), folder / f"events-{name}.jsonl", AlertFormat(json=True))
    assert found == recorded(folder / f"alerts-{name}.all.jsonl.gz")


@pytest.mark.parametrize("matching", ["all", "first"])
@pytest.mark.parametrize("name", ["a", "b"])
def test_official_rules_raise_the_recorded_alerts(shared: Path, name: str, matching: Literal["all", "first"]) -> None:
    engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml", matching)
    found = raised(engine, shared / "conformance" / f"events-{name}.jsonl", AlertFormat(json=True))
    assert found == recorded(shared / "conformance" / f"official-{name}.{matching}.jsonl.gz")


def test_json_options_and_append_output_give_the_recorded_alerts(shared: Path) -> None:
    engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml", append_output=(OPTIONS,))
    fmt = AlertFormat(json=True, include_message=True, include_output=False, include_tags=False)
    found = raised(engine, shared / "conformance" / "events-a.jsonl", fmt)
    assert found == recorded(shared / "conformance" / "official-a.options.jsonl.gz")


@pytest.mark.parametrize(("name", "iso8601"), [("text", False), ("iso8601", True)])
def test_text_is_the_recorded_text(shared: Path, name: str, iso8601: bool) -> None:
    engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml")
    fmt = AlertFormat(iso8601=iso8601)
    alerts = engine.process((shared / "conformance" / "events-a.jsonl").read_bytes()).alerts
    expected = (shared / "conformance" / f"official-a.{name}.txt").read_bytes()
    assert b"".join(map(fmt.encode, alerts)) == expected


def test_summary_begins_with_the_recorded_statistics(shared: Path) -> None:
    engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml")
    engine.process((shared / "conformance" / "events-a.jsonl").read_bytes())
    expected = (shared / "conformance" / "official-a.summary.txt").read_text()
    assert summary(engine.stats, 1.0).startswith(expected.rstrip("\n") + "\n")


def test_upstream_traces_raise_the_recorded_rules(shared: Path) -> None:
    rows = (shared / "upstream" / "expected.tsv").read_text().splitlines()[1:]
    for row in rows:
        trace, names = row.split("\t")
        engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml")
        alerts = engine.process((shared / "upstream" / "traces" / trace).read_bytes()).alerts
        assert [alert.rule for alert in alerts] == ([] if names == "-" else names.split("; ")), trace
    assert len(rows) == 32


@pytest.mark.parametrize(("matching", "column"), [("all", 1), ("first", 2)])
def test_official_rules_fire_as_often_on_the_bulk_recording(
    shared: Path, matching: Literal["all", "first"], column: int
) -> None:
    engine = make_engine(shared / "upstream" / "k8s_audit_rules.yaml", matching)
    engine.process(gzip.decompress((shared / "recordings" / "bulk.jsonl.gz").read_bytes()))
    rows = (shared / "recordings" / "bulk-official-counts.tsv").read_text().splitlines()[1:]
    expected = {row.split("\t")[0]: int(row.split("\t")[column]) for row in rows}
    assert {name: n for name, n in engine.stats.by_rule.items() if n} == {k: n for k, n in expected.items() if n}
    assert engine.stats.events == 20_000


def test_webhook_posts_give_the_alerts_of_the_same_events_in_a_file(shared: Path) -> None:
    rules = shared / "upstream" / "k8s_audit_rules.yaml"
    bodies = gzip.decompress((shared / "recordings" / "webhook-posts.jsonl.gz").read_bytes()).splitlines()
    posted, filed = make_engine(rules), make_engine(rules)
    for body in bodies:
        items = json.loads(body)["items"]
        lines = "\n".join(json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", **item}) for item in items)
        assert posted.process(body, body=True).alerts == filed.process(lines.encode()).alerts
    assert posted.stats.events == filed.stats.events > 9_000
    assert posted.stats.alerts > 0
