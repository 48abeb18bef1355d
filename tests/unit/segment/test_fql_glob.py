from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.segment.fql_functions import LONGEST_PATTERN, match
from consumer.segment.fql_glob import GlobError, compile_glob


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*d", "abcd", True),
        ("*", "", True),
        ("ab", "abc", False),
        ("a??d", "abcd", True),
        ("*d", "abcd", True),
        (r"ab\*d", "ab*d", True),
        ("ab[cC]d", "abCd", True),
        ("ab[a-z]d", "abcd", True),
        ("ab[A-Z]d", "abcd", False),
        ("", "", True),
        ("", "a", False),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("*a*b*c*", "abcabcabc", True),
        ("**", "x", True),
        ("a**b", "ab", True),
        ("ab[^c]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a[^a]b", "a☺b", True),
        ("a?b", "a🙂b", True),
        ("[a-ζ]*", "α", True),
        (r"[\]a]", "]", True),
        (r"[x\-]", "-", True),
        (r"[x\-]", "z", False),
        ("[z-a]", "m", False),
        ("[a-cb-d]x", "cx", True),
        ("[aa]", "a", True),
        ("ab*ba", "aba", False),  # head and tail may not overlap
        ("*ab*", "xabx", True),
        ("a]", "a]", True),
        ("^-", "^-", True),
        ("a*", "a\nb", True),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool):
    assert expected is compile_glob(pattern)(text)
    assert expected is match(text, pattern)


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^bc", "\\", "[a\\", "[]"]
)
def test_what_is_no_pattern(pattern: str):
    with pytest.raises(GlobError):
        compile_glob(pattern)
    assert match("a", pattern) is False


def naive(pattern: list[str], text: str) -> bool:
    """Backtracking, by the definition; ``pattern`` is a list of "*", "?", "^x" (not x) and single characters."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "*":
        return any(naive(rest, text[at:]) for at in range(len(text) + 1))
    if not text:
        return False
    accepted = first == "?" or text[0] == first or (len(first) == 2 and text[0] != first[1])
    return accepted and naive(rest, text[1:])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["*", "?", "a", "b", "^a"]), max_size=7), st.text("abc", max_size=8))
def test_it_matches_as_defined(pattern: list[str], text: str):
    written = "".join(f"[{part}]" if len(part) == 2 else part for part in pattern)
    assert naive(pattern, text) is compile_glob(written)(text)


def test_patterns_that_break_backtracking_engines_take_linear_time():
    text = "a" * 32_000
    matches = compile_glob("*a?" * 400 + "b")
    started = time.process_time()
    assert matches(text) is False
    assert time.process_time() - started < 1  # some 20 ms; a backtracking engine would not end


def test_a_pattern_from_the_event_is_bounded():
    assert match("a" * LONGEST_PATTERN, "a" * LONGEST_PATTERN)
    assert not match("a" * (LONGEST_PATTERN + 1), "a" * (LONGEST_PATTERN + 1))
