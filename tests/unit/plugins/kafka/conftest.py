import pytest

from tests.unit.plugins.kafka.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
