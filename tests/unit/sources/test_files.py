import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from lanner.sources.base import Framing, Limits, SourceError
from lanner.sources.files import scan, total_size

EVENTS = b"".join(b'{"verb":"get","auditID":"%d"}\n' % number for number in range(5000))
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstandard.ZstdCompressor().compress,
}


class Scan:
    """What came of reading some paths."""

    def __init__(self, *paths: Path | str, limits: Limits | None = None) -> None:
        self.errors: list[SourceError] = []
        self.progress: list[int] = []
        found = scan(
            [str(path) for path in paths],
            limits or Limits(),
            on_error=self.errors.append,
            on_progress=self.progress.append,
        )
        self.deliveries = [replace(delivery, payload=bytes(delivery.payload)) for delivery in found]

    @property
    def text(self) -> bytes:
        return b"".join(delivery.payload for delivery in self.deliveries)

    @property
    def messages(self) -> list[str]:
        return [str(error) for error in self.errors]


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("name", ["audit.log{}", "audit.log", "audit.gz"], ids=["named", "unnamed", "misnamed"])
def test_every_compression_is_read_whatever_the_name(tmp_path: Path, ending: str, name: str) -> None:
    path = tmp_path / name.format(ending)
    path.write_bytes(COMPRESS[ending](EVENTS))
    found = Scan(path)
    assert (found.text, found.errors) == (EVENTS, [])
    assert {delivery.origin for delivery in found.deliveries} == {str(path)}
    assert found.progress[-1] == path.stat().st_size == total_size([str(path)])


@pytest.mark.parametrize("ending", [ending for ending in COMPRESS if ending])
def test_a_compressed_file_that_was_cut_off_gives_what_came_before_and_an_error(tmp_path: Path, ending: str) -> None:
    lines = b"".join(b'{"auditID":"%s"}\n' % os.urandom(16).hex().encode() for _ in range(200_000))
    whole = COMPRESS[ending](lines)
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "next").write_bytes(b'{"verb":"get"}\n')
    found = Scan(tmp_path / "cut", tmp_path / "next")
    assert found.messages == [f"cannot read `{tmp_path}/cut`: the file is damaged or incomplete"]
    assert found.deliveries.pop().payload == b'{"verb":"get"}\n'
    assert lines.startswith(found.text)
    assert len(found.text) > len(lines) // 4


@pytest.mark.parametrize("ending", [ending for ending in COMPRESS if ending])
def test_a_compressed_file_with_broken_bytes_is_an_error(tmp_path: Path, ending: str) -> None:
    whole = bytearray(COMPRESS[ending](os.urandom(100_000).hex().encode()))
    for at in range(len(whole) // 2, len(whole) // 2 + 200):
        whole[at] ^= 0xFF
    (tmp_path / "broken").write_bytes(whole)
    assert len(Scan(tmp_path / "broken").errors) == 1


def test_files_are_read_in_blocks_of_whole_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(EVENTS)
    found = Scan(tmp_path / "a", limits=Limits(block_size=10_000))
    assert len(found.deliveries) > len(EVENTS) // 10_000
    assert all(bytes(delivery.payload).endswith(b"\n") for delivery in found.deliveries)
    assert found.text == EVENTS
    assert found.progress == sorted(found.progress)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\xef\xbb\xbf{"verb":"get"}\n', b'{"verb":"get"}\n'),
        (b'{"verb":"get"}\r\n{"verb":"list"}\r\n', b'{"verb":"get"}\r\n{"verb":"list"}\r\n'),
        (b'{"verb":"get"}', b'{"verb":"get"}'),
        (b"", b""),
    ],
    ids=["byte order mark", "CRLF", "no last newline", "empty"],
)
def test_line_ends_and_beginnings(tmp_path: Path, content: bytes, expected: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    found = Scan(tmp_path / "a")
    assert (found.text, found.errors) == (expected, [])


def test_a_printed_document_is_one_body(tmp_path: Path) -> None:
    text = json.dumps({"kind": "EventList", "items": [{"verb": "get"}] * 1000}, indent=2).encode()
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + text)
    (delivery,) = Scan(tmp_path / "a", limits=Limits(block_size=1000)).deliveries
    assert (delivery.payload, delivery.framing) == (text, Framing.BODY)


def test_a_printed_document_beyond_the_batch_limit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(json.dumps([{"verb": "get"}] * 1000, indent=2).encode())
    found = Scan(tmp_path / "a", limits=Limits(block_size=1000, max_batch_size=5000))
    assert found.messages == [f"cannot read `{tmp_path}/a`: one JSON document of more than 5,000 bytes"]
    assert "webhookMaxBatchSize" in (found.errors[0].help or "")
    assert found.deliveries == []


def test_memory_stays_flat_for_a_large_line_in_a_compressed_file(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(b'{"verb":"create","requestObject":"')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"verb":"get"}\n')
    tracemalloc.start()
    found = Scan(tmp_path / "a.gz", limits=Limits(max_event_size=4 << 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [delivery.payload for delivery in found.deliveries] == [b'{"verb":"create"}', b'{"verb":"get"}\n']
    assert peak < 20 << 20


def test_a_folder_gives_its_files_by_time_and_then_by_name(tmp_path: Path) -> None:
    for name, when in {"c": 1, "b": 2, "a": 2, ".hidden": 0}.items():
        (tmp_path / name).write_text(f'"{name}"\n')
        os.utime(tmp_path / name, (when, when))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "d").write_text('"d"\n')
    assert Scan(tmp_path).text.split() == [b'"c"', b'"a"', b'"b"']
    assert total_size([str(tmp_path)]) == 12


def test_a_pattern_gives_its_files_by_name_and_a_name_is_no_pattern_when_it_exists(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "c.txt", "[a].log"):
        (tmp_path / name).write_text(f'"{name}"\n')
    assert Scan(tmp_path / "?.log").text.split() == [b'"a.log"', b'"b.log"']
    assert Scan(tmp_path / "[a].log").text.split() == [b'"[a].log"']


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b'{"verb":"get"}\n')
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "missing.json", tmp_path / "empty", tmp_path / "*.zip", tmp_path / "good"]
    found = Scan(*paths)
    assert found.messages == [
        f"cannot read `{tmp_path}/missing.json`: no such file",
        f"cannot read `{tmp_path}/empty`: the folder has no files",
        f"cannot read `{tmp_path}/*.zip`: no file matches",
    ]
    assert found.text == b'{"verb":"get"}\n'
    assert total_size([str(path) for path in paths]) == 15


def test_a_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert Scan("-").messages == ["cannot read `-`: standard input is closed"]


def test_missing_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    def refuse(path: str, *more: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)  # root, which tests may run as, may read everything
    monkeypatch.setattr(os, "scandir", refuse)
    assert Scan(tmp_path / "folder", tmp_path / "file").messages == [
        f"cannot read `{tmp_path}/folder`: permission denied",
        f"cannot read `{tmp_path}/file`: permission denied",
    ]


@pytest.mark.parametrize("ending", COMPRESS)
def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(COMPRESS[ending](EVENTS))))
    monkeypatch.setattr(sys, "stdin", stdin)
    found = Scan("-")
    assert (found.text, found.errors) == (EVENTS, [])
    assert found.deliveries[0].origin == "<stdin>"
    assert not stdin.buffer.closed
    assert total_size(["-"]) is None


def test_a_pipe_is_read_by_its_name() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"verb":"get"}\n')
    os.close(writing)
    found = Scan(f"/dev/fd/{reading}")
    assert (found.text, found.errors) == (b'{"verb":"get"}\n', [])
    assert total_size([f"/dev/fd/{reading}"]) is None
    os.close(reading)


def test_the_recordings_are_read_whole(shared: Path) -> None:
    path = shared / "recordings" / "bulk.jsonl.gz"
    with gzip.open(path) as file:
        expected = file.read()
    found = Scan(path)
    assert found.text == expected
    assert not any(delivery.truncated for delivery in found.deliveries)
