"""Files that are exchanged, and cannot be used for a while."""

from pathlib import Path

import pytest

from lanner.sources import renewal
from lanner.sources.base import SourceError
from lanner.sources.renewal import Rotating


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Reader:
    """Makes a text of a file, unless it is told to fail."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reason = ""
        self.tries = 0
        self.told: list[str] = []
        self.clock = Clock()
        path.write_text("first")

    def __call__(self) -> str:
        self.tries += 1
        if self.reason:
            raise SourceError(str(self.path), self.reason)
        return self.path.read_text()

    def tell(self, text: str, help_text: str | None) -> None:
        self.told.append(text)

    def rotating(self) -> Rotating[str]:
        return Rotating([str(self.path)], self, without=lambda before: "none", tell=self.tell, clock=self.clock)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "secret")


def test_a_read_that_failed_for_a_moment_is_tried_again_although_the_file_stays_as_it_is(reader: Reader) -> None:
    rotating = reader.rotating()
    reader.path.write_text("second")
    reader.reason = "too many open files"
    assert rotating.get() == "none"
    reader.reason = ""
    assert rotating.get() == "none"
    reader.clock.now += 1
    assert rotating.get() == "second"
    assert rotating.changes == 2


def test_what_cannot_be_used_is_tried_once_a_second_at_most_and_told_now_and_then(reader: Reader) -> None:
    rotating = reader.rotating()
    reader.path.write_text("second")
    reader.reason = "no token"
    for _ in range(1200 * 10):
        rotating.get()
        reader.clock.now += 0.125
    assert reader.tries <= 1 + 1500
    assert len(reader.told) == 3
    assert rotating.changes == 1


def test_a_file_that_may_be_read_from_now_on_is_read(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_is_fresh", lambda stamps: False)  # as if it had been written long ago
    rotating = reader.rotating()
    reader.path.write_text("second")
    reader.path.chmod(0)
    digest = renewal._digest
    monkeypatch.setattr(renewal, "_digest", lambda path: b"")  # root may read whatever its mode
    reader.reason = "permission denied"
    assert rotating.get() == "none"
    monkeypatch.setattr(renewal, "_digest", digest)
    reader.reason = ""
    reader.path.chmod(0o600)
    assert rotating.get() == "second"
