"""The program `lanner`: finds the command, runs it, and turns what ends it into an exit status."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

import click

from lanner.cli.messages import ExitCode, Failure

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("lanner.cli.run:run", "Detect live, until stopped."),
        "scan": ("lanner.cli.scan:scan", "Detect over logs at full speed, then end."),
        "rules": ("lanner.cli.rules:rules", "Check, lay out, list, show, test and explain rules."),
        "config": ("lanner.cli.config:config", "Check and show the configuration, or begin one."),
        "fields": ("lanner.cli.fields:fields", "List what rules can ask of an event."),
        "policy": ("lanner.cli.policy:policy", "Check and generate audit policies."),
        "init": ("lanner.cli.init:init", "Write what a cluster needs: policy, webhook, manifests."),
        "explain": ("lanner.cli.explain:explain", "Say why rules match an event, or do not."),
        "grep": ("lanner.cli.grep:grep", "Print the events for which a condition holds."),
        "stats": ("lanner.cli.stats:stats", "Count and rank events by fields."),
        "plugins": ("lanner.cli.plugins:plugins", "List sources of events, and what they take."),
        "alerts": ("lanner.cli.alerts:alerts", "List and re-send stored alerts and dead letters."),
        "tune": ("lanner.cli.tune:tune", "Propose exceptions from past alerts."),
        "lsp": ("lanner.cli.lsp:lsp", "Help an editor with rule files."),
    }
)
"""Command to where it is defined and what the help says of it, in the order of the help."""

FALCO = "lanner.cli.falco:falco"
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class LazyGroup(click.Group):
    """Commands that are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        return _load(COMMANDS[cmd_name][0]) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show Falco's flags below the commands."""
        falco = _load(FALCO)
        with falco.make_context("lanner", [], resilient_parsing=True) as context:
            records = [record for option in falco.get_params(context) if (record := option.get_help_record(context))]
        with formatter.section("Falco's own flags, without a command"):
            formatter.write_dl(records)


@click.group("lanner", cls=LazyGroup, context_settings=_CONTEXT, no_args_is_help=False, invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Threat detection on Kubernetes audit logs, with Falco's rules."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def execute(arguments: Sequence[str]) -> int:
    """Run a command line, without the name of the program, and give the exit status.

    Without a command the flags are Falco's.
    """
    first = arguments[0] if arguments else ""
    is_falco = first.startswith("-") and first not in _CONTEXT["help_option_names"]
    command = _load(FALCO) if is_falco else cli
    try:
        status = command.main(list(arguments), prog_name="lanner", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else ExitCode.DONE
    except click.UsageError as error:
        _as_failure(error).show()
        return ExitCode.USAGE
    except Failure as error:
        error.show()
        return error.status
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.FAILED
    except OSError as error:
        _forget_stdout()
        place = f"`{error.filename}`" if error.filename else "the output"
        Failure(f"cannot write {place}: {(error.strerror or str(error)).lower()}").show()
        return ExitCode.FAILED


def main() -> None:
    """Run the command line of the process and end it."""
    _open_missing_streams()
    status = execute(sys.argv[1:])
    gc.freeze()  # else the interpreter looks for cycles in all that was loaded, which takes longer than many a command
    sys.exit(status)


def _load(place: str) -> click.Command:
    module, name = place.split(":")
    command = getattr(import_module(module), name)
    if not isinstance(command, click.Command):
        raise TypeError(f"`{place}` is no command")
    return command


def _as_failure(error: click.UsageError) -> Failure:
    """A usage error of click in the words of Lanner's own errors."""
    message = error.format_message().rstrip(".").replace("'", "`")
    path = error.ctx.command_path if error.ctx else "lanner"
    return Failure(message[:1].lower() + message[1:], f"see `{path} --help`")


def _open_missing_streams() -> None:
    """Let standard streams that the caller has closed go nowhere; else the next file would have their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the process ends
            setattr(sys, name, stream)


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere: the reader of standard output has left."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
