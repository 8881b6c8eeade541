"""For those who write sources: what a source has to do, as tests that run against any of them."""

from lanner.testing.kit import SourceKit
from lanner.testing.place import Place, event, ids_of
from lanner.testing.session import Session

__all__ = ["Place", "Session", "SourceKit", "event", "ids_of"]
