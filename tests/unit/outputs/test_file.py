import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lanner.engine.alert import Alert
from lanner.outputs.file import FileOptions, FileOutput
from lanner.outputs.format import AlertFormat
from lanner.outputs.lane import Route
from lanner.outputs.sink import OptionError

from .receivers import TIMEOUT_S, Fan, alert

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


def delivered(path: Path, given: Sequence[Alert], said: list[str], repair: Callable[[], None]) -> None:
    """Write alerts through a lane that cannot deliver them, make good what is wrong, and wait until they are there."""
    failed = threading.Event()

    def report(text: str) -> None:
        said.append(text)
        failed.set()

    fanout = Fan([Route(name="file", output=output_to(path))], report=report, close_timeout_s=TIMEOUT_S)
    fanout.write(given)
    assert failed.wait(TIMEOUT_S)
    repair()
    fanout.close()
    (stats,) = fanout.stats()
    assert (stats.delivered, stats.dropped) == (len(given), {})


@pytest.mark.mounts
def test_alerts_wait_until_there_is_room_on_a_full_disk(tmp_path: Path) -> None:
    """A file system of its own, filled to the last page."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=True)
    try:
        path, filler = tmp_path / "alerts", tmp_path / "filler"
        filler.write_bytes(b"x" * 60 * 1024)
        given = [alert(number, message=f"{number}" + "x" * 500) for number in range(40)]
        said: list[str] = []
        delivered(path, given, said, filler.unlink)
        assert said[0].startswith(f"output `file` (`{path}`): no space left on device (alerts waiting: ")
        found = path.read_bytes().splitlines(keepends=True)
        whole = [line for number, line in enumerate(found) if line not in found[:number] and line.endswith(b"x\n")]
        assert [line for line in whole if line in map(TEXT.encode, given)] == list(map(TEXT.encode, given))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_device_that_is_full_is_said_to_be() -> None:
    output = output_to(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError, match="No space left on device"):
            output.write([alert(1)])
    output.close()


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user who may not do everything, for whoever may."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.parametrize("is_there", [True, False])
def test_alerts_wait_until_the_file_may_be_written(is_there: bool) -> None:
    said: list[str] = []
    with TemporaryDirectory() as name:  # which others may enter, unlike pytest's
        folder = Path(name)
        path = folder / "alerts"
        if is_there:
            path.touch(mode=0o444)
        folder.chmod(0o555)

        def repair() -> None:
            user = os.geteuid()
            os.seteuid(os.getuid())
            folder.chmod(0o777)
            if is_there:
                path.chmod(0o666)
            os.seteuid(user)

        with unprivileged():
            delivered(path, [alert(1), alert(2)], said, repair)
        assert path.read_bytes() == lines(1, 2)
    assert said == [f"output `file` (`{path}`): permission denied (alerts waiting: 2)"]


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(OptionError, match="`filename`: empty"):
        FileOutput(FileOptions(filename=""), TEXT)
