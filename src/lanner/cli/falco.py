"""Falco's own flags, without a command: what `falco` does for the k8s_audit source.

Source: Falco 0.44, options.cpp and app/actions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from lanner.cli.configuration import read_settings
from lanner.cli.falco_version import print_version
from lanner.cli.log import begin_service
from lanner.cli.messages import Console, ExitCode, Failure
from lanner.cli.options import Option, set_option, with_options
from lanner.cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags as given; those that ask for a report come first in the order in which Falco looks at them."""

    config_schema: bool
    rule_schema: bool
    version: bool
    support: bool
    list_plugins: bool
    plugin_info: str | None
    list_fields: str | None
    validate: tuple[str, ...]
    describe_all: bool
    describe: str | None
    config_file: str | None
    rules_files: tuple[str, ...]
    options: tuple[str, ...]
    output_format: Literal["text", "markdown", "json"]
    markdown: bool
    names_only: bool
    more_output: str
    events: str | None
    enabled_sources: tuple[str, ...]
    disabled_sources: tuple[str, ...]
    is_dry_run: bool
    stop_after_s: float
    pidfile: str | None
    unbuffered: bool
    verbose: bool


_SYSCALL_DETAILS = frozenset({"c", "container", "cg", "k", "kubernetes", "kg"})
"""What `-p` takes for details of system calls; events of the API server have none."""


def _refuse_syscalls(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Answer a flag of Falco that only concerns system calls.

    Raises:
        Failure: The flag is given.
    """
    if value:
        raise Failure(f"`{parameter.opts[0]}` only concerns system calls, which Lanner does not read", "leave it out")


_of_syscalls = partial(click.option, callback=_refuse_syscalls, expose_value=False, is_flag=True)
_OPTIONS: Sequence[Option] = (
    click.option("-c", "config_file", metavar="PATH", help="Configuration file."),
    click.option("-r", "rules_files", metavar="PATH", multiple=True, help="Rule file or folder; repeatable."),
    click.option("-e", "events", metavar="FILE", help="Read events from a file, then end."),
    set_option,
    click.option(
        "-V", "--validate", "validate", metavar="FILE", multiple=True, help="Check rule files, then end; repeatable."
    ),
    click.option("-L", "describe_all", is_flag=True, help="Show name and description of all rules, then end."),
    click.option("-l", "describe", metavar="RULE", help="Show name and description of one rule, then end."),
    click.option(
        "--list",
        "list_fields",
        metavar="[SOURCE]",
        is_flag=False,
        flag_value="",
        help="List all fields, or those for events of a source.",
    ),
    click.option("-N", "names_only", is_flag=True, help="With --list: names only."),
    click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "markdown", "json"]),
        default="text",
        help="With --list: how to print.",
    ),
    click.option("--markdown", is_flag=True, help="Older form of --format markdown."),
    click.option("--list-plugins", is_flag=True, help="List the plugins that are built in, then end."),
    click.option("--plugin-info", metavar="NAME", help="Describe a plugin that is built in, then end."),
    click.option(
        "--enable-source",
        "enabled_sources",
        metavar="SOURCE",
        multiple=True,
        help="Only this source of events; repeatable.",
    ),
    click.option(
        "--disable-source",
        "disabled_sources",
        metavar="SOURCE",
        multiple=True,
        help="Not this source of events; repeatable.",
    ),
    click.option("--dry-run", "is_dry_run", is_flag=True, help="Load everything, then end."),
    click.option(
        "-M",
        "stop_after_s",
        metavar="SECONDS",
        type=click.FloatRange(min=0),
        default=0,
        help="Stop after so many seconds; 0: never.",
    ),
    click.option(
        "-p",
        "--print",
        "more_output",
        metavar="TEXT",
        default="",
        help="Older form of -o append_output: this text behind every output; -pk and -pc add nothing.",
    ),
    click.option("-P", "--pidfile", metavar="FILE", help="Write the process id to this file."),
    click.option("-U", "--unbuffered", is_flag=True, help="Hand on each alert at once; Lanner always does."),
    click.option("-v", "verbose", is_flag=True, help="Show warnings of rule files in full."),
    click.option("--version", is_flag=True, help="Show versions, then end."),
    click.option("--support", is_flag=True, help="Show what helps to report a problem, as JSON, then end."),
    click.option("--config-schema", is_flag=True, help="Print the JSON Schema of configurations, then end."),
    click.option("--rule-schema", is_flag=True, help="Print the JSON Schema of rule files, then end."),
    _of_syscalls("-i", help="Refused: only concerns system calls."),
    _of_syscalls("--list-events", help="Refused: only concerns system calls."),
    _of_syscalls("--page-size", help="Refused: only concerns system calls."),
)


@click.command("lanner", context_settings={"help_option_names": ["-h", "--help"]})
@partial(with_options, _OPTIONS)
@click.pass_context
def falco(context: click.Context, /, **given: Any) -> None:
    """Do what `falco` does with these flags, for events of the k8s_audit source."""
    flags = Flags(**given)
    if flags.config_schema or flags.rule_schema:
        context.exit(_print_schema(flags))
    console = Console(quiet=not _detects(flags), verbose=flags.verbose, progress=False)
    if _detects(flags) and flags.events is None:
        begin_service("auto")
    settings = _read(flags, console)
    status = _report(flags, settings)
    context.exit(_detect(flags, settings) if status is None else status)


def _read(flags: Flags, console: Console) -> Settings:
    settings = read_settings(flags.config_file, flags.options, flags.rules_files, console)
    return replace(_with_more_output(settings, flags), again=partial(_read, flags))


def _with_more_output(settings: Settings, flags: Flags) -> Settings:
    """What `-p` asks for besides. Source: Falco 0.44, init_falco_engine.cpp."""
    if flags.more_output in _SYSCALL_DETAILS or not flags.more_output:
        return settings
    from lanner.compiler.load import AppendOutput  # noqa: PLC0415 - `--version` does not need it

    return replace(settings, append_output=(*settings.append_output, AppendOutput(extra_output=flags.more_output)))


def _detects(flags: Flags) -> bool:
    """Whether the flags ask for detection, and not for a report."""
    reports = (flags.version, flags.support, flags.list_plugins, flags.validate, flags.describe_all, flags.describe)
    return not any(reports) and flags.list_fields is None and flags.plugin_info is None


def _print_schema(flags: Flags) -> ExitCode:
    from lanner.config.schema import config_schema, rule_schema  # noqa: PLC0415 - `--version` does not need it

    click.echo(json.dumps(config_schema() if flags.config_schema else rule_schema(), indent=2))
    return ExitCode.DONE


def _report(flags: Flags, settings: Settings) -> ExitCode | None:
    """Print what the flags ask for in place of detection, or give None when they do not."""
    if flags.version:
        return print_version(settings)
    from lanner.cli import falco_reports as reports  # noqa: PLC0415 - `--version` does not need it

    if flags.support:
        return reports.print_support(settings)
    if flags.list_plugins:
        return reports.print_plugins()
    if flags.plugin_info is not None:
        return reports.print_plugin(flags.plugin_info)
    if flags.list_fields is not None:
        output_format = "markdown" if flags.markdown else flags.output_format
        return reports.print_fields(flags.list_fields, output_format, names_only=flags.names_only)
    console = Console(verbose=flags.verbose)
    if flags.validate:
        return reports.print_validation(replace(settings, rules_files=flags.validate), console)
    if flags.describe_all or flags.describe is not None:
        return reports.print_rules(settings, console, flags.describe)
    return None


def _detect(flags: Flags, settings: Settings) -> ExitCode:
    """Evaluate the events of a file, or those that are posted to Falco's usual address on this machine."""
    console = Console(verbose=flags.verbose, progress=False)
    stop_after_s = flags.stop_after_s or None
    if flags.pidfile and not flags.is_dry_run:
        _write_pid(flags.pidfile)
    if flags.events is not None:
        from lanner.cli.scan import Verdict, scan_paths  # noqa: PLC0415 - as above, and each needs much

        paths = (flags.events,)
        return scan_paths(
            paths, settings, console, Verdict(), stop_after_s=stop_after_s, is_dry_run=flags.is_dry_run, to_all=True
        )
    from lanner.cli.planning import Wishes  # noqa: PLC0415 - as above
    from lanner.cli.run import detect  # noqa: PLC0415 - as above

    wishes = Wishes(enabled=flags.enabled_sources, disabled=flags.disabled_sources)
    return detect(wishes, settings, console, stop_after_s=stop_after_s, is_dry_run=flags.is_dry_run)


def _write_pid(path: str) -> None:
    try:
        Path(path).write_text(str(os.getpid()), encoding="ascii")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"cannot write the process id to `{path}`: {reason}", code=ExitCode.FAILED) from error
