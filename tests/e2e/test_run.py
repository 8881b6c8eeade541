import gzip
import json
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import trustme

from .conftest import PROGRAM, Program, Start, event

HEADERS = {"content-type": "application/json"}


def address(program: Program) -> str:
    return program.wait_for("listening on ").split("listening on ")[1]


def test_posts_of_a_real_api_server_give_the_alerts_that_a_scan_of_the_same_events_gives(
    start: Start, shared: Path, tmp_path: Path
) -> None:
    bodies = gzip.decompress((shared / "recordings" / "webhook-posts.jsonl.gz").read_bytes()).splitlines(keepends=True)
    rules = shared / "upstream" / "k8s_audit_rules.yaml"
    program = start("run", "--format", "json", "-r", rules, "http://127.0.0.1:0/k8s-audit")
    url = address(program)
    with httpx.Client() as client:
        answers = [client.post(f"{url}?timeout=30s", content=body, headers=HEADERS) for body in bodies]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * len(bodies)
    assert program.stop(signal.SIGTERM) == 0
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(b"".join(bodies))
    scanned = subprocess.run(
        [*PROGRAM, "scan", "-q", "--format", "json", "-r", str(rules), str(posts)], capture_output=True, check=True
    )
    assert scanned.stdout.count(b"\n") > 100
    once = dict.fromkeys(scanned.stdout.splitlines(keepends=True))  # some posts are repetitions
    assert program.out.read_bytes() == b"".join(once)
    assert f"Events read: {400 * len(bodies)}\n" in program.err


def test_ctrl_c_prints_the_summary_and_exits_with_130(start: Start, rules: Path) -> None:
    program = start("run", "-r", rules, "http://127.0.0.1:0/k8s-audit")
    url = address(program)
    assert httpx.post(url, content=event(), headers=HEADERS).status_code == 200
    assert program.stop(signal.SIGINT) == 130
    assert program.out.read_text() == "10:00:00.000000000: Warning seen (user=alice)\n"
    assert "Events detected: 1\n" in program.err
    assert "Events read: 1\n" in program.err


def test_it_says_how_many_rules_it_has_and_where_it_listens(start: Start, rules: Path) -> None:
    program = start("run", "-r", rules, "http://127.0.0.1:0/some/path")
    assert program.wait_for("listening on ").endswith("/some/path")
    assert "1 rule\n" in program.err
    assert program.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("body", [b"nonsense", b"", b'{"kind":"EventList","items":[', b"\xff\xfe"])
def test_a_body_that_is_no_json_is_refused_and_the_next_one_taken(start: Start, rules: Path, body: bytes) -> None:
    program = start("run", "-r", rules, "http://127.0.0.1:0/k8s-audit")
    url = address(program)
    assert httpx.post(url, content=body, headers=HEADERS).status_code == 400
    assert httpx.post(url, content=event(), headers=HEADERS).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    assert program.out.read_text().count("seen") == 1


def test_a_large_body_is_evaluated_as_a_small_one(start: Start, rules: Path) -> None:
    items = [json.loads(event(f"user-{n}")) | {"annotations": {"pad": "x" * 1000}} for n in range(2000)]
    body = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}).encode()
    program = start("run", "-r", rules, "http://127.0.0.1:0/k8s-audit")
    assert len(body) > 2_000_000
    assert httpx.post(address(program), content=body, headers=HEADERS, timeout=60).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    assert program.out.read_text().count("seen") == 2000


def test_https_takes_posts_with_its_certificate(start: Start, rules: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(pem))
    certificate.private_key_pem.write_to_path(str(key))
    program = start("run", "-r", rules, "--tls-cert", pem, "--tls-key", key, "https://127.0.0.1:0/k8s-audit")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with httpx.Client(verify=context) as client:
        assert client.post(address(program), content=event(), headers=HEADERS).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    assert program.out.read_text().count("seen") == 1


def test_a_port_in_use_is_a_clear_error(start: Start, rules: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = start("run", "-r", rules, f"http://127.0.0.1:{port}/k8s-audit")
        assert program.end() == 1
    assert f"127.0.0.1:{port}" in program.err
    assert "in use" in program.err
    assert "  help: " in program.err
    assert "Traceback" not in program.err


@pytest.mark.parametrize("url", ["http://0.0.0.0:0/k8s-audit", "http://:0/k8s-audit", "http://[::]:0/k8s-audit"])
def test_listening_for_everybody_must_be_wanted(start: Start, rules: Path, url: str) -> None:
    program = start("run", "-r", rules, url)
    assert program.end() == 2
    assert "nothing asks who posts" in program.err
    assert "--allow-unauthenticated" in program.err
    wanted = start("run", "-r", rules, "--allow-unauthenticated", "http://0.0.0.0:0/k8s-audit")
    wanted.wait_for("listening on ")
    assert wanted.stop(signal.SIGTERM) == 0


def test_a_missing_certificate_is_a_clear_error(start: Start, rules: Path, tmp_path: Path) -> None:
    program = start("run", "-r", rules, "--tls-cert", tmp_path / "none.pem", "https://127.0.0.1:0/k8s-audit")
    assert program.end() in (1, 2)
    assert "none.pem" in program.err
    assert "Traceback" not in program.err


def test_a_file_is_followed_through_rotation(start: Start, rules: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(event("first"))
    process = subprocess.Popen(
        [*PROGRAM, "run", "-r", str(rules), "--from-start", str(log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert b"user=first" in process.stdout.readline()
        with log.open("ab") as file:
            file.write(event("second"))
        assert b"user=second" in process.stdout.readline()
        log.rename(tmp_path / "audit.log.1")
        log.write_bytes(event("third"))
        assert b"user=third" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert b"Events read: 3\n" in err


def test_standard_input_is_followed_to_its_end(rules: Path) -> None:
    ran = subprocess.run(
        [*PROGRAM, "run", "-r", str(rules), "-"], input=event("a") + event("b"), capture_output=True, check=True
    )
    assert ran.stdout.count(b"seen") == 2
    assert b"Events read: 2\n" in ran.stderr


def test_when_nobody_reads_the_alerts_any_more_it_ends_quietly(rules: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "run", "-r", str(rules), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(event())
    process.stdin.flush()
    assert b"seen" in process.stdout.readline()
    process.stdout.close()
    process.stdin.write(event("bob"))
    process.stdin.flush()
    err = process.stderr.read()
    process.stderr.close()
    process.stdin.close()
    assert process.wait(timeout=60) == 1
    assert b"Traceback" not in err
    assert b"error" not in err


def test_messages_on_a_pipe_are_json_and_the_summary_is_for_people(start: Start, rules: Path) -> None:
    program = start("run", "--log-format", "auto", "-r", rules, "http://127.0.0.1:0/k8s-audit")
    listening = json.loads(program.wait_for("listening on "))
    assert json.loads(program.said[0]) | {"time": ""} == {"time": "", "level": "info", "message": "1 rule", "rules": 1}
    assert {**listening, "time": "", "url": "", "message": ""} == {
        "time": "",
        "level": "info",
        "message": "",
        "source": "webhook",
        "url": "",
    }
    assert httpx.post(listening["url"], content=event(), headers=HEADERS).status_code == 200
    assert program.stop(signal.SIGTERM) == 0
    *summary, last = program.said[-1].splitlines()
    assert summary[0] == "Events detected: 1"
    ended = json.loads(last)
    assert (ended["message"], ended["events"], ended["alerts"], ended["dropped"]) == ("the run has ended", 1, 1, 0)
