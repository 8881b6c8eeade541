"""The page that holds Falco's flags and keys against Lanner's leaves nothing out, and says what is so."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.falco import FLAGS, OLDER_FLAGS, OLDER_KEYS, REMARKS, keys_of_falco
from docs.keys import config_keys
from docs.migration import verdict_on_flag

from lanner.cli.falco import falco
from lanner.cli.main import execute
from lanner.config.load import load_config
from lanner.config.section import Standing
from tests.docs.pages import ROOT, rows

PAGE = "docs/reference/falco-flags-and-keys.md"

# What `falco --help` of 0.44.1 lists, in its order.
HELP = """
    -h --help -c --config-schema --rule-schema --disable-source --dry-run --enable-source -i -L -l --list --list-events
    --list-plugins -M --markdown --format -N -o --option --plugin-info -p --print -P --pidfile -r --support
    -U --unbuffered -V --validate -v --version --page-size
"""


def flags_of(cell: str) -> list[str]:
    return [flag.strip("` ") for flag in cell.split(",")]


FLAG_ROWS = rows(PAGE, "flag")
CURRENT, OLDER = FLAG_ROWS[: len(FLAGS)], FLAG_ROWS[len(FLAGS) :]


def test_every_flag_of_falco_has_a_row() -> None:
    assert [flag for cell, *_ in CURRENT for flag in flags_of(cell)] == HELP.split()


def test_every_flag_that_lanner_takes_in_falcos_place_is_one_of_falcos() -> None:
    known = {flag for cell, *_ in FLAG_ROWS for flag in flags_of(cell)}
    assert {flag for each in falco.params for flag in each.opts} <= known


@pytest.mark.parametrize(("cell", "verdict"), [(cell, verdict) for cell, verdict, _ in CURRENT])
def test_a_flag_is_refused_if_the_page_says_so(
    cell: str, verdict: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.yaml").write_text("[]")
    values = {"-M": ["1"], "-l": ["x"], "--format": ["json"], "-c": ["x.yaml"], "-V": [str(tmp_path / "rules.yaml")]}
    for flag in flags_of(cell):
        option = next((each for each in falco.params if flag in each.opts), None)
        takes_value = option is not None and not getattr(option, "is_flag", False)
        words = [flag, *(values.get(flag, ["x"]) if takes_value and flag != "--list" else [])]
        if verdict == "not applicable":
            assert execute(words) == 2
            assert flag.lstrip("-") in capfd.readouterr().err
        elif flag not in ("-h", "--help"):
            falco.make_context("lanner", words)


@pytest.mark.parametrize(("cell", "advice"), [(cell, advice) for cell, _, advice in OLDER])
def test_flags_of_older_versions_are_refused_but_for_one(
    cell: str, advice: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if advice.startswith("the same"):
        assert any(flags_of(cell)[0] in each.opts for each in falco.params)
        return
    for flag in flags_of(cell):
        assert execute([flag]) == 2
        assert f"no such option `{flag}`" in capfd.readouterr().err


def test_the_flags_in_words_are_those_of_the_rows() -> None:
    assert [row[0] for row in FLAG_ROWS] == [flags.replace(", ", "`, `") for flags in (*FLAGS, *OLDER_FLAGS)]
    assert {verdict_on_flag(flag) for flag in FLAGS} >= {"same", "better", "differs", "not applicable"}


KEYS = {key.path: key for key in config_keys()}


def named_on_the_page() -> set[str]:
    """The paths of keys; a row of a section that has no effect, or is Lanner's own, names what is in it."""
    found = set()
    for path, verdict, text in rows(PAGE, "key"):
        found.add(path)
        if verdict == "not applicable":
            found |= {f"{path}.{name}" for name in re.findall(r"`([\w.]+)`", text.partition("With ")[2])}
    for section, names in rows(PAGE, "section"):
        prefix = "" if section == "the first level" else f"{section}."
        found |= {f"{prefix}{name}" for name in re.findall(r"\w+", names)}
    return found


def test_every_key_of_falco_has_a_row() -> None:
    assert [path for path in (*keys_of_falco(), *OLDER_KEYS) if path not in named_on_the_page()] == []


def test_every_key_of_lanner_is_named_or_in_a_section_of_its_own() -> None:
    named = named_on_the_page()
    own = tuple(f"{path}." for path in named - {*keys_of_falco(), *OLDER_KEYS})
    assert [path for path in KEYS if path not in named and not path.startswith(own)] == []


def test_every_key_of_falco_is_taken() -> None:
    """Below a section that takes anything, such as `container_engines`, there are no keys to compare."""
    missing = [path for path in keys_of_falco() if path not in KEYS and path.split(".")[0] not in _FREE]
    assert missing == []


_FREE = {"container_engines"}


def test_free_sections_take_anything(tmp_path: Path) -> None:
    for name in _FREE:
        path = tmp_path / "falco.yaml"
        path.write_text(f"{name}:\n  anything:\n    below: [1, 2]\n")
        assert load_config(str(path), environment={}).config is not None


@pytest.mark.parametrize(("path", "verdict"), [(path, verdict) for path, verdict, _ in rows(PAGE, "key")])
def test_the_verdict_on_a_key_agrees_with_what_lanner_does(path: str, verdict: str) -> None:
    standing = KEYS[path].standing
    assert (verdict == "not applicable") == (standing is Standing.ACCEPTED)


def test_remarks_are_about_keys_that_there_are() -> None:
    assert [path for path in REMARKS if path not in {*keys_of_falco(), *OLDER_KEYS}] == []


def test_falcos_stock_file_has_no_other_keys(shared: Path) -> None:
    """Those in comments, too, which show what could be set."""
    text = (shared / "upstream" / "falco.yaml").read_text(encoding="utf-8")
    known = set(keys_of_falco())
    assert paths_of(yaml.safe_load(text)) - known == set()
    in_comments = set(re.findall(r"^# ([a-z_]+):(?: \S+)?$", text, re.MULTILINE))
    assert {"rules", "append_output", "static_fields"} <= in_comments
    first_level = {path.partition(".")[0] for path in known}
    assert {"rules", "append_output", "static_fields"} <= first_level


def paths_of(value: Any, prefix: str = "") -> set[str]:
    """The paths of all keys; what the options of plugins hold is theirs."""
    if isinstance(value, list):
        return {path for item in value for path in paths_of(item, prefix)}
    if not isinstance(value, dict) or prefix == "plugins.init_config.":
        return set()
    below = {f"{prefix}{key}" for key in value}
    return below | {path for key, item in value.items() for path in paths_of(item, f"{prefix}{key}.")}


def test_the_old_web_servers_keys_are_taken(shared: Path) -> None:
    """The change that brought audit events to Falco lists them."""
    [seed] = (shared / "seeds").glob("004_*.txt")
    _, _, below = seed.read_text(encoding="utf-8").partition("New falco config items are under webserver:\n")
    names = re.findall(r"^- (\w+)", below, re.MULTILINE)[:3]
    assert names == ["enabled", "listen_port", "k8s_audit_endpoint"]
    assert {f"webserver.{name}" for name in names} <= {path for path, _, _ in rows(PAGE, "key")}


def test_the_guide_leads_to_the_page() -> None:
    guide = (ROOT / "docs" / "guide" / "migration-from-falco.md").read_text(encoding="utf-8")
    assert "](../reference/falco-flags-and-keys.md)" in guide
