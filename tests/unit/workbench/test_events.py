import json
from pathlib import Path
from typing import Any

import pytest

from lanner.workbench.events import EventMaker, merged, shipped_bases
from lanner.workbench.models import EventSpec
from lanner.workbench.pick import PickError, pick_events


def made(spec: EventSpec, start: EventSpec | None = None, folder: str = "", **bases: EventSpec) -> list[Any]:
    return [json.loads(text) for text in EventMaker(folder, bases).make(spec, start or EventSpec())]


def lines(*names: str) -> str:
    return "".join(json.dumps({"auditID": name, "verb": "get"}) + "\n" for name in names)


def ids(events: list[bytes]) -> list[str]:
    return [json.loads(event)["auditID"] for event in events]


@pytest.mark.parametrize("name", shipped_bases())
def test_every_shipped_base_event_is_an_event_of_an_api_server(name: str) -> None:
    (event,) = made(EventSpec(base=name))
    assert event["kind"] == "Event"
    assert event["level"] == ("Request" if "requestObject" in event else "Metadata")
    if event["verb"] == "create" and "subresource" not in event["objectRef"]:
        assert event["objectRef"]["resource"].startswith(event["requestObject"]["kind"].casefold().removesuffix("y"))
        assert event["responseStatus"]["code"] == 201
    resource = event.get("objectRef", {}).get("resource", "")
    assert resource in event["requestURI"]


# The examples of RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_does_what_the_standard_says(value: Any, patch: Any, result: Any) -> None:
    before = json.dumps(value)
    assert merged(value, patch) == result
    assert json.dumps(value) == before


def test_differences_are_put_on_each_other_from_the_ground_up() -> None:
    mine = EventSpec(base="exec", merge={"user": {"username": "bob"}, "verb": "create"})
    (event,) = made(EventSpec(base="mine", merge={"verb": "get"}), mine=mine)
    assert (event["user"]["username"], event["verb"], event["stage"]) == ("bob", "get", "ResponseStarted")


def test_an_event_without_a_base_starts_from_the_event_of_its_test() -> None:
    start = EventSpec(base="exec", merge={"user": {"username": "bob"}})
    assert made(EventSpec(merge={"verb": "create"}), start)[0]["user"]["username"] == "bob"
    assert made(EventSpec(base="exec"), start)[0]["user"]["username"] == "alice"


def test_a_base_event_of_the_file_hides_the_shipped_one() -> None:
    assert made(EventSpec(base="exec"), exec=EventSpec(base="get-pod"))[0]["stage"] == "ResponseComplete"


def test_a_patch_reaches_into_lists_and_comes_after_the_merge() -> None:
    operation = {"op": "add", "path": "/requestObject/spec/containers/-", "value": {"name": "second"}}
    containers = [{"name": "first"}]
    spec = EventSpec(
        base="create-pod", merge={"requestObject": {"spec": {"containers": containers}}}, patch=[operation]
    )
    assert [each["name"] for each in made(spec)[0]["requestObject"]["spec"]["containers"]] == ["first", "second"]


def test_one_case_leaves_the_shipped_events_as_they_are() -> None:
    operation = {"op": "add", "path": "/requestObject/spec/containers/0/securityContext/privileged", "value": True}
    made(EventSpec(base="create-pod", patch=[operation]))
    assert "privileged" not in json.dumps(made(EventSpec(base="create-pod")))


def test_numbers_of_a_file_keep_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"auditID":"a","verb":"get","requestObject":{"spec":{"x":1.0,"y":1e3}}}')
    spec = EventSpec(file="log", patch=[{"op": "add", "path": "/stage", "value": "x"}])
    (text,) = EventMaker(str(tmp_path)).make(spec)
    assert b'{"x":1.0,"y":1e3}' in text


def test_the_line_of_a_case_picks_from_the_file_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(lines("a", "b", "c"))
    (event,) = made(EventSpec(line=2), EventSpec(file="log"), str(tmp_path))
    assert event["auditID"] == "b"


def test_all_events_of_a_file_are_changed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(lines("a", "b"))
    found = made(EventSpec(file="log", merge={"verb": "list"}), folder=str(tmp_path))
    assert [(event["auditID"], event["verb"]) for event in found] == [("a", "list"), ("b", "list")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (EventSpec(base="exce"), "no base event is called `exce`"),
        (EventSpec(base="exec", file="x"), "an event starts from `base` or from `file`, not from both"),
        (EventSpec(base="exec", line=1), "`line` stands without a `file`"),
        (EventSpec(file="missing"), "cannot read `missing`: no such file"),
        (EventSpec(merge={"a": 1}), "what comes out is no audit event"),
        (
            EventSpec(base="exec", patch=[{"op": "remove", "path": "/x"}]),
            "operation 1 of `patch` does not fit the event at `/x`",
        ),
        (EventSpec(base="exec", patch=[{"op": "take"}]), "operation 1 of `patch` is malformed"),
        (EventSpec(base="exec", patch=[{"op": 5, "path": []}]), "operation 1 of `patch` is malformed"),
        (EventSpec(base="mine"), "base event `mine` is made of more than 32 others, or of itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_told(spec: EventSpec, message: str) -> None:
    with pytest.raises(PickError) as caught:
        made(spec, mine=EventSpec(base="mine"))
    assert caught.value.message == message


def test_a_patch_of_an_event_nested_beyond_reason_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"auditID":"a","verb":"get","x":' + "[" * 600 + "]" * 600 + "}")
    with pytest.raises(PickError) as caught:
        made(EventSpec(file="log", patch=[{"op": "add", "path": "/y", "value": 1}]), folder=str(tmp_path))
    assert caught.value.message == "`patch` cannot change an event that is nested so deeply"


def test_lines_are_counted_through_blocks_and_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "log"
    filler = json.dumps({"auditID": "x", "verb": "get", "requestURI": "y" * 100_000}) + "\n"
    path.write_text(filler * 10 + "\n" + lines("last"))
    assert ids(pick_events(str(path), 12)) == ["last"]
    with pytest.raises(PickError) as caught:
        pick_events(str(path), 11)
    assert caught.value.message == f"`{path}` has no event on line 11"
    with pytest.raises(PickError):
        pick_events(str(path), 13)


def test_of_a_file_with_one_document_the_line_is_the_number_of_the_event(tmp_path: Path) -> None:
    path = tmp_path / "log"
    items = [{"auditID": name, "verb": "get"} for name in "abc"]
    path.write_text(json.dumps({"kind": "EventList", "items": items}, indent=2))
    assert ids(pick_events(str(path))) == ["a", "b", "c"]
    assert ids(pick_events(str(path), 3)) == ["c"]
    path.write_text(json.dumps(items, indent=2))
    assert ids(pick_events(str(path), 2)) == ["b"]


def test_a_line_may_hold_a_list_of_events(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('[{"auditID":"a","verb":"get"},{"auditID":"b","verb":"get"}]\n' + lines("c"))
    assert ids(pick_events(str(path), 1)) == ["a", "b"]
    assert ids(pick_events(str(path))) == ["a", "b", "c"]


def test_a_file_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(lines("a") + '{"color": "blue"}\n')
    with pytest.raises(PickError) as caught:
        pick_events(str(path))
    assert "not an audit event" in caught.value.message
    assert ids(pick_events(str(path), 1)) == ["a"]


def test_of_a_damaged_event_there_is_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"auditID":"a","verb":"get","user":{"usern')
    (event,) = pick_events(str(path))
    assert json.loads(event) == {"auditID": "a", "verb": "get", "user": {}}
