"""The kit passes sources that are right, and fails each defect."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import msgspec
import pytest
from msgspec import Meta

from lanner.sources.plugin import Plugin
from lanner.testing import Place, SourceKit, ids_of
from lanner.testing.session import KitError
from tests.unit.testing.sources import SHELVES, Defect, Log, Queue, Shelf, plugin


@pytest.fixture
def place() -> Place:
    return shelf()


def shelf() -> Shelf:
    SHELVES["shelf"] = Shelf()
    return SHELVES["shelf"]


class _Kit(SourceKit):
    __test__ = False
    is_installed = False
    count = 30
    timeout_s = 20.0
    patience_s = 0.05
    bad_open_params: ClassVar[tuple[str, ...]] = ("", "nowhere")


class TestQueue(_Kit):
    __test__ = True
    plugin = plugin(Queue)


class TestLog(_Kit):
    __test__ = True
    plugin = plugin(Log)
    uses_checkpoint = True


DEFECTS = [
    (Queue, Defect.LOSES, "everything_is_delivered", "what was there is delivered: not within"),
    (Queue, Defect.STOPS, "everything_is_delivered", "what comes later is delivered: not within"),
    (Queue, Defect.SILENT, "everything_is_delivered", "`Context.started` was not called"),
    (Queue, Defect.BREAKS_ON_DAMAGED, "what_is_no_event_does_not_stop_it", "the source ended with DecodeError"),
    (Queue, Defect.GIVES_UP, "what_was_not_dealt_with_is_delivered_again", "what was refused is delivered again"),
    (Queue, Defect.GIVES_UP, "nothing_is_acknowledged_that_was_not_dealt_with", "though the handler has failed"),
    (Queue, Defect.GIVES_UP_UNSTORED, "what_was_not_dealt_with_is_delivered_again", "what was refused is delivered"),
    (Queue, Defect.GIVES_UP_UNSTORED, "nothing_is_acknowledged_that_was_not_dealt_with", "though the handler"),
    (
        Queue,
        Defect.ACKNOWLEDGES_FIRST,
        "nothing_is_acknowledged_that_was_not_dealt_with",
        "before the handler has returned",
    ),
    (
        Queue,
        Defect.ACKNOWLEDGES_FAILED,
        "nothing_is_acknowledged_that_was_not_dealt_with",
        "30 events are acknowledged though the handler has failed",
    ),
    (Log, Defect.SAVES_FIRST, "nothing_is_acknowledged_that_was_not_dealt_with", "another run delivers what was left"),
    (Queue, Defect.INSISTS, "what_will_never_be_readable_is_set_aside", "handed over again"),
    (Queue, Defect.HIDES, "what_will_never_be_readable_is_set_aside", "nobody is told"),
    (Log, Defect.BREAKS_ON_REJECTED, "what_will_never_be_readable_is_set_aside", "ended with RejectedDelivery"),
    (Queue, Defect.CANCELS, "the_end_waits_for_what_is_in_hand", "the end cancels the handler"),
    (Queue, Defect.LEAVES, "the_end_waits_for_what_is_in_hand", "ends while the handler is at work"),
    (Queue, Defect.GOES_ON, "the_end_waits_for_what_is_in_hand", "goes on after it was cancelled"),
    (Log, Defect.FORGETS, "another_run_goes_on_where_the_last_one_ended", "30 events are delivered again"),
    (Log, Defect.NEVER_SAVES, "another_run_goes_on_where_the_last_one_ended", "30 events are delivered again"),
    (Log, Defect.SAVES_FIRST, "no_checkpoint_is_ahead_of_what_was_dealt_with", "a run that begins at a checkpoint"),
    (Log, Defect.NEVER_SAVES, "no_checkpoint_is_ahead_of_what_was_dealt_with", "no checkpoint was saved"),
    (Queue, Defect.UNBOUNDED, "no_more_is_handed_over_than_is_bounded", "300 deliveries are handed over at a time"),
    (
        Queue,
        Defect.READS_WHEN_OPENED,
        "opening_reads_nothing",
        "the operating system: open('/etc/hostname'",
    ),
    (Queue, Defect.CONNECTS_WHEN_OPENED, "opening_reads_nothing", "socket.getaddrinfo('127.0.0.1', 80)"),
]


@pytest.mark.parametrize(
    ("kind", "defect", "test", "message"),
    DEFECTS,
    ids=[f"{defect}-{test}" for _, defect, test, _ in DEFECTS],
)
def test_a_defect_is_noticed(kind: type[Queue] | type[Log], defect: Defect, test: str, message: str) -> None:
    class Kit(_Kit):
        timeout_s = 0.5
        uses_checkpoint = kind is Log

    Kit.plugin = plugin(kind, defect)
    with pytest.raises(KitError) as caught:
        getattr(Kit(), f"test_{test}")(shelf())
    assert message in str(caught.value)


def test_every_defect_is_among_them() -> None:
    assert {defect for _, defect, _, _ in DEFECTS} == {*Defect} - {Defect.NONE}


# What a plugin says of itself


class Undescribed(msgspec.Struct, frozen=True):
    number: int = 1


class Unstable(msgspec.Struct, frozen=True):
    made: Annotated[object, Meta(description="Another one each time.")] = msgspec.field(default_factory=object)


GOOD = plugin(Queue)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(GOOD, description=" "), "the plugin has no description"),
        (replace(GOOD, open_params=""), "does not say what `open_params` is"),
        (replace(GOOD, version="new"), "version `new` is not of the form 1.2.3"),
        (replace(GOOD, options=Undescribed), "option `number` has no description"),
        (replace(GOOD, options=Unstable), "two sets of default options differ"),
        (replace(GOOD, event_source="okta"), "its events are of the source `okta`"),
    ],
)
def test_a_plugin_that_does_not_describe_itself_is_noticed(wrong: Plugin, message: str) -> None:
    class Kit(_Kit):
        plugin = wrong

    with pytest.raises(KitError, match=message):
        Kit().test_the_plugin_is_described()


def test_a_plugin_that_is_not_installed_or_takes_anything_is_noticed() -> None:
    class Kit(_Kit):
        is_installed = True
        plugin = GOOD
        bad_open_params: ClassVar[tuple[str, ...]] = ("shelf",)

    shelf()
    with pytest.raises(KitError, match="there is no plugin `shelf`"):
        Kit().test_it_is_found_by_its_entry_point()
    with pytest.raises(KitError, match="`open` takes `shelf`"):
        Kit().test_parameters_that_cannot_be_used_are_refused()


def test_events_are_told_apart_in_every_form() -> None:
    one, other = b'{"auditID":"1"}', b'{"auditID":"2"}'
    both = ["1", "2"]
    assert ids_of(one + b"\n" + other + b"\n") == both
    assert ids_of(b"[" + one + b"," + other + b"]") == both
    assert ids_of(b'{"kind":"EventList","items":[' + one + b"," + other + b"]}") == both
    assert ids_of(one + b"\n{damaged\n" + other) == both
    assert ids_of(b"") == ids_of(b"5") == ids_of(b'{"auditID":5}') == []


# Tests that do not apply


class Tail(_Kit):
    """Of a place that knows nothing of what was read."""

    redelivers = keeps_place = can_be_damaged = False
    bad_open_params: ClassVar[tuple[str, ...]] = ()


class Queued(Tail):
    """Derived from that, of one that knows more."""

    is_installed = redelivers = keeps_place = can_be_damaged = uses_checkpoint = True
    bad_open_params: ClassVar[tuple[str, ...]] = ("",)


def names(kit: type[SourceKit]) -> set[str]:
    """The tests that pytest finds."""
    return {name for name in dir(kit) if name.startswith("test_") and callable(getattr(kit, name))}


def test_tests_that_do_not_apply_are_not_there() -> None:
    assert names(SourceKit) - names(Tail) == {
        "test_another_run_goes_on_where_the_last_one_ended",
        "test_it_is_found_by_its_entry_point",
        "test_no_checkpoint_is_ahead_of_what_was_dealt_with",
        "test_nothing_is_acknowledged_that_was_not_dealt_with",
        "test_parameters_that_cannot_be_used_are_refused",
        "test_what_is_no_event_does_not_stop_it",
        "test_what_was_not_dealt_with_is_delivered_again",
    }
    assert names(Queued) == names(SourceKit)
