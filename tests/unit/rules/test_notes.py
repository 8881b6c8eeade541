"""Descriptions taken apart."""

from lanner.rules.notes import Notes, read_notes


def test_a_description_has_a_summary_false_positives_and_references() -> None:
    desc = "A pod was started.\nIt is privileged.\nFalse positives: Agents.\nReferences: https://a/b https://c/d\n"
    assert read_notes(desc) == Notes("A pod was started. It is privileged.", "Agents.", ("https://a/b", "https://c/d"))


def test_a_description_without_them_is_its_summary() -> None:
    assert read_notes("Any event") == Notes("Any event")
    assert read_notes("") == Notes("")
