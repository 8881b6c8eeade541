import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lanner.config.load import LoadedConfig, load_config
from lanner.config.models import Config
from lanner.config.standing import without_effect
from lanner.diagnostics.render import to_text
from lanner.plugins import k8saudit


def load(folder: Path, text: str, *options: str, **environment: str) -> LoadedConfig:
    path = folder / "lanner.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(str(path), options, environment)


def config(folder: Path, text: str, *options: str, **environment: str) -> Config:
    loaded = load(folder, text, *options, **environment)
    assert loaded.config is not None, [found.message for found in loaded.diagnostics]
    return loaded.config


def problems(loaded: LoadedConfig) -> list[tuple[str, str, int]]:
    return [(found.code.code, found.message, found.place[0]) for found in loaded.diagnostics]


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert config(tmp_path, "") == config(tmp_path, "# nothing\n") == config(tmp_path, "priority:\n") == Config()


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "on", "y", '"true"', "'on'"])
def test_words_for_true_are_those_of_falco(tmp_path: Path, word: str) -> None:
    assert config(tmp_path, f"json_output: {word}").json_output is True


def test_a_text_alone_is_a_list_of_one(tmp_path: Path) -> None:
    assert config(tmp_path, "rules_files: a.yaml").rules_files == ["a.yaml"]


@pytest.mark.parametrize(("text", "port"), [("8080", 8080), ("0x10", 16), ("0", 0), ("65535", 65535)])
def test_numbers_are_read_within_their_bounds(tmp_path: Path, text: str, port: int) -> None:
    assert config(tmp_path, f"webserver: {{listen_port: {text}}}").webserver.listen_port == port


@pytest.mark.parametrize("text", ["65536", "-1", "8.5", "''", "port", "[1]", "{a: 1}", "1" * 5000])
def test_other_numbers_are_refused_where_they_stand(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path, f"webserver:\n  listen_port: {text}\n")
    assert loaded.config is None
    assert problems(loaded) == [("LN0502", "`listen_port` takes a whole number of at least 0 and at most 65535", 2)]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    loaded = load(tmp_path, "json_ouput: 1\npriority: loud\nrules_files: {}\nwebserver: 1\n", "a.b=1", "x")
    assert [(code, line) for code, _, line in problems(loaded)] == [
        ("LN0502", 1),
        ("LN0501", 1),
        ("LN0501", 1),
        ("LN0502", 2),
        ("LN0502", 3),
        ("LN0502", 4),
    ]


def test_a_misspelt_key_gets_a_suggestion(tmp_path: Path) -> None:
    [found] = load(tmp_path, "stdout_output:\n  enable: true\n").diagnostics
    assert (found.message, found.help, found.place) == ("unknown key `enable`", "did you mean `enabled`?", (2, 3))


@pytest.mark.parametrize("text", ["- a", "word", "{[", "\ta: 1", "a: *b", "a: &b [*b]"])
def test_what_is_no_mapping_is_an_error(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).config is None


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none.yaml"), str(tmp_path), "a" * 5000, "a\0"):
        [found] = load_config(path).diagnostics
        assert found.code.code == "LN0101"


# Variables


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "x"),
        ("pre-${A}-${B}", "pre-x-y"),
        ("${UNSET}", ""),
        ("$${A}", "${A}"),
        ("${A", "${A"),
        ("$A", "$A"),
        ("5$ ${A}", "5$ x"),
        ("${C}", "${A}"),
    ],
)
def test_variables_are_put_into_values(tmp_path: Path, text: str, value: str) -> None:
    found = config(tmp_path, f"program_output: {{program: '{text}'}}", A="x", B="y", C="${A}")
    assert found.program_output.program == value


def test_a_variable_can_be_any_value_and_no_key(tmp_path: Path) -> None:
    assert config(tmp_path, "json_output: ${A}", A="true").json_output
    assert load(tmp_path, "${A}: 1", A="priority").config is None


# Options


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("json_output=true", "json_output", True),
        ("json_output = yes", "json_output", True),
        ("priority=Info", "priority", "Info"),
        ("rules_files[0]=b", "rules_files", ["b"]),
        ("rules_files[]=b", "rules_files", ["a", "b"]),
        ("rules_files[1]=b", "rules_files", ["a", "b"]),
        ("rules_files=[b, c]", "rules_files", ["b", "c"]),
        ("rules_files=b", "rules_files", ["b"]),
        (r"static_fields.a\.b=${HOME}", "static_fields", {"a.b": "${HOME}"}),
    ],
)
def test_an_option_goes_over_the_file(tmp_path: Path, option: str, key: str, value: object) -> None:
    assert getattr(config(tmp_path, "rules_files: [a]", option), key) == value


def test_options_reach_into_sections_and_lists(tmp_path: Path) -> None:
    text = "plugins:\n  - {name: k8saudit, open_params: a}\n"
    found = config(tmp_path, text, "plugins[0].open_params=b", "webserver.listen_port=9", "plugins[].name=json")
    assert [(plugin.name, plugin.open_params) for plugin in found.plugins] == [("k8saudit", "b"), ("json", "")]
    assert found.webserver.listen_port == 9


def test_later_options_win_and_appended_ones_add_up() -> None:
    options = [
        "json_output=true",
        "json_output=false",
        "append_output[]={extra_output: a}",
        "append_output[].extra_output=b",
    ]
    found = load_config(None, options).config
    assert found is not None
    assert not found.json_output
    assert [entry.extra_output for entry in found.append_output] == ["a", "b"]


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("json_output", "LN0502", "option `json_output` has no value"),
        ("=1", "LN0501", "`` is not the name of a key"),
        ("a..b=1", "LN0501", "`a..b` is not the name of a key"),
        ("a.=1", "LN0501", "`a.` is not the name of a key"),
        (".".join("a" * 5000) + "=1", "LN0501", None),
        ("a[x]=1", "LN0501", "`a[x]` is not the name of a key"),
        ("a\\n=1", "LN0501", "`a\\n` is not the name of a key"),
        ("rules_files[1]=x", "LN0501", "the list has 0 entries, so there is no place 1"),
        ("json_ouput=true", "LN0501", "unknown key `json_ouput`"),
        ("json_output=maybe", "LN0502", "`json_output` takes true or false"),
        ("append_output[]={extra: 1}", "LN0501", "unknown key `extra`"),
        ("append_output[]=text", "LN0502", "`append_output` takes a mapping"),
        ("rules_files=[", "LN0102", None),
        ("rules_files=" + "[" * 100_000, "LN0113", "more than 64 levels of nesting"),
        ("rules[]={disable: {}}", "LN0502", "the entry selects no rules"),
    ],
)
def test_an_option_that_does_not_fit_is_reported(option: str, code: str, message: str | None) -> None:
    loaded = load_config(None, [option])
    assert loaded.config is None
    [found] = loaded.diagnostics
    assert (found.code.code, found.file_name) == (code, "-o")
    assert message in (None, found.message)


# Files that are included


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("append", (["a", "b"], "notice", 0, True)),
        ("override", (["b"], "notice", 0, True)),
        ("add-only", (["a"], "error", 9, True)),
    ],
)
def test_included_files_are_merged_by_their_strategy(
    tmp_path: Path, strategy: str, expected: tuple[list[str], str, int, bool]
) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("rules_files: [b]\npriority: notice\noutputs_queue: {}\njson_output: true\n")
    text = (
        f"config_files:\n  - path: {more}\n    strategy: {strategy}\n"
        "rules_files: [a]\npriority: error\noutputs_queue: {capacity: 9}\n"
    )
    found = config(tmp_path, text)
    assert (found.rules_files, found.priority, found.outputs_queue.capacity, found.json_output) == expected


def test_a_folder_is_read_in_the_order_of_names_and_what_is_missing_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "config.d"
    (folder / "below").mkdir(parents=True)
    for name, priority in (("b.yaml", "notice"), ("a.yaml", "error")):
        (folder / name).write_text(f"priority: {priority}\n")
    loaded = load(tmp_path, f"config_files: [{tmp_path}/none, {folder}]\n")
    assert loaded.config is not None
    assert loaded.config.priority == "notice"
    assert [Path(file).name for file in loaded.files] == ["lanner.yaml", "a.yaml", "b.yaml"]


def test_options_name_further_files_and_go_over_them(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("priority: notice\njson_output: true\n")
    found = config(tmp_path, "", "priority=error", f"config_files={more}")
    assert (found.priority, found.json_output) == ("error", True)


def test_an_included_file_includes_no_others_and_none_includes_itself(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("config_files: [x]\n")
    loaded = load(tmp_path, f"config_files: [{more}, {tmp_path}/lanner.yaml]\n")
    assert [code for code, _, _ in problems(loaded)] == ["LN0504", "LN0504"]


# Plugins

K8SAUDIT = "plugins:\n  - name: k8saudit\n    open_params: ' http://:9765/x '\n    init_config: {}\n  - name: json\n"


@pytest.mark.parametrize(
    "init_config",
    [
        "{maxEventSize: 10, useAsync: false}",
        """'{"maxEventSize": 10, "useAsync": false}'""",
        "|\n      maxEventSize: 10\n      useAsync: false",
    ],
)
def test_options_of_a_plugin_are_a_mapping_or_a_text_with_one(tmp_path: Path, init_config: str) -> None:
    [plugin] = load(tmp_path, K8SAUDIT.format(init_config)).plugins.sources
    assert (plugin.name, plugin.open_params) == ("k8saudit", "http://:9765/x")
    assert plugin.options == k8saudit.Options(max_event_size=10, use_async=False)


@pytest.mark.parametrize("init_config", ["''", "", '""', "{}"])
def test_a_plugin_needs_no_options(tmp_path: Path, init_config: str) -> None:
    [plugin] = load(tmp_path, K8SAUDIT.format(init_config)).plugins.sources
    assert plugin.options == k8saudit.Options()


@pytest.mark.parametrize("init_config", ["word", "'[1]'", "'{'", "'- a'"])
def test_other_texts_are_no_options(tmp_path: Path, init_config: str) -> None:
    loaded = load(tmp_path, K8SAUDIT.format(init_config))
    assert loaded.config is None
    assert {line for _, _, line in problems(loaded)} == {4}


@pytest.mark.parametrize(
    ("load_plugins", "versions", "sources"),
    [
        ("", None, ["k8saudit"]),
        ("load_plugins: [json]", ["json"], []),
        ("load_plugins: [k8saudit, json]", ["k8saudit", "json"], ["k8saudit"]),
        ("load_plugins: []", None, ["k8saudit"]),
    ],
)
def test_plugins_that_are_named_count_as_loaded(
    tmp_path: Path, load_plugins: str, versions: list[str] | None, sources: list[str]
) -> None:
    found = load(tmp_path, K8SAUDIT.format("") + load_plugins).plugins
    assert (None if found.versions is None else [*found.versions]) == versions
    assert [plugin.name for plugin in found.sources] == sources


def test_a_plugin_that_is_not_loaded_may_be_any(tmp_path: Path) -> None:
    assert load(tmp_path, "plugins: [{name: okta}, {name: json}]\nload_plugins: [json]").config is not None
    [found] = load(tmp_path, "plugins: [{name: okta}]").diagnostics
    assert (found.code.code, found.message) == ("LN0503", "there is no plugin `okta`")


# What has no effect


def test_keys_without_effect_are_told(tmp_path: Path) -> None:
    text = (
        "engine: {kind: kmod}\nsyslog_output: {enabled: true}\nstatic_fields: {a: b}\n"
        "http_output:\noutputs_queue: {capacity: 0}\n"
        "webserver: {enabled: true, threadiness: 2, k8s_healthz_endpoint: /h}\n"
        "watch_config_files: true\nlog_level: debug\njson_output: true\n"
    )
    loaded = load(tmp_path, text)
    assert loaded.config is not None
    assert without_effect(loaded.config, loaded.root) == ["engine", "webserver.threadiness"]


_WORDS = st.sampled_from(
    [*Config.__struct_fields__, "enabled", "name", "[]", "{}", "k8saudit", "${A}", "1", "x", "true"]
)
_TREES = st.recursive(
    _WORDS | st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=12,
)


@given(st.text() | _TREES.map(json.dumps) | _TREES.map(yaml.safe_dump), st.lists(st.text() | _WORDS, max_size=2))
def test_any_text_gives_a_configuration_or_problems(
    tmp_path_factory: pytest.TempPathFactory, text: str, options: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    loaded = load_config(str(path), [f"{option}=1" for option in options], {})
    assert (loaded.config is None) == any(found.severity == "error" for found in loaded.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        "notify_outputs: [{name: a, url: 'slack://geheim/geheim'}]",
        "notify_outputs: [{name: a, urls: {mailto://x: mailto://a:geheim@b}}]",
        "notify_outputs:\n  - name: a\n    urls: tgram://geheim\n    timeout_s: json://geheim",
        "http_output: {header: {Authorization: Basic geheim}}",
        "http_output: {headers: 'Cookie: geheim geheim'}",
        "http_output: {urk: 'https://x:geheim@host/?sig=geheim'}",
        "program_output: {programm: 'curl https://hooks.slack.com/services/geheim'}",
        "plugins: [{name: k8saudit, init_config: {sslPassword: geheim}, a: b}]",
        'webserver: {passwort: "geheim"}',
    ],
)
def test_no_secret_is_in_what_is_shown_of_a_file_with_a_mistake(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lanner.yaml"
    path.write_text(text, encoding="utf-8")
    options = ["passwd=geheim", "http_output.urk=https://host/?token=geheim"]
    loaded = load_config(str(path), options, {})
    assert len(loaded.diagnostics) >= 2
    shown = "\n".join(map(to_text, loaded.diagnostics))
    assert "geheim" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    ("names", "messages"),
    [
        (["a", "b"], []),
        (["a", "b", "a"], ["`a` is the name of another output"]),
        (["file"], ["`file` is the name of another output"]),
        ([" "], ["`name` takes a text that is not empty"]),
    ],
)
def test_outputs_have_names_of_their_own(tmp_path: Path, names: list[str], messages: list[str]) -> None:
    entries = [{"name": name, "urls": ["json://127.0.0.1"]} for name in names]
    loaded = load(tmp_path, yaml.safe_dump({"notify_outputs": entries}))
    assert [found.message for found in loaded.diagnostics] == messages
    assert all(found.span is not None and found.span.text.strip("'") == names[-1] for found in loaded.diagnostics)
