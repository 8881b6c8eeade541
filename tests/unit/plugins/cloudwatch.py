"""Amazon's CloudWatch Logs to test against: moto's server, and a gate before it that can answer otherwise."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

REGION = "eu-west-3"
CLUSTER = "prod"
STREAM = "kube-apiserver-audit-0123456789abcdef"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "t3sting-s3cret", "AWS_REGION": REGION}
TIMEOUT_S = 20


@dataclass
class CloudWatch:
    """Where the service is, and what its gate answers to the next requests: HTTP statuses with names of errors."""

    url: str
    answers: list[tuple[int, str]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def client(self) -> CloudWatchLogsClient:
        return boto3.client(
            "logs",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def make(self, cluster: str = CLUSTER, streams: Sequence[str] = (STREAM,)) -> None:
        """Make the log group of a cluster, and its streams."""
        client = self.client()
        client.create_log_group(logGroupName=f"/aws/eks/{cluster}/cluster")
        for stream in streams:
            client.create_log_stream(logGroupName=f"/aws/eks/{cluster}/cluster", logStreamName=stream)

    def put(self, *messages: str | dict[str, Any], at_ms: int, cluster: str = CLUSTER, stream: str = STREAM) -> None:
        """Write log events, a millisecond after each other from a time on."""
        texts = [each if isinstance(each, str) else json.dumps(each) for each in messages]
        times = itertools.count(at_ms)
        events = [{"timestamp": at, "message": text} for at, text in zip(times, texts, strict=False)]
        client = self.client()
        for start in range(0, len(events), 1000):
            client.put_log_events(
                logGroupName=f"/aws/eks/{cluster}/cluster",
                logStreamName=stream,
                logEvents=events[start : start + 1000],  # type: ignore[arg-type]
            )

    def asked(self, operation: str = "FilterLogEvents") -> list[dict[str, Any]]:
        return [body for name, body in self.requests if name == operation]


@contextmanager
def cloudwatch(monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[CloudWatch]:
    """A service of its own, on a free port of loopback, which Amazon's tools are led to by the environment."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    _post(host, port, "/moto-api/reset")
    found = CloudWatch("")

    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            found.requests.append((operation, json.loads(body) if body.startswith(b"{") else {}))
            if operation == "FilterLogEvents" and found.answers:
                status, name = found.answers.pop(0)
                self._answer(status, json.dumps({"__type": name, "message": "not now"}).encode())
                return
            onward = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
            onward.request("POST", self.path, body, {key: self.headers[key] for key in self.headers})
            response = onward.getresponse()
            self._answer(response.status, response.read(), response.headers.get("Content-Type", ""))
            onward.close()

        def _answer(self, status: int, body: bytes, kind: str = "application/x-amz-json-1.1") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as gate:
        thread = threading.Thread(target=gate.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{gate.server_address[1]}"
        for key, value in (environment(found) if monkeypatch else {}).items():
            assert monkeypatch
            monkeypatch.setenv(key, value)
        try:
            yield found
        finally:
            gate.shutdown()
            thread.join(TIMEOUT_S)
            moto.stop()


def environment(found: CloudWatch) -> dict[str, str]:
    """What leads Amazon's tools to the service."""
    return {**KEYS, "AWS_ENDPOINT_URL": found.url, "AWS_CONFIG_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}


def _post(host: str, port: int, path: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection.request("POST", path)
    connection.getresponse().read()
    connection.close()
