from lanner.sources.auth import Peer, address_of
from lanner.sources.refusals import ALARM_AFTER, ALARM_INTERVAL_S, Refusals


class Desk:
    """Refusals with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.alarms: list[tuple[str, int]] = []
        self.refusals = Refusals(self.lines.append, lambda text, times: self.alarms.append((text, times)), self.clock)

    def clock(self) -> float:
        return self.now


def peer(address: str) -> Peer:
    return Peer(address_of(address))


def test_a_line_a_minute_for_each_address_with_how_many_there_were() -> None:
    desk = Desk()
    for _ in range(60):
        for address in ("10.0.0.1", "10.0.0.2"):
            desk.refusals.refused(peer(address), "it has bad manners")
        desk.now += 0.9
    assert desk.lines == ["refused 10.0.0.1: it has bad manners", "refused 10.0.0.2: it has bad manners"]
    desk.now += 10
    desk.refusals.refused(peer("10.0.0.1"), "it has bad manners")
    more = "59 more from there since the last such message"
    assert desk.lines[2:] == [f"refused 10.0.0.1: it has bad manners; {more}"]


def test_another_reason_from_the_same_address_gets_a_line_of_its_own() -> None:
    desk = Desk()
    for _ in range(3):
        for reason in ("it has bad manners", "it sends no bearer token"):
            desk.refusals.refused(peer("10.0.0.1"), reason)
    assert desk.lines == ["refused 10.0.0.1: it has bad manners", "refused 10.0.0.1: it sends no bearer token"]


def test_addresses_that_are_remembered_are_bounded_and_so_are_lines() -> None:
    desk = Desk()
    for number in range(100_000):
        desk.refusals.refused(peer(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"), "it is one of many")
    assert len(desk.refusals._said) <= 1025
    assert len(desk.lines) <= 1025
    desk.now += 60
    desk.refusals.refused(peer("192.0.2.1"), "it is late")
    assert desk.lines[-1] == "refused 192.0.2.1: it is late"
    assert len(desk.refusals._said) == 1


def test_a_network_of_ipv6_gets_one_line() -> None:
    desk = Desk()
    for number in range(1000):
        desk.refusals.refused(peer(f"2001:db8::{number:x}"), "it is one of many")
    assert len(desk.lines) == 1


def test_an_alarm_is_raised_when_it_goes_on_and_then_not_for_a_while() -> None:
    desk = Desk()
    for _ in range(ALARM_AFTER - 1):
        desk.refusals.denied(peer("10.0.0.1"), "it sends no bearer token")
        desk.refusals.refused(peer("10.0.0.1"), "its body is not gzip")
    assert desk.alarms == []
    for _ in range(1000):
        desk.refusals.denied(peer("10.0.0.1"), "it sends no bearer token")
    text = "requests are refused, the last one of 10.0.0.1: it sends no bearer token"
    assert desk.alarms == [(text, ALARM_AFTER)]
    desk.now += ALARM_INTERVAL_S
    desk.refusals.denied(peer("10.0.0.1"), "it sends no bearer token")
    assert [times for _, times in desk.alarms] == [ALARM_AFTER, 1000]
