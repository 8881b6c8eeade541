from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lanner.config.load import LoadedConfig, load_config
from lanner.config.schema import config_schema
from lanner.config.show import show
from tests.packages import FEED, install


@pytest.fixture(autouse=True)
def feed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path_factory.mktemp("packages"), monkeypatch, "lanner-feed", FEED, "feed")


def load(folder: Path, init_config: str, key: str = "plugins", **environment: str) -> LoadedConfig:
    path = folder / "lanner.yaml"
    names = "name: feed" if key == "plugins" else "name: mine\n    plugin: feed"
    path.write_text(f"{key}:\n  - {names}\n    open_params: us\n    init_config: {init_config}\n")
    return load_config(str(path), (), environment)


def options(loaded: LoadedConfig) -> Any:
    assert not loaded.diagnostics, [found.message for found in loaded.diagnostics]
    [source] = loaded.plugins.sources
    return source.options


@pytest.mark.parametrize("key", ["plugins", "sources"])
@pytest.mark.parametrize(
    "init_config",
    [
        "{pause_s: 1.5, names: [a], mode: slow, level: 10}",
        '{PAUSE_S: "1.5", Names: a, mode: slow, Level: 10, key: }',
        "{wait: 1.5, names: [a], mode: slow, level: '10'}",
        """'{"Wait": 1.5, "names": ["a"], "mode": "slow", "level": 10, "key": null}'""",
        "|\n      wait: 1.5\n      names: a\n      mode: slow\n      level: 10\n",
        '{pause_s: "${PAUSE}", names: [a], mode: slow, level: 10}',
    ],
)
def test_options_are_taken_in_all_forms(tmp_path: Path, init_config: str, key: str) -> None:
    found = options(load(tmp_path, init_config, key, PAUSE="1.5"))
    assert (found.pause_s, found.names, found.mode, found.level, found.key) == (1.5, ["a"], "slow", 10, "")


@pytest.mark.parametrize("key", ["plugins", "sources"])
@pytest.mark.parametrize(
    ("init_config", "expected"),
    [
        ("{pauses_s: 1}", "LN0501 plugin `feed` has no option `pauses_s` at pauses_s: did you mean `pause_s`?"),
        (
            "{'?': 1}",
            "LN0501 plugin `feed` has no option `?` at '?': the options are `pause_s`, `key`, `mode`, `names`, ",
        ),
        ("{pause_s: long}", "LN0502 `pause_s` takes a number of at least 0 at long: None"),
        ("{pause_s: -1}", "LN0502 `pause_s` takes a number of at least 0 at -1: None"),
        ("{mode: lazy}", "LN0502 `mode` takes one of fast, slow at lazy: None"),
        ("{key: [a]}", "LN0502 `key` takes a text at [a]: None"),
        ("{level: 7}", "LN0502 `level`: expected `int` that's a multiple of 5 at 7: How much."),
        ("{wait: 1, pause_s: 2}", "LN0502 `pause_s` is the same option as `wait` at pause_s: leave one of them out"),
        ('\'{"mode": "fast", "pauses_s": 1}\'', 'LN0501 plugin `feed` has no option `pauses_s` at "pauses_s": did you'),
        ("|\n      mode: slow\n      level: x", "LN0502 `level` takes a whole number at x: None"),
        ("[1]", "LN0502 `init_config` takes a mapping at [1]: None"),
    ],
)
def test_what_does_not_fit_is_told_where_it_stands(tmp_path: Path, key: str, init_config: str, expected: str) -> None:
    loaded = load(tmp_path, init_config, key)
    assert loaded.config is None
    found = loaded.diagnostics[0]
    assert found.span
    assert f"{found.code.code} {found.message} at {found.span.text}: {found.help}".startswith(expected)


def test_a_plugin_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lanner.yaml"
    path.write_text("plugins:\n  - name: fed\nsources:\n  - name: x\n    plugin: k8saudi\n")
    found = load_config(str(path)).diagnostics
    assert [(each.message, each.place[0], each.help) for each in found] == [
        ("there is no plugin `fed`", 2, "did you mean `feed`?"),
        ("there is no plugin `k8saudi`", 5, "did you mean `k8saudit`?"),
    ]


def test_a_plugin_that_is_loaded_alone_counts_for_rules(tmp_path: Path) -> None:
    path = tmp_path / "lanner.yaml"
    path.write_text("plugins: [{name: feed}]\nload_plugins: [feed]\n")
    assert dict(load_config(str(path)).plugins.versions or {}) == {"feed": "2.1.0", "k8saudit": "0.18.0"}
    path.write_text("plugins: [{name: feed}]\n")
    assert (load_config(str(path)).plugins.versions or {}).keys() > {"feed", "k8saudit", "json"}


@pytest.mark.parametrize("key", ["plugins", "sources"])
@pytest.mark.parametrize("init_config", ["{KEY: hunter2, mode: slow}", '\'{"key": "hunter2", mode: slow}\''])
def test_secret_options_are_masked(tmp_path: Path, init_config: str, key: str) -> None:
    text = show(load(tmp_path, init_config, key).root)
    assert "hunter2" not in text
    assert "mode: slow" in text


def test_the_schema_has_the_options_of_all_plugins() -> None:
    validator = jsonschema.Draft202012Validator(config_schema())
    assert validator.is_valid({"plugins": [{"name": "feed", "init_config": {"wait": 1, "mode": "slow"}}]})
    for wrong in ({"wait": "x"}, {"mode": "lazy"}, {"pause_s": -1}):
        assert not validator.is_valid({"plugins": [{"name": "feed", "init_config": wrong}]})
        assert validator.is_valid({"plugins": [{"name": "k8saudit", "init_config": wrong}]})
