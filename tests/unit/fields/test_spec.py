"""What a row says of its field."""

import pytest

from lanner.fields.catalogue import FIELDS, Level, event_members, least_level, parse_pointer


@pytest.mark.parametrize(
    ("argument", "keys"),
    [
        ("", ()),
        ("/", ("",)),
        ("/objectRef/name", ("objectRef", "name")),
        ("objectRef/name", ("objectRef", "name")),
        ("/a~1b/c~0d", ("a/b", "c~d")),
        ("/~01", ("~1",)),
        ("/a//b/", ("a", "", "b", "")),
    ],
)
def test_pointers_split_as_rfc_6901_says(argument: str, keys: tuple[str, ...]) -> None:
    assert parse_pointer(argument) == keys


@pytest.mark.parametrize(
    ("name", "arg", "level"),
    [
        ("ka.verb", None, Level.METADATA),
        ("ka.response.code", None, Level.METADATA),
        ("ka.req.configmap.name", None, Level.METADATA),
        ("ka.req.configmap.obj", None, Level.REQUEST),
        ("ka.req.pod.containers.image", 0, Level.REQUEST),
        ("ka.resp.name", None, Level.REQUEST_RESPONSE),
        ("ka.target.pod.name", None, Level.REQUEST_RESPONSE),
        ("jevt.value", "/verb", Level.METADATA),
        ("jevt.value", "", Level.METADATA),
        ("jevt.value", "requestObject/spec", Level.REQUEST),
        ("json.value", "/responseObject", Level.REQUEST_RESPONSE),
        ("evt.time", None, Level.METADATA),
    ],
)
def test_the_least_level_follows_from_what_is_read(name: str, arg: int | str | None, level: Level) -> None:
    assert least_level(FIELDS[name], arg) is level


def test_members_of_the_event_that_a_field_reads() -> None:
    assert event_members(FIELDS["ka.target.pod.name"].extract) == ("objectRef", "responseObject")
    assert event_members(FIELDS["ka.user.name"].extract) == ("user",)
    assert event_members(FIELDS["jevt.value"].extract, "/user/username") == ("user",)
    assert event_members(FIELDS["jevt.obj"].extract) == ()
