"""What a kind of source is, Lanner's own and those of others: a value with its name, its options, and how it is opened.

A plugin is found through the entry point group `lanner.sources`; `name` is what `plugins` in a configuration calls it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lanner.sources.base import Limits, Source

if TYPE_CHECKING:
    from lanner.sources.webhook import WebhookOptions

GROUP = "lanner.sources"
"""The entry point group that plugins are registered in."""


class Trouble(StrEnum):
    """What a source met, that somebody should know of, and goes on after."""

    GAP = "gap"
    """Events may be missing, and the place cannot give them again; raises an internal alert."""
    DAMAGED = "damaged"
    """What came is no event, in whole or in part; the rest is evaluated."""
    RETRY = "retry"
    """The place does not answer; it is asked again."""
    STUCK = "stuck"
    """For minutes nothing was taken or could be read, however often it was tried; to be told each minute while that
    lasts. An internal alert says so, and another one that it is over."""
    DENIED = "denied"
    """Somebody asked again and again who has not proved to be allowed; raises an internal alert."""
    UNUSABLE = "unusable"
    """A file that it needs, such as a certificate, was exchanged and cannot be used; raises an internal alert."""
    IGNORED = "ignored"
    """What came is of another kind, such as a log of another component."""


class Start(StrEnum):
    """Where a source begins, if it can choose."""

    KEPT = "kept"
    """Where its checkpoint says; without one, with the first that is there."""
    NEW = "new"
    """Where its checkpoint says; without one, with what comes from now on."""
    FIRST = "first"
    """With the first that is there, whatever the checkpoint says."""


class Checkpoint(Protocol):
    """Where a source has come to, kept over restarts. A text of the source's own, of at most 64 KiB."""

    async def load(self) -> str | None:
        """What was saved last; None: nothing yet."""

    async def save(self, value: str) -> None:
        """Keep it; to be called when all that comes before it has been handled. It is durable once this returns."""


class MemoryCheckpoint:
    """A checkpoint that ends with the process: for tests, and for runs that keep nothing."""

    def __init__(self, value: str | None = None) -> None:
        self.value = value

    async def load(self) -> str | None:
        """What was saved last."""
        return self.value

    async def save(self, value: str) -> None:
        """Keep it."""
        self.value = value


def _started(text: str, url: str) -> None:
    pass


def _tell(trouble: Trouble, text: str, times: int = 1) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a source is given when it is opened.

    Attributes:
        name: What messages and metrics call it.
        limits: Bounds on what it takes.
        checkpoint: Where it has come to.
        started: To be told, in words for people, once it takes events, and the address if it has one; may be called
            more than once, as after each connection.
        start: Where to begin.
        tell: To be told of trouble, with a text for people and how many times it happened. It is said at most once a
            minute for each kind, counted each time, and may be called from any thread.
    """

    name: str
    limits: Limits = field(default_factory=Limits)
    checkpoint: Checkpoint = field(default_factory=MemoryCheckpoint)
    start: Start = Start.KEPT
    started: Callable[[str, str], None] = _started
    tell: Callable[..., None] = _tell


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a source's place found.

    Attributes:
        subject: What was looked at, such as `subscription projects/p/subscriptions/s`.
        is_well: Whether it is as it must be.
        text: What is so, or what is missing.
        help: What to do about it, such as the command that gives a permission; where all is well, what to know.
    """

    subject: str
    is_well: bool
    text: str
    help: str | None = None


HIDDEN = "hidden"
"""The name in the extra part of an option's description which says that nobody else is to see what it holds."""


def secret(description: str) -> msgspec.Meta:
    """An option whose values nobody else is to see."""
    return msgspec.Meta(description=description, extra={HIDDEN: True})


class NoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a plugin that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A kind of source.

    Attributes:
        name: As in a configuration.
        description: One line.
        version: Its version; for those that Falco has, that of the plugin that it is equal to.
        open: Makes a source of `open_params`, the options and a context. It reads nothing yet; it raises `SourceError`
            for parameters that cannot be used, or where a library is missing that an extra brings.
        open_params: What `open_params` is, in words for people.
        options: Its `init_config`: a frozen struct whose members have defaults, and descriptions in `msgspec.Meta`.
        aliases: Other names of options, to the option's own.
        event_source: The source of its events, as rules name it.
        extra: What to install beside Lanner, such as `gke` for `lanner[gke]`; empty: nothing.
        listening: Of the same parameters and options, where and how it listens when it is a webhook, or None; such a
            source is served by Lanner itself, several processes can share its port, and `open` is not asked for it.
        check: Tests credentials and permissions without taking events; None: there is nothing to test.
    """

    name: str
    description: str
    version: str
    open: Callable[[str, Any, Context], Source]
    open_params: str
    options: type[msgspec.Struct] = NoOptions
    aliases: Mapping[str, str] = field(default_factory=dict)
    event_source: str = "k8s_audit"
    extra: str = ""
    listening: Callable[[str, Any], WebhookOptions | None] | None = None
    check: Callable[[str, Any], Awaitable[Sequence[Finding]]] | None = None
