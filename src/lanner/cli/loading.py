"""Settings to checked rules."""

from __future__ import annotations

import sys
from importlib.resources import as_file, files

from lanner.cli.diagnostics import show
from lanner.cli.messages import Console, Failure, counted
from lanner.cli.settings import Settings
from lanner.compiler.load import LoadedRules, LoadResult, load
from lanner.diagnostics import SourceFile
from lanner.rules.files import read_rule_files


def load_files(settings: Settings) -> tuple[list[SourceFile], LoadResult]:
    """Read and check the rule files of the settings, or the default rule set, and give all that was found."""
    with as_file(files("lanner") / "data" / "rules") as defaults:
        sources, found = read_rule_files([*settings.rules_files] or [str(defaults)])
    return sources, load(sources, append_output=settings.append_output, diagnostics=found)


def load_rules(settings: Settings, console: Console) -> LoadedRules:
    """Load rules for use: errors are shown in full, warnings are counted.

    Raises:
        Failure: The rules have errors.
    """
    _, result = load_files(settings)
    errors = [found for found in result.diagnostics if found.severity == "error"]
    if result.rules is None:
        show(errors, sys.stderr, console)
        raise Failure(
            f"the rules have {counted(len(errors), 'error')}", "`lanner rules check FILE…` shows warnings too"
        )
    if console.verbose:
        show(result.diagnostics, sys.stderr, console)
    elif result.diagnostics:
        console.note(
            f"warning: {counted(len(result.diagnostics), 'warning')} in the rules; `lanner rules check` shows them"
        )
    for source, number in result.rules.not_evaluated.items():
        console.note(f"note: {counted(number, 'rule')} of source `{source}` are not evaluated")
    return result.rules
