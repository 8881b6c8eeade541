"""Every test with a `place` runs on a file, and on a PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lanner.store.place import Place, held, locate


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'alerts.db'}"
    new: str = request.getfixturevalue("postgres").new_database()
    return new


@pytest.fixture
def place(url: str) -> Iterator[Place]:
    with held(locate(url)) as found:
        yield found
