"""What a commit rests on: settings of each connection that writes."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from lanner.store.database import Database

_FULL, _OFF = 2, 0


@pytest.mark.parametrize(("is_temporary", "level"), [(False, _FULL), (True, _OFF)])
def test_each_connection_that_writes_flushes_the_log_before_a_commit_returns(
    tmp_path: Path, is_temporary: bool, level: int
) -> None:
    database = Database(make_url(f"sqlite:///{tmp_path / 'store.db'}"), is_temporary=is_temporary)
    database.prepare()
    with database.writing() as first, database.reading() as second:
        for connection in (first, second):
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
    database.close()
