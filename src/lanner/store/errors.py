"""What can go wrong with a store."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_OPERATIONAL = "OperationalError"
"""What all libraries call a failure of the database, and not of what it was asked. Source: PEP 249."""


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
    def of(error: Exception) -> StoreError:
        """What a database has against something, in the words of its own library or of SQLAlchemy."""
        is_operational = any(each.__name__ == _OPERATIONAL for each in type(error).__mro__)
        return StoreError(words_of(error), is_of_place=is_operational or isinstance(error, PoolTimeoutError))


def words_of(error: Exception) -> str:
    """What a database says is wrong, in a line; what was to be written is not in it."""
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    first = said.splitlines()[0] if said else type(error).__name__
    return first[:1].lower() + first[1:].rstrip(".")
