"""`lanner alerts`: what was stored, what outputs did not get, and having it sent again."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from lanner.cli.configuration import find_config, load_or_fail, store_place
from lanner.cli.messages import Console, ExitCode, Failure, counted
from lanner.cli.options import config_option, quiet_option, set_option
from lanner.config.durations import parse_ms
from lanner.rules.priority import Priority

if TYPE_CHECKING:
    from lanner.outputs.format import AlertFormat
    from lanner.store.archive import Archive, Question
    from lanner.store.delivery import DeadLetter
    from lanner.store.place import Place

_NUMBERS = re.compile(r"[0-9]{1,18}")
_MOST = 10_000
"""How many alerts are sent again at a time."""


@click.command("alerts")
@config_option
@set_option
@click.option("--rule", "rules", multiple=True, metavar="GLOB", help="Only alerts of these rules.")
@click.option("-p", "--priority", metavar="MIN", help="No alerts below this priority.")
@click.option(
    "--since", metavar="TIME", help="Only what was stored since then: 2026-11-21T10:00:00Z, or 2h for hours ago."
)
@click.option("--until", metavar="TIME", help="Only what was stored until then.")
@click.option("--dead-letters", is_flag=True, help="What outputs did not get, instead of what was stored.")
@click.option("--output", metavar="NAME", help="Dead letters of this output; with --resend, where to send.")
@click.option("--waiting", metavar="NAME", help="Only alerts that this output has not got yet.")
@click.option("--resend", metavar="ID|all", multiple=True, help="Have these, or all that is selected, sent again.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@quiet_option
@click.pass_context
def alerts(
    context: click.Context,
    *,
    config_file: str | None,
    options: tuple[str, ...],
    rules: tuple[str, ...],
    priority: str | None,
    since: str | None,
    until: str | None,
    dead_letters: bool,
    output: str | None,
    waiting: str | None,
    resend: tuple[str, ...],
    output_format: Literal["text", "json"],
    quiet: bool,
) -> None:
    """List stored alerts, and dead letters: what outputs refused, or could not get for too long.

    The number at the beginning of a line is what --resend takes. What is to be sent again is sent by the run that has
    the output, within seconds, or when one begins.
    """
    from lanner.store.archive import Question, opened  # noqa: PLC0415 - kept out of the start of the program
    from lanner.store.errors import StoreError  # noqa: PLC0415 - as above

    console = Console(quiet=quiet)
    question = Question(
        rules=rules,
        least_level=_level(priority),
        since_ns=_moment(since, "--since") if since else 0,
        until_ns=_moment(until, "--until") if until else 2**63 - 1,
        ids=_ids(resend),
    )
    try:
        with opened(_place(config_file, options, console)) as archive:
            if resend:
                number = _resend(archive, question, output, dead_letters=dead_letters)
                console.note(f"{counted(number, 'alert')} will be sent again")
                context.exit(ExitCode.DONE if number else ExitCode.FAILED)
            if dead_letters:
                _print_letters(archive.dead_letters(question, output), output_format)
            else:
                _print_alerts(archive, question, waiting, output_format)
    except StoreError as error:
        raise Failure(str(error), error.help, ExitCode.FAILED) from error


def _place(path: str | None, options: Sequence[str], console: Console) -> Place:
    """The store that a run with the same configuration uses."""
    found = path if path is not None else find_config()
    return store_place(load_or_fail(found, options, console)[1] if found is not None or options else None)


def _resend(archive: Archive, question: Question, output: str | None, *, dead_letters: bool) -> int:
    """Have what is asked for sent again; how many alerts that are."""
    if dead_letters:
        letters = archive.dead_letters(question, output)[:_MOST]
        archive.resend_letters(letters)
        return len(letters)
    known = archive.outputs()
    if output is not None and output not in known:
        raise Failure(f"no run has an output `{output}`", f"there are {', '.join(sorted(known)) or 'none'}")
    entries = []
    for entry in archive.alerts(question):
        entries.append(entry)
        if len(entries) > _MOST:
            raise Failure(f"more than {_MOST} alerts", "select fewer by `--since`, `--rule` or `--priority`")
    archive.resend_alerts(entries, [output] if output else sorted(known))
    return len(entries)


def _print_alerts(archive: Archive, question: Question, waiting: str | None, output_format: str) -> None:
    known = archive.outputs()
    if waiting is not None and waiting not in known:
        raise Failure(f"no run has an output `{waiting}`", f"there are {', '.join(sorted(known)) or 'none'}")
    look = _look()
    for entry in archive.alerts(question):
        behind = [name for name, seq in known.items() if seq < entry.seq]
        if waiting is not None and waiting not in behind:
            continue
        if output_format == "json":
            more = {"id": entry.seq, "stored": _utc(entry.stored_ns), "waiting_for": behind}
            _write_json(look, entry.finding.alert(), more)
        else:
            note = f"  (waiting for {', '.join(behind)})" if behind else ""
            _write_text(look, entry.seq, entry.finding.alert(), note)


def _print_letters(letters: Iterable[DeadLetter], output_format: str) -> None:
    look = _look()
    for letter in letters:
        if output_format == "json":
            more = {
                "id": letter.id,
                "output_name": letter.output,
                "failed": _utc(letter.failed_ns),
                "reason": letter.reason,
                "is_wanted": letter.is_wanted,
            }
            _write_json(look, letter.finding.alert(), more)
        else:
            state = "to be sent again" if letter.is_wanted else letter.reason
            _write_text(look, letter.id, letter.finding.alert(), f"  ({letter.output}: {state})")


def _look() -> AlertFormat:
    from lanner.outputs.format import AlertFormat  # noqa: PLC0415 - kept out of the start of the program

    return AlertFormat(json=True, iso8601=False)


def _write_json(look: AlertFormat, alert: Any, more: dict[str, Any]) -> None:
    import msgspec  # noqa: PLC0415 - as above

    line = msgspec.json.decode(look.encode(alert))
    sys.stdout.buffer.write(msgspec.json.encode({**more, "alert": line}) + b"\n")


def _write_text(look: AlertFormat, number: int, alert: Any, note: str) -> None:
    from lanner.outputs.format import escaped, for_terminal, utc_time  # noqa: PLC0415 - as above

    text = f"{number}  {utc_time(alert.time_ns)[:19]}Z  {alert.priority.short}  {alert.rule}: {alert.message}{note}"
    line = escaped(text).encode("utf-8", "replace")
    sys.stdout.buffer.write((for_terminal(line) if sys.stdout.isatty() else line) + b"\n")


def _ids(resend: Sequence[str]) -> tuple[int, ...]:
    if "all" in resend:
        return ()
    for text in resend:
        if not _NUMBERS.fullmatch(text):
            raise Failure(f"`{text}` is no number of an alert", "give what a line begins with, or `all`")
    return tuple(map(int, resend))


def _level(priority: str | None) -> int:
    found = Priority.parse(priority) if priority is not None else Priority.DEBUG
    if found is None:
        names = ", ".join(each.value.lower() for each in Priority)
        raise Failure(f"unknown priority `{priority}`", f"known are {names}")
    return found.level


def _moment(text: str, option: str) -> int:
    """A time in nanoseconds since the epoch."""
    if (ago_ms := parse_ms(text)) is not None:
        return time.time_ns() - ago_ms * 1_000_000
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"`{option}`: `{text}` is no time", "write it like `2026-11-21T10:00:00Z`, or `2h` for two hours ago"
        ) from None
    return int(found.astimezone(UTC).timestamp() * 1e9)


def _utc(time_ns: int) -> str:
    from lanner.outputs.format import utc_time  # noqa: PLC0415 - as above

    return utc_time(time_ns)
