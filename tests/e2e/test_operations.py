"""What those ask who look after the program: health, versions, metrics, over real HTTP, and readings again."""

import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lanner.server.metrics import LATENCY, METRICS

from .conftest import Program, Start, event

HEADERS = {"content-type": "application/json"}
URL = "http://127.0.0.1:0/k8s-audit"
WEB: dict[str, Any] = {
    "enabled": True,
    "listen_address": "127.0.0.1",
    "listen_port": 0,
    "prometheus_metrics_enabled": True,
}

POLL_S = 0.02
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares each request the reading of all certificates of the system."""


def configured(folder: Path, rules: Path, **keys: Any) -> Path:
    """A configuration file with these keys."""
    path = folder / "lanner.yaml"
    path.write_text(yaml.safe_dump({"rules_files": [str(rules)], **keys}))
    return path


def address(program: Program, words: str = "listening on ") -> str:
    return program.wait_for(words).split(words)[1]


def served(program: Program) -> tuple[str, str]:
    """Where posts go, and where health is; each is said once, in either order."""
    urls: dict[str, str] = {}
    while len(urls) < 2:
        line = program.wait_for(" http")
        urls["health" if "health at " in line else "posts"] = line[line.index("http") :]
    return urls["posts"], urls["health"].removesuffix("/healthz")


def get(url: str) -> httpx.Response:
    while True:
        try:
            return httpx.get(url, verify=PLAIN)
        except httpx.TransportError:  # beside workers, another process takes this over after a reading
            time.sleep(POLL_S)


def value(base: str, name: str, **labels: str) -> float | None:
    """The value of a series now; None while there is none."""
    for family in text_string_to_metric_families(get(f"{base}/metrics").text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def until(base: str, expected: float, name: str, **labels: str) -> None:
    """Wait until a series has a value; the test's time limit bounds it."""
    while value(base, name, **labels) != expected:
        time.sleep(POLL_S)


@contextmanager
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_prometheus_reads_the_metrics_of_the_table_and_no_others(
    start: Start, rules: Path, tmp_path: Path, workers: str
) -> None:
    program = start("run", "-c", configured(tmp_path, rules, webserver=WEB), "--workers", workers, URL)
    posts, base = served(program)
    for number in range(5):
        assert httpx.post(posts, content=event(f"user-{number}"), headers=HEADERS).status_code == 200
    assert httpx.post(posts, content=b"nonsense", headers=HEADERS).status_code == 400

    until(base, 5, "lanner_events_total")
    until(base, 1, "lanner_source_refused_total", source="webhook", reason="rejected")
    until(base, 1, "lanner_source_state", source="webhook", state="running")

    answer = get(f"{base}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", answer.text))
    assert kinds == {metric.name: metric.kind for metric in METRICS} | {LATENCY: "histogram"}
    seen = {sample.name for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    unasked = ("lanner_apiserver_", "lanner_canar")  # of checks that no configuration asks for here
    silent = {metric.name for metric in METRICS if not metric.name.startswith(unasked)} - seen
    assert silent <= {
        "lanner_dropped_events_total",
        "lanner_output_dropped_total",
        "lanner_internal_alerts_total",
        "lanner_source_connections_closed_total",
        "lanner_blind",
        "lanner_source_silence_limit_seconds",
        "lanner_source_silence_seconds",
    }
    expected: list[tuple[float, str, dict[str, str]]] = [
        (5, "falcosecurity_falco_rules_matches_total", {"rule_name": "Seen", "priority": "4", "source": "k8s_audit"}),
        (5, "lanner_alerts_total", {"priority": "Warning"}),
        (5, "lanner_output_delivered_total", {"output": "stdout"}),
        (5, f"{LATENCY}_count", {"source": "webhook"}),
        (float(workers), "lanner_workers", {}),
        (1, "lanner_rules", {}),
    ]
    for shown, name, labels in expected:
        until(base, shown, name, **labels)
    assert program.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_served_and_what_is_not(start: Start, rules: Path, tmp_path: Path, workers: str) -> None:
    program = start("run", "-c", configured(tmp_path, rules, webserver=WEB), "--workers", workers, URL)
    _, base = served(program)
    with httpx.Client(base_url=base) as client:
        health = client.get("/healthz")
        assert (health.status_code, health.text, health.headers["content-type"]) == (
            200,
            '{"status": "ok"}',
            "application/json",
        )
        while client.get("/readyz").status_code != 200:
            time.sleep(POLL_S)
        assert client.get("/readyz").json() == {"status": "ok", "waiting_for": []}
        assert "falco_version" in client.get("/versions").json()
        assert client.get("/no").status_code == 404
        assert client.get("/healthz/").status_code == 404
        refused = client.post("/healthz", content=b"x" * 100_000)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        head = client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 1000
    assert program.stop(signal.SIGTERM) == 0


def test_without_the_key_there_are_no_metrics(start: Start, rules: Path, tmp_path: Path) -> None:
    web = {**WEB, "prometheus_metrics_enabled": False, "k8s_healthz_endpoint": "alive"}
    program = start("run", "-c", configured(tmp_path, rules, webserver=web), URL)
    base = address(program, "health at ").removesuffix("/alive")
    assert get(f"{base}/alive").status_code == 200
    assert [get(f"{base}{path}").status_code for path in ("/metrics", "/healthz")] == [404, 404]


def test_while_a_source_waits_the_program_is_alive_and_not_ready(start: Start, rules: Path, tmp_path: Path) -> None:
    with taken() as port:
        sources = [
            {"name": "good", "plugin": "k8saudit", "open_params": URL},
            {"name": "bad", "plugin": "k8saudit", "open_params": f"http://127.0.0.1:{port}/k8s-audit"},
        ]
        program = start("run", "-c", configured(tmp_path, rules, webserver=WEB, sources=sources))
        base = address(program, "health at ").removesuffix("/healthz")
        assert "in use" in program.wait_for("error: source `bad`: ")
        ready = get(f"{base}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "waiting_for": ["bad"]})
        assert get(f"{base}/healthz").status_code == 200
        assert value(base, "lanner_source_state", source="bad", state="waiting") == 1
    program.wait_for(f"listening on http://127.0.0.1:{port}/")
    assert get(f"{base}/readyz").status_code == 200
    assert (value(base, "lanner_source_restarts_total", source="bad") or 0) >= 1
    assert (value(base, "lanner_internal_alerts_total", rule_name="Lanner internal: source failed") or 0) >= 1
    assert program.stop(signal.SIGTERM) == 0
    assert "Lanner internal: source failed: source bad takes no events" in program.out.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_health_over_https_with_the_certificate_of_the_configuration(
    start: Start, rules: Path, tmp_path: Path, workers: str
) -> None:
    authority = trustme.CA()
    pem = tmp_path / "falco.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    web = {**WEB, "ssl_enabled": True, "ssl_certificate": str(pem)}
    program = start("run", "-c", configured(tmp_path, rules, webserver=web), "--workers", workers, URL)
    _, base = served(program)
    assert base.startswith("https://")
    assert httpx.get(f"{base}/healthz", verify=context).status_code == 200
    assert program.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_for_health_that_is_in_use_is_a_clear_error(
    start: Start, rules: Path, tmp_path: Path, workers: str
) -> None:
    with taken() as port:
        web = {**WEB, "listen_port": port}
        program = start("run", "-c", configured(tmp_path, rules, webserver=web), "--workers", workers, URL)
        assert program.end() == 1
    assert f"error: cannot listen on `127.0.0.1:{port}`: address already in use\n" in program.err
    assert "  help: " in program.err
    assert "Traceback" not in program.err


def test_with_the_old_key_one_port_has_posts_and_health(start: Start, rules: Path, tmp_path: Path) -> None:
    web = {**WEB, "k8s_audit_endpoint": "/k8s-audit"}
    program = start("run", "-c", configured(tmp_path, rules, webserver=web))
    url = address(program)
    base = url.removesuffix("/k8s-audit")
    assert httpx.post(url, content=event(), headers=HEADERS).status_code == 200
    assert [get(f"{base}{path}").status_code for path in ("/healthz", "/readyz", "/versions")] == [200] * 3
    assert value(base, "lanner_events_total") == 1
    assert get(url).status_code == 405
    assert get(f"{base}/no").status_code == 404
    assert program.stop(signal.SIGTERM) == 0


# Readings again


def rule_file(path: Path, word: str) -> Path:
    """A rule file whose alerts say a word; it takes the place of another at once."""
    new = path.with_name(f"{path.name}~")
    new.write_text(
        f"- {{rule: Seen, desc: d, condition: ka.user.name exists, output: '{word} %ka.user.name',"
        " priority: WARNING, source: k8s_audit}\n"
    )
    new.rename(path)
    return path


def test_a_file_that_is_followed_with_other_rules_is_not_read_again(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(event("first"))
    one, other = rule_file(tmp_path / "one.yaml", "one"), rule_file(tmp_path / "other.yaml", "other")
    entry = {"name": "log", "plugin": "k8saudit", "open_params": str(log)}
    config = configured(tmp_path, one, webserver=WEB, sources=[{**entry, "rules_files": [str(one)]}])
    program = start("run", "-c", config, "-o", "watch_config_files=false")
    base = address(program, "health at ").removesuffix("/healthz")
    until(base, 1, "lanner_events_total")
    configured(tmp_path, one, webserver=WEB, sources=[{**entry, "rules_files": [str(other)]}])
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("configuration and rules were read again")
    with log.open("ab") as file:
        file.write(event("second"))
    until(base, 2, "lanner_events_total")
    assert program.stop(signal.SIGTERM) == 0
    assert [line.split(maxsplit=2)[2] for line in program.out.read_text().splitlines()] == ["one first", "other second"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_rules_that_are_broken_leave_the_old_ones_and_are_seen_without_a_signal(
    start: Start, tmp_path: Path, workers: str
) -> None:
    rules = rule_file(tmp_path / "rules.yaml", "old")
    program = start("run", "-c", configured(tmp_path, rules, webserver=WEB), "--workers", workers, URL)
    posts, base = served(program)
    until(base, 1, "lanner_source_state", source="webhook", state="running")
    broken = tmp_path / "broken"
    broken.write_text(
        "- {rule: Seen, desc: d, condition: ka.user.nam exists, output: o, priority: INFO, source: k8s_audit}\n"
    )
    broken.rename(rules)
    assert "detection goes on as before" in program.wait_for("not taken over: ")
    until(base, 0, "lanner_configuration_current")
    until(base, 1, "lanner_reloads_total", result="refused")
    until(base, 1, "lanner_internal_alerts_total", rule_name="Lanner internal: configuration refused")
    assert httpx.post(posts, content=event("alice"), headers=HEADERS).status_code == 200
    rule_file(rules, "new")
    program.wait_for("configuration and rules were read again")
    until(base, 1, "lanner_configuration_current")
    assert post_until_taken(posts, "bob") == 200
    assert program.stop(signal.SIGTERM) == 0
    out = program.out.read_text()
    assert "old alice\n" in out
    assert "new bob\n" in out
    assert out.count("Lanner internal: configuration refused: ") == 1
    assert "ka.user.nam" in program.err
    assert "Traceback" not in program.err


def post_until_taken(url: str, user: str) -> int:
    """Post as an API server does, again when workers that end have let go of the connection."""
    while True:
        try:
            return httpx.post(url, content=event(user), headers=HEADERS).status_code
        except httpx.TransportError:
            continue


def test_files_are_not_watched_when_the_key_says_so(start: Start, tmp_path: Path) -> None:
    rules = rule_file(tmp_path / "rules.yaml", "old")
    config = configured(tmp_path, rules, webserver=WEB, watch_config_files=False)
    program = start("run", "-c", config, URL)
    posts, base = served(program)
    rule_file(rules, "new")
    assert httpx.post(posts, content=event("alice"), headers=HEADERS).status_code == 200
    assert value(base, "lanner_reloads_total", result="done") == 0
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("configuration and rules were read again")
    assert httpx.post(posts, content=event("bob"), headers=HEADERS).status_code == 200
    assert value(base, "lanner_reloads_total", result="done") == 1
    assert program.stop(signal.SIGTERM) == 0
    assert [line.split(maxsplit=2)[2] for line in program.out.read_text().splitlines()] == ["old alice", "new bob"]


def test_versions_are_those_that_the_command_prints(start: Start, rules: Path, tmp_path: Path) -> None:
    program = start("run", "-c", configured(tmp_path, rules, webserver=WEB), URL)
    _, base = served(program)
    assert json.loads(get(f"{base}/versions").content)["engine_version_semver"] == "0.62.0"


@pytest.mark.parametrize("second", ["a source", "health"])
def test_workers_do_not_share_a_port_among_what_is_different(
    start: Start, rules: Path, tmp_path: Path, second: str
) -> None:
    with taken() as port:
        url = f"http://127.0.0.1:{port}/k8s-audit"
    sources = [{"name": name, "plugin": "k8saudit", "open_params": url} for name in ("one", "other")]
    keys: dict[str, Any] = {"sources": sources}
    if second == "health":
        keys = {"sources": sources[:1], "webserver": {**WEB, "listen_port": port}}
    program = start("run", "-c", configured(tmp_path, rules, **keys), "--workers", "2")
    assert program.end() == 1
    assert f"error: cannot listen on `127.0.0.1:{port}`: address already in use\n" in program.err
