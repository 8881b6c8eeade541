"""Query parameters."""

import pytest

from lanner.events.values import Json
from lanner.fields.uri import query_parameter


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/exec?command=id&command=ls", "id"),
        ("/exec?container=c&command=a%20b+c", "a b c"),
        ("/exec?comm%61nd=id", "id"),
        ("/exec?command", ""),
        ("/exec?command=", ""),
        ("/exec?command=a=b", "a=b"),
        ("/exec?x=%zz&command=id", "id"),
        ("/exec?command=%zz&command=id", "id"),
        ("/exec?command=a;b&command=id", "id"),
        ("/exec?x=1#&command=id", "id"),
        ("/ex%zzec\x01?command=id", "id"),
        ("/exec?a?&command=id", "id"),
        ("/exec?command=%ff", "\ufffd"),
        ("/exec?&&command=%C3%A9", "é"),
        ("https://host:1/exec?command=id", "id"),
        ("?command=id", "id"),
        ("/exec?Command=id", None),
        ("/exec", None),
        ("/exec?", None),
        ("", None),
        (None, None),
        (["?command=id"], 'id"]'),
        (5, None),
    ],
)
def test_a_parameter_is_read_as_the_api_server_reads_it(uri: Json, expected: str | None) -> None:
    assert query_parameter(uri, "command") == expected
