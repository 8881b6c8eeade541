from pathlib import Path

import pytest

from lanner.cli.configuration import read_settings
from lanner.cli.messages import Console
from lanner.cli.settings import Settings, Switch
from lanner.compiler.load import AppendOutput
from lanner.rules.priority import Priority


@pytest.fixture(autouse=True)
def _no_configuration_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lanner.cli.configuration.DEFAULT_PATHS", (str(tmp_path / "lanner.yaml"),))


def settings(*options: str, path: str | None = None, rules_files: tuple[str, ...] = ()) -> Settings:
    return read_settings(path, options, rules_files, Console(quiet=True))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("json_output=true", Settings(json_output=True)),
        ("json_include_output_property=false", Settings(json_include_output_property=False)),
        ("json_include_tags_property=false", Settings(json_include_tags_property=False)),
        ("json_include_message_property=true", Settings(json_include_message_property=True)),
        ("json_include_output_fields_property=false", Settings(json_include_output_fields_property=False)),
        ("time_format_iso_8601=true", Settings(time_format_iso_8601=True)),
        ("buffered_outputs=true", Settings(buffered_outputs=True)),
        ("stdout_output.enabled=false", Settings(stdout_output=False)),
        ("allow_unauthenticated=true", Settings(allow_unauthenticated=True)),
        ("rule_matching=first", Settings(rule_matching="first")),
        ("priority=Info", Settings(priority=Priority.INFORMATIONAL)),
        ("rules_files=/none.yaml", Settings()),
        ("rules[]={disable: {rule: a*}}", Settings(switches=(Switch(False, "a*"),))),
        ("rules[]={enable: {tag: t}}", Settings(switches=(Switch(True, tag="t"),))),
        (
            'append_output[]={"match": {"source": "k8s_audit", "rule": "R", "tags": ["a"]},'
            ' "extra_output": "x=%ka.verb", "extra_fields": ["ka.auditid", {"who": "%ka.user.name!"}],'
            ' "suggested_output": true}',
            Settings(
                append_output=(
                    AppendOutput(
                        source="k8s_audit",
                        rule="R",
                        tags=frozenset({"a"}),
                        extra_output="x=%ka.verb",
                        extra_fields=(("ka.auditid", "%ka.auditid", True), ("who", "%ka.user.name!", False)),
                    ),
                )
            ),
        ),
    ],
)
def test_an_option_sets_what_it_names(option: str, expected: Settings) -> None:
    assert settings(option) == expected


def test_without_a_configuration_and_options_there_are_defaults() -> None:
    assert settings() == Settings()


def test_a_configuration_is_found_where_it_usually_is(tmp_path: Path) -> None:
    (tmp_path / "lanner.yaml").write_text("json_output: true")
    other = tmp_path / "other.yaml"
    other.write_text("priority: error")
    assert settings().json_output
    assert settings(path=str(other)) == Settings(priority=Priority.ERROR)


def test_rule_files_have_three_names_and_only_those_that_exist_count(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("")
    config = tmp_path / "other.yaml"
    config.write_text(
        f"rules_files: [{tmp_path}/a, {tmp_path}/z]\nrules_file: {tmp_path}/b\nrule_files: [{tmp_path}/c]\n"
    )
    assert settings(path=str(config)).rules_files == tuple(f"{tmp_path}/{name}" for name in "abc")
    assert settings(path=str(config), rules_files=("x",)).rules_files == ("x",)


def test_the_default_rules_are_there_without_a_file(tmp_path: Path) -> None:
    config = tmp_path / "other.yaml"
    config.write_text("rules_files: [default, /none.yaml]\n")
    assert settings(path=str(config)).rules_files == ("default",)


@pytest.mark.parametrize(
    ("server", "endpoint"),
    [
        ("{enabled: true, k8s_audit_endpoint: /k8s-audit}", "http://0.0.0.0:8765/k8s-audit"),
        ("{enabled: true, k8s_audit_endpoint: x, listen_port: 9, listen_address: '::1'}", "http://[::1]:9/x"),
        ("{enabled: true, k8s_audit_endpoint: /x, ssl_enabled: true}", "https://0.0.0.0:8765/x"),
        ("{enabled: false, k8s_audit_endpoint: /x}", None),
        ("{enabled: true}", None),
    ],
)
def test_the_old_web_server_takes_audit_events(server: str, endpoint: str | None) -> None:
    found = settings(f"webserver={server}")
    assert found.audit_endpoint == endpoint
    assert (found.audit_certificate is not None) == (endpoint or "").startswith("https:")
