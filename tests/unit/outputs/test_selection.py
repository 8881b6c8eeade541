import pytest

from lanner.outputs.selection import OutputFilter
from lanner.rules.priority import Priority

from .receivers import alert


@pytest.mark.parametrize(
    ("chosen", "is_taken"),
    [
        (OutputFilter(), True),
        (OutputFilter(min_priority=Priority.WARNING), True),
        (OutputFilter(min_priority=Priority.NOTICE), True),
        (OutputFilter(min_priority=Priority.ERROR), False),
        (OutputFilter(rules=("Pod created",)), True),
        (OutputFilter(rules=("Secret *", "Pod *")), True),
        (OutputFilter(rules=("pod *",)), False),
        (OutputFilter(rules=("Pod",)), False),
        (OutputFilter(tags=frozenset({"pods", "other"})), True),
        (OutputFilter(tags=frozenset({"other"})), False),
        (OutputFilter(sources=frozenset({"k8s_audit"})), True),
        (OutputFilter(sources=frozenset({"internal"})), False),
        (OutputFilter(rules=("Pod *",), tags=frozenset({"other"})), False),
        (OutputFilter(rules=("Secret *",), tags=frozenset({"pods"})), False),
    ],
)
def test_an_alert_passes_if_every_part_of_the_filter_lets_it(chosen: OutputFilter, is_taken: bool) -> None:
    assert chosen.takes(alert()) is is_taken
