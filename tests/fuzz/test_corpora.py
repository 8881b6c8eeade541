"""What fuzzers found is tried again in each run of the tests, without a fuzzer."""

from pathlib import Path

import pytest

from fuzz import corpus
from fuzz.targets import SENTINEL, TARGETS, decode, seeds


@pytest.mark.parametrize("target", TARGETS)
def test_the_inputs_that_are_kept_break_no_promise(target: str) -> None:
    inputs = [*corpus.read(target), *seeds(target)]
    assert inputs
    for data in inputs:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_a_corpus_is_kept_for_each_target(target: str) -> None:
    assert len(corpus.read(target)) > 10


def test_a_target_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.targets.SENTINEL", SENTINEL.replace(b'"verb":"sentinel"', b'"verb":"other"'))
    with pytest.raises(AssertionError, match="hidden"):
        decode(b"")


def test_a_corpus_is_the_same_file_whenever_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    assert corpus.write("x", [b"b", b"a", b"b", b"c" * (corpus.MAX_INPUT_BYTES + 1)]) == 2
    first = (corpus.FOLDER / "x.zip").read_bytes()
    corpus.write("x", [b"a", b"b"])
    assert (corpus.FOLDER / "x.zip").read_bytes() == first
    assert sorted(corpus.read("x")) == [b"a", b"b"]
