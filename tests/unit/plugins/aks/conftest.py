import gc
import warnings
from collections.abc import Iterator

import pytest

from lanner.plugins.aks import clients
from tests.unit.plugins.aks.blobs import Storage
from tests.unit.plugins.aks.hub import Hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The event hub; members of its group look for each other more often than they do elsewhere."""
    monkeypatch.setattr(clients, "BALANCE_S", 0.3)
    hub = Hub()
    yield hub
    hub.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # the client leaves sockets of broken connections to the collector


@pytest.fixture
def storage() -> Iterator[Storage]:
    storage = Storage()
    yield storage
    storage.close()
