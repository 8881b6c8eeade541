"""What a policy would have kept of a log."""

import json
from pathlib import Path
from typing import Any

from lanner.policy.model import AuditLevel
from lanner.policy.volume import Volume
from tests.unit.policy.making import make_policy

POLICY = """\
- level: None
  verbs: [get]
- level: Request
  verbs: [update]
- level: RequestResponse
  verbs: [patch]
  omitManagedFields: true
- level: Metadata
"""


def _event(verb: str, **more: Any) -> bytes:
    event = {
        "level": "RequestResponse",
        "stage": "ResponseComplete",
        "verb": verb,
        "requestURI": "/api/v1/namespaces/shop/pods/p",
        **more,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def test_bodies_above_the_level_and_managed_fields_are_taken_off(tmp_path: Path) -> None:
    volume = Volume(make_policy(tmp_path, POLICY))
    body = {"kind": "Pod", "metadata": {"name": "p", "managedFields": [{"manager": "x"}]}}
    lean = {"kind": "Pod", "metadata": {"name": "p"}}
    for verb in ("get", "update", "patch", "create"):
        volume.add(_event(verb, requestObject=body, responseObject=body))
    expected = {
        AuditLevel.METADATA: len(_event("create")) + 1,
        AuditLevel.REQUEST: len(_event("update", requestObject=body)) + 1,
        AuditLevel.REQUEST_RESPONSE: len(_event("patch", requestObject=lean, responseObject=lean)) + 1,
    }
    assert dict(volume.kept) == dict.fromkeys(expected, 1)
    found = dict(volume.kept_size)
    assert all(abs(found[level] - size) <= 2 for level, size in expected.items()), (found, expected)
    assert volume.events == 4


def test_events_of_an_omitted_stage_are_not_kept(tmp_path: Path) -> None:
    volume = Volume(make_policy(tmp_path, POLICY, "omitStages: [RequestReceived]"))
    volume.add(_event("create", stage="RequestReceived"))
    assert (volume.events, sum(volume.kept.values())) == (1, 0)


def test_events_that_were_logged_with_less_are_counted(tmp_path: Path) -> None:
    volume = Volume(make_policy(tmp_path, POLICY))
    volume.add(_event("update", level="Metadata"))
    assert volume.below == 1


def test_damaged_text_is_counted_as_kept(tmp_path: Path) -> None:
    volume = Volume(make_policy(tmp_path, POLICY))
    volume.add(b'{"verb": ')
    volume.add(b"[" * 100_000)
    assert volume.kept == {AuditLevel.METADATA: 2}


def test_lists_and_odd_bodies_are_measured(tmp_path: Path) -> None:
    volume = Volume(make_policy(tmp_path, POLICY))
    items = [{"metadata": {"managedFields": []}}, {"metadata": None}, 1]
    volume.add(_event("patch", requestObject=[{"op": "add"}], responseObject={"items": items}))
    assert volume.kept == {AuditLevel.REQUEST_RESPONSE: 1}
