"""`lanner config`: check and show the configuration, and print one to begin with."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from operator import attrgetter

import click

from lanner.cli.configuration import find_config, load_or_fail, tell_of_warnings
from lanner.cli.diagnostics import show, totals
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, say
from lanner.cli.options import color_option, config_option, set_option
from lanner.cli.settings import settings_of
from lanner.config.load import LoadedConfig, load_config
from lanner.config.reader import place_of
from lanner.config.secrets import veiled
from lanner.config.show import show as rendered
from lanner.diagnostics import Diagnostic, Diagnostics
from lanner.diagnostics.render import to_json


@click.group("config")
def config() -> None:
    """Check and show the configuration, or print one to begin with."""


@config.command("check")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True)
@set_option
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@color_option
@click.pass_context
def check(
    context: click.Context, paths: tuple[str, ...], options: tuple[str, ...], output_format: str, color: ColorChoice
) -> None:
    """Load configurations and report every problem; exit with 2 when there are errors.

    Each FILE is a configuration of its own, with the files that it includes.
    """
    loaded = [load_config(path, options) for path in paths]
    diagnostics = [found for each in loaded for found in _problems(each)]
    files = sum(len(each.files) for each in loaded)
    if output_format == "json":
        click.echo(json.dumps(to_json(sorted(diagnostics, key=attrgetter("file_name", "place"))), indent=2))
    else:
        show(diagnostics, sys.stdout, Console(color=color))
    say(totals(diagnostics, files) or "no problems")
    is_bad = any(found.severity == "error" for found in diagnostics)
    context.exit(ExitCode.USAGE if is_bad else ExitCode.DONE)


@config.command("show")
@config_option
@set_option
@color_option
def show_config(config_file: str | None, options: tuple[str, ...], color: ColorChoice) -> None:
    """Print the merged configuration, with the place that each value comes from; secrets are masked."""
    path = config_file if config_file is not None else find_config()
    console = Console(color=color)
    loaded, _ = load_or_fail(path, options, console)
    tell_of_warnings(loaded, console)
    click.echo(rendered(loaded.root), nl=False)


@config.command("example")
def print_example() -> None:
    """Print a short configuration with comments to begin with: the defaults, and proposals."""
    click.echo(files("lanner.data").joinpath("lanner.yaml").read_text(encoding="utf-8"), nl=False)


def _problems(loaded: LoadedConfig) -> Sequence[Diagnostic]:
    return [*loaded.diagnostics, *veiled([*_plugin_problems(loaded), *_option_problems(loaded)])]


def _option_problems(loaded: LoadedConfig) -> Sequence[Diagnostic]:
    """What outputs, the web server and metrics say of their options, such as of files that are not there."""
    from lanner.cli.planning import settings_problems  # noqa: PLC0415 - it needs much

    found = Diagnostics()
    if loaded.config is not None:
        for key, message, help_text in settings_problems(settings_of(loaded, loaded.config)):
            text = message if f"`{key}`" in message else f"`{key}`: {message}"
            found.add("LN0502", text, place_of(loaded.root, key), help=help_text)
    return found.items


def _plugin_problems(loaded: LoadedConfig) -> Sequence[Diagnostic]:
    """What plugins say of what they are to open."""
    from lanner.cli.place import place_of_plugin  # noqa: PLC0415 - as above
    from lanner.cli.planning import listening, try_open  # noqa: PLC0415 - as above

    found = Diagnostics()
    for plugin in loaded.plugins.sources if loaded.config else ():
        place = place_of_plugin(plugin)
        try:
            if listening(place, place.options) is None:
                try_open(place, place.options, place.start)
        except Failure as failure:
            found.add("LN0503", failure.message, plugin.span, help=failure.help)
    return found.items
