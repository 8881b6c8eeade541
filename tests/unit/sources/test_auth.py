import hmac
import ipaddress
import os
import time
from pathlib import Path

import pytest

from lanner.sources import auth
from lanner.sources.auth import (
    Access,
    Certificate,
    Denial,
    Denied,
    Guard,
    Peer,
    address_of,
    certificate_of,
    client_of,
    is_within,
    network_of,
    read_tokens,
)
from lanner.sources.base import SourceError

A, B, WRONG = "a" * 32, "b" * 32, "c" * 32
LATER = time.time() + 3600


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the clusters\nprod {A}\n\n{B}\n")
    return path


def verdict(guard: Guard, peer: Peer | None = None, *authorization: str) -> Denial | None:
    try:
        guard.check(peer or Peer(address_of("10.0.0.9")), [value.encode() for value in authorization])
    except Denied as denied:
        return denied.denial
    return None


def with_certificate(*names: str, expires_s: float = LATER, address: str = "10.0.0.9") -> Peer:
    return Peer(address_of(address), Certificate(names or ("CN:api-server",), expires_s))


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ([f"Bearer {A}"], None),
        ([f"bearer   {B} "], None),
        ([], Denial.NO_TOKEN),
        (["Bearer"], Denial.UNKNOWN_TOKEN),
        (["Bearer "], Denial.UNKNOWN_TOKEN),
        ([A], Denial.UNKNOWN_TOKEN),
        ([f"Basic {A}"], Denial.UNKNOWN_TOKEN),
        ([f"Bearer {WRONG}"], Denial.UNKNOWN_TOKEN),
        ([f"Bearer {A[:-1]}"], Denial.UNKNOWN_TOKEN),
        ([f"Bearer {A}{A}"], Denial.UNKNOWN_TOKEN),
        (["Bearer prod"], Denial.UNKNOWN_TOKEN),
        ([f"Bearer prod {A}"], Denial.UNKNOWN_TOKEN),
        ([f"Bearer {A}", f"Bearer {A}"], Denial.UNKNOWN_TOKEN),
        (["Bearer #"], Denial.UNKNOWN_TOKEN),
    ],
)
def test_only_a_token_of_the_file_lets_in(tokens: Path, authorization: list[str], expected: Denial | None) -> None:
    assert verdict(Guard(Access(token_file=str(tokens))), None, *authorization) is expected


def test_each_token_is_compared_in_constant_time_whatever_was_found(
    tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(auth, "hmac", Watched)
    guard = Guard(Access(token_file=str(tokens)))
    for token in (A, B, WRONG, "x"):
        compared.clear()
        verdict(guard, None, f"Bearer {token}")
        assert [(len(one), len(other)) for one, other in compared] == [(32, 32), (32, 32)]


def test_tokens_are_kept_as_digests_only(tokens: Path) -> None:
    assert A not in repr(read_tokens(str(tokens)))
    assert [token.name for token in read_tokens(str(tokens))] == ["prod", "line-4"]


def exchange(path: Path, text: str) -> None:
    """Put another file in its place, as a rotation does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def test_an_exchanged_file_of_tokens_counts_from_the_next_request_on(tokens: Path) -> None:
    guard = Guard(Access(token_file=str(tokens)))
    assert verdict(guard, None, f"Bearer {WRONG}") is Denial.UNKNOWN_TOKEN
    exchange(tokens, f"new {WRONG}")
    assert verdict(guard, None, f"Bearer {WRONG}") is None
    assert verdict(guard, None, f"Bearer {A}") is Denial.UNKNOWN_TOKEN


def test_a_file_that_is_written_over_counts_though_size_and_time_stay_the_same(tokens: Path) -> None:
    guard = Guard(Access(token_file=str(tokens)))
    found = tokens.stat()
    tokens.write_text(tokens.read_text().replace(A, WRONG))
    os.utime(tokens, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert verdict(guard, None, f"Bearer {A}") is Denial.UNKNOWN_TOKEN


def test_an_exchanged_link_counts_as_where_kubernetes_mounts_a_secret(tmp_path: Path) -> None:
    for name, token in (("..1", A), ("..2", B)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens").write_text(token)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    guard = Guard(Access(token_file=str(tmp_path / "tokens")))
    assert verdict(guard, None, f"Bearer {A}") is None
    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    assert verdict(guard, None, f"Bearer {A}") is Denial.UNKNOWN_TOKEN
    assert verdict(guard, None, f"Bearer {B}") is None


@pytest.mark.parametrize("then", [None, "", "# nothing\n", "short\n"], ids=["missing", "empty", "comment", "too short"])
def test_a_file_that_goes_bad_lets_nobody_in_and_is_told_once(tokens: Path, then: str | None) -> None:
    told: list[str] = []
    guard = Guard(Access(token_file=str(tokens)), lambda text, help_text: told.append(text))
    if then is None:
        tokens.unlink()
    else:
        exchange(tokens, then)
    for token in (A, "", "short", "#"):
        assert verdict(guard, None, f"Bearer {token}") is Denial.UNKNOWN_TOKEN
    assert len(told) == 1
    assert str(tokens) in told[0]
    exchange(tokens, A)
    assert verdict(guard, None, f"Bearer {A}") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no token"),
        ("#\n \n", "no token"),
        ("prod secret", "the token of line 1 has less than 16 characters"),
        (f"{A}\na b {B}", "line 2 is no token"),
        (f"a/b {A}", "line 1 is no token"),
        (f"prod {A}é", "line 1 is no token"),
        (f"prod {A}\x00", "line 1 is no token"),
        (f"{A}\n" * 1001, "more than 1000 tokens"),
        ("x" * (1 << 20) + "y", "larger than 1 MiB"),
    ],
)
def test_a_file_without_proper_tokens_is_refused_without_telling_what_it_holds(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(SourceError) as caught:
        Guard(Access(token_file=str(path)))
    assert str(caught.value) == f"cannot read `{path}`: {reason}"
    assert A not in str(caught.value) + str(caught.value.help)


def test_a_file_of_tokens_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        Guard(Access(token_file=str(tmp_path / "none")))


def test_a_certificate_lets_in_until_it_expires() -> None:
    guard = Guard(Access(client_ca="ca.pem"))
    assert verdict(guard, with_certificate()) is None
    assert verdict(guard, with_certificate(expires_s=time.time() - 1)) is Denial.EXPIRED
    assert verdict(guard) is Denial.NO_CERTIFICATE
    assert verdict(guard, None, f"Bearer {A}") is Denial.NO_CERTIFICATE


@pytest.mark.parametrize(
    ("has_certificate", "token", "of_all", "of_any"),
    [
        (True, A, None, None),
        (True, None, Denial.NO_TOKEN, None),
        (True, WRONG, Denial.UNKNOWN_TOKEN, None),
        (False, A, Denial.NO_CERTIFICATE, None),
        (False, None, Denial.NO_CREDENTIALS, Denial.NO_CREDENTIALS),
        (False, WRONG, Denial.NO_CERTIFICATE, Denial.UNKNOWN_TOKEN),
    ],
)
def test_with_both_all_must_hold_unless_one_is_said_to_be_enough(
    tokens: Path, has_certificate: bool, token: str | None, of_all: Denial | None, of_any: Denial | None
) -> None:
    peer = with_certificate() if has_certificate else Peer(address_of("10.0.0.9"))
    authorization = [f"Bearer {token}"] if token else []
    for needs_all, expected in ((True, of_all), (False, of_any)):
        guard = Guard(Access(client_ca="ca.pem", token_file=str(tokens), needs_all=needs_all))
        assert verdict(guard, peer, *authorization) is expected


@pytest.mark.parametrize(
    ("entry", "names", "expected"),
    [
        ("CN:api-server", ("CN:api-server",), None),
        ("CN:api-*", ("CN:api-server",), None),
        ("CN:api", ("CN:api-server",), Denial.CLIENT),
        ("CN:API-SERVER", ("CN:api-server",), Denial.CLIENT),
        ("DNS:*.example.com", ("CN:x", "DNS:a.example.com"), None),
        ("DNS:api-server", ("CN:api-server",), Denial.CLIENT),
        ("URI:spiffe://prod/ns/kube-system/*", ("URI:spiffe://prod/ns/kube-system/api",), None),
        ("URI:spiffe://prod/*", ("URI:spiffe://test/ns/kube-system/api",), Denial.CLIENT),
        ("token:prod", ("CN:token:prod",), Denial.CLIENT),
        ("CN:*", (), Denial.CLIENT),
        ("CN:api-server from 10.0.0.0/8", ("CN:api-server",), None),
        ("CN:api-server from 192.0.2.0/24,10.0.0.9", ("CN:api-server",), None),
        ("CN:api-server from 192.0.2.0/24", ("CN:api-server",), Denial.CLIENT),
    ],
)
def test_only_clients_of_the_list_are_let_in(entry: str, names: tuple[str, ...], expected: Denial | None) -> None:
    guard = Guard(Access(client_ca="ca.pem", clients=(client_of(entry),)))
    peer = Peer(address_of("10.0.0.9"), Certificate(names, LATER))
    assert verdict(guard, peer) is expected


def test_the_name_of_a_token_is_a_clients_name(tokens: Path) -> None:
    guard = Guard(Access(token_file=str(tokens), clients=(client_of("token:prod"),)))
    assert verdict(guard, None, f"Bearer {A}") is None
    assert verdict(guard, None, f"Bearer {B}") is Denial.CLIENT


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", None), ("::ffff:10.1.2.3", None), ("11.0.0.1", Denial.NETWORK), ("::1", Denial.NETWORK)],
)
def test_only_networks_of_the_list_are_let_in_whatever_they_prove(
    tokens: Path, address: str, expected: Denial | None
) -> None:
    guard = Guard(Access(token_file=str(tokens), networks=(network_of("10.0.0.0/8"),)))
    assert verdict(guard, Peer(address_of(address)), f"Bearer {A}") is expected


def test_a_peer_without_an_address_is_in_no_network() -> None:
    assert verdict(Guard(Access(networks=(network_of("0.0.0.0/0"), network_of("::/0")))), Peer()) is Denial.NETWORK


@pytest.mark.parametrize(
    "entry", ["", "api-server", "CN:", "cn:api", ":x", "UID:5", "CN:x from ", "CN:x from home", "CN:x from 10.0.0.1/8"]
)
def test_an_entry_that_names_nobody_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        client_of(entry)


def test_names_are_those_of_subject_and_alternatives() -> None:
    found = {
        "subject": ((("organizationName", "prod"),), (("commonName", "api-server"),), (("countryName", "XX"),)),
        "subjectAltName": (("DNS", "a.example"), ("IP Address", "10.0.0.1"), ("URI", "spiffe://a"), ("DirName", "x")),
        "notAfter": "Jan  5 09:34:43 2018 GMT",
    }
    certificate = certificate_of(found)
    assert certificate is not None
    assert certificate.names == ("O:prod", "CN:api-server", "DNS:a.example", "IP:10.0.0.1", "URI:spiffe://a")
    assert certificate.expires_s == 1515144883
    assert certificate_of({}) is certificate_of(None) is None


def test_addresses_are_told_as_they_are_in_networks() -> None:
    assert address_of("::ffff:10.0.0.1") == ipaddress.ip_address("10.0.0.1")
    assert address_of("fe80::1%eth0") == ipaddress.ip_address("fe80::1")
    assert address_of("socket") is None


def test_only_a_star_is_special_in_who_is_allowed() -> None:
    for text in ("CN:api-?", "CN:api-[12]", "CN:[!x]pi-1"):
        assert not client_of(text).fits(["CN:api-1"], None), text
        assert client_of(text).fits([text], None)
    assert client_of("CN:api-*").fits(["CN:api-1"], None)


def test_a_network_of_ipv4_in_ipv6_is_that_of_ipv4() -> None:
    assert network_of("::ffff:10.0.0.0/104") == network_of("10.0.0.0/8")
    assert is_within(address_of("::ffff:10.1.2.3"), [network_of("::ffff:10.0.0.0/104")])
    assert is_within(address_of("::1"), [network_of("::/0")])
