"""Parts of a file hold each of its lines exactly once."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanner.sources.base import Delivery, Limits, SourceError
from lanner.sources.parts import Part, read_part, split


def _fail(error: SourceError) -> None:
    raise AssertionError(str(error))


def _read(part: Part, limits: Limits) -> list[Delivery]:
    return [replace(found, payload=bytes(found.payload)) for found in read_part(part, limits, on_error=_fail)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.integers(0, 40), max_size=30),
    has_last_newline=st.booleans(),
    part_size=st.integers(1, 60),
    block_size=st.integers(1, 50),
)
def test_every_line_is_in_one_part_whole(
    tmp_path: Path, lines: list[int], has_last_newline: bool, part_size: int, block_size: int
) -> None:
    text = b"\n".join(bytes([65 + n % 26]) * length for n, length in enumerate(lines))
    text += b"\n" if has_last_newline else b""
    path = tmp_path / "audit.log"
    path.write_bytes(text)
    limits = Limits(block_size=block_size)
    size = len(text)
    found = [
        [delivery.payload for delivery in _read(Part(str(path), part_size, start, start + part_size), limits)]
        for start in range(0, size, part_size)
    ]
    assert b"".join(payload for payloads in found for payload in payloads) == text
    for payloads in found[:-1]:
        joined = b"".join(payloads)
        assert not joined or joined.endswith(b"\n") or joined == text[-len(joined) :]


def test_only_a_large_plain_file_of_lines_is_divided(tmp_path: Path) -> None:
    lines = b'{"stage":"x"}\n' * 100
    (tmp_path / "a.log").write_bytes(lines)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "c.json").write_bytes(json.dumps([{"stage": "x"}] * 50, indent=1).encode())
    (tmp_path / "d.log").write_bytes(b"{}\n")
    parts = list(split([str(tmp_path / "*")], on_error=_fail, part_size=500))
    names = [Path(part.path).name for part in parts]
    assert names == ["a.log"] * 3 + ["b.log.gz", "c.json", "d.log"]
    assert [part.start for part in parts[:3]] == [0, 500, 1000]
    assert sum(part.size for part in parts) == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_line_beyond_the_limit_that_spans_parts_is_reduced_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    large = b'{"verb":"create","requestObject":"' + b"x" * 2_000_000 + b'"}\n'
    path.write_bytes(b'{"verb":"get"}\n' + large + b'{"verb":"list"}\n')
    limits = Limits(max_event_size=100_000, block_size=10_000)
    parts = list(split([str(path)], on_error=_fail, part_size=300_000))
    found = [delivery for part in parts for delivery in _read(part, limits)]
    assert [json.loads(bytes(delivery.payload))["verb"] for delivery in found] == ["get", "create", "list"]
    assert [delivery.truncated for delivery in found] == [False, True, False]


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"verb":"get"}\n' * 3)
    assert _read(Part(str(path), 20, 0, 20), Limits())[0].payload[:7] == b'{"verb"'


def test_a_missing_file_is_reported_when_it_is_read(tmp_path: Path) -> None:
    errors: list[SourceError] = []
    (part,) = split([str(tmp_path / "none.log")], on_error=errors.append)
    assert list(read_part(part, Limits(), on_error=errors.append)) == []
    assert [str(error) for error in errors] == [f"cannot read `{tmp_path}/none.log`: no such file"]


@pytest.mark.parametrize("part", [Part("/nowhere/a.log", 10, 10, 20)])
def test_a_file_that_went_away_is_reported(part: Part) -> None:
    errors: list[SourceError] = []
    assert list(read_part(part, Limits(), on_error=errors.append)) == []
    assert len(errors) == 1
