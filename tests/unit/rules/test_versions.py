import pytest

from lanner.rules.versions import ENGINE, PLUGINS, Version, event_sources, parse_engine_version, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.62.0", Version(0, 62, 0)),
        ("1.2.3-rc1", Version(1, 2, 3)),
        ("1.2", None),
        ("abc", None),
        ("", None),
        ("15", None),
    ],
)
def test_versions_have_three_numbers(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


def test_a_number_alone_is_a_minor_version_of_the_engine() -> None:
    assert parse_engine_version("15") == Version(0, 15, 0)
    assert parse_engine_version("0.62.0") == ENGINE
    assert parse_engine_version("-1") is None


def test_a_version_satisfies_older_ones_of_the_same_major_version() -> None:
    version = Version(1, 4, 2)
    assert version.satisfies(Version(1, 4, 2))
    assert version.satisfies(Version(1, 0, 9))
    assert not version.satisfies(Version(1, 4, 3))
    assert not version.satisfies(Version(0, 4, 2))
    assert not version.satisfies(Version(2, 0, 0))


def test_any_plugin_that_brings_events_gives_the_audit_source() -> None:
    assert event_sources(PLUGINS) == {"syscall", "k8s_audit"}
    assert event_sources({"k8saudit-eks": "0.12.0"}) == {"syscall", "k8s_audit"}
    assert event_sources({"json": "0.7.4"}) == {"syscall"}
    assert event_sources({"json": "0.7.4", "of-somebody-else": "0.1.0"}) == {"syscall", "k8s_audit"}
    assert event_sources({}) == {"syscall"}


def test_every_built_in_plugin_has_a_version() -> None:
    assert all(parse_version(version) for version in PLUGINS.values())
