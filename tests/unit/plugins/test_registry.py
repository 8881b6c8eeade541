from pathlib import Path

import pytest

from lanner.plugins import registry
from lanner.plugins.registry import PluginError
from lanner.rules.versions import PLUGINS
from lanner.sources.plugin import Plugin
from tests.packages import FEED, install


def test_the_plugins_of_lanner_are_found_and_have_the_versions_that_rules_ask_for() -> None:
    found = dict(registry.every())
    assert [*registry.names()] == [*found]
    assert "k8saudit" in found
    for name, plugin in found.items():
        assert isinstance(plugin, Plugin), plugin
        assert registry.package_of(name) == "lanner"
        assert plugin.version == PLUGINS.get(name, plugin.version)


def test_every_option_of_lanners_plugins_is_described() -> None:
    for name, plugin in registry.every():
        assert isinstance(plugin, Plugin)
        for field in registry.option_fields(plugin):
            description = (getattr(field.type, "extra_json_schema", None) or {}).get("description", "")
            assert description.endswith("."), f"{name}: {field.encode_name}"


def test_a_plugin_of_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "lanner-feed", FEED, "feed")
    assert registry.names()[-1] == "feed"
    assert registry.find("feed").version == "2.1.0"
    assert registry.package_of("feed") == "lanner-feed"


def refused(name: str) -> PluginError:
    with pytest.raises(PluginError) as caught:
        registry.find(name)
    return caught.value


def test_what_no_package_has_is_told() -> None:
    error = refused("none")
    assert (error.message, error.is_absent) == ("there is no plugin `none`", True)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere", "ModuleNotFoundError: no module named 'nowhere'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("other = 1", "AttributeError: "),
        ("PLUGIN = 5", "its entry point is no `Plugin`, but of type `int`"),
        (FEED.replace('name="feed"', 'name="food"'), "it calls itself `food`"),
        (FEED.replace("aliases={", 'event_source="okta", aliases={'), "its events are of the source `okta`"),
        (FEED.replace("options=Options", "options=dict"), "its options are no `msgspec.Struct`"),
        (FEED.replace("] = 5", "]"), "its option `level` has no default"),
        (FEED.replace('"wait": "pause_s"', '"wait": "pauses"'), "another name for an option `pauses`"),
    ],
)
def test_a_broken_plugin_hurts_nobody_but_who_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    install(tmp_path, monkeypatch, "lanner-feed", source, "feed")
    error = refused("feed")
    assert reason in error.message
    assert error.help == "install another version of the package `lanner-feed`, or uninstall it"
    assert registry.find("k8saudit").name == "k8saudit"
    assert isinstance(dict(registry.every())["feed"], PluginError)


def test_of_two_packages_with_the_same_plugin_neither_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "lanner-feed", FEED, "feed")
    install(tmp_path, monkeypatch, "other-feed", FEED, "feed")
    assert refused("feed").message == "several packages have a plugin `feed`: `lanner-feed`, `other-feed`"


def test_no_other_package_takes_the_place_of_lanners_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "evil", FEED, "k8saudit")
    assert registry.package_of("k8saudit") == "lanner"
    assert registry.find("k8saudit").version == PLUGINS["k8saudit"]
