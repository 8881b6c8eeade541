"""Who is told what over HTTP."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lanner.engine.stats import Stats
from lanner.server.endpoints import endpoints
from lanner.server.plan import WebPlan
from lanner.server.snapshot import Snapshot
from lanner.sources.receiver import Message, Scope
from lanner.store.writer import WriterStats

WELL = Snapshot(started_ns=0, stats=Stats(), sources={})


def get(
    plan: WebPlan, path: str, host: str, *headers: tuple[bytes, bytes], snapshot: Snapshot = WELL
) -> tuple[int, bytes]:
    """Status and body of an answer to somebody at an address."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {"method": "GET", "path": path, "client": (host, 4000), "headers": list(headers)}
    app = endpoints(plan, lambda: snapshot, {"lanner": "1"})[path]

    async def ask() -> None:
        await app(scope, receive, send)

    asyncio.run(ask())
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(("host", "is_told"), [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False)])
def test_without_tokens_only_this_host_is_told_what_lanner_waits_for_and_what_it_is(
    host: str, *, is_told: bool
) -> None:
    plan = WebPlan(listening=None, health_path="/healthz", has_metrics=True, token_file="")
    assert get(plan, "/healthz", host)[0] == 200
    assert ("waiting_for" in msgspec.json.decode(get(plan, "/readyz", host)[1])) is is_told
    status, body = get(plan, "/versions", host)
    assert (status, bool(body)) == ((200, True) if is_told else (403, False))
    assert get(plan, "/metrics", host)[0] == 200


def test_a_store_that_takes_nothing_is_told_and_is_no_reason_to_be_taken_out_of_service() -> None:
    plan = WebPlan(listening=None, health_path="/healthz", has_metrics=True, token_file="")
    full = replace(WELL, store=WriterStats(is_well=False))
    status, body = get(plan, "/readyz", "127.0.0.1", snapshot=full)
    assert (status, len(msgspec.json.decode(body)["degraded"])) == (200, 1)
    assert "degraded" not in msgspec.json.decode(get(plan, "/readyz", "10.0.0.7", snapshot=full)[1])
    assert "degraded" not in msgspec.json.decode(get(plan, "/readyz", "127.0.0.1")[1])


def test_with_tokens_nobody_is_told_without_one(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"reader {'t' * 32}\n")
    plan = WebPlan(listening=None, health_path="/healthz", has_metrics=True, token_file=str(tokens))
    for host in ("127.0.0.1", "10.0.0.7"):
        assert [get(plan, path, host)[0] for path in ("/versions", "/metrics")] == [401, 401]
        proof = (b"authorization", b"Bearer " + b"t" * 32)
        assert [get(plan, path, host, proof)[0] for path in ("/versions", "/metrics")] == [200, 200]
