"""`lanner policy`: which rules an audit policy starves, and the least policy that feeds them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from lanner.cli.diagnostics import show
from lanner.cli.loading import load_rules
from lanner.cli.messages import ColorChoice, Console, ExitCode, Failure, counted, say
from lanner.cli.options import color_option, rules_option
from lanner.cli.settings import Settings
from lanner.compiler.load import Rule
from lanner.diagnostics import Diagnostics
from lanner.diagnostics.render import printable, to_json
from lanner.engine.filter import EVERY_EVENT, compile_filter
from lanner.policy.check import Status, Verdict, check_policy
from lanner.policy.generate import generate_policy
from lanner.policy.lint import lint_policy, patch_bodies
from lanner.policy.model import Policy
from lanner.policy.providers import PROVIDERS
from lanner.policy.reader import read_policy_file
from lanner.policy.report import is_ok, provider_lines, to_lines, to_object, volume_lines
from lanner.policy.volume import Volume
from lanner.policy.write import BLIND_SPOT, SCOPE, to_text
from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan

_format_option = click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print."
)

_FED = (Status.FIRES, Status.OFF, Status.EMPTY_LIST)
_MAX_NAMES = 3


@click.group("policy")
def policy() -> None:
    """Check and generate audit policies."""


@policy.command("check")
@click.argument("policy_file", metavar="[POLICY]", required=False)
@rules_option
@click.option("--provider", type=click.Choice([*PROVIDERS]), help="Check what this provider of Kubernetes records.")
@click.option("--all", "everything", is_flag=True, help="Show every rule and every reason, also of rules that fire.")
@_format_option
@color_option
@click.pass_context
def check(
    context: click.Context,
    *,
    policy_file: str | None,
    rules_files: tuple[str, ...],
    provider: str | None,
    everything: bool,
    output_format: str,
    color: ColorChoice,
) -> None:
    """Say which rules an audit policy starves; exit with 1 when one can never fire, or lacks what its condition reads.

    POLICY is the file that the API server has as --audit-policy-file. With --provider it is what the provider of a
    managed cluster records, unless you give one.
    """
    console = Console(color=color)
    cloud = PROVIDERS[provider] if provider else None
    if policy_file is not None:
        found, diagnostics = _read(policy_file, output_format, console)
    elif cloud is not None:
        found, diagnostics = cloud.policy(), Diagnostics()
    else:
        raise Failure("no policy is given", "name a file, or a provider of managed clusters with `--provider`")
    rules = enabled_rules(rules_files, console)
    verdicts = check_policy(found, rules, [part.path for part in cloud.absent] if cloud else ())
    if output_format == "json":
        report = {"provider": provider, "rules": [to_object(verdict, found) for verdict in verdicts]}
        click.echo(json.dumps({**to_json(diagnostics.ordered()), "ok": is_ok(verdicts), **report}, indent=2))
    else:
        show(diagnostics.ordered(), sys.stdout, console)
        for line in (*(provider_lines(cloud) if cloud else ()), *to_lines(verdicts, found, everything=everything)):
            click.echo(printable(line))
        if cloud is None and not is_ok(verdicts):
            console.tell("`lanner policy generate` writes a policy that feeds them")
    context.exit(ExitCode.DONE if is_ok(verdicts) else ExitCode.FAILED)


@policy.command("generate")
@rules_option
@click.option(
    "--sample", metavar="LOG", multiple=True, help="Measure on this log (file, folder, -) what is kept; repeatable."
)
@click.option("--conditions-only", is_flag=True, help="Feed conditions alone; what only outputs print may be missing.")
@click.option(
    "--no-secret-bodies", is_flag=True, help="Record secrets and tokens at Metadata, even where a rule asks for more."
)
@click.option(
    "--no-patch-bodies",
    is_flag=True,
    help="Record patches at Metadata, even where a rule asks for more: one apply in YAML then loses no events.",
)
@color_option
@click.pass_context
def generate(
    context: click.Context,
    *,
    rules_files: tuple[str, ...],
    sample: tuple[str, ...],
    conditions_only: bool,
    no_secret_bodies: bool,
    no_patch_bodies: bool,
    color: ColorChoice,
) -> None:
    """Write the least audit policy that feeds the rules to standard output."""
    console = Console(color=color)
    rules = enabled_rules(rules_files, console)
    generated = generate_policy(
        rules, outputs=not conditions_only, secret_bodies=not no_secret_bodies, patch_bodies=not no_patch_bodies
    )
    verdicts = check_policy(generated.policy, rules)
    title = f"The least policy for {counted(len(rules), 'rule')}, from `lanner policy generate`."
    head = [title, *SCOPE, *starved(verdicts), *(BLIND_SPOT if patch_bodies(generated.policy) else ())]
    volume = _measured(generated.policy, sample)
    click.echo(to_text(generated, head), nl=False)
    say("\n".join(starved(verdicts)) or f"{counted(len(generated.policy.rules), 'rule')}, which feed all that can fire")
    warn_of_blind_spot(generated.policy, console, "`--no-patch-bodies` records them at Metadata")
    for line in volume_lines(volume) if sample else ():
        console.note(line)


def warn_of_blind_spot(policy: Policy, console: Console, help: str) -> None:
    """Say that a policy lets anybody who may patch anything lose events."""
    if patch_bodies(policy):
        text = "bodies of patches are recorded, so one apply in YAML can lose a whole batch of events"
        console.warn(text, help=f"{help}; `blindness.apiserver.metrics` has losses told of")


def starved(verdicts: Sequence[Verdict]) -> list[str]:
    """What is said of rules that the policy does not feed in full."""
    found = [verdict.rule.name for verdict in verdicts if verdict.status not in _FED]
    if not found:
        return []
    few = ", ".join(found[:_MAX_NAMES]) + (", …" if len(found) > _MAX_NAMES else "")
    return [f"{counted(len(found), 'rule')} not fed in full ({few}); `lanner policy check` tells what they lack"]


def _measured(policy: Policy, paths: tuple[str, ...]) -> Volume:
    """What the policy would have kept of a log.

    Raises:
        Failure: It cannot be read to its end, or holds no event.
    """
    volume = Volume(policy)
    every, _ = compile_filter(EVERY_EVENT)
    if every is None:
        raise AssertionError("the condition for every event has no errors")
    unreadable: list[SourceError] = []
    for delivery in scan(paths, Limits(), on_error=unreadable.append):
        is_body = delivery.framing is Framing.BODY
        for raw, _ in every.select(delivery.payload, body=is_body, truncated=delivery.truncated):
            volume.add(raw)
    if unreadable:
        raise Failure(str(unreadable[0]), unreadable[0].help or "no policy was written", ExitCode.FAILED)
    if paths and not volume.events:
        hint = "give an audit log, as `lanner scan` reads it; no policy was written"
        raise Failure(f"there is no audit event in `{paths[0]}`", hint, ExitCode.FAILED)
    return volume


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
        if any(error.code.code == "LN0101" for error in diagnostics.errors):
            raise Failure("there is no policy to check", "name the file that the API server has as --audit-policy-file")
        number = counted(len(diagnostics.errors), "error")
        raise Failure(f"the policy has {number}", "an API server refuses it, or runs another one than was written")
    lint_policy(found, diagnostics)
    return found, diagnostics
