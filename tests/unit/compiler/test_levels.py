"""The audit level that a condition needs."""

import pytest

from lanner.compiler.levels import full_level, needed_level
from lanner.condition import parse_condition
from lanner.diagnostics import MappedText


@pytest.mark.parametrize(
    ("condition", "needed", "full"),
    [
        ("ka.verb = get", "Metadata", "Metadata"),
        ("ka.verb = get and kx.pod.host_pid = true", "Request", "Request"),
        ("ka.verb = get or kx.pod.host_pid = true", "Metadata", "Request"),
        ("ka.verb = get and not kx.pod.host_pid = true", "Metadata", "Request"),
        ("not (ka.verb = get or not kx.pod.host_pid = true)", "Request", "Request"),
        ("jevt.value[/requestObject/kind] = Pod", "Request", "Request"),
        ("jevt.value[/responseObject/kind] = Pod", "RequestResponse", "RequestResponse"),
        ("kx.pod.host_pid = true or ka.resp.name exists", "Request", "RequestResponse"),
        ('tolower(join(" ", kx.pod.containers.env)) contains x', "Request", "Request"),
        ("ka.verb = val(ka.resp.name)", "RequestResponse", "RequestResponse"),
        ("evt.num > 3", "Metadata", "Metadata"),
    ],
)
def test_a_condition_needs_the_level_that_lets_it_hold(condition: str, needed: str, full: str) -> None:
    parsed = parse_condition(MappedText.literal(condition))
    assert (needed_level(parsed), full_level(parsed)) == (needed, full)
