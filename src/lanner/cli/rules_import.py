"""`lanner rules import`: Sigma rules to a Falco rule file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from lanner.cli.diagnostics import show
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted
from lanner.cli.options import color_option, quiet_option
from lanner.cli.writing import replace_file
from lanner.rules.files import read_rule_files
from lanner.sources.base import reason_of


@click.command("import")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True)
@click.option("-o", "--output", "output", metavar="FILE", help="Write the rules to this file, not to standard output.")
@click.option("--report", metavar="FILE", help="Write what became of each Sigma rule to this file, as JSON.")
@quiet_option
@color_option
@click.pass_context
def import_rules(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    output: str | None,
    report: str | None,
    quiet: bool,
    color: ColorChoice,
) -> None:
    """Turn Sigma rules for Kubernetes audit logs into a Falco rule file; exit with 1 when one could not be.

    FILE is a Sigma file, or a folder whose files, and those in its folders, are read. Rules about other logs are
    skipped. Needs `lanner[sigma]`.
    """
    try:
        from lanner.sigma.importer import Fate, import_sigma  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise Failure("reading Sigma rules needs the library pySigma", "install `lanner[sigma]`") from None
    console = Console(quiet=quiet, color=color)
    files, diagnostics = read_rule_files(_listed(paths))
    imported = import_sigma(files, diagnostics)
    if output is None:
        sys.stdout.buffer.write(imported.text.encode())
        sys.stdout.buffer.flush()
    elif imported.text:
        _write(output, imported.text)
    if report is not None:
        _write(report, json.dumps([asdict(line) for line in imported.lines], indent=2) + "\n")
    found = diagnostics.ordered()
    show(found if not quiet else diagnostics.errors, sys.stderr, console)
    fates = Counter(line.fate for line in imported.lines)
    numbers = (f"{fates[fate]:,} {fate}" for fate in Fate if fates[fate])
    console.tell(f"{counted(len(imported.lines), 'Sigma rule')}: {', '.join(numbers) or 'nothing found'}")
    context.exit(ExitCode.FAILED if diagnostics.errors else ExitCode.DONE)


def _listed(paths: tuple[str, ...]) -> Iterator[Path]:
    """Files, and those in folders and in their folders, in the order of their names."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in (".yml", ".yaml") and each.is_file())
        else:
            yield path


def _write(path: str, text: str) -> None:
    try:
        replace_file(path, text)
    except OSError as error:
        raise Failure(f"cannot write `{path}`: {reason_of(error)}", code=ExitCode.FAILED) from None
