import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lanner.engine.alert import Alert
from lanner.engine.stats import Stats
from lanner.rules.priority import Priority
from lanner.rules.versions import FALCO
from lanner.server.office import Office, snapshot_fields
from lanner.server.plan import Files, Plan, SnapshotPlan
from lanner.server.snapshot import Snapshot

from .stations import Feed, plan, until


def snapshot(**changes: Any) -> Snapshot:
    stats = Stats(events=100, by_rule={"Seen, twice": 5, "Never": 0}, by_priority=Counter({Priority.NOTICE: 5}))
    values = {
        "started_ns": time.time_ns() - 100 * 10**9,
        "stats": stats,
        "sources": {},
        "files": Files(config={"/etc/lanner.yaml": "aa"}, rules={"/etc/my-rules.yaml": "bb"}),
        "cpu_s": 50.0,
        "rss_bytes": 3 * 1024 * 1024,
    }
    return Snapshot(**{**values, **changes})


def run(found: Plan, then: Callable[[Office, list[Alert]], Awaitable[None]]) -> None:
    async def main() -> None:
        alerts: list[Alert] = []
        office = Office(snapshot, alerts.append, {}, lambda: None)
        await office.adopt(found)
        try:
            await then(office, alerts)
        finally:
            await office.close()

    asyncio.run(main())


def test_a_snapshot_has_falcos_fields() -> None:
    fields = snapshot_fields(snapshot(), SnapshotPlan(interval_s=1), (40, 10.0), 14.0)
    known = {name: fields[name] for name in fields if not name.startswith(("evt.time", "evt.host", "falco.kernel"))}
    cpu = known.pop("falco.cpu_usage_perc")
    assert cpu == pytest.approx(50, abs=5)
    assert known.pop("falco.duration_sec") == pytest.approx(100, abs=9)
    assert known.pop("falco.start_ts") > 0
    assert known.pop("falco.reload_ts") > 0
    assert known.pop("falco.host_num_cpus") >= 1
    assert known == {
        "evt.source": "k8s_audit",
        "falco.version": str(FALCO),
        "falco.outputs_queue_num_drops": 0,
        "falco.num_evts": 100,
        "falco.num_evts_prev": 40,
        "falco.evts_rate_sec": 15.0,
        "falco.sha256_rules_file.my_rules_yaml": "bb",
        "falco.sha256_config_file.lanner_yaml": "aa",
        "falco.rules.matches_total": 5,
        "falco.rules.Seen_twice": 5,
        "falco.memory_rss_mb": 3.0,
        "scap.engine_name": "source_plugin",
    }


@pytest.mark.parametrize(
    ("keys", "there", "gone"),
    [
        ({"has_rules": False}, "falco.memory_rss_mb", "falco.rules.matches_total"),
        ({"has_resources": False}, "falco.rules.matches_total", "falco.cpu_usage_perc"),
        ({"in_megabytes": False}, "falco.memory_rss", "falco.memory_rss_mb"),
        ({"has_zeros": True}, "falco.rules.Never", "falco.evts_rate_sec"),
        ({}, "falco.num_evts_prev", "falco.rules.Never"),
    ],
)
def test_keys_of_the_configuration_choose_fields(keys: dict[str, Any], there: str, gone: str) -> None:
    fields = snapshot_fields(snapshot(), SnapshotPlan(interval_s=1, **keys), None, 1.0)
    assert there in fields
    assert gone not in fields


def test_snapshots_are_alerts_of_falcos_rule_and_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "stats.jsonl"

    async def then(office: Office, alerts: list[Alert]) -> None:
        await until(lambda: len(alerts) >= 2 and file.exists() and file.read_text().count("\n") >= 2)
        first = alerts[0]
        assert (first.rule, first.priority, first.source, first.message) == (
            "Falco internal: metrics snapshot",
            Priority.INFORMATIONAL,
            "internal",
            "Falco metrics snapshot",
        )
        assert first.output_fields["falco.num_evts"] == 100

    run(plan(Feed().plan(), snapshots=SnapshotPlan(interval_s=0.01, as_alert=True, file=str(file))), then)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["sample"] for line in lines] == [*range(1, len(lines) + 1)]
    assert lines[0]["output_fields"]["falco.num_evts"] == 100
    assert "falco.evts_rate_sec" in lines[1]["output_fields"]


def test_a_file_that_cannot_be_written_is_said_and_the_alerts_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def then(office: Office, alerts: list[Alert]) -> None:
        await until(lambda: len(alerts) >= 2)

    snapshots = SnapshotPlan(interval_s=0.01, as_alert=True, file=str(tmp_path))
    run(plan(Feed().plan(), snapshots=snapshots), then)
    assert f"cannot write metrics to `{tmp_path}`: is a directory" in caplog.messages


def test_another_plan_ends_snapshots_and_the_same_leaves_them_alone() -> None:
    wanted = plan(Feed().plan(), snapshots=SnapshotPlan(interval_s=0.01, as_alert=True))

    async def then(office: Office, alerts: list[Alert]) -> None:
        before = office._tasks["snapshots"]
        await office.adopt(wanted)
        assert office._tasks["snapshots"] is before
        await until(lambda: alerts)
        await office.adopt(plan(Feed().plan()))
        assert "snapshots" not in office._tasks
        await asyncio.wait([before[1]])
        assert before[1].cancelled()

    run(wanted, then)
