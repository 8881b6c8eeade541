import json
from pathlib import Path

import pytest

from .conftest import Lanner, event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event() + event("eve", "get") + b"nonsense\n" + event("kubelet"))
    return path


def test_events_are_printed_as_they_were_sent(lanner: Lanner, log: Path) -> None:
    ran = lanner("grep", "ka.user.name in (eve, kubelet)", log)
    assert ran.code == 0
    assert ran.out.encode() == event("eve", "get") + event("kubelet")
    assert ran.err == "warning: 1 document malformed; the first: not JSON: nonsense\n"
    assert lanner("grep", "-q", "ka.user.name exists", log).err == ""


def test_an_output_prints_what_is_asked_for(lanner: Lanner, log: Path) -> None:
    ran = lanner("grep", "--output", "%ka.user.name %ka.verb", "ka.verb exists", log)
    assert ran.out == "alice create\neve get\nkubelet create\n"


def test_counting_prints_the_number_alone(lanner: Lanner, log: Path) -> None:
    assert lanner("grep", "-c", "ka.verb = create", log).out == "2\n"
    assert lanner("grep", "--count", "ka.verb = patch", log).out == "0\n"


def test_inverting_prints_the_others(lanner: Lanner, log: Path) -> None:
    ran = lanner("grep", "-v", "--output", "%ka.user.name", "ka.verb = get or ka.user.name = alice", log)
    assert ran.out == "kubelet\n"


def test_no_match_is_no_failure(lanner: Lanner, log: Path) -> None:
    ran = lanner("grep", "ka.verb = patch", log)
    assert (ran.code, ran.out) == (0, "")


def test_a_document_over_many_lines_is_searched_and_printed_a_line_an_event(lanner: Lanner, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    items = [json.loads(event(name=name)) for name in ("a", "b")]
    path.write_text(json.dumps({"kind": "EventList", "items": items}, indent=2))
    ran = lanner("grep", "ka.target.name exists", path)
    assert [json.loads(line)["objectRef"]["name"] for line in ran.out.splitlines()] == ["a", "b"]


def test_values_cannot_forge_lines(lanner: Lanner, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event(name="a\nb\x1b[2J"))
    assert lanner("grep", "--output", "%ka.target.name", "ka.verb exists", path).out == "a\\nb\\u001b[2J\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["ka.verbb = get"], "LN0203"),
        (["ka.verb = get and ("], "LN0201"),
        (["a_macro"], "LN0202"),
        (["-v", "ka.verb = a) or (ka.verb = b"], "LN0201"),
        (["--output", "%ka.nope", "ka.verb exists"], "LN0302"),
    ],
)
def test_a_condition_or_output_with_errors_is_shown_with_its_place(
    lanner: Lanner, log: Path, words: list[str], code: str
) -> None:
    ran = lanner("grep", *words, log)
    assert (ran.code, ran.out) == (2, "")
    assert f"error[{code}]: " in ran.err
    assert "^" in ran.err


def test_an_unreadable_path_is_a_failure(lanner: Lanner, log: Path, tmp_path: Path) -> None:
    ran = lanner("grep", "-c", "ka.verb exists", tmp_path / "none", log)
    assert (ran.code, ran.out) == (1, "3\n")
    assert "no such file" in ran.err


def test_macros_and_lists_of_rule_files_can_be_used(lanner: Lanner, log: Path, rules: Path) -> None:
    ran = lanner("grep", "-r", rules, "pod and not ka.user.name in (quiet_users)", "--output", "%ka.user.name", log)
    assert ran.out == "alice\neve\n"


@pytest.mark.parametrize(
    ("condition", "output", "line"),
    [
        (
            "ka.verb = create and ka.target.resource = namespaces",
            "[%jevt.value[/stageTimestamp]]Namespace Created: name=%ka.target.name",
            "[2026-11-21T10:00:00.500000Z]Namespace Created: name=foo",
        ),
        (
            "ka.verb = create and ka.target.resource = configmaps"
            " and jevt.value[/requestObject/data] contains aws_access_key_id",
            "[%jevt.value[/stageTimestamp]]Configmap Created: name=%ka.target.name"
            " Configmap=%jevt.value[/requestObject/data]",
            '[2026-11-21T10:00:00.500000Z]Configmap Created: name=foo Configmap={"aws_access_key_id":"AKIA"}',
        ),
    ],
)
def test_a_filter_and_a_transformation_are_a_condition_and_an_output(
    lanner: Lanner, tmp_path: Path, condition: str, output: str, line: str
) -> None:
    log = tmp_path / "log"
    body = {"data": {"aws_access_key_id": "AKIA"}}
    log.write_bytes(
        b"".join(
            event(verb=verb, more={"objectRef": {"resource": resource, "name": "foo"}, "requestObject": body})
            for verb, resource in (("create", "namespaces"), ("delete", "namespaces"), ("create", "configmaps"))
        )
    )
    assert lanner("grep", condition, "--output", output, log).out == f"{line}\n"


@pytest.mark.parametrize("command", [["grep", "ka.verb exists"], ["stats", "ka.verb"]])
def test_malformed_events_make_the_status_1_when_it_is_strict(lanner: Lanner, log: Path, command: list[str]) -> None:
    log.write_bytes(event())
    assert lanner(*command, log, "--strict").code == 0
    log.write_bytes(event() + b"nonsense\n")
    assert lanner(*command, log).code == 0
    assert lanner(*command, log, "--strict").code == 1
