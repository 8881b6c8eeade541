import gzip
import json

import pytest

from lanner.plugins.kafka.options import Form
from lanner.plugins.kafka.shapes import converter
from lanner.sources.base import Limits
from lanner.sources.batches import Converted

EVENT = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","verb":"get"}'
ENTRY = {
    "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
    "insertId": "i",
    "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "one", "project_id": "p", "location": "l"}},
    "timestamp": "2026-11-21T12:00:00Z",
    "protoPayload": {
        "serviceName": "k8s.io",
        "methodName": "io.k8s.core.v1.pods.create",
        "resourceName": "core/v1/namespaces/default/pods/nginx",
        "authenticationInfo": {"principalEmail": "a@example.com"},
    },
}
ENVELOPE = {
    "messageType": "DATA_MESSAGE",
    "owner": "123456789123",
    "logGroup": "/aws/eks/one/cluster",
    "logStream": "kube-apiserver-audit-8f1c",
    "subscriptionFilters": ["lanner"],
    "logEvents": [{"id": "1", "timestamp": 1, "message": EVENT.decode()}, {"id": "2", "message": EVENT.decode()}],
}
RECORDS = {"records": [{"category": "kube-audit", "properties": {"log": EVENT.decode()}}]}


def convert(form: Form, value: object) -> Converted:
    return converter(form, Limits())(value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.mark.parametrize("form", ["auto", "audit", "eks", "aks"])
def test_an_event_is_taken_as_it_is(form: Form) -> None:
    assert convert(form, EVENT).documents[0] == EVENT


@pytest.mark.parametrize("form", ["auto", "gke"])
def test_a_log_entry_of_gke_becomes_an_event(form: Form) -> None:
    (document,) = convert(form, ENTRY).documents
    found = json.loads(document)
    assert (found["verb"], found["objectRef"]["name"]) == ("create", "nginx")
    assert found["annotations"]["cluster_name"] == "one"


@pytest.mark.parametrize("form", ["auto", "eks"])
def test_the_envelope_of_cloudwatch_is_taken_off(form: Form) -> None:
    named = EVENT[:-1] + b',"annotations":{"cluster_name":"one"}}'
    assert convert(form, ENVELOPE) == Converted([named, named])
    assert convert(form, gzip.compress(json.dumps(ENVELOPE).encode())) == Converted([named, named])
    assert convert(form, {**ENVELOPE, "logGroup": "mine"}) == Converted([EVENT, EVENT])


def test_a_line_that_cloudwatch_cut_is_evaluated_as_far_as_it_goes() -> None:
    cut = {"message": EVENT.decode()[:-5] + "[Truncated...]"}
    found = convert("auto", {**ENVELOPE, "logEvents": [cut, {"message": "I1121 klog"}]})
    assert found == Converted([b'{"annotations":{"cluster_name":"one"},' + EVENT[1:-5]], 1, 1)


def test_other_streams_and_messages_of_cloudwatch_are_ignored() -> None:
    assert convert("auto", {**ENVELOPE, "logStream": "authenticator-1"}) == Converted((), 0, 2)
    assert convert("auto", {**ENVELOPE, "messageType": "CONTROL_MESSAGE"}) == Converted((), 0, 1)


@pytest.mark.parametrize("form", ["auto", "aks"])
def test_records_of_azure_become_events(form: Form) -> None:
    assert convert(form, RECORDS) == Converted([EVENT])


def test_entries_of_other_services_are_ignored() -> None:
    other = {**ENTRY, "protoPayload": {"serviceName": "compute.googleapis.com"}}
    assert convert("auto", other) == Converted((), 0, 1)
    assert convert("auto", {"logName": "x", "textPayload": "hello"}) == Converted((), 0, 1)


@pytest.mark.parametrize("hidden", ["protoPayload", "records", "logEvents", "logName"])
def test_an_event_that_holds_the_words_of_an_envelope_is_an_event(hidden: str) -> None:
    event = {**json.loads(EVENT), "requestObject": {hidden: {}}, hidden: []}
    text = json.dumps(event).encode()
    assert convert("auto", text) == Converted((text,))
    assert convert("auto", text[:-4]) == Converted((text[:-4],))


def test_a_damaged_entry_is_evaluated_as_far_as_it_goes() -> None:
    found = convert("auto", json.dumps(ENTRY).encode()[:-30])
    assert found.damaged == 1
    assert json.loads(found.documents[0])["verb"] == "create"


def test_packed_messages_are_bounded_and_damaged_ones_counted() -> None:
    packed = gzip.compress(EVENT)
    assert convert("auto", packed) == Converted((EVENT,))
    assert convert("auto", packed[:-12]).damaged == 1
    assert convert("auto", b"\x1f\x8bnothing") == Converted((), 1)
    bomb = gzip.compress(b" " * 10_000 + EVENT)
    assert converter("auto", Limits(max_batch_size=1000))(bomb) == Converted((), 1)


@pytest.mark.parametrize("value", [b"", b" \n"])
def test_an_empty_message_is_ignored(value: bytes) -> None:
    assert convert("auto", value) == Converted((), 0, 1)


def test_all_members_of_a_packed_message_are_read_and_what_follows_them_is_damage() -> None:
    events = [EVENT.replace(b'"a"', b'"%d"' % number) + b"\n" for number in range(3)]
    packed = b"".join(map(gzip.compress, events))
    assert convert("auto", packed) == Converted((b"".join(events),))
    assert convert("auto", packed + b"\0" * 5) == Converted((b"".join(events),))
    assert convert("auto", packed + b"garbage") == Converted((b"".join(events),), 1)
    assert convert("auto", packed[:-4]).damaged == 1
    assert convert("auto", packed[:-4]).documents[0].startswith(b"".join(events[:2]))
    bound = Limits(max_batch_size=len(events[0]))
    assert converter("auto", bound)(packed) == Converted((events[0],), 1)
    assert converter("auto", bound)(gzip.compress(events[0])) == Converted((events[0],))


def test_a_packed_message_of_very_many_members_takes_time_by_its_size_alone() -> None:
    assert convert("audit", gzip.compress(b"") * 20_000 + gzip.compress(EVENT)) == Converted((EVENT,))


def named(found: Converted) -> list[str]:
    return [json.loads(each)["objectRef"]["name"] for each in found.documents]


@pytest.mark.parametrize("form", ["auto", "gke"])
def test_several_entries_in_a_list_or_on_lines_become_an_event_each(form: Form) -> None:
    payload = ENTRY["protoPayload"]
    entries = [
        {**ENTRY, "protoPayload": {**payload, "resourceName": f"core/v1/namespaces/default/pods/{name}"}}  # type: ignore[dict-item]
        for name in "abc"
    ]
    texts = [json.dumps(each).encode() for each in entries]
    assert named(convert(form, entries)) == ["a", "b", "c"]
    assert named(convert(form, b"\n".join(texts))) == ["a", "b", "c"]
    assert named(convert(form, b" ".join(texts))) == ["a", "b", "c"]
    assert named(convert(form, json.dumps(entries, indent=2).encode())) == ["a", "b", "c"]
    cut_off = convert(form, b"\n".join([texts[0], texts[1][:-30], texts[2]]))
    assert (named(cut_off)[0], named(cut_off)[-1], cut_off.damaged) == ("a", "c", 1)
    broken = convert(form, b"[" + b",".join([texts[0], b'{"protoPayload":nonsense}', texts[2]]) + b"]")
    first, *_, last = broken.documents
    assert named(Converted((first, last))) == ["a", "c"]


def test_envelopes_of_several_kinds_in_one_message_are_told_apart() -> None:
    found = convert("auto", [ENTRY, json.loads(EVENT), RECORDS, ENVELOPE])
    assert [json.loads(each)["verb"] for each in found.documents] == ["create", "get", "get", "get", "get"]
    assert (found.damaged, found.ignored) == (0, 0)


@pytest.mark.parametrize("form", ["auto", "aks"])
def test_several_messages_of_azure_in_one_lose_none(form: Form) -> None:
    text = json.dumps(RECORDS).encode()
    assert convert(form, text + b"\n" + text) == Converted([EVENT, EVENT])


@pytest.mark.parametrize("bad", [{"id": "1"}, {"message": 7}, {"message": None}, "x", None, [1]])
def test_a_bad_member_of_cloudwatchs_envelope_costs_no_other(bad: object) -> None:
    whole = {"message": EVENT.decode()}
    found = convert("auto", {**ENVELOPE, "logGroup": "mine", "logEvents": [whole, bad, whole]})
    assert found == Converted([EVENT, EVENT], 1)
    assert convert("eks", {**ENVELOPE, "logGroup": 7, "logEvents": [whole]}) == Converted([EVENT])


def test_a_broken_character_in_cloudwatchs_envelope_costs_no_event() -> None:
    text = json.dumps({**ENVELOPE, "logGroup": "mine"}).encode().replace(b'\\"get', b'\\"g\xfft', 1)
    found = convert("auto", text)
    assert [json.loads(each)["verb"] for each in found.documents] == ["g\ufffdt", "get"]
    assert found.damaged == 1


def test_a_body_that_azure_left_out_is_known_behind_its_neighbours() -> None:
    skipped = EVENT[:-1] + b',"requestObject":"skipped-too-big-size-object"}'
    records = [{"category": "kube-audit", "properties": {"log": text.decode()}} for text in (EVENT, skipped)]
    found = convert("aks", [{"records": records}, {"records": records}])
    assert found == Converted([EVENT, skipped, EVENT, skipped], 2, 0, frozenset({1, 3}))
