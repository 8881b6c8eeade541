import pytest

pytest.importorskip("confluent_kafka", reason="lanner[kafka] is not installed")

from tests.unit.plugins.kafka.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
