import asyncio
import signal
from dataclasses import dataclass

import pytest

from lanner.server.serve import serve
from lanner.sources.base import Delivery, Framing, Handler, SourceError

from .test_pipeline import EVENT, Memory, engine

BODY = Delivery(EVENT, Framing.BODY, "test")


@dataclass
class Fixed:
    """A source that delivers, and then does what it was made to do."""

    then: str = "end"

    async def run(self, handle: Handler) -> None:
        try:
            await handle(BODY)
        except OSError:
            self.then = "wait"
        if self.then == "signal":
            signal.raise_signal(signal.SIGTERM)
        elif self.then == "fail":
            raise SourceError("place", "gone")
        if self.then != "end":
            await asyncio.Event().wait()


def outcome(source: Fixed, output: Memory, stop_after_s: float | None = None) -> tuple[object, list[OSError]]:
    told: list[OSError] = []
    ended = asyncio.run(serve(source, engine(), [output], report=told.append, stop_after_s=stop_after_s))
    return ended, told


def test_it_ends_with_its_source() -> None:
    output = Memory()
    assert outcome(Fixed(), output) == (None, [])
    assert output.taken == ["seen alice"]


def test_a_signal_ends_it_and_is_named() -> None:
    assert outcome(Fixed("signal"), Memory()) == (signal.SIGTERM, [])


def test_the_time_limit_ends_it() -> None:
    assert outcome(Fixed("wait"), Memory(), 0.01) == (None, [])


def test_a_source_that_fails_is_an_error() -> None:
    with pytest.raises(SourceError, match="cannot read `place`: gone"):
        outcome(Fixed("fail"), Memory())


def test_an_output_whose_reader_left_ends_it() -> None:
    with pytest.raises(BrokenPipeError):
        outcome(Fixed(), Memory(failure=BrokenPipeError()))


def test_an_output_that_fails_otherwise_is_told_of_and_the_source_goes_on() -> None:
    failure = OSError(28, "No space left on device")
    assert outcome(Fixed(), Memory(failure=failure), 0.01) == (None, [failure])


def test_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    outcome(Fixed(), Memory())
    assert signal.getsignal(signal.SIGTERM) == before
