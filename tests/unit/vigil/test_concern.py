"""What is wrong is said once, again when it grows, and once when it is over."""

from dataclasses import replace

from lanner.rules.priority import Priority
from lanner.vigil.concern import AGAIN_S, KINDS, OVER, SILENT, Concern, settle

SILENCE = Concern("silent", "webhook", "no event of source webhook", {"limit_s": 600}, for_s=700)


def test_it_is_said_once_while_it_lasts() -> None:
    standing, said = settle({}, [SILENCE], 1000)
    assert [(each.rule, each.priority, each.message) for each in said] == [(SILENT, Priority.ERROR, SILENCE.message)]
    assert said[0].fields == {"subject": "webhook", "blind_s": 700, "limit_s": 600}
    for now in range(1001, 5000, 100):
        standing, said = settle(standing, [SILENCE], now)
        assert said == []


def test_when_it_is_over_that_is_said_with_how_long_it_lasted() -> None:
    standing, _ = settle({}, [SILENCE], 1000)
    standing, said = settle(standing, [], 1500)
    assert standing == {}
    assert [(each.rule, each.priority) for each in said] == [(OVER, Priority.NOTICE)]
    assert said[0].message == "events of source webhook come again, after 20 minutes"
    assert said[0].fields == {"subject": "webhook", "blind_s": 1200, "was": SILENT}


def test_what_grows_is_said_again_but_not_all_the_time() -> None:
    standing, _ = settle({}, [replace(SILENCE, weight=5)], 0)
    times = []
    for now in range(60, 1300, 60):
        standing, said = settle(standing, [replace(SILENCE, weight=5 + now)], now)
        times += [now for _ in said]
    assert times == [AGAIN_S, 2 * AGAIN_S]


def test_what_does_not_grow_is_not_said_again() -> None:
    standing, _ = settle({}, [replace(SILENCE, weight=5)], 0)
    assert settle(standing, [replace(SILENCE, weight=5)], 10 * AGAIN_S)[1] == []


def test_one_subject_says_nothing_about_another() -> None:
    standing, _ = settle({}, [SILENCE], 0)
    standing, said = settle(standing, [replace(SILENCE, subject="other")], 10)
    assert sorted(str(each.fields["subject"]) for each in said) == ["other", "webhook"]


def test_every_kind_says_what_is_over() -> None:
    assert [kind.name for kind in KINDS.values() if "{subject}" not in kind.over] == ["started"]
    assert all(name == kind.name for name, kind in KINDS.items())
