"""What is made to slip past the rules is seen, and what only looks alike is let pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lanner import Priority
from tests.unit.default_rules.builders import event, pod, pod_body
from tests.unit.default_rules.detection import alerts_on, at_least, names, raw_alerts_on
from tests.unit.default_rules.evasions import CONTROLS, EVASIONS, FALSE_POSITIVES, MORE, TSV_KINDS, Case


def _ids(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


_SEEN = [case for case in (*CONTROLS, *EVASIONS, *MORE) if case.rule is not None]
_QUIET = [case for case in (*FALSE_POSITIVES, *MORE) if case.rule is None]


@pytest.mark.parametrize("case", _SEEN, ids=_ids(_SEEN))
def test_the_rule_sees_it(case: Case) -> None:
    assert case.rule in names(alerts_on(case.events))


@pytest.mark.parametrize("case", TSV_KINDS["evasion"], ids=_ids(TSV_KINDS["evasion"]))
def test_an_evasion_is_worth_a_notice(case: Case) -> None:
    assert at_least(alerts_on(case.events), Priority.NOTICE) != []


@pytest.mark.parametrize("case", _QUIET, ids=_ids(_QUIET))
def test_nothing_is_raised_at_warning_or_above(case: Case) -> None:
    assert at_least(alerts_on(case.events), Priority.WARNING) == []


def test_each_event_of_a_case_is_seen() -> None:
    blind = [case.name for case in _SEEN for each in case.events if not alerts_on([each])]
    assert blind == ["hostPath via PV+PVC pod"], "the pod that claims such a volume looks like any other"


@pytest.mark.parametrize("kind", TSV_KINDS)
def test_all_known_cases_have_a_row(kind: str, shared: Path) -> None:
    rows = [line.split("\t") for line in (shared / "conformance" / "evasions.tsv").read_text().splitlines()[1:]]
    assert [name for row_kind, name, _ in rows if row_kind == kind] == _ids(TSV_KINDS[kind])


def test_escapes_and_blanks_in_a_body_hide_nothing() -> None:
    body = rb'{ "spec" : {"containers":[{"name":"c","securityContext":{"\u0070rivileged" :  true}}],'
    body += rb'"volumes":[{"hostPath":{"path":"\/\u0065tc"}}]}}'
    line = json.dumps(event("patch", "pods", ns="shop", code=201, body="BODY")).encode()
    alerts = raw_alerts_on(line.replace(b'"BODY"', body))
    assert {"Create Privileged Pod", "Create Sensitive Mount Pod"} <= names(alerts)


def test_a_port_forward_raises_one_alert() -> None:
    (case,) = [case for case in FALSE_POSITIVES if case.name == "port-forward, 3 stages"]
    assert [alert.rule for alert in alerts_on(case.events)] == ["port-forward"]


def test_allowed_images_are_judged_in_all_containers(tmp_path: Path) -> None:
    override = tmp_path / "mine.yaml"
    override.write_text(
        "- list: allowed_k8s_images\n  items: [nginx, registry.example.com:5000/app]\n  override: {items: append}\n"
    )
    fine = pod(pod_body(images=("nginx:1.27", "registry.example.com:5000/app@sha256:" + "0" * 64)))
    main = pod(pod_body(images=("nginx:1.27", "evil:1")))
    init = pod(pod_body(spec={"initContainers": [{"name": "i", "image": "evil:1"}]}))
    assert "Create Disallowed Pod" not in names(alerts_on([fine], override))
    for bad in (main, init):
        assert "Create Disallowed Pod" in names(alerts_on([bad], override))
        assert "Create Disallowed Pod" not in names(alerts_on([bad]))
