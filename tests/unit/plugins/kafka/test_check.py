"""What a check says, against librdkafka's mock brokers; they know no permissions, so refusals come from a stand-in."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from lanner.plugins.kafka import PLUGIN
from lanner.plugins.kafka import check as checking
from lanner.plugins.kafka.options import Options, client_properties, read_place
from lanner.sources.plugin import Finding
from tests.unit.plugins.kafka.cluster import Cluster, events, options, run_until
from tests.unit.plugins.running import Run


def check(place: str, given: Options | None = None) -> list[Finding]:
    assert PLUGIN.check is not None
    return [*asyncio.run(PLUGIN.check(place, given or options()))]  # type: ignore[arg-type] # a coroutine


def test_a_topic_that_can_be_read_is_well_and_nothing_is_taken(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 3))
    found = check(f"{cluster.brokers}/audit")
    assert [each.is_well for each in found] == [True] * 4
    assert [each.text for each in found] == [
        "1 answer",
        "has 4 partitions",
        "has offsets of 0 of 4 partitions",
        "allowed",
    ]
    run = Run()
    asyncio.run(run_until(f"{cluster.brokers}/audit", lambda: len(run.events) == 3, run))
    assert "has offsets of 1 of 4 partitions" in [each.text for each in check(f"{cluster.brokers}/audit")]


def test_a_topic_that_is_not_there_is_named(cluster: Cluster) -> None:
    cluster.send("audit", events("a", 1))
    found = check(f"{cluster.brokers}/audit,adit,^nothing.*,^aud")
    assert [(each.subject, each.is_well) for each in found if each.subject.startswith("topic")] == [
        ("topic audit", True),
        ("topic adit", False),
        ("topic ^nothing.*", False),
        ("topic ^aud", True),
    ]


def test_brokers_that_do_not_answer_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "TIMEOUT_S", 2.0)
    (found,) = check("127.0.0.1:1/audit")
    assert not found.is_well
    assert found.subject == "brokers 127.0.0.1:1"
    assert "refused" in found.text


def test_options_that_the_client_refuses_are_a_finding() -> None:
    (found,) = check("127.0.0.1:1/audit", options(properties={"no.such.thing": 1}))
    assert not found.is_well
    assert "no.such.thing" in found.text


def test_what_is_not_allowed_is_said_with_the_command_that_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def list_topics(self, **_: Any) -> Any:
            return SimpleNamespace(brokers={1: None}, topics={"t": SimpleNamespace(error=None, partitions={0: None})})

        def committed(self, *_: Any, **__: Any) -> Any:
            return [SimpleNamespace(offset=-1, error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))]

        def assign(self, _: Any) -> None:
            pass

        def poll(self, _: float) -> Any:
            return SimpleNamespace(error=lambda: KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

        def close(self) -> None:
            pass

    monkeypatch.setattr(checking, "Consumer", Refusing)
    found = check("b:1/t")
    refused = {each.subject: each for each in found if not each.is_well}
    assert set(refused) == {"group lanner", "reading t"}
    assert "--operation Read --group lanner" in (refused["group lanner"].help or "")
    assert "--operation Read --topic t" in (refused["reading t"].help or "")


def test_tls_and_sasl_become_properties() -> None:
    given = Options(tls=True, tls_ca="/ca.pem", sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="p")
    found = client_properties(read_place("b1:9092,b2:9092/t"), given)
    assert found["security.protocol"] == "sasl_ssl"
    assert found["bootstrap.servers"] == "b1:9092,b2:9092"
    assert (found["sasl.mechanism"], found["sasl.password"], found["ssl.ca.location"]) == (
        "SCRAM-SHA-512",
        "p",
        "/ca.pem",
    )
    assert client_properties(read_place("b:1/t"), Options())["security.protocol"] == "plaintext"
