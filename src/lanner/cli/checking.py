"""`lanner run --check`: whether sources would get events, without taking any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import click

from lanner.cli.messages import Console, ExitCode
from lanner.diagnostics.render import printable
from lanner.server.facts import warnings_of
from lanner.server.plan import Plan, SourcePlan
from lanner.sources.base import SourceError, reason_of
from lanner.sources.plugin import Finding

TIMEOUT_S = 60.0
"""How long a source's place may take to answer."""

_COLORS = {True: "green", False: "red"}


def check_sources(plan: Plan, console: Console) -> ExitCode:
    """Print what is found of each source, and what to do about what is missing.

    Returns:
        `FAILED` when something is missing.
    """
    for text in warnings_of(plan):
        console.warn(text)
    found = asyncio.run(_all(plan.sources))
    for source, findings in zip(plan.sources, found, strict=True):
        for line in _lines(source.name, findings):
            click.echo(line)
    is_well = all(finding.is_well for findings in found for finding in findings)
    return ExitCode.DONE if is_well else ExitCode.FAILED


async def _all(sources: Sequence[SourcePlan]) -> list[Sequence[Finding]]:
    return await asyncio.gather(*map(_checked, sources))


async def _checked(source: SourcePlan) -> Sequence[Finding]:
    if source.check is None:
        return []
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await source.check()
    except TimeoutError:
        help_text = "see that the place can be reached from here"
        return [Finding("its place", is_well=False, text=f"it did not answer within {TIMEOUT_S:g} s", help=help_text)]
    except SourceError as error:
        return [Finding("its place", is_well=False, text=str(error), help=error.help)]
    except Exception as error:  # a plugin may be anybody's
        text = f"the check failed: {type(error).__name__}: {reason_of(error)}"
        return [Finding("its place", is_well=False, text=text, help="tell those who wrote the plugin")]


def _lines(name: str, findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding, with what to do below it; what comes from elsewhere cannot steer a terminal."""
    if not findings:
        yield printable(f"-   {name}: there is nothing to test")
    for finding in findings:
        mark = click.style("ok" if finding.is_well else "NO", fg=_COLORS[finding.is_well])
        yield f"{mark}  " + printable(f"{name}: {finding.subject}: {finding.text}")
        if finding.help:
            yield from (f"      {printable(line)}" for line in finding.help.splitlines())
