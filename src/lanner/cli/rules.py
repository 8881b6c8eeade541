"""`lanner rules`: check, list, show and explain rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

from lanner.cli.diagnostics import show, totals
from lanner.cli.loading import load_files, load_rules
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, did_you_mean, say
from lanner.cli.options import color_option, rules_option
from lanner.cli.rules_fmt import fmt
from lanner.cli.rules_import import import_rules
from lanner.cli.rules_schema import schema
from lanner.cli.rules_test import test_rules
from lanner.cli.settings import Settings
from lanner.compiler.levels import full_level, needed_level
from lanner.compiler.load import Rule
from lanner.compiler.ruleset import compile_selected
from lanner.condition import to_text
from lanner.diagnostics import CODES
from lanner.diagnostics.render import printable, to_json
from lanner.rules.notes import read_notes

_format_option = click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print."
)


@click.group("rules")
def rules() -> None:
    """Check, lay out, list, show and test rules."""


rules.add_command(fmt)
rules.add_command(import_rules)
rules.add_command(schema)
rules.add_command(test_rules)


@rules.command("check")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True)
@_format_option
@color_option
@click.pass_context
def check(context: click.Context, paths: tuple[str, ...], output_format: str, color: ColorChoice) -> None:
    """Load rules and report every problem; exit with 2 when there are errors.

    FILE is a rule file or a folder of them; they are loaded in order, as one set.
    """
    files, result = load_files(Settings(rules_files=paths))
    if output_format == "json":
        _print_json(to_json(result.diagnostics))
    else:
        show(result.diagnostics, sys.stdout, Console(color=color))
    number = len(result.rules.rules) + sum(result.rules.not_evaluated.values()) if result.rules else 0
    say(totals(result.diagnostics, len(files)) or f"{counted(number, 'rule')}, no problems")
    context.exit(ExitCode.USAGE if result.rules is None else ExitCode.DONE)


@rules.command("list")
@rules_option
@_format_option
def list_rules(rules_files: tuple[str, ...], output_format: str) -> None:
    """List the rules that are loaded: name, priority, source, tags, and whether they are enabled."""
    loaded = _load(rules_files)
    if output_format == "json":
        _print_json([_summary(rule) for rule in loaded])
        return
    rows = [
        (rule.name, rule.priority.value, rule.source, "enabled" if rule.enabled else "disabled", ", ".join(rule.tags))
        for rule in loaded
    ]
    click.echo(_table(rows), nl=False)


@rules.command("show")
@click.argument("name", metavar="NAME")
@rules_option
@click.option("--compiled", is_flag=True, help="Show the generated code instead.")
def show_rule(name: str, rules_files: tuple[str, ...], compiled: bool) -> None:
    """Show a rule, as written and with its macros and lists put in."""
    loaded = {rule.name: rule for rule in _load(rules_files)}
    rule = loaded.get(name)
    if rule is None:
        raise Failure(f"no rule is named `{name}`", did_you_mean(name, [*loaded]) or "`lanner rules list` shows all")
    if compiled:
        click.echo(compile_selected((rule,)).source_text(name), nl=False)
    else:
        click.echo(_description(rule), nl=False)


@rules.command("explain")
@click.argument("code", metavar="CODE")
def explain(code: str) -> None:
    """Say what a diagnostic code means; Falco's codes are known too."""
    wanted = code.casefold()
    found = [row for row in CODES.values() if wanted in (row.code.casefold(), (row.falco or "").casefold())]
    if not found:
        raise Failure(
            f"unknown code `{code}`", did_you_mean(code, [*CODES]) or "codes look like `LN0203` or `unused_macro`"
        )
    for row in found:
        falco = f"Falco: {row.falco}" if row.falco else "only Lanner reports this"
        click.echo(f"{row.code} ({row.severity}): {row.title}\n{row.explanation}\n{falco}\n")


def _load(rules_files: tuple[str, ...]) -> Sequence[Rule]:
    return load_rules(Settings(rules_files=rules_files), Console()).rules


def _summary(rule: Rule) -> dict[str, object]:
    notes = read_notes(rule.desc)
    return {
        "name": rule.name,
        "priority": rule.priority.value,
        "source": rule.source,
        "tags": list(rule.tags),
        "enabled": rule.enabled,
        "level": needed_level(rule.condition),
        "full_level": full_level(rule.condition),
        "description": notes.summary,
        "false_positives": notes.false_positives,
        "references": list(notes.references),
    }


def _levels(rule: Rule) -> str:
    """The least audit level at which the rule can raise an alert, and the one at which it sees all it asks for."""
    needed, full = needed_level(rule.condition), full_level(rule.condition)
    return needed if needed == full else f"{needed}; sees more at {full}"


def _description(rule: Rule) -> str:
    """Everything about a rule, a paragraph each."""
    facts = {
        "rule": rule.name,
        "priority": rule.priority.value,
        "source": rule.source,
        "tags": ", ".join(rule.tags) or "none",
        "enabled": "yes" if rule.enabled else "no",
        "audit level": _levels(rule),
        "defined at": f"{rule.place.file.name}:{rule.place.position[0]}" if rule.place else "",
    }
    texts = {
        "description": rule.desc,
        "condition": rule.condition_text,
        "condition, macros and lists put in": to_text(rule.condition),
        "output": rule.output_text,
    }
    head = "".join(f"{key}: {printable(value)}\n" for key, value in facts.items() if value)
    return head + "".join(f"\n{title}:\n{_indented(text)}\n" for title, text in texts.items())


def _indented(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in text.strip().splitlines())


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as aligned columns, each column as wide as its widest cell."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells
    )


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))
