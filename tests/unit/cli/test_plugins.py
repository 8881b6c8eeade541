import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lanner.cli.configuration import read_settings
from lanner.cli.messages import Console
from lanner.cli.planning import Planner, Wishes
from lanner.cli.run import _again
from lanner.cli.settings import Settings
from lanner.outputs.stdout import SharedDescriptor
from lanner.server.plan import PlanError
from tests.packages import FEED, install
from tests.unit.cli.conftest import Lanner


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "lanner-feed", FEED, "feed")


def test_plugins_are_listed(lanner: Lanner, feed: None) -> None:
    ran = lanner("plugins")
    assert (ran.code, ran.err) == (0, "")
    rows = {row.split()[0]: row.split()[1:3] for row in ran.out.splitlines()}
    assert rows["k8saudit"] == ["0.18.0", "lanner"]
    assert rows["feed"] == ["2.1.0", "lanner-feed"]
    assert "feed" in lanner("--list-plugins").out


def test_a_plugin_is_described_from_its_model(lanner: Lanner, feed: None) -> None:
    out = lanner("plugins", "feed").out
    assert "  pause_s (number, default 0.0): How long to wait. Also: wait.\n" in out
    assert '  mode (fast or slow, default "fast"): How.\n' in out
    assert "  names (list of string, default []): Whom.\n" in out
    assert "\nOpen params: whom to feed\n" in out
    assert lanner("--plugin-info", "feed").out == out


def test_plugins_as_json_have_the_schema_of_their_options(lanner: Lanner, feed: None) -> None:
    found = {each["name"]: each for each in json.loads(lanner("plugins", "--format", "json").out)}
    assert found["feed"] == json.loads(lanner("plugins", "feed", "--format", "json").out)
    assert found["feed"]["aliases"] == {"wait": "pause_s"}
    [options] = found["feed"]["init_config"]["$defs"].values()
    assert options["properties"]["pause_s"] == {
        "description": "How long to wait.", "type": "number", "minimum": 0, "default": 0.0
    }  # fmt: skip


def test_a_broken_plugin_is_told_of_beside_the_others(
    lanner: Lanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "lanner-feed", "import nowhere", "feed")
    ran = lanner("plugins")
    assert ran.code == 1
    assert "k8saudit" in ran.out
    assert "error: plugin `feed` cannot be loaded: ModuleNotFoundError: no module named 'nowhere'\n" in ran.err
    assert lanner("config", "check", "-o", "x=1", *_file(tmp_path, "plugins: [{name: k8saudit}]")).code == 2
    ran = lanner("plugins", "k8saudit-x")
    assert (ran.code, ran.out) == (2, "")
    assert "help: did you mean `k8saudit`?" in ran.err or "did you mean `k8saudit-" in ran.err


def _file(folder: Path, text: str) -> list[Path]:
    path = folder / "falco.yaml"
    path.write_text(text)
    return [path]


# Live


CONFIGURED = {
    "plugins": "plugins:\n  - {name: feed, open_params: us}\nload_plugins: [feed]\n",
    "sources": "sources:\n  - {name: mine, plugin: feed, open_params: us}\n",
}


@pytest.mark.parametrize(
    ("key", "source", "name"), [("plugins", (), "feed"), ("plugins", ("feed",), "feed"), ("sources", ("mine",), "mine")]
)
@pytest.mark.usefixtures("feed")
def test_any_plugin_is_a_source_of_run(
    lanner: Lanner, rules: Path, key: str, source: tuple[str, ...], name: str
) -> None:
    [config] = _file(rules.parent, CONFIGURED[key] + "json_output: true\n")
    ran = lanner("run", "-c", config, "-r", rules, *source)
    assert (ran.code, ran.alerts) == (0, 3 * ["Anything by Eve"] + 2 * ["Lanner internal: events may be missing"])
    assert "feeding us" in ran.err
    assert f"source `{name}`: the end was cut off" in ran.err
    assert f"source `{name}`: and another (2 times)" in ran.err


@pytest.mark.parametrize(
    ("open_params", "message"),
    [
        ("", "cannot open `feed`: it has no `open_params`"),
        ("broken", "source `feed` cannot be opened: RuntimeError: no luck"),
    ],
)
@pytest.mark.usefixtures("feed")
def test_what_a_plugin_cannot_open_is_told_before_the_start(
    lanner: Lanner, rules: Path, open_params: str, message: str
) -> None:
    [config] = _file(rules.parent, f"plugins: [{{name: feed, open_params: '{open_params}'}}]")
    ran = lanner("run", "-c", config, "-r", rules)
    assert (ran.code, ran.out) == (2, "")
    assert f"error: {message}\n" in ran.err
    assert f"error[LN0503]: {message}\n" in lanner("config", "check", config).out


def test_a_plugin_that_is_not_configured_is_opened_with_its_defaults(lanner: Lanner, feed: None, rules: Path) -> None:
    ran = lanner("run", "-r", rules, "feed")
    assert (ran.code, "cannot open `feed`: it has no `open_params`" in ran.err) == (2, True)


def test_several_processes_do_not_share_what_is_no_webhook(
    lanner: Lanner, feed: None, tmp_path: Path, rules: Path
) -> None:
    [config] = _file(tmp_path, CONFIGURED["plugins"])
    ran = lanner("run", "--workers", "2", "-c", config, "-r", rules)
    assert (ran.code, "`--workers` is for webhooks, and `feed` is none" in ran.err) == (2, True)


# --check


def test_a_check_says_what_is_missing_and_what_to_do(lanner: Lanner, feed: None, rules: Path, tmp_path: Path) -> None:
    [config] = _file(tmp_path, CONFIGURED["plugins"])
    ran = lanner("run", "--check", "-c", config, "-r", rules)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out == "ok  feed: feed: there is enough\nNO  feed: key of us: it is missing\n      set `key`\n"
    ran = lanner("run", "--check", "-c", config, "-r", rules, "-o", "plugins[0].init_config.key=k")
    assert (ran.code, "NO" in ran.out) == (0, False)
    assert ran.out.endswith("ok  feed: key of us: it is there\n      set `key`\n")  # advice, where all is well


def test_a_check_of_a_configuration_with_mistakes_is_none(
    lanner: Lanner, feed: None, rules: Path, tmp_path: Path
) -> None:
    [config] = _file(tmp_path, "plugins: [{name: feed, open_params: us, init_config: {keys: 1}}]")
    ran = lanner("run", "--check", "-c", config, "-r", rules)
    assert (ran.code, ran.out) == (2, "")


def test_a_check_that_fails_is_no_traceback(
    lanner: Lanner, rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = FEED.replace("async def check(params, options):", "async def check(params, options):\n    1 / 0")
    install(tmp_path, monkeypatch, "lanner-feed", broken, "feed")
    [config] = _file(tmp_path, CONFIGURED["sources"])
    ran = lanner("run", "--check", "-c", config, "-r", rules)
    assert ran.code == 1
    assert "NO  mine: its place: the check failed: ZeroDivisionError: division by zero\n" in ran.out


def test_a_check_of_what_is_built_in(lanner: Lanner, rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    ran = lanner("run", "--check", "-r", rules, log)
    assert (ran.code, ran.out.splitlines()[0]) == (1, f"NO  {log}: file {log}: there is no such file")
    log.touch()
    ran = lanner("run", "--check", "-r", rules, log)
    assert (ran.code, ran.out) == (0, f"ok  {log}: file {log}: it can be read\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        ran = lanner("run", "--check", "-r", rules, address)
    assert (ran.code, "address already in use" in ran.out) == (1, True)
    ran = lanner("run", "--check", "-r", rules, address)
    assert (ran.code, ran.out) == (0, f"ok  webhook: address {address}: it can be listened on\n")
    assert lanner("run", "--check", "-r", rules, "-").out == "-   stdin: there is nothing to test\n"


def test_a_source_that_several_processes_cannot_share_is_refused_when_it_is_read_again(
    rules: Path, tmp_path: Path, feed: None
) -> None:
    [config] = _file(tmp_path, "sources: [{name: api, open_params: 'http://127.0.0.1:0/x'}]")
    console = Console(quiet=True)
    settings = _settings(config, rules, console)
    planner = Planner(Wishes(), console, SharedDescriptor(1))
    assert [source.name for source in _again(planner, settings, is_shared=True).sources] == ["api"]
    _file(tmp_path, CONFIGURED["sources"])
    with pytest.raises(PlanError, match="`--workers` is for webhooks, and `mine` is none"):
        _again(planner, settings, is_shared=True)
    assert [source.name for source in _again(planner, settings, is_shared=False).sources] == ["mine"]


def _settings(config: Path, rules: Path, console: Console) -> Settings:
    def read(console: Console) -> Settings:
        found = read_settings(str(config), (), (str(rules),), console)
        return replace(found, again=read)

    return read(console)
