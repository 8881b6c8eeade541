"""Transactions that end otherwise than they should."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from lanner.store import alerts
from lanner.store.database import Database, driver
from lanner.store.errors import StoreError
from lanner.store.place import locate
from lanner.store.tables import ALERTS, CHECKPOINTS


@pytest.fixture
def opened(url: str) -> Callable[[], Database]:
    """Opens the database, once it has its tables."""
    place = locate(url)
    first = place.database()
    if place.path:
        place.path.parent.mkdir(parents=True)
    first.prepare()
    first.close()
    return place.database


def save(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute(insert(CHECKPOINTS).values(source=name, value=""))


def saved(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(CHECKPOINTS.c.source).order_by(CHECKPOINTS.c.source)))


def test_after_a_commit_that_failed_others_can_write_at_once_and_so_can_this_one(
    opened: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = opened(), opened()

    def fail(connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    save(one, "before")
    with monkeypatch.context() as patch:
        patch.setattr(one, "_commit", fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            save(one, "lost")
    save(other, "other")
    save(one, "again")
    assert saved(one) == ["again", "before", "other"]
    one.close()
    other.close()


def test_what_fails_in_between_is_taken_back(opened: Callable[[], Database]) -> None:
    one, other = opened(), opened()

    def fail() -> None:
        with one.writing() as connection:
            connection.execute(insert(CHECKPOINTS).values(source="lost", value=""))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    save(other, "other")
    save(one, "again")
    assert saved(one) == ["again", "other"]
    one.close()
    other.close()


def test_a_transaction_that_was_ended_in_between_is_not_believed_written(opened: Callable[[], Database]) -> None:
    one = opened()

    def end() -> None:
        with one.writing() as connection:
            connection.execute(insert(CHECKPOINTS).values(source="lost", value=""))
            connection.rollback()

    with pytest.raises(StoreError):
        end()
    save(one, "again")
    assert saved(one) == ["again"]
    one.close()


def test_what_comes_with_an_error_that_was_passed_over_is_written_or_refused(opened: Callable[[], Database]) -> None:
    one = opened()

    def pass_over() -> None:
        with one.writing() as connection:
            connection.execute(insert(CHECKPOINTS).values(source="kept", value=""))
            with suppress(Exception):
                driver(connection).execute("SELECT nothing FROM nowhere")

    if one.is_shared:  # the whole transaction has failed
        with pytest.raises(StoreError):
            pass_over()
    else:
        pass_over()
    assert saved(one) == ([] if one.is_shared else ["kept"])
    one.close()


def test_what_the_library_of_the_database_has_against_a_statement_is_told_as_such(
    opened: Callable[[], Database],
) -> None:
    one, other = opened(), opened()
    with other.writing() as connection:
        ALERTS.drop(connection)
    for way in (one.writing, one.reading):
        with pytest.raises(StoreError, match="lanner_alerts") as refused, way() as connection:
            alerts.last(connection)
        assert one.is_shared != refused.value.is_of_place  # PostgreSQL blames the statement, SQLite the database
    save(one, "again")
    assert saved(one) == ["again"]
    one.close()
    other.close()
