"""`lanner rules fmt`."""

import os
import stat
from pathlib import Path

import pytest

from lanner.cli import rules_fmt
from lanner.rules.format import FormatError

from .conftest import Lanner

UGLY = "- list: l\n  items: [a,b]   # why\n"
NEAT = "- list: l\n  items: [a, b]  # why\n"


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(UGLY)
    return path


def test_files_are_written_in_place(lanner: Lanner, ugly: Path) -> None:
    ran = lanner("rules", "fmt", ugly)
    assert (ran.code, ran.out, ran.err) == (0, "", "1 file laid out anew, 0 left unchanged\n")
    assert ugly.read_text() == NEAT
    assert lanner("rules", "fmt", ugly).err == "0 files laid out anew, 1 left unchanged\n"
    assert [each.name for each in ugly.parent.iterdir()] == ["rules.yaml"]


def test_mode_and_links_stay(lanner: Lanner, ugly: Path, tmp_path: Path) -> None:
    ugly.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(ugly.name)
    assert lanner("rules", "fmt", link).code == 0
    assert link.is_symlink()
    assert ugly.read_text() == NEAT
    assert stat.S_IMODE(os.stat(ugly).st_mode) == 0o640


def test_checking_writes_nothing_and_fails(lanner: Lanner, ugly: Path) -> None:
    ran = lanner("rules", "fmt", "--check", ugly)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"would be laid out anew: {ugly}\n1 file would be laid out anew, 0 left unchanged\n"
    assert ugly.read_text() == UGLY
    ugly.write_text(NEAT)
    assert lanner("rules", "fmt", "--check", ugly).code == 0


def test_the_difference_is_shown_and_nothing_written(lanner: Lanner, ugly: Path) -> None:
    ran = lanner("rules", "fmt", "--diff", ugly)
    assert ran.code == 1
    assert "\n-  items: [a,b]   # why\n+  items: [a, b]  # why\n" in ran.out
    assert ugly.read_text() == UGLY
    assert lanner("rules", "fmt", "--diff", "--color", "always", ugly).out.count("\x1b[3") >= 2


def test_standard_input_goes_to_standard_output(lanner: Lanner, ugly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = ugly.open("rb")

    monkeypatch.setattr("sys.stdin", Stdin)
    with Stdin.buffer:
        ran = lanner("rules", "fmt", "-")
    assert (ran.code, ran.out, ran.err) == (0, NEAT, "")


def test_a_folder_stands_for_its_rule_files(lanner: Lanner, ugly: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert lanner("rules", "fmt", tmp_path).err == "1 file laid out anew, 0 left unchanged\n"


def test_a_file_that_is_no_yaml_is_shown_and_others_are_laid_out(lanner: Lanner, ugly: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("- a: [\n")
    ran = lanner("rules", "fmt", broken, ugly)
    assert ran.code == 2
    assert "error[LN0102]" in ran.err
    assert ugly.read_text() == NEAT
    assert broken.read_text() == "- a: [\n"


def test_a_file_that_is_missing_is_an_error(lanner: Lanner, tmp_path: Path) -> None:
    ran = lanner("rules", "fmt", tmp_path / "none.yaml")
    assert ran.code == 2
    assert "error[LN0101]" in ran.err


def test_a_file_that_cannot_be_written_stays_as_it_was(
    lanner: Lanner, ugly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    ran = lanner("rules", "fmt", ugly)
    assert ran.code == 1
    assert f"error: cannot write `{ugly}`: no space left on device\n" in ran.err
    assert ugly.read_text() == UGLY
    assert [each.name for each in ugly.parent.iterdir()] == ["rules.yaml"]


def test_what_would_change_its_meaning_is_left_as_it_is(
    lanner: Lanner, ugly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise FormatError

    monkeypatch.setattr(rules_fmt, "format_rules", refuse)
    ran = lanner("rules", "fmt", ugly)
    assert ran.code == 2
    assert "would mean something else" in ran.err
    assert ugly.read_text() == UGLY
