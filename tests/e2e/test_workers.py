"""Several processes behind one port find what one process finds, and lose nothing that was acknowledged."""

import gzip
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trustme

from lanner.demo import recording

from .conftest import PROGRAM, Program, Start, command, event

HEADERS = {"content-type": "application/json"}
URL = "http://127.0.0.1:0/k8s-audit"


def address(program: Program) -> str:
    return program.wait_for("listening on ").split("listening on ")[1]


def workers_of(pid: int) -> list[int]:
    """The processes below another: first its workers, last the one that does what is not detection."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: Iterable[int]) -> Callable[[], None]:
    """What waits until processes have ended, be they whose children they may."""
    descriptors = [os.pidfd_open(pid) for pid in pids]

    def wait() -> None:
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 50)[0], "still runs"
            os.close(descriptor)

    return wait


def counter(program: Program, name: str) -> int:
    (line,) = [line for line in program.err.splitlines() if line.startswith(f"{name}: ")]
    return int(line.rpartition(" ")[2])


@pytest.fixture
def piped() -> Iterator[Callable[..., tuple[Program, Callable[[], bytes]]]]:
    """Starts the program in a session of its own, with a pipe for standard output; gives what reads that to its end."""
    started: list[Program] = []

    def run(*arguments: str | Path) -> tuple[Program, Callable[[], bytes]]:
        process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(Program(process, Path(os.devnull)))
        parts: list[bytes] = []

        def read() -> None:
            assert process.stdout
            parts.extend(iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""))  # type: ignore[union-attr]  # as asserted

        reading = threading.Thread(target=read)
        reading.start()

        def output() -> bytes:
            reading.join()
            return b"".join(parts)

        return started[-1], output

    yield run
    for program in started:
        with suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.wait()
        for pipe in (program.process.stdout, program.process.stderr):
            if pipe:
                pipe.close()


Piped = Callable[..., tuple[Program, Callable[[], bytes]]]


def post_all(url: str, bodies: Iterable[bytes]) -> list[int]:
    """Post over many connections at a time, a new one for each."""
    with ThreadPoolExecutor(8) as pool:
        return list(
            pool.map(lambda body: httpx.post(url, content=body, headers=HEADERS, timeout=50).status_code, bodies)
        )


def scanned(tmp_path: Path, bodies: list[bytes], *options: str | Path) -> list[bytes]:
    """The lines of a scan of the bodies."""
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(b"\n".join(bodies))
    words = [*PROGRAM, "scan", "-q", "--format", "json", *map(str, options), str(posts)]
    return subprocess.run(words, capture_output=True, check=True).stdout.splitlines()


def check_against_scan(piped: Piped, tmp_path: Path, bodies: list[bytes], *options: str | Path) -> None:
    program, output = piped("run", "--format", "json", *options, "--workers", "2", URL)
    assert set(post_all(address(program), bodies)) == {200}
    assert program.process.poll() is None
    program.process.terminate()
    lines = output().splitlines()
    assert program.end() == 0
    expected = scanned(tmp_path, bodies, *options)
    assert len(expected) > 100
    assert sorted(lines) == sorted(set(expected)), "what is posted twice is raised once"
    assert counter(program, "Events detected") == len(expected)
    assert program.err.count("listening on ") == program.err.count("Events read: ") == 1


def test_on_a_pipe_the_alerts_are_those_of_a_scan(piped: Piped, tmp_path: Path) -> None:
    check_against_scan(piped, tmp_path, recording())


def test_posts_of_a_real_api_server_give_the_alerts_of_a_scan(piped: Piped, tmp_path: Path, shared: Path) -> None:
    bodies = gzip.decompress((shared / "recordings" / "webhook-posts.jsonl.gz").read_bytes()).splitlines()
    check_against_scan(piped, tmp_path, bodies, "-r", shared / "upstream" / "k8s_audit_rules.yaml")


BATCH = 40
"""Events of a body: their alerts are more than a pipe takes at once."""


def users(number: int) -> list[str]:
    return [f"user-{number}-{at}-{'x' * 100}" for at in range(BATCH)]


def batch(number: int) -> bytes:
    items = [json.loads(event(user)) for user in users(number)]
    return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}).encode()


def test_a_worker_that_is_killed_under_load_loses_nothing_that_was_acknowledged(piped: Piped, rules: Path) -> None:
    program, output = piped("run", "--format", "json", "-r", rules, "--workers", "2", URL)
    url, parent = address(program), program.process.pid
    killed, *_ = workers_of(parent)
    acknowledged: list[int] = []

    def is_replaced() -> bool:
        now = workers_of(parent)
        return len(now) == 3 and killed not in now

    def load(numbers: Iterable[int]) -> None:
        """Post as an API server does, each body until it is acknowledged."""
        for number in numbers:
            status = 0
            while status != 200:
                with suppress(httpx.TransportError):
                    status = httpx.post(url, content=batch(number), headers=HEADERS, timeout=50).status_code
            acknowledged.append(number)
            if number == 60:
                os.kill(killed, signal.SIGKILL)
            if number > 100 and is_replaced():
                return

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(load, range(first, 10_000, 4)) for first in range(4)]:
            each.result()
    assert is_replaced()
    program.process.terminate()
    alerts = [json.loads(line) for line in output().splitlines()]
    written = {alert["output_fields"].get("ka.user.name") for alert in alerts}
    assert program.end() == 0
    assert len(acknowledged) > 100
    assert {user for number in acknowledged for user in users(number)} <= written
    assert "error: a worker was lost: killed by SIGKILL, another starts in 0.5 s\n" in program.err
    assert [alert["rule"] for alert in alerts if alert["source"] == "internal"] == ["Lanner internal: worker lost"]
    assert counter(program, "Workers restarted") == 1
    assert counter(program, "Events read") > 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_to_all_processes_ends_them_with_one_summary(
    piped: Piped, rules: Path, number: signal.Signals, status: int
) -> None:
    program, output = piped("run", "--format", "json", "-r", rules, "--workers", "3", URL)
    assert post_all(address(program), [event(f"user-{n}") for n in range(30)]) == [200] * 30
    workers = workers_of(program.process.pid)
    assert len(workers) == 3 + 1, "and one for what is not detection"
    wait = gone(workers)
    os.killpg(program.process.pid, number)
    assert len(output().splitlines()) == 30
    assert program.end() == status
    wait()
    assert counter(program, "Events detected") == counter(program, "Events read") == 30
    assert "error" not in program.err


def test_a_post_that_has_begun_is_finished_before_the_end(piped: Piped, rules: Path) -> None:
    program, output = piped("run", "--format", "json", "-r", rules, "--workers", "2", URL)
    host, port = address(program).removeprefix("http://").removesuffix("/k8s-audit").split(":")
    body = event()
    head = f"POST /k8s-audit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        program.process.terminate()
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert len(output().splitlines()) == 1
    assert program.end() == 0
    assert counter(program, "Events read") == 1


def test_workers_end_when_their_parent_is_killed(start: Start, rules: Path) -> None:
    program = start("run", "-r", rules, "--workers", "2", URL)
    url = address(program)
    wait = gone(workers_of(program.process.pid))
    program.process.kill()
    wait()
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, content=event(), headers=HEADERS)
    program.end()
    assert "Traceback" not in program.err


def test_when_nobody_reads_the_alerts_any_more_all_workers_end_quietly(rules: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = command("run", "-r", rules, "--workers", "2", URL)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        program = Program(process, Path(os.devnull))
        assert httpx.post(address(program), content=event(), headers=HEADERS).status_code == 200, "it is stored"
        assert program.end() == 1
    assert "error" not in program.err
    assert "Traceback" not in program.err


def test_https_takes_posts_with_its_certificate(start: Start, rules: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "both.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    url = URL.replace("http", "https", 1)
    program = start("run", "-r", rules, "--workers", "2", "--tls-cert", pem, url)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = address(program)
    for number in range(10):
        assert httpx.post(url, content=event(f"user-{number}"), headers=HEADERS, verify=context).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    assert program.out.read_text().count("seen") == 10


def test_a_port_that_other_workers_have_is_a_clear_error(start: Start, rules: Path) -> None:
    url = address(start("run", "-r", rules, "--workers", "2", URL))
    second = start("run", "-r", rules, "--workers", "2", url)
    assert second.end() == 1
    assert "address already in use" in second.err
    assert "Traceback" not in second.err
