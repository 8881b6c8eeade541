"""`lanner rules test`: run the tests of rules."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import glob, has_magic
from importlib.resources import as_file, files
from pathlib import Path

import click

from lanner.cli.diagnostics import show, totals
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted
from lanner.cli.options import color_option, quiet_option, rules_option
from lanner.diagnostics import Diagnostics
from lanner.rules.files import read_rule_files
from lanner.workbench.report import Paint, as_json, as_junit, failure_lines
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import Outcome, run_cases
from lanner.workbench.suites import ReadyCase, read_suite


@click.command("test")
@click.argument("paths", metavar="[FILE]…", nargs=-1)
@rules_option
@click.option(
    "-k",
    "--select",
    "patterns",
    metavar="TEXT",
    multiple=True,
    help="Only cases whose file, rule or name holds this text, in any case (glob); repeatable.",
)
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json", "junit"]), default="text", help="How to print."
)
@click.option("--junit", "junit_file", metavar="FILE", help="Write JUnit's XML to this file as well.")
@quiet_option
@color_option
@click.pass_context
def test_rules(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    rules_files: tuple[str, ...],
    patterns: tuple[str, ...],
    output_format: str,
    junit_file: str | None,
    quiet: bool,
    color: ColorChoice,
) -> None:
    """Run the tests of rules; exit with 1 when one fails.

    FILE is a file of rule tests, a folder of them or a glob pattern; without one, the tests of the default rules are
    run.
    """
    console = Console(quiet=quiet, color=color)
    started = time.monotonic()
    _fix_time_zone()
    book = RuleBook(rules_files)
    cases, number = _cases(paths, book, console)
    outcomes = run_cases(_selected(cases, patterns), book)
    if output_format == "text":
        _print_text(outcomes, number, time.monotonic() - started, console)
    else:
        click.echo(json.dumps(as_json(outcomes), indent=2) if output_format == "json" else as_junit(outcomes).rstrip())
    if junit_file is not None:
        Path(junit_file).write_text(as_junit(outcomes), encoding="utf-8")
    context.exit(ExitCode.DONE if all(outcome.passed for outcome in outcomes) else ExitCode.FAILED)


def _cases(paths: Sequence[str], book: RuleBook, console: Console) -> tuple[list[ReadyCase], int]:
    """The cases of all files, and how many files there are.

    Raises:
        Failure: Files or rules have errors, which are shown.
    """
    with as_file(files("lanner") / "data" / "rule_tests") as defaults:
        sources, found = read_rule_files([*_expanded(paths)] or [str(defaults)])
    cases: list[ReadyCase] = []
    for source in sources:
        diagnostics = Diagnostics()
        cases += read_suite(source, book, diagnostics)
        found.items.extend(diagnostics.items)
    show(found.ordered(), sys.stderr, console)
    if found.errors:
        raise Failure(totals(found, len(sources)) or "the tests have errors", "no test was run")
    if not cases:
        raise Failure("there are no tests", "see docs/guide/testing-rules.md for how to write them")
    return cases, len(sources)


def _expanded(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if has_magic(path) and not os.path.lexists(path):
            matching = sorted(glob(path, recursive=True))
            if not matching:
                raise Failure(f"no file matches `{path}`")
            yield from matching
        else:
            yield path


def _selected(cases: Sequence[ReadyCase], patterns: Sequence[str]) -> Sequence[ReadyCase]:
    """The cases that fit a pattern.

    Raises:
        Failure: None does.
    """
    if not patterns:
        return cases
    wanted = [f"*{pattern.casefold()}*" for pattern in patterns]
    chosen = [case for case in cases if any(fnmatchcase(text, each) for text in _names(case) for each in wanted)]
    if not chosen:
        raise Failure(f"no test fits {' or '.join(f'`{pattern}`' for pattern in patterns)}")
    return chosen


def _names(case: ReadyCase) -> list[str]:
    return [text.casefold() for text in (case.place.file.name, *case.rules, case.name)]


def _print_text(outcomes: Sequence[Outcome], files_number: int, seconds: float, console: Console) -> None:
    has_color = console.has_color(sys.stdout)
    paint: Paint = (lambda text, color: click.style(text, fg=color)) if has_color else (lambda text, color: text)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        click.echo("\n".join(failure_lines(outcome, paint)) + "\n", color=has_color)
    ending = f"{counted(len(outcomes) - len(failed), 'test')} passed"
    ending += paint(f", {len(failed):,} failed", "red") if failed else ""
    if failed or not console.quiet:
        click.echo(f"{ending} in {counted(files_number, 'file')} ({seconds:.1f} s)", color=has_color)


def _fix_time_zone() -> None:
    """Local times in outputs are UTC, so that tests have the same results everywhere."""
    os.environ["TZ"] = "UTC"
    time.tzset()
