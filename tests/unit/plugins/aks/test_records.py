import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanner.plugins.aks.records import converter, to_documents
from lanner.sources.batches import Converted

RESOURCE = (
    "/SUBSCRIPTIONS/0B1F6471-1BF0-4DDA-AEC3-CB9272F09590/RESOURCEGROUPS/PROD/PROVIDERS/"
    "MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-1"
)
EVENT = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a", "verb": "get", "n": 1.50}


def record(log: object, category: str | None = "kube-audit", resource: str | None = RESOURCE) -> dict[str, Any]:
    made = {"time": "2026-11-21T12:00:00Z", "category": category, "resourceId": resource}
    return {
        **{key: value for key, value in made.items() if value is not None},
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "properties": {"log": log, "stream": "stdout", "pod": "kube-apiserver-1"},
    }


def message(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


def convert(value: bytes, *names: str) -> Converted:
    return converter(names)(value)


def test_the_event_is_the_text_of_the_log_with_the_name_of_its_cluster() -> None:
    found = convert(message(record(json.dumps(EVENT) + "\n")))
    assert [json.loads(each) for each in found.documents] == [{**EVENT, "annotations": {"cluster_name": "prod-1"}}]
    assert (found.damaged, found.ignored) == (0, 0)


def test_a_message_holds_many_records_and_both_categories_count() -> None:
    logs = [json.dumps({**EVENT, "auditID": name}) for name in "abc"]
    found = convert(message(record(logs[0]), record(logs[1], "kube-audit-admin"), record(logs[2], "KUBE-AUDIT")))
    assert [json.loads(each)["auditID"] for each in found.documents] == ["a", "b", "c"]


def test_other_categories_are_passed_over_and_counted() -> None:
    klog = "I1121 12:00:00.000000       1 controller.go:1] synced"
    found = convert(message(record(klog, "kube-apiserver"), record(json.dumps(EVENT)), record("{}", "guard")))
    assert (len(found.documents), found.damaged, found.ignored) == (1, 0, 2)


def test_a_record_without_a_category_is_taken_for_an_event() -> None:
    assert len(convert(message(record(json.dumps(EVENT), None))).documents) == 1


def test_annotations_of_the_event_stay_and_numbers_keep_their_spelling() -> None:
    log = json.dumps({**EVENT, "annotations": {"authorization.k8s.io/decision": "allow"}}).replace("1.5", "1.50")
    (document,) = convert(message(record(log))).documents
    assert json.loads(document)["annotations"] == {"authorization.k8s.io/decision": "allow", "cluster_name": "prod-1"}
    assert b'"n":1.50' in document.replace(b" ", b"")


@pytest.mark.parametrize(
    ("resource", "names", "cluster"),
    [
        (RESOURCE, (), "prod-1"),
        (RESOURCE, ("Prod-1", "other"), "Prod-1"),
        (RESOURCE + "/", ("x",), "prod-1"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/MyOne", (), "MyOne"),
        (None, ("only",), "only"),
        (None, ("one", "two"), None),
        ("/subscriptions/s", (), None),
    ],
)
def test_the_name_of_the_cluster_is_that_of_the_resource(
    resource: str | None, names: tuple[str, ...], cluster: str | None
) -> None:
    (document,) = convert(message(record(json.dumps(EVENT), resource=resource)), *names).documents
    assert json.loads(document).get("annotations", {}).get("cluster_name") == cluster


def test_null_annotations_are_none() -> None:
    (document,) = convert(message(record(json.dumps({**EVENT, "annotations": None})))).documents
    assert json.loads(document)["annotations"] == {"cluster_name": "prod-1"}


def test_a_log_that_breaks_off_is_kept_as_far_as_it_goes_with_the_name_in_front() -> None:
    log = json.dumps(EVENT)[:-20]
    found = convert(message(record(log)))
    assert found.documents[0] == b'{"annotations":{"cluster_name":"prod-1"},' + log[1:].encode()
    assert found.damaged == 1


def test_a_message_that_breaks_off_gives_the_records_before_the_end() -> None:
    text = message(record(json.dumps(EVENT)), record(json.dumps({**EVENT, "auditID": "b"})))
    found = convert(text[:-60])
    assert [json.loads(each)["auditID"] for each in found.documents][:1] == ["a"]
    assert found.damaged


def test_a_log_that_is_no_event_is_ignored() -> None:
    found = convert(message(record("I1121 klog"), record('{"a":1}'), record(json.dumps(EVENT))))
    assert (len(found.documents), found.damaged, found.ignored) == (1, 0, 2)


@pytest.mark.parametrize("log", [None, "", "  ", 7, [1]])
def test_a_record_without_a_log_is_damaged(log: object) -> None:
    found = convert(message(record(log), record(json.dumps(EVENT))))
    assert (len(found.documents), found.damaged) == (1, 1)


def test_a_log_that_somebody_decoded_already_is_an_event_too() -> None:
    (document,) = convert(message(record(EVENT))).documents
    assert json.loads(document)["auditID"] == "a"


SKIPPED = "skipped-too-big-size-object"


@pytest.mark.parametrize(
    ("bodies", "damaged", "truncated"),
    [
        ({"requestObject": SKIPPED, "responseObject": SKIPPED}, 1, {1}),
        ({"requestObject": SKIPPED}, 1, {1}),
        ({"requestObject": {"kind": "Pod"}, "responseObject": SKIPPED}, 1, set()),
        ({"requestObject": {"data": SKIPPED}}, 0, set()),
        ({"annotations": {"requestObject": SKIPPED}}, 0, set()),
    ],
)
def test_a_body_that_azure_left_out_for_its_size_is_known(
    bodies: dict[str, object], damaged: int, truncated: set[int]
) -> None:
    found = convert(message(record(json.dumps(EVENT)), record(json.dumps({**EVENT, **bodies}))))
    assert (len(found.documents), found.damaged, found.truncated) == (2, damaged, frozenset(truncated))


def test_odd_records_cost_no_other() -> None:
    found = convert(message(7, None, "x", {"category": "kube-audit"}, record(json.dumps(EVENT))))
    assert (len(found.documents), found.damaged) == (1, 4)


def test_a_single_record_and_a_list_of_records_are_understood() -> None:
    one = json.dumps(record(json.dumps(EVENT))).encode()
    assert len(convert(one).documents) == 1
    assert len(convert(b"[" + one + b"," + one + b"]").documents) == 2


@pytest.mark.parametrize("value", [json.dumps(EVENT).encode(), b'{"kind":"EventList","items":[]}', b"no JSON"])
def test_what_holds_no_records_is_left_to_the_engine(value: bytes) -> None:
    assert convert(value) == Converted((value,))


def test_words_of_an_attacker_within_the_event_change_nothing() -> None:
    hostile = {**EVENT, "requestObject": {"records": [], "category": "guard", "x": '"}]}\n{"'}}
    (document,) = convert(message(record(json.dumps(hostile)))).documents
    assert json.loads(document)["requestObject"] == hostile["requestObject"]
    assert b"\n" not in document


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_value_makes_it_raise(value: bytes) -> None:
    to_documents(value, {})


@given(st.integers(0, 500), st.binary(max_size=3))
def test_no_damage_makes_it_raise(at: int, put: bytes) -> None:
    text = message(record(json.dumps(EVENT)))
    to_documents(text[:at] + put + text[at + 1 :], {})
