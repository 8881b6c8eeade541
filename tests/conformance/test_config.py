"""Configurations that Falco and its plugins document are accepted as they stand."""

from pathlib import Path

import pytest

from lanner.cli.configuration import read_settings
from lanner.cli.messages import Console
from lanner.cli.place import choose_places
from lanner.config.load import LoadedConfig, load_config
from lanner.config.models import Config
from lanner.rules.priority import Priority

# The first line of the example in each text, and the plugins that it loads.
EXAMPLES = {"000": ("k8saudit-gke", "json"), "001": ("k8saudit-ovh", "json"), "003": ("k8saudit", "json")}


def example(shared: Path, number: str) -> str:
    """The part of the text that is the example of a `falco.yaml`: from `plugins:` to `load_plugins:`."""
    [path] = (shared / "seeds").glob(f"{number}_*.txt")
    lines = path.read_text(encoding="utf-8").splitlines()
    start = lines.index("plugins:")
    end = next(at for at, line in enumerate(lines) if at > start and line.startswith("load_plugins:"))
    return "\n".join(lines[start : end + 1]) + "\n"


def accepted(path: Path) -> LoadedConfig:
    loaded = load_config(str(path), environment={})
    assert [found.message for found in loaded.diagnostics] == []
    return loaded


def test_falcos_shipped_configuration_is_accepted(shared: Path) -> None:
    loaded = accepted(shared / "upstream" / "falco.yaml")
    assert isinstance(loaded.config, Config)
    assert loaded.config.rule_matching == "first"
    assert loaded.plugins.versions is None
    settings = read_settings(str(shared / "upstream" / "falco.yaml"), (), (), Console(quiet=True))
    assert (settings.priority, settings.rule_matching, settings.stdout_output) == (Priority.DEBUG, "first", True)


@pytest.mark.parametrize("number", EXAMPLES)
def test_the_examples_of_plugins_are_accepted(shared: Path, tmp_path: Path, number: str) -> None:
    path = tmp_path / "falco.yaml"
    path.write_text(example(shared, number), encoding="utf-8")
    loaded = accepted(path)
    assert tuple(loaded.plugins.versions or ()) == EXAMPLES[number]
    assert [plugin.name for plugin in loaded.plugins.sources] == [EXAMPLES[number][0]]


def test_the_example_of_k8saudit_listens_where_it_says(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "falco.yaml"
    path.write_text(example(shared, "003"), encoding="utf-8")
    [place] = choose_places(None, read_settings(str(path), (), (), Console(quiet=True)))
    assert place.open_params == "http://:9765/k8s-audit"
    assert place.options.ssl_certificate == "/etc/falco/falco.pem"


def test_the_old_web_server_is_the_source(tmp_path: Path) -> None:
    path = tmp_path / "falco.yaml"
    path.write_text("webserver:\n  enabled: true\n  listen_port: 8765\n  k8s_audit_endpoint: /k8s_audit\n")
    [place] = choose_places(None, read_settings(str(path), (), (), Console(quiet=True)))
    assert (place.open_params, place.is_wanted) == ("http://0.0.0.0:8765/k8s_audit", True)
