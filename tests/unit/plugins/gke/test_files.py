import asyncio
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lanner.plugins.gke import PLUGIN
from lanner.plugins.gke.options import Options
from lanner.sources.base import Delivery, Limits, NotStored, Source, SourceError
from lanner.sources.plugin import Context, Trouble
from lanner.testing import Place, SourceKit, ids_of
from tests.unit.plugins.gke.test_checks import findings


def entry(number: int | str, **request: Any) -> dict[str, Any]:
    payload = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.create"} | (
        {"request": request} if request else {}
    )
    return {"insertId": str(number), "protoPayload": payload}


class Reading:
    """What came of reading a place."""

    def __init__(self, path: Path | str, options: Options | None = None, limits: Limits | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self.told: list[tuple[Trouble, str, int]] = []

        def tell(trouble: Trouble, text: str, times: int = 1) -> None:
            self.told.append((trouble, text, times))

        async def handle(delivery: Delivery) -> None:
            self.deliveries.append(delivery)

        async def run(source: Source) -> None:
            await source.run(handle)

        context = Context(name="gke", tell=tell, limits=limits or Limits())
        source = PLUGIN.open(f"file://{path}", options or Options(), context)
        asyncio.run(run(source))

    @property
    def ids(self) -> list[str]:
        lines = [line for each in self.deliveries for line in bytes(each.payload).splitlines()]
        return [json.loads(line)["auditID"] for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "".join(json.dumps(entry(number)) + "\n" for number in range(3)),
        json.dumps([entry(number) for number in range(3)]),
        json.dumps([entry(number) for number in range(3)], indent=2),
        "\n".join(json.dumps([entry(number)]) for number in range(3)),
        " ".join(json.dumps(entry(number)) for number in range(3)),
    ],
    ids=["lines", "list", "printed list", "lists in lines", "several in a line"],
)
def test_every_form_of_file_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "entries.json"
    path.write_text(text)
    assert Reading(path).ids == ["0", "1", "2"]


def test_one_entry_over_several_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pods_create.json"
    path.write_text(json.dumps(entry(7, kind="Pod"), indent=4))
    assert Reading(path).ids == ["7"]


def test_folders_patterns_and_compressed_files_are_read(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.json.gz").write_bytes(gzip.compress(json.dumps(entry(number)).encode()))
    assert sorted(Reading(tmp_path).ids) == ["0", "1"]
    assert Reading(tmp_path / "1*").ids == ["1"]


def test_what_is_no_entry_is_told_and_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "entries.json"
    path.write_text(f"no JSON\n{json.dumps(entry(1))}\n{{}}\n{json.dumps(entry(2))}\n")
    found = Reading(path)
    assert found.ids == ["1", "2"]
    assert sorted((trouble.value, times) for trouble, _, times in found.told) == [("damaged", 1), ("ignored", 1)]


@pytest.mark.parametrize("option", [2000, 1 << 20])
def test_an_entry_beyond_the_limit_is_evaluated_on_its_metadata(tmp_path: Path, option: int) -> None:
    path = tmp_path / "entries.json"
    path.write_text(json.dumps(entry(1, padding="x" * 5000)) + "\n" + json.dumps(entry(2)) + "\n")
    found = Reading(path, Options(max_event_size=option), Limits(max_event_size=2000))
    assert sorted(found.ids) == ["1", "2"]
    (large,) = [each for each in found.deliveries if each.truncated]
    assert large.size > 5000 > len(large.payload)
    assert json.loads(bytes(large.payload))["level"] == "Metadata"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        Reading(tmp_path / "absent.json")


def test_the_check_of_files_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (there,) = findings(f"file://{tmp_path}", Options())
    (absent,) = findings(f"file://{tmp_path}/absent", Options())
    assert (there.is_well, there.text) == (True, "1 files to read")
    assert not absent.is_well


def test_a_file_waits_until_alerts_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "entries.json"
    path.write_text(json.dumps(entry(1)))
    taken: list[str] = []
    tries: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        tries.append(bytes(delivery.payload))
        if len(tries) == 1:
            raise NotStored("the disk is full")
        taken.extend(ids_of(bytes(delivery.payload)))

    async def run(source: Source) -> None:
        await source.run(handle)

    asyncio.run(run(PLUGIN.open(f"file://{path}", Options(), Context(name="gke"))))
    assert taken == ["1"]
    assert len(tries) == 2


class Folder(Place):
    """A folder of log entries; each time, they are put into a file of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self.open_params = f"file://{path}"

    async def put(self, documents: Sequence[bytes]) -> None:
        self._write(b"\n".join(json.dumps(entry(ids_of(each)[0])).encode() for each in documents))

    async def put_damaged(self) -> None:
        self._write(b"no JSON\n{}\n[]\n\xff")

    def _write(self, text: bytes) -> None:
        self._number += 1
        (self._path / f"{self._number:03}.json").write_bytes(text)


class TestFolder(SourceKit):
    plugin = PLUGIN
    ends = True
    keeps_place = False
    bad_open_params = ("", "a b!")

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Folder(tmp_path)
