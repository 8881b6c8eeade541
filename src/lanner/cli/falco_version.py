"""Versions, as `--version` prints them; imports little, because scripts ask often."""

from __future__ import annotations

import json

import click

from lanner import __version__
from lanner.cli.messages import ExitCode
from lanner.cli.settings import Settings
from lanner.rules.versions import ENGINE, FALCO, PLUGINS


def print_version(settings: Settings) -> ExitCode:
    """Print Lanner's version and what it counts as where rules ask for versions; JSON with `json_output`."""
    found = versions()
    if settings.json_output:
        click.echo(json.dumps(found))
    else:
        click.echo(f"Lanner version: {found['lanner_version']}\nEngine:         {found['engine_version_semver']}")
    return ExitCode.DONE


def versions() -> dict[str, object]:
    """What Lanner is, and what it counts as where rules ask for versions."""
    return {
        "lanner_version": __version__,
        "falco_version": str(FALCO),
        "engine_version": str(ENGINE.minor),
        "engine_version_semver": str(ENGINE),
        "plugin_versions": dict(PLUGINS),
    }
