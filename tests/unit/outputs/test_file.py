import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lanner.outputs.file import FileOptions, FileOutput
from lanner.outputs.format import AlertFormat
from lanner.outputs.sink import OptionError

from .receivers import alert

TEXT = AlertFormat()


def output_to(path: Path, *, keep_alive: bool = True) -> FileOutput:
    return FileOutput(FileOptions(filename=str(path), keep_alive=keep_alive), TEXT)


def lines(*numbers: int) -> bytes:
    return b"".join(TEXT.encode(alert(number)) for number in numbers)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond the size, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_lines_are_appended_in_order_to_what_is_there(tmp_path: Path, keep_alive: bool) -> None:
    path = tmp_path / "alerts"
    path.write_bytes(b"before\n")
    output = output_to(path, keep_alive=keep_alive)
    output.write([alert(1), alert(2)])
    output.write([])
    output.write([alert(3)])
    output.flush()
    assert path.read_bytes() == b"before\n" + lines(1, 2, 3)
    output.close()
    output.close()


def open_files(path: Path) -> list[int]:
    links = {name: Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
    return [int(name) for name, link in links.items() if link.is_symlink() and os.readlink(link) == str(path)]


@pytest.mark.parametrize(("keep_alive", "expected"), [(True, 1), (False, 0)])
def test_only_a_file_that_is_kept_alive_stays_open(tmp_path: Path, keep_alive: bool, expected: int) -> None:
    path = tmp_path / "alerts"
    output = output_to(path, keep_alive=keep_alive)
    output.write([alert()])
    assert len(open_files(path)) == expected
    output.close()
    assert open_files(path) == []


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_was_rotated_away_is_followed_by_a_new_one(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "alerts"
    output = output_to(path)
    output.write([alert(1)])
    path.rename(tmp_path / "alerts.1")
    if is_replaced:
        path.touch()
    output.write([alert(2)])
    output.close()
    assert (tmp_path / "alerts.1").read_bytes() == lines(1)
    assert path.read_bytes() == lines(2)


def test_a_file_that_was_truncated_goes_on_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    output = output_to(path)
    output.write([alert(1)])
    os.truncate(path, 0)
    output.write([alert(2)])
    output.close()
    assert path.read_bytes() == lines(2)


def test_the_signal_to_reopen_opens_the_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    output = output_to(path)
    handler = signal.signal(signal.SIGUSR1, lambda *_: output.reopen())
    try:
        output.write([alert(1)])
        (descriptor,) = open_files(path)
        os.set_inheritable(descriptor, True)  # a mark that one opened anew does not have
        output.write([alert(2)])
        assert [os.get_inheritable(each) for each in open_files(path)] == [True]
        os.kill(os.getpid(), signal.SIGUSR1)
        output.write([alert(3)])
        assert [os.get_inheritable(each) for each in open_files(path)] == [False]
    finally:
        signal.signal(signal.SIGUSR1, handler)
        output.close()
    assert path.read_bytes() == lines(1, 2, 3)


def test_a_folder_that_is_not_there_is_an_error_until_it_is(tmp_path: Path) -> None:
    path = tmp_path / "later" / "alerts"
    output = output_to(path)
    with pytest.raises(FileNotFoundError):
        output.write([alert(1)])
    path.parent.mkdir()
    output.write([alert(1)])
    output.close()
    assert path.read_bytes() == lines(1)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_line_that_a_full_disk_cut_is_ended_before_the_next(tmp_path: Path, keep_alive: bool) -> None:
    path = tmp_path / "alerts"
    output = output_to(path, keep_alive=keep_alive)
    with largest_file(10), pytest.raises(OSError, match="large"):
        output.write([alert(1)])
    output.write([alert(1)])
    output.close()
    assert path.read_bytes() == lines(1)[:10] + b"\n" + lines(1)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(OptionError, match="`filename`: empty"):
        FileOutput(FileOptions(filename=""), TEXT)
