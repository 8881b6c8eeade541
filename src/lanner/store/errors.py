"""What can go wrong with a store."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class StoreError(Exception):
    """A store that cannot be opened, read or written; as text what is wrong, in words for people.

    Attributes:
        help: What to do about it, or None.
        is_of_place: Whether the place is to blame, which may be well again later, and not what was to be written.
    """

    def __init__(self, reason: str, help: str | None = None, *, is_of_place: bool = False) -> None:
        super().__init__(reason)
        self.help = help
        self.is_of_place = is_of_place

    @staticmethod
    def of(error: SQLAlchemyError) -> StoreError:
        """What a database has against something."""
        return StoreError(words_of(error), is_of_place=isinstance(error, (OperationalError, PoolTimeoutError)))


def words_of(error: SQLAlchemyError) -> str:
    """What a database says is wrong, in a line; what was to be written is not in it."""
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    first = said.splitlines()[0] if said else type(error).__name__
    return first[:1].lower() + first[1:].rstrip(".")
