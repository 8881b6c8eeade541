"""`lanner policy`: which rules an audit policy starves, and the least policy that feeds them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from lanner.cli.diagnostics import show
from lanner.cli.loading import load_rules
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted
from lanner.cli.options import color_option, rules_option
from lanner.cli.settings import Settings
from lanner.compiler.load import Rule
from lanner.diagnostics import Diagnostics
from lanner.diagnostics.render import printable, to_json
from lanner.policy.check import Verdict, check_policy
from lanner.policy.lint import lint_policy
from lanner.policy.model import Policy
from lanner.policy.reader import read_policy_file
from lanner.policy.report import is_ok, to_lines, to_object

_format_option = click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print."
)


@click.group("policy")
def policy() -> None:
    """Check and generate audit policies."""


@policy.command("check")
@click.argument("policy_file", metavar="POLICY")
@rules_option
@_format_option
@color_option
@click.pass_context
def check(
    context: click.Context, policy_file: str, rules_files: tuple[str, ...], output_format: str, color: ColorChoice
) -> None:
    """Say which rules an audit policy starves; exit with 1 when one can never fire, or lacks what its condition reads.

    POLICY is the file that the API server has as --audit-policy-file.
    """
    console = Console(color=color)
    found, diagnostics = _read(policy_file, output_format, console)
    rules = enabled_rules(rules_files, console)
    verdicts = check_policy(found, rules)
    _print(found, verdicts, diagnostics, output_format, console)
    context.exit(ExitCode.DONE if is_ok(verdicts) else ExitCode.FAILED)


def enabled_rules(rules_files: tuple[str, ...], console: Console) -> list[Rule]:
    """The rules that are on."""
    return [rule for rule in load_rules(Settings(rules_files=rules_files), console).rules if rule.enabled]


def _read(policy_file: str, output_format: str, console: Console) -> tuple[Policy, Diagnostics]:
    """Read a policy file.

    Raises:
        Failure: It has errors, which are shown.
    """
    found, diagnostics = read_policy_file(policy_file)
    if found is None:
        if output_format == "json":
            click.echo(json.dumps({**to_json(diagnostics.ordered()), "rules": []}, indent=2))
        else:
            show(diagnostics.ordered(), sys.stderr, console)
        number = counted(len(diagnostics.errors), "error")
        raise Failure(f"the policy has {number}", "an API server refuses it, or runs another one than was written")
    lint_policy(found, diagnostics)
    return found, diagnostics


def _print(
    found: Policy, verdicts: Sequence[Verdict], diagnostics: Diagnostics, output_format: str, console: Console
) -> None:
    if output_format == "json":
        rules = [to_object(verdict, found) for verdict in verdicts]
        report = {**to_json(diagnostics.ordered()), "ok": is_ok(verdicts), "rules": rules}
        click.echo(json.dumps(report, indent=2))
        return
    show(diagnostics.ordered(), sys.stdout, console)
    for line in to_lines(verdicts, found):
        click.echo(printable(line))
