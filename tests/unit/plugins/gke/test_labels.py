import asyncio
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from google.cloud.container_v1 import ClusterManagerClient, types
from google.cloud.container_v1.services.cluster_manager.transports import ClusterManagerGrpcTransport

from lanner.plugins.gke import clients
from lanner.plugins.gke.entry import Cluster
from lanner.plugins.gke.labels import MAX_CLUSTERS, ClusterLabels, Fetch
from lanner.plugins.gke.rebuilding import Rebuilder
from lanner.sources.plugin import Context, Trouble

SHOP = Cluster("shop-412", "europe-west4", "shop-prod")


class Clusters(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The Container API, as far as it is asked: a real server on loopback."""

    def __init__(self) -> None:
        self.labels: dict[str, Mapping[str, str]] = {SHOP.path: {"businessline": "retail"}}
        self.asked: list[str] = []

    def service(self, details: Any) -> Any:
        if details.method != "/google.container.v1.ClusterManager/GetCluster":
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.get,
            request_deserializer=types.GetClusterRequest.deserialize,
            response_serializer=types.Cluster.serialize,
        )

    def get(self, request: Any, context: Any) -> types.Cluster:
        self.asked.append(request.name)
        if request.name not in self.labels:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "permission container.clusters.get is missing")
        return types.Cluster(resource_labels=self.labels[request.name])


@pytest.fixture
def clusters() -> Clusters:
    return Clusters()


@pytest.fixture
def fetch(clusters: Clusters) -> Iterator[Fetch]:
    """Asks that server, through Google's own client."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[clusters])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = ClusterManagerClient(transport=ClusterManagerGrpcTransport(channel=channel))
        yield partial(clients.fetch_labels, client)
    server.stop(None).wait()


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def kept(fetch: Fetch, told: list[str], clock: Clock) -> ClusterLabels:
    def tell(trouble: Trouble, text: str, times: int = 1) -> None:
        assert trouble is Trouble.RETRY
        told.append(text)

    return ClusterLabels(fetch, 600.0, Context(name="gke", tell=tell), clock=clock)


def test_labels_are_asked_for_once_until_they_expire(clusters: Clusters, fetch: Fetch) -> None:
    clock, told = Clock(), list[str]()
    labels = kept(fetch, told, clock)

    async def test() -> None:
        for _ in range(3):
            assert await labels.of_all([SHOP]) == {SHOP: {"businessline": "retail"}}
        assert clusters.asked == [SHOP.path]
        clusters.labels[SHOP.path] = {"businessline": "wholesale"}
        clock.now = 599.0
        assert await labels.of_all([SHOP]) == {SHOP: {"businessline": "retail"}}
        clock.now = 601.0
        assert await labels.of_all([SHOP]) == {SHOP: {"businessline": "wholesale"}}

    asyncio.run(test())
    assert len(clusters.asked) == 2
    assert told == []


def test_labels_that_are_not_to_be_had_cost_nothing_but_themselves(clusters: Clusters, fetch: Fetch) -> None:
    clock, told = Clock(), list[str]()
    labels = kept(fetch, told, clock)
    other = Cluster("other", "europe-west1", "secret")

    async def test() -> None:
        found = await labels.of_all([SHOP, other])
        assert found == {SHOP: {"businessline": "retail"}, other: {}}
        await labels.of_all([other])
        assert clusters.asked.count(other.path) == 1
        clock.now = 61.0
        clusters.labels[other.path] = {"servicelevel": "gold"}
        assert await labels.of_all([other]) == {other: {"servicelevel": "gold"}}

    asyncio.run(test())
    (text,) = told
    assert other.path in text
    assert "permission container.clusters.get is missing" in text


def test_labels_that_were_known_stay_while_the_api_is_away(clusters: Clusters, fetch: Fetch) -> None:
    clock, told = Clock(), list[str]()
    labels = kept(fetch, told, clock)

    async def test() -> None:
        await labels.of_all([SHOP])
        clock.now = 601.0
        clusters.labels.clear()
        assert await labels.of_all([SHOP]) == {SHOP: {"businessline": "retail"}}

    asyncio.run(test())
    assert len(told) == 1


def test_there_is_a_bound_to_the_clusters_that_are_kept() -> None:
    labels = ClusterLabels(lambda path: {"path": path}, 600.0, Context(name="gke"))
    many = [Cluster("p", "l", str(number)) for number in range(MAX_CLUSTERS + 10)]

    async def test() -> None:
        assert len(await labels.of_all(many)) == len(many)

    asyncio.run(test())
    assert len(labels._kept) == MAX_CLUSTERS


def test_labels_become_annotations_of_the_events_of_their_cluster(fetch: Fetch) -> None:
    rebuilder = Rebuilder(Context(name="gke"), 1 << 20, kept(fetch, [], Clock()))
    resource = {"labels": {"project_id": SHOP.project, "location": SHOP.location, "cluster_name": SHOP.name}}
    payload = {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.list"}
    here, nowhere = {"protoPayload": payload, "resource": resource}, {"protoPayload": payload}
    events = asyncio.run(rebuilder.rebuild([json.dumps(each).encode() for each in (here, nowhere)]))
    annotations = [json.loads(event.text).get("annotations") for event in events if event]
    assert annotations == [{"businessline": "retail", **resource["labels"]}, None]
