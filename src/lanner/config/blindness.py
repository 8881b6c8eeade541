"""The keys of `blindness`, which Falco does not have: what is watched for events that are missed."""

from __future__ import annotations

from typing import Annotated

from lanner.config.section import Section, used


class Silence(Section, frozen=True):
    """`blindness.silence`."""

    enabled: Annotated[bool, used("Whether an alert says that a source sends nothing for longer than is usual.")] = True
    at_least: Annotated[str, used("No shorter silence is told of.")] = "10m"
    at_most: Annotated[str, used("Every longer silence is told of, however quiet the source has been.")] = "12h"
    sources: Annotated[
        dict[str, str],
        used("How long a source may be silent, by its name, in place of what is learned; `0`: any time."),
    ] = {}


class Blindness(Section, frozen=True):
    """`blindness`."""

    silence: Annotated[Silence, used("Sources that send nothing.")] = Silence()
    late_after: Annotated[
        str, used("How long after it happened an event may be evaluated before an alert says so; `0`: any time.")
    ] = "5m"
