"""The configuration of a command: found, loaded, its problems shown, and turned into settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lanner.cli.log import honour
from lanner.cli.messages import Console, Failure, counted
from lanner.cli.settings import Settings, rules_files_of, settings_of

if TYPE_CHECKING:
    from lanner.config.load import LoadedConfig
    from lanner.config.models import Config
    from lanner.store.place import Place

DEFAULT_PATHS = ("lanner.yaml", "/etc/lanner/lanner.yaml", "/etc/falco/falco.yaml")
"""Where a configuration is looked for when none is named; the first that is there is used."""


def read_settings(path: str | None, options: Sequence[str], rules_files: tuple[str, ...], console: Console) -> Settings:
    """The settings of a configuration file and of options over it.

    Args:
        path: The file; None: the first of the default paths that is there.
        options: Each `KEY=VALUE`, in order.
        rules_files: Rule files in place of those of the configuration; none: those.
        console: What to say beside the results.

    Raises:
        Failure: The configuration has errors; they have been shown.
    """
    found = path if path is not None else find_config()
    if found is None and not options:
        return Settings(rules_files=rules_files)
    loaded, config = load_or_fail(found, options, console)
    settings = settings_of(loaded, config)
    honour(settings)
    if found is not None and found != path:
        console.note(f"configuration: {found}", file=found)
    tell_of_warnings(loaded, console)
    _tell_of_standing(loaded, config, console)
    if rules_files:
        return replace(settings, rules_files=rules_files)
    _note_missing_rules(config, settings, console)
    return settings


def store_place(config: Config | None) -> Place:
    """The store that a run with a configuration uses; None: with the defaults.

    Raises:
        Failure: It has none, or its keys cannot be used.
    """
    from lanner.config.models import Config  # noqa: PLC0415 - kept out of the start of the program
    from lanner.config.storage import store_plan  # noqa: PLC0415 - as above
    from lanner.outputs.sink import OptionError  # noqa: PLC0415 - as above

    try:
        place = store_plan((config or Config()).store, 0, os.environ, os.geteuid()).place
    except OptionError as error:
        raise Failure(str(error), error.help) from error
    if place is None:
        raise Failure("`store.enabled` is false: alerts are kept in memory alone", "set it to true")
    return place


def find_config() -> str | None:
    """The configuration that is used when none is named, None when there is none."""
    return next((path for path in DEFAULT_PATHS if os.path.isfile(path)), None)


def load_or_fail(path: str | None, options: Sequence[str], console: Console) -> tuple[LoadedConfig, Config]:
    """Load a configuration.

    Raises:
        Failure: It has errors; they have been shown.
    """
    from lanner.cli.diagnostics import in_a_line, show  # noqa: PLC0415 - a command without a configuration does not wait for it
    from lanner.config.load import load_config  # noqa: PLC0415 - as above

    loaded = load_config(path, options)
    errors = [found for found in loaded.diagnostics if found.severity == "error"]
    if loaded.config is None:
        show(errors, sys.stderr, console)
        raise Failure(
            f"the configuration has {counted(len(errors), 'error')}",
            "see `lanner config check --help`",
            detail=in_a_line(errors[0]),
        )
    return loaded, loaded.config


def tell_of_warnings(loaded: LoadedConfig, console: Console) -> None:
    """Say how many warnings a configuration has."""
    if loaded.diagnostics:
        number = counted(len(loaded.diagnostics), "warning")
        console.warn(f"{number} in the configuration; `lanner config check` shows them")


def _tell_of_standing(loaded: LoadedConfig, config: Config, console: Console) -> None:
    """A line for the keys that have no effect."""
    from lanner.config.models import alert_outputs  # noqa: PLC0415 - as above
    from lanner.config.standing import without_effect  # noqa: PLC0415 - as above

    if accepted := without_effect(config, loaded.root):
        console.notice(f"without effect: {', '.join(accepted)}", keys=accepted)
    if not any(section.enabled for section in alert_outputs(config)):
        console.warn("no output is enabled; alerts are only counted")


def _note_missing_rules(config: Config, settings: Settings, console: Console) -> None:
    missing = [path for path in rules_files_of(config) if path not in settings.rules_files]
    if missing:
        console.notice(f"{', '.join(missing)} of `rules_files` not found")
    if missing and not settings.rules_files:
        console.warn("none of `rules_files` is there; the default rules are used")
