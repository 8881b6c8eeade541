import signal
from collections.abc import Callable

import pytest

from lanner.cli.interrupts import Interrupts, Stopped


def stopped_by(work: Callable[[Interrupts], None], stop_after_s: float | None = None) -> int:
    """The signal that ended the work."""
    with pytest.raises(Stopped) as caught:
        _work(work, stop_after_s)
    return caught.value.signal


def _work(work: Callable[[Interrupts], None], stop_after_s: float | None) -> None:
    with Interrupts(stop_after_s) as interrupts:
        work(interrupts)


def test_a_signal_stops_at_once_outside_of_held_work() -> None:
    steps = []

    def work(_: Interrupts) -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("not reached")

    assert stopped_by(work) == signal.SIGINT
    assert not steps


def test_a_signal_waits_for_the_end_of_held_work() -> None:
    steps = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            steps.append("finished")
        steps.append("not reached")

    assert stopped_by(work) == signal.SIGINT
    assert steps == ["finished"]


def test_a_second_signal_does_not_wait() -> None:
    steps = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            steps.append("first")
            signal.raise_signal(signal.SIGINT)
            steps.append("not reached")

    assert stopped_by(work) == signal.SIGINT
    assert steps == ["first"]


def test_the_time_limit_stops_by_itself() -> None:
    def work(_: Interrupts) -> None:
        while True:
            signal.pause()

    assert stopped_by(work, 0.01) == signal.SIGALRM


def test_the_handlers_of_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts(60):
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
