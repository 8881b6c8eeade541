"""Several places of one source: one that cannot be used does not stop the others."""

from __future__ import annotations

from lanner.sources.base import SourceError
from lanner.sources.plugin import Context, Trouble


class Several:
    """Which of a source's places can be used.

    Args:
        number: How many places there are.
        context: Told of those that cannot be used.
    """

    def __init__(self, number: int, context: Context) -> None:
        self._number = number
        self._context = context
        self._refused: set[str] = set()
        self._has_worked = False

    def works(self, place: str) -> None:
        """A place can be used."""
        self._has_worked = True
        self._refused.discard(place)

    def refused(self, place: str, error: SourceError) -> None:
        """A place cannot be used until somebody mends it; it has to be tried again, with pauses.

        Raises:
            SourceError: No place can be used, and none ever could.
        """
        self._refused.add(place)
        if not self._has_worked and len(self._refused) == self._number:
            raise error
        advice = f" ({error.help})" if error.help else ""
        self._context.tell(Trouble.GAP, f"{error}{advice}; it is tried again, and nothing of it is seen until then")
