"""What operators and transformers do to values."""

import base64
import ctypes
import platform
from time import perf_counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanner.compiler import semantics

ANY = st.text(max_size=12) | st.text("aA*?[]!^-\\/é\ud800\n", max_size=10)


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [("aZ9", "az9", "AZ9"), ("É ß İ", "É ß İ", "É ß İ"), ("Ab\u212a", "ab\u212a", "AB\u212a"), ("", "", "")],
)
def test_letters_other_than_ascii_keep_their_case(text: str, lower: str, upper: str) -> None:
    assert (semantics.lower(text), semantics.upper(text)) == (lower, upper)


@pytest.mark.parametrize(
    ("text", "expected"), [("/usr/bin/sh", "sh"), ("sh", "sh"), ("/usr/", ""), ("", ""), ("a/b\n", "b\n")]
)
def test_a_basename_stands_behind_the_last_slash(text: str, expected: str) -> None:
    assert semantics.basename(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aGVsbG8=", "hello"),
        ("aGVsbG8", "hello"),
        ("aGk=", "hi"),
        ("aGk", "hi"),
        ("", ""),
        ("/w==", "\ufffd"),
        ("aGVs bG8=", None),
        ("aGVsbG8=\n", None),
        ("a", None),
        ("a===", None),
        ("====", None),
        ("é", None),
        ("-_", None),
        ("\ud800", None),
    ],
)
def test_base64_gives_its_text_or_nothing(text: str, expected: str | None) -> None:
    assert semantics.b64(text) == expected


@given(st.text(max_size=20))
def test_what_was_encoded_is_decoded_with_and_without_padding(text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    assert semantics.b64(encoded) == semantics.b64(encoded.rstrip("=")) == text


@pytest.mark.parametrize(("text", "length"), [("", 0), ("abc", 3), ("é", 2), ("\U0001f600", 4), ("\ud800", 3)])
def test_a_length_is_in_bytes(text: str, length: int) -> None:
    assert semantics.byte_length(text) == length


def test_a_missing_value_makes_what_is_made_of_it_missing() -> None:
    assert semantics.concat("a", None) is None
    assert semantics.concat("a", "", "b") == "ab"
    assert semantics.join(None, ["a"]) is semantics.join(",", None) is None
    assert semantics.join(", ", ["a", "b"]) == "a, b"
    assert semantics.gather("a", None) is None
    assert semantics.gather("a", ["b", "c"], 4) == ["a", "b", "c", "4"]
    assert semantics.gather() is None
    assert semantics.each(semantics.b64, ["aGk=", "?"]) is None
    assert semantics.each(semantics.upper, ["a", "b"]) == ["A", "B"]
    assert semantics.getopt(None, "a") is semantics.getopt(["-a"], None) is None


@pytest.mark.parametrize(
    ("arguments", "options", "found"),
    [
        (["-a", "-b", "x", "-c"], "ab:c", ["a", "b", "x", "c"]),
        (["-abx", "-c"], "ab:c", ["a", "b", "x", "c"]),
        (["-z", "-a"], "a", ["?", "a"]),
        (["-b"], "b:", [""]),
        (["-a", "--", "-b"], "ab", ["a"]),
        (["-a", "file", "-b"], "ab", ["a"]),
        (["--long", "-a"], "a", ["a"]),
        (["-a", "", "-b"], "ab", ["a"]),
        (["-a", "-", "-b"], "ab", ["a"]),
        (["file"], "a", None),
        ([], "a", None),
        (["-a"], "", ["?"]),
        (["-b", "-a"], "ab:", ["b", "-a"]),
    ],
)
def test_short_options_are_listed_with_their_values(
    arguments: list[str], options: str, found: list[str] | None
) -> None:
    assert semantics.getopt(arguments, options) == found


@pytest.mark.parametrize(
    ("arguments", "wanted", "value"),
    [
        (["-b", "x", "-b", "y"], "b", "y"),
        (["-a"], "a", "a"),
        (["-a"], "b", None),
        (["-b"], "b", ""),
        (["-z"], "z", None),
    ],
)
def test_one_option_gives_its_value(arguments: list[str], wanted: str, value: str | None) -> None:
    assert semantics.getopt_value(arguments, "ab:", wanted) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("+7", 7),
        (" 7", 7),
        ("-1", 2**64 - 1),
        ("-0", 0),
        (str(2**64 - 1), 2**64 - 1),
        (str(2**64), 2**64 - 1),
        ("9" * 5000, 2**64 - 1),
        ("-" + "9" * 5000, 2**64 - 1),
        ("0x10", None),
        ("1.0", None),
        ("1e3", None),
        ("", None),
        ("7 ", None),
        ("1_0", None),
        ("\u0661", None),
    ],
)
def test_a_number_is_unsigned_and_of_64_bits(text: str, number: int | None) -> None:
    assert semantics.parse_number(text) == number


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("a.*", "abc", True),
        ("a.*", "xabc", False),
        ("b", "abc", False),
        ("a|ab", "ab", True),
        ("[[:digit:]]+", "123", True),
        ("é.", "éx", True),
        ("", "", True),
        (".*", "a\ud800b", True),
    ],
)
def test_a_regular_expression_matches_as_a_whole(pattern: str, text: str, holds: bool) -> None:
    assert semantics.regex_test(pattern)(text) is holds


def test_no_regular_expression_takes_long() -> None:
    matches = semantics.regex_test("(a|aa|a*)*b")
    start = perf_counter()
    assert not matches("a" * 100_000)
    assert perf_counter() - start < 1


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("*", "", True),
        ("a*b", "a\nxb", True),
        ("a*b", "ab\n", False),
        ("?", "é", True),
        ("?", "", False),
        ("a.c", "abc", False),
        ("a+", "aa", False),
        ("[ab]x", "bx", True),
        ("[!ab]x", "bx", False),
        ("[^ab]x", "cx", True),
        ("[a-c]", "b", True),
        ("[z-a]", "b", False),
        ("[!z-a]", "b", True),
        ("[]a]", "]", True),
        ("[!]a]", "]", False),
        ("[a-]", "-", True),
        ("[\\]]", "]", True),
        ("[a\\-c]", "b", False),
        ("[[:digit:]x]", "5", True),
        ("[[:digit:]x]", ":", False),
        ("[![:upper:]]", "a", True),
        ("[", "[", True),
        ("[a", "[a", True),
        ("[]", "[]", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("\\a", "a", True),
        ("a\\", "a\\", False),
        ("a\ud800*", "a\ufffdx", True),
    ],
)
def test_a_pattern_matches_as_in_a_shell(pattern: str, text: str, holds: bool) -> None:
    assert semantics.glob_test(pattern)(text) is holds
    assert semantics.glob(text, pattern, False) is holds


def test_a_pattern_may_take_both_cases() -> None:
    assert semantics.glob_test("A[b-d]*é", ignore_case=True)("aCxÉ")
    assert not semantics.glob_test("A[b-d]*")("aCx")


_PIECES = st.sampled_from(
    ("*", "?", "a", "Z", "\\*", "\\[", "\\\\", "\\b", "]", "-", "!", "^", ".", "[[:alpha:]]", "[![:digit:]-]")
)
_BRACKETS = st.tuples(
    st.sampled_from(("[", "[!", "[^")),
    st.sampled_from(("", "]")),
    st.lists(
        st.sampled_from(("a", "b", "Z", "[", "!", "^", "*", "?", "\\]", "\\-", "\\\\", "a-b", "X-Z", "b-a", "!-.")),
        min_size=1,
    ),
    st.sampled_from(("]", "-]")),
).map(lambda parts: f"{parts[0]}{parts[1]}{''.join(parts[2])}{parts[3]}")


@settings(max_examples=500)
@given(st.lists(_PIECES | _BRACKETS, max_size=5).map("".join), st.text("ab-]!^zZ\\*[.", max_size=4), st.booleans())
def test_patterns_mean_what_the_c_library_says(pattern: str, text: str, ignore_case: bool) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library may read a pattern in another way")
    case_fold = 16
    result = ctypes.CDLL(None).fnmatch(pattern.encode(), text.encode(), case_fold if ignore_case else 0)
    assert semantics.glob_test(pattern, ignore_case)(text) is (result == 0)


@given(ANY, ANY, st.booleans())
def test_every_text_is_a_pattern(pattern: str, text: str, ignore_case: bool) -> None:
    assert semantics.glob(text, pattern, ignore_case) in (True, False)


@given(ANY)
@example("*?[!]^a-]\\")
def test_an_escaped_text_matches_itself(text: str) -> None:
    pattern = "".join(f"\\{char}" for char in text)
    assert semantics.glob_test(pattern)(text)


@pytest.mark.parametrize("part", ["[", "*a", "?", "\\[", "[[:alpha:]", "[]", "x", "[a-é]", "*"])
@pytest.mark.parametrize("length", [semantics.MAX_GLOB, 100_000, 3_000_000])
def test_no_pattern_of_an_event_takes_long(part: str, length: int) -> None:
    pattern = (part * length)[:length]
    start = perf_counter()
    for text in ("a", "a" * (10_000_000 // semantics.MAX_GLOB), "a" * 3_000_000):
        assert semantics.glob(text, pattern, True) in (True, False)
    assert perf_counter() - start < 2


def test_a_pattern_beyond_the_bound_matches_nothing() -> None:
    assert semantics.glob_test("x" * semantics.MAX_GLOB)("x" * semantics.MAX_GLOB)
    assert not semantics.glob_test("*" * (semantics.MAX_GLOB + 1))("x")


@pytest.mark.parametrize(
    ("paths", "text", "holds"),
    [
        (["/etc"], "/etc", True),
        (["/etc"], "/etc/passwd", True),
        (["/etc"], "/etcetera", False),
        (["/etc/"], "/etc/x", True),
        (["/etc"], "//etc//x", True),
        (["/var/*/log"], "/var/a/log/x", True),
        (["/var/*/log"], "/var/a/b/log", False),
        (["/a", "/b"], "/b/c", True),
        (["/a/b"], "/a", False),
        (["/[z-a]"], "/b", False),
        (["/a"], "", False),
    ],
)
def test_a_path_lies_at_or_below_another(paths: list[str], text: str, holds: bool) -> None:
    assert semantics.path_test(paths)(text) is holds


@given(st.lists(st.text("abé.*", max_size=3), min_size=1, max_size=40), st.text("abé.*\ud800x", max_size=8))
def test_many_texts_are_found_as_one_by_one(texts: list[str], text: str) -> None:
    found = semantics.parts_of(texts)(text)
    assert sorted(found) == sorted({part for part in texts if part in text})
    assert semantics.part_test(texts)(text) is bool(found)


def test_more_texts_than_one_automaton_has_room_for_are_found() -> None:
    texts = [f"{n:06d}-some-rather-long-name-of-a-tool-that-is-looked-for" for n in range(5000)]
    find = semantics.parts_of(texts)
    assert find(f"a {texts[0]} {texts[4999]} b") == [texts[0], texts[4999]]
    assert find("nothing") == []


def test_texts_that_an_automaton_refuses_are_found_one_by_one() -> None:
    huge = "x" * 500_000
    find = semantics.parts_of([huge, "\ud800", "b"])
    assert find(f"a{huge}b") == [huge, "b"]
    assert find("\ud800") == ["\ud800"]
