"""The page that holds Falco's flags and keys against Lanner's, made from the tables of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from docs.falco import FLAGS, KEYS, OLDER_FLAGS, OLDER_KEYS, REMARKS, Remark, Verdict, keys_of_falco
from docs.keys import ConfigKey, config_keys
from docs.markup import code, page, paragraph, table

from lanner.cli.falco import falco
from lanner.config.section import Standing

_OF_STANDING = {Standing.ACCEPTED: Verdict.NOT_APPLICABLE}


def flags_and_keys() -> str:
    """The text of the page."""
    intro = (
        "Everything that Falco 0.44 takes on its command line and in `falco.yaml`, and what becomes of it. "
        "[Migration from Falco](../guide/migration-from-falco.md) says how to go about it."
    )
    keys = {key.path: key for key in config_keys()}
    return page(
        "Falco's flags and keys",
        intro,
        _VERDICTS,
        _section("Flags", "", _FLAG_COLUMNS, map(_flag_row, FLAGS)),
        _section("Flags of older versions", _OLDER_FLAGS, ("flag", "until", "for Lanner"), _older_flags()),
        _section("Keys", "", _KEY_COLUMNS, _key_rows(keys)),
        _section("Keys of older versions", _OLDER_KEYS, _KEY_COLUMNS, (_key_row(keys[path]) for path in OLDER_KEYS)),
        _section("Keys of Lanner's own", _OWN_KEYS, ("section", "keys"), _own_rows(keys.values())),
    )


def _section(title: str, intro: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([f"## {title}\n", *([paragraph(intro)] if intro else []), table(head, rows)])


_FLAG_COLUMNS = ("flag", "in Lanner", "remarks")
_KEY_COLUMNS = ("key", "in Lanner", "meaning, and what differs")
_VERDICTS = table(
    ("in Lanner", "what to do"),
    (
        ("same", "Nothing."),
        ("better", "Nothing. The remark says what Lanner does besides."),
        ("differs", "Read the remark."),
        (
            "not applicable",
            "It only concerns system calls, or Lanner has no need of it. A key can stay: it is named in one line at "
            "the start. A flag is refused: leave it out.",
        ),
    ),
)
_OLDER_FLAGS = "Flags that Falco 0.44 itself refuses, and that are still found in manifests and unit files."
_OLDER_KEYS = (
    "The `falco.yaml` that each release from 0.3.0 to 0.44.1 was shipped with is taken as it stands, but for "
    "that of 0.36.0, which had a key by mistake."
)
_OWN_KEYS = (
    "What Falco does not have. Falco warns of such keys, and takes no notice of them, so one file can serve both for "
    "a while. [Keys of the configuration](configuration.md) says what each means."
)


def verdict_on_flag(flag: str) -> Verdict:
    """What becomes of a flag: refused for good, or as the remark says."""
    names = flag.split(", ")
    found = next((each for each in falco.params if set(names) & set(each.opts)), None)
    if found is None:
        return FLAGS[flag].verdict if "--help" in names else Verdict.NOT_APPLICABLE
    return FLAGS[flag].verdict if found.expose_value else Verdict.NOT_APPLICABLE


def verdict_on_key(key: ConfigKey) -> Verdict:
    """What becomes of a key: what its standing says, or as the remark says."""
    return _OF_STANDING.get(key.standing) or REMARKS.get(key.path, _NO_REMARK).verdict


_NO_REMARK = Remark(Verdict.SAME, "")


def _flag_row(flag: str) -> tuple[str, str, str]:
    verdict = verdict_on_flag(flag)
    return _codes(flag.split(", ")), verdict, "" if verdict in _OF_STANDING.values() else FLAGS[flag].text


def _older_flags() -> Iterator[tuple[str, str, str]]:
    return ((_codes(flag.split(", ")), last, advice) for flag, (last, advice) in OLDER_FLAGS.items())


def _key_rows(keys: Mapping[str, ConfigKey]) -> Iterator[tuple[str, str, str]]:
    """A row for each key; a section that is not applicable has one for all that is in it."""
    for name, below in KEYS.items():
        if verdict_on_key(keys[name]) is Verdict.NOT_APPLICABLE:
            cells = _key_row(keys[name])
            yield cells if not below else (*cells[:2], f"{cells[2]} With {_codes(below.split())}.")
        else:
            yield from (_key_row(keys[path]) for path in (name, *(f"{name}.{each}" for each in below.split())))


def _key_row(key: ConfigKey) -> tuple[str, str, str]:
    remark = "" if key.standing in _OF_STANDING else REMARKS.get(key.path, _NO_REMARK).text
    return code(key.path), verdict_on_key(key), f"{key.description} {remark}"


def _own_rows(keys: Iterable[ConfigKey]) -> Iterator[tuple[str, str]]:
    """By section the names that Falco does not know; what is below one of them goes without saying."""
    known = {"", *keys_of_falco(), *OLDER_KEYS}
    own: dict[str, list[str]] = {}
    for key in keys:
        if key.path not in known and key.section in known:
            own.setdefault(key.section, []).append(key.name)
    return ((code(section) or "the first level", _codes(names)) for section, names in own.items())


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))
