import pytest

from lanner.rules.priority import Priority


def test_levels_count_from_the_most_severe() -> None:
    assert [priority.level for priority in Priority] == list(range(8))
    assert Priority.EMERGENCY.level < Priority.DEBUG.level


@pytest.mark.parametrize("text", ["warning", "Warning", "WARNING", "wArNiNg"])
def test_case_does_not_matter(text: str) -> None:
    assert Priority.parse(text) is Priority.WARNING


def test_info_is_short_for_informational() -> None:
    assert Priority.parse("INFO") is Priority.INFORMATIONAL
    assert Priority.parse("Informational") is Priority.INFORMATIONAL
    assert Priority.INFORMATIONAL.short == "INFO"
    assert Priority.ERROR.short == "ERROR"


@pytest.mark.parametrize("text", ["", "warn", "3", "warning "])
def test_other_texts_are_no_priority(text: str) -> None:
    assert Priority.parse(text) is None
