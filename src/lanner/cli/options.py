"""Options that several commands share, and the values that they become."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeAlias

import click

from lanner.cli.configuration import read_settings
from lanner.cli.log import LogFormat, begin_service, set_color
from lanner.cli.messages import ColorChoice, Console
from lanner.cli.settings import PROFILES, Matching, Settings
from lanner.rules.priority import Priority

Command: TypeAlias = Callable[..., Any]
Option: TypeAlias = Callable[[Command], Command]


class PriorityType(click.ParamType[Priority]):
    """A priority by its name, in any case."""

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Priority:
        """Read the name.

        Raises:
            click.BadParameter: There is no such priority.
        """
        found = value if isinstance(value, Priority) else Priority.parse(str(value))
        if found is None:
            names = ", ".join(priority.value.lower() for priority in Priority)
            self.fail(f"'{value}' is not one of {names}", param, ctx)
        return found


rules_option: Option = click.option(
    "-r",
    "--rules",
    "rules_files",
    metavar="PATH",
    multiple=True,
    help="Rule file or folder, or `default` for the default rules; repeatable. None: these alone.",
)
names_option: Option = click.option(
    "-r",
    "--rules",
    "rules_files",
    metavar="PATH",
    multiple=True,
    help="Rule file or folder, or `default`, whose macros and lists the condition can use; repeatable.",
)
strict_option: Option = click.option("--strict", is_flag=True, help="Exit with 1 when events were malformed.")
jobs_option: Option = click.option(
    "-j", "--jobs", type=click.IntRange(1, 256), default=1, metavar="N", help="Use N processes, over parts of files."
)
color_option: Option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colour: on a terminal only, always, never.",
)
quiet_option: Option = click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
progress_option: Option = click.option("--no-progress", "no_progress", is_flag=True, help="No progress bar, no status.")
config_option: Option = click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="Configuration file. None: the first of ./lanner.yaml, /etc/lanner/lanner.yaml, /etc/falco/falco.yaml.",
)
set_option: Option = click.option(
    "-o",
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a key of the configuration, such as `json_output` or `webserver.listen_port`; repeatable.",
)


def _begin_service(context: click.Context, parameter: click.Parameter, value: LogFormat) -> None:
    begin_service(value)


log_format_option: Option = click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    is_eager=True,
    expose_value=False,
    callback=_begin_service,
    help="Messages as text or JSON; auto: text on a terminal, else JSON.",
)
"""Of a command that runs until it is stopped; eager, because reading the configuration has messages already."""

_DETECTION: Sequence[Option] = (
    config_option,
    rules_option,
    set_option,
    click.option(
        "--format", "output_format", type=click.Choice(["text", "json"]), help="Alerts as text (default) or JSON."
    ),
    click.option(
        "--rule-matching",
        type=click.Choice(["first", "all"]),
        help="Alert for all matching rules (default) or the first.",
    ),
    click.option(
        "--profile",
        type=click.Choice([*PROFILES]),
        help="How much of the default rules: as they are (default), the noisier ones too (strict), or every event "
        "(activity).",
    ),
    click.option("-p", "--priority", type=PriorityType(), metavar="MIN", help="Leave out rules below this priority."),
    click.option("-t", "--tag", "tags", metavar="TAG", multiple=True, help="Only rules with this tag; repeatable."),
    click.option(
        "-T", "--not-tag", "not_tags", metavar="TAG", multiple=True, help="No rules with this tag; repeatable."
    ),
    click.option(
        "-D", "--disable", "disabled", metavar="RULE", multiple=True, help="No rules of this name (glob); repeatable."
    ),
    quiet_option,
    progress_option,
    color_option,
)


def detection_options(command: Command) -> Command:
    """Give a command the options of detection; it gets them as `settings` and `console`."""

    @wraps(command)
    def with_settings(
        *,
        config_file: str | None,
        rules_files: tuple[str, ...],
        options: tuple[str, ...],
        output_format: str | None,
        rule_matching: Matching | None,
        profile: str | None,
        priority: Priority | None,
        tags: tuple[str, ...],
        not_tags: tuple[str, ...],
        disabled: tuple[str, ...],
        quiet: bool,
        no_progress: bool,
        color: ColorChoice,
        **own: Any,
    ) -> Any:
        console = Console(quiet, not no_progress, color)
        set_color(console.has_color(sys.stderr))
        given: dict[str, Any] = {"tags": frozenset(tags), "not_tags": frozenset(not_tags), "disabled": disabled}
        if output_format is not None:
            given["json_output"] = output_format == "json"
        if rule_matching is not None:
            given["rule_matching"] = rule_matching
        if priority is not None:
            given["priority"] = priority

        def read(console: Console) -> Settings:
            found = read_settings(config_file, options, rules_files, console)
            switches = (*PROFILES[profile], *found.switches) if profile is not None else found.switches
            return replace(found, **given, switches=switches, again=read)

        return command(settings=read(console), console=console, **own)

    return with_options(_DETECTION, with_settings)


def with_options(options: Sequence[Option], command: Command) -> Command:
    """Put options on a command, shown in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command
