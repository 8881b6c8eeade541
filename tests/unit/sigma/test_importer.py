"""Sigma rules as Falco rules: what they select, and what is said of those that cannot be."""

import json
from typing import Any

import pytest

from lanner import Engine, Priority, compile_rules
from lanner.compiler.load import Rule, load
from lanner.condition import to_text
from lanner.diagnostics import Diagnostics, SourceFile
from lanner.sigma.importer import Fate, Imported, import_sigma
from tests.unit.default_rules.builders import event, pod_body

HEAD = "title: T\nlogsource: {product: kubernetes, service: audit}\n"


def imported(*texts: str) -> Imported:
    return import_sigma([SourceFile(f"{n}.yml", text) for n, text in enumerate(texts)], Diagnostics())


def rules_of(found: Imported) -> tuple[Rule, ...]:
    result = load([SourceFile("imported", found.text)])
    assert result.rules is not None, [each.message for each in result.diagnostics]
    assert [each.message for each in result.diagnostics] == []
    return result.rules.rules


def rule_of(text: str) -> Rule:
    found = imported(text)
    assert [each.message for each in found.diagnostics.errors] == []
    (rule,) = rules_of(found)
    return rule


def written(text: str) -> str:
    """The condition of an imported rule, without the parentheses that its exceptions bring."""
    return " ".join(rule_of(text).condition_text.split()).removeprefix("(").removesuffix(")")


@pytest.mark.parametrize(
    ("detection", "condition"),
    [
        ("verb: delete", "ka.verb = delete"),
        ("verb: [create, delete]", "ka.verb in (create, delete)"),
        ("objectRef.resource: Pods", "tolower(ka.target.resource) = pods"),
        ("user.username: Alice", "tolower(ka.user.name) = alice"),
        ("user.username|cased: Alice", 'ka.user.name = "Alice"'),
        ("user.username: '12'", "ka.user.name = 12"),
        ("user.username: '*'", "ka.user.name exists"),
        ("user.username: ''", 'ka.user.name = ""'),
        ("user.username: 'a*'", 'tolower(ka.user.name) startswith "a"'),
        ("user.username|endswith: X", 'tolower(ka.user.name) endswith "x"'),
        ("user.username|contains|cased: X", 'ka.user.name contains "X"'),
        ("user.username|startswith|cased: X", 'ka.user.name startswith "X"'),
        ("user.username: 'a?c*[x]'", 'ka.user.name iglob "a?c*\\\\[x]"'),
        ("user.username|cased: 'a?'", 'ka.user.name glob "a?"'),
        ("userAgent|contains: [a, b]", 'ka.useragent icontains anyof ("a", "b")'),
        ("userAgent|contains|all: [a, b]", 'ka.useragent icontains allof ("a", "b")'),
        ("user.groups: [system:masters, x]", 'tolower(ka.user.groups) intersects ("system:masters", x)'),
        ("user.groups|contains: x", 'join(",", ka.user.groups) icontains "x"'),
        ("responseStatus.code: [401, 403]", "ka.response.code in (401, 403)"),
        ("responseStatus.code|gte: 400", "ka.response.code >= 400"),
        ("responseStatus.code: FORBID", "ka.auth.decision = forbid"),
        ("sourceIPs|cidr: 10.0.0.0/8", 'kx.source.ips intersects ("10.0.0.0/8")'),
        ("requestObject.spec.x|exists: true", "jevt.value[/requestObject/spec/x] exists"),
        ("requestObject.spec.x|exists: false", "not jevt.value[/requestObject/spec/x] exists"),
        ("requestObject.spec.x: null", "not jevt.value[/requestObject/spec/x] exists"),
        ("requestObject.spec.hostNetwork: true", "ka.req.pod.host_network = true"),
        ("annotations.a.b/c: x", "tolower(jevt.value[/annotations/a.b~1c]) = x"),
        ("annotations.authorization.k8s.io/decision: allow", "ka.auth.decision = allow"),
        ("apiGroup: apps", "jevt.value[/objectRef/apiGroup] = apps"),
        ("hostPath: '*'", "ka.req.pod.volumes.hostpath exists"),
        (r"requestURI|re: ^/api/\d+$", 'ka.uri regex "/api/[0-9]+"'),
        (r"requestURI|re: (?:a|b)\.c", 'ka.uri regex ".*((a|b)\\\\.c).*"'),
        ("requestURI|re|i: ex(e|c)", 'tolower(ka.uri) regex ".*(ex(e|c)).*"'),
        ("requestURI|re|i: Exec", 'ka.uri icontains "Exec"'),
        ("requestURI|re: ^/api", 'ka.uri startswith "/api"'),
        ("impersonatedUser.username|fieldref: user.username", "tolower(ka.impuser.name) = tolower(ka.user.name)"),
    ],
)
def test_a_detection_becomes_a_condition(detection: str, condition: str) -> None:
    text = f"{HEAD}detection:\n  a:\n    {detection}\n  condition: a\n"
    assert written(text) == f"sigma_event and {condition}"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a and b", "jevt.value[/user/uid] = 7 and ka.verb = get"),
        ("a or b", "(jevt.value[/user/uid] = 7 or ka.verb = get)"),
        ("a and not b", "jevt.value[/user/uid] = 7 and not ka.verb = get"),
        ("not (a or b)", "not (jevt.value[/user/uid] = 7 or ka.verb = get)"),
        ("1 of them", "(jevt.value[/user/uid] = 7 or ka.verb = get)"),
        ("all of them", "jevt.value[/user/uid] = 7 and ka.verb = get"),
    ],
)
def test_conditions_keep_their_structure(condition: str, expected: str) -> None:
    text = f"{HEAD}detection:\n  a: {{user.uid: 7}}\n  b: {{verb: get}}\n  condition: {condition}\n"
    assert written(text) == f"sigma_event and {expected}"


def test_requests_that_were_only_received_are_left_out_unless_the_rule_asks_for_stages() -> None:
    assert written(f"{HEAD}detection: {{a: {{verb: get}}, condition: a}}\n") == "sigma_event and ka.verb = get"
    text = f"{HEAD}detection: {{a: {{stage: RequestReceived}}, condition: a}}\n"
    assert "sigma_event" not in imported(text).text
    assert written(text) == "tolower(ka.stage) = requestreceived"


FULL = """
title: Secrets Read 100%
id: 8a2b6a7e-0d4e-4c52-a3bb-3f3f7f9f1a11
status: test
description: |
    Somebody read
    secrets.
references: ["https://example.com/a#b"]
author: Jo "x" Doe
date: 2026-01-02
license: MIT
tags: [attack.credential-access, attack.t1552.007, cve.2026-1]
logsource: {product: kubernetes, service: audit}
detection: {a: {verb: get, objectRef.resource: secrets}, condition: a}
fields: [verb, requestObject.kind, unknown]
falsepositives: ["Backups\\n- rule: Injected"]
level: high
"""


def test_what_is_told_of_a_rule_is_carried_over() -> None:
    text = imported(FULL).text
    rule = rule_of(FULL)
    assert (rule.name, rule.priority, rule.enabled) == ("Secrets Read 100 percent", Priority.ERROR, True)
    assert rule.desc == "Somebody read secrets."
    assert rule.tags == ("T1552.007", "cve.2026-1", "k8s", "mitre_credential_access", "sigma")
    assert rule.exceptions == ("known_users",)
    assert "kind=%jevt.value[/requestObject/kind])" in rule.output_text
    assert rule.output_text.count("%ka.verb") == 1
    assert '# Sigma rule 8a2b6a7e-0d4e-4c52-a3bb-3f3f7f9f1a11, by Jo "x" Doe, 2026-01-02\n# License: MIT\n' in text
    assert "# References:\n#   https://example.com/a#b\n# False positives:\n#   Backups - rule: Injected\n" in text


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        ("critical", Priority.CRITICAL),
        ("high", Priority.ERROR),
        ("medium", Priority.WARNING),
        ("low", Priority.NOTICE),
        ("informational", Priority.INFORMATIONAL),
    ],
)
def test_levels_become_priorities(level: str, priority: Priority) -> None:
    text = f"{HEAD}level: {level}\ndetection: {{a: {{verb: get}}, condition: a}}\n"
    assert rule_of(text).priority is priority


def test_a_rule_with_a_field_that_falco_lacks_is_skipped_there() -> None:
    text = imported(f"{HEAD}detection: {{a: {{sourceIPs|cidr: 10.0.0.0/8}}, condition: a}}\n").text
    assert "  skip-if-unknown-filter: true\n" in text


def test_a_deprecated_rule_is_off() -> None:
    assert not rule_of(f"{HEAD}status: deprecated\ndetection: {{a: {{verb: get}}, condition: a}}\n").enabled


def test_two_rules_of_one_title_have_different_names() -> None:
    text = f"{HEAD}id: ID\ndetection: {{a: {{verb: get}}, condition: a}}\n"
    ids = ("8a2b6a7e-0d4e-4c52-a3bb-3f3f7f9f1a11", "9a2b6a7e-0d4e-4c52-a3bb-3f3f7f9f1a11")
    plain = f"{HEAD}detection: {{a: {{verb: get}}, condition: a}}\n"
    found = imported(*(text.replace("ID", each) for each in ids), plain, plain)
    assert [rule.name for rule in rules_of(found)] == ["T", "T (9a2b6a7e)", "T 2", "T 3"]


def test_several_rules_in_a_file_are_told_apart() -> None:
    found = imported(f"{HEAD}detection: {{a: {{verb: get}}, condition: a}}\n---\n{FULL}")
    assert [line.title for line in found.lines] == ["T", "Secrets Read 100%"]


@pytest.mark.parametrize(
    ("detection", "reason", "marked"),
    [
        ("Image: x", "field `Image`: audit events have no such member", "Image"),
        ("user.groups|startswith: x", "field `user.groups` is a list, in which a pattern", "user.groups"),
        ("user.groups|re: x", "field `user.groups` is a list, in which a regular", "user.groups"),
        ("userAgent|gt: 3", "field `userAgent` is a text, which would be compared by its letters", "userAgent"),
        ("userAgent|cidr: 10.0.0.0/8", "field `userAgent` is not compared with networks", "userAgent"),
        ("userAgent|expand: '%names%'", "a placeholder in the value of `userAgent`", "userAgent"),
        (r"userAgent|re: a\b", "`\\b` in the regular expression for `userAgent`", "userAgent"),
        ("userAgent|re|i: '[A-Z]x'", "with capitals that ignores case", "userAgent"),
        ("userAgent|re: a(?=b)", "", ""),
    ],
)
def test_what_cannot_be_carried_over_is_said_at_its_place(detection: str, reason: str, marked: str) -> None:
    found = imported(f"{HEAD}detection:\n  a:\n    {detection}\n  condition: a\n")
    (problem,) = found.diagnostics.errors
    assert problem.code.code in ("LN0801", "LN0802")
    assert reason in problem.message
    assert (problem.span.text if problem.span else "") == marked
    assert found.text == ""
    assert [line.fate for line in found.lines] == [Fate.FAILED]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "LN0102"),
        ("just text", "LN0801"),
        ("- 1\n- 2", "LN0801"),
        ("title: x", "LN0801"),
        (f"{HEAD}detection: {{a: {{verb: get}}, condition: a and nope}}", "LN0801"),
        (f"{HEAD}detection: {{a: {{verb|nope: get}}, condition: a}}", "LN0801"),
        (f"{HEAD}detection: {{a: {{verb: get}}, condition: 'a | count() > 3'}}", "LN0801"),
        (f"{HEAD}detection: {{a: {{userAgent|re: '('}}, condition: a}}", "LN0801"),
        (
            "title: C\ncorrelation: {type: event_count, rules: [x], timespan: 1m, condition: {gte: 3}}",
            "LN08",
        ),
        ("", ""),
    ],
)
def test_a_file_that_is_no_sigma_rule_is_refused_in_a_line(text: str, code: str) -> None:
    found = imported(text)
    assert found.text == ""
    assert [each.code.code[: len(code)] for each in found.diagnostics.errors] == ([code] if code else [])
    assert all("\n" not in each.message for each in found.diagnostics)


def test_what_is_not_quite_the_same_is_said() -> None:
    found = imported(f"{HEAD}detection:\n  a: [x, y]\n  b: {{hostPath: '*'}}\n  condition: a and b\n")
    assert [each.message for each in found.diagnostics] == [
        "rule `T`: keywords are looked for in the whole event as JSON text",
        "rule `T`: `hostPath` alone is taken for the paths of a pod's volumes",
    ]
    assert [line.fate for line in found.lines] == [Fate.CHANGED]


def test_rules_about_other_logs_are_skipped() -> None:
    found = imported("title: W\nlogsource: {product: windows}\ndetection: {a: {EventID: 1}, condition: a}\n")
    assert [line.fate for line in found.lines] == [Fate.SKIPPED]
    assert (found.text, list(found.diagnostics)) == ("", [])


def test_what_was_imported_raises_alerts() -> None:
    detection = "verb: create\n    requestObject.spec.containers.image|contains: Miner\n    user.username: 'Mal*'"
    result = load([SourceFile("x", imported(f"{HEAD}detection:\n  a:\n    {detection}\n  condition: a\n").text)])
    assert result.rules
    engine = Engine(compile_rules(result.rules))

    def alerts(**changes: Any) -> int:
        members = {"verb": "create", "resource": "pods", "body": pod_body(images=("nginx", "x/miner:1")), **changes}
        return len(engine.process(json.dumps(event(**members)).encode()).alerts)

    assert alerts() == 1
    assert alerts(stage="RequestReceived") == 0
    assert alerts(verb="delete") == 0
    assert alerts(user="alice") == 0
    assert alerts(body=pod_body()) == 0


def test_the_printed_condition_is_the_one_that_was_checked() -> None:
    rule = rule_of(FULL)
    assert to_text(rule.condition) == (
        "not ka.stage = RequestReceived and ka.verb = get and ka.target.resource = secrets"
    )
