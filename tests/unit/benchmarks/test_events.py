import json

import pytest
from benchmarks import events
from benchmarks.material import load

import lanner


@pytest.mark.parametrize("size", [1 << 10, 1 << 14, 1 << 17])
@pytest.mark.parametrize("is_searched", [True, False])
def test_a_sized_event_has_its_size(size: int, *, is_searched: bool) -> None:
    line = events.sized(size, is_searched=is_searched)

    assert 0.95 * size <= len(line) <= 1.05 * size
    assert line.count(b"\n") == 1


def test_flood_events_share_nothing_that_could_be_remembered() -> None:
    lines = b"".join(events.flood(600)).splitlines()
    decoded = [json.loads(line) for line in lines]

    assert len(lines) == 600
    assert len({event["verb"] for event in decoded}) == 600
    assert len({event["objectRef"]["resource"] for event in decoded}) == 600
    assert len({key for event in decoded for key in event["annotations"]}) == 601
    assert len({event["stageTimestamp"] for event in decoded}) == 600


def test_generated_events_are_read_as_events() -> None:
    loaded = lanner.load_rules(list(load(None).rules)).rules
    assert loaded is not None
    engine = lanner.Engine(lanner.compile_rules(loaded))
    payload = b"".join([*events.flood(300), events.sized(4096, is_searched=True)])

    result = engine.process(payload)

    assert (result.events, result.malformed, engine.stats.missing_audit_id) == (301, 0, 0)
