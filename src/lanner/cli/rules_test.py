"""`lanner rules test`: run the tests of rules."""

from __future__ import annotations

import json
import os
import re
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
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.rules.files import read_rule_files
from lanner.workbench.proof import prove
from lanner.workbench.report import Paint, as_json, as_junit, failure_lines
from lanner.workbench.rulebook import RuleBook
from lanner.workbench.runner import Outcome, run_cases
from lanner.workbench.suites import ReadyCase, read_suite
from lanner.workbench.update import updated, write

_RULE_FILE = re.compile(r"(?:[ \t]*(?:#[^\n]*|---[ \t]*)?\n)*-[ \t]")


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
@click.option("--coverage", "with_coverage", is_flag=True, help="Say what no test has seen of rules and conditions.")
@click.option(
    "--mutants",
    "with_mutants",
    is_flag=True,
    help="Put mistakes into conditions; exit with 1 when no test notices one.",
)
@click.option("--update", is_flag=True, help="Write what comes out into the test files as what is expected.")
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
    with_coverage: bool,
    with_mutants: bool,
    update: bool,
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
    book = RuleBook(rules_files)
    sources = _sources(paths, console)
    if update:
        sources = [_updated(source, book, patterns, console) for source in sources]
    chosen = _selected(_cases(sources, book, console), patterns)
    outcomes = run_cases(chosen, book)
    proof = prove(chosen, coverage=with_coverage, mutants=with_mutants)
    if output_format == "junit":
        click.echo(as_junit(outcomes), nl=False)
    elif output_format == "json":
        click.echo(json.dumps({**as_json(outcomes), **proof.as_json()}, indent=2))
    else:
        _print_text(outcomes, len(sources), time.monotonic() - started, console)
        click.echo("".join(f"{line}\n" for line in proof.lines()), nl=False)
    if junit_file is not None:
        Path(junit_file).write_text(as_junit(outcomes), encoding="utf-8")
    is_done = all(outcome.passed for outcome in outcomes) and not proof.is_failed
    context.exit(ExitCode.DONE if is_done else ExitCode.FAILED)


def _sources(paths: Sequence[str], console: Console) -> list[SourceFile]:
    """The test files; of a folder or pattern without the rule files that stand there too, which are lists.

    Raises:
        Failure: One of them cannot be read.
    """
    with as_file(files("lanner") / "data" / "rule_tests") as defaults:
        sources, found = read_rule_files([*_expanded(paths)] or [str(defaults)])
    _refuse_errors(found, len(sources), console)
    named = set(paths)
    return [source for source in sources if source.name in named or not _RULE_FILE.match(source.text)]


def _updated(source: SourceFile, book: RuleBook, patterns: Sequence[str], console: Console) -> SourceFile:
    """The file with what comes out, written to disk where that is something else."""
    changed = updated(source, book, lambda case: _fits(case, patterns))
    if changed.text != source.text:
        write(changed)
        console.note(f"updated `{changed.name}`")
    return changed


def _cases(sources: Sequence[SourceFile], book: RuleBook, console: Console) -> list[ReadyCase]:
    """The cases of all files.

    Raises:
        Failure: Files or rules have errors, which are shown, or there are no cases.
    """
    cases: list[ReadyCase] = []
    found = Diagnostics()
    for source in sources:
        diagnostics = Diagnostics()
        cases += read_suite(source, book, diagnostics)
        found.items.extend(diagnostics.items)
    _refuse_errors(found, len(sources), console)
    if not cases:
        raise Failure("there are no tests", "a file of tests has `tests:`, and each of them `cases:`")
    return cases


def _refuse_errors(found: Diagnostics, number: int, console: Console) -> None:
    show(found.ordered(), sys.stderr, console)
    if found.errors:
        raise Failure(totals(found, number) if number else "there is nothing to read", "no test was run")


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
    chosen = [case for case in cases if _fits(case, patterns)]
    if not chosen:
        raise Failure(f"no test fits {' or '.join(f'`{pattern}`' for pattern in patterns)}")
    return chosen


def _fits(case: ReadyCase, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is in the case's file, rules or name; without patterns, every case fits."""
    wanted = [f"*{pattern.casefold()}*" for pattern in patterns]
    return not wanted or any(fnmatchcase(text, each) for text in _names(case) for each in wanted)


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
