"""What users can name is in the documentation."""

import re
from collections.abc import Iterator

import click
import msgspec
from docs.generate import command_of
from docs.internal import TEXTS
from docs.plugins import own

from lanner.cli.main import COMMANDS, FALCO
from lanner.cli.plugins import options_of
from lanner.condition.operators import MODIFIERS, OPERATORS, TRANSFORMERS
from lanner.config.models import Config
from lanner.diagnostics import CODES
from lanner.fields.catalogue import FIELDS
from lanner.rules.keys import ITEMS
from lanner.server.metrics import LATENCY, METRICS
from tests.docs.pages import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


def test_every_field() -> None:
    text = page("fields.md")
    assert [name for name in FIELDS if f"| `{name}`" not in text and f"| `{name}[" not in text] == []


def test_every_diagnostic_code() -> None:
    text = page("diagnostics.md")
    assert [code for code in CODES if f"| `{code}` |" not in text] == []


def test_every_word_of_the_language() -> None:
    text = page("operators.md")
    words = [*OPERATORS, *MODIFIERS, *(f"{name}(" for name in TRANSFORMERS)]
    assert [word for word in words if f"| `{word}` |" not in text] == []


def test_every_word_of_the_language_is_explained() -> None:
    text = page("semantics.md").replace("`", " ")
    words = [*(f" {word} " for word in (*OPERATORS, *MODIFIERS)), *(f"{name}(" for name in TRANSFORMERS)]
    assert [word for word in words if word not in text] == []


def test_every_key_of_rule_files() -> None:
    text = page("rule-files.md")
    assert [key for keys in ITEMS.values() for key in keys if f"| `{key}` |" not in text] == []


def sections(title: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from sections(f"{title} {name}", each)
    else:
        yield title, command


def test_every_command_and_flag() -> None:
    chapters = {part.partition("\n")[0]: part for part in page("commands.md").split("\n## ")}
    commands = [
        found for name, (place, _) in COMMANDS.items() for found in sections(f"lanner {name}", command_of(place))
    ]
    for title, command in (*commands, ("lanner, with Falco's flags", command_of(FALCO))):
        flags = [flag for each in command.params if isinstance(each, click.Option) for flag in each.opts]
        assert [flag for flag in flags if f"`{flag}`" not in chapters[title]] == [], title


def test_every_key_of_the_configuration() -> None:
    text = page("configuration.md")
    definitions = msgspec.json.schema(Config)["$defs"].values()
    keys = {key for section in definitions for key in section["properties"]}
    assert [key for key in keys if f"| `{key}` |" not in text] == []


def test_every_option_of_a_plugin() -> None:
    chapters = {part.partition("\n")[0]: part for part in page("plugins.md").split("\n## ")}
    for plugin in own():
        assert [found.name for found in options_of(plugin) if f"| `{found.name}` |" not in chapters[plugin.name]] == []


def test_every_metric() -> None:
    names = {LATENCY, *(metric.name for metric in METRICS)}
    text = page("metrics.md")
    assert [name for name in names if f"| `{name}` |" not in text] == []
    guide = (ROOT / "docs" / "guide" / "operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\b(?:lanner|falcosecurity)_[a-z_]+[a-z]", guide)) <= names


def test_every_alert_about_the_program_itself() -> None:
    """Their names are looked for in the source, so that one which is new cannot be forgotten."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "lanner").rglob("*.py"))
    names = set(re.findall(r'= "((?:Lanner|Falco) internal: .+)"$', sources, re.MULTILINE))
    assert names == set(TEXTS)
    text = page("internal-alerts.md")
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = set((ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines())
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")]
    unlisted = [str(each) for each in pages if str(each) not in listed and each.parts[0] != "adr"]
    assert unlisted == ["index"]


def test_every_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    titles = [path.read_text(encoding="utf-8").partition(".")[0] for path in pages]
    assert titles == [f"# {int(path.name[:4])}" for path in pages]
    assert len(set(titles)) == len(titles), "take the next free number"
