import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType

import pytest

from lanner.compiler.ruleset import RuleSet
from lanner.outputs.format import AlertFormat
from lanner.outputs.lane import Route
from lanner.outputs.sink import Sink
from lanner.outputs.stdout import SharedDescriptor, SharedOutput
from lanner.server import generation, workers
from lanner.server.facts import Ending
from lanner.server.generation import LONG_LIFE_S, MAX_DEATHS, MAX_PAUSE_S, Restarts
from lanner.server.plan import Hooks, Plan, PlanError, SourcePlan
from lanner.server.worker import Ended, Job, Latch, Listening, Message, Report, Stage, Unable, work
from lanner.server.workers import run_workers
from lanner.sources.base import SourceError
from lanner.sources.listener import bind, reserve
from lanner.sources.webhook import WebhookOptions, WebhookSource
from lanner.store.place import held
from lanner.vigil.beacon import Beacon

from .test_pipeline import EVENT, Memory, engine

# A test runner may have threads of its own; what runs `run_workers` for users has none.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

LOCAL = WebhookOptions(port=0)


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Fails a test that waits for what never comes."""

    def too_late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("the test took longer than a minute")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def post(port: int, body: bytes = EVENT) -> int:
    """Post over a connection of its own, and give the status."""
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/k8s-audit", body, {"content-type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def try_to_post(port: int) -> None:
    post(port)


def post_as_api_server(port: int) -> int:
    """Post, again when a worker that ends has left the connection unaccepted: nothing was evaluated then."""
    while True:
        with suppress(ConnectionResetError):
            return post(port)


def all_children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


_OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Notes the children that other tests keep, such as a database server, which are not the workers of this one."""
    _OTHERS.clear()
    _OTHERS.update(all_children())


def children() -> list[int]:
    return [pid for pid in all_children() if pid not in _OTHERS]


def terminate(port: int) -> None:
    signal.raise_signal(signal.SIGTERM)


@dataclass
class Run:
    """Workers, and what was said of them."""

    plan: Plan
    again: Callable[[], Plan]
    said: list[str] = field(default_factory=list)
    ready: int = 0
    then: Callable[[int], None] = terminate

    @property
    def deaths(self) -> list[str]:
        return [text.partition("lost: ")[2] for text in self.said if text.startswith("a worker was lost: ")]

    def serve(self, count: int = 2, *, then: Callable[[int], None] = terminate) -> Ending:
        """Run workers; `then` is called with the port each time that all listen."""
        self.then = then
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("lanner.server")
        logger.addHandler(handler)
        before = logger.level
        logger.setLevel(logging.INFO)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(workers, "notify", self.on_notify)
                return run_workers(self.plan, self.again, count, versions={})
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)

    def on_notify(self, state: str) -> None:
        if state.startswith("READY=1\nSTATUS"):
            self.ready += 1
            self.then(self.port)

    @property
    def port(self) -> int:
        texts = [text for text in self.said if text.startswith("listening on ")]
        assert len(texts) <= 1, "all share one port, over all readings of the configuration"
        return int(texts[0].rpartition(":")[2].partition("/")[0]) if texts else 0


def source(options: WebhookOptions, rules: RuleSet | None = None) -> SourcePlan:
    def open_webhook(hooks: Hooks) -> WebhookSource:
        def started(host: str, port: int) -> None:
            hooks.context.started(f"listening on http://{host}:{port}/", "")

        assert hooks.at
        at = replace(options, host=hooks.at[0], port=hooks.at[1])
        return WebhookSource(at, stats=hooks.stats, is_shared=True, on_started=started)

    return SourcePlan(
        name="webhook", made_of=options, rules=rules or engine().rules, open=open_webhook, webhook=options
    )


def plan(*outputs: Sink, options: WebhookOptions = LOCAL) -> Plan:
    found = outputs or (Memory(),)
    named = tuple(Route(name=f"output-{at}", output=output) for at, output in enumerate(found))
    return Plan(sources=(source(options),), routes=named)


def run(*outputs: Sink, options: WebhookOptions = LOCAL) -> Run:
    found = plan(*outputs, options=options)
    return Run(found, lambda: found)


def test_what_all_workers_counted_is_added_up() -> None:
    def then(port: int) -> None:
        assert [post(port) for _ in range(40)] == [200] * 40
        terminate(port)

    found = run()
    outcome = found.serve(3, then=then)
    assert (outcome.stats.events, outcome.stats.bytes) == (40, 40 * len(EVENT))
    assert outcome.stats.by_rule == {"Seen": 40}
    assert (outcome.stopped, outcome.restarted, outcome.is_given_up) == (signal.SIGTERM, 0, False)
    assert (found.deaths, found.ready) == ([], 1)


def test_once_started_each_worker_listens_on_the_port_that_is_told() -> None:
    def then(port: int) -> None:
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        listening.append([row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")])
        terminate(port)

    listening: list[list[str]] = []
    found = run()
    found.serve(3, then=then)
    assert found.ready == 1
    assert [len(each) for each in listening] == [3]


def test_signals_are_given_back_and_nothing_is_left_open() -> None:
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    }
    run().serve()  # the first run also opens what later ones share
    before = sorted(os.listdir("/proc/self/fd"))
    run().serve()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert children() == []


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(generation, "MIN_PAUSE_S", 0.01)

    def then(port: int) -> None:
        os.kill(children()[0], signal.SIGKILL)

    def work_and_tell(job: Job, parent: Connection, gate: Latch, lifeline: Latch) -> None:
        (tmp_path / str(os.getpid())).touch()
        if len([*tmp_path.iterdir()]) > 2:
            os.kill(os.getppid(), signal.SIGTERM)
        work(job, parent, gate, lifeline)

    monkeypatch.setattr(generation, "work", work_and_tell)
    found = run()
    outcome = found.serve(2, then=then)
    assert found.deaths == ["killed by SIGKILL, another starts in 0.01 s"]
    assert (outcome.stopped, outcome.restarted, outcome.is_given_up) == (signal.SIGTERM, 1, False)


def test_workers_that_die_at_once_again_and_again_end_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(job: Job, parent: Connection, gate: Latch, lifeline: Latch) -> None:
        os._exit(3)

    monkeypatch.setattr(generation, "MIN_PAUSE_S", 0.001)
    monkeypatch.setattr(generation, "work", die)
    found = run()
    outcome = found.serve(1)
    assert found.ready == 0
    assert found.deaths == [
        *(f"ended with status 3, another starts in {0.001 * 2**power:g} s" for power in range(4)),
        "ended with status 3",
    ]
    assert (outcome.stopped, outcome.restarted, outcome.is_given_up) == (None, 4, True)


def test_a_worker_that_cannot_go_on_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generation, "MIN_PAUSE_S", 0.001)
    found = run(options=WebhookOptions(port=0, is_tls=True, certificate=str(tmp_path / "gone.pem")))
    assert found.serve(1).is_given_up
    assert {death.partition(",")[0] for death in found.deaths} == {f"cannot read `{tmp_path}/gone.pem`: no such file"}


def test_a_process_that_cannot_be_started_again_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "MIN_PAUSE_S", 0.001)
    found = run()

    def no_room(process: ForkProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def then(port: int) -> None:
        monkeypatch.setattr(ForkProcess, "start", no_room)
        os.kill(children()[0], signal.SIGKILL)

    outcome = found.serve(2, then=then)
    assert [death.partition(",")[0] for death in found.deaths] == [
        "killed by SIGKILL",
        *["not started: resource temporarily unavailable"] * 4,
    ]
    assert outcome.is_given_up


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(job: Job, parent: Connection, gate: Latch, lifeline: Latch) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        parent.send(Stage.LISTENING)
        threading.Event().wait()

    monkeypatch.setattr(generation, "work", hang)
    monkeypatch.setattr(generation, "STOP_TIMEOUT_S", 0.1)
    found = run()
    outcome = found.serve(2)
    assert found.deaths == ["killed by SIGKILL"] * 2
    assert outcome.restarted == 0


def test_when_nobody_reads_the_alerts_any_more_all_end() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(BrokenPipeError):
            run(SharedOutput(SharedDescriptor(writer), AlertFormat())).serve(2, then=try_to_post)
    finally:
        os.close(writer)
    assert children() == []


def test_sigusr1_has_the_outputs_begin_anew_in_the_process_that_delivers(tmp_path: Path) -> None:
    class Reopened(Memory):
        def reopen(self) -> None:
            (tmp_path / str(os.getpid())).touch()

    found = run(Reopened())

    def in_parent(port: int) -> None:
        threading.Thread(target=wait_and_stop).start()

    def wait_and_stop() -> None:
        while not [*tmp_path.iterdir()]:
            os.kill(os.getpid(), signal.SIGUSR1)
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    assert found.serve(2, then=in_parent).stopped is signal.SIGTERM
    assert len([*tmp_path.iterdir()]) == 1


def test_another_reading_of_the_configuration_exchanges_the_workers_and_nothing_is_lost() -> None:
    def then(port: int) -> None:
        assert [post_as_api_server(port) for _ in range(20)] == [200] * 20
        signal.raise_signal(signal.SIGHUP if found.ready == 1 else signal.SIGTERM)

    found = run()
    outcome = found.serve(2, then=then)
    assert (outcome.stats.events, outcome.stats.by_rule, outcome.restarted) == (40, {"Seen": 40}, 0)
    assert "configuration and rules were read again: 1 rules" in found.said


def test_a_configuration_that_cannot_be_used_leaves_the_workers_alone() -> None:
    def broken() -> Plan:
        raise PlanError("the rules have 1 error", "mend them")

    def then(port: int) -> None:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)

    found = Run(plan(), broken)
    outcome = found.serve(2, then=then)
    assert "not taken over: the rules have 1 error; detection goes on as before" in found.said
    assert (outcome.stopped, found.deaths) == (signal.SIGTERM, [])


def test_a_port_that_other_workers_have_is_in_use() -> None:
    with reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        with bind("127.0.0.1", port, is_shared=True), pytest.raises(SourceError, match="address already in use"):
            run(options=WebhookOptions(port=port)).serve()


@dataclass
class Forked:
    """A worker by itself."""

    gate: Latch
    lifeline: Latch
    messages: Connection
    port: int
    wake: int

    reports: list[Report] = field(default_factory=list)

    def hear(self) -> Message:
        """What it says next, reports and addresses aside."""
        while True:
            message: Message = self.messages.recv()
            if isinstance(message, Report):
                self.reports.append(message)
            elif not isinstance(message, Listening):
                return message

    def is_listening(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def worker() -> Iterator[Forked]:
    """One worker that has been forked, and waits at the gate."""
    context = get_context("fork")
    gate, lifeline = Latch(), Latch()
    reader, writer = context.Pipe(duplex=False)
    with reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        with held(None) as place:
            wake = os.eventfd(0, os.EFD_NONBLOCK)
            job = Job(plan(), {"webhook": ("127.0.0.1", port)}, Beacon(), place, wake)
            process = context.Process(target=work, args=(job, writer, gate, lifeline))
            process.start()
            writer.close()
            yield Forked(gate, lifeline, reader, port, wake)
            process.kill()
            process.join()
    process.close()
    os.close(wake)
    reader.close()
    gate.close()
    lifeline.close()


def test_a_worker_listens_once_the_gate_is_open_and_ends_with_its_lifeline(worker: Forked) -> None:
    assert worker.hear() is Stage.READY
    assert not worker.messages.poll(0.5), "an open gate would let it listen in far less time"
    assert not worker.is_listening()
    worker.gate.let_go()
    assert worker.hear() is Stage.LISTENING
    assert post(worker.port) == 200
    worker.lifeline.let_go()
    last = worker.hear()
    assert last == Ended()
    assert os.eventfd_read(worker.wake) == 1, "whoever delivers was told that there is an alert"
    assert worker.reports[-1].stats.events == 1
    assert not worker.is_listening()


def test_a_worker_that_has_no_port_says_so_and_ends(worker: Forked) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", worker.port))
        other.listen()
        assert worker.hear() is Stage.READY
        worker.gate.let_go()
        last = worker.hear()
    assert last == Unable(f"cannot listen on `127.0.0.1:{worker.port}`: address already in use")


def test_a_latch_is_let_go_of_once_all_that_hold_it_have() -> None:
    latch = Latch()
    copy = os.dup(latch._writer)
    latch.let_go()
    latch.let_go()
    assert not latch.is_held
    assert wait([latch.reader], timeout=0) == []
    os.close(copy)
    latch.wait()
    latch.close()


def test_pauses_double_up_to_their_bound_while_a_worker_dies_young() -> None:
    restarts = Restarts()
    pauses = [restarts.pause(0, 1.0, now * LONG_LIFE_S) for now in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses[-1] == MAX_PAUSE_S


def test_a_long_life_makes_the_next_pause_short() -> None:
    restarts = Restarts()
    assert [restarts.pause(0, 0.0, 0.0), restarts.pause(0, 0.0, 1.0)] == [0.5, 1]
    assert restarts.pause(0, LONG_LIFE_S, 70.0) == 0.5


def test_each_worker_has_pauses_of_its_own() -> None:
    restarts = Restarts()
    assert [restarts.pause(number, 0.0, 0.0) for number in (0, 1, 0)] == [0.5, 0.5, 1]


@pytest.mark.parametrize(("gap_s", "is_given_up"), [(14.9, True), (15.1, False)])
def test_it_gives_up_when_too_many_die_young_within_a_minute(gap_s: float, is_given_up: bool) -> None:
    restarts = Restarts()
    pauses = [restarts.pause(number, 1.0, number * gap_s) for number in range(MAX_DEATHS)]
    assert None not in pauses[:-1]
    assert (pauses[-1] is None) is is_given_up


def test_workers_that_lived_long_may_all_die_at_once() -> None:
    restarts = Restarts()
    assert [restarts.pause(number, LONG_LIFE_S, 0.0) for number in range(20)] == [0.5] * 20


def test_a_reading_that_fails_in_whatever_way_leaves_the_workers_and_what_was_asked_for_meanwhile_is_done() -> None:
    answers: list[Callable[[], Plan]] = [broken_in_an_unexpected_way, plan_that_cannot_listen, plan]

    def again() -> Plan:
        return answers.pop(0)()

    found = Run(plan(), again)

    def then(port: int) -> None:
        if found.ready > 1:
            terminate(port)
            return
        for _ in answers:
            signal.raise_signal(signal.SIGHUP)

    outcome = found.serve(1, then=then)
    refused = [text for text in found.said if text.startswith("not taken over: ")]
    assert [text.partition("; detection")[0] for text in refused] == [
        "not taken over: a mistake",
        "not taken over: a worker with the new configuration ended: cannot read `/none.pem`: no such file",
    ]
    assert answers == []
    assert (outcome.stopped, outcome.restarted) == (signal.SIGTERM, 0)


def broken_in_an_unexpected_way() -> Plan:
    raise ValueError("a mistake")


def plan_that_cannot_listen() -> Plan:
    return plan(options=WebhookOptions(port=0, is_tls=True, certificate="/none.pem"))
