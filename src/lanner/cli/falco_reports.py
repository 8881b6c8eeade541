"""What Falco's flags print in place of detection: versions, fields, plugins, checked files, rules.

Source: Falco 0.44, app/actions, falco_engine.cpp (`describe_rule`), rule_loader.cpp (`as_json`), for the shapes.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable
from typing import Literal

import click

from lanner import __version__
from lanner.cli.diagnostics import show
from lanner.cli.falco_version import versions
from lanner.cli.loading import load_files, load_rules
from lanner.cli.messages import Console, ExitCode, Failure, did_you_mean
from lanner.cli.plugins import described, installed, versions_of_all
from lanner.cli.settings import Settings
from lanner.compiler.load import LoadedRules, Rule
from lanner.condition import to_text
from lanner.condition.ast import checks
from lanner.diagnostics import Diagnostic
from lanner.fields.catalogue import FIELDS
from lanner.fields.listing import render_fields
from lanner.rules.versions import AUDIT_SOURCE, PLUGINS, WITHOUT_EVENTS

_NAME_WIDTH = 50
_LINE_WIDTH = 110


def print_support(settings: Settings) -> ExitCode:
    """Print versions, system, command line and settings as JSON."""
    system = os.uname()
    report = {
        "version": __version__,
        "engine_info": versions(),
        "python": sys.version.split()[0],
        "system_info": {key: getattr(system, key) for key in ("sysname", "nodename", "release", "version", "machine")},
        "cmdline": " ".join(sys.argv),
        "rules_files": list(settings.rules_files),
    }
    click.echo(json.dumps(report))
    return ExitCode.DONE


def print_plugins() -> ExitCode:
    """Print the plugins that are installed."""
    found = versions_of_all()
    click.echo(f"{len(found)} Plugins Loaded:\n")
    for name, number in found.items():
        click.echo(f"Name: {name}\nVersion: {number}\n")
    return ExitCode.DONE


def print_plugin(name: str) -> ExitCode:
    """Print what a plugin is and takes.

    Raises:
        Failure: It is not installed.
    """
    if name in WITHOUT_EVENTS:
        click.echo(f"Name: {name}\nVersion: {PLUGINS[name]}\nCapabilities:\n  - Field Extraction")
    else:
        click.echo(described(installed(name)))
    return ExitCode.DONE


def print_fields(source: str, output_format: Literal["text", "markdown", "json"], *, names_only: bool) -> ExitCode:
    """Print the fields for events of a source, or of all when it is empty.

    Raises:
        Failure: The source is none of Lanner's.
    """
    if source not in ("", AUDIT_SOURCE):
        raise Failure(f"unknown source `{source}`", f"Lanner's events are those of `{AUDIT_SOURCE}`")
    if not names_only:
        click.echo(render_fields(output_format), nl=False)
        return ExitCode.DONE
    names = [spec.name for spec in FIELDS.values() if spec.deprecated is None]
    click.echo(json.dumps({"fieldnames": names}, indent=2) if output_format == "json" else "\n".join(names))
    return ExitCode.DONE


def print_validation(settings: Settings, console: Console) -> ExitCode:
    """Check the rule files and print a line and the errors for each; Falco's JSON object with `json_output`."""
    files, result = load_files(settings)
    names = dict.fromkeys([*(file.name for file in files), *(found.file_name for found in result.diagnostics)])
    by_file = {name: [found for found in result.diagnostics if found.file_name == name] for name in names}
    if settings.json_output:
        click.echo(json.dumps({"falco_load_results": [_load_result(name, found) for name, found in by_file.items()]}))
    else:
        for name, found in by_file.items():
            click.echo(f"{name}: {_verdict(found)}")
            show(_errors(found), sys.stdout, console)
    if console.verbose:
        show((found for found in result.diagnostics if found.severity == "warning"), sys.stderr, console)
    return ExitCode.USAGE if result.rules is None else ExitCode.DONE


def print_rules(settings: Settings, console: Console, name: str | None) -> ExitCode:
    """Print name and description of a rule, or of all; with `json_output` everything about rules, macros and lists.

    Raises:
        Failure: The rules have errors, or there is no rule of that name.
    """
    loaded = load_rules(settings, console)
    rules = [rule for rule in loaded.rules if name in (None, rule.name)]
    if not rules:
        known = [rule.name for rule in loaded.rules]
        raise Failure(f"no rule is named `{name}`", did_you_mean(name or "", known) or "`lanner -L` shows all")
    if settings.json_output:
        found = {"rules": [_rule(rule) for rule in rules]}
        click.echo(json.dumps(found if name is not None else {**found, **_definitions(loaded)}))
        return ExitCode.DONE
    for left, right in (("Rule", "Description"), ("----", "-----------"), *((rule.name, rule.desc) for rule in rules)):
        click.echo(f"{left:<{_NAME_WIDTH}} {_wrapped(right)}")
    return ExitCode.DONE


def _verdict(found: Iterable[Diagnostic]) -> str:
    items = list(found)
    if _errors(items):
        return "Invalid"
    return "Ok, with warnings" if items else "Ok"


def _errors(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [item for item in found if item.severity == "error"]


def _load_result(name: str, found: list[Diagnostic]) -> dict[str, object]:
    errors = _errors(found)
    return {
        "name": name,
        "successful": not errors,
        "errors": [_problem(item) for item in errors],
        "warnings": [_problem(item) for item in found if item not in errors],
    }


def _problem(found: Diagnostic) -> dict[str, object]:
    """A problem in Falco's shape, whose lines and columns start with 0."""
    line, column = found.place
    position = {
        "name": found.file_name,
        "line": line - 1,
        "column": column - 1,
        "offset": found.span.start if found.span else 0,
    }
    snippet = found.span.file.line(line) + "\n" if found.span else ""
    return {
        "code": found.code.falco or found.code.code,
        "codedesc": found.code.title,
        "message": found.message,
        "context": {
            "locations": [{"item_type": "rules content", "item_name": "", "position": position}],
            "snippet": snippet,
        },
    }


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "info": {
            "name": rule.name,
            "condition": rule.condition_text,
            "priority": rule.priority.value,
            "output": rule.output_text,
            "description": rule.desc,
            "enabled": rule.enabled,
            "source": rule.source,
            "tags": list(rule.tags),
        },
        "details": {
            "condition_compiled": to_text(rule.condition),
            "condition_operators": sorted({check.operator for check in checks(rule.condition)}),
            "output_fields": sorted(field.key for field in rule.output.fields),
            "exception_names": list(rule.exceptions),
        },
    }


def _definitions(loaded: LoadedRules) -> dict[str, object]:
    return {
        "required_engine_version": loaded.required_engine_version,
        "macros": [
            {"info": {"name": macro.name, "condition": macro.condition_text}, "details": {"used": macro.used}}
            for macro in loaded.macros
        ],
        "lists": [
            {"info": {"name": entry.name, "items": list(entry.items)}, "details": {"used": entry.used}}
            for entry in loaded.lists
        ],
    }


def _wrapped(text: str) -> str:
    lines = textwrap.wrap(text, _LINE_WIDTH - _NAME_WIDTH)
    return f"\n{' ' * _NAME_WIDTH} ".join(lines)
