"""The program against what a real Falco printed: text, JSON, options and statistics, byte for byte."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import PROGRAM


def scanned(shared: Path, events: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A scan of recorded events with Falco's official rules, on a host of the name that Falco ran on."""
    conformance = shared / "conformance"
    rules = shared / "upstream" / "k8s_audit_rules.yaml"
    return subprocess.run(
        [*PROGRAM, "scan", "-r", str(rules), *options, str(conformance / events)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC", "FALCO_HOSTNAME": "vm"},
    )


def recorded(shared: Path, name: str) -> str:
    return gzip.decompress((shared / "conformance" / name).read_bytes()).decode()


@pytest.mark.parametrize("matching", ["all", "first"])
@pytest.mark.parametrize("name", ["a", "b"])
def test_json(shared: Path, name: str, matching: str) -> None:
    ran = scanned(shared, f"events-{name}.jsonl", "--format", "json", "--rule-matching", matching)
    assert ran.stdout == recorded(shared, f"official-{name}.{matching}.jsonl.gz")


@pytest.mark.parametrize(("name", "option"), [("text", "false"), ("iso8601", "true")])
def test_text(shared: Path, name: str, option: str) -> None:
    ran = scanned(shared, "events-a.jsonl", "-o", f"time_format_iso_8601={option}")
    assert ran.stdout == (shared / "conformance" / f"official-a.{name}.txt").read_text()


def test_options(shared: Path) -> None:
    options = [
        "json_output=true",
        "json_include_message_property=true",
        "json_include_output_property=false",
        "json_include_tags_property=false",
        'append_output[]={"extra_output": "[stage=%ka.stage]", "extra_fields": ["ka.auditid"]}',
    ]
    ran = scanned(shared, "events-a.jsonl", *(word for option in options for word in ("-o", option)))
    assert ran.stdout == recorded(shared, "official-a.options.jsonl.gz")


def test_summary(shared: Path) -> None:
    ran = scanned(shared, "events-a.jsonl")
    start = ran.stderr.index("Events detected: ")
    assert ran.stderr[start:].startswith((shared / "conformance" / "official-a.summary.txt").read_text())
