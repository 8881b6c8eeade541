"""The emulator of Pub/Sub that Google ships: a real service on loopback, as a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import BatchSettings

PROJECT = "lanner-test"
_START_S = 60.0


@dataclass(slots=True)
class Emulator:
    """The emulator that runs, and what publishes to it."""

    address: str
    publisher: Any
    subscriber: Any
    _number: int = 0

    def subscription(self, *, project: str = PROJECT, **settings: Any) -> str:
        """Make a topic and a subscription of its own; the full name of the subscription."""
        self._number += 1
        topic = f"projects/{project}/topics/audit-{self._number}"
        path = f"projects/{project}/subscriptions/audit-{self._number}"
        self.publisher.create_topic(name=topic)
        self.subscriber.create_subscription(
            request={"name": path, "topic": topic, "ack_deadline_seconds": 60} | settings
        )
        return path

    def topic_of(self, path: str) -> str:
        """The topic of a subscription made here."""
        return path.replace("/subscriptions/", "/topics/")

    def publish(self, path: str, messages: Iterable[bytes]) -> None:
        """Publish to the topic of a subscription, and wait until all of it is taken."""
        topic = self.topic_of(path)
        for sent in [self.publisher.publish(topic, message) for message in messages]:
            sent.result(timeout=60)

    def left(self, path: str) -> list[bytes]:
        """What a subscription still has and would deliver now."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what makes an answer without messages immediate
            answer = self.subscriber.pull(subscription=path, max_messages=1000, return_immediately=True, timeout=30)
        return [each.message.data for each in answer.received_messages]


@contextmanager
def running_emulator(folder: Path) -> Iterator[Emulator]:
    """Start the emulator on a free port, and end it with all its processes."""
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud, which has the emulator of Pub/Sub, is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port={address}", f"--project={PROJECT}"]
    (folder / "data").mkdir()
    environment = os.environ | {"CLOUDSDK_CONFIG": str(folder / "gcloud"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--data-dir={folder / 'data'}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            _wait_for(address, process, folder / "emulator.log")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PUBSUB_EMULATOR_HOST", address)
                batches = BatchSettings(max_messages=1000, max_latency=0.05)
                publisher, subscriber = PublisherClient(batches), SubscriberClient()
                try:
                    yield Emulator(address, publisher, subscriber)
                finally:
                    publisher.stop()
                    publisher.transport.close()
                    subscriber.close()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # gcloud and the Java process that it has started
            process.wait()


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    host, port = address.split(":")
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the emulator did not start: {log.read_text()}")
