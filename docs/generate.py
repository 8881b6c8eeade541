"""Writes the pages of the documentation that say what tables in the code say: `python -m docs.generate`.

A test compares the committed pages with what is written here, so that neither can change alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from docs.detections import RULES, default_rules, detections
from docs.internal import internal_alerts
from docs.keys import ConfigKey, config_keys
from docs.markup import between, code, page, table
from docs.metrics import metrics
from docs.migration import flags_and_keys
from docs.plugins import plugins
from docs.providers import managed_clusters
from docs.rule_tests import rule_tests

from lanner import LoadResult, compile_rules, load_rules
from lanner.cli.log import LEVELS, PREFIXES, Fields
from lanner.cli.main import COMMANDS, FALCO
from lanner.compiler.load import LoadedRules
from lanner.condition.operators import MODIFIERS, OPERATORS, TRANSFORMERS
from lanner.diagnostics import CODES, Severity
from lanner.events.schema import Kind
from lanner.fields.listing import render_fields
from lanner.rules.keys import EXCEPTION_KEYS, ITEMS, REQUIREMENT_KEYS, Key

DOCS = Path(__file__).parent


def main() -> None:
    """Write every page whose text has changed, and name it."""
    for name, write in PAGES.items():
        path, text = DOCS / name, write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/{name}\n")


def command_of(place: str) -> click.Command:
    """Import a command that is given as `module:name`."""
    module, name = place.split(":")
    command = getattr(import_module(module), name)
    if not isinstance(command, click.Command):
        raise TypeError(f"`{place}` is no command")
    return command


# Reference pages


def _fields() -> str:
    intro = (
        "What a condition or an output can ask of an event. `lanner fields` prints the same. Brackets behind a "
        "name stand for an argument: `[key]` is needed, `[[index]]` may be left out. The least audit level is the "
        "one from which an API server records what the field reads."
    )
    return page("Fields", intro, render_fields("markdown"))


def _diagnostics() -> str:
    intro = (
        "What `lanner rules check` can report. `lanner rules explain CODE` prints a row. Errors keep the rules "
        "from being used, warnings do not. The code in the last column is the one that Falco gives to the same "
        "problem; JSON output has both."
    )
    parts = []
    for severity, title in ((Severity.ERROR, "Errors"), (Severity.WARNING, "Warnings")):
        rows = [
            (code(row.code), row.title, row.explanation, code(row.falco or ""))
            for row in CODES.values()
            if row.severity is severity
        ]
        parts.append(f"## {title}\n\n{table(('code', 'title', 'meaning', 'Falco'), rows)}")
    return page("Diagnostics", intro, *parts)


def _operators() -> str:
    kinds = ("text", "number", "address", "list")
    operators = table(
        ("operator", "texts", "numbers", "addresses", "lists", "takes a list", "holds when the value is or does this"),
        (
            (
                code(row.name),
                *("yes" if getattr(row, kind) else "" for kind in kinds),
                "yes" if row.takes_list else "",
                row.description,
            )
            for row in OPERATORS.values()
        ),
    )
    modifiers = table(("modifier", "meaning"), ((code(name), text) for name, text in MODIFIERS.items()))
    transformers = table(("transformer", "gives"), ((code(f"{name}("), text) for name, text in TRANSFORMERS.items()))
    intro = "The words of the condition language, from its tables. [Semantics](semantics.md) explains how they work."
    return page(
        "Operators",
        intro,
        f"## Operators\n\n{operators}",
        f"## Modifiers\n\nBetween an operator and a list of values, as in `startswith anyof (a, b)`.\n\n{modifiers}",
        f"## Transformers\n\nAround a field, as in `tolower(ka.user.name) = alice`.\n\n{transformers}",
    )


def _rule_files() -> str:
    intro = (
        "A rule file is a YAML list. Each item has one of the keys below as its kind. `append` and `replace` say "
        "whether an `override` can do that to the key."
    )
    parts = [_keys_table(f"`{kind}`", keys) for kind, keys in ITEMS.items()]
    parts.append(_keys_table("An exception", EXCEPTION_KEYS))
    parts.append(_keys_table("A plugin requirement", REQUIREMENT_KEYS))
    return page("Keys of rule files", intro, *parts)


def _keys_table(title: str, keys: Mapping[str, Key]) -> str:
    rows = (
        (
            code(key.name),
            key.form.value,
            *("yes" if flag else "" for flag in (key.required, key.append, key.replace)),
            key.description,
        )
        for key in keys.values()
    )
    return f"## {title}\n\n{table(('key', 'value', 'required', 'append', 'replace', 'meaning'), rows)}"


def _configuration() -> str:
    intro = (
        "The keys of a configuration. Those that are accepted without effect only concern system calls, or Lanner has "
        "no need of them. "
        "[Configuration](../guide/configuration.md) explains how files, options and variables come together."
    )
    sections: dict[str, list[ConfigKey]] = {}
    for key in config_keys():
        sections.setdefault(key.section, []).append(key)
    return page("Keys of the configuration", intro, *(_section_table(*found) for found in sections.items()))


def _section_table(section: str, keys: Iterable[ConfigKey]) -> str:
    rows = ((code(key.name), code(key.default), key.standing.value, key.description) for key in keys)
    return f"## {code(section) or 'Keys'}\n\n{table(('key', 'default', 'standing', 'meaning'), rows)}"


def _messages() -> str:
    intro = (
        "What `lanner run` says about itself on standard error when that is no terminal: an object a line, in UTF-8, "
        "with the members below, and others only where they have something to say. Alerts are not among them; those go "
        "to the outputs. [Watching a run](../guide/watching-a-run.md) says how to choose."
    )
    fields = {name: get_args(hint) for name, hint in get_type_hints(Fields, include_extras=True).items()}
    rows = ((code(name), _type_name(kind), description) for name, (kind, description) in fields.items())
    levels = table(
        ("level", "meaning", "for people it begins with"),
        ((code(name), LEVELS[name], code(PREFIXES[name][0].strip()) if name in PREFIXES else "") for name in LEVELS),
    )
    always = (
        ("`time`", "text", "When it was said: UTC, with microseconds, such as `2026-11-21T16:07:01.123456Z`."),
        ("`level`", "text", "How much it matters."),
        ("`message`", "text", "What there is to say, in a sentence."),
    )
    return page(
        "Messages",
        intro,
        f"## Levels\n\n{levels}",
        f"## Members\n\nThe first three are always there.\n\n{table(('member', 'value', 'meaning'), [*always, *rows])}",
    )


def _type_name(kind: Any) -> str:
    """What JSON calls a type; `None` only means that a member may be missing."""
    [given] = [part for part in get_args(kind) or (kind,) if part is not type(None)] if kind != list[str] else [kind]
    return {str: "text", int: "number", float: "number", list[str]: "list of texts"}[given]


def _commands() -> str:
    intro = "Every command with its options, as `--help` shows them."
    parts = [part for name, (place, _) in COMMANDS.items() for part in _command(f"lanner {name}", command_of(place))]
    parts += _command("lanner, with Falco's flags", command_of(FALCO))
    return page("Commands", intro, *parts)


def _command(title: str, command: click.Command) -> list[str]:
    """A section for a command, or for each command of a group."""
    if isinstance(command, click.Group):
        return [part for name, each in command.commands.items() for part in _command(f"{title} {name}", each)]
    text = cleandoc(command.help or "")
    arguments = [
        each.make_metavar(click.Context(command)) for each in command.params if isinstance(each, click.Argument)
    ]
    usage = f"`{' '.join([title, *arguments])}`"
    rows = [
        (", ".join(map(code, [*option.opts, *option.secondary_opts])), _value_of(option, command), option.help or "")
        for option in command.params
        if isinstance(option, click.Option)
    ]
    return [f"## {title}\n\n{usage}\n\n{text}\n\n{table(('option', 'value', 'meaning'), rows)}"]


def _value_of(option: click.Option, command: click.Command) -> str:
    return "" if option.is_flag else code(option.make_metavar(click.Context(command)))


# The generated code that the architecture page shows

_EXAMPLE = "explanation/example.yaml"
_KINDS: Mapping[str, Kind] = {
    "exec": ("ResponseStarted", "create", "pods", "exec", "alice"),
    "pod": ("ResponseComplete", "create", "pods", None, "alice"),
    "controller": ("ResponseComplete", "create", "pods", None, "system:node:worker-1"),
}


def _architecture() -> str:
    """The page with the code that Lanner generates for its example put between the markers."""
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rules = compile_rules(_loaded(load_rules([DOCS / _EXAMPLE])))
    example = (DOCS / _EXAMPLE).read_text(encoding="utf-8")
    text = between(text, "example", f"```yaml\n{example}```")
    for name, kind in _KINDS.items():
        function = rules.source(kind).rstrip("\n")
        nothing = "No function: no rule can match, and nothing is evaluated."
        text = between(text, name, f"```text\n{function}\n```" if function else nothing)
    return text


def _configuration_guide() -> str:
    """The guide with the configuration that ships put between the markers."""
    text = (DOCS / "guide" / "configuration.md").read_text(encoding="utf-8")
    example = (RULES.parent / "lanner.yaml").read_text(encoding="utf-8")
    return between(text, "example", f"```yaml\n{example}```")


def _managed_clusters() -> str:
    return managed_clusters(_loaded(load_rules([RULES])).rules)


def _loaded(result: LoadResult) -> LoadedRules:
    if result.rules is None:
        raise ValueError([found.message for found in result.diagnostics])
    return result.rules


PAGES: Mapping[str, Callable[[], str]] = {
    "guide/configuration.md": _configuration_guide,
    "reference/commands.md": _commands,
    "reference/configuration.md": _configuration,
    "reference/default-rules.md": default_rules,
    "reference/detections.md": detections,
    "reference/diagnostics.md": _diagnostics,
    "reference/falco-flags-and-keys.md": flags_and_keys,
    "reference/fields.md": _fields,
    "reference/internal-alerts.md": internal_alerts,
    "reference/messages.md": _messages,
    "reference/managed-clusters.md": _managed_clusters,
    "reference/metrics.md": metrics,
    "reference/operators.md": _operators,
    "reference/plugins.md": plugins,
    "reference/rule-files.md": _rule_files,
    "reference/rule-tests.md": rule_tests,
    "explanation/architecture.md": _architecture,
}
"""What writes each generated page, by its path below `docs`."""

if __name__ == "__main__":
    main()
