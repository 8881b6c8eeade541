import asyncio
import errno
import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lanner.sources.base import Delivery, Handler, Limits, RejectedDelivery, SourceError
from lanner.sources.follow import FollowSource, StdinSource
from lanner.sources.plugin import Checkpoint, Context, MemoryCheckpoint, Start, Trouble

LIMITS = Limits(max_event_size=1000, block_size=64)
CONTEXT = Context(name="log")


class Script:
    """Runs a source whose every pause is the next step of a script, and keeps what it delivers."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)
        self.deliveries: list[Delivery] = []
        self.told: list[tuple[Trouble, str]] = []
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self._steps:
            raise asyncio.CancelledError
        self._steps.pop(0)()

    async def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    @property
    def text(self) -> bytes:
        return b"".join(delivery.payload for delivery in self.deliveries)

    def run(self, source: FollowSource | StdinSource, handle: Handler | None = None) -> None:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(source.run(handle or self.handle))


def follow(script: Script, path: Path, start: Start = Start.NEW, checkpoint: Checkpoint | None = None) -> FollowSource:
    context = Context(
        name="log",
        start=start,
        checkpoint=checkpoint or MemoryCheckpoint(),
        tell=lambda trouble, text, times=1: script.told.append((trouble, text)),
    )
    return FollowSource(str(path), LIMITS, context, sleep=script.sleep)


def append(path: Path, text: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(text)

    return step


def test_only_what_is_appended_is_delivered(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"old":1}\n' * 20)
    script = Script(append(path, b'{"a":1}\n'), append(path, b'{"b":2}\n{"c":3}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    assert script.pauses == [0.2, 0.2, 0.2]


def test_a_line_being_written_at_the_start_is_delivered_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"old":1}\n{"a":"' + b"x" * 200)
    script = Script(append(path, b'"}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":"' + b"x" * 200 + b'"}\n'


def test_from_the_start_the_existing_lines_come_first(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"old":1}\n' * 20)
    script = Script(append(path, b'{"a":1}\n'))
    script.run(follow(script, path, Start.FIRST))
    assert script.text == b'{"old":1}\n' * 20 + b'{"a":1}\n'


def test_a_partial_line_waits_for_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    script = Script(append(path, b'{"a"'), append(path, b":1}"), append(path, b"\n"))
    source = follow(script, path)
    script.run(source)
    assert [delivery.payload for delivery in script.deliveries] == [b'{"a":1}\n']


def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    script = Script(lambda: None, append(path, b'{"a":1}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":1}\n'
    assert script.told == [(Trouble.RETRY, f"cannot read `{path}`: no such file; it is read as soon as it can be")]


def test_after_a_rename_the_old_file_is_read_to_its_end_first(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    path.touch()

    def rotate() -> None:
        append(path, b'{"a":1}\n')()
        path.rename(old)
        append(old, b'{"b":2}\n' * 20 + b'{"partial"')()
        path.write_bytes(b'{"c":3}\n')

    script = Script(rotate, append(path, b'{"d":4}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":1}\n' + b'{"b":2}\n' * 20 + b'{"partial"' + b'{"c":3}\n{"d":4}\n'


def test_what_the_old_file_gets_while_it_is_replaced_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    path.touch()
    real_stat = os.stat

    def replace_and_stat(name: str, *, follow_symlinks: bool = True) -> os.stat_result:
        if name == str(path) and not real_stat(path).st_size:  # at its end, before its name is looked at
            path.rename(old)
            append(old, b'{"a":1}\n')()
            append(path, b'{"b":2}\n')()
        return real_stat(name, follow_symlinks=follow_symlinks)

    script = Script(lambda: None)
    source = follow(script, path)
    monkeypatch.setattr("lanner.sources.follow.os.stat", replace_and_stat)
    script.run(source)
    assert script.text == b'{"a":1}\n{"b":2}\n'


def test_while_the_name_is_free_the_old_file_is_still_read(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    path.touch()
    script = Script(lambda: path.rename(old), append(old, b'{"a":1}\n'), append(path, b'{"b":2}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":1}\n{"b":2}\n'


def test_after_a_truncation_the_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"old":1}\n' * 20)

    def truncate() -> None:
        os.truncate(path, 0)
        append(path, b'{"a":1}\n')()

    script = Script(truncate, append(path, b'{"b":2}\n'))
    script.run(follow(script, path))
    assert script.text == b'{"a":1}\n{"b":2}\n'


def test_a_line_beyond_the_limit_is_reduced(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    large = b'{"verb":"get","x":"' + b"x" * 2000 + b'"}\n'
    script = Script(append(path, large), append(path, b'{"a":1}\n'))
    script.run(follow(script, path))
    assert [(d.truncated, d.received) for d in script.deliveries] == [(True, len(large)), (False, 8)]


def test_a_delivery_that_fails_is_repeated_after_growing_pauses_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"a":1}\n')
    nothing: Callable[[], object] = lambda: None  # noqa: E731 - a step without effect
    script = Script(*[nothing] * 8, append(path, b'{"b":2}\n'))
    source = follow(script, path, Start.FIRST)
    positions: list[int] = []
    failures = iter([OSError("full")] * 8)

    async def handle(delivery: Delivery) -> None:
        positions.append(source.position)
        if error := next(failures, None):
            raise error
        await script.handle(delivery)

    script.run(source, handle)
    assert script.text == b'{"a":1}\n{"b":2}\n'
    longest = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert all(most / 2 <= found <= most for found, most in zip(script.pauses, longest, strict=False))
    assert positions == [0] * 9 + [8]
    assert [trouble for trouble, _ in script.told] == 8 * [Trouble.RETRY]


def test_a_rejected_delivery_is_told_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"junk\n")
    script = Script()

    async def handle(delivery: Delivery) -> None:
        await script.handle(delivery)
        raise RejectedDelivery("not JSON")

    script.run(follow(script, path, Start.FIRST), handle)
    assert script.text == b"junk\n"
    assert script.told == [(Trouble.DAMAGED, f"events from `{path}` are set aside: not JSON")]


def test_a_folder_cannot_be_followed(tmp_path: Path) -> None:
    script = Script(lambda: None)
    script.run(follow(script, tmp_path))
    assert [text.partition(";")[0] for _, text in script.told] == [f"cannot read `{tmp_path}`: not a regular file"]


def cancel_while_handling(source: FollowSource | StdinSource) -> list[str]:
    """Cancel a source while its handler works, and let that end; what happened in which order."""
    log: list[str] = []

    async def main() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            entered.set()
            await release.wait()
            log.append("handled")

        running = asyncio.ensure_future(source.run(handle))
        await entered.wait()
        running.cancel()
        asyncio.get_running_loop().call_soon(release.set)
        with pytest.raises(asyncio.CancelledError):
            await running
        log.append("stopped")

    asyncio.run(main())
    return log


def test_what_is_being_handled_is_finished_when_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"a":1}\n')
    assert cancel_while_handling(FollowSource(str(path), LIMITS, Context(name="log"))) == ["handled", "stopped"]


def pipe(parts: Iterable[bytes]) -> int:
    reading, writing = os.pipe()
    for part in parts:
        os.write(writing, part)
    os.close(writing)
    return reading


def read_all(fd: int) -> bytes:
    script = Script()
    asyncio.run(StdinSource(LIMITS, CONTEXT, fd=fd).run(script.handle))
    return script.text


def test_standard_input_is_followed_to_its_end() -> None:
    fd = pipe([b'{"a":1}\n' * 100, b'{"b"', b":2}"])
    assert read_all(fd) == b'{"a":1}\n' * 100 + b'{"b":2}'
    os.close(fd)


def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b'{"a":1}\n' * 100)
    with path.open("rb") as file:
        assert read_all(file.fileno()) == b'{"a":1}\n' * 100


def test_standard_input_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "events").open("wb") as file, pytest.raises(SourceError, match="cannot read `<stdin>`: bad file"):
        read_all(file.fileno())


def test_waiting_for_standard_input_can_be_cancelled() -> None:
    reading, writing = os.pipe()

    async def main() -> None:
        got = asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            got.set()

        running = asyncio.ensure_future(StdinSource(LIMITS, CONTEXT, fd=reading).run(handle))
        os.write(writing, b'{"a":1}\n')
        await got.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    os.close(writing)
    os.close(reading)


def test_standard_input_finishes_what_is_being_handled_when_cancelled() -> None:
    fd = pipe([b'{"a":1}\n'])
    assert cancel_while_handling(StdinSource(LIMITS, CONTEXT, fd=fd)) == ["handled", "stopped"]
    os.close(fd)


def test_a_delivery_of_standard_input_that_fails_is_repeated() -> None:
    fd = pipe([b'{"a":1}\n'])
    script = Script(lambda: None)
    failures = iter([OSError("full")])

    async def handle(delivery: Delivery) -> None:
        if error := next(failures, None):
            raise error
        await script.handle(delivery)

    asyncio.run(StdinSource(LIMITS, CONTEXT, fd=fd, sleep=script.sleep).run(handle))
    os.close(fd)
    assert (script.text, len(script.pauses)) == (b'{"a":1}\n', 1)


def test_a_line_that_waits_for_its_end_is_not_passed_over_when_cancelled(tmp_path: Path) -> None:
    """The delivery that is in hand has it, and is not taken."""
    path, kept = tmp_path / "audit.log", MemoryCheckpoint()
    path.write_bytes(b'{"a":1}\n{"b"')
    script = Script(append(path, b":2}\n"), lambda: None)

    async def handle(delivery: Delivery) -> None:
        await script.handle(delivery)
        if b"b" in delivery.payload:
            raise OSError("full")

    script.run(follow(script, path, Start.KEPT, kept), handle)
    again = Script()
    again.run(follow(again, path, Start.KEPT, kept))
    assert again.text == b'{"b":2}\n'


def test_a_descriptor_that_cannot_be_read_any_more_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"a":1}\n')
    real_pread, dead = os.pread, set[int]()
    first: list[int] = []

    def pread(fd: int, size: int, offset: int) -> bytes:
        first.append(fd)
        if fd in dead:
            dead.remove(fd)
            raise OSError(errno.ESTALE, "Stale file handle")
        return real_pread(fd, size, offset)

    def die() -> None:
        dead.add(first[-1])
        append(path, b'{"b":2}\n')()

    monkeypatch.setattr("lanner.sources.follow.os.pread", pread)
    opened: list[str] = []
    real_open = os.open

    def opening(name: str, flags: int) -> int:
        opened.append(name)
        return real_open(name, flags)

    monkeypatch.setattr("lanner.sources.follow.os.open", opening)
    script = Script(die, lambda: opened.append("dead"), lambda: None)
    script.run(follow(script, path, Start.FIRST))
    assert script.text == b'{"a":1}\n{"b":2}\n'
    assert str(path) in opened[opened.index("dead") :]
    assert [trouble for trouble, _ in script.told] == [Trouble.RETRY]


def test_a_file_that_cannot_be_read_for_minutes_is_told_again_and_as_stuck(tmp_path: Path) -> None:
    now = 0.0

    def later() -> None:
        nonlocal now
        now += 20

    script = Script(*[later] * 16)
    context = Context(name="log", tell=lambda trouble, text, times=1: script.told.append((trouble, text)))
    script.run(FollowSource(str(tmp_path), LIMITS, context, sleep=script.sleep, clock=lambda: now))
    kinds = [trouble for trouble, _ in script.told]
    assert (kinds.count(Trouble.RETRY), kinds.count(Trouble.STUCK)) == (6, 1)
    assert script.told[-1] == (Trouble.STUCK, f"for 5 minutes: cannot read `{tmp_path}`: not a regular file")


def rotate_and_pack(path: Path, number: int) -> None:
    """Rename a file, compress it as gzip does, and make the next."""
    packed = path.with_name(f"{path.name}.{number}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    found = path.stat()
    path.unlink()
    os.utime(packed, ns=(found.st_mtime_ns, found.st_mtime_ns))
    path.touch()


def write_at(path: Path, text: bytes, at_s: int) -> None:
    append(path, text)()
    os.utime(path, (at_s, at_s))


@pytest.mark.parametrize("rotations", [1, 2])
def test_a_file_that_was_compressed_before_it_was_read_is_a_gap(tmp_path: Path, rotations: int) -> None:
    path = tmp_path / "audit.log"
    write_at(path, b'{"a":1}\n', 1_700_000_000)

    def rotate() -> None:
        rotate_and_pack(path, 2)
        if rotations == 2:
            write_at(path, b'{"b":2}\n', 1_700_000_100)
            rotate_and_pack(path, 1)
        append(path, b'{"c":3}\n')()

    script = Script(rotate, lambda: None, lambda: None)
    script.run(follow(script, path, Start.FIRST))
    assert script.text == b'{"a":1}\n{"c":3}\n'
    text = f"`{path}` was rotated and compressed before it was read; `lanner scan` reads it: `audit.log.1.gz`"
    assert script.told == ([(Trouble.GAP, text)] if rotations == 2 else [])


def test_a_file_that_came_while_the_old_one_was_read_late_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write_at(path, b'{"a":1}\n', 1_700_000_000)

    def rotate() -> None:
        rotate_and_pack(path, 2)
        write_at(path, b'{"b":2}\n', 1_700_000_100)
        path.rename(tmp_path / "audit.log.1")
        append(path, b'{"c":3}\n')()

    script = Script(rotate, *[lambda: None] * 3)
    script.run(follow(script, path, Start.FIRST))
    assert script.text == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    assert not script.told
