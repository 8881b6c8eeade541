"""`lanner explain`: why rules match an event, or do not."""

from __future__ import annotations

import json
import os
import re
import sys

import click

from lanner.cli.loading import load_rules
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, did_you_mean
from lanner.cli.options import color_option, rules_option
from lanner.cli.settings import Settings
from lanner.workbench.explain import Explainer, Explanation
from lanner.workbench.explain_view import as_object, show
from lanner.workbench.pick import PickError, pick_events

_PLACE = re.compile(r"(?P<path>.+):(?P<line>[0-9]{1,15})", re.DOTALL)


@click.command("explain")
@click.argument("event", metavar="EVENT")
@click.option("--rule", "names", metavar="NAME", multiple=True, help="Explain this rule; repeatable.")
@rules_option
@click.option(
    "--near",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    metavar="N",
    help="Without --rule: explain as many of the rules that nearly match.",
)
@click.option("--expand", is_flag=True, help="Show the conditions of all macros.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@color_option
def explain(
    *,
    event: str,
    names: tuple[str, ...],
    rules_files: tuple[str, ...],
    near: int,
    expand: bool,
    output_format: str,
    color: ColorChoice,
) -> None:
    """Say why rules match an event, or do not: each condition as a tree with its values and verdicts.

    EVENT is FILE:LINE, FILE when it holds one event, or `-` for standard input. Without --rule, the rules that match
    are explained, and some that nearly do.
    """
    console = Console(color=color)
    raw = _event(event)
    loaded = load_rules(Settings(rules_files=rules_files), console)
    known = [rule.name for rule in loaded.rules]
    for name in names:
        if name not in known:
            raise Failure(f"no rule is named `{name}`", did_you_mean(name, known) or "`lanner rules list` shows all")
    (found,) = Explainer(loaded, names).explain(raw)
    shown = found if names else _chosen(found, near)
    if output_format == "json":
        click.echo(json.dumps([as_object(each) for each in shown], indent=2))
        return
    for each in shown:
        show(each, sys.stdout, color=console.has_color(sys.stdout), expand=expand)
        click.echo()
    if not names:
        _note(found, shown, console)


def _event(place: str) -> bytes:
    """The JSON text of the event that the user names.

    Raises:
        Failure: There is none, or there are several.
    """
    match = None if os.path.exists(place) else _PLACE.fullmatch(place)
    path, line = (match["path"], int(match["line"])) if match else (place, None)
    if line == 0:
        raise Failure("lines are counted from 1")
    try:
        found = pick_events(path, line)
    except PickError as problem:
        if problem.is_unreadable and (name := place.rpartition(":"))[0] and os.path.exists(name[0]):
            raise Failure(f"`{name[2]}` is not the number of a line", f"write `{name[0]}:1`") from None
        code = ExitCode.FAILED if problem.is_unreadable else ExitCode.USAGE
        raise Failure(problem.message, problem.help, code) from None
    if len(found) > 1:
        hint = "send one" if path == "-" else f"name one, such as `{path}:1`" if line is None else "put each on a line"
        raise Failure(f"`{place}` holds {len(found):,} events", hint)
    return found[0]


def _chosen(found: list[Explanation], near: int) -> list[Explanation]:
    """The rules that match, and as many more."""
    matching = sum(each.matches for each in found)
    return found[: matching + near]


def _note(found: list[Explanation], shown: list[Explanation], console: Console) -> None:
    """Say how many rules match, and how many are not shown."""
    matching = sum(each.matches for each in found)
    rest = len(found) - len(shown)
    text = f"{counted(matching, 'rule')} {'matches' if matching == 1 else 'match'}"
    console.note(f"{text}; {counted(rest, 'rule')} further away, not shown" if rest else text)
