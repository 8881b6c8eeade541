from pathlib import Path

import msgspec
import pytest
from benchmarks import baseline, events
from benchmarks.material import load

HOWS = pytest.mark.parametrize("how", baseline.HOWS)


@HOWS
def test_the_recording_is_decoded(how: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(load(None).lines))

    baseline.HOWS[how]([str(path)])


@HOWS
@pytest.mark.parametrize("size", [1 << 10, 1 << 18])
def test_no_event_is_left_out(how: str, size: int, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good, bad = events.sized(size, is_searched=True), b'{"verb":1}'
    for position in range(4):
        lines = [good] * 4
        lines[position] = bad + b"\n"
        path.write_bytes(b"".join(lines).removesuffix(b"\n"))

        with pytest.raises(msgspec.ValidationError):
            baseline.HOWS[how]([str(path)])


def test_the_members_that_rules_ask_for_are_decoded() -> None:
    line = next(line for line in load(None).lines if b'"objectRef"' in line and b'"requestObject"' in line)
    plain = msgspec.json.decode(line)

    event = msgspec.json.decode(line, type=baseline.Event)

    assert event.audit_id == plain["auditID"]
    assert event.object_ref is not None
    assert event.object_ref.resource == plain["objectRef"]["resource"]
    assert event.request_uri == plain["requestURI"]
    assert event.source_ips == plain["sourceIPs"]
    assert msgspec.json.decode(event.request_object) == plain["requestObject"]
