"""`--update-golden` rewrites what golden tests expect; the difference is then reviewed like code."""

from collections.abc import Callable
from pathlib import Path

import pytest

Golden = Callable[[Path, str], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with the file that holds what is expected, or rewrite the file."""

    def compare(expected: Path, text: str) -> None:
        if request.config.getoption("--update-golden", default=False):
            expected.write_text(text, encoding="utf-8")
        assert expected.is_file(), f"{expected.name} is missing: run this test with --update-golden and review it"
        assert text == expected.read_text(encoding="utf-8")

    return compare
