import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from lanner.fields.catalogue import FIELDS

from .conftest import RULES, Lanner, event


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event() + event("eve", "get"))
    return path


def test_a_trace_file_is_evaluated_as_falco_does(lanner: Lanner, rules: Path, log: Path) -> None:
    ran = lanner("-r", rules, "-o", "json_output=true", "-U", "-e", log)
    assert (ran.code, ran.alerts) == (0, ["Pod Created", "Anything by Eve"])
    assert ran.err.startswith("Events detected: 2\nRule counts by severity:\n   WARNING: 1\n   NOTICE: 1\n")


def test_every_matching_rule_alerts_unless_the_first_is_asked_for(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.jsonl"
    both.write_bytes(event("eve"))
    flags = ("-r", rules, "-o", "json_output=true", "-e", both)
    assert lanner(*flags).alerts == ["Pod Created", "Anything by Eve"]
    assert lanner(*flags, "-o", "rule_matching=first").alerts == ["Pod Created"]


def test_json_options_shape_the_alerts(lanner: Lanner, rules: Path, log: Path) -> None:
    options = {"output": "false", "tags": "false", "message": "true", "output_fields": "false"}
    flags = [word for key, value in options.items() for word in ("-o", f"json_include_{key}_property={value}")]
    ran = lanner("-r", rules, "-o", "json_output=true", *flags, "-e", log)
    assert list(json.loads(ran.out.splitlines()[0])) == ["hostname", "message", "priority", "rule", "source", "time"]


def test_iso_times_are_utc_in_text(lanner: Lanner, rules: Path, log: Path) -> None:
    ran = lanner("-r", rules, "-o", "time_format_iso_8601=true", "-e", log)
    assert ran.out.startswith("2026-11-21T10:00:00.500000000+0000: Warning pod created")


def test_version_is_text_or_json(lanner: Lanner) -> None:
    ran = lanner("--version")
    assert ran.out == f"Lanner version: {version('lanner')}\nEngine:         0.62.0\n"
    found = json.loads(lanner("--version", "-o", "json_output=true").out)
    assert found["engine_version_semver"] == "0.62.0"
    assert found["plugin_versions"]["k8saudit"] == "0.18.0"


def test_support_is_json_with_versions_and_system(lanner: Lanner, rules: Path) -> None:
    found = json.loads(lanner("--support", "-r", rules).out)
    assert found["version"] == version("lanner")
    assert found["engine_info"]["engine_version"] == "62"
    assert found["system_info"]["sysname"] == os.uname().sysname
    assert found["rules_files"] == [str(rules)]


def test_plugins_are_listed_with_their_versions(lanner: Lanner) -> None:
    out = lanner("--list-plugins").out
    assert " Plugins Loaded:\n" in out
    assert "Name: k8saudit\nVersion: 0.18.0\n" in out
    assert "Name: json\nVersion: 0.7.4\n" in out


@pytest.mark.parametrize("words", [["--list"], ["--list", "k8s_audit"], ["--list=k8s_audit"]])
def test_fields_are_listed(lanner: Lanner, words: list[str]) -> None:
    ran = lanner(*words)
    assert ran.code == 0
    assert [name for name in FIELDS if name not in ran.out] == []


def test_names_alone_are_listed_a_line_each_without_deprecated_ones(lanner: Lanner) -> None:
    names = lanner("--list", "-N").out.splitlines()
    assert "ka.verb" in names
    assert names == [name for name, spec in FIELDS.items() if spec.deprecated is None]
    assert json.loads(lanner("--list", "-N", "--format", "json").out) == {"fieldnames": names}


def test_fields_as_markdown_and_json(lanner: Lanner) -> None:
    assert "| `ka.verb` |" in lanner("--list", "--format", "markdown").out
    assert {row["name"] for row in json.loads(lanner("--list", "--format", "json").out)} == set(FIELDS)


def test_fields_of_system_calls_are_refused(lanner: Lanner) -> None:
    ran = lanner("--list", "syscall")
    assert (ran.code, ran.err) == (
        2,
        "error: unknown source `syscall`\n  help: Lanner's events are those of `k8s_audit`\n",
    )


def test_validation_says_for_each_file_how_it_is(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    idle = tmp_path / "idle.yaml"
    idle.write_text("- macro: idle\n  condition: pod\n")
    ran = lanner("-V", rules, "-V", idle)
    assert ran.code == 0
    assert ran.out == f"{rules}: Ok\n{idle}: Ok, with warnings\n"
    verbose = lanner("-v", "-V", rules, "-V", idle)
    assert verbose.out == ran.out
    assert "warning[unused_macro]" in verbose.err


def test_validation_shows_errors_and_fails(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("ka.verb =", "ka.verbb ="))
    ran = lanner("--validate", bad)
    assert ran.code == 2
    assert ran.out.startswith(f"{bad}: Invalid\nerror[LN0203]: ")


def test_validation_as_json_has_falcos_shape(lanner: Lanner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("ka.verb =", "ka.verbb ="))
    [found] = json.loads(lanner("-o", "json_output=true", "-V", bad).out)["falco_load_results"]
    assert (found["name"], found["successful"], found["warnings"]) == (str(bad), False, [])
    [error] = found["errors"]
    assert error["code"] == "LOAD_ERR_COMPILE_CONDITION"
    [location] = error["context"]["locations"]
    position = location["position"]
    assert bad.read_text()[position["offset"] :].startswith("ka.verbb")
    assert error["context"]["snippet"].rstrip("\n") == bad.read_text().splitlines()[position["line"]]
    assert error["context"]["snippet"][position["column"] :].startswith("ka.verbb")


def test_rules_are_described_in_two_columns(lanner: Lanner, rules: Path) -> None:
    lines = lanner("-L", "-r", rules).out.splitlines()
    assert lines[0] == f"{'Rule':<50} Description"
    assert lines[2] == f"{'Pod Created':<50} Somebody made a pod."
    assert len(lines) == 5


def test_one_rule_is_described(lanner: Lanner, rules: Path) -> None:
    out = lanner("-r", rules, "-l", "Anything by Eve").out
    assert "Eve did something." in out
    assert "Pod Created" not in out
    ran = lanner("-r", rules, "-l", "Anything by Ev")
    assert (ran.code, ran.err.splitlines()[-1]) == (2, "  help: did you mean `Anything by Eve`?")


def test_rules_as_json_have_macros_and_lists_beside(lanner: Lanner, rules: Path) -> None:
    found = json.loads(lanner("-L", "-r", rules, "-o", "json_output=true").out)
    first = found["rules"][0]
    assert first["info"]["name"] == "Pod Created"
    assert first["info"]["priority"] == "Warning"
    assert first["info"]["condition"] == "pod and ka.verb = create and not ka.user.name in (quiet_users)"
    assert "ka.user.name in (kubelet)" in first["details"]["condition_compiled"]
    assert first["details"]["condition_operators"] == ["=", "in"]
    assert first["details"]["output_fields"] == ["ka.target.name", "ka.user.name"]
    assert [macro["info"]["name"] for macro in found["macros"]] == ["pod"]
    assert found["lists"][0]["info"] == {"name": "quiet_users", "items": ["kubelet"]}


def test_a_dry_run_loads_everything_and_evaluates_nothing(
    lanner: Lanner, rules: Path, log: Path, tmp_path: Path
) -> None:
    pidfile = tmp_path / "pid"
    ran = lanner("-r", rules, "--dry-run", "-P", pidfile, "-e", log)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert not pidfile.exists()
    assert lanner("-r", rules, "--dry-run").code == 0


def test_the_process_id_is_written(lanner: Lanner, rules: Path, log: Path, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    assert lanner("-r", rules, "-P", pidfile, "-e", log).code == 0
    assert pidfile.read_text() == str(os.getpid())


def test_a_process_id_that_cannot_be_written_is_a_failure(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    ran = lanner("-r", rules, "-P", tmp_path / "none" / "pid", "-e", "x")
    assert ran.code == 1
    assert ran.err.startswith("error: cannot write the process id to ")


@pytest.mark.parametrize("words", [["--enable-source", "k8s_audit"], ["--disable-source", "syscall"]])
def test_sources_can_be_chosen(lanner: Lanner, words: list[str]) -> None:
    assert lanner(*words, "--dry-run").code == 0


def test_a_source_that_is_unknown_is_wrong_usage(lanner: Lanner) -> None:
    ran = lanner("--enable-source", "k8s-audit", "--dry-run")
    assert (ran.code, ran.out) == (2, "")
    assert "unknown source `k8s-audit`" in ran.err
    assert "did you mean `k8s_audit`?" in ran.err


def test_a_plugin_is_described(lanner: Lanner) -> None:
    ran = lanner("--plugin-info", "k8saudit")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Name: k8saudit\nDescription: ")
    assert "\nVersion: 0.18.0\n" in ran.out
    assert "  webhookMaxBatchSize (integer, default 268435456): " in ran.out
    ran = lanner("--plugin-info", "k8saudi")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no plugin `k8saudi`\n  help: did you mean `k8saudit`?\n"
    assert "Field Extraction" in lanner("--plugin-info", "json").out


@pytest.mark.parametrize("flag", ["-i", "--list-events", "--page-size"])
def test_flags_about_system_calls_say_so(lanner: Lanner, flag: str) -> None:
    ran = lanner(flag)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"error: `{flag}` only concerns system calls, which Lanner does not read\n  help: leave it out\n"
    )


def test_a_text_is_put_behind_every_output(lanner: Lanner, rules: Path, log: Path) -> None:
    ran = lanner("-r", rules, "-p", "verb=%ka.verb", "-e", log)
    assert [line.split(" ", 2)[2] for line in ran.out.splitlines()] == [
        "pod created (user=alice pod=web) verb=create",
        "eve did get verb=get",
    ]


def test_a_text_behind_outputs_is_checked_as_part_of_them(lanner: Lanner, rules: Path, log: Path) -> None:
    ran = lanner("-r", rules, "-p", "%ka.no.such", "-e", log)
    assert (ran.code, ran.out) == (2, "")
    assert "error[LN0302]" in ran.err


@pytest.mark.parametrize("flag", ["-pk", "-pc", "-pkubernetes"])
def test_details_of_system_calls_are_none_of_an_audit_event(lanner: Lanner, rules: Path, log: Path, flag: str) -> None:
    assert lanner("-r", rules, flag, "-e", log).out == lanner("-r", rules, "-e", log).out


def test_markdown_is_a_format(lanner: Lanner) -> None:
    assert lanner("--list", "--markdown").out == lanner("--list", "--format", "markdown").out


def test_an_unknown_flag_is_a_usage_error(lanner: Lanner) -> None:
    ran = lanner("--no-such-flag")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: no such option `--no-such-flag`\n  help: see `lanner --help`\n"


def test_an_argument_is_no_flag(lanner: Lanner) -> None:
    assert lanner("-U", "something").code == 2


def test_warnings_of_rules_are_counted_or_shown_in_full(lanner: Lanner, rules: Path, log: Path) -> None:
    rules.write_text(RULES + "- macro: idle\n  condition: pod\n")
    brief = lanner("-r", rules, "-e", log)
    assert brief.err.startswith("warning: 1 warning in the rules; `lanner rules check` shows them\n")
    full = lanner("-v", "-r", rules, "-e", log)
    assert full.err.startswith("warning[unused_macro]: macro `idle` is not used\n")
    assert (brief.code, brief.out) == (full.code, full.out)
