"""Past alerts in the forms in which they are kept."""

import gzip
import json
from pathlib import Path
from typing import Any

from lanner.sources.base import SourceError
from lanner.tuning.alerts import Malformed, PastAlert, read_alerts

ALERT = {
    "hostname": "h",
    "output": "o",
    "output_fields": {"evt.time": 1, "ka.user.name": "a", "ka.user.groups": ["x", None], "ka.verb": None},
    "priority": "Notice",
    "rule": "R",
    "source": "k8s_audit",
    "tags": ["t"],
    "time": "2026-11-21T10:00:00.000000000Z",
}


def read(path: Path) -> tuple[list[PastAlert], Malformed, list[SourceError]]:
    malformed, errors = Malformed(), list[SourceError]()
    return list(read_alerts([str(path)], malformed, on_error=errors.append)), malformed, errors


def test_lines_lists_and_compressed_files_are_read(tmp_path: Path) -> None:
    sidekick: dict[str, Any] = {**ALERT, "uuid": "1", "customfields": {"a": "b"}}
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in (ALERT, sidekick))
    for name, text in {
        "lines": lines,
        "list": json.dumps([ALERT, sidekick], indent=1).encode(),
        "lines.gz": gzip.compress(lines),
    }.items():
        (tmp_path / name).write_bytes(text)
        alerts, malformed, errors = read(tmp_path / name)
        assert [alert.rule for alert in alerts] == ["R", "R"], name
        assert (malformed.number, errors) == (0, [])


def test_a_value_is_a_text_or_nothing() -> None:
    alert = PastAlert("R", {"a": "x", "b": None, "c": ["x"], "d": 1, "e": "<NA>"})
    assert [alert.text(name) for name in "abcdef"] == ["x", None, None, None, None, None]


def test_what_is_no_alert_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    path.write_bytes(json.dumps(ALERT).encode() + b'\nnonsense\n{"rule":1}\n[]\n\xff\n{"output":"x"}\n')
    alerts, malformed, _ = read(path)
    assert len(alerts) == 1
    assert (malformed.number, malformed.sample) == (5, "nonsense")


def test_a_path_that_is_missing_is_told(tmp_path: Path) -> None:
    _, _, errors = read(tmp_path / "none")
    assert [error.reason for error in errors] == ["no such file"]
