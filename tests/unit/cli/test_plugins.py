import json
from pathlib import Path

import pytest

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
