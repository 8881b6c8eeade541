"""Alerts in memory: what goes first where there are too many."""

from lanner.engine.alert import AlertKind, Finding
from lanner.outputs.window import Entry, QueueLimits, Window
from lanner.rules.priority import Priority


def test_what_is_forgotten_goes_ahead_of_what_is_waited_for() -> None:
    finding = Finding(AlertKind("R", Priority.NOTICE, "k8s_audit", (), "h", ()), 0, "", ())
    entries = [Entry(seq, 0, seq, finding) for seq in range(1, 31)]
    window = Window(QueueLimits(max_alerts=20))
    window.extend(0, entries[:19])
    window.follow("reader", 9)
    window.extend(19, entries[19:29])
    assert window.after(9, 100) == entries[9:29]
