import io
import json
from typing import Any

import pytest

from lanner.compiler.load import LoadedRules
from lanner.workbench.explain import Explainer, Explanation
from lanner.workbench.explain_view import as_object, show, shown_value
from tests.unit.compiler.loading import loaded, rule

MACROS = """
- list: quiet
  items: [kubelet, kube-proxy]
- macro: write
  condition: ka.verb in (create, update)
- macro: done
  condition: write and ka.response.code startswith 2
"""
EVENT = {
    "auditID": "id",
    "level": "Metadata",
    "stage": "ResponseComplete",
    "verb": "create",
    "user": {"username": "alice", "groups": ["a", "b"]},
    "responseStatus": {"code": 403},
}


def explained(condition: str, extra: str = "", **event: Any) -> Explanation:
    """A rule of the condition on the event above with changes."""
    rules: LoadedRules = loaded(MACROS + rule(condition, extra=extra))
    ((found,),) = Explainer(rules).explain(json.dumps({**EVENT, **event}).encode())
    return found


def lines(found: Explanation, *, expand: bool = False, color: bool = False) -> list[str]:
    stream = io.StringIO()
    show(found, stream, color=color, expand=expand)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_a_tree_shows_verdicts_values_and_what_decides() -> None:
    assert lines(explained("done and not ka.user.name in (quiet) and ka.target.name = web")) == [
        "A (Informational) does not match: 2 checks away",
        "└── false  and",
        "    ├── false  done",
        "    │   └── false  and",
        "    │       ├── true   write",
        '    │       └── false  ka.response.code startswith 2    is "403"  <- decides',
        '    ├── true   not ka.user.name in (quiet)    is "alice"',
        "    └── false  ka.target.name = web    is missing  <- decides",
    ]


def test_macros_are_folded_where_nothing_decides_within() -> None:
    found = explained("write and ka.user.name = bob")
    assert lines(found)[2] == "    ├── true   write"
    assert lines(found, expand=True)[2:4] == [
        "    ├── true   write",
        '    │   └── true   ka.verb in (create, update)    is "create"',
    ]


def test_of_a_rule_that_matches_the_alternative_that_held_decides() -> None:
    assert lines(explained("write and (ka.user.name = bob or ka.user.name = alice or ka.verb = create)")) == [
        "A (Informational) matches",
        "└── true   and",
        "    ├── true   write",
        "    └── true   or",
        '        ├── false  ka.user.name = bob    is "alice"',
        '        ├── true   ka.user.name = alice    is "alice"  <- decides',
        '        └── true   ka.verb = create    is "create"',
    ]


def test_a_negation_is_on_the_line_of_what_it_negates() -> None:
    assert lines(explained("not write and ka.user.name = alice")) == [
        "A (Informational) does not match: 1 check away",
        "└── false  and",
        "    ├── false  not write",
        '    │   └── true   ka.verb in (create, update)    is "create"  <- decides',
        '    └── true   ka.user.name = alice    is "alice"',
    ]


def test_an_exception_is_shown_by_its_name() -> None:
    known, empty = "{name: known, fields: [ka.user.name], values: [[alice]]}", "{name: empty, fields: [ka.verb]}"
    exceptions = f"  exceptions: [{known}, {empty}]\n"
    assert lines(explained("write", exceptions)) == [
        "A (Informational) does not match: 1 check away",
        "└── false  and",
        "    ├── true   write",
        "    └── false  exception known applies",
        '        └── true   ka.user.name = alice    is "alice"  <- decides',
    ]
    other = explained("write", exceptions, user={"username": "bob"})
    assert other.matches
    assert lines(other)[3] == "    └── true   exception known does not apply"


@pytest.mark.parametrize(
    ("condition", "event", "note"),
    [
        ("ka.req.pod.host_network = true", {}, "needs audit level Request, the event is of level Metadata"),
        ("jevt.value[/responseObject/kind] = Pod", {"level": "Request"},
         "needs audit level RequestResponse, the event is of level Request"),
        ("ka.req.pod.host_network = true", {"level": "Request"}, None),
        ("ka.req.pod.host_network = true", {"level": None}, None),
        ("ka.req.pod.host_network = true", {"level": {"odd": 1}}, None),
        ("ka.response.code = 200", {"stage": "RequestReceived", "responseStatus": None},
         "the event is of stage RequestReceived, before there is a response"),
        ("ka.target.name = x", {}, None),
        ("tolower(jevt.value[/requestObject/kind]) = pod", {},
         "needs audit level Request, the event is of level Metadata"),
    ],
)  # fmt: skip
def test_why_a_value_is_missing_is_told_where_the_event_tells(
    condition: str, event: dict[str, Any], note: str | None
) -> None:
    (operand,) = explained(condition, **event).condition.operands
    assert (operand.value, operand.note) == (None, note)


def test_both_sides_of_a_comparison_are_named() -> None:
    found = lines(explained("ka.user.name = val(ka.target.name) and ka.verb = x"))
    assert (
        '    ├── false  ka.user.name = val(ka.target.name)    ka.user.name is "alice", val(ka.target.name) is missing'
        in [line.removesuffix("  <- decides") for line in found]
    )


def test_rules_come_by_how_much_of_them_holds() -> None:
    rules = loaded(
        rule("ka.verb = get", name="nothing"),
        rule("ka.verb = create and ka.user.name = alice and ka.target.name = x", name="two of three"),
        rule("ka.verb = create", name="matches"),
        rule("ka.verb = create and ka.target.name = x", name="one of two"),
    )
    ((*found,),) = Explainer(rules).explain(json.dumps(EVENT).encode())
    assert [each.rule.name for each in found] == ["matches", "two of three", "one of two", "nothing"]
    assert [each.distance for each in found] == [0, 1, 1, 1]


def test_disabled_rules_are_explained_by_name_alone() -> None:
    rules = loaded(rule("ka.verb = create", extra="  enabled: false\n"))
    assert Explainer(rules).explain(json.dumps(EVENT).encode()) == [[]]
    ((found,),) = Explainer(rules, ["A"]).explain(json.dumps(EVENT).encode())
    assert lines(found)[0] == "A (Informational, disabled) matches"


def test_texts_of_an_event_cannot_steer_a_terminal() -> None:
    hostile = "\x1b[31m[bold]x[/bold]\u202e\n:smile:"
    found = explained('ka.user.name = "a"', user={"username": hostile})
    (_, line) = lines(found)
    assert line == '└── false  ka.user.name = "a"    is "\\u001b[31m[bold]x[/bold]\\u202e\\n:smile:"  <- decides'
    assert "\x1b[31m[" not in "".join(lines(found, color=True))


def test_long_values_are_cut() -> None:
    assert shown_value("x" * 1000) == f'"{"x" * 299}…"'
    assert shown_value([str(number) for number in range(50)]).endswith('"19", 30 more)')
    assert shown_value(7) == "7"


def test_an_object_has_the_whole_tree() -> None:
    found = as_object(explained("write and ka.user.groups intersects (x)"))
    assert (found["rule"], found["matches"], found["distance"]) == ("A", False, 1)
    write, groups = found["condition"]["parts"]
    assert (write["kind"], write["text"], write["verdict"], write["parts"][0]["kind"]) == (
        "macro",
        "write",
        True,
        "check",
    )
    assert groups["operands"] == [{"text": "ka.user.groups", "value": ["a", "b"], "missing": False, "note": None}]
    assert groups["decides"] is True
