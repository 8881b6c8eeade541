import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Lanner, event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event() + event("eve", "get") + event("kubelet") + event("eve", name="shell"))
    return path


ALERTS = ["Pod Created", "Anything by Eve", "Pod Created", "Anything by Eve"]


def test_alerts_go_to_stdout_and_the_summary_to_stderr(
    lanner: Lanner, rules: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = lanner("scan", "-r", rules, log)
    assert ran.code == 0
    assert [line.split(": ", 1)[1] for line in ran.out.splitlines()] == [
        "Warning pod created (user=alice pod=web)",
        "Notice eve did get",
        "Warning pod created (user=eve pod=shell)",
        "Notice eve did create",
    ]
    assert ran.err.startswith(
        "Events detected: 4\n"
        "Rule counts by severity:\n   WARNING: 2\n   NOTICE: 2\n"
        "Triggered rules by rule name:\n   Pod Created: 2\n   Anything by Eve: 2\n"
        f"Events read: 4\nBytes: {log.stat().st_size}\nSeconds: "
    )
    assert ran.err.endswith("Malformed: 0\nTruncated: 0\nDropped: 0\n")


def test_json_has_falcos_keys(lanner: Lanner, rules: Path, log: Path) -> None:
    ran = lanner("scan", "-r", rules, "--format", "json", log)
    assert ran.alerts == ALERTS
    first = json.loads(ran.out.splitlines()[0])
    assert list(first) == ["hostname", "output", "output_fields", "priority", "rule", "source", "tags", "time"]
    assert first["time"] == "2026-11-21T10:00:00.500000000Z"
    assert first["output_fields"] == {"evt.time": 1795255200500000000, "ka.target.name": "web", "ka.user.name": "alice"}
    assert first["tags"] == ["k8s", "pods"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-o", "json_output=true"], ALERTS),
        (["--rule-matching", "first"], ["Pod Created", "Anything by Eve", "Pod Created"]),
        (["-o", "rule_matching=first"], ["Pod Created", "Anything by Eve", "Pod Created"]),
        (["-p", "warning"], ["Pod Created", "Pod Created"]),
        (["--priority", "Error"], []),
        (["-t", "users"], ["Anything by Eve", "Anything by Eve"]),
        (["-t", "users", "-t", "pods"], ALERTS),
        (["-T", "users"], ["Pod Created", "Pod Created"]),
        (["-D", "pod*"], ALERTS),
        (["-D", "Pod*"], ["Anything by Eve", "Anything by Eve"]),
        (["-D", "Pod*", "-D", "Anything by Eve"], []),
    ],
)
def test_options_select_rules(lanner: Lanner, rules: Path, log: Path, options: list[str], expected: list[str]) -> None:
    ran = lanner("scan", "-r", rules, "--format", "json", *options, log)
    assert ran.alerts == expected
    assert ran.code == 0


def test_outputs_can_be_added_to(lanner: Lanner, rules: Path, log: Path) -> None:
    match = '"match": {"rule": "Pod Created"}'
    added = f'append_output[]={{{match}, "extra_output": "[%ka.stage]", "extra_fields": ["ka.auditid"]}}'
    ran = lanner("scan", "-r", rules, "--format", "json", "-o", added, "-D", "Anything*", log)
    first = json.loads(ran.out.splitlines()[0])
    assert first["output"].endswith("pod=web) [ResponseComplete]")
    assert first["output_fields"]["ka.auditid"] == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(("priority", "code"), [("critical", 0), ("warning", 3), ("Notice", 3), ("debug", 3)])
def test_fail_on_makes_alerts_of_that_priority_a_failure(
    lanner: Lanner, rules: Path, log: Path, priority: str, code: int
) -> None:
    assert lanner("scan", "-r", rules, "--fail-on", priority, log).code == code


def test_malformed_events_fail_only_when_strict(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(event() + b"nonsense\n" + event())
    ran = lanner("scan", "-r", rules, "--format", "json", path)
    assert (ran.code, ran.alerts) == (0, ["Pod Created"] * 2)
    assert "Malformed: 1\n" in ran.err
    assert "nonsense" in ran.err
    assert lanner("scan", "-r", rules, "--strict", path).code == 1
    assert lanner("scan", "-r", rules, "--strict", "--fail-on", "warning", path).code == 3


def test_a_path_that_cannot_be_read_fails_after_the_others_are_scanned(
    lanner: Lanner, rules: Path, log: Path, tmp_path: Path
) -> None:
    ran = lanner("scan", "-r", rules, "--format", "json", tmp_path / "none.jsonl", log)
    assert (ran.code, ran.alerts) == (1, ALERTS)
    assert f"error: cannot read `{tmp_path}/none.jsonl`: no such file\n" in ran.err


def test_quiet_says_nothing_but_results_and_errors(lanner: Lanner, rules: Path, log: Path, tmp_path: Path) -> None:
    ran = lanner("scan", "-q", "-r", rules, log)
    assert len(ran.out.splitlines()) == len(ALERTS)
    assert ran.err == ""
    assert lanner("scan", "-q", "-r", rules, tmp_path / "none").err.startswith("error: ")


@pytest.mark.parametrize(
    ("profile", "number"),
    [((), 0), (("--profile", "default"), 0), (("--profile", "strict"), 1), (("--profile", "activity"), 2)],
)
def test_a_profile_adds_to_the_rules_that_are_enabled(
    lanner: Lanner, log: Path, tmp_path: Path, profile: tuple[str, ...], number: int
) -> None:
    rule = (
        "- rule: {0}\n  desc: Any event.\n  condition: ka.verb exists\n  output: seen\n  priority: DEBUG\n"
        "  source: k8s_audit\n  tags: [{0}]\n  enabled: false\n"
    )
    file = tmp_path / "profiles.yaml"
    file.write_text(rule.format("strict") + rule.format("activity"))
    events = len(log.read_text().splitlines())
    assert len(lanner("scan", "-r", file, *profile, log).out.splitlines()) == number * events


def test_a_configuration_has_the_last_word_on_a_profile(lanner: Lanner, log: Path, tmp_path: Path) -> None:
    config = tmp_path / "lanner.yaml"
    config.write_text("rules:\n  - disable: {tag: activity}\n")
    ran = lanner("scan", "-c", config, "--profile", "activity", log)
    assert "All K8s Audit Events" not in ran.out + ran.err
    assert "All K8s Audit Events" in lanner("scan", "--profile", "activity", log).err


def test_no_rules_option_means_the_default_rules(lanner: Lanner, log: Path) -> None:
    ran = lanner("scan", log)
    assert ran.code == 0
    assert "Events read: 4\n" in ran.err


def test_rules_with_errors_stop_before_anything_is_read(lanner: Lanner, tmp_path: Path, log: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("- macro: m\n  condition: ka.verbb = get and (\n- rule: R\n")
    ran = lanner("scan", "-r", bad, log)
    assert ran.code == 2
    assert ran.out == ""
    assert "error[LN0105]" in ran.err
    assert "error: the rules have " in ran.err
    assert "Events detected" not in ran.err


def test_rules_of_other_sources_are_counted_in_one_line(lanner: Lanner, rules: Path, tmp_path: Path, log: Path) -> None:
    syscalls = tmp_path / "syscalls.yaml"
    syscalls.write_text(
        "".join(
            f"- rule: S{n}\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n" for n in range(2)
        )
    )
    ran = lanner("scan", "-r", syscalls, "-r", rules, "--format", "json", log)
    assert ran.alerts == ALERTS
    assert ran.err.count("2 rules of source `syscall` not evaluated\n") == 1


def test_no_selected_rule_is_worth_a_warning(lanner: Lanner, rules: Path, log: Path) -> None:
    assert "warning: no rule is selected\n" in lanner("scan", "-r", rules, "-t", "no-such-tag", log).err


@pytest.mark.parametrize(
    "words", [["scan"], ["scan", "--no-such-flag", "x"], ["scan", "-p", "loud", "x"], ["scan", "--format", "xml", "x"]]
)
def test_wrong_usage_exits_with_2(lanner: Lanner, words: list[str]) -> None:
    ran = lanner(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.endswith("  help: see `lanner scan --help`\n")


def test_a_configuration_file_that_cannot_be_read_is_an_error(lanner: Lanner, log: Path) -> None:
    ran = lanner("scan", "-c", "falco.yaml", log)
    assert ran.code == 2
    assert "cannot read `falco.yaml`: no such file" in ran.err


# What an attacker, a broken disk or a wrong guess puts in place of audit events: each file stands between two that are
# well. The numbers are alerts of the file itself, and malformed or truncated documents in it.
BAD_INPUTS = {
    "truncated JSON": (event()[:120] + b"\n", 0, 1, 0),
    "cut off in the last member": (event()[:-4] + b"\n", 1, 1, 0),
    "nesting beyond any decoder": (
        event(more={"requestObject": 0}).replace(
            b'"requestObject": 0', b'"requestObject": ' + b"[" * 200_000 + b"]" * 200_000
        ),
        1,
        0,
        1,
    ),
    "invalid UTF-8 in a value": (event().replace(b"Metadata", b"Meta\xff\xfedata"), 1, 0, 0),
    "invalid UTF-8 in the name": (event().replace(b'"web"', b'"we\xffb"'), 1, 0, 0),
    "an escaped NUL": (event(name="a\x00b"), 1, 0, 0),
    "a raw NUL": (b"\x00" + event(), 1, 1, 0),
    "duplicate keys": (event().replace(b'{"kind"', b'{"verb": "get", "verb": "list", "kind"'), 1, 0, 0),
    "a byte order mark": (b"\xef\xbb\xbf" + event(), 1, 0, 0),
    "CRLF": (event().replace(b"\n", b"\r\n") * 2, 2, 0, 0),
    "an empty file": (b"", 0, 0, 0),
    "blank lines": (b"\n \n\t\n", 0, 0, 0),
    "a binary file": (bytes(range(256)) * 64, 0, None, 0),
    "numbers": (b"1\n2\n", 0, 2, 0),
    "text": (b"hello\nworld\n", 0, 2, 0),
    "an empty object": (b"{}\n", 0, 1, 0),
    "an empty list": (b"[]\n", 0, 0, 0),
    "no line break at the end": (event()[:-1], 1, 0, 0),
    "a list": (b"[" + event()[:-1] + b",\n" + event() + b"]", 2, 0, 0),
    "an EventList over many lines": (
        json.dumps({"kind": "EventList", "items": [json.loads(event())] * 3}, indent=2).encode(),
        3,
        0,
        0,
    ),
    "one bad item in a list": (b'{"kind": "EventList", "items": [' + event() + b",7," + event() + b"]}\n", 2, 1, 0),
    "two events on one line": (event()[:-1] + event(), 2, 0, 0),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_costs_only_itself(lanner: Lanner, rules: Path, tmp_path: Path, name: str) -> None:
    content, alerts, malformed, truncated = BAD_INPUTS[name]
    good = tmp_path / "good.jsonl"
    good.write_bytes(event())
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    ran = lanner("scan", "-r", rules, "--format", "json", good, bad, good)
    assert ran.code == 0, ran.err
    assert ran.alerts.count("Pod Created") == alerts + 2
    counted = dict(line.split(": ") for line in ran.err.splitlines() if line.startswith(("Malformed", "Truncated")))
    if malformed is not None:
        assert int(counted["Malformed"]) == malformed
    assert int(counted["Truncated"]) == truncated


WRONG_TYPES: list[object] = [None, True, 7, 1.5, "text", [], [1], {}, {"a": 1}]


@pytest.mark.parametrize("member", sorted(json.loads(event())))
def test_a_member_of_any_type_never_hides_the_event_or_its_neighbours(
    lanner: Lanner, rules: Path, tmp_path: Path, member: str
) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(event() + b"".join(event(more={member: value}) for value in WRONG_TYPES) + event())
    ran = lanner("scan", "-r", rules, "--format", "json", path)
    assert ran.code == 0, ran.err
    decides = member in ("verb", "objectRef")
    alerts = ran.alerts.count("Pod Created")
    assert alerts == 2 if decides else alerts >= 2 + len(WRONG_TYPES)


def test_a_line_of_100_megabytes_is_evaluated_on_its_metadata(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(event())
        file.write(event()[:-2] + b', "requestObject": {"pad": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}}\n')
        file.write(event())
    ran = lanner("scan", "-r", rules, "--format", "json", path)
    assert ran.code == 0
    assert ran.alerts.count("Pod Created") == 3
    assert "Lanner internal: damaged event" in ran.alerts
    assert "Truncated: 1\n" in ran.err
    assert f"Bytes: {path.stat().st_size}\n" in ran.err


def test_compressed_files_and_folders_are_read(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(event())
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(event() * 2))
    assert lanner("scan", "-r", rules, "--format", "json", folder).alerts == ["Pod Created"] * 3
    assert lanner("scan", "-r", rules, "--format", "json", f"{folder}/*.gz").alerts == ["Pod Created"] * 2


@pytest.mark.parametrize("kind", ["missing", "loop", "folder as a file"])
def test_places_that_cannot_be_read_say_why(lanner: Lanner, rules: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "loop":
        place.symlink_to(place)
    elif kind == "folder as a file":
        (tmp_path / "file").touch()
        place = tmp_path / "file" / "inside"
    ran = lanner("scan", "-r", rules, place)
    assert ran.code == 1
    assert f"error: cannot read `{place}`: " in ran.err
    assert "Events detected: 0\n" in ran.err


@contextmanager
def _without_privileges() -> Iterator[None]:
    """As a user who may not read everything: root becomes nobody."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_places_that_may_not_be_read_say_so_and_others_are_read(lanner: Lanner, rules: Path, kind: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # not below `tmp_path`, which only its owner may enter
        folder = Path(name)
        folder.chmod(0o755)
        rule_file, place, other = folder / "rules.yaml", folder / "place", folder / "other.jsonl"
        rule_file.write_bytes(rules.read_bytes())
        other.write_bytes(event())
        assert lanner("scan", "-r", rule_file, other).code == 0  # imports what the next call needs
        if kind == "folder":
            place.mkdir(mode=0)
        else:
            place.touch(mode=0)
        with _without_privileges():
            ran = lanner("scan", "-r", rule_file, place, other)
        assert ran.code == 1
        assert f"error: cannot read `{place}`: permission denied" in ran.err
        assert "Events detected: 1\n" in ran.err


def test_what_the_file_holds_cannot_steer_the_terminal_through_the_messages(
    lanner: Lanner, rules: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes("\x1b[2J\u202enonsense\n".encode())
    ran = lanner("scan", "-r", rules, path)
    assert "nonsense" in ran.err
    assert "\x1b" not in ran.err
    assert "\u202e" not in ran.err
