import asyncio
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from lanner.plugins.ovh import PLUGIN, Options
from lanner.plugins.ovh.address import Address
from lanner.plugins.ovh.intake import Intake, Message
from lanner.plugins.ovh.tail import TailSource, Timing
from lanner.rules.versions import PLUGINS
from lanner.sources.base import Delivery, Framing, Limits, SourceError
from lanner.sources.plugin import Finding, MemoryCheckpoint, Start, Trouble

from .ldp import TIMEOUT_S, TOKEN, Platform, Script, event, frame, platform, sends
from .witness import Witness

TIMING = Timing(quiet=10, first_pause=0.01, last_pause=0.02, drain=2)


@pytest.fixture
def ldp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    with platform(tmp_path, monkeypatch) as found:
        yield found


def source(ldp: Platform, witness: Witness, timing: Timing = TIMING, **settings: Any) -> TailSource:
    return TailSource(Address.parse(ldp.address), witness.limits, witness.context, timing, **settings)


def test_events_of_a_tail_are_delivered_in_order_many_at_a_time(ldp: Platform) -> None:
    ldp.follow(sends(*(frame(event(number)) for number in range(2000))))
    witness = Witness()
    witness.watch(source(ldp, witness), lambda: len(witness.events) == 2000)
    assert witness.numbers == [*range(2000)]
    assert len(witness.deliveries) < 500
    assert ldp.paths[0] == f"/tail/?tk={TOKEN}"
    assert witness.started[0] == (
        f"reading the tail of a stream on localhost:{ldp.port}",
        f"wss://localhost:{ldp.port}/tail/?tk=***",
    )


def test_what_is_no_event_is_told_and_its_neighbours_are_delivered(ldp: Platform) -> None:
    cut = json.dumps(event(3))[:-40]
    ldp.follow(sends(frame(event(1)), b"\x00\xff", "garbage", frame("GET / 200"), frame(cut), frame(event(2))))
    witness = Witness()
    witness.watch(source(ldp, witness), lambda: len(witness.deliveries) >= 3)
    whole = [each for each in witness.deliveries if each.framing is Framing.LINES]
    assert [json.loads(bytes(each.payload)) for each in whole] == [event(1), event(2)]
    assert [bytes(each.payload) for each in witness.deliveries if each.framing is Framing.BODY] == [cut.encode()]
    assert witness.count(Trouble.DAMAGED) == 3  # each is told of once
    assert witness.count(Trouble.IGNORED) == 1


def test_an_event_beyond_the_limit_is_delivered_with_what_can_be_kept(ldp: Platform) -> None:
    large = event(1, requestObject={"data": "x" * 3_000_000})
    ldp.follow(sends(frame(large), frame(event(2))))
    witness = Witness(limits=Limits(max_event_size=1_000_000))
    witness.watch(source(ldp, witness), lambda: len(witness.deliveries) == 2)
    reduced = witness.deliveries[0]
    assert reduced.truncated
    assert reduced.size == len(json.dumps(large))
    assert json.loads(bytes(reduced.payload))["auditID"] == large["auditID"]
    assert "requestObject" not in json.loads(bytes(reduced.payload))
    assert witness.numbers == [2]


def _drops(connection: ServerConnection) -> None:
    connection.send(frame(event(1)))
    connection.socket.shutdown(socket.SHUT_RDWR)


def _breaks_protocol(connection: ServerConnection) -> None:
    connection.send(frame(event(1)))
    connection.socket.sendall(b"\xff\xff\xff\xff")
    connection.recv()


def _sends_huge_message(connection: ServerConnection) -> None:
    connection.send(frame(event(1)))
    connection.send("x" * 5_000_000)
    connection.recv()


def _closes(connection: ServerConnection) -> None:
    connection.send(frame(event(1)))
    connection.close(1001, "going away\x1b[31m")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (_drops, "the connection broke off"),
        (_closes, "the platform closed the connection (code 1001)"),
        (_breaks_protocol, "the platform broke the protocol (code 1002)"),
        (_sends_huge_message, "a message was larger than 4,000,000 bytes, and was dropped with the connection"),
    ],
)
def test_a_connection_that_ends_is_made_again_and_the_gap_is_told(ldp: Platform, script: Script, reason: str) -> None:
    ldp.follow(script, sends(frame(event(2))))
    witness = Witness(limits=Limits(max_event_size=1_000_000))
    witness.watch(source(ldp, witness), lambda: witness.numbers == [1, 2])
    (gap,) = witness.texts(Trouble.GAP)[:1]
    assert gap.startswith("the tail was not read for 0.")
    assert reason in gap
    assert witness.texts(Trouble.RETRY)[0].startswith(f"{reason}; it is tried again in 0.0")
    assert len(witness.started) >= 2


def test_all_that_was_sent_before_a_connection_ended_is_delivered(ldp: Platform) -> None:
    ldp.follow(sends(*(frame(event(number)) for number in range(300))), sends(frame(event(300))))
    witness = Witness()
    witness.watch(source(ldp, witness), lambda: 300 in witness.numbers)
    assert witness.numbers == [*range(301)]


def test_a_platform_that_falls_silent_is_left_and_the_gap_is_told(ldp: Platform) -> None:
    over = threading.Event()

    def stalls(connection: ServerConnection) -> None:
        connection.send(frame(event(1)))
        with connection.protocol_mutex:  # nothing that comes is looked at, and no ping answered
            over.wait(TIMEOUT_S)

    ldp.follow(stalls, sends(frame(event(2))))
    witness = Witness()
    witness.watch(source(ldp, witness, Timing(quiet=0.1, first_pause=0.01)), lambda: witness.numbers == [1, 2])
    over.set()
    assert "nothing came for 0.2 s, not even the answer to a ping" in witness.texts(Trouble.GAP)[0]


def test_a_platform_that_has_nothing_to_say_but_answers_pings_is_kept(ldp: Platform) -> None:
    ping = threading.Event()

    class Checkpoint(MemoryCheckpoint):
        async def save(self, value: str) -> None:
            await super().save(value)
            ping.set()  # it is saved because a ping was answered: nothing else has come

    def pauses(connection: ServerConnection) -> None:
        ping.wait(TIMEOUT_S)
        connection.send(frame(event(1)))
        connection.recv()

    ldp.follow(pauses)
    witness = Witness(checkpoint=Checkpoint())
    witness.watch(source(ldp, witness, Timing(quiet=0.05)), lambda: witness.numbers == [1])
    assert len(witness.started) == 1
    assert not witness.told


def test_pings_of_the_platform_are_answered(ldp: Platform) -> None:
    def pings(connection: ServerConnection) -> None:
        connection.send(frame(event(int(connection.ping().wait(TIMEOUT_S)))))

    ldp.follow(pings)
    witness = Witness()
    witness.watch(source(ldp, witness), lambda: bool(witness.events))
    assert witness.numbers == [1]


def test_a_place_that_does_not_answer_is_asked_again_after_longer_pauses(
    ldp: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ldp.status = 503
    witness = Witness()

    def mended() -> bool:
        if len(witness.texts(Trouble.RETRY)) == 6:
            ldp.status = None
        return bool(witness.events)

    ldp.follow(sends(frame(event(1))))
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    witness.watch(source(ldp, witness, Timing(quiet=10, first_pause=0.001, last_pause=0.2)), mended)
    first, *_, last = witness.texts(Trouble.RETRY)[:6]
    assert (
        first == f"cannot connect to localhost:{ldp.port}: the platform answered HTTP 503; it is tried again in 0.0 s"
    )
    assert witness.texts(Trouble.GAP)[0].count("HTTP 503") == 1
    assert len(ldp.paths) >= 7
    assert last.endswith("0.0 s")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_ends_the_source_and_says_what_to_do(ldp: Platform, status: int) -> None:
    ldp.status = status
    witness = Witness()
    with pytest.raises(SourceError) as caught:
        witness.watch(source(ldp, witness), lambda: False)
    assert str(caught.value) == (
        f"cannot read `wss://localhost:{ldp.port}/tail/?tk=***`: the platform refuses it (HTTP {status})"
    )
    assert "address" in str(caught.value.help)
    assert len(ldp.paths) == 1


def test_an_authority_that_is_not_known_is_no_platform(ldp: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    witness = Witness()
    witness.watch(source(ldp, witness), lambda: bool(witness.told))
    assert "its certificate is not trusted (" in witness.told[0][1]
    assert not ldp.paths  # the token was not sent


def test_the_time_between_two_runs_is_a_gap(ldp: Platform) -> None:
    checkpoint = MemoryCheckpoint()
    ldp.follow(sends(frame(event(1))))
    first = Witness(checkpoint=checkpoint)
    first.watch(source(ldp, first), lambda: bool(first.events))
    assert not first.texts(Trouble.GAP)
    kept = float(checkpoint.value or 0)
    assert abs(kept - time.time()) < TIMEOUT_S
    checkpoint.value = f"{kept - 3600:.3f}"
    second = Witness(checkpoint=checkpoint)
    second.watch(source(ldp, second), lambda: bool(second.started))
    (gap,) = second.texts(Trouble.GAP)
    assert gap.startswith("the tail was not read for 36")
    assert "no run was reading it" in gap


def test_it_is_kept_from_the_start_that_the_tail_is_read(ldp: Platform) -> None:
    checkpoint = MemoryCheckpoint()
    witness = Witness(checkpoint=checkpoint)
    stopped = source(ldp, witness)

    async def main() -> None:
        running = asyncio.create_task(stopped.run(witness.handle))
        async with asyncio.timeout(TIMEOUT_S):
            while checkpoint.value is None:
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(main())
    assert abs(float(checkpoint.value or 0) - time.time()) < TIMEOUT_S


def test_a_checkpoint_that_is_no_time_is_no_reason_to_fail(ldp: Platform) -> None:
    witness = Witness(checkpoint=MemoryCheckpoint("yesterday"))
    witness.watch(source(ldp, witness), lambda: bool(witness.started))
    assert not witness.told


def _lines(witness: Witness) -> int:
    return sum(bytes(each.payload).count(b"\n") + 1 for each in witness.deliveries)


def test_a_slow_handler_makes_the_platform_wait_and_loses_nothing(ldp: Platform) -> None:
    total, size = 150, 200_000
    sent = threading.Event()

    def floods(connection: ServerConnection) -> None:
        padding = os.urandom(size // 2).hex()
        for number in range(total):
            connection.send(frame(event(number, requestObject={"padding": padding})))
        sent.set()
        connection.recv()

    async def main() -> bool:
        free = asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            await free.wait()
            await witness.handle(delivery)

        running = asyncio.create_task(source(ldp, witness, bound=1_000_000).run(handle))
        async with asyncio.timeout(TIMEOUT_S * 2):
            await witness.until(lambda: bool(witness.started))
            was_held = not await asyncio.to_thread(sent.wait, 1)
            free.set()
            await witness.until(
                lambda: sum(bytes(each.payload).count(b"\n") + 1 for each in witness.deliveries) == total
            )
            running.cancel()
            await asyncio.wait({running})
        return was_held

    ldp.follow(floods)
    witness = Witness()
    assert asyncio.run(main())
    assert witness.numbers == [*range(total)]
    assert not witness.texts(Trouble.GAP)


def test_the_intake_is_bounded_by_bytes() -> None:
    async def main() -> None:
        intake = Intake(10)
        await intake.put(Message(0, b"x" * 9))
        await intake.put(Message(0, b"x" * 9))
        third = asyncio.create_task(intake.put(Message(0, b"x")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not third.done()
        assert len(await intake.take(1)) == 1
        await third
        assert len(await intake.take(100)) == 2
        await intake.close()
        assert await intake.take(1) == []

    asyncio.run(main())


def test_events_that_are_not_taken_are_handed_over_again(ldp: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0)
    ldp.follow(sends(frame(event(1)), frame(event(2))))
    failures = iter([OSError(28, "No space left on device")] * 3)

    class Failing(Witness):
        async def handle(self, delivery: Delivery) -> None:
            for failure in failures:
                raise failure
            await super().handle(delivery)

    witness = Failing()
    witness.watch(source(ldp, witness), lambda: len(witness.events) == 2)
    assert witness.numbers == [1, 2]
    said = "events were not taken: no space left on device; they are handed over again"
    assert witness.texts(Trouble.RETRY).count(said) == 3


def test_what_was_received_is_handled_when_the_source_ends_and_the_rest_is_told(ldp: Platform) -> None:
    ldp.follow(sends(*(frame(event(number)) for number in range(50))))

    handled_at: list[float] = []

    async def main(witness: Witness, *, is_stuck: bool) -> None:
        arrived, ended = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            await witness.until(lambda: bool(witness.texts(Trouble.RETRY)))  # the platform has sent all, and closed
            handled_at.append(time.time())
            arrived.set()
            await ended.wait()
            if is_stuck:
                raise OSError(28, "No space left on device")
            await witness.handle(delivery)

        running = asyncio.create_task(source(ldp, witness, Timing(quiet=10, drain=0.5)).run(handle))
        async with asyncio.timeout(TIMEOUT_S):
            await arrived.wait()
            running.cancel()
            ended.set()
            await asyncio.wait({running})

    script = sends(*(frame(event(number)) for number in range(50)))
    ldp.follow(script, script)
    taking, stuck = Witness(), Witness()
    asyncio.run(main(taking, is_stuck=False))
    assert taking.numbers == [*range(50)]
    assert not taking.texts(Trouble.GAP)
    assert asyncio.run(taking.checkpoint.load())
    asyncio.run(main(stuck, is_stuck=True))
    assert "messages were received and not handled when it had to end" in stuck.texts(Trouble.GAP)[0]
    kept = asyncio.run(stuck.checkpoint.load())
    assert float(kept or 0) <= handled_at[-1], "not beyond what could not be handled"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gra1.logs.ovh.com/tail/?tk=s3cret", "wss://gra1.logs.ovh.com/tail/?tk=***"),
        (" wss://gra1.logs.ovh.com/tail/?tk=s3cret\n", "wss://gra1.logs.ovh.com/tail/?tk=***"),
        ("WSS://gra1.logs.ovh.com:8443/tail/?a=b&tk=s3cret", "wss://gra1.logs.ovh.com:8443/tail/?tk=***"),
        ("[::1]:4443/tail/?tk=s3cret", "wss://[::1]:4443/tail/?tk=***"),
    ],
)
def test_addresses_are_shown_without_their_token(text: str, shown: str) -> None:
    address = Address.parse(text)
    assert address.shown == shown
    assert "s3cret" in address.url
    assert "s3cret" not in f"{address!r}{address.mask(f'GET {address.url} and s3cret')}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no address"),
        ("gra1.logs.ovh.com/tail/", "it has no token (`tk`)"),
        ("gra1.logs.ovh.com/tail/?tk=", "it has no token (`tk`)"),
        ("gra<x>.logs.ovh.com/tail/?tk=<ID>", "it is no address of a tail"),
        ("ws://gra1.logs.ovh.com/tail/?tk=s3cret", "`ws://` is no encrypted WebSocket"),
        ("https://gra1.logs.ovh.com/tail/?tk=s3cret", "`https://` is no encrypted WebSocket"),
        ("user:s3cret@gra1.logs.ovh.com/tail/?tk=s3cret", "it is no address of a tail"),
        ("gra1.logs.ovh.com:port/tail/?tk=s3cret", "it is no address"),
        ("wss://[::1/tail/?tk=s3cret", "it is no address"),
        ("/tail/?tk=s3cret", "it is no address of a tail"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_token(text: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        Address.parse(text)
    assert caught.value.reason == reason
    assert caught.value.help
    assert "s3cret" not in str(caught.value) + str(caught.value.help)


def test_the_library_says_nothing_of_the_address(ldp: Platform, caplog: pytest.LogCaptureFixture) -> None:
    ldp.follow(sends(frame(event(1))))
    witness = Witness()
    with caplog.at_level(logging.DEBUG):
        for logger in ("lanner", "websockets.client"):
            logging.getLogger(logger).setLevel(logging.DEBUG)
        witness.watch(source(ldp, witness), lambda: bool(witness.events))
        logging.getLogger("websockets.client").setLevel(logging.NOTSET)
    mine = [record for record in caplog.records if record.name != "websockets.server"]
    assert not any(TOKEN in record.getMessage() for record in mine)
    assert not any(TOKEN in text for _, text, _ in witness.told)
    assert not any(TOKEN in text + url for text, url in witness.started)


def test_the_plugin_opens_a_tail_of_its_parameters(ldp: Platform) -> None:
    ldp.follow(sends(frame(event(9))))
    witness = Witness()
    options = Options(max_event_size=1_000_000, stall_timeout=5)
    witness.watch(PLUGIN.open(ldp.address, options, witness.context), lambda: bool(witness.events))
    assert witness.numbers == [9]
    assert PLUGIN.version == PLUGINS[PLUGIN.name]
    with pytest.raises(SourceError, match="there is no address"):
        PLUGIN.open("", Options(), witness.context)


def test_a_tail_has_no_start_to_be_read_from(ldp: Platform) -> None:
    with pytest.raises(SourceError) as caught:
        PLUGIN.open(ldp.address, Options(), Witness(start=Start.FIRST).context)
    assert caught.value.reason == "the tail of a stream has only what comes from now on"
    assert "--from-start" in str(caught.value.help)


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lanner.plugins.ovh.tail", "lanner.plugins.ovh.connection"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    monkeypatch.delattr("lanner.plugins.ovh.tail", raising=False)
    with pytest.raises(SourceError) as caught:
        PLUGIN.open("gra1.logs.ovh.com/tail/?tk=x", Options(), Witness().context)
    assert "websockets" in caught.value.reason
    assert caught.value.help == "pip install 'lanner[ovh]'"


def test_a_check_connects_and_says_what_is_missing(ldp: Platform) -> None:
    def checked(address: str) -> tuple[str, bool, str]:
        async def main() -> Sequence[Finding]:
            assert PLUGIN.check is not None
            return await PLUGIN.check(address, Options())

        (found,) = asyncio.run(main())
        assert found.is_well or found.help
        return found.subject, found.is_well, found.text

    place = f"localhost:{ldp.port}"
    assert checked(ldp.address) == (f"tail on {place}", True, "it accepts the token, and answers")
    ldp.status = 403
    assert checked(ldp.address) == (f"tail on {place}", False, "the platform refuses it (HTTP 403)")
    assert checked("gra1.logs.ovh.com/tail") == ("address of the tail", False, "it has no token (`tk`)")
    with socket.socket() as closed:
        closed.bind(("localhost", 0))
        port = closed.getsockname()[1]
        _, is_well, text = checked(f"localhost:{port}/tail/?tk=x")
    assert not is_well
    assert text.startswith(f"cannot connect to localhost:{port}: ")
