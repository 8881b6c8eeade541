"""Alerts about the program itself: they take the way of all alerts, so that who watches those learns of these."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lanner.engine.alert import Alert
from lanner.engine.engine import INTERNAL_SOURCE
from lanner.events.context import host_name
from lanner.rules.priority import Priority
from lanner.vigil.concern import Notice

FieldValues = Mapping[str, str | int | list[str] | None]

INTERNAL = "Lanner internal: "
"""What the rule names of all alerts about the program itself begin with, metrics aside."""

RELOAD_REFUSED = "Lanner internal: configuration refused"
SOURCE_FAILED = "Lanner internal: source failed"
EVENTS_MISSING = "Lanner internal: events may be missing"
DENIED = "Lanner internal: somebody is refused"
UNUSABLE = "Lanner internal: file not usable"
UNSAFE = "Lanner internal: unsafe set-up"
NOT_STORED = "Lanner internal: alerts not stored"
WORKER_LOST = "Lanner internal: worker lost"
METRICS = "Falco internal: metrics snapshot"
"""The rule names of alerts; the last one is Falco's, so that whoever takes it from Falco takes it from here."""


def internal_alert(rule: str, priority: Priority, message: str, fields: FieldValues) -> Alert:
    """An alert of now.

    Args:
        rule: Its rule name.
        priority: How much it matters.
        message: What happened, without the rule's name.
        fields: What it is about.
    """
    text = message if rule == METRICS else f"{rule}: {message}"
    values = dict(sorted(fields.items()))
    return Alert(time.time_ns(), rule, priority, INTERNAL_SOURCE, text, values, (), host_name())


def reload_refused(reason: str, help: str | None) -> Alert:
    """The configuration was read again and has errors; what was in use goes on."""
    more = f"; {help}" if help else ""
    message = f"{reason}; detection goes on with the rules and the configuration of before{more}"
    return internal_alert(RELOAD_REFUSED, Priority.ERROR, message, {"reason": reason, "help": help})


def source_failed(name: str, reason: str, pause_s: float) -> Alert:
    """A source ended though nobody asked it to."""
    message = f"source {name} takes no events: {reason}; it starts again in {pause_s:g} s"
    return internal_alert(SOURCE_FAILED, Priority.ERROR, message, {"source": name, "reason": reason})


def events_missing(name: str, reason: str, times: int) -> Alert:
    """A source could not take events that its place cannot give again."""
    again = f" ({times} times)" if times > 1 else ""
    message = f"source {name}: {reason}{again}; what happened meanwhile was not evaluated: look at it where it is kept"
    fields: FieldValues = {"source": name, "reason": reason, "times": times}
    return internal_alert(EVENTS_MISSING, Priority.WARNING, message, fields)


def denied(name: str, reason: str, times: int) -> Alert:
    """Somebody asks again and again who has not proved to be allowed."""
    message = f"source {name}: {reason} ({times} times); nothing of theirs was evaluated"
    return internal_alert(DENIED, Priority.WARNING, message, {"source": name, "reason": reason, "times": times})


def unusable(name: str, reason: str, times: int) -> Alert:
    """A certificate, or a file of tokens, was exchanged for one that cannot be used."""
    message = f"source {name}: {reason}; certificates of before stay in use, and without tokens nobody gets in"
    return internal_alert(UNUSABLE, Priority.ERROR, message, {"source": name, "reason": reason, "times": times})


def unsafe(name: str, reason: str) -> Alert:
    """What was started is wanted, and unsafe."""
    return internal_alert(UNSAFE, Priority.WARNING, reason, {"source": name, "reason": reason})


def not_stored(reason: str) -> Alert:
    """Alerts cannot be stored, so that nothing is acknowledged."""
    message = f"{reason}; detection goes on, events are not acknowledged, and outputs get alerts from memory"
    return internal_alert(NOT_STORED, Priority.CRITICAL, message, {"reason": reason})


def worker_lost(reason: str, pause_s: float | None) -> Alert:
    """A process that evaluates was killed, or ended by itself."""
    then = "none takes its place" if pause_s is None else f"another one starts in {pause_s:g} s"
    message = f"a worker ended: {reason}; {then}; what it had not acknowledged is sent again"
    return internal_alert(WORKER_LOST, Priority.ERROR, message, {"reason": reason})


def noticed(notice: Notice) -> Alert:
    """Something may be missed, or no longer is."""
    return internal_alert(notice.rule, notice.priority, notice.message, notice.fields)
