from pathlib import Path

import pytest

from lanner.rules import files
from lanner.rules.files import read_rule_files, rule_paths


def test_files_come_in_the_order_given_and_folders_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "rules.d"
    folder.mkdir()
    for name in ("b.yml", "a.yaml", "c.txt"):
        (folder / name).write_text("- list: l\n  items: []\n")
    last = tmp_path / "0.yaml"
    last.write_text("")
    found, diagnostics = read_rule_files([folder, str(last)])
    assert [Path(file.name).name for file in found] == ["a.yaml", "b.yml", "0.yaml"]
    assert not list(diagnostics)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf- x\n")
    (file,), _ = read_rule_files([path])
    assert file.text == "- x\n"


def test_every_unreadable_file_is_reported(tmp_path: Path) -> None:
    latin, nul, good = tmp_path / "latin.yaml", tmp_path / "nul.yaml", tmp_path / "good.yaml"
    latin.write_bytes(b"- a\n- \xff\n")
    nul.write_bytes(b"- a\0\n")
    good.write_text("- a\n")
    found, diagnostics = read_rule_files([tmp_path / "missing.yaml", latin, nul, good, "\0"])
    assert [file.name for file in found] == [str(good)]
    assert [each.code.code for each in diagnostics] == ["LN0101"] * 4
    messages = [each.message for each in diagnostics]
    assert "no such file or directory" in messages[0]
    assert "line 2 is not UTF-8 text" in messages[1]
    assert "NUL" in messages[2]


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 2**20)
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (2**20 + 1))
    found, diagnostics = read_rule_files([path])
    assert not found
    assert "larger than 1 MiB" in next(iter(diagnostics)).message


def test_default_names_the_rules_that_come_with_lanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("default").write_text("- mine\n")
    own, mine = rule_paths(["default", "./default"])
    shipped, diagnostics = read_rule_files([own])
    assert not list(diagnostics)
    assert [Path(file.name).name for file in shipped][:2] == ["00-macros.yaml", "10-pods-and-workloads.yaml"]
    assert [file.text for file in read_rule_files([mine])[0]] == ["- mine\n"]
