from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanner.config.load import load_config
from lanner.config.secrets import masked_value
from lanner.config.show import show

TEXT = """
rules_files: [a.yaml, "b: c"]
priority: ${LEVEL}
static_fields: {"a b": "1", "no": "yes"}
plugins:
  - name: json
    init_config:
      sslCertificate: /etc/tls.pem
      list: [1, {x: "2"}, []]
append_output:
  - extra_fields: [ka.verb, {who: "%ka.user.name"}]
  - match: {tags: [a]}
    extra_output: "x # y"
rules:
  - disable: {rule: "*"}
"""


def shown(folder: Path, text: str, *options: str, **environment: str) -> str:
    path = folder / "lanner.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = load_config(str(path), options, environment)
    assert loaded.config is not None, [found.message for found in loaded.diagnostics]
    return show(loaded.root)


def test_what_is_shown_is_the_same_configuration(tmp_path: Path) -> None:
    text = shown(tmp_path, TEXT, LEVEL="notice")
    again = tmp_path / "again.yaml"
    again.write_text(text)
    first, second = load_config(str(tmp_path / "lanner.yaml"), environment={"LEVEL": "notice"}), load_config(str(again))
    assert first.config == second.config
    assert yaml.safe_load(text)["plugins"][0]["init_config"] == {
        "sslCertificate": "/etc/tls.pem",
        "list": [1, {"x": "2"}, []],
    }


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("\njson_output: true\n")
    lines = shown(tmp_path, f"config_files: [{more}]\npriority: ${{LEVEL}}\n", "rule_matching=first", LEVEL="error")
    assert f"priority: error  # {tmp_path}/lanner.yaml:2, ${{LEVEL}}\n" in lines
    assert f"json_output: true  # {more}:2\n" in lines
    assert "rule_matching: first  # -o\n" in lines
    assert "time_format_iso_8601: false  # default\n" in lines


@pytest.mark.parametrize(
    "text",
    [
        "http_output: {client_key: hunter2}",
        "http_output: {url: 'https://me:hunter2@host/x'}",
        "http_output: {url: 'https://host/x?a=b&access_token=hunter2'}",
        "http_output: {url: '${WEB_TOKEN}'}",
        "http_output: {url: '${URL}'}",
        "program_output: {program: 'curl -H \"Authorization: Bearer hunter2\" x'}",
        "program_output: {program: 'curl https://hooks.slack.com/services/hunter2'}",
        "static_fields: {apiKey: hunter2}",
        "plugins: [{name: json, init_config: {password: hunter2}}]",
        "plugins: [{name: json, init_config: {credentials: [hunter2]}}]",
        "plugins: [{name: json, init_config: {secret: {a: hunter2}}}]",
        """plugins: [{name: json, init_config: '{"password": "hunter2"}'}]""",
        "plugins: [{name: k8saudit-ovh, open_params: 'gra1.logs.ovh.com/tail/?tk=hunter2'}]",
    ],
)
def test_secrets_are_masked(tmp_path: Path, text: str) -> None:
    found = shown(tmp_path, text, WEB_TOKEN="hunter2", URL="https://a:hunter2@b")
    assert "***" in found
    assert "hunter2" not in found


def test_what_is_no_secret_stays() -> None:
    for text in ("/etc/lanner/tls.pem", "http://:9765/k8s-audit", "https://host/x?a=b", "keep it"):
        assert masked_value(text) == text


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    found = shown(tmp_path, 'file_output: {filename: "a\\e[31m\\u202eb"}')
    assert found.isascii()
    assert "\x1b" not in found


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=4))
def test_any_text_is_read_again_as_it_was(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "fields.yaml").write_text(yaml.safe_dump({"static_fields": fields}, default_style='"'))
    loaded = load_config(str(folder / "fields.yaml"), environment={})
    if loaded.config is None:
        return
    again = yaml.safe_load(show(loaded.root))["static_fields"]
    kept = loaded.config.static_fields
    assert {key: value for key, value in again.items() if value != "***"}.items() <= {
        key: masked_value(value) for key, value in kept.items()
    }.items()
    assert again.keys() == kept.keys()


def test_addresses_of_services_and_values_of_headers_are_masked_whatever_they_hold(tmp_path: Path) -> None:
    text = """
http_output: {headers: {Cookie: a=geheim, X-Team: "${TEAM}"}}
notify_outputs:
  - name: ops
    urls: [slack://geheim/b/c, "mailto://geheim:x@example.com?to=geheim", geheim, "${URL}"]
"""
    lines = shown(tmp_path, text, "notify_outputs[0].urls[]=pagerduty://geheim", TEAM="geheim", URL="tgram://geheim/1")
    assert "geheim" not in lines
    found = yaml.safe_load(lines)
    assert found["http_output"]["headers"] == {"Cookie": "***", "X-Team": "***"}
    assert found["notify_outputs"][0]["urls"] == [
        "slack://***", "mailto://***", "***", "tgram://***", "pagerduty://***"
    ]  # fmt: skip
