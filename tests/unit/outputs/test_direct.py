"""What is encoded without an alert in between is what the alert's format gives, in every form."""

import io
from dataclasses import fields as fields_of
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lanner.engine.alert import AlertKind, FieldValue, Finding
from lanner.outputs import direct
from lanner.outputs.direct import FindingEncoder
from lanner.outputs.format import AlertFormat
from lanner.outputs.stdout import StdoutOutput
from lanner.rules.priority import Priority

TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\n", "\x00", "\u202e", "é", "\ud800", "<NA>"])
KEYS = st.text(max_size=6) | st.sampled_from(
    ["a", "evt.num", "evt.time", "evt.time.iso8601", "ka.verb", 'ka.uri.param["]', "ka.uri.param[\\]", "jevt.value[/é]"]
)
VALUES: st.SearchStrategy[FieldValue] = st.none() | st.integers(0, 2**64 - 1) | TEXTS | st.lists(TEXTS, min_size=1)
FORMATS = st.builds(
    AlertFormat, **{field.name: st.booleans() for field in fields_of(AlertFormat) if field.name != "json"}, json=...
)


@st.composite
def findings(draw: st.DrawFn) -> list[Finding]:
    kinds = []
    for _ in range(draw(st.integers(1, 3))):
        keys = tuple(sorted(draw(st.sets(KEYS, max_size=5))))
        tags = draw(st.lists(TEXTS, max_size=2).map(tuple))
        kinds.append(AlertKind(draw(TEXTS), draw(st.sampled_from(Priority)), draw(TEXTS), tags, draw(TEXTS), keys))
    found = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=6)):
        values = tuple(draw(VALUES) for _ in kind.keys)
        found.append(Finding(kind, draw(st.integers(0, 4 * 10**18)), draw(TEXTS), values))
    return found


@given(findings(), FORMATS)
def test_findings_are_encoded_as_their_alerts_are(found: list[Finding], alert_format: AlertFormat) -> None:
    encoder = FindingEncoder(alert_format)
    expected = alert_format.encode_all([finding.alert() for finding in found])
    assert encoder.encode(found) == expected
    assert encoder.encode(found) == expected  # with what it has learnt


def kind_of(name: str, *keys: str) -> AlertKind:
    return AlertKind(name, Priority.WARNING, "k8s_audit", ("k8s",), "vm", keys)


def test_kinds_that_come_and_go_are_not_kept_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr(direct, "_MAX_KINDS", 8)
    encoder = FindingEncoder(AlertFormat(json=True))
    for number in range(100):
        finding = Finding(kind_of(f"rule {number}", f"a.b{number}"), 10**18 + number, "m", ("v",))
        assert encoder.encode([finding]) == AlertFormat(json=True).encode(finding.alert())
        assert len(encoder._known) <= 8


def test_an_alert_has_the_values_of_its_finding_by_name() -> None:
    alert = Finding(kind_of("rule", "a.a", "a.b"), 7, "text", (None, ["x"])).alert()
    assert (alert.rule, alert.priority, alert.tags, alert.hostname) == ("rule", Priority.WARNING, ("k8s",), "vm")
    assert (alert.time_ns, alert.message, alert.output_fields) == (7, "text", {"a.a": None, "a.b": ["x"]})


def test_standard_output_takes_findings() -> None:
    raw = io.BytesIO()
    output = StdoutOutput(io.BufferedWriter(raw), AlertFormat())
    finding = Finding(kind_of("rule", "a.a"), 7, "text", ("x",))
    output.write_findings([finding])
    output.write_findings([])
    output.flush()
    assert raw.getvalue() == AlertFormat().encode(finding.alert())
