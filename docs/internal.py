"""The page of the alerts that Lanner raises about itself: rule, priority and fields are those of alerts made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.markup import code, page, table

from lanner import Engine, compile_rules, load_rules
from lanner.engine.alert import Alert
from lanner.engine.engine import DAMAGED_EVENT
from lanner.outputs.rate import HELD_BACK, Limiter, RateLimit
from lanner.rules.priority import Priority
from lanner.server.internal import (
    DENIED,
    EVENTS_MISSING,
    METRICS,
    NOT_STORED,
    RELOAD_REFUSED,
    SOURCE_FAILED,
    UNSAFE,
    UNUSABLE,
    WORKER_LOST,
    denied,
    events_missing,
    internal_alert,
    not_stored,
    noticed,
    reload_refused,
    source_failed,
    unsafe,
    unusable,
    worker_lost,
)
from lanner.vigil.concern import (
    CANARY,
    CLOCKS,
    KINDS,
    LATE,
    LOST,
    MISSING,
    MUTE,
    OVER,
    REJECTED,
    SILENT,
    STARTED,
    STUCK,
    UNHEARD,
    UNRECORDED,
    UNWATCHED,
    Concern,
    settle,
)

TEXTS = {
    DAMAGED_EVENT: (
        "An event was evaluated without a part of it: it is larger than 32 MiB, nested too deeply, cut off, or no "
        "proper JSON. Padding and nesting are ways to hide something.",
        "Look at what `origin` sent at that time. If it is an API server's own, large event: nothing.",
    ),
    RELOAD_REFUSED: (
        "Configuration or rules were read again and have errors. What was in use goes on.",
        "Mend what the messages before it point at; saving the file, or SIGHUP, has it read again.",
    ),
    SOURCE_FAILED: (
        "A source ended, or cannot start, such as when its port is in use. It is started again after a pause that "
        "grows from half a second to a minute.",
        "Look at `reason`. Until it runs, `/readyz` answers 503, and its API server repeats its posts.",
    ),
    EVENTS_MISSING: (
        "A source lost events that its place cannot give again, such as while a connection that has no memory was "
        "away, or a log was rotated twice while Lanner was down. At most once a minute for each source.",
        "`reason` says what was probably lost, and `times` how often. Look at that time in the provider's own log, or "
        "`lanner scan` the files that are left.",
    ),
    DENIED: (
        "Five or more requests were refused by a webhook that asks who posts; at most once in ten minutes.",
        "Look at `reason`, and at the messages, which name each address once a minute. If it is an API server: its "
        "kubeconfig and the webhook's options do not fit. If it is not: find out what it is.",
    ),
    UNUSABLE: (
        "A certificate, a file of CAs or one of tokens was exchanged, and cannot be used. A certificate of before "
        "stays in use; without a usable file of tokens nobody gets in with one, without usable CAs nobody with a "
        "certificate. It is told again every ten minutes.",
        "Mend the file that `reason` names; it is read again by itself.",
    ),
    NOT_STORED: (
        "Alerts cannot be stored: the disk is full, the database is locked or away, or the store has reached "
        "`store.max_size` with alerts that outputs have not got. Events are evaluated and not acknowledged, and "
        "outputs get the alerts from memory. It is raised at most once a minute.",
        "Make room, or bring the database back: see [the store](../guide/operations.md#the-store). API servers send "
        "their events again by themselves.",
    ),
    WORKER_LOST: (
        "With `--workers`: a process that evaluates was killed, or ended by itself. Another one takes its place.",
        "`killed by SIGKILL` is mostly the kernel, out of memory: give more, or use fewer workers. After five within "
        "a minute everything ends with status 1.",
    ),
    UNSAFE: (
        "At the start, and when another reading brings it: an address can be reached from other machines, and nothing "
        "asks who posts, or its tokens can be read on their way over http; or the usual place for alerts cannot be "
        "written, so that they are kept in memory.",
        "Listen on 127.0.0.1, or let only the API servers reach the port.",
    ),
    HELD_BACK: (
        "The output that gets it has a `rate_limit`, and did not get some alerts. It has the highest priority of "
        "those, and goes to that output alone.",
        "Look for the others where there is no limit; raise `rate` and `max_burst`, or tune the noisy rule.",
    ),
    SILENT: (
        "A source sends nothing for longer than is usual for it, or nothing at all since the start. What happened "
        "since is not detected.",
        "See [knowing when blind](../guide/knowing-when-blind.md#nothing-comes).",
    ),
    STUCK: (
        "For five minutes a source has got no further, though it tried again and again: a delivery is not taken, a "
        "file or a log cannot be read. Told again every ten minutes, and once when it is over.",
        "`reason` names the delivery or the place. What comes after it waits, and is lost only where its place keeps "
        "it no longer: end what `reason` tells of.",
    ),
    LATE: (
        "Events of a source have been evaluated later than `blindness.late_after` for a minute.",
        "See [knowing when blind](../guide/knowing-when-blind.md#late-events).",
    ),
    CLOCKS: (
        "Events of a source have been of the future for a minute, by more than a minute: one of the clocks is wrong.",
        "Mend the time on the API server's machine, or on Lanner's.",
    ),
    LOST: (
        "With `blindness.apiserver.metrics`: an API server counts events that its audit backend could not take. It is "
        "told again at most every ten minutes, and is over ten minutes after the last one.",
        "See [what it means](../guide/knowing-when-blind.md#events-that-the-api-server-loses); `by` names backends.",
    ),
    REJECTED: (
        "Likewise: an API server in a blocking mode rejects requests because it cannot record them.",
        "See the API server's log, and whether Lanner answers its posts.",
    ),
    UNHEARD: (
        "Likewise: an API server records events, and none has arrived for longer than `arrival`.",
        "See `--audit-webhook-config-file`, errors of the webhook in the API server's log, and the way to Lanner.",
    ),
    MISSING: (
        "Likewise: of what all API servers recorded in the last hour and do not count as lost, five percent and more "
        "did not arrive, though the rest does. It is over up to an hour after all is well.",
        "See [several API servers](../guide/knowing-when-blind.md#events-that-the-api-server-loses): one may be cut "
        "off, or post elsewhere.",
    ),
    UNRECORDED: (
        "Likewise: an API server answers requests, and audits none of them, or has recorded nothing for longer than is "
        "usual.",
        "See whether its audit policy and its backend are those that you gave it.",
    ),
    STARTED: (
        "Likewise: a process of an API server has started since it is watched. One that was killed takes along what it "
        "had not posted yet; nothing counts that. There is no alert when it is over.",
        "See why it ended: an upgrade, want of memory, or somebody who wanted its buffer to be forgotten.",
    ),
    UNWATCHED: (
        "Likewise: an API server has given no metrics for three minutes, so that events which it loses go unnoticed.",
        "`reason` and `help` say why, and what to do.",
    ),
    CANARY: (
        "With `blindness.apiserver.canary`: a request was made to an API server, and its audit event did not come back "
        "in time.",
        "See [the canary](../guide/knowing-when-blind.md#the-canary); `last_back_s` bounds what may be lost.",
    ),
    MUTE: (
        "Likewise: for three minutes no such request could be made, so that nobody tries whether events arrive.",
        "`reason` and `help` say why, and what to do.",
    ),
    OVER: (
        "What an alert about missed events told of is over: `was` names it, `blind_s` says for how long it was so.",
        "Look in the API server's own log, or in the cluster, for what happened meanwhile.",
    ),
    METRICS: (
        "At intervals, with `metrics.enabled` and `metrics.output_rule`; see [metrics](metrics.md#snapshots).",
        "Nothing.",
    ),
}
"""When each is raised, and what to do then, by its rule."""


def internal_alerts() -> str:
    """The text of the page."""
    intro = (
        "What Lanner says about itself, as alerts: they go where all alerts go, with the source `internal` and without "
        "tags, so that whoever watches alerts learns of these too. No rule file defines them, and none can switch them "
        "off; the keys `rules`, `sources` and `priority` of an output can leave them out there. Their rules are "
        "counted by the metric `lanner_internal_alerts_total`, but for alerts held back "
        "(`lanner_output_held_back_total`) and the snapshot of metrics."
    )
    alerts = {alert.rule: alert for alert in samples()}
    rows = ((code(rule), _priority(alerts[rule]), *text, _fields(alerts[rule])) for rule, text in TEXTS.items())
    example = (
        "An output for those alone:\n\n"
        "```yaml\n"
        "notify_outputs:\n"
        "  - name: operators\n"
        "    sources: [internal]\n"
        "    priority: warning\n"
        '    urls: ["${OPERATORS_URL}"]\n'
        "```\n"
    )
    return page(
        "Internal alerts", intro, table(("rule", "priority", "when", "what to do", "`output_fields`"), rows), example
    )


def samples() -> Iterator[Alert]:
    """One of each."""
    yield _damaged()
    yield reload_refused("", None)
    yield source_failed("", "", 1)
    yield events_missing("", "", 1)
    yield denied("", "", 1)
    yield unusable("", "", 1)
    yield not_stored("")
    yield worker_lost("", None)
    yield unsafe("", "")
    limiter = Limiter(RateLimit(rate=1, max_burst=1), 0)
    for _ in range(2):
        limiter.admits(unsafe("", ""), 0)
    summary = limiter.summary()
    assert summary is not None  # noqa: S101 - INVARIANT: the second one was over the limit
    yield summary
    concerns = [Concern(kind.name, "", "", dict.fromkeys(kind.fields)) for kind in KINDS.values()]
    standing, notices = settle({}, concerns, 0)
    yield from map(noticed, notices)
    yield from map(noticed, settle(standing, [], 0)[1])
    yield internal_alert(METRICS, Priority.INFORMATIONAL, "", {})


def _damaged() -> Alert:
    with TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.yaml"
        rules.write_text("[]", encoding="utf-8")
        loaded = load_rules([rules]).rules
    assert loaded is not None  # noqa: S101 - INVARIANT: no rules are no mistake
    [alert] = Engine(compile_rules(loaded)).process(b'{"kind":"Event","auditID":"1","verb":"get"', body=True).alerts
    return alert


def _priority(alert: Alert) -> str:
    return "that of the others" if alert.rule == HELD_BACK else alert.priority.value


def _fields(alert: Alert) -> str:
    return ", ".join(map(code, alert.output_fields)) if alert.rule != METRICS else ""
