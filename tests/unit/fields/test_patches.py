"""What a patch writes."""

import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.events.values import Json
from lanner.fields import patches
from lanner.fields.patches import MAX_OPERATIONS, elements, removed_paths, value_at, written


def add(path: str, value: Json) -> Json:
    return {"op": "add", "path": path, "value": value}


def test_an_object_writes_itself() -> None:
    body: Json = {"spec": {"hostPID": True}}
    assert written(body) is body


def test_operations_write_what_stands_at_their_paths() -> None:
    body: Json = [add("/spec/hostPID", True), {"op": "replace", "path": "/metadata/labels/a~1b", "value": "x"}]
    assert written(body) == {"spec": {"hostPID": True}, "metadata": {"labels": {"a/b": "x"}}}


def test_what_stands_before_the_first_slash_is_passed_over_as_by_the_api_server() -> None:
    assert written([add("junk/spec/hostPID", True)]) == {"spec": {"hostPID": True}}


def test_a_value_put_in_place_can_be_written_into() -> None:
    body: Json = [add("/spec", {"a": {"b": 1}}), add("/spec/a/c", 2), add("/spec/list", [1]), add("/spec/list/-", 2)]
    assert written(body) == {"spec": {"a": {"b": 1, "c": 2}, "list": [1, 2]}}


def test_the_patch_itself_stays_as_it_is() -> None:
    body: Json = [add("/spec", {"a": {"b": 1}}), add("/spec/a/b", 2)]
    before = json.dumps(body)
    assert written(body) == {"spec": {"a": {"b": 2}}}
    assert json.dumps(body) == before


def test_elements_put_in_front_of_others_hide_none_of_them() -> None:
    body: Json = [add("/containers/0", {"image": "evil"}), add("/containers/0", {"image": "fine"})]
    assert value_at(body, "/containers") is not None
    found = written(body)
    assert isinstance(found, dict)
    assert list(elements(found["containers"])) == [{"image": "evil"}, {"image": "fine"}]


def test_removing_an_element_hides_nothing_that_was_written_before() -> None:
    body: Json = [
        {"op": "replace", "path": "/containers/0/privileged", "value": True},
        add("/containers/0", {"name": "fine"}),
        {"op": "remove", "path": "/containers/0"},
    ]
    found = written(body)
    assert isinstance(found, dict)
    assert {"privileged": True} in list(elements(found["containers"]))


def test_removing_a_member_takes_it_away() -> None:
    assert value_at([add("/spec/hostPID", True), {"op": "remove", "path": "/spec/hostPID"}], "/spec/hostPID") is None


@pytest.mark.parametrize("op", ["move", "copy"])
def test_a_value_can_come_by_way_of_another_place(op: str) -> None:
    body: Json = [add("/junk", {"privileged": True}), {"op": op, "from": "/junk", "path": "/spec/securityContext"}]
    assert value_at(body, "/spec/securityContext/privileged") == "true"


def test_copies_that_hold_each_other_end() -> None:
    body: list[Json] = [add("/a", {"x": 1}), add("/b", {})]
    body += [{"op": "copy", "from": "/a", "path": "/b/a"}, {"op": "copy", "from": "/b", "path": "/a/b"}]
    assert written(body) == {"a": {"x": 1, "b": {"a": {"x": 1}}}, "b": {"a": {"x": 1}}}


def test_copies_that_double_stop_where_the_api_server_stops() -> None:
    body: list[Json] = [add("/a", {"x": "y" * 1000})]
    body += [{"op": "copy", "from": "/a", "path": f"/a/{number}"} for number in range(60)]
    assert len(json.dumps(written(body))) < 8 * 1024 * 1024


def test_very_many_operations_and_very_long_paths_are_cut_short() -> None:
    assert written([add("/a" * 100_000, 1)]) == {}
    body: Json = [add(f"/m/k{number}", number) for number in range(MAX_OPERATIONS + 5)]
    found = written(body)
    assert isinstance(found, dict)
    assert isinstance(found["m"], dict)
    assert len(found["m"]) == MAX_OPERATIONS


def test_a_patch_is_put_together_once_for_all_fields_of_an_event() -> None:
    numbers = count(1)
    remembered = patches.Latest(lambda body: next(numbers))
    first: Json = [1]
    second: Json = [1]
    assert [remembered(body) for body in (first, first, second, second, first)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "json"),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {}}, "apply"),
        ({"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}, "strategic"),
        ({"metadata": {"labels": {"a": "b"}}}, "merge"),
        (None, None),
        ("text", None),
    ],
)
def test_the_type_of_a_patch_shows_in_its_body(body: Json, expected: str | None) -> None:
    assert patches.patch_type("patch", body) == expected
    assert patches.patch_type("create", body) is None


def test_paths_have_a_star_for_an_index() -> None:
    body: Json = [add("/spec/containers/-", {}), add("/spec/containers/3", {}), {"op": "test", "path": "/a"}]
    assert patches.patched_paths(body) == ["/spec/containers/*"]
    assert patches.patched_paths({"spec": {}}) is None


def test_what_is_removed_is_named_by_its_pointer() -> None:
    merge: Json = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None, "a": "b"}}}
    pointer = "/metadata/labels/pod-security.kubernetes.io~1enforce"
    assert removed_paths("patch", merge) == [pointer]
    assert removed_paths("patch", [{"op": "remove", "path": pointer}]) == [pointer]
    assert removed_paths("patch", [{"op": "move", "from": pointer, "path": "/metadata/labels/x"}]) == [pointer]
    assert removed_paths("update", merge) is None


@pytest.mark.parametrize(
    ("labels", "removed"),
    [
        ({"$patch": "replace", "a": "b"}, ["/metadata/labels"]),
        ({"$patch": "delete"}, ["/metadata/labels"]),
        ({"$patch": "merge"}, None),
        ({"$retainKeys": ["a"], "a": "b"}, ["/metadata/labels"]),
        ({"$deleteFromPrimitiveList/x~y": ["z"]}, ["/metadata/labels/x~0y"]),
        ({"$setElementOrder/x": ["z"]}, None),
        ([{"$patch": "delete", "key": "a"}, {"$patch": "delete", "key": "b"}], ["/metadata/labels"]),
        ({"$patch": None, "$patch/x": "delete"}, ["/metadata/labels/$patch"]),
    ],
)
def test_directives_of_a_strategic_merge_patch_remove_what_they_stand_in(
    labels: Json, removed: list[str] | None
) -> None:
    assert removed_paths("patch", {"metadata": {"labels": labels}}) == removed


def test_a_directive_at_the_top_removes_the_whole() -> None:
    assert removed_paths("patch", {"$patch": "replace", "metadata": {}}) == [""]


_KEYS = st.sampled_from(["spec", "containers", "0", "-", "a", "-1", ""])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_PATHS = st.lists(_KEYS, max_size=5).map(lambda keys: "".join(f"/{key}" for key in keys)) | _VALUES
_OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "move", "copy", "test"]) | _VALUES},
    optional={"path": _PATHS, "from": _PATHS, "value": _VALUES},
)


@given(st.lists(_OPERATION | _VALUES, max_size=8))
def test_patches_of_any_shape_write_something_finite(body: list[Json]) -> None:
    before = json.dumps(body)
    json.dumps(written(body))
    patches.patched_paths(body)
    removed_paths("patch", body)
    assert json.dumps(body) == before
