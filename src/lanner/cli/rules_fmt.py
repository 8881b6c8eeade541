"""`lanner rules fmt`: rule files laid out anew."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from lanner.cli.diagnostics import show
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, report
from lanner.cli.options import color_option, quiet_option
from lanner.cli.writing import replace_file
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.diagnostics.render import printable
from lanner.rules.files import decoded, read_rule_files
from lanner.rules.format import FormatError, format_rules
from lanner.sources.base import reason_of

_STDIN = "-"
_COLORS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("fmt")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is not laid out like this.")
@click.option("--diff", is_flag=True, help="Write nothing, show what would change; exit with 1 when something would.")
@quiet_option
@color_option
@click.pass_context
def fmt(
    context: click.Context, paths: tuple[str, ...], *, check: bool, diff: bool, quiet: bool, color: ColorChoice
) -> None:
    """Lay rule files out: conditions, long texts, lists, indentation and blank lines.

    FILE is a rule file, a folder of them, or `-` to read standard input and write standard output. Comments, order and
    meaning stay; what a file means is compared before it is written.
    """
    console = Console(quiet=quiet, color=color)
    done = [_format(file, console) for file in _files(paths, console)]
    for each in done:
        if each.text is None:
            continue
        if diff:
            _show_diff(each, console)
        elif not check:
            _write(each)
    changed = [each.file.name for each in done if each.text not in (None, each.file.text)]
    if check or diff:
        for name in changed:
            console.tell(f"would be laid out anew: {name}")
    failed = sum(each.text is None for each in done)
    verb = "would be laid out anew" if check or diff else "laid out anew"
    if _STDIN not in paths:
        as_is = len(done) - len(changed) - failed
        console.tell(f"{counted(len(changed), 'file')} {verb}, {as_is:,} left unchanged")
    if failed:
        context.exit(ExitCode.USAGE)
    context.exit(ExitCode.FAILED if changed and (check or diff) else ExitCode.DONE)


@dataclass(frozen=True, slots=True)
class _Done:
    """A file and its text laid out anew; None when that is not possible, which was said."""

    file: SourceFile
    text: str | None


def _files(paths: tuple[str, ...], console: Console) -> Iterator[SourceFile]:
    for path in paths:
        if path == _STDIN:
            diagnostics = Diagnostics()
            file = decoded("<stdin>", sys.stdin.buffer.read(), diagnostics)
            files = [file] if file else []
        else:
            files, diagnostics = read_rule_files([path])
        if diagnostics.errors:
            show(diagnostics.errors, sys.stderr, console)
            raise Failure("nothing was laid out", "give rule files or folders that can be read")
        yield from files


def _format(file: SourceFile, console: Console) -> _Done:
    diagnostics = Diagnostics()
    try:
        text = format_rules(file, diagnostics)
    except FormatError:
        report(
            f"`{file.name}` would mean something else if it was laid out anew, and is left as it is",
            help="this is a mistake in Lanner: please report it with the file",
        )
        return _Done(file, None)
    if text is None:
        show(diagnostics.errors, sys.stderr, console)
    return _Done(file, text)


def _write(done: _Done) -> None:
    assert done.text is not None  # noqa: S101 - INVARIANT: the caller looked
    if done.file.name == "<stdin>":
        sys.stdout.buffer.write(done.text.encode())
    elif done.text != done.file.text:
        try:
            replace_file(done.file.name, done.text)
        except OSError as error:
            message = f"cannot write `{done.file.name}`: {reason_of(error)}"
            raise Failure(message, "the file is as it was", ExitCode.FAILED) from None


def _show_diff(done: _Done, console: Console) -> None:
    assert done.text is not None  # noqa: S101 - INVARIANT: the caller looked
    name = done.file.name
    lines = difflib.unified_diff(done.file.text.splitlines(), done.text.splitlines(), name, name, lineterm="")
    has_color = console.has_color(sys.stdout)
    for line in lines:
        text = printable(line)
        color = _COLORS.get(line[:1]) if has_color else None
        click.echo(click.style(text, fg=color) if color else text, color=has_color)
