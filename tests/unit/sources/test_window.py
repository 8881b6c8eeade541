"""Reading through one buffer gives every line whole, whatever comes at a time and however long lines are."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.sources import window
from lanner.sources.base import Limits
from lanner.sources.window import Failsafe, read_lines, read_some


class _InPieces:
    """Gives what a reader gives that has little at hand: at most `size` bytes, then fails."""

    def __init__(self, text: bytes, size: int) -> None:
        self._file = io.BytesIO(text)
        self._size = size

    def readinto1(self, buffer: memoryview, /) -> int:
        if number := self._file.readinto(buffer[: self._size]):
            return number
        raise OSError("damaged")


def _payloads(text: bytes, piece: int, limits: Limits, start: int = 0) -> list[bytes]:
    file = Failsafe(_InPieces(text[start:], piece))
    found = [bytes(delivery.payload) for delivery in read_lines(file, "audit.log", limits, text[:start])]
    assert str(file.failure) == "damaged"
    return found


@given(st.text("ab\n\r ", max_size=200).map(str.encode), st.integers(1, 50), st.integers(1, 30), st.integers(0, 40))
def test_whole_lines_come_out_in_order(text: bytes, piece: int, block_size: int, start: int) -> None:
    found = _payloads(text, piece, Limits(block_size=block_size), min(start, len(text)))
    assert b"".join(found) == text
    assert all(payload.endswith(b"\n") for payload in found[:-1])


@given(st.lists(st.integers(0, 120), max_size=12), st.integers(1, 60))
def test_lines_beyond_the_buffer_and_beyond_the_limit_keep_their_place(sizes: list[int], piece: int) -> None:
    lines = [b"x" * size + b"\n" for size in sizes]
    limits = Limits(max_event_size=80, block_size=10)
    file = Failsafe(_InPieces(b"".join(lines), piece))
    found = [(bytes(d.payload), d.truncated, d.received) for d in read_lines(file, "audit.log", limits)]
    assert sum(received for _, _, received in found) == sum(map(len, lines))
    assert [received for _, truncated, received in found if truncated] == [len(s) for s in lines if len(s) > 80]
    assert b"".join(p for p, truncated, _ in found if not truncated) == b"".join(s for s in lines if len(s) <= 80)


def test_the_buffer_grows_for_a_long_line_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_MAX_WINDOW", 64)
    text = b"a\n" + b"b" * 50 + b"\n" + b"c" * 500 + b"\n" + b"d\n" * 20
    assert b"".join(_payloads(text, 7, Limits(block_size=8))) == text


def test_some_is_as_much_as_was_asked_for_or_all_there_is() -> None:
    file = Failsafe(_InPieces(b"abcdefgh", 3))
    assert (read_some(file, 5), read_some(file, 5), read_some(file, 5)) == (b"abcde", b"fgh", b"")
