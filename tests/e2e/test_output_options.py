"""Every option that outputs have in common, in every output: a configuration, a process, and real receivers."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.outputs.receivers import TIMEOUT_S, WebServer, datagram_daemon, web_server

RULES = """
- {rule: Rule A, desc: d, condition: ka.verb = get, output: "Rule A by %ka.user.name", priority: CRITICAL,
   source: k8s_audit, tags: [red, x]}
- {rule: Rule B, desc: d, condition: ka.verb = list, output: "Rule B by %ka.user.name", priority: WARNING,
   source: k8s_audit, tags: [blue, x]}
- {rule: Other C, desc: d, condition: ka.verb = watch, output: "Other C by %ka.user.name", priority: NOTICE,
   source: k8s_audit}
"""
A, B, C, DAMAGED = "Rule A", "Rule B", "Other C", "Lanner internal: damaged event"
HELD_BACK = "Lanner internal: alerts held back"
_NAME = re.compile(r"Lanner internal: [a-z]+ [a-z]+(?: [a-z]+)?|Rule [AB]|Other C")


def event(verb: str, end: str = "}", number: int = 1) -> str:
    return (
        '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete",'
        f'"auditID":"{number}",'
        f'"requestURI":"/api","verb":"{verb}","user":{{"username":"alice"}},'
        f'"stageTimestamp":"2026-11-21T10:00:00.5Z"{end}\n'
    )


# Six alerts: three of Rule A, one of each other, and one about the event that is cut off.
EVENTS = "".join(
    [
        *(event("get", number=number) for number in range(3)),
        event("list"),
        event("watch"),
        event("create", ',"annotations":{"a'),
    ]
)


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who takes alerts.

    Attributes:
        key: The key of the output.
        section: What its section says beside the option at hand.
        received: What came, text by text, once the process has ended; takes what it wrote to standard output.
    """

    key: str
    section: Mapping[str, Any]
    received: Callable[[bytes], list[str]]


def posts(web: WebServer) -> list[str]:
    found = []
    while not web.posts.empty():
        found.append(web.posts.get().body.decode())
    return found


def datagrams(receiver: socket.socket) -> list[str]:
    found = []
    receiver.settimeout(0)
    while True:
        try:
            found.append(receiver.recv(65536).decode().split(" - - ", 1)[1])
        except BlockingIOError:
            return found


@contextmanager
def peers(folder: Path) -> Iterator[dict[str, Peer]]:
    """A receiver for each output, by the output's key."""
    file, piped = folder / "alerts", folder / "piped"
    with ExitStack() as stack:
        web, chat = stack.enter_context(web_server()), stack.enter_context(web_server())
        udp = stack.enter_context(datagram_daemon(("127.0.0.1", 0)))
        syslog = {"transport": "udp", "host": "127.0.0.1", "port": udp.getsockname()[1]}
        notify = {"name": "chat", "urls": [f"json://127.0.0.1:{chat.port}"], "title": "", "template": "%message"}
        found = [
            Peer("stdout_output", {}, lambda out: out.decode().splitlines()),
            Peer("file_output", {"filename": str(file)}, lambda _: _lines(file)),
            Peer("program_output", {"program": f"cat >> '{piped}'", "keep_alive": True}, lambda _: _lines(piped)),
            Peer("http_output", {"url": f"http://127.0.0.1:{web.port}/"}, lambda _: posts(web)),
            Peer("syslog_output", syslog, lambda _: datagrams(udp)),
            Peer("notify_outputs", notify, lambda _: [json.loads(text)["message"] for text in posts(chat)]),
        ]
        yield {peer.key: peer for peer in found}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def run(
    folder: Path, there: Mapping[str, Peer], usual: Mapping[str, Any], option: Mapping[str, Any]
) -> dict[str, list[str]]:
    """What each output got, when all of them have the option."""
    config: dict[str, Any] = {"rules_files": [str(folder / "rules.yaml")], **usual}
    for peer in there.values():
        mine = {key: value for key, value in option.items() if peer.key != "notify_outputs" or key != "format"}
        section = {"enabled": True, **peer.section, **mine}
        config[peer.key] = [section] if peer.key == "notify_outputs" else section
    (folder / "rules.yaml").write_text(RULES)
    (folder / "lanner.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "lanner", "run", "-c", str(folder / "lanner.yaml"), "-"],
        input=EVENTS.encode(),
        capture_output=True,
        timeout=TIMEOUT_S * 2,
        env={**os.environ, "NO_PROXY": "*", "TZ": "UTC"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {key: peer.received(done.stdout) for key, peer in there.items()}


def names(texts: list[str]) -> list[str]:
    found = [_NAME.search(text) for text in texts]
    return [each[0] if each else "?" for each in found]


OPTIONS: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "none": ({}, [A, A, A, B, C, DAMAGED]),
    "priority": ({"priority": "warning"}, [A, A, A, B, DAMAGED]),
    "the highest priority": ({"priority": "Critical"}, [A, A, A]),
    "rules": ({"rules": ["Rule ?", "nothing"]}, [A, A, A, B]),
    "tags": ({"tags": ["blue", "green"]}, [B]),
    "sources": ({"sources": ["internal"]}, [DAMAGED]),
    "all of them": ({"priority": "warning", "rules": ["*"], "tags": ["x"], "sources": ["k8s_audit"]}, [A, A, A, B]),
    "rate_limit": ({"rate_limit": {"rate": 0.000001, "max_burst": 2}}, [A, A, HELD_BACK]),
    "enabled": ({"enabled": False}, []),
}
"""An option, and the rules whose alerts go to an output that has it."""


@pytest.mark.parametrize("name", OPTIONS)
def test_every_output_honours(tmp_path: Path, name: str) -> None:
    option, expected = OPTIONS[name]
    with peers(tmp_path) as there:
        got = run(tmp_path, there, {}, option)
    assert {key: names(texts) for key, texts in got.items()} == dict.fromkeys(there, expected)
    if HELD_BACK in expected:
        assert all(
            "4 over the rate limit of this output (Rule A: 1, Rule B: 1, Other C: 1" in texts[2]
            for texts in got.values()
        )


@pytest.mark.parametrize(("usual", "format"), [(True, None), (True, "text"), (False, None), (False, "json")])
def test_every_output_has_text_or_json(tmp_path: Path, usual: bool, format: str | None) -> None:
    with peers(tmp_path) as there:
        got = run(tmp_path, there, {"json_output": usual}, {"format": format} if format else {})
    del got["notify_outputs"]  # has a text of its own
    is_json = usual if format is None else format == "json"
    for texts in got.values():
        assert names(texts) == [A, A, A, B, C, DAMAGED]
        if is_json:
            assert json.loads(texts[0])["output_fields"]["ka.user.name"] == "alice"
            assert json.loads(texts[0])["output"] == "10:00:00.500000000: Critical Rule A by alice"
        else:
            assert texts[0] == "10:00:00.500000000: Critical Rule A by alice"


def test_what_json_has_and_how_times_look_is_the_same_in_every_output(tmp_path: Path) -> None:
    usual = {
        "json_output": True,
        "json_include_output_property": False,
        "json_include_tags_property": False,
        "json_include_message_property": True,
        "time_format_iso_8601": True,
        "append_output": [
            {
                "match": {"source": "k8s_audit", "tags": ["x", "red"]},
                "extra_output": "[%ka.verb]",
                "extra_fields": ["evt.num"],
            },
            {"match": {"rule": "Other C"}, "extra_fields": [{"who": "<%ka.user.name>"}]},
            {"match": {"source": "syscall"}, "extra_output": "never"},
        ],
    }
    with peers(tmp_path) as there:
        got = run(tmp_path, there, usual, {})
    del got["notify_outputs"]
    for texts in got.values():
        found = [json.loads(text) for text in texts]
        for each in found:
            assert {"output", "tags"}.isdisjoint(each)
            assert "evt.time.iso8601" in each["output_fields"]
        assert [each["message"] for each in found[2:5]] == [
            "Rule A by alice [get]",
            "Rule B by alice",
            "Other C by alice",
        ]
        fields = [{key: each["output_fields"].get(key) for key in ("evt.num", "ka.verb", "who")} for each in found[2:5]]
        assert fields == [
            {"evt.num": 3, "ka.verb": "get", "who": None},
            {"evt.num": None, "ka.verb": None, "who": None},
            {"evt.num": None, "ka.verb": None, "who": "<alice>"},
        ]


@pytest.mark.parametrize("is_json", [False, True])
def test_every_output_has_a_template(tmp_path: Path, is_json: bool) -> None:
    text = '{"t": "%priority|%rule|%ka.user.name|%ka.verb"}' if is_json else "%priority|%rule|%ka.user.name|%ka.verb %%"
    with peers(tmp_path) as there:
        got = run(tmp_path, there, {"json_output": is_json}, {"template": text})
    expected = text.replace("%priority|%rule|%ka.user.name|%ka.verb", "Critical|Rule A|alice|<NA>").replace("%%", "%")
    for texts in got.values():
        assert texts[:3] == [expected] * 3
        assert len(texts) == 6
