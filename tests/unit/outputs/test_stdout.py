import errno
import fcntl
import io
import os
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from select import PIPE_BUF

import msgspec
import pytest

from lanner.outputs.format import AlertFormat
from lanner.outputs.sink import GoneError
from lanner.outputs.stdout import SharedDescriptor, SharedOutput, StdoutOutput, pieces

from .test_format import ALERT


def test_alerts_are_written_in_order_and_flushed() -> None:
    raw = io.BytesIO()
    output = StdoutOutput(io.BufferedWriter(raw), AlertFormat())
    output.write([ALERT, ALERT])
    output.write([])
    output.flush()
    assert raw.getvalue() == AlertFormat().encode(ALERT) * 2


def test_closing_flushes_and_leaves_the_stream_open() -> None:
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw)
    output = StdoutOutput(stream, AlertFormat())
    output.write([ALERT])
    output.close()
    output.close()
    assert raw.getvalue() == AlertFormat().encode(ALERT)
    assert not stream.closed


# A test runner may have threads of its own; what forks for users has none.
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; the test closes the writing end."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def shared(descriptor: int) -> SharedOutput:
    return SharedOutput(SharedDescriptor(descriptor), AlertFormat())


def read_all(reader: int) -> bytes:
    return b"".join(iter(lambda: os.read(reader, 1 << 16), b""))


def test_shared_alerts_are_written_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = shared(writer)
    output.write([ALERT])
    assert os.read(reader, 1 << 16) == AlertFormat().encode(ALERT)
    output.write([])
    output.flush()
    output.reopen()
    output.close()
    output.write([ALERT, ALERT])
    os.close(writer)
    assert read_all(reader) == AlertFormat().encode(ALERT) * 2


def test_a_reader_that_has_left_is_gone_for_good() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(GoneError, match="nobody reads it any more"):
        shared(writer).write([ALERT])
    os.close(writer)


@FORKS
def test_what_one_process_flushes_is_not_within_what_another_does(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = shared(writer)
    batch = 3 * PIPE_BUF // len(AlertFormat().encode(ALERT))
    names = ["a", "b", "c"]

    def write(name: str) -> None:
        for number in range(50):
            output.write([msgspec.structs.replace(ALERT, message=f"{name} {number}")] * batch)

    processes = [get_context("fork").Process(target=write, args=(name,)) for name in names]
    for process in processes:
        process.start()
    os.close(writer)
    lines = read_all(reader).decode().splitlines()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    said = [line.rpartition("Warning ")[2] for line in lines]
    batches = [said[at : at + batch] for at in range(0, len(said), batch)]
    assert sorted(batches) == sorted([f"{name} {number}"] * batch for name in names for number in range(50))


@FORKS
def test_a_line_that_a_killed_process_cut_off_is_ended_before_the_next(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BUF)
    output = shared(writer)
    long = msgspec.structs.replace(ALERT, message="x" * 100 * PIPE_BUF)

    def write() -> None:
        output.write([long])

    process = get_context("fork").Process(target=write)
    process.start()
    begun = os.read(reader, 1)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    os.set_blocking(reader, False)
    begun += os.read(reader, 1 << 20)
    assert AlertFormat().encode(long).startswith(begun)
    output.write([ALERT])
    output.write([ALERT])
    os.close(writer)
    assert read_all(reader) == b"\n" + AlertFormat().encode(ALERT) * 2


@FORKS
def test_a_process_that_is_killed_while_it_waits_to_write_leaves_whole_lines(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BUF)
    output = shared(writer)
    line = AlertFormat().encode(ALERT)

    def write() -> None:
        output.write([ALERT] * (10 * PIPE_BUF // len(line)))

    process = get_context("fork").Process(target=write)
    process.start()
    begun = os.read(reader, 1)
    process.kill()
    process.join()
    os.set_blocking(reader, False)
    begun += os.read(reader, 1 << 20)
    output.write([ALERT])
    os.close(writer)
    lines = begun + read_all(reader)
    assert lines == line * (len(lines) // len(line))


def test_lines_that_cannot_be_written_are_forgotten_and_a_line_cut_off_is_ended(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BUF)
    os.set_blocking(writer, False)
    output = shared(writer)
    with pytest.raises(BlockingIOError):
        output.write([msgspec.structs.replace(ALERT, message="x" * 2 * PIPE_BUF)])
    assert b"\n" not in os.read(reader, 1 << 20)
    output.write([ALERT])
    os.close(writer)
    assert read_all(reader) == b"\n" + AlertFormat().encode(ALERT)


@pytest.mark.parametrize(("taken", "between"), [(0, b""), (1, b""), (1.5, b"\n")])
def test_only_a_line_that_a_full_file_cut_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: float, between: bytes
) -> None:
    line = AlertFormat().encode(ALERT)
    number = 2 * PIPE_BUF // len(line)
    room = [int(taken * len(line))]
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "no space")
        size, room[0] = room[0], 0
        return write(descriptor, data[:size])

    with (tmp_path / "out").open("wb", buffering=0) as file:
        output = shared(file.fileno())
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            with pytest.raises(OSError, match="no space"):
                output.write([ALERT] * number)
        output.write([ALERT])
    begun = (line * 2)[: int(taken * len(line))]
    assert (tmp_path / "out").read_bytes() == begun + between + line


def test_a_file_gets_what_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        written.append(len(data))
        return write(descriptor, data)

    line = AlertFormat().encode(ALERT)
    with (tmp_path / "out").open("wb", buffering=0) as file:
        output = shared(file.fileno())
        monkeypatch.setattr(os, "write", counted)
        output.write([ALERT] * 100)
    assert written == [100 * len(line)]
    assert (tmp_path / "out").read_bytes() == line * 100


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1], [1]),
        ([10, 20, 30], [60]),
        ([PIPE_BUF], [PIPE_BUF]),
        ([PIPE_BUF - 1, 1], [PIPE_BUF]),
        ([PIPE_BUF - 1, 2], [PIPE_BUF - 1, 2]),
        ([5, PIPE_BUF + 1, 5, 5], [5, PIPE_BUF + 1, 10]),
        ([3 * PIPE_BUF, 3 * PIPE_BUF], [3 * PIPE_BUF, 3 * PIPE_BUF]),
    ],
)
def test_lines_are_divided_into_what_is_written_as_a_whole(sizes: list[int], expected: list[int]) -> None:
    lines = b"".join(b"x" * (size - 1) + b"\n" for size in sizes)
    found = list(pieces(lines, PIPE_BUF))
    assert b"".join(found) == lines
    assert [len(piece) for piece in found] == expected
