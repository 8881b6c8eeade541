"""Several places of a source."""

import pytest

from lanner.sources.base import SourceError
from lanner.sources.plugin import Context, Trouble
from lanner.sources.several import Several


def refusal(place: str) -> SourceError:
    return SourceError(place, "it is not there", "make it")


def made(number: int) -> tuple[Several, list[tuple[Trouble, str]]]:
    told: list[tuple[Trouble, str]] = []
    return Several(number, Context(name="s", tell=lambda trouble, text, times=1: told.append((trouble, text)))), told


def test_the_only_place_that_cannot_be_used_ends_the_source() -> None:
    several, told = made(1)
    with pytest.raises(SourceError, match="it is not there"):
        several.refused("a", refusal("a"))
    assert told == []


def test_one_of_two_is_told_with_what_to_do_however_often_it_is_tried() -> None:
    several, told = made(2)
    several.refused("a", refusal("a"))
    several.refused("a", refusal("a"))
    assert [trouble for trouble, _ in told] == [Trouble.GAP] * 2
    assert all(part in told[0][1] for part in ("`a`", "it is not there", "make it"))


def test_it_ends_when_none_of_two_can_be_used() -> None:
    several, _ = made(2)
    several.refused("a", refusal("a"))
    with pytest.raises(SourceError):
        several.refused("b", refusal("b"))


def test_once_a_place_has_worked_nothing_ends_it() -> None:
    several, told = made(2)
    several.refused("a", refusal("a"))
    several.works("b")
    several.refused("b", refusal("b"))
    assert len(told) == 2
