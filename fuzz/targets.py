"""What is fuzzed: functions of any bytes that raise where a promise is broken.

A promise is stronger than "no exception": an event that stands before or behind damaged bytes still alerts, what was
parsed and printed parses to the same, and generated code finds what the reference interpreter finds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

import msgspec

from fuzz.webhook import REQUESTS, webhook
from lanner.compiler.load import LoadResult, load
from lanner.compiler.ruleset import compile_rules
from lanner.condition.ast import Expr
from lanner.condition.parser import ParseError, parse_condition
from lanner.condition.printer import to_text as to_condition
from lanner.config.load import load_config
from lanner.config.show import show
from lanner.diagnostics import MappedText, SourceFile
from lanner.diagnostics.render import to_json, to_text
from lanner.engine.engine import Engine
from lanner.policy.reader import read_policy_file

SENTINEL = (
    b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"sentinel","stage":"ResponseComplete",'
    b'"requestURI":"/","verb":"sentinel","user":{"username":"sentinel"},"stageTimestamp":"2026-01-02T03:04:05.000006Z"}'
)
"""An event that must raise its alert, whatever stands around it."""

_RULE = "Sentinel"
_SENTINEL_RULES = f"""
- rule: {_RULE}
  desc: It is seen.
  condition: ka.verb = sentinel and ka.user.name = sentinel
  output: seen (id=%ka.auditid)
  priority: NOTICE
  source: k8s_audit
"""
_SAMPLES = (
    SENTINEL,
    b'{"stage":"s","verb":"get","user":{"username":"u","groups":["a","b"]},"objectRef":{"resource":"pods","name":"n"},'
    b'"requestObject":{"a":"x","spec":{"containers":[{"image":"r:5/a:1","securityContext":{"privileged":true}}]}},'
    b'"responseStatus":{"code":201},"annotations":{"k":"v"},"sourceIPs":["10.0.0.1"],"requestURI":"/a?b=c"}',
)


def decode(data: bytes) -> None:
    """Lines of a log, a posted body, what is left of an event beyond its limit: events around it are found."""
    engine = _watching()
    between = b"\n".join((SENTINEL, data, SENTINEL))
    seen = sum(alert.rule == _RULE for alert in engine.process(between).alerts)
    alone = sum(alert.rule == _RULE for alert in engine.process(data).alerts)
    assert seen >= 2, f"an event was hidden: {seen} of 2 were seen"
    assert alone <= seen
    for is_truncated in (False, True):
        result = engine.process(data, body=True, truncated=is_truncated)
        assert result.events >= 0
        assert all(isinstance(alert.message, str) for alert in result.alerts)
    if _is_json(data):  # else it is part of the list's own text, and may end it
        posted = b'{"kind":"EventList","items":[%b,%b]}' % (SENTINEL, data)
        alerts = engine.process(posted, body=True).alerts
        assert any(alert.rule == _RULE for alert in alerts), "a posted event was hidden"


def rules(data: bytes) -> None:
    """A rule file: problems with places, or rules that can be used."""
    result = _load(data.decode("utf-8", "replace"))
    for found in result.diagnostics:
        to_text(found)
    json.dumps(to_json(result.diagnostics))
    if result.rules is not None:
        engine = Engine(compile_rules(result.rules))
        for sample in _SAMPLES:
            engine.process(sample)


def condition(data: bytes) -> None:
    """A condition: what is printed means the same, and generated code agrees with the reference interpreter."""
    text = data.decode("utf-8", "replace")
    try:
        tree = parse_condition(MappedText.literal(text))
    except ParseError as error:
        refused = error.span
    else:
        _check_tree(tree, text)
        return
    assert 0 <= refused.start <= refused.end <= len(text) + 1


def _check_tree(tree: Expr, text: str) -> None:
    printed = to_condition(tree)
    again = parse_condition(MappedText.literal(printed))
    assert again == tree, f"printed as {printed!r}"
    result = _load(json.dumps([{**_BARE_RULE, "condition": text}]))
    if result.rules is not None and result.rules.rules:
        _compare(result)


def config(data: bytes) -> None:
    """A configuration: problems with places, or a value, which can be shown."""
    with _file(data) as path:
        loaded = load_config(path, environment={"NAME": "value"})
    for found in loaded.diagnostics:
        to_text(found)
    json.dumps(to_json(loaded.diagnostics))
    show(loaded.root)


def policy(data: bytes) -> None:
    """An audit policy: problems with places, or a policy."""
    with _file(data) as path:
        _, diagnostics = read_policy_file(path)
    for found in diagnostics:
        to_text(found)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        "decode": decode,
        "rules": rules,
        "condition": condition,
        "config": config,
        "policy": policy,
        "webhook": webhook,
    }
)
"""By name."""

_BARE_RULE = {"rule": "R", "desc": "d", "output": "o", "priority": "NOTICE", "source": "k8s_audit"}


def seeds(target: str) -> list[bytes]:
    """What a fuzzer begins with, beside its corpus: what ships with the project."""
    data = files("lanner") / "data"
    match target:
        case "decode":
            return [*_SAMPLES, b"[" + _SAMPLES[0] + b"]", b'{"kind":"EventList","items":[' + _SAMPLES[1] + b"]}"]
        case "rules" | "condition":
            if target == "rules":
                return [text[:4000].encode() for text in _default_rules()]
            loaded = load([SourceFile("rules", text) for text in _default_rules()]).rules
            assert loaded is not None
            return [to_condition(rule.condition)[:2000].encode() for rule in loaded.rules]
        case "config":
            return [(data / "lanner.yaml").read_bytes()]
        case "policy":
            return [path.read_bytes() for path in Path(__file__).parent.parent.glob("tests/**/*policy*.yaml")]
        case "webhook":
            return [*REQUESTS]
    return []


@cache
def _watching() -> Engine:
    """An engine with the default rules and one for the sentinel."""
    result = load([SourceFile(f"{n}.yaml", text) for n, text in enumerate([*_default_rules(), _SENTINEL_RULES])])
    assert result.rules is not None
    return Engine(compile_rules(result.rules))


def _default_rules() -> list[str]:
    folder = files("lanner") / "data" / "rules"
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(".yaml")}
    return [found[name].read_text() for name in sorted(found)]


@contextmanager
def _file(data: bytes) -> Iterator[str]:
    with NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        yield file.name


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _load(text: str) -> LoadResult:
    return load([SourceFile("rules.yaml", text)])


def _compare(result: LoadResult) -> None:
    from tests.reference import holds  # noqa: PLC0415 - only this target needs the tests

    assert result.rules is not None
    tree: Any = result.rules.rules[0].condition
    for number, sample in enumerate(_SAMPLES, 1):
        engine = Engine(compile_rules(result.rules))
        engine._context.first_number = number
        try:
            expected = holds(tree, json.loads(sample), number)
        except (KeyError, RecursionError):  # what the reference does not know: time, host, whole texts
            continue
        assert bool(engine.process(sample).alerts) == expected, to_condition(tree)
