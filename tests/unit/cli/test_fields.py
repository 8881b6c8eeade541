import json

import pytest

from lanner.fields.catalogue import FIELDS

from .conftest import Lanner


@pytest.mark.parametrize("output_format", ["text", "markdown", "json"])
def test_every_field_is_listed_in_every_format(lanner: Lanner, output_format: str) -> None:
    ran = lanner("fields", "--format", output_format)
    assert ran.code == 0
    assert [name for name in FIELDS if name not in ran.out] == []


def test_a_source_limits_the_list(lanner: Lanner) -> None:
    found = json.loads(lanner("fields", "json", "--format", "json").out)
    assert {row["source"] for row in found} == {"json"}


def test_an_unknown_source_is_refused_with_a_suggestion(lanner: Lanner) -> None:
    ran = lanner("fields", "k8s_adit")
    assert (ran.code, ran.err) == (2, "error: unknown source `k8s_adit`\n  help: did you mean `k8s_audit`?\n")
