import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lanner.cli import delivery
from lanner.cli.configuration import read_settings
from lanner.cli.messages import Console, Failure
from lanner.cli.place import DEFAULT_SOURCE, Place, choose_places, select_places
from lanner.cli.settings import Settings
from lanner.compiler.load import load
from lanner.compiler.ruleset import compile_rules
from lanner.config.load import load_config
from lanner.config.models import Config, Webserver
from lanner.config.standing import without_effect
from lanner.diagnostics import SourceFile
from lanner.sources.plugin import Start

from .conftest import Lanner, event


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "falco.yaml"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(event() + event("eve"))
    return path


def test_a_configuration_without_problems_is_fine(lanner: Lanner, config: Path) -> None:
    config.write_text("json_output: true\n")
    ran = lanner("config", "check", config)
    assert (ran.code, ran.out, ran.err) == (0, "", "no problems\n")


def test_problems_of_all_files_are_shown_with_their_places(lanner: Lanner, config: Path) -> None:
    config.write_text("json_ouput: true\npriority: loud\n")
    ran = lanner("config", "check", config)
    assert (ran.code, ran.err) == (2, "2 errors in 1 file\n")
    assert f"  --> {config}:1:1\n" in ran.out
    assert f"  --> {config}:2:11\n" in ran.out


def test_problems_as_json_have_the_shape_of_rules_check(lanner: Lanner, config: Path) -> None:
    config.write_text("json_ouput: true\n")
    found = json.loads(lanner("config", "check", "--format", "json", config).out)
    assert found["ok"] is False
    [problem] = found["diagnostics"]
    assert (problem["code"], problem["line"], problem["column"], problem["end_column"]) == ("LN0501", 1, 1, 11)
    assert problem["help"] == "did you mean `json_output`?"


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (
            "open_params: http://127.0.0.1/x",
            "error[LN0503]: cannot listen on `http://127.0.0.1/x`: the address has no port\n  --> {}:2:5\n",
        ),
        (
            "open_params: s3://bucket/x",
            "error[LN0503]: cannot open `s3://bucket/x`: unknown scheme `s3`\n  --> {}:2:5\n",
        ),
        (
            "open_params: file://elsewhere/x",
            "error[LN0503]: cannot read `file://elsewhere/x`: it names no file of this machine\n  --> {}:2:5\n",
        ),
        (
            "init_config: {maxEventsize: 1, maxBatch: 2}",
            "error[LN0501]: plugin `k8saudit` has no option `maxBatch`\n  --> {}:3:36\n",
        ),
        (
            "init_config: {maxEventSize: many}",
            "error[LN0502]: `maxEventSize` takes a whole number of at least 1\n  --> {}:3:33\n",
        ),
    ],
)
def test_what_a_plugin_would_refuse_is_found(lanner: Lanner, config: Path, plugin: str, message: str) -> None:
    config.write_text(f"plugins:\n  - name: k8saudit\n    {plugin}\n")
    ran = lanner("config", "check", config)
    assert ran.code == 2
    assert message.format(config) in ran.out


def test_the_merged_configuration_is_shown_with_origins(lanner: Lanner, config: Path) -> None:
    config.write_text("priority: notice\nhttp_output: {client_key: mine}\n")
    ran = lanner("config", "show", "-c", config, "-o", "json_output=true")
    assert ran.code == 0
    assert f"priority: notice  # {config}:1\n" in ran.out
    assert "json_output: true  # -o\n" in ran.out
    assert f'client_key: "***"  # {config}:2\n' in ran.out


def test_schemas_are_json(lanner: Lanner) -> None:
    assert "json_output" in json.loads(lanner("--config-schema").out)["$defs"]["Config"]["properties"]
    assert json.loads(lanner("--rule-schema").out)["type"] == "array"


# What commands make of a configuration


def test_a_scan_takes_rules_and_settings_from_it(lanner: Lanner, config: Path, rules: Path, log: Path) -> None:
    config.write_text(f"rules_files: [{rules}]\njson_output: true\nrule_matching: first\n")
    for words in (("scan", "-c", config, log), ("-c", config, "-e", log)):
        ran = lanner(*words)
        assert (ran.code, ran.alerts) == (0, ["Pod Created", "Pod Created"])
    assert lanner("scan", "-c", config, "--rule-matching", "all", log).alerts == 2 * ["Pod Created"] + [
        "Anything by Eve"
    ]


def test_rules_are_switched_in_order(lanner: Lanner, config: Path, rules: Path, log: Path) -> None:
    config.write_text(
        f"rules_files: [{rules}]\njson_output: true\nrules:\n  - disable: {{rule: '*'}}\n  - enable: {{tag: users}}\n"
        "  - enable: {rule: O*}\n"
    )
    assert sorted(lanner("scan", "-c", config, log).alerts) == ["Anything by Eve", "Off", "Off"]


def test_without_standard_output_alerts_are_only_counted(lanner: Lanner, config: Path, rules: Path, log: Path) -> None:
    config.write_text("stdout_output: {enabled: false}\n")
    ran = lanner("scan", "-c", config, "-r", rules, log)
    assert (ran.code, ran.out) == (0, "")
    assert "warning: no output is enabled; alerts are only counted\n" in ran.err
    assert "Events detected: 3\n" in ran.err


def test_what_has_no_effect_is_named_in_a_line(lanner: Lanner, config: Path, rules: Path, log: Path) -> None:
    config.write_text("engine: {kind: kmod}\nplugins_hostinfo: true\nrules_files: [/none.yaml]\n")
    ran = lanner("scan", "-c", config, "-r", rules, log)
    assert ran.err.startswith("note: without effect: engine, plugins_hostinfo\nEvents")
    ran = lanner("scan", "-c", config, log)
    assert "note: /none.yaml of `rules_files` not found\n" in ran.err
    assert "warning: none of `rules_files` is there; the default rules are used\n" in ran.err
    assert lanner("scan", "-q", "-c", config, "-r", rules, log).err == ""


def test_a_configuration_found_by_itself_is_named(
    lanner: Lanner, tmp_path: Path, rules: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lanner.yaml").write_text("json_output: true\n")
    ran = lanner("scan", "-r", rules, log)
    assert ran.err.startswith("configuration: lanner.yaml\n")
    assert len(ran.alerts) == 3


def test_errors_are_shown_before_anything_is_read(lanner: Lanner, config: Path, log: Path) -> None:
    config.write_text("json_ouput: true\n")
    ran = lanner("scan", "-c", config, log)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error[LN0501]: unknown key `json_ouput`\n")
    assert "error: the configuration has 1 error\n" in ran.err


def test_plugins_that_are_not_loaded_are_missing_for_rules(
    lanner: Lanner, config: Path, tmp_path: Path, log: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("- required_plugin_versions:\n  - {name: json, version: 0.7.0}\n")
    config.write_text("plugins: [{name: k8saudit}, {name: json}]\nload_plugins: [k8saudit]\n")
    assert "LN0403" in lanner("scan", "-c", config, "-r", rules, log).err
    config.write_text("plugins: [{name: k8saudit}, {name: json}]\n")
    assert "LN0403" not in lanner("scan", "-c", config, "-r", rules, log).err


def test_the_default_rules_have_their_fields_whatever_is_loaded(lanner: Lanner, config: Path, log: Path) -> None:
    config.write_text("plugins: [{name: k8saudit-gke, open_params: audit}]\nload_plugins: [k8saudit-gke]\n")
    ran = lanner("scan", "-c", config, log)
    assert "error" not in ran.err
    assert ran.code in (0, 1)


def test_rules_of_a_user_have_no_fields_of_plugins_that_are_not_loaded(
    lanner: Lanner, config: Path, tmp_path: Path, log: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- {rule: R, desc: d, condition: 'jevt.value[/verb] = get', output: o, priority: INFO, source: k8s_audit}\n"
    )
    config.write_text("plugins: [{name: k8saudit-gke, open_params: audit}]\nload_plugins: [k8saudit-gke]\n")
    assert "field `jevt.value` needs the plugin `json`" in lanner("scan", "-c", config, "-r", rules, log).err


# Where `run` takes events from


def settings(text: str, tmp_path: Path) -> Settings:
    path = tmp_path / "plugins.yaml"
    path.write_text(text)
    return Settings(plugins=load_config(str(path)).plugins.sources)


ONE = "plugins: [{name: k8saudit, open_params: 'http://:9765/x', init_config: {maxEventSize: 9}}]"
TWO = "plugins: [{name: k8saudit}, {name: k8saudit-gke, open_params: sub}]"


def test_the_configured_plugin_is_the_source(tmp_path: Path) -> None:
    [place] = choose_places(None, settings(ONE, tmp_path))
    assert (place.name, place.open_params, place.options.max_event_size) == ("k8saudit", "http://:9765/x", 9)
    assert (place.start, place.is_wanted) == (Start.KEPT, True)
    assert choose_places("k8saudit", settings(ONE, tmp_path)) == (place,)
    [place] = choose_places("k8saudit", settings(TWO, tmp_path))
    assert (place.open_params, place.is_wanted) == ("", False)


def test_what_the_user_names_goes_first(tmp_path: Path) -> None:
    [place] = choose_places("audit.log", settings(ONE, tmp_path))
    assert (place.name, place.open_params, place.start) == ("audit.log", "audit.log", Start.NEW)


def test_the_old_web_server_is_a_source() -> None:
    [place] = choose_places(None, Settings(audit_endpoint="https://0.0.0.0:1/x", audit_certificate="c.pem"))
    assert (place.open_params, place.options.ssl_certificate, place.is_wanted) == ("https://0.0.0.0:1/x", "c.pem", True)
    assert [place.open_params for place in choose_places(None, Settings())] == [DEFAULT_SOURCE]


def test_tokens_of_the_old_web_server_are_asked_of_posts_too_where_an_api_server_can_send_them() -> None:
    config = Config(webserver=Webserver(enabled=True, token_file="tokens"))

    def asked(endpoint: str) -> str:
        [place] = choose_places(None, Settings(audit_endpoint=endpoint, config=config))
        return str(place.options.token_file)

    assert asked("https://0.0.0.0:1/x") == "tokens"
    assert not asked("http://127.0.0.1:1/x")
    with pytest.raises(Failure, match="cannot guard posts"):
        asked("http://0.0.0.0:1/x")


def test_all_sources_that_are_configured_give_events(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(
        "plugins: [{name: k8saudit, open_params: 'http://127.0.0.1:1/x'}]\n"
        "sources:\n  - {name: dev, open_params: dev.log, rules_files: [dev.yaml]}\n"
        "  - {name: prod, open_params: p.log}\n"
    )
    found = choose_places(None, read_settings(str(path), (), (), Console(quiet=True)))
    assert [(place.name, place.open_params, place.rules_files) for place in found] == [
        ("k8saudit", "http://127.0.0.1:1/x", ()),
        ("dev", "dev.log", ("dev.yaml",)),
        ("prod", "p.log", ()),
    ]
    assert [place.is_wanted for place in found] == [True, False, False]
    assert choose_places("dev", read_settings(str(path), (), (), Console(quiet=True))) == (found[1],)


def test_sources_need_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n  - {name: dev, open_params: a.log}\n  - {name: dev, open_params: b.log}\n")
    with pytest.raises(Failure, match="two sources have the name `dev`"):
        choose_places(None, read_settings(str(path), (), (), Console(quiet=True)))


PLACES = (Place("k8saudit", "http://127.0.0.1:1/x"), Place("dev", "dev.log"))


@pytest.mark.parametrize(
    ("enabled", "disabled", "left"),
    [
        ((), (), ["k8saudit", "dev"]),
        (("k8s_audit",), (), ["k8saudit", "dev"]),
        (("dev",), (), ["dev"]),
        ((), ("dev",), ["k8saudit"]),
        ((), ("syscall",), ["k8saudit", "dev"]),
    ],
)
def test_sources_are_enabled_and_disabled_as_in_falco(
    enabled: tuple[str, ...], disabled: tuple[str, ...], left: list[str]
) -> None:
    assert [place.name for place in select_places(PLACES, enabled, disabled)] == left


@pytest.mark.parametrize(
    ("enabled", "disabled", "message"),
    [
        (("k8s_adit",), (), "unknown source `k8s_adit`"),
        (("dev",), ("dev",), "exclude each other"),
        ((), ("k8s_audit",), "no source of events is left"),
        (("syscall",), (), "no source of events is left"),
    ],
)
def test_a_choice_of_sources_that_makes_no_sense_is_told(
    enabled: tuple[str, ...], disabled: tuple[str, ...], message: str
) -> None:
    with pytest.raises(Failure, match=message):
        select_places(PLACES, enabled, disabled)


@pytest.mark.parametrize("words", [("run", "--dry-run"), ("--dry-run",), ("run", "--workers", "2", "--dry-run")])
def test_a_configured_address_is_wanted_and_warned_about(
    lanner: Lanner, config: Path, rules: Path, words: tuple[str, ...]
) -> None:
    config.write_text(ONE)
    ran = lanner(*words, "-c", config, "-r", rules)
    assert ran.code == 0
    assert "`http://:9765/x` is open to other machines, and nothing asks who posts" in ran.err


def test_an_address_of_the_command_line_needs_to_be_allowed(lanner: Lanner, config: Path, rules: Path) -> None:
    words = ("run", "--dry-run", "-c", config, "-r", rules, "http://0.0.0.0:9765/x")
    config.write_text("allow_unauthenticated: false\n")
    assert lanner(*words).code == 2
    config.write_text("allow_unauthenticated: true\n")
    assert lanner(*words).code == 0


def test_without_a_configuration_its_models_are_not_loaded(rules: Path, log: Path) -> None:
    code = (
        "import sys; from lanner.cli.main import execute;"
        f"execute(['scan', '-q', '-r', {str(rules)!r}, {str(log)!r}]); print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=rules.parent)
    assert not {"lanner.config.models", "lanner.config.load"} & set(ran.stderr.split())


def proposals(text: str) -> str:
    """The example with every proposal in force."""
    return re.sub(r"^( *)#(?=\S|  )", r"\1", text, flags=re.MULTILINE)


def test_the_example_sets_what_is_the_default_anyway(lanner: Lanner, config: Path) -> None:
    ran = lanner("config", "example")
    assert (ran.code, ran.err) == (0, "")
    config.write_text(ran.out)
    loaded = load_config(str(config), environment={})
    assert loaded.diagnostics == ()
    assert loaded.config is not None
    assert msgspec.structs.replace(loaded.config, plugins=[]) == Config()
    [plugin] = loaded.config.plugins
    assert (plugin.name, plugin.open_params) == ("k8saudit", DEFAULT_SOURCE)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's
def test_the_proposals_of_the_example_can_be_put_into_force(
    lanner: Lanner, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ON_CALL_URL", "json://localhost/")
    text = lanner("config", "example").out
    config.write_text(proposals(text))
    assert lanner("config", "check", config).err == "no problems\n"
    loaded = load_config(str(config), environment={})
    assert loaded.config is not None
    given = {pair[0].text for pair in loaded.root.pairs}
    assert {"rules_files", "rules", "append_output", "file_output", "http_output", "webserver"} <= given
    assert given == set(re.findall(r"^#?(\w+):", text, re.MULTILINE))
    assert without_effect(loaded.config, loaded.root) == []


def test_the_example_is_short_and_explains_itself(lanner: Lanner) -> None:
    lines = lanner("config", "example").out.splitlines()
    assert len(lines) < 80
    assert sum(line.startswith("# ") for line in lines) >= 12
    assert max(map(len, lines)) <= 120


# Outputs of work over files


def test_falcos_way_to_read_a_file_takes_alerts_to_all_outputs_and_waits_for_them(
    lanner: Lanner, config: Path, rules: Path, tmp_path: Path
) -> None:
    log, file = tmp_path / "many.jsonl", tmp_path / "alerts.txt"
    log.write_bytes(event("eve") * 12_000)
    config.write_text(
        f"rules_files: [{rules}]\nfile_output: {{enabled: true, filename: {file}}}\noutputs_queue: {{capacity: 2000}}\n"
    )
    ran = lanner("-c", config, "-e", log)
    assert ran.code == 0
    assert len(file.read_text().splitlines()) == ran.out.count("\n") == 24_000


def test_alerts_that_an_output_did_not_get_are_said_and_fail_the_scan(
    lanner: Lanner, config: Path, rules: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CLOSE_S", 0.1)
    config.write_text(
        f"rules_files: [{rules}]\nfile_output: {{enabled: true, filename: /dev/full, keep_alive: true}}\n"
    )
    ran = lanner("-c", config, "-e", log)
    assert ran.code == 1
    assert "warning: output `file` did not get 3 alerts\n" in ran.err
    assert len(ran.out.splitlines()) == 3


def test_a_scan_writes_to_standard_output_alone_as_its_section_says(
    lanner: Lanner, config: Path, rules: Path, log: Path, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.txt"
    config.write_text(
        f"rules_files: [{rules}]\nfile_output: {{enabled: true, filename: {file}}}\n"
        "stdout_output: {template: '%rule at %source', rules: ['Any*']}\n"
    )
    ran = lanner("scan", "-c", config, log)
    assert (ran.code, ran.out) == (0, "Anything by Eve at k8s_audit\n")
    assert not file.exists()


# Fields of the configuration


STATIC = """\
- rule: In Production
  desc: d
  condition: static.env = prod and not static.env in (dev, test) and ka.user.name = eve
  output: seen (user=%ka.user.name)
  priority: NOTICE
  source: k8s_audit
- rule: Elsewhere
  desc: d
  condition: ka.user.name = eve and toupper(static.env) != PROD
  output: seen
  priority: NOTICE
  source: k8s_audit
"""


def test_static_fields_are_constants_for_conditions_and_outputs(
    lanner: Lanner, config: Path, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", "prod")
    rules = tmp_path / "static.yaml"
    rules.write_text(STATIC)
    config.write_text(
        f"rules_files: [{rules}]\njson_output: true\nstatic_fields: {{env: '${{WHERE}}', team: 'a [b] \\u202e'}}\n"
        "append_output:\n  - suggested_output: true\n  - extra_fields: [{where: 'in %static.env'}]\n"
    )
    [alert] = map(json.loads, lanner("scan", "-q", "-c", config, log).out.splitlines())
    assert alert["rule"] == "In Production"
    assert alert["output"].endswith(" Notice seen (user=eve) static_env=prod static_team=a [b] \\u202e")
    assert {key: value for key, value in alert["output_fields"].items() if key != "evt.time"} == {
        "ka.user.name": "eve",
        "static.env": "prod",
        "static.team": "a [b] \\u202e",
        "where": "in prod",
    }


def test_an_unknown_static_field_is_told(lanner: Lanner, config: Path, tmp_path: Path, log: Path) -> None:
    rules = tmp_path / "static.yaml"
    rules.write_text(STATIC)
    config.write_text(f"rules_files: [{rules}]\nstatic_fields: {{enw: prod}}\n")
    ran = lanner("scan", "-c", config, log)
    assert ran.code == 2
    assert "unknown field `static.env`" in ran.err
    assert "did you mean `static.enw`?" in ran.err
    assert "unknown field `static.env`" in lanner("scan", "-r", rules, log).err


def test_a_rule_that_a_static_field_decides_has_no_code_for_it(tmp_path: Path) -> None:
    loaded = load([SourceFile("static.yaml", STATIC)], static_fields={"env": "dev"}).rules
    assert loaded is not None
    compiled = compile_rules(loaded)
    assert "static" not in compiled.source(("ResponseComplete", "get", None, None, "eve"))
    assert "'In Production'" not in compiled.source(("ResponseComplete", "get", None, None, "eve"))


# What keeps a run from starting


def test_a_check_tells_what_would_keep_a_run_from_starting(lanner: Lanner, config: Path) -> None:
    config.write_text(
        "metrics: {enabled: true, interval: 10x, output_rule: true}\nfile_output: {enabled: true}\n"
        "webserver: {enabled: true, ssl_enabled: true, ssl_certificate: /none.pem}\n"
        "http_output: {enabled: true, url: 'https://x/', mtls: true, client_cert: /none.pem}\n"
    )
    ran = lanner("config", "check", "--format", "json", config)
    assert ran.code == 2
    found = {each["message"].split("`")[1]: each["line"] for each in json.loads(ran.out)["diagnostics"]}
    assert found == {
        "metrics.interval": 1,
        "file_output.filename": 2,
        "webserver.ssl_certificate": 3,
        "http_output.client_cert": 4,
    }


def test_a_plugin_of_falcos_stock_configuration_gives_events(tmp_path: Path) -> None:
    """There `load_plugins` is there, and empty."""
    path = tmp_path / "falco.yaml"
    path.write_text("plugins: [{name: container}, {name: k8saudit, open_params: 'http://:1/x'}]\nload_plugins: []\n")
    [place] = choose_places(None, read_settings(str(path), (), (), Console(quiet=True)))
    assert (place.name, place.open_params) == ("k8saudit", "http://:1/x")
