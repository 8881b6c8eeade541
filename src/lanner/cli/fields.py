"""`lanner fields`: what rules can ask of an event."""

from __future__ import annotations

from typing import Literal

import click

from lanner.cli.messages import Failure, did_you_mean
from lanner.fields.listing import SOURCES, render_fields


@click.command("fields")
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option(
    "--format", "output_format", type=click.Choice(["text", "markdown", "json"]), default="text", help="How to print."
)
def fields(source: str | None, output_format: Literal["text", "markdown", "json"]) -> None:
    """List every field: name, type, argument, description, and the least audit level that fills it.

    SOURCE is one of k8s_audit (Falco's), lanner (the kx. fields), json and evt.
    """
    known = {name: name for name in SOURCES}
    if source is not None and source not in known:
        raise Failure(f"unknown source `{source}`", did_you_mean(source, [*known]) or f"known are {', '.join(known)}")
    click.echo(render_fields(output_format, known[source] if source else None), nl=False)
