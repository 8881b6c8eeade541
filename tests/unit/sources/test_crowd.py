import random

import pytest

from lanner.sources.auth import Peer, address_of
from lanner.sources.crowd import Closing, ConnectionStats, Crowd, Rank


class Member:
    def __init__(self, name: str = "") -> None:
        self.name = name
        self.is_gone = False

    def give_up(self) -> None:
        self.is_gone = True


def crowd_of(max_members: int, max_of_site: int = 100) -> Crowd:
    return Crowd(max_members, max_of_site, ConnectionStats())


def enter(crowd: Crowd, address: str = "10.0.0.1", rank: Rank = Rank.GUEST) -> Member:
    member = Member(address)
    assert crowd.enter(member, address, rank)
    return member


def test_the_one_idle_for_longest_gives_way() -> None:
    crowd = crowd_of(2)
    first, second = enter(crowd), enter(crowd)
    crowd.work(first)
    crowd.rest(first)
    third = enter(crowd)
    assert [each.is_gone for each in (first, second, third)] == [False, True, False]
    assert crowd.stats.closed == {Closing.CROWDED: 1}
    assert crowd.stats.open == 2


def test_who_was_served_gives_way_last_and_a_stranger_first() -> None:
    crowd = crowd_of(3)
    known, guest, stranger = enter(crowd), enter(crowd), enter(crowd, rank=Rank.STRANGER)
    crowd.rest(known, Rank.KNOWN)
    enter(crowd)
    assert stranger.is_gone
    crowd.work(enter(crowd))
    assert guest.is_gone
    enter(crowd)
    assert not known.is_gone


def test_a_stranger_takes_only_a_strangers_place() -> None:
    crowd = crowd_of(1)
    enter(crowd)
    assert not crowd.enter(Member(), "10.0.0.2", Rank.STRANGER)
    crowd = crowd_of(1)
    enter(crowd, rank=Rank.STRANGER)
    enter(crowd, rank=Rank.STRANGER)


def test_nobody_who_is_served_gives_way() -> None:
    crowd = crowd_of(1)
    crowd.work(enter(crowd))
    assert not crowd.enter(Member(), "10.0.0.2", Rank.GUEST)
    assert crowd.stats.closed == {Closing.CROWDED: 1}


def test_one_site_takes_its_own_places_only() -> None:
    crowd = crowd_of(100, max_of_site=2)
    other = enter(crowd, "10.0.0.2")
    members = [enter(crowd) for _ in range(5)]
    assert [each.is_gone for each in members] == [True, True, True, False, False]
    assert not other.is_gone


def test_a_site_whose_connections_are_all_served_gets_no_more() -> None:
    crowd = crowd_of(100, max_of_site=1)
    crowd.work(enter(crowd))
    assert not crowd.enter(Member(), "10.0.0.1", Rank.GUEST)
    enter(crowd, "10.0.0.2")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_a_network_of_ipv6_is_one_site(one: str, other: str, is_same: bool) -> None:
    assert (Peer(address_of(one)).site == Peer(address_of(other)).site) is is_same


def test_addresses_of_ipv6_that_are_named_are_sites_of_their_own() -> None:
    addresses = [address_of(f"2001:db8::{number}") for number in (1, 2)]
    named, others = ({Peer(each, is_named=is_named).site for each in addresses} for is_named in (True, False))
    assert (len(named), len(others)) == (2, 1)
    assert not named & others


def test_who_opens_many_connections_gives_up_their_own_and_not_another_ones_new_one() -> None:
    crowd = crowd_of(20)
    new = enter(crowd, "10.0.0.1")
    flood = [enter(crowd, "10.0.0.2") for _ in range(100)]
    assert not new.is_gone
    assert [each.is_gone for each in flood] == [True] * 81 + [False] * 19
    for number in range(3, 21):  # more sites, each with one
        enter(crowd, f"10.0.0.{number}")
    assert not new.is_gone
    assert not flood[-1].is_gone
    enter(crowd, "10.0.0.30")
    assert new.is_gone, "where all have one, it is the one idle for longest"


def test_bounds_hold_and_nothing_is_kept_of_those_who_left() -> None:
    chance = random.Random(5)
    crowd = crowd_of(20, max_of_site=8)
    inside: set[Member] = set()
    for step in range(4_000):
        inside = {member for member in inside if not member.is_gone}
        member = chance.choice(sorted(inside, key=id)) if inside else None
        match chance.randrange(5):
            case 0 if member:
                crowd.work(member)
            case 1 if member:
                crowd.rest(member, chance.choice([None, *Rank]))
            case 2 if member:
                crowd.leave(member)
                inside.discard(member)
            case _:
                new = Member(f"10.0.0.{step % 5}")
                if crowd.enter(new, new.name, chance.choice([*Rank])):
                    inside.add(new)
        inside = {each for each in inside if not each.is_gone}
        assert len(inside) == crowd.stats.open == len(crowd.members()) <= 20
        assert all(sum(each.name == f"10.0.0.{host}" for each in inside) <= 8 for host in range(5))
    for member in inside:
        crowd.leave(member)
        crowd.leave(member)
    crowd.work(Member())
    crowd.rest(Member())
    assert crowd.stats.open == 0
    assert not any((crowd._places, crowd._sites, *crowd._idle))
