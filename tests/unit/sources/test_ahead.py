"""Reading ahead gives what reading gives, errors in their place, and stops when it is no longer wanted."""

import io
import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.sources.ahead import ReadAhead


class _Endless(io.BufferedIOBase):
    """Gives blocks without end, and counts them."""

    def __init__(self) -> None:
        self.reads = 0
        self.was_read = threading.Event()

    def read1(self, size: int = -1, /) -> bytes:
        self.reads += 1
        self.was_read.set()
        return b"x" * size


class _Broken(io.BufferedIOBase):
    """Gives one block, then fails."""

    def __init__(self) -> None:
        self.is_read = False

    def read1(self, size: int = -1, /) -> bytes:
        if self.is_read:
            raise OSError("damaged")
        self.is_read = True
        return b"ab"


def read(ahead: ReadAhead, size: int) -> bytes:
    buffer = bytearray(size)
    number = ahead.readinto1(memoryview(buffer))
    return bytes(buffer[:number])


@given(st.binary(max_size=200), st.integers(1, 20), st.integers(1, 30))
def test_all_bytes_come_in_order(data: bytes, block_size: int, size: int) -> None:
    with ExitStack() as stack:
        ahead = ReadAhead(io.BytesIO(data), block_size, stack)
        found = []
        while part := read(ahead, size):
            assert len(part) <= size
            found.append(part)
        assert b"".join(found) == data
        assert read(ahead, size) == b""


def test_an_error_comes_behind_what_was_read_before_it() -> None:
    with ExitStack() as stack:
        ahead = ReadAhead(_Broken(), 10, stack)
        assert read(ahead, 10) == b"ab"
        with pytest.raises(OSError, match="damaged"):
            read(ahead, 10)
        assert read(ahead, 10) == b""


def test_no_more_is_read_than_a_few_blocks_and_closing_ends_the_thread() -> None:
    file = _Endless()
    before = threading.active_count()
    with ExitStack() as stack:
        ahead = ReadAhead(file, 10, stack)
        assert file.was_read.wait(10)
        assert read(ahead, 10) == b"x" * 10
    assert file.reads < 20
    assert threading.active_count() == before
