"""`lanner rules schema`: JSON Schemas for editors."""

from __future__ import annotations

import json
from typing import Literal

import click


@click.command("schema")
@click.argument("kind", metavar="[rules|tests]", type=click.Choice(["rules", "tests"]), default="rules")
def schema(kind: Literal["rules", "tests"]) -> None:
    """Print the JSON Schema of rule files, or of files of rule tests, for an editor.

    Every key has its description.
    """
    from lanner.config.schema import rule_schema  # noqa: PLC0415 - other commands do not need it
    from lanner.workbench.schema import suite_schema  # noqa: PLC0415 - other commands do not need it

    click.echo(json.dumps(rule_schema() if kind == "rules" else suite_schema(), indent=2))
